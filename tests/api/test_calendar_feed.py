"""The calendar as an iCal feed, at an address with a token of its own."""

import logging
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client as Browser
from django.utils import timezone
from icalendar import Calendar

from audit import SYSTEM
from audit.models import Change
from didmgmt.logs import LineFormatter
from dids.exports.upcoming import LINE_MOST
from dids.models import DID
from staff.models import Token
from tests.carrier import reserved
from tests.dids.models.test_assigning import text
from tests.world import client_of, member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def at(world):
    """Let holds, a reservation and a package of Reseller 1 end at 23:30 UTC, in three days."""
    at = timezone.now().replace(hour=23, minute=30, second=0, microsecond=0) + 3 * DAY
    DID.objects.filter(status="hold").update(hold_until=at)
    reserved(world, ["256999"]).end_on(at, by=SYSTEM)
    world.client_package.end_on(at, by=SYSTEM)
    return at


def new_feed(owner, **fields):
    """Make a feed on the screen and return its address."""
    page = client_of(owner).post("/calendar/feed/", {"name": "Desk", "expires_at": "365", **fields})
    (address,) = re.findall(
        r'value="(http://testserver/api/v1/calendar/did_[^"]+\.ics)"', page.content.decode()
    )
    return address


def read(address, **headers):
    return Browser().get(address, headers=headers)


def events(response):
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    return Calendar.from_ical(response.content).walk("VEVENT")


def test_each_kind_of_a_day_is_an_all_day_event_with_counts(at, owner):
    owner.time_zone = "Europe/Berlin"  # where it ends on the day after
    owner.save()
    day = at.date() + DAY
    found = {str(one["SUMMARY"]): one for one in events(read(new_feed(owner)))}
    assert list(found) == [
        "Hold ends: 1 number",
        "Reservation ends: 1 number",
        "Package ends: 2 numbers",
        "Follow-on hold ends: 2 numbers",
    ]
    one = found["Package ends: 2 numbers"]
    assert (one["DTSTART"].dt, one["DTEND"].dt) == (day, day + DAY)
    assert str(one["DESCRIPTION"]) == "to Hold\n1 package"
    assert str(one["URL"]) == f"http://testserver/calendar/?from={day}"
    assert found["Follow-on hold ends: 2 numbers"]["DTSTART"].dt == day + 30 * DAY
    assert len({str(event["UID"]) for event in found.values()}) == 4
    assert all(event["DTSTAMP"].dt <= datetime.now(UTC) for event in found.values())


def test_events_keep_their_uid_and_an_unchanged_feed_is_not_sent_again(at, world, owner):
    address = new_feed(owner)
    first = read(address)
    again = read(address, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    DID.objects.filter(number="2567").hold(by=SYSTEM)
    changed = read(address, **{"If-None-Match": first.headers["ETag"]})
    uids = [{str(one["UID"]) for one in events(response)} for response in (first, changed)]
    assert uids[0] & uids[1] and first.headers["ETag"] != changed.headers["ETag"]


def test_lines_are_short_and_end_as_the_standard_says(at, owner):
    lines = read(new_feed(owner)).content.split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) <= LINE_MOST and b"\n" not in line for line in lines)


def test_a_feed_is_of_the_branch_that_its_owner_has_when_it_is_read(at, world, administrator):
    address = new_feed(administrator)
    assert len(events(read(address))) == 4
    administrator.reseller = world.reseller_2
    administrator.save()
    assert events(read(address)) == []
    limited = new_feed(member("Supervisor", username="boss"), reseller=world.reseller_2.pk)
    assert events(read(limited)) == []


def test_it_ends_when_it_is_revoked_or_its_owner_is_deactivated_or_loses_the_right(at, owner):
    revoked, other = new_feed(owner), new_feed(owner, name="Phone")
    Token.objects.get(name="Desk").revoke(by=owner)
    assert (read(revoked).status_code, read(revoked).json()["code"]) == (401, "token_revoked")
    assert read(other).status_code == 200
    owner.groups.clear()
    assert read(other).status_code == 403
    owner.is_active = False
    owner.save()
    assert (read(other).status_code, read(other).json()["code"]) == (401, "token_inactive")
    assert read(other.replace(".ics", "x.ics")).json()["code"] == "token_unknown"


def test_a_token_that_may_do_more_is_not_accepted_in_an_address(owner):
    token = Token(owner=owner, name="Sync", scopes="dids:read calendar:read", expires_at=timezone.now() + DAY)
    answer = read(f"/api/v1/calendar/{token.issue(by=owner)}.ics")
    assert answer.status_code == 403 and "isn’t accepted in an address" in answer.json()["detail"]


def test_the_token_is_shown_once_recorded_by_name_and_in_no_log(owner, caplog, settings):
    address = new_feed(owner)
    token = Token.objects.get(name="Desk")
    secret = address.rpartition(".ics")[0].rpartition(".")[2]
    assert token.scopes == "calendar:read" and secret not in (token.key, token.digest)
    assert Change.objects.latest("pk").label == "API token Desk of owner created"
    page = client_of(owner).get("/tokens/")
    assert "Desk" in text(page) and secret not in text(page)
    token.revoke(by=owner)
    with caplog.at_level(logging.DEBUG):
        read(address)
    lines = [LineFormatter().format(record) for record in caplog.records]
    assert any(token.key in line for line in lines)
    assert not any(secret in line for line in lines)


def test_a_feed_has_a_limit_of_requests(owner, settings):
    settings.API_REQUESTS_PER_MINUTE = 2
    address = new_feed(owner)
    assert [read(address).status_code for _ in range(3)] == [200, 200, 429]


def test_making_a_feed_needs_the_right_to_make_tokens(viewer):
    assert client_of(viewer).get("/calendar/feed/").status_code == 403
    assert "iCal feed" not in text(client_of(viewer).get("/calendar/"))


def test_the_name_of_a_feed_is_asked_for_at_its_field(owner):
    new_feed(owner)
    page = client_of(owner).post(
        "/calendar/feed/", {"name": "Desk", "expires_at": "365", "scope_dids": "admin"}
    )
    assert page.status_code == 422 and "This name is taken by another token." in text(page)
