"""The client's DIDs tab: its numbers, and the moves between Active, Blocked and Hold."""

import re

import pytest
from django.contrib.messages import get_messages
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import SYSTEM
from audit.models import Change
from clients.models import Account
from dids.models import DID, ClientPackage, DIDHistory
from jobs.models import Job
from tests.carrier import person
from tests.world import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(supervisor):
    return client_of(supervisor)


@pytest.fixture
def tab(world):
    return f"/clients/{world.client.pk}/dids/"


def last_message(response):
    return str(list(get_messages(response.wsgi_request))[-1])


def listed(response):
    return [did.number for did in response.context["listing"].rows]


def move(browser, tab, name, world, *numbers, **more):
    ids = ",".join(str(world.did(number).pk) for number in numbers)
    return browser.post(f"{tab}{name}/", {"scope": "ids", "ids": ids} | more)


def test_the_tab_shows_the_clients_numbers_and_how_full_its_packages_are(world, browser, tab):
    response = browser.get(tab)

    html = response.content.decode()
    assert listed(response) == ["2563", "2567", "2568"]
    assert "<b>2</b> of <b>5</b> numbers used" in html
    assert "Rose Orig" in html and "Reseller 1" in html and "256999" not in html
    for icon in ("Block 2567", "Put 2567 on Hold", "Activate 2568", "End the hold of 2563", "Activate 2563"):
        assert f'aria-label="{icon}"' in html


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("status=hold", ["2563"]),
        ("status=active&status=blocked", ["2567", "2568"]),
        ("q=67", ["2567"]),
        ("q=2567-2568", ["2567", "2568"]),
        ("sort=-number", ["2568", "2567", "2563"]),
        ("sort=status", ["2567", "2568", "2563"]),
        ("sort=until", ["2563", "2567", "2568"]),
        ("sort=-account", ["2568", "2567", "2563"]),
        ("sort=package", ["2563", "2567", "2568"]),
        ("sort=tag", ["2563", "2567", "2568"]),
        ("sort=notes", ["2563", "2567", "2568"]),
        ("status=reserved", []),
        ("account=999999", []),
        ("package=x", []),
        ("sort=nonsense", []),
    ],
)
def test_the_list_is_filtered_and_sorted_by_the_address(world, browser, tab, query, numbers):
    assert listed(browser.get(f"{tab}?{query}")) == numbers


def test_the_exact_match_of_a_search_comes_first(world, browser, tab):
    DID.objects.filter(number="12568").update(
        status="active", account=world.account, client_package=world.client_package
    )
    page = browser.get(f"{tab}?q=2568").content.decode()
    order = ["Exact match", "><mark>2568</mark></a>", "1 more contains 2568", ">1<mark>2568</mark></a>"]
    assert [page.count(text) for text in order] == [1] * 4
    assert sorted(order, key=page.index) == order
    assert "Exact match" not in browser.get(f"{tab}?q=568").content.decode()
    assert "Exact match" not in browser.get(f"{tab}?q=3333").content.decode()


def test_an_account_or_a_package_of_the_client_narrows_the_list(world, browser, tab):
    second = Account.objects.create(client=world.client, name="second")
    given = ClientPackage.objects.create(client=world.client, package=world.package)
    DID.objects.filter(number="256999").assign(given, second, by=SYSTEM)

    assert listed(browser.get(f"{tab}?account={second.pk}")) == ["256999"]
    assert listed(browser.get(f"{tab}?package={given.pk}")) == ["256999"]
    assert listed(browser.get(f"{tab}?account={world.account.pk}")) == ["2563", "2567", "2568"]


def test_a_number_with_an_overdue_hold_has_left_the_client(world, browser, tab):
    DID.objects.filter(number="2563").update(hold_until=timezone.now())

    assert listed(browser.get(tab)) == ["2567", "2568"]
    assert "exist any more" in move(browser, tab, "release", world, "2563").content.decode()


@pytest.mark.parametrize(
    ("name", "number", "status", "sentence", "kind"),
    [
        ("block", "2567", "blocked", "1 number blocked. Unreachable until unblocked.", "block"),
        ("activate", "2568", "active", "1 number activated.", "unblock"),
        ("activate", "2563", "active", "1 number activated.", "assign"),
        ("hold", "2567", "hold", "1 number put on Hold. Unreachable now.", "hold"),
        ("hold", "2568", "hold", "1 number put on Hold. Unreachable now.", "hold"),
        ("release", "2563", "instock", "1 number released from Hold.", "end_hold"),
    ],
)
def test_each_icon_makes_its_move_and_says_so(
    world, browser, supervisor, tab, name, number, status, sentence, kind
):
    response = move(browser, tab, name, world, number, back=f"http://testserver{tab}?q=2")

    assert (response.status_code, response.url) == (302, f"{tab}?q=2")
    assert last_message(response) == sentence
    assert world.did(number).status == status
    recorded = Change.objects.latest("pk")
    assert (recorded.kind, recorded.actor, recorded.touched) == (kind, supervisor, 1)
    assert DIDHistory.objects.filter(change=recorded).get().status == status


def test_ticked_rows_are_moved_together_and_the_rest_is_explained(world, browser, tab):
    response = move(browser, tab, "block", world, "2563", "2567", "2568")

    assert last_message(response) == (
        "1 number blocked, 1 unchanged. Unreachable until unblocked. 1 refused (2563): on Hold, so already"
        " unreachable; only Active numbers can be blocked."
    )


def test_blocked_and_held_numbers_are_activated_together(world, browser, tab):
    response = move(browser, tab, "activate", world, "2563", "2567", "2568")

    assert last_message(response) == "2 numbers activated, 1 unchanged."
    assert {world.did(number).status for number in ("2563", "2567", "2568")} == {"active"}
    assert DID.objects.get(number="2563").account == world.account
    assert Change.objects.latest("pk").touched == 2


def test_numbers_above_the_limit_of_the_package_stay_on_hold(world, browser, tab):
    world.package.did_limit = 2
    world.package.save()

    sentence = last_message(move(browser, tab, "activate", world, "2563"))

    assert sentence.startswith(
        "No number activated. 1 refused (2563): package Basic of Rose Orig is full, its DID limit is 2;"
    )
    assert world.did("2563").status == "hold"


@pytest.mark.parametrize("number", ["2563", "2568"])
def test_nothing_is_activated_while_its_package_is_off(world, browser, tab, number):
    ClientPackage.objects.update(active=False)
    assert "is not active; activate it first" in last_message(move(browser, tab, "activate", world, number))
    assert world.did(number).status != "active"


def test_a_repeated_move_writes_nothing(world, browser, tab):
    move(browser, tab, "hold", world, "2567")
    rows = DIDHistory.objects.count()

    assert last_message(move(browser, tab, "hold", world, "2567")) == "No number put on Hold, 1 unchanged."
    move(browser, tab, "release", world, "2567")
    again = move(browser, tab, "release", world, "2567")
    assert again.status_code == 422 and "None of the selected DIDs" in again.content.decode()
    assert DIDHistory.objects.count() == rows + 1


def test_all_that_match_are_moved_without_being_on_the_page(world, browser, tab):
    data = {"scope": "all", "query": "status=active", "expected": "1"}

    assert (
        last_message(browser.post(f"{tab}block/", data)) == "1 number blocked. Unreachable until unblocked."
    )
    assert browser.post(f"{tab}block/", data).status_code == 422
    assert browser.post(f"{tab}block/", {"ids": "x"}).status_code == 422


def test_thousands_are_moved_by_a_job_and_only_those_of_the_client(world, browser, tab):
    world.package.did_limit = 5_000
    world.package.save()
    numbers = [str(n) for n in range(50_000, 52_500)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    DID.objects.filter(number__in=numbers).assign(world.client_package, world.account, by=SYSTEM)

    response = browser.post(f"{tab}block/", {"scope": "all", "query": "q=50000-52499", "expected": "2500"})
    job = Job.objects.get()
    assert response.url == job.get_absolute_url()
    DID.objects.filter(number="50000").hold(by=SYSTEM)
    DID.objects.filter(number="50000").end_hold(by=SYSTEM)
    call_command("worker", "--once")

    job.refresh_from_db()
    sentence = (
        "2,499 numbers blocked. 1 refused (50000): no longer with this client; find them in the DID list."
    )
    assert (job.state, job.sentence, job.url) == ("done", sentence, tab)
    assert DID.objects.filter(status="blocked", number__startswith="5").count() == 2_499


def test_a_job_names_the_numbers_that_left_the_client_and_those_that_were_deleted(world, browser, tab):
    world.package.did_limit = 5_000
    world.package.save()
    numbers = [str(n) for n in range(50_000, 52_100)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    DID.objects.filter(number__in=numbers).assign(world.client_package, world.account, by=SYSTEM)
    browser.post(f"{tab}hold/", {"scope": "all", "query": "q=50000-52099", "expected": "2100"})
    freed = DID.objects.filter(number__range=("50000", "50099"))
    freed.hold(by=SYSTEM)
    DID.objects.filter(number__range=("50000", "50099")).end_hold(by=SYSTEM)
    DID.objects.filter(number__in=["50001", "50004"]).delete_unused(by=SYSTEM)

    call_command("worker", "--once")

    job = Job.objects.get()
    assert (job.done, job.total) == (2_100, 2_100)
    assert "2,000 numbers put on Hold." in job.sentence
    assert "98 refused (50000, 50002, 50003," in job.sentence
    assert "no longer with this client" in job.sentence
    assert "2 refused (50001, 50004): deleted, or no longer visible to you" in job.sentence


# --- permissions ------------------------------------------------------------------------------------


def test_a_user_of_another_reseller_finds_no_client(world, stranger, tab):
    browser = client_of(stranger)
    assert browser.get(tab).status_code == 404
    assert move(browser, tab, "block", world, "2567").status_code == 404
    assert world.did("2567").status == "active"


def test_numbers_of_another_client_cannot_be_moved(world, browser, tab):
    assert move(browser, tab, "hold", world, "256999").status_code == 422
    assert world.did("256999").status == "instock"


def test_a_viewer_sees_the_list_without_any_button(world, viewer, tab):
    browser = client_of(viewer)
    html = browser.get(tab).content.decode()
    assert "2567" in html and "Add DIDs" not in html and 'row-form" formaction' not in html
    for name in ("activate", "block", "hold", "release"):
        assert move(browser, tab, name, world, "2567").status_code == 403


@pytest.mark.parametrize(
    ("right", "shown", "hidden"),
    [
        ("block_did", "Block 2567", "Put 2567 on Hold"),
        ("hold_did", "Put 2567 on Hold", "Block 2567"),
        ("end_hold_did", "End the hold of 2563", "Block 2567"),
    ],
)
def test_each_button_requires_its_permission(world, tab, right, shown, hidden):
    html = client_of(person("guard", "dids.view_did", f"dids.{right}")).get(tab).content.decode()
    assert f'aria-label="{shown}"' in html and f'aria-label="{hidden}"' not in html


def test_a_user_who_may_only_unblock_takes_nothing_back_from_hold(world, tab):
    browser = client_of(person("guard", "dids.view_did", "dids.block_did"))
    sentence = last_message(move(browser, tab, "activate", world, "2563", "2568"))
    assert sentence.startswith("1 number activated. 1 refused (2563): you don’t have the right to assign")


def test_wrong_methods_are_refused(browser, tab):
    assert browser.post(tab).status_code == 405
    assert browser.get(f"{tab}block/").status_code == 405


def test_only_accounts_and_packages_of_the_client_can_be_chosen(world, browser, tab):
    Account.objects.create(client=world.client, name="second")
    found = browser.get(f"{tab}choices/accounts/?q=sec").json()["results"]
    assert [one["text"] for one in found] == ["second"]
    (given,) = browser.get(f"{tab}choices/packages/?running=1").json()["results"]
    assert given["text"] == "Basic, 3 of 5 numbers free"
    ClientPackage.objects.update(active=False)
    assert browser.get(f"{tab}choices/packages/?running=1").json()["results"] == []
    (given,) = browser.get(f"{tab}choices/packages/").json()["results"]
    assert (given["text"], given["note"]) == ("Basic", "not active")


def test_a_full_page_costs_no_more_queries_than_a_short_one(world, browser, tab):
    world.package.did_limit = 500
    world.package.save()

    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(f"{tab}?per_page=500").status_code == 200
        return len(queries)

    cost()
    few = cost()
    numbers = [str(n) for n in range(5_000, 5_100)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    DID.objects.filter(number__in=numbers).assign(world.client_package, world.account, by=SYSTEM)
    assert cost() == few <= 16


# --- the number's page ------------------------------------------------------------------------------


def number_page(browser, world, number):
    return re.sub(r"\s+", " ", browser.get(f"/dids/{world.did(number).pk}/").content.decode())


@pytest.mark.parametrize(
    ("number", "calls", "buttons"),
    [
        ("2567", "Calls go to account rose_orig.", ["Block", "Hold"]),
        ("2568", "Unreachable: it is Blocked.", ["Activate", "Hold"]),
        ("2563", "Unreachable: it is on Hold.", ["Activate", "End hold"]),
        ("256999", "Unreachable: it is In Stock, not assigned to a client.", ["Archive"]),
    ],
)
def test_the_page_of_a_number_says_where_calls_go_and_what_can_be_done(
    world, browser, tab, number, calls, buttons
):
    html = number_page(browser, world, number)
    assert calls in html
    assert re.findall(r"<button class=\"btn\">.*?</svg>([^<]+)</button>", html) == buttons
    assert (f'href="{tab}"' in html) == (number != "256999")


def test_a_move_on_the_page_of_a_number_leads_back_to_it(world, browser, viewer, tab):
    response = move(browser, tab, "block", world, "2567", page="number")
    assert response.url == f"/dids/{world.did('2567').pk}/"
    assert last_message(response) == "1 number blocked. Unreachable until unblocked."
    assert 'name="page" value="number"' in number_page(browser, world, "2567")
    assert 'name="page" value="number"' not in number_page(client_of(viewer), world, "2567")
