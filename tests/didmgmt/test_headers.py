"""Headers of responses: caching, features of the browser, and security.txt."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from staff.models import User
from tests.world import client_of

PRIVATE = [
    "/dids/",
    "/dids/export/",
    "/operators/choices/",
    "/clients/export/",
    "/people/",
    "/login/",
    "/nothing/",
]


@pytest.mark.parametrize("path", PRIVATE)
def test_no_cache_keeps_a_page_or_a_download(world, administrator, path):
    response = client_of(administrator).get(path)
    assert "no-store" in response.headers["Cache-Control"]


def test_static_files_may_be_cached(client, db, settings):
    (settings.STATIC_ROOT / "tested.css").write_text("a {}")
    response = client.get("/static/tested.css")
    assert response.headers["Cache-Control"].startswith("max-age=")
    response.close()


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Referrer-Policy", "same-origin"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
    ],
)
def test_a_response_restricts_what_browsers_do_with_it(client, db, header, value):
    assert client.get("/login/").headers[header] == value


def test_pages_may_not_use_the_camera_or_the_location(client, db):
    policy = client.get("/login/").headers["Permissions-Policy"]
    assert "camera=()" in policy and "geolocation=()" in policy


def test_security_txt_names_the_contact_until_a_date(client, db, settings):
    settings.SECURITY_CONTACT = "mailto:security@example.com"
    response = client.get("/.well-known/security.txt")
    fields = dict(line.split(": ", 1) for line in response.content.decode().splitlines())
    assert fields["Contact"] == "mailto:security@example.com"
    ends = datetime.fromisoformat(fields["Expires"]) - timezone.now()
    assert timedelta(days=30) < ends < timedelta(days=366)


@pytest.mark.browser
def test_back_after_signing_out_shows_the_sign_in_page(page_of, live_server, transactional_db):
    page = page_of(User.objects.create_user("anna", is_superuser=True))
    page.goto("/dids/")
    page.goto("/clients/")
    page.locator("summary.person").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login/")
    page.go_back()
    page.wait_for_url("**/login/?next=**")
    assert "Sign in" in page.title()


def test_monitors_may_ask_by_address_and_nobody_else(client, db, settings):
    settings.ALLOWED_HOSTS = ["did.example.com"]
    by_address = {"headers": {"host": "192.0.2.7:8000"}}
    assert client.get("/healthz", **by_address).content == b"ok"
    assert "database" in client.get("/readyz", **by_address).json()
    assert client.get("/login/", **by_address).status_code == 400
