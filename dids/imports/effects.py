"""What an import will do, row by row, as the check found it: a page of its staged rows."""

from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_

from django.db.models import Q

from didmgmt import clock
from dids.imports.cells import CellRules
from dids.imports.options import Options
from dids.imports.reasons import explain
from dids.imports.tally import BLOCK
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models.ageing import in_force, minimum_of
from dids.models.hold_days import first_given
from dids.models.staging import RESULTS, ImportBatch, ImportRow

SAMPLE, ALL = "sample", "all"
SHOWN = (SAMPLE, ALL, *dict.fromkeys(RESULTS.values()))
# What a page shows of a row's number beside its status; the rest is "other".
OTHER = {"package": "package", "tags": "tags", "after_hold": "After Hold", "hold_days": "hold days"}

_NAMES = (
    "group__operator__reseller", "group__reseller", "group__client", "group__account", "group__package",
    "operator__reseller", "tag_set", "account__client", "client_package__package",
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

    ``position``  of the row among all rows, from 1
    ``cell``      the number as in the file, "" where the row before has the cell, of a range
    ``nth``       its place among the ``named`` numbers of its line; both None if the line names one
    ``settled``   the doubts about the cell that were settled by choice: see ``CellRules.settled``
    ``values``    {status, client, account, operator, notes, and those of OTHER: Value}, empty if the row is
                  refused or flagged
    ``refusal``   as ``reasons.explain`` returns it, None if the row is not refused or flagged
    ``tick``      the number that a flagged row writes when it is ticked, ``ticked`` whether it is
    """

    line: int
    position: int
    result: str
    cell: str
    number: str
    nth: int | None = None
    named: int | None = None
    settled: tuple[str, ...] = ()
    values: dict = field(default_factory=dict)
    refusal: dict | None = None
    tick: str = ""
    ticked: bool = False

    @property
    def rest(self):
        """How many numbers of its line follow."""
        return self.named - self.nth if self.named else 0

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
    queries. Of a result with few rows it reads only these, else the blocks of ``BLOCK`` rows that hold them.
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
        found = explain(ImportRow.objects.filter(pk__in=doubtful), self.job.actor) if doubtful else []
        refusals = {refusal["id"]: refusal for refusal in found}
        reader = _Reader(self.job, clock.now())
        return [reader.effect(row, refusals.get(row.pk)) for row in rows]

    def _staged(self):
        """Return the staged rows of the page, by primary key."""
        batch = ImportBatch(pk=self.job.cursor["batch"])
        rows, skip = batch.rows.order_by("pk"), self.first - 1
        if self.shown == SAMPLE:
            return rows.filter(pk__in=[batch.first + row for row in self.sample[skip : self.last]])
        if self.shown == ALL:
            return rows.filter(pk__range=(batch.first + self.first, batch.first + self.last))
        kept = self.job.result.get("rows", {}).get(self.shown)
        if kept is not None:
            return rows.filter(pk__in=[batch.first + row for row in kept[skip : self.last]])
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


class _Reader:
    """Read the effects of staged rows of a ``job``, as the numbers are at ``now``."""

    def __init__(self, job, now):
        self.options, self.rules, self.now = Options.of(job), CellRules.of(job.params), now
        self.first = ImportBatch(pk=job.cursor["batch"]).first

    def effect(self, row, refusal):
        """Return the Effect of a row; ``refusal`` as ``reasons.explain`` returns it, None without one."""
        result, number = RESULTS[row.verdict], row.number or ""
        cell = row.cell if row.cell is not None else row.number
        if cell is None:
            cell = f"ID {row.ref}" if row.ref is not None else ""
        found = {"line": row.line, "position": row.pk - self.first, "result": result}
        if refusal:
            # The value is the cell of the number if that is what is wrong.
            cell = cell or refusal["value"]
            tick = number if result == "flagged" else ""
            return Effect(**found, cell=cell, number=number, refusal=refusal, tick=tick)
        found |= {"nth": row.nth, "named": row.named}
        if row.cell:
            found["settled"] = tuple(self.rules.settled(row.cell, number))
        old = self._visible(row.did)
        read = {"created": self._created, "updated": self._updated}.get(result)
        new = (read(row, old) if read else old) or {}
        values = {name: Value(text, old[name] if old else text) for name, text in new.items()}
        number = number or (row.did.number if old else "")
        ticked = row.line in self.rules.written
        tick = number if ticked else ""
        return Effect(**found, cell=cell, number=number, values=values, tick=tick, ticked=ticked)

    def _visible(self, did):
        """Return the values of an existing number; None if there is none, or none that the user may see."""
        if did is None or self.options.bound_to not in (None, did.operator.reseller_id):
            return None
        status = holds.status_at(did.status, did.after_hold, did.hold_until, self.now)
        account, client_package = (did.account, did.client_package) if status in st.HELD else (None, None)
        return {
            "status": status,
            "client": account.client.name if account else "",
            "account": account.name if account else "",
            "package": client_package.package.name if client_package else "",
            "operator": did.operator.name,
            "notes": did.notes,
            "tags": did.tag_set.label if did.tag_set else "",
            "after_hold": st.LABELS[did.after_hold],
            "hold_days": _days(did.hold_days),
        }

    def _created(self, row, _old):
        group, defaults = row.group, self.options.defaults
        operator = group.operator or (None if group.operator_name else self.options.operator)
        status, after_hold = group.status or defaults["status"], group.after_hold or defaults["after_hold"]
        reseller = operator.reseller if operator else group.reseller
        status = self._status(group, status, after_hold, group.package, operator, reseller)
        return {
            "status": status,
            "operator": operator.name if operator else group.operator_name or "",
            "notes": row.notes or defaults["notes"],
            "tags": group.tags or defaults["tags"] or "",
            "after_hold": st.LABELS[after_hold],
            "hold_days": _days(group.hold_days),
            **(_named(group) if status in st.HELD else _NO_HOLDER),
        }

    def _updated(self, row, old):
        group = row.group
        package = row.client_package.package if row.client_package else None
        reseller = row.operator.reseller if row.operator else None
        status = self._status(row, row.status, row.after_hold, package, row.operator, reseller)
        # Of a record that is yet to be created there is only the name.
        named, holder = _named(group), _NO_HOLDER
        if status in st.HELD:
            holder = named | {"package": package.name if package else named["package"]}
            if row.account:
                holder |= {"client": row.account.client.name, "account": row.account.name}
        tags = row.tag_set.label if row.tag_set else ""
        blank_notes = "" if self.options.clears("notes") or not old else old["notes"]
        return {
            "status": status,
            "operator": row.operator.name if row.operator else group.operator_name or "",
            "notes": row.notes or blank_notes,
            "tags": group.tags or tags,
            "after_hold": st.LABELS[row.after_hold],
            "hold_days": _days(row.hold_days),
            **holder,
        }

    @cached_property
    def minimums(self):
        return in_force()

    def _status(self, staged, status, after_hold, package, operator, reseller):
        """Return the status that a number will be seen with: After Hold if its hold ends at once.

        ``staged`` has its hold; the others are the objects that it inherits hold days from, or None.
        """
        until = staged.hold_until
        if status == st.HOLD and until is None:
            parents = [parent and parent.hold_days for parent in (package, operator, reseller)]
            days = first_given(staged.hold_days, *parents)
            if isinstance(staged, ImportRow) and staged.did_id:
                days = max(days, minimum_of(staged.did.number, self.minimums))
            until = (staged.hold_from or self.now) + days * holds.DAY
        return holds.status_at(status, after_hold, until, self.now)


_NO_HOLDER = {"client": "", "account": "", "package": ""}


def _named(group):
    """Return the names of client, account and package, as stored where the record exists."""
    texts = {"client": group.client_name, "account": group.account_name, "package": group.package_name}
    records = {"client": group.client, "account": group.account, "package": group.package}
    return {name: records[name].name if records[name] else texts[name] or "" for name in texts}


def _days(days):
    return "" if days is None else str(days)
