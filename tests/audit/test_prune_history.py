"""Old history is exported and deleted; the state of everything since the day stays known."""

import csv
import gzip
import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

import audit
from audit import SYSTEM, pruning
from audit.history import TRACKED
from audit.models import Change
from dids.history.timeline import timeline
from dids.models import DID, ClientPackage, DIDHistory
from jobs.models import Job
from operators.models import Operator, OperatorHistory
from staff.models import User
from tests.audit.forging import forge
from tests.carrier import carrier, numbers_in, person, reserved, token_of

pytestmark = [pytest.mark.django_db, pytest.mark.owner]

NOW = timezone.now()
DAY = (NOW - timedelta(days=200)).replace(hour=0, minute=0, second=0, microsecond=0)


def ago(days):
    return NOW - timedelta(days=days)


def prune(folder=None, *options, before=DAY):
    """Return what the command prints."""
    out = StringIO()
    where = ["--export", str(folder)] if folder else []
    call_command("prune_history", "--before", f"{before:%Y-%m-%d}", *where, *options, stdout=out)
    return out.getvalue()


def all_rows():
    """Return {(table, key): row in the format of an export} of all tables that are pruned."""
    found = {}
    for model in (*TRACKED.values(), Change):
        columns = [field.attname for field in model._meta.concrete_fields]
        for row in model.objects.values_list("pk", *columns):
            values = ["" if value is None else _text(value) for value in row[1:]]
            found[model._meta.db_table, row[0]] = dict(zip(columns, values, strict=True))
    return found


def _text(value):
    return json.dumps(value) if isinstance(value, dict) else str(value)


def exported(*folders):
    """Return {(table, key): row} of the files, of which no two share a row."""
    found = {}
    for path in (path for folder in folders for path in folder.iterdir()):
        table = path.name.removesuffix(".csv.gz")
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                key = (table, int(row.get("history_id") or row["id"]))
                assert key not in found
                found[key] = row
    return found


def days_ago(number):
    """Return how many days ago each history row of the number was written, oldest first."""
    rows = DIDHistory.objects.filter(number=number).order_by("history_id")
    return [(NOW - at).days for at in rows.values_list("at", flat=True)]


@pytest.fixture
def house(db):
    """Create numbers of which some were changed and some deleted, before and after DAY."""
    house = carrier()
    ClientPackage.objects.update(starts_at=ago(500))
    numbers_in("instock", ["100"], house, now=ago(400), notes="zero")
    dids = DID.objects.filter(number="100")
    for days, notes in ((390, "one"), (300, 'two, "quoted"\nand ä'), (100, "three")):
        dids.edit(by=SYSTEM, notes=notes, now=ago(days))
    for number, deleted in (("101", 300), ("102", 100)):
        numbers_in("archive", [number], house, now=ago(400)).delete_unused(by=SYSTEM, now=ago(deleted))
    numbers_in("active", ["103"], house, now=ago(400))
    numbers_in("instock", ["104"], house, now=ago(100))
    return house


def test_the_last_state_before_the_day_is_kept_for_what_exists_or_has_later_history(house, tmp_path):
    prune(tmp_path / "out")

    assert days_ago("100") == [300, 100]
    assert days_ago("101") == []
    assert days_ago("102") == [400, 100]
    assert days_ago("103") == [400]
    assert days_ago("104") == [100]


def test_the_files_hold_exactly_what_was_deleted(house, tmp_path):
    before = all_rows()

    output = prune(tmp_path / "out")

    after = all_rows()
    pruned = {key: row for key, row in before.items() if key not in after}
    assert exported(tmp_path / "out") == pruned
    assert sum(table == "dids_didhistory" for table, _ in pruned) == 5
    # 100: its creation and first edit; 101: both changes; 103: its creation, before it was assigned.
    assert sum(table == "audit_change" for table, _ in pruned) == 5
    assert "dids_didhistory: 5 rows exported." in output
    assert output.endswith(f"10 rows were exported to {tmp_path / 'out'} and deleted.\n")
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0


def test_all_tracked_tables_are_pruned(house, tmp_path):
    with audit.change("operator", by=SYSTEM, at=ago(400)):
        operator = Operator.objects.create(reseller=house.reseller, name="First name")
    for days, name in ((350, "Second name"), (300, "Third name"), (10, "Fourth name")):
        with audit.change("operator", by=SYSTEM, at=ago(days)):
            Operator.objects.filter(pk=operator.pk).update(name=name)

    prune(tmp_path / "out")

    names = OperatorHistory.objects.filter(object_id=operator.pk).order_by("history_id")
    assert list(names.values_list("name", flat=True)) == ["Third name", "Fourth name"]


def test_history_since_the_day_reads_as_before(house, tmp_path):
    anna = person("anna", "dids.view_did")
    numbers_in("hold", ["105"], house, now=ago(400))
    DID.objects.filter(number="105").end_hold(by=SYSTEM, now=ago(150))

    def since_the_day():
        entries_of = {}
        for pk in DIDHistory.objects.values_list("object_id", flat=True).distinct():
            entries, _ = timeline(pk, anna)
            entries_of[pk] = [entry for entry in entries if entry.at >= DAY]
            for moment in (DAY, ago(160), ago(50), NOW):
                last = DIDHistory.objects.filter(object_id=pk, at__lte=moment).order_by("-history_id").first()
                if last and last.event != "-":
                    entries_of[pk, moment] = (last.number, last.status, last.account_id, last.notes)
        left = DID.objects.with_last_holder(User()).values_list("number", "left_at", "last_account")
        return entries_of, sorted(left, key=lambda row: row[0])

    before = since_the_day()
    prune(tmp_path / "out")

    after, left = since_the_day()
    pruned = before[0].keys() - after.keys()
    assert all(before[0][key] == [] for key in pruned) and len(pruned) == 1
    assert after == {key: value for key, value in before[0].items() if key not in pruned}
    assert left == before[1]
    assert ("105", ago(150), house.account.pk) in left


def test_without_an_export_nothing_is_deleted(house):
    before = all_rows()
    with pytest.raises(CommandError, match="nothing is deleted without"):
        prune()
    assert all_rows() == before


def test_a_dry_run_counts_and_deletes_nothing(house):
    before = all_rows()
    output = prune(None, "--dry-run")
    assert "dids_didhistory: 5 rows would be deleted.\n" in output
    assert "audit_change: 5 rows would be deleted.\n" in output
    assert all_rows() == before


def test_a_folder_that_is_not_empty_is_refused(house, tmp_path):
    (tmp_path / "there").write_text("kept")
    before = all_rows()

    for folder in (tmp_path, tmp_path / "there"):
        with pytest.raises(CommandError, match="new or empty"):
            prune(folder)

    assert all_rows() == before
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_an_export_that_can_not_be_written_deletes_nothing(house, tmp_path):
    (tmp_path / "file").write_text("")
    before = all_rows()
    with pytest.raises(CommandError, match=r"can’t be written.*Nothing was deleted"):
        prune(tmp_path / "file" / "out")
    assert all_rows() == before


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "31.1.2026", ""])
def test_an_invalid_day_is_refused(day, tmp_path):
    with pytest.raises(CommandError, match="--before must be a day such as"):
        call_command("prune_history", "--before", day, "--export", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_history_that_assigning_needs_is_kept(settings, tmp_path):
    settings.DID_REUSE_DAYS = 90
    with pytest.raises(CommandError, match=r"less than 90 days ago \(DID_REUSE_DAYS\)"):
        prune(tmp_path / "out", before=timezone.localtime() - timedelta(days=89))
    prune(tmp_path / "out", before=timezone.localtime() - timedelta(days=90))


def test_a_path_too_long_for_the_label_is_refused(house, tmp_path):
    with pytest.raises(CommandError, match="too long"):
        prune(tmp_path / ("x" * 200))


def test_a_pruning_is_recorded_as_a_change_that_is_kept(house, tmp_path):
    prune(tmp_path / "out")

    change = Change.objects.get(kind="prune")
    assert (change.touched, change.actor_name, change.source) == (5 + 5, "system", "prune_history")
    assert change.label == f"History before {DAY:%Y-%m-%d} deleted, exported to {tmp_path / 'out'}"

    forge(f"UPDATE audit_change SET at = '{ago(300):%Y-%m-%d %H:%M:%S}' WHERE id = {change.pk}")
    prune(tmp_path / "again")
    assert Change.objects.filter(pk=change.pk).exists()


def test_the_horizon_is_known_whatever_the_label_of_a_pruning_says(house, tmp_path):
    assert pruning.known_since() is None
    for days, name in ((250, "first"), (200, "second"), (220, "third")):
        DID.objects.create_numbers([f"9{days}"], operator=house.operator, by=SYSTEM, now=ago(400))
        DID.objects.filter(number=f"9{days}").delete_unused(by=SYSTEM, now=ago(390))
        pruning.export(DAY - timedelta(days=days - 200), tmp_path / name)
        list(pruning.delete(DAY - timedelta(days=days - 200), tmp_path / name, by=SYSTEM, label=name))

    assert Change.objects.filter(kind="prune").count() == 3
    assert pruning.known_since() == DAY


def test_a_pruning_without_old_history_leaves_no_change(tmp_path):
    carrier()
    assert prune(tmp_path / "out").endswith(f"0 rows were exported to {tmp_path / 'out'} and deleted.\n")
    assert not Change.objects.filter(kind="prune").exists()


def test_changes_that_a_job_or_an_undo_refers_to_are_kept(house, tmp_path):
    first, second, *_ = Change.objects.filter(at__lt=ago(350)).order_by("pk")
    Job.objects.create(kind="create", owner=person("anna"), change=first)
    Change.objects.create(kind="undo", actor_kind="system", actor_name="system", undo_of=second)

    prune(tmp_path / "out")

    assert Change.objects.filter(pk__in=[first.pk, second.pk]).count() == 2
    assert days_ago("100") == [300, 100]


def test_a_killed_pruning_can_be_repeated_without_loss(house, tmp_path, monkeypatch):
    monkeypatch.setattr(pruning, "CHUNK", 2)
    before = all_rows()

    pruning.export(DAY, tmp_path / "killed")
    deletion = pruning.delete(DAY, tmp_path / "killed", by=SYSTEM, label="killed")
    next(deletion), next(deletion)
    deletion.close()
    halfway = all_rows()
    prune(tmp_path / "repeated")

    killed, repeated = Change.objects.filter(kind="prune").order_by("pk")
    assert (killed.touched, repeated.touched) == (4, 6)
    after = all_rows()
    assert halfway.keys() - {("audit_change", killed.pk)} < before.keys()
    assert exported(tmp_path / "repeated") == {key: row for key, row in halfway.items() if key not in after}
    pruned = {key: row for key, row in before.items() if key not in after}
    assert exported(tmp_path / "killed") == pruned
    assert days_ago("100") == [300, 100] and days_ago("101") == []


def test_two_prunings_delete_the_same_history_once(house, tmp_path, monkeypatch):
    monkeypatch.setattr(pruning, "CHUNK", 1)
    for name in ("one", "two"):
        pruning.export(DAY, tmp_path / name)

    for name in ("one", "two"):
        list(pruning.delete(DAY, tmp_path / name, by=SYSTEM, label=name))

    prunings = Change.objects.filter(kind="prune").order_by("pk")
    assert [(change.label, change.touched > 0) for change in prunings] == [("one", True), ("two", False)]
    assert days_ago("100") == [300, 100]


def test_rows_written_after_the_export_are_kept(house, tmp_path):
    pruning.export(DAY, tmp_path / "out")
    DID.objects.filter(number="103").edit(by=SYSTEM, notes="late", now=ago(300))

    list(pruning.delete(DAY, tmp_path / "out", by=SYSTEM, label="Old"))

    assert days_ago("103") == [400, 300]


@pytest.mark.parametrize("model", list(TRACKED.values()), ids=lambda model: model.__name__)
def test_a_pruning_may_delete_history_but_not_change_it(house, model):
    def refused(statement):
        with (
            pytest.raises(DatabaseError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement.format(model._meta.db_table))

    person("anna").groups.add(Group.objects.create(name="Clerks"))
    token_of(person("bela"))
    numbers_in("instock", ["999"], house)
    reserved(house, ["999"])
    with audit.change("edit", by=SYSTEM):
        refused("DELETE FROM {}")
    with audit.change(Change.Kind.PRUNE, by=SYSTEM, data={"horizon": ago(-1).isoformat()}) as change:
        refused("UPDATE {} SET event = 'x'")
        if connection.vendor == "postgresql":
            connection.check_constraints()
            refused("TRUNCATE {}")
        change.touched += model.objects.all().delete()[0]
        assert change.touched
    DID.objects.filter(number="100").edit(by=SYSTEM, notes="again")
    Operator.objects.update(name="again")
    refused("DELETE FROM dids_didhistory")
