"""Taking a change back: every object that it touched becomes again what it was before, as history tells.

**What goes back.** Before is an object's last history row before the change's first row of it. It goes back
when every later row of it is the change's own, or when an undo has brought it to exactly what the change
left. What the change made is deleted, what it deleted is made again with its old id, anything else gets all
its columns back. The rest is refused, each with its cause, and stays as it is.

**Order.** A change may touch packages and numbers together. Things with names are made and opened first,
parents before children (a client is open again before its package is on, and that before its numbers are
Active); then the numbers; then things are closed and deleted, children first, when nothing uses them.

**How.** A chunk is up to ``CHUNK`` history rows of the change, in their order. Its client packages are
locked, then its numbers by their ids, as every other writer does it; overdue holds are released; then one query
judges every object by a CASE and gives the ids of each verdict, and one statement each deletes, changes from
history and makes again. Neither rows nor objects come to Python, only ids of a chunk.

**Rehearsal** goes through the same chunks by the same query and writes nothing. What earlier steps would have
written is told to the later ones: things that go back are read from history (``_overlay``), and what would be
used less or more is kept in a ``_Tally``.

The status of a number is written here from its own history alone, so there is no move to name: instead of
the table of moves the CASE asks for what a move into the old status would need today.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from django.db import connection, models
from django.urls import reverse
from django.utils import timezone

import audit
from audit import history
from audit.models import Change
from clients.models import Account, Client, Package, Reseller, counted
from dids import status as st
from dids.models import CHUNK, DID, ClientPackage
from dids.outcome import SAMPLE, Result
from dids.planning import plan_quickly
from jobs.kinds import JobFailed, Kind, register
from jobs.models import Job
from operators.models import Operator

THINGS = (Reseller, Operator, Client, Package, Account, ClientPackage)  # parents first
# (the part of the work, of which model); things are gone through twice.
STEPS = (
    *(("open", thing) for thing in THINGS),
    ("numbers", DID),
    *(("close", thing) for thing in reversed(THINGS)),
)
MAKE, CHANGE, DELETE, CLOSE = "make", "change", "delete", "close"
SAME, BACK = "same", "back"
GOES = {"open": (MAKE, CHANGE), "numbers": (MAKE, CHANGE, DELETE), "close": (DELETE, CLOSE)}

WHY = {
    "touched": "a later change touched it since; it stays as it is now, edit it by hand if it has to go back",
    "unknown": "what it was before is not known any more, because old history was deleted; edit it by hand",
    "taken": "the number was made anew since; delete that one first",
    "name": "its name is taken by now; rename the other one first",
    "reseller gone": "its reseller is deleted; make it again first",
    "operator gone": "its operator is deleted; undo that first",
    "client gone": "its client is deleted; undo that first",
    "account gone": "its account is deleted; undo that first",
    "package gone": "its package is deleted; undo that first",
    "client_package gone": "its client package is deleted; undo that first",
    "over": "the hold that it would go back to would be over already; it stays as it is now",
    "client closed": "its client is closed; reopen the client first",
    "package archived": "its package is archived; restore the package first",
    "package off": "its client package is not active; activate it first",
    "full": "its package has no free place left; raise the DID limit or put numbers on Hold",
    "other reseller": "its operator is of another reseller than its package by now; assign it anew",
    "used": "it is in use; take it from what uses it first",
    "ended": "the end that it would go back to is past by now; end it by hand instead",
    "stays": "clients have something of it, so it can't go back to another reseller",
    "right": "you don't have the right to do that to it; ask an administrator",
}


class Undo:
    """The undo of ``change`` by the person or system ``by``, who needs the right "undo".

    A person bound to a reseller takes back what the change did within that branch, before and after.
    ``now``: the moment that it is judged at and that its history bears; None: the clock.
    """

    def __init__(self, change, *, by, now=None):
        self.change, self.by, self.now = change, by, now
        self.reseller = getattr(by, "reseller_id", None)

    @cached_property
    def rows(self):
        """How many history rows the change has; one query over their index."""
        return history.count_rows(connection, self.change.pk)

    def is_seen(self):
        """Whether ``by`` may know of the change: of one that is bound some object is in the own branch."""
        if self.reseller is None:
            return True
        return any(_Step(self, "numbers", model).sees_some() for model in (DID, *THINGS))

    def obstacle(self):
        """Why nothing of it can be undone at all, a sentence; "" when it has to be looked at."""
        if self.change.kind == Change.Kind.PRUNE:
            return "Deleted history can't be made again. It is in the files that it was exported to."
        if Job.objects.unfinished().filter(change=self.change).exists():
            return "Its job is still under way. Wait for its end, or cancel it first."
        if not self.rows:
            return "What it did is not known any more: its history was deleted."
        return ""

    def rehearse(self):
        """The ``Outcome`` that ``run`` would have now; writes nothing. Two queries a chunk."""
        work = _Work(self, rehearsal=True)
        while work.advance():
            pass
        return work.outcome

    def run(self):
        """Take it back in one transaction and one change; returns the ``Outcome``."""
        work = _Work(self)
        with self._recorded(None) as current:
            while work.advance():
                current.touched += work.written
        work.outcome.change = current.pk
        return work.outcome

    def run_next(self, place, outcome, resume):
        """Take back the chunk behind ``place`` in a transaction of its own; counts it into ``outcome``.

        ``place``: (step, history id), (0, 0) at the beginning. ``resume``: the change of earlier chunks or
        None. Returns (the next place, rows gone through, the change), None at the end.
        """
        work = _Work(self, place=place, outcome=outcome)
        with self._recorded(resume) as current:
            there = work.advance()
            current.touched += work.written
        return (work.place, work.seen, current) if there else None

    def _recorded(self, resume):
        return audit.change(
            Change.Kind.UNDO,
            by=self.by,
            label=self.change.undo_label,
            at=self.now,
            undo_of=self.change,
            resume=resume,
        )


@dataclass
class Outcome:
    """What came of an undo, or of its rehearsal: a ``Result`` for each kind of object that it met.

    ``change``: the id of the undo, None when nothing was written.
    """

    results: dict[str, Result] = field(default_factory=dict)
    change: int | None = None

    def of(self, model):
        return self.results.setdefault(model._meta.model_name, Result())

    @property
    def done(self):
        return sum(result.done for result in self.results.values())

    @property
    def unchanged(self):
        return sum(result.unchanged for result in self.results.values())

    @property
    def refused(self):
        return sum(result.refused for result in self.results.values())

    @property
    def selected(self):
        return self.done + self.unchanged + self.refused

    def counts(self):
        """ "1,180 numbers and 1 client package" of what goes back; "" for nothing."""
        found = [
            counted(self.results[name].done, *noun)
            for name, noun in _NOUNS.items()
            if name in self.results and self.results[name].done
        ]
        return f"{', '.join(found[:-1])} and {found[-1]}" if len(found) > 1 else "".join(found)

    def refusals(self):
        """Pairs (noun, Refusal), numbers first."""
        for name, (noun, *plural) in _NOUNS.items():
            for refusal in self.results.get(name, Result()).refusals.values():
                yield noun if refusal.count == 1 else (plural or [f"{noun}s"])[0], refusal

    def sentence(self):
        """ "1,180 numbers and 1 client package went back, 5 were so already. 20 numbers refused (…): …"."""
        parts = [f"{self.counts() or 'Nothing'} went back"]
        if self.unchanged:
            parts.append(f"{self.unchanged:,} {'was' if self.unchanged == 1 else 'were'} so already")
        refusals = (
            f"{refusal.count:,} {noun} refused ({refusal.named}): {refusal.why}."
            for noun, refusal in self.refusals()
        )
        return " ".join([", ".join(parts) + ".", *refusals])

    def as_json(self):
        return {name: result.as_json() for name, result in self.results.items()}

    @classmethod
    def from_json(cls, kept):
        return cls({name: Result.from_json(kept[name]) for name in _NOUNS if name in kept})


_NOUNS = {
    model._meta.model_name: (noun, *plural)
    for model, noun, *plural in (
        (DID, "number"),
        (ClientPackage, "client package"),
        (Package, "package"),
        (Account, "account"),
        (Client, "client"),
        (Operator, "operator"),
        (Reseller, "reseller"),
    )
}


class _Work:
    """Goes through the chunks of an undo: ``place`` is where it is, ``outcome`` what came of it so far."""

    def __init__(self, undo, *, rehearsal=False, place=(0, 0), outcome=None):
        self.undo, self.rehearsal, self.place = undo, rehearsal, tuple(place)
        self.outcome = outcome or Outcome()
        self.overlay = {}  # {model: history ids of what would be there again}
        self.tally = _Tally()
        self.written = self.seen = 0  # of the last chunk: objects, history rows

    def advance(self):
        """Do the next chunk; False at the end."""
        plan_quickly()
        number, after = self.place
        while number < len(STEPS):
            step = _Step(self.undo, *STEPS[number], overlay=self.overlay)
            last, rows = step.bounds(after)
            if rows:
                self._do(step, after, last)
                self.place = (number, last)
                self.seen = 0 if step.part == "open" else rows
                return True
            number, after = number + 1, 0
        self.written = self.seen = 0
        return False

    def _do(self, step, after, last):
        step.range(after, last)
        if not self.rehearsal:
            step.lock()
            self.tally.clear()  # what earlier chunks did stands in the tables
        groups = [group for group in step.judged() if step.is_of_this_part(group.verdict)]
        if step.model is DID:
            groups = self._fitting(step, groups)
        elif step.part == "close":
            groups = self._unused(step, groups)
        going = [group for group in groups if group.verdict in GOES[step.part]]
        if self.rehearsal:
            if step.part == "open":
                self.overlay.setdefault(step.model, []).extend(pk for g in going for pk in g.before)
        else:
            self._write(step, groups, going)
        for group in going:
            self.tally.count(step, group)
        self.written = self._count(step, groups)

    def _fitting(self, step, groups):
        """Of numbers that take a place again as many as their packages have, in the order of ids."""
        entering, rest = {}, []
        for group in groups:
            goes = group.verdict in GOES[step.part]
            if goes and group.takes_place:
                entering.setdefault(group.then["client_package_id"], []).append(group)
                continue
            rest.append(group)
            if goes and group.leaves_place:
                self.tally.places[group.now["client_package_id"]] -= len(group.ids)
        if not entering:
            return rest
        free = step.free_places(entering)
        for package, some in sorted(entering.items()):
            room = max(0, free[package] - self.tally.places[package])
            fitting = set(sorted(pk for group in some for pk in group.ids)[:room])
            for group in some:
                kept, left = group.split(fitting)
                self.tally.places[package] += len(kept.ids)
                if group.leaves_place:
                    self.tally.places[group.now["client_package_id"]] -= len(kept.ids)
                left.verdict = "full"
                rest += [kept, left]
        return [group for group in rest if group.ids]

    def _unused(self, step, groups):
        """Things that something still uses are neither deleted nor closed."""
        found = []
        for group in groups:
            used = step.used(group, self.tally)
            kept, left = group.split(set(group.ids) - used)
            left.verdict = "used"
            found += [one for one in (kept, left) if one.ids]
        return found

    def _write(self, step, groups, going):
        """Deletes first: what they leave (a place, a name) may be what another one takes."""
        by_verdict = {verdict: [g for g in going if g.verdict == verdict] for verdict in GOES[step.part]}
        for verdict, some in by_verdict.items():
            if verdict == DELETE and some:
                step.delete([pk for group in some for pk in group.ids])
        for verdict, some in by_verdict.items():
            if verdict in (CHANGE, CLOSE) and some:
                step.change([pk for group in some for pk in group.before])
        for group in by_verdict.get(MAKE, ()):
            if missed := step.make(group):
                kept, left = group.split(set(group.ids) - missed)
                left.verdict = "taken" if step.model is DID else "name"
                groups.append(left)
                group.ids, group.before = kept.ids, kept.before

    def _count(self, step, groups):
        """Count the verdicts into the outcome; returns how many objects go."""
        result, went = self.outcome.of(step.model), 0
        for group in groups:
            if group.verdict in GOES[step.part]:
                went += len(group.ids)
            elif group.verdict in (SAME, BACK):
                result.unchanged += len(group.ids)
            elif group.ids:
                code = group.verdict
                known = result.refusals.get(code)
                wanted = SAMPLE - len(known.numbers) if known else SAMPLE
                result.refuse(code, WHY[code], len(group.ids), step.names(sorted(group.ids)[:wanted]))
        result.done += went
        if not result.selected:
            del self.outcome.results[step.model._meta.model_name]
        return went


class _Tally:
    """How much less or more things would be used by what goes back and is not written yet.

    ``uses``: {(table, column, id): difference}; ``on``: of those rows alone that are in use themselves
    (numbers that take a place, client packages that are on). ``places``: {client package: difference}.
    """

    def __init__(self):
        self.clear()

    def clear(self):
        self.uses, self.on, self.places = Counter(), Counter(), Counter()

    def count(self, step, group):
        table = step.table
        for column in step.parents:
            was, will = group.now[column], group.then[column]
            self.uses[table, column, was] -= len(group.ids)
            self.uses[table, column, will] += len(group.ids)
            if group.was_on:
                self.on[table, column, was] -= len(group.ids)
            if group.will_be_on:
                self.on[table, column, will] += len(group.ids)


@dataclass
class _Group:
    """Objects of a chunk with one verdict that point at the same things, now and then ({column: id}).

    ``ids`` of the objects, and ``before``: the history ids of what they were, None for what was not there.
    """

    verdict: str
    now: dict
    then: dict
    was_on: bool
    will_be_on: bool
    ids: list
    before: list

    @property
    def stays_in_place(self):
        """Of numbers: whether they keep the place that they have."""
        package = "client_package_id"
        return self.was_on and self.will_be_on and self.now[package] == self.then[package]

    @property
    def takes_place(self):
        return self.will_be_on and not self.stays_in_place

    @property
    def leaves_place(self):
        return self.was_on and not self.stays_in_place

    def split(self, wanted):
        """Two groups: those with ids in ``wanted``, and the others."""
        pairs = list(zip(self.ids, self.before, strict=True))
        return tuple(
            _Group(
                self.verdict,
                self.now,
                self.then,
                self.was_on,
                self.will_be_on,
                [pk for pk, _ in pairs if (pk in wanted) == inside],
                [before for pk, before in pairs if (pk in wanted) == inside],
            )
            for inside in (True, False)
        )


class _Step:
    """The SQL of one part of the work on one model, over a range of the change's history rows."""

    def __init__(self, undo, part, model, *, overlay=None):
        self.undo, self.part, self.model, self.overlay = undo, part, model, overlay or {}
        self.past = history.TRACKED[model]
        self.table, self.kept = model._meta.db_table, self.past._meta.db_table
        self.params = {"change": undo.change.pk, "reseller": undo.reseller, "after": 0, "last": 2**62}
        self._set_now()

    def _set_now(self):
        self.now = self.undo.now or timezone.now()
        self.params["now"] = connection.ops.adapt_datetimefield_value(self.now)

    def range(self, after, last):
        self.params |= {"after": after, "last": last}

    @cached_property
    def columns(self):
        return [f.column for f in self.model._meta.concrete_fields if not f.primary_key]

    @cached_property
    def parents(self):
        """{column: the tracked model that it points at}."""
        fields = self.model._meta.concrete_fields
        return {f.column: f.related_model for f in fields if f.related_model in history.TRACKED}

    # --- which rows

    def bounds(self, after):
        """(the last history id of the chunk behind ``after``, how many rows it has)."""
        return self._one(
            f"SELECT max(history_id), count(*) FROM (SELECT history_id FROM {self.kept}"
            f" WHERE change_id = %(change)s AND history_id > {after:d}"
            f" ORDER BY history_id LIMIT {CHUNK}) AS chunk"
        )

    def sees_some(self):
        return self._one(f"SELECT 1 {self._from()} LIMIT 1") is not None

    def _objects(self):
        """Each object of the range once, at the change's first row of it; ``before_id`` is what it was.

        An object's few rows are to be looked at, not all rows of the change: LIMIT keeps PostgreSQL from
        joining them, and + 0 keeps both engines from the index on the change.
        """
        past = f"(SELECT 1 FROM {self.kept} e WHERE e.object_id = r.object_id AND e.history_id < r.history_id"
        return (
            "SELECT r.object_id, r.history_id, r.event, CASE WHEN r.event <> '+' THEN"
            f" (SELECT max(p.history_id) FROM {self.kept} p"
            " WHERE p.object_id = r.object_id AND p.history_id < r.history_id) END AS before_id"
            f" FROM {self.kept} r WHERE r.change_id = %(change)s"
            " AND r.history_id > %(after)s AND r.history_id <= %(last)s"
            f" AND {past} AND e.change_id + 0 = %(change)s LIMIT 1) IS NULL"
        )

    def _from(self):
        """r: the object; b: what it was; d: what it is; g: the client package that it was with."""
        joined = (
            f"FROM ({self._objects()}) AS r LEFT JOIN {self.kept} b ON b.history_id = r.before_id"
            f" LEFT JOIN {self.table} d ON d.id = r.object_id"
        )
        if self.model is DID:
            joined += f" LEFT JOIN {self._given()} g ON g.id = b.client_package_id"
        if self.undo.reseller is None:
            return joined
        return (
            f"{joined} WHERE (b.history_id IS NULL OR {self._own('b')}) AND NOT EXISTS"
            f" (SELECT 1 FROM {self.kept} o WHERE o.object_id = r.object_id AND o.history_id >= r.history_id"
            f" AND o.change_id + 0 = %(change)s AND NOT {self._own('o')})"
        )

    def _own(self, row):
        """Whether a history row is of the branch that the person is bound to; what is gone counts as well."""
        if self.model is Reseller:
            return "(1 = 0)"
        for column, parent in (("operator_id", Operator), ("client_id", Client), ("package_id", Package)):
            if column in self.columns:
                table, past = parent._meta.db_table, history.TRACKED[parent]._meta.db_table
                return (
                    f"({row}.{column} IN (SELECT id FROM {table} WHERE reseller_id = %(reseller)s"
                    f" UNION SELECT object_id FROM {past} WHERE event = '-' AND reseller_id = %(reseller)s))"
                )
        return f"({row}.reseller_id = %(reseller)s)"

    # --- what is there, and what will be

    def _rows_of(self, model):
        """The rows of another model, those that the rehearsal has let go back as they will be; for FROM."""
        table, back = model._meta.db_table, self.overlay.get(model)
        if not back:
            return table
        kept, key = history.TRACKED[model]._meta.db_table, f"back_{table}"
        columns = [f.column for f in model._meta.concrete_fields if not f.primary_key]
        self.params[key] = _listed(back)
        there = ", ".join(columns)
        then = ", ".join(f"{_then(model, column)} AS {column}" for column in columns)
        return (
            f"(SELECT id, {there} FROM {table} WHERE id NOT IN"
            f" (SELECT object_id FROM {kept} b WHERE {_one_of('b.history_id', key)})"
            f" UNION ALL SELECT object_id, {then} FROM {kept} b WHERE {_one_of('b.history_id', key)})"
        )

    def _given(self):
        return (
            "(SELECT cp.id, cp.active, cp.starts_at, cp.ends_at, c.closed_at, p.archived_at, p.reseller_id,"
            f" p.did_limit FROM {self._rows_of(ClientPackage)} cp"
            f" JOIN {self._rows_of(Package)} p ON p.id = cp.package_id"
            f" JOIN {self._rows_of(Client)} c ON c.id = cp.client_id)"
        )

    # --- the verdict

    def judged(self):
        """The objects of the range as ``_Group``s; one query."""
        links = [f"{row}.{column}" for column in self.parents for row in ("d", "b")]
        on = {DID: f"{{}}.status IN {_IN_PLACE}", ClientPackage: "{}.active"}.get(self.model, "NULL")
        keys = [f"CASE {self._whens()} END", *links, on.format("d"), on.format("b")]
        picked = ", ".join(f"{key} AS k{n}" for n, key in enumerate(keys))
        names = ", ".join(f"k{n}" for n in range(len(keys)))
        together = "array_agg" if connection.vendor == "postgresql" else "json_group_array"
        rows = self._all(
            f"SELECT {names}, {together}(object_id), {together}(before_id) FROM"
            f" (SELECT {picked}, r.object_id, r.before_id {self._from()}) AS judged GROUP BY {names}"
        )
        for verdict, *found, was_on, will_be_on, ids, before in rows:
            if connection.vendor == "sqlite":
                ids, before = json.loads(ids), json.loads(before)
            now = dict(zip(self.parents, found[::2], strict=True))
            then = dict(zip(self.parents, found[1::2], strict=True))
            yield _Group(verdict, now, then, bool(was_on), bool(will_be_on), ids, before)

    def is_of_this_part(self, verdict):
        """Things are gone through twice: what is deleted or closed counts the second time."""
        return self.part == "numbers" or (verdict in (DELETE, CLOSE)) == (self.part == "close")

    def _whens(self):
        """The first WHEN that holds is the verdict."""
        same, kept = _same(), self.kept
        later = (
            f"(SELECT 1 FROM {kept} l WHERE l.object_id = r.object_id AND l.history_id > r.history_id"
            " AND (l.change_id IS NULL OR l.change_id <> %(change)s) LIMIT 1) IS NOT NULL"
        )
        newest = (
            f"(SELECT n.change_id FROM {kept} n WHERE n.object_id = r.object_id"
            " ORDER BY n.history_id DESC LIMIT 1)"
        )
        as_left = " AND ".join(f"d.{column} {same} c.{column}" for column in self.columns)
        restored = (
            f"EXISTS (SELECT 1 FROM audit_change u WHERE u.id = {newest} AND u.kind = '{Change.Kind.UNDO}')"
            f" AND EXISTS (SELECT 1 FROM {kept} c WHERE c.history_id ="
            f" (SELECT max(m.history_id) FROM {kept} m WHERE m.object_id = r.object_id"
            " AND m.change_id + 0 = %(change)s) AND CASE WHEN d.id IS NULL OR c.event = '-'"
            f" THEN d.id IS NULL AND c.event = '-' ELSE {as_left} END)"
        )
        undone = f"{newest} IN (SELECT u.id FROM audit_change u WHERE u.undo_of_id = %(change)s)"
        as_before = " AND ".join(f"d.{column} {same} {_then(self.model, column)}" for column in self.columns)
        whens = [
            (f"{later} AND {undone}", BACK),
            (f"{later} AND NOT ({restored})", "touched"),
            *((f"{when}", code) for when, code in self._touched_by_the_clock()),
            ("r.event = '+' AND d.id IS NULL", SAME),
            *((f"r.event = '+' AND {self._lacks('delete')}", "right"),),
            ("r.event = '+'", DELETE),
            ("b.history_id IS NULL OR b.event = '-'", "unknown"),
            (as_before, SAME),
            *self._gone(),
            *self._taken(),
            *self._own_refusals(),
            (f"d.id IS NULL AND {self._lacks('add')}", "right"),
            (self._lacks("change"), "right"),
            ("d.id IS NULL", MAKE),
            *self._closing(),
        ]
        return " ".join(f"WHEN {when} THEN '{code}'" for when, code in whens) + f" ELSE '{CHANGE}'"

    def _touched_by_the_clock(self):
        """A hold that is over has ended, whether or not the worker has written it."""
        if self.model is DID:
            yield f"d.status = '{st.HOLD}' AND d.hold_until <= %(now)s", "touched"

    def _lacks(self, action):
        """Numbers go back by the right to undo; things as their own dialogs ask for it."""
        right = f"{self.model._meta.app_label}.{action}_{self.model._meta.model_name}"
        return "1 = 0" if self.model is DID or self.undo.by.has_perm(right) else "1 = 1"

    def _gone(self):
        for column, parent in self.parents.items():
            there = f"EXISTS (SELECT 1 FROM {self._rows_of(parent)} x WHERE x.id = b.{column})"
            yield f"b.{column} IS NOT NULL AND NOT {there}", f"{column.removesuffix('_id')} gone"

    def _taken(self):
        meta = self.model._meta
        unique = [[f.column] for f in meta.concrete_fields if f.unique and not f.primary_key]
        unique += [
            [meta.get_field(name).column for name in one.fields]
            for one in meta.constraints
            if isinstance(one, models.UniqueConstraint)
        ]
        for columns in unique:
            equal = " AND ".join(f"t.{column} = b.{column}" for column in columns)
            taken = f"EXISTS (SELECT 1 FROM {self.table} t WHERE {equal} AND t.id <> r.object_id)"
            yield taken, "taken" if self.model is DID else "name"

    def _own_refusals(self):
        """What a model's own rules ask of what it was before."""
        if self.model is DID:
            same = _same()
            as_now = f"d.status = b.status AND d.client_package_id {same} b.client_package_id"
            moves = f"(d.id IS NULL OR NOT ({as_now}))"
            back_in_use = f"b.status IN {_IN_PLACE} AND {moves}"
            operators = f"(SELECT o.reseller_id FROM {self._rows_of(Operator)} o WHERE o.id = b.operator_id)"
            yield f"b.status = '{st.HOLD}' AND b.hold_until <= %(now)s", "over"
            yield f"{back_in_use} AND g.closed_at IS NOT NULL", "client closed"
            yield f"{back_in_use} AND g.archived_at IS NOT NULL", "package archived"
            yield f"{back_in_use} AND NOT {_RUNS.format('g')}", "package off"
            yield f"b.client_package_id IS NOT NULL AND g.reseller_id <> {operators}", "other reseller"
        if self.model is ClientPackage:
            clients, packages = self._rows_of(Client), self._rows_of(Package)
            on = "b.active AND (d.id IS NULL OR NOT d.active)"
            closed = (
                f"EXISTS (SELECT 1 FROM {clients} x WHERE x.id = b.client_id AND x.closed_at IS NOT NULL)"
            )
            archived = (
                f"EXISTS (SELECT 1 FROM {packages} x WHERE x.id = b.package_id AND x.archived_at IS NOT NULL)"
            )
            yield f"{on} AND {closed}", "client closed"
            yield f"{on} AND {archived}", "package archived"
            yield "b.active AND b.ends_at <= %(now)s AND (d.id IS NULL OR d.active)", "ended"
        if self.model in _HELD_BY:
            used = f"SELECT 1 FROM {_HELD_BY[self.model]} WHERE"
            column = self.model._meta.model_name
            held = " AND x.account_id IS NOT NULL" if self.model is Operator else ""
            yield (
                f"d.reseller_id <> b.reseller_id AND EXISTS ({used} x.{column}_id = r.object_id{held})",
                "stays",
            )

    def _closing(self):
        """What takes something out of use waits until its numbers have gone back."""
        if self.model is ClientPackage:
            yield "d.active AND NOT b.active", CLOSE
        for model, column in ((Client, "closed_at"), (Package, "archived_at")):
            if self.model is model:
                yield f"d.{column} IS NULL AND b.{column} IS NOT NULL", CLOSE

    # --- places and uses

    def free_places(self, packages):
        """{client package: its places that no number takes}, as the tables have it now; two queries."""
        self.params["packages"] = _listed(list(packages))
        limits = dict(
            self._all(f"SELECT g.id, g.did_limit FROM {self._given()} g WHERE {_one_of('g.id', 'packages')}")
        )
        taken = self._all(
            f"SELECT d.client_package_id, count(*) FROM dids_did d WHERE d.status IN {_IN_PLACE}"
            f" AND {_one_of('d.client_package_id', 'packages')} GROUP BY d.client_package_id"
        )
        return {package: limits[package] - dict(taken).get(package, 0) for package in packages}

    def used(self, group, tally):
        """Of a group that is to be deleted or closed: the ids that something uses all the same."""
        self.params["asked"] = _listed(group.ids)
        found = set()
        for child, column, only_on in self._users(group.verdict):
            table = child._meta.db_table
            narrowed = "" if not only_on else f" AND u.{_ON[child]}"
            counts = self._all(
                f"SELECT u.{column}, count(*) FROM {table} u"
                f" WHERE {_one_of(f'u.{column}', 'asked')}{narrowed} GROUP BY u.{column}"
            )
            less = tally.on if only_on else tally.uses
            there = dict(counts)
            found |= {pk for pk in group.ids if there.get(pk, 0) + less[table, column, pk] > 0}
        return found

    def _users(self, verdict):
        """What keeps it from being deleted or closed: (model, column, whether only those that are on do)."""
        for relation in self.model._meta.related_objects:
            if relation.on_delete is models.PROTECT:
                child = relation.related_model
                if verdict == DELETE or child in _ON:
                    yield child, relation.field.column, verdict != DELETE

    # --- writing

    def lock(self):
        """To the end of the transaction: client packages, then the objects in the order of ids."""
        rows = self.past.objects.filter(
            change=self.undo.change.pk,
            history_id__gt=self.params["after"],
            history_id__lte=self.params["last"],
        )
        objects = self.model.objects.filter(pk__in=rows.values("object_id"))
        if connection.features.has_select_for_update:
            if self.model is DID:
                joined = f"FROM ({self._objects()}) AS r JOIN {self.kept} b ON b.history_id = r.before_id"
                self._all(
                    "SELECT id FROM dids_clientpackage WHERE id IN"
                    f" (SELECT b.client_package_id {joined} WHERE b.status IN {_IN_PLACE})"
                    " ORDER BY id FOR NO KEY UPDATE"
                )
            list(objects.order_by("pk").select_for_update().values_list("pk"))
        self._set_now()
        if self.model is DID:
            objects.release_overdue(self.now, at=self.undo.now)

    def delete(self, ids):
        self.params["ids"] = _listed(ids)
        self._run(f"DELETE FROM {self.table} WHERE {_one_of('id', 'ids')}{_between('id', ids)}")

    def change(self, before):
        self.params["before"] = _listed(before)
        values = ", ".join(f"{column} = {_then(self.model, column)}" for column in self.columns)
        self._run(
            f"UPDATE {self.table} AS d SET {values} FROM {self.kept} b WHERE d.id = b.object_id"
            f" AND {_one_of('b.history_id', 'before')}{_between('b.history_id', before)}"
        )

    def make(self, group):
        """Returns the ids that could not be made: somebody took a name or a number at this very moment."""
        self.params["before"] = _listed(group.before)
        names = ", ".join(self.columns)
        values = ", ".join(_then(self.model, column) for column in self.columns)
        order = "b.number" if self.model is DID else "b.object_id"
        made = self._run(
            f"INSERT INTO {self.table} (id, {names}) SELECT b.object_id, {values} FROM {self.kept} b"
            f" WHERE {_one_of('b.history_id', 'before')} ORDER BY {order} ON CONFLICT DO NOTHING"
        )
        if made == len(group.ids):
            return set()
        ours = self.past.objects.filter(history_id__in=group.before)
        same = self.model.objects.filter(pk__in=ours.values("object_id"))
        return set(group.ids) - set(same.values_list("pk", flat=True))

    def names(self, ids):
        """The first words for these objects."""
        if self.model is DID:
            known = history.last_known(DID, ids, "number")
            return [known[pk]["number"] for pk in ids if pk in known]
        if self.model is ClientPackage:
            known = history.last_known(ClientPackage, ids, "client_id", "package_id")
            clients = history.last_known(Client, {one["client_id"] for one in known.values()}, "name")
            packages = history.last_known(Package, {one["package_id"] for one in known.values()}, "name")
            return [
                f"{packages[known[pk]['package_id']]['name']} of {clients[known[pk]['client_id']]['name']}"
                for pk in ids
                if pk in known
            ]
        known = history.last_known(self.model, ids, "name")
        return [known[pk]["name"] for pk in ids if pk in known]

    # --- the database

    def _all(self, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql, self.params)
            return cursor.fetchall()

    def _one(self, sql):
        rows = self._all(sql)
        return rows[0] if rows else None

    def _run(self, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql, self.params)
            return cursor.rowcount


_IN_PLACE = "('{}')".format("', '".join(st.IN_PLACE))
_ON = {DID: f"status IN {_IN_PLACE}", ClientPackage: "active"}  # in use themselves
_RUNS = "({0}.active AND {0}.starts_at <= %(now)s AND ({0}.ends_at IS NULL OR {0}.ends_at > %(now)s))"
# What keeps a thing with its reseller, see the ``clean`` of each.
_HELD_BY = {Operator: "dids_did x", Client: "dids_clientpackage x", Package: "dids_clientpackage x"}


def _then(model, column):
    """What a column becomes again, as SQL of the history row b.

    A package that is switched on again has no end that is past, as ``ClientPackage.activate`` does it.
    """
    if model is ClientPackage and column == "ends_at":
        return "CASE WHEN b.active AND b.ends_at <= %(now)s THEN NULL ELSE b.ends_at END"
    return f"b.{column}"


def _same():
    return "IS NOT DISTINCT FROM" if connection.vendor == "postgresql" else "IS"


def _listed(ids):
    """Ids as one parameter, for ``_one_of``."""
    return list(ids) if connection.vendor == "postgresql" else json.dumps(list(ids))


def _one_of(column, key):
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%({key})s::bigint[])"
    return f"{column} IN (SELECT value FROM json_each(%({key})s))"


def _between(column, ids):
    """The ends of a list, without which PostgreSQL would rather read a whole table."""
    return f" AND {column} BETWEEN {min(ids):d} AND {max(ids):d}"


# --- as a job -------------------------------------------------------------------------------------


def submit_undo(undo):
    """Queue a job that does ``undo``; returns it."""
    job = Job.objects.create(
        kind=KIND.name,
        owner=undo.by,
        label=undo.change.undo_label,
        total=undo.rows,
        params={"change": undo.change.pk},
        cursor={"place": [0, 0]},
    )
    job.queue()
    return job


def _begin(job):
    while True:
        # Asked for each time: it may have been taken away, and old history may be deleted meanwhile.
        if not job.owner.has_perm("audit.undo_change"):
            raise JobFailed("You don't have the right to undo changes any more; ask a supervisor.")
        change = Change.objects.filter(pk=job.params["change"]).first()
        if change is None:
            raise JobFailed("The change is not known any more: its history was deleted.")
        outcome = Outcome.from_json(job.result)
        done = Undo(change, by=job.owner).run_next(job.cursor["place"], outcome, job.change)
        if done is None:
            return
        place, seen, current = done
        job.change = current if current.pk else None
        job.result, job.cursor = outcome.as_json(), {"place": list(place)}
        job.done += seen
        yield


def _told(job):
    return Outcome.from_json(job.result).sentence() if job.done else ""


def _url(job):
    return f"{reverse('dids:list')}?sort=-id"


KIND = register(Kind("undo", "Undo", _begin, _told, unit="steps", url=_url))
