"""Every type of column: what is stored reads back as what was sent, and what does not fit is a reject, never altered."""

from decimal import Decimal
from typing import Any

import pytest

from functions.insert.app import handler
from tableferry.values import dump
from tests.integration.lambdas import Answer, counts, problems, request
from tests.support import Database, not_applicable


def post(body: object, **options: Any) -> Answer:
    return request(handler, "POST", "/tables/t/rows", body=body, **options)


def number(text: str) -> Any:
    """Marks a number that goes into the JSON just as it is written here."""
    return Decimal(text)


# The column's type, how it is read, the good values with what is read, the bad ones with their codes.
CASES: dict[str, tuple[str, str, dict[Any, Any], dict[Any, str]]] = {
    "tinyint": ("TINYINT", "c", {-128: -128, "+127": 127, True: 1, number("1.0"): 1, number("1e2"): 100}, {
        128: "out_of_range", "-129": "out_of_range", number("1.5"): "invalid", "1.0": "invalid", " 1": "invalid", "": "invalid",
        "٣": "invalid", "0x10": "invalid", "1e2": "invalid"}),
    "bigint": ("BIGINT UNSIGNED", "c", {2**64 - 1: 2**64 - 1, str(2**64 - 1): 2**64 - 1, 0: 0, "-0": 0}, {
        2**64: "out_of_range", -1: "out_of_range"}),
    "signed": ("BIGINT", "c", {-(2**63): -(2**63), 2**63 - 1: 2**63 - 1}, {2**63: "out_of_range"}),
    "decimal": ("DECIMAL(20,6)", "CAST(c AS CHAR)", {
        number("0.100000"): "0.100000", number("12345678901234.123456"): "12345678901234.123456", "-1.5": "-1.500000",
        number("1e-6"): "0.000001", number("1.2300000000"): "1.230000", "1E3": "1000.000000", 7: "7.000000"}, {
        number("0.1234567"): "out_of_range", number("123456789012345"): "out_of_range", "1,5": "invalid", True: "invalid"}),
    "unsigned": ("DECIMAL(5,2) UNSIGNED", "CAST(c AS CHAR)", {"0": "0.00", number("-0.0"): "0.00", "999.99": "999.99"}, {
        "-0.01": "out_of_range", "1000": "out_of_range"}),
    "wide": ("DECIMAL(65,30)", "CAST(c AS CHAR)", {"9" * 35 + "." + "9" * 30: "9" * 35 + "." + "9" * 30}, {}),
    "double": ("DOUBLE", "c", {number("0.1"): 0.1, number("1.7976931348623157e308"): 1.7976931348623157e308,
        "5e-324": 5e-324, 3: 3.0}, {number("1e309"): "out_of_range", "NaN": "invalid", "inf": "invalid"}),
    "float": ("FLOAT", "c * 1e0", {number("0.5"): 0.5, number("16777216"): 16777216.0}, {number("3.5e38"): "out_of_range"}),
    "date": ("DATE", "CAST(c AS CHAR)", {"2024-02-29": "2024-02-29", "0001-01-01": "0001-01-01", "9999-12-31": "9999-12-31"}, {
        "2023-02-29": "invalid", "0000-00-00": "invalid", "2024-2-1": "invalid", "2024-02-29T00:00:00Z": "invalid", 20240229: "invalid"}),
    "datetime": ("DATETIME(6)", "CAST(c AS CHAR)", {
        "2021-07-27T16:02:08.123456Z": "2021-07-27 16:02:08.123456", "2021-07-27 16:02": "2021-07-27 16:02:00.000000",
        "2021-07-27T16:02:08.5+05:30": "2021-07-27 10:32:08.500000", "2021-07-27": "2021-07-27 00:00:00.000000",
        "2021-07-27T16:02:08.123456000Z": "2021-07-27 16:02:08.123456"}, {
        "2021-07-27T16:02:08.1234567Z": "out_of_range", "2021-07-27T24:00:00Z": "invalid", "2021-07-27T16:02:60Z": "invalid",
        "2021-07-27T16:02+01Z": "invalid", "9999-12-31T23:59:59-01:00": "invalid"}),
    "seconds": ("DATETIME", "CAST(c AS CHAR)", {"2021-07-27T16:02:08.000Z": "2021-07-27 16:02:08"}, {
        "2021-07-27T16:02:08.9Z": "out_of_range"}),
    "timestamp": ("TIMESTAMP NULL", "UNIX_TIMESTAMP(c)", {"1970-01-01T00:00:01Z": 1, "2038-01-19T03:14:07Z": 2**31 - 1}, {
        "1970-01-01T00:00:00Z": "out_of_range", "2038-01-19T03:14:08Z": "out_of_range"}),
    "time": ("TIME", "CAST(c AS CHAR)", {"16:02:08": "16:02:08", "-838:59:59": "-838:59:59", "16:02": "16:02:00", "1:02:03.00": "01:02:03"}, {
        "839:00:00": "out_of_range", "16:60:00": "invalid", "16": "invalid", "16:02:08.7": "out_of_range"}),
    "instant": ("TIME(3)", "CAST(c AS CHAR)", {"16:02:08.7": "16:02:08.700", "16:02:08.1230": "16:02:08.123"}, {
        "16:02:08.1234": "out_of_range"}),
    "year": ("YEAR", "c", {2155: 2155, "1901": 1901, "0000": 0}, {1900: "out_of_range", "21": "invalid", 0: "invalid"}),
    "bit": ("BIT(64)", "c + 0", {2**64 - 1: 2**64 - 1, "5": 5, True: 1, 0: 0}, {2**64: "out_of_range", -1: "out_of_range", "x": "invalid"}),
    "enum": ("ENUM('a','B','it''s','1','')", "c", {"a": "a", "b": "B", "it's": "it's", "1": "1", "": ""}, {
        "c": "not_allowed", ("a",): "invalid", 1: "invalid", "2": "not_allowed"}),
    "exact": ("ENUM('a','A','ä') COLLATE utf8mb4_bin", "c", {"a": "a", "A": "A", "ä": "ä"}, {}),
    "set": ("SET('x','y','z')", "c", {"x,z": "x,z", "z,x": "x,z", "": "", "Y": "y"}, {"x,w": "not_allowed"}),
    "hex": ("VARBINARY(4)", "HEX(c)", {"00ff": "00FF", "0xAB": "AB", "": "", "00000000": "00000000"}, {
        "0011223344": "too_long", "abc": "invalid", "zz": "invalid", 7: "invalid"}),
    "blob": ("TINYBLOB", "HEX(c)", {"22" * 255: "22" * 255}, {"00" * 256: "too_long"}),
    "varchar": ("VARCHAR(3)", "c", {"☃😀é": "☃😀é", 'a"b': 'a"b', "\\N": "\\N", "a\0b": "a\0b", "\r\n,": "\r\n,", "": ""}, {
        "abcd": "too_long", 5: "invalid", "    ": "too_long"}),
    "null": ("VARCHAR(9)", "c", {"NULL": "NULL", "\\N": "\\N", None: None, "DEFAULT": "DEFAULT"}, {}),
    "text": ("TINYTEXT", "c", {"é" * 127: "é" * 127}, {"é" * 128: "too_long"}),
    "latin1": ("VARCHAR(9) CHARACTER SET latin1", "c", {"Größe €": "Größe €"}, {"☃": "encoding", "ł": "encoding"}),
    "utf8mb3": ("VARCHAR(9) CHARACTER SET utf8mb3", "c", {"☃": "☃"}, {"😀": "encoding"}),
    "ascii": ("VARCHAR(9) CHARACTER SET ascii", "c", {"~": "~"}, {"é": "encoding"}),
    "latin2": ("VARCHAR(9) CHARACTER SET latin2", "c", {"ł": "ł"}, {"☃": "invalid"}),
    "uuid": ("UUID", "c", {"123e4567-e89b-12d3-a456-426655440000": "123e4567-e89b-12d3-a456-426655440000"}, {"nope": "invalid"}),
    "inet6": ("INET6", "c", {"::1": "::1", "192.0.2.1".join(["::ffff:", ""]): "::ffff:192.0.2.1"}, {"nope": "invalid"}),
    "point": ("POINT", "c", {None: None}, {"POINT(1 1)": "invalid"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_a_value_is_stored_as_it_was_sent_or_rejected(database: Database, kind: str) -> None:
    column, expression, good, bad = CASES[kind]
    if kind in ("uuid", "inet6") and not database.mariadb:
        not_applicable(f"no type {column}")
    database.run(f"CREATE TABLE t (c {column}, n INT AUTO_INCREMENT UNIQUE) CHARACTER SET utf8mb4")
    for given in ([*good], [*good, *bad]):  # with a bad row among them the good ones take another way
        database.run("TRUNCATE TABLE t")
        rows = [{"c": value} for value in given]
        answer = post(dump(rows))
        rejected = len(given) - len(good)
        assert counts(answer.json) == (len(given), len(good), 0, rejected, 0), answer.text
        assert problems(answer.json) == [
            (row, "c", code) for row, code in enumerate(bad.values(), len(good) + 1) if rejected
        ]
        assert [found for (found,) in database.rows(f"SELECT {expression} FROM t ORDER BY n")] == [*good.values()]


def test_json_of_any_form_goes_into_a_json_column(database: Database) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, doc JSON)")
    rows = (
        '[[1, {"a": [1.10, 1e2, null, "☃"]}], [2, [1, 2]], [3, 12345678901234567890.5], [4, true], [5, "\\"text\\""]]'
    )
    assert post(rows).status == 201
    assert post('6,"{""a"": 1}"\n7,\n8,5\n', headers={"content-type": "text/csv"}).status == 201
    found = database.rows("SELECT JSON_EXTRACT(doc, '$.a[3]'), JSON_TYPE(doc) FROM t ORDER BY id")
    assert [kind for _, kind in found][:2] == ["OBJECT", "ARRAY"]
    assert found[0][0] == '"☃"'
    assert [kind for _, kind in found][3:] == ["BOOLEAN", "STRING", "OBJECT", None, "INTEGER"]
    answer = post([[9, "[" * 5000 + "]" * 5000], [10, "{"], [11, "NaN"]])
    assert answer.status == 422
    assert {(column, code) for _, column, code in problems(answer.json)} <= {("doc", "invalid"), ("", "check")}
    assert counts(answer.json) == (3, 0, 0, 3, 0)


def test_a_trigger_that_signals_refuses_its_row_alone(database: Database) -> None:
    database.run(
        "CREATE TABLE t (id INT PRIMARY KEY, n INT)",
        "CREATE TRIGGER odd BEFORE INSERT ON t FOR EACH ROW IF NEW.n % 2 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT"
        " = 'odd'; END IF",
    )
    answer = post([[n, n] for n in range(10)])
    assert counts(answer.json) == (10, 5, 0, 5, 0)
    assert problems(answer.json) == [(row, "", "refused") for row in (2, 4, 6, 8, 10)]
    assert database.rows("SELECT n FROM t ORDER BY id") == [(n,) for n in range(0, 10, 2)]


def test_a_trigger_that_fills_in_is_let(database: Database) -> None:
    database.run(
        "CREATE TABLE t (id INT PRIMARY KEY, n INT)",
        "CREATE TRIGGER fill BEFORE INSERT ON t FOR EACH ROW SET NEW.n = COALESCE(NEW.n, 7)",
    )
    assert post([[1, None], [2, 3]]).status == 201
    assert database.rows("SELECT * FROM t ORDER BY id") == [(1, 7), (2, 3)]


def test_a_check_that_is_not_met_is_named(database: Database) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, n INT, CONSTRAINT small CHECK (n < 5))")
    answer = post([[1, 4], [2, 5], [3, None]])
    assert problems(answer.json) == [(2, "", "check")]
    assert "small" in answer.json["errors"][0]["message"]
    assert counts(answer.json) == (3, 2, 0, 1, 0)


def test_a_row_that_no_partition_takes_is_rejected(database: Database) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN (10))")
    answer = post([[9], [10]])
    assert problems(answer.json) == [(2, "", "not_allowed")]
    assert database.rows("SELECT id FROM t") == [(9,)]
