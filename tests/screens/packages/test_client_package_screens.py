"""Client packages on screens: the list, giving one, switching it off and on, ending it on a date."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from audit import SYSTEM
from audit.models import Change
from clients.models import Client, Package
from dids.models import DID, ClientPackage
from tests.world import client_of

DAY = timedelta(days=1)


def messages_of(answer):
    return [str(message) for message in answer.context["messages"]]


def numbers_at(browser, address):
    return set(re.findall(r'data-copy="(\d+)"', browser.get(address).text))


def as_input(timestamp):
    """Format a timestamp as the form field sends it, in UTC."""
    return timestamp.strftime("%Y-%m-%dT%H:%M")


@pytest.fixture
def url(world):
    return f"/client-packages/{world.client_package.pk}/"


@pytest.fixture
def browser(provisioner):
    return client_of(provisioner)


# --- the list ---------------------------------------------------------------------------------------


@pytest.fixture
def each_state(world):
    now = timezone.now()
    for fields in (
        {"starts_at": now + DAY},
        {"starts_at": now - 3 * DAY, "ends_at": now - DAY},
        {"active": False},
    ):
        ClientPackage.objects.create(client=world.client, package=world.package, **fields)


def states_of(page):
    return [given.state for given in page.context["listing"].rows]


@pytest.mark.usefixtures("each_state")
def test_the_list_shows_each_package_with_its_state_and_usage(viewer):
    page = client_of(viewer).get("/client-packages/?sort=starts")
    assert set(states_of(page)) == {"running", "waiting", "ended", "off"}
    html = page.content.decode()
    assert "2 of 5" in html and "Not begun" in html and "Deactivate" not in html


@pytest.mark.usefixtures("each_state")
@pytest.mark.parametrize("state", ["running", "waiting", "ended", "off"])
def test_it_filters_by_state(viewer, state):
    assert states_of(client_of(viewer).get(f"/client-packages/?state={state}")) == [state]


def test_it_filters_by_client_package_and_reseller(world, viewer):
    lily = Client.objects.create(reseller=world.reseller_2, name="Lily")
    large = Package.objects.create(reseller=world.reseller_2, name="Large", did_limit=9)
    ClientPackage.objects.create(client=lily, package=large)
    browser = client_of(viewer)
    for query in (f"client={lily.pk}", f"package={large.pk}", f"reseller={world.reseller_2.pk}"):
        (given,) = browser.get(f"/client-packages/?{query}").context["listing"].rows
        assert given.client == lily
    assert browser.get("/client-packages/?state=gone").context["listing"].rows == []


SORTS = ["client", "package", "reseller", "starts", "ends", "state", "dids"]


@pytest.mark.usefixtures("each_state")
@pytest.mark.parametrize("sort", SORTS)
def test_a_page_needs_the_same_queries_in_any_order(world, viewer, sort, django_assert_num_queries):
    for _ in range(20):
        ClientPackage.objects.create(client=world.client, package=world.package)
    browser = client_of(viewer)
    with django_assert_num_queries(7):
        page = browser.get(f"/client-packages/?per_page=50&sort=-{sort}")
    assert len(page.context["listing"].rows) == 24


# --- give -------------------------------------------------------------------------------------------


def test_start_and_end_are_read_in_the_users_time_zone(world, provisioner):
    provisioner.time_zone = "America/New_York"
    provisioner.save()
    page = f"/clients/{world.client.pk}/"
    fields = {"package": world.package.pk, "starts_at": "2026-01-10T09:00", "ends_at": "2099-07-10T09:00"}
    answer = client_of(provisioner).post(f"{page}give/", fields, follow=True)
    assert messages_of(answer) == ["Rose Orig now has package Basic, with room for 5 numbers."]
    given = ClientPackage.objects.latest("pk")
    assert (given.starts_at.hour, given.ends_at.hour, given.active) == (14, 13, True)
    change = Change.objects.latest("pk")
    assert (change.label, change.actor) == ("Package Basic given to Rose Orig", provisioner)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("package", ""),
        ("package", "0"),
        ("starts_at", ""),
        ("starts_at", "tomorrow"),
        ("starts_at", "0001-01-01T00:00"),
        ("ends_at", "9999-12-31T23:59"),
        ("ends_at", "2020-01-01T00:00"),
    ],
)
def test_an_invalid_value_is_refused_at_its_field(world, browser, field, value):
    fields = {"package": world.package.pk, "starts_at": "2026-01-10T09:00"} | {field: value}
    page = browser.post(f"/clients/{world.client.pk}/give/", fields)
    assert page.status_code == 422 and list(page.context["form"].errors) == [field]


def test_only_packages_of_the_clients_reseller_that_are_not_archived_can_be_given(world, browser):
    other = Package.objects.create(reseller=world.reseller_2, name="Other", did_limit=9)
    old = Package.objects.create(reseller=world.reseller, name="Old", did_limit=9)
    ClientPackage.archive_package(old, by=SYSTEM)
    page = f"/clients/{world.client.pk}/"
    assert [one["text"] for one in browser.get(f"{page}choices/packages/").json()["results"]] == ["Basic"]
    for package in (other, old):
        fields = {"package": package.pk, "starts_at": "2026-01-10T09:00"}
        assert browser.post(f"{page}give/", fields).status_code == 422


def test_a_closed_client_cannot_get_a_package(world, browser):
    ClientPackage.close_client(world.client, by=SYSTEM)
    fields = {"package": world.package.pk, "starts_at": "2026-01-10T09:00"}
    page = browser.post(f"/clients/{world.client.pk}/give/", fields)
    assert page.status_code == 422
    assert "Client Rose Orig is closed. Reopen the client first." in page.content.decode()


# --- off and on -------------------------------------------------------------------------------------


def test_switching_off_is_previewed_and_done_in_one_change(world, browser, url):
    html = " ".join(browser.get(f"{url}deactivate/").content.decode().split())
    assert "2 numbers will go on Hold" in html and "(30 days)." in html and "can have them back" not in html
    assert "<b>1 becomes unreachable</b> at once; 1 is Blocked and unreachable already." in html
    assert "1 client loses numbers" in html and "2</a> of 2" in html and "all its numbers" in html
    assert "2567" in html and "2568" in html
    lists = re.findall(r'<a href="([^"]*)" target="_blank"', html)
    assert [numbers_at(browser, unescape(url)) for url in lists] == [{"2567", "2568"}]
    answer = browser.post(f"{url}deactivate/", {"step": "apply"}, follow=True)
    assert messages_of(answer) == ["Package Basic of Rose Orig switched off. 2 numbers put on Hold."]
    change = Change.objects.latest("pk")
    assert (change.label, change.touched) == ("Package Basic of Rose Orig switched off", 3)
    answer = browser.post(f"{url}deactivate/", {"step": "apply"}, follow=True)
    assert messages_of(answer) == ["Package Basic of Rose Orig switched off. Nothing had to be changed."]
    assert Change.objects.latest("pk") == change


@pytest.mark.parametrize("address", ["/packages/{package.pk}/archive/", "/clients/{client.pk}/close/"])
def test_what_a_client_loses_leads_to_these_numbers_alone(world, administrator, address):
    browser, other = (
        client_of(administrator),
        Package.objects.create(reseller=world.reseller, name="Other", did_limit=5),
    )
    given = ClientPackage.objects.create(client=world.client, package=other)
    DID.objects.filter(number="256999").assign(given, world.account, by=SYSTEM)
    html = browser.get(address.format(package=world.package, client=world.client)).text
    (url,) = re.findall(r'<a href="([^"]*)" target="_blank"', html)
    lost = {"2567", "2568"} | ({"256999"} if "close" in address else set())
    assert numbers_at(browser, unescape(url)) == lost


def test_activating_leads_to_the_numbers_on_hold(world, browser, url):
    browser.post(f"{url}deactivate/", {"step": "apply"})
    html = browser.get(f"{url}activate/").text
    (address,) = re.findall(r'<a href="([^"]*)" target="_blank"', html)
    assert numbers_at(browser, unescape(address)) == {"2563", "2567", "2568"}


def test_putting_many_numbers_on_hold_needs_their_count(world, browser, url, monkeypatch):
    monkeypatch.setattr("screens.forms.CONFIRM_ABOVE", 1)
    page = browser.post(f"{url}deactivate/", {"step": "apply", "typed_count": "3"})
    assert page.status_code == 422
    assert "Type 2, the number of DIDs that will be put on Hold." in page.content.decode()
    browser.post(f"{url}deactivate/", {"step": "apply", "typed_count": "2"})
    assert not ClientPackage.objects.get().active


def test_the_preview_names_the_first_hundred_with_few_queries(world, owner, django_assert_num_queries):
    world.package.did_limit = 200
    world.package.save()
    numbers = [str(n) for n in range(70_000, 70_150)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    dids = DID.objects.filter(number__in=numbers)
    dids.assign(world.client_package, world.account, by=SYSTEM)
    with django_assert_num_queries(7):
        preview = dids.preview_hold(owner)
    assert (preview.count, len(preview.first), preview.first[0].number) == (150, 100, "70000")


def test_the_preview_matches_the_result(world, owner):
    DID.objects.filter(number="2567").edit(by=SYSTEM, hold_days=0, after_hold="reserved")
    now = timezone.now()
    preview = DID.objects.filter(client_package=world.client_package).preview_hold(owner, now)
    world.client_package.deactivate(by=SYSTEM, now=now)
    for did in preview.first:
        after = DID.objects.get(pk=did.pk)
        assert after.hold_until == did.hold_ends
        assert after.status == ("hold" if did.hold_ends else did.after_hold)


def test_switching_on_names_what_returns_and_what_stays_and_why(world, browser, url):
    DID.objects.filter(number="256999").assign(world.client_package, world.account, by=SYSTEM)
    world.client_package.deactivate(by=SYSTEM)
    world.package.did_limit = 2
    world.package.save()
    html = " ".join(browser.get(f"{url}activate/").content.decode().split())
    assert "<b>2</b> numbers will return from Hold" in html
    assert "<li><b>1</b> Active</li><li><b>1</b> Blocked</li>" in html
    assert (
        '<b class="refused">1</b> will stay on Hold <span class="sample">(2563)</span>: put there by a person'
        in html
    )
    (message,) = messages_of(browser.post(f"{url}activate/", follow=True))
    assert message == (
        "Package Basic of Rose Orig switched on. 2 numbers returned from Hold: 1 Active, 1 Blocked."
        " 1 stays on Hold (256999): package Basic of Rose Orig is full, its DID limit is 2;"
        " raise the limit or put numbers on Hold."
        " 1 stays on Hold (2563): put there by a person; to use again, activate on the client’s DIDs tab."
    )
    assert dict(DID.objects.filter(client_package=world.client_package).values_list("number", "status")) == {
        "2568": "blocked", "2567": "active", "2563": "hold", "256999": "hold"
    }  # fmt: skip
    assert messages_of(browser.post(f"{url}activate/", follow=True)) == [
        "Package Basic of Rose Orig is already on."
    ]


def test_nothing_is_switched_on_for_a_closed_client(world, browser, url):
    ClientPackage.close_client(world.client, by=SYSTEM)
    for answer, status in ((browser.get(f"{url}activate/"), 200), (browser.post(f"{url}activate/"), 422)):
        assert answer.status_code == status
        assert "Client Rose Orig is closed. Reopen the client first." in answer.content.decode()


# --- an end -----------------------------------------------------------------------------------------


def test_a_future_end_is_set_and_cleared(world, browser, url):
    (message,) = messages_of(browser.post(f"{url}end/", {"ends_at": "2099-03-01T12:00"}, follow=True))
    assert message == "Package Basic of Rose Orig ends on 1 Mar 2099, 12:00."
    assert ClientPackage.objects.get().ends_at.year == 2099
    assert 'value="1 Mar 2099, 12:00"' in browser.get(f"{url}end/").content.decode()
    (message,) = messages_of(browser.post(f"{url}end/", {"ends_at": ""}, follow=True))
    assert message == "Package Basic of Rose Orig no longer has an end."
    assert ClientPackage.objects.get().ends_at is None
    assert Change.objects.latest("pk").label == "End date of package Basic of Rose Orig changed"


def test_an_unchanged_end_writes_no_history(world, browser, url):
    ClientPackage.objects.update(ends_at=timezone.now() + DAY)
    before = Change.objects.count()
    ends_at = as_input(ClientPackage.objects.get().ends_at)
    assert browser.post(f"{url}end/", {"ends_at": ends_at}).status_code == 302
    assert Change.objects.count() == before


def test_an_end_in_the_past_ends_the_package_now_after_a_preview(world, browser, url):
    past = as_input(timezone.now() - DAY)
    html = browser.post(f"{url}end/", {"ends_at": past}).content.decode()
    assert "the package ends now" in html and f'name="ends_at" value="{past}"' in html
    assert ClientPackage.objects.get().active
    answer = browser.post(f"{url}end/", {"ends_at": past, "step": "apply"}, follow=True)
    assert messages_of(answer) == ["Package Basic of Rose Orig ended. 2 numbers put on Hold."]
    assert not ClientPackage.objects.get().active


@pytest.mark.parametrize("ends_at", ["2001-01-01T00:00", "soon", "9999-12-31T23:59", "1001-01-01T00:00"])
def test_an_invalid_end_is_refused(world, browser, url, ends_at):
    page = browser.post(f"{url}end/", {"ends_at": ends_at})
    assert page.status_code == 422 and list(page.context["form"].errors) == ["ends_at"]


def test_other_resellers_get_404_and_viewers_can_only_read(world, stranger, viewer, url):
    for tail in ("activate/", "deactivate/", "end/"):
        assert client_of(stranger).post(url + tail).status_code == 404
        assert client_of(viewer).post(url + tail).status_code == 403
        assert client_of(viewer).put(url + tail).status_code == 405


def test_an_action_returns_to_the_page_it_came_from(world, browser, url):
    for back in (f"/clients/{world.client.pk}/", f"/packages/{world.package.pk}/?state=running"):
        answer = browser.post(f"{url}activate/", {"back": back})
        assert answer.url == back
    assert browser.post(f"{url}activate/", {"back": "//elsewhere.example"}).url == "/client-packages/"
