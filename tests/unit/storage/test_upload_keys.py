"""Which objects under uploads/ are uploads."""

import pytest

from tableferry.storage.object_keys import upload_table
from tableferry.storage.upload_keys import advice, is_beside


@pytest.mark.parametrize(
    "key",
    [
        "uploads/t/_SUCCESS", "uploads/t/2026/_SUCCESS", "uploads/t/._SUCCESS.crc", "uploads/t/.part-0.csv.crc",
        "uploads/t/_temporary/0/part-0.csv", "uploads/t/day=1/_temporary/0/task/part-0.csv", "uploads/t_$folder$",
        "uploads/t/x_$folder$", "uploads/t/_started_123", "uploads/t/_committed_123", "uploads/t/.DS_Store",
        "uploads/_SUCCESS", "uploads/t/.spark-staging-1/part-0.csv",
    ],
)  # fmt: skip
def test_what_tools_put_beside_uploads_is_none(key: str) -> None:
    assert is_beside(key)


@pytest.mark.parametrize(
    "key",
    [
        "uploads/t/a.csv", "uploads/t/_SUCCESS.csv", "uploads/t/success", "uploads/_temporary/a.csv", "uploads/t/_a.csv",
        "uploads/t/.a.csv", "uploads/t/a.crc.csv", "uploads/t/folder.csv", "uploads/t/2026/11/a.csv.gz", "uploads/a.csv",
    ],
)  # fmt: skip
def test_every_other_object_is_one(key: str) -> None:
    assert not is_beside(key)


def test_the_table_is_the_first_folder() -> None:
    assert upload_table("uploads/t/a.csv") == "t"
    assert upload_table("uploads/a%2Fb/2026/a.csv") == "a/b"
    for key in ("uploads/a.csv", "uploads//a.csv", "uploads/t/", "other/t/a.csv", "uploads/"):
        assert upload_table(key) is None
    assert "uploads/{table}/a.csv" in advice("uploads/a.csv")
