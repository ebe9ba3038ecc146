"""DID Management: the page with the list of numbers."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from audit import SYSTEM
from clients.models import Client
from dids.models import DID
from tests.world import NUMBERS, client_of, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def show(world, viewer):
    """Return the numbers on the page of a query, in the order of the rows, and the text of the page."""
    browser = client_of(viewer)

    def get(query="", user=None):
        response = (client_of(user) if user else browser).get(f"/dids/?{query}")
        assert response.status_code == 200
        return numbers_of(response), response.text

    return get


def numbers_of(response):
    return re.findall(r'<td class="col-number">\s*<a [^>]*>(\d+)</a>', without_marks(response.text))


def without_marks(text):
    """Return the text of a page without the marks of the digits that are searched for."""
    return re.sub("</?mark>", "", text)


def words(text):
    """Return the text of a page without tags, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def row_of(text, number):
    rows = re.findall(r"<tr[^>]*>.*?</tr>", without_marks(text), re.DOTALL)
    (row,) = [row for row in rows if f">{number}</a>" in row]
    return words(row)


@pytest.fixture
def overdue(world):
    """Let the hold of 2563 end without the worker having written it yet."""
    DID.objects.filter(number="2563").update(hold_until=timezone.now() - timedelta(seconds=1))


# --- rows and counters ------------------------------------------------------------------------------


def test_the_list_shows_all_numbers_ordered_by_number(show):
    numbers, text = show()
    assert numbers == sorted(NUMBERS)
    assert "Rows 1 – 13 of 13" in words(text)


def test_a_row_shows_the_columns_of_the_manual(show, world):
    DID.objects.filter(number="2567").edit(by=SYSTEM, tags=["vip", "gold"], notes="night shift")
    _, text = show()
    pk = world.did("2567").pk
    assert row_of(text, "2567") == (
        f"{pk} Active DID Operator 2567 gold, vip night shift Rose Orig | rose_orig Reseller 1"
    )
    assert "Hold · 30 d" in row_of(text, "2563")
    assert "Rose Orig | rose_orig" in row_of(text, "2563")
    assert "Rose Orig" not in row_of(text, "256999")


def test_text_entered_by_users_is_escaped(show, world):
    DID.objects.filter(number="2567").edit(by=SYSTEM, notes='<b>{pk}</b> & "night"')
    Client.objects.update(name="Rose <i>Orig</i>")
    _, text = show("q=2567")
    assert '<span class="cut">&lt;b&gt;{pk}&lt;/b&gt; &amp; &quot;night&quot;</span>' in text
    assert "Rose &lt;i&gt;Orig&lt;/i&gt; <span" in text
    assert "<i>" not in text


def test_a_row_links_to_its_number_and_offers_delete_to_permitted_users(show, world, administrator):
    pk = world.did("2567").pk
    _, text = show("q=2567")
    assert f'href="/dids/{pk}/"' in text and f'href="/dids/{pk}/history/"' in text
    assert f"/dids/delete/?ids={pk}" not in text
    _, text = show("q=2567", administrator)
    assert f'hx-get="/dids/delete/?ids={pk}"' in text


def test_a_status_is_explained_on_request(show, world, viewer, django_assert_max_num_queries):
    _, text = show("q=2567")
    assert re.search(r'data-tip-url="explanation/">\s*<span class="did-status did-status-active"', text)
    link = f"/dids/{world.did('2567').pk}/"
    assert f'<a href="{link}" data-row-link' in text
    browser = client_of(viewer)
    with django_assert_max_num_queries(11):
        answer = browser.get(f"{link}explanation/")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert re.fullmatch(r"Active since .+\.", answer.text)


def test_an_overdue_hold_is_shown_with_its_next_status(show, overdue):
    _, text = show("q=2563")
    assert "In Stock" in row_of(text, "2563")
    assert "Rose Orig" not in row_of(text, "2563")
    numbers, _ = show("status=hold")
    assert numbers == []
    numbers, _ = show("status=instock")
    assert "2563" in numbers


def test_an_overdue_hold_is_sorted_by_its_next_status(show, overdue):
    by_status, _ = show("sort=status")
    assert by_status == [
        "2567", "12567", "2568", "2563", "256999", "3333", "111", "112", "113", "114", "115", "116", "12568",
    ]  # fmt: skip
    by_client, _ = show("sort=client")
    assert by_client[:3] == ["2567", "2568", "111"]


def test_each_counter_links_to_its_filter(show):
    _, text = show("q=256&sort=-number&page=2")
    (counters,) = re.findall(r'<nav class="counters".*?</nav>', text, re.DOTALL)
    assert words(counters) == "All 6 Reserved 1 In Stock 1 Active 1 Blocked 1 Hold 1 Archive 1 ?"
    assert 'href="/dids/?q=256&amp;status=hold&amp;sort=-number"' in counters
    assert re.search(r'href="/dids/\?q=256&amp;sort=-number" aria-current="true"', counters)
    numbers, text = show("q=256&status=hold")
    assert numbers == ["2563"]
    (counters,) = re.findall(r'<nav class="counters".*?</nav>', text, re.DOTALL)
    assert words(counters) == "All 6 Reserved 1 In Stock 1 Active 1 Blocked 1 Hold 1 Archive 1 ?"


def test_counters_follow_overdue_holds(show, overdue):
    _, text = show()
    (counters,) = re.findall(r'<nav class="counters".*?</nav>', text, re.DOTALL)
    assert "In Stock 3" in words(counters)
    assert "Hold 0" in words(counters)


def test_active_filters_are_shown_and_can_be_removed(show, world):
    _, text = show(f"q=25&match=begins&client={world.client.pk}&status=active&sort=id")
    chips = re.search(r'<ul class="chips".*?</ul>', text, re.DOTALL)[0]
    assert words(chips) == "Number begins with 25 Status is Active Client is Rose Orig Reset"
    without_number = f'href="/dids/?status=active&amp;client={world.client.pk}&amp;sort=id"'
    assert without_number in chips


@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ("q=25*", "Number begins with 25"),
        ("q=*(0)25", "Number ends with 025"),
        ("q=25&match=exact", "Number is 25"),
        ("q=2%205", "Number contains 2 5"),
        ("q=111-116", "Number between 111 and 116"),
        ("q=111,112", "Number any of 111,112"),
        ("q=nonsense", "Number nonsense"),
        ("status=active&status=hold&client_name=rose", "Status any of Active Hold Client contains rose"),
    ],
)
def test_a_filter_says_how_its_values_are_meant(show, query, filters):
    _, text = show(query)
    assert words(re.search(r'<ul class="chips".*?</ul>', text, re.DOTALL)[0]) == f"{filters} Reset"


def test_choices_of_the_search_are_loaded_separately(show, world):
    Client.objects.bulk_create(Client(reseller=world.reseller, name=f"Customer {n}") for n in range(50))
    _, text = show(f"client={world.client.pk}&advanced=1")
    assert f'<option value="{world.client.pk}" selected>Rose Orig</option>' in text
    assert "Customer" not in text
    assert 'data-choices-url="/dids/choices/clients/"' in text


# --- sorting and paging -----------------------------------------------------------------------------

BY_COLUMN = {
    "number": lambda did: did.number,
    "id": lambda did: did.pk,
    "status": lambda did: (did.status, did.number),
    "operator": lambda did: (did.operator.name.lower(), did.number),
    "tag": lambda did: (did.tag_label, did.number),
    "notes": lambda did: (did.notes, did.number),
    "client": lambda did: (did.client_name.lower(), did.account_name.lower(), did.number),
    "reseller": lambda did: (did.reseller_name.lower(), did.number),
}
EMPTY = {"tag": "tag_label", "notes": "notes", "client": "client_name"}


@pytest.mark.parametrize("column", BY_COLUMN)
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_every_column_sorts_both_ways(show, column, backwards, late, request):
    if late:
        request.getfixturevalue("overdue")
    DID.objects.filter(number__in=["111", "3333"]).edit(by=SYSTEM, tags=["b"], notes="b note")
    DID.objects.filter(number__in=["115", "2567"]).edit(by=SYSTEM, tags=["a"], notes="a note")
    numbers, text = show(f"sort={'-' if backwards else ''}{column}")

    dids = list(DID.objects.for_table())
    for did in dids:
        did.status = did.status_now
    ordered = sorted(dids, key=BY_COLUMN[column], reverse=backwards)
    if column in EMPTY:  # empty values sort last in both directions
        ordered.sort(key=lambda did: not getattr(did, EMPTY[column]))
    assert numbers == [did.number for did in ordered]
    assert f'class="col-{column}" aria-sort="{"descending" if backwards else "ascending"}"' in text


def test_pages_have_the_rows_in_order(show, world):
    DID.objects.create_numbers(map(str, range(5000, 5100)), operator=world.operator, by=SYSTEM)
    first, text = show("q=50&match=begins&page=1")
    last, _ = show("q=50&match=begins&page=5")
    assert first == [str(n) for n in range(5000, 5020)]
    assert last == [str(n) for n in range(5080, 5100)]
    assert "Rows 1 – 20 of 100" in words(text)
    assert show("q=50&match=begins&page=77")[0] == last


@pytest.mark.parametrize("query", ["", "sort=-status&page=2", "q=555&sort=operator", "status=instock"])
def test_the_page_costs_the_same_queries_for_any_number_of_rows(
    world, viewer, query, django_assert_num_queries, django_assert_max_num_queries
):
    DID.objects.create_numbers(
        (f"555{n}" for n in range(1000, 2100)), operator=world.operator, by=SYSTEM, tags=["x"], notes="y"
    )
    DID.objects.filter(number__in=["5551000", "5551001"]).assign(
        world.client_package, world.account, by=SYSTEM
    )
    browser = client_of(viewer)
    with django_assert_max_num_queries(14) as spent:
        assert len(numbers_of(browser.get(f"/dids/?{query}&per_page=20"))) == 20
    for rows in (100, 500):
        with django_assert_num_queries(len(spent.captured_queries)):
            assert len(numbers_of(browser.get(f"/dids/?{query}&per_page={rows}"))) == rows


# --- errors and empty lists -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("status=hodl", "Status: There is no status “hodl”."),
        ("operator=999", "Operator: There is no operator “999”."),
        ("q=abc", "Number: “abc”"),
        ("sort=password", "Sort: there is no column “password”"),
        ("page=x", "Page: “x” is not the number of a page"),
        ("per_page=21", "Rows per page: “21” is not offered"),
        ("stauts=reserved", "There is no filter “stauts”; did you mean “status”?"),
        ("q=256&q=257", "The filter “q” takes one value, and has “256” and “257”."),
        ("page=1&page=2", "The filter “page” takes one value, and has “1” and “2”."),
    ],
)
def test_an_invalid_search_shows_its_error_and_no_numbers(show, query, error):
    numbers, text = show(f"{query}&status=active")
    assert numbers == []
    assert error in words(text)
    assert "No numbers are shown until the search is corrected." in words(text)
    assert text.index("notice-error") < text.index('id="advanced-search"')  # in view on a phone
    assert "selection-form" not in text
    assert "/dids/export/" not in text
    assert 'class="counters"' not in text


def test_the_search_fields_are_loaded_on_request(show, viewer, django_assert_max_num_queries):
    field = '<select name="match"'
    assert field not in show("q=256")[1]
    numbers, text = show("q=256&advanced=1")
    assert field in text and 'value="256"' in text and numbers
    browser = client_of(viewer)
    with django_assert_max_num_queries(6) as spent:
        part = browser.get("/dids/?q=256&advanced=1", headers={"HX-Request": "true"}).text
    assert not any("dids_stock" in query["sql"] for query in spent.captured_queries)
    assert part.lstrip().startswith("<form") and field in part and "<table" not in part


def test_a_search_without_matches_links_to_the_whole_list(show):
    numbers, text = show("q=4711")
    assert numbers == []
    assert "No numbers match" in text
    assert 'href="/dids/"' in text


# --- visibility -------------------------------------------------------------------------------------


def test_a_stranger_sees_only_numbers_of_its_reseller(show, stranger):
    numbers, text = show("", stranger)
    assert numbers == ["3333"]
    assert "Rose Orig" not in text and "Reseller 1" not in text
    (counters,) = re.findall(r'<nav class="counters".*?</nav>', text, re.DOTALL)
    assert words(counters) == "All 1 Reserved 0 In Stock 1 Active 0 Blocked 0 Hold 0 Archive 0 ?"


def test_a_stranger_learns_nothing_from_addresses(show, stranger, world):
    for query in (
        f"operator={world.operator.pk}",
        f"reseller={world.reseller.pk}",
        f"client={world.client.pk}",
    ):
        numbers, text = show(query, stranger)
        assert numbers == []
        assert f"There is no {query.partition('=')[0]} “" in text
        assert "Rose Orig" not in text and ">DID Operator<" not in text


def test_the_list_and_its_choices_require_permission(world):
    nobody = member("Viewer", username="nobody")
    nobody.groups.clear()
    for name in ("list", "client_choices", "tag_choices"):
        assert client_of(nobody).get(reverse(f"dids:{name}")).status_code == 403


def test_the_list_refuses_post(world, viewer):
    assert client_of(viewer).post("/dids/").status_code == 405


def test_a_viewer_is_offered_no_action_that_writes(show, clerk):
    _, text = show()
    assert "/dids/export/" in text
    assert "/dids/new/" not in text and "/dids/mass-edit/" not in text and "/dids/delete/" not in text
    _, text = show("", clerk)
    assert "/dids/new/" in text and "/dids/mass-edit/" in text


# --- choices ----------------------------------------------------------------------------------------


def choices(user, address):
    answer = client_of(user).get(address).json()
    return [(result["id"], result["text"], result.get("note")) for result in answer["results"]], answer[
        "more"
    ]


def test_clients_are_found_as_typed(world, viewer):
    lily = Client.objects.create(reseller=world.reseller_2, name="Lily")
    assert choices(viewer, "/dids/choices/clients/") == (
        [(lily.pk, "Lily", "Reseller 2"), (world.client.pk, "Rose Orig", "Reseller 1")],
        False,
    )
    assert choices(viewer, "/dids/choices/clients/?q=rose") == (
        [(world.client.pk, "Rose Orig", "Reseller 1")],
        False,
    )
    assert choices(viewer, "/dids/choices/clients/?q=%00") == choices(viewer, "/dids/choices/clients/")


def test_at_most_twenty_choices_are_returned(world, viewer):
    Client.objects.bulk_create(Client(reseller=world.reseller, name=f"C {n:02}") for n in range(30))
    results, more = choices(viewer, "/dids/choices/clients/?q=c+")
    assert [text for _, text, _ in results] == [f"C {n:02}" for n in range(20)]
    assert more


def test_tags_are_found_as_typed(world, viewer):
    DID.objects.filter(number="111").edit(by=SYSTEM, tags=["gold", "Golf"])
    DID.objects.filter(number="3333").edit(by=SYSTEM, tags=["old"])
    assert choices(viewer, "/dids/choices/tags/?q=ol") == (
        [("Golf", "Golf", None), ("gold", "gold", None), ("old", "old", None)],
        False,
    )


def test_a_stranger_is_offered_only_choices_of_its_reseller(world, stranger):
    DID.objects.filter(number="111").edit(by=SYSTEM, tags=["theirs", "shared"])
    DID.objects.filter(number="3333").edit(by=SYSTEM, tags=["ours", "shared"])
    assert choices(stranger, "/dids/choices/clients/") == ([], False)
    assert [text for _, text, _ in choices(stranger, "/dids/choices/tags/")[0]] == ["ours", "shared"]
