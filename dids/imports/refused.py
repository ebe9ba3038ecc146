"""Write rows that were refused or left out as a file that can be corrected and imported again."""

import sheets
from dids.imports import names as column_names
from dids.imports.cells import CellRules
from dids.imports.reasons import explain
from dids.numbering.normalise import NumberError

BLOCK = 10_000  # refused rows read in one query


def refused_rows(upload, refused, user):
    """Yield the header, then the ``refused`` rows as they are in the file, with the reason.

    Of a row that names a range, each refused number gets a row of its own. ``refused`` is a queryset of
    ``ImportRow`` by primary key.
    """
    keys, width = upload.job.params["mapping"], upload.format.width
    names = upload.header() or [column_names.LABELS.get(key, "") for key in keys]
    # A reason from an earlier round makes room for the new one.
    kept = [index for index in range(width) if not column_names.is_reason(_cell(names, index))]
    yield [*(_cell(names, index) for index in kept), column_names.REASON]
    rules = CellRules.of(upload.job.params)
    rows, line, cells = upload.rows(), None, []
    for refusal in _explain_all(refused, user):
        if refusal["line"] != line:
            line = refusal["line"]
            cells = next(row.cells for row in rows if row.line == line)
        shown = _with_number(line, cells, refusal["number"], rules)
        kept_cells = [sheets.unescape(_cell(shown, index)) for index in kept]
        yield [*kept_cells, *shown[width:], refusal["reason"]]


def _explain_all(refused, user):
    after = 0
    while refusals := explain(refused.filter(pk__gt=after)[:BLOCK], user):
        yield from refusals
        after = refusals[-1]["id"]


def _cell(cells, index):
    return cells[index] if index < len(cells) else ""


def _with_number(line, cells, number, rules):
    """Reduce the ``cells`` of a row that names several numbers to one; return other rows unchanged."""
    if number is None or "number" not in rules.at:
        return cells
    shown = [*cells, *[""] * (rules.width - len(cells))]
    other = [rules.at[key] for key in ("range_end", "range_size") if key in rules.at]
    try:
        ranges = rules.ranges(line, shown)
    except NumberError:
        return cells
    ended = not all(rules.is_empty(shown[index]) for index in other)
    if not ended and len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return cells
    shown[rules.at["number"]] = number
    for index in (*other, *rules.parts):
        shown[index] = ""
    return shown
