"""Undo: what is reverted, what is refused and why; a preview always has the result of the undo."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.utils import timezone

import audit
from audit import SYSTEM
from audit.models import Change
from clients.models import Account, Client, Package, Reseller
from dids.history.undo.job import submit_undo
from dids.history.undo.result import UndoResult
from dids.history.undo.undo import Undo
from dids.models import DID, ClientPackage, DIDHistory, Stock, counters
from jobs.models import Job
from operators.models import Operator
from tests.audit.forging import forge
from tests.carrier import carrier, numbers_in, person
from tests.imports import imported
from tests.roles import as_owner

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
TRACKED = (Operator, Client, Account, Package, ClientPackage, DID)


@pytest.fixture
def house():
    return carrier()


def state():
    """Return every column of every tracked object."""
    return {model: list(model.objects.order_by("pk").values_list()) for model in TRACKED}


def latest():
    return Change.objects.latest("pk")


def undone(change=None, *, by=SYSTEM, now=None):
    """Undo a change, by default the latest, and return the result.

    The preview before has the same result and writes nothing.
    """
    undo = Undo(change or latest(), by=by, now=now)
    before, rows = state(), DIDHistory.objects.count()
    previewed = undo.preview()
    assert (state(), DIDHistory.objects.count()) == (before, rows)
    result = undo.run()
    assert result.results == previewed.results
    assert all(row.is_exact for row in counters.check())
    return result


def refused(result, model="did"):
    """Return {code: first names} of the refusals."""
    return {code: refusal.numbers for code, refusal in result.results[model].refusals.items()}


def test_an_edit_is_undone_with_all_its_fields_and_redone(house):
    dids = numbers_in("instock", ["100", "101"], house, tags=["old"], notes="before", hold_days=3)
    before = state()
    dids.edit(
        by=SYSTEM,
        kind="mass_edit",
        label="Mass edit",
        status="archive",
        tags=["new"],
        notes="",
        hold_days=None,
    )
    after, edit = state(), latest()

    assert undone(edit).sentence() == "2 numbers reverted."
    assert state() == before
    undo = latest()
    assert (undo.kind, undo.undo_of, undo.label, undo.touched) == ("undo", edit, "Undo of Mass edit", 2)
    assert undone(undo).done == 2
    assert (state(), latest().label) == (after, "Redo of Mass edit")
    assert undone(latest()).done == 2
    assert (state(), latest().label) == (before, "Undo of Mass edit")


def test_whether_an_undo_is_a_redo_does_not_depend_on_labels(house):
    dids = numbers_in("instock", ["100"], house)
    dids.edit(by=SYSTEM, label="Redo of the archive", notes="one")
    edit = latest()
    undone(edit)
    undo = latest()
    assert (edit.undo_word, undo.label) == ("Undo", "Undo of Redo of the archive")
    assert undo.data == {"redo": False, "undone": "Redo of the archive"}

    forge(f"UPDATE audit_change SET label = 'Redo of nothing' WHERE id = {undo.pk}")
    undone(latest())
    redo = latest()
    assert (redo.label, redo.undo_word) == ("Redo of Redo of the archive", "Undo")
    assert redo.data == {"redo": True, "undone": "Redo of the archive"}


def test_changes_are_undone_from_last_to_first_and_only_once(house):
    dids = numbers_in("instock", ["100"], house)
    before = state()
    dids.edit(by=SYSTEM, notes="one")
    first = latest()
    dids.edit(by=SYSTEM, notes="two")
    assert refused(undone(first)) == {"touched": ["100"]}

    undone(latest())
    assert undone(first).done == 1
    assert state() == before
    again = undone(first)
    assert (again.sentence(), again.change) == ("Nothing reverted, 1 already reverted.", None)


def test_created_numbers_are_deleted_and_restored_with_their_ids(house):
    DID.objects.create_numbers(["100", "101"], operator=house.operator, by=SYSTEM)
    made = state()
    undone()
    assert not DID.objects.exists()
    undone()
    assert state() == made


def test_deleted_numbers_are_restored_unless_the_number_exists_again(house):
    dids = numbers_in("reserved", ["100", "101"], house, notes="dear")
    kept = dict(dids.values_list("number", "pk"))
    dids.delete_unused(by=SYSTEM)
    change = latest()
    DID.objects.create_numbers(["101"], operator=house.operator, by=SYSTEM)

    result = undone(change)

    assert refused(result) == {"taken": ["101"]}
    assert DID.objects.get(number="100").pk == kept["100"]
    DID.objects.filter(number="101").delete_unused(by=SYSTEM)
    assert undone(change).sentence() == "1 number reverted, 1 already reverted."
    assert dict(dids.values_list("number", "pk")) == kept


def test_an_ended_client_package_is_restored_without_its_end_date_and_with_its_numbers(house):
    now = timezone.now()
    numbers_in("active", ["100"], house, now=now - 3 * DAY)
    numbers_in("blocked", ["101"], house, now=now - 3 * DAY)
    house.client_package.end_on(now - DAY, by=SYSTEM, now=now - 2 * DAY)
    before = state()[DID]
    house.client_package.deactivate(by=SYSTEM, ended=True, now=now - DAY)
    ended = state()[DID]

    assert undone().sentence() == "2 numbers and 1 client package reverted."
    given = ClientPackage.objects.get()
    assert (given.active, given.ends_at, state()[DID]) == (True, None, before)
    assert undone().done == 3
    given.refresh_from_db()
    assert (given.active, given.ends_at, state()[DID]) == (False, now - DAY, ended)


@pytest.mark.parametrize("close", [ClientPackage.close_client, ClientPackage.archive_package])
def test_closing_a_client_or_archiving_a_package_is_undone_with_all_that_stopped(house, close):
    numbers_in("active", ["100", "101"], house)
    before = state()
    close(house.client if close == ClientPackage.close_client else house.package, by=SYSTEM)
    closed = state()
    assert undone().done == 4
    assert state() == before
    assert undone().done == 4
    assert state() == closed


def test_numbers_changed_since_are_refused_and_named(house):
    dids = numbers_in("instock", [str(n) for n in range(100, 110)], house)
    dids.edit(by=SYSTEM, notes="all")
    change = latest()
    dids.filter(number__gte="107").edit(by=SYSTEM, add_tags=["vip"])
    dids.filter(number="101").update(notes="by hand")

    result = undone(change)

    assert result.sentence().startswith(
        "6 numbers reverted. 4 numbers refused (101, 107, 108, 109): changed again by a later change;"
    )
    assert set(DID.objects.exclude(notes="").values_list("number", flat=True)) == {"101", "107", "108", "109"}


@pytest.mark.parametrize("written", [False, True], ids=["not yet written", "written"])
def test_a_hold_that_ended_by_the_clock_counts_as_changed(house, written):
    now = timezone.now()
    dids = numbers_in("active", ["100"], house, hold_days=1, now=now - 2 * DAY)
    dids.hold(by=SYSTEM, now=now - 2 * DAY)
    change = latest()
    if written:
        dids.end_hold(by=SYSTEM)
    assert refused(undone(change)) == {"touched": ["100"]}


def test_no_number_is_reverted_to_a_hold_that_would_have_ended(house):
    now = timezone.now()
    dids = numbers_in("active", ["100"], house, hold_days=2, now=now - 3 * DAY)
    dids.hold(by=SYSTEM, now=now - 3 * DAY)
    dids.end_hold(by=SYSTEM, now=now - 2 * DAY)
    change = latest()
    assert refused(undone(change, now=now)) == {"over": ["100"]}
    assert undone(change, now=now - 2 * DAY).done == 1


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda house: house.client_package.deactivate(by=SYSTEM), "package off"),
        (lambda house: ClientPackage.objects.update(ends_at=timezone.now()), "package off"),
        (lambda house: ClientPackage.close_client(house.client, by=SYSTEM), "client closed"),
        (lambda house: ClientPackage.archive_package(house.package, by=SYSTEM), "package archived"),
        (lambda house: Operator.objects.update(reseller=carrier("South").reseller), "other reseller"),
    ],
)
@pytest.mark.parametrize("status", ["active", "blocked"])
def test_no_number_is_reverted_to_a_package_that_does_not_run(house, status, spoil, code):
    dids = numbers_in(status, ["100"], house)
    dids.edit(by=SYSTEM, status="hold")
    change = latest()
    spoil(house)
    assert refused(undone(change)) == {code: ["100"]}
    assert dids.get().status == "hold"


def test_free_places_are_filled_in_the_order_of_ids():
    house = carrier(did_limit=3)
    dids = numbers_in("active", ["100", "101", "102"], house)
    dids.hold(by=SYSTEM)
    change = latest()
    numbers_in("active", ["103"], house)
    result = undone(change)
    assert refused(result) == {"full": ["102"]}
    assert "its package is full; raise the DID limit" in result.sentence()
    assert house.client_package.numbers_in_use() == 3


def test_a_place_freed_by_the_same_undo_is_used_again():
    house = carrier(did_limit=1)
    numbers_in("active", ["101"], house)
    with audit.change("edit", by=SYSTEM, label="Swap") as change:
        DID.objects.filter(number="101").hold(by=SYSTEM)
        numbers_in("active", ["100"], house)
    assert undone(change).done == 2
    assert dict(DID.objects.values_list("number", "status")) == {"101": "active"}


def test_a_number_is_not_restored_without_its_operator(house):
    other = Operator(reseller=house.reseller, name="Other")
    other.record(by=SYSTEM, fields=())
    numbers_in("reserved", ["100"], carrier("South")).update(operator=other)
    DID.objects.filter(number="100").delete_unused(by=SYSTEM)
    change = latest()
    assert not other.delete_unused(by=SYSTEM)
    assert refused(undone(change)) == {"operator gone": ["100"]}
    undone(Change.objects.get(label="Operator Other deleted"))
    assert undone(change).done == 1


def test_a_pruned_version_is_not_restored(house):
    dids = numbers_in("instock", ["100"], house, now=timezone.now() - 9 * DAY)
    dids.edit(by=SYSTEM, notes="all")
    change = latest()
    tomorrow = {"horizon": (timezone.now() + DAY).isoformat()}
    with as_owner(), audit.change("prune", by=SYSTEM, label="Pruned", data=tomorrow) as pruning:
        pruning.touched += DIDHistory.objects.filter(event="+").delete()[0]
    result = undone(change)
    assert refused(result) == {"unknown": ["100"]}
    assert Undo(pruning, by=SYSTEM).obstacle().startswith("Deleted history")
    assert Undo(change, by=SYSTEM).obstacle() == ""


def test_nothing_is_restored_without_its_account_or_client_package(house):
    dids = numbers_in("hold", ["100"], house)
    dids.end_hold(by=SYSTEM)
    change = latest()
    house.client_package.delete()
    assert refused(undone(change)) == {"client_package gone": ["100"]}
    house.account.delete_unused(by=SYSTEM)
    assert refused(undone(change)) == {"account gone": ["100"]}


def test_an_account_is_not_restored_without_its_client(house):
    client = Client(reseller=house.reseller, name="Second")
    client.record(by=SYSTEM, fields=())
    account = Account(client=client, name="second")
    account.record(by=SYSTEM, fields=())
    assert account.delete_unused(by=SYSTEM) == []
    change = latest()
    assert client.delete_unused(by=SYSTEM) == []
    assert refused(undone(change), "account") == {"client gone": ["second"]}


def test_a_client_package_is_not_restored_without_its_package(house):
    with audit.change("package", by=SYSTEM) as change:
        house.client_package.delete()
    assert house.package.delete_unused(by=SYSTEM) == []
    assert refused(undone(change), "clientpackage") == {"package gone": ["Basic of North Bakery"]}


def test_an_operator_is_not_restored_without_its_reseller(house):
    south = Reseller(name="South")
    south.record(by=SYSTEM, fields=())
    other = Operator(reseller=south, name="Other")
    other.record(by=SYSTEM, fields=())
    assert not other.delete_unused(by=SYSTEM)
    change = latest()
    assert south.delete_unused(by=SYSTEM) == []
    assert refused(undone(change), "operator") == {"reseller gone": ["Other"]}


@pytest.mark.parametrize("kind", ["operator", "client", "package"])
def test_what_clients_use_does_not_go_back_to_another_reseller(house, kind):
    moved = getattr(carrier("South"), kind)
    moved.reseller, moved.name = house.reseller, f"Second {kind}"
    moved.record(by=SYSTEM, fields=["reseller", "name"])
    change = latest()
    if kind == "operator":
        numbers_in("active", ["100"], SimpleNamespace(**vars(house) | {"operator": moved}))
    assert refused(undone(change), kind) == {"stays": [f"Second {kind}"]}


# --- named records ----------------------------------------------------------------------------------


def test_a_named_record_is_undone(house):
    house.operator.name = "Renamed"
    before = state()
    house.operator.record(by=SYSTEM, fields=["name"])
    assert undone().sentence() == "1 operator reverted."
    assert state() == before
    Account(client=house.client, name="second").record(by=SYSTEM, fields=())
    assert undone().sentence() == "1 account reverted."
    assert state() == before


def test_a_name_that_was_taken_since_is_refused(house):
    house.operator.name = "Renamed"
    house.operator.record(by=SYSTEM, fields=["name"])
    change = latest()
    Operator.objects.create(reseller=house.reseller, name="North Telecom")
    result = undone(change)
    assert result.sentence().startswith("Nothing reverted. 1 operator refused (Renamed): its name is taken")


def test_records_in_use_are_neither_deleted_nor_closed(house):
    account = Account(client=house.client, name="second")
    account.record(by=SYSTEM, fields=())
    change = latest()
    numbers_in("instock", ["100"], house).assign(house.client_package, account, by=SYSTEM)
    assert refused(undone(change), "account") == {"used": ["second"]}

    ClientPackage.close_client(house.client, by=SYSTEM)
    ClientPackage.reopen(house.client, by=SYSTEM)
    reopened = latest()
    house.client_package.refresh_from_db()
    house.client_package.activate(by=SYSTEM)
    switched_on = latest()
    numbers_in("active", ["101"], house)
    assert refused(undone(reopened), "client") == {"still on": ["North Bakery"]}
    # The resumed number goes on Hold again, but the one assigned since needs the client package.
    result = undone(switched_on)
    assert refused(result, "clientpackage") == {"still on": ["Basic of North Bakery"]}
    assert result.results["did"].done == 1


def test_an_end_date_in_the_past_is_not_restored(house):
    now = timezone.now()
    house.client_package.end_on(now + DAY, by=SYSTEM, now=now)
    house.client_package.end_on(None, by=SYSTEM, now=now)
    change = latest()
    assert refused(undone(change, now=now + 2 * DAY), "clientpackage") == {"ended": ["Basic of North Bakery"]}


def test_a_user_needs_permission_for_the_records_that_are_undone(house):
    supervisor = person("anna", "audit.undo_change")
    numbers_in("active", ["100"], house)
    house.client_package.deactivate(by=SYSTEM)
    result = undone(by=supervisor)
    assert refused(result, "clientpackage") == {"right": ["Basic of North Bakery"]}
    assert refused(result) == {"package off": ["100"]}


# --- resellers --------------------------------------------------------------------------------------


def test_a_bound_user_undoes_the_rows_of_their_reseller_and_sees_no_others(house):
    south = carrier("South")
    numbers_in("instock", ["100"], house)
    numbers_in("instock", ["200"], south)
    DID.objects.all().edit(by=SYSTEM, notes="both")
    change = latest()
    bound = person("anna", "audit.undo_change", reseller=house.reseller)
    elsewhere = person("berta", "audit.undo_change", reseller=carrier("West").reseller)

    assert Undo(change, by=bound).is_visible() and not Undo(change, by=elsewhere).is_visible()
    result = undone(change, by=bound)
    assert (result.done, result.selected) == (1, 1)
    assert dict(DID.objects.values_list("number", "notes")) == {"100": "", "200": "both"}


def test_a_bound_user_cannot_undo_a_move_between_resellers(house):
    south = carrier("South")
    numbers_in("instock", ["100"], south)
    with audit.change("edit", by=SYSTEM, label="Moved") as change:
        DID.objects.update(operator=house.operator)
    for reseller in (house.reseller, south.reseller):
        assert not Undo(change, by=person(reseller.name, "audit.undo_change", reseller=reseller)).is_visible()
    assert undone(change).done == 1


def test_a_bound_user_undoes_changes_of_numbers_that_came_with_their_operator(house):
    south = carrier("South")
    numbers_in("instock", ["100"], south)
    south.operator.reseller, south.operator.name = house.reseller, "Line of the South"
    south.operator.record(by=SYSTEM, fields=["reseller", "name"])
    DID.objects.filter(number="100").delete_unused(by=SYSTEM)
    bound = person("anna", "audit.undo_change", reseller=house.reseller)
    former = person("berta", "audit.undo_change", reseller=south.reseller)
    deleted = latest()

    assert Undo(deleted, by=bound).is_visible() and not Undo(deleted, by=former).is_visible()
    assert undone(deleted, by=bound).done == 1
    assert DID.objects.get().number == "100"


# --- imports ----------------------------------------------------------------------------------------


def test_an_import_that_created_everything_is_undone_completely(house):
    numbers_in("instock", ["300", "301"], house)
    before = state()
    text = "DID,Status,Operator,Client,Account,Package,Reseller,Notes\n"
    text += "300,,,,,,,changed\n301,,,,,,,\n"
    text += "".join(f"{n},In Stock,New Line,,,,North,\n" for n in range(400, 600))
    text += "".join(f"{n},Active,New Line,New Client,main,New Pack,North,\n" for n in range(600, 700))
    owner = person("anna")
    owner.is_superuser = True
    owner.save()
    one = imported(text, owner, create=True)
    assert one.counts == {"created": 300, "updated": 1, "unchanged": 1, "refused": 0, "flagged": 0}
    made = state()

    result = undone(one.job.change)
    assert result.counts() == "301 numbers, 1 client package, 1 package, 1 account, 1 client and 1 operator"
    assert state() == before
    assert undone(latest()).done == 306
    assert state() == made


def test_an_import_of_twenty_thousand_rows_is_undone_by_a_job(house):
    there = [str(n) for n in range(4_420_000_000, 4_420_008_000)]
    DID.objects.create_numbers(there, operator=house.operator, by=SYSTEM, notes="before")
    before, stock = state(), stock_now()
    owner = person("anna")
    owner.is_superuser = True
    owner.save()
    lines = (f"{n},{house.operator.name},Gold,row {n}" for n in range(4_420_000_000, 4_420_020_000))
    one = imported("DID,Operator,Tag,Notes\n" + "\n".join(lines), owner)
    assert one.counts == {"created": 12_000, "updated": 8_000, "unchanged": 0, "refused": 0, "flagged": 0}
    job = submit_undo(Undo(one.job.change, by=owner))
    call_command("worker", "--once")
    job.refresh_from_db()
    assert (job.state, job.done) == (Job.State.DONE, 20_000)
    assert state() == before
    assert stock_now() == stock and all(row.is_exact for row in counters.check())


def stock_now():
    return {status: count for status, count in Stock.objects.by_status(None, timezone.now()).items() if count}


def test_records_created_by_an_import_are_kept_while_others_use_them(house):
    owner = person("anna")
    owner.is_superuser = True
    owner.save()
    one = imported("DID,Operator,Reseller\n400,New Line,North\n401,New Line,North\n", owner, create=True)
    DID.objects.filter(number="401").edit(by=SYSTEM, notes="mine")
    result = undone(one.job.change)
    assert (refused(result), refused(result, "operator")) == ({"touched": ["401"]}, {"used": ["New Line"]})
    DID.objects.filter(number="401").delete_unused(by=SYSTEM)
    result = undone(one.job.change)
    assert (result.results["operator"].done, refused(result)) == (1, {"touched": ["401"]})


def test_a_preview_of_several_chunks_has_the_result_of_the_undo(house, monkeypatch):
    monkeypatch.setattr("dids.history.undo.undo.CHUNK", 7)
    small = carrier("South", did_limit=20)
    dids = numbers_in("active", [str(n) for n in range(100, 120)], small)
    dids.hold(by=SYSTEM)
    change = latest()
    numbers_in("active", ["200", "201", "202"], small)
    assert refused(undone(change)) == {"full": ["117", "118", "119"]}


@pytest.mark.parametrize("by_job", [False, True])
def test_numbers_that_swapped_places_in_a_full_package_swap_back_in_any_number_of_chunks(
    house, monkeypatch, by_job
):
    monkeypatch.setattr("dids.history.undo.undo.CHUNK", 7)
    small = carrier("South", did_limit=20)
    leaving = numbers_in("active", [str(n) for n in range(100, 120)], small)
    entering = numbers_in("instock", [str(n) for n in range(200, 220)], small)
    before = dict(DID.objects.values_list("number", "status"))
    with audit.change("edit", by=SYSTEM, label="Swap") as change:
        leaving.hold(by=SYSTEM)
        entering.assign(small.client_package, small.account, by=SYSTEM)
    DID.objects.filter(number="219").edit(by=SYSTEM, notes="changed since")  # so it keeps its place
    if by_job:
        job = submit_undo(Undo(change, by=person("anna", "audit.undo_change")))
        preview = Undo(change, by=job.owner).preview()
        call_command("worker", "--once")
        job.refresh_from_db()
        result = UndoResult.from_json(job.result)
        assert result.results == preview.results and job.done == job.total
    else:
        result = undone(change)
    assert (result.done, refused(result)) == (38, {"touched": ["219"], "full": ["119"]})
    changed = {"119": "hold", "219": "active"}
    assert dict(DID.objects.values_list("number", "status")) == before | changed
