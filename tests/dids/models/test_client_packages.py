"""Packages given to clients: giving, switching off and on, ending, and the effect on their numbers."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from audit import SYSTEM
from audit.models import Change
from clients.models import Client, Package
from dids.history.undo.undo import Undo
from dids.models import DID, ClientPackage, DIDHistory
from staff.models import User
from tests.carrier import carrier, numbers_in, person

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def statuses():
    return dict(DID.objects.order_by("number").values_list("number", "status"))


def test_a_reactivated_package_returns_its_numbers_to_what_its_stop_found():
    house, now = carrier(), timezone.now()
    dids = numbers_in("active", ["100", "101"], house, now=now)
    dids.filter(number="101").block(by=SYSTEM, now=now)
    house.client_package.deactivate(by=SYSTEM, now=now + DAY)
    assert statuses() == {"100": "hold", "101": "hold"}
    previewed = house.client_package.preview_activate(now=now + 2 * DAY)

    result = house.client_package.activate(by=SYSTEM, now=now + 2 * DAY)

    assert (result.returned, result.stay) == ({"active": 1, "blocked": 1}, [])
    assert previewed.returned == result.returned
    assert str(result) == "2 numbers returned from Hold: 1 Active, 1 Blocked."
    assert statuses() == {"100": "active", "101": "blocked"}
    assert not DID.objects.filter(resumes_as__isnull=False).exists()
    assert set(dids.values_list("account", "client_package")) == {(house.account.pk, house.client_package.pk)}
    change = Change.objects.latest("pk")
    assert (change.kind, change.label) == ("package", f"Package {house.client_package} switched on")
    assert DIDHistory.objects.filter(change=change).count() == 2


def test_numbers_longest_on_hold_return_first_and_the_others_are_named():
    house, now = carrier(did_limit=2), timezone.now()
    for n, number in enumerate(["102", "100", "101"]):
        dids = numbers_in("active", [number], house, now=now + n * DAY)
        dids.stop(by=SYSTEM, now=now + n * DAY)
    house.client_package.deactivate(by=SYSTEM, now=now + 4 * DAY)

    result = house.client_package.activate(by=SYSTEM, now=now + 5 * DAY)

    assert statuses() == {"100": "active", "101": "hold", "102": "active"}
    (full,) = result.stay
    assert (full.count, full.numbers) == (1, ["101"])
    assert "1 stays on Hold (101): package Basic of North Bakery is full, its DID limit is 2" in str(result)


def test_numbers_that_a_person_put_on_hold_stay_there_and_are_named():
    house, now = carrier(), timezone.now()
    numbers_in("active", ["100"], house, now=now)
    numbers_in("hold", ["101"], house, now=now)
    house.client_package.deactivate(by=SYSTEM, now=now)
    previewed = house.client_package.preview_activate(now=now)

    result = house.client_package.activate(by=SYSTEM, now=now)

    assert statuses() == {"100": "active", "101": "hold"}
    assert (result.returned, result.stay) == (previewed.returned, previewed.stay)
    assert str(result) == (
        "1 number returned from Hold: 1 Active. 1 stays on Hold (101): put there by a person;"
        " to use again, activate on the client’s DIDs tab."
    )


def test_a_number_left_on_hold_still_returns_when_the_package_is_activated_a_second_time():
    house, now = carrier(did_limit=1), timezone.now()
    numbers_in("active", ["100"], house, now=now)
    DID.objects.block(by=SYSTEM, now=now)
    house.client_package.deactivate(by=SYSTEM, now=now)
    numbers_in("instock", ["101"], house, now=now)
    ClientPackage.objects.update(active=True)
    DID.objects.filter(number="101").assign(house.client_package, house.account, by=SYSTEM, now=now)
    house.client_package.deactivate(by=SYSTEM, now=now + DAY)
    assert statuses() == {"100": "hold", "101": "hold"}

    house.client_package.activate(by=SYSTEM, now=now + DAY)
    assert statuses() == {"100": "blocked", "101": "hold"}
    house.client_package.deactivate(by=SYSTEM, now=now + 2 * DAY)
    Package.objects.update(did_limit=2)
    ClientPackage.objects.get().activate(by=SYSTEM, now=now + 2 * DAY)
    assert statuses() == {"100": "blocked", "101": "active"}


@pytest.mark.parametrize(
    ("touch", "status"),
    [
        (lambda dids, house: dids.edit(by=SYSTEM, status="hold", notes="x"), "blocked"),
        (lambda dids, house: dids.edit(by=SYSTEM, hold_days=60), "blocked"),
        (lambda dids, house: dids.end_hold(by=SYSTEM), "instock"),
        (lambda dids, house: dids.edit(by=SYSTEM, status="reserved"), "reserved"),
    ],
)
def test_what_happens_to_a_resting_number_decides_whether_it_returns(touch, status):
    house = carrier()
    dids = numbers_in("blocked", ["100"], house)
    house.client_package.deactivate(by=SYSTEM)
    touch(dids, house)
    house.client_package.activate(by=SYSTEM)
    assert dids.get().status == status


def test_a_number_taken_back_by_a_person_and_put_on_hold_again_stays():
    house = carrier()
    dids = numbers_in("active", ["100"], house)
    house.client_package.deactivate(by=SYSTEM)
    ClientPackage.objects.update(active=True)
    dids.activate(by=SYSTEM)
    dids.hold(by=SYSTEM)
    ClientPackage.objects.update(active=False)
    assert house.client_package.preview_activate().returned == {}
    ClientPackage.objects.get().activate(by=SYSTEM)
    assert statuses() == {"100": "hold"}


def test_undoing_a_stop_and_a_start_restores_what_a_number_returns_to():
    house = carrier()
    numbers_in("blocked", ["100"], house)
    house.client_package.deactivate(by=SYSTEM)
    assert DID.objects.get().resumes_as == "blocked"
    started = house.client_package.activate(by=SYSTEM)
    Undo(Change.objects.get(pk=started.change), by=SYSTEM).run()
    assert (statuses(), DID.objects.get().resumes_as) == ({"100": "hold"}, "blocked")
    ClientPackage.objects.get().activate(by=SYSTEM)
    assert statuses() == {"100": "blocked"}
    ClientPackage.objects.get().deactivate(by=SYSTEM)
    Undo(Change.objects.latest("pk"), by=SYSTEM).run()
    assert (statuses(), DID.objects.get().resumes_as) == ({"100": "blocked"}, None)


def test_a_number_with_an_overdue_hold_does_not_come_back():
    house, now = carrier(), timezone.now()
    numbers_in("active", ["100"], house, hold_days=1, now=now)
    house.client_package.deactivate(by=SYSTEM, now=now)
    result = house.client_package.activate(by=SYSTEM, now=now + 2 * DAY)
    assert (result.returned, result.stay) == ({}, [])
    assert DID.objects.with_status_now(now + 2 * DAY).get().status_now == "instock"


def test_activating_an_active_package_changes_nothing():
    house = carrier()
    assert house.client_package.activate(by=SYSTEM) is None
    assert not Change.objects.filter(label__endswith="switched on").exists()


def test_activating_clears_an_end_in_the_past():
    house, now = carrier(), timezone.now()
    numbers_in("active", ["100"], house, now=now)
    house.client_package.end_on(now + DAY, by=SYSTEM, now=now)
    house.client_package.deactivate(by=SYSTEM, now=now + DAY, ended=True)
    house.client_package.activate(by=SYSTEM, now=now + 2 * DAY)
    stored = ClientPackage.objects.get()
    assert (stored.active, stored.ends_at, statuses()) == (True, None, {"100": "active"})


def test_an_end_in_the_past_stops_it_now_and_one_in_the_future_does_not():
    house, now = carrier(), timezone.now()
    dids = numbers_in("active", ["100"], house, now=now - 2 * DAY)
    house.client_package.end_on(now + DAY, by=SYSTEM)
    assert statuses() == {"100": "active"}
    result = house.client_package.end_on(now - DAY, by=SYSTEM)
    assert (result.done, dids.get().status) == (1, "hold")


def test_the_worker_ends_a_package_once():
    house, now = carrier(), timezone.now()
    numbers_in("active", ["100"], house, now=now - 2 * DAY)
    ClientPackage.objects.update(ends_at=now - timedelta(minutes=1))
    call_command("worker", "--once")
    call_command("worker", "--once")
    assert statuses() == {"100": "hold"}
    assert Change.objects.filter(label=f"Package {house.client_package} ended").count() == 1


def test_giving_a_package_is_recorded_as_one_change():
    house = carrier()
    given = ClientPackage(client=house.client, package=house.package)
    given.give(by=person("anna"))
    change = Change.objects.latest("pk")
    assert (change.label, change.touched) == (f"Package Basic given to {house.client}", 1)


@pytest.mark.parametrize(
    ("close", "message"),
    [
        (lambda house: ClientPackage.close_client(house.client, by=SYSTEM), "North Bakery is closed"),
        (lambda house: ClientPackage.archive_package(house.package, by=SYSTEM), "Basic is archived"),
    ],
)
def test_closed_clients_and_archived_packages_are_refused(close, message):
    house = carrier()
    close(house)
    given = ClientPackage(client=house.client, package=house.package)
    with pytest.raises(ValidationError, match=message):
        given.give(by=SYSTEM)
    with pytest.raises(ValidationError, match=message):
        house.client_package.activate(by=SYSTEM)


def test_a_package_of_another_reseller_is_refused():
    given = ClientPackage(client=carrier().client, package=carrier("South").package)
    with pytest.raises(ValidationError, match="Choose a package of North"):
        given.give(by=SYSTEM)


def test_closing_a_client_puts_its_numbers_on_hold_in_one_change():
    house = carrier()
    other = carrier("South")
    numbers_in("active", ["100"], house)
    numbers_in("active", ["200"], other)
    second = ClientPackage.objects.create(client=house.client, package=house.package)
    numbers_in("instock", ["101"], house).assign(second, house.account, by=SYSTEM)

    result = ClientPackage.close_client(house.client, by=person("anna"))

    assert (result.done, statuses()) == (2, {"100": "hold", "101": "hold", "200": "active"})
    change = Change.objects.latest("pk")
    assert (change.label, change.touched) == ("Client North Bakery closed", 1 + 2 + 2)
    assert Client.objects.get(pk=house.client.pk).closed_at
    assert ClientPackage.close_client(house.client, by=SYSTEM) is None

    assert ClientPackage.reopen(house.client, by=SYSTEM)
    assert not house.client.closed_at
    assert statuses()["100"] == "hold"  # its packages stay off until they are activated


def test_archiving_a_package_stops_it_for_all_clients():
    house = carrier()
    numbers_in("active", ["100"], house)
    result = ClientPackage.archive_package(house.package, by=SYSTEM)
    assert (result.done, statuses()) == (1, {"100": "hold"})
    assert not ClientPackage.objects.filter(active=True).exists()


# --- hold days


def test_new_hold_days_of_the_package_move_the_ends_of_its_holds():
    house, now = carrier(hold_days=10), timezone.now()
    numbers_in("hold", ["100"], house, now=now)
    numbers_in("hold", ["101"], house, hold_days=3, now=now)
    house.package.hold_days = 20
    house.package.save()
    result = DID.objects.filter(client_package__package=house.package).recompute_hold_ends(by=SYSTEM)
    assert result.done == 1
    ends = dict(DID.objects.values_list("number", "hold_until"))
    assert ends == {"100": now + 20 * DAY, "101": now + 3 * DAY}
    assert DID.objects.recompute_hold_ends(by=SYSTEM).unchanged == 1


# --- numbers to pick


def test_available_numbers_are_in_stock_with_an_allowed_tag():
    house, other = carrier(allowed_tags="gold, vip"), carrier("South")
    numbers_in("instock", ["100"], house, tags=["gold", "new"])
    numbers_in("instock", ["101"], house)
    numbers_in("reserved", ["102"], house, tags=["vip"])
    numbers_in("instock", ["103"], other, tags=["vip"])
    available = DID.objects.available_for(house.client_package)
    assert list(available.values_list("number", flat=True)) == ["100"]


def test_the_release_by_the_last_holder_is_dated():
    house, now = carrier(), timezone.now()
    dids = numbers_in("hold", ["100"], house, now=now - 20 * DAY)
    numbers_in("instock", ["101"], house)
    dids.end_hold(by=SYSTEM, now=now - 9 * DAY)
    dids.edit(by=SYSTEM, notes="clean", now=now)
    left = dict(DID.objects.with_last_holder(User()).values_list("number", "left_at"))
    assert left == {"100": now - 9 * DAY, "101": None}


def test_a_number_created_again_keeps_the_release_of_its_earlier_life():
    house, now = carrier(), timezone.now()
    for number, released in (("100", 20), ("101", 12)):
        dids = numbers_in("hold", [number], house, now=now - 25 * DAY)
        dids.end_hold(by=SYSTEM, now=now - released * DAY)
    for day in (9, 8):  # the last life but one had no holder
        DID.objects.all().delete_unused(by=SYSTEM, now=now - day * DAY)
        numbers_in("instock", ["100", "101", "102"], house, now=now - day * DAY)
    found = DID.objects.with_last_holder(User())
    assert dict(found.values_list("number", "left_at")) == {
        "100": now - 20 * DAY,
        "101": now - 12 * DAY,
        "102": None,
    }
    assert set(found.filter(left_at__isnull=False).values_list("last_account", flat=True)) == {
        house.account.pk
    }
    other = Client.objects.create(reseller=house.client.reseller, name="Other")
    recent = DID.objects.recently_released(15, other, User(), now)
    assert list(recent.values_list("number", flat=True)) == ["101"]
    assert not DID.objects.recently_released(90, house.client, User(), now).exists()


# --- routing


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("reserved", "it is Reserved"),
        ("instock", "it is In Stock, not assigned to a client"),
        ("blocked", "it is Blocked"),
        ("hold", "it is on Hold"),
        ("archive", "it is archived"),
    ],
)
def test_only_active_numbers_are_reachable(status, reason):
    house = carrier()
    routing = numbers_in(status, ["100"], house).for_page().get().routing()
    assert (routing.is_reachable, routing.reason) == (False, reason)


def test_an_active_number_is_routed_to_its_account_while_its_package_runs(django_assert_num_queries):
    house, now = carrier(), timezone.now()
    did = numbers_in("active", ["100"], house, now=now).for_page().get()
    with django_assert_num_queries(0):
        assert did.routing().account == house.account
    ClientPackage.objects.update(ends_at=now + DAY)
    did = DID.objects.for_page().get()
    assert did.routing(now + DAY).reason == "package Basic of North Bakery is no longer active"
    assert did.routing(now + DAY - timedelta(seconds=1)).is_reachable
