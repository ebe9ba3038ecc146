"""Each kind of long work survives a crash of PostgreSQL, and a server that ends the connection in a COPY.

``RESTARTS`` in the environment: how many crashes the work must survive.
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.utils import timezone

import sheets
from audit import SYSTEM
from audit.models import Change
from didmgmt.clock import database_now
from dids import marks
from dids.exports.rows import CurrentRows
from dids.history.undo.job import submit_undo
from dids.history.undo.undo import Undo
from dids.imports.bodies import CSV, columns_of
from dids.imports.options import KEEP
from dids.imports.rows import EDIT, rows_job, submit_rows
from dids.imports.wizard import Import
from dids.job_kinds import (
    submit_any_move,
    submit_assign,
    submit_create,
    submit_delete,
    submit_edit,
    submit_export,
    submit_minimum,
    submit_move,
)
from dids.models import DID, AgeingRule, ClientPackage, DIDHistory, Mark, counters, staging
from dids.numbering.ranges import Numbers
from events.job_kinds import submit_replay
from events.models import Delivery, Endpoint, Event
from events.replaying import ALL
from jobs.kinds import KINDS
from jobs.models import Job, WorkerBeat
from tests.carrier import carrier, everything
from tests.dids.models.test_racing import stock_is_exact
from tests.imports import DEFAULTS, staged
from tests.kills import STALLED, Nursery, Proxy, database_url, kill
from tests.servers import cluster
from tests.world import member

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no server"),
]

RESTARTS = int(os.environ.get("RESTARTS", "2"))
COUNT = 1_200  # numbers of each job, six chunks of tests.kills
FIRST = 500_000_000


@pytest.fixture(scope="module")
def server(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), cluster() as own:
        yield own


class Work:
    """A waiting job of each kind, on numbers of its own."""

    # What it does: (event of its rows of history, what its numbers have then)
    WRITES = {
        "apply": ("+", {"status": "instock", "notes": "of a file"}),
        "create": ("+", {"status": "instock"}),
        "edit": ("~", {"status": "reserved", "notes": "rested"}),
        "undo": ("~", {"notes": ""}),
        "assign": ("~", {"status": "active"}),
        "hold": ("~", {"status": "hold"}),
        "block": ("~", {"status": "blocked"}),
        "rows": ("~", {"notes": "of a program"}),
        "delete": ("-", None),
        "minimum": ("~", {"status": "hold"}),
    }
    READS = "check", "export", "replay", "mark"

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch
        self.owner, self.administrator, self.houses = member("Supervisor"), member("Administrator"), {}
        self.jobs = {what: getattr(self, what)(what) for what in (*self.WRITES, *self.READS)}
        assert {job.kind for job in self.jobs.values()} == set(KINDS)

    def house(self, what):
        self.houses[what] = carrier(what.capitalize(), did_limit=COUNT)
        return self.houses[what]

    def numbers(self, what):
        first = (10 + [*self.WRITES, *self.READS].index(what)) * 10_000_000
        return [str(first + n) for n in range(COUNT)]

    def stocked(self, what):
        """Return a carrier that has the numbers, and their selection."""
        house = self.house(what)
        DID.objects.create_numbers(self.numbers(what), operator=house.operator, by=SYSTEM)
        return house, everything(house.operator)

    def assigned(self, what):
        house, selected = self.stocked(what)
        selected.queryset.assign(house.client_package, house.account, by=SYSTEM)
        return house, selected

    def file(self, what):
        operator = self.house(what).operator
        rows = (f"{number},{operator},of a file" for number in self.numbers(what))
        return "\n".join(["DID,Operator,Notes", *rows])

    def apply(self, what):
        one = staged(self.file(what), self.owner)
        self._monkeypatch.setattr("dids.imports.wizard.IN_REQUEST", 0)  # a worker has even a small file
        assert one.apply(one.checked)
        return one.job

    def check(self, what):
        upload = SimpleUploadedFile("numbers.csv", self.file(what).encode())
        with sheets.load(upload) as loaded:
            one = Import.start(self.owner, upload, loaded, **DEFAULTS)
        assert one.check(mapping=["number", "operator", "notes"], skip=[1], existing=KEEP, create=False)
        return one.job

    def rows(self, what):
        self.stocked(what)
        rows = (f"{number},of a program" for number in self.numbers(what))
        file = ContentFile("\n".join(["number,notes", *rows]).encode())
        columns = columns_of(file, CSV, ["number", "notes"], complete=False)
        job = rows_job(self.owner, columns, rows=COUNT, action=EDIT, defaults=DEFAULTS)
        return submit_rows(self.owner, job, file)

    def create(self, what):
        fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
        numbers = self.numbers(what)
        given = Numbers([(numbers[0], numbers[-1])])
        return submit_create(self.owner, given, operator=self.house(what).operator, **fields)

    def edit(self, what):
        _, selected = self.stocked(what)
        return submit_edit(self.owner, selected, {"status": "reserved", "notes": "rested"})

    def undo(self, what):
        _, selected = self.stocked(what)
        selected.queryset.edit(by=SYSTEM, notes="to undo")
        return submit_undo(Undo(Change.objects.latest("pk"), by=self.owner))

    def assign(self, what):
        house, selected = self.stocked(what)
        return submit_assign(self.owner, selected, house.client_package, house.account)

    def hold(self, what):
        house, selected = self.assigned(what)
        return submit_move(self.owner, selected, "hold", house.client)

    def block(self, what):
        _, selected = self.assigned(what)
        return submit_any_move(self.owner, selected, "block")

    def minimum(self, what):
        _, selected = self.assigned(what)
        selected.queryset.hold(by=SYSTEM)
        rule = AgeingRule(prefix=self.numbers(what)[0][:5], days=90, source="the contract")
        rule.create(by=SYSTEM)
        return submit_minimum(self.administrator, rule, "accept")

    def delete(self, what):
        _, selected = self.stocked(what)
        return submit_delete(self.owner, selected)

    def export(self, what):
        house, selected = self.stocked(what)
        address = f"operator={house.operator.pk}&sort=-number"
        return submit_export(self.owner, {"address": address}, selected.count, "dids.xlsx")

    def replay(self, what):
        kind, now = "job.failed", database_now()
        Event.objects.bulk_create(Event(type=kind, at=now, about=str(n), body="{}") for n in range(COUNT))
        endpoint = Endpoint.objects.create(url="https://127.0.0.1/refused", types=[kind])
        endpoint.secrets.create()
        day = timedelta(days=1)
        return submit_replay(self.administrator, endpoint, now - day, now + day, ALL, COUNT)

    def mark(self, what):
        new = {"mark_class": "bronze", "kind": "pattern", "text": "00", "name": "Round hundred"}
        return marks.add_rule(**new, by=self.owner, version=0).job

    def is_done(self):
        """Return whether no job is waiting or running, and reload them."""
        for job in self.jobs.values():
            job.refresh_from_db()
        return not any(job.is_unfinished for job in self.jobs.values())

    @contextmanager
    def run_by(self, workers):
        """Let there be a worker for each job."""
        started = [workers.start() for _ in self.jobs]
        try:
            yield
        finally:
            for worker in started:
                kill(worker)

    @contextmanager
    def in_the_middle(self):
        """Let each job get into the middle and commit no more; let them go on after the block."""
        begun = "SELECT count(*) FROM (SELECT 1 FROM jobs_job WHERE done > 0 FOR UPDATE SKIP LOCKED) AS begun"
        with closing(connection.copy()) as other, other.cursor() as cursor:
            other.set_autocommit(False)
            wait_until(lambda: cursor.execute(begun).fetchone() == (len(self.jobs),))
            yield
        self.abandon()

    def abandon(self):
        """Let any worker take the jobs that run, as at the end of their leases."""
        Job.objects.filter(state=Job.State.RUNNING).update(lease_until=database_now())

    def assert_done_once(self):
        """Check each job, and that each number has exactly one row of history of its change."""
        for what, (event, values) in self.WRITES.items():
            job = self.jobs[what]
            assert (job.state, job.worker, job.done, job.total) == (Job.State.DONE, "", COUNT, COUNT), what
            rows = DIDHistory.objects.filter(change=job.change)
            assert set(rows.values_list("event", flat=True).distinct()) == {event}, what
            assert rows.count() == rows.values("object_id").distinct().count() == COUNT, what
            assert job.change.touched == COUNT + (what == "minimum"), what  # and the rule
            there = DID.objects.filter(operator=self.houses[what].operator)
            assert there.count() == (COUNT if values else 0), what
            assert there.filter(**values or {}).count() == there.count(), what
        check, export, replay, mark = (self.jobs[what] for what in self.READS)
        assert (check.state, Import(check).counts["created"]) == (Job.State.DRAFT, COUNT)
        with export.file.open("rb") as file, sheets.load(file) as loaded:
            found = [row.cells[3] for row in sheets.read(loaded.file, loaded.format)]
        assert found == ["DID", *reversed(self.numbers("export"))]
        assert (replay.state, replay.done, Delivery.objects.count()) == (Job.State.DONE, COUNT, COUNT)
        assert (mark.state, [*mark.result]) == (Job.State.DONE, ["classes"])
        special = DID.objects.filter(number__endswith="00").values_list("pk", flat=True)
        assert {*Mark.objects.values_list("did", flat=True)} == {*special}
        counters.compact()
        assert stock_is_exact()


def wait_until(condition):
    end = time.monotonic() + STALLED
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_jobs_of_all_kinds_are_done_once_however_often_the_server_crashes(server, monkeypatch):
    with server.database(), Nursery(lease=60) as workers:
        work = Work(monkeypatch)
        with work.run_by(workers):
            with work.in_the_middle():
                server.restart()
            for _ in range(RESTARTS - 1):
                time.sleep(random.uniform(0, 1))
                server.restart()
                work.abandon()
            wait_until(work.is_done)
        work.assert_done_once()


def test_jobs_of_all_kinds_are_done_once_when_a_standby_takes_over(server, monkeypatch):
    with server.database(), server.standby() as standby:
        with Proxy(server.port) as proxy, Nursery(proxy.port, lease=60) as workers:
            work = Work(monkeypatch)
            with work.run_by(workers):
                with work.in_the_middle():
                    connection.close()
                    server.stop()
                    standby.promote()
                    connection.settings_dict["PORT"] = proxy.target = standby.port
                    proxy.cut()
                wait_until(work.is_done)
        work.assert_done_once()
    server.start()


def test_packages_end_once_however_often_the_server_crashes(server):
    count, size = 8 * RESTARTS, 20
    every = [str(FIRST + n) for n in range(count * size)]
    with server.database(), Nursery() as workers:
        house = carrier(did_limit=count * size)
        DID.objects.create_numbers(every, operator=house.operator, by=SYSTEM)
        given = [ClientPackage(client=house.client, package=house.package) for _ in range(count)]
        for n, one in enumerate(ClientPackage.objects.bulk_create(given)):
            some = DID.objects.filter(number__in=every[n * size : (n + 1) * size])
            some.assign(one, house.account, by=SYSTEM)
        running = ClientPackage.objects.filter(pk__in=[one.pk for one in given], active=True)
        now = timezone.now()
        running.update(starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))
        crashes, worker = 0, workers.start()
        try:
            while left := running.count():
                while running.count() == left:
                    time.sleep(0.005)
                if crashes < RESTARTS:
                    server.restart()
                    crashes += running.exists()
        finally:
            kill(worker)
        assert crashes == RESTARTS
        assert DID.objects.filter(status="hold").count() == count * size
        changes = Change.objects.filter(kind="package", touched=size + 1)
        assert changes.count() == count
        held = DIDHistory.objects.filter(change__in=changes, status="hold")
        assert held.count() == held.values("object_id").distinct().count() == count * size


def test_a_worker_that_is_stopped_after_its_database_ends_without_an_error(transactional_db):
    with Proxy(int(connection.settings_dict["PORT"] or 5432)) as proxy:
        variables = {"DATABASE_URL": database_url(proxy.port), "DJANGO_SETTINGS_MODULE": "didmgmt.settings"}
        command = [sys.executable, "manage.py", "worker", "--every", "0.1"]
        worker = subprocess.Popen(command, cwd=settings.BASE_DIR, env=os.environ | variables)
        while not WorkerBeat.objects.exists():
            assert worker.poll() is None
            time.sleep(0.05)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0


# --- COPY, cut in the middle ------------------------------------------------------------------------


@pytest.fixture
def session(transactional_db):
    """Yield the id of the test's own session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        yield cursor.fetchone()[0]
    connection.close()


def end_session(session):
    """End a session as an administrator does, and wait until it has ended."""
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [session])
        while cursor.fetchone():
            cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [session])


@pytest.mark.owner  # who may end sessions
def test_rows_that_are_copied_into_a_lost_connection_are_a_lost_connection(session):
    def rows():
        yield 1, 1
        end_session(session)
        yield from ((n, n) for n in range(2, 100_000))

    with pytest.raises(OperationalError):
        staging._load(staging.ImportRow._meta.db_table, staging.ImportRow.STAGED[:2], rows())


@pytest.mark.owner  # who may end sessions
def test_rows_that_are_copied_from_a_lost_connection_are_a_lost_connection(session):
    house = carrier()
    DID.objects.create_numbers([str(FIRST + n) for n in range(20_000)], operator=house.operator, by=SYSTEM)
    chunks = CurrentRows(DID.objects.order_by("pk"), timezone.now()).csv()
    next(chunks)
    next(chunks)
    end_session(session)
    with pytest.raises(OperationalError):
        list(chunks)
