"""deploy/Caddyfile in front of the web server, run by a real Caddy."""

import re

import pytest

from tests.proxies import caddy
from tests.web_server import MEGABYTE, running


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("caddy")
    with (
        running(folder, TLS="1", ALLOWED_HOSTS="localhost") as server,
        caddy(folder, server.port) as proxy,
    ):
        yield proxy


def test_pages_and_streams_go_through_with_tls(proxy):
    status, headers, body = proxy.get("/login/")
    assert status == 200
    assert "Secure" in headers["Set-Cookie"]
    assert "Strict-Transport-Security" in headers
    assert b"Sign in" in body
    assert len(proxy.get("/stream?5")[2]) == 5 * MEGABYTE


def test_plain_http_is_redirected(proxy):
    status, address = proxy.redirects("/dids/?q=1")
    assert status == 308
    assert re.fullmatch(r"https://localhost(:\d+)?/dids/\?q=1", address)


def test_large_requests_are_refused(proxy):
    assert proxy.get(f"/dids/?q={'1' * 200_000}")[0] == 431
    assert proxy.get("/login/", "POST", b"x" * 300_000)[0] == 413


def test_a_visitor_cannot_forge_the_address(proxy):
    forged = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"}
    status, headers, _ = proxy.get("/dids/", **forged)
    assert (status, headers["Location"]) == (302, "/login/?next=/dids/")
