"""Webhooks: people create endpoints, see what became of each event, and send events again."""

import base64
import threading
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from audit import SYSTEM
from audit.models import Change
from didmgmt import clock
from didmgmt.dates import show_day
from dids.models import DID
from events import endpoints, forms
from events.models import Delivery, Endpoint, Event
from events.publishing import create_event, publish_due
from jobs.models import Job
from tests.world import client_of, member

pytestmark = pytest.mark.django_db

FORM = {
    "url": "https://receiver.example/hook",
    "description": "Billing",
    "types": ["did.edited", "job.failed"],
}
SPAN = {"since": "2026-01-01T00:00", "until": "2199-01-01T00:00", "only": "not_delivered"}


@pytest.fixture
def administrator_of_1(world):
    return member("Administrator", username="boss", reseller=world.reseller)


@pytest.fixture
def endpoint(world):
    endpoint = Endpoint.objects.create(url="https://receiver.example/hook", types=["did.edited"])
    endpoint.secrets.create()
    return endpoint


def events(count=1):
    return [
        create_event("did.edited", None, at=clock.now(), about=f"{n} numbers", data={"count": n})
        for n in range(count)
    ]


def url(name, endpoint, *args):
    return reverse(f"webhooks:{name}", args=[endpoint.pk, *args])


def test_a_new_webhook_shows_its_secret_once(world, administrator):
    browser = client_of(administrator)
    text = browser.post(reverse("webhooks:new"), FORM).content.decode()
    endpoint = Endpoint.objects.get()
    secret = endpoint.secrets.get().value
    assert secret in text and len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert (endpoint.url, endpoint.types, endpoint.reseller) == (FORM["url"], FORM["types"], None)
    page = browser.get(url("detail", endpoint)).content.decode()
    assert secret not in page and "did.edited, job.failed" in page
    change = Change.objects.latest("pk")
    assert (change.kind, change.label) == ("webhook", "Webhook to receiver.example/hook created")
    assert secret not in browser.get(reverse("audit:detail", args=[change.pk])).content.decode()


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://receiver.example/", "begins with https://"),
        ("ftp://receiver.example/", "begins with https://"),
        ("https://", "begins with https://"),
        ("https://[::1", "begins with https://"),
        ("https://127.0.0.1:99999/", "99999 is not a port. Use 1 to 65535."),
        ("https://[2001:db8::1]:0/", "0 is not a port. Use 1 to 65535."),
        ("https://receiver.example:https/", "https is not a port. Use 1 to 65535."),
        ("https://anna:secret@receiver.example/", "Leave out the user name"),
        ("https://10.0.0.1/hook", "10.0.0.1 is not a public address"),
        ("https://[::1]/hook", "::1 is not a public address"),
        ("", "Fill in this field"),
    ],
)
def test_an_address_that_events_can_not_go_to_is_refused_at_its_field(
    world, administrator, address, sentence
):
    answer = client_of(administrator).post(reverse("webhooks:new"), FORM | {"url": address})
    assert answer.status_code == 422 and sentence in answer.content.decode()
    assert not Endpoint.objects.exists()


def test_who_is_bound_to_a_reseller_makes_webhooks_of_it_and_sees_no_others(
    world, administrator_of_1, administrator, endpoint
):
    browser = client_of(administrator_of_1)
    browser.post(reverse("webhooks:new"), FORM | {"reseller": world.reseller_2.pk})
    own = Endpoint.objects.exclude(pk=endpoint.pk).get()
    assert own.reseller == world.reseller
    assert browser.get(url("detail", endpoint)).status_code == 404
    listed = browser.get(reverse("webhooks:list")).context["endpoints"]
    assert listed == [own]
    assert len(client_of(administrator).get(reverse("webhooks:list")).context["endpoints"]) == 2


def test_the_page_of_an_endpoint_shows_deliveries_payload_and_tries(world, administrator, endpoint):
    events(2)
    delivered, waiting = endpoint.deliveries.order_by("pk")
    entry = {
        "at": "2026-11-28T17:58:02+00:00",
        "status": 503,
        "text": "503 No",
        "body": "<down>",
        "took": 4.1,
    }
    Delivery.objects.filter(pk=waiting.pk).update(tries=5, log=[entry])
    Delivery.objects.filter(pk=delivered.pk).update(state="delivered", tries=1)
    browser = client_of(administrator)
    page = browser.get(f"{url('detail', endpoint)}?delivery={waiting.pk}").content.decode()
    entry_at = timezone.localtime(datetime.fromisoformat(entry["at"]))
    assert "5 of 10" in page and "503 No" in page and "&lt;down&gt;" in page and "4.1 s" in page
    assert f">{show_day(entry_at)}, {entry_at:%H:%M:%S}</time>" in page
    assert waiting.event_id in page and "&quot;count&quot;: 1" in page
    only = browser.get(f"{url('detail', endpoint)}?state=delivered").context["listing"]
    assert [row.pk for row in only.rows] == [delivered.pk]
    assert browser.get(f"{url('detail', endpoint)}?delivery=999999").status_code == 404
    assert (
        "There is no state of a delivery"
        in browser.get(f"{url('detail', endpoint)}?state=odd").content.decode()
    )


def test_a_page_with_a_test_waits_for_its_answer(world, administrator, endpoint):
    browser = client_of(administrator)
    shown = browser.post(url("test", endpoint)).url
    delivery = endpoint.deliveries.get()
    assert shown == f"{url('detail', endpoint)}?delivery={delivery.pk}#sent"
    tries, by_script = url("tries", endpoint, delivery.pk), {"HX-Request": "true"}
    for page in (browser.get(shown), browser.get(tries, headers=by_script)):
        assert f'hx-get="{tries}"' in page.text and "Not tried yet" in page.text

    entry = {"at": "2026-11-28T17:58:02+00:00", "text": "200 OK", "body": "", "took": 0.0124}
    Delivery.objects.update(state="delivered", tries=1, next_try_at=None, log=[entry])
    assert browser.get(tries, headers=by_script).headers["HX-Refresh"] == "true"
    page = browser.get(shown).text
    assert tries not in page and page.count("12 ms") == 2


def test_a_replay_counts_first_and_keeps_the_ids(world, administrator, endpoint):
    done, given_up, missed = events(3)
    endpoint.deliveries.filter(event=done).update(state="delivered", next_try_at=None)
    endpoint.deliveries.filter(event=given_up).update(state="given_up", tries=10, next_try_at=None)
    endpoint.deliveries.filter(event=missed).delete()  # while the endpoint was paused
    browser = client_of(administrator)
    counted = browser.post(url("replay", endpoint), SPAN).content.decode()
    assert "2 events will be sent again." in counted and "Replay 2 events" in counted
    assert endpoint.deliveries.get(event=given_up).state == "given_up"

    page = browser.post(url("replay", endpoint), SPAN | {"step": "apply"}, follow=True).content.decode()
    assert "2 events will be sent again." in page
    again = endpoint.deliveries.filter(state="waiting", tries=0, next_try_at__isnull=False)
    assert {delivery.event for delivery in again} == {given_up, missed}
    assert Event.objects.count() == 3
    browser.post(url("replay", endpoint), SPAN | {"step": "apply", "only": "all"})
    assert again.all().count() == 3


def test_a_replay_of_an_impossible_span_is_refused_at_its_field(world, administrator, endpoint):
    events()
    span = {"since": "2026-01-02T00:00", "until": "2026-01-01T00:00", "only": "all", "step": "apply"}
    answer = client_of(administrator).post(url("replay", endpoint), span)
    assert answer.status_code == 422 and "Choose a later end" in answer.content.decode()


def test_a_replay_of_many_events_is_a_job(world, administrator, endpoint, monkeypatch):
    monkeypatch.setattr(endpoints, "AT_ONCE", 1)
    events(3)
    endpoint.deliveries.update(state="given_up", next_try_at=None)
    answer = client_of(administrator).post(url("replay", endpoint), SPAN | {"step": "apply"})
    job = Job.objects.get()
    assert answer.url == job.get_absolute_url()
    Job.objects.claim("test").run("test")
    job.refresh_from_db()
    assert (job.state, job.done, job.sentence) == ("done", 3, "3 events will be sent again.")
    assert endpoint.deliveries.filter(state="waiting").count() == 3


def test_one_event_is_sent_again(world, administrator, endpoint):
    events()
    delivery = endpoint.deliveries.get()
    endpoint.deliveries.update(state="delivered", tries=2, next_try_at=None)
    client_of(administrator).post(url("replay_one", endpoint, delivery.pk))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == ("waiting", 0) and delivery.next_try_at


def test_a_test_is_sent_to_one_endpoint_alone(world, administrator, endpoint):
    Endpoint.objects.create(url="https://other.example/", types=["did.edited"])
    client_of(administrator).post(url("test", endpoint))
    delivery = Delivery.objects.get()
    assert delivery.endpoint == endpoint and delivery.event.type == "webhook.test"


def test_what_is_paused_gets_nothing_until_it_is_resumed(world, administrator, endpoint):
    events()
    browser = client_of(administrator)
    page = " ".join(browser.post(url("pause", endpoint), follow=True).content.decode().split())
    assert "receiver.example/hook is paused." in page
    assert "What waits is sent when you resume it; what happens meanwhile is not: replay it then." in page
    assert endpoint.deliveries.get().next_try_at is None
    for name in ("test", "replay_one"):
        args = [endpoint.deliveries.get().pk] if name == "replay_one" else []
        assert "Resume it first" in browser.post(url(name, endpoint, *args), follow=True).content.decode()
    assert browser.post(url("replay", endpoint), SPAN | {"step": "apply"}).status_code == 422
    DID.objects.filter(number="256999").edit(by=SYSTEM, notes="seen")
    publish_due(threading.Event())
    assert endpoint.deliveries.count() == 1
    browser.post(url("resume", endpoint))
    endpoint.refresh_from_db()
    assert endpoint.active and endpoint.deliveries.get().next_try_at
    assert "2 events" in browser.post(url("replay", endpoint), SPAN).content.decode()


def test_a_disabled_endpoint_says_why(world, administrator, endpoint):
    endpoint.stop("answered 410")
    page = client_of(administrator).get(url("detail", endpoint)).content.decode()
    assert "Disabled: answered 410" in page and "Resume it, then replay what it has missed." in page


def test_a_failing_endpoint_says_since_when_and_until_when_nothing_is_lost(world, administrator, endpoint):
    events(2)
    Endpoint.objects.update(failing_since=clock.now() - timedelta(hours=1), error="503 Service Unavailable")
    page = client_of(administrator).get(url("detail", endpoint)).content.decode()
    assert "2 events wait because the last answer was: 503 Service Unavailable." in " ".join(page.split())
    assert "Nothing is given up before" in page


def test_the_secret_is_replaced_and_the_old_one_signs_for_a_day(world, administrator, endpoint):
    old = endpoint.secrets.get().value
    text = client_of(administrator).post(url("rotate", endpoint)).content.decode()
    new = endpoint.secrets.latest("pk").value
    assert new in text and old not in text and "I have stored the secret" in text
    assert endpoint.valid_secrets(clock.now()) == [new, old]


def test_an_edit_writes_what_was_changed(world, administrator, endpoint):
    browser = client_of(administrator)
    form = {"url": endpoint.url, "types": ["did.held"], "description": "Portal"}
    page = browser.post(url("edit", endpoint), form, follow=True).content.decode()
    assert "Webhook to receiver.example/hook saved." in page
    endpoint.refresh_from_db()
    assert (endpoint.types, endpoint.description) == (["did.held"], "Portal")


def test_the_audit_log_has_what_a_webhook_was_before_an_edit(world, administrator, endpoint):
    browser = client_of(administrator)
    form = {
        "url": "https://receiver.example/elsewhere",
        "types": ["did.held", "did.edited"],
        "reseller": world.reseller.pk,
    }
    browser.post(url("edit", endpoint), form)
    page = browser.get(f"/audit/{Change.objects.latest('pk').pk}/").content.decode()
    assert "https://receiver.example/hook → https://receiver.example/elsewhere" in page
    assert "did.edited → did.edited, did.held" in page and f"All resellers → {world.reseller}" in page
    assert "Description" not in page and "No rows" not in page
    browser.post(url("edit", endpoint), form | {"description": "Portal"})
    assert "(empty) → Portal" in browser.get(f"/audit/{Change.objects.latest('pk').pk}/").content.decode()


def test_a_change_of_a_webhook_offers_no_undo(world, administrator, endpoint):
    endpoint.pause(by=administrator)
    change = Change.objects.latest("pk")
    browser = client_of(administrator)
    assert f"/audit/{change.pk}/undo/" not in browser.get(f"/audit/{change.pk}/").content.decode()
    dialog = browser.get(f"/audit/{change.pk}/undo/").content.decode()
    assert "Changes of webhooks can’t be undone here. Edit the webhook." in dialog


def test_a_deleted_webhook_is_gone_at_once(world, administrator, endpoint):
    browser = client_of(administrator)
    events()
    dialog = browser.get(url("delete", endpoint)).content.decode()
    assert "Nothing more is sent" in dialog and "1 event that waits will not arrive." in dialog
    events(2)
    assert "3 events that wait will not arrive." in browser.get(url("delete", endpoint)).content.decode()
    browser.post(url("delete", endpoint))
    assert browser.get(url("detail", endpoint)).status_code == 404
    assert not endpoint.secrets.exists()


def test_who_may_only_see_webhooks_gets_no_buttons(world, viewer, endpoint):
    viewer.user_permissions.add(Permission.objects.get(codename="view_endpoint"))
    browser = client_of(viewer)
    page = browser.get(url("detail", endpoint)).content.decode()
    assert "Send a test" not in page and "New Webhook" not in page
    assert browser.post(url("test", endpoint)).status_code == 403


def test_a_branch_has_no_more_webhooks_than_it_may(world, administrator, endpoint, monkeypatch):
    monkeypatch.setattr(forms, "MOST", 1)
    answer = client_of(administrator).post(reverse("webhooks:new"), FORM)
    assert answer.status_code == 422 and "Delete one first." in answer.content.decode()


def test_the_query_of_a_url_is_in_no_change(world, administrator):
    browser = client_of(administrator)
    for query in ("?key=hidden-1", "?key=hidden-2"):
        sent = FORM | {"url": FORM["url"] + query}
        browser.post(
            reverse("webhooks:new") if query.endswith("1") else url("edit", Endpoint.objects.get()), sent
        )
    created, edited = Change.objects.filter(kind=Change.Kind.WEBHOOK).order_by("pk")
    assert [name for name, *_ in edited.data["edited"]] == ["Query of the URL"]
    for change in (created, edited):
        assert "key=" not in browser.get(f"/audit/{change.pk}/").text + change.label + str(change.data)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_long_address_makes_no_page_scroll_sideways(world, page_of, endpoint):
    Endpoint.objects.update(url=f"https://receiver.example/{'hook' * 40}", failing_since=clock.now())
    events()
    page = page_of(member("Administrator"))
    page.set_viewport_size({"width": 390, "height": 800})
    shown = f"{url('detail', endpoint)}?delivery={endpoint.deliveries.get().pk}"
    dialogs = [url(name, endpoint) for name in ("edit", "rotate", "delete", "replay")]
    for address in (reverse("webhooks:list"), shown, *dialogs):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
    endpoint.refresh_from_db()
    endpoint.pause(by=SYSTEM)
    page.goto(url("detail", endpoint))
    page.get_by_role("link", name="Replace secret…").click()
    page.get_by_role("button", name="Replace secret").click()
    page.get_by_label("The secret that signs").wait_for()
    dialog = page.locator("#secret[open]")
    assert dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
