"""A process that is killed while it starts a job leaves none that waits for ever."""

from contextlib import contextmanager, suppress

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import QueryDict

import sheets
from audit.models import Change
from didmgmt.clock import database_now
from didmgmt.limits import LimitError
from didmgmt.listing import Selection
from dids.history.undo.job import submit_undo
from dids.history.undo.undo import Undo
from dids.imports import wizard
from dids.imports.options import KEEP
from dids.imports.wizard import Import
from dids.job_kinds import submit_create, submit_delete, submit_export
from dids.lists.filters import DIDFilter
from dids.models import DID
from dids.numbering.ranges import Numbers
from jobs.models import Job
from tests.imports import DEFAULTS

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """The process ends, so its open transaction is rolled back."""


@contextmanager
def killed_at(statement):
    """Kill the process at this statement, counted from 0; yield what says whether it was reached."""
    seen = []

    def kill(execute, sql, params, many, context):
        seen.append(sql)
        if len(seen) == statement + 1:
            raise Killed
        return execute(sql, params, many, context)

    with connection.execute_wrapper(kill), suppress(Killed):
        yield lambda: len(seen) > statement


def survive_every_kill(start):
    """Kill ``start`` at each of its statements; return in which states it left jobs."""
    states, statement, reached = set(), 0, True
    while reached:
        with killed_at(statement) as was_reached:
            start()
        reached, statement = was_reached(), statement + 1
        states |= set(Job.objects.exclude(kind="import").values_list("state", flat=True))
    assert statement > 2
    return states


def submissions(world, user):
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
    numbers, ids = Numbers([("500000", "500009")]), QueryDict(f"ids={world.did('256999').pk}")
    selection = Selection.read(ids, DID.objects.visible_to(user), DIDFilter, user=user, limit=10)
    return {
        "create": lambda: submit_create(user, numbers, operator=world.operator, **fields),
        "delete": lambda: submit_delete(user, selection),
        "export": lambda: submit_export(user, {"address": ""}, 1, "x.xlsx"),
        "undo": lambda: submit_undo(Undo(Change.objects.first(), by=user)),
    }


@pytest.mark.parametrize("kind", ["create", "delete", "export", "undo"])
def test_a_job_is_in_the_queue_or_does_not_exist(world, supervisor, kind):
    assert survive_every_kill(submissions(world, supervisor)[kind]) == {Job.State.QUEUED}


def test_a_job_over_the_limit_is_not_created(world, supervisor, settings):
    settings.JOBS_WAITING = 1
    submit_export(supervisor, {"address": ""}, 1, "x.xlsx")
    with pytest.raises(LimitError):
        submit_export(supervisor, {"address": ""}, 1, "y.xlsx")
    assert Job.objects.count() == 1


def new_import(world, user):
    upload = SimpleUploadedFile("numbers.csv", b"DID\n700001\n700002\n")
    with sheets.load(upload, upload.name) as loaded:
        return Import.start(user, upload, loaded, operator=world.operator, **DEFAULTS)


CHOICES = {"mapping": ["number"], "skip": [1], "existing": KEEP, "create": False}


@pytest.mark.parametrize("small", [0, 2_000], ids=["queued", "in the request"])
def test_an_import_is_as_before_or_goes_on_by_itself(world, clerk, monkeypatch, small):
    monkeypatch.setattr(wizard, "IN_REQUEST", small)
    monkeypatch.setattr(Job, "run_here", lambda job: None)  # the process ends here at the latest
    number_import = new_import(world, clerk)
    statement, reached = 0, True
    while reached:
        with killed_at(statement) as was_reached:
            Import(Job.objects.get()).check(**CHOICES)
        reached, statement = was_reached(), statement + 1
        job = Job.objects.get()
        waits = Job.objects.claimable(database_now() + Job.lease() * 2).exists()
        assert waits == (Import(job).phase == "check")
        Job.objects.update(state=Job.State.DRAFT, cursor={}, lease_until=None, worker="")
    assert statement > 4 and number_import.job == job
