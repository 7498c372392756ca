"""Signatures by several keys: the newest signs, each verifies, and of what none verifies it is said which is lacking."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tableferry.config.settings import Settings
from tableferry.errors import Misconfigured
from tableferry.signing import Keys

OLD, NEW = Keys.parse("old"), Keys.parse("new")
BOTH = Keys.parse('["new", "old"]')
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
)
CONTENT = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=9),
    max_size=5,
)


def test_one_key_is_the_text_and_several_are_a_list_with_the_newest_first() -> None:
    assert Keys.parse("k").secrets == (b"k",)
    assert Keys.parse("two words, and a comma").secrets == (b"two words, and a comma",)
    assert BOTH.secrets == (b"new", b"old")
    assert BOTH.ids == (*NEW.ids, *OLD.ids)
    assert Keys.parse('["k"]') == Keys.parse("k")
    assert Keys.parse("") == Keys()


@pytest.mark.parametrize("text", ["[", "[]", '[""]', "[1]", '["a", null]', '["a"', '[["a"]]', '["a"] x', " []"])
def test_a_list_of_keys_that_cannot_be_read_is_told_of_without_the_keys(text: str) -> None:
    with pytest.raises(Misconfigured, match="SIGNING_KEY") as told:
        Keys.parse(text)
    assert '"a"' not in str(told.value)
    with pytest.raises(Misconfigured, match="SIGNING_KEY"):
        Settings.from_env({"BUCKET": "b", "DATABASE_URL": "mysql://u:p@h/d", "SIGNING_KEY": text})


def test_no_key_is_shown_and_no_id_tells_it() -> None:
    env = {"BUCKET": "b", "DATABASE_URL": "mysql://u:p@h/d", "SIGNING_KEY": '["hush", "hushed"]'}
    for shown in (repr(Settings.from_env(env)), repr(Keys.parse(env["SIGNING_KEY"]))):
        assert "hush" not in shown
    assert OLD.ids[0] not in hashlib.sha256(b"old").hexdigest()


def test_the_newest_key_signs_and_each_verifies() -> None:
    by_old, by_new = OLD.sign({"a": 1}), BOTH.sign({"a": 1})
    assert by_new == NEW.sign({"a": 1})
    assert BOTH.verify({"a": 1}, by_old)
    assert BOTH.verify({"a": 1}, by_new)
    assert not OLD.verify({"a": 1}, by_new)
    assert not BOTH.verify({"a": 2}, by_old)


def test_of_what_no_key_verifies_it_is_said_which_one_is_lacking() -> None:
    assert NEW.why_not(OLD.sign({})) == (
        f"is signed with the key {OLD.ids[0]}, which this deployment does not have (it has {NEW.ids[0]})."
    )
    assert f"(it has {NEW.ids[0]}, {OLD.ids[0]}), or was altered" in BOTH.why_not(OLD.sign({}))
    assert "or was altered" in NEW.why_not({"signature": "hmac-sha256:00"})  # of before keys had ids
    assert NEW.why_not({}) == "is not signed."
    for odd in (
        {"signature": "x", "key_id": "<script>"},
        {"signature": "x", "key_id": 5},
        {"signature": 5, "key_id": []},
    ):
        assert "or was altered" in NEW.why_not(odd)


def test_a_manifests_signature_is_what_it_was_before_there_were_several_keys() -> None:
    """HMAC-SHA-256 over canonical JSON by the key itself: RFC 2104, and openssl gives the same."""
    canonical = '{"a":"é","b":[1,2.5]}'.encode()
    expected = "hmac-sha256:" + hmac.new(b"old", canonical, hashlib.sha256).hexdigest()
    assert OLD.sign({"b": [1, 2.5], "a": "é"})["signature"] == expected
    assert OLD.verify({"b": [1, 2.5], "a": "é"}, {"signature": expected})


@given(CONTENT, st.sampled_from(["", "b/k", "b/k2", "b2/k"]), st.sampled_from(["", "b/k", "b/k2", "b2/k"]))
def test_what_was_signed_verifies_after_it_was_written_and_read_and_only_in_its_place(
    content: dict[str, Any], place: str, other: str
) -> None:
    said = BOTH.sign(content, place)
    read = json.loads(json.dumps({**content, "more": said}))
    del read["more"]
    assert BOTH.verify(read if "more" not in content else content, said, place)
    assert BOTH.verify(content, said, other) == (place == other)
    assert not BOTH.verify({**content, "added": 1}, said, place) or content.get("added") == 1


@pytest.mark.parametrize(
    "signature", [None, 5, "", "x", "hmac-sha256:", ["hmac-sha256:"], "é", "hmac-sha256:" + "0" * 64]
)
def test_what_is_no_signature_verifies_nothing(signature: object) -> None:
    assert not BOTH.verify({}, {"signature": signature})


def test_without_a_key_nothing_is_signed_and_nothing_verifies() -> None:
    """An empty key would be one that everybody has."""
    for act in (lambda: Keys().sign({}), lambda: Keys().verify({}, {}), lambda: Keys().why_not({"signature": "x"})):
        with pytest.raises(Misconfigured, match="SIGNING_KEY"):
            act()
