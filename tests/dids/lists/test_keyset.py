"""Pages found by key equal the pages of the sorted list, by links in both directions and by page number."""

import random
from datetime import timedelta
from itertools import combinations, product
from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from django.utils import timezone

from audit import SYSTEM
from clients.models import Account, Client, Package, Reseller
from dids.lifecycle import statuses as st
from dids.lists import filters, keyset
from dids.lists import listing as lists
from dids.lists.listing import did_listing
from dids.models import DID, ClientPackage, DIDHistory, Tag
from operators.models import Operator
from tests.examples import scaled
from tests.world import member

pytestmark = pytest.mark.django_db
UNCOUNTED = "q=100000-999999"  # a search that all numbers match and no counter covers
SORTS = [f"{sign}{column}" for column in keyset.SORTS for sign in ("", "-")]


@pytest.fixture(scope="module")
def inventory(module_db):
    """Create some 200 numbers of two resellers in every status, with tags, notes and similar names."""
    dice = random.Random(7)
    free = iter(dice.sample(range(100_000, 999_999), 600))

    def create(operator, tags, most, **fields):
        numbers = sorted(str(next(free)) for _ in range(dice.randrange(most)))
        notes = dice.choice(["", "", "checked", "Checked by A, 2026", "z"])
        DID.objects.create_numbers(numbers, operator=operator, by=SYSTEM, tags=tags, notes=notes, **fields)
        return DID.objects.filter(number__in=numbers)

    for name in ("north", "South"):
        reseller = Reseller.objects.create(name=name)
        package = Package.objects.create(reseller=reseller, name="Basic", did_limit=1_000)
        operators = [Operator.objects.create(reseller=reseller, name=f"{n} {name}") for n in ("b", "A")]
        clients = [Client.objects.create(reseller=reseller, name=n) for n in ("rose", "Rose", "zed")]
        for operator, client, tags in product(operators, clients, ((), ("Gold",), ("Gold", "sip"), ("sip",))):
            client_package = ClientPackage.objects.get_or_create(client=client, package=package)[0]
            account = Account.objects.get_or_create(client=client, name=dice.choice(["trunk", "Mobile"]))[0]
            used = create(operator, tags, 6)
            used.assign(client_package, account, by=SYSTEM)
            for move in dice.choice([(), ("block",), ("hold",)]):
                getattr(used, move)(by=SYSTEM)
            create(operator, tags, 5, status=dice.choice(st.FREE))


@pytest.fixture
def overdue(inventory, db):
    """Let half of the holds end without the worker having released them."""
    holds = DID.objects.filter(status=st.HOLD).order_by("pk")
    for n, did in enumerate(holds):
        past = timezone.now() - timedelta(days=40)
        DID.objects.filter(pk=did.pk).update(
            hold_from=past, hold_until=past + timedelta(days=30 if n % 2 else 50), after_hold=st.FREE[n % 3]
        )
    assert 3 < DID.objects.hold_over(timezone.now()).count() < holds.count()


@pytest.fixture(autouse=True)
def paged_by_key(monkeypatch):
    monkeypatch.setattr(lists, "SORTED_MAX", 0)
    monkeypatch.setattr(keyset, "SKIP_MAX", 0)  # every jump counts by prefix before it merges


@pytest.fixture
def few_counted(monkeypatch):
    """Stop counting at 30 numbers."""
    monkeypatch.setattr(filters, "COUNTED_TO", 30)


def page_at(user, url):
    path, _, query = url.partition("?")
    return did_listing(QueryDict(query), user, path)


def follow(user, url, link):
    """Return the pages from ``url`` on, following the attribute ``link`` of each."""
    pages = []
    while url:
        assert len(pages) < 50, "endless pages"
        pages.append(page_at(user, url))
        url = getattr(pages[-1], link)
    return pages


def searches(seed):
    """Return no filter, some single filters and some pairs of filters, different ones for each ``seed``."""
    operator = Operator.objects.get(name="A South")
    client = Client.objects.get(name="zed", reseller=operator.reseller)
    parts = [
        "status=instock",
        "status=hold",
        "status=active&status=reserved",
        f"operator={operator.pk}",
        f"reseller={operator.reseller_id}",
        f"client={client.pk}",
        "tag=sip",
        "q=4",
        "q=3*",
        "q=200000-800000",
    ]
    pairs = [f"{one}&{other}" for one, other in combinations(parts, 2) if one[:2] != other[:2]]
    dice = random.Random(seed)
    return ["", *dice.sample(parts, scaled(10)), *dice.sample(pairs, scaled(10))]


def check_pages(user, query, sort):
    """Compare pages by next link, previous link and page number with all matches, sorted."""
    url = f"/dids/?sort={sort}&{query}"
    pages = follow(user, url, "next_url")
    expected = list(pages[0].ordered.values_list("pk", flat=True))
    assert [key for page in pages for key in page.keys] == expected, url
    back = follow(user, pages[0].last_url or pages[0]._page_url(1), "previous_url")
    assert [key for page in reversed(back) for key in page.keys] == expected, url
    for number in {2, len(pages) // 3, len(pages) // 2, len(pages) - 1, len(pages)} - {0, len(pages) + 1}:
        jumped = page_at(user, f"{url}&page={number}")
        assert jumped.keys == expected[20 * (number - 1) : 20 * number], (url, number)
    return pages


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("late", [False, True], ids=["", "overdue"])
def test_pages_by_key_are_the_sorted_list(inventory, administrator, sort, late, request):
    if late:
        request.getfixturevalue("overdue")
    found = [len(check_pages(administrator, query, sort)) for query in searches(f"{sort} {late}")]
    assert max(found) > 5 and sum(found) > 8


@pytest.mark.parametrize("sort", ["number", "-number", "operator", "-operator", "reseller", "-reseller"])
def test_statements_that_are_kept_find_each_person_their_own_numbers(inventory, administrator, sort):
    """The first page has the statement compiled; other filters, people and page sizes come in between."""
    bound = member("Clerk", reseller=Reseller.objects.get(name="South"))
    for user, query in product((administrator, bound), ("", "status=active", "per_page=20")):
        check_pages(user, query, sort)
    check_pages(administrator, "", sort)


@pytest.mark.parametrize("sort", SORTS)
def test_a_user_of_a_reseller_pages_through_its_numbers(inventory, overdue, sort):
    user = member("Administrator", reseller=Reseller.objects.get(name="South"))
    check_pages(user, "", sort)
    check_pages(user, "tag=Gold", sort)


@pytest.mark.parametrize("sort", SORTS)
def test_too_many_index_scans_are_replaced_by_one(inventory, overdue, administrator, sort, monkeypatch):
    monkeypatch.setattr(keyset, "SCANS_MAX", 3)
    for query in ("tag=sip", "status=hold&status=instock", "client=1&client=4"):
        check_pages(administrator, query, sort)


@pytest.mark.parametrize("sort", SORTS)
def test_a_list_with_a_bounded_count_has_all_pages(inventory, administrator, few_counted, sort):
    url = f"/dids/?sort={sort}&{UNCOUNTED}&tag=sip&tag=Gold"
    pages = follow(administrator, url, "next_url")
    expected = list(pages[0].ordered.values_list("pk", flat=True))
    assert [key for page in pages for key in page.keys] == expected
    back = follow(administrator, pages[0].last_url, "previous_url")
    assert [key for page in reversed(back) for key in page.keys] == expected
    assert [page.page for page in back[:2]] == [-1, -2]
    assert back[0].span == "20 – 1 from the end"
    assert page_at(administrator, f"{url}&page=-2").keys == back[1].keys
    assert page_at(administrator, f"{url}&page=3").keys == expected[40:60]
    assert pages[1].span == "21 – 40"


@pytest.mark.parametrize("sort", SORTS)
def test_a_client_without_accounts_has_no_numbers_in_any_order(inventory, administrator, sort):
    client = Client.objects.create(reseller=Reseller.objects.get(name="South"), name="new")
    tag = Tag.objects.create(name="unused")
    for query in (f"client={client.pk}", f"tag={tag.name}", f"client={client.pk}&status=hold&q=4"):
        empty = page_at(administrator, f"/dids/?sort={sort}&{query}")
        assert (empty.total, empty.rows, empty.next_url) == (0, [], None)


@pytest.mark.parametrize("sort", SORTS)
def test_few_numbers_are_sorted_at_once(inventory, overdue, administrator, sort, monkeypatch):
    monkeypatch.setattr(lists, "SORTED_MAX", 5_000)
    for query in ("tag=sip&tag=Gold", "status=hold"):
        check_pages(administrator, query, sort)


def test_a_bounded_total_is_labelled_and_counted_exactly_on_demand(inventory, administrator, few_counted):
    short = page_at(administrator, f"/dids/?{UNCOUNTED}&tag=sip")
    count = short.matches.count()
    assert count > 30 and (short.total, short.total.label) == (30, "30+")
    exact = page_at(administrator, short.exact_url)
    assert (exact.total, exact.total.label) == (count, str(count))
    least, most = short.filterset.by_status, exact.filterset.by_status
    assert all(least[status] <= most[status] and least[status].more for status in most)
    assert sum(least.values()) == 31


def test_the_total_of_a_status_is_its_own_count(inventory, overdue, administrator, few_counted):
    found = page_at(administrator, f"/dids/?{UNCOUNTED}&tag=sip&tag=Gold&status=active&status=hold")
    count = found.matches.count()
    assert found.filterset.by_status["active"].more
    assert found.total.label == ("30+" if count > 30 else str(count))
    few = page_at(administrator, f"/dids/?{UNCOUNTED}&tag=sip&tag=Gold&status=blocked")
    assert 0 < few.matches.count() <= 30
    assert few.total.label == str(few.matches.count())


def test_the_counter_of_a_chosen_status_equals_the_total(inventory, administrator, few_counted):
    found = page_at(administrator, f"/dids/?{UNCOUNTED}&tag=sip&tag=Gold&status=active")
    assert found.filterset.by_status["active"].label == found.total.label
    assert found.filterset.by_status["instock"].more


def test_a_page_from_the_end_beyond_the_start_is_the_first_one(inventory, administrator, few_counted):
    url = f"/dids/?{UNCOUNTED}&tag=sip&tag=Gold"
    expected = list(page_at(administrator, url).ordered.values_list("pk", flat=True))
    assert len(expected) % 20
    found = page_at(administrator, f"{url}&page=-99")
    assert found.keys == expected[: len(expected) % 20]
    assert found.page == -(len(expected) // 20 + 1)
    assert found.span.startswith(f"{len(expected)} – ")
    assert found.previous_url is None


def test_a_total_from_the_counters_is_exact(inventory, administrator, few_counted):
    reseller = Reseller.objects.get(name="South")
    for query in ("", "status=instock", f"reseller={reseller.pk}", "tag=sip&status=active"):
        found = page_at(administrator, f"/dids/?{query}")
        assert (found.total, found.total.more) == (found.matches.count(), False)


@pytest.mark.parametrize("sort", ["number", "-client", "-notes", "reseller"])
@pytest.mark.parametrize("limit", ["GUESSES_MAX", "PREFIXES_MAX"])
def test_a_jump_works_by_halving_and_without_prefixes(
    inventory, overdue, administrator, sort, limit, monkeypatch
):
    monkeypatch.setattr(keyset, limit, 0)
    for query in ("", "tag=sip", "status=instock&status=hold"):
        check_pages(administrator, query, sort)


def test_a_page_beyond_a_bounded_count_counts_all_matches(inventory, administrator, few_counted):
    found = page_at(administrator, f"/dids/?{UNCOUNTED}&tag=sip&page=99")
    assert found.page == found.pages == -(-found.matches.count() // 20)
    assert found.keys == list(found.ordered.values_list("pk", flat=True))[20 * (found.pages - 1) :]


def test_a_cursor_in_a_missing_partition_falls_back_to_the_page_number(inventory, administrator):
    operator = Operator.objects.create(reseller=Reseller.objects.get(name="South"), name="new")
    second = page_at(administrator, "/dids/?sort=operator&page=2")
    lost = page_at(administrator, f"/dids/?sort=operator&page=2&after={operator.pk + 1}~123")
    assert lost.keys == second.keys


def test_an_invalid_cursor_falls_back_to_the_page_number(inventory, administrator):
    cursors = ["x", "~", "~x", "1~", "1~-1", f"~{'9' * 30}", "x~5", "~5'", f"{10**30}~1", "٣~1", "²~1"]
    for sort in keyset.SORTS:
        second = page_at(administrator, f"/dids/?sort={sort}&page=2")
        for cursor, direction in product(cursors, ("after", "before")):
            page = page_at(administrator, f"/dids/?{urlencode({'sort': sort, 'page': 2, direction: cursor})}")
            assert page.keys == second.keys, (sort, cursor, direction)


def test_the_next_page_starts_after_the_last_row_shown(inventory, administrator):
    first = page_at(administrator, "/dids/")
    DID.objects.filter(status=st.INSTOCK).delete_unused(by=SYSTEM)
    later = page_at(administrator, first.next_url)
    last = DIDHistory.objects.filter(object_id=first.keys[-1]).values_list("number", flat=True).first()
    assert later.rows[0].number == DID.objects.filter(number__gt=last).order_by("number").first().number
