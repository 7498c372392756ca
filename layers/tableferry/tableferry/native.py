"""The native library, where it was compiled: native.c has what is in it."""

import ctypes
from pathlib import Path

VERSION = 1


def load() -> ctypes.CDLL | None:
    """The library beside this module; None where there is none, or one of another version."""
    try:
        library = ctypes.CDLL(str(Path(__file__).with_name("libnative.so")))
    except OSError:
        return None
    library.tableferry_native_version.restype = ctypes.c_uint32
    return library if library.tableferry_native_version() == VERSION else None
