"""The bench measures and leaves nothing; how fast anything is, no test says."""

import json
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from audit.models import Change
from bench import scratch
from dids.models import DID, DIDHistory, Stock
from jobs.models import Job
from staff.models import User
from tests.world import make_world

pytestmark = pytest.mark.django_db


def test_the_bench_reports_each_scenario_and_leaves_the_inventory_as_it_was():
    make_world()
    User.objects.create_superuser("admin")
    before = _inventory()
    out = StringIO()

    call_command("bench", "--writes", "50", "--rows", "0", stdout=out)

    lines = _lines(out)
    assert len(lines) == 11
    assert all(line["p50"] > 0 for line in lines if "p50" in line)
    assert all(line["ours"] > 0 and line["rows"] == 50 for line in lines if "ours" in line)
    assert _inventory() == before


def test_jobs_are_measured_on_databases_that_are_gone_afterwards():
    make_world()
    before, databases = _inventory(), _databases()
    out = StringIO()

    call_command("bench", "--only-jobs", "--rows", "120", "--edits", "40", stdout=out)

    lines = {line["scenario"]: line for line in _lines(out)}
    beside_raw = [
        "import: check",
        "import: apply",
        "import",
        "create a range",
        "export CSV",
        "export XLSX",
        "mass edit: notes",
        "mass edit: after_hold",
        "end a package",
    ]
    meanwhile = [
        f"{what} during {job}"
        for job in ("an import", "making a range")
        for what in ("page of the list", "edit of one number")
    ]
    assert list(lines) == [*beside_raw, *meanwhile]
    for name in beside_raw:
        assert lines[name]["ours"] > 0 and lines[name]["raw"] > 0 and lines[name]["ratio"] > 0
        assert lines[name]["memory"] >= 0
    assert lines["export CSV"]["first_byte"] > 0
    assert {line["rows"] for line in lines.values()} == {120, 40}
    assert all(lines[name]["times"] >= 1 and lines[name]["max"] > 0 for name in meanwhile)
    assert (_inventory(), _databases()) == (before, databases)


def test_jobs_are_not_measured_with_more_edits_than_both_sides_have_numbers():
    with pytest.raises(CommandError, match="half of --rows"):
        call_command("bench", "--only-jobs", "--rows", "100", "--edits", "51")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite knows no rights")
def test_who_may_not_make_a_database_is_told_so(monkeypatch):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "assume_role", "pg_monitor")

    with pytest.raises(CommandError, match="CREATEDB"), scratch.Scratch() as made:
        made.new()


def _lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines() if line.startswith("{")]


def _inventory():
    counts = (DID.objects.count(), DIDHistory.objects.count(), Change.objects.count(), Job.objects.count())
    return (*counts, Stock.objects.by_status())


def _databases():
    """The server's databases and those in files."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", ["%bench%"])
            return cursor.fetchall()
    return sorted(settings.VAR_DIR.glob("bench-*"))


def test_the_bench_wants_numbers_to_list():
    with pytest.raises(CommandError, match="no numbers"):
        call_command("bench")
