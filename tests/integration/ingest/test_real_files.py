"""Files as other programs write them: what was in their rows is in the table, cell by cell."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from tests.effort import either_server, sample
from tests.support.lambdas import Json, counts
from tests.support.parts import Database
from tests.support.uploads import Uploads

pytestmark = either_server

TABLE = (
    "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(60), note TEXT, day DATE, moment DATETIME(6), price DECIMAL(12,3),"
    " ratio DOUBLE, big BIGINT UNSIGNED) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
)
NAMES = ["id", "name", "note", "day", "moment", "price", "ratio", "big"]
Row = tuple[int, str | None, str | None, date | None, datetime | None, Decimal | None, float | None, int | None]
FULL: list[Row] = [
    (1, "plain", "a note", date(2021, 7, 27), datetime(2021, 7, 27, 16, 2, 8), Decimal("12.500"), 0.1, 1),
    (2, 'say "hi", twice', '"', date(1, 1, 1), datetime(2000, 2, 29, 23, 59, 59, 999999), Decimal("-0.001"), 1e-300, 0),
    (3, "two\nlines", "three\r\nmore\n\nlines", date(9999, 12, 31), datetime(1970, 1, 1), Decimal("0.000"), -2.5, 2**64 - 1),
    (4, "Größe ☃ 😀 e\u0301", "日本語,\u00a0;\t|", date(2020, 2, 29), datetime(1999, 12, 31, 0, 0, 1), Decimal("999999999.999"),
     1.7976931348623157e308, 2**53 + 1),
    (5, " spaces ", "\\N \\n \\\\", date(2021, 1, 1), datetime(2021, 1, 1, 12), Decimal("1.000"), 123456789.125, 10**18),
    (6, "NULL", "null", date(2021, 1, 1), datetime(2021, 1, 1, 12), Decimal("1.100"), 5.0, 7),
]  # fmt: skip
EMPTY_TEXT: Row = (7, "", "", date(2021, 1, 1), datetime(2021, 1, 1), Decimal(1), 1.0, 1)
NOTHING: Row = (8, None, None, None, None, None, None, None)
ROWS = [*FULL, EMPTY_TEXT, NOTHING]
WITHOUT_EMPTY = [*FULL, NOTHING]
"""For programs that write NULL and the empty text alike."""


@pytest.fixture(autouse=True)
def table(database: Database) -> None:
    database.run(TABLE)


def loaded(database: Database, uploads: Uploads, body: bytes, rows: Sequence[Row], **options: Any) -> None:
    """The file is loaded whole, and its rows are these."""
    status = uploads.load(body, **options)
    assert uploads.rejects(status) == []
    assert (status["state"], counts(status)) == ("done", (len(rows), len(rows), 0, 0, 0))
    assert database.rows("SELECT * FROM t ORDER BY id") == list(rows)


def texts(row: Row) -> list[Any]:
    """A row's cells as Python's csv writes them, but for moments in ISO 8601."""
    return [cell.isoformat() if isinstance(cell, datetime) else cell for cell in row]


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("quoting", "rows"),
    [
        (csv.QUOTE_MINIMAL, WITHOUT_EMPTY),
        (csv.QUOTE_NONNUMERIC, FULL),  # writes NULL as the empty text, which no date is
        (csv.QUOTE_ALL, FULL),
        *((getattr(csv, name), ROWS) for name in ("QUOTE_NOTNULL", "QUOTE_STRINGS") if hasattr(csv, name)),
    ],
)  # fmt: skip
@sample(10)
def test_a_file_of_pythons_csv_is_loaded(
    database: Database, uploads: Uploads, quoting: int, rows: list[Row], end: str, header: bool
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerows([NAMES] * header + [texts(row) for row in rows])
    loaded(database, uploads, file.getvalue().encode(), rows)


def test_a_null_that_a_program_writes_as_the_empty_text_is_rejected_where_it_is_no_text(
    database: Database, uploads: Uploads
) -> None:
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerow(NOTHING)
    status = uploads.load(file.getvalue().encode())
    [(line, _, problems)] = uploads.rejects(status)
    assert (line, problems) == (1, [(name, "invalid") for name in NAMES[3:]])
    assert database.rows("SELECT * FROM t") == []


def test_a_file_of_pythons_csv_without_quotes_is_loaded_where_nothing_needs_them(
    database: Database, uploads: Uploads
) -> None:
    rows = [FULL[0], FULL[4], NOTHING]
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_NONE, quotechar=None).writerows([texts(row) for row in rows])
    loaded(database, uploads, file.getvalue().encode(), rows)


def frame_of(rows: Sequence[Row]) -> pl.DataFrame:
    schema: dict[str, Any] = {
        "id": pl.Int32, "name": pl.String, "note": pl.String, "day": pl.Date, "moment": pl.Datetime("us"),
        "price": pl.Decimal(12, 3), "ratio": pl.Float64, "big": pl.UInt64,
    }  # fmt: skip
    return pl.DataFrame(list(rows), schema, orient="row")


def pandas_of(rows: Sequence[Row]) -> pd.DataFrame:
    """With pandas' types that know NULL, as one gets them of Parquet; dates as objects."""
    return pd.DataFrame(
        {
            "id": pd.array([row[0] for row in rows], dtype="Int32"),
            "name": pd.array([row[1] for row in rows], dtype="string"),
            "note": pd.array([row[2] for row in rows], dtype="string"),
            "day": pd.Series([row[3] for row in rows], dtype=object),
            "moment": pd.Series([row[4] for row in rows], dtype="datetime64[us]"),
            "price": pd.Series([row[5] for row in rows], dtype=object),
            "ratio": pd.array([row[6] for row in rows], dtype="Float64"),
            "big": pd.array([row[7] for row in rows], dtype="UInt64"),
        }
    )


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({}, WITHOUT_EMPTY),
        ({"quoting": csv.QUOTE_ALL}, FULL),
        ({"quoting": csv.QUOTE_NONNUMERIC}, FULL),
        ({"lineterminator": "\r\n", "encoding": "utf-8-sig"}, WITHOUT_EMPTY),
        ({"date_format": "%Y-%m-%dT%H:%M:%S.%fZ"}, WITHOUT_EMPTY),
        ({"header": False}, WITHOUT_EMPTY),
        ({"columns": NAMES[::-1]}, WITHOUT_EMPTY),
        ({"float_format": "%.17g"}, WITHOUT_EMPTY),
        ({"compression": "gzip"}, WITHOUT_EMPTY),
    ],
    ids=str,
)
def test_a_file_of_pandas_is_loaded(
    database: Database, uploads: Uploads, tmp_path: Path, options: Json, rows: list[Row]
) -> None:
    path = tmp_path / "a.csv"
    pandas_of(rows).to_csv(path, index=False, **options)
    loaded(database, uploads, path.read_bytes(), rows)


def test_pandas_numbers_of_the_rows_are_a_column_that_the_table_has_not(database: Database, uploads: Uploads) -> None:
    """What ``to_csv`` writes unless told ``index=False``: no row goes in, and the header's field without a name is told."""
    status = uploads.load(pandas_of(FULL).to_csv().encode())
    assert (status["state"], counts(status)) == ("failed", (0, 0, 0, 0, 0))
    assert "a field without a name is no column of `t`" in status["error"]["detail"]
    assert database.rows("SELECT * FROM t") == []


def test_a_word_for_null_is_text_in_texts_and_rejected_elsewhere(database: Database, uploads: Uploads) -> None:
    body = pandas_of([FULL[0], NOTHING]).to_csv(index=False, na_rep="NaN").encode()
    status = uploads.load(body)
    [(line, _, problems)] = uploads.rejects(status)
    assert (line, problems) == (3, [(name, "invalid") for name in NAMES[3:]])
    assert database.rows("SELECT * FROM t") == [FULL[0]]


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({}, ROWS),
        ({"quote_style": "always"}, FULL),
        ({"quote_style": "non_numeric"}, FULL),
        ({"line_terminator": "\r\n", "include_bom": True}, ROWS),
        ({"include_header": False}, ROWS),
        ({"datetime_format": "%Y-%m-%dT%H:%M:%S%.6fZ"}, ROWS),
        ({"float_scientific": True}, ROWS),
        ({"batch_size": 1}, ROWS),
    ],
    ids=str,
)
def test_a_file_of_polars_is_loaded(database: Database, uploads: Uploads, options: Json, rows: list[Row]) -> None:
    file = io.BytesIO()
    frame_of(rows).write_csv(file, **options)
    loaded(database, uploads, file.getvalue(), rows)


@pytest.mark.parametrize(
    "options",
    [
        "HEADER",
        "HEADER false",
        "HEADER, FORCE_QUOTE (name, note)",
        "HEADER, COMPRESSION gzip",
        "HEADER, COMPRESSION zstd",
        "HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'",
    ],
)
def test_a_file_of_duckdb_is_loaded(database: Database, uploads: Uploads, tmp_path: Path, options: str) -> None:
    rows = ROWS if "FORCE_QUOTE" not in options else FULL
    path = tmp_path / "a.csv"
    frame = frame_of(rows).to_arrow()
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute(f"COPY (FROM frame) TO '{path}' (FORMAT csv, {options})")
    loaded(database, uploads, path.read_bytes(), rows)


def test_a_file_of_a_spreadsheet_with_commas_is_loaded(database: Database, uploads: Uploads) -> None:
    """A byte order mark, CRLF, and everything quoted."""
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows([NAMES, *map(texts, FULL)])
    loaded(database, uploads, file.getvalue().encode("utf-8-sig"), FULL)


def spreadsheet(rows: Sequence[Row], delimiter: str = ";", decimal_comma: bool = False) -> bytes:
    """A byte order mark, CRLF, everything quoted, and a separator that is no comma."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows(
        [NAMES, *([_decimal_comma(cell) if decimal_comma else cell for cell in texts(row)] for row in rows)]
    )
    return file.getvalue().encode("utf-8-sig")


def _decimal_comma(cell: Any) -> Any:
    return str(cell).replace(".", ",") if isinstance(cell, Decimal | float) else cell


def test_decimal_commas_are_refused_with_a_word_that_says_so(database: Database, uploads: Uploads) -> None:
    status = uploads.load(b'id,price,ratio\r\n1,"1,5","2,5"\r\n2,1.5,2.5\r\n')
    [(line, _, problems)] = uploads.rejects(status)
    assert (line, problems) == (2, [("price", "invalid"), ("ratio", "invalid")])
    assert database.rows("SELECT id, price, ratio FROM t") == [(2, Decimal("1.500"), 2.5)]
    body = uploads.client.get_object(Bucket=uploads.bucket, Key=status["rejects"])["Body"].read().decode()
    assert "'1,5' has a decimal comma: write 1.5" in body


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_another_separator_is_found_in_the_first_line(database: Database, uploads: Uploads, delimiter: str) -> None:
    loaded(database, uploads, spreadsheet(FULL, delimiter), FULL)


@pytest.mark.parametrize(("delimiter", "name"), [(";", ";"), ("\t", "\\t"), ("|", "|")])
def test_another_separator_can_be_named_where_there_is_no_header(
    database: Database, uploads: Uploads, delimiter: str, name: str
) -> None:
    r"""A tab as ``\t``: no header of HTTP, which is what metadata becomes, can be a tab alone."""
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(map(texts, WITHOUT_EMPTY))
    loaded(database, uploads, file.getvalue().encode(), WITHOUT_EMPTY, Metadata={"delimiter": name})


def test_decimal_commas_of_a_spreadsheet_are_refused_too(database: Database, uploads: Uploads) -> None:
    status = uploads.load(spreadsheet(FULL, decimal_comma=True))
    assert counts(status) == (len(FULL), 0, 0, len(FULL), 0)
    for _, _, problems in uploads.rejects(status):
        assert set(problems) <= {("price", "invalid"), ("ratio", "invalid")}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_separators_inside_quotes_do_not_count_towards_the_first_lines(
    database: Database, uploads: Uploads, delimiter: str
) -> None:
    other = ";" if delimiter == "," else ","
    row = (1, other * 9, None, None, None, None, None, None)
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL, lineterminator="\n").writerow(row)
    body = file.getvalue().replace(other * 9, f'"{other * 9}"') if '"' not in file.getvalue() else file.getvalue()
    loaded(database, uploads, body.encode(), [row])


def tab_style(rows: Sequence[Row], null: str = "\\N", delimiter: str = "\t") -> bytes:
    """As ``mysqldump --tab`` writes values that need no backslash."""
    return "".join(delimiter.join(null if cell is None else str(cell) for cell in row) + "\n" for row in rows).encode()


PLAIN: list[Row] = [FULL[0], FULL[5], (9, "a", None, None, None, None, None, None)]


def test_tabs_and_a_word_for_null_are_loaded_as_mysqldump_writes_them(database: Database, uploads: Uploads) -> None:
    loaded(database, uploads, tab_style(PLAIN), PLAIN, Metadata={"delimiter": "\\t", "null": "\\N"})


@pytest.mark.parametrize("null", ["NULL", "\\N", "NA"])
def test_a_word_for_null_can_be_named(database: Database, uploads: Uploads, null: str) -> None:
    rows = [FULL[0], NOTHING]
    body = tab_style(rows, null, ",")
    loaded(database, uploads, body, rows, Metadata={"null": null})


def test_a_word_for_null_that_is_quoted_is_text(database: Database, uploads: Uploads) -> None:
    status = uploads.load(b'id,name,note\n1,"NULL",NULL\n', Metadata={"null": "NULL"})
    assert counts(status) == (1, 1, 0, 0, 0)
    assert database.rows("SELECT name, note FROM t") == [("NULL", None)]


@pytest.mark.parametrize(
    ("writer", "null"),
    [
        (lambda rows: pandas_of(rows).to_csv(index=False, na_rep="NULL").encode(), "NULL"),
        (lambda rows: frame_of(rows).write_csv(null_value="\\N").encode(), "\\N"),
        (lambda rows: frame_of(rows).write_csv(separator=";", null_value="NA").encode(), "NA"),
    ],
    ids=["pandas", "polars", "polars-semicolons"],
)
def test_a_word_for_null_of_other_programs_can_be_named(
    database: Database, uploads: Uploads, writer: Callable[[list[Row]], bytes], null: str
) -> None:
    rows = [*FULL[:5], NOTHING]
    # These programs escape nothing; beside a NULL that is \\N it has to be said.
    loaded(database, uploads, writer(rows), rows, Metadata={"null": null, "escape": "none"})


@pytest.mark.parametrize("metadata", [{"delimiter": "::"}, {"delimiter": '"'}, {"delimiter": ""}, {"delimiter": "a"}])
def test_a_separator_that_can_be_none_is_refused_with_what_it_can_be(
    database: Database, uploads: Uploads, metadata: Mapping[str, str]
) -> None:
    status = uploads.load(b"1,a\n", Metadata=metadata)
    assert status["state"] == "failed"
    assert "delimiter" in status["error"]["detail"]
    assert database.rows("SELECT * FROM t") == []
