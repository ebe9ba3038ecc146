"""Reading and writing text files: detection, problems, limits and round trips."""

import csv
import gzip
import io
import json
import math
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from sheets import (
    DELIMITERS,
    LIMITS,
    LONGEST_LINE,
    Format,
    Limits,
    SheetError,
    escape,
    load,
    read,
    sniff,
    unescape,
    write,
)

SAMPLES = Path(__file__).parents[1] / "data" / "sheets"
EXPECTED = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))


def rows_of(content, **given):
    file = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    return list(read(file, sniff(file, **given)))


def cells_of(content, **given):
    return [row.cells for row in rows_of(content, **given)]


# --- awkward files --------------------------------------------------------------------------------


def test_each_sample_has_its_expected_rows():
    assert {path.name for path in SAMPLES.iterdir()} == {*EXPECTED, "expected.json"}


@pytest.mark.parametrize("name", [name for name in EXPECTED if "error" not in EXPECTED[name]])
def test_an_awkward_file_is_read_as_expected(name):
    expected = EXPECTED[name]
    with (SAMPLES / name).open("rb") as file, load(file, name) as loaded:
        found = loaded.format
        rows = list(read(loaded.file, found))
    assert [row.cells for row in rows] == expected["rows"]
    assert [row.line for row in rows] == expected["lines"]
    assert loaded.rows == len(rows)
    assert {str(row.line): row.problem.code for row in rows if row.problem} == expected["problems"]
    assert (found.encoding, found.delimiter, found.start) == (
        expected["encoding"],
        expected["delimiter"],
        expected["start"],
    )
    assert (found.kind, found.sheet) == (expected.get("kind", "text"), expected.get("sheet", ""))
    assert loaded.notes == expected.get("notes", [])
    assert [list(damage[:4]) for damage in loaded.damage] == expected.get("damage", [])


@pytest.mark.parametrize("name", [name for name in EXPECTED if "error" in EXPECTED[name]])
def test_a_file_without_a_table_is_refused_with_its_kind_and_a_remedy(name):
    with (SAMPLES / name).open("rb") as file, pytest.raises(SheetError) as refusal:
        load(file, name)
    assert str(refusal.value) == EXPECTED[name]["error"]


def test_a_given_delimiter_and_encoding_override_the_detected_ones():
    assert cells_of("4420;a,b\n4421;c,d\n", delimiter=",") == [["4420;a", "b"], ["4421;c", "d"]]
    assert cells_of("4420;a,b\n", delimiter="") == [["4420;a,b"]]
    assert cells_of("4420,Žižka\n".encode("iso8859-2"), encoding="iso8859-2") == [["4420", "Žižka"]]
    assert cells_of("\ufeff4420,é\n".encode("utf-16-le"), encoding="utf-16-le") == [["4420", "é"]]


@pytest.mark.parametrize("given", [{"encoding": "utf-7"}, {"delimiter": "x"}])
def test_an_unknown_encoding_or_delimiter_is_refused(given):
    with pytest.raises(SheetError, match="There is no "):
        rows_of("4420,a\n", **given)


def test_an_accent_far_down_decides_the_encoding():
    content = b"number,client\n" + b"4420,Rose\n" * 100_000 + "4421,Café\n".encode("cp1252")
    assert cells_of(content)[-1] == ["4421", "Café"]


def test_a_row_over_several_lines_counts_all_of_them():
    rows = rows_of('number,notes\n4420,"a\r\nb\rc"\n4421,"d"\n')
    assert [row.line for row in rows] == [1, 2, 5]
    assert rows[1].cells == ["4420", "a\r\nb\rc"]


def test_an_unclosed_quote_is_text_and_affects_no_other_row():
    lines = [f'{number},"open' if number % 100 == 0 else f"{number},ok" for number in range(20_000)]
    rows = rows_of("\n".join(lines))
    assert [row.cells[0] for row in rows] == [str(number) for number in range(20_000)]
    assert not any(row.problem for row in rows)


def test_a_quote_closed_beyond_the_longest_cell_is_text():
    content = '4420,"open\n' + "4421,b\n" * 10_000 + '4422,close"\n'
    assert len(rows_of(content)) == 10_002


def test_an_incomplete_row_at_the_end_of_the_sample_is_ignored():
    content = f'number,a,{"b" * 2_000}\n4420,{"x" * 32_000},"{"y," * 16_000}"\n'
    assert [len(cells) for cells in cells_of(content)] == [3, 3]


@pytest.mark.parametrize("cell", ['"a', '""a', '"""a', '"a"b', '"" a'])
def test_a_line_full_of_stray_quotes_is_read_in_linear_time(cell):
    line = ",".join([cell] * (LONGEST_LINE // 8))
    [row] = read(io.BytesIO(line.encode()), Format("utf-8", ",", 2, 2, 1))
    assert len(row.cells) == LONGEST_LINE // 8


def test_an_upload_is_read_like_a_file():
    upload = SimpleUploadedFile("numbers.csv", b"number,notes\n4420,a\n")
    assert [row.cells for row in read(upload, sniff(upload))] == [["number", "notes"], ["4420", "a"]]


@given(
    st.lists(
        st.lists(st.text('ab ,;"\r\n\té'), min_size=2, max_size=4),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([delimiter for delimiter in DELIMITERS.values() if delimiter.strip(" ")]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_csv_that_follows_the_rfc_is_read_exactly(rows, delimiter, quoting):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows(rows)
    content = text.getvalue().removesuffix("\r\n").encode()
    assert [row.cells for row in read(io.BytesIO(content), Format("utf-8", delimiter, 4, 1, 1))] == rows


@given(
    st.binary(max_size=400), st.sampled_from(["", "utf-8", "utf-16-le", "cp1251", "cp932", "utf-8+cp1252"])
)
def test_any_bytes_are_either_read_or_refused(content, encoding):
    try:
        rows = rows_of(content, encoding=encoding)
    except SheetError:
        return
    "".join(cell for row in rows for cell in row.cells).encode()  # no surrogates, which databases refuse


@given(st.text('1a,;"\n\r ', max_size=60))
def test_only_quotes_and_delimiters_are_dropped_from_rows(text):
    rows = [row.cells for row in read(io.BytesIO(text.encode()), Format("utf-8", ",", 9, 1, 1))]
    read_back = "".join("".join(cells) for cells in rows)
    assert [char for char in read_back if char in "1a;"] == [
        char for char in text if char in "1a;"
    ]  # fmt: skip


# --- dialects -------------------------------------------------------------------------------------


def test_single_quotes_quote_cells_if_a_whole_column_has_them():
    content = "'DID','Notes'\n'4420','it''s, fine'\n'4421','b'\n"
    assert cells_of(content) == [["DID", "Notes"], ["4420", "it's, fine"], ["4421", "b"]]
    content = "4420;'a; b'\n4421;'say \"hi\"'\n4422;''\n"
    assert cells_of(content) == [["4420", "a; b"], ["4421", 'say "hi"'], ["4422", ""]]


@pytest.mark.parametrize(
    "content",
    [
        "4420,'tis,a\n4421,'twas,b\n",
        "4420,'a',b\n4421,O'Neil,c\n",
        "4420,'=1+1,a\n4421,'+44,b\n",
        "'4420','a',b\n'4421,'c',d\n",
        '"4420","\'a\'","b"\n"4421","c, d","e"\n',
    ],
)
def test_single_quotes_are_text_where_they_are_inconsistent(content):
    assert cells_of(content) == list(csv.reader(io.StringIO(content)))


def test_a_later_line_with_an_apostrophe_affects_no_other():
    content = "'4420','a'\n" * 500 + "'4421','tis\n'4422','b, c'\n"
    assert cells_of(content)[-2:] == [["4421", "'tis"], ["4422", "b, c"]]


def test_a_backslash_escapes_a_quote_if_the_file_cannot_be_read_otherwise():
    content = r"""DID,Operator,Notes
4420,In-house,"say \"hi\", then \"go\""
4421,In-house,"C:\\temp\, \"x\""
4422,In-house,\N
4423,In-house,"say ""hi\", then go"
"""
    assert [cells[2] for cells in cells_of(content)] == [
        "Notes",
        'say "hi", then "go"',
        r'C:\temp\, "x"',
        r"\N",
        'say "hi", then go',
    ]


def test_a_backslash_far_down_escapes_a_quote():
    content = "DID,Notes\n" + '4420,"a, b"\n' * 50_000 + r'4421,"say \"hi\", then go"' + "\n"
    assert cells_of(content)[-1] == ["4421", 'say "hi", then go']


@pytest.mark.parametrize(
    "content",
    [
        '4420,"C:\\dir\\","b"\n4421,"C:\\","c"\n',
        '4420,"C:\\dir\\",b\n4421,"say \\"hi\\", then",c\n',
    ],
)
def test_backslashes_are_text_where_they_are_inconsistent(content):
    found = cells_of(content)
    assert found[0] == ["4420", "C:\\dir\\", "b"]


def test_a_blank_after_each_delimiter_is_no_part_of_the_cell():
    content = '4420, Op 1, "a, b"\n4421, Op 2, \n4422,, 1\n'
    assert cells_of(content) == [["4420", "Op 1", "a, b"], ["4421", "Op 2", ""], ["4422", "", "1"]]
    content = "4420; Op 1\n4421;Op 2\n"
    assert cells_of(content) == [["4420", " Op 1"], ["4421", "Op 2"]]


def test_a_hash_is_a_delimiter_if_it_splits_all_lines_evenly():
    assert cells_of("442071234567#Op 1#a\n442071234568#Op 2#b\n")[1] == ["442071234568", "Op 2", "b"]
    assert cells_of("442071234567#1\n442071234568\n") == [["442071234567#1"], ["442071234568"]]


def test_a_dialect_is_kept_when_the_file_is_read_with_a_given_delimiter():
    assert cells_of("'4420','a, b'\n'4421','c'\n", delimiter=",")[0] == ["4420", "a, b"]
    assert cells_of("'4420'\n'4421'\n") == [["4420"], ["4421"]]


COLUMNS = {
    "number": st.integers(10**9, 10**12).map(str),
    "did": st.from_regex(r"\+44 20 79\d\d \d{4}|\(212\) 5\d\d-\d{4}|0044\.79\d\d\.\d{4}", fullmatch=True),
    "status": st.sampled_from(["reserved", "In Stock", "on_hold"]),
    "operator": st.sampled_from(["Op 1", "O'Neil & Co", "Acme, Inc.", "Smith; Jones", "T-Mobile"]),
    "notes": st.sampled_from(
        ["", "call at 10:30", "#42; urgent", "a, b, c", '5" rack', "A | B", "~ 5", "http://x.org/a?b=1"]
    ),
    "time": st.from_regex(r"[0-2]\d\.1[0-2]\.2024 1\d:[0-5]\d:[0-5]\d", fullmatch=True),
    "price": st.from_regex(r"\d{1,2},\d\d", fullmatch=True),
    "client": st.sampled_from(["", "Rose Orig", "Müller GmbH", "Łódź Sp. z o.o."]),
}


@given(st.data())
def test_the_delimiter_of_a_plausible_table_is_detected(data):
    names = data.draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=6, unique=True))
    names = ["number", *(name for name in names if name != "number")]
    delimiter = data.draw(st.sampled_from([",", ";", "\t", "|", "^", "~", ":"])) if len(names) > 1 else ""
    rows = data.draw(st.lists(st.tuples(*(COLUMNS[name] for name in names)), min_size=1, max_size=8))
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter or ",").writerows([names, *rows])
    assert cells_of(text.getvalue()) == [names, *map(list, rows)]
    assert sniff(io.BytesIO(text.getvalue().encode())).delimiter == delimiter


# --- limits ---------------------------------------------------------------------------------------


def test_rows_beyond_the_limit_are_refused():
    file = io.BytesIO(b"4420,a\n4421,b\n\n4422,c\n")
    assert len(list(read(file, sniff(file), Limits(rows=3)))) == 3
    with pytest.raises(SheetError, match="more than 2 rows"):
        list(read(file, sniff(file), Limits(rows=2)))


def test_more_columns_than_allowed_are_refused():
    with pytest.raises(SheetError, match="11 columns; at most 10"):
        rows_of(",".join("abcdefghijk"), limits=Limits(columns=10))


def test_a_single_row_with_too_many_columns_is_flagged():
    file = io.BytesIO(b"4420,a\n4421,b\n" + b"4422," * 300 + b"\n4423,d\n")
    problems = [row.problem.code if row.problem else None for row in read(file, sniff(file))]
    assert problems == [None, None, "columns", None]


def test_a_cell_longer_than_allowed_is_flagged_with_its_column():
    file = io.BytesIO(b"4420,a\n4421," + b"x" * 11 + b"\n4422,b\n")
    flagged = [row for row in read(file, sniff(file), Limits(cell=10)) if row.problem]
    assert [(row.line, row.problem.code) for row in flagged] == [(2, "cell")]
    assert "column 2 has 11 characters; at most 10" in str(flagged[0].problem)


@pytest.mark.parametrize("end", [b"", b"\n4422,b\n"])
def test_a_line_that_is_too_long_is_refused_with_its_number(end):
    content = b"4420,a\n4421," + b"x" * (LONGEST_LINE + 1) + end
    with pytest.raises(SheetError, match="Line 2 has more than 1,048,576 characters, the most allowed"):
        rows_of(content)


class Endless(io.RawIOBase):
    """Generate a binary file of ``count`` rows while it is read."""

    def __init__(self, count):
        self.line, self.size, self.at = b'4420,Operator,"a, b",,,reserved\n', count * 32, 0

    def seek(self, offset, _whence=0):
        self.at = offset
        return offset

    def read(self, size=-1):
        piece = (self.line * (size // 32 + 2))[self.at % 32 :][: min(size, self.size - self.at)]
        self.at += len(piece)
        return piece


@pytest.fixture
def traced():
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def test_memory_does_not_grow_with_the_file(traced):
    def most_for(count):
        tracemalloc.reset_peak()
        file = Endless(count)
        assert sum(1 for _ in read(file, sniff(file))) == count
        return traced()

    assert most_for(150_000) < most_for(50_000) + 500_000


# --- files that are not text ----------------------------------------------------------------------


def workbook():
    content = io.BytesIO()
    Workbook().save(content)
    return content.getvalue()


def archive(*names):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name in names:
            file.writestr(name, "4420,a\n")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (workbook(), "an Excel workbook (.xlsx)"),
        (archive("content.xml"), "an OpenDocument spreadsheet (.ods)"),
        (archive("numbers.csv"), "a ZIP archive"),
        (archive("xl/workbook.bin"), "a binary Excel workbook (.xlsb)"),
        (archive("word/document.xml"), "an office document"),
        (archive("Index/Document.iwa"), "an Apple Numbers document"),
        (b"Rar!\x1a\x07\x00" + bytes(100), "a RAR archive"),
        (b"\x09\x04\x06\x00" + bytes(100), "a worksheet of Excel 4"),
        (workbook()[:200], "a damaged ZIP archive or workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "a damaged Excel workbook (.xls)"),
        (gzip.compress(b"4420,a\n", mtime=0), "a gzip archive"),
        (b"%PDF-1.7\n4420,a\n", "a PDF document"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html>\n<p>4420", "a web page (HTML)"),
        (b"<table><tr><td>4420</td></tr></table>", "a web page (HTML)"),
        ("<html><body>4420".encode("utf-16"), "a web page (HTML)"),
        (b"<?xml version='1.0'?><Workbook/>", "an XML document"),
        (bytes(range(256)) * 4, "not text"),
        (b"4420,a\n" + b"\0" * 100, "not text"),
        (b"", "empty"),
        (b" \r\n\n\t", "empty"),
        (b"\xef\xbb\xbf\n", "empty"),
        ("\ufeff\r\n".encode("utf-16-le"), "empty"),
        (b"sep=;\n", "empty"),
    ],
)
def test_a_file_that_is_not_text_is_refused_with_its_kind(content, kind):
    with pytest.raises(SheetError) as refusal:
        rows_of(content)
    assert kind in str(refusal.value)
    assert any(remedy in str(refusal.value) for remedy in ("CSV", "Unpack it", "Choose a file"))


# --- writing --------------------------------------------------------------------------------------


def test_the_header_is_written_before_the_first_row_is_requested():
    def rows():
        yield ["ID", "DID"]
        raise AssertionError("requested too early")

    assert next(write(rows())) == b"ID,DID\r\n"


def test_export_has_a_byte_order_mark_only_on_request():
    assert b"".join(write([["é", None, 5]])) == "é,,5\r\n".encode()
    assert b"".join(write([["é"]], bom=True)) == "\ufeffé\r\n".encode()


def test_export_is_streamed_in_memory_that_does_not_grow(traced):
    size = sum(map(len, write([str(number), "Operator", None] for number in range(100_000))))
    assert size > 1_500_000
    assert traced() < 1_000_000


@pytest.mark.parametrize("text", ["=1+1", "+44", "-5", "@x", "\t=1", "\r=1", "＝1", "'=1", "''+1", "-"])
def test_formulas_are_escaped(text):
    assert escape(text) == "'" + text
    assert b"".join(write([["a", text]])).decode().lstrip("a,").lstrip('"').startswith("'")


@pytest.mark.parametrize("text", ["", "0044", "442071234567", "O'Neil", "'quoted'", "a=b", "x", " =1"])
def test_other_text_is_not_escaped(text):
    assert escape(text) == text
    assert unescape(text) == text


@given(st.text("'=+-@\t\r0a ", max_size=8) | st.text())
def test_unescape_reverses_escape(text):
    assert unescape(escape(text)) == text


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.lists(st.tuples(texts, texts, texts), max_size=8), st.booleans())
def test_an_export_is_read_back_exactly(rows, bom):
    content = b"".join(write([("DID", "Notes", "Client"), *rows], bom=bom))
    read_back = read(io.BytesIO(content), Format("utf-8", ",", 3, 3, 1))
    assert [tuple(map(unescape, row.cells)) for row in read_back][1:] == rows


printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


@given(st.lists(st.tuples(st.integers(10**6, 10**12).map(str), printable, printable), min_size=1, max_size=8))
def test_the_format_of_an_export_is_detected(rows):
    file = io.BytesIO(b"".join(write([("DID", "Notes", "Client"), *rows])))
    found = sniff(file)
    assert (found.delimiter, found.encoding, found.width) == (",", "utf-8", 3)
    assert not any(row.problem for row in read(file, found))


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\tx", "\rx", "\nx", "'=1", "＝1", "＠a"])
@pytest.mark.parametrize("before", [[], ["plain"], ["a, b"], ['"'], [""]])
@pytest.mark.parametrize("after", [[], ["plain"], [""]])
def test_a_formula_is_escaped_in_any_cell_of_a_row(text, before, after):
    content = b"".join(write([["a", "b"], *([["1", "x, y"]] * 600), [*before, text, *after]]))

    last = list(csv.reader(io.StringIO(content.decode(), newline="")))[-1]
    assert last == [*before, "'" + text, *after]


def test_the_encoding_and_the_quotes_of_a_long_text_are_looked_for_in_its_first_part_only():
    text = b"DID,x\n" + b"4420,y\n" * 400_000 + b'4420,"\\""\n4420,\xff\n'
    for seconds, encoding in ((0, "utf-8"), (math.inf, "cp1252")):
        with load(io.BytesIO(text), limits=LIMITS._replace(examined=seconds)) as loaded:
            assert loaded.format.encoding == encoding
            assert loaded.format.backslash is (seconds > 0)


def test_a_long_text_is_examined_in_part_and_read_to_its_end():
    lines = ["DID;Name", *(f"44{number:07};Zoë" for number in range(2_500)), "44;Bäcker"]
    text = "\n".join(lines[:-1]).encode() + b"\n" + lines[-1].encode("cp1252")

    with load(io.BytesIO(text), limits=LIMITS._replace(examined=0)) as loaded:
        assert (loaded.rows, loaded.complete) == (1_000, False)
        assert sum(1 for _ in read(loaded.file, loaded.format)) == len(lines)
    with load(io.BytesIO(text)) as loaded:
        assert (loaded.rows, loaded.complete) == (len(lines), True)
        assert loaded.format.encoding == "utf-8+cp1252"
    with load(io.BytesIO(b"DID\n44\n"), limits=LIMITS._replace(examined=0)) as loaded:
        assert (loaded.rows, loaded.complete) == (2, True)
