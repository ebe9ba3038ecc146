"""Changes, holds, leases and sessions follow the database's clock, and a host with a wrong clock is named."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from audit import SYSTEM
from audit.models import Change
from didmgmt.clock import SQLITE_CLOCK, database_now
from dids.models import DID, ClientPackage, DIDHistory
from jobs.models import Job, WorkerBeat
from tests.carrier import carrier, numbers_in
from tests.world import client_of

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite runs on the clock of its host"
)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite compares times as text")
@pytest.mark.parametrize("milliseconds", [0, 1, 500, 999])
def test_the_database_writes_its_clock_as_django_writes_times(db, milliseconds):
    moment = datetime(2026, 11, 29, 12, 0, 0, milliseconds * 1000, tzinfo=UTC)
    with connection.cursor() as cursor:
        clock = SQLITE_CLOCK.replace("now", f"{moment:%F %T}.{milliseconds:03}")
        cursor.execute(f"SELECT {clock}")
        assert cursor.fetchone() == (connection.ops.adapt_datetimefield_value(moment),)


@pytest.fixture
def fast_clock(monkeypatch):
    """Set the clock of this process an hour ahead, as if its connection were new."""
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(hours=1))
    monkeypatch.delattr(connection, "clock_skew", raising=False)
    yield
    vars(connections["default"]).pop("clock_skew", None)


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
def test_a_hold_begins_and_ends_by_the_database_on_a_host_whose_clock_is_fast(world, supervisor, fast_clock):
    did = world.did("2567")
    DID.objects.filter(pk=did.pk).hold(by=supervisor)
    did.refresh_from_db()
    row = DIDHistory.objects.filter(object_id=did.pk).latest("history_id")
    assert abs(did.hold_from - row.at) < timedelta(minutes=1)

    end = database_now() + timedelta(minutes=30)
    DID.objects.filter(pk=did.pk).update(hold_until=end, hold_from=end - timedelta(days=9))
    did = world.did("2567")
    assert did.status_now == "hold"
    assert did.number in [row.number for row in DID.objects.in_status(["hold"])]
    assert f">{did.number}<" in client_of(supervisor).get("/dids/?status=hold").text
    call_command("worker", "--once", stdout=StringIO())
    DID.objects.filter(pk=did.pk).edit(by=supervisor, notes="still on Hold")
    did.refresh_from_db()
    assert (did.status, did.notes) == ("hold", "still on Hold")


@on_postgresql
def test_a_package_that_a_host_with_a_fast_clock_gives_runs_at_once(world, fast_clock):
    given = ClientPackage(client=world.client, package=world.package)
    given.give(by=SYSTEM)
    assert given in ClientPackage.objects.running(database_now())


@on_postgresql
def test_a_host_whose_clock_is_fast_ends_no_session(viewer, settings, monkeypatch):
    settings.SESSION_IDLE_MINUTES = 30
    browser = client_of(viewer)
    assert browser.get("/me/").status_code == 200
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(hours=1))
    monkeypatch.delattr(connection, "clock_skew")
    assert browser.get("/me/").status_code == 200


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
