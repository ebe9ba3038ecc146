"""Tables in files: their format, rows, limits and problems, for text files and workbooks."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

TEXT = "text"


class SheetError(ValueError):
    """Reject a file that can't be read as a table; ``str()`` says what is wrong and what to do."""


class Limits(NamedTuple):
    """Limit the contents of a file and the resources to read it.

    Rows that are not blank, columns, and characters of a cell; bytes after unpacking; seconds and bytes of
    memory of the process that parses a workbook; seconds of processor time that ``load`` examines a text
    file.
    """

    rows: int = 2_000_000
    columns: int = 200
    cell: int = 32_767
    unpacked: int = 2 << 30
    seconds: int = 120
    memory: int = 2 << 30
    examined: float = math.inf


LIMITS = Limits()


class Problem(NamedTuple):
    """Describe why a row does not fit the table.

    ``code`` is ``short`` or ``long`` (too few or too many cells), ``columns`` or ``cell`` (above a limit), or
    ``damaged`` (bytes that are not text in the file's encoding). ``column`` and ``value``: the name of the
    column at fault and what it has, where the reader can tell.
    """

    code: str
    sentence: str
    column: str = ""
    value: str = ""

    def __str__(self) -> str:
        return self.sentence


class Row(NamedTuple):
    """Hold one row of a file.

    ``line`` is its first line, counted from 1 as in an editor, or the row number in a spreadsheet.
    ``problem`` is None for a row that fits. The ``cells`` of a workbook are padded to the table's width;
    those of a text file are neither padded nor trimmed.
    """

    line: int
    cells: list[str]
    problem: Problem | None


@dataclass(frozen=True)
class Format:
    r"""Describe how to read a file.

    ``delimiter``  a value of DELIMITERS, or the one named in a ``sep=`` line; ``""`` for a single column
    ``least``      the columns that a row must have, ``width`` those it may have; they differ if the file
                   omits empty cells at the end of rows, or ends rows with a delimiter
    ``start``      the first line of the table, after titles of a report
    ``quote``      the sign around quoted cells, ``"`` or ``'``
    ``backslash``  whether ``\"`` is a quote inside a quoted cell
    ``padded``     whether every delimiter is followed by a blank, which is not part of the cell
    ``kind``       "text", or the kind of workbook, see KINDS. A workbook has encoding and delimiter "",
                   ``sheet`` is the sheet that is read, and ``sheets`` are the names of all
    ``hidden``     the number of hidden or filtered rows of a workbook, and ``hidden_read`` whether they are
                   read
    """

    encoding: str
    delimiter: str
    width: int
    least: int
    start: int
    kind: str = TEXT
    sheet: str = ""
    sheets: tuple[str, ...] = ()
    quote: str = '"'
    backslash: bool = False
    padded: bool = False
    hidden: int = 0
    hidden_read: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "sheets", tuple(self.sheets))  # a list when it was loaded from JSON


def too_many_rows(limits: Limits) -> SheetError:
    return SheetError(f"The file has more than {limits.rows:,} rows. Split it and load the parts.")


def shape(rows: list[tuple[int, list[str]]]) -> tuple[int, int, int]:
    """Return (width, least, start) as in ``Format`` of the table in ``rows`` of (line, cells)."""
    usual = usual_width(cells for _, cells in rows)
    least = max(_filled(cells) for _, cells in rows if len(cells) == usual) or usual
    start, first = next((line, cells) for line, cells in rows if len(cells) >= least)
    return max(usual, len(first)), least, start


def usual_width(rows: Iterable[list[str]]) -> int:
    """Return the cell count of most rows; rows with one cell, such as titles, count only without others."""
    widths = Counter(map(len, rows))
    return max(widths, key=lambda width: (width > 1, widths[width], width))


def _filled(cells: list[str]) -> int:
    """Return the number of ``cells`` up to the last one that is not empty."""
    return next((at for at in range(len(cells), 0, -1) if cells[at - 1]), 0)
