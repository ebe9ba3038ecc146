"""The database itself refuses to write history, changes and prunings otherwise than the product does."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

import audit
from audit import SYSTEM
from audit.models import Change, Seal
from audit.seals.writing import seal_new_rows
from didmgmt.clock import SQLITE_CLOCK
from dids.models import DID, DIDHistory
from tests.audit.forging import days_ago, verify
from tests.carrier import carrier, numbers_in

pytestmark = [pytest.mark.django_db, pytest.mark.owner]

COLUMNS = [field.column for field in DIDHistory._meta.concrete_fields]


@pytest.fixture
def house(db):
    house = carrier()
    numbers_in("archive", ["101", "102"], house)
    DID.objects.filter(number="102").delete_unused(by=SYSTEM)
    return house


def refused(sql, *params, match="append-only"):
    with pytest.raises(DatabaseError, match=match), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)


def copied(number, copied_event, **changed):
    """Return SQL that inserts a copy of a history row, with other values in some columns."""
    now = SQLITE_CLOCK if connection.vendor == "sqlite" else "clock_timestamp()"
    values = {column: f'"{column}"' for column in COLUMNS} | {"at": now, "change_id": "NULL"} | changed
    if "history_id" not in changed:
        del values["history_id"]
    names, selected = ", ".join(f'"{column}"' for column in values), ", ".join(values.values())
    return (
        f"INSERT INTO dids_didhistory ({names}) SELECT {selected} FROM dids_didhistory"
        f" WHERE number = '{number}' AND event = '{copied_event}'"
    )


@pytest.mark.parametrize("key", ["0", "-7"])
def test_a_row_with_a_made_up_key_is_refused_or_found(house, key):
    sql = copied("101", "+", history_id=key)
    if connection.vendor == "postgresql":
        refused(sql)
        return
    with connection.cursor() as cursor:
        cursor.execute(sql)

    assert f"dids_didhistory: 1 row (id {key}) with a key below 1" in verify()


def test_a_row_with_a_false_time_is_refused_or_found(house):
    sql = copied("101", "+", at="'2020-01-01 00:00:00'")
    if connection.vendor == "postgresql":
        refused(sql)
        return
    seal_new_rows(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(sql)

    assert "stating a time other than that of their writing" in verify()


@pytest.mark.parametrize("changed", [{"notes": "'x'"}, {"event": "'-'"}, {"object_id": "99999"}], ids=str)
def test_a_forged_row_of_the_present_is_refused_or_found(house, changed):
    """Cover SQLite, which can't tell who inserts a row that the triggers could have written."""
    sql = copied("101", "+", **changed)
    if connection.vendor == "postgresql":
        refused(sql)
        return
    with connection.cursor() as cursor:
        cursor.execute(sql)

    output = verify()
    assert (
        "rows that differ from their newest history row: 1" in output or "without a history row: 1" in output
    )


def test_a_change_can_not_be_altered(house):
    change = Change.objects.latest("pk")
    for column, value in (
        ("label", "'x'"),
        ("at", "'2020-01-01 00:00:00'"),
        ("kind", "'prune'"),
        ("data", "'{}'"),
    ):
        refused(f"UPDATE audit_change SET {column} = {value} WHERE id = %s", change.pk)


def test_a_change_that_wrote_something_can_not_be_deleted(house):
    change = Change.objects.latest("pk")
    change.by_branch.all().delete()

    refused("DELETE FROM audit_change WHERE id = %s", change.pk)


def test_a_pruning_stays_even_if_it_deletes_nothing(house):
    with audit.change(Change.Kind.PRUNE, by=SYSTEM, data={"horizon": days_ago(90).isoformat()}) as change:
        pass

    refused("DELETE FROM audit_change WHERE id = %s", change.pk)
    with audit.change(Change.Kind.PRUNE, by=SYSTEM, data={"horizon": days_ago(90).isoformat()}):
        refused("DELETE FROM audit_change WHERE id = %s", change.pk)


@pytest.mark.parametrize("data", [{"horizon": days_ago(90).isoformat()}, {}], ids=["horizon", "none"])
def test_a_pruning_deletes_no_row_from_after_its_day(house, data):
    with audit.change(Change.Kind.PRUNE, by=SYSTEM, data=data):
        refused("DELETE FROM dids_didhistory WHERE number = '101'")


def test_rows_deleted_by_a_pruning_of_somebody_else_are_found(house):
    """Cover whoever may write: they insert a pruning, delete history and are left with the pruning."""
    seal_new_rows(timezone.now())
    with audit.change(
        Change.Kind.PRUNE, by=SYSTEM, data={"horizon": (timezone.now() + timedelta(1)).isoformat()}
    ):
        DIDHistory.objects.filter(number="101").delete()
    pruning = Change.objects.latest("pk")

    refused("DELETE FROM audit_change WHERE id = %s", pruning.pk)

    output = verify()
    assert "dids_didhistory: among rows" in output
    assert "is missing" in output or "are missing" in output


def test_a_seal_is_refused_changes(house):
    seal_new_rows(timezone.now())
    assert Seal.objects.exists()

    refused("UPDATE audit_seal SET digest = 'x'")
    refused("DELETE FROM audit_seal")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has roles")
def test_roles_are_refused_on_sqlite():
    with pytest.raises(CommandError, match="SQLite has no roles"):
        call_command("database_roles")
