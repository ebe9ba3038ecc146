"""Periodic tasks: one that fails stops neither the others, nor the worker, nor a running job."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.utils import timezone

from dids import periodic as tasks
from dids.models import DID
from dids.periodic import delete_expired_sessions, delete_old_files
from jobs import periodic
from jobs.management.commands import worker
from jobs.models import Job, WorkerBeat
from tests.world import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def failing_task(monkeypatch):
    """Return the calls of a periodic task that runs before all others and raises."""
    calls = []

    def fail(now):
        calls.append(now)
        raise PermissionError("no write access")

    monkeypatch.setattr(periodic, "_tasks", {"break something": fail, **periodic._tasks})
    return calls


def queue_new_numbers(user, operator, count=2_500):
    sent = {"numbers": f"700000-{700_000 + count - 1}", "operator": operator.pk}
    client_of(user).post("/dids/new/", sent | {"status": "instock", "after_hold": "instock"})
    return Job.objects.get()


def test_a_failing_task_stops_neither_the_other_tasks_nor_the_jobs(world, supervisor, failing_task, caplog):
    DID.objects.filter(status="hold").update(hold_until=timezone.now() - timedelta(minutes=1))
    job = queue_new_numbers(supervisor, world.operator)

    call_command("worker", "--once")

    job.refresh_from_db()
    assert job.state == Job.State.DONE
    assert not DID.objects.filter(status="hold").exists()
    assert failing_task and "Periodic task “break something” failed" in caplog.text
    assert "no write access" in caplog.text


def test_a_task_that_fails_between_two_chunks_does_not_fail_the_job(
    world, supervisor, failing_task, monkeypatch
):
    monkeypatch.setattr(worker, "ROUND_EVERY", 0)
    job = queue_new_numbers(supervisor, world.operator, count=12_000)

    call_command("worker", "--once")

    job.refresh_from_db()
    assert (job.state, job.done) == (Job.State.DONE, 12_000)
    assert len(failing_task) > 2


def test_readyz_names_the_failing_task_and_stays_ready(world, client, failing_task):
    call_command("worker", "--once")

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["periodic tasks"] == "failing: break something"


def test_the_jobs_page_names_the_failing_task_until_it_succeeds(world, supervisor, failing_task, monkeypatch):
    call_command("worker", "--once")
    assert "Periodic tasks are failing: break something." in client_of(supervisor).get("/jobs/").text

    monkeypatch.setitem(periodic._tasks, "break something", lambda now: 0)
    call_command("worker", "--once")
    assert "Periodic tasks are failing" not in client_of(supervisor).get("/jobs/").text


def test_failures_of_a_silent_worker_are_not_shown(db):
    WorkerBeat.beat("gone", ["seal history"])
    WorkerBeat.objects.update(seen_at=timezone.now() - timedelta(seconds=61))
    assert WorkerBeat.failing_tasks() == []


def old_export(owner, name):
    """Return the file of a workbook that is due to be deleted; jobs are numbered in the order of creation."""
    long_ago = timezone.now() - timedelta(days=settings.JOB_FILES_DAYS + 1)
    job = Job(kind="export", owner=owner, state=Job.State.DONE, created_at=long_ago, finished_at=long_ago)
    job.pk = UUID(int=Job.objects.count())
    job.file.save(f"{name}.xlsx", ContentFile(b"x"))
    return Path(job.file.path)


def make_undeletable(file):
    """Replace the file by a folder, which can't be deleted as a file, by root either."""
    file.unlink()
    file.mkdir()
    (file / "kept").touch()


@pytest.fixture
def uploads(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def test_a_file_that_cannot_be_deleted_does_not_keep_the_others(world, clerk, uploads):
    stuck, free = old_export(clerk, "stuck"), old_export(clerk, "free")
    make_undeletable(stuck)

    call_command("worker", "--once")

    assert stuck.exists() and not free.exists()
    assert WorkerBeat.failing_tasks() == ["delete old job files"]


def test_more_undeletable_files_than_one_round_takes_do_not_keep_the_others(
    world, clerk, uploads, monkeypatch
):
    monkeypatch.setattr("dids.periodic.JOBS_PER_ROUND", 2)
    stuck = [old_export(clerk, f"stuck-{n}") for n in range(2)]
    free = old_export(clerk, "free")
    for file in stuck:
        make_undeletable(file)

    for _ in range(60):  # each takes the free one with a chance of two in three
        with suppress(ExceptionGroup):
            delete_old_files(timezone.now())

    assert not free.exists()


def test_expired_sessions_are_deleted_some_at_a_time(viewer, monkeypatch):
    monkeypatch.setattr(tasks, "ROWS_PER_ROUND", 2)
    browser, now = client_of(viewer), timezone.now()
    for n in range(3):
        Session.objects.create(session_key=f"old{n}", expire_date=now - timedelta(minutes=1))
    assert [delete_expired_sessions(now) for _ in range(3)] == [2, 1, 0]
    assert browser.get("/me/").status_code == 200
