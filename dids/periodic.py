"""What the worker does for numbers at every round; each may run on many hosts at once."""

from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Q, Sum
from django.db.models.functions import Coalesce

import audit
from audit.seals.writing import seal_new_rows
from dids.lists import sqlite_stats as planning
from dids.models import CHUNK, DID, ClientPackage, Stock
from dids.models import counters as stock
from jobs.models import Job
from jobs.periodic import duty

OLD_AT_ONCE = 20  # jobs whose files go at one round: the staged rows of one may be a million


@duty("holds over")
def release_due_holds(now):
    """Holds whose time has passed go to After Hold, a chunk a transaction. Returns how many."""
    released = 0
    while ids := list(DID.objects.hold_over(now).order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        # hold_over again: another worker may have released them, and somebody reassigned them.
        released += DID.objects.filter(pk__among=ids).hold_over(now).end_hold(by=audit.SYSTEM).done
    return released


@duty("client packages ended")
def end_due_packages(now):
    """Client packages whose end has come are switched off and their numbers go on Hold."""
    due = ClientPackage.objects.filter(active=True, ends_at__lte=now)
    ended = list(due[:1000])
    for client_package in ended:
        client_package.deactivate(by=audit.SYSTEM, ended=True)
    return len(ended)


@duty("stock rows summed up")
def compact_stock(now):
    return stock.compact()


@duty("statistics renewed")
def renew_statistics(now):
    """Tell SQLite's planner what an index gives, from when on it matters."""
    if connection.vendor != "sqlite":
        return 0
    numbers = Stock.objects.aggregate(numbers=Coalesce(Sum("numbers"), 0))["numbers"]
    return int(planning.tell_planner(numbers))


@duty("rows of history sealed")
def seal_history(now):
    """Once a local day is over, what was recorded since the last seal."""
    return seal_new_rows(now)


@duty("jobs whose files were deleted")
def delete_old_files(now):
    """Uploads, staged rows and exported workbooks go after some weeks; what came of a job stays told."""
    before = now - timedelta(days=settings.JOB_FILES_DAYS)
    old = Job.objects.filter(state__in=(Job.State.DRAFT, *Job.OVER), created_at__lt=before).exclude(file="")
    jobs = list(old.filter(Q(finished_at=None) | Q(finished_at__lt=before))[:OLD_AT_ONCE])
    for job in jobs:
        for batch in job.batches.all():
            batch.erase()
        if table := job.params.get("table"):
            job.file.storage.delete(table)
        job.erase()
    return len(jobs)
