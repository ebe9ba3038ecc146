"""Reading and writing workbooks and compressed files: cells, damage, cost and limits."""

import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from dataclasses import asdict

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.cell_range import CellRange

from dids.imports.limits import import_limits
from dids.numbering.normalise import NumberError
from dids.numbering.reading import read_cell
from sheets import Format, Limits, SheetError, load, read, unescape, write, write_workbook
from tests.examples import scaled
from tests.sheets.test_sheets import SAMPLES

ROWS = [["number", "operator"], ["442071234567", "Op 1"], ["442071234568", "Op 2"]]


def workbook(rows=ROWS, **more):
    """Return an .xlsx file with ``rows`` in its first sheet and ``more`` in sheets with these names."""
    book = Workbook()
    book.active.title = "Numbers"
    for name, content in {"Numbers": rows, **more}.items():
        sheet = book.active if name == "Numbers" else book.create_sheet(name)
        for row in content:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content


def cells_of(file, name="", **chosen):
    with load(file, name, **chosen) as loaded:
        return [row.cells for row in read(loaded.file, loaded.format)]


def sample(name, **chosen):
    with (SAMPLES / name).open("rb") as file:
        return cells_of(file, name, **chosen)


# --- sheets -----------------------------------------------------------------------------------------


def test_a_chosen_sheet_is_read_even_if_hidden():
    file = workbook(Other=[["number"], ["4420"]])
    assert cells_of(file, sheet="Other") == [["number"], ["4420"]]
    assert sample("hidden_first_sheet.xlsx", sheet="Summary") == [["secret"]]


def test_a_chosen_sheet_adds_no_note_about_the_others():
    with load(workbook(Other=[["number"]]), sheet="Other") as loaded:
        assert loaded.notes == []
        assert loaded.format.sheets == ("Numbers", "Other")


def test_an_unknown_sheet_is_refused_with_the_existing_ones():
    with pytest.raises(SheetError, match="There is no sheet “Numbres”. Choose one of “Numbers”, “Other”"):
        load(workbook(Other=[]), sheet="Numbres")


def test_a_chosen_sheet_without_rows_is_refused_with_the_others():
    with pytest.raises(SheetError, match="“Other” is empty. Choose one of “Numbers”, “Other”"):
        load(workbook(Other=[]), sheet="Other")


def test_a_format_survives_json():
    with load(workbook(Other=[["x"]])) as loaded:
        kept = Format(**json.loads(json.dumps(asdict(loaded.format))))
        assert kept == loaded.format
        assert [row.cells for row in read(loaded.file, kept)] == ROWS


def test_a_loaded_workbook_is_stored_as_json_lines():
    with load(workbook([["number"], [], ["4420", "ž"], [None, "x"]])) as loaded:
        assert loaded.file.read().decode().split("\n") == [
            '["number"]',
            "[]",
            '["4420", "\\u017e"]',
            '["", "x"]',
            "",
        ]
        assert loaded.rows == 3


def test_a_stored_file_can_be_read_again_from_the_start():
    with load(workbook()) as loaded:
        kept = SimpleUploadedFile("rows", loaded.file.read())
        for _ in range(2):
            assert [row.cells for row in read(kept, loaded.format)] == ROWS


def test_an_upload_is_loaded_like_a_file():
    assert cells_of(SimpleUploadedFile("a.xlsx", workbook().getvalue())) == ROWS
    assert cells_of(SimpleUploadedFile("a.gz", gzip.compress(b"number,operator\n4420,a\n")))[1] == [
        "4420",
        "a",
    ]


def test_a_text_file_is_not_copied_and_stays_open():
    file = io.BytesIO(b"number,operator\n4420,a\n")
    with load(file) as loaded:
        assert loaded.file is file
    assert not file.closed


# --- cells ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [123.5, 1.25, 44207.123, 0.125, 10**15, 4420712345671234567, 1e300])
def test_a_number_that_cannot_be_a_phone_number_is_not_read_as_one(number):
    [[cell]] = cells_of(workbook([[number]]))
    with pytest.raises(NumberError):
        read_cell(cell)


@pytest.mark.parametrize("number", [0, 4420, 442071234567, 999_999_999_999_999])
def test_an_exact_number_keeps_its_digits(number):
    [[cell]] = cells_of(workbook([[number]]))
    assert cell == str(number)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
# Programs that read workbooks take a cell of spaces for an empty one.
workbook_texts = texts.map(lambda text: text if text.strip(" ") else "")


@settings(max_examples=scaled(25))  # each starts a process
@given(st.lists(st.lists(workbook_texts, min_size=1, max_size=5), min_size=1, max_size=5))
def test_any_table_of_texts_comes_back_from_a_workbook(rows):
    target = io.BytesIO()
    assert list(write_workbook(rows, target))[-1] == len(rows)
    width = max((len(row) for row in without_empty_ends(rows)), default=0)
    expected = [row + [""] * (width - len(row)) for row in without_empty_ends(rows) if "".join(row).strip()]
    if expected:
        assert [[unescape(cell) for cell in row] for row in cells_of(target)] == expected
    else:
        with pytest.raises(SheetError, match="no rows"):
            load(target)


def without_empty_ends(rows):
    for row in rows:
        filled = [index for index, cell in enumerate(row, start=1) if cell]
        yield row[: filled[-1]] if filled else []


@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=5))
def test_any_table_of_texts_comes_back_from_an_export(rows):
    rows = [("number", "notes", "client"), *rows]
    content = b"".join(write(rows))
    with load(io.BytesIO(content), delimiter=",", encoding="utf-8") as loaded:
        assert loaded.rows == len(rows)


WORKBOOKS = [path for path in sorted(SAMPLES.iterdir()) if path.suffix in (".xlsx", ".xls", ".ods")]


@settings(max_examples=scaled(40))  # each starts a process
@given(st.sampled_from(WORKBOOKS), st.data())
def test_a_workbook_with_damaged_bytes_is_either_read_or_refused(path, data):
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + 4] = data.draw(st.binary(max_size=4))
    try:
        cells_of(io.BytesIO(content))
    except SheetError:
        return


# --- what a person sees -----------------------------------------------------------------------------


def edited(rows, edit):
    """Return an .xlsx file with ``rows`` after ``edit`` was called with its sheet."""
    book, content = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    edit(book.active)
    book.save(content)
    return content


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("00000000000", "02071234567"),
        ("0000 000 0000", "0207 123 4567"),
        ("+##000000000", "+2071234567"),
        ('"0"0000000000', "02071234567"),
        ("\\(000\\) 00000000;[Red]-0", "(020) 71234567"),
        ("[$-409]00000000000_);@", "02071234567"),
        ("000-000-0000", "207-123-4567"),
        ("0", "2071234567"),
        ("#,##0.00", "2071234567"),
        ("General", "2071234567"),
        ('0" pcs 1"', "2071234567"),
        ("[<=9999999]0000000;00000000000", "2071234567"),
        ("0.00E+00", "2071234567"),
    ],
)
def test_a_number_is_read_with_the_zeros_that_its_format_shows(code, shown):
    def edit(sheet):
        sheet["A2"].number_format = code

    assert cells_of(edited([["number"], [2071234567]], edit)) == [["number"], [shown]]


def test_only_cells_with_the_format_get_its_zeros():
    def edit(sheet):
        sheet["A1"].number_format = sheet["A3"].number_format = sheet["A4"].number_format = "00000000000"

    file = edited([[2071234567], [2071234568], [-71234569], ["2071234560"], [1.5]], edit)
    with load(file) as loaded:
        assert [row.cells for row in read(loaded.file, loaded.format)] == [
            ["02071234567"],
            ["2071234568"],
            ["-71234569"],
            ["2071234560"],
            ["1.5"],
        ]
        assert (loaded.damage[0].code, loaded.damage[0].lines) == ("number", [2, 3])


def test_a_merged_cell_counts_for_all_its_rows():
    def edit(sheet):
        sheet.merge_cells("B2:B4")
        sheet.merge_cells("A5:B5")

    rows = [["number", "operator"], [4420, "Op 1"], [4421], [4422], ["a note"], [4423, "Op 2"]]
    with load(edited(rows, edit)) as loaded:
        assert [row.cells for row in read(loaded.file, loaded.format)][1:] == [
            ["4420", "Op 1"],
            ["4421", "Op 1"],
            ["4422", "Op 1"],
            ["a note", ""],
            ["4423", "Op 2"],
        ]
        assert loaded.notes == ["2 cells are part of a merged cell and have its value."]


def test_a_merged_cell_adds_no_rows():
    def edit(sheet):
        sheet.merged_cells.ranges.add(CellRange("B2:B1048576"))

    assert cells_of(edited([["number", "operator"], [4420, "Op 1"], [], [4421]], edit))[1:] == [
        ["4420", "Op 1"],
        ["4421", "Op 1"],
    ]


def hide_rows(*numbers):
    def edit(sheet):
        for number in numbers:
            sheet.row_dimensions[number].hidden = True

    return edit


def test_hidden_rows_are_read_and_counted():
    with load(edited([["number"], [4420], [4421], [], [4422]], hide_rows(3, 4))) as loaded:
        assert [row.cells for row in read(loaded.file, loaded.format)] == [
            ["number"],
            ["4420"],
            ["4421"],
            ["4422"],
        ]
        assert (loaded.format.hidden, loaded.format.hidden_read) == (1, True)
        assert loaded.notes == ["1 row is hidden or filtered out in the workbook and read."]


def test_hidden_rows_are_left_out_on_request_and_lines_keep_their_numbers():
    with load(edited([["number"], [4420], [4421], [4422]], hide_rows(2, 3)), hidden=False) as loaded:
        assert [(row.line, row.cells) for row in read(loaded.file, loaded.format)] == [
            (1, ["number"]),
            (4, ["4422"]),
        ]
        assert (loaded.rows, loaded.format.hidden, loaded.format.hidden_read) == (2, 2, False)
        assert loaded.notes == ["2 rows are hidden or filtered out in the workbook and not read."]


def test_a_sheet_with_hidden_rows_only_is_refused_with_a_remedy():
    with pytest.raises(SheetError, match="All rows of the sheet are hidden. Read hidden rows too"):
        load(edited([["number"], [4420]], hide_rows(1, 2)), hidden=False)


def test_a_cover_sheet_is_passed_over_for_the_sheet_with_most_numbers():
    numbers = [["number"], *([f"+44 20 7123 {number}"] for number in range(1000, 1009))]
    cover = [["Acme Telecom"], ["Support", "+44 20 7946 0000"], ["as of", "2026-05-03"], ["total", 1234567.5]]
    with load(workbook(cover, Prices=[["44", 0.01]], List=numbers, Few=numbers[:4])) as loaded:
        assert loaded.format.sheet == "List"
        [note] = loaded.notes
        assert note.endswith("; “List” is read because “Numbers” has hardly any phone numbers.")


def test_the_first_sheet_with_numbers_is_read_even_if_another_one_has_more():
    rows = [[f"44207123000{index}"] for index in range(9)]
    assert cells_of(workbook(rows[:3], Other=rows)) == rows[:3]
    assert cells_of(workbook([["number"]], Other=[["client"]])) == [["number"]]


ODS = """<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:number="urn:oasis:names:tc:opendocument:xmlns:datastyle:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:automatic-styles><number:number-style
 ><number:number number:min-integer-digits="11"/></number:number-style></office:automatic-styles
 ><office:body><office:spreadsheet><table:table table:name="Numbers">{}</table:table
 ></office:spreadsheet></office:body></office:document-content>"""


def ods(*rows):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", ODS.format("".join(rows)))
    return content


def ods_row(*cells, **attributes):
    named = "".join(f' table:{name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f"<table:table-row{named}>{''.join(cells)}</table:table-row>"


def ods_number(value, shown):
    cell = f'<table:table-cell office:value-type="float" office:value="{value}">'
    return f"{cell}<text:p>{shown}</text:p></table:table-cell>"


def ods_text(text, spanned=1):
    cell = f'<table:table-cell office:value-type="string" table:number-rows-spanned="{spanned}">'
    return f"{cell}<text:p>{text}</text:p></table:table-cell>"


def test_an_ods_file_is_read_as_shown():
    file = ods(
        ods_row(ods_text("number"), ods_text("operator")),
        ods_row(ods_number(2071234567, "02071234567"), ods_text("Op 1", spanned=3)),
        ods_row(ods_number(2071234568, "2.07E+09"), "<table:covered-table-cell/>", visibility="filter"),
        ods_row(ods_number(2071234569, "+2071234569"), "<table:covered-table-cell/>", visibility="collapse"),
        ods_row(ods_number(5, "05")),
    )
    with load(file) as loaded:
        assert [row.cells for row in read(loaded.file, loaded.format)][1:] == [
            ["02071234567", "Op 1"],
            ["2071234568", "Op 1"],
            ["+2071234569", "Op 1"],
            ["05", ""],
        ]
        assert loaded.format.hidden == 2
    assert cells_of(file, hidden=False)[1:] == [["02071234567", "Op 1"], ["05", ""]]


# --- damage -----------------------------------------------------------------------------------------


def sentences(file):
    with load(file) as loaded:
        return [damage.sentence for damage in loaded.damage]


def test_numbers_stored_as_numbers_are_reported_with_the_first_lines():
    rows = [["number", "days"], *([442071234560 + i, 30] for i in range(9))]
    assert sentences(workbook(rows)) == [
        (
            "Column 1: 9 cells hold numbers, not text (lines 2, 3, 4, 5, 6 …). "
            "Leading zeros may have been lost; format the column as text."
        )
    ]


def test_one_damaged_cell_is_reported_in_the_singular():
    assert sentences(io.BytesIO(b"number\n442071234567\n442071234568.0\n")) == [
        (
            "Column 1: 1 cell holds numbers with decimals (line 3), which phone numbers don’t have; "
            "format the column as text in the source and correct them."
        )
    ]


def test_damage_is_counted_to_the_end_of_the_file():
    rows = b"".join(b"0%d,x\n" % (2071230000 + i) for i in range(2_000))
    [sentence] = sentences(io.BytesIO(b"number,notes\n" + rows + b"2071239999,x\n" * 7))
    assert "7 cells lack the leading zeros of the others (lines 2002, 2003, 2004, 2005, 2006 …)" in sentence


def test_shorter_numbers_are_damaged_only_if_they_lack_exactly_the_zeros():
    assert sentences(io.BytesIO(b"02071234567\n02071234568\n112\n207123456\n+442071234567\n")) == []


def test_lost_zeros_are_not_reported_among_numbers_of_several_lengths():
    numbers = "02071234567 0207123456 020712345 02071234 0207123 2071234567"
    assert sentences(io.BytesIO(numbers.replace(" ", "\n").encode())) == []


def test_numbers_of_several_lengths_without_zeros_are_not_damaged():
    assert sentences(io.BytesIO(b"442071234567\n44207123456\n02071234567\n44207123\n")) == []


# --- cost and limits --------------------------------------------------------------------------------


def refusal_of(file, **limits):
    with pytest.raises(SheetError) as refusal:
        load(file, limits=Limits(**limits))
    return str(refusal.value)


def test_a_workbook_with_too_many_rows_is_refused():
    assert "more than 2 rows. Split it" in refusal_of(workbook(), rows=2)
    assert len(cells_of(workbook([*ROWS, [], []]), limits=Limits(rows=3))) == 3


def test_a_row_above_a_limit_is_flagged_and_later_rows_are_read():
    rows = [["number", "a"], ["4420", "b", "c", "d"], ["4421", "x" * 11], ["4422", "e"]]
    limits = Limits(columns=3, cell=10)
    with load(workbook(rows), limits=limits) as loaded:
        found = list(read(loaded.file, loaded.format, limits))
    assert [row.problem and row.problem.code for row in found] == [None, "columns", "cell", None]
    assert str(found[1].problem) == "The row has more than 3 columns, the most allowed."
    assert str(found[2].problem) == "The cell in column 2 has more than 10 characters, the most allowed."


def test_a_cell_as_long_as_allowed_is_not_flagged():
    with load(workbook([["4420", "é" * 100]])) as loaded:
        [row] = read(loaded.file, loaded.format, Limits(cell=100))
    assert row.problem is None


def test_a_workbook_that_takes_too_long_is_stopped():
    refusal = refusal_of(workbook(), seconds=0)
    assert "needs more than 0 seconds of processor time. Split it, or save it as CSV" in refusal


def far_row(columns=1):
    """Return a small workbook with a filled cell in its last row."""
    book, file = Workbook(), io.BytesIO()
    book.active.append(["number", *[""] * (columns - 2), "x"][:columns])
    book.active.cell(1_048_576, 1, "4420")
    book.save(file)
    return file


def test_a_far_row_is_read_without_the_blank_rows_between():
    with load(far_row()) as loaded:
        assert [(row.line, row.cells) for row in read(loaded.file, loaded.format)] == [
            (1, ["number"]),
            (1_048_576, ["4420"]),
        ]


def test_a_small_workbook_gets_less_time_than_the_setting_allows(monkeypatch):
    monkeypatch.setattr("sheets.workbooks.LEAST_SECONDS", 0)
    assert "needs more than 0 seconds" in refusal_of(workbook(), seconds=120)


def test_a_workbook_is_not_refused_because_the_host_is_busy(monkeypatch):
    reader = subprocess.Popen

    def started_late(*arguments, **options):
        process = reader(*arguments, **options)
        process.send_signal(signal.SIGSTOP)
        threading.Timer(1.5, process.send_signal, [signal.SIGCONT]).start()
        return process

    monkeypatch.setattr("sheets.workbooks.subprocess.Popen", started_late)
    monkeypatch.setattr("sheets.workbooks.LEAST_SECONDS", 1)
    with load(workbook([["4420"]])) as loaded:
        assert [row.cells for row in read(loaded.file, loaded.format)] == [["4420"]]


def test_an_archive_of_very_many_files_is_refused_before_they_are_listed():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(60_000):
            archive.writestr(zipfile.ZipInfo(f"{number:024}"), "")
    assert "a ZIP archive of very many files" in refusal_of(file)


def test_a_gzip_archive_is_unpacked_only_up_to_a_plausible_ratio():
    file = io.BytesIO(gzip.compress(b"442071234567,a\n" * 20_000_000))
    assert "holds more than 10" in refusal_of(file)


def test_a_gzip_archive_that_takes_too_long_is_refused(monkeypatch):
    monkeypatch.setattr("sheets.loading.UNPACK_SECONDS", -1)
    refusal = refusal_of(io.BytesIO(gzip.compress(b"442071234567\n")))
    assert "takes more than -1 seconds of processor time to unpack. Unpack it, split the file" in refusal


@pytest.mark.parametrize(
    "repeated",
    [
        'table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384"',
        'table:number-rows-repeated="1"><table:table-cell table:number-columns-repeated="1000000000"',
    ],
)
def test_a_tiny_workbook_of_repeated_cells_is_refused(repeated):
    names = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<office:document-content xmlns:office="{names}:office:1.0" xmlns:table="{names}:table:1.0"'
        f' xmlns:text="{names}:text:1.0"><office:body><office:spreadsheet><table:table table:name="S">'
        f'<table:table-row {repeated} office:value-type="string"><text:p>4420</text:p></table:table-cell>'
        "</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
    assert len(file.getvalue()) < 900
    assert re.search(
        "needs more than 256 MB of memory|more than 200 columns", refusal_of(file, memory=256 << 20)
    )


@pytest.mark.parametrize(
    "content",
    [
        b"<table><tr><td>4420" * 1_001,
        b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">'
        + b"".join(b'<Worksheet Name="%d"/>' % number for number in range(1_001))
        + b"</Workbook>",
    ],
)
def test_a_file_of_very_many_tables_is_refused(content):
    assert "has more than 1,000 sheets or tables, the most allowed. Copy the one" in refusal_of(
        io.BytesIO(content)
    )


def test_a_workbook_of_very_many_sheets_is_refused(monkeypatch):
    monkeypatch.setattr("sheets.workbooks.MOST_SHEETS", 1)
    book, file = Workbook(), io.BytesIO()
    book.create_sheet("Second")
    book.save(file)
    assert "has more than 1 sheets or tables" in refusal_of(file)


def test_a_workbook_that_takes_too_much_memory_is_refused():
    book, file = Workbook(), io.BytesIO()
    book.active.append(["number"])
    book.active.cell(100_000, 100, "the parser fills all cells between these two")
    book.save(file)
    assert "needs more than 200 MB of memory" in refusal_of(file, memory=200 << 20)


def test_a_zip_bomb_is_refused_before_it_is_parsed():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"no XML" * 1_000_000)
    assert "has 5 MB after unpacking; at most 1 MB and" in refusal_of(file, unpacked=1 << 20)


def test_a_sheet_with_too_much_text_is_refused():
    # One shared string that many cells refer to
    book = Workbook()
    for _ in range(2_000):
        book.active.append(["x" * 1_000])
    plain = io.BytesIO()
    book.save(plain)
    file = io.BytesIO()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                inline = b't="inlineStr"><is><t>' + b"x" * 1_000 + b"</t></is>"
                content = content.replace(inline, b't="s"><v>0</v>')
            new.writestr(name, content)
        new.writestr("xl/sharedStrings.xml", f"<sst><si><t>{'x' * 1_000}</t></si></sst>")
    assert "more than 1 MB of text" in refusal_of(file, unpacked=1 << 20)


def test_a_gzip_archive_is_unpacked_only_up_to_the_limit():
    file = io.BytesIO(gzip.compress(b"442071234567,a\n" * 1_000_000))
    assert "holds more than 1 MB. Unpack it" in refusal_of(file, unpacked=1 << 20)


def test_the_memory_to_read_a_workbook_does_not_grow_with_it():
    def most_for(count):
        target = io.BytesIO()
        for _ in write_workbook(([str(n)] for n in range(count)), target):
            pass
        with load(target) as loaded:
            tracemalloc.start()
            assert sum(1 for _ in read(loaded.file, loaded.format)) == count
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return most

    assert most_for(100_000) < most_for(20_000) + 500_000


def test_the_parsing_process_gets_no_secrets(monkeypatch, tmp_path):
    """Check its environment, which a malicious file could read."""
    shown = tmp_path / "python"
    shown.write_text(f'#!/bin/sh\nenv > {tmp_path}/env\nexec {sys.executable} "$@"\n')
    shown.chmod(0o700)
    monkeypatch.setenv("SECRET_KEY", "a secret")
    monkeypatch.setattr(sys, "executable", str(shown))
    assert cells_of(workbook()) == ROWS
    assert "a secret" not in (tmp_path / "env").read_text()


def test_a_process_that_fails_to_start_is_not_reported_as_a_damaged_file(monkeypatch, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    broken.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(RuntimeError, match="no such module"):
        load(workbook())


def test_the_parsing_process_imports_no_module_outside_its_room(settings):
    path = f"import sys; sys.path.append({str(settings.BASE_DIR)!r})"
    code = f"{path}; import sheets.process.main; print(*sys.modules)"
    seen = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "python_calamine" in seen.split()
    assert not {name.split(".")[0] for name in seen.split()} & {"dids", "didmgmt", "django"}


def test_the_settings_define_the_limits(settings):
    settings.IMPORT_ROWS, settings.IMPORT_COLUMNS, settings.IMPORT_CELL = 2, 3, 4
    settings.UNPACKED_LIMIT, settings.READ_SECONDS, settings.READ_MEMORY = 5, 6, 7
    assert import_limits() == Limits(rows=2, columns=3, cell=4, unpacked=5, seconds=6, memory=7)


@pytest.mark.parametrize("name", ["IMPORT_ROWS", "IMPORT_CELL", "UNPACKED_LIMIT_MB", "READ_MEMORY_MB"])
def test_an_invalid_limit_is_refused_with_its_name(name):
    code = "import didmgmt.settings"
    refused = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {name: "many"}, capture_output=True, text=True
    )
    assert f"{name} must be a whole number" in refused.stderr


# --- writing ----------------------------------------------------------------------------------------


def written(rows):
    target = io.BytesIO()
    for _ in write_workbook(rows, target):
        pass
    return target


def test_an_exported_workbook_is_read_back_without_damage():
    rows = [
        ["ID", "DID", "Notes"],
        ["1", "0044207123456", "=1+1"],
        ["2", "442071234567", "#N/A"],
        ["3", "4420712345671234567", " a\tb\nc "],
        ["4", "'0044", "+x"],
    ]
    with load(written(rows)) as loaded:
        assert [row.cells for row in read(loaded.file, loaded.format)] == rows
        assert loaded.damage == []


def test_all_filled_cells_of_an_exported_workbook_are_text():
    sheet = load_workbook(written([["ID", "Notes"], [7, "=1+1"], [None, "-5"]])).active
    assert [[(cell.value, cell.data_type) for cell in row] for row in sheet.iter_rows(min_row=2)] == [
        [("7", "s"), ("=1+1", "s")],
        [(None, "n"), ("-5", "s")],
    ]


def test_the_header_of_an_exported_workbook_is_bold_and_frozen():
    sheet = load_workbook(written([["DID", "Notes"], ["4420", "a rather long note " * 9]])).active
    assert sheet["A1"].font.bold and not sheet["A2"].font.bold
    assert sheet.freeze_panes == "A2"
    assert sheet.column_dimensions["A"].width < sheet.column_dimensions["B"].width < 100


def test_characters_that_xml_cannot_represent_are_replaced():
    assert cells_of(written([["DID", "a\0b\x1fc\ufffed\ud800e"]])) == [["DID", "a�b�c�d�e"]]


def test_an_export_reports_its_progress():
    assert list(write_workbook([["4420"]] * 2_500, io.BytesIO())) == [1_000, 2_000, 2_500]


def test_an_abandoned_export_leaves_no_file_behind(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    export = write_workbook([["4420"]] * 2_500, io.BytesIO())
    assert next(export) == 1_000
    assert list(tmp_path.iterdir())
    export.close()
    assert not list(tmp_path.iterdir())


def test_more_rows_than_a_worksheet_holds_are_refused(monkeypatch):
    monkeypatch.setattr("sheets.writing.MOST_ROWS", 2)
    with pytest.raises(SheetError, match="at most 2 rows. Choose CSV"):
        written([["4420"]] * 3)
