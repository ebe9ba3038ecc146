"""Parse the number search box and lists of numbers to look up."""

import re
from dataclasses import dataclass

from didmgmt.text import shorten
from dids.numbering.normalise import MAX_DIGITS, NumberError, normalise, strip_punctuation, to_plain
from dids.numbering.ranges import Numbers, read_ranges, too_many
from dids.numbering.reading import Range

MAX_LISTED = 10_000
REPETITIONS = 100  # entries of a list to look up, as a multiple of its limit

MATCHES = ("contains", "begins", "ends", "exact")


@dataclass(frozen=True)
class Search:
    """Describe one search.

    ``contains``, ``begins``, ``ends``, ``exact``: compare the number with ``value``.
    ``range``: low <= number <= high, with the same length.
    ``list``: the number is one of ``values``.
    ``either``: the number is one of ``values``, or contains ``value``. Groups separated by spaces may be a
    pasted list or one number, and finding both does no harm.
    """

    kind: str
    value: str = ""
    values: tuple[str, ...] = ()
    low: str = ""
    high: str = ""


def parse_search(text: str, match: str = "") -> Search | None:
    """Return the search for ``text``, or None when it is blank. Punctuation is ignored.

    ``4420`` contains; ``4420*`` begins; ``*4420`` ends; ``*4420*`` contains; ``=4420`` and ``"4420"`` exact;
    ``111-222`` range; numbers separated by line breaks, commas, semicolons or spaces: list, at most 10,000.
    ``match``, one of MATCHES, applies to plain digits. With begins, ends or exact a dash is punctuation and
    never makes a range; a list is only possible with exact. Raises NumberError for any other text and
    ValueError for an unknown ``match``.
    """
    if match and match not in MATCHES:
        raise ValueError(f"There is no match “{shorten(match)}”. Choose one of {', '.join(MATCHES)}.")
    plain = re.sub("[,;\n ]*[,;\n][,;\n ]*", ",", to_plain(text)).strip(", ")
    if not plain:
        return None
    if "," in plain:
        return _parse_separated(text, plain.split(","), match)
    marked = _parse_marks(plain)
    if marked is not None:
        kind, value = marked
        return Search(kind, value=normalise(value))
    if match not in ("", "contains"):
        if match == "exact" and (search := _parse_spaced(plain)):
            return Search("list", values=tuple(filter(None, (*search.values, search.value))))
        return Search(match, value=normalise(plain))
    return _parse_range(plain) or _parse_spaced(plain) or Search("contains", value=normalise(plain))


def parse_list(text: str, limit: int) -> tuple[list[str], Numbers]:
    """Return the numbers in ``text`` in the order written, each once, and the ``Numbers`` with the errors.

    Reads what ``parse_ranges`` reads, and in addition what the search box reads as one whole number:
    ``=4420``, ``"4420"``, ``0800-123456``. More than ``limit`` numbers are an error and return no numbers.
    """
    numbers = Numbers()
    ranges = list(read_ranges(text, numbers, fallback=_search_whole))
    numbers.add(ranges)
    named = numbers.count + numbers.repeated
    if numbers.count > limit or named > REPETITIONS * limit:  # the loop below visits every repetition
        numbers.refuse(None, "", too_many(named, limit))
        return [], numbers
    every = (str(n).zfill(len(low)) for low, high in ranges for n in range(int(low), int(high) + 1))
    return list(dict.fromkeys(every)), numbers


def _search_whole(item: str) -> list[Range]:
    """Return the whole number that the search box reads in ``item``; nothing for parts or several."""
    try:
        search = parse_search(item)
    except NumberError:
        return []
    if search is None or search.kind not in ("exact", "contains") or "*" in item:
        return []
    return [(search.value, search.value)]


def _parse_marks(plain: str) -> tuple[str, str] | None:
    """Return the kind and the value given by ``*``, ``=`` or quotes, or None without any of them."""
    if plain.startswith("="):
        return "exact", plain[1:].strip('" ')
    if len(plain) > 1 and plain[0] in "\"'“" and plain[-1] in "\"'”":
        return "exact", plain[1:-1]
    inner = plain.strip("* ")
    if "*" in inner:
        raise NumberError(plain, "there is a * in the middle", "Put it at the start, at the end, or at both.")
    if "*" in plain:
        return {(True, False): "ends", (False, True): "begins", (True, True): "contains"}[
            plain.startswith("*"), plain.endswith("*")
        ], inner
    return None


def _parse_range(plain: str) -> Search | None:
    """Return the range ``111-222``, or None if its ends differ in length and the dash is punctuation."""
    ends = re.split(" *-+ *", plain.strip("- "))
    if len(ends) != 2 and len(spaced := re.split(" +-+ *| *-+ +", plain)) == 2:
        ends = spaced
    if len(ends) != 2:
        return None
    low, high = map(normalise, ends)
    if len(low) != len(high):
        return None
    if low > high:
        reason = "as a range it ends before it starts"
        raise NumberError(plain, reason, f"Write {high}-{low}, or {low}{high} for the number.")
    return Search("range", low=low, high=high)


def _parse_spaced(plain: str) -> Search | None:
    """Return a search for groups separated by spaces, or None if they are certainly one number."""
    groups = plain.split()
    if len(groups) == 1 or "(" in plain or (plain.startswith("+") and plain.count("+") == 1):
        return None
    values = tuple(dict.fromkeys(map(_parse_listed, groups)))
    _refuse_long_list(plain, len(values))
    joined = strip_punctuation(plain)
    if len(joined) > MAX_DIGITS or not joined.isdigit():
        return Search("list", values=values)
    return Search("either", value=joined, values=values)


def _parse_separated(text: str, entries: list[str], match: str) -> Search:
    if match in ("begins", "ends"):
        reason = "a list can only be searched for whole numbers"
        raise NumberError(text, reason, "Choose “contains” or “exact”.")
    values: dict[str, None] = {}
    for entry in filter(None, (entry.strip() for entry in entries)):
        search = _parse_spaced(entry)
        values.update(dict.fromkeys(search.values if search else (_parse_listed(entry),)))
    _refuse_long_list(text, len(values))
    return Search("list", values=tuple(values))


def _parse_listed(entry: str) -> str:
    if _parse_range(entry):
        raise NumberError(entry, "a list cannot contain a range", "Search for the range separately.")
    return normalise(entry)


def _refuse_long_list(text: str, count: int) -> None:
    if count > MAX_LISTED:
        reason = f"the list has {count:,} numbers"
        raise NumberError(text, reason, f"Search for at most {MAX_LISTED:,} at once.")
