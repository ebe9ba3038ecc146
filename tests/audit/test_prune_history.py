"""Old history is exported and deleted; what was since the day, and what was when it began, stays known."""

import csv
import gzip
import json
from datetime import timedelta
from io import StringIO

import pytest
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
from tests.carrier import carrier, numbers_in, person

pytestmark = pytest.mark.django_db

NOW = timezone.now()
DAY = (NOW - timedelta(days=200)).replace(hour=0, minute=0, second=0, microsecond=0)


def ago(days):
    return NOW - timedelta(days=days)


def prune(folder=None, *options, before=DAY):
    """What the command prints."""
    out = StringIO()
    where = ["--export", str(folder)] if folder else []
    call_command("prune_history", "--before", f"{before:%Y-%m-%d}", *where, *options, stdout=out)
    return out.getvalue()


def all_rows():
    """{(table, key): the row as an export tells it} of all that pruning might delete."""
    found = {}
    for model in (*TRACKED.values(), Change):
        columns = [field.attname for field in model._meta.concrete_fields]
        for row in model.objects.values_list("pk", *columns):
            told = ["" if value is None else _text(value) for value in row[1:]]
            found[model._meta.db_table, row[0]] = dict(zip(columns, told, strict=True))
    return found


def _text(value):
    return json.dumps(value) if isinstance(value, dict) else str(value)


def exported(*folders):
    """{(table, key): row} of the files; no row is in two of them."""
    found = {}
    for path in (path for folder in folders for path in folder.iterdir()):
        table = path.name.removesuffix(".csv.gz")
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                key = (table, int(row.get("history_id") or row["id"]))
                assert key not in found
                found[key] = row
    return found


def told_days(number):
    """How many days ago each row of the number's history was written, oldest first."""
    rows = DIDHistory.objects.filter(number=number).order_by("history_id")
    return [(NOW - at).days for at in rows.values_list("at", flat=True)]


@pytest.fixture
def house(db):
    """A carrier with numbers of which some changed, and some were deleted, before and after DAY."""
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


def test_the_newest_state_before_the_day_stays_of_what_is_there_or_has_later_history(house, tmp_path):
    prune(tmp_path / "out")

    assert told_days("100") == [300, 100]
    assert told_days("101") == []
    assert told_days("102") == [400, 100]
    assert told_days("103") == [400]
    assert told_days("104") == [100]


def test_the_files_hold_exactly_what_was_deleted(house, tmp_path):
    before = all_rows()

    said = prune(tmp_path / "out")

    after = all_rows()
    gone = {key: row for key, row in before.items() if key not in after}
    assert exported(tmp_path / "out") == gone
    assert sum(table == "dids_didhistory" for table, _ in gone) == 5
    # The making and the first edit of 100, both changes of 101, the making of 103 before it was assigned.
    assert sum(table == "audit_change" for table, _ in gone) == 5
    assert "dids_didhistory: 5 rows exported." in said
    assert said.endswith(f"10 rows were exported to {tmp_path / 'out'} and deleted.\n")
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


def test_what_was_since_the_day_is_told_as_before(house, tmp_path):
    anna = person("anna", "dids.view_did")
    numbers_in("hold", ["105"], house, now=ago(400))
    DID.objects.filter(number="105").end_hold(by=SYSTEM, now=ago(150))

    def since_the_day():
        told = {}
        for pk in DIDHistory.objects.values_list("object_id", flat=True).distinct():
            entries, _ = timeline(pk, anna)
            told[pk] = [entry for entry in entries if entry.at >= DAY]
            for moment in (DAY, ago(160), ago(50), NOW):
                last = DIDHistory.objects.filter(object_id=pk, at__lte=moment).order_by("-history_id").first()
                if last and last.event != "-":
                    told[pk, moment] = (last.number, last.status, last.account_id, last.notes)
        left = DID.objects.with_last_holder().values_list("number", "left_at", "last_account")
        return told, sorted(left, key=lambda row: row[0])

    before = since_the_day()
    prune(tmp_path / "out")

    told, left = since_the_day()
    gone = before[0].keys() - told.keys()
    assert all(before[0][key] == [] for key in gone) and len(gone) == 1
    assert told == {key: value for key, value in before[0].items() if key not in gone}
    assert left == before[1]
    assert ("105", ago(150), house.account.pk) in left


def test_without_an_export_nothing_is_deleted(house):
    before = all_rows()
    with pytest.raises(CommandError, match="nothing is deleted without"):
        prune()
    assert all_rows() == before


def test_a_dry_run_counts_and_deletes_nothing(house):
    before = all_rows()
    said = prune(None, "--dry-run")
    assert "dids_didhistory: 5 rows would be deleted.\n" in said
    assert "audit_change: 5 rows would be deleted.\n" in said
    assert all_rows() == before


def test_a_folder_with_something_in_it_is_not_written_to(house, tmp_path):
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
    with pytest.raises(CommandError, match=r"can't be written.*Nothing was deleted"):
        prune(tmp_path / "file" / "out")
    assert all_rows() == before


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "31.1.2026", ""])
def test_a_day_that_is_none_is_refused(day, tmp_path):
    with pytest.raises(CommandError, match="--before must be a day such as"):
        call_command("prune_history", "--before", day, "--export", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_history_that_picking_numbers_reads_is_refused(settings, tmp_path):
    settings.DID_REUSE_DAYS = 90
    with pytest.raises(CommandError, match=r"less than 90 days ago \(DID_REUSE_DAYS\)"):
        prune(tmp_path / "out", before=timezone.localtime() - timedelta(days=89))
    prune(tmp_path / "out", before=timezone.localtime() - timedelta(days=90))


def test_a_path_that_would_be_recorded_by_half_is_refused(house, tmp_path):
    with pytest.raises(CommandError, match="too long"):
        prune(tmp_path / ("x" * 200))


def test_pruning_is_a_change_itself_and_stays(house, tmp_path):
    prune(tmp_path / "out")

    change = Change.objects.get(kind="prune")
    assert (change.touched, change.actor_name, change.source) == (5 + 5, "system", "prune_history")
    assert change.label == f"History before {DAY:%Y-%m-%d} deleted, exported to {tmp_path / 'out'}"

    Change.objects.filter(pk=change.pk).update(at=ago(300))
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


def test_pruning_where_nothing_is_old_leaves_no_change(tmp_path):
    carrier()
    assert prune(tmp_path / "out").endswith(f"0 rows were exported to {tmp_path / 'out'} and deleted.\n")
    assert not Change.objects.filter(kind="prune").exists()


def test_changes_that_a_job_or_a_later_undo_refers_to_stay(house, tmp_path):
    first, second, *_ = Change.objects.filter(at__lt=ago(350)).order_by("pk")
    Job.objects.create(kind="create", owner=person("anna"), change=first)
    Change.objects.create(kind="undo", actor_kind="system", actor_name="system", undo_of=second)

    prune(tmp_path / "out")

    assert Change.objects.filter(pk__in=[first.pk, second.pk]).count() == 2
    assert told_days("100") == [300, 100]


def test_a_pruning_that_was_killed_is_repeated_and_nothing_is_lost(house, tmp_path, monkeypatch):
    monkeypatch.setattr(pruning, "CHUNK", 2)
    before = all_rows()

    pruning.export(DAY, tmp_path / "killed")
    work = pruning.delete(DAY, tmp_path / "killed", by=SYSTEM, label="killed")
    next(work), next(work)
    work.close()
    halfway = all_rows()
    prune(tmp_path / "repeated")

    killed, repeated = Change.objects.filter(kind="prune").order_by("pk")
    assert (killed.touched, repeated.touched) == (4, 6)
    after = all_rows()
    assert halfway.keys() - {("audit_change", killed.pk)} < before.keys()
    assert exported(tmp_path / "repeated") == {key: row for key, row in halfway.items() if key not in after}
    gone = {key: row for key, row in before.items() if key not in after}
    assert exported(tmp_path / "killed") == gone
    assert told_days("100") == [300, 100] and told_days("101") == []


def test_two_prunings_of_the_same_history_delete_it_once(house, tmp_path, monkeypatch):
    monkeypatch.setattr(pruning, "CHUNK", 1)
    for name in ("one", "two"):
        pruning.export(DAY, tmp_path / name)

    for name in ("one", "two"):
        list(pruning.delete(DAY, tmp_path / name, by=SYSTEM, label=name))

    assert [change.label for change in Change.objects.filter(kind="prune")] == ["one"]
    assert told_days("100") == [300, 100]


def test_what_is_written_after_the_export_stays(house, tmp_path):
    pruning.export(DAY, tmp_path / "out")
    DID.objects.filter(number="103").edit(by=SYSTEM, notes="late", now=ago(300))

    list(pruning.delete(DAY, tmp_path / "out", by=SYSTEM, label="Old"))

    assert told_days("103") == [400, 300]


@pytest.mark.parametrize("model", list(TRACKED.values()), ids=lambda model: model.__name__)
def test_history_can_be_deleted_while_it_is_pruned_but_never_changed(house, model):
    def refused(statement):
        with (
            pytest.raises(DatabaseError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement.format(model._meta.db_table))

    with audit.change("edit", by=SYSTEM):
        refused("DELETE FROM {}")
    with audit.change(Change.Kind.PRUNE, by=SYSTEM) as change:
        refused("UPDATE {} SET event = 'x'")
        if connection.vendor == "postgresql":
            connection.check_constraints()
            refused("TRUNCATE {}")
        change.touched += model.objects.all().delete()[0]
        assert change.touched
    DID.objects.filter(number="100").edit(by=SYSTEM, notes="again")
    Operator.objects.update(name="again")
    refused("DELETE FROM dids_didhistory")
