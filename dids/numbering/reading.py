"""Read an entry of a list or a cell: a number or a range. Refuse what can be read in two ways.

A number may be written in groups of digits. Blanks, dots and brackets between groups are punctuation. So is
a dash or a slash where the text can only be a number: ``0800-123456``, ``212-555-0100``, ``020/7946001``.
The lengths of the groups decide. A text with several groups is doubtful, and refused with its readings, if

- it has more than 15 digits, which no number has;
- a group of seven digits or more, which may be a whole number, is followed by another group;
- the group after the last dash or slash is shorter than the one before it, as in ``441632961280-289``
  (except 5-4 digits after an area code, as in ``(11) 98765-4321``);
- that group is as long as the one before it, greater, and the two begin alike, are the ends of a block, or
  have the only dash between them, as in ``555-0100-0199``, ``0800-000-999`` and ``0800 123-456``;
- the groups before the last dash already make a whole number: ten digits, or eleven after a +;
- a slash follows more digits than an area code has, or there are two slashes;
- one dash or slash separates two groups with fewer than eight digits in all, as in ``1-100``;
- blanks separate groups that look like a list: equally long and similar, or too few digits for one number.

One dash between equally many digits is a range: ``111-222``. Four to six digits on each side may also be one
number, as in ``98765-43210``: that is doubtful, unless the two are less than a hundred apart (``5000-5044``)
or the ends of whole hundreds (``1000-1999``, ``1000-2000``). A dash with blanks around it, "to" and similar
words always make a range.

What is read is never a guess: ``Choices`` say which doubts a person has settled.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from dids.numbering.normalise import (
    E164_DIGITS,
    MAX_DIGITS,
    NumberError,
    normalise,
    strip_punctuation,
    strip_text_marker,
    to_plain,
)
from dids.numbering.not_numbers import refuse_other

WHOLE = 7  # digits from which a group may be a whole number
AREA = 6  # most digits of an area code in front of a slash
LONGEST = 200  # characters of a text that is analysed as one number

Range = tuple[str, str]  # (low, high), both included, of the same length


@dataclass(frozen=True)
class Choices:
    """Say how a person wants ambiguous notations of a file to be read.

    ``short_ranges`` ``441632961280-289``: "refuse" or "expand".
    ``several``      two numbers in one cell: "refuse" or "split".
    ``dash``         ``43210-98765``: "refuse", or read a "range" or one "number". A number also means those
                     with ends that look like a range.
    ``zero``         ``+44 (0)20 7946 0000``: "refuse" or "drop" the zero in brackets.
    """

    short_ranges: str = "refuse"
    several: str = "refuse"
    dash: str = "refuse"
    zero: str = "refuse"


REFUSE_ALL = Choices()

_IN_FULL = "Write a number as digits only, or a range with both ends in full."
_A_PATTERN = "it is a pattern and not a number"
_ONE_SIDED = "a range needs one dash with a number on each side"
_AS_RANGE = "Write it as 111-222."
_EACH_ON_A_LINE = "Write one number as digits only, or each number on a line of its own."

# Frequent notations that the rules above read as one number. Most cells of most files match, and are read
# five times as fast.
_ORDINARY = re.compile(
    r"\+[1-9]\d{6,14}"
    r"|\+[1-9]\d{0,2} [1-9]\d{1,3}(?: \d{3,4}){1,2}"
    r"|(?:\+?1[ -])?(?:[2-9]\d\d-|\([2-9]\d\d\) )[2-9]\d\d-\d{4}"
    r"|0[1-9]\d{2,3} \d{6}"
    r"|0[1-9]\d \d{3,4} \d{4}",
    re.ASCII,
)
_RANGE_DASH = "\0"  # marks a dash that certainly makes a range; to_plain() leaves no NUL in the input
_SPACED_DASH = re.compile(
    r"(?i) - ?| ?- |(?<=[\d)]) ?(?:to|thru|through|until|till|bis|jusqu'à|à|até|hasta|до|по) ?(?=[\d+(])"
)
_BLANKS, _DASHES = re.compile(" {2,}"), re.compile("-{2,}")
_SEPARATORS = re.compile(r"(?i) ?[,;|&\n][,;|&\n ]*| (?:and|or|und|oder|ou|et|y|и|или|та|або) ")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")
_TEL = re.compile(r"(?i)(?:tel|callto) ?: ?((?:%2B)?)([^;?]*)(?:;(?:ext|isub)=[\d-]*)?")
_TEL_PARAMETERS = re.compile(r"(?i)(tel:[^;,\s]*);(?:ext|isub)=[\d-]*")
_ZERO_IN_BRACKETS = re.compile(r"(?<=\d)([^\d]*)\(0\)")
# A zero in front of the area code, after the country code. Some countries have it in their numbers.
_ZERO_KEPT = r"39\b|378|379|225|229|241|242"
_CODE = rf"(?!{_ZERO_KEPT})[1-9]\d{{0,2}}"
_ZERO_AFTER_CODE = re.compile(rf"((?:^|(?<=\0) ?)\(?(?:\+ ?{_CODE}[ .\-/()]+|00{_CODE}[ .()]+))0(?=\d)")
_NEXT_PLUS = re.compile(r"[ /]+(?=\(?\+)")
_NEXT_BRACKET = re.compile(r" (?=\()")
_DIGITS = re.compile(r"\d+")
_PATTERN = re.compile(r"(?<=\d)((?:\(\d+(?:-|\.\.)\d+\)|[xX?])+)$")
_LISTED_ENDS = re.compile(r"\d ?\( ?\d+ ?,")
_PATTERN_PART = re.compile(r"\((\d+)(?:-|\.\.)(\d+)\)|[xX?]")
_LAST_IN_BRACKETS = re.compile(r"(.*\d.*)\((\d+)\)", re.DOTALL)


def read_cell(text: str, choices: Choices = REFUSE_ALL) -> list[Range]:
    """Return the ranges in a cell, in the order written; for a single number both ends are the same.

    Raises NumberError for a cell without a number and for one with two readings.
    """
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:  # inlined for speed
        return [(text, text)]
    if _ORDINARY.fullmatch(text):
        number = strip_punctuation(text)
        return [(number, number)]
    plain = drop_parameters(tidy(to_plain(strip_text_marker(text)).strip("\n ")))
    try:
        if _LISTED_ENDS.search(plain):
            raise NumberError(text, _A_PATTERN, _IN_FULL, "short range")
        parts = [part for part in _SEPARATORS.split(plain) if part]
        if len(parts) > 1:
            refuse_other(text, plain)  # 1,20 and January 5, 2026
            if _THOUSANDS.fullmatch(plain):
                return _several(plain, parts, REFUSE_ALL)
            return _several(plain, parts, choices, separated=True)
        return read_entry(parts[0] if parts else plain, choices)
    except NumberError as error:
        raise NumberError(text, error.reason, error.remedy, error.kind, error.readings) from None


def tidy(plain: str) -> str:
    """Return text from ``to_plain`` with single blanks and dashes, so that patterns take linear time."""
    plain = plain.replace("…", "..")
    return _DASHES.sub("-", _BLANKS.sub(" ", plain))


def drop_parameters(plain: str) -> str:
    """Drop the extension of a tel: address, whose semicolon is no separator."""
    return _TEL_PARAMETERS.sub(r"\1", plain) if ";" in plain else plain


def drop_scheme(plain: str) -> str:
    """Return the number of a tel: address, other text unchanged."""
    match = _TEL.fullmatch(plain)
    return ("+" if match[1] else "") + match[2] if match else plain


def mark_ranges(plain: str) -> str:
    """Replace each dash with blanks around it, and each "to", with a mark that never is punctuation."""
    return _SPACED_DASH.sub(_RANGE_DASH, plain)


# --- one entry ------------------------------------------------------------------------------------


def read_entry(text: str, choices: Choices = REFUSE_ALL) -> list[Range]:
    """Read the plain, tidy text of one number or range; blanks in it separate groups of digits.

    Raises NumberError; time does not depend on the length of the text.
    """
    if len(text) > LONGEST:
        _number(text[: 10 * LONGEST])
        raise NumberError(text, f"it has {len(text):,} characters", "Enter one number.")
    text = drop_scheme(text)
    refuse_other(text, text)
    if text.count("(") != text.count(")"):
        raise NumberError(text, "it has a bracket without its pair", _IN_FULL)
    text = _without_zero(mark_ranges(text), choices)
    if _RANGE_DASH in text:
        return _read_spaced_range(text, choices)
    if text.startswith("-") or text.endswith("-"):
        raise NumberError(text, _ONE_SIDED, _AS_RANGE)
    if text.count("-") == 1 and (dashed := _read_dashed(text, choices)):
        return [dashed]
    if pattern := _PATTERN.search(text):
        return _read_pattern(text, text[: pattern.start()], pattern[1], choices)
    parts = [part for part in _NEXT_PLUS.split(text) if part]
    if len(parts) > 1:
        return _several(text, parts, choices, separated=True)
    return _read_groups(text, choices)


def _number(text: str) -> str:
    return normalise(text.replace(_RANGE_DASH, "-"))


def ambiguous(text: str, other_reading: str, remedy: str, kind: str = "", *readings: str) -> NumberError:
    """Return the error for one number or ``other_reading``, whose ``readings`` are given."""
    number = _number(text)
    reason = f"it may be one number, {number}, or {other_reading}"
    return NumberError(text, reason, remedy, kind, (number, *readings))


def _without_zero(text: str, choices: Choices) -> str:
    """Drop or refuse a zero after the country code, which is dialled only within the country."""
    without = _ZERO_IN_BRACKETS.sub(r"\1", text) if "(0)" in text else _ZERO_AFTER_CODE.sub(r"\1", text)
    if without == text or (choices.zero == "drop" and "(0" in text):
        return without
    if not _is_one_number(without):
        reason = "the 0 after the country code may be part of the numbers, or dialled only within the country"
        raise NumberError(text, reason, "Write only the digits of the numbers.", "zero")
    zero = "(0)" if "(0)" in text else "0 after the country code"
    raise doubtful_zero(text, zero, _number(text), _number(without))


def doubtful_zero(text: str, zero: str, full: str, dropped: str) -> NumberError:
    """Return the error for a ``zero`` with which a number is ``full``, and without which ``dropped``."""
    reason = f"the {zero} may be part of the number, {full}, or dialled only within the country, {dropped}"
    return NumberError(text, reason, "Write only the digits of the number.", "zero", (full, dropped))


def keeps_zero(code: str) -> bool:
    """Return whether a zero after this country code is part of the number, as in Italy."""
    return bool(re.match(_ZERO_KEPT, code.removeprefix("00")))


def _is_one_number(text: str) -> bool:
    try:
        return all(low == high for low, high in read_entry(text.replace(_RANGE_DASH, " - ")))
    except NumberError:
        return False


def _read_spaced_range(text: str, choices: Choices) -> list[Range]:
    """Read a range with blanks around its dash; its ends may be written in groups."""
    ends = [end.strip() for end in text.split(_RANGE_DASH)]
    if len(ends) != 2 or not all(ends):
        raise NumberError(text, _ONE_SIDED, _AS_RANGE)
    (low, _), (high, _) = (_read_groups(end, REFUSE_ALL, alone=False)[0] for end in ends)
    if len(high) < len(low) and ends[1].isdigit():
        return [_read_short(text, low, high, choices, _DIGITS.findall(ends[0])[-1])]
    return [_checked(low, high)]


def _checked(low: str, high: str) -> Range:
    if len(low) != len(high):
        reason = f"the ends of the range, {low} and {high}, have different lengths"
        raise NumberError(f"{low}-{high}", reason, "Write both in full.")
    if low > high:
        raise NumberError(f"{low}-{high}", "the range ends before it starts", f"Write {high}-{low}.")
    return low, high


def _read_dashed(text: str, choices: Choices) -> Range | None:
    """Return what a text with a dash between equally many digits means, None for another text."""
    left, right = text.split("-")
    low, high = strip_punctuation(left), strip_punctuation(right)
    if len(low) != len(high) or ("(" in text and not ("(" in left and "(" in right)):
        return None
    shapes = {re.sub(r"\d", "0", side).replace("+", "") for side in (left, right)}
    if len(shapes) > 1 and (low + high).isdigit() and len(low + high) <= E164_DIGITS:
        return None  # 03/54839-7390826 is one number
    low, high = _number(left), _number(right)
    if "+" not in right and len(low) < WHOLE <= 2 * len(low):
        if choices.dash == "number":
            return low + high, low + high
        if " " in text or not _are_ends(low, high):
            return _doubtful_dash(text, low, high, choices)
    if low > high:
        reason = f"as a range it ends before it starts; as one number it is {low}{high}"
        raise NumberError(text, reason, f"Write {high}-{low}, or the number without the dash.")
    return low, high


def _are_ends(low: str, high: str) -> bool:
    """Return whether two groups look like the ends of a range: close, or the ends of whole hundreds."""
    return 0 <= int(high) - int(low) < 100 or (low < high and low[-2:] == "00" and high[-2:] in ("00", "99"))


def _doubtful_dash(text: str, low: str, high: str, choices: Choices) -> Range:
    """Read ``43210-98765`` as the range that was chosen; refuse it with its readings."""
    if low > high:
        reason = f"it may be one number, {low}{high}, or a range that ends before it starts"
        raise NumberError(text, reason, f"Write {low}{high} or {high} - {low}.", "dash", (low + high,))
    if choices.dash == "range":
        return low, high
    remedy = f"Write {low}{high} for the number, or {low} - {high} for the range."
    raise ambiguous(text, f"the range {low}–{high}", remedy, "dash", _as_text(low, high))


def _read_short(text: str, low: str, tail: str, choices: Choices, before: str) -> Range:
    """Read a range that begins at ``low`` and whose end is shortened to ``tail``.

    It is expanded by choice if it begins with a whole number, which has seven digits, or ten if it is in
    groups and ``before``, the last of them, is longer. Otherwise the text may well be one number:
    ``06221-540``, ``0800 123-456``, ``212-555-0100-0199``.
    """
    high, number = low[: -len(tail)] + tail, low + tail
    both = "/" in text and len(tail) > 2 and int(high) - int(low) > 1  # 018/025 may also be two numbers
    if before == low:
        whole = len(low) >= WHOLE or len(number) < WHOLE
    else:
        whole = len(low) >= _whole(text) and len(tail) < len(before)
    if choices.short_ranges == "expand" and low < high and whole and not both:
        return low, high
    shown = f"{low}–{high}"
    reading = f"the range {shown}" if low <= high else f"a range that ends before it starts, {shown}"
    ranges = [shown] if low <= high else []
    if len(number) > E164_DIGITS:
        raise NumberError(text, f"it may be {reading}", _IN_FULL, "short range", tuple(ranges))
    reason = f"it may be one number, {number}, or {reading}"
    raise NumberError(text, reason, _IN_FULL, "short range", (number, *ranges))


def _read_pattern(text: str, head: str, pattern: str, choices: Choices) -> list[Range]:
    """Read ``44163296000[0-9]`` or ``44163296000x`` as the range of the numbers that match."""
    start = _number(head)
    lows, highs = [], []
    for part in _PATTERN_PART.finditer(pattern):
        lows.append(part[1] or "0")
        highs.append(part[2] or "9")
    low, high = start + "".join(lows), start + "".join(highs)
    full = all(set(a) == {"0"} and set(b) == {"9"} for a, b in list(zip(lows, highs, strict=True))[1:])
    equal = all(len(a) == len(b) and a <= b for a, b in zip(lows, highs, strict=True))
    if not (full and equal and len(low) <= MAX_DIGITS):
        raise NumberError(text, _A_PATTERN, _IN_FULL, "short range")
    if choices.short_ranges == "expand":
        return [(low, high)]
    shown = _as_text(low, high)
    digits = strip_punctuation(text)
    if digits.isdigit() and len(digits) <= E164_DIGITS:
        raise ambiguous(text, f"the range {shown}", _IN_FULL, "short range", shown)
    raise NumberError(text, f"it may be the range {shown}", _IN_FULL, "short range", (shown,))


def _several(text: str, parts: list[str], choices: Choices, *, separated: bool = False) -> list[Range]:
    """Read several numbers in one text, if a person chose to split them; refuse them otherwise.

    ``separated``: the text has commas, pluses or words between the numbers, and is not one number. Otherwise
    it is split only if it is too long for one number, or if its parts are equally long and either whole
    numbers or alike.
    """
    ranges = [found for part in parts for found in read_entry(part, choices)]
    shown = ", ".join(_as_text(*found) for found in ranges)
    number = re.sub(r"\D", "", text)
    equal = len({len(low) for low, _ in ranges}) == 1
    whole = all(len(low) >= WHOLE for low, _ in ranges)
    alike = whole or all(_alike(low, other) for (low, _), (other, _) in pairwise(ranges))
    certain = separated or len(number) > E164_DIGITS or (equal and alike and "+" not in text)
    if choices.several == "split" and certain and (equal or whole):
        return ranges
    reason = f"{len(ranges)} numbers, {shown}"
    if separated or len(number) > E164_DIGITS:
        raise NumberError(text, f"it may be {reason}", _EACH_ON_A_LINE, "several", (shown,))
    reason = f"it may be one number, {number}, or {reason}"
    raise NumberError(text, reason, _EACH_ON_A_LINE, "several", (number, shown))


def _as_text(low: str, high: str) -> str:
    return low if low == high else f"{low}–{high}"


# --- groups of digits -----------------------------------------------------------------------------


def _read_groups(text: str, choices: Choices, *, alone: bool = True) -> list[Range]:
    """Read one number in groups of digits, or what is doubtful; ``alone`` False for the end of a range."""
    digits = strip_punctuation(text)
    groups = _DIGITS.findall(text)
    if len(groups) < 2 or not digits.isdigit():
        number = _number(text)
        return [(number, number)]
    if bracketed := _LAST_IN_BRACKETS.fullmatch(text):
        other = f"{strip_punctuation(bracketed[1])} followed by ({bracketed[2]})"
        raise _doubt(text, other, "short range")
    if parts := _whole_numbers(text, groups):
        return _several(text, parts, choices)
    gaps = _DIGITS.split(text)[1:-1]
    marks = [index for index, gap in enumerate(gaps) if "-" in gap or "/" in gap or ".." in gap]
    if marks:
        if halves := _read_halves(text, groups, gaps):
            return [halves]
        if doubtful := _read_marked(text, groups, gaps, marks, choices):
            return doubtful
    if len(digits) > E164_DIGITS:
        raise _too_many_digits(text, len(digits))
    if any(len(group) >= WHOLE for group in groups[:-1]) or (
        not marks and alone and _like_a_list(text, groups)
    ):
        return _several(text, groups, choices)
    return [(digits, digits)]


def _whole_numbers(text: str, groups: list[str]) -> list[str]:
    """Return the whole numbers that blanks separate in a text, nothing if it may be one number."""
    if len("".join(groups)) < 2 * WHOLE:
        return []
    for parts in (text.split(" "), _NEXT_BRACKET.split(text), text.split("/")):
        if len(parts) > 1 and all(len(strip_punctuation(part)) >= WHOLE for part in parts):
            return [part.strip() for part in parts]
    low, high = groups[: len(groups) // 2], groups[len(groups) // 2 :]
    alike = len(low) > 1 and list(map(len, low)) == list(map(len, high))
    if alike and len("".join(groups)) > E164_DIGITS and "-" not in text and "/" not in text:
        return ["".join(low), "".join(high)]
    return []


def _too_many_digits(text: str, count: int) -> NumberError:
    reason = f"it has {count} digits, too many for one number, and its parts are too short for several"
    return NumberError(
        text, reason, "Put commas between numbers, and write both ends of a range in full.", "several"
    )


def _doubt(text: str, other: str, kind: str, *readings: str) -> NumberError:
    """Return the error for one number or ``other``, leaving out a number that would be too long."""
    if len(strip_punctuation(text)) <= E164_DIGITS:
        return ambiguous(text, other, _IN_FULL, kind, *readings)
    return NumberError(text, f"it may be {other}", _IN_FULL, kind, readings)


def _whole(text: str) -> int:
    """Return how many digits make a whole number: ten, and the country code and its prefix if written."""
    text = text.lstrip("( ")
    return 11 if text.startswith("+") else 13 if text.startswith("00") else 10


def _like_a_list(text: str, groups: list[str]) -> bool:
    """Return whether groups separated by blanks, dots or brackets look like several numbers."""
    lengths = [len(group) for group in groups]
    if sum(lengths[:-1]) >= _whole(text) and lengths[-1] <= lengths[-2] - 2:
        return True
    if "+" in text or "(" in text or "." in text:
        return False
    if sum(lengths) < WHOLE or (lengths[0] > 2 and all(_alike(a, b) for a, b in pairwise(groups))):
        return True
    if len(groups) == 2:
        first, second = lengths
        return first == second >= AREA or (first >= 5 and second <= first - 2)
    return sum(length >= 5 for length in lengths) > 1


def _alike(first: str, second: str) -> bool:
    """Return whether two groups look like consecutive ends: ascending, equally long and beginning alike."""
    half = (len(first) + 1) // 2
    return len(first) == len(second) and first < second and first[:half] == second[:half]


def _read_halves(text: str, groups: list[str], gaps: list[str]) -> Range | None:
    """Return the range whose ends are grouped with dashes, None if the text has no two such halves."""
    half = len(groups) // 2
    if len(groups) < 4 or set(gaps) != {"-"}:
        return None
    low, high = "".join(groups[:half]), "".join(groups[half:])
    if list(map(len, groups[:half])) != list(map(len, groups[half:])) or low > high:
        return None
    if len(low) + len(high) > MAX_DIGITS:
        return _checked(_number(low), _number(high))
    raise ambiguous(
        text, f"a range, {low}-{high}", "Write it in one of these two ways.", "", _as_text(low, high)
    )


def _read_marked(
    text: str, groups: list[str], gaps: list[str], marks: list[int], choices: Choices
) -> list[Range]:
    """Read or refuse groups with dashes or slashes between them that may be more than one number.

    Return nothing if they can only be one number.
    """
    first, last = marks[0], marks[-1]
    left, right = "".join(groups[: last + 1]), "".join(groups[last + 1 :])
    before, gap, total = groups[last], gaps[last], len(left) + len(right)
    slashes = sum("/" in each for each in gaps)
    if slashes > 1 and slashes == len(marks) == len(gaps) - first:
        base, tails = "".join(groups[: first + 1]), groups[first + 1 :]
        if all(len(tail) <= len(base) for tail in tails):
            return _read_list(text, base, tails, choices)
    if ".." in gap and len(left) == len(right):
        dashed = "-".join((left, right))
        remedy = "Write a number without dots, or a range with a dash."
        raise ambiguous(text, f"a range, {dashed}", remedy, "", _as_text(left, right))
    if last == len(groups) - 2 and _is_short_end(text, left, before, right, first_of_all=last == 0):
        return [_read_short(text, left, right, choices, before)]
    if ".." in gap:
        raise _doubt(text, "a range whose ends have different lengths", "short range")
    if slashes > 1:
        raise _doubt(text, "several numbers", "several")
    if "/" in gap and (len(left) > AREA + _whole(text) - 10 + ("+" in text) or len(right) < len(left)):
        return _several(text, [left, right], choices)
    if "-" in gap and (len(left) >= _whole(text) or any(len(group) >= WHOLE for group in groups[:-1])):
        raise _doubt(text, f"a range, {left}-{right}", "short range")
    if len(groups) == 2 and total < 8 and len(left) != len(right):
        raise ambiguous(text, "a range whose ends have different lengths", _IN_FULL)
    if len(groups) == 2 and "/" in gap and len(left) == len(right) and not text.startswith(("0", "+")):
        return _several(text, [left, right], choices)
    return []


def _is_short_end(text: str, left: str, before: str, right: str, *, first_of_all: bool) -> bool:
    """Return whether ``right`` may be the shortened end of a range that begins at ``left``.

    ``before`` is the last group of ``left``, which is the only one if ``first_of_all``.
    """
    if len(right) > len(left) or len(right) >= WHOLE or len(left) > E164_DIGITS:
        return False
    replaced = left[-len(right) :]
    if len(left) >= _whole(text) or (set(replaced) == {"0"} and set(right) == {"9"}):
        return True
    if len(right) < len(before):
        mobile = (len(before), len(right)) == (5, 4) and not first_of_all
        return not mobile or _block(replaced, right)
    if len(right) > len(before) or first_of_all or right < before:
        return False
    return text.count("-") == 1 or (len(right) > 2 and (_alike(before, right) or _block(before, right)))


def _block(first: str, last: str) -> bool:
    """Return whether these may be the last digits of a block of numbers: 120 and 129."""
    return first < last and first.endswith("0") and last.endswith("9")


def _read_list(text: str, base: str, tails: list[str], choices: Choices) -> list[Range]:
    """Read ``441632961340/41/42``: numbers whose first digits are written once."""
    if all(len(tail) == len(base) for tail in tails):
        return _several(text, [base, *tails], choices)
    numbers = [base, *(base[: -len(tail)] + tail for tail in tails)]
    ascending = all(a < b for a, b in pairwise(numbers))
    if choices.short_ranges == "expand" and ascending and len(base) >= WHOLE:
        return [(number, number) for number in numbers]
    listed = ", ".join(numbers)
    raise _doubt(text, f"the numbers {listed}", "short range", listed)


# --- one item of a list ---------------------------------------------------------------------------


def parse_item(item: str) -> list[Range]:
    """Parse the text between two separators: a number, a range, or several with spaces between them."""
    ranged = mark_ranges(item)
    if " /" in item or "/ " in item:
        return read_entry(item)
    if "+" not in item and "(" not in item:
        return _parse_spaced(ranged)
    if _RANGE_DASH in ranged:
        return read_entry(item)
    # Each + starts a number; so does each bracket if the first number starts with one.
    start = r" +(?=\(?\+)" if not re.match(r"\([^+]", item) else r" +(?=\()"
    return [one for part in re.split(start, item) for one in _parse_international(part)]


def _parse_spaced(item: str) -> list[Range]:
    """Parse entries separated by spaces; reject what may be one number written in groups."""
    entries = item.split(" ")
    if len(entries) > 1 and _like_one_number(_DIGITS.findall(item)):
        readings = ", ".join(entries).replace(_RANGE_DASH, "-")
        raise ambiguous(item, f"{len(entries)} entries, {readings}", _EACH_ON_A_LINE, "several")
    try:
        return [one for entry in entries for one in read_entry(entry)]
    except NumberError as error:
        if error.kind == "short range" and len(entries) > 1:
            read_entry(item)  # raises with the digits in front, as in 01632 960018/19
        raise


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
        return read_entry(text)
    digits = [strip_punctuation(group) for group in groups]
    total = sum(map(len, digits))
    complete = sum(len(group) >= 7 for group in digits)
    if total > E164_DIGITS and complete == len(groups):
        return [one for group in groups for one in read_entry(group)]
    if total > E164_DIGITS:
        raise _too_many_digits(text, total)
    if complete > 1:
        listed = ", ".join(digits)
        raise ambiguous(text, f"{len(groups)} numbers, {listed}", _EACH_ON_A_LINE, "several", listed)
    return read_entry(text)
