"""History is sealed every day, and verification finds what was forged afterwards."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone

from audit import SYSTEM
from audit.history import TRACKED
from audit.models import Change, Seal
from audit.seals import hashing, writing
from audit.seals.verifying import verify_seals
from audit.seals.writing import seal_new_rows
from dids.management.commands import prune_history
from dids.models import DID, DIDHistory
from tests.audit.forging import days_ago, forge, on, verify
from tests.carrier import carrier, numbers_in
from tests.roles import as_owner

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_seal_a_day")]

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer at a time"
)

NOW = timezone.now()
NUMBERS = [str(100 + n) for n in range(30)]
# An old state of a number: only its seal shows the change.
FORGED = "UPDATE dids_didhistory SET notes = 'never' WHERE number = '107' AND event = '+'"


@pytest.fixture
def house(db):
    """Record three days, the last of them yesterday, each sealed: numbers are created, edited and deleted."""
    with on(days_ago(3)):
        house = carrier()
        numbers_in("archive", NUMBERS, house)
    seal_new_rows(days_ago(3))
    with on(days_ago(2)):
        DID.objects.all().edit(by=SYSTEM, notes="the second day, ä")
    seal_new_rows(days_ago(2))
    with on(days_ago(1)):
        DID.objects.filter(number__in=NUMBERS[:5]).delete_unused(by=SYSTEM)
    seal_new_rows(days_ago(1))
    return house


def test_all_history_is_sealed_once_a_day_is_over(house):
    rows = Change.objects.count() + sum(past.objects.count() for past in TRACKED.values())

    assert [seal.day for seal in Seal.objects.order_by("number")] == [
        timezone.localdate(days_ago(days + 1)) for days in (3, 2, 1)
    ]
    assert sum(seal.rows for seal in Seal.objects.all()) == rows
    assert "All sealed history is unchanged; 0 rows are not sealed yet." in verify()


def test_the_digest_of_each_seal_is_logged(house, caplog):
    caplog.set_level("INFO", "audit.seals")
    numbers_in("instock", ["777"], house)

    seal_new_rows(NOW)

    assert Seal.objects.latest("number").digest in caplog.text


def test_each_day_is_sealed_once_even_without_writes(house):
    assert seal_new_rows(days_ago(1)) == 0
    assert Seal.objects.count() == 3

    seal_new_rows(NOW)

    assert Seal.objects.count() == 4
    assert Seal.objects.latest("number").rows == 0
    assert "unchanged" in verify()


def test_rows_recorded_since_the_newest_seal_are_counted_as_unsealed(house):
    DID.objects.all().edit(by=SYSTEM, notes="today")

    assert "26 rows are not sealed yet" in verify()  # 25 numbers and their change


def test_a_large_history_is_sealed_in_several_rounds(monkeypatch):
    numbers_in("instock", NUMBERS, carrier())
    newest = max(DIDHistory.objects.latest("history_id").pk, Change.objects.latest("pk").pk)
    monkeypatch.setattr(writing, "MAX_KEYS", newest // 2 + 1)

    first, second, third = (seal_new_rows(NOW) for _ in range(3))

    assert first + second and not third
    assert [seal.more for seal in Seal.objects.order_by("number")] == [True, False]
    assert "0 rows are not sealed yet" in verify()


def test_the_worker_seals_history(house):
    out = StringIO()
    numbers_in("instock", ["777"], house)

    call_command("worker", "--once", stdout=out)

    assert "seal history" in out.getvalue()
    assert "0 rows are not sealed yet" in verify()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE dids_didhistory SET notes = 'never' WHERE number = '107' AND event = '~'", "30 was changed"),
        ("UPDATE dids_didhistory SET at = '2020-01-01 00:00:00' WHERE number = '107'", "30 was changed"),
        ("DELETE FROM dids_didhistory WHERE number = '107' AND event = '+'", "1 of 30 is missing"),
        ("UPDATE operators_operatorhistory SET name = 'Other'", "operators_operatorhistory"),
        ("UPDATE audit_change SET actor_name = 'somebody else'", "audit_change"),
        (
            "DELETE FROM audit_touched; DELETE FROM audit_change WHERE label = ''",
            "is missing",
        ),
    ],
)
def test_a_row_forged_without_triggers_is_found(house, statement, expected):
    forge(*statement.split(";"))

    output = verify()

    assert expected in output
    assert "history is not what was recorded" in output


def test_a_row_slipped_in_among_sealed_ones_is_found(house):
    forge(
        "DELETE FROM audit_seal",
        "CREATE TABLE kept AS SELECT * FROM dids_didhistory WHERE number = '107' AND event = '~'",
        "DELETE FROM dids_didhistory WHERE number = '107' AND event = '~'",
    )
    seal_new_rows(NOW)
    forge("INSERT INTO dids_didhistory SELECT * FROM kept", "DROP TABLE kept")

    output = verify()

    assert "dids_didhistory: among rows" in output
    assert "1 was added later." in output


def test_a_row_replaced_under_its_key_is_found(house):
    freed = DIDHistory.objects.filter(number="107", event="~").get().history_id
    columns = ", ".join(f'"{f.column}"' for f in DIDHistory._meta.concrete_fields if not f.primary_key)
    forge(
        "CREATE TABLE kept AS SELECT * FROM dids_didhistory WHERE number = '108' AND event = '~'",
        f"DELETE FROM dids_didhistory WHERE history_id = {freed}",
        f"INSERT INTO dids_didhistory (history_id, {columns}) SELECT {freed}, {columns} FROM kept",
        "DROP TABLE kept",
    )

    output = verify()

    assert "dids_didhistory: among rows" in output
    assert "was changed." in output


@pytest.fixture
def first_keys(db):
    """Restart keys at 1, however far other tests have advanced PostgreSQL's sequences."""
    if connection.vendor == "postgresql":
        with as_owner(), connection.cursor() as cursor:
            for model in (Change, *TRACKED.values()):
                table, key = model._meta.db_table, model._meta.pk.column
                cursor.execute(f"ALTER TABLE {table} ALTER COLUMN {key} RESTART")


def test_a_failure_names_the_rows_and_the_day_of_their_seal(first_keys, house, monkeypatch):
    monkeypatch.setattr(hashing, "BLOCK_KEYS", 8)
    forge("DELETE FROM audit_seal")
    seal_new_rows(NOW)
    row = DIDHistory.objects.filter(number="107", event="~").get().history_id

    forge(f"UPDATE dids_didhistory SET notes = 'never' WHERE history_id = {row}")
    (failure,) = verify_seals()

    first, last = (int(part.replace(",", "")) for part in failure.sentence.split()[3:6:2])
    assert first <= row <= last < first + 8
    assert f"sealed {timezone.localtime(NOW):%Y-%m-%d}" in failure.sentence


def test_a_write_without_triggers_is_found(house):
    forge(
        "UPDATE dids_did SET notes = 'sold twice' WHERE number = '107'",
        "DELETE FROM dids_did WHERE number = '108'",
    )

    output = verify()

    pk = DIDHistory.objects.filter(number="107").first().object_id
    assert f"dids_did: rows that differ from their newest history row: 1 (id {pk})." in output
    assert f"dids_did: rows deleted without a history row: 1 (id {pk + 1})." in output


@pytest.mark.parametrize(
    ("statement", "pattern"),
    [
        ("DELETE FROM audit_seal WHERE number = 2", "Seal 2 is missing"),
        ("DELETE FROM audit_seal WHERE number = 1", "Seal 1 is missing"),
        ("UPDATE audit_seal SET sealed_at = '2020-01-01 00:00:00' WHERE number = 2", "Seal 2 .* was changed"),
        ("UPDATE audit_seal SET digest = previous WHERE number = 2", "Seal 3 .* does not follow"),
    ],
)
def test_a_changed_or_missing_seal_is_found(house, statement, pattern):
    forge(statement)

    assert re.search(pattern, verify())


def test_a_chain_rebuilt_without_the_key_is_found(house, settings):
    forge(FORGED, "DELETE FROM audit_seal")
    key, settings.SEAL_KEY = settings.SEAL_KEY, "a key of the forger’s own"
    seal_new_rows(NOW)
    assert "SEAL_KEY" not in verify()

    settings.SEAL_KEY = key

    assert "is not signed with this SEAL_KEY" in verify()


def test_a_chain_rebuilt_with_the_key_is_found_by_a_digest_kept_elsewhere(house):
    kept = Seal.objects.latest("number").digest
    assert "unchanged" in verify("--expect", kept)

    forge(FORGED, "DELETE FROM audit_seal")
    seal_new_rows(NOW)

    assert f"No seal has the digest {kept}" in verify("--expect", kept)


@pytest.mark.owner
@pytest.mark.parametrize("statement", ["UPDATE audit_seal SET digest = 'x'", "DELETE FROM audit_seal"])
def test_seals_refuse_updates_and_deletes(house, statement):
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.owner
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no TRUNCATE")
def test_seals_refuse_truncate_too(house):
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("TRUNCATE audit_seal")


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_rows_of_an_open_transaction_are_not_skipped():
    """Cover rows that have keys but are not committed: a seal past their keys would report them as added."""
    house = carrier()
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("UPDATE operators_operator SET hold_days = 7 WHERE id = %s", [house.operator.pk])
        numbers_in("instock", NUMBERS, house)

        assert seal_new_rows(NOW) == 0
        assert Seal.objects.count() == 0

        other.commit()
    finally:
        other.close()
    assert seal_new_rows(NOW) > 0
    assert "0 rows are not sealed yet" in verify()


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_sealing_gives_way_to_writers_that_wait_for_it():
    """Sealing waits for the first writer, the second one for sealing, and sealing then for the second one."""
    house = carrier()
    numbers_in("instock", NUMBERS, house)
    first, second = connection.copy(), connection.copy()
    second.inc_thread_sharing()
    with closing(first), closing(second), ThreadPoolExecutor(2) as pool:
        for writer, table in ((first, "operators_operator"), (second, "dids_did")):
            writer.set_autocommit(False)
            execute(writer, f"UPDATE {table} SET hold_days = 7")

        sealing = pool.submit(in_own_connection, seal_new_rows, NOW)
        wait_until_waiting(1, sealing)
        late = pool.submit(execute, second, "UPDATE clients_client SET name = 'Another'")
        wait_until_waiting(2, sealing)
        first.commit()

        assert sealing.result() == 0
        late.result()
        second.commit()
    assert seal_new_rows(NOW) > 0


def execute(database, statement):
    with database.cursor() as cursor:
        cursor.execute(statement)


def in_own_connection(call, *arguments):
    try:
        return call(*arguments)
    finally:
        connections.close_all()


def wait_until_waiting(count, sealing):
    """Wait until ``count`` connections wait for locks, or sealing has given up."""
    waiting = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND database ="
    waiting += " (SELECT oid FROM pg_database WHERE datname = current_database())"
    while not sealing.done():
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0] >= count:
                return
        time.sleep(0.01)


def prune(folder):
    out = StringIO()
    before = f"{NOW - timedelta(days=200):%Y-%m-%d}"
    with as_owner():
        call_command("prune_history", "--before", before, "--export", str(folder), stdout=out)
    return out.getvalue()


@pytest.fixture
def old(db):
    """Record and seal history that is old enough to be pruned."""
    house = carrier()
    numbers_in("instock", NUMBERS, house, now=NOW - timedelta(days=400))
    for days in (390, 380, 370):
        DID.objects.all().edit(by=SYSTEM, notes=f"{days} days ago", now=NOW - timedelta(days=days))
    seal_new_rows(NOW)
    return house


def test_what_a_pruning_leaves_is_sealed_again(old, tmp_path):
    before = DIDHistory.objects.count()

    output = prune(tmp_path / "first")

    assert DIDHistory.objects.count() < before
    assert re.search(r"ranges? of history sealed again", output)
    assert "unchanged" in verify()
    forge("UPDATE dids_didhistory SET notes = 'never' WHERE number = '107'")
    assert "was changed" in verify()


def test_an_interrupted_pruning_is_reported_and_the_next_one_repairs_it(old, tmp_path, monkeypatch):
    with monkeypatch.context() as interrupted:
        interrupted.setattr(prune_history, "reseal_pruned_spans", lambda: 0)
        prune(tmp_path / "first")

    assert "An interrupted pruning would explain it: run prune_history again." in verify()
    prune(tmp_path / "second")

    assert "unchanged" in verify()


def test_a_pruning_does_not_hide_what_was_forged_before(old, tmp_path):
    forge(FORGED)
    before = DIDHistory.objects.count()

    with pytest.raises(CommandError, match="was changed.* Nothing was deleted"):
        prune(tmp_path / "first")

    assert DIDHistory.objects.count() == before
