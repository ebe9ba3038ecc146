"""Taking a change back: every object that it touched becomes again what it was before, as history tells.

**What goes back.** Before is an object's last history row before the change's first row of it. It goes back
when every later row of it is the change's own, or when an undo has brought it to exactly what the change
left. What the change made is deleted, what it deleted is made again with its old id, anything else gets all
its columns back. The rest is refused, each with its cause, and stays as it is.

**Order.** A change may touch packages and numbers together. Things with names are made and opened first,
parents before children (a client is open again before its package is on, and that before its numbers are
Active); then the numbers; then things are closed and deleted, children first, when nothing uses them.

**How.** A chunk is up to ``CHUNK`` history rows of the change, in their order. Its client packages are
locked, then its numbers by their ids, as every other writer does it; overdue holds are released; then one
query judges every object by a CASE and gives the ids of each verdict, and one statement each deletes, changes
from history and makes again. Neither rows nor objects come to Python, only ids of a chunk.

**Rehearsal** goes through the same chunks by the same query and writes nothing. What earlier steps would have
written is told to the later ones: things that go back are read from history (``overlay``), and what would be
used less or more is kept in a ``_Tally``.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from django.db import connection
from django.urls import reverse

import audit
from audit import history
from audit.models import Change
from clients.models import Account, Client, Package, Reseller, counted
from dids.history.undo.statements import BACK, CHANGE, CLOSE, DELETE, GOES, MAKE, SAME, WHY, Step
from dids.lifecycle.result import SAMPLE, Result
from dids.lists.sqlite_stats import plan_quickly
from dids.models import DID, ClientPackage
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
        return sum(history.written(connection, self.change.pk, {}).values())

    def is_seen(self):
        """Whether ``by`` may know of the change: of one that is bound some object is in the own branch."""
        if self.reseller is None:
            return True
        return any(Step(self, "numbers", model).sees_some() for model in (DID, *THINGS))

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
            data=self.change.undo_data,
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
            step = Step(self.undo, *STEPS[number], overlay=self.overlay)
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
            left.verdict = "used" if group.verdict == DELETE else "still on"
            found += [one for one in (kept, left) if one.ids]
        return found

    def _write(self, step, groups, going):
        """Deletes first: what they leave (a place, a name) may be what another one takes."""
        if ids := [pk for group in going if group.verdict == DELETE for pk in group.ids]:
            step.delete(ids)
        if changing := [group for group in going if group.verdict in (CHANGE, CLOSE)]:
            differing = set().union(*(group.differing for group in changing))
            step.change([pk for group in changing for pk in group.before], differing)
        for group in going:
            if group.verdict != MAKE:
                continue
            for verdict, missed in step.make(group).items():
                left, kept = group.split(missed)
                left.verdict = verdict
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
