"""The migration that lets numbers on Hold remember what the stop of their package found."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from audit import SYSTEM, triggers
from audit.models import Change, Touched
from dids.history.undo.undo import Undo
from dids.models import DID, DIDHistory
from tests.audit.forging import forge
from tests.carrier import carrier, numbers_in, person

pytestmark = [pytest.mark.django_db, pytest.mark.owner]

migration = import_module("dids.migrations.0008_resume_stopped_numbers")


def migrate():
    """Run the migration on rows of before it, as ``migrate`` does: SQLite has no triggers meanwhile."""
    forge(*(f"UPDATE {table} SET resumes_as = NULL" for table in ("dids_did", "dids_didhistory")))
    if connection.vendor == "sqlite":
        triggers.drop(connection)
    migration.remember(apps, SimpleNamespace(connection=connection))
    triggers.install(connection)


def test_numbers_on_hold_by_a_stop_remember_what_it_found_and_others_nothing():
    house = carrier()
    numbers_in("active", ["100"], house)
    numbers_in("blocked", ["101"], house)
    numbers_in("hold", ["102"], house)
    numbers_in("instock", ["103"], house)
    house.client_package.deactivate(by=person("anna", "dids.change_clientpackage"))
    DID.objects.filter(number="101").edit(by=SYSTEM, notes="written on Hold")

    migrate()

    remembered = dict(DID.objects.values_list("number", "resumes_as"))
    assert remembered == {"100": "active", "101": "blocked", "102": None, "103": None}
    change = Change.objects.latest("pk")
    assert (change.actor_kind, change.touched) == ("system", 2)
    rows = DIDHistory.objects.filter(change=change).order_by("number")
    assert list(rows.values_list("number", "status", "resumes_as", "event")) == [
        ("100", "hold", "active", "~"),
        ("101", "hold", "blocked", "~"),
    ]
    assert Touched.objects.get(change=change).rows == 2


def test_a_stop_of_before_the_migration_can_be_undone_unless_something_else_changed_since():
    house = carrier()
    numbers_in("active", ["100"], house)
    numbers_in("blocked", ["101"], house)
    numbers_in("active", ["102"], house)
    house.client_package.deactivate(by=person("anna", "dids.change_clientpackage"))
    stop = Change.objects.latest("pk")
    DID.objects.filter(number="102").edit(by=SYSTEM, notes="written on Hold")

    migrate()

    preview, result = Undo(stop, by=SYSTEM).preview(), Undo(stop, by=SYSTEM).run()
    assert result.results == preview.results
    assert (result.of(DID).done, list(result.of(DID).refusals)) == (2, ["touched"])
    assert dict(DID.objects.values_list("number", "status")) == {
        "100": "active",
        "101": "blocked",
        "102": "hold",
    }


def test_without_numbers_on_hold_by_a_stop_the_migration_records_nothing():
    numbers_in("hold", ["100"], carrier())
    before = Change.objects.count()
    migrate()
    assert (Change.objects.count(), DID.objects.get().resumes_as) == (before, None)
