"""What happens to numbers by itself, by day. That it comes true is in models/test_simulated_year.py."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from django.utils import timezone

from audit import SYSTEM
from dids.lists.listing import did_listing
from dids.models import DID, ClientPackage
from dids.upcoming import Upcoming
from staff.models import User
from tests.carrier import carrier, numbers_in, reserved
from tests.world import member

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NOON = datetime(2030, 3, 29, 11, tzinfo=UTC)  # two days before the clocks go forward


@pytest.fixture
def berlin():
    with timezone.override("Europe/Berlin"):
        yield


def upcoming(*, by=None, now=NOON, days=45, **chosen):
    today = timezone.localtime(now).date()
    return Upcoming(by or User(), today, today + (days - 1) * DAY, now=now, **chosen)


def shown(found):
    """Return {(day, kind): (outcomes, events)}."""
    return {
        (f"{day:%d %b}", kind): (dict(one.outcomes), one.events) for (day, kind), one in found.entries.items()
    }


def test_holds_and_reservations_are_counted_by_what_they_become(berlin):
    house = carrier(hold_days=3)
    numbers_in("hold", ["100", "101"], house, now=NOON)
    numbers_in("hold", ["102"], house, now=NOON, after_hold="archive")
    numbers_in("instock", ["103", "104"], house, now=NOON)
    reserved(house, ["103", "104"], now=NOON, days=1)
    assert shown(upcoming()) == {
        ("30 Mar", "reservation_ends"): ({"instock": 2}, 1),
        ("01 Apr", "hold_ends"): ({"instock": 2, "archive": 1}, 0),
    }


def test_days_are_those_of_the_zone_also_when_its_clocks_change(berlin):
    house = carrier()
    numbers = numbers_in("hold", ["100", "101", "102", "103"], house, now=NOON)
    zone = ZoneInfo("Europe/Berlin")
    ends = [
        datetime(2030, 3, 30, 23, 59, 59, 999999, zone),
        datetime(2030, 3, 31, 0, 0, tzinfo=zone),
        datetime(2030, 3, 31, 23, 59, tzinfo=zone),  # on a day of 23 hours
        datetime(2030, 4, 1, 0, 0, tzinfo=zone),
    ]
    for number, at in zip(numbers.order_by("number"), ends, strict=True):
        DID.objects.filter(pk=number.pk).update(hold_until=at)
    days = {day.day: one.numbers for (day, _), one in upcoming().entries.items()}
    assert days == {30: 1, 31: 2, 1: 1}
    with timezone.override("UTC"):
        days = {day.day: one.numbers for (day, _), one in upcoming().entries.items()}
    assert days == {30: 2, 31: 2}


def test_the_end_of_a_package_and_of_the_holds_that_follow(berlin):
    house = carrier(hold_days=10)
    numbers_in("active", ["100", "101"], house, now=NOON)
    numbers_in("blocked", ["102"], house, now=NOON, after_hold="reserved", hold_days=2)
    numbers_in("active", ["103"], house, now=NOON, hold_days=0)
    house.client_package.end_on(NOON + DAY, by=SYSTEM, now=NOON)
    found = upcoming(named=(date(2030, 3, 29), date(2030, 4, 4)))
    assert shown(found) == {
        ("30 Mar", "package_ends"): ({"hold": 3, "instock": 1}, 1),
        ("01 Apr", "following_hold_ends"): ({"reserved": 1}, 0),
        ("09 Apr", "following_hold_ends"): ({"instock": 2}, 0),
    }
    (event,) = found.events
    assert (event.record, event.at) == (house.client_package, NOON + DAY)
    assert (event.outcomes, event.until) == ({"hold": 3, "instock": 1}, {NOON + 3 * DAY, NOON + 11 * DAY})
    # Of a package that has ended on an earlier day, the holds that follow are still seen.
    later = Upcoming(User(), date(2030, 4, 3), date(2030, 4, 11), now=NOON)
    assert shown(later) == {("09 Apr", "following_hold_ends"): ({"instock": 2}, 0)}


def test_a_package_whose_end_has_come_ends_today_and_its_holds_begin_then(berlin):
    house = carrier(hold_days=1)
    numbers_in("active", ["100"], house, now=NOON - 5 * DAY)
    ClientPackage.objects.update(ends_at=NOON - 3 * DAY)
    assert shown(upcoming()) == {
        ("29 Mar", "package_ends"): ({"hold": 1}, 1),
        ("30 Mar", "following_hold_ends"): ({"instock": 1}, 0),
    }


def test_what_is_over_switched_off_or_without_end_does_not_happen(berlin):
    house = carrier(hold_days=1)
    numbers_in("hold", ["100"], house, now=NOON - 2 * DAY)
    numbers_in("instock", ["101"], house, now=NOON)
    reserved(house, ["101"], now=NOON - 2 * DAY, days=1)
    house.client_package.deactivate(by=SYSTEM, now=NOON)
    ClientPackage.objects.update(ends_at=NOON + DAY)
    assert shown(upcoming()) == {}


def test_a_package_that_starts_is_an_event_without_numbers(berlin):
    house = carrier()
    later = ClientPackage(client=house.client, package=house.package, starts_at=NOON + DAY)
    later.give(by=SYSTEM, now=NOON)
    assert shown(upcoming()) == {("30 Mar", "package_starts"): ({}, 1)}


def test_a_bound_person_and_the_filter_by_reseller_see_one_branch(berlin):
    for name, number in (("North", "1"), ("South", "2")):
        house = carrier(name, hold_days=2)
        numbers_in("hold", [f"{number}00"], house, now=NOON)
        numbers_in("instock", [f"{number}01"], house, now=NOON)
        reserved(house, [f"{number}01"], now=NOON, days=2)
        numbers_in("active", [f"{number}02"], house, now=NOON)
        house.client_package.end_on(NOON + 2 * DAY, by=SYSTEM, now=NOON)
    every = shown(upcoming())
    assert every["31 Mar", "hold_ends"] == ({"instock": 2}, 0)
    own = {
        key: ({status: n // 2 for status, n in of.items()}, events // 2)
        for key, (of, events) in every.items()
    }
    bound = member("Viewer", reseller=house.reseller)
    named = (NOON.date(), NOON.date() + 5 * DAY)
    for found in (upcoming(by=bound, named=named), upcoming(reseller=house.reseller, named=named)):
        assert shown(found) == own
        assert [one.record.client for one in found.events] == [house.client] * 2


def test_the_list_of_numbers_has_those_that_the_calendar_counts(berlin):
    now = timezone.now()
    house = carrier(hold_days=3)
    numbers_in("hold", ["100", "101"], house, now=now)
    numbers_in("instock", ["102", "103"], house, now=now)
    reserved(house, ["102"], now=now, days=3)
    numbers_in("active", ["104"], house, now=now)
    numbers_in("blocked", ["105"], house, now=now)
    house.client_package.end_on(now + 3 * DAY, by=SYSTEM, now=now)
    viewer, day = member("Viewer"), timezone.localtime(now + 3 * DAY).date()

    def listed(query):
        listing = did_listing(QueryDict(query), viewer)
        assert listing.valid, listing.errors
        assert listing.total == len(listing.keys)
        return [did.number for did in DID.objects.filter(pk__in=listing.keys).order_by("number")]

    assert listed(f"ends_on={day}") == ["100", "101", "102", "104", "105"]
    assert listed(f"ends_on={day}&status=hold") == ["100", "101"]
    assert listed(f"ends_on={day}&status=reserved&sort=-operator") == ["102"]
    assert listed(f"ends_on={day}&status=active&status=blocked") == ["104", "105"]
    assert listed(f"ends_on={day - DAY}") == listed(f"ends_on={day + DAY}") == []
    past = did_listing(QueryDict(f"ends_on={day}&as_of=2026-01-01"), viewer)
    assert "can’t be filtered by the day of an end" in " ".join(past.errors)
