"""deploy/nginx.conf in front of the web server, run by a real nginx."""

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.proxies import nginx, tls
from tests.receivers import wait_until
from tests.web_server import MEGABYTE, running


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    with (
        running(folder, TLS="1", ALLOWED_HOSTS="localhost") as server,
        nginx(folder, server.port) as proxy,
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
    assert proxy.redirects("/dids/?q=1") == (308, "https://localhost/dids/?q=1")


def test_large_requests_are_refused(proxy):
    assert proxy.get(f"/dids/?q={'1' * 150_000}")[0] == 414
    assert proxy.get("/login/", "POST", b"x" * 300_000)[0] == 413


def test_many_connections_of_an_address_are_refused(proxy):
    with contextlib.ExitStack() as stack:
        for _ in range(64):
            client = socket.create_connection(("127.0.0.1", proxy.https), timeout=30)
            client = stack.enter_context(tls().wrap_socket(client))
            client.sendall(b"POST /dids/import/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nabc")
        wait_until(lambda: proxy.get("/healthz")[0] == 429)
    wait_until(lambda: proxy.get("/healthz")[0] == 200)


def test_many_requests_for_the_sign_in_page_are_refused(proxy):
    # All at once: one after the other they may be slow enough to be allowed.
    with ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(lambda _: proxy.get("/login/")[0], range(40)))
    assert set(statuses) == {200, 429}
