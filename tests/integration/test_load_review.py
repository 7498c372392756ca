"""Loads at the edges of blocks, lanes and accounts."""

from tests.integration.lambdas import counts
from tests.integration.uploads import Uploads
from tests.support import Database


def test_bytes_in_base64_that_look_like_hexadecimal_digits(database: Database, uploads: Uploads) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, b VARBINARY(20))")
    account = uploads.load(b"1,AAAA\n2,abcd\n3,+/+/\n", Metadata={"binary": "base64"})
    assert counts(account) == (3, 3, 0, 0, 0)
    assert database.rows("SELECT id, HEX(b) FROM t ORDER BY id") == [(1, "000000"), (2, "69B71D"), (3, "FBFFBF")]
