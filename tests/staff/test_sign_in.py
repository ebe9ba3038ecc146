"""Signing in and out, the throttle, passwords, and the time zone of the signed-in user."""

import re
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta
from http.cookiejar import CookieJar
from zoneinfo import ZoneInfo

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from staff import middleware
from staff.models import User, time_zones
from tests.world import PASSWORD, client_of, member


class Visitor:
    """Somebody with cookies who comes over real HTTP."""

    def __init__(self, address):
        self.address, self.jar = address, CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def ask(self, path, fields=None):
        """(status, final path, page); POST when there are ``fields``."""
        data = urllib.parse.urlencode(fields).encode() if fields is not None else None
        request = urllib.request.Request(self.address + path, data)  # noqa: S310
        try:
            answer = self.opener.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, urllib.parse.urlsplit(answer.url).path, answer.read().decode()

    def sign_in(self, username, password):
        self.ask("/login/")
        token = next(cookie.value for cookie in self.jar if cookie.name == settings.CSRF_COOKIE_NAME)
        fields = {"username": username, "password": password, "csrfmiddlewaretoken": token, "next": "/me/"}
        return self.ask("/login/", fields)


@pytest.mark.django_db(transaction=True)
def test_guessing_is_paused_for_that_name_alone_until_the_time_is_over(live_server):
    member("Viewer", username="anna")
    member("Viewer", username="ben")
    guesser = Visitor(live_server.url)
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        status, path, page = guesser.sign_in("anna", "guess")
        assert (status, path) == (200, "/login/")
        assert "Wrong user name or password" in page

    status, _, page = guesser.sign_in("anna", "guess")
    assert status == 429
    assert "Too many wrong passwords were entered from your address, for this username or for many." in page
    assert "Wait 15 minutes and try again" in page

    assert guesser.sign_in("anna", PASSWORD)[0] == 429
    assert Visitor(live_server.url).sign_in("anna", PASSWORD)[0] == 429
    assert Visitor(live_server.url).sign_in("ben", PASSWORD)[:2] == (200, "/me/")

    AccessAttempt.objects.update(
        attempt_time=timezone.now() - settings.AXES_COOLOFF_TIME - timedelta(seconds=1)
    )
    assert Visitor(live_server.url).sign_in("anna", PASSWORD)[:2] == (200, "/me/")


@pytest.mark.django_db(transaction=True)
def test_a_right_password_forgets_the_wrong_ones(live_server):
    member("Viewer", username="anna")
    visitor = Visitor(live_server.url)
    for _ in range(2):
        for _ in range(settings.AXES_FAILURE_LIMIT - 1):
            visitor.sign_in("anna", "guess")
        assert Visitor(live_server.url).sign_in("anna", PASSWORD)[:2] == (200, "/me/")


def test_a_signed_out_user_signs_in_and_returns_to_the_page(viewer):
    browser = Client()
    answer = browser.get("/me/")
    assert answer.url == "/login/?next=/me/"
    fields = {"username": viewer.username, "password": PASSWORD, "next": "/me/"}
    assert browser.post("/login/", fields).url == "/me/"


def test_signing_in_never_leads_to_another_site(viewer):
    fields = {"username": viewer.username, "password": PASSWORD, "next": "https://elsewhere.example/"}
    assert Client().post("/login/", fields).url == "/"


def test_a_deactivated_user_cannot_sign_in_and_is_signed_out(viewer):
    browser = client_of(viewer)
    User.objects.update(is_active=False)
    assert browser.get("/me/").status_code == 302
    page = Client().post("/login/", {"username": viewer.username, "password": PASSWORD})
    assert "Wrong user name or password" in page.content.decode()


def test_a_signed_in_user_is_redirected_from_the_sign_in_page(viewer):
    assert client_of(viewer).get("/login/").url == "/"


def test_signing_out_needs_a_post(viewer):
    browser = client_of(viewer)
    assert browser.get("/logout/").status_code == 405
    assert browser.post("/logout/").url == "/login/"
    assert browser.get("/me/").url == "/login/?next=/me/"


def test_a_password_is_changed_with_the_old_one_and_other_browsers_are_signed_out(viewer):
    here, elsewhere = client_of(viewer), client_of(viewer)
    new = {"new_password1": "battery-staple-7", "new_password2": "battery-staple-7"}

    refused = here.post("/password/", {"old_password": "guess"} | new)
    assert "This is not your current password" in refused.content.decode()

    done = here.post("/password/", {"old_password": PASSWORD} | new, follow=True)
    assert "Your password has been changed" in done.content.decode()
    assert elsewhere.get("/me/").status_code == 302
    viewer.refresh_from_db()
    assert viewer.check_password("battery-staple-7")


def test_times_are_shown_in_the_users_time_zone(viewer):
    browser = client_of(viewer)
    answer = browser.post("/me/", {"first_name": "Vi", "last_name": "Ewer", "time_zone": "Asia/Kathmandu"})
    assert answer.status_code == 302
    viewer.refresh_from_db()
    assert (viewer.get_full_name(), viewer.time_zone) == ("Vi Ewer", "Asia/Kathmandu")

    User.objects.update(last_login=datetime(2026, 11, 3, 12, 0, tzinfo=ZoneInfo("UTC")))
    viewer.user_permissions.set(member("Administrator").groups.get().permissions.all())
    page = browser.get("/people/").content.decode()
    assert "17:45" in page
    assert timezone.get_current_timezone_name() == settings.TIME_ZONE


def test_the_settings_offer_every_time_zone_with_that_of_the_user_chosen(viewer):
    viewer.time_zone = "America/Port-au-Prince"
    viewer.save()
    page = client_of(viewer).get("/me/").content.decode()
    select = re.search(r'<select [^>]*name="time_zone".*?</select>', page)[0]
    assert 'id="id_time_zone"' in select and 'aria-describedby="id_time_zone_helptext"' in select
    assert re.findall(r'value="([^"]*)"', select) == time_zones()
    assert re.findall(r"<option value=\S* selected>([^<]*)<", select) == ["America/Port-au-Prince"]
    assert ">America/New York</option>" in select


def test_an_unknown_time_zone_is_refused(viewer):
    answer = client_of(viewer).post("/me/", {"time_zone": "Europe/Atlantis"})
    assert answer.status_code == 422
    assert "There is no time zone “Europe/Atlantis”." in answer.content.decode()


# --- the end of a session -------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """Return a function that lets seconds pass for the middleware."""
    passed = []
    monkeypatch.setattr(middleware, "_now", lambda: int(time.time() + sum(passed)))
    return passed.append


IDLE = settings.SESSION_IDLE_MINUTES * 60


def test_a_session_ends_when_nobody_uses_it(viewer, clock):
    browser = client_of(viewer)
    clock(IDLE - 1)
    assert browser.get("/me/").status_code == 200
    clock(IDLE - 1)
    assert browser.get("/me/").status_code == 200
    clock(IDLE + 1)
    assert browser.get("/me/").url == "/login/?next=/me/"
    assert not Session.objects.exists()


def test_an_open_page_that_asks_for_progress_does_not_keep_a_session(viewer, clock):
    browser = client_of(viewer)
    clock(IDLE - 1)
    assert browser.get("/jobs/running/").status_code == 200
    clock(2)
    assert browser.get("/jobs/running/").status_code == 302


def test_a_session_ends_some_hours_after_it_began(viewer, clock):
    browser, half = client_of(viewer), IDLE // 2
    for _ in range(settings.SESSION_COOKIE_AGE // half - 1):
        clock(half)
        assert browser.get("/").url == "/dids/"
    clock(IDLE)
    assert browser.get("/password/").status_code == 302


@pytest.mark.parametrize("forged", ["", "1", "9999999999:forged", "another session’s"])
def test_the_time_of_the_last_request_cannot_be_forged(viewer, clerk, clock, forged):
    browser = client_of(viewer)
    clock(IDLE + 1)
    other = client_of(clerk).cookies[settings.SEEN_COOKIE_NAME].value
    browser.cookies[settings.SEEN_COOKIE_NAME] = other if forged.startswith("another") else forged
    assert browser.get("/me/").status_code == 302


def test_requests_sent_before_the_first_answer_keep_a_new_session(viewer):
    browser = Client()
    browser.post("/login/", {"username": viewer.username, "password": PASSWORD})
    before = browser.cookies.copy()
    assert browser.get("/me/").status_code == 200
    browser.cookies = before
    assert browser.get("/me/").status_code == 200


def test_a_new_password_does_not_end_the_own_session(viewer):
    browser = client_of(viewer)
    new = {"new_password1": "battery-staple-7", "new_password2": "battery-staple-7"}
    before = browser.session.session_key
    browser.post("/password/", {"old_password": PASSWORD} | new)
    assert browser.session.session_key != before
    assert browser.get("/password/").status_code == 200
