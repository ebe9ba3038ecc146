"""On PostgreSQL, jobs do not wait for autovacuum to notice that tables have grown."""

import time

import pytest
from django.db import connection

from audit import SYSTEM
from audit.models import Change
from dids.history.undo.job import submit_undo
from dids.history.undo.undo import Undo
from dids.models import DID
from jobs.models import Job
from jobs.statistics import analyze_outgrown_tables
from tests.carrier import carrier
from tests.roles import as_owner
from tests.world import member

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite’s statistics are fixed"),
]

COUNT = 3_000


def execute(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone() if cursor.description else None


def rows_planned_for(table):
    return execute(f"SELECT reltuples FROM pg_class WHERE oid = '{table}'::regclass")[0]


@pytest.fixture
def change():
    """Return the change that created numbers in tables that were last analyzed when they were empty."""
    house = carrier()
    numbers = [str(n) for n in range(100_000, 100_000 + COUNT)]
    DID.objects.create_numbers(numbers, operator=house.operator, by=SYSTEM)
    DID.objects.all().delete_unused(by=SYSTEM)
    with as_owner():
        execute("ANALYZE dids_did")
    assert rows_planned_for("dids_did") == 0
    DID.objects.create_numbers(numbers, operator=house.operator, by=SYSTEM)
    if connection.pg_version >= 150000:
        execute("SELECT pg_stat_force_next_flush()")
    else:
        time.sleep(1)  # the server counts the rows of a transaction a little later
    return Change.objects.latest("pk")


def test_a_job_is_planned_for_the_rows_that_are_there(change):
    planned = []
    job = submit_undo(Undo(change, by=member("Supervisor")))
    Job.objects.claim("one").run("one", lambda: bool(planned.append(rows_planned_for("dids_did"))))
    job.refresh_from_db()
    assert (job.state, job.done) == (Job.State.DONE, COUNT)
    assert planned[1] == COUNT  # after the first chunk


def test_tables_are_analyzed_once_for_what_was_written(change):
    assert "dids_did" in analyze_outgrown_tables()
    assert rows_planned_for("dids_did") == COUNT
    assert analyze_outgrown_tables() == []
