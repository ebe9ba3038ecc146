"""
Telephone numbers that a spreadsheet has damaged, found before anybody says what the columns mean.

Only columns that look like telephone numbers in the first rows are watched, so that prices, days and
identifiers of a few digits alarm nobody.
"""

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

SAMPLE = 300  # rows that decide which columns are watched
SHOWN = 5  # lines named in a report
LEAST_DIGITS = 7  # of what looks like a telephone number

_SEPARATORS = str.maketrans("", "", " ()-./\u00a0'")
_WRITTEN = re.compile(r"'?\+?[\d(][\d ()\-./\u00a0]*")
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?:[ T].*)?")
_EXPONENT = re.compile(r"\d+(?:[.,]\d*)?[eE]\+?\d{1,3}")
_DECIMAL = re.compile(r"\d+[.,]\d{1,2}")
# What a program makes of a long number that it took for a quantity: 4.42071E+11, 442071234567.0
_LARGE = re.compile(r"\d(?:[.,]\d*)?[eE]\+?(?:0?[6-9]|[1-9]\d)|\d{7,}[.,]00?")


class Damage(NamedTuple):
    """
    What is wrong with cells of one column: ``column`` counted from 1, ``count`` of cells, the first five
    ``lines``, and a sentence with all that and what to do. The codes, and where they are found:

    ``number``      whole numbers stored as numbers (workbooks)
    ``exponent``    rounded, such as 4.42E+18
    ``decimal``     with a decimal point, such as 123.5 or 4420.0
    ``zeros``       as long as the others but for the zeros these begin with
    ``date``        dates and times (workbooks)
    ``formula``     formulas, whose saved results are read (workbooks)
    ``uncomputed``  formulas without a saved result, in any column (workbooks)
    """

    column: int
    code: str
    count: int
    lines: list[int]
    sentence: str


_SENTENCES = {
    "number": (
        "{cells} {hold} numbers, not text ({lines}). Leading zeros may be lost; format the column as text."
    ),
    "exponent": (
        "{cells} {hold} rounded numbers such as 4.42E+18 ({lines}). Their last digits are lost; format the "
        "column as text in the source and enter them again."
    ),
    "decimal": (
        "{cells} {hold} numbers with decimals ({lines}), which no telephone number has; "
        "format the column as text in the source and correct them."
    ),
    "zeros": (
        "{cells} {lack} the zeros that the others begin with ({lines}). "
        "They were probably lost; format the column as text in the source and add them."
    ),
    "date": (
        "{cells} {hold} dates among the numbers ({lines}). "
        "Format the column as text in the source and enter the digits again."
    ),
    "formula": "{cells} {hold} formulas ({lines}). The results saved with them are read.",
    "uncomputed": (
        "{cells} {hold} formulas without a result ({lines}) and {are} read as empty. "
        "Open the workbook in a spreadsheet program, save it and load it again."
    ),
}


class Watch:
    """
    Sees each row of a file once, counts them and reports at the end. ``kinds`` are the letters of a
    workbook's cells, as in workbook_process; text files have none. Memory does not grow with the file.
    """

    def __init__(self):
        self.rows = 0
        self.head: list[tuple[int, list[str], str]] = []
        self.columns: dict[int, _Column] = {}
        self.others: dict[int, _Column] = {}
        self.see: Callable[[int, list[str], str], None] = self._collect

    def _collect(self, line: int, cells: list[str], kinds: str = "") -> None:
        self.rows += 1
        self.head.append((line, cells, kinds))
        if len(self.head) == SAMPLE:
            self._choose()

    def _choose(self) -> None:
        width = max((len(cells) for _, cells, _ in self.head), default=0)
        chosen = [index for index in range(width) if _is_of_numbers(index, self.head)]
        self.columns = {index: _Column() for index in chosen}
        self.see = self._watch
        self.rows -= len(self.head)
        for row in self.head:
            self._watch(*row)
        self.head = []

    def _watch(self, line: int, cells: list[str], kinds: str = "") -> None:
        self.rows += 1
        for index, column in self.columns.items():
            if index < len(cells) and (cell := cells[index]):
                column.see(line, cell, kinds[index : index + 1])
        if kinds and not kinds.islower():
            for index, kind in enumerate(kinds):
                if kind.isupper() and not cells[index]:
                    self.others.setdefault(index, _Column()).note("uncomputed", line)

    def report(self) -> list[Damage]:
        if self.head:
            self._choose()
        found = [
            _damage(index + 1, code, count, lines)
            for columns in (self.columns, self.others)
            for index, column in columns.items()
            for code, (count, lines) in column.found().items()
        ]
        return sorted(found, key=lambda damage: (damage.column, list(_SENTENCES).index(damage.code)))


def _damage(column: int, code: str, count: int, lines: list[int]) -> Damage:
    shown = ", ".join(f"{line}" for line in lines) + (" …" if count > len(lines) else "")
    one = count == 1
    sentence = _SENTENCES[code].format(
        cells=f"Column {column}: {count:,} {'cell' if one else 'cells'}",
        hold="holds" if one else "hold",
        lack="lacks" if one else "lack",
        are="is" if one else "are",
        lines=f"{'line' if one else 'lines'} {shown}",
    )
    return Damage(column, code, count, lines, sentence)


def _is_of_numbers(index: int, rows: list[tuple[int, list[str], str]]) -> bool:
    """Whether at least half of what stands in the column looks like telephone numbers, damaged or not."""
    cells = [
        cells[index].strip()
        for _, cells, kinds in rows
        if index < len(cells) and cells[index] and kinds[index : index + 1].lower() != "d"
    ]
    return 0 < len(cells) <= 2 * sum(map(_looks_like_number, cells))


def _looks_like_number(cell: str) -> bool:
    if _WRITTEN.fullmatch(cell) and not _DATE.fullmatch(cell):
        return len(cell.translate(_SEPARATORS).lstrip("+")) >= LEAST_DIGITS
    return _LARGE.fullmatch(cell) is not None


class _Column:
    """What was seen in one column."""

    def __init__(self):
        self.noted: dict[str, tuple[int, list[int]]] = {}
        self.lengths: dict[tuple[int, int], list] = {}  # (digits, zeros they begin with): [count, lines]

    def note(self, code: str, line: int) -> None:
        count, lines = self.noted.get(code, (0, []))
        self.noted[code] = count + 1, lines if count >= SHOWN else [*lines, line]

    def see(self, line: int, cell: str, kind: str) -> None:
        if kind.isupper():
            self.note("formula", line)
            kind = kind.lower()
        if kind == "d":
            self.note("date", line)
            return
        if kind == "n":
            self.note("number", line)
        if not cell.isdigit():
            cell = cell.strip()
            if _EXPONENT.fullmatch(cell):
                self.note("exponent", line)
            elif _DECIMAL.fullmatch(cell):
                self.note("decimal", line)
            cell = cell.translate(_SEPARATORS)
            if not cell.isdigit():
                return
        size = len(cell)
        key = size, size - len(cell.lstrip("0"))
        seen = self.lengths.get(key)
        if seen is None:
            self.lengths[key] = [1, [line]]
        else:
            seen[0] += 1
            if seen[0] <= SHOWN:
                seen[1].append(line)

    def found(self) -> dict[str, tuple[int, list[int]]]:
        """{code: (count, first lines)} of the damage."""
        found = dict(self.noted)
        if short := self._without_zeros():
            found["zeros"] = short
        return found

    def _without_zeros(self) -> tuple[int, list[int]] | None:
        """
        Cells that are what is left of the others without their zeros: most of the column begins with the
        same number of zeros and has one length, and these are shorter by that number and have none.
        """
        zeroed = Counter({key: seen[0] for key, seen in self.lengths.items() if key[1]})
        every = sum(seen[0] for seen in self.lengths.values())
        if 2 * zeroed.total() < every or not zeroed:
            return None
        (size, zeros), count = zeroed.most_common(1)[0]
        if 2 * count < zeroed.total():
            return None
        short = self.lengths.get((size - zeros, 0))
        return (short[0], short[1]) if short else None
