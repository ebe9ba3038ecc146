"""Parse the number search box and lists of numbers to look up."""

import re
from dataclasses import dataclass

from didmgmt.text import shorten
from dids.numbering.normalise import MAX_DIGITS, NumberError, normalise, strip_punctuation, to_plain
from dids.numbering.ranges import Numbers, read_ranges, too_many
from dids.numbering.reading import Range, drop_parameters, drop_scheme, parse_item, read_entry, tidy

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
    pasted list or one number, and ``441632961280-289`` a range or one number: finding both does no harm.
    """

    kind: str
    value: str = ""
    values: tuple[str, ...] = ()
    low: str = ""
    high: str = ""

    def split(self, number: str) -> tuple[str, str, str]:
        """Return what is before the searched digits in ``number``, these digits, and what is after them.

        The last two are "" where they are not in it, as in a range or a list.
        """
        start = number.rfind(self.value) if self.kind == "ends" else number.find(self.value)
        if not self.value or start < 0:
            return number, "", ""
        end = start + len(self.value)
        return number[:start], number[start:end], number[end:]


def parse_search(text: str, match: str = "") -> Search | None:
    """Return the search for ``text``, or None when it is blank. Punctuation is ignored.

    ``4420`` contains; ``4420*`` begins; ``*4420`` ends; ``*4420*`` contains; ``=4420`` and ``"4420"`` exact;
    ``111-222`` range; numbers separated by line breaks, commas, semicolons or spaces: list, at most 10,000.
    ``match``, one of MATCHES, applies to plain digits. With begins, ends or exact a dash is punctuation and
    never makes a range; a list is only possible with exact. A text with several readings is searched for
    all of them; where that is impossible it is refused as in any list. Raises NumberError for any other text
    and ValueError for an unknown ``match``.
    """
    if match and match not in MATCHES:
        raise ValueError(f"There is no match “{shorten(match)}”. Choose one of {', '.join(MATCHES)}.")
    plain = drop_parameters(tidy(to_plain(text)))
    plain = drop_scheme(re.sub("[,;\n ]*[,;\n][,;\n ]*", ",", plain).strip(", "))
    if not plain:
        return None
    if "," in plain:
        return _parse_separated(text, plain.split(","), match)
    marked = _parse_marks(plain)
    if marked is not None:
        kind, value = marked
        return Search(kind, value=_one_reading(value))
    if match == "exact":
        search = _every_reading(plain, dash=False) or _parse_spaced(plain)
        values = filter(None, (*search.values, search.value)) if search else ()
        return Search("list", values=tuple(values)) if search else Search(match, value=normalise(plain))
    if match in ("begins", "ends"):
        return Search(match, value=_one_reading(plain))
    return (
        _every_reading(plain)
        or _parse_range(plain)
        or _parse_spaced(plain)
        or Search("contains", value=normalise(plain))
    )


def range_text(first: str, last: str) -> str:
    """Return the search for the numbers from ``first`` to ``last``, which is never read as one number."""
    return f"{first} - {last}"


def parse_list(text: str, limit: int) -> tuple[list[str], Numbers]:
    """Return the numbers in ``text`` in the order written, each once, and the ``Numbers`` with the errors.

    Reads what ``parse_ranges`` reads, and in addition the marks of a whole number in the search box:
    ``=4420``, ``"4420"``. More than ``limit`` numbers are an error and return no numbers.
    """
    numbers = Numbers()
    ranges = list(read_ranges(text, numbers, _read_listed))
    numbers.add(ranges)
    named = numbers.count + numbers.repeated
    if numbers.count > limit or named > REPETITIONS * limit:  # the loop below visits every repetition
        numbers.refuse(None, "", too_many(named, limit))
        return [], numbers
    every = (str(n).zfill(len(low)) for low, high in ranges for n in range(int(low), int(high) + 1))
    return list(dict.fromkeys(every)), numbers


def _read_listed(item: str) -> list[Range]:
    marked = _parse_marks(item) if item[0] in "=\"'“" else None
    return read_entry(marked[1]) if marked else parse_item(item)


# --- readings -------------------------------------------------------------------------------------

_CERTAIN = ("date", "uri", "zero", "exponent")  # kinds of errors that no search can make sense of


def _doubt(plain: str) -> NumberError | None:
    """Return the error of a text with several readings, None for other text; raise what is no number."""
    try:
        read_entry(plain)
    except NumberError as error:
        if error.kind in _CERTAIN:
            raise
        # Blanks make a list in a search, and parts of numbers are searched for: other doubts do not arise.
        between = error.kind == "several" and "/" in plain
        several = [text for text in error.readings if not text.isdigit()]
        if error.kind == "dash" or (several and (error.kind == "short range" or between)):
            return error
    return None


def _one_reading(plain: str) -> str:
    """Return the digits of a whole number or of a part of one; refuse text with several readings."""
    if (error := _doubt(plain)) and error.kind != "dash":
        raise error
    return normalise(plain)


def _every_reading(plain: str, *, dash: bool = True) -> Search | None:
    """Return the search for every reading of a text that has several, None for other text.

    ``dash``: whether ``4321-8765`` may be a range.
    """
    error = _doubt(plain)
    if error is None or (error.kind == "dash" and not dash):
        return None
    number, values = "", []
    for reading in error.readings:
        if reading.isdigit():
            number = reading
        for part in reading.split(", "):
            low, _, high = part.partition("–")
            if high and int(high) - int(low) >= MAX_LISTED:
                raise error
            if high or not reading.isdigit():
                values += [str(n).zfill(len(low)) for n in range(int(low), int(high or low) + 1)]
    if not values:
        return Search("contains", value=number)
    return Search("either" if number else "list", value=number, values=tuple(values))


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
    groups = list(dict.fromkeys(groups))
    _refuse_long_list(plain, len(groups))
    values = tuple(dict.fromkeys(map(_parse_listed, groups)))
    joined = strip_punctuation(plain)
    if len(joined) > MAX_DIGITS or not joined.isdigit():
        return Search("list", values=values)
    return Search("either", value=joined, values=values)


def _parse_separated(text: str, entries: list[str], match: str) -> Search:
    if match in ("begins", "ends"):
        reason = "a list can only be searched for whole numbers"
        raise NumberError(text, reason, "Choose “contains” or “exact”.")
    values: dict[str, None] = {}
    entries = list(dict.fromkeys(filter(None, map(str.strip, entries))))
    _refuse_long_list(text, len(entries))  # reading them costs much more than counting them
    for entry in entries:
        both = _every_reading(entry)
        search = both or _parse_spaced(entry)
        values.update(dict.fromkeys(search.values if search else (_parse_listed(entry),)))
        if both and both.value:
            values[both.value] = None
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
