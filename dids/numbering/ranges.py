"""Parse lists of numbers and ranges, as pasted into a text area or as stored in a cell."""

import heapq
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from didmgmt.text import shorten
from dids.numbering.normalise import ALLOW_LONG, MAX_DIGITS, TOO_LONG, NumberError, to_plain
from dids.numbering.reading import Range, drop_parameters, parse_item, tidy

MAX_ERRORS = 1_000
NAMED_ERRORS = 5  # rejected entries that sentences name; the others are counted
LONGEST_TEXT = 2_500_000  # characters of a list
MOST_ENTRIES = 100_000  # numbers and ranges in a list; reading one takes 1 to 30 µs
SPLIT = "Split the list."


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
        """Record a rejected entry; a problem of the whole text comes before those of its lines."""
        self.refused += 1
        problem = Problem(line, shorten(text), reason)
        if line is None:
            self.errors.insert(0, problem)
        elif len(self.errors) < MAX_ERRORS:
            self.errors.append(problem)

    def problems(self) -> list[str]:
        """Return sentences about the first few rejected entries, and how many more there are."""
        sentences = [str(problem) for problem in self.errors[:NAMED_ERRORS]]
        if (more := self.refused - len(sentences)) > 0:
            sentences.append(f"{more:,} more {'entry' if more == 1 else 'entries'} can’t be read.")
        return sentences

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


def parse_ranges(text: str, limit: int, longest: int = MAX_DIGITS, instead: str = SPLIT) -> Numbers:
    """Parse numbers and ranges ``111-222`` separated by line breaks, commas, semicolons or spaces.

    The ends of a range are included and have the same length. An entry that starts with + or contains
    brackets is one number even with spaces in it. Entries that can be read in two ways are rejected with
    both readings, and those with more than ``longest`` digits as too long. All problems are in ``errors``,
    as is a count above ``limit``, of which ``instead`` says what to do; the caller must not create anything
    then. Time depends on the length of the text, which is limited, not on the size of its ranges.
    """
    numbers = Numbers()
    numbers.add(read_ranges(text, numbers, longest=longest, instead=instead))
    if numbers.count > limit:
        numbers.refuse(None, "", too_many(numbers.count, limit, instead))
    return numbers


def too_many(count: int, limit: int, instead: str = SPLIT) -> str:
    return f"These are {count:,} numbers; at most {limit:,} are allowed at once. {instead}"


def read_ranges(
    text: str,
    numbers: Numbers,
    read_item: Callable[[str], list[Range]] = parse_item,
    longest: int = MAX_DIGITS,
    instead: str = SPLIT,
) -> Iterator[Range]:
    """Yield the ranges in ``text``.

    Record in ``numbers`` the items that ``read_item`` refuses and those with more than ``longest`` digits. A
    text above ``LONGEST_TEXT`` is refused unread; after ``MOST_ENTRIES`` the rest is.
    """
    if len(text) > LONGEST_TEXT:
        most = f"at most {LONGEST_TEXT:,} are read at once"
        numbers.refuse(None, "", f"The list has {len(text):,} characters; {most}. {instead}")
        return
    left = MOST_ENTRIES
    for line, item in _items(text):
        left -= _count_entries(item)
        if left < 0:
            most = f"more than {MOST_ENTRIES:,} entries, the most that are read at once"
            numbers.refuse(None, "", f"The list has {most}. {instead}")
            return
        digits = item.removeprefix("+")
        if digits.isascii() and digits.isdigit() and len(digits) <= longest:  # inlined for speed
            yield digits, digits
            continue
        try:
            ranges = read_item(item)
            if any(len(low) > longest for low, _ in ranges):
                raise NumberError(item, TOO_LONG, ALLOW_LONG, "long")
            yield from ranges
        except NumberError as error:
            numbers.refuse(line, item, f"{error.reason}. {error.remedy}")


def _items(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each item: what stands between two separators."""
    for line, match in enumerate(_LINE.finditer(text), start=1):
        entry = match[1]
        if entry.removeprefix("+").isdigit() and entry.isascii():  # inlined for speed
            yield line, entry
            continue
        for part in _SEPARATOR.split(drop_parameters(tidy(to_plain(entry)))):
            item = part.strip().removeprefix("- ")  # "- " is the bullet of a list
            if item:
                yield line, item


def _count_entries(item: str) -> int:
    """Return how many entries to count for an item: its groups, if they are too many for one number."""
    groups = item.count(" ") + 1
    return groups if groups > MAX_DIGITS else 1
