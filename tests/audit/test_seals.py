"""What was recorded is sealed day by day, and what was forged afterwards is found."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from audit import SYSTEM, seals, triggers
from audit.history import TRACKED
from audit.models import Change, Seal
from dids.models import DID, DIDHistory
from tests.carrier import carrier, numbers_in

pytestmark = pytest.mark.django_db

NOW = timezone.now()
NUMBERS = [str(100 + n) for n in range(30)]
# What a number was once, not what it is: only the seal tells.
FORGED = "UPDATE dids_didhistory SET notes = 'never' WHERE number = '107' AND event = '+'"


@pytest.fixture(autouse=True)
def one_seal_a_day(monkeypatch):
    """However far other tests have counted PostgreSQL's sequences up: keys begin with 1 in the first seal."""
    monkeypatch.setattr(seals, "AT_ONCE", 10**9)


def days_later(days):
    return NOW + timedelta(days=days)


def verify(*options):
    """What the command prints, findings and all."""
    out, errors = StringIO(), StringIO()
    try:
        call_command("verify_history", *options, stdout=out, stderr=errors)
    except CommandError as error:
        return f"{errors.getvalue()}{error}"
    return out.getvalue()


def forge(*statements):
    """Somebody who owns the database drops every trigger, writes, and puts the triggers back."""
    triggers.drop(connection)
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    triggers.install(connection)
    assert triggers.missing(connection) == []


@pytest.fixture
def house(db):
    """Three days of history: numbers are made, edited, deleted; each day is sealed."""
    house = carrier()
    numbers_in("archive", NUMBERS, house)
    seals.seal_what_is_due(NOW)
    DID.objects.all().edit(by=SYSTEM, notes="the second day, ä")
    seals.seal_what_is_due(days_later(1))
    DID.objects.filter(number__in=NUMBERS[:5]).delete_unused(by=SYSTEM)
    seals.seal_what_is_due(days_later(2))
    return house


def test_all_that_was_recorded_is_sealed_once_a_day_is_over(house):
    rows = Change.objects.count() + sum(past.objects.count() for past in TRACKED.values())

    assert [seal.day for seal in Seal.objects.order_by("number")] == [
        timezone.localdate(NOW) + timedelta(days=days) for days in (-1, 0, 1)
    ]
    assert sum(seal.rows for seal in Seal.objects.all()) == rows
    assert "All that was sealed is unchanged; 0 rows came since." in verify()


def test_the_digest_of_each_seal_is_logged(house, caplog):
    caplog.set_level("INFO", "audit.seals")
    numbers_in("instock", ["777"], house)

    seals.seal_what_is_due(days_later(3))

    assert Seal.objects.latest("number").digest in caplog.text


def test_a_day_is_sealed_once_and_a_day_without_writes_as_well(house):
    assert seals.seal_what_is_due(days_later(2)) == 0
    assert Seal.objects.count() == 3

    seals.seal_what_is_due(days_later(3))

    assert Seal.objects.count() == 4
    assert Seal.objects.latest("number").rows == 0
    assert "unchanged" in verify()


def test_what_came_since_the_newest_seal_is_told_to_be_unsealed(house):
    DID.objects.all().edit(by=SYSTEM, notes="today")

    assert "26 rows came since" in verify()  # 25 numbers and their change


def test_much_history_is_sealed_in_several_rounds(monkeypatch):
    numbers_in("instock", NUMBERS, carrier())
    newest = max(DIDHistory.objects.latest("history_id").pk, Change.objects.latest("pk").pk)
    monkeypatch.setattr(seals, "AT_ONCE", newest // 2 + 1)

    first, second, third = (seals.seal_what_is_due(NOW) for _ in range(3))

    assert first + second and not third
    assert [seal.more for seal in Seal.objects.order_by("number")] == [True, False]
    assert "0 rows came since" in verify()


def test_the_worker_seals_at_its_round(house):
    out = StringIO()
    numbers_in("instock", ["777"], house)
    forge("DELETE FROM audit_seal")

    call_command("worker", "--once", stdout=out)

    assert "rows of history sealed" in out.getvalue()
    assert "0 rows came since" in verify()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE dids_didhistory SET notes = 'never' WHERE number = '107' AND event = '~'", "were changed"),
        ("UPDATE dids_didhistory SET at = '2020-01-01 00:00:00' WHERE number = '107'", "were changed"),
        ("DELETE FROM dids_didhistory WHERE number = '107' AND event = '+'", "1 of 30 are missing"),
        ("UPDATE operators_operatorhistory SET name = 'Other'", "operators_operatorhistory"),
        ("UPDATE audit_change SET actor_name = 'somebody else'", "audit_change"),
        (
            "DELETE FROM audit_touched WHERE action = 'delete';"
            "DELETE FROM audit_change WHERE kind = 'delete'",
            "are missing",
        ),
    ],
)
def test_a_row_that_was_forged_without_triggers_is_found(house, statement, said):
    forge(*statement.split(";"))

    told = verify()

    assert said in told
    assert "history is not what was recorded" in told


def test_a_row_slipped_in_among_sealed_ones_is_found(house):
    freed = DIDHistory.objects.filter(number="107", event="~").get().history_id
    columns = ", ".join(f'"{f.column}"' for f in DIDHistory._meta.concrete_fields if not f.primary_key)
    forge(
        "CREATE TABLE kept AS SELECT * FROM dids_didhistory WHERE number = '108' AND event = '~'",
        f"DELETE FROM dids_didhistory WHERE history_id = {freed}",
        f"INSERT INTO dids_didhistory (history_id, {columns}) SELECT {freed}, {columns} FROM kept",
        "DROP TABLE kept",
    )

    assert "dids_didhistory: among the rows" in verify()


@pytest.fixture
def first_keys(db):
    """Keys begin with 1, however far other tests have counted PostgreSQL's sequences up."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for model in (Change, *TRACKED.values()):
                table, key = model._meta.db_table, model._meta.pk.column
                cursor.execute(f"ALTER TABLE {table} ALTER COLUMN {key} RESTART")


def test_a_finding_names_the_rows_and_the_day_of_their_seal(first_keys, house, monkeypatch):
    monkeypatch.setattr(seals, "BLOCK", 8)
    forge("DELETE FROM audit_seal")
    seals.seal_what_is_due(NOW)
    row = DIDHistory.objects.filter(number="107", event="~").get().history_id

    forge(f"UPDATE dids_didhistory SET notes = 'never' WHERE history_id = {row}")
    (finding,) = seals.verify()

    first, last = (int(part.replace(",", "")) for part in finding.sentence.split()[4:7:2])
    assert first <= row <= last < first + 8
    assert f"sealed {timezone.localtime(NOW):%Y-%m-%d}" in finding.sentence


def test_a_write_to_a_number_while_the_triggers_were_gone_is_found(house):
    forge(
        "UPDATE dids_did SET notes = 'sold twice' WHERE number = '107'",
        "DELETE FROM dids_did WHERE number = '108'",
    )

    told = verify()

    pk = DIDHistory.objects.filter(number="107").first().object_id
    assert f"dids_did: the newest history is not of the row that is there of 1 (id {pk})." in told
    assert f"dids_did: history does not know of the deletion of 1 (id {pk + 1})." in told


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM audit_seal WHERE number = 2", "Seal 2 is missing"),
        ("DELETE FROM audit_seal WHERE number = 1", "Seal 1 is missing"),
        ("UPDATE audit_seal SET sealed_at = '2020-01-01 00:00:00' WHERE number = 2", "Seal 2 .* was changed"),
        ("UPDATE audit_seal SET digest = previous WHERE number = 2", "Seal 3 .* does not follow"),
    ],
)
def test_a_changed_or_missing_seal_is_found(house, statement, said):
    forge(statement)

    assert re.search(said, verify())


def test_a_chain_made_anew_by_who_lacks_the_key_is_found(house, settings):
    forge(FORGED, "DELETE FROM audit_seal")
    key, settings.SEAL_KEY = settings.SEAL_KEY, "a key of the forger's own"
    seals.seal_what_is_due(NOW)
    assert "unchanged" in verify()

    settings.SEAL_KEY = key

    assert "is not signed with this SEAL_KEY" in verify()


def test_a_chain_made_anew_with_the_key_is_found_by_a_digest_kept_elsewhere(house):
    kept = Seal.objects.latest("number").digest
    assert "unchanged" in verify("--expect", kept)

    forge(FORGED, "DELETE FROM audit_seal")
    seals.seal_what_is_due(NOW)

    assert "unchanged" in verify()
    assert f"No seal bears the digest {kept}" in verify("--expect", kept)


@pytest.mark.parametrize("statement", ["UPDATE audit_seal SET digest = 'x'", "DELETE FROM audit_seal"])
def test_seals_refuse_to_be_changed(house, statement):
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no TRUNCATE")
def test_seals_refuse_truncate_too(house):
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("TRUNCATE audit_seal")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_rows_that_another_transaction_is_about_to_commit_are_not_passed_over(monkeypatch):
    """They have their keys already; a seal beyond these would take them for slipped in later."""
    monkeypatch.setattr(seals, "LOCK_SECONDS", 1)
    house = carrier()
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("UPDATE operators_operator SET hold_days = 7 WHERE id = %s", [house.operator.pk])
        numbers_in("instock", NUMBERS, house)

        assert seals.seal_what_is_due(NOW) == 0
        assert Seal.objects.count() == 0

        other.commit()
    finally:
        other.close()
    assert seals.seal_what_is_due(NOW) > 0
    assert "0 rows came since" in verify()


def prune(folder):
    out = StringIO()
    before = f"{NOW - timedelta(days=200):%Y-%m-%d}"
    call_command("prune_history", "--before", before, "--export", str(folder), stdout=out)
    return out.getvalue()


@pytest.fixture
def old(db):
    """A number whose history is older than what is pruned, sealed."""
    house = carrier()
    numbers_in("instock", NUMBERS, house, now=NOW - timedelta(days=400))
    for days in (390, 380, 370):
        DID.objects.all().edit(by=SYSTEM, notes=f"{days} days ago", now=NOW - timedelta(days=days))
    seals.seal_what_is_due(NOW)
    return house


def test_what_is_left_by_a_pruning_is_sealed_anew(old, tmp_path):
    before = DIDHistory.objects.count()

    told = prune(tmp_path / "first")

    assert DIDHistory.objects.count() < before
    assert "ranges of sealed history are sealed anew" in told
    assert "unchanged" in verify()
    forge("UPDATE dids_didhistory SET notes = 'never' WHERE number = '107'")
    assert "were changed" in verify()


def test_a_pruning_that_was_broken_off_is_told_and_the_next_one_mends_it(old, tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(seals, "seal_anew", lambda: 0)
        prune(tmp_path / "first")

    assert "A pruning that was broken off would explain it: run prune_history again." in verify()
    prune(tmp_path / "second")

    assert "unchanged" in verify()


def test_a_pruning_does_not_hide_what_was_forged_before(old, tmp_path):
    forge(FORGED)
    before = DIDHistory.objects.count()

    with pytest.raises(CommandError, match="were changed.* Nothing was deleted"):
        prune(tmp_path / "first")

    assert DIDHistory.objects.count() == before
