"""Events reach their receivers, signed, at least once and with the same id, whatever happens on the way."""

import json
import socket
import threading
from datetime import timedelta
from ipaddress import ip_network

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from audit import SYSTEM
from didmgmt import clock
from dids.models import DID
from events import delivery, sending
from events.addresses import is_allowed
from events.delivery import AT_ONCE, INTERVALS, JITTER, Deliverer, Publisher
from events.models import OVERLAP, TRIES, Delivery, Endpoint, Event
from events.periodic import delete_endpoints, delete_old_events
from events.publishing import create_event
from events.replaying import replay
from tests.receivers import receiver

pytestmark = pytest.mark.django_db

SOON = timedelta(seconds=1)  # later than what the database's clock has dated


@pytest.fixture(autouse=True)
def local_receivers(settings):
    settings.WEBHOOK_HTTP = True
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def hook():
    with receiver() as here:
        yield here


@pytest.fixture
def at(monkeypatch):
    """Return a function that sets the clock."""

    def set_clock(now):
        monkeypatch.setattr(clock, "database_now", lambda: now)
        monkeypatch.setattr(clock, "now", lambda: now)
        return now

    return set_clock


def work():
    stopped = threading.Event()
    Publisher().work(stopped)
    Deliverer().work(stopped)


def event(number=1):
    return create_event("did.edited", None, at=clock.now(), about="", data={"count": number})


def log_of(endpoint):
    return [entry["text"] for entry in endpoint.deliveries.get().log]


# --- what is sent


def test_an_event_is_signed_as_the_specification_says(world, endpoint, hook):
    secret = endpoint(hook.url).secrets.get().value
    DID.objects.filter(number="256999").edit(by=SYSTEM, notes="seen ✓")
    work()
    ((headers, body),) = hook.got
    sent = Webhook(secret).verify(body, headers)
    assert sent["type"] == "did.edited" and sent["data"]["numbers"][0]["number"] == "256999"
    assert headers["webhook-id"] == Event.objects.get().pk
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace("256999", "256998"), headers)
    stored = Delivery.objects.get()
    assert (stored.state, stored.tries, stored.next_try_at) == ("delivered", 1, None)
    assert stored.log[0]["text"] == "200 OK"


def test_both_secrets_sign_for_a_day_after_a_rotation(world, endpoint, hook, at):
    here = endpoint(hook.url)
    old = here.secrets.get().value
    new = here.rotate_secret(by=SYSTEM)
    event()
    work()
    (headers, body), *_ = hook.got
    for secret in (old, new):
        Webhook(secret).verify(body, headers)
    assert here.valid_secrets(clock.now() + OVERLAP) == [new]
    here.rotate_secret(by=SYSTEM)
    assert old not in here.secrets.values_list("value", flat=True)


# --- failures


def test_a_receiver_that_is_down_for_three_days_gets_everything_with_the_first_ids(
    world, endpoint, hook, at, monkeypatch
):
    monkeypatch.setattr(delivery.random, "uniform", lambda low, _high: low)
    here = endpoint(hook.url)
    hook.status = 503
    start = now = at(clock.now() + SOON)
    sent = [event(number).pk for number in range(3)]
    for seconds in INTERVALS:
        work()
        now = at(now + timedelta(seconds=seconds))
    here.refresh_from_db()
    assert here.failing_since == start and here.error == "503 Service Unavailable"
    assert now - start == timedelta(hours=75) and {one.tries for one in here.deliveries.all()} == {TRIES - 1}
    late = event(4).pk
    assert set(hook.ids) == set(sent)

    hook.got.clear()
    hook.status = 200
    work()
    assert sorted(hook.ids) == sorted([*sent, late])
    assert {one.state for one in here.deliveries.all()} == {"delivered"}
    here.refresh_from_db()
    assert here.failing_since is None and (here.sent, here.sent_at_once) == (4, 1)


def test_what_fails_ten_times_is_given_up_and_stays(world, endpoint, hook, at):
    here = endpoint(hook.url)
    hook.status, now = 500, at(clock.now() + SOON)
    event()
    for seconds in (*INTERVALS, 1):
        work()
        now = at(now + timedelta(seconds=seconds * (1 + JITTER)))
    given_up = here.deliveries.get()
    assert (given_up.state, given_up.tries, given_up.next_try_at) == ("given_up", TRIES, None)
    assert len(hook.got) == TRIES


def test_what_waits_is_sent_at_once_when_a_receiver_answers_again(world, endpoint, hook, at):
    here = endpoint(hook.url)
    hook.status = 500
    at(clock.now() + SOON)
    event()
    work()
    work()
    assert len(hook.got) == 1
    hook.status = 200
    event()
    work()
    assert len(hook.got) == 3 and here.deliveries.filter(state="delivered").count() == 2


def test_a_redirect_is_not_followed(world, endpoint, hook):
    with receiver() as other:
        hook.status, hook.headers = 307, {"Location": other.url}
        here = endpoint(hook.url)
        event()
        work()
        assert other.got == [] and log_of(here) == ["307 Temporary Redirect, not followed"]


def test_410_disables_the_endpoint(world, endpoint, hook):
    here = endpoint(hook.url)
    hook.status = 410
    event()
    work()
    here.refresh_from_db()
    assert not here.active and here.reason == "answered 410" and here.disabled_at
    event()
    work()
    assert len(hook.got) == 1 and here.deliveries.count() == 1
    hook.status = 200
    here.resume(by=SYSTEM)
    work()
    assert len(hook.got) == 2 and here.deliveries.get().state == "delivered"


def test_an_answer_is_kept_up_to_2_kb(world, endpoint, hook):
    hook.status, hook.body = 400, b"\0no" + b"x" * 10_000
    here = endpoint(hook.url)
    event()
    work()
    kept = here.deliveries.get().log[0]["body"]
    assert kept.startswith("�nox") and len(kept) == sending.ANSWER


@pytest.mark.parametrize("drips", [False, True])
def test_a_receiver_that_is_slow_or_drips_gets_no_more_than_its_time(
    world, endpoint, hook, monkeypatch, drips
):
    monkeypatch.setattr(sending, "TIMEOUT", 0.3)
    hook.seconds, hook.drips = (0, True) if drips else (60, False)
    here = endpoint(hook.url)
    event()
    work()
    assert log_of(here) == ["no answer in 0.3 s"]


def test_nobody_waits_for_a_slow_receiver(world, endpoint, hook):
    with receiver() as fast:
        endpoint(hook.url), endpoint(fast.url)
        hook.seconds = 60
        ids = [event(number).pk for number in range(3 * AT_ONCE)]
        release_when(lambda: sorted(fast.ids) == sorted(ids), hook)
        work()
        # The slow one had answered nothing before the fast one had everything.
        assert len(hook.got_before) == AT_ONCE and sorted(hook.ids) == sorted(ids)


def test_a_failing_receiver_is_tried_with_one_event_at_a_time(world, endpoint, hook):
    with receiver() as fast:
        failing = endpoint(hook.url)
        endpoint(fast.url)
        type(failing).objects.filter(pk=failing.pk).update(failing_since=clock.now())
        hook.seconds, hook.status = 60, 500
        ids = [event(number).pk for number in range(3 * AT_ONCE)]
        release_when(lambda: sorted(fast.ids) == sorted(ids), hook)
        work()
        assert len(hook.got_before) == 1 and sorted(hook.ids) == sorted(ids)


def release_when(condition, hook):
    """End the slowness of a receiver, from another thread, once ``condition()``."""

    def watch():
        ended = threading.Event()
        while not condition():
            ended.wait(0.01)
        hook.got_before = list(hook.got)
        hook.released.set()

    threading.Thread(target=watch, daemon=True).start()


def test_a_delivery_that_another_worker_has_claimed_is_left_to_it(world, endpoint, hook):
    here = endpoint(hook.url)
    event()
    Delivery.objects.update(next_try_at=clock.now() + delivery.CLAIMED)
    work()
    assert hook.got == [] and here.deliveries.get().tries == 0


def test_what_came_while_an_endpoint_was_paused_waits_for_it(world, endpoint, hook):
    here = endpoint(hook.url)
    event()
    type(here).objects.update(active=False)  # by another process, which did not see the event
    work()
    assert hook.got == [] and here.deliveries.get().next_try_at is None
    here.refresh_from_db()
    here.resume(by=SYSTEM)
    work()
    assert len(hook.got) == 1


def test_a_closed_port_is_named(world, endpoint):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    here = endpoint(f"http://127.0.0.1:{port}/")
    event()
    work()
    assert log_of(here) == ["connection refused"]


# --- where it goes


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1"])
def test_an_address_of_this_machine_is_refused_in_any_spelling(world, endpoint, hook, settings, host):
    settings.WEBHOOK_PRIVATE_NETWORKS = []
    here = endpoint(hook.url.replace("127.0.0.1", host))
    event()
    work()
    assert hook.got == [] and "is not a public address, so nothing was sent" in log_of(here)[0]


def test_a_name_that_resolves_to_another_address_the_next_time_gains_nothing(
    world, endpoint, hook, settings, monkeypatch
):
    """The only answer that the resolver gives is checked and connected to."""
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.1/32")]
    resolve, asked = socket.getaddrinfo, []

    def rebinding(host, port, **options):
        asked.append(host)
        return resolve("127.0.0.2" if len(asked) % 2 == 0 else "127.0.0.1", port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    here = endpoint(hook.url.replace("127.0.0.1", "rebinding.example"))
    event()
    work()
    assert len(hook.got) == 1 and asked == ["rebinding.example"]
    event()
    work()
    assert len(hook.got) == 1 and "127.0.0.2 is not a public address" in here.deliveries.last().log[0]["text"]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
    ],
)
def test_only_public_addresses_are_allowed(settings, address, public):
    settings.WEBHOOK_PRIVATE_NETWORKS = []
    assert is_allowed(address) is public


def test_a_private_network_can_be_allowed(settings):
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("10.1.0.0/16")]
    assert is_allowed("10.1.2.3") and is_allowed("::ffff:10.1.2.3") and not is_allowed("10.2.0.1")


def test_http_is_refused_unless_it_is_allowed(world, endpoint, hook, settings):
    settings.WEBHOOK_HTTP = False
    here = endpoint(hook.url)
    event()
    work()
    assert hook.got == [] and log_of(here) == ["http is not allowed, so nothing was sent; use https"]


def test_a_certificate_that_nobody_signed_is_refused(world, endpoint, hook):
    here = endpoint(hook.url.replace("http:", "https:"))
    event()
    work()
    assert hook.got == [] and here.deliveries.get().log[0]["status"] is None


# --- old ones


def test_old_events_are_deleted_with_their_deliveries(world, endpoint, settings):
    endpoint()
    old, _ = event(), event()
    Event.objects.filter(pk=old.pk).update(created_at=clock.now() - timedelta(days=31))
    assert delete_old_events(clock.now()) == 1
    assert Event.objects.count() == Delivery.objects.count() == 1


def test_a_deleted_endpoint_goes_with_its_deliveries_and_gets_nothing(world, endpoint, hook):
    here = endpoint(hook.url)
    event()
    here.remove(by=SYSTEM)
    event()
    work()
    assert hook.got == [] and here.deliveries.count() == 1
    while delete_endpoints(clock.now()):
        pass
    assert not type(here).objects.exists() and not Delivery.objects.exists()


@pytest.mark.parametrize("to_everybody", [False, True])
def test_an_endpoint_for_another_reseller_loses_what_was_for_others(world, endpoint, hook, to_everybody):
    old, new = (world.reseller, None) if to_everybody else (None, world.reseller_2)
    here = endpoint(hook.url, reseller=old)
    now = clock.now()
    audiences = (None, world.reseller.pk, world.reseller_2.pk)
    events = {
        one: create_event("did.edited", one, at=now, about=f"for {one}", data={"count": 1})
        for one in audiences
    }
    everything = list(Event.objects.only("pk", "created_at"))
    stale = Endpoint.objects.get(pk=here.pk)
    Endpoint.objects.filter(pk=here.pk).update(sent=1, sent_at_once=1, lag=2)
    kept = Delivery.objects.create(endpoint=here, event=events[new and new.pk])
    assert {one.event_id for one in here.deliveries.all()} == {events[old and old.pk].pk, kept.event_id}

    here.reseller = new
    here.edit(by=SYSTEM, fields=["reseller"])
    here.refresh_from_db()
    assert here.deliveries.get() == kept and (here.sent, here.sent_at_once, here.lag) == (0, 0, None)
    assert replay(stale, everything) == 1
    Deliverer().work(threading.Event())
    assert hook.ids == [kept.event_id]


def test_an_endpoint_that_keeps_its_reseller_keeps_its_deliveries(world, endpoint, hook):
    here = endpoint(hook.url)
    event()
    here.description = "Billing"
    here.edit(by=SYSTEM, fields=["description"])
    assert here.deliveries.count() == 1


def test_the_body_is_what_was_stored(world, endpoint, hook):
    endpoint(hook.url)
    stored = event(7)
    work()
    assert hook.got[0][1] == stored.body and json.loads(stored.body)["data"] == {"count": 7}
