"""Periodic tasks: one that fails stops neither the others, nor the worker, nor a running job."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.utils import timezone

from dids.models import DID
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


def test_a_file_that_cannot_be_deleted_does_not_keep_the_others(world, clerk, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    long_ago = timezone.now() - timedelta(days=settings.JOB_FILES_DAYS + 1)
    jobs = []
    for name in ("stuck", "free"):
        job = Job(kind="export", owner=clerk, state=Job.State.DONE, created_at=long_ago)
        job.finished_at = long_ago
        job.file.save(f"{name}.xlsx", ContentFile(b"x"))
        jobs.append(job)
    stuck, free = (Path(job.file.path) for job in jobs)
    stuck.unlink()
    stuck.mkdir()  # deleting a directory as a file fails, for root too
    (stuck / "kept").touch()

    call_command("worker", "--once")

    assert stuck.exists() and not free.exists()
    assert WorkerBeat.failing_tasks() == ["delete old job files"]
    os.unlink(stuck / "kept")
