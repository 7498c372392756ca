"""Every type of column: what is stored reads back as what was sent, and what does not fit is a reject, never altered."""

from decimal import Decimal
from typing import Any

import pytest

from functions.insert.app import handler
from tableferry.ingest.rows import charsets
from tableferry.ingest.rows.values import dump
from tableferry.mysql import local_infile
from tests.effort import sample
from tests.support.lambdas import Answer, counts, problems, request
from tests.support.parts import Database, not_applicable


def post(body: object, **options: Any) -> Answer:
    return request(handler, "POST", "/tables/t/rows", body=body, **options)


def number(text: str) -> Any:
    """Marks a number that goes into the JSON just as it is written here."""
    return Decimal(text)


# The column's type, how it is read, the good values with what is read, the bad ones with their codes.
CASES: dict[str, tuple[str, str, dict[Any, Any], dict[Any, str]]] = {
    "tinyint": ("TINYINT", "c", {-128: -128, "+127": 127, True: 1, number("1.0"): 1, number("1e2"): 100, "-1.00": -1}, {
        128: "out_of_range", "-129": "out_of_range", number("1.5"): "invalid", "1.5": "invalid", "1.000": "invalid", "true": "invalid", " 1": "invalid", "": "invalid",
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
    "date": ("DATE", "CAST(c AS CHAR)", {"2024-02-29": "2024-02-29", "0001-01-01": "0001-01-01", "9999-12-31": "9999-12-31",
        "2024-02-29T00:00:00Z": "2024-02-29"}, {
        "2023-02-29": "invalid", "0000-00-00": "invalid", "2024-2-1": "invalid", "2024-02-29T00:00:01Z": "invalid", 20240229: "invalid"}),
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
    "year": ("YEAR", "c", {2155: 2155, "1901": 1901, "2024.0": 2024, "0000": 0}, {1900: "out_of_range", "21": "invalid", 0: "invalid"}),
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
    "latin2": ("VARCHAR(9) CHARACTER SET latin2", "c", {"ł": "ł"}, {"☃": "encoding"}),
    "uuid": ("UUID", "c", {"123e4567-e89b-12d3-a456-426655440000": "123e4567-e89b-12d3-a456-426655440000"}, {"nope": "invalid"}),
    "inet6": ("INET6", "c", {"::1": "::1", "192.0.2.1".join(["::ffff:", ""]): "::ffff:192.0.2.1"}, {"nope": "invalid"}),
    "point": ("POINT", "c", {None: None}, {"POINT(1 1)": "invalid"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
@sample(7)
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


@pytest.mark.parametrize("function", ["UNHEX", "UUID_TO_BIN", "INET6_ATON"])
def test_what_a_function_of_the_table_does_not_take_is_invalid_and_of_no_character_set(
    database: Database, function: str
) -> None:
    if database.mariadb:
        not_applicable("its functions give NULL")
    database.run(f"CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40), j VARBINARY(40) AS ({function}(v)) STORED)")
    answer = post([[1, "nope"], [2, None]])
    assert problems(answer.json) == [(1, "", "invalid")]
    assert f"the function {function.lower()} takes" in answer.json["errors"][0]["message"]
    assert counts(answer.json) == (2, 1, 0, 1, 0)


def test_a_row_that_no_partition_takes_is_rejected(database: Database) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN (10))")
    answer = post([[9], [10]])
    assert problems(answer.json) == [(2, "", "not_allowed")]
    assert database.rows("SELECT id FROM t") == [(9,)]


# The value as a CSV field, and what is read, or the code of its reject. Each is tried by itself: nothing may warn.
FIELDS: dict[str, tuple[str, str, dict[str, Any], dict[str, str]]] = {
    "zeros": ("INT", "c", {"00123": 123, "-007": -7, "1.0": 1}, {"1,5": "invalid", "1.234,56": "invalid", "1 234": "invalid", "1e3": "invalid"}),
    "truths": ("TINYINT(1)", "c", {"true": 1, "FALSE": 0, "t": 1, "F": 0, "2": 2}, {"yes": "invalid", "y": "invalid", "truth": "invalid"}),
    "a bit of truth": ("BIT(1)", "c + 0", {"True": 1, "f": 0, "1.0": 1}, {"yes": "invalid", "2": "out_of_range"}),
    "a wider bit": ("BIT(2)", "c + 0", {"3.0": 3}, {"true": "invalid", "4": "out_of_range"}),
    "midnights": ("DATE", "CAST(c AS CHAR)", {"2024-03-01T00:00:00.000Z": "2024-03-01", "2024-03-01 00:00:00": "2024-03-01",
        "2024-03-01 00:00:00 +00:00": "2024-03-01"}, {"2024-03-01T00:00:00+02:00": "invalid", "2024-03-01T00:00:01Z": "invalid",
        "2024-03-01T00:00:00.001": "invalid", "2024-03-01T24:00:00Z": "invalid", "2024-02-30T00:00:00Z": "invalid"}),
    "zones": ("DATETIME", "CAST(c AS CHAR)", {"2024-03-01 01:02:03 UTC": "2024-03-01 01:02:03",
        "2024-03-01 01:02:03 +00:00": "2024-03-01 01:02:03", "2024-03-01T01:02:03 +0200": "2024-02-29 23:02:03",
        "2024-03-01 01:02:03 Z": "2024-03-01 01:02:03", "2024-03-01T01:02:03UTC": "2024-03-01 01:02:03"},
        {"2024-03-01 01:02:03 CET": "invalid", "2024-03-01 01:02:03  UTC": "invalid", "2024-03-01 UTC": "invalid"}),
    "kept zeros": ("VARCHAR(9)", "c", {"00123": "00123", " 1": " 1"}, {}),
    "small": ("SMALLINT UNSIGNED", "c", {"65535": 65535}, {"65536": "out_of_range", "-1": "out_of_range"}),
    "medium": ("MEDIUMINT", "c", {"-8388608": -8388608, "8388607": 8388607}, {"8388608": "out_of_range"}),
    "money": ("DECIMAL(5,2)", "CAST(c AS CHAR)", {"1.50": "1.50", "1.500": "1.50", "-999.99": "-999.99"}, {
        "1.505": "out_of_range", "0.001": "out_of_range", "1,5": "invalid", "1,234.50": "invalid", "1000": "out_of_range"}),
    "rounded float": ("FLOAT(5,2)", "CAST(c AS CHAR)", {"1.24": "1.24", "1.240": "1.24"}, {"1.239": "out_of_range", "1000": "out_of_range"}),
    "rounded double": ("DOUBLE(8,3)", "CAST(c AS CHAR)", {"99999.125": "99999.125"}, {"0.0001": "out_of_range", "100000": "out_of_range"}),
    "float": ("FLOAT", "c * 1e0", {"1e-45": 1.401298464324817e-45, "0e-99": 0.0}, {"1e-50": "out_of_range", "3.5e38": "out_of_range"}),
    "double": ("DOUBLE", "c", {"4e-324": 5e-324}, {"1e-400": "out_of_range", "1,5": "invalid"}),
    "instant": ("DATETIME(2)", "CAST(c AS CHAR)", {
        "2021-07-27T16:02:08+02": "2021-07-27 14:02:08.00", "2021-07-27T16:02:08+0200": "2021-07-27 14:02:08.00",
        "2021-07-27 16:02:08.25-11:30": "2021-07-28 03:32:08.25", "2021-07-27 16:02Z": "2021-07-27 16:02:00.00"}, {
        "2021-07-27T16:02:08+24": "invalid", "2021-07-27T16:02:08+02:60": "invalid", "2021-07-27T24:00:00": "invalid",
        "2021-07-27T24:00:00Z": "invalid", "20210727T160208Z": "invalid", "27.07.2021": "invalid", "0000-01-01": "invalid"}),
    "stamp": ("TIMESTAMP NULL", "CAST(c AS CHAR)", {"2021-03-28T02:30:00Z": "2021-03-28 02:30:00", "2021-07-27": "2021-07-27 00:00:00"}, {}),
    "bit": ("BIT(3)", "c + 0", {"7": 7, "0": 0}, {"8": "out_of_range", "0b1": "invalid"}),
    "padded": ("CHAR(5)", "c", {"ab  ": "ab", " ab": " ab"}, {"ab    ": "too_long"}),
    "filled": ("BINARY(4)", "HEX(c)", {"6162": "61620000"}, {"6162636465": "too_long"}),
    "members": ("ENUM('a\\\\b','it''s','x\ny','Z','')", "c", {"a\\b": "a\\b", "it's": "it's", "x\ny": "x\ny", "z": "Z"}, {
        "a\\\\b": "not_allowed", "2": "not_allowed", "Z ": "not_allowed"}),
    "no empty member": ("ENUM('a')", "c", {"A": "a"}, {"b": "not_allowed"}),
    "cased members": ("ENUM('a','ss') COLLATE utf8mb4_bin", "c", {"a": "a"}, {"A": "not_allowed"}),
    "no guess": ("ENUM('ss') COLLATE utf8mb4_unicode_ci", "c", {"SS": "ss"}, {"ß": "not_allowed"}),
    "cased set": ("SET('x','Y') COLLATE utf8mb4_bin", "c", {"x,Y": "x,Y"}, {"X": "not_allowed", "y": "not_allowed"}),
    "set": ("SET('x','y')", "c", {"x,x": "x", "y,x,Y": "x,y"}, {"x,": "not_allowed", ",x": "not_allowed", "x,,y": "not_allowed", "x, y": "not_allowed"}),
    "cp1251": ("TINYTEXT CHARACTER SET cp1251", "c", {"Ж" * 255: "Ж" * 255}, {"Ж" * 256: "too_long", "é": "encoding"}),
    "ucs2": ("VARCHAR(2) CHARACTER SET ucs2", "c", {"é☃": "é☃"}, {"😀": "encoding", "abc": "too_long"}),
    "ucs2 text": ("TINYTEXT CHARACTER SET ucs2", "c", {"a" * 127: "a" * 127}, {"a" * 128: "too_long"}),
    "utf16": ("VARCHAR(2) CHARACTER SET utf16", "c", {"😀😀": "😀😀"}, {}),
    "utf32": ("TINYTEXT CHARACTER SET utf32", "c", {"😀" * 63: "😀" * 63}, {"a" * 64: "too_long"}),
    "gbk": ("VARCHAR(3) CHARACTER SET gbk", "c", {"中文\\": "中文\\"}, {"é☃": "encoding", "😀": "encoding"}),
    "sjis": ("VARCHAR(3) CHARACTER SET sjis", "c", {"日本\\": "日本\\"}, {"é": "encoding", "¥": "encoding"}),
    "cp932": ("VARCHAR(3) CHARACTER SET cp932", "c", {"日①\\": "日①\\"}, {"晡": "encoding"}),
    "big5": ("VARCHAR(3) CHARACTER SET big5", "c", {"中恒": "中恒"}, {"é": "encoding"}),
    "euckr": ("VARCHAR(3) CHARACTER SET euckr", "c", {"한똠": "한똠"}, {"é": "encoding"}),
    "ujis": ("VARCHAR(3) CHARACTER SET ujis", "c", {"日é": "日é"}, {"ÿ😀": "encoding"}),
    "tis620": ("VARCHAR(3) CHARACTER SET tis620", "c", {"ไทย": "ไทย"}, {"\U0002000b": "encoding", "é": "encoding"}),
    "swe7": ("VARCHAR(3) CHARACTER SET swe7", "c", {"ÄÖÅ": "ÄÖÅ"}, {"a@b": "encoding", "[": "encoding"}),
    "greek": ("VARCHAR(3) CHARACTER SET greek", "c", {"αʼω": "αʼω"}, {"€": "encoding"}),
    "latin1": ("VARCHAR(3) CHARACTER SET latin1", "c", {"é\x81": "é\x81"}, {"ł": "encoding"}),
    "document": ("JSON", "JSON_VALID(c)", {"[" * 31 + "]" * 31: 1, '{"a": {"b": 1}, "b": 1}': 1, '"\\ud83d\\ude00"': 1}, {
        "NaN": "invalid", "[Infinity]": "invalid", '"\\ud800"': "invalid", "{'a': 1}": "invalid", "[1,]": "invalid", "01": "invalid"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", FIELDS)
@sample(8)
def test_a_field_is_stored_as_it_was_sent_or_rejected_and_the_database_never_warns(
    database: Database, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    column, expression, good, bad = FIELDS[kind]
    warned: list[int] = []
    real = local_infile.load

    def listening(*given: Any) -> local_infile.Outcome:
        outcome = real(*given)
        warned.append(outcome.warnings)
        return outcome

    monkeypatch.setattr(local_infile, "load", listening)
    database.run(f"CREATE TABLE t (n INT AUTO_INCREMENT UNIQUE, c {column}) CHARACTER SET utf8mb4")
    for value, stored in good.items():
        answer = post(csv_of(value), headers={"content-type": "text/csv"})
        assert answer.status == 201, (value, answer.text)
        assert database.rows(f"SELECT {expression} FROM t ORDER BY n DESC LIMIT 1") == [(stored,)], value
    assert not any(warned)
    for value, code in bad.items():
        answer = post(csv_of(value), headers={"content-type": "text/csv"})
        assert problems(answer.json) == [(1, "c", code)], (value, answer.text)
    rows = [[None, value] for value in (*good, *bad)]
    assert counts(post(dump(rows)).json) == (len(rows), len(good), 0, len(bad), 0)
    assert database.rows("SELECT COUNT(*) FROM t") == [(2 * len(good),)]


def csv_of(value: str) -> bytes:
    quoted = value.replace('"', '""')
    return f'n,c\n,"{quoted}"\n'.encode()


def test_json_that_mysql_would_alter_or_cannot_nest_is_a_reject(database: Database) -> None:
    database.run("CREATE TABLE t (doc JSON)")
    deepest = "[" * 100 + "]" * 100
    answer = post(dump([['{"a": 1, "b": {"a": 1, "a": 2}}'], [f"[{deepest}]"], [deepest], ['{"a": 1}']]))
    if database.mariadb:  # keeps the text, double names and all, and nests less
        assert problems(answer.json) == [(2, "", "check"), (3, "", "check")]
        return
    assert problems(answer.json) == [(1, "doc", "invalid"), (2, "doc", "invalid")]
    assert "two members" in answer.json["errors"][0]["message"]
    assert "deeper than 100" in answer.json["errors"][1]["message"]
    assert database.rows("SELECT JSON_DEPTH(doc) FROM t ORDER BY 1") == [(2,), (100,)]


@pytest.mark.parametrize("name", [*charsets._BY_NAME, "ujis", "eucjpms"])
@sample(8)
def test_every_character_is_held_or_refused_as_the_database_says(database: Database, name: str) -> None:
    """Whole blocks of characters into a column of each set: what the rules let through is stored, and comes back."""
    if not database.rows("SELECT 1 FROM information_schema.character_sets WHERE character_set_name = %s", name):
        not_applicable(f"no character set {name}")
    database.run(f"CREATE TABLE t (id INT PRIMARY KEY, c VARCHAR(8) CHARACTER SET {name})")
    some = [*range(0x20, 0x460), *range(0x2010, 0x2030), 0x20AC, 0x2122, 0x3042, 0x4E2D, 0x6661, 0xAC00, 0xFF5E, 0xFFFD]
    sent = {number: chr(number) for number in [*some[:990], 0x1F600, 0x2000B]}
    answer = post([[number, character] for number, character in sent.items()])
    refused = problems(answer.json)
    assert {(column, code) for _, column, code in refused} <= {("c", "encoding")}
    stored: dict[int, str] = dict(database.rows("SELECT id, c FROM t"))
    assert len(stored) + len(refused) == len(sent)
    assert {number: sent[number] for number in stored} == stored


def test_bytes_may_be_written_as_base64(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, c VARBINARY(4))")
    rows = [
        [1, "AP8="],
        [2, ""],
        [3, "YWJjZA=="],
        [4, "AP8"],
        [5, "00ff"],
        [6, "AP9="],
        [7, "A P8="],
        [8, "YWJjZGU="],
        [9, "_-8="],
    ]
    bad = [*((row, "c", "invalid") for row in (4, 6, 7, 9)), (5, "c", "invalid"), (8, "c", "too_long")]
    answer = post(rows, query={"binary": "base64"})
    # "00ff" is base64, too: of three bytes.
    assert problems(answer.json) == sorted(problem for problem in bad if problem[0] != 5)
    assert database.rows("SELECT id, HEX(c) FROM t ORDER BY id") == [
        (1, "00FF"),
        (2, ""),
        (3, "61626364"),
        (5, "D347DF"),
    ]
    assert "base64" in answer.json["errors"][0]["message"]
    monkeypatch.setenv("TABLE_SETTINGS", '{"t": {"binary": "base64"}}')
    assert post("10,AP8=\n", headers={"content-type": "text/csv"}).status == 201
    assert post("11,00ff\n", headers={"content-type": "text/csv"}, query={"binary": "hex"}).status == 201
    assert database.rows("SELECT HEX(c) FROM t WHERE id > 9") == [("00FF",), ("00FF",)]
    assert "binary" in post([[12, "00"]], query={"binary": "octal"}).problem(400)["detail"]


def test_the_tables_setting_says_what_becomes_of_duplicates_unless_the_request_does(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, c INT)", "INSERT INTO t VALUES (1, 1)")
    assert post([[1, 2]]).status == 422
    monkeypatch.setenv("TABLE_SETTINGS", '{"*": {"on_duplicate": "update"}, "u": {"on_duplicate": "ignore"}}')
    assert counts(post([[1, 2]]).json) == (1, 0, 1, 0, 0)
    assert counts(post([[1, 3]], query={"on_duplicate": "ignore"}).json) == (1, 0, 0, 0, 1)
    assert counts(post([[1, 3]], query={"on_duplicate": "reject"}).json) == (1, 0, 0, 1, 0)
    assert database.rows("SELECT c FROM t") == [(2,)]
    monkeypatch.setenv("TABLE_SETTINGS", '{"t": {"on_duplicate": "merge"}}')
    post([[1, 2]]).problem(500)


@pytest.mark.parametrize(("header", "told"), [("id,twice", "'twice', which the database computes"), ("twice,id,c", "'twice'"),
    ("id,ID", "'id' twice"), ("id,c,c", "'c' twice")])  # fmt: skip
def test_a_header_that_names_a_computed_column_or_one_twice_is_refused(
    database: Database, header: str, told: str
) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY, c INT, twice INT AS (c * 2))")
    answer = post(f"{header}\n1,2\n", headers={"content-type": "text/csv"})
    assert told in answer.problem(400)["detail"]
    assert database.rows("SELECT * FROM t") == []


def test_a_body_whose_object_names_something_twice_is_refused(database: Database) -> None:
    database.run("CREATE TABLE t (id INT PRIMARY KEY)")
    assert "'id' twice" in post('[{"id": 1, "id": 2}]').problem(400)["detail"]
