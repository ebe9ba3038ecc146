"""The list filtered by a change shows exactly the numbers that it wrote, few and many."""

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

import audit
from audit import SYSTEM
from audit.models import Change
from didmgmt.listing import Selection
from dids.exports.rows import listing_rows
from dids.lists import changed, filters
from dids.lists import listing as lists
from dids.lists.changed import changed_url
from dids.lists.filters import DIDFilter
from dids.lists.listing import did_listing
from dids.models import DID
from jobs.models import Job
from tests.world import make_world, member

pytestmark = pytest.mark.django_db

NUMBERS = [str(5_000 + n) for n in range(70)]
KEPT = NUMBERS[:-1]
SORTS = ["", *(f"{sign}{column}" for column in ("number", "id", "operator", "notes") for sign in ("", "-"))]


@pytest.fixture
def world():
    return make_world()


@pytest.fixture(params=["few", "many"])
def size(request, monkeypatch):
    """Let ten rows of history, or 10,000, be few."""
    if request.param == "many":
        monkeypatch.setattr(changed, "IDS_MAX", 10)
        monkeypatch.setattr(filters, "COUNTED_TO", 10)
        monkeypatch.setattr(lists, "SORTED_MAX", 0)
    return request.param


@pytest.fixture
def change(world):
    """Return a change that creates 70 numbers in two chunks, writes 20 of them twice and one of the world.

    Afterwards one is deleted, and the others are written again.
    """
    with audit.change(Change.Kind.IMPORT, by=SYSTEM, label="Import of x") as found:
        DID.objects.create_numbers(NUMBERS[:50:-1], operator=world.operator, by=SYSTEM)
        DID.objects.create_numbers(NUMBERS[:51], operator=world.operator, by=SYSTEM)
        DID.objects.filter(number__in=[*NUMBERS[30:50], "256999"]).edit(by=SYSTEM, notes="seen")
    DID.objects.filter(number=NUMBERS[-1]).delete_unused(by=SYSTEM)
    DID.objects.filter(number__in=NUMBERS[::3]).edit(by=SYSTEM, status="reserved")
    return found


def page(query, user):
    return did_listing(QueryDict(query), user, "/dids/")


def pages(query, user):
    """Return the numbers on all pages, followed from the first to the last."""
    found, url = [], f"?{query}"
    while url:
        shown = page(url.partition("?")[2], user)
        found += [did.number for did in shown.rows]
        url = shown.next_url
    return found


@pytest.mark.parametrize("sort", SORTS)
def test_a_change_lists_the_numbers_that_it_wrote(change, administrator, size, sort):
    query = f"change={change.pk}&sort={sort}"

    found = pages(query, administrator)

    assert len(found) == len(set(found))
    assert sorted(found) == sorted(["256999", *KEPT])
    assert page(f"{query}&count=exact", administrator).total == 70
    last = page(f"{query}&page=-1", administrator)
    assert [did.number for did in last.rows] == found[-len(last.rows) :]


def test_few_numbers_come_by_number_and_many_as_they_were_written(change, administrator, size):
    found = pages(f"change={change.pk}", administrator)

    written = [*NUMBERS[51:-1], *NUMBERS[:30], "5050", "256999", *NUMBERS[30:50]]
    assert found == (sorted(["256999", *KEPT]) if size == "few" else written)


@pytest.mark.parametrize("filtered", ["q=50*", "status=reserved", "status=reserved&q=501", "tag=Gold"])
def test_other_filters_narrow_a_change(change, administrator, size, filtered):
    DID.objects.filter(number__in=NUMBERS[:4]).edit(by=SYSTEM, tags=["Gold"])

    found = pages(f"change={change.pk}&{filtered}", administrator)

    apart = DIDFilter(QueryDict(filtered), DID.objects.all(), user=administrator).qs
    expected = apart.filter(number__in=["256999", *KEPT]).values_list("number", flat=True)
    assert 0 < len(found) < 70 and sorted(found) == sorted(expected)
    assert page(f"change={change.pk}&{filtered}&count=exact", administrator).total == len(expected)


def test_counters_of_many_numbers_are_lower_bounds(change, administrator, size):
    counts = page(f"change={change.pk}", administrator).filterset.by_status

    assert any(count.more for count in counts.values()) == (size == "many")


def test_numbers_deleted_since_are_not_counted(change, administrator, monkeypatch):
    monkeypatch.setattr(changed, "IDS_MAX", 10)
    DID.objects.filter(number__in=KEPT[:-2]).edit(by=SYSTEM, status="instock")
    DID.objects.filter(number__in=KEPT[:-2]).delete_unused(by=SYSTEM)

    found = pages(f"change={change.pk}", administrator)

    assert sorted(found) == sorted(["256999", *KEPT[-2:]])
    assert page(f"change={change.pk}", administrator).total == 3


def test_a_page_costs_the_same_queries_for_many_numbers(world, change, administrator, size):
    with audit.change(Change.Kind.CREATE, by=SYSTEM) as larger:
        DID.objects.create_numbers(map(str, range(6_000, 6_300)), operator=world.operator, by=SYSTEM)

    def queries(one):
        with CaptureQueriesContext(connection) as found:
            assert len(page(f"change={one.pk}", administrator).rows) == 20
        return len(found)

    assert queries(larger) == queries(change)


def test_a_user_of_a_reseller_sees_what_the_change_wrote_there(world, size):
    bound = member("Administrator", reseller=world.reseller_2)
    with audit.change(Change.Kind.EDIT, by=SYSTEM) as both:
        DID.objects.filter(number__in=["3333", "111", "112"]).edit(by=SYSTEM, notes="both")
    with audit.change(Change.Kind.EDIT, by=SYSTEM) as others:
        DID.objects.filter(number="111").edit(by=SYSTEM, notes="others")
    DID.objects.filter(number="112").update(operator=world.operator_2)

    assert pages(f"change={both.pk}", bound) == ["3333"]
    refused = page(f"change={others.pk}", bound)
    assert (refused.valid, refused.rows) == (False, [])
    assert refused.errors == [f"Change: There is no change “{others.pk}”."]


@pytest.mark.parametrize("value", ["0", "x", "-1", "9" * 30, "1,2"])
def test_an_unknown_change_finds_nothing(administrator, change, value):
    listing = page(f"change={value}", administrator)

    assert (listing.valid, listing.total, listing.rows) == (False, 0, [])


@pytest.mark.parametrize("cursor", [f"~{10**19}", "9~1", "~x", "x"])
def test_an_invalid_cursor_falls_back_to_the_page_number(administrator, change, monkeypatch, cursor):
    monkeypatch.setattr(changed, "IDS_MAX", 10)
    second = page(f"change={change.pk}&page=2", administrator)

    assert page(f"change={change.pk}&page=2&after={cursor}", administrator).keys == second.keys


def test_a_past_time_and_a_change_are_refused_together(administrator, change):
    listing = page(f"change={change.pk}&as_of=2026-01-01T00:00", administrator)

    assert not listing.valid and listing.rows == []
    assert "can’t be filtered by a change" in listing.errors[0]


def test_the_chip_names_the_change(administrator, change):
    (chip,) = page(f"change={change.pk}", administrator).chips

    assert chip["label"] == "Change"
    assert chip["value"].startswith("import of ") and chip["value"].endswith(f", by {SYSTEM.name}")


def test_all_that_match_can_be_selected_and_exported(administrator, change, size):
    query = changed_url(change.pk).partition("?")[2]

    parameters = QueryDict(mutable=True)
    parameters.update({"scope": "all", "query": query, "expected": "70"})
    selection = Selection.read(parameters, DID.objects.all(), DIDFilter, user=administrator)
    rows = list(listing_rows(page(query, administrator), change.at))

    assert (selection.error, selection.count) == ("", 70)
    assert {row[rows[0].index("DID")] for row in rows[1:]} == {"256999", *KEPT}


@pytest.mark.parametrize(
    ("kind", "url"),
    [("create", "/dids/?change=5"), ("edit", "/dids/?change=5"), ("undo", "/dids/?change=5"), ("delete", "")],
)
def test_a_job_leads_to_the_numbers_that_it_wrote(kind, url):
    assert Job(kind=kind, change_id=5).url == url
    assert Job(kind=kind).url == ""
