"""Parse lists of numbers and ranges, as pasted into a text area or as stored in a cell."""

import heapq
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from didmgmt.text import shorten
from dids.numbering.normalise import (
    MAX_DIGITS,
    NumberError,
    normalise,
    normalise_cell,
    strip_punctuation,
    strip_text_marker,
    to_plain,
)

E164_DIGITS = 15  # the longest number that can be dialled internationally
MAX_ERRORS = 1_000

Range = tuple[str, str]  # (low, high), both included, of the same length


class Problem(NamedTuple):
    """Describe one rejected entry; ``line`` is None when the problem is about the whole text."""

    line: int | None
    text: str
    reason: str

    def __str__(self) -> str:
        position = f"Line {self.line}, “{self.text}”: " if self.line else ""
        return f"{position}{self.reason}"


class Numbers:
    """Hold a set of numbers as ranges, so that a million consecutive numbers cost as little as one.

    ``count``     the number of distinct numbers
    ``repeated``  how many entries were repetitions
    ``errors``    the first 1,000 rejected entries as ``Problem``; ``refused`` counts all of them
    ``ranges``    merged ranges, shorter numbers first

    Iteration yields each number once, in text order. The database orders the column the same way, so
    writers that iterate over it lock rows in the same order.
    """

    def __init__(self, ranges: Iterable[Range] = ()):
        self.count = 0
        self.repeated = 0
        self.errors: list[Problem] = []
        self.refused = 0
        self._spans: dict[int, list[tuple[int, int]]] = {}  # by length
        self.add(ranges)

    def add(self, ranges: Iterable[Range]) -> None:
        """Add ranges and merge them with those already present."""
        named = self.count + self.repeated
        for low, high in ranges:
            first, last = int(low), int(high)
            named += last - first + 1
            spans = self._spans.setdefault(len(low), [])
            if spans and spans[-1][1] + 1 == first:  # a sorted list is merged while it is read
                spans[-1] = (spans[-1][0], last)
            else:
                spans.append((first, last))
        self._spans = {length: _merge(spans) for length, spans in sorted(self._spans.items())}
        self.count = sum(last - first + 1 for spans in self._spans.values() for first, last in spans)
        self.repeated = named - self.count

    def refuse(self, line: int | None, text: str, reason: str) -> None:
        """Record a rejected entry."""
        self.refused += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(Problem(line, shorten(text), reason))

    @property
    def ranges(self) -> list[Range]:
        return [
            (str(first).zfill(length), str(last).zfill(length))
            for length, spans in self._spans.items()
            for first, last in spans
        ]

    def __iter__(self) -> Iterator[str]:
        return self.after("")

    def after(self, number: str) -> Iterator[str]:
        """Yield the numbers greater than ``number`` in text order; all of them for ``""``."""
        return heapq.merge(*(self._of_length(length, number) for length in self._spans))

    def chunks(self, size: int, after: str = "") -> Iterator[list[str]]:
        """Yield lists of at most ``size`` numbers in ascending order, starting after ``after``."""
        numbers = self.after(after)
        while chunk := list(islice(numbers, size)):
            yield chunk

    def _of_length(self, length: int, after: str) -> Iterator[str]:
        start = int(after.ljust(length, "0")) if length > len(after) else int(after[:length]) + 1
        spans = self._spans[length]
        for first, last in spans[max(bisect_right(spans, (start, 0)) - 1, 0) :]:
            for number in range(max(first, start), last + 1):
                yield str(number).zfill(length)


def _merge(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort ``spans`` and join those that overlap or touch."""
    spans.sort()
    merged = spans[:1]
    for first, last in spans[1:]:
        start, end = merged[-1]
        if first <= end + 1:
            merged[-1] = (start, max(end, last))
        else:
            merged.append((first, last))
    return merged


# --- lists and cells ------------------------------------------------------------------------------

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|$)")
_SEPARATOR = re.compile("[,;\n]")
_SPACED_DASH = re.compile(" +-+ *| *-+ +")
_RANGE_DASH = "\0"  # marks a dash that certainly makes a range; to_plain() leaves no NUL in the input


def parse_ranges(text: str, limit: int) -> Numbers:
    """Parse numbers and ranges ``111-222`` separated by line breaks, commas, semicolons or spaces.

    The ends of a range are included and have the same length. An entry that starts with + or contains
    brackets is one number even with spaces in it. Entries that can be read in two ways are rejected with
    both readings. All problems are in ``errors``, as is a count above ``limit``; the caller must not create
    anything then. Time depends on the length of the text, not on the size of its ranges.
    """
    numbers = Numbers()
    numbers.add(read_ranges(text, numbers))
    if numbers.count > limit:
        numbers.refuse(None, "", too_many(numbers.count, limit))
    return numbers


def too_many(count: int, limit: int) -> str:
    return f"These are {count:,} numbers; at most {limit:,} are allowed at once. Split the list."


def read_ranges(
    text: str, numbers: Numbers, fallback: Callable[[str], list[Range]] | None = None
) -> Iterator[Range]:
    """Yield the ranges in ``text`` and record in ``numbers`` what neither we nor ``fallback`` can read."""
    for line, match in enumerate(_LINE.finditer(text), start=1):
        entry = match[1]
        if entry.isascii() and entry.isdigit() and len(entry) <= MAX_DIGITS:  # inlined for speed
            yield entry, entry
            continue
        for part in _SEPARATOR.split(to_plain(entry)):
            item = " ".join(part.split()).removeprefix("- ")  # "- " is the bullet of a list
            if item:
                try:
                    yield from _parse_item(item)
                except NumberError as error:
                    if not (ranges := fallback(item) if fallback else []):
                        numbers.refuse(line, item, f"{error.reason}. {error.remedy}")
                    yield from ranges


def parse_cell(value: str) -> Range:
    """Return the range in a cell; for a single number both ends are the same.

    A dash makes a range if both sides have the same length or if it is surrounded by spaces. Otherwise it is
    punctuation, as in ``0800-123456`` and ``212-555-0100``. Raises NumberError as ``normalise_cell`` does.
    """
    plain = " ".join(to_plain(strip_text_marker(value)).split())
    low, dash, high = plain.partition("-")
    try:
        if _SPACED_DASH.search(plain):
            return _parse_spaced_range(_SPACED_DASH.sub(_RANGE_DASH, plain))
        if dash and "-" not in high and len(strip_punctuation(low)) == len(strip_punctuation(high)):
            return _parse_dashed(plain, low, high)
    except NumberError as error:
        raise NumberError(value, error.reason, error.remedy) from None
    number = normalise_cell(value)
    return number, number


# --- one item of a list ---------------------------------------------------------------------------

_NO_SPACES = "Write one number without spaces, or put commas between numbers."
_IN_FULL = "Write a number without the dash, or a range with both ends in full."
_ONE_SIDED = "a range needs one dash with a number on each side"
_AS_RANGE = "Write it as 111-222."


def _parse_item(item: str) -> list[Range]:
    """Parse the text between two separators: a number, a range, or several with spaces between them."""
    ranged = _SPACED_DASH.sub(_RANGE_DASH, item)
    if "+" not in item and "(" not in item:
        return _parse_spaced(ranged)
    if _RANGE_DASH in ranged:
        return [_parse_spaced_range(ranged)]
    # Each + starts a number; so does each bracket if the first number starts with one.
    start = r" +(?=\(?\+)" if not re.match(r"\([^+]", item) else r" +(?=\()"
    return [one for part in re.split(start, item) for one in _parse_international(part)]


def _parse_spaced(item: str) -> list[Range]:
    """Parse entries separated by spaces; reject what may be one number written in groups."""
    entries = item.split(" ")
    if len(entries) > 1 and _like_one_number(re.findall(r"\d+", item)):
        readings = ", ".join(entries).replace(_RANGE_DASH, "-")
        raise _ambiguous(item, f"{len(entries)} entries, {readings}", _NO_SPACES)
    return [_parse_entry(entry) for entry in entries]


def _like_one_number(groups: list[str]) -> bool:
    """Return whether groups of digits look like one number (``020 7946 0000``, ``01 23 45 67 89``).

    The numbers of a list tend to have equal lengths. Groups of equal length are one number only if the
    first starts with a zero and another does not.
    """
    total = sum(map(len, groups))
    if not 7 <= total <= E164_DIGITS or sum(len(group) >= 7 for group in groups) > 1:
        return False
    if any(len(group) == 1 for group in groups[1:]):
        return False
    if len(groups) > 2 and sum(len(group) >= 5 for group in groups) > 1:
        return False
    if len({len(group) for group in groups}) > 1:
        return True
    zeros = [group.startswith("0") for group in groups]
    return zeros[0] and not all(zeros)


def _parse_international(text: str) -> list[Range]:
    """Parse a number with + or brackets, in groups, or followed by other complete numbers."""
    if "+" not in text and "(" not in text:
        return _parse_spaced(text)
    groups = text.split(" ")
    if len(groups) == 1:
        return [_parse_entry(text)]
    digits = [strip_punctuation(group) for group in groups]
    total = sum(map(len, digits))
    complete = sum(len(group) >= 7 for group in digits)
    if total > E164_DIGITS and complete == len(groups):
        return [_parse_entry(group) for group in groups]
    if total > E164_DIGITS:
        reason = f"it has {total} digits, too many for one number, and its parts are too short for several"
        raise NumberError(text, reason, "Put commas between numbers, and write both ends of a range in full.")
    if complete > 1:
        raise _ambiguous(text, f"{len(groups)} numbers, {', '.join(digits)}", _NO_SPACES)
    return [_parse_single(text)]


def _parse_single(text: str) -> Range:
    """Parse one number; reject ``(0)`` inside it and a shortened end such as ``+442079460000-99``."""
    if re.search(r"\d.*\(0\)", text):
        full, without = _number(text), _number(text.replace("(0)", ""))
        reason = f"the (0) may be part of the number, {full}, or dialled only within the country, {without}"
        raise NumberError(text, reason, "Write only the digits of the number.")
    tail = re.fullmatch(r"[^-]*?(\d+)-(\d+)", text)
    if tail and len(tail[1]) >= len(tail[2]):
        raise _ambiguous(text, f"a range with its end shortened to {tail[2]}", _IN_FULL)
    number = _number(text)
    return number, number


def _number(text: str) -> str:
    return normalise(text.replace(_RANGE_DASH, "-"))


def _ambiguous(text: str, other_reading: str, remedy: str) -> NumberError:
    return NumberError(text, f"it may be one number, {_number(text)}, or {other_reading}", remedy)


def _parse_entry(text: str) -> Range:
    """Parse a number or a range without spaces."""
    if _RANGE_DASH in text:
        return _parse_spaced_range(text)
    if ".." in text:
        dashed = re.sub("[.]+", "-", text)
        raise _ambiguous(text, f"a range, {dashed}", "Write a number without dots, or a range with a dash.")
    parts = re.sub("-+", "-", text).split("-")
    if len(parts) == 1:
        return _parse_single(text)
    if not parts[0] or not parts[-1]:
        raise NumberError(text, _ONE_SIDED, _AS_RANGE)
    if len(parts) == 2:
        return _parse_dashed(text, *parts)
    half = len(parts) // 2
    low, high = (strip_punctuation("".join(side)) for side in (parts[:half], parts[half:]))
    halves_match = [len(part) for part in parts[:half]] == [len(part) for part in parts[half:]]
    if halves_match and low <= high:
        if len(low) + len(high) > MAX_DIGITS:
            return _checked(_number(low), _number(high))
        raise _ambiguous(text, f"a range, {low}-{high}", "Write it in one of these two ways.")
    return _parse_single(text)


def _parse_dashed(text: str, left: str, right: str) -> Range:
    """Parse text with one dash: a range if both sides have the same length, else possibly a number."""
    low, high = strip_punctuation(left), strip_punctuation(right)
    bracketed = "(" in text and not ("(" in left and "(" in right)
    if bracketed or (len(low) != len(high) and ("+" in text or "(" in text)):
        return _parse_single(text)
    if len(low) != len(high):
        raise _ambiguous(text, "a range whose ends have different lengths", _IN_FULL)
    low, high = _number(left), _number(right)
    if low > high:
        reason = f"as a range it ends before it starts; as one number it is {low}{high}"
        raise NumberError(text, reason, f"Write {high}-{low}, or the number without the dash.")
    return low, high


def _parse_spaced_range(text: str) -> Range:
    """Parse a range with spaces around its dash; its ends may be written in groups."""
    ends = text.split(_RANGE_DASH)
    if len(ends) != 2 or not all(ends):
        raise NumberError(text, _ONE_SIDED, _AS_RANGE)
    (low, _), (high, _) = map(_parse_single, ends)
    return _checked(low, high)


def _checked(low: str, high: str) -> Range:
    if len(low) != len(high):
        reason = f"the ends of the range, {low} and {high}, have different lengths"
        raise NumberError(f"{low}-{high}", reason, "Write both in full.")
    if low > high:
        raise NumberError(f"{low}-{high}", "the range ends before it starts", f"Write {high}-{low}.")
    return low, high
