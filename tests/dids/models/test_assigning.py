"""Assigning numbers to a client: a preview first, then the same result in one change."""

import re
from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import SYSTEM
from audit.models import Change
from clients.models import Account, Client, Package
from dids.models import DID, ClientPackage, DIDHistory
from jobs.models import Job
from tests.dids.models.test_racing import at_once
from tests.world import client_of, make_world, member

pytestmark = pytest.mark.django_db
LIST = "/dids/?status=instock"
HTMX = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{LIST}"}
STOCK = ["5001", "5002", "5003", "5010", "5011"]


@pytest.fixture
def browser(supervisor):
    return client_of(supervisor)


@pytest.fixture
def add(world):
    """Create five more numbers in stock and return the URL of the page."""
    DID.objects.create_numbers(STOCK, operator=world.operator, by=SYSTEM)
    return f"/clients/{world.client.pk}/dids/add/"


def message_of(response):
    return str(list(get_messages(response.wsgi_request))[-1])


def to(world, **more):
    return {"package": world.client_package.pk, "account": world.account.pk} | more


def ids(world, *numbers):
    return {"scope": "ids", "ids": ",".join(str(world.did(number).pk) for number in numbers)}


def ids_of(response):
    """Return the ids that the dialog sends again."""
    return {"ids": re.search(r'name="ids" value="([\d,]*)"', response.content.decode())[1]}


def limit(world, numbers):
    Package.objects.filter(pk=world.package.pk).update(did_limit=numbers)


def text(response):
    """Return the text of a page without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", response.content.decode()))


# --- the page


def test_a_single_package_and_account_are_preselected_and_their_numbers_listed(world, browser, add):
    response = browser.get(add)

    assert "Basic, 3 of 5 numbers free" in text(response)
    assert [did.number for did in response.context["listing"].rows] == ["256999", *STOCK]


def test_of_several_packages_one_must_be_chosen(world, browser, add):
    gold = Package.objects.create(reseller=world.reseller, name="Gold", did_limit=1, allowed_tags="gold")
    given = ClientPackage.objects.create(client=world.client, package=gold)
    DID.objects.filter(number="5001").edit(by=SYSTEM, tags=["gold"])

    response = browser.get(add)
    assert response.context["listing"] is None
    assert "Choose a package and an account" in text(response) and "Choose the package" not in text(response)
    chosen = browser.get(f"{add}?package={given.pk}")
    assert [did.number for did in chosen.context["listing"].rows] == ["5001"]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("q=500", ["5001", "5002", "5003"]),
        ("sort=-number&q=50", ["5011", "5010", "5003", "5002", "5001"]),
        ("sort=operator&q=501", ["5010", "5011"]),
        ("tag=nothing", []),
        ("operator=x", []),
    ],
)
def test_the_list_is_searched_and_keeps_package_and_account(world, browser, add, query, numbers):
    url = f"{add}?package={world.client_package.pk}&account={world.account.pk}&{query}"
    listing = browser.get(url).context["listing"]
    assert [did.number for did in listing.rows] == numbers
    assert f"package={world.client_package.pk}" in listing.reset_url
    assert f"account={world.account.pk}" in listing.url(q=[])


def test_a_package_of_another_client_is_an_error_of_its_field(world, browser, add):
    other = Client.objects.create(reseller=world.reseller, name="Other")
    given = ClientPackage.objects.create(client=other, package=world.package)

    assert "This is not a running package of the client." in text(browser.get(f"{add}?package={given.pk}"))
    response = browser.post(add, to(world, package=given.pk) | ids(world, "5001"))
    assert response.status_code == 422
    assert "This is not a running package of the client." in text(response)
    assert browser.post(add, to(world, account="9" * 30) | ids(world, "5001")).status_code == 422
    dialog = browser.post(add, to(world, package="") | ids(world, "5001"), headers=HTMX)
    assert dialog.status_code == 422 and "<dialog" in dialog.content.decode()


def test_without_an_active_package_the_page_says_what_to_do(world, browser, add):
    ClientPackage.objects.update(active=False)
    assert "Rose Orig has no active package" in text(browser.get(add))


# --- the preview


def test_the_preview_shows_the_limit_and_the_refusals_and_writes_nothing(world, browser, add):
    rows = DIDHistory.objects.count()

    words = text(browser.post(add, to(world) | ids(world, "5001", "5002", "111", "2568"), headers=HTMX))

    assert "2 will be assigned. 2 will be refused." in words
    assert "Basic: 3 of 5 numbers free now, 1 afterwards." in words
    assert "Reserved; set to In Stock first" in words and "Blocked, so already in use" in words
    assert "Assign 2 numbers" in words
    assert DIDHistory.objects.count() == rows


def test_the_preview_counts_numbers_above_the_limit(world, browser, add):
    words = text(browser.post(add, to(world) | ids(world, *STOCK), headers=HTMX))

    assert "3 will be assigned. 2 will be refused." in words
    assert "3 of 5 numbers free now, 0 afterwards." in words
    assert "2 package Basic of Rose Orig is full, its DID limit is 5; raise the limit" in words
    assert "5010, 5011" in words


def test_a_warning_names_numbers_that_another_client_released_recently(world, browser, add, settings):
    other = Client.objects.create(reseller=world.reseller, name="Other")
    account = Account.objects.create(client=other, name="other")
    given = ClientPackage.objects.create(
        client=other, package=world.package, starts_at=timezone.now() - timedelta(days=200)
    )
    for days, number in ((10, "5001"), (100, "5002")):
        left, dids = timezone.now() - timedelta(days=days), DID.objects.filter(number=number)
        dids.assign(given, account, by=SYSTEM, now=left)
        dids.hold(by=SYSTEM, now=left)
        dids.end_hold(by=SYSTEM, now=left)
    own = DID.objects.filter(number="5003")
    own.assign(world.client_package, world.account, by=SYSTEM)
    own.hold(by=SYSTEM)
    own.end_hold(by=SYSTEM)
    picked = to(world) | ids(world, "5001", "5002", "5003")

    def previewed():
        return text(browser.post(add, picked, headers=HTMX))

    assert "Another client released 1 of these numbers less than 90 days ago: 5001." in previewed().replace(
        "&#x27;", "'"
    )
    settings.DID_REUSE_DAYS = 120
    assert "Another client released 2 of these numbers" in previewed()
    settings.DID_REUSE_DAYS = 0
    assert "of these numbers" not in previewed()
    assert browser.post(add, picked | {"step": "apply"}).status_code == 302
    assert DID.objects.filter(account=world.account, number__in=STOCK).count() == 3


@pytest.mark.parametrize("problem", ["none", "tags", "off", "closed", "account", "right", "limit"])
def test_the_preview_equals_the_result(world, add, problem):
    account, by = world.account, SYSTEM
    if problem == "tags":
        Package.objects.update(allowed_tags="gold")
        DID.objects.filter(number__in=["5001", "2563"]).edit(by=SYSTEM, tags=["gold", "new"])
    elif problem == "off":
        ClientPackage.objects.update(active=False)
    elif problem == "closed":
        ClientPackage.close_client(world.client, by=SYSTEM)
    elif problem == "account":
        other = Client.objects.create(reseller=world.reseller, name="Other")
        account = Account.objects.create(client=other, name="other")
    elif problem == "right":
        by = member("Clerk")
    limit(world, 4 if problem == "limit" else 50)
    given = ClientPackage.objects.select_related("package", "client").get(pk=world.client_package.pk)

    previewed = DID.objects.preview_assign(given, account, by=by)
    done = DID.objects.assign(given, account, by=by)

    assert previewed.as_json() == done.as_json()
    assert previewed.selected == DID.objects.count()


# --- ways to pick


def test_ticked_numbers_are_assigned_in_one_change(world, browser, add, supervisor):
    response = browser.post(add, to(world, step="apply") | ids(world, "5001", "5002", "111"))

    assert response.url == f"/clients/{world.client.pk}/dids/"
    assert message_of(response).startswith(
        "2 numbers assigned to rose_orig under package Basic. 1 refused (111): Reserved;"
    )
    change = Change.objects.latest("pk")
    assert (change.kind, change.actor, change.touched) == ("assign", supervisor, 2)
    assert set(DIDHistory.objects.filter(change=change).values_list("status", "account_id")) == {
        ("active", world.account.pk)
    }


def test_assigning_again_changes_nothing(world, browser, add):
    data = to(world, step="apply") | ids(world, "5001")
    browser.post(add, data)
    rows = DIDHistory.objects.count()
    assert (
        message_of(browser.post(add, data))
        == "No number assigned to rose_orig under package Basic, 1 unchanged."
    )
    assert DIDHistory.objects.count() == rows


def test_all_matching_numbers_are_picked(world, browser, add):
    data = to(world) | {"scope": "all", "query": "q=500", "expected": "3"}
    dialog = browser.post(add, data, headers=HTMX)
    assert "Assign 3 numbers to rose_orig?" in text(dialog)
    DID.objects.filter(number="5002").edit(by=SYSTEM, status="reserved")

    response = browser.post(add, to(world, step="apply") | ids_of(dialog))

    assert message_of(response).startswith(
        "2 numbers assigned to rose_orig under package Basic. 1 refused (5002): Reserved;"
    )


def test_pasted_numbers_and_ranges_are_found_and_unknown_ones_named(world, browser, add):
    pasted = {"way": "paste", "numbers": "5001-5003\n+25 69, 2567; 111"}
    words = text(browser.post(add, to(world) | pasted))
    assert "3 will be assigned" in words
    assert "1 not in the inventory; create them with New DIDs or correct them 2569" in words

    sentence = message_of(browser.post(add, to(world, step="apply") | pasted))
    assert sentence.startswith("3 numbers assigned to rose_orig under package Basic, 1 unchanged.")
    assert "1 refused (111): Reserved" in sentence
    assert "1 refused (2569): not in the inventory" in sentence


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ("", "Enter the numbers to assign."),
        ("12x", "12x"),
        ("9999, 9998", "None of these numbers is in the inventory: 9998, 9999."),
        ("100000-199999", "at most 20,000 are allowed at once"),
    ],
)
def test_an_invalid_paste_is_an_error_of_its_field(world, browser, add, numbers, message):
    response = browser.post(add, to(world, way="paste", numbers=numbers))
    assert response.status_code == 422 and message in text(response)


def test_any_numbers_picks_the_first_in_stock(world, browser, add):
    dialog = browser.post(add, to(world, way="any", count="2"))
    assert "Assign 2 numbers to rose_orig?" in text(dialog)
    browser.post(add, to(world, step="apply") | ids_of(dialog))
    assert {world.did(number).status for number in ("256999", "5001")} == {"active"}


def test_consecutive_numbers_picks_the_best_run(world, browser, add):
    dialog = browser.post(add, to(world, way="run", count="3"))
    assert "Picked: 5001 to 5003." in text(dialog)
    assert message_of(browser.post(add, to(world, step="apply") | ids_of(dialog))) == (
        "3 numbers assigned to rose_orig under package Basic."
    )
    assert {world.did(number).status for number in ("5001", "5002", "5003")} == {"active"}


@pytest.mark.parametrize(
    ("way", "count", "message"),
    [
        ("any", "", "Enter how many numbers to assign."),
        ("any", "0", "Enter 1 or more."),
        ("any", "20001", "Enter at most 20,000."),
        ("any", "7", "Only 6 can be picked for this package. Enter a smaller count."),
        ("any", "x", "Enter a whole number in digits, for example 30."),
        ("run", "4", "No 4 in a row can be picked. The longest free run is 3: 5001 – 5003."),
    ],
)
def test_a_count_that_is_not_available_is_an_error_of_its_field(world, browser, add, way, count, message):
    response = browser.post(add, to(world, way=way, count=count))
    assert response.status_code == 422 and message in text(response)


@pytest.mark.parametrize("value", ["\0", "9" * 40, "²", "-1", "'", "[]"])
def test_invalid_parameters_cause_no_server_error(world, browser, add, value):
    for name in ("package", "account", "way", "q", "sort", "page", "operator", "tag"):
        assert browser.get(add, {name: value}).status_code == (400 if name == "way" else 200)
        data = to(world) | ids(world, "5001") | {name: value}
        assert browser.post(add, data).status_code in (200, 422)
        assert browser.post("/dids/assign/", data | {"client": value, "step": "apply"}).status_code == 422
    for name in ("account", "package", "status", "q"):
        assert browser.get(add.removesuffix("add/"), {name: value}).status_code == 200


@pytest.mark.parametrize("sent", [{}, {"ids": "x"}, {"ids": "999999"}, {"scope": "nonsense"}])
def test_an_empty_pick_is_refused(world, browser, add, sent):
    assert browser.post(add, to(world) | sent, headers=HTMX).status_code == 422


def test_ten_thousand_numbers_are_picked_and_assigned_by_one_job(world, browser, add):
    limit(world, 10_000)
    numbers = [str(n) for n in range(700_000, 710_000)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    dialog = browser.post(add, to(world, way="run", count="10000"))
    assert "9,998 will be assigned. 2 will be refused." in text(dialog)

    response = browser.post(add, to(world, step="apply") | ids_of(dialog))
    job = Job.objects.get()
    assert response.url == job.get_absolute_url()
    call_command("worker", "--once")

    job.refresh_from_db()
    assert job.sentence.startswith(
        "9,998 numbers assigned to rose_orig under package Basic. 2 refused (709998, 709999):"
    )
    assert job.url == f"/clients/{world.client.pk}/dids/"
    assert world.client_package.numbers_in_use() == 10_000
    assert Change.objects.get(pk=job.change_id).touched == 9_998


def test_a_job_assigns_nothing_when_its_owner_may_no_longer_see_the_package(world, browser, add, supervisor):
    limit(world, 10_000)
    numbers = [str(n) for n in range(700_000, 702_001)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    dialog = browser.post(add, to(world, way="run", count="2001"))
    browser.post(add, to(world, step="apply") | ids_of(dialog))
    supervisor.reseller = world.reseller_2
    supervisor.save()
    call_command("worker", "--once")
    assert not DID.objects.filter(status="active", number__in=numbers).exists()


# --- two users


@pytest.mark.django_db(transaction=True)
def test_when_two_users_pick_the_same_number_the_second_gets_only_the_others():
    world = make_world()
    limit(world, 50)
    DID.objects.create_numbers(STOCK, operator=world.operator, by=SYSTEM)
    other = Client.objects.create(reseller=world.reseller, name="Other")
    account = Account.objects.create(client=other, name="other")
    given = ClientPackage.objects.create(client=other, package=world.package)
    picks = [
        (member("Provisioner"), to(world), world.client, ("5001", "5002", "5003")),
        (member("Supervisor"), {"package": given.pk, "account": account.pk}, other, ("5003", "5010", "5011")),
    ]

    def pick(user, holder, client, numbers):
        data = holder | ids(world, *numbers) | {"step": "apply"}
        return lambda: message_of(client_of(user).post(f"/clients/{client.pk}/dids/add/", data))

    sentences = at_once(*(pick(*one) for one in picks))

    assert sorted(sentence[0] for sentence in sentences) == ["2", "3"]
    loser = next(sentence for sentence in sentences if sentence.startswith("2"))
    assert "1 refused (5003): Active, so already in use" in loser
    assert DID.objects.filter(number__in=STOCK, status="active").count() == 5
    assert DIDHistory.objects.filter(number="5003", status="active").count() == 1


# --- from the list of numbers


def test_selected_rows_of_the_list_are_assigned_step_by_step(world, browser, add):
    ticked = ids(world, "5001", "5002")
    opened = browser.post("/dids/assign/", ticked, headers=HTMX)
    assert opened.content.decode().strip().startswith("<dialog") and "Choose a client first." in text(opened)

    client = {"client": world.client.pk}
    chosen = browser.post("/dids/assign/", ticked | client | {"step": "client"}, headers=HTMX)
    assert "Basic, 3 of 5 numbers free" in text(chosen) and "2 will be assigned" in text(chosen)
    assert "<dialog" not in chosen.text and 'hx-swap-oob="true"' in chosen.text
    previewed = browser.post("/dids/assign/", ticked | client | to(world, step="preview"), headers=HTMX)
    assert 'hx-swap-oob="true"' in previewed.text and "Assign 2 numbers" in text(previewed)
    assert "<dialog" not in previewed.text and "Basic, 3 of 5 numbers free" not in text(previewed)

    done = browser.post("/dids/assign/", ticked | client | to(world, step="apply"), headers=HTMX)
    assert done.headers["HX-Redirect"] == LIST
    assert message_of(done) == "2 numbers assigned to rose_orig under package Basic."


def test_without_javascript_each_step_is_a_page(world, browser, add):
    ticked, client = ids(world, "5001"), {"client": world.client.pk}
    for step in ({}, client | {"step": "client"}, client | to(world, step="preview")):
        response = browser.post("/dids/assign/", ticked | step)
        assert response.status_code == 200 and "<!doctype html>" in response.content.decode()
    assert "Rose Orig" in text(browser.post("/dids/assign/", ticked))
    assert browser.post("/dids/assign/", ticked | client | to(world, step="apply")).status_code == 302


def test_all_matching_rows_of_the_list_are_assigned(world, browser, add):
    limit(world, 50)
    data = {"scope": "all", "query": "status=instock", "expected": "7", "client": world.client.pk}
    response = browser.post("/dids/assign/", data | to(world, step="apply"))
    sentence = message_of(response)
    assert sentence.startswith(
        "6 numbers assigned to rose_orig under package Basic. 1 refused (3333): of another reseller"
    )
    assert browser.post("/dids/assign/", data | to(world, step="apply")).status_code == 422


def test_many_matching_rows_of_the_list_are_assigned_by_a_job(world, browser, add):
    limit(world, 2_502)
    numbers = [str(n) for n in range(700_000, 703_000)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    data = {"scope": "all", "query": "q=700000-702999", "expected": "3000", "client": world.client.pk}
    browser.post("/dids/assign/", data | to(world, step="apply"))
    call_command("worker", "--once")
    assert Job.objects.get().sentence.startswith(
        "2,500 numbers assigned to rose_orig under package Basic. 500 refused"
    )


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"client": ""}, "Choose the client that gets the numbers."),
        ({"client": "x"}, "This client doesn’t exist, or you don’t have access to it."),
        ({"package": "x"}, "This is not a running package of the client."),
        ({"account": "999999"}, "This is not an account of the client."),
    ],
)
def test_invalid_input_is_an_error_in_the_dialog(world, browser, add, sent, message):
    data = ids(world, "5001") | to(world, step="apply", client=world.client.pk) | sent
    response = browser.post("/dids/assign/", data, headers=HTMX)
    assert response.status_code == 422 and message in text(response)
    assert world.did("5001").status == "instock"


# --- permissions


@pytest.mark.parametrize("who", ["viewer", "clerk"])
def test_without_the_right_nothing_is_assigned(world, add, who, request):
    browser = client_of(request.getfixturevalue(who))
    for address in (add, "/dids/assign/"):
        assert browser.get(address).status_code == 403
        assert browser.post(address, to(world, step="apply") | ids(world, "5001")).status_code == 403
    assert world.did("5001").status == "instock"


def test_a_stranger_finds_neither_client_nor_numbers(world, stranger, add):
    browser = client_of(stranger)
    assert browser.get(add).status_code == 404
    assert browser.post(add, to(world, step="apply") | ids(world, "5001")).status_code == 404
    data = to(world, step="apply", client=world.client.pk)
    assert browser.post("/dids/assign/", data | ids(world, "5001")).status_code == 422
    response = browser.post("/dids/assign/", data | ids(world, "3333"))
    assert response.status_code == 422 and "Rose" not in text(response)


def test_pasted_numbers_of_another_reseller_are_unknown(world, owner, add):
    response = client_of(owner).post(add, to(world, way="paste", numbers="3333, 5001"))
    assert "not in the inventory; create them with New DIDs or correct them 3333" in text(response)


def test_wrong_methods_are_refused(browser, add):
    assert browser.put(add).status_code == 405
    assert browser.delete("/dids/assign/").status_code == 405


def test_hundreds_of_numbers_cost_no_more_queries_than_a_few(world, browser, add):
    limit(world, 1_000)
    numbers = [str(n) for n in range(6_000, 6_400)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)

    def cost(*picked):
        data = to(world) | ids(world, *picked)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(f"{add}?per_page=500").status_code == 200
            assert browser.post(add, data).status_code == 200
            assert browser.post(add, data | {"step": "apply"}).status_code == 302
        return len(queries)

    cost("5001")
    assert cost(*numbers[:3]) == cost(*numbers[3:]) <= 75
