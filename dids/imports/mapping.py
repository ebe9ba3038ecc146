"""Map the columns of an imported file to fields of a number. Uses no ORM."""

import re
from dataclasses import dataclass, field

from dids.numbering.normalise import NumberError, normalise_cell

# (key, label on screens and in exports, headers of other systems), in the order of the export.
COLUMNS = [
    ("id", "ID", "did id"),
    ("status", "Status", "state; did status; number status; current status"),
    ("operator", "Operator", "provider; carrier; vendor; supplier; did provider; operator name; network"),
    (
        "number", "DID",
        ("number; dids; did number; ddi; phone; phone number; telephone; telephone number; e164; e.164;"
        " msisdn; tn; tel; did(s); numbers; phone no; caller id; cli; ani; range; number range; from;"
        " from number; first number; start number; range start; range from; did from; block start; start"),
    ),
    ("tags", "Tag", "tags; label; labels; group; category"),
    ("notes", "Notes", "note; comment; comments; description; remark; remarks; info"),
    ("client", "Client", "customer; subscriber; client name; customer name; company"),
    ("account", "Account", "account name; login; trunk; sip account; username"),
    ("package", "Package", "plan; package name; tariff; product; offer"),
    ("after_hold", "After Hold", "afterhold; status after hold; after hold status"),
    ("hold_days", "Hold days", "hold; days of hold; hold period; quarantine days"),
    ("reseller", "Reseller", "branch; tenant; reseller name; partner"),
    (
        "range_end", "Range end",
        "range to; to number; last number; end number; number to; did to; to; block end",
    ),
    (
        "range_size", "Range size",
        "block size; quantity; qty; numbers in range; range length",
    ),
    ("part", "Digits in front", "country code; area code"),
]  # fmt: skip
LABELS = {key: label for key, label, _ in COLUMNS}
REPEATED = {"part"}  # keys that several columns may have
REASON = "Refused because"  # the column added to a file of refused rows


def normalise(header):
    """Return a header without differences of case, punctuation and blanks."""
    return re.sub(r"[^\w]+", " ", header.replace("_", " ").casefold()).strip()


_KNOWN = {}
for key, label, others in COLUMNS:
    for header in (label, key, *others.split(";")):
        _KNOWN.setdefault(normalise(header), key)


def key_of(header):
    """Return the key of a column with this header, None if the header is unknown."""
    return _KNOWN.get(normalise(header))


def is_reason(header):
    return normalise(header) == normalise(REASON)


def find_header(rows):
    """Return the index of the row among ``rows`` (the head of a file) that names the columns, or None.

    It is the row with most known headers: at least two, or all of its cells that aren't blank.
    """
    best, found = 0, None
    for index, cells in enumerate(rows):
        keys = {key for key in map(key_of, cells) if key}
        filled = sum(1 for cell in cells if cell.strip() and not is_reason(cell))
        if len(keys) > best and len(keys) >= min(2, filled):
            best, found = len(keys), index
    return found


@dataclass(frozen=True)
class Question:
    """Ask which of these ``columns``, by index, holds the field ``key``; no column is mapped to it."""

    key: str
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Guess:
    """What the columns of a file probably hold.

    ``keys``: the key of each column, "" if it is left out. ``header``: the index of the row that names the
    columns, or None. ``certainty``: CERTAIN, LIKELY or CHECK for each column, "" if it is left out.
    ``reason``: a short sentence for each column. ``questions``: what the user has to decide. ``layout``: the
    name of the system that wrote the file, "" if it is not recognised.
    """

    keys: list[str]
    header: int | None
    certainty: list[str]
    reason: list[str]
    questions: list[Question] = field(default_factory=list)
    layout: str = ""


CERTAIN, LIKELY, CHECK = "certain", "likely", "check"


def guess(rows, width):
    """Return the ``Guess`` for ``rows`` (the head of a file) with ``width`` columns.

    Keys come from the header. If none is the number, it is the first remaining column that holds a
    number in every row.
    """
    header = find_header(rows)
    names = rows[header] if header is not None else []
    keys, certainty, taken = [], [], set()
    for index in range(width):
        key = key_of(names[index]) if index < len(names) else None
        keys.append("" if key is None or (key in taken and key not in REPEATED) else key)
        certainty.append(CERTAIN if keys[index] else "")
        taken.add(key)
    if "number" not in taken:
        body = rows[header + 1 :] if header is not None else rows
        for index in range(width):
            if not keys[index] and _holds_numbers(body, index):
                keys[index], certainty[index] = "number", LIKELY
                break
    reason = [_REASONS[sure] for sure in certainty]
    return Guess(keys, header, certainty, reason)


_REASONS = {CERTAIN: "The header names this field.", LIKELY: "Every cell is a number.", "": ""}


def _holds_numbers(rows, index):
    cells = [row[index] if index < len(row) else "" for row in rows]
    longest = 0
    for cell in cells:
        try:
            longest = max(longest, len(normalise_cell(cell)))
        except NumberError:
            return False
    return longest >= 3
