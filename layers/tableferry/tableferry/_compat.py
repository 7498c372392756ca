"""Zstandard: the standard library's module of Python 3.14, or its copy for older ones."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["zstd"]
