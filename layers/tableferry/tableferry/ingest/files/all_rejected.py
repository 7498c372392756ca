"""Why every row of a file was rejected, where the file itself is the reason: one sentence that says what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from tableferry.config.load_options import DELIMITERS
from tableferry.ingest.files.header import meant
from tableferry.ingest.files.rejects import Described, parsed
from tableferry.schema.table import Table

_LOOKED_AT = 50
_FIRST_BYTES = 256 * 1024
_LONGEST_WORD = 6  # of JSON, which may be cut within it, as \u0041


def verdict(table: Table, described: Described, rejects: Iterable[bytes]) -> str | None:
    """The one reason of a file, read as described, of which every row is among the ``rejects``; None if none is seen.

    Memory: the first 256 KiB of the rejects, or the first of them, which are all that is looked at, and a piece.
    """
    texts = _texts(rejects)
    if not texts:
        return None
    count = len(described.get("columns", table.visible))
    delimiter = described.get("delimiter", ",")
    return (
        _json(table, texts)
        or _line_ends(texts)
        or _wide(texts)
        or _one_field_more(texts, delimiter, count)
        or _other_delimiter(texts, delimiter, count)
        or _unknown_header(table, texts[0], delimiter)
    )


def _texts(rejects: Iterable[bytes]) -> list[str]:
    head = b""
    for piece in rejects:
        head += piece
        if len(head) >= _FIRST_BYTES and b"\n" in head:
            break
    found = (parsed(line) for line in head.split(b"\n")[:_LOOKED_AT])
    return [str(reject["text"]) for reject in found if reject is not None]


def _json(table: Table, texts: Sequence[str]) -> str | None:
    """JSON Lines, or one value on one line or many, of which this may be the beginning."""
    if all(_is_json(text.strip().strip(",")) for text in texts) or _is_json("\n".join(texts).strip(), cut=True):
        return f"The file is JSON, and not CSV: write it as CSV, or send its rows to POST /tables/{table.name}/rows."
    return None


def _is_json(text: str, *, cut: bool = False) -> bool:
    """Whether a text is an object or an array, or with ``cut`` the beginning of one."""
    if not text.startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return cut and (error.pos >= len(text) - _LONGEST_WORD or error.msg.startswith("Unterminated string"))
    except (ValueError, RecursionError):
        return False
    return True


def _line_ends(texts: Sequence[str]) -> str | None:
    if len(texts) == 1 and re.search(r"\r(?!\n|\Z)", texts[0]):
        return "The lines end in CR alone, so that the whole file is one line: let them end in LF or CRLF."
    return None


def _wide(texts: Sequence[str]) -> str | None:
    signs = sum(map(len, texts))
    if 4 * sum(text.count("\0") for text in texts) >= signs:
        return "Every second byte is a zero, as in UTF-16: save the file as UTF-8."
    return None


def _one_field_more(texts: Sequence[str], delimiter: str, count: int) -> str | None:
    if all(text.endswith(delimiter) and text.count(delimiter) == count for text in texts):
        return f"Each line ends in the delimiter {_shown(delimiter)}, and so has one field more, which is empty: take it off."
    return None


def _other_delimiter(texts: Sequence[str], delimiter: str, count: int) -> str | None:
    if count < 2 or any(text.count(delimiter) == count - 1 for text in texts):
        return None
    for other in DELIMITERS:
        if other != delimiter and all(text.count(other) == count - 1 for text in texts):
            return f"The fields are separated by {_shown(other)}, and not by {_shown(delimiter)}: say `delimiter: {_said(other)}`."
    return None


def _unknown_header(table: Table, first: str, delimiter: str) -> str | None:
    """Names that are those of columns but for spaces, signs and case."""
    for field in first.split(delimiter):
        if column := meant(table, field):
            return (
                f"The first line seems to be a header whose names are not those of the columns: {field.strip()[:64]!r} is perhaps "
                f"`{column.name}`. Name them as the table does."
            )
    return None


def _said(delimiter: str) -> str:
    return "tab" if delimiter == "\t" else delimiter


def _shown(delimiter: str) -> str:
    return "tabs" if delimiter == "\t" else repr(delimiter)
