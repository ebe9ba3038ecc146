"""Workers killed with SIGKILL at random times still write everything exactly once.

``KILLS`` in the environment: how many kills each kind of job must survive; ``make kills`` sets many.
"""

import os

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

import sheets
from audit import SYSTEM
from audit.models import Change
from didmgmt.listing import Selection
from dids.history.undo.job import submit_undo
from dids.history.undo.undo import Undo
from dids.imports.options import KEEP
from dids.imports.wizard import Import
from dids.job_kinds import submit_create, submit_delete, submit_edit, submit_export
from dids.models import DID, DIDHistory, counters
from dids.numbering.ranges import Numbers
from jobs.models import ATTEMPTS, Job
from tests.carrier import carrier
from tests.dids.models.test_racing import stock_is_exact
from tests.imports import DEFAULTS
from tests.kills import killed_again_and_again
from tests.world import member

pytestmark = pytest.mark.django_db(transaction=True)

KILLS = int(os.environ.get("KILLS", "4"))
COUNT = 25_000 * KILLS
FIRST = 500_000_000


@pytest.fixture
def house():
    return carrier()


@pytest.fixture
def owner(house):
    return member("Supervisor")


def numbers():
    return Numbers([(str(FIRST), str(FIRST + COUNT - 1))])


def assert_survives(job):
    """Kill the workers of ``job``, and check that it is complete and counted exactly."""
    kills = killed_again_and_again(job, KILLS, lambda job: job.is_finished)
    assert kills == KILLS
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


def everything(house):
    """Return all numbers as the list selects them."""
    dids = DID.objects.filter(operator=house.operator)
    selection = Selection(dids, "all", query=f"operator={house.operator.pk}")
    selection.queryset, selection.count = dids, COUNT
    return selection


def create_all(house):
    DID.objects.create_numbers(numbers(), operator=house.operator, by=SYSTEM)


def test_numbers_are_created_once_however_often_the_worker_dies(house, owner):
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": ["gold"], "notes": ""}
    job = submit_create(owner, numbers(), operator=house.operator, **fields)
    assert_survives(job)
    assert DID.objects.filter(operator=house.operator, tag_set__label="gold").count() == COUNT
    assert_written_once(job.change, "+")


def test_numbers_are_changed_once_however_often_the_worker_dies(house, owner):
    create_all(house)
    job = submit_edit(owner, everything(house), {"status": "reserved", "notes": "rested"})
    assert_survives(job)
    assert DID.objects.filter(status="reserved", notes="rested").count() == COUNT
    assert_written_once(job.change, "~")


def test_numbers_are_deleted_once_however_often_the_worker_dies(house, owner):
    create_all(house)
    job = submit_delete(owner, everything(house))
    assert_survives(job)
    assert not DID.objects.exists()
    assert_written_once(job.change, "-")


def test_a_change_is_undone_once_however_often_the_worker_dies(house, owner):
    create_all(house)
    DID.objects.all().edit(by=SYSTEM, status="reserved", notes="rested")
    edit = Change.objects.latest("pk")
    job = submit_undo(Undo(edit, by=owner))
    kills = killed_again_and_again(job, KILLS, lambda job: job.is_finished)
    assert kills == KILLS
    assert (job.state, job.done, job.total) == (Job.State.DONE, COUNT, COUNT)
    assert job.summary == f"{COUNT:,} numbers reverted."
    assert (job.change.undo_of, job.change.touched) == (edit, COUNT)
    assert DID.objects.filter(status="instock", notes="").count() == COUNT
    assert_written_once(job.change, "~")
    counters.compact()
    assert stock_is_exact()


def test_a_file_is_checked_and_applied_once_however_often_the_worker_dies(house, owner):
    """Half of the numbers exist already, one in ten is listed twice and one in a thousand is invalid."""
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
    kills = killed_again_and_again(one.job, KILLS, lambda job: job.state == Job.State.DRAFT)
    assert kills == KILLS
    assert (one.phase, one.counts) == ("checked", expected)
    assert DIDHistory.objects.count() == COUNT // 2

    one.apply(one.checked)
    job = one.job
    kills = killed_again_and_again(job, KILLS, lambda job: job.is_finished)
    assert kills == KILLS
    assert (job.state, job.done, Import(job).counts) == (Job.State.DONE, sum(expected.values()), expected)
    assert DID.objects.count() == job.change.touched == COUNT
    rows = DIDHistory.objects.filter(change=job.change)
    assert rows.count() == rows.values("object_id").distinct().count() == COUNT
    assert rows.filter(event="+").count() == COUNT - COUNT // 2
    counters.compact()
    assert stock_is_exact()


def test_a_workbook_is_complete_however_often_the_worker_dies(house, owner):
    """It starts over each time, so it must be finished between two kills."""
    numbers = [str(FIRST + n) for n in range(12_000)]
    DID.objects.create_numbers(numbers, operator=house.operator, by=SYSTEM)
    job = submit_export(owner, {"address": "sort=-number"}, len(numbers), "dids.xlsx")
    kills = killed_again_and_again(job, min(KILLS, ATTEMPTS - 1), lambda job: job.is_finished)
    assert kills
    assert (job.state, job.done) == (Job.State.DONE, len(numbers))
    with job.file.open("rb") as file, sheets.load(file) as loaded:
        found = [row.cells[3] for row in sheets.read(loaded.file, loaded.format)]
    assert found == ["DID", *reversed(numbers)]
