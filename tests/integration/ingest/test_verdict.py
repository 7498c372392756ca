"""A file that is rejected whole for one reason: the load status says which, and what to do."""

import json

import pytest

from tests.effort import either_server, sample
from tests.support.parts import Database
from tests.support.uploads import Uploads

pytestmark = either_server

TABLE = "CREATE TABLE t (id INT NOT NULL, full_name VARCHAR(40) NOT NULL, n INT NOT NULL)"
ROWS = [f"{number},name {number},{number}" for number in range(1, 30)]


def body(change: str) -> bytes:
    lines = {
        "trailing": [f"{row}," for row in ROWS],
        "json": [f'{{"id": {number}, "full_name": "x", "n": 5}}' for number in range(9)],
        "array": ["[", *(f'{{"id": {number}, "full_name": "x", "n": 5}},' for number in range(9)), '{"id": 1}]'],
        "line": [json.dumps([{"id": number, "full_name": "x" * 20, "n": 5} for number in range(9)])],
        "long": [json.dumps([{"id": number, "full_name": "x" * 20, "n": 5} for number in range(9000)])],
        "indented": [json.dumps({"rows": [{"id": number, "full_name": "x"} for number in range(90)]}, indent=2)],
        "arrays": [json.dumps([number, "x", 5]) for number in range(9)],
        "header": ["Id,Full Name,N"],
        "said": [row.replace(",", ";") for row in ROWS],
        "returns": ["\r".join(ROWS)],
        "none": ["x,y,z" for _ in ROWS],
    }[change]
    return "\n".join(lines).encode() + b"\n"


@pytest.mark.parametrize(
    ("change", "said", "says"),
    [
        ("trailing", {}, "Each line ends in the delimiter ',', and so has one field more, which is empty"),
        ("said", {"delimiter": ","}, "The fields are separated by ';', and not by ',': say `delimiter: ;`."),
        ("returns", {}, "The lines end in CR alone"),
        ("json", {}, "The file is JSON, and not CSV"),
        *((change, {}, "The file is JSON, and not CSV") for change in ("array", "line", "long", "indented", "arrays")),
        ("header", {"header": "no"}, "'Full Name' is perhaps `full_name`"),
        ("none", {}, "All 29 rows were rejected"),
    ],
)
@sample(5)
def test_one_sentence_says_why_no_row_went_in(
    database: Database, uploads: Uploads, change: str, said: dict[str, str], says: str
) -> None:
    database.run(TABLE)
    status = uploads.load(body(change), Metadata={"max-rejects": "100%", **said})
    assert (status["state"], status["inserted"]) == ("rejected", 0)
    assert says in status["reason"]
    if change != "none":
        assert not status["reason"].startswith("All ")
    assert f"All {status['rejected']} rows were rejected" in status["reason"]
