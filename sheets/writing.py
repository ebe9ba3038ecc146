"""Write rows as CSV and as workbooks, which our own import can read back."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest
from typing import Any, BinaryIO

from sheets.table import SheetError

CHUNK = 1 << 16  # characters
BATCH = 500  # rows
_RUNS = "=+-@\t\r\n＝＋－＠"  # the first characters of cells that spreadsheets run as formulas
FORMULA = f"'*[{re.escape(_RUNS)}]"  # the beginning of text that is escaped, a regular expression
_FORMULA = re.compile(FORMULA)
MARKED = frozenset(_RUNS + "'")  # its first characters
# Detect whether some cell of a CSV may need an escape; a quoted cell with a delimiter may be a false alarm.
# Searching the text of many rows costs a fraction of checking each cell, and searching for signs even less.
_SIGNS = (*"=+-@\t'＝＋－＠", '"\r', '"\n')
# It begins with a set of characters, which ``re`` searches three times as fast as with "(?:\\A|…".
_RISKY = re.compile("[,\n](?:[=+\\-@\t'＝＋－＠]|\"[=+\\-@\t\r\n'＝＋－＠])")


def escape(text: str) -> str:
    """Return ``text`` with an apostrophe before what a spreadsheet would run as a formula.

    Text that already starts with apostrophes before a formula gets one as well, so that ``unescape`` restores
    every text.
    """
    return "'" + text if _FORMULA.match(text) else text


def unescape(cell: str) -> str:
    """Return the text from which ``escape`` made ``cell``; other apostrophes are kept."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell, 1) else cell


def write(rows: Iterable[Iterable[str | int | None]], *, bom: bool = False) -> Iterator[bytes]:
    """Yield ``rows`` as CSV: comma, CRLF, UTF-8, quotes where needed, None as an empty cell, text escaped.

    The first row, usually the header, comes alone, the rest in chunks of about 64 KiB. Programs that read CSV
    take a byte order mark for a part of the first header, so there is none by default; with ``bom``, Excel
    opens the file with the right encoding. Our own import reads both.
    """
    if bom:
        yield codecs.BOM_UTF8
    rows, count = iter(rows), 1
    while some := list(islice(rows, count)):
        text = _csv(some)
        if any(sign in text for sign in _SIGNS) and _RISKY.search("\n" + text):
            text = _csv([_escaped(row) for row in some])
        yield text.encode("utf-8", "replace")
        count = max(1, min(BATCH, count * CHUNK // len(text)))


def _csv(rows: Iterable[Iterable[str | int | None]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _escaped(row: Iterable[str | int | None]) -> list[str | int | None]:
    return [escape(cell) if cell.__class__ is str and cell[:1] in MARKED else cell for cell in row]


MOST_ROWS = 1_048_576  # of a worksheet
MAX_WIDTH = 60  # characters of a column; longer cells are shown in part
PROGRESS = 1_000  # rows between two reports of progress
_NO_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def write_workbook(rows: Iterable[Iterable[str | int | None]], target: BinaryIO | str) -> Iterator[int]:
    """Write ``rows``, of which the first is the header, as an Excel workbook to a path or a binary file.

    Yields the number of rows written so far, regularly and at the end; the file is complete when the iterator
    is exhausted. All cells are text, so that no zero is lost and no formula run. Characters that XML can't
    represent become "\ufffd"; programs read a cell of spaces as empty. Memory does not grow with the rows.
    Raises SheetError for more rows than a worksheet holds.
    """
    # Imported here, since it takes 13 MiB that most processes don't need.
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    def cell_of(text: str, font: Any) -> Any:
        """Return what ``append`` takes: plain text unless openpyxl would take it for something else."""
        if not font and text[:1] not in ("=", "#"):
            return text or None
        cell = WriteOnlyCell(sheet, text)
        cell.data_type = "s"
        if font:
            cell.font = font
        return cell

    rows = iter(rows)
    head = [[_cell_text(cell) for cell in row] for row in islice(rows, 100)]
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    sheet.freeze_panes = "A2"
    for index, cells in enumerate(zip_longest(*head, fillvalue=""), start=1):
        longest = max(map(len, cells))
        sheet.column_dimensions[get_column_letter(index)].width = min(max(longest, 8) + 2, MAX_WIDTH)
    bold, count = Font(bold=True), 0
    try:
        for row in chain(head, ([_cell_text(cell) for cell in row] for row in rows)):
            count += 1
            if count > MOST_ROWS:
                raise SheetError(f"A worksheet holds at most {MOST_ROWS:,} rows. Choose CSV, or fewer rows.")
            sheet.append([cell_of(text, bold if count == 1 else None) for text in row])
            if count % PROGRESS == 0:
                yield count
        book.save(target)
    finally:
        if not sheet.closed:  # abandoned; openpyxl would keep its temporary file until the process ends
            sheet.close()
            sheet._writer.cleanup()
    yield count


def _cell_text(cell: str | int | None) -> str:
    """Escape only text that ``unescape`` would change: text cells are never run as formulas."""
    text = "" if cell is None else _NO_XML.sub("\ufffd", str(cell))
    return escape(text) if text.startswith("'") else text
