"""Changes and leases are dated by the database's clock, and a host with a wrong clock is named."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audit.models import Change
from didmgmt.clock import database_now
from dids.models import DIDHistory
from jobs.models import Job, WorkerBeat
from tests.carrier import carrier, numbers_in
from tests.world import client_of

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite runs on the clock of its host"
)


@pytest.fixture
def fast_clock(monkeypatch):
    """Set the clock of this process an hour ahead."""
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(hours=1))


def test_a_host_whose_clock_is_fast_dates_its_changes_by_the_database(db, fast_clock):
    numbers_in("instock", ["100", "101"], carrier())
    change, row = Change.objects.latest("pk"), DIDHistory.objects.latest("history_id")
    assert abs(change.at - row.at) < timedelta(minutes=1)
    assert timezone.now() - change.at > timedelta(minutes=59)


def test_rows_written_by_a_host_whose_clock_was_fast_are_in_the_list_as_of_then(db, supervisor, monkeypatch):
    with monkeypatch.context() as fast:
        now = timezone.now
        fast.setattr(timezone, "now", lambda: now() + timedelta(hours=1))
        numbers_in("instock", ["447000000100"], carrier())
    page = client_of(supervisor).get("/dids/", {"as_of": timezone.now().isoformat()})
    assert "447000000100" in page.text


@on_postgresql
def test_a_worker_whose_clock_is_fast_takes_no_job_from_a_living_worker(db, clerk, fast_clock):
    job = Job.objects.create(kind="export", owner=clerk, state=Job.State.RUNNING)
    Job.objects.update(lease_until=database_now() + Job.lease())
    assert Job.objects.claim("fast") is None
    Job.objects.update(lease_until=database_now() - Job.lease())
    assert Job.objects.claim("fast") == job


@on_postgresql
def test_a_web_server_whose_clock_is_fast_is_named(client, administrator, fast_clock):
    WorkerBeat.beat("w")
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["clocks"] == (
        "wrong: this web server’s is 3,600 s ahead, a worker’s is 3,600 s ahead"
    )


def test_a_worker_whose_clock_is_wrong_is_named_until_it_is_set(client, administrator):
    WorkerBeat.beat("w")
    WorkerBeat.objects.update(skew=-3600)
    assert client.get("/readyz").json()["clocks"] == "wrong: a worker’s is 3,600 s behind"
    jobs = client_of(administrator)
    assert "Clocks differ from the database’s: a worker’s is 3,600 s behind." in jobs.get("/jobs/").text
    WorkerBeat.beat("w")
    assert "Clocks differ" not in jobs.get("/jobs/").text
