"""PostgreSQL reads the index that a page is written for, however the numbers are spread."""

import re
from urllib.parse import urlencode

import pytest
from django.db import connection, transaction
from django.db.models import Max
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from audit import SYSTEM
from audit.models import Change
from clients.models import Reseller
from dids.lifecycle import statuses as st
from dids.lists import changed, filters, keyset
from dids.lists import listing as lists
from dids.lists.listing import did_listing
from dids.models import DID
from jobs.statistics import analyze
from operators.models import Operator
from tests.carrier import carrier

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite’s plans are fixed"),
]
SKIPPED_MAX = 10_000  # rows that a scan may read and not return; half of the others' numbers here
NUMBERS, LARGE = 30_000, 10_500  # those of all operators, and of the largest, which come last


@pytest.fixture(scope="module")
def inventory(module_db):
    """Create numbers of which one operator has 35 %, all In Stock and the highest; no other is In Stock.

    Only these have notes. Twice as many numbers without tags and notes have been rolled back and left their
    entries in the indexes, as a failed import does.
    """
    resellers = [Reseller.objects.create(name=f"Reseller {n}") for n in range(2)]
    with transaction.atomic():
        lost = Operator.objects.create(reseller=resellers[0], name="Lost")
        numbers = map(str, range(370_600_000_000, 370_600_000_000 + 2 * NUMBERS))
        DID.objects.create_numbers(numbers, operator=lost, by=SYSTEM)
        transaction.set_rollback(True)
    others = [Operator.objects.create(reseller=resellers[n % 2], name=f"Operator {n}") for n in range(5)]
    large = Operator.objects.create(reseller=resellers[1], name="Large")
    first = 370_600_000_000
    share = (NUMBERS - LARGE) // len(others)
    for n, operator in enumerate(others):
        numbers = map(str, range(first, first + share))
        status, tags = (st.RESERVED, ("Gold",)) if n % 2 else (st.ARCHIVE, ())
        DID.objects.create_numbers(numbers, operator=operator, by=SYSTEM, status=status, tags=tags)
        first += share
    numbers = map(str, range(first, first + LARGE))
    DID.objects.create_numbers(numbers, operator=large, by=SYSTEM, tags=("Silver",), notes="Bought in May")
    analyze([DID._meta.db_table, "dids_didhistory", "dids_stock", "operators_operator"])
    return large


def plans_of(user, query):
    """Return the plans of the queries on numbers that a page makes, as executed."""
    with CaptureQueriesContext(connection) as seen:
        listing = did_listing(QueryDict(urlencode(query, doseq=True)), user)
        assert list(listing.rows), listing.errors
    reads = [one["sql"] for one in seen.captured_queries if re.match(r'\(?SELECT.*"dids_did', one["sql"])]
    assert reads
    return [explained(sql) for sql in reads]


def explained(sql):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {sql}")
        return "\n".join(line for (line,) in cursor.fetchall())


def skipped(plans):
    return max(int(rows) for rows in ["0", *re.findall(r"Rows Removed by Filter: (\d+)", "\n".join(plans))])


@pytest.mark.parametrize("sort", [f"{sign}{key}" for key in keyset.SORTS for sign in ("", "-")])
def test_a_sorted_page_skips_few_rows(inventory, administrator, sort):
    for page in (1, 150, 300):
        plans = plans_of(administrator, {"sort": sort, "page": page, "per_page": 100})
        assert skipped(plans) <= SKIPPED_MAX, "\n".join(plans)


@pytest.mark.parametrize("sort", ["number", "-number", "operator", "reseller", "status", "tag"])
@pytest.mark.parametrize("names", [["operator"], ["reseller"], ["status"], ["tag"], ["operator", "status"]])
def test_a_filtered_page_skips_few_rows(inventory, administrator, names, sort, monkeypatch):
    monkeypatch.setattr(lists, "SORTED_MAX", 0)
    large = {
        "operator": inventory.pk,
        "reseller": inventory.reseller_id,
        "status": st.INSTOCK,
        "tag": "Silver",
    }
    plans = plans_of(administrator, {name: large[name] for name in names} | {"sort": sort, "per_page": 100})
    assert skipped(plans) <= SKIPPED_MAX, "\n".join(plans)


def test_a_status_without_numbers_of_an_operator_skips_few_rows(inventory, administrator):
    """Statistics know no pair of operator and status, so PostgreSQL expects thousands of Reserved numbers."""
    plans = plans_of(administrator, {"operator": inventory.pk, "status": [st.RESERVED, st.INSTOCK]})
    assert skipped(plans) <= SKIPPED_MAX, "\n".join(plans)


def test_the_numbers_of_a_large_change_skip_few_rows(inventory, administrator, monkeypatch):
    monkeypatch.setattr(changed, "IDS_MAX", 500)
    change = Change.objects.aggregate(last=Max("pk"))["last"]
    plans = plans_of(administrator, {"change": change, "per_page": 100})
    assert skipped(plans) <= SKIPPED_MAX, "\n".join(plans)


@pytest.mark.parametrize("search", ["3706*", "37060001*", "370600010000-370600019999"])
def test_a_range_of_a_branch_is_counted_without_the_numbers_of_others(inventory, administrator, search):
    for also in ({}, {"status": st.RESERVED}, {"status": st.ARCHIVE}):
        query = {"q": search, "reseller": inventory.reseller_id, "per_page": 100} | also
        with CaptureQueriesContext(connection) as seen:
            listing = did_listing(QueryDict(urlencode(query)), administrator)
            assert listing.total is not None, listing.errors
        counts = [one["sql"] for one in seen.captured_queries if "count(" in one["sql"].lower()]
        counts = [sql for sql in counts if '"dids_did"' in sql]
        assert counts
        assert skipped(map(explained, counts)) == 0, counts


def test_a_clients_numbers_with_a_common_tag_are_found_without_the_index_of_the_tag(
    inventory, administrator, monkeypatch
):
    house = carrier(did_limit=3_000)
    for first, tags, count in ((372_000_000, (), 2_950), (373_000_000, ("Bronze",), 50)):
        numbers = map(str, range(first, first + count))
        DID.objects.create_numbers(numbers, operator=house.operator, by=SYSTEM, tags=tags)
    assigned = DID.objects.filter(operator=house.operator)
    assert assigned.assign(house.client_package, house.account, by=SYSTEM).done == 3_000
    analyze([DID._meta.db_table])
    query = {"client": house.client.pk, "tag": "Bronze", "sort": "notes"}

    assert any("did_tag" in plan for plan in plans_of(administrator, query))
    monkeypatch.setattr(filters, "COMMON_TAG", 10)
    assert not any("did_tag" in plan for plan in plans_of(administrator, query))


def test_no_plan_is_compiled_however_expensive_it_looks(inventory):
    """Compiling the plan of a search takes 100 ms and running it 5, but the planner judges by its cost."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW jit_above_cost")
        above = float(cursor.fetchone()[0])
    plan = explained("SELECT * FROM dids_did WHERE notes || '' = dids_index_key('Bought in May'::text)")
    assert float(re.search(r"\.\.([\d.]+) rows", plan)[1]) > above
    assert "JIT" not in plan
