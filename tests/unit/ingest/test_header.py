"""The first line of a file: a header, a row, or refused; never taken for what it is not in silence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tableferry.config.load_options import HeaderLine, Options
from tableferry.errors import InvalidRequest
from tableferry.ingest.files.blocks import blocks
from tableferry.ingest.files.file_format import Reading, begin
from tableferry.schema.table import Column, Table
from tests.effort import by_turns, effort


def table(**types: str) -> Table:
    columns = tuple(
        Column(name, kind, kind, nullable=True, charset="utf8mb4", characters=40, octets=160)
        for name, kind in types.items()
    )
    return Table("s", "mny", "InnoDB", columns, ())


MONEY = table(id="int", gross="int", net="int", tax="int")
TEXTS = table(name="varchar", title="varchar", note="varchar")


def read(body: bytes, of: Table, options: Options = Options()) -> tuple[Reading, list[str], list[tuple[int, str]]]:  # noqa: B008
    """How the file is read, its good rows as they are sent, and line and code of each reject."""
    reading, start = begin(of, options, body)
    found = list(blocks(reading, [body[start.offset :]], start))
    good = [line for block in found for line in block.good.decode().split("\n")[:-1]]
    return reading, good, [(reject.line, reject.first.code) for block in found for reject in block.rejects]


@pytest.mark.parametrize("options", [Options(), Options(header=HeaderLine.YES)])
@pytest.mark.parametrize("separator", [",", ";"])
def test_a_header_with_an_unknown_name_is_refused_with_both_names(options: Options, separator: str) -> None:
    body = "id,net,gross,vat\n1,100,119,19\n".replace(",", separator).encode()
    with pytest.raises(InvalidRequest, match=r"`vat` is no column of `mny`; it has `tax`\. .*`header: no`"):
        begin(MONEY, options, body)


@pytest.mark.parametrize(
    ("of", "body", "says"),
    [
        (TEXTS, b"name,Ann,x\n", "`Ann`, `x` are no columns of `mny`; it has `title`, `note`"),
        (TEXTS, b"x,y, TITLE \n", "`x`, `y` are no columns"),
        (TEXTS, b"name,title,\n", "a field without a name is no column of `mny`; it has `note`"),
        (TEXTS, b"name,title,note,\n1,2,3,\n", "a field without a name is no column of `mny`. Put"),
        (TEXTS, b"name;x\n", "`x` is no column"),
        (table(word="varchar"), b"word;count\n", "`count` is no column of `mny`"),
        (MONEY, b"id,id,net,tax\n", "names 'id' twice"),
    ],
)
def test_a_first_line_that_names_some_column_and_is_no_header_is_refused(of: Table, body: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        begin(of, Options(), body)


@pytest.mark.parametrize(
    "line", ["First Name,Last Name", "firstname,lastname", "LAST-NAME;FIRST-NAME", '" First_name"|"Last name"']
)
def test_a_first_line_of_labels_is_refused_with_the_columns(line: str) -> None:
    people = table(first_name="varchar", last_name="varchar")
    says = r"The first line (seems to name|names some) columns.* no columns? of `mny`; it has .*`last_name`\. .*`header: no`"
    with pytest.raises(InvalidRequest, match=says):
        begin(people, Options(), f"{line}\nAda,Lovelace\n".encode())
    assert len(read(f"{line}\n".encode(), people, Options(header=HeaderLine.NO))[1]) == 1


def test_a_line_of_which_some_field_is_like_no_columns_name_is_a_row() -> None:
    people = table(first_name="varchar", last_name="varchar")
    assert read(b"First Name,Ada\n-,Last Name\n", people)[1] == ["First Name,Ada", "-,Last Name"]
    assert read("größe,-\n".encode(), table(gre="varchar", x="varchar"))[1] == ["größe,-"]


def test_a_row_that_names_columns_is_one_where_it_is_said() -> None:
    reading, good, rejects = read(b"name,Ann,x\nname,title,note\n", TEXTS, Options(header=HeaderLine.NO))
    assert (reading.columns, rejects) == (None, [])
    assert good == ["name,Ann,x", "name,title,note"]


def test_a_row_whose_numbers_show_that_it_is_one_may_hold_a_name() -> None:
    mixed = table(name="varchar", title="varchar", n="int")
    assert read(b"title,x,5\n", mixed)[1:] == (["title,x,5"], [])
    with pytest.raises(InvalidRequest, match="`x`, a field without a name are no columns"):
        begin(mixed, Options(), b"title,x,\n")
    assert read(b"a,b,5\nname,title,n\nname,title,\n", mixed)[2] == [(2, "header")]


def test_a_header_that_is_a_good_row_as_well_is_asked_for() -> None:
    years = table(**{"2021": "int", "2022": "int"})
    body = b"2021,2022\n5,6\n"
    with pytest.raises(InvalidRequest, match=r"\(2021, 2022\) names columns, and is a good row as well: say"):
        begin(years, Options(), body)
    assert read(body, years, Options(header=HeaderLine.YES))[1] == ["5,6"]
    assert read(body, years, Options(header=HeaderLine.NO))[1] == ["2021,2022", "5,6"]


def test_a_header_that_is_said_to_be_there_has_to_be() -> None:
    with pytest.raises(InvalidRequest, match=r"`1`, `2`, `3`, `4` are no columns of `mny`; it has `id`, `gross`, "):
        begin(MONEY, Options(header=HeaderLine.YES), b"1,2,3,4\n")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("separator", [b",", b";", b"\t", b"|"])
def test_the_line_that_names_the_separator_is_no_row(separator: bytes, end: bytes, mark: bytes) -> None:
    rows = end.join([b"a, b;c|d\te", b"x"]).replace(separator, b"-")
    one = table(word="varchar")
    reading, good, rejects = read(mark + b"sep=" + separator + end + rows + end, one)
    assert reading.dialect.delimiter == separator.decode()
    assert [line.encode() for line in good] == rows.split(end)
    assert rejects == []
    named = mark + b"SEP=" + separator + end + separator.join([b"tax", b"id"]) + end + separator.join([b"7", b"x"])
    reading, good, rejects = read(named, MONEY)
    assert reading.columns == ("tax", "id")
    assert rejects == [(3, "invalid")]


@pytest.mark.parametrize(
    ("body", "options", "says"),
    [
        (b"sep=:\na:b\n", Options(), "names the delimiter ':'; it has to be one of"),
        (b"sep=;\r\n1;2\r\n", Options(delimiter=","), "names the delimiter ';', and what was said is ','"),
    ],
)
def test_a_separator_that_cannot_be_is_refused(body: bytes, options: Options, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        begin(TEXTS, options, body)


def test_a_text_that_looks_like_the_separators_line_stays_text_in_quotes_and_where_no_header_can_be() -> None:
    _, good, rejects = read(b'"sep=;"\nsep=;\n', table(word="varchar"))
    assert (good, rejects) == (['"sep=;"'], [(2, "header")])
    assert read(b'"sep=;"\nsep=;\n', table(word="varchar"), Options(header=HeaderLine.NO))[1] == ['"sep=;"', "sep=;"]


@pytest.mark.parametrize("first", [b"name,title,note\n", b""])
@pytest.mark.parametrize("again", [b"name,title,note", b'"name","title","note"\r', b" NAME ,title, Note"])
def test_a_header_that_stands_again_is_a_reject(first: bytes, again: bytes) -> None:
    _, good, rejects = read(first + b"a,b,c\n" + again + b"\nname,b,title\nname,,\n", TEXTS)
    assert good[0] == "a,b,c"
    assert len(good) == 3
    assert rejects == [(2 + bool(first), "header")]
    _, good, rejects = read(b"name\nx\nname\ntitle\n", TEXTS)
    assert (len(good), rejects) == (2, [(3, "header")])


def test_a_column_whose_name_begins_with_a_space_is_named_as_it_is() -> None:
    spaced = table(**{"id": "int", " name": "varchar", "name": "varchar"})
    reading, good, rejects = read(b"name , name,id\nx,y,1\nname, name,id\n", spaced)
    assert (reading.columns, good, rejects) == (("name", " name", "id"), ["x,y,1"], [(3, "header")])


def test_a_header_that_stands_again_in_a_table_of_numbers_says_so_and_a_row_is_a_row() -> None:
    body = b"id,gross,net,tax\n1,2,3,4\nid,gross,net,tax\n5,6,7,8\n"
    assert read(body, MONEY)[1:] == (["1,2,3,4", "5,6,7,8"], [(3, "header")])
    years = table(**{"1": "int", "2": "int"})
    assert read(b"7,8\n1,2\n2,1\n", years)[1:] == (["7,8", "1,2", "2,1"], [])


@pytest.mark.parametrize("of", [TEXTS, table(name="varchar", title="int", note="date")])
def test_another_header_further_down_stops_the_file(of: Table) -> None:
    with pytest.raises(InvalidRequest, match=r"In line 3 another header begins \(title, name, note\)"):
        read(b"name,title,note\nx,1,2021-01-01\ntitle,name,note\n1,x,2021-01-01\n", of)


FIELDS = st.sampled_from(["name", " title", "NOTE", '"note"', "x", "", "5", '"name;title"', '"note|x"'])


@settings(max_examples=effort(166, 500))
@given(
    st.lists(st.lists(FIELDS, min_size=1, max_size=4).filter(lambda line: line != [""]), min_size=1, max_size=4),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([None, ",", ";"]),
)
@by_turns
def test_no_line_that_shares_a_name_with_the_columns_is_taken_for_what_it_is_not(
    lines: list[list[str]], separator: str, said: str | None
) -> None:
    """Either each line is a row in the columns' order without naming all of them, or it is a header, or it is told."""
    texts = [separator.join(fields) for fields in lines]
    names = [[field.strip('" ').lower() for field in fields] for fields in lines]
    columns = ["name", "title", "note"]
    try:
        reading, good, rejects = read("\n".join(texts).encode(), TEXTS, Options(delimiter=said))
    except InvalidRequest:
        return
    if (said or separator) != separator:
        return
    first, *others = names
    if len(first) > 1 and set(first) & set(columns):
        assert reading.columns == tuple(first)
        assert reading.dialect.delimiter == separator
    elif len(first) > 1:
        assert reading.columns is None
    given = list(reading.columns or columns)
    codes = dict(rejects)
    for number, fields in enumerate(others, 2):
        if reading.dialect.delimiter == separator and fields == given:
            assert codes[number] == "header"
    if reading.columns:
        assert len(good) + len(rejects) == sum(1 for text in texts[1:] if text)
