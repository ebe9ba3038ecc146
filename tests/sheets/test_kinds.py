"""Kinds of workbooks other than plain .xlsx files: where portals and programs differ from the usual."""

import gzip
import io
import struct
import zipfile

import pytest

from sheets import SheetError, load, read
from tests.sheets.test_sheets import SAMPLES
from tests.sheets.test_workbooks import ROWS, cells_of, workbook


def loaded_cells(content, name="", **chosen):
    with load(io.BytesIO(content), name, **chosen) as loaded:
        return [row.cells for row in read(loaded.file, loaded.format)], loaded


# --- .xlsb ------------------------------------------------------------------------------------------


def record(kind, data=b""):
    head = bytes([kind]) if kind < 0x80 else bytes([kind & 0x7F | 0x80, kind >> 7])
    return head + bytes([len(data) & 0x7F | 0x80, len(data) >> 7]) + data


def wide(text):
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def text_cell(column, text):
    return record(6, struct.pack("<II", column, 0) + wide(text))


def number_cell(column, number, style=0):
    return record(5, struct.pack("<IId", column, style, number))


def formula_cell(column, number):
    return record(9, struct.pack("<IIdHII", column, 0, number, 0, 0, 0))


def row_header(row, hidden=False):
    return record(0, struct.pack("<IIHBBBI", row, 0, 300, 0, 0x10 if hidden else 0, 0, 0))


def xlsb(rows, after=b""):
    """Return a binary workbook; ``rows`` are lists of records of cells, with ``None`` for a hidden row."""
    sheet = record(129) + record(148, struct.pack("<4I", 0, len(rows), 0, 5)) + record(145)
    for index, cells in enumerate(rows):
        sheet += row_header(index, hidden=None in cells) + b"".join(cell for cell in cells if cell)
    sheet += record(146) + after + record(130)
    links = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    styles = (
        record(278)
        + record(44, struct.pack("<H", 164) + wide("00000000000"))
        + record(617, struct.pack("<I", 2))
        + record(47, struct.pack("<HHHHHHI", 0, 0, 0, 0, 0, 0, 0))
        + record(47, struct.pack("<HHHHHHI", 0, 164, 0, 0, 0, 0, 0))
        + record(618)
        + record(279)
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override '
            'PartName="/xl/workbook.bin" '
            'ContentType="application/vnd.ms-excel.sheet.binary.macroEnabled.main"/></Types>',
        )
        relations = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}'
        relation = '<Relationship Id="{}" Type="{}/{}" Target="{}"/>'
        archive.writestr(
            "_rels/.rels",
            relations.format(relation.format("rId1", links, "officeDocument", "xl/workbook.bin"))
            + "</Relationships>",
        )
        archive.writestr(
            "xl/_rels/workbook.bin.rels",
            relations.format(
                relation.format("rId1", links, "worksheet", "worksheets/sheet1.bin")
                + relation.format("rId2", links, "styles", "styles.bin")
            )
            + "</Relationships>",
        )
        sheets = record(156, struct.pack("<II", 0, 1) + wide("rId1") + wide("Numbers"))
        archive.writestr("xl/workbook.bin", record(131) + record(143) + sheets + record(144) + record(132))
        archive.writestr("xl/worksheets/sheet1.bin", sheet)
        archive.writestr("xl/styles.bin", styles)
    return content.getvalue()


def test_a_binary_workbook_is_read():
    content = xlsb([[text_cell(0, "number"), text_cell(1, "client")], [number_cell(0, 442071234567.0)]])
    found, loaded = loaded_cells(content, "a.xlsb")
    assert found == [["number", "client"], ["442071234567", ""]]
    assert (loaded.format.kind, loaded.format.sheet, loaded.notes) == ("xlsb", "Numbers", [])


def test_zeros_hidden_rows_formulas_and_merged_cells_of_a_binary_workbook_are_read():
    rows = [
        [text_cell(0, "number"), text_cell(1, "operator")],
        [number_cell(0, 2071234567.0, style=1), text_cell(1, "Op 1")],
        [None, number_cell(0, 2071234568.0, style=1)],
        [formula_cell(0, 442071234567.0)],
    ]
    merged = record(177, struct.pack("<I", 1)) + record(176, struct.pack("<4I", 1, 2, 1, 1)) + record(178)
    found, loaded = loaded_cells(xlsb(rows, merged))
    assert found[1:] == [["02071234567", "Op 1"], ["02071234568", "Op 1"], ["442071234567", ""]]
    assert loaded.format.hidden == 1
    assert [damage.code for damage in loaded.damage] == ["number", "formula"]


# --- .xls -------------------------------------------------------------------------------------------


def biff(kind, data=b""):
    return struct.pack("<HH", kind, len(data)) + data


def xls(cells, hidden=(), merged=()):
    """Return a workbook of Excel 97; ``cells`` are (row, column, value, style), style 1 shows 11 digits."""
    start = biff(0x0809, struct.pack("<HHHHII", 0x0600, 5, 0, 0, 0, 0))
    start += biff(0x041E, struct.pack("<HHB", 164, 11, 0) + b"0" * 11)
    start += biff(0x00E0, struct.pack("<HH16x", 0, 0)) + biff(0x00E0, struct.pack("<HH16x", 0, 164))
    sheet = biff(0x0809, struct.pack("<HHHHII", 0x0600, 16, 0, 0, 0, 0))
    sheet += biff(0x0200, struct.pack("<IIHHH", 0, 10, 0, 5, 0))
    sheet += b"".join(biff(0x0208, struct.pack("<HHHHHHI", row, 0, 5, 300, 0, 0, 0x20)) for row in hidden)
    for row, column, value, style in cells:
        if isinstance(value, str):
            text = struct.pack("<HHHHB", row, column, style, len(value), 0) + value.encode()
            sheet += biff(0x0204, text)
        else:
            sheet += biff(0x0203, struct.pack("<HHHd", row, column, style, value))
    ranges = b"".join(struct.pack("<4H", *one) for one in merged)
    sheet += biff(0x00E5, struct.pack("<H", len(merged)) + ranges) + biff(0x000A)
    bounds = struct.pack("<BBBB", 0, 0, 7, 0) + b"Numbers"
    at = len(start) + 4 + 4 + len(bounds) + 4
    book = start + biff(0x0085, struct.pack("<I", at) + bounds) + biff(0x000A) + sheet
    return container(book.ljust(4096, b"\0"))


def container(book):
    """Return an OLE container with ``book``, of at least 4,096 bytes, as its only stream."""
    free, end, table = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    book += bytes(-len(book) % 512)
    blocks = [table, end, *range(3, len(book) // 512 + 2), end]

    def entry(name, kind, start, size, child=free):
        raw = name.encode("utf-16-le")
        about = struct.pack("<HBBIII36x", len(raw) + 2, kind, 1, free, free, child)
        return raw.ljust(64, b"\0") + about + struct.pack("<IQ", start, size)

    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + struct.pack("<16xHHHHH6x", 62, 3, 0xFFFE, 9, 6)
    head += struct.pack("<9I", 0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[free] * 108)
    directory = entry("Root Entry", 5, end, 0, 1) + entry("Workbook", 2, 2, len(book)) + bytes(256)
    return head + struct.pack("<128I", *blocks, *[free] * (128 - len(blocks))) + directory + book


def test_an_old_workbook_is_read_as_shown():
    cells = [(0, 0, "number", 0), (0, 1, "operator", 0), (1, 0, 2071234567.0, 1), (1, 1, "Op 1", 0)]
    cells += [(2, 0, 2071234568.0, 1), (3, 0, 442071234569.0, 0)]
    content = xls(cells, hidden=[2], merged=[(1, 2, 1, 1)])
    found, loaded = loaded_cells(content, "a.xls")
    assert found[1:] == [["02071234567", "Op 1"], ["02071234568", "Op 1"], ["442071234569", ""]]
    assert (loaded.format.kind, loaded.format.hidden) == ("xls", 1)
    assert [row[0] for row in loaded_cells(content, hidden=False)[0]] == [
        "number",
        "02071234567",
        "442071234569",
    ]


# --- names in the archive ---------------------------------------------------------------------------


def renamed(name, replaced=lambda content: content):
    """Return a workbook whose parts are renamed and changed."""
    content = io.BytesIO()
    with zipfile.ZipFile(workbook()) as old, zipfile.ZipFile(content, "w") as new:
        for part in old.namelist():
            member = zipfile.ZipInfo()
            member.filename = name(part)  # the constructor would replace backslashes
            new.writestr(member, replaced(old.read(part)))
    return content.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        lambda part: part.replace("/", "\\"),
        str.upper,
        str.lower,
        lambda part: f"/{part}",
        lambda part: f"./{part}",
    ],
)
def test_names_of_parts_may_be_written_in_other_ways(name):
    assert loaded_cells(renamed(name))[0] == ROWS


@pytest.mark.parametrize("folder", ["book/", ""])
def test_parts_may_be_in_another_folder(folder):
    found, loaded = loaded_cells(
        renamed(
            lambda part: part.replace("xl/_rels/", f"{folder}_rels/").replace("xl/", folder),
            lambda content: content.replace(b"/xl/", b"/" + folder.encode()).replace(
                b'"xl/', b'"' + folder.encode()
            ),
        )
    )
    assert found == ROWS
    assert loaded.format.kind == "xlsx"


@pytest.mark.parametrize(
    "name", ["Index/Document.iwa", "list.numbers/Index.zip", "list.numbers/Index/Document.iwa"]
)
def test_an_apple_numbers_document_is_refused_by_its_name(name):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(SheetError, match="Apple Numbers document. Export it as CSV or Excel"):
        load(content)


def test_a_web_archive_is_refused_by_its_name():
    with pytest.raises(SheetError, match="a web archive"):
        load(io.BytesIO(b"MIME-Version: 1.0\r\nContent-Type: multipart/related\r\n\r\n<table>"))


# --- web pages --------------------------------------------------------------------------------------


PAGE = """
<html xmlns:x="urn:schemas-microsoft-com:office:excel"><head><meta charset="windows-1250">
<style>td { mso-number-format: "\\@" }</style></head><body>
<table><tr><td>Report of <b>May</b></td></tr></table>
<TABLE border=1><thead><tr><th>Number<th>Client<th>Notes</thead>
<tr><td>02071234567</td><td rowspan=2>Dvořák &amp; Syn</td><td>a<br>b</td></tr>
<tr style="display: none"><td>02071234568</td><td></td></tr>
<tr><td>02071234569<td colspan=2>&nbsp;x </tr>
</TABLE></body></html>
"""


def test_the_table_of_a_web_page_is_read():
    found, loaded = loaded_cells(PAGE.encode("cp1250"), "numbers.xls")
    assert found == [
        ["Number", "Client", "Notes"],
        ["02071234567", "Dvořák & Syn", "a b"],
        ["02071234568", "Dvořák & Syn", ""],
        ["02071234569", "x", ""],
    ]
    assert loaded.format.sheets == ("Table 1", "Table 2")
    first = "“Table 2” is read because “Table 1” has hardly any phone numbers."
    assert loaded.notes == [
        "The file is a web page (HTML), though its name ends in .xls.",
        f"The workbook has 2 sheets (“Table 1”, “Table 2”); {first}",
        "1 cell is part of a merged cell and has its value.",
        "1 row is hidden or filtered out in the workbook and read.",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_web_page_in_unicode_is_read(encoding):
    assert loaded_cells(PAGE.encode(encoding))[0][1][1] == "Dvořák & Syn"


def test_a_table_inside_a_cell_is_a_table_of_its_own():
    page = "<table><tr><td>menu<table><tr><td>442071234567<td>a</table></td></tr></table>"
    found, _ = loaded_cells(page.encode(), sheet="Table 2")
    assert found == [["442071234567", "a"]]
    assert loaded_cells(page.encode(), sheet="Table 1")[0] == [["menu"]]


def test_a_web_page_without_a_table_is_refused():
    with pytest.raises(SheetError, match="a web page .HTML. without a table. Choose the file with the table"):
        load(io.BytesIO(b"<!DOCTYPE html><html><body>Sign in</body></html>"))


@pytest.mark.parametrize(
    "page",
    [
        "<table>" + "<tr><td rowspan=99999999 colspan=99999999>4420</td></tr>" * 50,
        "<table>" * 3_000 + "<tr><td>4420",
        "<table><tr>" + "<td colspan=9999999>" * 5_000 + "4420",
        "<table><tr><td>" + "<" * 200_000 + "4420",
    ],
)
def test_a_web_page_made_to_exhaust_the_reader_is_read_or_refused(page):
    try:
        cells_of(io.BytesIO(page.encode()))
    except SheetError:
        return


# --- XML --------------------------------------------------------------------------------------------

XML = """<?xml version="1.0"?>
<?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"
 xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet" xmlns:x="urn:schemas-microsoft-com:office:excel">
 <Styles><Style ss:ID="s1"><NumberFormat ss:Format="00000000000"/></Style></Styles>
 <Worksheet ss:Name="Numbers"><Table>
  <Row><Cell><Data ss:Type="String">number</Data></Cell><Cell><Data ss:Type="String">operator</Data></Cell>
   <Cell><Data ss:Type="String">since</Data></Cell><Cell><Data ss:Type="String">x</Data></Cell></Row>
  <Row ss:Index="3"><Cell ss:StyleID="s1"><Data ss:Type="Number">2071234567</Data></Cell>
   <Cell ss:MergeDown="1"><Data ss:Type="String">Op &amp; Co</Data></Cell>
   <Cell><Data ss:Type="DateTime">2026-05-03T00:00:00.000</Data></Cell>
   <Cell><Data ss:Type="Boolean">1</Data></Cell></Row>
  <Row ss:Hidden="1"><Cell><Data ss:Type="Number">442071234568</Data></Cell>
   <Cell ss:Index="4" ss:Formula="=1/0"><Data ss:Type="Error">#DIV/0!</Data></Cell></Row>
 </Table></Worksheet>
 <Worksheet ss:Name="Old"><Table/>
  <x:WorksheetOptions><x:Visible>SheetHidden</x:Visible></x:WorksheetOptions>
 </Worksheet>
</Workbook>"""


def test_an_xml_workbook_is_read():
    found, loaded = loaded_cells(XML.encode(), "numbers.xls")
    assert found == [
        ["number", "operator", "since", "x"],
        ["02071234567", "Op & Co", "2026-05-03", "TRUE"],
        ["442071234568", "Op & Co", "", "#DIV/0!"],
    ]
    assert (loaded.format.kind, loaded.format.sheets, loaded.format.hidden) == ("xml", ("Numbers", "Old"), 1)
    assert [damage.code for damage in loaded.damage] == ["number"]


def test_an_xml_workbook_with_entities_is_refused():
    content = XML.replace("<Workbook", '<!DOCTYPE x [<!ENTITY a "aaaaaaaa">]>\n<Workbook', 1)
    with pytest.raises(SheetError, match="damaged"):
        load(io.BytesIO(content.encode()))


def test_xml_without_a_table_is_refused_by_its_name():
    with pytest.raises(SheetError, match="an XML document, not a table"):
        load(io.BytesIO(b"<?xml version='1.0'?><numbers><number>4420</number></numbers>"))


def flat(content):
    """Return the flat form of an .ods file."""
    with zipfile.ZipFile(content) as archive:
        xml = archive.read("content.xml").decode()
    mimetype = 'office:mimetype="application/vnd.oasis.opendocument.spreadsheet"'
    return xml.replace("<office:document-content", f"<office:document {mimetype}", 1).replace(
        "</office:document-content>", "</office:document>"
    )


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
def test_a_flat_opendocument_spreadsheet_is_read_like_an_ods_file(packed):
    path = SAMPLES / "text_cells.ods"
    content = packed(flat(path).encode())
    found, loaded = loaded_cells(content)
    with path.open("rb") as file:
        assert found == cells_of(file)
    assert loaded.format.kind == "fods"
