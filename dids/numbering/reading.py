"""Read the numbers and ranges in an entry of a list or in a cell, and refuse what has two readings."""

import re
from dataclasses import dataclass

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

Range = tuple[str, str]  # (low, high), both included, of the same length

_SPACED_DASH = re.compile(" +-+ *| *-+ +")
_ZERO = re.compile(r"\d.*\(0\)")
_RANGE_DASH = "\0"  # marks a dash that certainly makes a range; to_plain() leaves no NUL in the input


@dataclass(frozen=True)
class Choices:
    """Say how a person wants ambiguous notations of a file to be read.

    ``short_ranges`` ``441632961280-289``: "refuse" or "expand".
    ``several``      two numbers in one cell: "refuse" or "split".
    ``zero``         ``+44 (0)20 7946 0000``: "refuse" or "drop" the zero.
    """

    short_ranges: str = "refuse"
    several: str = "refuse"
    zero: str = "refuse"


REFUSE_ALL = Choices()


def read_cell(text: str, choices: Choices = REFUSE_ALL) -> list[Range]:
    """Return the ranges in a cell, in the order written; for a single number both ends are the same.

    Raises NumberError for a cell without a number and for one with two readings.
    """
    plain = to_plain(text)
    if choices.zero == "drop" and _ZERO.search(plain):
        text = plain.replace("(0)", "")
    _refuse_zero(text, to_plain(text))
    return [parse_cell(text)]


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


# --- one entry ------------------------------------------------------------------------------------

_NO_SPACES = "Write one number without spaces, or put commas between numbers."
_IN_FULL = "Write a number without the dash, or a range with both ends in full."
_ONE_SIDED = "a range needs one dash with a number on each side"
_AS_RANGE = "Write it as 111-222."


def parse_item(item: str) -> list[Range]:
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
    _refuse_zero(text, text)
    tail = re.fullmatch(r"[^-]*?(\d+)-(\d+)", text)
    if tail and len(tail[1]) >= len(tail[2]):
        raise _ambiguous(text, f"a range with its end shortened to {tail[2]}", _IN_FULL)
    number = _number(text)
    return number, number


def _refuse_zero(value: str, plain: str) -> None:
    """Refuse a (0) inside a number, which is dialled only within the country or part of the number."""
    if not _ZERO.search(plain):
        return
    readings = full, without = _number(plain), _number(plain.replace("(0)", ""))
    reason = f"the (0) may be part of the number, {full}, or dialled only within the country, {without}"
    raise NumberError(value, reason, "Write only the digits of the number.", "zero", readings)


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
