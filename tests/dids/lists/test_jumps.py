"""A jump to a page finds its row by the counters by prefix, and reads the numbers of one prefix at most."""

import random
import re

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from audit import SYSTEM
from clients.models import Reseller
from dids.lifecycle import statuses as st
from dids.lists import keyset, prefix_rows
from dids.lists import listing as lists
from dids.lists.listing import did_listing
from dids.models import DID, HeadStock
from jobs.statistics import analyze
from operators.models import Operator
from tests.carrier import carrier, numbers_in
from tests.examples import scaled
from tests.reads import steps

pytestmark = pytest.mark.django_db
HEADS, EACH = 30, 400  # prefixes of the large inventory, and numbers of each


@pytest.fixture(autouse=True)
def paged_by_key(monkeypatch):
    monkeypatch.setattr(lists, "SORTED_MAX", 0)
    monkeypatch.setattr(keyset, "SKIP_MAX", 0)


def page_at(user, query, page):
    return did_listing(QueryDict(f"{query}&per_page=20&page={page}"), user)


def nested_numbers(dice):
    """Return numbers of all lengths whose prefixes begin with one another."""
    root = "".join(dice.choice("4420") for _ in range(14))
    lengths = dice.sample(range(1, 19), 5)
    found = {(root[: max(n - 4, 0)] + f"{dice.randrange(10**4):04}")[-n:] for n in lengths for _ in range(40)}
    others = {str(dice.randrange(10 ** dice.choice(lengths))) for _ in range(60)}
    return sorted(found | others)


@pytest.mark.parametrize("seed", range(scaled(15)))
def test_jumps_among_prefixes_of_different_lengths_find_the_rows_of_the_sorted_list(
    seed, administrator, monkeypatch
):
    dice = random.Random(seed)
    monkeypatch.setattr(keyset, "MERGE_SKIP_MAX", dice.choice([0, 5]))
    houses = [carrier(name, did_limit=1_000) for name in ("North", "South")]
    parts = [nested_numbers(dice) for _ in houses]
    for house, numbers in zip(houses, (parts[0], sorted({*parts[1]} - {*parts[0]})), strict=True):
        dice.shuffle(numbers)
        for status in st.LABELS:
            numbers_in(status, sorted(numbers[: len(numbers) // 4]), house)
            del numbers[: len(numbers) // 4]
    queries = [
        *("sort=number", "sort=-number", "sort=status", "sort=-operator", "sort=client"),
        *("status=instock", "status=active&status=hold&sort=-number"),
        f"operator={houses[0].operator.pk}",
        f"reseller={houses[1].reseller.pk}&status=reserved&status=hold",
    ]
    for query in queries:
        first = page_at(administrator, query, 1)
        expected = list(first.ordered.values_list("pk", flat=True))
        for page in range(2, first.pages):
            jumped = page_at(administrator, query, page)
            assert jumped.keys == expected[20 * (page - 1) : 20 * page], (query, page)


@pytest.fixture(scope="module")
def large(module_db):
    """Create numbers of two operators in turn, in two statuses."""
    reseller = Reseller.objects.create(name="Large")
    operators = [Operator.objects.create(reseller=reseller, name=name) for name in ("One", "Two")]
    numbers = [str(370_600_000_000 + 10_000 * head + 25 * n) for head in range(HEADS) for n in range(EACH)]
    for n, operator in enumerate(operators):
        for status, start in ((st.INSTOCK, n), (st.RESERVED, n + 2)):
            DID.objects.create_numbers(numbers[start::4], operator=operator, by=SYSTEM, status=status)
    if connection.vendor == "postgresql":
        analyze([DID._meta.db_table])
    return operators[0]


def rows_scanned(read):
    """Return about how many rows of numbers the database reads."""
    if connection.vendor == "sqlite":
        return 10 * steps(read)  # in hundreds; a row takes some ten steps
    with CaptureQueriesContext(connection) as queries:
        read()
    found = 0
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # which small tables invite
        for query in queries.captured_queries:
            if '"dids_did"' in query["sql"]:
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {query['sql']}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
                found += sum(map(int, re.findall(r"Scan.* on dids_did.*actual rows=(\d+)", plan)))
    return found


@pytest.mark.parametrize(
    "query",
    ["", "sort=-number", "status=instock", "operator={}", "operator={}&status=instock", "sort=operator"],
)
def test_a_jump_reads_the_numbers_of_one_prefix(large, administrator, query, monkeypatch):
    query = query.format(large.pk)
    pages = page_at(administrator, query, 1).pages
    jumps = [pages // 3 + 1, pages // 2 + 1]

    def jump():
        for page in jumps:
            assert len(page_at(administrator, query, page).keys) == 20

    by_heads = rows_scanned(jump)
    monkeypatch.setattr(keyset.FilteredScans, "prefixes", lambda *_, **__: None)
    by_counting = rows_scanned(jump)
    assert by_heads < 3 * EACH * len(jumps)
    assert by_heads < by_counting / 2


def test_a_jump_among_very_many_prefixes_counts_as_before(large, administrator, monkeypatch):
    expected = page_at(administrator, "", 300).keys
    monkeypatch.setattr(prefix_rows, "PREFIXES_MAX", HEADS - 1)
    assert page_at(administrator, "", 300).keys == expected
    assert HeadStock.objects.by_head(most=HEADS) is not None
