"""Small tables as Excel workbooks (.xlsx). Nothing here knows what the columns mean, or the database."""

import re
from collections.abc import Iterable
from io import BytesIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from dids import sheets

_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_WIDEST = 60  # characters of a column


def write(rows: Iterable[Iterable[str | int | None]], title: str) -> bytes:
    """
    A workbook of one sheet: the first row bold and kept in sight, text as text, whole numbers as numbers.

    Text is marked as ``sheets.escape`` marks it in CSV, so that import takes back the same text from either.
    Characters that no workbook can hold become “\ufffd”. Takes all rows into memory.
    """
    rows = [tuple(row) for row in rows]
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for index, cells in enumerate(zip(*rows, strict=True), start=1):
        widest = max(len(str(cell)) for cell in cells if cell is not None)
        sheet.column_dimensions[get_column_letter(index)].width = min(widest, _WIDEST) + 2
    for number, row in enumerate(rows):
        sheet.append([_cell(sheet, value, header=not number) for value in row])
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def _cell(sheet, value, *, header):
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, _NO_XML.sub("\ufffd", sheets.escape(value)))
    cell.data_type = "s"  # also what looks like a formula or an error
    if header:
        cell.font = Font(bold=True)
    return cell
