"""Pages that count by prefix open whatever the lengths of the numbers, also when holds are over."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from dids.models import DID, CountedDay, StockDay
from tests.carrier import carrier, numbers_in
from tests.world import client_of, member

pytestmark = pytest.mark.django_db
PAGES = (
    "/overview/",
    *(f"/overview/?group={group}" for group in ("tag", "country", "type", "prefix")),
    *(f"/overview/?forecast={of}&subjects=all" for of in ("tag", "operator", "prefix", "prefix:4444")),
    "/blocks/",
    "/calendar/",
    "/rules/",
    "/free-runs/?count=1",
    "/stock-levels/",
    "/dids/?country=GB",
    "/dids/?type=unknown",
)
STATUSES = ("instock", "reserved", "active", "blocked", "hold", "archive")
YESTERDAY = (timezone.now() - timedelta(days=1)).date()
LENGTHS = (1, 3, 4, 5, 8, 15, 20)


def test_pages_that_count_by_prefix_open_with_numbers_of_any_length():
    house = carrier(did_limit=500)
    for n, status in enumerate(STATUSES):
        numbers_in(status, [f"{n + 1}{'4' * (length - 1)}" for length in LENGTHS], house)
    DID.objects.filter(status="hold").update(hold_until=timezone.now() - timedelta(days=1))
    people = [client_of(member("Administrator")), client_of(member("Viewer", reseller=house.reseller))]
    for _ in range(2):
        for browser in people:
            assert {page: browser.get(page).status_code for page in PAGES} == dict.fromkeys(PAGES, 200)
        call_command("worker", "--once")
    CountedDay.objects.update(day=YESTERDAY)
    StockDay.objects.update(day=YESTERDAY)
    past = [f"/overview/?as_of={YESTERDAY}&group={group}" for group in ("tag", "country", "type", "prefix")]
    for browser in people:
        assert {page: browser.get(page).status_code for page in past} == dict.fromkeys(past, 200)
