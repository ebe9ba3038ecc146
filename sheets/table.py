"""What a table in a file is, whatever the file: its format, its rows, its limits, what is wrong with it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

TEXT = "text"


class SheetError(ValueError):
    """A file that can't be read as a table; its text is a sentence that says what it is and what to do."""


class Limits(NamedTuple):
    """
    What a file may hold and cost: rows that are not blank, columns, characters in a cell; bytes of what is
    packed in it; seconds and bytes of memory of the process that reads a workbook.
    """

    rows: int = 2_000_000
    columns: int = 200
    cell: int = 32_767
    unpacked: int = 2 << 30
    seconds: int = 120
    memory: int = 2 << 30


LIMITS = Limits()


class Problem(NamedTuple):
    """
    Why a row does not fit: ``short``, ``long`` (it has too few or too many cells for the table), ``columns``,
    ``cell`` (it is above a limit) or ``damaged`` (its bytes are not text of the file's encoding).
    """

    code: str
    sentence: str

    def __str__(self) -> str:
        return self.sentence


class Row(NamedTuple):
    """
    One row as it stands in the file. ``line`` is where it begins, counted from 1 as an editor counts lines
    and a spreadsheet program its rows; ``problem`` is None when it fits. ``cells`` of a text file are neither
    trimmed nor filled up to the table's width, those of a workbook are filled up.
    """

    line: int
    cells: list[str]
    problem: Problem | None


@dataclass(frozen=True)
class Format:
    """
    How a file is to be read.

    ``delimiter``  one of the values of DELIMITERS, or what a ``sep=`` line names; ``""`` is one column
    ``least``      columns a row needs to fit, ``width`` columns it may have. They differ where the file
                   leaves out empty cells at the end of rows, or ends rows with a delimiter
    ``start``      the line on which the table begins, after what a report writes above it
    ``kind``       "text", or the workbook it was: "xlsx", "xls", "ods". Then encoding and delimiter are "",
                   ``sheet`` is the one that is read, ``sheets`` the names of all
    """

    encoding: str
    delimiter: str
    width: int
    least: int
    start: int
    kind: str = TEXT
    sheet: str = ""
    sheets: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "sheets", tuple(self.sheets))  # JSON makes a list of it


def too_many_rows(limits: Limits) -> SheetError:
    return SheetError(
        f"The file has more than {limits.rows:,} rows. Split it and load one part after the other."
    )


def shape(rows: list[tuple[int, list[str]]]) -> tuple[int, int, int]:
    """(width, least, start) of the table in ``rows``, (line, cells) each, as in Format."""
    usual = usual_width(cells for _, cells in rows)
    least = max(_filled(cells) for _, cells in rows if len(cells) == usual) or usual
    start, first = next((line, cells) for line, cells in rows if len(cells) >= least)
    return max(usual, len(first)), least, start


def usual_width(rows: Iterable[list[str]]) -> int:
    """The number of cells most rows have; rows of one, such as titles, only count if there are no others."""
    widths = Counter(map(len, rows))
    return max(widths, key=lambda width: (width > 1, widths[width], width))


def _filled(cells: list[str]) -> int:
    """The number of ``cells`` up to the last that is not empty."""
    return next((at for at in range(len(cells), 0, -1) if cells[at - 1]), 0)
