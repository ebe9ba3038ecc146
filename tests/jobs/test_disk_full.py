"""A job that finds the disk full waits, and continues by itself when there is room."""

import errno
import os
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from dids import periodic
from dids.job_kinds import submit_create
from dids.models import DID
from dids.numbering.ranges import Numbers
from jobs.kinds import KINDS, JobKind
from jobs.models import ATTEMPTS, Job
from tests.carrier import carrier
from tests.world import client_of

pytestmark = pytest.mark.django_db(transaction=True)


class Fills(JobKind):
    """Find the disk full more often than a job may fail, then do its one chunk."""

    name, label = "fills", "Fills"
    tries = 0

    def run(self, job):
        self.tries += 1
        if self.tries <= ATTEMPTS + 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        job.done = 1
        yield

    def sentence(self, job):
        return ""


def run_when_due(job):
    """Let a worker run the job when its pause is over; return the pause."""
    pause = job.lease_until - timezone.now() if job.lease_until else timedelta(0)
    Job.objects.filter(pk=job.pk).update(lease_until=None)
    call_command("worker", "--once")
    job.refresh_from_db()
    return pause


def test_a_job_waits_longer_each_time_and_never_fails(clerk, monkeypatch):
    monkeypatch.setitem(KINDS, "fills", Fills())
    job = Job.objects.create(kind="fills", owner=clerk, total=1)
    job.queue()
    pauses = [run_when_due(job) for _ in range(ATTEMPTS + 2)]
    assert pauses == sorted(pauses) and pauses[-1] > timedelta(seconds=30)
    assert (job.state, job.waits_for_room) == (Job.State.QUEUED, True)
    assert (
        "The disk is full. Ask an administrator to make room" in client_of(clerk).get(f"/jobs/{job.pk}/").text
    )

    run_when_due(job)
    assert (job.state, job.done, job.waits_for_room) == (Job.State.DONE, 1, False)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="limits the size of an SQLite file")
def test_new_numbers_wait_for_room_in_the_database_and_are_then_complete(clerk):
    house, numbers = carrier(), Numbers([("500000", "511999")])
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
    job = submit_create(clerk, numbers, operator=house.operator, **fields)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # earlier tests left free pages
        cursor.execute("PRAGMA page_count")
        (pages,) = cursor.fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages + 50}")
        try:
            run_when_due(job)
            assert (job.state, job.waits_for_room) == (Job.State.QUEUED, True)
            page = client_of(clerk).post("/dids/new/", new_numbers(house, "600000-601999"))
            assert page.status_code == 503
            assert "The disk is full, so nothing can be saved. Nothing was changed." in page.text
        finally:
            cursor.execute("PRAGMA max_page_count = 1073741823")
    run_when_due(job)
    assert (job.state, job.done, DID.objects.count()) == (Job.State.DONE, 12_000, 12_000)


def new_numbers(house, numbers):
    fields = {"numbers": numbers, "operator": house.operator.pk, "status": "instock"}
    return fields | {"after_hold": "instock", "hold_days": "", "tags": "", "notes": "", "step": "create"}


def test_only_old_files_that_no_job_names_are_deleted(clerk, settings, tmp_path, monkeypatch):
    settings.MEDIA_ROOT = tmp_path
    job = Job(kind="export", owner=clerk)
    job.file.save("kept.xlsx", ContentFile(b"x"))
    folder = (tmp_path / job.file.name).parent
    for name, days in (("orphan.csv", 2), ("new.csv", 0)):
        (folder / name).write_bytes(b"x")
        written = timezone.now().timestamp() - days * 24 * 3600
        os.utime(folder / name, (written, written))
    (folder / "table.rows").write_bytes(b"x")
    for path in (folder / "kept.xlsx", folder / "table.rows"):
        os.utime(path, (0, 0))
    job.params["table"] = f"{folder.relative_to(tmp_path)}/table.rows"
    job.save()
    monkeypatch.setattr(periodic.delete_orphaned_files, "due", float("-inf"))

    assert periodic.delete_orphaned_files(timezone.now()) == 1
    assert periodic.delete_orphaned_files(timezone.now()) == 0
    assert {path.name for path in folder.iterdir()} == {"kept.xlsx", "table.rows", "new.csv"}
