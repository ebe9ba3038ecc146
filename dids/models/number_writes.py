"""Every write to the inventory."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from dataclasses import replace
from itertools import islice

from django.db import connection, models
from django.db.models import Count, F, Value
from django.db.models.functions import Coalesce

import audit
from audit.models import Change
from didmgmt import clock, form_tokens
from didmgmt.streams import stream
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.lifecycle.result import KEPT, SAMPLE, Result
from dids.models.ageing import in_force, minimum_of, override_data
from dids.models.client_packages import ClientPackage
from dids.models.hold_days import UNSET, count_by_days
from dids.models.locks import lock_in_order
from dids.models.number_merge import insert_new, stage_holds, update_changed
from dids.models.number_plans import (
    TO_AFTER_HOLD,
    TO_STOCK,
    Plan,
    assign_plan,
    delete_plan,
    edit_plan,
    end_hold_plan,
    end_reservation_plan,
    hold_ends_plan,
    reserve_plan,
    reserve_until_plan,
    resume_plan,
)
from dids.models.number_previews import (
    EditPreview,
    Resumption,
    losses,
    preview_hold,
    preview_resumption,
    resting,
)
from dids.models.number_reads import NumberReads, any_hold_over
from dids.models.staging import ImportRow
from dids.models.tags import TagSet

CHUNK = 5_000  # rows locked and written at a time
EXIST = "already exist and were skipped"
EXISTING_NAMED = 100  # numbers that the preview of a creation names
PREVIEWED = 100  # numbers listed by the preview of a hold


class DIDQuerySet(NumberReads):
    """The inventory and every write to it.

    A write takes ``by=`` (a user, whose permissions are checked, or ``audit.SYSTEM``) and returns a
    ``Result``. It locks and writes ``CHUNK`` rows at a time in the order of ``dids.models.locks``, so two
    writers of the same numbers wait for each other; the second one sees what the first one wrote. One call
    is one transaction and one change. It costs about four queries per chunk.

    Overdue holds among the numbers are released first, as a separate change by the system.
    """

    # --- creating

    def create_numbers(
        self,
        numbers,
        *,
        operator,
        by,
        status=st.INSTOCK,
        after_hold=st.INSTOCK,
        hold_days=None,
        tags=(),
        notes="",
        now=None,
    ):
        """Create ``numbers``, an iterable of normalised digit strings of any length.

        Existing numbers are skipped and counted as refused, so the call can be repeated. Pass the
        numbers sorted: it keeps two writers of the same range from deadlocking.
        """
        if status not in st.FREE:
            raise ValueError(f"a new number can’t be {status}")
        result = Result()
        with audit.change(Change.Kind.CREATE, by=by, label="New DIDs", at=now) as change:
            row = {
                "operator_id": operator.pk,
                "status": status,
                "after_hold": after_hold,
                "hold_days": hold_days,
                "tag_set_id": getattr(TagSet.of(tags), "pk", None),
                "notes": notes,
            }
            for chunk in _chunks(numbers):
                newest = self.model.objects.aggregate(newest=Coalesce(models.Max("pk"), 0))["newest"]
                created = _insert_numbers(chunk, row)
                result.done += created
                if created < len(chunk):
                    existing = self.model.objects.filter(number__in=chunk, pk__lte=newest)
                    existing = existing.order_by("number").values_list("number", flat=True)
                    result.refuse("exists", EXIST, len(chunk) - created, existing)
            change.touched += result.done
        return result

    def preview_create(self, numbers):
        """Return the Result that ``create_numbers`` would have now, one query per chunk.

        It names up to ``EXISTING_NAMED`` of the numbers that exist, because they may be those of others: a
        rehearsal writes nothing, so it must not list them for everybody who asks.
        """
        result = Result()
        for chunk in _chunks(numbers):
            existing = self.model.objects.filter(number__in=chunk).order_by("number")
            existing = list(existing.values_list("number", flat=True))
            result.done += len(chunk) - len(existing)
            if existing:
                result.refuse("exists", EXIST, len(existing), existing, EXISTING_NAMED)
        return result

    # --- editing and deleting

    def edit(self, *, by, now=None, kind=Change.Kind.EDIT, label="", **fields):
        """Change any of ``status``, ``after_hold``, ``hold_days``, ``notes`` and the tags.

        ``tags`` replaces the tags; ``add_tags`` and ``remove_tags`` change them. ``hold_days=None``
        inherits; new hold days move the end of a running hold, counted from its start. Fields not given
        are left alone, as are all fields of a refused number. ``version`` (see ``with_version``) refuses
        a number that was written since, with the code "changed". ``from_archive=True`` refuses numbers that
        are not in the archive.
        """
        return self._write(
            kind, lambda scope, now: edit_plan(scope, by, now, **fields), by=by, label=label, now=now
        )

    def preview_edit(self, *, by, now=None, **fields):
        """Return the Result that ``edit`` would have now; two or three queries."""
        now = now or clock.now()
        return self._preview(edit_plan(self, by, now, **fields), now)

    def with_edit_verdict(self, *, by, now=None, **fields):
        """Annotate ``verdict``: the code of the refusal by ``edit``, or what it does, see ``Plan``."""
        now = now or clock.now()
        return self._with_verdict(edit_plan(self, by, now, **fields), now)

    def losing_by_edit(self, *, by, now=None, **fields):
        """Return the numbers in use that ``edit`` would write."""
        verdicts = self.with_edit_verdict(by=by, now=now, **fields)
        return verdicts.filter(verdict=Plan.WRITE, status_now__in=st.IN_USE)

    def preview_effects(self, *, by, now=None, **fields):
        """Return the ``EditPreview`` of ``edit``; up to six queries more than ``preview_edit``."""
        now = now or clock.now()
        result = self.preview_edit(by=by, now=now, **fields)
        status = fields.get("status")
        if not result.done or status not in (st.HOLD, st.BLOCKED):
            return EditPreview(result)
        written = self.losing_by_edit(by=by, now=now, **fields)
        if status == st.BLOCKED:
            return EditPreview(result, blocked=losses(written, by))
        own_days, after_hold = (fields.get(name, UNSET) for name in ("hold_days", "after_hold"))
        going = written.annotate(then=F("after_hold") if after_hold is UNSET else Value(after_hold))
        hold = preview_hold(going, lambda found: count_by_days(found, own_days), by, now, in_force())
        return EditPreview(result, hold=hold if hold.count else None)

    def delete_unused(self, *, by, now=None):
        """Delete Reserved, In Stock and Archive numbers; their history remains."""
        return self._write(
            Change.Kind.DELETE, lambda *_: delete_plan(by), by=by, label="Deleted", now=now, delete=True
        )

    def preview_delete(self, *, by, now=None):
        """Return the Result that ``delete_unused`` would have now."""
        return self._preview(delete_plan(by), now or clock.now())

    # --- clients

    def assign(self, client_package, account, *, by, now=None, override=""):
        """Assign In Stock numbers to ``account``; numbers on Hold return only to the same client.

        ``override``: why numbers are assigned that age after use by another client, which needs a right and
        is kept with the change. Numbers are assigned in ascending order of ids up to the DID limit. The
        client package is locked first, so two users who take its last slot wait for each other.
        """
        label = f"Assigned to {account} under package {client_package.package}"
        data = override_data(override, by)
        with audit.change(Change.Kind.ASSIGN, by=by, label=label, at=now, data=data):
            locked = _lock(client_package)
            return self._write(
                Change.Kind.ASSIGN,
                lambda _, now: assign_plan(locked, account, by, now, override),
                by=by,
                now=now,
                within=locked,
            )

    def preview_assign(self, client_package, account, *, by, now=None, override=""):
        """Return the Result that ``assign`` would have now; about five queries."""
        now = now or clock.now()
        plan = assign_plan(client_package, account, by, now, override)
        result = self._preview(plan, now)
        free = client_package.free_slots()
        if result.done > free:
            writable = self._with_verdict(plan, now).order_by("pk").filter(verdict=Plan.WRITE)
            sample = list(writable.values_list("number", flat=True)[free : free + SAMPLE])
            result.refuse("full", _full(client_package), result.done - free, sample)
            result.done = free
        return result

    def activate(self, *, by, now=None):
        """Unblock Blocked numbers and take numbers on Hold back, each to its own account.

        Numbers on Hold are taken back in ascending order of ids up to the DID limit of their package.
        Costs the queries of one write per client package among those on Hold.
        """
        on_hold = {}
        for pk, client_package in self.filter(status=st.HOLD).values_list("pk", "client_package"):
            on_hold.setdefault(client_package, []).append(pk)
        kind = Change.Kind.ASSIGN if on_hold else Change.Kind.UNBLOCK
        with audit.change(kind, by=by, label="Activated", at=now):
            if on_hold:
                lock_in_order(ClientPackage.objects.filter(pk__in=on_hold))
                for _ in self._locked_chunks():
                    pass
            ids = [pk for pks in on_hold.values() for pk in pks]
            result = self.exclude(pk__among=ids).unblock(by=by, now=now)
            for client_package in ClientPackage.objects.filter(pk__in=on_hold).order_by("pk"):
                locked = _lock(client_package)
                numbers = self.model.objects.filter(pk__among=on_hold[client_package.pk])
                result.add(numbers._resume(locked, by=by, now=now, within=locked))
        return result

    def resume(self, client_package, *, by, now=None):
        """Return the numbers that the package's stop put on Hold to what it found; return a ``Resumption``.

        Those longest on Hold come first, up to the DID limit. Numbers that a person put on Hold stay.
        """
        label = f"Taken back from Hold under package {client_package.package}"
        with audit.change(Change.Kind.ASSIGN, by=by, label=label, at=now):
            locked, at = _lock(client_package), now or clock.database_now()
            resumption = self.preview_resume(locked, now=at)
            stopped = resting(self, locked, at).values_list("pk", flat=True)
            ids = list(stopped[: locked.free_slots()])
            numbers = self.model.objects.filter(pk__among=ids)
            written = numbers._resume(locked, by=by, now=now, status=F("resumes_as"))
            # Counted again: a number may have left its Hold before it was locked.
            in_use = numbers.filter(client_package=locked, status__in=st.RESUMED).order_by()
            returned = dict(in_use.values_list("status").annotate(Count("pk")))
            return Resumption(returned, resumption.stay, written.change)

    def preview_resume(self, client_package, *, now=None):
        """Return the ``Resumption`` that ``resume`` would return now; at most five queries."""
        return preview_resumption(self, client_package, _full(client_package), now or clock.now())

    def _resume(self, locked, *, by, now, within=None, status=st.ACTIVE):
        return self._write(
            Change.Kind.ASSIGN,
            lambda _, now: resume_plan(locked, by, now, status=status),
            by=by,
            now=now,
            within=within,
        )

    def block(self, *, by, now=None):
        """Move Active numbers to Blocked."""
        return self.edit(by=by, now=now, kind=Change.Kind.BLOCK, label="Blocked", status=st.BLOCKED)

    def unblock(self, *, by, now=None):
        """Move Blocked numbers with a running package to Active; numbers on Hold are refused."""
        return self.edit(by=by, now=now, kind=Change.Kind.UNBLOCK, label="Unblocked", status=st.ACTIVE)

    # --- holds

    def hold(self, *, by, now=None):
        """Move Active and Blocked numbers to Hold, or with 0 hold days to their After Hold status."""
        return self.edit(by=by, now=now, kind=Change.Kind.HOLD, label="Put on Hold", status=st.HOLD)

    def stop(self, *, by, now=None):
        """Put numbers on Hold because their package stops: they remember the status that it found."""
        return self.edit(
            by=by, now=now, kind=Change.Kind.HOLD, label="Put on Hold", status=st.HOLD, by_stop=True
        )

    def preview_hold(self, viewer, now=None):
        """Return the ``HoldPreview`` of ``hold`` for the numbers in use here; at most seven queries.

        ``viewer``: the user in whose branch the numbers of clients are counted.
        """
        now = now or clock.now()
        in_use = self.filter(status__in=st.IN_USE).annotate(then=F("after_hold"))
        first = list(in_use.with_hold_days().order_by("number").select_related("account")[:PREVIEWED])
        rules = in_force()
        for did in first:
            did.hold_ends = holds.end(now, max(did.hold_days_now, minimum_of(did.number, rules)))
        return replace(preview_hold(in_use, count_by_days, viewer, now, rules), first=first)

    def end_hold(self, *, by, now=None):
        """Move numbers on Hold to their After Hold status, whether the hold is over or not."""
        return self._write(
            Change.Kind.END_HOLD,
            lambda *_: end_hold_plan(by),
            by=by,
            label="Hold ended",
            now=now,
            release=False,
        )

    def preview_end_hold(self, *, by, now=None):
        """Return the Result that ``end_hold`` would have now."""
        return self._preview(end_hold_plan(by), now or clock.now())

    def recompute_hold_ends(self, *, by, now=None, every=False, rules=None):
        """Recompute the ends of holds that inherit their hold days, counted from the start of each hold.

        Call it after the hold days of a package, operator or reseller have changed, or with ``every`` hold
        after a minimum has. ``rules``: the minimums if they are not yet those in force.
        """
        on_hold = self.filter(status=st.HOLD)
        return (on_hold if every else on_hold.filter(hold_days__isnull=True))._write(
            Change.Kind.EDIT,
            lambda scope, _: hold_ends_plan(scope, rules),
            by=by,
            label="Hold days changed",
            now=now,
        )

    def record_hold_days(self, record, *, by, fields, alike=False):
        """Save ``fields`` of a package, operator or reseller and move the ends of holds, in one change.

        ``alike``: see ``Recorded.record``. Return (whether the record still exists, how many ends moved).
        """
        label = f"{record._meta.verbose_name.capitalize()} {record} edited"
        with audit.change(record.kinds[1], by=by, label=label):
            exists = record.record(by=by, fields=fields, alike=alike)
            moved = self.recompute_hold_ends(by=audit.SYSTEM).done if "hold_days" in fields else 0
        return exists, moved

    def release_overdue(self, now, at=None):
        """Write the status that follows overdue holds and reservations here, as the system's own changes.

        ``at``: the timestamp of the history rows; None: the database's clock.
        """
        # One lookup in the small partial index instead of one per id.
        if not any_hold_over(now):
            return
        overdue = self.hold_over(now)
        found = set(overdue.order_by().values_list("status", flat=True).distinct())
        for status, kind, label, values in _OVERDUE:
            if status in found:
                with audit.change(kind, by=audit.SYSTEM, label=label, at=at, apart=True) as change:
                    change.touched += overdue.filter(status=status).update(**values)

    # --- reservations

    def reserve(self, reservation, *, by, now=None, expected=None):
        """Put In Stock numbers into ``reservation``, an unsaved one that is saved with the first of them.

        ``expected``: how many numbers the user was told that it would be; if it is another count, nothing is
        written, and the Result is what it would have been.
        """
        try:
            label = f"Reserved for {reservation}"
            with audit.change(Change.Kind.RESERVE, by=by, label=label, at=now):
                result = self._write(
                    Change.Kind.RESERVE,
                    lambda _, now: reserve_plan(reservation, by, now),
                    by=by,
                    now=now,
                )
                if expected is not None and result.done != expected:
                    raise _OtherCountError
        except _OtherCountError:
            result.change = reservation.pk = None
        return result

    def preview_reserve(self, reservation, *, by, now=None):
        """Return the Result that ``reserve`` would have now."""
        now = now or clock.now()
        return self._preview(reserve_plan(reservation, by, now), now)

    def reserve_until(self, reservations, ends_at, *, by, now=None):
        """Give the numbers of ``reservations``, ids, another end, see ``ReservationQuerySet.end_on``."""
        return self._write(
            Change.Kind.RESERVE, lambda *_: reserve_until_plan(reservations, ends_at, by), by=by, now=now
        )

    def preview_reserve_until(self, reservations, ends_at, *, by, now=None):
        """Return the Result that ``reserve_until`` would have now."""
        return self._preview(reserve_until_plan(reservations, ends_at, by), now or clock.now())

    def end_reservation(self, *, by, now=None):
        """Move numbers in reservations to In Stock, whether their time is over or not."""
        return self._write(
            Change.Kind.END_RESERVATION,
            lambda *_: end_reservation_plan(by),
            by=by,
            label="Reservation ended",
            now=now,
            release=False,
        )

    def preview_end_reservation(self, *, by, now=None):
        """Return the Result that ``end_reservation`` would have now."""
        return self._preview(end_reservation_plan(by), now or clock.now())

    def assign_reserved(self, client_package, account, *, by, now=None, override=""):
        """Assign numbers in reservations to ``account``; those that it would refuse stay reserved.

        Two changes in one transaction: the numbers are put in stock, then assigned. ``override``: as for
        ``assign``.
        """
        with form_tokens.atomic():
            locked, result = _lock(client_package), Result()
            for _ in self._locked_chunks():
                pass
            at = now or clock.database_now()
            self.release_overdue(at, at=now)
            plan = assign_plan(locked, account, by, at, override)
            writable = self._assignable(plan, locked, at, result, KEPT)
            if result.done:
                numbers = self.model.objects.filter(pk__among=list(writable.values_list("pk", flat=True)))
                ended = numbers.end_reservation(by=by, now=now)
                written = ended
                if ended.done:
                    written = numbers.assign(client_package, account, by=by, now=now, override=override)
                result.done, result.change = written.done, written.change
                result.add(Result(refusals=written.refusals))
        return result

    def preview_assign_reserved(self, client_package, account, *, by, now=None, override=""):
        """Return the Result that ``assign_reserved`` would have now."""
        result, now = Result(), now or clock.now()
        plan = assign_plan(client_package, account, by, now, override)
        self._assignable(plan, client_package, now, result, SAMPLE)
        return result

    def _assignable(self, plan, client_package, now, result, most):
        """Return the reserved numbers that ``plan`` would assign if they were In Stock; count the rest."""
        running = self.order_by().exclude(holds.over(now)).filter(reservation__isnull=False)
        rows = running.annotate(status_now=Value(st.INSTOCK), verdict=plan.verdict())
        count = _count_verdicts(rows, plan, result, most)
        writable, free = rows.filter(verdict=Plan.WRITE), client_package.free_slots()
        if count > free:
            writable, count = _first_that_fit(writable, count, free, client_package, result)
        result.done += count
        return writable

    # --- imports

    def merge_staged(self, first, last, *, by, defaults, clear_notes, updates, label="", now, resume=None):
        """Write the staged rows of an import from id ``first`` to ``last`` with the verdicts + and ~.

        They must have been validated in this transaction, with their numbers locked, and the holds of
        their groups staged. ``updates``: whether there may be rows with ~. ``defaults``:
        status, after_hold, tags (a label) and notes of new numbers where the file has no value.
        ``clear_notes``: blank notes in the file clear those of existing numbers. ``resume``: the
        change of earlier chunks. Return (created, updated, change); fewer are created than staged when
        another transaction created a number meanwhile.
        """
        with audit.change(Change.Kind.IMPORT, by=by, label=label, resume=resume) as change:
            created, updated = insert_new(first, last, defaults, now), 0
            if updates:
                stage_holds(ImportRow.objects.filter(pk__range=(first, last), verdict="~"), now)
                updated = update_changed(first, last, clear_notes)
            change.touched += created + updated
        return created, updated, change

    # --- how plans are carried out

    def _write(self, kind, plan_for, *, by, now, label="", delete=False, release=True, within=None):
        """Carry out a plan for every number here, chunk by chunk, in one change.

        ``plan_for(scope, now)`` returns the plan for the locked rows of a chunk. ``release``: release
        their overdue holds first. ``within``: a locked client package whose DID limit applies. ``now``:
        the time of the write, in history too; None: the clock, read after locking each chunk.
        """
        result = Result()
        free = within.free_slots() if within else None
        with audit.change(kind, by=by, label=label, at=now) as change:
            for ids in self._locked_chunks():
                scope, at = self.model.objects.filter(pk__among=ids), now or clock.database_now()
                if release:
                    scope.release_overdue(at, at=now)
                plan = plan_for(scope, at)
                # Overdue holds are released, so the stored status is the current one.
                rows = scope.annotate(status_now=F("status"), verdict=plan.verdict())
                count = _count_verdicts(rows, plan, result, KEPT)
                writable = rows.filter(verdict=Plan.WRITE)
                if within and count > free - result.done:
                    writable, count = _first_that_fit(writable, count, free, within, result)
                if count == len(ids):
                    writable = scope  # the whole chunk: no need to evaluate the verdict again
                if count and delete:
                    writable.delete()
                elif count:
                    writable.update(**plan.updates())
                result.done += count
                change.touched += count
        result.change = change.pk
        return result

    def _preview(self, plan, now):
        result, rows = Result(), self._with_verdict(plan, now)
        if not plan.target or any_hold_over(now):
            result.done = _count_verdicts(rows, plan, result, SAMPLE)
            return result
        counts = Counter()  # of the few statuses, instead of a verdict for each number
        for status, count in self.order_by().values_list("status").annotate(Count("pk")):
            counts[plan.verdict_of(status)] += count
        result.done = _add_verdicts(counts, rows, plan, result, SAMPLE)
        return result

    def _with_verdict(self, plan, now):
        return self.order_by().with_status_now(now).annotate(verdict=plan.verdict())

    def _locked_chunks(self):
        """Yield arrays of ascending ids, locked until the end of the transaction.

        Ids are read first and locked afterwards. A number that another transaction moved in between
        then gets a verdict by its new status and is refused with the cause, instead of being dropped
        silently.
        """
        every = self.order_by("pk").values_list("pk", flat=True).distinct()
        found = array("q", every[:CHUNK])
        if len(found) == CHUNK:
            # All ids at once, 8 bytes each: a query per chunk would sort the remaining rows every time.
            found.extend(stream(every.filter(pk__gt=found[-1])))
        for start in range(0, len(found), CHUNK):
            ids = found[start : start + CHUNK]
            if connection.features.has_select_for_update:
                ids = lock_in_order(self.model.objects.filter(pk__among=ids))
            yield ids


class _OtherCountError(Exception):
    """Roll back a write whose count is not the expected one."""


_OVERDUE = (
    (st.HOLD, Change.Kind.END_HOLD, "Overdue hold ended", TO_AFTER_HOLD),
    (st.RESERVED, Change.Kind.END_RESERVATION, "Reservation ended", TO_STOCK),
)


def _lock(client_package):
    """Return the client package, locked until the end of the transaction."""
    locked = ClientPackage.objects.select_for_update(no_key=True, of=("self",))
    return locked.select_related("package", "client").get(pk=client_package.pk)


def _full(client_package):
    limit = client_package.package.did_limit
    return (
        f"package {client_package} is full, its DID limit is {limit:,};"
        " raise the limit or put numbers on Hold"
    )


def _count_verdicts(rows, plan, result, most):
    """Count the verdicts into ``result``; return how many numbers are to be written.

    ``most``: how many refused numbers are kept for each reason.
    """
    counts = dict(rows.order_by().values_list("verdict").annotate(Count("pk")))
    return _add_verdicts(counts, rows, plan, result, most)


def _add_verdicts(counts, rows, plan, result, most):
    result.unchanged += counts.pop(Plan.UNCHANGED, 0)
    writable = counts.pop(Plan.WRITE, 0)
    causes = {cause.code: cause for cause in plan.causes}
    for code, count in counts.items():
        known = result.refusals.get(code)
        missing = most - len(known.numbers) if known else most
        numbers = ()
        if missing:
            refused = rows.filter(verdict=code).order_by("number")
            numbers = refused.values_list("number", flat=True)[:missing]
        why = known.why if known else causes[code].why
        if callable(why):
            why = why(rows.filter(verdict=code))
        result.refuse(code, why, count, numbers)
    return writable


def _first_that_fit(writable, count, free, client_package, result):
    """Return (the first of ``writable`` within the DID limit, how many); refuse the others as "full"."""
    writable = writable.order_by("pk")
    ids = list(writable.values_list("pk", flat=True)[: max(0, free - result.done)])
    others = writable.exclude(pk__among=ids).values_list("number", flat=True)[:KEPT]
    result.refuse("full", _full(client_package), count - len(ids), list(others))
    return writable.model.objects.filter(pk__among=ids), len(ids)


def _chunks(numbers):
    numbers = iter(numbers)
    while chunk := sorted(islice(numbers, CHUNK)):
        yield chunk


def _insert_numbers(numbers, row):
    """Insert one chunk of numbers, skipping existing ones; return how many were inserted.

    Raw SQL, because bulk_create(ignore_conflicts=True) doesn't return the count and builds an object
    per number.
    """
    columns = ", ".join(row)
    if connection.vendor == "postgresql":
        source, values = "unnest(%s::text[]) AS n(value)", numbers
    else:
        source, values = "json_each(%s) AS n", json.dumps(numbers)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO dids_did (number, {columns})"
            f" SELECT n.value, {', '.join(['%s'] * len(row))} FROM {source}"
            " WHERE true ORDER BY n.value ON CONFLICT (number) DO NOTHING",
            [*row.values(), values],
        )
        return cursor.rowcount
