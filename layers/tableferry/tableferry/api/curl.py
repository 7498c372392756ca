"""Commands that send what an answer is about, for people to copy."""

from __future__ import annotations

import shlex
from collections.abc import Mapping


def form(url: str, fields: Mapping[str, str], filename: str) -> str:
    """A curl command that posts a form with these fields and a file of this name in the current folder, as ``file``.

    Source of the quoting: https://curl.se/docs/manpage.html#-F. Fields go as ``--form-string``, in which no character
    means anything; in a file's name, quotes and backslashes are escaped.
    """
    escaped = filename.replace("\\", "\\\\").replace('"', '\\"')
    said = [part for name, text in fields.items() for part in ("--form-string", f"{name}={text}")]
    return shlex.join(["curl", "--fail-with-body", *said, "-F", f'file=@"{escaped}"', url])
