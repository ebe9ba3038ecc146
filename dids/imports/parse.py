"""Parse the cells of a file into rows and groups of the staging tables."""

import json

from django.conf import settings
from django.core.exceptions import ValidationError

import sheets
from clients.models import HOLD_DAYS_MAX
from clients.tags import tag_label
from didmgmt.text import parse_whole, shorten
from dids.lifecycle import statuses as st
from dids.numbering.normalise import MAX_DIGITS, NumberError
from dids.numbering.reading import REFUSE_ALL, read_cell

GROUPS_KEPT = 20_000  # groups kept in memory; one that was dropped and recurs is staged again
NAMES = ("reseller", "operator", "client", "account", "package")
GROUPED = (*NAMES, "status", "after_hold", "hold_days", "tags")  # columns that rows of a group share
NAME_MAX, NOTES_MAX = 100, 500


class RangeError(NumberError):
    """An error in the ``column`` that holds the end or the size of a range."""

    def __init__(self, column, error):
        super().__init__(error.value, error.reason, error.remedy, error.kind, error.readings)
        self.column = column


class RowParser:
    """Parse rows of a file into staged rows of a batch.

    ``at`` is {key of a column: its index}; ``rows`` and ``groups`` are how many the batch has already.
    ``choices`` says how ambiguous numbers are read. The caller loads ``new_groups`` before the rows, and
    clears it.
    """

    def __init__(self, batch, at, *, rows=0, groups=0, choices=REFUSE_ALL):
        self.first, self.at, self.choices = batch.first, at, choices
        self.rows, self.group_count = rows, groups
        self.grouped = [(key, at[key]) for key in GROUPED if key in at]
        self.indexes = [index for _, index in self.grouped]
        self.number, self.ref, self.notes = at.get("number"), at.get("id"), at.get("notes")
        self.ranged = "range_end" in at or "range_size" in at
        self.width = max(at.values()) + 1
        self.groups, self.new_groups = {}, []

    def parse(self, rows):
        """Yield tuples of ``ImportRow.STAGED``: none for a blank row, many for a range."""
        for line, row, problem in rows:
            cells = row if len(row) >= self.width else row + [""] * (self.width - len(row))
            if problem:
                if any(map(str.strip, cells)):
                    yield self._flawed(line, None, None, "", str(problem))
                continue
            group = self._group(cells)
            notes = cells[self.notes] if self.notes is not None else ""
            if notes:
                notes = sheets.unescape(notes) if notes.strip() else ""
                if len(notes) > NOTES_MAX:
                    yield self._flawed(line, group, "notes", notes, too_long("note", notes, NOTES_MAX))
                    continue
            if self.number is None:
                yield from self._by_id(line, group, cells, notes)
                continue
            number = cells[self.number]
            if not self.ranged and number.isdigit() and number.isascii() and len(number) <= MAX_DIGITS:
                self.rows += 1
                yield self.first + self.rows, line, group, number, None, notes, "+", None, None
            else:
                yield from self._by_number(line, group, cells, notes)

    def _by_id(self, line, group, cells, notes):
        ref = cells[self.ref].strip()
        pk = parse_whole(ref)
        if pk is not None:
            self.rows += 1
            yield self.first + self.rows, line, group, None, pk, notes, "+", None, None
        elif any(map(str.strip, cells)):
            yield self._flawed(
                line, group, "id", ref, "An ID is a whole number. Correct it or remove the row."
            )

    def _by_number(self, line, group, cells, notes):
        try:
            ranges = read_cell(cells[self.number], self.choices)
            if self.ranged:
                ranges = [self._ended(cells, ranges)]
        except NumberError as error:
            if any(map(str.strip, cells)):
                column = error.column if isinstance(error, RangeError) else "number"
                sentence = f"{error.reason[0].upper()}{error.reason[1:]}. {error.remedy}"
                yield self._flawed(line, group, column, error.value, sentence)
            return
        for low, high in ranges:
            for number in range(int(low), int(high) + 1):
                self.rows += 1
                digits = str(number).zfill(len(low))
                yield self.first + self.rows, line, group, digits, None, notes, "+", None, None

    def _ended(self, cells, ranges):
        """Return the range that begins in the number's cell and has its end or its size in another."""
        low, high = ranges[0]
        for column, read in (("range_end", _range_end), ("range_size", _range_size)):
            text = cells[self.at[column]].strip() if column in self.at else ""
            if not text:
                continue
            try:
                if len(ranges) > 1:
                    reason = "the row has several numbers and the end of a range"
                    raise NumberError(text, reason, "Write each range in a row of its own.")
                last = read(text, low)
                if high not in (low, last):
                    reason = "the row gives two different ends of its range"
                    raise NumberError(text, reason, "Remove one of them.")
            except NumberError as error:
                raise RangeError(column, error) from error
            high = last
        return low, high

    def _flawed(self, line, group, column, value, sentence):
        self.rows += 1
        flaw = json.dumps([column, shorten(value), sentence])
        return self.first + self.rows, line, group, None, None, "", "!", "flaw", flaw

    def _group(self, cells):
        values = tuple([cells[index] for index in self.indexes])
        known = self.groups.get(values)
        if known:
            return known
        if len(self.groups) >= GROUPS_KEPT:
            self.groups.clear()
        self.group_count += 1
        group = self.groups[values] = self.first + self.group_count
        texts = {
            key: text for (key, _), cell in zip(self.grouped, values, strict=True) if (text := _text(cell))
        }
        parsed, flaw = _parse_group(texts)
        self.new_groups.append(
            (group, *(parsed.get(key) for key in GROUPED), json.dumps(flaw) if flaw else None)
        )
        return group


def _range_end(text, low):
    [(last, _), *more] = read_cell(text)
    if more or len(last) != len(low) or last < low:
        reason = f"the end of a range has as many digits as {low} and is not below it"
        raise NumberError(text, reason, "Write the number in full.")
    return last


def _range_size(text, low):
    most = settings.IMPORT_ROWS
    size = parse_whole(text, most=most)
    if not size:
        raise NumberError(text, f"a size is a whole number from 1 to {most:,}", "Correct the size.")
    last = str(int(low) + size - 1).zfill(len(low))
    if len(last) > len(low):
        raise NumberError(text, f"there are fewer numbers than that from {low} on", "Correct the size.")
    return last


def _text(cell):
    """Return the text of a cell, None if it is blank."""
    return sheets.unescape(cell).strip() or None


def _parse_group(texts):
    """Parse the texts of a group; return ({column: value}, the first flaw or None)."""
    values, flaw = {}, None
    for key, text in texts.items():
        try:
            values[key] = _READERS[key](text)
        except ValueError as error:
            flaw = flaw or [key, shorten(text), str(error)]
    return values, flaw


def _name(text):
    if len(text) > NAME_MAX:
        raise ValueError(too_long("name", text, NAME_MAX))
    return text


def too_long(what, text, limit):
    return f"The {what} has {len(text):,} characters; at most {limit} are allowed. Shorten it."


def _status(text):
    if key := st.parse(text):
        return key
    raise ValueError(f"There is no status “{shorten(text)}”. Use one of {', '.join(st.LABELS.values())}.")


def _after_hold(text):
    if (key := st.parse(text)) in st.FREE:
        return key
    raise ValueError(
        f"“{shorten(text)}” can't be After Hold. Use one of {', '.join(st.LABELS[key] for key in st.FREE)}."
    )


def _days(text):
    days = parse_whole(text, most=HOLD_DAYS_MAX)
    if days is not None:
        return days
    raise ValueError(f"Hold days must be a whole number from 0 to {HOLD_DAYS_MAX}. Correct the number.")


def _tags(text):
    try:
        return tag_label([text]) or None
    except ValidationError as error:
        raise ValueError(error.message) from None


_READERS = dict.fromkeys(NAMES, _name) | {
    "status": _status,
    "after_hold": _after_hold,
    "hold_days": _days,
    "tags": _tags,
}
