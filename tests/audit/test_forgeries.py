"""Forgeries of history, of its times and of its seals are found, also after the worker has sealed them."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

import audit
from audit import SYSTEM
from audit.changes import LENIENCY
from audit.models import Change, Seal, Touched
from audit.seals import writing
from audit.seals.hashing import sign
from audit.seals.writing import ClockSetBackError, seal_new_rows
from dids.models import DID, DIDHistory
from tests.audit.forging import days_ago, forge, on, verify
from tests.carrier import carrier, numbers_in
from tests.world import member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_seal_a_day")]

NUMBERS = ["101", "102", "103"]
FORGED = "UPDATE dids_didhistory SET notes = 'never' WHERE number = '102' AND event = '+'"


@pytest.fixture
def house(db):
    """Record and seal four days; the last seal is of yesterday."""
    with on(days_ago(4)):
        house = carrier()
        numbers_in("instock", NUMBERS, house)
    seal_new_rows(days_ago(4))
    for days in (3, 2, 1):
        with on(days_ago(days)):
            DID.objects.all().edit(by=SYSTEM, notes=f"{days} days ago")
        seal_new_rows(days_ago(days))
    return house


def work():
    """Let the worker run its periodic tasks once."""
    call_command("worker", "--once", stdout=StringIO())


def write_at(moment, sql):
    """Run ``sql`` without a change, telling the triggers a false time, as anybody who may write can."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config('audit.at', %s, true)", [moment.isoformat()])
            cursor.execute(sql)
            cursor.execute("SELECT set_config('audit.at', '', true)")
        else:
            stamp = connection.ops.adapt_datetimefield_value(moment)
            cursor.execute("UPDATE audit_current SET at = %s", [stamp])
            cursor.execute(sql)
            cursor.execute("UPDATE audit_current SET at = NULL")


def test_what_nobody_forged_is_unchanged(house, supervisor):
    member("Supervisor", username="bound", reseller=house.reseller)
    work()

    assert "unchanged" in verify()


# --- seals --------------------------------------------------------------------------------------------


def test_a_first_seal_over_old_history_is_found(house):
    forge(FORGED, "DELETE FROM audit_seal")

    work()

    output = verify()
    old = DIDHistory.objects.order_by("pk").first()
    assert f"(id {old.pk}, " in output
    assert "This is the first seal: no worker ran before, or the earlier seals were removed." in output


def test_old_history_without_any_seal_is_found(house):
    forge(FORGED, "DELETE FROM audit_seal")

    assert "not sealed after more than 2 days" in verify()


def test_days_without_a_seal_are_found(house):
    forge(FORGED, "DELETE FROM audit_seal WHERE number > 2")

    work()

    output = verify()
    assert "Between seal 2 of" in output
    assert "history was not sealed for 2 days: no worker ran, or seals were removed." in output


def test_old_rows_after_the_newest_seal_are_found(house):
    numbers_in("instock", ["999"], house)
    forge("DELETE FROM audit_seal WHERE number > 1")

    assert "not sealed after more than 2 days: no worker has sealed history since" in verify()


def test_a_signed_seal_that_leaves_rows_out_is_found(house):
    last = Seal.objects.latest("number")
    until = {table: key + 100 for table, key in last.until.items()}
    seal = Seal(
        number=last.number + 1,
        day=last.day + timedelta(days=1),
        sealed_at=timezone.now(),
        spans=[],
        until=until,
        previous=last.digest,
    )
    seal.digest, seal.signature = sign(seal)
    seal.save(force_insert=True)

    assert f"Seal {seal.number} of {seal.day} leaves out rows" in verify()


# --- times --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [-30, 30])
def test_a_row_with_a_false_time_is_found_before_and_after_it_is_sealed(house, days):
    write_at(timezone.now() + timedelta(days=days), "UPDATE dids_did SET notes = 'x' WHERE number = '102'")
    row = DIDHistory.objects.latest("pk").pk

    expected = f"dids_didhistory: 1 row (id {row}), {{}}, stating a time other than that of their writing"
    assert expected.format("not sealed yet") in verify()
    work()
    sealed_at = timezone.localtime(Seal.objects.latest("number").sealed_at)
    assert expected.format(f"sealed {sealed_at:%Y-%m-%d %H:%M}") in verify()


def test_a_change_with_a_false_time_is_found(house):
    Change.objects.create(kind="edit", actor_kind="person", actor_name="anna", at=days_ago(300), touched=1)
    work()

    assert "audit_change: 1 row (id " in verify()


def test_a_change_that_openly_states_another_time_is_named(house):
    with audit.change(Change.Kind.EDIT, by=SYSTEM, label="A simulated past", at=days_ago(300)) as change:
        DID.objects.update(notes="long ago")
    work()

    output = verify()
    assert "unchanged" in output
    assert f"Changes recorded with another time than the clock’s: 1, such as change {change.pk}" in output


def test_a_clock_that_was_set_back_between_rows_is_found(house):
    write_at(timezone.now(), "UPDATE dids_did SET notes = 'x' WHERE number = '101'")
    write_at(timezone.now() - 3 * LENIENCY, "UPDATE dids_did SET notes = 'x' WHERE number = '102'")
    row = DIDHistory.objects.latest("pk").pk

    expected = f"dids_didhistory: 1 row (id {row}) an hour or more earlier than the row before"
    assert expected in verify()


def test_the_worker_seals_nothing_while_the_clock_is_behind_the_newest_seal(house):
    seal_new_rows(timezone.now() + timedelta(days=2))

    with pytest.raises(ClockSetBackError, match="Set the clock right"):
        seal_new_rows()
    output = verify()
    assert "which is in the future" in output
    assert "Set it right" in output


def test_a_seal_made_before_the_one_it_follows_is_found(house):
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr(writing, "LENIENCY", timedelta(days=99))
        clock.setattr(timezone, "localdate", lambda _now: timezone.now().date() + timedelta(days=1))
        seal_new_rows(days_ago(3))

    assert "the clock was set back between them" in verify()


# --- keys ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [0, -7])
def test_a_row_with_a_key_that_no_seal_covers_is_found(house, key):
    columns = ", ".join(f'"{f.column}"' for f in DIDHistory._meta.concrete_fields if not f.primary_key)
    forge(
        f"INSERT INTO dids_didhistory (history_id, {columns})"
        f" SELECT {key}, {columns} FROM dids_didhistory WHERE number = '102' AND event = '+'"
    )
    work()

    assert f"dids_didhistory: 1 row (id {key}) with a key below 1" in verify()


# --- what changes touched -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SET rows = rows + 1 WHERE kind = 'did'", "more or fewer rows than dids_didhistory has"),
        ("SET rows = rows - 1 WHERE kind = 'operator'", "more or fewer rows than operators_operatorhistory"),
        (
            "SET reseller_id = reseller_id + 1 WHERE kind = 'did'",
            "rows of dids_didhistory for another reseller",
        ),
        (
            "SET reseller_id = NULL WHERE kind = 'client'",
            "rows of clients_clienthistory for another reseller",
        ),
        ("SET at = '2020-01-01 00:00:00'", "rows of a time or an action that is not the change’s"),
        ("SET action = 'hold'", "rows of a time or an action that is not the change’s"),
        ("SET kind = 'nothing' WHERE kind = 'did'", "rows of a kind that has no history"),
    ],
)
def test_counts_that_do_not_fit_the_rows_are_found(house, statement, expected):
    assert "unchanged" in verify()
    first = Touched.objects.order_by("change").first().change_id
    forge(f"UPDATE audit_touched {statement}")

    output = verify()

    assert f"audit_touched: these changes count {expected}" in output
    assert f"(id {first}" in output


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite compares times as text")
@pytest.mark.parametrize("fraction", ["", ".000000"])
def test_a_whole_second_that_an_earlier_version_wrote_fits_its_counts(house, fraction):
    forge(
        "UPDATE audit_change SET at = '2026-11-28 12:00:00.000000'",
        f"UPDATE audit_touched SET at = '2026-11-28 12:00:00{fraction}'",
    )

    assert "audit_touched" not in verify()


def test_counts_of_a_change_that_never_was_are_found(house):
    empty = Change.objects.create(kind="edit", actor_kind="person", actor_name="anna", touched=1)
    Touched.objects.create(change=empty, at=empty.at, action="edit", kind="did", rows=3)

    assert f"count more or fewer rows than dids_didhistory has: 1 (id {empty.pk})" in verify()


# --- the newest rows ----------------------------------------------------------------------------------


def test_the_newest_row_of_a_number_is_protected_before_it_is_sealed(house):
    DID.objects.all().edit(by=SYSTEM, notes="today")
    forge(f"UPDATE dids_didhistory SET notes = 'x' WHERE history_id = {DIDHistory.objects.latest('pk').pk}")

    assert "rows that differ from their newest history row: 1" in verify()


def test_it_is_said_that_rows_which_are_not_sealed_can_be_forged(house):
    for notes in ("this morning", "this afternoon"):
        DID.objects.all().edit(by=SYSTEM, notes=notes)
    forge("UPDATE dids_didhistory SET notes = 'never' WHERE notes = 'this morning'")

    output = verify()

    rows = 2 * len(NUMBERS) + 2
    assert (
        f"{rows} rows are not sealed yet. The owner of the database could change those unnoticed." in output
    )
