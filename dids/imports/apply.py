"""The apply of an import: merge the checked rows into the inventory, a chunk a transaction.

Every chunk is validated again once its numbers are locked; what no longer comes out as it was checked
is refused.

**Locks** are taken in the order of ``dids.models.locks``. Chunks follow the file, so a transaction locks the
client packages and numbers of its chunk before it writes, and with "all or nothing" those of the whole file.

**Places.** Where a package may run full, a first pass over the chunks writes only the rows that free places
(``capacity``). A second one writes the others, so that no package is ever over its limit.

**Staged rows** are deleted as soon as they are merged; those that were refused or left out stay for files of
them.

**All or nothing** runs in a single transaction, so that a row refused now rolls back the others. On
SQLite every other writer waits for it, hence the limit of ``settings.REQUEST_LIMIT`` rows.
"""

from django.db import connection
from django.db.models import Count, Exists, Max, OuterRef, Q

import audit
from audit import history
from audit.models import Change
from clients.models import Account, Client, Package, Reseller
from didmgmt.clock import database_now
from dids.imports.capacity import (
    refuse_classes,
    refuse_over_limit,
    refuse_tags,
    set_others_aside,
    take_up_others,
)
from dids.imports.create_missing import create_missing
from dids.imports.options import Options
from dids.imports.resolve import resolve
from dids.imports.tally import refusal_reasons
from dids.imports.validate import refuse_ageing, refuse_new, revalidate_updates
from dids.lifecycle import statuses as st
from dids.models import DID, ClientPackage, DIDHistory
from dids.models.locks import lock_in_order
from dids.models.number_merge import stage_holds
from dids.models.staging import ImportBatch, ImportGroup, add_counts
from jobs.kinds import JobError
from operators.models import Operator

CHUNK = 5_000  # rows merged in one transaction
RESOLVE_AFTER = 60  # seconds after which names are resolved again even if no named record changed
LINES_NAMED = 5
NAMED_MODELS = (Reseller, Operator, Client, Account, Package, ClientPackage)


# Why “all or nothing” writes nothing, by the wizard
CHOSEN = (
    "Nothing was imported: {rows} and you chose “All or nothing”. Correct the file, or check it again and"
    " import the valid rows."
)


class Apply:
    """Write the checked rows of a ``job``; ``nothing``: the error if "all or nothing" writes nothing."""

    def __init__(self, job, nothing=CHOSEN):
        self.job, self.cursor, self.nothing = job, job.cursor, nothing

    def run(self):
        """Create the missing records, then merge chunk by chunk; a generator."""
        job, cursor, all_or_nothing = self.job, self.cursor, self.job.params["all_or_nothing"]
        batch = ImportBatch.objects.get(pk=cursor["batch"])
        if "after" not in cursor:
            if all_or_nothing:
                self._require_no_refusals(batch, job.result["counts"])
            self._keep(self._create_missing(batch, Options.of(job), database_now()))
            if all_or_nothing:
                _lock(batch)
            cursor |= {"after": batch.first, "names": [], "resolved_at": 0}
            cursor["holders"] = batch.groups.filter(status__in=st.HELD).exists()
            job.result |= {"applied": {}}
            if not all_or_nothing:
                yield
        while cursor["frees"] and (chunk := self._chunk_after(batch, cursor.get("freed", batch.first))):
            self._keep(self._free_places(chunk, Options.of(job), database_now()))
            if freed := chunk.verdicts.get("d"):
                self._add({"updated": freed})
            cursor["freed"] = chunk.last
            if not all_or_nothing:
                yield
        while chunk := self._chunk_after(batch, cursor["after"]):
            self._keep(self._merge(chunk, Options.of(job), database_now()))
            self._add(chunk.counts)
            chunk.erase_written()
            cursor["after"] = chunk.last
            if not all_or_nothing:
                yield
        if all_or_nothing:
            self._require_no_refusals(batch, job.result["applied"])
        batch.erase_unused_groups()
        reasons, more_reasons = refusal_reasons(batch, job.actor)
        job.result |= {"reasons": reasons, "more_reasons": more_reasons, "statuses": self._statuses()}
        for key in ("blocks", "rows", "sample"):
            job.result.pop(key, None)

    def _chunk_after(self, batch, row_id):
        return batch.chunk_after(row_id, self.job.at_once(CHUNK))

    def _add(self, counts):
        applied = add_counts(self.job.result["applied"], counts)
        self.job.result |= {"applied": applied}
        self.job.done = sum(applied.values())

    def _statuses(self):
        """Count the numbers written by status: {"created": {status: n}, "updated": …}; one query.

        By conditions: to group them, SQLite would sort all rows in memory.
        """
        if self.job.change_id is None:  # nothing was written; a filter by None finds writes outside changes
            return {"created": {}, "updated": {}}
        found = DIDHistory.objects.filter(change=self.job.change_id).aggregate(
            **{
                f"{name}_{status}": Count("pk", filter=Q(event=event, status=status))
                for name, event in (("created", "+"), ("updated", "~"))
                for status in st.LABELS
            }
        )
        return {
            name: {status: count for status in st.LABELS if (count := found[f"{name}_{status}"])}
            for name in ("created", "updated")
        }

    def _require_no_refusals(self, batch, counts):
        refused = counts.get("refused", 0)
        if not refused:
            return
        lines = ", ".join(f"{line:,}" for line in batch.refused.values_list("line", flat=True)[:LINES_NAMED])
        rows = f"{refused:,} rows are refused (lines {lines})"
        if refused == 1:
            rows = f"1 row is refused (line {lines})"
        raise JobError(self.nothing.format(rows=rows))

    def _keep(self, change):
        if change and change.pk:
            self.job.change = change

    def _create_missing(self, batch, options, now):
        """Create missing records and tag sets; without missing records the change leaves no trace."""
        with audit.change(Change.Kind.IMPORT, by=options.user, label=self.job.label) as change:
            change.touched += create_missing(batch, options, now)
        return change

    def _free_places(self, chunk, options, now):
        """Write the rows of a chunk that free places; return the change."""
        set_others_aside(chunk.first, chunk.last)
        chunk.count()
        change = self._merge(chunk, options, now)
        take_up_others(chunk.first, chunk.last)
        chunk.count()
        self.cursor |= {"names": [], "resolved_at": 0}  # the rows set aside were not refused
        return change

    def _merge(self, chunk, options, now):
        """Lock the numbers of a chunk, validate it again and write what still holds; return the change."""
        if not chunk.to_write:
            return None
        first, last, rows = chunk.first, chunk.last, chunk.rows
        assigns = self.cursor.get("holders", True) or rows.filter(assigned=True).exists()
        _lock(chunk)
        self._resolve_again(chunk, options, now)
        if chunk.verdicts.get("~"):
            updates = rows.filter(verdict="~")
            since = DID.objects.written_since(OuterRef("seen"), number="did_id")
            updates.filter(since).update(verdict="?", reason="changed")
            DID.objects.filter(pk__in=updates.values("did")).release_overdue(now)
            revalidate_updates(first, last, options, now)
        if assigns:
            refuse_ageing(first, last, now, verdict="?")
            refuse_tags(first, last, options, verdict="?")
            refuse_classes(first, last, verdict="?")
            refuse_over_limit(first, last, verdict="?")
        created, updated, change = DID.objects.merge_staged(
            first,
            last,
            by=options.user,
            defaults=options.defaults,
            clear_notes=options.clears("notes"),
            updates="~" in chunk.verdicts,
            label=self.job.label,
            now=now,
            resume=self.job.change,
        )
        if created + updated < chunk.to_write:
            _refuse_created_by_others(rows, change)
            chunk.count()
        return change

    def _resolve_again(self, chunk, options, now):
        """Resolve the names again if a named record changed since, or after ``RESOLVE_AFTER``.

        All groups of the file are read, so this can't be done for each chunk.
        """
        newest, seconds = _newest_history(), now.timestamp()
        if newest == self.cursor["names"] and seconds - self.cursor["resolved_at"] < RESOLVE_AFTER:
            return
        batch = chunk.batch
        resolve(batch.first, batch.last, options, now)
        stage_holds(batch.groups, now)
        refuse_new(chunk.first, batch.last, faulty=batch.has_faulty_groups(), verdict="?")
        chunk.count()
        self.cursor |= {"names": newest, "resolved_at": seconds}


def _lock(part):
    """Lock the client packages that a chunk or batch fills, then the numbers that it updates."""
    if not connection.features.has_select_for_update:
        return
    updates = part.rows.filter(verdict="~")
    groups = part.rows.filter(verdict="+").values("group")
    updated = Q(pk__in=updates.filter(assigned=True).values("client_package"))
    new = ImportGroup.objects.filter(pk__in=groups, status__in=st.HELD).values("client_package")
    lock_in_order(ClientPackage.objects.filter(updated | Q(pk__in=new)))
    lock_in_order(DID.objects.filter(pk__in=updates.values("did")))


def _newest_history():
    """Return the newest history row of each model whose records an import names."""
    return [history.TRACKED[model].objects.aggregate(newest=Max("pk"))["newest"] for model in NAMED_MODELS]


def _refuse_created_by_others(rows, change):
    """Refuse the rows whose number someone else created after validation, so that the INSERT skipped it."""
    ours = DID.objects.filter(
        number=OuterRef("number"),
        pk__in=DIDHistory.objects.filter(change=change.pk, event="+").values("object_id"),
    )
    rows.filter(verdict="+").exclude(Exists(ours)).update(verdict="?", reason="created")
