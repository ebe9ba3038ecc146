"""What the cells of a column look like: phone numbers, other digits, dates or words. Uses no ORM."""

import re
from collections import Counter
from functools import cached_property

from dids.numbering.normalise import strip_text_marker, to_plain

# Kinds of cells.
BLANK, WORD, DATE, DECIMAL, SHORT, LONG, PHONE, E164 = (
    "blank", "word", "date", "decimal", "short", "long", "phone", "e164",
)  # fmt: skip
DIGITS = {SHORT, LONG, PHONE, E164}
PHONE_LENGTH = range(7, 16)
LONGEST = 100  # characters; longer cells are text

# Levels of ``Column.level``: how much its cells look like DIDs.
NO_NUMBERS, UNKNOWN, SHORT_NUMBERS, DOUBTFUL, PHONES, INTERNATIONAL = range(-1, 5)

_EMPTY = {"", "null", "\\n", "(null)", "none", "nil", "n/a", "#n/a"}
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE = re.compile(
    rf"(?:\d{{4}}([-./])\d{{1,2}}\1\d{{1,2}}|\d{{1,2}}([-./])\d{{1,2}}\2(?:\d{{4}}|\d{{2}})"
    rf"|\d{{1,2}}[- ](?:{_MONTHS})[a-z]*\.?(?:[- ,]+\d{{2,4}})?|(?:{_MONTHS})[a-z]*\.? \d{{1,2}},? \d{{4}}"
    r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{6})?)"
    r"(?:[ t]+\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(?::\d{2})?",
    re.IGNORECASE,
)
_DECIMAL = re.compile(r"[-+]?\d*[.,]\d{1,2}|-\d+|-?\d{1,3}\.\d{4,}|[-+]?[\d.,]+ ?%")
_CURRENCY = re.compile(r"\s*(?:[$€£¥₽₴]|\b(?:usd|eur|gbp|rub|uah|brl)\b)\s*", re.IGNORECASE)
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_EXPONENT = re.compile(r"\d+(?:[.,]\d+)?e\+?\d+", re.IGNORECASE)
_NUMBER = re.compile(r"\+?[\d().\-/ ]+(?: ?(?:ext\.?|x) ?\d+)?", re.IGNORECASE)
_CODE = re.compile(r"[+(]*\d{1,5}\)?")
_HEAD = re.compile(r"[+(]*\d[\d() ]{0,11}")
_SPAN = re.compile(r"[-/,;&]|\.{2,}")  # between the ends of a range, or between two numbers


def kind_of(cell):
    """Return the kind of a cell, as a person sees it."""
    if len(cell) > LONGEST:
        return WORD
    text = to_plain(strip_text_marker(cell)).strip()
    if text.casefold() in _EMPTY or not any(map(str.isalnum, text)):
        return BLANK
    if not any(map(str.isdigit, text)):
        return WORD
    if _DATE.fullmatch(text):
        return DATE
    if _CURRENCY.search(text) or _DECIMAL.fullmatch(text):
        return DECIMAL
    if _ADDRESS.fullmatch(text):
        return WORD
    if _EXPONENT.fullmatch(text):
        return LONG
    for scheme in ("tel:", "sip:", "sips:"):
        if text.casefold().startswith(scheme):
            text = text[len(scheme) :].partition("@")[0].partition(";")[0]
    if _NUMBER.fullmatch(text):
        return _kind_of_digits(text)
    ends = [end.strip() for end in _SPAN.split(text, maxsplit=1)]
    if len(ends) == 2 and all(map(_NUMBER.fullmatch, ends)):
        return _kind_of_digits(ends[0])
    return WORD


def _kind_of_digits(text):
    digits = digits_of(text)
    if len(digits) not in PHONE_LENGTH:
        ends = [digits_of(end) for end in _SPAN.split(text, maxsplit=1)]
        if len(ends) == 2 and len(ends[0]) in PHONE_LENGTH:
            return E164 if text.startswith("+") else PHONE
        return SHORT if len(digits) < PHONE_LENGTH.start else LONG
    if text.lstrip("(").startswith("+") or (digits.startswith("00") and len(digits) > 10):
        return E164
    return PHONE


def digits_of(cell):
    return "".join(char for char in to_plain(cell) if char.isdigit())


class Column:
    """The cells of one column below the header."""

    def __init__(self, cells):
        kinds = list(map(kind_of, cells))
        self.kinds = Counter(kind for kind in kinds if kind != BLANK)
        self.filled = self.kinds.total()
        self.cells = [cell.strip() for kind, cell in zip(kinds, cells, strict=True) if kind != BLANK]
        # The digits of each row, "" where the cell is no number.
        self.rows = [
            digits_of(cell) if kind in DIGITS else "" for kind, cell in zip(kinds, cells, strict=True)
        ]
        self.digits = list(filter(None, self.rows))

    def has_mostly(self, *kinds):
        """Whether more than half of the filled cells are of these kinds."""
        return 2 * sum(self.kinds[kind] for kind in kinds) > self.filled

    @cached_property
    def numbers(self):
        """How many cells are phone numbers."""
        return self.kinds[PHONE] + self.kinds[E164]

    @cached_property
    def distinct(self):
        """The different cells, compared without case."""
        return {cell.casefold() for cell in self.cells}

    @cached_property
    def are_codes(self):
        """Whether every filled cell is a code of 1 to 5 digits, such as +44 or (020)."""
        return self.filled > 0 and all(map(_CODE.fullmatch, map(to_plain, self.cells)))

    @cached_property
    def are_heads(self):
        """Whether every filled cell is a code, or the beginning that the numbers of a block share."""
        return self.filled > 0 and all(map(_HEAD.fullmatch, map(to_plain, self.cells)))

    @cached_property
    def length(self):
        """The most common count of digits, 0 without any."""
        return Counter(map(len, self.digits)).most_common(1)[0][0] if self.digits else 0

    @cached_property
    def level(self):
        """How much the column looks like one of DIDs, from NO_NUMBERS to INTERNATIONAL.

        UNKNOWN without a filled cell. SHORT_NUMBERS are extensions at best; DOUBTFUL repeat, or differ in
        length and beginning, or may be timestamps.
        """
        if not self.filled:
            return UNKNOWN
        if 5 * self.numbers < 3 * self.filled:
            return self._level_of_short_digits()
        if self.has_mostly(E164):
            return INTERNATIONAL
        if self._repeats or self._are_timestamps or not self._is_alike:
            return DOUBTFUL
        return PHONES

    def _level_of_short_digits(self):
        are_digits = 5 * len(self.digits) >= 3 * self.filled
        return NO_NUMBERS if not are_digits or self._repeats or self.are_counts else SHORT_NUMBERS

    @property
    def are_counts(self):
        """Whether they are small counts, or count the rows."""
        return max(map(len, self.digits), default=3) < 3 or self._counts_rows

    @property
    def _repeats(self):
        return len(self.digits) > 2 and 10 * len(set(self.digits)) < 7 * len(self.digits)

    @property
    def _counts_rows(self):
        numbers = [int(digits) for digits in self.digits]
        return (
            len(numbers) > 2
            and numbers[0] in (0, 1)
            and numbers == list(range(numbers[0], len(numbers) + numbers[0]))
        )

    @property
    def _are_timestamps(self):
        """Whether they may be seconds or milliseconds of the years 2001 to 2033."""
        return all(len(digits) in (10, 13) and "10" <= digits[:2] < "20" for digits in self.digits)

    @property
    def _is_alike(self):
        """Whether most have the same length or the same two first digits."""
        for feature in (map(len, self.digits), (digits[:2] for digits in self.digits)):
            if 2 * Counter(feature).most_common(1)[0][1] >= len(self.digits):
                return True
        return False
