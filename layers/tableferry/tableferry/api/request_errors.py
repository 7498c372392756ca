"""What is wrong with a request, in words: the one table from the types of errors that pydantic finds to what we say."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from tableferry.config.load_options import Means

WORDS = {
    "missing": "is missing",
    "extra_forbidden": "unknown field",
    "string_type": "must be a string, not {kind}",
    "string_unicode": "must be text in UTF-8, without halves of a character (\\ud800 to \\udfff)",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters, not {length}",
    "string_pattern_mismatch": "must be {means}, not {value}",
    "int_type": "must be a whole number, not {kind}",
    "int_parsing": "must be a whole number, not {value}",
    "int_parsing_size": "must be a whole number of fewer digits, not {value}",
    "int_from_float": "must be a whole number, not {value}",
    "finite_number": "must be a whole number, not {value}",
    "greater_than_equal": "must be {ge} or more, not {value}",
    "less_than_equal": "must be {le} or less, not {value}",
    "bool_type": "must be true or false, not {kind}",
    "bool_parsing": "must be true or false, not {value}",
    "list_type": "must be a list, not {kind}",
    "dict_type": "must be an object, not {kind}",
    "model_type": "must be an object, not {kind}",
    "model_attributes_type": "must be an object, not {kind}",
    "literal_error": "must be one of {choices}, not {value}",
    "enum": "must be one of {choices}, not {value}",
}
"""By pydantic's type of error (https://docs.pydantic.dev/latest/errors/validation_errors/); a test finds all that our
models can produce."""

_OTHER = "is not a value that can be taken here"
_MOST_SAID, _LONGEST = 10, 60


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a request something is: what it is called, and its type, as far as it is known."""

    label: str
    annotation: Any = None
    means: str | None = None
    one_of_many: bool = False
    """Whether the error is that of one type of several which the value may have."""


def worded(found: Sequence[Mapping[str, Any]], body: Any = None, parameters: Mapping[str, Any] | None = None) -> str:
    """Say what is wrong, a sentence for each thing, ten at most.

    ``found`` is what pydantic found, each ``loc`` beginning with ``body``, ``query``, ``path`` or ``header``. ``body`` is
    the type of the body, ``parameters`` are those of path, query and headers, by name: they tell the fields that there are
    and the choices that a value has.
    """
    said = dict.fromkeys(_sentences(found, body, parameters or {}))  # what may be a number or a text fails by both
    more = len(said) - _MOST_SAID
    return " ".join([*list(said)[:_MOST_SAID], *([f"And {more} more."] if more > 0 else [])])


def meant(given: str, known: Collection[str]) -> str | None:
    """Which of the known words somebody had in mind who wrote another one, if any is like it."""
    import difflib  # only for a request that is refused

    found = difflib.get_close_matches(given.lower(), [word.lower() for word in known], n=1)
    return next((word for word in known if found and word.lower() == found[0]), None)


def _sentences(found: Sequence[Mapping[str, Any]], body: Any, parameters: Mapping[str, Any]) -> Iterator[str]:
    for error in found:
        source, *parts = error["loc"]
        place = _in_body(parts, body) if source == "body" else _parameter(source, str(parts[0]), parameters)
        kind = str(error["type"])
        if kind == "extra_forbidden":
            yield f"{place.label}: {WORDS[kind]}{_instead(parts, body)}"
        elif kind == "missing" and not parts:
            yield f"The body is missing: send an object{_with_required(body)}."
        else:
            yield f"{place.label} {_said(kind, error, place)}."


def _said(kind: str, error: Mapping[str, Any], place: _Place) -> str:
    given = error.get("input")
    if place.one_of_many:
        kind = "string_pattern_mismatch"
    words = WORDS.get(kind, _OTHER)
    if "{means}" in words and place.means is None:
        words = _OTHER
    known = {
        "kind": _kind(given),
        "value": _shown(given),
        "length": len(given) if isinstance(given, str) else 0,
        "means": place.means,
        "choices": _listed(_choices(place.annotation)),
    }
    return words.format_map(known | dict(error.get("ctx") or {}))


def _parameter(source: str, name: str, parameters: Mapping[str, Any]) -> _Place:
    annotation, means = _plain(parameters.get(name))
    label = f"The header {_shown(name.title())}" if source == "header" else f"The {source}'s {_shown(name)}"
    return _Place(label, annotation, means)


def _in_body(parts: Sequence[Any], annotation: Any) -> _Place:
    """The place that the parts of a location lead to: ``("tables", 0)`` is ``"tables[0]"``."""
    label, means, one_of_many = "", None, False
    for part in parts:
        annotation, said = _plain(annotation)
        means = said or means
        if part == "[key]":
            return _Place(f"The name {_shown(str(parts[-2]))} in {_shown(str(parts[-3]))}", str)
        if get_origin(annotation) in (Union, UnionType):
            one_of_many = True
            break
        if part in _fields(annotation):
            field = _fields(annotation)[part]
            annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        else:
            annotation = (get_args(annotation) or (None,))[-1]
        label += f"[{part}]" if isinstance(part, int) else f".{part}" if label else str(part)
    annotation, said = _plain(annotation)
    return _Place(_shown(label) if label else "The body", annotation, said or means, one_of_many)


def _plain(annotation: Any) -> tuple[Any, str | None]:
    """A type without what is said beside it and without None, and what its values have to be, in words."""
    means = None
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *beside = get_args(annotation)
            means = next((one.words for one in beside if isinstance(one, Means)), means)
        elif get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation):
            rest = [one for one in get_args(annotation) if one is not NoneType]
            annotation = rest[0] if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007  # of types that are known only now
        else:
            return annotation, means


def _instead(parts: Sequence[Any], body: Any) -> str:
    """What a field that there is not may have been meant to be, or all that there are."""
    *above, name = parts
    known = list(_fields(_in_body(above, body).annotation))
    if (near := meant(str(name), known)) is not None:
        return f"; did you mean {_shown(near)}?"
    return f"; there are {', '.join(map(_shown, known))}." if known else "; there are none."


def _fields(annotation: Any) -> Mapping[str, Any]:
    known = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation.model_fields if known else {}


def _with_required(annotation: Any) -> str:
    fields = _fields(_plain(annotation)[0])
    needed = [_shown(name) for name, field in fields.items() if field.is_required()]
    return f" with {_listed(needed, 'and')}" if needed else ""


def _choices(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [_shown(one) for one in get_args(annotation)]
    known = isinstance(annotation, type) and issubclass(annotation, Enum)
    return [_shown(one.value) for one in annotation] if known else []


def _listed(words: Sequence[str], joint: str = "or") -> str:
    return f" {joint} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _kind(value: Any) -> str:
    """What JSON calls a value."""
    if value is None:
        return "null"
    names: list[tuple[type | tuple[type, ...], str]] = [
        (bool, "a boolean"), ((int, float), "a number"), (str, "a string"), (Mapping, "an object"), (list, "a list")
    ]  # fmt: skip
    return next((name for kind, name in names if isinstance(value, kind)), "something else")


def _shown(value: Any) -> str:
    """A value as JSON, shortened; what has parts is named by its kind."""
    if isinstance(value, str):
        text = json.dumps(value[:_LONGEST] + ("…" if len(value) > _LONGEST else ""), ensure_ascii=False)
        return text.encode("utf-8", "backslashreplace").decode()  # a half of a character cannot be sent as it is
    if isinstance(value, int) and abs(value) >= 10**_LONGEST:  # Python itself writes none that is much longer
        return f"a number of more than {_LONGEST} digits"
    return json.dumps(value) if value is None or isinstance(value, bool | int | float) else _kind(value)
