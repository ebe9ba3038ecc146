"""Rows of text to files that other programs read, and our own import reads back."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator

CHUNK = 1 << 16  # characters
_RUNS = "=+-@\t\r\n＝＋－＠"  # what a cell begins with that a spreadsheet would run
_FORMULA = re.compile(f"'*[{re.escape(_RUNS)}]")
_LOOK = frozenset(_RUNS + "'")


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
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    enough = 0
    for row in rows:
        writer.writerow(
            [escape(cell) if cell.__class__ is str and cell[:1] in _LOOK else cell for cell in row]
        )
        if text.tell() > enough:
            yield text.getvalue().encode("utf-8", "replace")
            text.seek(0)
            text.truncate()
            enough = CHUNK
    if text.tell():
        yield text.getvalue().encode("utf-8", "replace")
