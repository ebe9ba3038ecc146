"""Record, in the transaction of a change or of the end of a job, that events must tell of it.

A change leaves one row that says which rows of history it wrote; the worker makes events of them later
(``events.publishing``), because history says what happened and is never changed. So no write can forget its
event, each costs one short statement, and nothing is published that is rolled back.
"""

from django.db import connection

from audit.models import at_close
from dids.models import DID, ClientPackage, DIDHistory
from dids.models.client_packages import ClientPackageHistory
from events.models import Endpoint, Unpublished
from events.payloads import of_job, of_low_stock
from events.publishing import create_event
from jobs.kinds import at_end
from jobs.models import Job, wake_workers

# The ids are looked up only if there is an endpoint.
RECORD = f"""
    INSERT INTO {Unpublished._meta.db_table} (change_id, did_after, did_until, package_after, package_until)
    SELECT %s, %s, (SELECT max(history_id) FROM {DIDHistory._meta.db_table} WHERE change_id = %s),
           %s, (SELECT max(history_id) FROM {ClientPackageHistory._meta.db_table} WHERE change_id = %s)
    WHERE EXISTS (SELECT 1 FROM {Endpoint._meta.db_table} WHERE deleted_at IS NULL)
"""


@at_close
def record_change(change, rows):
    """Record the rows of numbers and client packages that this transaction of the change wrote."""
    if not any(tracked in (DID, ClientPackage) for tracked, _ in rows):
        return
    did_after, package_after = change.counted.get(DID, 0), change.counted.get(ClientPackage, 0)
    with connection.cursor() as cursor:
        cursor.execute(RECORD, [change.pk, did_after, change.pk, package_after, change.pk])
        recorded = cursor.rowcount
    if recorded > 0:
        wake_workers()


@at_end
def record_end(job):
    """Publish that an import is finished or a job has failed."""
    if job.state == Job.State.FAILED:
        name = "job.failed"
    elif job.state == Job.State.DONE and _imports(job):
        name = "import.finished"
    else:
        return
    for reseller in _audiences(job.actor.reseller_id):
        create_event(name, reseller, at=job.finished_at, about=str(job), data=of_job(job))


def _imports(job):
    """Return whether a job imported numbers: from a person's file, or the rows of a program."""
    return job.kind == "import" or (job.kind == "rows" and not job.params["dry_run"])


def record_low_stock(level, at):
    """Publish that the stock has fallen below a ``StockLevel``, ``with_stock``."""
    for reseller in _audiences(level.reseller_id):
        create_event("stock.low", reseller, at=at, about=str(level), data=of_low_stock(level))


def _audiences(reseller_id):
    """Return those of everybody and of this branch that have endpoints."""
    branches = set(Endpoint.objects.kept().values_list("reseller_id", flat=True))
    return branches & {None, reseller_id}
