"""A worker that is frozen or cut off in mid-chunk loses its job, and what it wrote late is refused."""

import os
import signal
import sqlite3
import time
from contextlib import closing, contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from audit import SYSTEM
from didmgmt.clock import database_now
from dids.job_kinds import submit_edit
from dids.models import DID, DIDHistory, counters
from jobs import leases
from jobs.models import Job, WorkerBeat
from tests.carrier import carrier, everything
from tests.dids.models.test_racing import stock_is_exact
from tests.kills import LEASE, Nursery, Proxy, is_name_of, kill, wait_for
from tests.networks import hosts
from tests.programs import missing, program
from tests.roles import as_application, as_owner
from tests.servers import pgbouncer
from tests.world import client_of, member

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no sessions")
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL locks rows")

COUNT = 600  # three chunks of tests.kills
FIRST = 500_000_000


@pytest.fixture
def house():
    house = carrier()
    numbers = [str(FIRST + n) for n in range(COUNT)]
    DID.objects.create_numbers(numbers, operator=house.operator, by=SYSTEM)
    return house


@pytest.fixture
def owner(house):
    return member("Supervisor")


def edit_all(house, owner, notes="late"):
    return submit_edit(owner, everything(house.operator), {"notes": notes})


@contextmanager
def working(workers, *, then=signal.SIGKILL):
    """Yield the id of a worker process, and end it."""
    worker = workers.start()
    try:
        yield worker
    finally:
        kill(worker, then)


def in_the_second_chunk():
    """Keep a worker in its second chunk: it waits for a lock there and holds others.

    Yield a function that waits until it is there.
    """
    return in_chunk(1)


@contextmanager
def in_chunk(index):
    last = DID.objects.order_by("pk")[COUNT // 3 * index + 100]
    with closing(connection.copy()) as other:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM dids_did WHERE id = %s FOR UPDATE", [last.pk])
        waits = f"{other.connection.info.backend_pid} = ANY(pg_blocking_pids(pid))"
        yield lambda: wait_until(lambda: sessions(waits))
        other.rollback()


def sessions(condition):
    """Return the ids of the other sessions of the test database with this condition."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            f" AND pid <> pg_backend_pid() AND {condition}"
        )
        return [pid for (pid,) in cursor.fetchall()]


def idle_session():
    """Return the id of the session that holds the locks of a chunk and has nothing to do."""
    condition = "state = 'idle in transaction'"
    wait_until(lambda: sessions(condition))
    (found,) = sessions(condition)
    return found


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_written_once(job):
    assert (job.state, job.worker, job.done, job.total) == (Job.State.DONE, "", COUNT, COUNT)
    assert (job.result["done"], job.result["unchanged"], job.result["refusals"]) == (COUNT, 0, {})
    rows = DIDHistory.objects.filter(change=job.change)
    assert rows.count() == rows.values("object_id").distinct().count() == job.change.touched == COUNT
    counters.compact()
    assert stock_is_exact()


def assert_goes_on(worker, house, owner):
    """Check that ``worker``, the only one, runs the next job."""
    job = edit_all(house, owner, notes="next")
    with in_the_second_chunk() as reached:
        reached()
        job.refresh_from_db()
        assert is_name_of(job.worker, worker)
    wait_for(job, lambda: job.is_finished)
    assert DID.objects.filter(notes="next").count() == COUNT


@pytest.fixture(scope="module")
def workers(django_db_setup):
    with Nursery() as processes:
        yield processes


@on_postgresql
def test_a_frozen_worker_loses_its_job_and_its_locks_and_goes_on_once_it_thaws(house, owner, workers):
    job = edit_all(house, owner)
    with working(workers) as frozen:
        with in_the_second_chunk() as reached:
            reached()
            os.kill(frozen, signal.SIGSTOP)
        held = idle_session()

        wait_until(lambda: Job.objects.claim("two"))

        # Long before the server ends it by itself.
        wait_until(lambda: held not in sessions("true"))
        assert DID.objects.filter(notes="late").count() == COUNT // 3
        Job.objects.update(lease_until=database_now())
        with working(workers, then=signal.SIGTERM):
            wait_for(job, lambda: job.is_finished)
        assert DID.objects.all().edit(by=SYSTEM, hold_days=5).done == COUNT
        os.kill(frozen, signal.SIGCONT)
        assert_goes_on(frozen, house, owner)
    job.refresh_from_db()
    assert_written_once(job)


@on_postgresql
def test_a_job_is_cancelled_at_once_while_its_worker_is_frozen(house, owner, workers):
    job = edit_all(house, owner)
    with working(workers) as frozen:
        with in_the_second_chunk() as reached:
            reached()
            os.kill(frozen, signal.SIGSTOP)
        idle_session()
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")

        page = client_of(owner).post(f"/jobs/{job.pk}/cancel/", follow=True).text

        connection.close()
        assert "stops after the current chunk" in page
        wait_until(lambda: "is silent" in client_of(owner).get(f"/jobs/{job.pk}/").text)
        with working(workers, then=signal.SIGTERM):
            wait_for(job, lambda: job.is_finished)
    assert (job.state, job.done) == (Job.State.CANCELLED, COUNT // 3)
    assert DIDHistory.objects.filter(change=job.change).count() == COUNT // 3


@on_postgresql
def test_a_worker_behind_a_network_that_stalls_loses_its_job_and_goes_on_later(house, owner, workers):
    job = edit_all(house, owner)
    port = int(connection.settings_dict["PORT"] or 5432)
    with Proxy(port) as proxy, Nursery(proxy.port) as far, working(far) as cut_off:
        with in_the_second_chunk() as reached:
            reached()
            proxy.flows.clear()
        idle_session()

        with working(workers, then=signal.SIGTERM):
            wait_for(job, lambda: job.is_finished)
        assert_written_once(job)

        proxy.flows.set()
        assert_goes_on(cut_off, house, owner)


@on_postgresql
def test_a_worker_frozen_behind_a_pooler_loses_its_job_and_goes_on_once_it_thaws(house, owner, workers):
    """In transaction mode its chunk has a session that nobody knew beforehand."""
    job = edit_all(house, owner)
    with pgbouncer(2) as port, Nursery(port, pooled=True) as pooled, working(pooled) as frozen:
        with in_the_second_chunk() as reached:
            reached()
            os.kill(frozen, signal.SIGSTOP)
        held = idle_session()

        with working(workers, then=signal.SIGTERM):
            wait_for(job, lambda: job.is_finished)

        assert held not in sessions("true")
        assert_written_once(job)
        os.kill(frozen, signal.SIGCONT)
        assert_goes_on(frozen, house, owner)


@on_postgresql
def test_a_host_that_is_cut_off_loses_its_job_and_goes_on_later(house, owner, workers):
    """No farewell reaches it: its connections are gone when the link is back."""
    job = edit_all(house, owner)
    port = int(connection.settings_dict["PORT"] or 5432)
    with (
        hosts(1) as (address, [island]),
        Proxy(port, address) as proxy,
        Nursery(proxy.port, address, island.prefix) as far,
        working(far) as cut_off,
    ):
        with in_the_second_chunk() as reached:
            reached()
            island.cut()
        idle_session()

        with working(workers, then=signal.SIGTERM):
            wait_for(job, lambda: job.is_finished)
        assert_written_once(job)

        proxy.reset()
        island.mend()
        assert_goes_on(cut_off, house, owner)


@on_postgresql
def test_workers_with_the_same_host_and_process_id_keep_their_jobs_apart(house, owner):
    """Those of containers may: one that was cut off must not give away what another one has taken over."""
    if os.geteuid():
        missing("namespaces of process ids need root")
    job, south = edit_all(house, owner), carrier("South")
    apart = program("unshare"), "--pid", "--fork"
    port = int(connection.settings_dict["PORT"] or 5432)
    with (
        Proxy(port) as proxy,
        Nursery(proxy.port, prefix=apart) as one,
        Nursery(prefix=apart) as another,
    ):
        one.start()
        with in_the_second_chunk() as reached:
            reached()
            proxy.flows.clear()
        idle_session()
        with in_chunk(2) as reached:
            another.start()
            reached()
            taken = Job.objects.get()

            proxy.flows.set()
            DID.objects.create_numbers(["700"], operator=south.operator, by=SYSTEM)
            next_job = edit_all(south, owner)
            wait_for(next_job, lambda: next_job.is_finished)

            job.refresh_from_db()
            assert (job.state, job.worker) == (Job.State.RUNNING, taken.worker)
        wait_for(job, lambda: job.is_finished)
        assert_written_once(job)
    names = WorkerBeat.objects.values_list("worker", flat=True)
    assert len(names) == 2 and len({name.rpartition(":")[0] for name in names}) == 1


@on_postgresql
def test_a_slow_worker_keeps_its_job(house, owner, workers):
    """Its chunk takes several leases, but its process lives."""
    job = edit_all(house, owner)
    with working(workers), working(workers):
        with in_the_second_chunk() as reached:
            reached()
            before = Job.objects.get()
            end = before.lease_until + 3 * timedelta(seconds=LEASE)
            wait_until(lambda: Job.objects.get().lease_until > end)
            assert Job.objects.get().worker == before.worker
        wait_for(job, lambda: job.is_finished)
    assert_written_once(job)


@on_postgresql
def test_the_server_ends_the_chunk_of_a_worker_that_pauses_for_minutes(house):
    with transaction.atomic(), connection.cursor() as cursor:
        leases.begin_chunk(uuid4())
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("5min",)


@on_postgresql
def test_a_job_whose_session_may_not_be_ended_is_left_alone(house, owner, caplog):
    """Its role is another one: the job is taken over when the server has ended the session itself."""
    job = edit_all(house, owner)
    assert Job.objects.claim("frozen") == job
    other_job = edit_all(house, owner, "other")
    Job.objects.filter(pk=job.pk).update(lease_until=database_now())
    with as_owner(), closing(connection.copy()) as other:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(leases.BEGIN, ["0", leases._key(job.pk)])
        with as_application():
            assert Job.objects.claim("one") == other_job
            assert "session can’t be ended" in caplog.text
        other.rollback()
    assert Job.objects.claim("two") == job


@on_sqlite
def test_edits_are_refused_while_a_frozen_worker_has_the_file_and_go_on_when_it_is_ended(
    house, owner, workers, monkeypatch
):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)
    job, number, browser = edit_all(house, owner), DID.objects.latest("pk"), client_of(owner)
    connection.close()
    with working(workers) as frozen:
        freeze_while_it_writes(frozen)

        answer = browser.post(f"/dids/{number.pk}/", {"notes": "mine"})

        assert answer.status_code == 503
        assert (
            "Nothing was changed. Try again in a few seconds; if it lasts, ask an administrator"
            in answer.text
        )
        assert browser.get(f"/dids/{number.pk}/").status_code == 200
    connection.close()
    monkeypatch.undo()
    with working(workers, then=signal.SIGTERM):
        wait_for(job, lambda: job.is_finished)
    assert_written_once(job)


@on_sqlite
def test_a_worker_that_was_frozen_goes_on_with_its_chunk_on_sqlite(house, owner, workers):
    job = edit_all(house, owner)
    with working(workers) as frozen:
        freeze_while_it_writes(frozen)
        with working(workers):
            wait_until(lambda: Job.objects.get().is_abandoned)
            os.kill(frozen, signal.SIGCONT)
            wait_for(job, lambda: job.is_finished)
    assert_written_once(job)


def freeze_while_it_writes(worker):
    """Stop the process at a time at which it has the write lock."""
    while True:
        os.kill(worker, signal.SIGSTOP)
        if Job.objects.get().worker and is_locked():
            return
        os.kill(worker, signal.SIGCONT)
        time.sleep(0.005)


def is_locked():
    with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=0)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False
