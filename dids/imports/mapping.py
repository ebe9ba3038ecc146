"""Guess what the columns of a file hold, from its header row and its content. Uses no ORM.

A guess never decides what is doubtful: it leaves the columns open and asks.
"""

from dataclasses import dataclass, field
from itertools import pairwise

from dids.imports import content, layouts
from dids.imports.content import Column
from dids.imports.names import (
    LABELS,
    LOOSE,
    OWN,
    RANGE_START,
    USUAL,
    WEAK,
    is_country_code,
    is_no_number,
    is_status_word,
    key_of,
    meanings,
)
from dids.lifecycle import statuses as st

CERTAIN, LIKELY, CHECK = "certain", "likely", "check"
CONTENT = "content"  # the layout of a file that is no known system's
REPEATED = {"part"}  # keys that several columns may have
RANGE_LIMIT = 10_000_000  # numbers in a row; two numbers that are further apart are no ends of a range
LONGEST_LOCAL, LONGEST_NATIONAL = 9, 11  # digits of numbers without area code, and without country code
TAIL = 4  # digits; shorter numbers are the last digits of others, and begin with a zero rightly
NUMBER_KEYS = {"number", RANGE_START, "range_end", "range_size", "part"}  # found together
NEEDS_CLIENT = {"account", "package"}


@dataclass(frozen=True)
class Question:
    """Ask which of these ``columns``, by index, holds the field ``key``; no column is mapped to it."""

    key: str
    columns: tuple[int, ...]


@dataclass
class Guess:
    """What the columns of a file probably hold.

    ``keys``: the key of each column, "" if it is left out. ``header``: the index of the row that names the
    columns, or None. ``certainty``: CERTAIN, LIKELY or CHECK for each column, "" if it is left out.
    ``reason``: a short sentence for each column. ``questions``: what the user has to decide. ``layout``: the
    name of the system as whose list the columns are mapped, "" for none; ``recognised``: that of the system
    that wrote the file, "" if it is not known.
    """

    keys: list[str]
    header: int | None
    certainty: list[str]
    reason: list[str]
    questions: list[Question] = field(default_factory=list)
    layout: str = ""
    recognised: str = ""

    def map(self, index, key, certainty, reason):
        self.keys[index], self.certainty[index], self.reason[index] = key, certainty, reason

    def ask(self, key, columns):
        self.questions.append(Question(key, tuple(columns)))
        for index in columns:
            self.map(index, "", CHECK, f"This column may hold the {LABELS[key]}.")


def guess(rows, width, *, layout="", existing=None):
    """Return the ``Guess`` for ``rows`` (the head of a file) with ``width`` columns.

    ``layout``: the name of the system whose list it is, CONTENT if it is none's; otherwise it is recognised.
    ``existing``: {key: cells that name an existing record}.
    """
    header = find_header(rows)
    names = _padded(rows[header], width) if header is not None else [""] * width
    body = [row for row in rows[0 if header is None else header + 1 :] if any(map(str.strip, row))]
    columns = [Column(cells) for cells in zip(*(_padded(row, width) for row in body), strict=True)]
    columns = columns or [Column([]) for _ in range(width)]
    found = Guess([""] * width, header, [""] * width, [""] * width)
    recognised = layouts.recognise(names)
    found.recognised = recognised.system if recognised else ""
    chosen = layouts.nearest(layout, names) if layout not in (CONTENT, found.recognised) else None
    if layout != CONTENT and (chosen or recognised):
        _map_layout(found, chosen or recognised, names, columns)
    else:
        _map_numbers(found, names, columns)
        _map_fields(found, names, columns)
        _weigh_existing(found, names, columns, existing or {})
        _weigh_left_out(found, columns)
    return found


def _padded(row, width):
    return [*row[:width], *[""] * (width - len(row))]


# --- the header ------------------------------------------------------------------------------------


def find_header(rows):
    """Return the index of the row among ``rows`` (the head of a file) that names the columns, or None.

    Its cells are words, unlike the rows below it, or names that we know; no record stands above it.
    """
    kinds = [[content.kind_of(cell) for cell in row] for row in rows]
    texts = [[cell[: content.LONGEST].strip().casefold() for cell in row] for row in rows]
    best, found = (0, 0), None
    for index, cells in enumerate(rows):
        known = len({key for key in map(key_of, cells) if key})
        if not _may_name(kinds[index], known) or _is_below_records(kinds, index):
            continue
        if 2 * known < _filled(kinds[index]) and (_recurs(texts, index) or _continues(kinds, index)):
            continue
        perhaps = sum(bool(meanings(cell)) for cell in cells)
        score = (known + perhaps + _count_unlike(kinds, index), _filled(kinds[index]))
        # Of a title and a header without any name that we know, the one next to the records counts.
        if score[0] and (score > best or (score == best and not known)):
            best, found = score, index
    return found


def _filled(kinds):
    return sum(kind != content.BLANK for kind in kinds)


def _may_name(kinds, known):
    """Whether the cells of a row are words; a few may be digits, such as years above prices."""
    if {content.PHONE, content.E164, content.LONG, content.DATE, content.DECIMAL} & set(kinds):
        return False
    others = sum(kind not in (content.WORD, content.BLANK) for kind in kinds)
    return bool(known) or 5 * others <= _filled(kinds)


def _recurs(texts, index):
    """Whether a cell of a row stands below it again, but not the whole row as a repeated header does."""
    filled = sum(map(bool, texts[index]))
    for row in texts[index + 1 :]:
        same = sum(cell != "" and cell == other for cell, other in zip(texts[index], row, strict=False))
        if 0 < same < filled:
            return True
    return False


def _continues(kinds, index):
    """Whether a row has digits where most rows below it have."""
    return any(
        kind == content.SHORT and _are_mostly(content.DIGITS, _below(kinds, index, column))
        for column, kind in enumerate(kinds[index])
    )


def _count_unlike(kinds, index):
    """Count the columns in which this row has a word and most rows below have digits or dates."""
    return sum(
        kind == content.WORD and _are_mostly(_NO_WORDS, _below(kinds, index, column))
        for column, kind in enumerate(kinds[index])
    )


_NO_WORDS = {*content.DIGITS, content.DATE, content.DECIMAL}


def _below(kinds, index, column):
    """Return the kinds of the filled cells of a column below a row."""
    cells = (row[column] for row in kinds[index + 1 :] if column < len(row))
    return [kind for kind in cells if kind != content.BLANK]


def _are_mostly(wanted, kinds):
    return 2 * sum(kind in wanted for kind in kinds) > len(kinds)


def _is_below_records(kinds, index):
    """Whether a row above has a phone number in a column that mostly has them below."""
    phones = (content.PHONE, content.E164)
    above = [
        row
        for row in kinds[:index]
        if 2 * _filled(row) >= _filled(kinds[index]) and any(kind in phones for kind in row)
    ]
    if not above:
        return False
    columns = {column for row in above for column, kind in enumerate(row) if kind in phones}
    if any(_are_mostly(phones, _below(kinds, index, column)) for column in columns):
        return True
    return not any(map(_filled, kinds[index + 1 :]))


# --- a known system --------------------------------------------------------------------------------


def _map_layout(found, layout, names, columns):
    found.layout = layout.system
    keys = [layout.key_of(name) for name in names]
    for index, name in enumerate(names):
        key = "operator" if keys[index] is None and _fit(name, "operator") >= USUAL else keys[index]
        if key in LABELS.keys() - REPEATED - set(found.keys):
            found.map(index, key, CERTAIN, f"Lists of {layout.system} have this column.")
        else:
            found.reason[index] = f"Not needed from a list of {layout.system}."
    countries = [index for index, key in enumerate(keys) if key == layouts.COUNTRY]
    parts = [index for index, key in enumerate(keys) if key in ("part", layouts.COUNTRY)]
    if "number" in found.keys:
        _map_parts(found, found.keys.index("number"), parts, countries, columns)


# --- the number ------------------------------------------------------------------------------------

_WORTH = {OWN: 6, USUAL: 5, WEAK: 2, LOOSE: 1, 0: 0}  # points of a name; content adds up to 5
_PLUS = 1  # one more for numbers with +, which count more than any other content
_OUTSTANDING = 4  # more points than digits have without + and without a name


def _fit(name, key):
    return meanings(name).get(key, 0)


def _map_numbers(found, names, columns):
    """Map the number, the end and the size of its range, and the digits in front."""
    start, end = _find_range(names, columns)
    if start is None:
        number = _choose_number(found, names, columns)
    else:
        number = None if _has_rival(found, start, names, columns) else start
    if number is None:
        return
    _map_number(found, number, names[number], columns[number])
    if end is not None:
        found.map(end, "range_end", CERTAIN, "The header names this field.")
    _map_size(found, number, end, names, columns)
    _ask_for_end(found, number, end, names, columns)
    countries = [index for index, name in enumerate(names) if is_country_code(name)]
    _map_parts(found, number, _named(names, "part"), countries, columns)
    _ask_for_parts(found, number, names, columns)


def _named(names, key):
    return [index for index, name in enumerate(names) if _fit(name, key)]


def _find_range(names, columns):
    """Return the indexes of the columns with the first and the last number of ranges, or (None, None).

    “Range end” is one by its name; “To” is one only after a “From”, if the content agrees.
    """
    heads = [columns[index] for index in _named(names, "part") if columns[index].are_heads]
    starts = [index for index, name in enumerate(names) if _fit(name, RANGE_START) or _fit(name, "number")]
    starts.sort(
        key=lambda index: (_fit(names[index], RANGE_START), _fit(names[index], "number")), reverse=True
    )
    for end in _named(names, "range_end"):
        is_certain = _fit(names[end], "range_end") >= USUAL
        for start in starts:
            if start == end or not (is_certain or _fit(names[start], RANGE_START)):
                continue
            long_enough = _is_long_enough(columns[start], heads)
            if is_certain and (long_enough or not columns[start].are_counts):
                return start, end
            if long_enough and _are_ranges(columns[start], columns[end], heads):
                return start, end
    return None, None


def _has_rival(found, start, names, columns):
    """Ask and return True if a column is named a DID besides the one with the start of ranges."""
    rivals = [
        index
        for index, name in enumerate(names)
        if index != start
        and _fit(name, "number") >= USUAL
        and not (_fit(name, "part") and columns[index].are_codes)
        and not _are_same([start, index], columns)
    ]
    if rivals:
        found.ask("number", sorted([start, *rivals]))
    return bool(rivals)


def _is_long_enough(column, heads):
    """Whether a column holds numbers, or their last digits next to ``heads``, columns with the first ones."""
    return column.level != content.NO_NUMBERS or any(
        head.length + column.length in content.PHONE_LENGTH for head in heads
    )


def _are_ranges(first, last, heads=()):
    """Whether the rows of these columns are the ends of ranges that do not overlap."""
    if first.level == last.level == content.UNKNOWN:
        return True
    rows = zip(first.rows, last.rows, *(head.rows for head in heads), strict=True)
    rows = [(low, high, "".join(head)) for low, high, *head in rows if low and high]
    if not rows or any(len(low) != len(high) or low > high for low, high, _ in rows):
        return False
    if any(int(high) - int(low) >= RANGE_LIMIT for low, high, _ in rows):
        return False
    spans = sorted((head, int(low), int(high)) for low, high, head in rows)
    return all(one[0] != other[0] or one[2] < other[1] for one, other in pairwise(spans))


def _choose_number(found, names, columns):
    """Return the index of the column that holds the number; ask and return None if several may."""
    points = {
        index: points
        for index, (name, column) in enumerate(zip(names, columns, strict=True))
        if (points := _points(name, column)) is not None
    }
    if not points:  # a name alone, such as “Number” over cells that will be refused
        named = [index for index in _named(names, "number") if not columns[index].are_counts]
        return named[0] if len(named) == 1 else None
    best = max(points.values())
    rivals = [index for index in points if points[index] == best]
    if best < _OUTSTANDING:
        rivals = [index for index in points if points[index] >= min(best, content.DOUBTFUL)]
    if len(rivals) > 1 and not _are_same(rivals, columns):
        found.ask("number", rivals)
        return None
    return max(rivals, key=lambda index: columns[index].length)


def _points(name, column):
    """Return how well a column suits the number, None if it does not."""
    fit = max(_fit(name, "number"), min(WEAK, max(_fit(name, RANGE_START), _fit(name, "range_end"))))
    if fit <= WEAK and column.level == content.NO_NUMBERS:
        return None
    if not fit and (column.level <= content.UNKNOWN or _says_otherwise(name, column)):
        return None
    if _fit(name, "part") and column.are_codes:
        return None
    plus = _PLUS if column.level == content.INTERNATIONAL else 0
    return _WORTH[fit] + max(column.level, 0) + plus


def _says_otherwise(name, column):
    """Whether the name says that the column holds no DIDs."""
    keys = meanings(name).keys() - NUMBER_KEYS
    if is_no_number(name) or _fit(name, "part") or _fit(name, "range_size"):
        return True
    return any(_suits(key, _fit(name, key), column) for key in keys)


def _are_same(indexes, columns):
    """Whether the columns hold the same numbers, with and without their first digits."""
    for cells in zip(*(columns[index].rows for index in indexes), strict=True):
        longest = max(cells, key=len)
        if not all(cell and longest.endswith(cell.lstrip("0")) for cell in cells):
            return False
    return True


def _map_number(found, number, name, column):
    named = max(_fit(name, "number"), _fit(name, RANGE_START))
    if column.level == content.UNKNOWN:
        found.map(number, "number", CERTAIN, "The header names this field.")
        return
    if column.level >= content.PHONES:
        certainty = CERTAIN if named >= WEAK else LIKELY
    else:
        certainty = LIKELY if named >= USUAL and column.level != content.NO_NUMBERS else CHECK
    found.map(number, "number", certainty, f"Phone numbers in {column.numbers:,} of {column.filled:,} cells.")


def _map_size(found, number, end, names, columns):
    """Map the size of ranges; ask whether a mere quantity is one, unless the list is one of ranges."""
    is_list_of_ranges = end is not None or bool(_fit(names[number], RANGE_START))
    for index in sorted(_named(names, "range_size"), key=lambda index: -_fit(names[index], "range_size")):
        column = columns[index]
        if _fit(names[index], "range_size") >= USUAL:
            found.map(index, "range_size", CERTAIN, "The header names this field.")
        elif not column.has_mostly(content.SHORT) or set(column.digits) <= {"0", "1"}:
            found.reason[index] = "The cells are no sizes of ranges."
            continue
        elif end is not None and not _are_sizes(columns[number], columns[end], column):
            found.reason[index] = "The sizes do not match the ends of the ranges."
            continue
        elif is_list_of_ranges:
            found.map(index, "range_size", LIKELY, "The list holds ranges.")
        else:
            found.ask("range_size", [index])
        return


def _are_sizes(first, last, size):
    rows = [row for row in zip(first.rows, last.rows, size.rows, strict=True) if all(row)]
    return all(int(high) - int(low) + 1 == int(count) for low, high, count in rows)


def _ask_for_end(found, number, end, names, columns):
    """Ask whether a column such as “To” next to the number is the end of a range."""
    if end is not None:
        return
    for index in _named(names, "range_end"):
        if not found.certainty[index] and _are_ranges(columns[number], columns[index]):
            found.ask("range_end", [index])
            return


# --- digits in front of the number -----------------------------------------------------------------


def _map_parts(found, number, parts, countries, columns):
    """Map the country and area codes that the numbers lack; ``countries`` are those named so."""
    column = columns[number]
    if column.level == content.INTERNATIONAL or not column.digits:
        return
    parts = [index for index in parts if index != number and columns[index].are_heads]
    countries = [index for index in parts if index in countries or _have_plus(columns[index])]
    if column.length > LONGEST_LOCAL:  # it has its area code
        parts = countries
    for first in range(len(parts)):
        if _begin_with(column, [columns[index] for index in parts[first:]]):
            parts = parts[:first]
            break
    length = column.length + sum(columns[index].length for index in parts)
    national = length - sum(columns[index].length for index in parts if index in countries)
    is_tail = column.length <= TAIL  # then the part before it may hold the country code
    if not parts or length not in content.PHONE_LENGTH or (national > LONGEST_NATIONAL and not is_tail):
        return
    inner = parts[1:] if is_tail else [*parts[1:], number]
    has_zero = any(digits.startswith("0") for index in inner for digits in columns[index].digits)
    certainty, reason = LIKELY, f"Joined, the numbers have {length} digits."
    if has_zero:
        certainty, reason = CHECK, "A zero after the country code may not belong to the number."
    found.map(number, "number", certainty, reason)
    for index in parts:
        found.map(index, "part", certainty, reason)


def _have_plus(column):
    return all(cell.startswith("+") for cell in column.cells)


def _begin_with(column, parts):
    """Whether most numbers begin with the digits of ``parts`` already, with or without zeros in front."""
    rows = zip(column.rows, *(part.rows for part in parts), strict=True)
    joined = [(digits.lstrip("0"), "".join(codes).lstrip("0")) for digits, *codes in rows if digits]
    known = [(digits, codes) for digits, codes in joined if codes]
    return 2 * sum(digits.startswith(codes) for digits, codes in known) > len(known)


def _ask_for_parts(found, number, names, columns):
    """Ask which columns make the number if those before it may hold the digits that it lacks."""
    is_named = _fit(names[number], "number") >= USUAL
    if "part" in found.keys or is_named or columns[number].level != content.SHORT_NUMBERS:
        return
    first = number
    while first and not names[first - 1] and columns[first - 1].are_codes:
        first -= 1
    length = sum(columns[index].length for index in range(first, number + 1))
    if first < number and length in content.PHONE_LENGTH:
        found.ask("number", range(first, number + 1))


# --- the other fields ------------------------------------------------------------------------------


def _map_fields(found, names, columns):
    for key in LABELS:
        if key in NUMBER_KEYS:
            continue
        if key in NEEDS_CLIENT and "client" not in found.keys:
            _leave_out(found, names, key, f"{LABELS[key]} needs a Client column.")
        elif key == "id" and not _is_our_id(found, names):
            _leave_out(
                found, names, key, "The numbers are found by the DID; this ID may be another system’s."
            )
        else:
            _map_field(found, key, names, columns)


def _map_field(found, key, names, columns):
    open_columns = [index for index in _named(names, key) if not found.certainty[index]]
    for index in sorted(open_columns, key=lambda index: -_fit(names[index], key)):
        fit = _fit(names[index], key)
        if key in found.keys:
            found.reason[index] = f"Column {found.keys.index(key) + 1} is {LABELS[key]} already."
        elif _suits(key, fit, columns[index]):
            certainty = CERTAIN if fit >= USUAL else LIKELY
            found.map(index, key, certainty, "The header names this field.")
        else:
            found.reason[index] = f"The cells do not look like {LABELS[key]}."


def _weigh_existing(found, names, columns, existing):
    """Say how many names of a column exist already, and map columns that mostly have such names."""
    for key in (key for key in LABELS if key in existing):
        if key in found.keys:
            _say_existing(found, found.keys.index(key), columns, existing[key])
            continue
        if key in NEEDS_CLIENT and "client" not in found.keys:
            continue
        fitting = [
            index
            for index, column in enumerate(columns)
            if not found.certainty[index]
            and meanings(names[index]).keys() - NUMBER_KEYS <= {key}
            and _mostly_exist(column, existing[key])
        ]
        for index in fitting:
            fields = [other for other, known in existing.items() if _mostly_exist(columns[index], known)]
            if len(fields) > 1 or len(fitting) > 1:
                found.map(index, "", CHECK, f"This column may hold the {LABELS[key]}: its names exist.")
            else:
                found.map(index, key, LIKELY, "")
                _say_existing(found, index, columns, existing[key])


def _mostly_exist(column, names):
    """Whether more than half of the names in a column, and two at least, exist."""
    cells = set(column.cells)
    known = len(cells & names)
    return known > 1 and 2 * known > len(cells)


def _say_existing(found, index, columns, names):
    cells = set(columns[index].cells)
    if cells and found.certainty[index] != CHECK:
        known = len(cells & names)
        certainty = CERTAIN if known == len(cells) else LIKELY
        found.map(index, found.keys[index], certainty, f"{known:,} of {len(cells):,} names exist.")


def _weigh_left_out(found, columns):
    """Say how sure it is that a column is left out, as far as its cells tell."""
    for index, column in enumerate(columns):
        if found.keys[index] or found.certainty[index] or not column.filled:
            continue
        if column.has_mostly(content.DATE):
            found.map(index, "", CERTAIN, "The cells are dates.")
        elif column.has_mostly(content.DECIMAL):
            found.map(index, "", CERTAIN, "The cells are amounts.")
        elif "number" in found.keys and column.has_mostly(content.PHONE, content.E164):
            found.map(index, "", CHECK, "This column also holds phone numbers.")


def _leave_out(found, names, key, reason):
    for index in _named(names, key):
        if not found.keys[index] and not found.certainty[index]:
            found.reason[index] = reason


def _is_our_id(found, names):
    """Whether an ID is the one of our export: there is no number, or its header is that of the export."""
    if "number" in found.keys:
        return _fit(names[found.keys.index("number")], "number") == OWN
    return not found.questions


def _suits(key, fit, column):
    """Whether the cells of a column can be what its name says."""
    if not column.filled:
        return True
    if key in ("status", "after_hold"):
        return _are_statuses(column, fit)
    if key == "hold_days" and fit < OWN and set(column.digits) <= {"0", "1"}:
        return False
    if key in ("id", "hold_days"):
        return column.has_mostly(content.SHORT, content.PHONE)
    if key in ("operator", "reseller", "package"):
        return column.has_mostly(content.WORD, content.SHORT)
    return not column.has_mostly(content.DATE, content.DECIMAL)


def _are_statuses(column, fit):
    """Whether the cells are a few words, some of them statuses where the name alone does not say so."""
    known = sum(bool(st.parse(text)) or is_status_word(text) for text in column.distinct)
    if 2 * known >= len(column.distinct):
        return True
    few = len(column.distinct) <= max(3, column.filled // 3)
    return fit >= USUAL and few and column.has_mostly(content.WORD, content.SHORT)
