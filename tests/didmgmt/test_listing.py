"""``Listing`` and ``Selection``, tested with a list of clients."""

from itertools import product
from urllib.parse import urlencode

import django_filters
import pytest
from django.db.models import F
from django.db.models.functions import Lower
from django.http import QueryDict

from clients.filters import PackageFilter, ResellerFilter
from clients.models import Client, Package, Reseller
from didmgmt.filters import FilterSet
from didmgmt.keyset import rows_after
from didmgmt.listing import Count, Listing, Selection
from didmgmt.statements import EVERYBODY

pytestmark = pytest.mark.django_db

SORTS = {
    "name": ("name",),
    "id": ("id",),
    "closed": (F("closed_at"), "name"),
    "reseller": ("reseller__name",),
}


class ClientFilter(FilterSet):
    name = django_filters.CharFilter(label="Name", lookup_expr="startswith")
    reseller = django_filters.ModelChoiceFilter(label="Reseller", queryset=Reseller.objects.all())

    class Meta:
        model = Client
        fields = []


@pytest.fixture
def clients():
    """Create two resellers with 60 clients each, c000 … c119 alternately."""
    north, south = (Reseller.objects.create(name=name) for name in ("North", "South"))
    Client.objects.bulk_create(
        Client(name=f"c{n:03}", reseller=south if n % 2 else north) for n in range(120)
    )
    return north, south


def listing(query="", **options):
    options = {"sorts": SORTS} | options
    return Listing(
        QueryDict(query), Client.objects.all(), ClientFilter, user=None, path="/clients/", **options
    )


def names(query="", **options):
    return [client.name for client in listing(query, **options).rows]


# --- pages -----------------------------------------------------------------------------------------


def test_a_page_has_its_rows_and_their_range(clients):
    second = listing("page=2&per_page=50")
    assert [client.name for client in second.rows] == [f"c{n:03}" for n in range(50, 100)]
    assert (second.first, second.last, second.total) == (51, 100, 120)
    assert (second.page, second.pages, second.per_page) == (2, 3, 50)


@pytest.mark.parametrize("sort", ["name", "-name", "id", "-id", "reseller", "-reseller", "closed", "-closed"])
def test_the_pages_have_each_row_once_and_in_order(clients, sort):
    all_pages = [name for page in range(1, 7) for name in names(f"sort={sort}&page={page}")]
    assert all_pages == names(f"sort={sort}&per_page=500")
    assert sorted(all_pages) == [f"c{n:03}" for n in range(120)]


def test_the_last_page_may_be_short(clients):
    last = listing("page=3&per_page=50")
    assert len(last.rows) == 20
    assert (last.first, last.last) == (101, 120)


def test_a_page_beyond_the_end_is_the_last_one(clients):
    assert listing("page=99").page == 6
    assert names("page=99") == names("page=6")


@pytest.mark.parametrize("page", ["abc", "0", "-", "-0", "1.5", "٣", "9" * 30])
def test_an_invalid_page_number_is_an_error_and_shows_nothing(clients, page):
    refused = listing(f"page={page}&name=c0")
    assert refused.errors == [f"Page: “{page}” is not the number of a page. Enter 1 or higher."]
    assert (refused.valid, refused.rows, refused.total) == (False, [], 0)
    assert refused.url() == "/clients/?name=c0"


@pytest.mark.parametrize("per_page", ["7", "abc", "0", "-20", "1000000"])
def test_a_page_size_that_is_not_offered_is_an_error_and_shows_nothing(clients, per_page):
    refused = listing(f"per_page={per_page}&sort=id")
    (error,) = refused.errors
    assert error == f"Rows per page: “{per_page}” is not offered. Use one of 20, 50, 100, 500."
    assert (refused.valid, refused.rows, refused.per_page) == (False, [], 20)
    assert refused.reset_url == "/clients/?sort=id"


def test_blank_parameters_are_left_out_ones(clients):
    found = listing("page=&per_page=&sort=&count=&name=")
    assert (found.valid, found.page, found.per_page, found.total) == (True, 1, 20, 120)


def test_an_unknown_parameter_is_an_error_and_shows_nothing(clients):
    refused = listing("nmae=c01")
    assert refused.errors == ["There is no filter “nmae”; did you mean “name”?"]
    assert (refused.valid, refused.rows, refused.total) == (False, [], 0)
    assert listing("count=all").errors == ["Count: “all” is unknown. Use “exact” or leave it out."]


def test_parameters_that_links_keep_and_that_the_view_reads_are_known(clients):
    assert listing("type=a&format=csv", keeps=["type"], besides=["format"]).valid


def test_an_empty_list_is_one_page_without_rows(db):
    empty = listing("page=5")
    assert (empty.rows, empty.total, empty.first, empty.last, empty.page, empty.pages) == ([], 0, 0, 0, 1, 1)


@pytest.mark.parametrize("page", [1, 2, 3])
def test_every_page_takes_three_queries(clients, page, django_assert_num_queries):
    with django_assert_num_queries(3):
        assert listing(f"page={page}&per_page=50").rows


def test_a_known_total_saves_the_count(clients, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert listing(total=lambda filterset: Count(120)).pages == 6
        assert names(total=lambda filterset: Count(120))[0] == "c000"


def test_related_rows_are_fetched_with_the_rows(clients, django_assert_num_queries):
    with django_assert_num_queries(3):
        rows = listing("per_page=50", fetch=lambda found: found.select_related("reseller")).rows
        assert {row.reseller.name for row in rows} == {"North", "South"}


def test_a_row_deleted_while_the_page_is_read_is_left_out(clients):
    found = listing()
    assert len(found.keys) == 20
    Client.objects.get(name="c003").delete()
    assert [row.name for row in found.rows][:4] == ["c000", "c001", "c002", "c004"]


@pytest.mark.parametrize(
    ("number", "label"), [(10_000, "10,000+"), (7_213, "7,000+"), (999, "900+"), (1, "1+"), (0, "…")]
)
def test_a_lower_bound_is_rounded_down(number, label):
    assert Count(number, more=True).label == label
    assert Count(number).label == f"{number:,}"


# --- order -----------------------------------------------------------------------------------------


def test_equal_rows_keep_their_order(clients):
    by_reseller = names("sort=reseller&per_page=500")
    assert by_reseller == [f"c{n:03}" for n in (*range(0, 120, 2), *range(1, 120, 2))]
    assert names("sort=-reseller&per_page=500") == by_reseller[::-1]


def test_empty_values_come_last_in_both_directions(clients):
    for day, name in ((3, "c007"), (5, "c005")):
        Client.objects.filter(name=name).update(closed_at=f"2026-01-0{day}T00:00Z")
    assert names("sort=closed")[:3] == ["c007", "c005", "c000"]
    assert names("sort=-closed")[:3] == ["c005", "c007", "c119"]
    assert names("sort=-closed&page=6")[-1] == "c000"


@pytest.mark.parametrize("sort", ["password", "reseller__name", "-", "--name", "?"])
def test_an_unknown_sort_is_an_error_and_shows_nothing(clients, sort):
    refused = listing(f"sort={sort}")
    assert not refused.valid
    assert (refused.rows, refused.total) == ([], 0)
    assert refused.errors == [f"Sort: there is no column “{sort}”. Use one of name, id, closed, reseller."]


# --- the filter ------------------------------------------------------------------------------------


def test_the_filter_narrows_rows_and_total(clients):
    found = listing("name=c01&sort=-name")
    assert [row.name for row in found.rows] == [f"c{n:03}" for n in range(19, 9, -1)]
    assert found.total == 10


def test_an_invalid_value_shows_no_rows_and_is_named(clients):
    invalid = listing("reseller=nobody&name=c01")
    assert not invalid.valid
    assert (invalid.rows, invalid.total) == ([], 0)
    assert invalid.matches.count() == 0
    assert len(invalid.errors) == 1 and invalid.errors[0].startswith("Reseller: ")


def test_the_query_contains_only_the_filter(clients):
    north, _ = clients
    query = f"page=2&sort=-name&reseller={north.pk}&per_page=50&name=%20&name=c0"
    assert listing(query).query == f"name=c0&reseller={north.pk}"
    assert listing("page=2&sort=id").query == ""


def test_two_values_of_a_parameter_that_takes_one_are_refused(clients):
    found = listing("name=c01&name=c02")
    assert (found.rows, found.total) == ([], 0)
    assert found.errors == ["The filter “name” takes one value, and has “c01” and “c02”. Keep one of them."]
    assert not listing("page=1&page=2").valid
    assert listing("name=c01&name=&name=c01").total == 10


def test_reset_keeps_order_and_page_size(clients):
    assert listing("name=c0&page=3&sort=-name&per_page=50").reset_url == "/clients/?sort=-name&per_page=50"
    assert listing("name=c0&page=3").reset_url == "/clients/"


def test_a_chip_shows_one_value_and_removes_it(clients):
    north, _ = clients
    chips = listing(f"name=c0&reseller={north.pk}&sort=id&page=2").chips
    assert [(chip["label"], chip["relation"], chip["value"]) for chip in chips] == [
        ("Name", "contains", "c0"),
        ("Reseller", "is", "North"),
    ]
    assert chips[0]["remove_url"] == f"/clients/?reseller={north.pk}&sort=id"
    assert [chip["fields"] for chip in chips] == [["name"], ["reseller"]]


def test_an_invalid_value_has_a_chip(clients):
    (chip,) = listing(f"reseller={'x' * 100}").chips
    assert chip["value"] == "x" * 59 + "…"
    assert chip["remove_url"] == "/clients/"


# --- the selection ---------------------------------------------------------------------------------


def selected(limit=None, **posted):
    return Selection.read(query_dict(posted), Client.objects.all(), ClientFilter, user=None, limit=limit)


def query_dict(values):
    return QueryDict(urlencode(values, doseq=True))


def ids_of(*names):
    by_name = dict(Client.objects.values_list("name", "pk"))
    return [by_name[name] for name in names]


def test_ticked_rows_are_selected(clients):
    ids = ids_of("c001", "c005", "c119")
    selection = selected(scope="ids", ids=",".join(map(str, ids)))
    assert (selection.error, selection.note, selection.count) == ("", "", 3)
    assert set(selection.queryset.values_list("pk", flat=True)) == set(ids)
    assert selection.ids == ",".join(map(str, ids))


def test_ids_sent_as_separate_values_are_selected(clients):
    ids = ids_of("c001", "c005")
    assert selected(ids=["", *ids, ids[0]]).count == 2


def test_a_url_can_select_a_row(clients):
    (pk,) = ids_of("c007")
    selection = Selection.read(QueryDict(f"ids={pk}"), Client.objects.all(), ClientFilter, user=None)
    assert [client.name for client in selection.queryset] == ["c007"]


def test_rows_the_user_may_not_see_count_as_deleted(clients):
    north, _ = clients
    ids = ids_of("c000", "c001")
    found = Client.objects.filter(reseller=north)
    selection = Selection.read(query_dict({"ids": ids}), found, ClientFilter, user=None)
    assert selection.count == 1
    assert selection.note == f"1 of the 2 selected clients no longer exists (ID {ids[1]})."


def test_deleted_rows_are_counted_and_named(clients):
    ids = ids_of(*(f"c{n:03}" for n in range(10)))
    Client.objects.filter(pk__in=ids[:7]).delete()
    selection = selected(ids=ids)
    assert selection.count == 3
    named = ", ".join(map(str, ids[:5]))
    assert selection.note == f"7 of the 10 selected clients no longer exist (ID {named}, …)."


def test_nothing_is_selected_when_all_ticked_rows_are_deleted(clients):
    ids = ids_of("c001")
    Client.objects.filter(pk__in=ids).delete()
    assert_refused(selected(ids=ids), "None of the selected clients exist any more.")


def test_a_selection_without_rows_is_refused(clients):
    assert_refused(selected(ids=""), "No clients are selected.")


@pytest.mark.parametrize("bad", ["x", "-1", "1.5", "1 2", "9" * 19, "٣"])
def test_an_invalid_id_refuses_the_whole_selection(clients, bad):
    (pk,) = ids_of("c001")
    assert_refused(selected(ids=[pk, bad]), f"“{bad}” is not a row ID.")


def test_all_matching_rows_are_found_by_the_filter(clients):
    selection = selected(scope="all", query="name=c01", expected="10", ids="1,2,3")
    assert (selection.error, selection.count, selection.ids) == ("", 10, "")
    assert {client.name[:3] for client in selection.queryset} == {"c01"}


def test_a_changed_number_of_matches_is_refused(clients):
    Client.objects.get(name="c011").delete()
    selection = selected(scope="all", query="name=c01", expected="10")
    assert_refused(selection, "10 clients matched when you selected them; 9 match now.")
    selection = selected(scope="all", query="name=c012", expected="10")
    assert_refused(selection, "10 clients matched when you selected them; 1 matches now.")


@pytest.mark.parametrize("expected", ["", "0", "many", "-10"])
def test_all_matching_rows_without_an_expected_count_are_refused(clients, expected):
    assert_refused(
        selected(scope="all", query="name=c01", expected=expected),
        "The number of clients you saw is missing.",
    )


def test_an_invalid_filter_selects_nothing(clients):
    selection = selected(scope="all", query="name=c01&reseller=nobody", expected="120")
    assert_refused(selection, "Nothing is selected because the search is invalid. Reseller: ")


def test_an_unknown_parameter_selects_nothing(clients):
    selection = selected(scope="all", query="nmae=c01", expected="120")
    assert_refused(
        selection, "Nothing is selected because the search is invalid. There is no filter “nmae”; did"
    )


def test_a_filter_without_matches_is_refused(clients):
    assert_refused(selected(scope="all", query="name=x", expected="3"), "No clients match any more.")


def test_more_rows_than_the_request_limit_are_refused(clients, settings):
    settings.REQUEST_LIMIT = 100
    selection = selected(scope="all", query="", expected="120")
    assert_refused(
        selection, "120 clients are selected; at most 100 can be changed at once. Narrow the search"
    )
    assert selected(scope="all", query="", expected="120", limit=120).count == 120
    assert_refused(selected(ids=ids_of("c001", "c002"), limit=1), "2 clients are selected; at most 1")


def test_too_many_ticked_rows_are_refused(clients):
    ids = ",".join(map(str, range(1, 20_002)))
    assert_refused(selected(ids=ids), "20,001 rows are ticked; at most 20,000 can be.")


def test_another_scope_is_refused(clients):
    assert_refused(selected(scope="everything"), "“everything” is not a way to select rows.")


def assert_refused(selection, sentence):
    assert selection.error.startswith(sentence)
    assert selection.count == 0
    assert list(selection.queryset) == []


# --- pages by cursor without counting -------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["reseller", "-reseller", "days", "-days", "name", "-name"])
def test_pages_by_values_have_the_order_of_the_whole_list(db, sort):
    """Names repeat, and hold days may be null, which comes last in both directions."""
    north, south = (Reseller.objects.create(name=name) for name in ("North", "south"))
    for reseller, name, days in product((north, south), ("a", "B", "c"), (None, 0, 7)):
        Package.objects.create(reseller=reseller, name=f"{name} {days}", did_limit=1, hold_days=days)
    columns = {
        "reseller": (Lower("reseller__name"), "pk"),
        "days": (F("hold_days"), Lower("reseller__name")),
        "name": (Lower("name"),),
    }
    listing = Listing(
        QueryDict(f"sort={sort}"), Package.objects.all(), PackageFilter, user=EVERYBODY, sorts=columns
    )
    found, cursor = [], None
    while page := rows_after(listing, cursor, 4):
        found += [key for _, key in page]
        cursor = page[-1][0]
    assert found == [package.pk for package in listing.ordered] and len(found) == 18


def test_a_cursor_of_another_order_is_refused(db):
    Reseller.objects.create(name="North")
    by_name, by_id = (
        Listing(
            QueryDict(f"sort={sort}"),
            Reseller.objects.all(),
            ResellerFilter,
            user=EVERYBODY,
            sorts={"name": (Lower("name"), "id"), "id": ("id",)},
        )
        for sort in ("name", "id")
    )
    ((cursor, _),) = rows_after(by_name, None, 1)
    for wrong in (cursor, "x", ""):
        with pytest.raises(LookupError):
            rows_after(by_id, wrong, 1)
