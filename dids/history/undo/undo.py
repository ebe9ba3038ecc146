"""Undo a change: restore every object that it touched to its state before, from history.

**What is undone.** The state before is an object's last history row before the change's first row of it. It
is restored if every later row is the change's own, or if an undo restored exactly what the change left.
What the change created is deleted, what it deleted is created again with its old id, and everything else gets
its columns back. Anything else is refused with a reason and left alone.

**Order.** A change may touch packages and numbers together. Parents are restored before numbers (a client is
reopened before its client package is switched on, and that before its numbers are Active), then numbers, then
parents are closed and deleted, children first, if nothing uses them. Numbers that find their package full are
tried again when all others have been handled: a later chunk may free the places that an earlier one needs.

**How.** A chunk is up to ``CHUNK`` history rows of the change, in their order. Its client packages are
locked, then its numbers, in the order of ``dids.models.locks``; overdue holds are released; one
query evaluates a CASE expression for every object and returns the ids of each verdict; one statement each
deletes, updates and creates. Only the ids of a chunk are held in Python.

**Preview** runs the same query over the same chunks and writes nothing. What earlier passes would have
written is passed on to later ones: the history ids of restored parents, and ``PendingUses``.
"""

from array import array
from functools import cached_property

import audit
from audit.models import Change
from clients.models import Account, Client, Package, Reseller
from dids.history.undo import writes
from dids.history.undo.chunk import Chunk
from dids.history.undo.result import UndoResult
from dids.history.undo.uses import PendingUses, free_places, used_ids
from dids.history.undo.verdicts import (
    AGAIN,
    CLOSE,
    CREATE,
    DELETE,
    FULL,
    NUMBERS,
    REMOVE,
    RESTORE,
    UNCHANGED,
    UNDONE,
    UPDATE,
    WRITES,
    has_visible_rows,
    verdict_groups,
    why_refused,
)
from dids.lifecycle.result import KEPT, SAMPLE
from dids.models import DID, ClientPackage, Reservation
from dids.models.number_writes import CHUNK
from jobs.models import Job
from operators.models import Operator

PARENTS = (
    Reseller,
    Operator,
    Client,
    Package,
    Account,
    Reservation,
    ClientPackage,
)  # parents before their children
PASSES = (
    *((RESTORE, model) for model in PARENTS),
    (NUMBERS, DID),
    (AGAIN, DID),
    *((REMOVE, model) for model in reversed(PARENTS)),
)
START = [0, 0]  # a cursor: index of the pass, history id of the last row that was handled


class Undo:
    """The undo of ``change`` by a user with the right "undo", or by the system.

    For a user bound to a reseller it covers objects that belonged to that reseller before and after the
    change, and still do. ``now``: the time of the undo, also in history; None: the clock.
    """

    def __init__(self, change, *, by, now=None):
        self.change, self.by, self.now = change, by, now
        self.reseller = getattr(by, "reseller_id", None)
        self.viewer = by if self.reseller else None
        if self.viewer:
            Change.hide_labels([change], by)

    @cached_property
    def rows(self):
        """Return how many history rows the change has in the user's branch; one count for each model."""
        return sum(Chunk(self, NUMBERS, model).count_rows() for model in (DID, *PARENTS))

    def is_visible(self):
        """Return whether ``by`` may know of the change: it touched an object of their reseller."""
        if self.reseller is None:
            return True
        return any(has_visible_rows(Chunk(self, NUMBERS, model)) for model in (DID, *PARENTS))

    def obstacle(self):
        """Return a sentence why the change can't be undone at all, "" if it can."""
        if self.change.never_undone:
            return self.change.never_undone
        if Job.objects.unfinished().filter(change=self.change).exists():
            return "Its job is still running. Wait until it ends, or cancel it first."
        if not self.rows:
            return "Its history was deleted, so its earlier state is unknown."
        return ""

    def preview(self):
        """Return the ``UndoResult`` that ``run`` would have now; writes nothing. Two queries a chunk."""
        run = _Run(self, is_preview=True)
        while run.advance():
            pass
        return run.result

    def run(self):
        """Undo it in one transaction and one change; return the ``UndoResult``."""
        run = _Run(self)
        with self._recorded(None) as current:
            parents = [Chunk(self, RESTORE, model) for model in PARENTS]
            writes.lock_all(parents, Chunk(self, NUMBERS, DID))
            while run.advance():
                current.touched += run.written
        run.result.change = current.pk
        return run.result

    def run_next(self, cursor, result, resume, at_once):
        """Undo the chunk after ``cursor`` in its own transaction and add it to ``result``.

        ``cursor``: ``START`` at first. ``resume``: the change of earlier chunks or None. ``at_once(most)``:
        how many of ``most`` history rows the chunk should have. Return (the next cursor, history rows
        handled, the change), None at the end.
        """
        run = _Run(self, cursor=cursor, result=result, size=at_once(CHUNK))
        with self._recorded(resume) as current:
            advanced = run.advance()
            current.touched += run.written
        return (run.cursor, run.rows, current) if advanced else None

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


class _Run:
    """A run over the chunks of an undo, from ``cursor`` on; ``result`` adds up its verdicts."""

    def __init__(self, undo, *, is_preview=False, cursor=START, result=None, size=None):
        self.undo, self.is_preview, self.cursor, self.size = undo, is_preview, cursor, size or CHUNK
        self.result = result or UndoResult()
        self.restored = {}  # {model: history ids of the rows that a preview restored}
        self.full = {}  # {last history id of a chunk: ids that a preview found without a place}
        self.pending = PendingUses()
        self.written = self.rows = 0  # objects written and history rows handled by the last chunk

    def advance(self):
        """Handle the next chunk; return False at the end."""
        number, after = self.cursor
        while number < len(PASSES):
            if PASSES[number][0] == AGAIN and not self._tries_again(after):
                number, after = number + 1, 0
                continue
            chunk = Chunk(self.undo, *PASSES[number], restored=self.restored)
            last, rows = chunk.bounds(after, self.size)
            if rows:
                chunk.set_bounds(after, last)
                self._handle(chunk)
                self.cursor = [number, last]
                self.rows = 0 if chunk.phase in (RESTORE, AGAIN) else rows
                return True
            number, after = number + 1, 0
        self.written = self.rows = 0
        return False

    def _tries_again(self, after):
        """Return whether numbers are tried again; at the start they no longer count as refused."""
        numbers = self.result.results.get(DID._meta.model_name)
        return after > 0 or (numbers is not None and numbers.refusals.pop(FULL, None) is not None)

    def _handle(self, chunk):
        if not self.is_preview:
            writes.lock(chunk)
            self.pending.clear()  # earlier chunks have been written
        groups = list(verdict_groups(chunk))
        if chunk.phase == AGAIN:
            groups = self._without_place(chunk, groups)
        if chunk.phase in (NUMBERS, AGAIN):
            groups = self._refuse_without_place(chunk, groups)
        elif chunk.phase == REMOVE:
            groups = self._refuse_used(chunk, groups)
        writable = [group for group in groups if group.verdict in WRITES[chunk.phase]]
        if not self.is_preview:
            groups += self._write(chunk, writable)
        elif chunk.phase == RESTORE:
            prior_ids = [pk for group in writable for pk in group.prior_ids]
            self.restored.setdefault(chunk.model, []).extend(prior_ids)
        for group in writable:
            self.pending.add(chunk, group)
        self.written = self._count(chunk, groups)

    def _without_place(self, chunk, groups):
        """Return the groups that were refused for want of a place; the others have been written meanwhile."""
        waiting = [group for group in groups if group.takes_place and group.verdict in WRITES[AGAIN]]
        if self.is_preview:
            full = set(self.full.get(chunk.params["last"], ()))
            waiting = [group.split(full)[0] for group in waiting]
        return [group for group in waiting if group.ids]

    def _refuse_without_place(self, chunk, groups):
        """Refuse numbers that exceed the DID limit of their client package; lower ids come first."""
        entering, others = {}, []
        for group in groups:
            writes_it = group.verdict in WRITES[chunk.phase]
            if writes_it and group.takes_place:
                entering.setdefault(group.prior["client_package_id"], []).append(group)
                continue
            others.append(group)
            if writes_it and group.leaves_place:
                self.pending.places[group.live["client_package_id"]] -= len(group.ids)
        if not entering:
            return others
        free = free_places(chunk, entering)
        for package, candidates in sorted(entering.items()):
            room = max(0, free[package] - self.pending.places[package])
            accepted = set(sorted(pk for group in candidates for pk in group.ids)[:room])
            for group in candidates:
                fitting, full = group.split(accepted)
                self.pending.places[package] += len(fitting.ids)
                if group.leaves_place:
                    self.pending.places[group.live["client_package_id"]] -= len(fitting.ids)
                full.verdict = FULL
                if self.is_preview and chunk.phase == NUMBERS:
                    self.full.setdefault(chunk.params["last"], array("q")).extend(full.ids)
                others += [fitting, full]
        return [group for group in others if group.ids]

    def _refuse_used(self, chunk, groups):
        """Refuse to delete or close what something still uses."""
        found = []
        for group in groups:
            used, unused = group.split(used_ids(chunk, group, self.pending))
            used.verdict = "used" if group.verdict == DELETE else "still on"
            found += [part for part in (used, unused) if part.ids]
        return found

    def _write(self, chunk, groups):
        """Write the groups; return groups of those that another transaction created or took first.

        Deletes come first: they may free the place or the name that another object takes.
        """
        if ids := [pk for group in groups if group.verdict == DELETE for pk in group.ids]:
            writes.delete(chunk, ids)
        if updated := [group for group in groups if group.verdict in (UPDATE, CLOSE)]:
            differing = set().union(*(group.differing for group in updated))
            writes.update(chunk, [pk for group in updated for pk in group.prior_ids], differing)
        missed = []
        for group in groups:
            if group.verdict == CREATE:
                for verdict, ids in writes.create(chunk, group).items():
                    lost, created = group.split(ids)
                    lost.verdict = verdict
                    missed.append(lost)
                    group.ids, group.prior_ids = created.ids, created.prior_ids
        if chunk.model is DID:
            writes.rest([pk for group in groups if group.verdict != DELETE for pk in group.ids])
        return missed

    def _count(self, chunk, groups):
        """Add the verdicts to the result; return how many objects were written."""
        result, written = self.result.of(chunk.model), 0
        for group in groups:
            if group.verdict in WRITES[chunk.phase]:
                written += len(group.ids)
            elif group.verdict in (UNCHANGED, UNDONE):
                result.unchanged += len(group.ids)
            elif group.ids:
                refusal = result.refusals.get(group.verdict)
                most = KEPT if chunk.model is DID and not self.is_preview else SAMPLE
                wanted = most - len(refusal.numbers) if refusal else most
                named = writes.names(chunk.model, sorted(group.ids)[:wanted], self.undo.viewer)
                why = refusal.why if refusal else why_refused(group.verdict, groups, chunk)
                result.refuse(group.verdict, why, len(group.ids), named)
        result.done += written
        if not result.selected:
            del self.result.results[chunk.model._meta.model_name]
        return written
