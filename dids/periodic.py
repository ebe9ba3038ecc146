"""Periodic tasks on numbers, packages, history, forms and files; each may run on several hosts at once."""

from datetime import timedelta
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Q

import audit
from audit.seals.delivery import deliver_seals
from audit.seals.writing import seal_new_rows
from didmgmt.form_tokens import KEPT
from didmgmt.models import KeptForm, SentForm, SentRequest, StoredSearch
from dids.imports.upload import delete_files
from dids.lifecycle import statuses as st
from dids.lists import sqlite_stats
from dids.marks import COUNT_EVERY, count_marks
from dids.models import (
    DID,
    ClientPackage,
    DIDQuerySet,
    Stock,
    counters,
    free_numbers,
    head_geography,
    head_stock,
    stock_days,
)
from dids.models.number_writes import CHUNK
from dids.models.staging import ImportBatch
from jobs.models import Job
from jobs.periodic import periodic_task

PACKAGES_PER_ROUND = 1_000
RENEW_EVERY = 30  # seconds; what has changed since costs the reader time
ORPHANS_EVERY = 3600  # seconds
ORPHAN_AGE = timedelta(days=1)
FILES_AT_ONCE = 500
ROWS_PER_ROUND = 1_000  # expired rows of one table; the next round follows soon if there were any
JOBS_PER_ROUND = 20  # the staged rows of one job may be a million


@periodic_task("end due holds", due=lambda now: DID.objects.hold_over(now).order_by("hold_until"))
def end_due_holds(now):
    """Move numbers whose hold or reservation has ended to what follows, one chunk a transaction."""
    ended = 0
    for status, end in ((st.HOLD, DIDQuerySet.end_hold), (st.RESERVED, DIDQuerySet.end_reservation)):
        due = DID.objects.hold_over(now).filter(status=status)
        while ids := list(due.order_by("pk").values_list("pk", flat=True)[:CHUNK]):
            # Another worker may have ended these since, and a user assigned the numbers again.
            ended += end(due.filter(pk__among=ids), by=audit.SYSTEM).done
    return ended


def _due_packages(now):
    return ClientPackage.objects.filter(active=True, ends_at__lte=now)


@periodic_task("end due client packages", due=_due_packages)
def end_due_packages(now):
    """Deactivate client packages whose end has come; their numbers go on Hold."""
    due = list(_due_packages(now)[:PACKAGES_PER_ROUND])
    for client_package in due:
        client_package.deactivate(by=audit.SYSTEM, ended=True)
    return len(due)


@periodic_task("compact counters")
def compact_counters(now):
    return counters.compact() + head_stock.compact()


@periodic_task("renew free numbers", every=RENEW_EVERY)
def renew_free_numbers(now):
    """Read the numbers In Stock of prefixes that have changed."""
    return free_numbers.renew()


@periodic_task("find the geography of new prefixes", every=RENEW_EVERY)
def renew_geography(now):
    """Find the country, area and type of new prefixes."""
    return head_geography.renew()


@periodic_task("count the marks", every=COUNT_EVERY)
def renew_mark_counts(now):
    """Count the numbers that each pattern rule marks, for the page of rules."""
    return count_marks(now)


@periodic_task("count the stock of the day")
def count_stock_of_the_day(now):
    """Take a snapshot of the stock every hour, after the holds that this round has ended."""
    return stock_days.count_stock(now)


@periodic_task("delete old days of the stock")
def delete_old_days(now):
    return stock_days.forget_old_days(now, ROWS_PER_ROUND)


@periodic_task("refresh SQLite statistics")
def renew_statistics(now):
    """Update the planner statistics once the inventory has grown enough for them to matter."""
    if connection.vendor != "sqlite":
        return 0
    return int(sqlite_stats.write_statistics(Stock.objects.total()))


@periodic_task("seal history")
def seal_history(now):
    """Seal the history rows since the last seal, once a local day is over."""
    return seal_new_rows()  # at the time of sealing: the round may have begun long before


@periodic_task("forget old forms")
def forget_old_forms(now):
    """Delete the keys of forms that no open page can send again."""
    return _delete_some(SentForm.objects.filter(at__lt=now - KEPT).order_by("at"))


@periodic_task("forget old requests")
def forget_old_requests(now):
    """Delete the answers to requests that programs no longer repeat with the same key."""
    return _delete_some(SentRequest.objects.filter(at__lt=now - SentRequest.KEPT).order_by("at"))


@periodic_task("delete expired sessions")
def delete_expired_sessions(now):
    return _delete_some(Session.objects.filter(expire_date__lt=now).order_by("expire_date"))


def _delete_some(expired):
    """Delete up to ``ROWS_PER_ROUND`` rows: a statement of unknown size would make writers on SQLite wait."""
    keys = list(expired.values_list("pk", flat=True)[:ROWS_PER_ROUND])
    return expired.filter(pk__in=keys).delete()[0] if keys else 0


@periodic_task("deliver seals")
def send_seals(now):
    """Send new seals to their places outside of the database; failures are shown on the jobs page."""
    return deliver_seals()


@periodic_task("delete staged rows")
def delete_staged_rows(now):
    """Delete the staged rows of checks that failed, were cancelled or are to be made again.

    Such a check starts again from the file. Rows of a finished check are kept: an import that stopped while
    it wrote numbers continues with them. Those that it wrote, or finished without, are deleted already.
    """
    ended = Job.objects.filter(state__in=(Job.State.DRAFT, Job.State.FAILED, Job.State.CANCELLED))
    ended = ended.exclude(cursor__phase__in=("checked", "apply"))
    pks = list(ImportBatch.objects.filter(job__in=ended).values_list("job", flat=True)[:JOBS_PER_ROUND])
    for pk in pks:
        with transaction.atomic():
            job = ended.select_for_update(of=("self",)).filter(pk=pk).first()
            if job is None:  # started again meanwhile
                continue
            for batch in job.batches.all():
                batch.erase()
            phase = job.cursor.get("phase")
            job.cursor = {"phase": phase} if phase else {}
            job.save(update_fields=["cursor"])
    return len(pks)


@periodic_task("delete stored searches")
def delete_stored_searches(now):
    """Delete pasted lists that have expired."""
    return _delete_some(StoredSearch.objects.filter(expires_at__lt=now).order_by("expires_at"))


@periodic_task("delete kept forms")
def delete_kept_forms(now):
    """Delete forms of ended sessions that nobody fetched in time."""
    return _delete_some(KeptForm.objects.filter(expires_at__lt=now).order_by("expires_at"))


@periodic_task("delete old job files")
def delete_old_files(now):
    """Delete uploads, staged rows and exported workbooks after ``JOB_FILES_DAYS``; results stay readable.

    A file that can't be deleted does not keep the others; the errors are raised together at the end.
    """
    before = now - timedelta(days=settings.JOB_FILES_DAYS)
    old = Job.objects.filter(state__in=(Job.State.DRAFT, *Job.FINISHED), created_at__lt=before).exclude(
        file=""
    )
    old = old.filter(Q(finished_at=None) | Q(finished_at__lt=before))
    # In random order, so that files that can't be deleted do not take every round from the others.
    jobs = list(old.order_by("?")[:JOBS_PER_ROUND])
    errors = []
    for job in jobs:
        try:
            delete_files(job)
        except OSError as error:
            errors.append(error)
    if errors:
        raise ExceptionGroup("job files that can’t be deleted", errors)
    return len(jobs)


@periodic_task("delete orphaned files", every=ORPHANS_EVERY)
def delete_orphaned_files(now):
    """Delete files that no job names: an upload that failed half way leaves one.

    Files younger than a day may belong to a job that is not saved yet.
    """
    storage, deleted = default_storage, 0
    old = (now - ORPHAN_AGE).timestamp()
    root = Path(storage.location)
    found = (path for path in (root / "jobs").rglob("*") if path.is_file() and path.stat().st_mtime < old)
    for some in batched((path.relative_to(root).as_posix() for path in found), FILES_AT_ONCE):
        named = set(Job.objects.filter(file__in=some).values_list("file", flat=True))
        named |= set(Job.objects.filter(params__table__in=some).values_list("params__table", flat=True))
        for name in set(some) - named:
            storage.delete(name)
            deleted += 1
    return deleted


def batched(names, size):
    """Yield lists of ``size`` of the names; ``itertools.batched`` needs Python 3.12."""
    names = iter(names)
    while some := list(islice(names, size)):
        yield some
