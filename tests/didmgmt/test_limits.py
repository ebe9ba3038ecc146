"""Limits of a person and of an address: requests, exports at once, jobs waiting, uploads, sign-in."""

import threading
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client as Browser
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from didmgmt.limits import FILES_READ, Buckets, LimitError, LimitMiddleware, Slots, reading_file
from didmgmt.server import WHEN_SENT
from dids.models import DID
from jobs.models import Job
from tests.world import PASSWORD, client_of, member


def test_a_bucket_gives_the_tokens_of_a_minute_and_refills():
    buckets = Buckets(60)
    assert [buckets.take("a", 0) for _ in range(60)] == [0] * 60
    assert buckets.take("a", 0) == 1
    assert buckets.take("b", 0) == 0
    assert buckets.take("a", 1) == 0
    assert buckets.take("a", 1.5) == 0.5


def test_buckets_of_people_who_left_are_dropped(monkeypatch):
    monkeypatch.setattr("didmgmt.limits.KEYS_MOST", 3)
    buckets = Buckets(60)
    for number in range(3):
        buckets.take(f"gone {number}", 0)
    buckets.take("here", 100)
    assert list(buckets._buckets) == ["here"]


def test_slots_are_limited_for_each_and_for_all():
    slots = Slots(2, 3)
    assert [slots.take(key) for key in "aaabb"] == [True, True, False, True, False]
    slots.give_back("a")
    assert [slots.take(key) for key in "ba"] == [True, False]


@override_settings(REQUESTS_PER_MINUTE=3, ANONYMOUS_REQUESTS_PER_MINUTE=2)
def test_requests_beyond_the_limit_get_429_with_a_sentence(world, viewer, clerk):
    browser = client_of(viewer)
    assert [browser.get("/me/").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = browser.get("/dids/")
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert "Too many requests were sent in the last minute. Wait" in refused.content.decode()
    part = browser.get("/dids/", headers={"HX-Request": "true"})
    assert part.status_code == 429
    assert part.content.startswith(b"Too many requests")

    other = client_of(clerk)
    other.handler = browser.handler  # the same process
    assert other.get("/me/").status_code == 200
    visitor = Browser()
    visitor.handler = browser.handler
    assert [visitor.get("/login/").status_code for _ in range(3)] == [200, 200, 429]
    assert visitor.get("/healthz").status_code == 200


def test_counting_requests_costs_no_query(world, viewer):
    counts = []
    for limit in (0, 100):
        with override_settings(REQUESTS_PER_MINUTE=limit), CaptureQueriesContext(connection) as queries:
            client_of(viewer).get("/me/")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_somebody_who_is_not_signed_in_may_not_send_much(db):
    response = Browser().post("/login/", {"username": "x" * 300_000})
    assert response.status_code == 413
    assert "You are not signed in" in response.content.decode()


@override_settings(EXPORTS_AT_ONCE=2)
def test_a_person_downloads_two_files_at_once(world, supervisor, monkeypatch):
    slots = Slots(settings.EXPORTS_AT_ONCE, 3)
    monkeypatch.setattr("didmgmt.downloads._written", lambda: slots)
    browser = client_of(supervisor)
    first, second = (browser.get("/dids/export/?format=csv") for _ in range(2))
    refused = browser.get("/dids/export/?format=csv")
    assert (first.status_code, second.status_code, refused.status_code) == (200, 200, 429)
    assert refused["Retry-After"] == "10"
    assert "You are already downloading 2 files" in refused.content.decode()

    assert b"".join(first.streaming_content).count(b"\n") == DID.objects.count() + 1
    assert browser.get("/dids/export/?format=csv").status_code == 200


def test_a_file_keeps_its_place_until_the_server_has_sent_it(world, supervisor, monkeypatch):
    slots = Slots(1, 1)
    monkeypatch.setattr("didmgmt.downloads._sent", lambda: slots)
    browser, told = client_of(supervisor), []
    for file_format in ("csv", "xlsx"):
        address = f"/dids/export/?format={file_format}"
        file = browser.get(address, **{WHEN_SENT: told.append})
        assert b"".join(file.streaming_content)
        assert browser.get(address).status_code == 429
        told.pop()()
        again = browser.get(address)
        assert again.status_code == 200
        assert b"".join(again.streaming_content)


def test_a_person_has_two_files_read_at_once(world, supervisor, monkeypatch):
    slots = Slots(FILES_READ, 3)
    monkeypatch.setattr("didmgmt.limits._reading", lambda: slots)
    browser, file = client_of(supervisor), SimpleUploadedFile("a.csv", b"DID\n4420\n")
    with reading_file(supervisor), reading_file(supervisor):
        for address in ("/dids/import/", "/operators/import/"):
            refused = browser.post(address, {"file": file})
            assert (refused.status_code, refused["Retry-After"]) == (429, "10")
            assert "You have 2 files that are being read" in refused.content.decode()
        assert browser.get("/dids/import/").status_code == 200
    assert browser.post("/operators/import/", {"file": file}).status_code == 422


@override_settings(JOBS_WAITING=1)
def test_a_person_with_many_waiting_jobs_gets_no_more(world, supervisor, monkeypatch):
    monkeypatch.setattr("screens.numbers.mass_edit.SMALL", 0)
    browser, posted = client_of(supervisor), {"scope": "ids", "ids": str(world.did("2567").pk)}
    posted |= {"step": "apply", "change_notes": "on", "notes": "x"}
    assert browser.post("/dids/mass-edit/", posted).status_code == 302
    refused = browser.post("/dids/mass-edit/", posted)
    assert refused.status_code == 429
    assert "You have 1 jobs that are waiting or running." in refused.content.decode()
    assert Job.objects.unfinished().count() == 1


@override_settings(UPLOADS_PER_HOUR=1)
def test_a_person_uploads_a_limited_number_of_files_within_an_hour(world, supervisor):
    Job.objects.create(kind="import", owner=supervisor)
    two_hours_ago = timezone.now() - timedelta(hours=2)
    Job.objects.create(kind="import", owner=supervisor, created_at=two_hours_ago)
    with pytest.raises(LimitError, match="You have uploaded 1 files within an hour"):
        Job.objects.refuse_many_uploads(supervisor, "import")


@override_settings(SIGN_IN_FAILURES_PER_ADDRESS=10)
def test_guessing_for_many_usernames_is_paused_for_the_address(db):
    member("Viewer", username="anna")
    for number in range(10):
        Browser().post("/login/", {"username": f"guess {number}", "password": "wrong"})
    paused = Browser().post("/login/", {"username": "anna", "password": PASSWORD})
    assert paused.status_code == 429
    assert "Too many wrong passwords" in paused.content.decode()
    elsewhere = Browser(REMOTE_ADDR="192.0.2.7").post("/login/", {"username": "anna", "password": PASSWORD})
    assert elsewhere.status_code == 302

    AccessAttempt.objects.update(attempt_time=timezone.now() - 2 * settings.AXES_COOLOFF_TIME)
    assert Browser().post("/login/", {"username": "anna", "password": PASSWORD}).status_code == 302


def test_the_limits_are_on_by_default():
    assert "didmgmt.limits.LimitMiddleware" in settings.MIDDLEWARE
    assert LimitMiddleware(lambda request: None)._people is None  # in tests


def test_a_slot_is_given_back_by_the_garbage_collector_of_a_thread_that_takes_one():
    slots = Slots(1, 1)
    give_back = slots.take_one("anna")

    class Unread:
        def __del__(self):
            give_back()

    def take_while_it_is_collected():
        with slots._lock:
            Unread()  # collected at once

    thread = threading.Thread(target=take_while_it_is_collected, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive() and slots.take("boris")
