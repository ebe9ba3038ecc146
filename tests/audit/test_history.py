"""The database writes history: complete, append-only, and linked to its change."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, connection, migrations, models, transaction
from django.db.migrations.state import ProjectState

import audit
from audit import SYSTEM, triggers
from audit.history import TRACKED
from audit.models import Change
from clients.models import Account, Client, Package, Reseller
from dids.models import DID, ClientPackage, DIDHistory
from operators.models import Operator
from tests.carrier import carrier, numbers_in, person, reserved, token_of

pytestmark = pytest.mark.django_db


def execute(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def history_of(record):
    return TRACKED[type(record)].objects.filter(object_id=record.pk).order_by("history_id")


@pytest.mark.parametrize("model", [Operator, Reseller, Client, Account, Package, ClientPackage, DID])
def test_every_tracked_model_is_recorded(model):
    assert model in TRACKED
    house = carrier()
    numbers_in("active", ["100"], house)
    record = model.objects.get()
    columns = [f.attname for f in model._meta.concrete_fields if not f.primary_key]

    assert history_of(record).first().event == "+"
    last = history_of(record).last()
    assert {c: getattr(last, c) for c in columns} == {c: getattr(record, c) for c in columns}


def test_a_bulk_statement_writes_a_history_row_for_each_number():
    numbers_in("instock", ["100", "101", "102"], carrier())
    before = DIDHistory.objects.count()

    DID.objects.update(notes="in bulk")

    assert DIDHistory.objects.count() == before + 3
    assert set(DIDHistory.objects.filter(event="~").values_list("notes", flat=True)) == {"in bulk"}


def test_a_write_by_raw_sql_is_recorded_as_outside_the_application():
    numbers_in("instock", ["100"], carrier())

    with connection.cursor() as cursor:
        cursor.execute("UPDATE dids_did SET notes = 'by hand' WHERE number = '100'")

    row = DIDHistory.objects.latest("history_id")
    assert (row.event, row.notes, row.change) == ("~", "by hand", None)


def test_the_history_row_of_a_delete_has_the_last_state():
    dids = numbers_in("archive", ["0049"], carrier())

    dids.delete_unused(by=SYSTEM)

    row = DIDHistory.objects.latest("history_id")
    assert (row.event, row.number, row.status) == ("-", "0049", "archive")


def test_a_history_row_refers_to_the_change_with_actor_source_and_address():
    house, anna = carrier(), person("anna", "dids.add_did")

    with audit.origin("/dids/new/", "192.0.2.7"):
        DID.objects.create_numbers(["100", "101"], operator=house.operator, by=anna)

    change = DIDHistory.objects.latest("history_id").change
    assert (change.actor, change.actor_name, change.actor_kind) == (anna, "anna", "person")
    assert (change.kind, change.source, change.address) == ("create", "/dids/new/", "192.0.2.7")
    assert change.touched == 2


def test_timestamps_are_the_databases_unless_one_is_passed():
    house = carrier()
    past = datetime(2026, 3, 1, 12, 30, 15, 250000, tzinfo=UTC)

    DID.objects.create_numbers(["100"], operator=house.operator, by=SYSTEM, now=past)
    DID.objects.create_numbers(["101"], operator=house.operator, by=SYSTEM)

    then, today = DIDHistory.objects.order_by("history_id")
    assert (then.at, then.change.at) == (past, past)
    assert today.at > past
    assert abs((today.at - today.change.at).total_seconds()) < 5


def test_nested_changes_join_the_outer_one():
    house, anna = carrier(), person("anna", "dids.change_did")
    numbers_in("instock", ["100"], house)

    with audit.change("edit", by=anna, label="Two things") as change:
        DID.objects.all().edit(by=anna, notes="first")
        DID.objects.all().edit(by=anna, notes="second")

    assert DIDHistory.objects.filter(change=change).count() == 2
    change.refresh_from_db()
    assert change.touched == 2


def test_a_change_keeps_the_facts_that_code_reads_back():
    house = carrier()
    with audit.change("edit", by=SYSTEM, label="Facts", data={"n": 1, "day": "2026-03-01"}) as change:
        Operator.objects.filter(pk=house.operator.pk).update(name="Renamed")
    DID.objects.create_numbers(["100"], operator=house.operator, by=SYSTEM)

    assert Change.objects.get(pk=change.pk).data == {"n": 1, "day": "2026-03-01"}
    assert Change.objects.latest("pk").data == {}


def test_a_change_that_wrote_nothing_is_deleted():
    house = carrier()
    numbers_in("instock", ["100"], house)
    before = Change.objects.count()

    DID.objects.all().block(by=SYSTEM)

    assert Change.objects.count() == before


def test_rows_that_no_method_counted_are_counted():
    house = carrier()
    with audit.change("edit", by=SYSTEM, label="Renamed") as change:
        Operator.objects.filter(pk=house.operator.pk).update(name="Renamed")

    change.refresh_from_db()
    assert change.touched == 1
    assert history_of(house.operator).last().change == change


def test_a_rollback_leaves_neither_change_nor_history():
    house = carrier()
    before = (Change.objects.count(), DIDHistory.objects.count())

    def create_and_fail():
        with audit.change("create", by=SYSTEM):
            DID.objects.create_numbers(["100"], operator=house.operator, by=SYSTEM)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        create_and_fail()

    assert (Change.objects.count(), DIDHistory.objects.count()) == before
    DID.objects.create_numbers(["101"], operator=house.operator, by=SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE dids_did SET notes = 'outside'")
    assert DIDHistory.objects.latest("history_id").change is None


@pytest.mark.owner
@pytest.mark.parametrize("model", list(TRACKED.values()), ids=lambda m: m.__name__)
@pytest.mark.parametrize("statement", ["UPDATE {} SET event = 'x'", "DELETE FROM {}"])
def test_history_refuses_updates_and_deletes(model, statement):
    house = carrier()
    numbers_in("active", ["100"], house)
    person("anna").groups.add(Group.objects.create(name="Clerks"))
    token_of(person("bela"))
    numbers_in("instock", ["101"], house)
    reserved(house, ["101"])
    rows = model.objects.count()
    assert rows

    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(model._meta.db_table))

    assert model.objects.count() == rows


@pytest.mark.owner
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no TRUNCATE")
@pytest.mark.parametrize("table", ["dids_didhistory", "dids_did"])
def test_history_refuses_truncate(table):
    numbers_in("instock", ["100"], carrier())
    connection.check_constraints()  # deferred constraints would refuse it first

    with pytest.raises(DatabaseError, match="append-only"):
        execute(f"TRUNCATE {table} CASCADE")


@pytest.mark.owner
def test_the_check_names_a_missing_trigger_and_a_command_installs_it():
    dropped = triggers.wanted(connection)[0]
    with connection.cursor() as cursor:
        on = f" ON {dropped.table}" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER {dropped.name}{on}")

    with pytest.raises(SystemCheckError, match=dropped.name):
        call_command("check", databases=["default"])
    out = StringIO()
    call_command("install_triggers", stdout=out)

    assert out.getvalue() == "1 triggers installed.\n"
    call_command("check", databases=["default"])


@pytest.mark.owner
def test_the_check_finds_a_changed_trigger():
    table = DIDHistory._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"CREATE OR REPLACE FUNCTION {table}_write() RETURNS trigger LANGUAGE plpgsql"
                " AS $$ BEGIN RETURN NULL; END $$"
            )
        else:
            cursor.execute(f"DROP TRIGGER {table}_insert")
            cursor.execute(
                f"CREATE TRIGGER {table}_insert AFTER INSERT ON dids_did FOR EACH ROW BEGIN SELECT 1; END"
            )

    with pytest.raises(SystemCheckError, match=f"{table}_insert"):
        call_command("check", databases=["default"])


@pytest.mark.owner
@pytest.mark.django_db(transaction=True)
def test_history_survives_a_migration_that_rebuilds_the_table():
    """Cover SQLite, which rebuilds a table to alter a column, drops its triggers and forgets given ids."""
    house = carrier()
    numbers_in("instock", ["100"], house)
    numbers_in("instock", ["101"], house).delete_unused(by=SYSTEM)
    state = ProjectState.from_apps(apps)
    wider = models.CharField(max_length=501, blank=True, default="")
    forward = [
        migrations.AlterField("DID", "notes", wider),
        migrations.AlterField("DIDHistory", "notes", wider.clone()),
    ]
    narrow = DID._meta.get_field("notes").clone()
    backward = [
        migrations.AlterField("DID", "notes", narrow),
        migrations.AlterField("DIDHistory", "notes", narrow.clone()),
    ]
    audit_app = apps.get_app_config("audit")
    for operations in (forward, backward):
        triggers.before_migrate(sender=audit_app, using="default", plan=operations)
        with connection.schema_editor() as editor:
            for operation in operations:
                after = state.clone()
                operation.state_forwards("dids", after)
                operation.database_forwards("dids", editor, state, after)
                state = after
        triggers.after_migrate(audit_app, using="default")

        assert triggers.missing(connection) == []
        before = DIDHistory.objects.count()
        DID.objects.all().edit(by=SYSTEM, notes=f"after rebuild {before}")
        assert DIDHistory.objects.count() == before + 1
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            DIDHistory.objects.all().delete()
        (new,) = numbers_in("instock", [f"102{before}"], house)
        assert {past.number for past in DIDHistory.objects.filter(object_id=new.pk)} == {new.number}
        new.delete()
