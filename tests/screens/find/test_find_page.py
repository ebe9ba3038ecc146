"""The page of the one search, and what the palette gets."""

import pytest

from clients.models import Client
from tests.world import client_of

pytestmark = pytest.mark.django_db


def hits(response):
    """Return {kind: [(text, URL)]} of the results."""
    return {
        group["kind"]: [("".join(piece for piece, _ in hit.pieces), hit.url) for hit in group["hits"]]
        for group in response.context["groups"]
    }


def test_results_are_links_grouped_by_kind(world, supervisor):
    browser = client_of(supervisor)
    found = hits(browser.get("/find/?q=rose"))
    client = world.client.pk
    assert found["clients"] == [("Rose Orig", f"/clients/{client}/")]
    assert found["accounts"] == [("rose_orig", f"/clients/{client}/dids/?account={world.account.pk}")]
    assert found["actions"] == [("Give numbers to Rose Orig", f"/clients/{client}/dids/add/")]
    for url in (url for group in found.values() for _, url in group):
        assert browser.get(url).status_code == 200, url


def test_a_part_of_a_number_opens_the_list_and_a_whole_one_the_number(world, supervisor):
    browser = client_of(supervisor)
    part = hits(browser.get("/find/?q=256"))["numbers"]
    assert part[0] == ("6 numbers with 256", "/dids/?q=256") and len(part) == 4
    whole = hits(browser.get("/find/?q=2568"))["numbers"]
    assert whole[0] == ("2568", f"/dids/{world.did('2568').pk}/")
    assert whole[-1] == ("2 numbers with 2568", "/dids/?q=2568")
    assert hits(browser.get("/find/?q=111,999"))["numbers"][0][0] == "1 of 2 numbers of the list"
    free = hits(browser.get("/find/?q=256999"))["actions"]
    assert free[0] == ("Give 256999 to a client", f"/dids/assign/?ids={world.did('256999').pk}")


def test_digits_with_words_open_the_list_that_is_filtered_by_both(world, owner):
    browser = client_of(owner)
    text, url = hits(browser.get("/find/?q=11 did oper reserved"))["numbers"][0]
    assert text == "6 numbers with 11, Reserved, DID Operator"
    assert url == f"/dids/?q=11&status=reserved&operator={world.operator.pk}"
    assert browser.get(url).context["listing"].total == 6


def test_more_than_three_of_a_kind_lead_to_all_of_them(world, viewer):
    Client.objects.bulk_create(Client(reseller=world.reseller, name=f"Hamburg {n}") for n in range(60))
    browser = client_of(viewer)
    found = hits(browser.get("/find/?q=hamb"))["clients"]
    assert [text for text, _ in found] == ["Hamburg 0", "Hamburg 1", "Hamburg 10", "All 50+ clients"]
    alone = hits(browser.get(found[-1][1]))
    assert list(alone) == ["clients"] and len(alone["clients"]) == 21
    assert browser.get(alone["clients"][-1][1]).context["listing"].total == 60


def test_actions_are_those_that_the_person_may_take(world, viewer, supervisor):
    everything = hits(client_of(supervisor).get("/find/"))
    assert ("New DIDs", "/dids/new/") in everything["actions"]
    assert [text for text, _ in hits(client_of(supervisor).get("/find/?q=imp"))["actions"]] == ["Import DIDs"]
    assert ("New DIDs", "/dids/new/") not in hits(client_of(viewer).get("/find/"))["actions"]


def test_a_saved_view_opens_by_its_name(world, clerk):
    browser = client_of(clerk)
    saved = browser.post(
        "/dids/views/new/", {"name": "Night shift", "shared": "me", "back": "/dids/?status=active"}
    )
    assert hits(browser.get("/find/?q=night"))["views"] == [("Night shift", saved.url)]
    assert hits(browser.get("/find/?q=night&kind=views"))["views"] == [("Night shift", saved.url)]
    assert browser.get(saved.url).context["view"].name == "Night shift"


def test_what_is_not_found_is_said_with_the_actions(world, supervisor):
    response = client_of(supervisor).get("/find/?q=hambx")
    assert "Nothing found for “hambx”." in response.text
    assert ("Import DIDs", "/dids/import/") in hits(response)["actions"]


def test_names_are_escaped_and_marked(world, viewer):
    Client.objects.create(reseller=world.reseller, name="Hafen <b>Süd</b> & Co")
    page = client_of(viewer).get("/find/?q=haf").text
    assert "<mark>Haf</mark>en &lt;b&gt;Süd&lt;/b&gt; &amp; Co" in page


def test_digits_are_marked_where_the_search_found_them(world, viewer):
    browser = client_of(viewer)
    assert "11<mark>1</mark>" in browser.get("/find/?q=*1").text
    assert "<mark>1</mark>11" in browser.get("/find/?q=1*").text


def test_an_unknown_kind_or_parameter_is_refused(world, viewer):
    browser = client_of(viewer)
    assert "There is no kind of results “client”" in browser.get("/find/?q=a&kind=client").text
    assert browser.get("/find/?q=a&kind=client").status_code == 400
    assert "did you mean “kind”" in browser.get("/find/?kidn=clients").text
    for text in ("\0", "9" * 900, "0-9-", "a" * 900, " ".join("ab" * 200), "%_\\", "'", "-", "((", "=", "*"):
        assert browser.get("/find/", {"q": text}).status_code == 200, text


def test_new_dids_of_an_operator_has_it_chosen(world, owner):
    browser = client_of(owner)
    page = browser.get(hits(browser.get("/find/?q=did oper"))["actions"][0][1])
    assert f'<option value="{world.operator.pk}" selected' in page.text
    foreign = browser.get(f"/dids/new/?operator={world.operator_2.pk}")
    assert foreign.status_code == 200 and world.operator_2.name not in foreign.text
