"""Numbers of clients, accounts and packages in lists: exact up to a bound, beyond which no row is read."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import SYSTEM
from clients.models import Account, Client, Package
from didmgmt import clock
from dids.lists import row_counts
from dids.models import DID
from tests.carrier import carrier, numbers_in
from tests.reads import steps
from tests.world import client_of

pytestmark = pytest.mark.django_db
LISTS = [
    (Client, lambda: row_counts.with_client_counts(Client.objects.all(), clock.now())),
    (Package, lambda: row_counts.with_package_counts(Package.objects.all(), clock.now())),
    (Account, lambda: row_counts.with_account_counts(Account.objects.all())),
]


@pytest.fixture
def houses():
    """Return two carriers with five and seven numbers in use; the second one's were created first."""
    houses = [carrier(name, did_limit=5_000) for name in ("North", "South")]
    for house, count, start in zip(houses, (5, 7), (100, 200), strict=True):
        numbers_in("active", [str(start + n) for n in range(count)], house)
    return houses


@pytest.fixture
def bound(monkeypatch):
    monkeypatch.setattr(row_counts, "COUNTED_TO", 3)


@pytest.mark.parametrize(("model", "counted"), LISTS)
def test_a_count_beyond_the_bound_is_a_lower_bound(houses, monkeypatch, model, counted):
    def labels():
        return sorted(row.did_count.label for row in counted() if row.did_count)

    monkeypatch.setattr(row_counts, "COUNTED_TO", 7)
    assert labels() == ["5", "7"]
    monkeypatch.setattr(row_counts, "COUNTED_TO", 6)
    assert labels() == ["5", "6+"]


@pytest.mark.parametrize(("model", "counted"), LISTS)
def test_a_page_reads_no_row_beyond_the_bound(houses, bound, model, counted):
    DID.objects.filter(number__in=["100", "101", "102", "103"]).hold(by=SYSTEM)
    few = cost(counted)
    for house, start in zip(houses, (3_000, 5_000), strict=True):
        numbers_in("active", [str(start + n) for n in range(1_000)], house)
    assert cost(counted) <= few + 10


def cost(counted):
    """Return how many numbers PostgreSQL reads for the rows, or hundreds of steps of SQLite."""
    if connection.vendor == "sqlite":
        return steps(lambda: list(counted()))
    with CaptureQueriesContext(connection) as queries:
        list(counted())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE dids_did")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {queries.captured_queries[0]['sql']}")
        scans = [line for (line,) in cursor.fetchall() if "dids_did" in line]
    rows = [re.search(r"actual rows=([\d.]+) loops=(\d+)", line) for line in scans]
    return sum(float(one[1]) * int(one[2]) for one in rows if one)


@pytest.mark.parametrize("path", ["/clients/", "/packages/"])
def test_a_list_sorted_by_numbers_has_the_exact_order(houses, bound, administrator, path):
    browser = client_of(administrator)
    listed = browser.get(f"{path}?sort=-dids").context["listing"]
    north, south = (house.client if path == "/clients/" else house.package for house in houses)
    assert [row.pk for row in listed.rows][:2] == [south.pk, north.pk]
    assert browser.get(path).text.count("3+") == 2
