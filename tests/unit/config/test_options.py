"""What may be said of a batch or a file: in the table's setting, in the object's metadata, in the request."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as given_values
from hypothesis import strategies as st

from tableferry.config.load_options import (
    NAMES,
    Binary,
    Escape,
    HeaderLine,
    LoadOptions,
    OnDuplicate,
    Options,
    Quote,
    as_metadata,
    chosen,
)
from tableferry.config.reject_limit import Limit
from tableferry.errors import InvalidRequest

SAID: dict[str, list[tuple[Any, Any]]] = {
    "on_duplicate": [("reject", OnDuplicate.REJECT), ("ignore", OnDuplicate.IGNORE), ("update", OnDuplicate.UPDATE)],
    "null": [("", ""), ("empty", ""), ("\\N", "\\N"), ("NULL", "NULL")],
    "binary": [("hex", Binary.HEX), ("base64", Binary.BASE64)],
    "max_rejects": [
        ("0", Limit(rows=0)),
        ("100", Limit(rows=100)),
        (0, Limit(rows=0)),
        (7, Limit(rows=7)),
        ("0%", Limit(share=Decimal(0))),
        ("5%", Limit(share=Decimal("0.05"))),
        ("0.5%", Limit(share=Decimal("0.005"))),
        ("100%", Limit(share=Decimal(1))),
        ("100+5%", Limit(rows=100, share=Decimal("0.05"))),
    ],
    "max_ratio": [("1", 1), (200, 200), ("999999", 999_999)],
    "delimiter": [(",", ","), (";", ";"), ("\t", "\t"), ("tab", "\t"), ("|", "|")],
    "header": [("yes", HeaderLine.YES), ("no", HeaderLine.NO), ("auto", HeaderLine.AUTO)],
    "escape": [("\\", Escape.BACKSLASH), ("none", Escape.NONE)],
    "quote": [('"', Quote.DOUBLE), ("none", Quote.NONE)],
}
WRONG: list[tuple[str, Any, str]] = [
    ("on_duplicate", "replace", "reject, ignore, update"),
    ("on_duplicate", "", "reject, ignore, update"),
    ("on_duplicate", 1, "reject, ignore, update"),
    ("null", "a,b", r"\\N"),
    ("binary", "base16", "hex or base64"),
    ("binary", ["hex"], "hex or base64"),
    ("max_rejects", "-1", "a number of rows"),
    ("max_rejects", -1, "a number of rows"),
    ("max_rejects", "1.5", "a number of rows"),
    ("max_rejects", 1.5, "a number of rows"),
    ("max_rejects", True, "a number of rows"),
    ("max_rejects", "101%", "a share"),
    ("max_rejects", "5 %", "a share"),
    ("max_rejects", "", "a number of rows"),
    ("max_rejects", "5+", "a number of rows"),
    ("max_rejects", "+5%", "a number of rows"),
    ("max_rejects", "5%+5", "a number of rows"),
    ("max_rejects", "5+101%", "a share"),
    ("max_rejects", "5 + 5%", "a share"),
    ("max_ratio", "0", "from 1 on"),
    ("max_ratio", 0, "from 1 on"),
    ("max_ratio", True, "from 1 on"),
    ("max_ratio", "1.5", "from 1 on"),
    ("max_rejects", "\u0665", "a number of rows"),
    ("delimiter", ":", "tab"),
    ("delimiter", ";;", "tab"),
    ("delimiter", "", "tab"),
    ("delimiter", 5, "tab"),
    ("header", "true", "auto, yes, no"),
    ("header", True, "auto, yes, no"),
    ("escape", "/", "INTO OUTFILE"),
    ("quote", "'", '" or none'),
]


@pytest.mark.parametrize(("name", "value", "read"), [(name, *pair) for name, pairs in SAID.items() for pair in pairs])
def test_each_option_is_read_in_every_place(name: str, value: object, read: object) -> None:
    assert getattr(chosen({name: value}), name) == read
    assert getattr(chosen(given={name: value}), name) == read
    if isinstance(value, str):
        assert getattr(chosen(metadata={name.replace("_", "-"): value}), name) == read


@pytest.mark.parametrize(("name", "value", "choices"), WRONG)
def test_a_value_that_an_option_cannot_have_is_refused_with_its_place(name: str, value: object, choices: str) -> None:
    with pytest.raises(InvalidRequest, match=f"(?s)^The table's setting .*{name} is .*{choices}"):
        chosen({name: value})
    with pytest.raises(InvalidRequest, match=f"(?s)^The request's {name} is .*{choices}"):
        chosen(given={name: value})
    if isinstance(value, str):
        spelled = name.replace("_", "-")
        with pytest.raises(InvalidRequest, match=f"(?s)^The file's metadata {spelled} is .*{choices}"):
            chosen(metadata={spelled: value})


def test_what_json_may_say_and_what_holds_are_the_same_options() -> None:
    assert set(NAMES) == set(SAID) == set(LoadOptions.model_fields)
    assert set(NAMES) == {option.name for option in fields(Options)} - {"said"}


def test_the_request_goes_before_the_metadata_and_that_before_the_setting() -> None:
    setting = {"on_duplicate": "ignore", "binary": "base64", "null": "\\N"}
    metadata = {"on-duplicate": "update", "binary": "hex", "max-rejects": "5%"}
    assert chosen(setting, metadata, {"on_duplicate": "reject", "delimiter": None}) == Options(
        OnDuplicate.REJECT, "\\N", Binary.HEX, Limit(share=Decimal("0.05")), None
    )
    assert chosen(setting).on_duplicate is OnDuplicate.IGNORE
    assert chosen() == Options()


def test_with_escapes_null_is_their_sequence_unless_another_is_said() -> None:
    assert chosen(given={"escape": "\\"}).null == "\\N"
    assert chosen({"null": ""}, given={"escape": "\\"}).null == ""
    assert chosen(given={"escape": "none"}).null == ""


def test_what_is_no_option_is_refused_but_in_metadata_which_may_be_for_others() -> None:
    assert chosen(metadata={"owner": "hr", "on_duplicate": "nonsense"}) == Options()
    with pytest.raises(InvalidRequest, match="'nul' is no option; there are on_duplicate, null, "):
        chosen({"nul": "\\N"})
    with pytest.raises(InvalidRequest, match="'nul' is no option"):
        chosen(given={"nul": "\\N"})


@pytest.mark.parametrize(("name", "value", "read"), [(name, *pair) for name, pairs in SAID.items() for pair in pairs])
def test_what_a_request_says_is_carried_by_metadata_unaltered(name: str, value: object, read: object) -> None:
    written = as_metadata({name: value})
    [text] = written.values()
    assert text.isprintable()
    assert text.strip() == text != ""
    assert getattr(chosen(metadata=written), name) == read


@pytest.mark.parametrize(
    ("limit", "rejected", "read", "over"),
    [
        ("0", 0, 10, False),
        ("0", 1, 10, True),
        ("2", 2, 2, False),
        ("2", 3, 9, True),
        ("0%", 0, 10, False),
        ("0%", 1, 10, True),
        ("5%", 5, 100, False),
        ("5%", 6, 100, True),
        ("29%", 29, 100, False),  # 0.29 * 100 is less than 29 in binary
        ("100%", 10, 10, False),
        ("5%", 0, 0, False),
        ("2+10%", 3, 10, False),
        ("2+10%", 4, 10, True),
        ("0+0%", 1, 10, True),
    ],
)
def test_a_limit_is_exceeded_by_what_is_over_it(limit: str, rejected: int, read: int, over: bool) -> None:
    found = chosen(given={"max_rejects": limit}).max_rejects
    assert found is not None
    assert found.exceeded(rejected, read) is over
    assert str(found) == limit


@given_values(st.integers(0, 100), st.integers(1, 10**6))
def test_a_share_is_reckoned_exactly(percent: int, hundreds: int) -> None:
    limit = Limit(share=Decimal(percent) / 100)
    assert not limit.exceeded(percent * hundreds, 100 * hundreds)
    assert limit.exceeded(percent * hundreds + 1, 100 * hundreds)


def test_unless_it_is_said_a_tenth_of_a_large_file_may_be_rejected_and_a_small_one_whole() -> None:
    limit = chosen().max_rejects
    assert not limit.exceeded(10_000, 10_000)
    assert not limit.exceeded(30_000, 1_000_000)
    assert limit.exceeded(12_500, 12_500)
    assert limit.exceeded(200_000, 1_000_000)
