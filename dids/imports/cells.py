"""Read the cells of an imported row as its owner chose in the wizard."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError

import sheets
from clients.models import HOLD_DAYS_MAX
from clients.names import NAME_MAX, clean_name
from clients.tags import tag_label
from didmgmt.text import BIGGEST, parse_whole, shorten
from dids.lifecycle import statuses as st
from dids.numbering.normalise import MAX_DIGITS, NumberError, normalise, to_plain
from dids.numbering.reading import Choices, doubtful_zero, keeps_zero, read_cell

NAMES = ("reseller", "operator", "client", "account", "package")
BY_ID = "id:"  # begins a cell that names a record by its id
REFUSE, LEAVE, KEEP, PAD, PUT = "refuse", "leave", "keep", "pad", "put"
MEANT = {"status": st.CHOICES, "after_hold": st.FREE_CHOICES}  # columns whose values may be translated
EMPTY = ("NULL", "\\N", "(null)", "n/a", "-", "—")  # marks of an empty cell, unless the owner lists others
SHORT_DIGITS = 7  # an international number has more, with its country code
LOCAL_DIGITS = 8  # a number that stands after its codes in other columns has hardly more
LOST_DIGITS = 3  # a number that lacks more digits than this is no phone number at all


class ColumnError(NumberError):
    """A NumberError in another column than the number's, such as the end of a range."""

    def __init__(self, column, error):
        super().__init__(error.value, error.reason, error.remedy, error.kind, error.readings)
        self.column = column


class FlaggedError(NumberError):
    """A cell that holds digits, but hardly a phone number; ``number`` is what it would be."""

    def __init__(self, value, number, others):
        digits = "1 digit" if len(number) == 1 else f"{len(number)} digits"
        reason = f"read as {number}: {digits}, the other numbers have {others}"
        super().__init__(value, reason, "Left out unless ticked.", "flagged")
        self.number = number


class Typical(NamedTuple):
    """The usual lengths of the numbers in a file, ``least`` to ``most`` digits; ``numbers`` have them.

    ``known`` are shorter lengths, of numbers that all exist already.
    """

    least: int
    most: int
    numbers: int
    known: tuple[int, ...] = ()

    def __str__(self):
        return f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"

    def doubt(self, length):
        """Return what a number of this length is: "flagged", "lost" (digits), or "" if it is usual."""
        if length >= self.least or length in self.known:
            return ""
        return "lost" if length >= self.least - LOST_DIGITS else "flagged"


@dataclass(frozen=True)
class CellRules:
    """How the cells of a file are read.

    ``mapping``   the key of each column, "" if it is left out
    ``choices``   how ambiguous notations of numbers are read
    ``lost``      numbers that lack up to three digits: REFUSE, KEEP, PAD with zeros to ``pad`` digits, or PUT
                  the digits ``front`` in front
    ``values``    {"status": {text: status, LEAVE or REFUSE}, "after_hold": {…}}
    ``empty``     texts that count as an empty cell, in any case; so does one without a visible character
    ``written``   lines whose number is written although it is flagged
    ``typical``   the usual lengths of the numbers, None if there are none
    ``strict``    whether a program wrote the rows: each has one number, and may name records by id, ``id:17``
    """

    mapping: tuple[str, ...]
    choices: Choices = field(default_factory=Choices)
    lost: str = REFUSE
    pad: int = 0
    front: str = ""
    values: dict = field(default_factory=dict)
    empty: tuple[str, ...] = EMPTY
    written: frozenset[int] = frozenset()
    typical: Typical | None = None
    strict: bool = False

    @classmethod
    def of(cls, params):
        """Return the rules in the ``params`` of an import job."""
        return cls(
            mapping=tuple(params["mapping"]),
            choices=Choices(**params.get("readings", {})),
            lost=params.get("lost", REFUSE),
            pad=params.get("pad") or 0,
            front=params.get("front", ""),
            values=params.get("values", {}),
            empty=tuple(params.get("empty", EMPTY)),
            written=frozenset(params.get("written", ())),
            typical=Typical(*params["typical"]) if params.get("typical") else None,
            strict=params.get("strict", False),
        )

    @cached_property
    def at(self):
        """{key: index} of the columns; of ``parts`` several columns may have the key."""
        return {key: index for index, key in enumerate(self.mapping) if key and key != "part"}

    @cached_property
    def parts(self):
        """The indexes of the columns with digits in front of the number."""
        return [index for index, key in enumerate(self.mapping) if key == "part"]

    @cached_property
    def width(self):
        """How many cells a row needs."""
        return max((index for index, key in enumerate(self.mapping) if key), default=-1) + 1

    @cached_property
    def usual(self):
        """The lengths of plain digits that need no more reading than a look at their length."""
        if self.parts or "range_end" in self.at or "range_size" in self.at:
            return frozenset()
        least, known = (self.typical.least, self.typical.known) if self.typical else (1, ())
        return frozenset([*known, *range(least, MAX_DIGITS + 1)])

    @cached_property
    def empty_texts(self):
        """The texts of an empty cell, trimmed and in lower case."""
        return frozenset(["", *(mark.strip().casefold() for mark in self.empty)])

    def is_empty(self, cell):
        text = cell.strip().casefold()
        if text.isascii() and text.isprintable():  # takes half the time of cleaning
            return text in self.empty_texts
        return clean_name(text) in self.empty_texts

    def is_blank(self, cells):
        """Whether a row has nothing but empty cells."""
        return all(map(self.is_empty, cells))

    def text(self, cell):
        """Return the text of a cell, None if it is empty."""
        return None if self.is_empty(cell) else sheets.unescape(cell).strip() or None

    # --- numbers

    def ranges(self, line, cells):
        """Return the ranges that a row names, as (low, high).

        Raises NumberError, ColumnError if another column than the number's is wrong, and FlaggedError.
        """
        cell = cells[self.at["number"]]
        if self.is_empty(cell):
            cell = ""
        if self.parts:
            cell = self._local(cell)
        ranges = read_cell(cell, self.choices)
        if self.parts:
            ranges = [self._joined(cell, cells, one) for one in ranges]
        if "range_end" in self.at or "range_size" in self.at:
            ranges = [self._ended(cells, ranges)]
        if self.typical and not is_complete(cell):
            ranges = [self._complete(line, cell, *one) for one in ranges]
        if self.strict and (len(ranges) > 1 or ranges[0][0] != ranges[0][1]):
            raise NumberError(cell, "it names several numbers", "Send a row for each number.", "several")
        return ranges

    def _local(self, cell):
        """Return a number without the blanks in it, if it is too short to be several numbers."""
        digits = "".join(to_plain(cell).split())
        return digits if digits.isdigit() and len(digits) <= LOCAL_DIGITS else cell

    def _front(self, cells):
        """Return the digits of the columns in front of the number, one text for each that has some."""
        found = []
        for index in self.parts:
            if self.is_empty(cells[index]):
                continue
            try:
                found.append(normalise(cells[index]))
            except NumberError as error:
                raise ColumnError("part", error) from None
        return found

    def _joined(self, cell, cells, ends):
        """Return a range with the digits of the columns in front of its two ends."""
        found = self._front(cells)
        if not found:
            return ends
        front, low = "".join(found), ends[0]
        reason = ""
        if "+" in to_plain(cell):
            reason = f"it is complete with its +, and {front} would stand in front of it"
        elif low.startswith(front) and len(low) >= 10:
            reason = f"it may be complete, {low}, or lack the digits in front, {front}{low}"
        if reason:
            remedy = "Leave out the columns of digits in front, or write the number without them."
            raise NumberError(cell, reason, remedy, "joined", (low, front + low))
        return tuple([self._without_zero(cell, found, end) for end in ends])

    def _without_zero(self, cell, found, end):
        """Join the parts of a number; ask about a zero that is dialled only within the country."""
        pieces = [*found, end]
        full = normalise("".join(pieces))
        national = len(found) > 1 or len(found[0]) < 3  # then the first part is a country code
        if not national or not pieces[1].startswith("0") or keeps_zero(pieces[0]):
            return full
        without = normalise("".join([pieces[0], pieces[1][1:], *pieces[2:]]))
        if self.choices.zero == "drop":
            return without
        raise doubtful_zero(cell, f"0 after {pieces[0]}", full, without)

    def _ended(self, cells, ranges):
        """Return the range that begins in the number's cell and has its end or its size in another."""
        low, high = ranges[0]
        for column, read in (("range_end", self._range_end), ("range_size", _range_size)):
            text = cells[self.at[column]].strip() if column in self.at else ""
            if self.is_empty(text):
                continue
            try:
                if len(ranges) > 1:
                    reason = "the row has several numbers and the end of a range"
                    raise NumberError(text, reason, "Write each range in a row of its own.")
                last = read(text, low, cells)
                if high not in (low, last):
                    reason = "the row gives two different ends of its range"
                    raise NumberError(text, reason, "Remove one of them.")
            except ColumnError:
                raise
            except NumberError as error:
                raise ColumnError(column, error) from error
            high = last
        return low, high

    def _range_end(self, text, low, cells):
        [one, *more] = read_cell(text, self.choices)
        if self.parts:
            one = self._joined(text, cells, one)
        last = one[0]
        if more or len(last) != len(low) or last < low:
            reason = f"the end of a range has as many digits as {low} and is not below it"
            raise NumberError(text, reason, "Write the number in full.")
        return last

    def _complete(self, line, cell, low, high):
        """Return a range of usual length, or with the missing digits put in front as chosen."""
        doubt = self.typical.doubt(len(low))
        if doubt == "flagged" and line not in self.written:
            raise FlaggedError(cell, low, self.typical)
        if doubt != "lost" or self.lost == KEEP:
            return low, high
        if self.lost == PAD:
            return low.zfill(self.pad), high.zfill(self.pad)
        if self.lost == PUT:
            return normalise(self.front + low), normalise(self.front + high)
        raise NumberError(
            cell,
            f"it has {len(low)} digits, while the other {self.typical.numbers:,} numbers have {self.typical},"
            " so digits may be missing in front",
            "Choose in step 2 to keep it, pad it with zeros or put digits in front, or correct the file.",
            "lost",
            (low.zfill(self.typical.least),),
        )

    def settled(self, cell, number):
        """Return how doubts about a staged ``cell`` were settled by choice: "several", "zero", PAD or PUT.

        The first two are kinds of ``NumberError``. ``number`` is the first one read from the cell.
        """
        found = [
            kind
            for kind in ("several", "zero")
            if getattr(self.choices, kind) != REFUSE
            and self._read(cell, replace(self.choices, **{kind: REFUSE}))[1] == kind
        ]
        low, _ = self._read(cell, self.choices)
        completed = {PAD: low.zfill(self.pad), PUT: self.front + low}
        if low != number == completed.get(self.lost):
            found.append(self.lost)
        return found

    @staticmethod
    def _read(cell, choices):
        """Return (first number in a cell, "") or ("", kind of the error)."""
        try:
            return read_cell(cell, choices)[0][0], ""
        except NumberError as error:
            return "", error.kind

    # --- other values

    def values_of(self, texts):
        """Read {key: text} of a row; return ({key: value}, the first flaw [key, text, sentence] or None)."""
        values, flaw = {}, None
        for key, text in texts.items():
            meaning = self.values.get(key, {}).get(text)
            if meaning == LEAVE:
                continue
            read = _record if self.strict and key in NAMES else _READERS[key]
            try:
                values[key] = read(meaning if meaning in st.LABELS else text)
            except ValueError as error:
                flaw = flaw or [key, shorten(text), str(error)]
        return values, flaw


def is_complete(cell):
    """Whether a number is written with its country code, so that no digits can be missing in front."""
    text = to_plain(cell).lstrip(" '=\"(")
    return text.startswith(("+", "00")) and sum(map(str.isdigit, text)) > SHORT_DIGITS


def _range_size(text, low, _cells):
    most = settings.IMPORT_ROWS
    size = parse_whole(text, most=most)
    if not size:
        raise NumberError(text, f"a size is a whole number from 1 to {most:,}", "Correct the size.")
    last = str(int(low) + size - 1).zfill(len(low))
    if len(last) > len(low):
        raise NumberError(text, f"there are fewer numbers than that from {low} on", "Correct the size.")
    return last


def too_long(what, text, limit):
    return f"The {what} has {len(text):,} characters; at most {limit} are allowed. Shorten it."


def _name(text):
    text = clean_name(text)
    if len(text) > NAME_MAX:
        raise ValueError(too_long("name", text, NAME_MAX))
    return text or None


def _record(text):
    """Return the name of a record, or its id as ``id:17``."""
    if not text.startswith(BY_ID):
        return _name(text)
    if pk := parse_whole(text.removeprefix(BY_ID), most=BIGGEST):
        return f"{BY_ID}{pk}"
    raise ValueError(f"“{shorten(text)}” is no id. Write a whole number, as in id:17.")


def _status(text):
    if key := st.parse(text):
        return key
    raise ValueError(f"There is no status “{shorten(text)}”. Use one of {', '.join(st.LABELS.values())}.")


def _after_hold(text):
    if (key := st.parse(text)) in st.FREE:
        return key
    raise ValueError(
        f"“{shorten(text)}” can’t be After Hold. Use one of {', '.join(st.LABELS[key] for key in st.FREE)}."
    )


def _days(text):
    days = parse_whole(text, most=HOLD_DAYS_MAX)
    if days is not None:
        return days
    raise ValueError(f"Hold days must be a whole number from 0 to {HOLD_DAYS_MAX}. Correct the number.")


def _tags(text):
    try:
        return tag_label([text]) or None
    except ValidationError as error:
        raise ValueError(error.message) from None


_READERS = dict.fromkeys(NAMES, _name) | {
    "status": _status,
    "after_hold": _after_hold,
    "hold_days": _days,
    "tags": _tags,
}
