"""Turn the values of cells into the texts that people see."""

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

EXACT = 10**15  # numbers in workbooks have 15 digits; longer ones were rounded


def number_as_text(value: float) -> str:
    """Return the digits of an exact integer, else text that can't be taken for a phone number.

    That is a number with one or two decimals, or with an exponent; more decimals look like a phone number
    written with a dot.
    """
    if value % 1 == 0 and abs(value) < EXACT:
        return str(int(value))
    short = f"{value:.15G}"
    if "E" in short or re.fullmatch(r"-?\d+\.\d\d?", short):
        return short
    digits, exponent = f"{value:.14E}".split("E")
    return f"{digits.rstrip('0').rstrip('.')}E{exponent}"


def is_inexact(letter: str, text: str) -> bool:
    return letter == "n" and not text.lstrip("-").isdigit()


def length_as_text(value: datetime.timedelta) -> str:
    minutes, seconds = divmod(int(value.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


TEXTS: dict[type, Callable[[Any], str]] = {
    int: number_as_text,
    float: number_as_text,
    bool: lambda value: "TRUE" if value else "FALSE",
    datetime.date: datetime.date.isoformat,
    datetime.time: datetime.time.isoformat,
    datetime.datetime: lambda value: value.isoformat(" "),
    datetime.timedelta: length_as_text,
}
LETTERS: dict[type, str] = {str: "t", int: "n", float: "n", bool: "b"} | dict.fromkeys(
    (datetime.date, datetime.time, datetime.datetime, datetime.timedelta), "d"
)


class TooManySheetsError(Exception):
    """The file has more sheets than are allowed."""


# --- number formats ---------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"\[(?:\$[^\]]*|[A-Za-z]+)\]|_.|\*."  # locale or colour, blank, filling
    r"|(?P<sign>[0#?])|\"(?P<quoted>[^\"]*)\"|\\(?P<escaped>.)|(?P<plain>[ ()+/'-])"
)


def shows_digits(code: str) -> bool:
    """Return whether a number format shows more than the digits of whole numbers: zeros, ``+`` or digits."""
    tokens = _tokens(code)
    return sum(sign == "0" for sign, _ in tokens) > 1 or any(
        char.isdigit() or char == "+" for _, literal in tokens for char in literal
    )


def shown(code: str, digits: str) -> str:
    """Return a whole number, given by its digits, as the format shows it."""
    tokens = _tokens(code)
    if not any(sign for sign, _ in tokens):
        return digits
    parts: list[str] = []
    left = list(digits)
    first = next(index for index, (sign, _) in enumerate(tokens) if sign)
    for index in range(len(tokens) - 1, -1, -1):
        sign, literal = tokens[index]
        if not sign:
            parts.append(literal)
        elif left:
            parts.append("".join(left) if index == first else left.pop())
        elif sign == "0":
            parts.append("0")
    return "".join(reversed(parts)).strip()


@lru_cache(maxsize=1_000)
def _tokens(code: str) -> tuple[tuple[str, str], ...]:
    """Return (sign of a digit or "", literal text) of each token; none if it is not for whole numbers."""
    code = re.split(r';(?=(?:[^"]*"[^"]*")*[^"]*$)', code[:200])[0]
    tokens, at = [], 0
    while at < len(code):
        found = _TOKEN.match(code, at)
        if not found:
            return ()
        at = found.end()
        groups = found.groupdict("")
        tokens.append((groups["sign"], groups["quoted"] + groups["escaped"] + groups["plain"]))
    return tuple(token for token in tokens if any(token))


# --- marks ------------------------------------------------------------------------------------------


class Mark(NamedTuple):
    """Hold what the parser omits of a cell.

    Whether it is a formula, the name of an error, the number format if it shows more digits than the number
    has, and the text of an .ods cell.
    """

    formula: bool = False
    error: str = ""
    format: str = ""
    text: str = ""


@dataclass
class RowMarks:
    """Hold what the parser omits of a row.

    ``cells`` are marks by column from 0, ``merged`` are (column, last row from 1) of merged cells that start
    in the row and extend below it.
    """

    hidden: bool = False
    cells: dict[int, Mark] = field(default_factory=dict)
    merged: list[tuple[int, int]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.hidden or bool(self.cells) or bool(self.merged)

    def apply(self, letters: list[str], texts: list[str]) -> None:
        for column, mark in self.cells.items():
            pad(letters, texts, column + 1)
            text = texts[column]
            if mark.error and not text:
                letters[column], texts[column] = "e", mark.error
            if letters[column] == "n" and text.isdigit() and (as_shown := _as_shown(mark, text)):
                letters[column], texts[column] = "t", as_shown
            if mark.formula:
                letters[column] = letters[column].upper()


def _as_shown(mark: Mark, digits: str) -> str:
    """Return the text that is shown for a whole number, "" if it isn't known or is another number."""
    text = shown(mark.format, digits) if mark.format else mark.text
    return text if re.sub(r"\D", "", text).endswith(digits) else ""


# --- merged cells -----------------------------------------------------------------------------------


class MergedCells:
    """Fill the cells of a sheet that belong to a merged cell that starts in a row above.

    ``filled`` is their number so far. A row without any cell of its own stays blank.
    """

    def __init__(self) -> None:
        self.filled = 0
        self.active: dict[int, tuple[int, str, str]] = {}  # by column: last row, letter, text

    def start(self, column: int, last: int, letter: str, text: str) -> None:
        self.active[column] = last, letter, text

    def covers(self, column: int, row: int) -> bool:
        return column in self.active and row <= self.active[column][0]

    def fill(self, row: int, letters: list[str], texts: list[str]) -> None:
        for column in [column for column, (last, _, _) in self.active.items() if last < row]:
            del self.active[column]
        if not self.active or not "".join(texts).strip():
            return
        for column, (_, letter, text) in self.active.items():
            pad(letters, texts, column + 1)
            if text and not texts[column]:
                letters[column], texts[column] = letter, text
                self.filled += 1


def pad(letters: list[str], texts: list[str], width: int) -> None:
    letters.extend("t" * (width - len(letters)))
    texts.extend([""] * (width - len(texts)))


def trim(letters: list[str], texts: list[str]) -> None:
    """Remove the empty cells at the end."""
    while texts and not texts[-1] and letters[-1] == "t":
        del letters[-1], texts[-1]
