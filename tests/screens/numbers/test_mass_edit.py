"""Mass Edit: a preview; only ticked fields change; refusals give the reason."""

import re
from html import unescape

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import SYSTEM
from audit.models import Change
from clients.models import Account, Client
from dids.models import DID, ClientPackage, DIDHistory
from jobs.models import SMALL, Job
from screens import answers
from tests.carrier import person
from tests.world import client_of

pytestmark = pytest.mark.django_db
ADDRESS = "/dids/mass-edit/"
LIST = "/dids/?status=reserved&page=2"
HTMX = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{LIST}"}


@pytest.fixture
def browser(supervisor):
    return client_of(supervisor)


def ticked(world, *numbers):
    return {"scope": "ids", "ids": ",".join(str(world.did(number).pk) for number in numbers)}


def change(**fields):
    """Return form data with the box of each field ticked."""
    return {f"change_{name}": "on" for name in fields if name != "tag_action"} | fields


def preview(browser, data):
    return " ".join(browser.post(ADDRESS, data | {"step": "preview"}, headers=HTMX).text.split())


def update(browser, data):
    return browser.post(ADDRESS, data | {"step": "apply"}, headers=HTMX)


def last_message(response):
    return str(list(get_messages(response.wsgi_request))[-1])


def test_the_dialog_opens_with_no_field_ticked(world, browser):
    response = browser.post(ADDRESS, ticked(world, "111", "112"), headers=HTMX)
    html = response.content.decode()

    assert response.status_code == 200
    assert html.strip().startswith("<dialog")
    assert "2 numbers" in html and "checked" not in html
    for field in ("Set Status to", "After Hold", "Hold days", "Tag", "Notes"):
        assert field in html


def test_without_scripts_the_dialog_is_a_page(world, browser):
    html = browser.post(ADDRESS, ticked(world, "111")).content.decode()

    assert "<!doctype html>" in html and 'id="mass-edit"' in html


def test_the_preview_counts_and_explains_and_writes_nothing(world, browser):
    rows = DIDHistory.objects.count()
    data = ticked(world, "111", "112", "256999", "2567", "2568") | change(status="instock")

    html = preview(browser, data)

    assert "2 numbers will change" in html and "1 already has this value." in html
    assert "2 will be refused and stay as they are" in html
    assert "in use by a client; put on Hold first" in html
    assert "2567" in html and "2568" in html
    assert "Update 2 numbers" in html and 'hx-swap-oob="true"' in html
    assert DIDHistory.objects.count() == rows


def test_the_preview_gives_the_reason_instead_of_a_button_when_nothing_would_change(world, browser):
    html = preview(browser, ticked(world, "2567") | change(status="instock"))

    assert "No number will change" in html and "1 will be refused and stays as it is" in html
    assert "in use by a client; put on Hold first" in html
    assert "<button" not in html and '<span id="mass-edit-apply" hx-swap-oob="true">' in html


def test_the_preview_of_holds_says_what_clients_lose_and_until_when(world, browser):
    other = Client.objects.create(reseller=world.reseller, name="Altona")
    account = Account.objects.create(client=other, name="altona")
    given = ClientPackage.objects.create(client=other, package=world.package)
    DID.objects.filter(number="256999").assign(given, account, by=SYSTEM)
    DID.objects.filter(number="2568").edit(by=SYSTEM, after_hold="reserved")
    data = ticked(world, "2567", "2568", "256999", "111") | change(status="hold", hold_days="14", notes="n")

    html = preview(browser, data)

    in_order = [
        "3 numbers will go on Hold",
        "<b>2 become unreachable</b> as soon as you update; 1 is Blocked and unreachable already.",
        "<b>until ",
        "(14 days). Until then their clients can have them back.",
        '2 become <span class="did-status did-status-instock">In Stock</span>',
        'and 1 <span class="did-status did-status-reserved">Reserved</span>',
        "3 numbers also get: Hold days 14, Notes “n”.",
        "2 clients lose numbers",
        "2</a> of 2",
        "1</a> of 1",
        "1 will be refused and stays as it is",
        "Update 3 numbers",
    ]
    places = [html.find(part) for part in in_order]
    assert -1 not in places and places == sorted(places), dict(zip(in_order, places, strict=True))
    assert html.count('<span class="refused">all its numbers</span>') == 2
    update(browser, data)
    assert set(DID.objects.filter(status="hold", notes="n").values_list("number", flat=True)) == {
        "2567", "2568", "256999"
    }  # fmt: skip


def test_the_preview_of_a_hold_without_days_says_so(world, browser):
    html = preview(
        browser, ticked(world, "2567") | change(status="hold", hold_days="0", after_hold="archive")
    )
    assert "<b>1</b> without a hold, because of 0 hold days." in html
    assert 'did-status-archive">Archive' in html and "can have them back" not in html


def test_the_preview_names_few_of_many_clients_and_counts_the_others(world, browser):
    DID.objects.create_numbers([str(n) for n in range(900, 907)], operator=world.operator, by=SYSTEM)
    for n in range(900, 907):
        client = Client.objects.create(reseller=world.reseller, name=f"Client {n}")
        given = ClientPackage.objects.create(client=client, package=world.package)
        account = Account.objects.create(client=client, name=str(n))
        DID.objects.filter(number=str(n)).assign(given, account, by=SYSTEM)
    data = ticked(world, *map(str, range(900, 907))) | change(status="blocked")
    html = preview(browser, data)
    assert "<b>7 become unreachable</b> as soon as you update, until they are unblocked." in html
    assert "7 clients can’t be reached on numbers" in html and "3 more clients, 3 numbers" in html
    first, others = html.split("3 more clients, 3 numbers")
    assert "Client 903" in first and "Client 904" not in first
    found = lists_of(browser, f"{first}{others}")
    assert {("1", frozenset({str(n)})) for n in range(900, 907)} <= found
    assert ("All 7 numbers by client", frozenset(map(str, range(900, 907)))) in found
    assert all(f"Client {n}" in others for n in (904, 905, 906))


def test_many_clients_cost_no_query_each(world, browser, monkeypatch):
    monkeypatch.setattr("dids.models.number_previews.CLIENTS_LISTED", 6)
    DID.objects.create_numbers([str(n) for n in range(900, 907)], operator=world.operator, by=SYSTEM)
    counts = []
    for numbers in (range(900, 903), range(903, 907)):
        for n in numbers:
            client = Client.objects.create(reseller=world.reseller, name=f"Client {n}")
            given = ClientPackage.objects.create(client=client, package=world.package)
            account = Account.objects.create(client=client, name=str(n))
            DID.objects.filter(number=str(n)).assign(given, account, by=SYSTEM)
        data = ticked(world, *map(str, range(900, numbers.stop))) | change(status="blocked")
        with CaptureQueriesContext(connection) as seen:
            html = preview(browser, data)
        counts.append(len(seen))
    assert counts[0] == counts[1]
    assert "1 more client with fewer numbers" in html


def numbers_at(browser, address):
    page = browser.get(address).text
    rows = re.findall(r"data-row-link[^>]*>(.*?)</a>", page)
    return {re.sub("<.*?>", "", row) for row in rows}


def lists_of(browser, html):
    """Return {(text of a link, the numbers that it leads to)} of a preview."""
    links = re.findall(r'<a href="(/dids/[^"]*)" target="_blank"[^>]*>(.*?)</a>', html)
    return {
        (re.sub("<.*?>", "", text).strip(), frozenset(numbers_at(browser, unescape(url))))
        for url, text in links
    }


@pytest.mark.parametrize("scope", ["ticked", "all", "many"])
def test_each_count_of_the_preview_leads_to_its_numbers_in_the_branch(world, owner, monkeypatch, scope):
    if scope == "many":
        monkeypatch.setattr(answers, "SHORT", 3)  # so that lists are stored
    other = Client.objects.create(reseller=world.reseller, name="Altona")
    account = Account.objects.create(client=other, name="altona")
    given = ClientPackage.objects.create(client=other, package=world.package)
    DID.objects.filter(number="256999").assign(given, account, by=SYSTEM)
    browser, ours = client_of(owner), DID.objects.visible_to(owner)
    data = {"scope": "all", "query": "", "expected": str(ours.count())}
    if scope != "all":
        data = ticked(world, *ours.values_list("number", flat=True))
    assert lists_of(browser, preview(browser, data | change(status="hold"))) == {
        ("All 3 numbers by client", frozenset({"2567", "2568", "256999"})),
        ("2", frozenset({"2567", "2568"})),
        ("1", frozenset({"256999"})),
        ("7", frozenset({"111", "112", "113", "114", "115", "116", "12568"})),
        ("1", frozenset({"12567"})),
    }
    if scope == "all":
        data = {"scope": "all", "query": "status=active", "expected": "2"}
        found = lists_of(browser, preview(browser, data | change(status="blocked")))
        assert found == {
            ("All 2 numbers by client", frozenset({"2567", "256999"})),
            ("1", frozenset({"2567"})),
            ("1", frozenset({"256999"})),
        }


def test_the_result_leads_to_the_numbers_that_it_refused(world, browser):
    done = update(browser, ticked(world, "2567", "111", "112") | change(status="hold"))
    html = browser.get(done.headers["HX-Redirect"]).text
    url = unescape(re.search(r'<a href="([^"]*)">Show the refused</a>', html)[1])
    assert numbers_at(browser, url) == {"111", "112"}
    done = update(browser, ticked(world, "2568") | change(status="hold"))
    assert "Show the refused" not in browser.get(done.headers["HX-Redirect"]).text


def refused_lists(browser, page):
    """Return {label: the numbers} of the links to what a result has refused."""
    found = re.findall(r'<a href="([^"]*)">(Show [^<]* refused[^<]*)</a>', page)
    return {unescape(label): numbers_at(browser, unescape(url)) for url, label in found}


def test_each_reason_of_the_result_leads_to_its_numbers(world, owner, monkeypatch):
    monkeypatch.setattr(answers, "SHORT", 3)  # so that lists are stored
    browser = client_of(owner)
    done = update(browser, ticked(world, "2568", "111", "112", "256999") | change(status="hold"))
    assert refused_lists(browser, browser.get(done.headers["HX-Redirect"]).text) == {
        "Show the 2 refused": {"111", "112"},
        "Show the 1 refused": {"256999"},
    }


def test_a_list_of_refused_numbers_is_for_the_person_who_got_it(world, owner, viewer, monkeypatch):
    monkeypatch.setattr(answers, "SHORT", 3)
    browser = client_of(owner)
    done = update(browser, ticked(world, "111", "112") | change(status="hold"))
    (url,) = re.findall(
        r'<a href="([^"]*)">Show the refused</a>', browser.get(done.headers["HX-Redirect"]).text
    )
    assert "list=" in url and numbers_at(browser, unescape(url)) == {"111", "112"}
    assert "This pasted list is not available" in client_of(viewer).get(unescape(url)).text


def test_each_reason_of_a_job_leads_to_its_numbers(world, owner, administrator, monkeypatch):
    monkeypatch.setattr("dids.job_kinds.CHUNK", 2)
    monkeypatch.setattr("dids.job_kinds.KEPT", 3)
    monkeypatch.setattr("screens.numbers.mass_edit.SMALL", 1)
    browser = client_of(owner)
    numbers = ("111", "2567", "112", "256999", "113", "12567", "114")
    page = update(browser, ticked(world, *numbers) | change(status="hold")).headers["HX-Redirect"]
    Job.objects.claim("w").run("w")
    found = refused_lists(browser, browser.get(page).text)
    (reserved,) = [listed for label, listed in found.items() if "Show 3 of the 4 refused: Reserved" in label]
    assert reserved == {"111", "112", "113"}
    others = {label.partition(",")[0]: listed for label, listed in found.items() if "the 1 refused" in label}
    assert others == {
        "Show the 1 refused: In Stock": {"256999"},
        "Show the 1 refused: Archive": {"12567"},
    }
    assert refused_lists(browser, client_of(administrator).get(page).text) == {}


def test_delete_is_offered_with_how_many_it_can_delete(world, browser, clerk):
    data = ticked(world, "111", "2567")
    html = browser.post(ADDRESS, data, headers=HTMX).text
    assert 'id="mass-edit-delete" method="post" action="/dids/delete/"' in html
    counted = browser.post(ADDRESS, data | {"step": "deletable"}, headers=HTMX).text
    assert " ".join(counted.split()) == "1 of the 2 can be deleted"
    assert "mass-edit-delete" not in client_of(clerk).post(ADDRESS, data, headers=HTMX).text


def test_update_changes_what_it_can_and_says_what_it_refused(world, browser, supervisor):
    data = ticked(world, "111", "112", "2567") | change(status="instock", notes="for sale")

    response = update(browser, data)

    assert response.headers["HX-Redirect"] == LIST
    sentence = last_message(response)
    assert sentence.startswith("2 numbers changed. 1 refused (2567): Active, in use by a client;")
    assert {world.did(n).status for n in ("111", "112")} == {"instock"}
    assert (world.did("2567").status, world.did("2567").notes) == ("active", "")
    recorded = Change.objects.latest("pk")
    assert (recorded.kind, recorded.actor, recorded.touched) == (Change.Kind.MASS_EDIT, supervisor, 2)
    assert DIDHistory.objects.filter(change=recorded, event="~").count() == 2


def test_an_update_of_many_leads_to_a_job_and_clears_the_selection(world, browser):
    numbers = [str(n) for n in range(50_000, 50_000 + SMALL + 1)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    data = {"scope": "all", "query": "q=50000-59999", "expected": str(len(numbers))}

    response = update(browser, data | change(notes="for sale"))

    job = Job.objects.get()
    assert response.headers["HX-Redirect"] == f"/jobs/{job.pk}/"
    (message,) = get_messages(response.wsgi_request)
    assert message.message == "“Mass edit: 2,001 numbers” runs in the background."
    assert (message.level_tag, message.extra_tags) == ("info", "selection-clear")
    assert not DID.objects.filter(notes="for sale").exists()


def test_without_scripts_update_leads_back_to_the_same_list(world, browser):
    data = ticked(world, "111") | change(notes="n") | {"step": "apply", "back": f"http://testserver{LIST}"}

    response = browser.post(ADDRESS, data)

    assert (response.status_code, response.url) == (302, LIST)


@pytest.mark.parametrize(
    "back",
    ["https://evil.example/dids/?q=1", "//evil.example/dids/", "javascript:alert(1)", "/admin/?x=1", ""],
)
def test_update_redirects_only_to_the_list(world, browser, back):
    data = ticked(world, "111") | change(notes="n") | {"step": "apply", "back": back}

    assert browser.post(ADDRESS, data).url == "/dids/"


def test_a_field_that_is_not_ticked_is_left_unchanged(world, browser):
    DID.objects.filter(number="111").edit(by=SYSTEM, notes="keep", tags=["keep"], hold_days=9)

    update(
        browser,
        ticked(world, "111") | {"notes": "x", "tags": "x", "hold_days": "1"} | change(after_hold="archive"),
    )

    did = world.did("111")
    assert (did.notes, did.tag_set.label, did.hold_days, did.after_hold) == ("keep", "keep", 9, "archive")


def test_a_ticked_field_that_is_empty_is_cleared(world, browser):
    DID.objects.filter(number="111").edit(by=SYSTEM, notes="n", tags=["t"], hold_days=9)

    update(browser, ticked(world, "111") | change(notes="", hold_days="", tags="", tag_action="replace"))

    did = world.did("111")
    assert (did.notes, did.tag_set, did.hold_days) == ("", None, None)


@pytest.mark.parametrize(("action", "label"), [("add", "gold, vip"), ("remove", ""), ("replace", "vip")])
def test_tags_are_added_removed_or_replaced(world, browser, action, label):
    tags = ["gold"] if action != "remove" else ["vip"]
    DID.objects.filter(number="111").edit(by=SYSTEM, tags=tags)

    update(browser, ticked(world, "111") | change(tags="vip", tag_action=action))

    tag_set = world.did("111").tag_set
    assert (tag_set.label if tag_set else "") == label


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Tick at least one field to change."),
        (change(status=""), "Choose a status, or untick the field."),
        (change(after_hold=""), "Choose a status, or untick the field."),
        (change(status="hodl"), "“hodl” is not one of the options"),
        (change(hold_days="366"), "Enter 365 or less."),
        (change(tags="", tag_action="add"), "Enter tags, or choose"),
        (change(tags="t" * 51, tag_action="add"), "The limit is 50"),
    ],
)
def test_an_invalid_value_is_explained_in_the_dialog_and_changes_nothing(world, browser, fields, message):
    rows = DIDHistory.objects.count()
    response = update(browser, ticked(world, "111") | fields)

    assert response.status_code == 422
    assert message in response.content.decode()
    assert DIDHistory.objects.count() == rows
    assert "Update" in preview(browser, ticked(world, "111") | fields)


@pytest.mark.parametrize(
    ("number", "status", "kept"),
    [
        ("2567", "blocked", True),
        ("2568", "active", True),
        ("2567", "hold", True),
        ("2563", "archive", False),
        ("12567", "instock", False),
    ],
)
def test_every_move_of_an_edit_is_offered(world, browser, number, status, kept):
    assert update(browser, ticked(world, number) | change(status=status)).status_code == 200

    did = world.did(number)
    assert (did.status, did.account is not None) == (status, kept)


def test_the_server_evaluates_all_that_match_again(world, browser):
    data = {"scope": "all", "query": "status=reserved", "expected": "7"} | change(notes="all of them")

    response = update(browser, data)

    assert last_message(response) == "7 numbers changed."
    assert set(DID.objects.filter(notes="all of them").values_list("status", flat=True)) == {"reserved"}


@pytest.mark.parametrize(
    ("query", "expected", "message"),
    [
        ("status=hodl", "7", "the search is invalid"),
        ("operator=999999", "7", "the search is invalid"),
        ("status=reserved", "6", "6 DIDs matched when you selected them; 7 match now."),
        ("status=reserved", "", "The number of DIDs you saw is missing"),
        ("q=98765", "1", "No DIDs match any more."),
    ],
)
@pytest.mark.parametrize("step", ["form", "preview", "apply"])
def test_nothing_is_changed_when_the_selection_has_changed(world, browser, query, expected, message, step):
    rows = DIDHistory.objects.count()
    data = {"scope": "all", "query": query, "expected": expected, "step": step} | change(notes="x")

    response = browser.post(ADDRESS, data, headers=HTMX)

    assert response.status_code == 422
    assert message in response.content.decode()
    assert DIDHistory.objects.count() == rows


def test_a_row_deleted_in_the_meantime_is_reported(world, browser):
    data = ticked(world, "111", "112")
    DID.objects.filter(number="112").delete_unused(by=SYSTEM)

    assert (
        "1 of the 2 selected DIDs no longer exists"
        in browser.post(ADDRESS, data, headers=HTMX).content.decode()
    )


def test_updating_again_writes_nothing(world, browser):
    data = ticked(world, "111", "112") | change(notes="n", tags="gold", tag_action="add")
    update(browser, data)
    rows, changes = DIDHistory.objects.count(), Change.objects.count()

    response = update(browser, data)

    assert last_message(response) == "No number changed, 2 unchanged."
    assert (DIDHistory.objects.count(), Change.objects.count()) == (rows, changes)


def test_each_move_requires_its_own_permission(world, clerk):
    browser = client_of(clerk)
    data = ticked(world, "2567", "12567", "111")

    sentence = last_message(update(browser, data | change(status="reserved")))
    assert "1 unchanged" in sentence and "in use by a client" in sentence
    assert "1 refused (12567): you don’t have the right to restore numbers from the archive" in sentence
    assert "to block and unblock numbers" in last_message(update(browser, data | change(status="blocked")))
    assert (world.did("12567").status, world.did("2567").status) == ("archive", "active")


def test_a_user_who_may_only_block_can_edit_nothing(world):
    browser = client_of(person("guard", "dids.view_did", "dids.block_did"))

    update(browser, ticked(world, "2567") | change(status="blocked"))
    update(browser, ticked(world, "2567") | change(notes="x"))

    assert (world.did("2567").status, world.did("2567").notes) == ("blocked", "")


@pytest.mark.parametrize("step", ["form", "preview", "apply"])
def test_the_dialog_requires_a_permission_to_edit(world, viewer, step):
    browser = client_of(viewer)
    data = ticked(world, "111") | change(notes="x") | {"step": step}

    assert browser.post(ADDRESS, data).status_code == 403
    assert browser.get(ADDRESS).status_code == 403
    assert world.did("111").notes == ""


def test_a_stranger_cannot_edit_numbers_of_another_reseller(world, stranger):
    browser = client_of(stranger)
    ids = ticked(world, "111", "112")

    assert browser.get(f"{ADDRESS}?ids={ids['ids']}").status_code == 404
    response = update(browser, ids | change(notes="x"))
    assert response.status_code == 422 and "111" not in response.content.decode().replace(ids["ids"], "")
    update(browser, {"scope": "all", "query": "", "expected": "13"} | change(notes="x"))
    update(browser, {"scope": "all", "query": "", "expected": "1"} | change(notes="mine"))
    assert [did.number for did in DID.objects.exclude(notes="")] == ["3333"]


def test_only_rows_of_the_users_reseller_change(world, stranger):
    response = update(client_of(stranger), ticked(world, "111", "3333") | change(notes="x"))

    assert last_message(response) == "1 number changed."
    assert world.did("111").notes == ""


def test_wrong_methods_are_refused(browser):
    assert browser.put(ADDRESS).status_code == 405
    assert browser.delete(ADDRESS).status_code == 405


def test_a_get_without_a_selection_says_what_to_do(world, browser):
    response = browser.get(ADDRESS)

    assert response.status_code == 200
    assert "No DIDs are selected. Tick some rows first." in response.content.decode()


def test_hundreds_of_numbers_need_no_more_queries_than_a_few(world, browser):
    numbers = [str(n) for n in range(5000, 5400)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)

    def cost(*selected):
        data = ticked(world, *selected) | change(notes=str(len(selected)), status="reserved")
        with CaptureQueriesContext(connection) as queries:
            preview(browser, data)
            assert update(browser, data).status_code == 200
        return len(queries)

    assert cost(*numbers[:3]) == cost(*numbers[3:]) <= 40
