"""Writers wait for SQLite's one write lock without holding up each other, and jobs let them go first."""

import threading
import time

import pytest
from django.db import OperationalError, connection, transaction

from didmgmt.sqlite3.waiting import others_wait
from jobs import kinds
from jobs import models as engine
from jobs.models import Job, WorkerBeat
from tests.world import member

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL locks rows"),
]


def others():
    return others_wait(connection.settings_dict["NAME"])


class Writer(threading.Thread):
    """Writes on a connection of its own: in a transaction, or ``plain``, without one.

    ``leaves``: a list to which it adds a cursor that has read half of its rows. ``error``: what stopped it.
    """

    def __init__(self, name, *, plain=False, leaves=None):
        super().__init__()
        self.worker, self.plain, self.leaves, self.error = name, plain, leaves, None
        self.start()

    def run(self):
        try:
            if self.leaves is not None:
                connection.ensure_connection()
                cursor = connection.connection.execute("SELECT 1 UNION ALL SELECT 2")
                cursor.fetchone()
                self.leaves.append(cursor)
                del cursor
            if self.plain:
                WorkerBeat.objects.filter(worker="w").update(worker=self.worker)
            else:
                with transaction.atomic():
                    WorkerBeat.beat(self.worker)
        except OperationalError as error:
            self.error = str(error)
        finally:
            connection.close()


def wait_until(condition):
    event, end = threading.Event(), time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        event.wait(0.002)


@pytest.mark.parametrize("plain", [False, True])
def test_a_writer_that_waits_is_seen_and_writes_when_the_lock_is_free(plain):
    WorkerBeat.beat("w")
    with transaction.atomic():
        WorkerBeat.beat("first")
        assert not others()
        writer = Writer("second", plain=plain)
        wait_until(others)
    writer.join()
    assert writer.error is None
    assert WorkerBeat.objects.filter(worker="second").exists()
    assert not others()


def test_a_writer_gives_up_after_its_time(monkeypatch):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0)
    with transaction.atomic():
        WorkerBeat.beat("first")
        writer = Writer("second")
        writer.join()
    assert writer.error == "database is locked"
    assert not others()


def test_a_writer_that_waits_does_not_stop_whoever_deletes_its_cursor():
    """As the garbage collector does, in whichever thread it runs."""
    left = []
    with transaction.atomic():
        WorkerBeat.beat("first")
        writer = Writer("second", leaves=left)
        wait_until(others)
        left.clear()
    writer.join()
    assert writer.error is None


def test_many_rows_are_written_in_a_transaction():
    with connection.cursor() as cursor, pytest.raises(RuntimeError, match="Open a transaction"):
        cursor.executemany("DELETE FROM jobs_workerbeat WHERE worker = %s", [["a"], ["b"]])


def test_a_job_lets_others_write_between_its_chunks_and_makes_them_smaller(monkeypatch):
    seen, writers = [], []

    class Slow(kinds.JobKind):
        name, label = "slow", "Slow"

        def run(self, job):
            for number in range(3):
                seen.append((job.at_once(1_000), WorkerBeat.objects.count()))
                if number == 1:
                    writers.append(Writer("second"))
                    wait_until(others)
                yield

        def sentence(self, job):
            return ""

    monkeypatch.setitem(kinds.KINDS, "slow", Slow())
    monkeypatch.setattr(engine, "LONGEST_WAY", 30)
    monkeypatch.setattr(engine, "SHORT", 0)
    Job.objects.create(kind="slow", owner=member("Supervisor"), state=Job.State.QUEUED)
    job = Job.objects.claim("w")
    job.run("w")

    writers[0].join()
    assert seen == [(1_000, 0), (1_000, 0), (125, 1)]
    assert job.at_once(1_000) > 125  # nobody waits any longer
    assert job.state == Job.State.DONE
