"""Work killed at random times, and work whose connection is lost, is still written exactly once.

``KILLS`` in the environment: how many kills each kind of work must survive; ``make kills`` sets many.
"""

import json
import os
import random
import signal
import time
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

import sheets
from audit import SYSTEM
from audit.models import Change
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
from dids.models import DID, ClientPackage, DIDHistory, counters
from dids.numbering.ranges import Numbers
from jobs.models import ATTEMPTS, Job
from tests.carrier import carrier, everything
from tests.dids.models.test_racing import stock_is_exact
from tests.imports import DEFAULTS
from tests.kills import (
    Nursery,
    Proxy,
    interrupted_again_and_again,
    is_running,
    kill,
    killed_again_and_again,
    wait_for,
)
from tests.roles import as_owner
from tests.world import member

pytestmark = pytest.mark.django_db(transaction=True)

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no connections")

KILLS = int(os.environ.get("KILLS", "2"))
COUNT = 3_000 * KILLS + 1_000  # enough that the job is not finished before the last kill on a fast machine
FIRST = 500_000_000


@pytest.fixture
def house():
    return carrier(did_limit=COUNT)


@pytest.fixture
def owner(house):
    return member("Supervisor")


@pytest.fixture(scope="module")
def workers(django_db_setup):
    with Nursery() as processes:
        yield processes


def numbers():
    return Numbers([(str(FIRST), str(FIRST + COUNT - 1))])


def assert_survives(workers, job):
    """Kill the workers of ``job``, and check that it is complete and counted exactly."""
    kills = killed_again_and_again(workers, job, KILLS, lambda job: job.is_finished)
    assert kills == KILLS
    assert_complete(job)


def assert_complete(job):
    assert (job.state, job.worker, job.done, job.total) == (Job.State.DONE, "", COUNT, COUNT)
    assert (job.result["done"], job.result["unchanged"], job.result["refusals"]) == (COUNT, 0, {})
    assert job.change.touched == COUNT
    assert not Job.objects.unfinished().exists()
    counters.compact()
    assert stock_is_exact()


def assert_written_once(change, event):
    """Check that each number has exactly one history row of ``change``."""
    rows = DIDHistory.objects.filter(change=change)
    assert set(rows.values_list("event", flat=True).distinct()) == {event}
    assert rows.count() == rows.values("object_id").distinct().count() == COUNT


def create_all(house):
    DID.objects.create_numbers(numbers(), operator=house.operator, by=SYSTEM)


def test_numbers_are_created_once_however_often_the_worker_dies(house, owner, workers):
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": ["gold"], "notes": ""}
    job = submit_create(owner, numbers(), operator=house.operator, **fields)
    assert_survives(workers, job)
    assert DID.objects.filter(operator=house.operator, tag_set__label="gold").count() == COUNT
    assert_written_once(job.change, "+")


def test_a_worker_that_is_asked_to_stop_finishes_its_chunk(house, owner, workers):
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
    job = submit_create(owner, numbers(), operator=house.operator, **fields)
    worker = workers.start()
    wait_for(job, lambda: job.done)
    kill(worker, signal.SIGTERM)
    while is_running(worker):
        time.sleep(0.01)
    job.refresh_from_db()
    assert (job.state, job.worker, job.attempts) == (Job.State.QUEUED, "", 0)
    assert 0 < job.done == DID.objects.count() < COUNT
    assert_survives(workers, job)


def test_numbers_are_changed_once_however_often_the_worker_dies(house, owner, workers):
    create_all(house)
    job = submit_edit(owner, everything(house.operator), {"status": "reserved", "notes": "rested"})
    assert_survives(workers, job)
    assert DID.objects.filter(status="reserved", notes="rested").count() == COUNT
    assert_written_once(job.change, "~")


def test_numbers_are_deleted_once_however_often_the_worker_dies(house, owner, workers):
    create_all(house)
    job = submit_delete(owner, everything(house.operator))
    assert_survives(workers, job)
    assert not DID.objects.exists()
    assert_written_once(job.change, "-")


def test_a_change_is_undone_once_however_often_the_worker_dies(house, owner, workers):
    create_all(house)
    DID.objects.all().edit(by=SYSTEM, status="reserved", notes="rested")
    edit = Change.objects.latest("pk")
    job = submit_undo(Undo(edit, by=owner))
    kills = killed_again_and_again(workers, job, KILLS, lambda job: job.is_finished)
    assert kills == KILLS
    assert (job.state, job.done, job.total) == (Job.State.DONE, COUNT, COUNT)
    assert job.summary == f"{COUNT:,} numbers reverted."
    assert (job.change.undo_of, job.change.touched) == (edit, COUNT)
    assert DID.objects.filter(status="instock", notes="").count() == COUNT
    assert_written_once(job.change, "~")
    counters.compact()
    assert stock_is_exact()


def assign_all(house):
    create_all(house)
    DID.objects.all().assign(house.client_package, house.account, by=SYSTEM)


def test_numbers_are_assigned_once_however_often_the_worker_dies(house, owner, workers):
    create_all(house)
    job = submit_assign(owner, everything(house.operator), house.client_package, house.account)
    assert_survives(workers, job)
    assert house.client_package.numbers_in_use() == COUNT
    assert_written_once(job.change, "~")


def test_a_clients_numbers_go_on_hold_once_however_often_the_worker_dies(house, owner, workers):
    assign_all(house)
    job = submit_move(owner, everything(house.operator), "hold", house.client)
    assert_survives(workers, job)
    assert DID.objects.filter(status="hold", account=house.account).count() == COUNT
    assert_written_once(job.change, "~")


def test_packages_end_once_however_often_the_worker_dies(house, workers):
    """Each package is one transaction: it is left running, or ended with all its numbers."""
    count, size = 8 * KILLS + 8, 20
    numbers = [str(FIRST + n) for n in range(count * size)]
    DID.objects.create_numbers(numbers, operator=house.operator, by=SYSTEM)
    given = [ClientPackage(client=house.client, package=house.package) for _ in range(count)]
    for n, one in enumerate(ClientPackage.objects.bulk_create(given)):
        some = DID.objects.filter(number__in=numbers[n * size : (n + 1) * size])
        some.assign(one, house.account, by=SYSTEM)
    running = ClientPackage.objects.filter(pk__in=[one.pk for one in given], active=True)
    now = timezone.now()
    running.update(starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))

    chance, kills = random.Random(KILLS), 0
    while left := running.count():
        worker = workers.start()
        while running.count() == left:
            time.sleep(0.005)
        if kills < KILLS:
            time.sleep(chance.uniform(0, 0.05))
            kill(worker)
            kills += running.exists()
        else:
            while running.exists():
                time.sleep(0.05)
            kill(worker)

    assert kills == KILLS
    assert DID.objects.filter(status="hold").count() == count * size
    changes = Change.objects.filter(kind="package", touched=size + 1)
    assert changes.count() == count
    held = DIDHistory.objects.filter(change__in=changes, status="hold")
    assert held.count() == held.values("object_id").distinct().count() == count * size
    counters.compact()
    assert stock_is_exact()


def test_an_edit_is_whole_or_absent_however_often_the_web_process_dies(house, owner, workers):
    size = 1_000
    DID.objects.create_numbers([str(FIRST + n) for n in range(size)], operator=house.operator, by=SYSTEM)
    ids = ",".join(str(pk) for pk in DID.objects.values_list("pk", flat=True))
    chance = random.Random(KILLS)

    def post(notes):
        fields = {"scope": "ids", "ids": ids, "step": "apply", "change_notes": "on", "notes": notes}
        form = {"user": owner.pk, "path": "/dids/mass-edit/", "fields": fields}
        return workers.start(f"post {json.dumps(form)}")

    for n in range(KILLS):
        web = post(f"killed {n}")
        time.sleep(chance.uniform(0, 1))
        kill(web)
    web = post("finished")
    while is_running(web):
        time.sleep(0.01)

    assert set(DID.objects.values_list("notes", flat=True)) == {"finished"}
    changes = Change.objects.filter(kind="mass_edit")
    assert changes.count() <= KILLS + 1
    for change in changes:
        rows = DIDHistory.objects.filter(change=change)
        assert change.touched == rows.count() == rows.values("object_id").distinct().count() == size


def terminate_backends():
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@on_postgresql
def test_numbers_are_created_once_however_often_the_server_ends_the_connection(house, owner, workers):
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
    job = submit_create(owner, numbers(), operator=house.operator, **fields)
    assert interrupted_again_and_again(workers, job, KILLS, terminate_backends) == KILLS
    assert_complete(job)
    assert_written_once(job.change, "+")


@on_postgresql
def test_numbers_are_changed_once_however_often_the_connection_is_cut(house, owner):
    """A cut at COMMIT leaves it open whether the chunk was committed; its cursor tells."""
    create_all(house)
    job = submit_edit(owner, everything(house.operator), {"status": "reserved"})
    port = int(connection.settings_dict["PORT"] or 5432)
    with Proxy(port) as proxy, Nursery(proxy.port) as workers:
        assert interrupted_again_and_again(workers, job, KILLS, proxy.cut) == KILLS
    assert_complete(job)
    assert_written_once(job.change, "~")


def test_a_file_is_checked_and_applied_once_however_often_the_worker_dies(house, owner, workers, monkeypatch):
    """Half of the numbers exist already, one in ten is listed twice and one in a thousand is invalid."""
    monkeypatch.setattr("dids.imports.wizard.IN_REQUEST", 0)  # a worker has even a small file
    existing = Numbers([(str(FIRST), str(FIRST + COUNT // 2 - 1))])
    DID.objects.create_numbers(existing, operator=house.operator, by=SYSTEM)
    lines = ["DID,Operator,Notes"]
    for n in range(COUNT):
        lines.append(f"{FIRST + n},North Telecom,note {n % 7}")
        if n % 10 == 0:
            lines.append(f"{FIRST + n},North Telecom,again")
        if n % 1000 == 0:
            lines.append(f"{n} nonsense,North Telecom,")
    upload = SimpleUploadedFile("numbers.csv", "\n".join(lines).encode())
    with sheets.load(upload) as loaded:
        one = Import.start(owner, upload, loaded, **DEFAULTS)
    expected = {
        "created": COUNT - COUNT // 2,
        "updated": COUNT // 2,
        "unchanged": 0,
        "refused": COUNT // 10 + COUNT // 1000,
        "flagged": 0,
    }

    one.check(mapping=["number", "operator", "notes"], skip=[1], existing=KEEP, create=False)
    kills = killed_again_and_again(workers, one.job, KILLS, lambda job: job.state == Job.State.DRAFT)
    assert kills == KILLS
    assert (one.phase, one.counts) == ("checked", expected)
    assert DIDHistory.objects.count() == COUNT // 2

    one.apply(one.checked)
    job = one.job
    kills = killed_again_and_again(workers, job, KILLS, lambda job: job.is_finished)
    assert kills == KILLS
    assert (job.state, job.done, Import(job).counts) == (Job.State.DONE, sum(expected.values()), expected)
    assert DID.objects.count() == job.change.touched == COUNT
    rows = DIDHistory.objects.filter(change=job.change)
    assert rows.count() == rows.values("object_id").distinct().count() == COUNT
    assert rows.filter(event="+").count() == COUNT - COUNT // 2
    counters.compact()
    assert stock_is_exact()


def test_a_workbook_is_complete_however_often_the_worker_dies(house, owner, workers):
    """It starts over each time, so it must be finished between two kills."""
    numbers = [str(FIRST + n) for n in range(12_000)]
    DID.objects.create_numbers(numbers, operator=house.operator, by=SYSTEM)
    job = submit_export(owner, {"address": "sort=-number"}, len(numbers), "dids.xlsx")
    kills = killed_again_and_again(workers, job, min(KILLS, ATTEMPTS - 1), lambda job: job.is_finished)
    assert kills
    assert (job.state, job.done) == (Job.State.DONE, len(numbers))
    with job.file.open("rb") as file, sheets.load(file) as loaded:
        found = [row.cells[3] for row in sheets.read(loaded.file, loaded.format)]
    assert found == ["DID", *reversed(numbers)]
