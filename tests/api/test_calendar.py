"""What will happen by itself, for programs."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from audit import SYSTEM
from dids.models import DID
from tests.carrier import reserved

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def at(world):
    """Let holds, a reservation and a package of Reseller 1 end at noon UTC, in three days."""
    at = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0) + 3 * DAY
    DID.objects.filter(status="hold").update(hold_until=at)
    reserved(world, ["256999"]).end_on(at, by=SYSTEM)
    world.client_package.end_on(at, by=SYSTEM)
    return at


def item(day, kind, numbers, status, events):
    outcomes = [{"status": status, "count": numbers}]
    return {"day": str(day), "kind": kind, "numbers": numbers, "outcomes": outcomes, "events": events}


def test_the_kinds_of_a_day_are_counted_with_what_numbers_become(at, owner, api):
    owner.time_zone = "Pacific/Auckland"  # programs get days in UTC
    owner.save()
    found = api(owner, "calendar:read").get("/calendar", to=str((at + 30 * DAY).date())).json
    day, today = at.date(), datetime.now(UTC).date()
    assert found == {
        "first": str(today),
        "last": str(day + 30 * DAY),
        "items": [
            item(day, "hold_ends", 1, "instock", 0),
            item(day, "reservation_ends", 1, "instock", 1),
            item(day, "package_ends", 2, "hold", 1),
            item(day + 30 * DAY, "following_hold_ends", 2, "instock", 0),
        ],
    }


def test_a_token_of_one_branch_gets_that_branch(at, world, owner, stranger, administrator, api):
    assert api(stranger).get("/calendar").json["items"] == []
    assert "?reseller" in api(owner).get("/calendar", reseller=str(world.reseller.pk)).errors
    for reseller, count in ((world.reseller, 3), (world.reseller_2, 0)):
        found = api(administrator).get("/calendar", reseller=str(reseller.pk)).json
        assert len({one["kind"] for one in found["items"]} - {"following_hold_ends"}) == count


def test_a_token_for_numbers_alone_does_not_read_it_nor_the_other_way_round(owner, api):
    assert api(owner, "dids:read").get("/calendar").status == 403
    assert api(owner, "calendar:read").get("/calendar").status == 200
    assert api(owner, "calendar:read").get("/dids").status == 403


@pytest.mark.parametrize(
    ("sent", "where", "sentence"),
    [
        ({"from": "2020-01-01"}, "?from", "is over. The calendar begins today."),
        ({"from": "2190-01-01"}, "?from", "Choose an earlier day."),
        ({"to": "2020-01-01"}, "?to", "Choose a later day."),
        ({"to": "2190-01-01"}, "?to", "At most 92 days can be asked for at once."),
        ({"from": "soon"}, "?from", "Enter a date like"),
        ({"until": "x"}, "?until", "There is no parameter “until”"),
    ],
)
def test_what_has_no_days_is_refused_at_its_parameter(world, owner, api, sent, where, sentence):
    refused = api(owner).get("/calendar", **sent)
    assert refused.status == 422 and sentence in refused.errors[where]
