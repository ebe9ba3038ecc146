"""Every move between two statuses by every method, compared with the specified table."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import Count, Sum
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from audit import SYSTEM
from dids.models import DID, ClientPackage, DIDHistory, Stock
from tests.carrier import carrier, numbers_in, person
from tests.examples import scaled

pytestmark = pytest.mark.django_db

STATUSES = ["reserved", "instock", "active", "blocked", "hold", "archive"]
FREE = {"reserved", "instock", "archive"}

BY_EDIT = {
    ("reserved", "instock"),
    ("instock", "reserved"),
    ("reserved", "archive"),
    ("instock", "archive"),
    ("archive", "reserved"),
    ("archive", "instock"),
    ("active", "blocked"),
    ("blocked", "active"),
    ("active", "hold"),
    ("blocked", "hold"),
    ("hold", "reserved"),
    ("hold", "instock"),
    ("hold", "archive"),
}


def assert_row_is_sound(did):
    held = did.status in {"active", "blocked", "hold"}
    assert (did.account_id is not None) == held
    assert (did.client_package_id is not None) == held
    assert (did.hold_until is not None) == (did.status == "hold")


@pytest.mark.parametrize("target", STATUSES)
@pytest.mark.parametrize("source", STATUSES)
def test_an_edit_makes_exactly_the_moves_of_the_table(source, target):
    dids = numbers_in(source, ["100"], carrier())
    before = DIDHistory.objects.count()

    previewed = dids.preview_edit(by=SYSTEM, status=target)
    result = dids.edit(by=SYSTEM, status=target)

    legal = (source, target) in BY_EDIT
    assert result == previewed
    assert result.done == int(legal)
    assert result.unchanged == int(source == target)
    assert result.refused == int(not legal and source != target)
    did = dids.get()
    assert did.status == (target if legal else source)
    assert_row_is_sound(did)
    assert DIDHistory.objects.count() == before + int(legal)
    if result.refused:
        assert "1 refused (100): " in result.sentence()


@pytest.mark.parametrize("source", STATUSES)
def test_only_numbers_in_stock_or_on_hold_are_assigned(source):
    house = carrier()
    dids = numbers_in(source, ["100"], house)

    result = dids.assign(house.client_package, house.account, by=SYSTEM)

    assert result.done == int(source in {"instock", "hold"})
    assert result.unchanged == int(source == "active")
    assert dids.get().status == ("active" if source in {"instock", "hold", "active"} else source)
    assert_row_is_sound(dids.get())


@pytest.mark.parametrize("source", STATUSES)
def test_ending_a_hold_moves_only_numbers_on_hold_to_after_hold(source):
    dids = numbers_in(source, ["100"], carrier(), after_hold="reserved")

    previewed = dids.preview_end_hold(by=SYSTEM)
    result = dids.end_hold(by=SYSTEM)

    assert result == previewed
    assert result.done == int(source == "hold")
    assert dids.get().status == ("reserved" if source == "hold" else source)
    assert_row_is_sound(dids.get())


@pytest.mark.parametrize("source", STATUSES)
def test_only_numbers_in_the_archive_are_restored_from_it(source):
    dids = numbers_in(source, ["100"], carrier())

    previewed = dids.preview_edit(by=SYSTEM, status="instock", from_archive=True)
    result = dids.edit(by=SYSTEM, status="instock", from_archive=True)

    assert result == previewed
    assert (result.done, result.refused) == ((1, 0) if source == "archive" else (0, 1))
    assert dids.get().status == ("instock" if source == "archive" else source)
    if result.refused:
        assert result.refusals[source].why.endswith(", not in the archive")


@pytest.mark.parametrize("source", STATUSES)
def test_only_free_numbers_are_deleted_and_their_history_remains(source):
    dids = numbers_in(source, ["100"], carrier())
    pk = dids.get().pk

    previewed = dids.preview_delete(by=SYSTEM)
    result = dids.delete_unused(by=SYSTEM)

    assert result == previewed
    assert result.done == int(source in FREE)
    assert dids.exists() == (source not in FREE)
    last = DIDHistory.objects.filter(object_id=pk).latest("history_id")
    assert last.event == ("-" if source in FREE else last.event)
    assert last.status == source


@pytest.mark.parametrize("status", ["active", "blocked", "hold", "nonsense"])
def test_new_numbers_start_in_a_free_status(status):
    with pytest.raises(ValueError, match="can’t be"):
        DID.objects.create_numbers(["100"], operator=carrier().operator, by=SYSTEM, status=status)


RIGHT_FOR = {
    ("reserved", "instock"): "change_did",
    ("instock", "archive"): "change_did",
    ("archive", "instock"): "restore_did",
    ("active", "blocked"): "block_did",
    ("blocked", "active"): "block_did",
    ("active", "hold"): "hold_did",
    ("hold", "instock"): "end_hold_did",
}


@pytest.mark.parametrize(("source", "target"), RIGHT_FOR)
def test_a_user_needs_the_right_of_the_move(source, target):
    house = carrier()
    dids = numbers_in(source, ["100"], house)
    right = RIGHT_FOR[source, target]
    other_rights = [f"dids.{r}" for r in {*RIGHT_FOR.values(), "assign_did", "delete_did"} - {right}]

    refused = dids.edit(by=person("anna", *other_rights), status=target)
    done = dids.edit(by=person("berta", f"dids.{right}"), status=target)

    assert (refused.done, refused.refused) == (0, 1)
    assert "you don’t have the right to" in refused.sentence()
    assert done.done == 1
    assert dids.get().status == target


def test_fields_are_not_edited_without_the_right_to_edit():
    dids = numbers_in("active", ["100"], carrier())

    result = dids.edit(by=person("anna", "dids.block_did"), notes="mine", status="blocked")

    assert (result.done, result.refused) == (0, 1)
    assert (dids.get().notes, dids.get().status) == ("", "active")


def test_a_refused_number_keeps_all_its_fields():
    house = carrier()
    numbers_in("active", ["100"], house)
    numbers_in("instock", ["101"], house)

    result = DID.objects.all().edit(by=SYSTEM, status="reserved", notes="back", add_tags=["vip"])

    assert (result.done, result.refused) == (1, 1)
    refused = DID.objects.get(number="100")
    assert (refused.notes, refused.tag_set) == ("", None)


def test_unchanged_numbers_are_neither_written_nor_recorded():
    dids = numbers_in("instock", ["100", "101"], carrier())
    dids.edit(by=SYSTEM, notes="x", add_tags=["vip"], hold_days=3)
    before = DIDHistory.objects.count()

    result = dids.edit(by=SYSTEM, status="instock", notes="x", add_tags=["vip"], hold_days=3)

    assert (result.done, result.unchanged) == (0, 2)
    assert DIDHistory.objects.count() == before


def test_tags_are_added_removed_and_replaced():
    house = carrier()
    DID.objects.create_numbers(["100", "101"], operator=house.operator, by=SYSTEM, tags=["gold", "old"])
    DID.objects.create_numbers(["102"], operator=house.operator, by=SYSTEM)

    def labels():
        return [getattr(d.tag_set, "label", "") for d in DID.objects.order_by("number")]

    DID.objects.all().edit(by=SYSTEM, add_tags=["vip"], remove_tags=["old"])
    assert labels() == ["gold, vip", "gold, vip", "vip"]
    DID.objects.filter(number="101").edit(by=SYSTEM, tags=["Berlin", "mobile"])
    assert labels() == ["gold, vip", "Berlin, mobile", "vip"]
    DID.objects.all().edit(by=SYSTEM, tags=[])
    assert labels() == ["", "", ""]


def test_a_package_takes_no_more_numbers_than_its_limit():
    house = carrier(did_limit=3)
    numbers = [str(n) for n in range(100, 105)]
    DID.objects.create_numbers(numbers, operator=house.operator, by=SYSTEM)

    result = DID.objects.all().assign(house.client_package, house.account, by=SYSTEM)

    assert (result.done, result.refused) == (3, 2)
    assert "is full, its DID limit is 3" in result.sentence()
    assert house.client_package.numbers_in_use() == 3


def test_a_number_on_hold_does_not_count_towards_the_limit():
    house = carrier(did_limit=1)
    numbers_in("hold", ["100"], house)
    numbers_in("active", ["101"], house)
    assert house.client_package.numbers_in_use() == 1

    back = DID.objects.filter(number="100").assign(house.client_package, house.account, by=SYSTEM)

    assert (back.done, back.refused) == (0, 1)


def test_a_package_takes_only_numbers_of_its_reseller_with_an_allowed_tag():
    house, other = carrier("North", allowed_tags="gold, vip"), carrier("South")
    DID.objects.create_numbers(["100"], operator=house.operator, by=SYSTEM, tags=["vip", "old"])
    DID.objects.create_numbers(["101"], operator=house.operator, by=SYSTEM, tags=["old"])
    DID.objects.create_numbers(["102"], operator=house.operator, by=SYSTEM)
    DID.objects.create_numbers(["103"], operator=other.operator, by=SYSTEM, tags=["vip"])

    result = DID.objects.all().assign(house.client_package, house.account, by=SYSTEM)

    assert result.done == 1
    assert DID.objects.get(status="active").number == "100"
    assert result.refusals["tags"].numbers == ["101", "102"]
    assert result.refusals["reseller"].numbers == ["103"]
    assert result.refusals["tags"].why == (
        "without a tag that package Basic allows (gold, vip); tag them first"
    )
    assert result.refusals["reseller"].why == (
        "of another reseller; package Basic takes only numbers of North"
    )


NOT_ACTIVE = "package Basic of North Bakery is not active; activate it first"


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        ("switched off", NOT_ACTIVE),
        ("ended", NOT_ACTIVE),
        ("not begun", NOT_ACTIVE),
        ("closed", "client North Bakery is closed; reopen the client first"),
        (
            "foreign account",
            "account south_bakery does not belong to North Bakery; choose an account of North Bakery",
        ),
    ],
)
def test_nothing_is_assigned_under_a_package_that_is_not_running(problem, why):
    house = carrier()
    DID.objects.create_numbers(["100"], operator=house.operator, by=SYSTEM)
    now = timezone.now()
    if problem == "switched off":
        house.client_package.deactivate(by=SYSTEM)
    elif problem == "ended":
        ClientPackage.objects.update(ends_at=now - timedelta(seconds=1))
    elif problem == "not begun":
        ClientPackage.objects.update(starts_at=now + timedelta(hours=1))
    elif problem == "closed":
        house.client.closed_at = now
        house.client.save()
    account = carrier("South").account if problem == "foreign account" else house.account

    result = DID.objects.all().assign(house.client_package, account, by=SYSTEM)

    assert (result.done, result.refused) == (0, 1)
    assert result.sentence("assigned") == f"No number assigned. 1 refused (100): {why}."
    assert DID.objects.get().status == "instock"


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("reserved", "Reserved; set to In Stock first, then pick them on the client’s DIDs tab"),
        ("active", "Active, so already in use; put on Hold first"),
        ("blocked", "Blocked, so already in use; unblock instead"),
        ("hold", "on Hold after use by a client other than South Bakery; end the hold first"),
        ("archive", "Archive; set to In Stock first, then pick them on the client’s DIDs tab"),
    ],
)
def test_a_number_that_cannot_be_assigned_is_refused_with_the_next_step(status, why):
    north, south = carrier(), carrier("South")
    dids = numbers_in(status, ["100"], north)
    south.client_package.package.reseller = north.reseller
    south.client_package.package.name = "Other"
    south.client_package.package.save()

    result = dids.assign(south.client_package, south.account, by=SYSTEM)

    assert [refusal.why for refusal in result.refusals.values()] == [why]
    assert dids.get().status == status


def test_a_blocked_number_is_unblocked_only_while_its_package_runs():
    house = carrier()
    dids = numbers_in("blocked", ["100"], house)
    ClientPackage.objects.update(ends_at=timezone.now() - timedelta(seconds=1))

    result = dids.unblock(by=SYSTEM)

    assert (result.done, result.refused) == (0, 1)
    assert "1 refused (100): the client package is not active; activate it first." in result.sentence()


def test_a_number_on_hold_returns_only_to_its_own_client():
    north = carrier()
    dids = numbers_in("hold", ["100"], north)
    other_client = carrier("South")
    other_client.client_package.package.reseller = north.reseller
    other_client.client_package.package.name = "Other"
    other_client.client_package.package.save()

    refused = dids.assign(other_client.client_package, other_client.account, by=SYSTEM)
    back = dids.assign(north.client_package, north.account, by=SYSTEM)

    assert (refused.done, refused.refused) == (0, 1)
    assert "after use by a client other than" in refused.sentence()
    assert back.done == 1


def test_a_package_that_stops_puts_its_numbers_on_hold_in_one_change():
    house = carrier()
    numbers_in("active", ["100", "101"], house)
    DID.objects.filter(number="101").block(by=SYSTEM)
    anna = person("anna")

    result = house.client_package.deactivate(by=anna)

    assert result.done == 2
    assert set(DID.objects.values_list("status", flat=True)) == {"hold"}
    last = DIDHistory.objects.latest("history_id").change
    assert last.actor == anna
    assert last.label == "Package Basic of North Bakery switched off"
    assert DIDHistory.objects.filter(change=last).count() == 2


def test_stopping_a_package_again_changes_nothing():
    house = carrier()
    numbers_in("active", ["100"], house)
    house.client_package.deactivate(by=SYSTEM)
    before = DIDHistory.objects.count()

    assert house.client_package.deactivate(by=SYSTEM).selected == 0
    assert DIDHistory.objects.count() == before


STEPS = some.sampled_from(
    [("edit", status) for status in STATUSES]
    + [("assign", None), ("end_hold", None), ("delete", None), ("days pass", None), ("package", None)]
)


@settings(max_examples=scaled(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=some.lists(some.tuples(STEPS, some.sets(some.integers(0, 7), min_size=1)), max_size=12))
def test_no_sequence_of_moves_breaks_an_invariant(db, steps):
    try:
        with transaction.atomic():
            play(steps)
            raise RollBackError
    except RollBackError:
        pass


class RollBackError(Exception):
    pass


def play(steps):
    house = carrier(did_limit=3)
    DID.objects.create_numbers([f"55{n}" for n in range(8)], operator=house.operator, by=SYSTEM, hold_days=5)
    now = timezone.now()
    for (method, status), picked in steps:
        dids = DID.objects.filter(number__in=[f"55{n}" for n in picked])
        selected, rows, released = dids.count(), DIDHistory.objects.count(), released_holds()
        back = 0
        if method == "edit":
            result = dids.edit(by=SYSTEM, status=status, now=now)
        elif method == "assign":
            result = dids.assign(house.client_package, house.account, by=SYSTEM, now=now)
        elif method == "end_hold":
            result = dids.end_hold(by=SYSTEM, now=now)
        elif method == "delete":
            result = dids.delete_unused(by=SYSTEM, now=now)
        elif method == "package":
            result = house.client_package.deactivate(by=SYSTEM, now=now)
            back = house.client_package.activate(by=SYSTEM, now=now).count
            selected = result.selected
        else:
            now += timedelta(days=3)
            continue
        assert result.selected == selected
        # One row for each number written, and one for each overdue hold released before.
        assert DIDHistory.objects.count() - rows == result.done + back + released_holds() - released
        for did in DID.objects.all():
            assert_row_is_sound(did)
        assert house.client_package.numbers_in_use() <= 3
        counted = dict.fromkeys(STATUSES, 0) | dict(
            DID.objects.values_list("status").annotate(Count("pk")).order_by()
        )
        stored = dict(Stock.objects.values_list("status").annotate(Sum("numbers")).order_by())
        assert dict.fromkeys(STATUSES, 0) | stored == counted


def released_holds():
    return DIDHistory.objects.filter(change__label="Overdue hold ended").count()


def version(dids):
    return dids.with_version().get().version


def test_an_edit_of_an_outdated_version_is_refused():
    dids = numbers_in("instock", ["100"], carrier())
    outdated = version(dids)
    dids.edit(by=SYSTEM, notes="theirs")

    result = dids.edit(by=SYSTEM, notes="mine", version=outdated)

    assert (result.done, list(result.refusals)) == (0, ["changed"])
    assert result.refusals["changed"].why == "changed by someone else meanwhile; reload and try again"
    assert dids.get().notes == "theirs"
    assert dids.edit(by=SYSTEM, notes="mine", version=version(dids)).done == 1


def test_an_edit_is_refused_after_a_write_outside_the_application():
    dids = numbers_in("instock", ["100"], carrier())
    outdated = version(dids)
    dids.update(notes="by hand")

    assert list(dids.edit(by=SYSTEM, notes="mine", version=outdated).refusals) == ["changed"]


def test_an_edit_is_not_refused_because_a_hold_ended_meanwhile():
    house, now = carrier(hold_days=1), timezone.now()
    dids = numbers_in("hold", ["100"], house, now=now)
    shown = version(dids)

    result = dids.edit(by=SYSTEM, notes="mine", version=shown, now=now + timedelta(days=2))

    assert result.done == 1
    assert (dids.get().status, dids.get().notes) == ("instock", "mine")


def test_previewing_a_creation_creates_nothing():
    house = carrier()
    numbers_in("instock", ["101", "103"], house)

    previewed = DID.objects.preview_create(str(n) for n in range(100, 110))

    assert previewed.done == 8
    assert previewed.refusals["exists"].numbers == ["101", "103"]
    assert DID.objects.count() == 2
    assert previewed == DID.objects.create_numbers(
        (str(n) for n in range(100, 110)), operator=house.operator, by=SYSTEM
    )
