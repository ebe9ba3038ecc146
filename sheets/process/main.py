"""Write the rows of a sheet to standard output, under limits of time and memory."""

import contextlib
import json
import re
import resource
import sys
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, Protocol

import python_calamine

from sheets.process.cells import (
    LETTERS,
    TEXTS,
    MergedCells,
    RowMarks,
    TooManySheetsError,
    is_inexact,
    trim,
)
from sheets.process.marks import marks
from sheets.process.markup import MarkupBook

MARKUP = ("html", "xml")
BLANK = "\t[]\n"
SAMPLE = 1_000  # rows of a sheet that are searched for numbers
FEW = 3  # a sheet with fewer numbers, such as a cover with a telephone number, is not preferred to others
_NUMBER = re.compile(r"(?!\d{1,4}([-/.])\d{1,2}\1\d{1,4}$)[+(]?\d[\d ().\-/\u00a0]{5,18}\d")

SheetRows = Iterator[
    tuple[bool, list[str], list[str]]
]  # (whether hidden, letters, texts), without empty ends


class Book(Protocol):
    """A workbook: the names of its sheets in order, those of the hidden ones, and the rows of each."""

    names: list[str]
    hidden: list[str]
    merged: MergedCells  # of the sheet that is read

    def rows(self, name: str) -> SheetRows: ...


def main(
    path: str, kind: str, sheet: str, sheets: int, columns: int, cell: int, seconds: int, memory: int
) -> None:
    """Write the rows of ``sheet``, or of the best visible one for "", to standard output.

    ``sheets``: the most that a file may have; ``columns`` and ``cell`` as in ``Limits``.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    with contextlib.suppress(ValueError, OSError):  # a lower limit is set, or macOS, which has none
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        opened = (
            MarkupBook(path, kind, columns, sheets) if kind in MARKUP else CalamineBook(path, kind, sheets)
        )
        book: Book = opened
        for line in lines(book, sheet, columns, cell):
            sys.stdout.write(line)
    except MemoryError:
        report_error("memory")
    except TooManySheetsError:
        report_error("sheets")
    except python_calamine.PasswordError:
        report_error("password")
    except BrokenPipeError:
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of the parser is no Exception
        lacks_memory = any(sign in str(error) for sign in ("limit exceeded", "pointer is null"))
        report_error("memory" if lacks_memory else "damaged")
    sys.stdout.flush()


def report_error(code: str) -> None:
    sys.stdout.write(json.dumps({"error": code}) + "\n")


def lines(book: Book, sheet: str, columns: int, cell: int) -> Iterator[str]:
    """Yield the lines of standard output."""
    facts = {"sheets": book.names, "hidden": book.hidden, "sheet": sheet, "why": ""}
    if sheet and sheet not in book.names:
        yield json.dumps(facts | {"error": "unknown"}) + "\n"
        return
    chosen, why, found = (sheet, "", started(book.rows(sheet))) if sheet else best_sheet(book)
    if not found:
        yield json.dumps(facts | {"error": "empty"}) + "\n"
        return
    yield json.dumps(facts | {"sheet": chosen, "why": why}) + "\n"
    encode = json.JSONEncoder().encode
    for hidden, letters, texts in found:
        if not texts:
            yield BLANK
            continue
        kept = texts[: columns + 1]
        line = encode(kept)
        if "\\u0000" in line:  # which databases refuse
            line = encode(kept := [text.replace("\0", "") for text in kept])
        if len(line) > cell:  # otherwise no cell is too long
            line = encode([text[: cell + 1] for text in kept])
        yield f"{'-' if hidden else ''}{''.join(letters[: len(kept)])}\t{line}\n"
    yield json.dumps({"merged": book.merged.filled}) + "\n"


def best_sheet(book: Book) -> tuple[str, str, SheetRows | None]:
    """Return the name of the sheet to read, why the first one is not, and its rows; None if all are empty.

    That is the first visible sheet with rows, unless it has hardly any numbers and another one has more. A
    hidden sheet is read only if the visible ones are empty.
    """
    visible = [name for name in book.names if name not in book.hidden]
    best: tuple[str, int, list[tuple[bool, list[str], list[str]]], SheetRows] | None = None
    first = ""
    for name in [*visible, *book.hidden]:
        if best and name in book.hidden:
            break
        rows = started(book.rows(name))
        if not rows:
            continue
        head = list(islice(rows, SAMPLE))
        count = _count_numbers(head)
        first = first or name
        if best is None or count > best[1]:
            best = name, count, head, rows
        if best[0] == first and best[1] >= FEW:
            break
    if not best:
        return "", "", None
    name, _, head, rows = best
    why = "numbers" if name != first else ""
    if not why and name != book.names[0]:
        why = "hidden" if book.names[0] in book.hidden else "empty"
    return name, why, chain(head, rows)


def started(rows: SheetRows) -> SheetRows | None:
    """Return ``rows``, or None if all are blank."""
    for blank, row in enumerate(rows):
        if "".join(row[2]).strip():
            return chain(((False, [], []) for _ in range(blank)), [row], rows)
    return None


def _count_numbers(rows: list[tuple[bool, list[str], list[str]]]) -> int:
    return sum(
        letter in "tnTN" and len(text) > 6 and _NUMBER.fullmatch(text) is not None
        for _, letters, texts in rows
        for letter, text in zip(letters, texts, strict=True)
    )


class CalamineBook:
    """A workbook that python-calamine reads."""

    def __init__(self, path: str, kind: str, most_sheets: int):
        self.path, self.kind = path, kind
        self.book = python_calamine.load_workbook(path)
        worksheets = [
            one for one in self.book.sheets_metadata if one.typ == python_calamine.SheetTypeEnum.WorkSheet
        ]
        self.names = [one.name for one in worksheets]
        if len(self.names) > most_sheets:
            raise TooManySheetsError
        visible = python_calamine.SheetVisibleEnum.Visible
        self.hidden = [one.name for one in worksheets if one.visible != visible]
        self.merged = MergedCells()

    def rows(self, name: str) -> SheetRows:
        sheet = self.book.get_sheet_by_name(name)
        if sheet.start is None:
            return
        left: list[Any] = [""] * sheet.start[1]
        blank = [""] * sheet.width  # one filled cell may be a million rows below the others
        noted = marks(self.path, self.kind, name, self.book.sheet_names.index(name))
        at, row_marks = next(noted, (0, RowMarks()))
        self.merged = MergedCells()
        merged = _starts(sheet.merged_cell_ranges or [])
        for number, cells in enumerate(sheet.iter_rows(), start=1):
            while at and at < number:
                at, row_marks = next(noted, (0, RowMarks()))
            if cells == blank and at != number:
                yield False, [], []
                continue
            values = left + cells if left else cells
            letters = [LETTERS[value.__class__] for value in values]
            texts = [value if value.__class__ is str else TEXTS[value.__class__](value) for value in values]
            if "n" in letters:
                letters = ["x" if is_inexact(*cell) else cell[0] for cell in zip(letters, texts, strict=True)]
            hidden = at == number and row_marks.hidden
            starting = merged.get(number, [])
            if at == number:
                row_marks.apply(letters, texts)
                starting = starting + row_marks.merged
            if self.merged.active:
                self.merged.fill(number, letters, texts)
            for column, last in starting:
                if column < len(texts):
                    self.merged.start(column, last, letters[column], texts[column])
            trim(letters, texts)
            yield hidden, letters, texts


def _starts(ranges: list[tuple[tuple[int, int], tuple[int, int]]]) -> dict[int, list[tuple[int, int]]]:
    """Return {row from 1: [(column from 0, last row)]} of the merged cells with several rows."""
    found: dict[int, list[tuple[int, int]]] = {}
    for (first, column), (last, _) in ranges:
        if last > first:
            found.setdefault(first + 1, []).append((column, last + 1))
    return found
