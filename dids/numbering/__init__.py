"""
Phone numbers as text: one normaliser for every door, lists with ranges, and the number search box.

A number is text of 1 to 20 digits with its leading zeros; it never passes through a number type. Nothing
here knows the database.
"""

import heapq
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

MAX_DIGITS = 20
E164_DIGITS = 15  # no number that can be dialled across borders is longer
EXACT_DIGITS = 15  # a spreadsheet's number cell keeps no more than these
MAX_LISTED = 10_000
MAX_ERRORS = 1_000

LOST = "digits lost in the spreadsheet"
FORMAT_AS_TEXT = "Format the column as text in the spreadsheet, enter the number again and save the file."


class NumberError(ValueError):
    """
    A text that is no number, or not surely one.

    ``str()`` is a sentence for the person: the value, the reason and what to do; the parts are in
    ``value``, ``reason`` and ``remedy``.
    """

    def __init__(self, value: object, reason: str, remedy: str):
        self.value, self.reason, self.remedy = str(value), reason, remedy
        super().__init__(f"“{shorten(self.value)}”: {reason}. {remedy}")


def shorten(text: str, length: int = 60) -> str:
    """``text`` fit to be shown inside a sentence: on one line, printable, at most ``length`` characters."""
    shown = "".join(char if char.isprintable() else " " for char in text[: length + 1])
    return shown if len(text) <= length else shown[: length - 1] + "…"


# --- characters -----------------------------------------------------------------------------------

_BREAKS = "\n\r\v\f\x85\u2028\u2029"
_BLANKS = "\t\u2800"  # and every Zs
_PLUSES = "+＋﹢"
_DASHES = "\u2212\u2043\u02d7"  # minus, hyphen bullet, modifier minus; and every Pd
_DOTS = ".․·‧⋅。．｡"
_SLASHES = "/⁄∕／"
_COMMAS = ",،、，﹐､"
_SEMICOLONS = ";؛；﹔"
_LOW_QUOTES = "‚„⹂〝〞〟"  # Unicode files them under brackets

# Characters that draw nothing: Unicode's Default_Ignorable_Code_Point and the interlinear marks. The
# category Cf will not do: it has visible signs of Arabic numbering and lacks variation selectors.
_INVISIBLE = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)  # fmt: skip


class _Plain(dict):
    """
    For ``str.translate``: each character as the plainest one of its kind. What has no kind stays.

    Filled as characters are met, so that a table of all Unicode is neither built nor kept.
    """

    def __missing__(self, code: int) -> str:
        self[code] = plain = self.plain(chr(code))
        return plain

    @staticmethod
    def plain(char: str) -> str:
        kinds = (
            (_BREAKS, "\n"), (_BLANKS, " "), (_PLUSES, "+"), (_DASHES, "-"), (_DOTS, "."),
            (_SLASHES, "/"), (_COMMAS, ","), (_SEMICOLONS, ";"), (_LOW_QUOTES, char),
        )  # fmt: skip
        for members, plain in kinds:
            if char in members:
                return plain
        category = unicodedata.category(char)
        if category == "Nd":
            return str(unicodedata.decimal(char))
        if category == "Cc" or any(low <= ord(char) <= high for low, high in _INVISIBLE):
            return ""
        return {"Zs": " ", "Pd": "-", "Ps": "(", "Pe": ")"}.get(category, char)


_PLAIN = _Plain()
_PUNCTUATION = str.maketrans("", "", " .-()/")
_EXPONENT = re.compile(r"\s*[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d+\s*")
_DECIMAL = re.compile(r"\s*[+-]?\d*\.\d{1,2}\s*")


def normalise(text: str) -> str:
    """
    The digits of one number, 1 to 20 of them, leading zeros kept.

    Drops one leading +, blanks, dots, dashes, brackets, slashes and invisible characters, and turns other
    scripts' digits into ASCII ones. Raises NumberError for anything else. A line break inside is refused:
    dropping it would weld two numbers into one. Idempotent; takes millions of plain numbers a second.
    """
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
        return text
    digits = _digits(text.translate(_PLAIN).strip("\n "))
    if digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS:
        return digits
    raise NumberError(text, *_why_not(text, digits))


def _digits(plain: str) -> str:
    return plain.translate(_PUNCTUATION).removeprefix("+")


def _why_not(text: str, digits: str) -> tuple[str, str]:
    """The reason and the remedy for ``text``, which left ``digits`` that are no number."""
    if _EXPONENT.fullmatch(text):
        return LOST, FORMAT_AS_TEXT
    if not digits:
        return "there is no digit in it", "Enter 1 to 20 digits."
    if digits.isascii() and digits.isdigit():
        return f"it has {len(digits)} digits", f"A number has at most {MAX_DIGITS}."
    if "\n" in digits:
        return "there is a line break inside", "Enter one number."
    if "+" in digits:
        return "there is a + inside", "Enter one number; a single + may stand at its beginning."
    odd = next(char for char in digits if not ("0" <= char <= "9"))
    shown = f"“{odd}”" if odd.isprintable() else f"U+{ord(odd):04X}"
    return f"{shown} is not a digit", "Use digits; blanks, dots, dashes, brackets and slashes are left out."


def from_cell(value: str | int | float | None) -> str:
    """
    The digits of a number in a spreadsheet cell or a field of a text file.

    A cell that holds a number is taken only when it is an exact integer of at most 15 digits: beyond that
    a spreadsheet has rounded it. Text is normalised, after the marks are taken off by which spreadsheets
    keep digits as text (``'0044`` and ``="0044"``). Text that is a decimal with one or two places
    (``123.5``, ``44207.0``) went through a number on its way and is refused; with more places it can't
    be told from a number written with a dot. Raises NumberError, also for None and an empty cell.
    """
    if isinstance(value, str):
        if _DECIMAL.fullmatch(value):
            raise NumberError(value, LOST, FORMAT_AS_TEXT)
        return normalise(_without_text_mark(value))
    if value is None:
        raise NumberError("", "the cell is empty", "Enter 1 to 20 digits.")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NumberError(value, "the cell holds no number", FORMAT_AS_TEXT)
    if abs(value) >= 10**EXACT_DIGITS or value % 1 != 0:
        raise NumberError(value, LOST, FORMAT_AS_TEXT)
    if value < 0:
        raise NumberError(value, "it is below zero", FORMAT_AS_TEXT)
    return str(int(value))


def span_from_cell(value: str) -> tuple[str, str]:
    """
    (low, high) of a cell that holds a number or a range ``111-222``; of a number both are the same.

    A dash makes a range where both sides have the same length, or where blanks stand around it; elsewhere it
    is punctuation, as in ``0800-123456`` and ``212-555-0100``. Raises NumberError as ``from_cell`` does.
    """
    plain = " ".join(_without_text_mark(value).translate(_PLAIN).split())
    low, dash, high = plain.partition("-")
    try:
        if dash and _SPACED_DASH.search(plain):
            return _range(_SPACED_DASH.sub(_TO, plain))
        if dash and "-" not in high and len(_digits(low)) == len(_digits(high)):
            return _number_or_range(plain, low, high)
    except _Unclear as unclear:
        reason, _, remedy = str(unclear).partition(". ")
        raise NumberError(value, reason, remedy) from None
    number = from_cell(value)
    return number, number


def _without_text_mark(text: str) -> str:
    if text.startswith("'"):
        return text[1:]
    if text.startswith('="') and text.endswith('"'):
        return text[2:-1]
    return text


# --- lists and ranges -----------------------------------------------------------------------------


class Problem(NamedTuple):
    """An entry that was refused; ``line`` is None when it is about the whole text."""

    line: int | None
    text: str
    reason: str

    def __str__(self) -> str:
        place = f"Line {self.line}, “{self.text}”: " if self.line else ""
        return f"{place}{self.reason}"


class _Unclear(Exception):
    """An entry can't be read, or can be read in two ways; its text is the reason."""


class Numbers:
    """
    A set of numbers kept as ranges: a million in one range cost as little as one.

    ``count``     how many distinct numbers
    ``repeated``  how many more were named, counting each repetition
    ``errors``    list of Problem, the first 1,000; ``refused`` counts all of them
    ``ranges``    list of (low, high), merged, shorter numbers first

    Iterating yields each number once, ordered as text is, which is how the database orders the column:
    writers that go through it lock in the same order.
    """

    def __init__(self, spans: Iterable[tuple[str, str]] = ()):
        self.count = 0
        self.repeated = 0
        self.errors: list[Problem] = []
        self.refused = 0
        self._spans: dict[int, list[tuple[int, int]]] = {}
        self.add(spans)

    def add(self, spans: Iterable[tuple[str, str]]) -> None:
        """Take up ranges, each a (low, high) of the same length, low not above high."""
        named = self.count + self.repeated
        for low, high in spans:
            first, last = int(low), int(high)
            named += last - first + 1
            of_length = self._spans.setdefault(len(low), [])
            if of_length and of_length[-1][1] + 1 == first:  # a sorted list folds up as it is read
                of_length[-1] = (of_length[-1][0], last)
            else:
                of_length.append((first, last))
        self._spans = {length: _merged(spans) for length, spans in sorted(self._spans.items())}
        self.count = sum(last - first + 1 for spans in self._spans.values() for first, last in spans)
        self.repeated = named - self.count

    def refuse(self, line: int | None, text: str, reason: str) -> None:
        """Note an entry that can't be taken up."""
        self.refused += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(Problem(line, shorten(text), reason))

    @property
    def ranges(self) -> list[tuple[str, str]]:
        return [
            (str(first).zfill(length), str(last).zfill(length))
            for length, spans in self._spans.items()
            for first, last in spans
        ]

    def __iter__(self) -> Iterator[str]:
        return self.after("")

    def after(self, number: str) -> Iterator[str]:
        """The numbers that come after ``number`` in the order of text; all of them after ``""``."""
        return heapq.merge(*(self._of_length(length, number) for length in self._spans))

    def chunks(self, size: int, after: str = "") -> Iterator[list[str]]:
        """Lists of at most ``size`` numbers in ascending order, going on ``after`` the last one done."""
        numbers = self.after(after)
        while chunk := list(islice(numbers, size)):
            yield chunk

    def _of_length(self, length: int, after: str) -> Iterator[str]:
        start = 0
        if after and length > len(after):
            start = int(after.ljust(length, "0"))
        elif after:
            start = int(after[:length]) + 1
        spans = self._spans[length]
        for first, last in spans[max(bisect_right(spans, (start, 0)) - 1, 0) :]:
            for number in range(max(first, start), last + 1):
                yield str(number).zfill(length)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """``spans`` in ascending order, those that overlap or touch made one."""
    spans.sort()
    merged = spans[:1]
    for first, last in spans[1:]:
        if first <= merged[-1][1] + 1:
            if last > merged[-1][1]:
                merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged


_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|$)")
_SEPARATOR = re.compile("[,;\n]")
_SPACED_DASH = re.compile(" +-+ *| *-+ +")
_TO = "\0"  # a dash that surely makes a range; no character of the input is left as this one


def expand(text: str, limit: int) -> Numbers:
    """
    The numbers a text area asks for: numbers and ranges ``111-222`` separated by new lines, commas,
    semicolons or blanks.

    ``222`` and ``111`` of a range are both included, of the same length, low before high. An entry that
    starts with + or holds brackets is one number although there are blanks in it. What can be read in two
    ways is refused with both readings; it and all else that is wrong is in ``errors``. So is the count when
    it is above ``limit``: then nothing may be made. Costs time by the length of the text, never by the size
    of its ranges.
    """
    numbers = Numbers()
    numbers.add(_read_spans(text, numbers))
    if numbers.count > limit:
        reason = f"This makes {numbers.count:,} numbers, more than the {limit:,} allowed at once."
        numbers.refuse(None, "", f"{reason} Make them in parts.")
    return numbers


def listed(text: str, limit: int) -> tuple[list[str], Numbers]:
    """
    What ``expand`` reads, in the order in which it is written, each number once; and the ``Numbers`` with
    the errors, more than ``limit`` being one: then the list is empty.

    Takes besides what the search box surely takes for one whole number: ``=4420``, ``"4420"``,
    ``0800-123456``.
    """
    numbers = Numbers()
    spans = list(_read_spans(text, numbers, or_else=_searched))
    numbers.add(spans)
    named = numbers.count + numbers.repeated
    if numbers.count > limit or named > 100 * limit:  # all that are named are gone through
        reason = f"These are {named:,} numbers, more than the {limit:,} that can be asked about at once."
        numbers.refuse(None, "", f"{reason} Ask in parts.")
        return [], numbers
    every = (str(n).zfill(len(low)) for low, high in spans for n in range(int(low), int(high) + 1))
    return list(dict.fromkeys(every)), numbers


def _searched(item: str) -> list[tuple[str, str]]:
    """The whole number that the search box reads, as a range; none where it finds parts, or several."""
    try:
        search = parse_search(item)
    except NumberError:
        return []
    whole = search is not None and search.kind in ("exact", "contains") and "*" not in item
    return [(search.value, search.value)] if whole else []


def _read_spans(
    text: str, numbers: Numbers, or_else: Callable[[str], list[tuple[str, str]]] = lambda item: []
) -> Iterator[tuple[str, str]]:
    """
    The ranges that ``text`` names; what neither we nor ``or_else`` can read is noted in ``numbers``.
    """
    for line, match in enumerate(_LINE.finditer(text), start=1):
        entry = match[1]
        if entry.isascii() and entry.isdigit() and len(entry) <= MAX_DIGITS:
            yield entry, entry
            continue
        for item in _SEPARATOR.split(entry.translate(_PLAIN)):
            item = " ".join(item.split()).removeprefix("- ")  # "- " is the bullet of a list
            if item:
                try:
                    yield from _item(item)
                except _Unclear as error:
                    if not (spans := or_else(item)):
                        numbers.refuse(line, item, str(error))
                    yield from spans


def _item(item: str) -> list[tuple[str, str]]:
    """What stands between two separators: one number, one range, or several with blanks between."""
    ranged = _SPACED_DASH.sub(_TO, item)
    if "+" not in item and "(" not in item:
        return _blank_separated(ranged)
    if _TO in ranged:
        return [_range(ranged)]
    # each + begins a number; so does each bracket where the first number begins with one
    begin = r" +(?=\(?\+)" if not re.match(r"\([^+]", item) else r" +(?=\()"
    return [span for part in re.split(begin, item) for span in _written_out(part)]


def _blank_separated(item: str) -> list[tuple[str, str]]:
    entries = item.split(" ")
    if len(entries) > 1 and _like_one_number(re.findall(r"\d+", item)):
        readings = ", ".join(entries).replace(_TO, "-")
        raise _Unclear(
            f"it may be one number, {_one(item)}, or {len(entries)} entries, {readings}. "
            "Write one number without blanks, or commas between numbers."
        )
    return [_entry(entry) for entry in entries]


def _like_one_number(groups: list[str]) -> bool:
    """
    Whether groups of digits with blanks between them look like one number written out (``020 7946 0000``,
    ``01 23 45 67 89``) and not like a list, whose numbers tend to be equally long.
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


def _written_out(text: str) -> list[tuple[str, str]]:
    """Where + or brackets tell what one number is: one in groups, or complete numbers and blanks."""
    if "+" not in text and "(" not in text:
        return _blank_separated(text)
    groups = text.split(" ")
    if len(groups) == 1:
        return [_entry(text)]
    digits = [_digits(group) for group in groups]
    total = sum(map(len, digits))
    complete = sum(len(group) >= 7 for group in digits)
    if total > E164_DIGITS and complete == len(groups):
        return [_entry(group) for group in groups]
    if total > E164_DIGITS:
        raise _Unclear(
            f"as one number it has {total} digits, which is too many, and its parts are too short "
            "to be numbers. Put commas between numbers, write a range in full."
        )
    if complete > 1:
        raise _Unclear(
            f"it may be one number, {_one(text)}, or {len(groups)} numbers, {', '.join(digits)}. "
            "Write one number without blanks, or commas between numbers."
        )
    return [_number(text)]


def _number(text: str) -> tuple[str, str]:
    if re.search(r"\d.*\(0\)", text):
        raise _Unclear(
            f"the (0) may belong to the number, {_one(text)}, or be dialled only inside the country, "
            f"{_one(text.replace('(0)', ''))}. Write the digits you mean."
        )
    tail = re.fullmatch(r"[^-]*?(\d+)-(\d+)", text)
    if tail and len(tail[1]) >= len(tail[2]):
        raise _Unclear(
            f"it may be one number, {_one(text)}, or a range with its end cut short to {tail[2]}. "
            "Write a number without the dash, a range with both ends in full."
        )
    number = _one(text)
    return number, number


def _one(text: str) -> str:
    try:
        return normalise(text.replace(_TO, "-"))
    except NumberError as error:
        raise _Unclear(f"{error.reason}. {error.remedy}") from None


def _entry(text: str) -> tuple[str, str]:
    """A number or a range without blanks, as (low, high)."""
    if _TO in text:
        return _range(text)
    if ".." in text:
        raise _Unclear(
            f"it may be one number, {_one(text)}, or a range, {re.sub(r'[.]+', '-', text)}. "
            "Write a range with a dash, a number without dots."
        )
    parts = re.sub("-+", "-", text).split("-")
    if len(parts) == 1:
        return _number(text)
    if not parts[0] or not parts[-1]:
        raise _Unclear("a range needs a number on both sides of its dash. Write it as 111-222.")
    if len(parts) == 2:
        return _number_or_range(text, *parts)
    half = len(parts) // 2
    low, high = (_digits("".join(side)) for side in (parts[:half], parts[half:]))
    halves_alike = [len(part) for part in parts[:half]] == [len(part) for part in parts[half:]]
    if halves_alike and low <= high:
        if len(low) + len(high) > MAX_DIGITS:
            return _span(_one(low), _one(high))
        raise _Unclear(
            f"it may be one number, {low}{high}, or a range, {low}-{high}. Write it in one of these two ways."
        )
    return _number(text)


def _number_or_range(text: str, left: str, right: str) -> tuple[str, str]:
    """One dash: a range when both sides have the same length, else a number if something says so."""
    low, high = _digits(left), _digits(right)
    bracketed = "(" in text and not ("(" in left and "(" in right)
    if bracketed or (len(low) != len(high) and ("+" in text or "(" in text)):
        return _number(text)
    if len(low) != len(high):
        raise _Unclear(
            f"it may be one number, {_one(text)}, or a range whose ends are not of the same length. "
            "Write a number without the dash, a range with both ends in full."
        )
    low, high = _one(left), _one(right)
    if low > high:
        raise _Unclear(
            f"as a range it ends before it begins, as one number it is {low}{high}. "
            f"Write {high}-{low} or the number without the dash."
        )
    return low, high


def _range(text: str) -> tuple[str, str]:
    """A range whose dash stands between blanks, so that its ends may be written out in groups."""
    ends = text.split(_TO)
    if len(ends) != 2 or not all(ends):
        raise _Unclear("a range needs a number on both sides of one dash. Write it as 111-222.")
    (low, _), (high, _) = map(_number, ends)
    return _span(low, high)


def _span(low: str, high: str) -> tuple[str, str]:
    if len(low) != len(high):
        raise _Unclear(
            f"the ends of the range, {low} and {high}, are not of the same length. Write both in full."
        )
    if low > high:
        raise _Unclear(f"the range ends before it begins. Write {high}-{low}.")
    return low, high


# --- the search box -------------------------------------------------------------------------------

MATCHES = ("contains", "begins", "ends", "exact")


@dataclass(frozen=True)
class Search:
    """
    What a search box asks for.

    ``contains`` ``begins`` ``ends`` ``exact``   number against ``value``
    ``range``    low <= number <= high, of the same length as they
    ``list``     number is one of ``values``
    ``either``   number is one of ``values``, or contains ``value``: groups with blanks between, which may
                 be a pasted list or one number written out. Showing both does no harm
    """

    kind: str
    value: str = ""
    values: tuple[str, ...] = ()
    low: str = ""
    high: str = ""


def parse_search(text: str, match: str = "") -> Search | None:
    """
    The search for ``text``, None when it is blank. Punctuation is ignored.

    ``4420`` contains; ``4420*`` begins; ``*4420`` ends; ``*4420*`` contains; ``=4420`` and ``"4420"`` exact;
    ``111-222`` a range; numbers separated by new lines, commas, semicolons or blanks: any of these exactly,
    at most 10,000. ``match`` (of MATCHES, from the select beside the box) says what plain digits mean; when
    it is begins, ends or exact a dash is punctuation and never a range, and only exact goes with a list.
    Raises NumberError for anything else and ValueError for an unknown ``match``.
    """
    if match and match not in MATCHES:
        raise ValueError(f"“{shorten(match)}” is not a way to match a number: use {', '.join(MATCHES)}.")
    plain = re.sub("[,;\n ]*[,;\n][,;\n ]*", ",", text.translate(_PLAIN)).strip(", ")
    if not plain:
        return None
    if "," in plain:
        return _listed(text, plain.split(","), match)
    written = _marked(plain)
    if written is not None:
        kind, value = written
        return Search(kind, value=normalise(value))
    if match not in ("", "contains"):
        if match == "exact" and (search := _blank_list(plain)):
            return Search("list", values=tuple(filter(None, (*search.values, search.value))))
        return Search(match, value=normalise(plain))
    return _range_search(plain) or _blank_list(plain) or Search("contains", value=normalise(plain))


def _marked(plain: str) -> tuple[str, str] | None:
    """The kind and the value that the signs ``*``, ``=`` and quotes ask for, None when there are none."""
    if plain.startswith("="):
        return "exact", plain[1:].strip('" ')
    if len(plain) > 1 and plain[0] in "\"'“" and plain[-1] in "\"'”":
        return "exact", plain[1:-1]
    inner = plain.strip("* ")
    if "*" in inner:
        raise NumberError(plain, "a * stands inside", "Put it at the beginning, at the end, or at both.")
    if "*" in plain:
        return {(True, False): "ends", (False, True): "begins", (True, True): "contains"}[
            plain.startswith("*"), plain.endswith("*")
        ], inner
    return None


def _range_search(plain: str) -> Search | None:
    """The range that ``111-222`` is, None when the dash is punctuation: ends of different lengths."""
    ends = re.split(" *-+ *", plain.strip("- "))
    if len(ends) != 2 and len(spaced := re.split(" +-+ *| *-+ +", plain)) == 2:
        ends = spaced
    if len(ends) != 2:
        return None
    low, high = map(normalise, ends)
    if len(low) != len(high):
        return None
    if low > high:
        reason = "as a range it ends before it begins"
        raise NumberError(plain, reason, f"Write {high}-{low}, or {low}{high} for the number.")
    return Search("range", low=low, high=high)


def _blank_list(plain: str) -> Search | None:
    """Groups with blanks between: a list, or possibly one; None when it surely is one number."""
    groups = plain.split()
    if len(groups) == 1 or "(" in plain or (plain.startswith("+") and plain.count("+") == 1):
        return None
    values = tuple(dict.fromkeys(map(_one_listed, groups)))
    _check_listed(plain, len(values))
    joined = _digits(plain)
    if len(joined) > MAX_DIGITS or not joined.isdigit():
        return Search("list", values=values)
    return Search("either", value=joined, values=values)


def _listed(text: str, entries: list[str], match: str) -> Search:
    if match in ("begins", "ends"):
        reason = "a list is searched for whole numbers"
        raise NumberError(text, reason, "Choose “contains” or “exact” for it.")
    values: dict[str, None] = {}
    for entry in filter(None, (entry.strip() for entry in entries)):
        search = _blank_list(entry)
        values.update(dict.fromkeys(search.values if search else (_one_listed(entry),)))
    _check_listed(text, len(values))
    return Search("list", values=tuple(values))


def _one_listed(entry: str) -> str:
    if _range_search(entry):
        raise NumberError(entry, "a range can't stand in a list", "Search for the range by itself.")
    return normalise(entry)


def _check_listed(text: str, count: int) -> None:
    if count > MAX_LISTED:
        reason = f"the list has {count:,} numbers"
        raise NumberError(text, reason, f"Search for at most {MAX_LISTED:,} at once.")
