"""Detect phone numbers that a spreadsheet has damaged.

Only columns that look like phone numbers in the first rows are checked, so that prices, dates and short
identifiers cause no warnings. The columns need not be mapped yet.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

SAMPLE = 300  # rows that decide which columns are checked
SHOWN = 5  # lines named in a report
LEAST_DIGITS = 7  # of a phone number

_SEPARATORS = str.maketrans("", "", " ()-./\u00a0'")
_WRITTEN = re.compile(r"'?\+?[\d(][\d ()\-./\u00a0]*")
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?:[ T].*)?")
_EXPONENT = re.compile(r"\d+(?:[.,]\d*)?[eE]\+?\d{1,3}")
_DECIMAL = re.compile(r"\d+[.,]\d{1,2}")
# A long number that was taken for a quantity: 4.42071E+11, 442071234567.0
_LARGE = re.compile(r"\d(?:[.,]\d*)?[eE]\+?(?:0?[6-9]|[1-9]\d)|\d{7,}[.,]00?")


class Damage(NamedTuple):
    """Describe damaged cells of one column.

    ``column`` is counted from 1, ``count`` is the number of cells, ``lines`` are the first five, and
    ``sentence`` says all that and what to do. Codes:

    ``number``      whole numbers stored as numbers (workbooks)
    ``exponent``    rounded numbers such as 4.42E+18
    ``decimal``     numbers with a decimal point such as 123.5 or 4420.0
    ``zeros``       numbers that lack the leading zeros of the others
    ``date``        dates and times (workbooks)
    ``formula``     formulas, whose saved results are read (workbooks)
    ``uncomputed``  formulas without a saved result, in any column (workbooks)
    """

    column: int
    code: str
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody calls
    lines: list[int]
    sentence: str


_SENTENCES = {
    "number": (
        "{cells} {hold} numbers, not text ({lines}). "
        "Leading zeros may have been lost; format the column as text."
    ),
    "exponent": (
        "{cells} {hold} rounded numbers such as 4.42E+18 ({lines}). Their last digits are lost; format the "
        "column as text in the source and enter the numbers again."
    ),
    "decimal": (
        "{cells} {hold} numbers with decimals ({lines}), which phone numbers don’t have; "
        "format the column as text in the source and correct them."
    ),
    "zeros": (
        "{cells} {lack} the leading zeros of the others ({lines}). "
        "They were probably lost; format the column as text in the source and add them."
    ),
    "date": (
        "{cells} {hold} dates among the numbers ({lines}). "
        "Format the column as text in the source and enter the digits again."
    ),
    "formula": "{cells} {hold} formulas ({lines}). Their saved results are read.",
    "uncomputed": (
        "{cells} {hold} formulas without a result ({lines}) and {are} read as empty. "
        "Open the workbook in a spreadsheet program, save it and load it again."
    ),
}


class DamageDetector:
    """Count the rows of a file and collect damaged cells, in memory that does not grow with the file.

    ``add`` each row once, then call ``report``. ``kinds`` are the letters of a workbook's cells, as in
    workbook_process; text files have none.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.head: list[tuple[int, list[str], str]] = []
        self.columns: dict[int, _Column] = {}
        self.others: dict[int, _Column] = {}
        self.add: Callable[..., None] = self._collect

    def _collect(self, line: int, cells: list[str], kinds: str = "") -> None:
        self.rows += 1
        self.head.append((line, cells, kinds))
        if len(self.head) == SAMPLE:
            self._choose()

    def _choose(self) -> None:
        width = max((len(cells) for _, cells, _ in self.head), default=0)
        chosen = [index for index in range(width) if _is_of_numbers(index, self.head)]
        self.columns = {index: _Column() for index in chosen}
        self.add = self._check
        self.rows -= len(self.head)
        for row in self.head:
            self._check(*row)
        self.head = []

    def _check(self, line: int, cells: list[str], kinds: str = "") -> None:
        self.rows += 1
        for index, column in self.columns.items():
            if index < len(cells) and (cell := cells[index]):
                column.add(line, cell, kinds[index : index + 1])
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
    """Return whether at least half of the column's filled cells look like phone numbers, damaged or not."""
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


@dataclass(slots=True)
class _Lines:
    count: int = 0
    first: list[int] = field(default_factory=list)


class _Column:
    """Collect the damage of one column."""

    def __init__(self) -> None:
        self.noted: dict[str, tuple[int, list[int]]] = {}
        self.lengths: dict[tuple[int, int], _Lines] = {}  # by (digits, leading zeros)

    def note(self, code: str, line: int) -> None:
        count, lines = self.noted.get(code, (0, []))
        self.noted[code] = count + 1, lines if count >= SHOWN else [*lines, line]

    def add(self, line: int, cell: str, kind: str) -> None:
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
            seen = self.lengths[key] = _Lines()
        seen.count += 1
        if seen.count <= SHOWN:
            seen.first.append(line)

    def found(self) -> dict[str, tuple[int, list[int]]]:
        """Return {code: (count, first lines)}."""
        found = dict(self.noted)
        if short := self._without_zeros():
            found["zeros"] = short
        return found

    def _without_zeros(self) -> tuple[int, list[int]] | None:
        """Return the cells that equal the others without their leading zeros.

        Most cells of the column have the same length and the same number of leading zeros. The damaged ones
        are shorter by that number and have none.
        """
        zeroed = Counter({key: seen.count for key, seen in self.lengths.items() if key[1]})
        every = sum(seen.count for seen in self.lengths.values())
        if 2 * zeroed.total() < every or not zeroed:
            return None
        (size, zeros), count = zeroed.most_common(1)[0]
        if 2 * count < zeroed.total():
            return None
        short = self.lengths.get((size - zeros, 0))
        return (short.count, short.first) if short else None
