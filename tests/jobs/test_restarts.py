"""Each kind of long work survives a crash of PostgreSQL, and a server that ends the connection in a COPY.

``RESTARTS`` in the environment: how many crashes each kind of work must survive.
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.utils import timezone

import sheets
from audit import SYSTEM
from audit.models import Change
from dids.exports.rows import CurrentRows
from dids.history.undo.job import submit_undo
from dids.history.undo.undo import Undo
from dids.imports.options import KEEP
from dids.imports.wizard import Import
from dids.job_kinds import (
    submit_assign,
    submit_create,
    submit_delete,
    submit_edit,
    submit_export,
    submit_move,
)
from dids.models import DID, ClientPackage, DIDHistory, counters, staging
from dids.numbering.ranges import Numbers
from jobs.models import Job, WorkerBeat
from tests.carrier import carrier, everything
from tests.dids.models.test_racing import stock_is_exact
from tests.imports import DEFAULTS
from tests.kills import Nursery, Proxy, database_url, kill, wait_for
from tests.servers import cluster
from tests.world import member

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no server"),
]

RESTARTS = int(os.environ.get("RESTARTS", "2"))
COUNT = 1_500 * RESTARTS + 1_000
FILE = 8_000 * RESTARTS  # rows, which are checked faster
FIRST = 500_000_000


@pytest.fixture(scope="module")
def server(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), cluster() as own:
        yield own


@pytest.fixture
def crashing(server):
    """Return a function that lets a worker run a job on a server which crashes at random times."""
    with server.database(), Nursery() as workers:
        yield lambda job, until=lambda job: job.is_finished: crash_during(server, workers, job, until)


@pytest.fixture
def house(crashing):
    return carrier(did_limit=COUNT)


@pytest.fixture
def owner(house):
    return member("Supervisor")


def crash_during(server, workers, job, until):
    chance, crashes = random.Random(f"{job.kind} {RESTARTS}"), 0
    worker = workers.start()
    try:
        while crashes < RESTARTS and not until(job):
            before = job.done
            if crashes % 2:
                wait_for(job, lambda before=before: until(job) or job.done != before)
            else:
                wait_for(job, lambda: until(job) or job.worker)
            time.sleep(chance.uniform(0, 0.1))
            server.restart()
            job.refresh_from_db()
            crashes += not until(job)
        wait_for(job, lambda: until(job))
    finally:
        kill(worker, signal.SIGTERM)
    assert crashes == RESTARTS


def numbers(count=COUNT):
    return Numbers([(str(FIRST), str(FIRST + count - 1))])


def create_all(house, count=COUNT):
    DID.objects.create_numbers(numbers(count), operator=house.operator, by=SYSTEM)


def assert_complete(job, event, count=COUNT):
    """Check that the job is done, and that each number has exactly one history row of its change."""
    assert (job.state, job.worker, job.done, job.total) == (Job.State.DONE, "", count, count)
    assert job.change.touched == count
    rows = DIDHistory.objects.filter(change=job.change)
    assert set(rows.values_list("event", flat=True).distinct()) == {event}
    assert rows.count() == rows.values("object_id").distinct().count() == count
    counters.compact()
    assert stock_is_exact()


def test_a_range_is_created_once_however_often_the_server_crashes(crashing, house, owner):
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
    job = submit_create(owner, numbers(), operator=house.operator, **fields)
    crashing(job)
    assert_complete(job, "+")


def test_a_mass_edit_is_made_and_undone_once_however_often_the_server_crashes(crashing, house, owner):
    create_all(house)
    job = submit_edit(owner, everything(house.operator), {"status": "reserved", "notes": "rested"})
    crashing(job)
    assert_complete(job, "~")
    undo = submit_undo(Undo(Change.objects.get(pk=job.change.pk), by=owner))
    crashing(undo)
    assert_complete(undo, "~")
    assert DID.objects.filter(status="instock", notes="").count() == COUNT


@pytest.mark.parametrize("what", ["assign", "hold", "delete"])
def test_many_numbers_are_moved_once_however_often_the_server_crashes(crashing, house, owner, what):
    create_all(house)
    if what == "hold":
        DID.objects.all().assign(house.client_package, house.account, by=SYSTEM)
    selected = everything(house.operator)
    if what == "assign":
        job = submit_assign(owner, selected, house.client_package, house.account)
    elif what == "hold":
        job = submit_move(owner, selected, "hold", house.client)
    else:
        job = submit_delete(owner, selected)
    crashing(job)
    assert_complete(job, "-" if what == "delete" else "~")


def test_a_file_is_checked_and_applied_once_however_often_the_server_crashes(crashing, house, owner):
    lines = ["DID,Operator,Notes", *(f"{FIRST + n},North Telecom,note {n % 7}" for n in range(FILE))]
    upload = SimpleUploadedFile("numbers.csv", "\n".join(lines).encode())
    with sheets.load(upload) as loaded:
        one = Import.start(owner, upload, loaded, **DEFAULTS)
    one.check(mapping=["number", "operator", "notes"], skip=[1], existing=KEEP, create=False)
    crashing(one.job, lambda job: job.state == Job.State.DRAFT or job.is_finished)
    assert (one.phase, one.counts["created"], one.counts["refused"]) == ("checked", FILE, 0)
    one.apply(one.checked)
    crashing(one.job)
    assert_complete(one.job, "+", FILE)


def test_an_export_is_complete_however_often_the_server_crashes(crashing, house, owner):
    every = [str(FIRST + n) for n in range(12_000)]
    DID.objects.create_numbers(every, operator=house.operator, by=SYSTEM)
    job = submit_export(owner, {"address": "sort=-number"}, len(every), "dids.xlsx")
    crashing(job)
    assert (job.state, job.done) == (Job.State.DONE, len(every))
    with job.file.open("rb") as file, sheets.load(file) as loaded:
        found = [row.cells[3] for row in sheets.read(loaded.file, loaded.format)]
    assert found == ["DID", *reversed(every)]


def test_packages_end_once_however_often_the_server_crashes(server, house):
    count, size = 8 * RESTARTS, 20
    every = [str(FIRST + n) for n in range(count * size)]
    DID.objects.create_numbers(every, operator=house.operator, by=SYSTEM)
    given = [ClientPackage(client=house.client, package=house.package) for _ in range(count)]
    for n, one in enumerate(ClientPackage.objects.bulk_create(given)):
        some = DID.objects.filter(number__in=every[n * size : (n + 1) * size])
        some.assign(one, house.account, by=SYSTEM)
    running = ClientPackage.objects.filter(pk__in=[one.pk for one in given], active=True)
    now = timezone.now()
    running.update(starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))
    crashes = 0
    with Nursery() as workers:
        worker = workers.start()
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


def test_a_mass_edit_is_made_once_when_a_standby_takes_over(django_db_setup):
    with cluster() as primary, primary.standby() as standby, primary.database():
        house = carrier()
        create_all(house, FILE)
        owner = member("Supervisor")
        with Proxy(primary.port) as proxy, Nursery(proxy.port) as workers:
            job = submit_edit(owner, everything(house.operator), {"status": "reserved", "notes": "rested"})
            worker = workers.start()
            try:
                wait_for(job, lambda: job.done)
                connection.close()
                primary.stop()
                standby.promote()
                connection.settings_dict["PORT"] = proxy.target = standby.port
                proxy.cut()
                job.refresh_from_db()
                assert not job.is_finished
                wait_for(job, lambda: job.is_finished)
            finally:
                kill(worker, signal.SIGTERM)
        assert_complete(job, "~", FILE)


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
