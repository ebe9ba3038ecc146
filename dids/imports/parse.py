"""Parse the rows of a file into rows and groups of the staging tables."""

import json
from operator import itemgetter

from django.conf import settings

import sheets
from didmgmt.text import parse_whole, shorten
from dids.imports.cells import NAMES, ColumnError, FlaggedError, too_long
from dids.numbering.normalise import NumberError
from jobs.kinds import JobError

GROUPS_KEPT = 20_000  # groups kept in memory; one that was dropped and recurs is staged again
GROUPED = (*NAMES, "status", "after_hold", "hold_days", "tags")  # columns that rows of a group share
NOTES_MAX = 500


class RowParser:
    """Parse rows of a file into staged rows of a batch.

    ``rules`` are the ``CellRules`` of the import; ``rows`` and ``groups`` are how many the batch has
    already. The caller loads ``new_groups`` before the rows, and clears it.
    """

    def __init__(self, batch, rules, *, rows=0, groups=0):
        self.first, self.rules, at = batch.first, rules, rules.at
        self.rows, self.group_count = rows, groups
        self.grouped = [(key, at[key]) for key in GROUPED if key in at]
        self.group_cells = _cells_at([index for _, index in self.grouped])
        self.number, self.ref, self.notes = at.get("number"), at.get("id"), at.get("notes")
        self.number_cells = [*rules.parts, self.number]
        self.groups, self.new_groups = {}, []

    def parse(self, rows):
        """Yield tuples of ``ImportRow.STAGED`` as ``bulk_load`` takes them.

        None for a blank row, many for a range.
        """
        width, usual, is_empty = self.rules.width, self.rules.usual, self.rules.is_empty
        number_at, ref_at, notes_at = self.number, self.ref, self.notes
        first, group_cells, groups = self.first, self.group_cells, self.groups
        for line, row, problem in rows:
            cells = row if len(row) >= width else row + [""] * (width - len(row))
            if problem:
                if any(map(str.strip, cells)):
                    yield self._flawed(line, None, problem.column or None, problem.value, str(problem))
                continue
            values = group_cells(cells)
            group = groups.get(values) or self._new_group(values)
            notes = cells[notes_at] if notes_at is not None else ""
            if notes:
                notes = "" if is_empty(notes) else sheets.unescape(notes)
                if len(notes) > NOTES_MAX:
                    yield self._flawed(line, group, "notes", notes, too_long("note", notes, NOTES_MAX))
                    continue
            if number_at is None:
                yield from self._by_id(line, group, cells, notes)
                continue
            number = cells[number_at]
            ref = parse_whole(cells[ref_at].strip()) if ref_at is not None else None
            if number.isdigit() and number.isascii() and len(number) in usual:  # inlined for speed
                self.rows += 1
                staged = first + self.rows, line, group, number, notes, "+"
                yield staged if ref is None else (*staged, ref)
            else:
                yield from self._by_number(line, group, cells, ref, notes)

    def _by_id(self, line, group, cells, notes):
        ref = cells[self.ref].strip()
        pk = parse_whole(ref)
        if pk is not None:
            self.rows += 1
            yield self.first + self.rows, line, group, None, notes, "+", pk
        elif not self.rules.is_blank(cells):
            yield self._flawed(
                line, group, "id", ref, "An ID is a whole number. Correct it or remove the row."
            )

    def _by_number(self, line, group, cells, ref, notes):
        try:
            ranges = self.rules.ranges(line, cells)
        except NumberError as error:
            if not self.rules.is_blank(cells):
                yield self._unread(line, group, notes, error)
            return
        size, most = sum(int(high) - int(low) + 1 for low, high in ranges), settings.IMPORT_ROWS
        if size > most:
            sentence = f"These are {size:,} numbers; one import takes at most {most:,}. Split the range."
            yield self._flawed(line, group, "number", cells[self.number], sentence)
            return
        if self.rows + size > most:
            raise too_many_numbers(most, line)
        cell = shorten(" ".join(filter(None, (cells[index].strip() for index in self.number_cells))))
        nth, named = 0, size if size > 1 else None
        for low, high in ranges:
            for number in range(int(low), int(high) + 1):
                self.rows += 1
                nth += 1
                digits = str(number).zfill(len(low))
                staged = self.first + self.rows, line, group, digits, notes, "+", ref, cell
                yield (*staged, nth, named) if named else staged
                cell = ""

    def _unread(self, line, group, notes, error):
        """Return the row of a number that is refused, or flagged as hardly a number."""
        column = error.column if isinstance(error, ColumnError) else "number"
        what = f"{error.reason[0].upper()}{error.reason[1:]}."
        row = self._flawed(line, group, column, error.value, what, error.kind, error.remedy)
        if isinstance(error, FlaggedError):
            return *row[:3], error.number, notes, "f", *row[6:]
        return row

    def _flawed(self, line, group, column, value, what, kind="", remedy=""):
        self.rows += 1
        flaw = json.dumps([column, shorten(value), what, kind, remedy])
        return self.first + self.rows, line, group, None, "", "!", *(None,) * 4, "flaw", flaw

    def _new_group(self, values):
        """Return the id of a group with these cells."""
        if len(self.groups) >= GROUPS_KEPT:
            self.groups.clear()
        self.group_count += 1
        group = self.groups[values] = self.first + self.group_count
        texts = {
            key: text
            for (key, _), cell in zip(self.grouped, values, strict=True)
            if (text := self.rules.text(cell))
        }
        parsed, flaw = self.rules.values_of(texts)
        self.new_groups.append(
            (group, *(parsed.get(key) for key in GROUPED), json.dumps(flaw) if flaw else None)
        )
        return group


def _cells_at(indexes):
    """Return a function that returns the cells of a row at ``indexes`` as a tuple."""
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return lambda cells: tuple([cells[index] for index in indexes])


def too_many_numbers(most, line):
    """Return the error of an import whose numbers exceed the limit at ``line``."""
    return JobError(
        f"The file has more than {most:,} numbers, which is the limit for one import: line {line:,} exceeds"
        " it. Split the file and import the parts."
    )
