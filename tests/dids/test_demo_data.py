"""Demonstration data is complete, consistent, reproducible, and never mixed with existing numbers."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.db.models import Count, Sum

from audit import SYSTEM
from audit.models import Change
from clients.models import Reseller
from dids.demo import world as demo
from dids.demo.names import RESELLERS
from dids.lifecycle import statuses as st
from dids.models import DID, DIDHistory, Mark, MarkCount, MarkState, Stock
from jobs.models import WorkerBeat
from staff.models import User
from tests.carrier import carrier
from tests.kills import Nursery, database_url

pytestmark = pytest.mark.django_db
commits = pytest.mark.django_db(transaction=True)

NUMBERS = 6_000  # the default; with far fewer some status may be missing on the last day


def test_the_world_has_every_status_tags_notes_and_a_past_that_moves_made():
    call_command("demo_data", stdout=StringIO())

    counts = dict(DID.objects.values_list("status").annotate(Count("pk")).order_by())

    assert set(counts) == set(st.LABELS)
    assert DID.objects.count() == NUMBERS
    assert DID.objects.filter(tag_set__isnull=False).exists()
    assert DID.objects.exclude(notes="").exists()
    kinds = set(DIDHistory.objects.values_list("change__kind", flat=True))
    assert kinds >= {"create", "assign", "hold", "block"}
    first, last = (DIDHistory.objects.order_by(order).first().at for order in ("at", "-at"))
    assert (last - first).days > 60
    # Every number has a history, which people and the system made.
    assert DIDHistory.objects.filter(event="+").values("object_id").distinct().count() >= NUMBERS
    assert not DIDHistory.objects.filter(change__isnull=True).exists()
    assert set(DIDHistory.objects.values_list("change__actor_kind", flat=True)) == {"person", "system"}
    assert User.objects.filter(changes__isnull=False, groups__isnull=False).exists()
    # The counters are exact, and no hold is overdue.
    assert Stock.objects.by_status() == counts
    # Special numbers have the marks of the suggested rules, and these are counted.
    assert MarkState.current().is_marked
    assert MarkCount.objects.aggregate(numbers=Sum("numbers"))["numbers"] == Mark.objects.count() > 100


def test_an_inventory_with_numbers_is_left_alone():
    DID.objects.create_numbers(["100"], operator=carrier().operator, by=SYSTEM)

    with pytest.raises(CommandError):
        call_command("demo_data", "--numbers", "100", stdout=StringIO())

    assert DID.objects.count() == 1


def test_a_client_wants_no_more_numbers_than_the_largest_package_carries(monkeypatch):
    monkeypatch.setattr(demo, "PACKAGES", [(name, 5, tags, days) for name, _, tags, days in demo.PACKAGES])

    call_command("demo_data", "--numbers", "300", stdout=StringIO())

    assert DID.objects.count() == 300
    assert DID.objects.filter(status=st.ACTIVE).exists()


@commits
def test_a_worker_beside_it_changes_nothing():
    with Nursery() as workers:
        worker = workers.start()
        try:
            while not WorkerBeat.objects.exists():
                time.sleep(0.01)
            call_command("demo_data", "--numbers", "1500", stdout=StringIO())
        finally:
            os.kill(worker, signal.SIGTERM)

    assert DID.objects.count() == 1500
    assert set(Change.objects.values_list("source", flat=True)) == {"demo_data"}


# Reports after each event, so that the test sees that it has begun.
REPORTING = """
import django; django.setup()
from django.core.management import call_command
from dids.demo import world
world.REPORT_EVERY = 0
call_command("demo_data")
"""


@commits
def test_a_world_is_whole_or_absent():
    given = {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "didmgmt.settings"}
    command = [sys.executable, "-c", REPORTING]
    with subprocess.Popen(
        command, cwd=settings.BASE_DIR, env=os.environ | given, stdout=subprocess.PIPE
    ) as process:
        for _ in range(30):
            assert process.stdout.readline()
        process.kill()

    call_command("demo_data", "--numbers", "30", stdout=StringIO())

    assert DID.objects.count() == 30


def build(numbers):
    try:
        call_command("demo_data", "--numbers", str(numbers), stdout=StringIO())
    finally:
        connections.close_all()


@commits
def test_records_that_are_written_at_the_same_time_stop_it():
    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            Reseller.objects.create(name=RESELLERS[0][0])
            building = pool.submit(build, 30)
            while not (waits_for_a_lock() or building.done()):
                time.sleep(0.01)
        error = building.exception()

    assert isinstance(error, CommandError)
    assert Reseller.objects.count() == 1


def waits_for_a_lock():
    """Return whether a session waits for this one; on SQLite it waits before it has read anything."""
    if connection.vendor == "sqlite":
        return True
    with connection.cursor() as cursor:
        blocked = "NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        cursor.execute(f"SELECT EXISTS (SELECT FROM pg_locks WHERE {blocked})")
        return cursor.fetchone()[0]
