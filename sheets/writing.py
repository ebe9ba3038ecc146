"""Rows of text to files that other programs read, and our own import reads back."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest
from typing import BinaryIO

from sheets.table import SheetError

CHUNK = 1 << 16  # characters
TOGETHER = 500  # rows
_RUNS = "=+-@\t\r\n＝＋－＠"  # what a cell begins with that a spreadsheet would run
_FORMULA = re.compile(f"'*[{re.escape(_RUNS)}]")
_LOOK = frozenset(_RUNS + "'")
# Whether some cell of a CSV may need an escape; a quoted cell that holds a delimiter may only look so. To
# search the text of many rows costs a fraction of a look at each cell, and a sign that is nowhere even less.
_SIGNS = (*"=+-@\t'＝＋－＠", '"\r', '"\n')
_RISKY = re.compile("(?:\\A|[,\n])(?:[=+\\-@\t'＝＋－＠]|\"[=+\\-@\t\r\n'＝＋－＠])")


def escape(text: str) -> str:
    """
    ``text`` made harmless for spreadsheets: an apostrophe before what they would run as a formula.

    So is a text that begins with apostrophes before a formula, so that ``unescape`` gives back each text.
    """
    return "'" + text if _FORMULA.match(text) else text


def unescape(cell: str) -> str:
    """The text that ``escape`` made ``cell`` of. Other cells that begin with an apostrophe stay."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell, 1) else cell


def write(rows: Iterable[Iterable[str | int | None]], *, bom: bool = False) -> Iterator[bytes]:
    """
    CSV of ``rows`` in a stream: comma, CRLF, UTF-8, quotes where needed, None as an empty cell, text escaped.

    The first row, usually the header, comes at once, the rest in chunks of some 64 KiB. Without a byte order
    mark, which programs that read CSV take for a part of the first header; with ``bom``, Excel shows letters
    beyond ASCII right on opening the file. Our own import reads both.
    """
    if bom:
        yield codecs.BOM_UTF8
    rows, count = iter(rows), 1
    while some := list(islice(rows, count)):
        text = _csv(some)
        if any(sign in text for sign in _SIGNS) and _RISKY.search(text):
            text = _csv([_escaped(row) for row in some])
        yield text.encode("utf-8", "replace")
        count = max(1, min(TOGETHER, count * CHUNK // len(text)))


def _csv(rows: list) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _escaped(row: Iterable[str | int | None]) -> list[str | int | None]:
    return [escape(cell) if cell.__class__ is str and cell[:1] in _LOOK else cell for cell in row]


MOST_ROWS = 1_048_576  # of a worksheet
WIDEST = 60  # characters; a longer cell is shown in part
PROGRESS = 1_000  # rows
_NO_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def write_workbook(rows: Iterable[Iterable[str | int | None]], target: BinaryIO | str) -> Iterator[int]:
    """
    Write ``rows``, of which the first is the header, as an Excel workbook to ``target``, a path or a binary
    file, complete when this is exhausted. Gives how many rows there are so far, now and then and at the end.

    All cells are text, so that no zero is lost and no formula run; characters that XML can't hold become
    "\ufffd", and cells of nothing but blanks are empty to programs that read it. Memory does not grow with
    the rows. Raises SheetError when they are more than a sheet holds.
    """
    # 13 MiB, which a process that writes no workbook does without
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    rows = iter(rows)
    head = [[_cell_text(cell) for cell in row] for row in islice(rows, 100)]
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    sheet.freeze_panes = "A2"
    for index, cells in enumerate(zip_longest(*head, fillvalue=""), start=1):
        longest = max(map(len, cells))
        sheet.column_dimensions[get_column_letter(index)].width = min(max(longest, 8) + 2, WIDEST)
    bold, count = Font(bold=True), 0
    try:
        for row in chain(head, ([_cell_text(cell) for cell in row] for row in rows)):
            count += 1
            if count > MOST_ROWS:
                raise SheetError(f"A worksheet holds at most {MOST_ROWS:,} rows. Choose CSV, or fewer rows.")
            sheet.append([_text_cell(sheet, text, bold if count == 1 else None) for text in row])
            if count % PROGRESS == 0:
                yield count
        book.save(target)
    finally:
        if not sheet.closed:  # given up; openpyxl would leave its temporary file until the process ends
            sheet.close()
            sheet._writer.cleanup()
    yield count


def _cell_text(cell: str | int | None) -> str:
    """Text cells need no mark against formulas; what looks marked gets one, for ``unescape`` takes one."""
    text = "" if cell is None else _NO_XML.sub("\ufffd", str(cell))
    return escape(text) if text.startswith("'") else text


def _text_cell(sheet, text: str, font):
    """What ``append`` takes; a plain text where openpyxl would not take it for something else."""
    if not font and text[:1] not in ("=", "#"):
        return text or None
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    if font:
        cell.font = font
    return cell
