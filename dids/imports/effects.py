"""What an import will do, row by row, as the check found it: a page of its staged rows."""

from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_

from django.db.models import Q

from dids.imports.options import Options
from dids.imports.reasons import explain
from dids.imports.tally import BLOCK
from dids.lifecycle import statuses as st
from dids.models.staging import RESULTS, ImportBatch, ImportRow

SAMPLE, ALL = "sample", "all"
SHOWN = (SAMPLE, ALL, *dict.fromkeys(RESULTS.values()))
# What a page shows of a row's number beside its status; the rest is "other".
OTHER = {"package": "package", "tags": "tags", "after_hold": "After Hold", "hold_days": "hold days"}

_NAMES = (
    "group__operator", "group__client", "group__account", "group__package",
    "operator", "tag_set", "account__client", "client_package__package",
    "did__operator", "did__tag_set", "did__account__client", "did__client_package__package",
)  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A field of a number as text, "" if empty; ``old`` is what it was, the same if it does not change."""

    new: str
    old: str
    name: str = ""

    @property
    def changes(self):
        return self.new != self.old


@dataclass(frozen=True)
class Effect:
    """What will happen to one row.

    ``cell``      the number as in the file, "" where the row before has the cell, of a range
    ``values``    {status, client, account, operator, notes, and those of OTHER: Value}, empty if the row is
                  refused or flagged
    ``refusal``   as ``reasons.explain`` returns it, None if the row is not refused or flagged
    ``tick``      the number that a flagged row writes when it is ticked, ``ticked`` whether it is
    """

    line: int
    result: str
    cell: str
    number: str
    values: dict = field(default_factory=dict)
    refusal: dict | None = None
    tick: str = ""
    ticked: bool = False

    @property
    def status(self):
        """The status as a Value of keys."""
        return self.values["status"]

    @property
    def status_labels(self):
        """The status as a Value of labels."""
        return Value(*(st.LABELS.get(key, "") for key in (self.status.new, self.status.old)))

    @property
    def holder(self):
        """Whether the number has or had a client."""
        return any((self.values["client"].new, self.values["client"].old))

    @property
    def other(self):
        """The further fields that are filled or change, as Values with their names.

        After Hold is left out if it stays In Stock, as it is for nearly all numbers.
        """
        usual = {"after_hold": Value(*[st.LABELS[st.INSTOCK]] * 2)}
        found = [(name, value) for name in OTHER if (value := self.values[name]) != usual.get(name)]
        return [Value(value.new, value.old, OTHER[name]) for name, value in found if value.new or value.old]


class Effects:
    """The rows of a checked import with one result, ALL of them, or a SAMPLE of each kind.

    ``page`` counts from 1 and is moved to the last page if there are fewer. A page costs a fixed number of
    queries, and reads the blocks of ``BLOCK`` rows that hold its rows.
    """

    def __init__(self, job, shown, page, size):
        self.job, self.size = job, size
        self.sample = job.result.get("sample", [])
        self.counts = self._counts()
        self.shown = shown if shown in self.counts else SAMPLE
        self.total = self.counts[self.shown]
        self.pages = max(1, -(-self.total // size))
        self.page = min(max(1, page), self.pages)

    def _counts(self):
        counts = dict.fromkeys(SHOWN, 0) | self.job.result["counts"]
        return counts | {SAMPLE: len(self.sample), ALL: sum(self.job.result["counts"].values())}

    @property
    def first(self):
        """The position of the first row of the page, 0 if there is none."""
        return (self.page - 1) * self.size + 1 if self.total else 0

    @property
    def last(self):
        return min(self.page * self.size, self.total)

    @cached_property
    def rows(self):
        """The Effects of the page, in file order."""
        rows = list(self._staged().select_related("group", *_NAMES))
        doubtful = [row.pk for row in rows if RESULTS[row.verdict] in ("refused", "flagged")]
        found = explain(ImportRow.objects.filter(pk__in=doubtful), self.job.owner) if doubtful else []
        refusals = {refusal["id"]: refusal for refusal in found}
        options, written = Options.of(self.job), set(self.job.params.get("written", ()))
        return [_effect(row, refusals.get(row.pk), options, row.line in written) for row in rows]

    def _staged(self):
        """Return the staged rows of the page, by primary key."""
        batch = ImportBatch(pk=self.job.cursor["batch"])
        rows, skip = batch.rows.order_by("pk"), self.first - 1
        if self.shown == SAMPLE:
            return rows.filter(pk__in=[batch.first + row for row in self.sample[skip : self.last]])
        if self.shown == ALL:
            return rows.filter(pk__range=(batch.first + self.first, batch.first + self.last))
        verdicts = [verdict for verdict, result in RESULTS.items() if result == self.shown]
        blocks, before = self._blocks()
        within = [Q(pk__range=(batch.first + n * BLOCK + 1, batch.first + (n + 1) * BLOCK)) for n in blocks]
        if not within:
            return rows.none()
        found = rows.filter(reduce(or_, within), verdict__in=verdicts)
        return found[skip - before : self.last - before]

    def _blocks(self):
        """Return the blocks that hold the rows of the page, and how many rows the blocks before hold."""
        found, seen, before = [], 0, 0
        counts = self.job.result.get("blocks", {}).get(self.shown, {})
        for block, count in sorted((int(block), count) for block, count in counts.items()):
            if seen >= self.last:
                break
            if seen + count < self.first:
                before += count
            else:
                found.append(block)
            seen += count
        return found, before


def _effect(row, refusal, options, ticked):
    result = RESULTS[row.verdict]
    cell = row.cell if row.cell is not None else row.number
    if cell is None:
        cell = f"ID {row.ref}" if row.ref is not None else ""
    if refusal:
        # The value is the cell of the number if that is what is wrong.
        cell = cell or refusal["value"]
        tick = row.number or "" if result == "flagged" else ""
        return Effect(row.line, result, cell, row.number or "", refusal=refusal, tick=tick)
    old = _visible(row.did, options)
    read = {"created": _created, "updated": _updated}.get(result)
    new = (read(row, options, old) if read else old) or {}
    values = {name: Value(text, old[name] if old else text) for name, text in new.items()}
    number = row.number or (row.did.number if old else "")
    return Effect(row.line, result, cell, number, values, tick=number if ticked else "", ticked=ticked)


def _visible(did, options):
    """Return the values of an existing number; None if there is none, or none that the user may see now."""
    if did is None or options.bound_to not in (None, did.operator.reseller_id):
        return None
    account, client_package = did.account, did.client_package
    return {
        "status": did.status_now,
        "client": account.client.name if account else "",
        "account": account.name if account else "",
        "package": client_package.package.name if client_package else "",
        "operator": did.operator.name,
        "notes": did.notes,
        "tags": did.tag_set.label if did.tag_set else "",
        "after_hold": st.LABELS[did.after_hold],
        "hold_days": _days(did.hold_days),
    }


def _created(row, options, _old):
    group, defaults = row.group, options.defaults
    operator = group.operator or (None if group.operator_name else options.operator)
    return {
        "status": group.status or defaults["status"],
        "operator": operator.name if operator else group.operator_name or "",
        "notes": row.notes or defaults["notes"],
        "tags": group.tags or defaults["tags"] or "",
        "after_hold": st.LABELS[group.after_hold or defaults["after_hold"]],
        "hold_days": _days(group.hold_days),
        **_named(group),
    }


def _updated(row, options, old):
    group = row.group
    # Of a record that is yet to be created there is only the name.
    named, assigned = _named(group), row.status in st.HELD
    holder = {"client": "", "account": "", "package": ""}
    if assigned and row.account:
        holder |= {"client": row.account.client.name, "account": row.account.name}
    elif assigned:
        holder |= {name: named[name] for name in ("client", "account")}
    if assigned:
        package = row.client_package.package.name if row.client_package else named["package"]
        holder["package"] = package
    tags = row.tag_set.label if row.tag_set else ""
    blank_notes = "" if options.clears("notes") or not old else old["notes"]
    return {
        "status": row.status,
        "operator": row.operator.name if row.operator else group.operator_name or "",
        "notes": row.notes or blank_notes,
        "tags": group.tags or tags,
        "after_hold": st.LABELS[row.after_hold],
        "hold_days": _days(row.hold_days),
        **holder,
    }


def _named(group):
    """Return the names of client, account and package, as stored where the record exists."""
    texts = {"client": group.client_name, "account": group.account_name, "package": group.package_name}
    records = {"client": group.client, "account": group.account, "package": group.package}
    return {name: records[name].name if records[name] else texts[name] or "" for name in texts}


def _days(days):
    return "" if days is None else str(days)
