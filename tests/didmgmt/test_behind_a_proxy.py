"""`manage.py web` behind nginx and behind Caddy with the configurations of deploy/."""

import contextlib
import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import brotli
import pytest
from axes.models import AccessAttempt
from django.conf import settings

from tests.kills import database_url
from tests.programs import free_port
from tests.proxies import caddy, nginx
from tests.web_server import collect_static
from tests.world import client_of, make_world, member

pytestmark = [
    pytest.mark.without_database,
    pytest.mark.django_db(transaction=True),
]
PASTED = ["111", "112", "113", *(str(number) for number in range(370_052_000_000, 370_052_004_997))]

# Give a listening socket to a program as systemd does.
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.argv[2], sys.argv[2:])
"""


class Web:
    """`manage.py web`, and its listening socket if systemd would hold it."""

    def __init__(self, folder, listener=None):
        self.listener, self.port = listener, listener.getsockname()[1] if listener else free_port()
        kept = {name: os.environ[name] for name in ("PATH", "VAR_DIR") if name in os.environ}
        self.environment = kept | {
            "DATABASE_URL": database_url(),
            "SECRET_KEY": settings.SECRET_KEY,
            "VAR_DIR": str(folder),
            "PORT": str(self.port),
            "WEB_PROCESSES": "1",
            "TLS": "1",
            "ALLOWED_HOSTS": "localhost",
        }
        self.start()

    def start(self):
        command, files = [sys.executable, "manage.py", "web"], []
        if self.listener:
            files = [self.listener.fileno()]
            command = [sys.executable, "-c", AS_SYSTEMD, str(*files), *command]
        self.process = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=self.environment, pass_fds=files, stderr=subprocess.DEVNULL
        )

    def stop(self):
        """Send SIGTERM, as systemd does, and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def served(tmp_path_factory, django_db_setup):
    """Return the folder with the static files as `manage.py collectstatic` writes them."""
    folder = tmp_path_factory.mktemp("served")
    collect_static(folder)
    return folder


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def site(request, served, tmp_path_factory):
    """Return (proxy, web): nginx with a socket that outlives the web server, Caddy without."""
    with contextlib.ExitStack() as stack:
        listener = None
        if request.param is nginx:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        web = Web(served, listener)
        stack.callback(web.stop)
        yield stack.enter_context(request.param(tmp_path_factory.mktemp("proxy"), web.port)), web


@pytest.fixture
def cookie(transactional_db):
    """Return the header with the cookies of a supervisor, whose names have a prefix with TLS."""
    make_world()
    cookies = client_of(member("Supervisor")).cookies.values()
    return "; ".join(f"__Host-{cookie.key}={cookie.value}" for cookie in cookies)


def found(page):
    return re.search(r'class="total"[^>]*>\s*([\d,+]+)', page.decode())[1]


def post(proxy, path, fields, **headers):
    """Send a form as a browser does, with the token of a page; return (status, headers, body)."""
    cookie = headers.pop("Cookie", "")
    _, about, page = proxy.get("/dids/" if cookie else "/login/", Cookie=cookie)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.decode())[1]
    secret = re.search(r"__Host-csrftoken=\w+", str(about))[0]
    return proxy.get(
        path,
        "POST",
        urlencode(fields | {"csrfmiddlewaretoken": token}),
        Cookie=f"{cookie}; {secret}",
        Content_Type="application/x-www-form-urlencoded",
        Referer="https://localhost/",
        **headers,
    )


def test_a_pasted_list_of_5000_numbers_is_searched(site, cookie):
    proxy, _ = site
    status, headers, _ = post(proxy, "/dids/search/", {"q": "\n".join(PASTED)}, Cookie=cookie)
    assert status == 302
    status, _, page = proxy.get(headers["Location"], Cookie=cookie)
    assert (status, found(page)) == (200, "3")
    assert "4,997 not in the inventory" in page.decode()


def test_an_address_with_many_numbers_is_searched_or_refused_with_a_sentence(site, cookie):
    proxy, _ = site
    for many, total in ((400, "3"), (1_400, "3"), (5_000, "0")):
        status, _, page = proxy.get(f"/dids/?q={'%2C'.join(PASTED[:many])}", Cookie=cookie)
        assert (status, found(page)) == (200, total)
        assert ("at most 20,000 characters" in page.decode()) == (total == "0")


@pytest.mark.parametrize("many", [900, 5_000])
def test_sign_in_returns_to_an_address_of_any_length(site, transactional_db, many):
    proxy, _ = site
    address = f"/dids/?q={'%2C'.join(PASTED[:many])}"
    status, headers, page = proxy.get(address)
    if many == 900:
        assert status == 302
        assert 12_000 < len(headers["Location"]) <= 16_384
    else:
        assert status == 200
        assert b'http-equiv="refresh"' in page
    fields = {"username": "nobody", "password": "wrong", "next": address}
    status, _, page = post(proxy, "/login/", fields, X_Forwarded_For="192.0.2.1")
    assert status == 200
    assert "Wrong user name or password" in page.decode()
    assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {"127.0.0.1"}


def test_everything_is_compressed_once_and_static_files_are_kept_for_years(site, cookie):
    proxy, _ = site
    _, headers, page = proxy.get("/dids/", Cookie=cookie, Accept_Encoding="gzip, br")
    assert headers.get_all("Content-Encoding") == ["br"]
    page = brotli.decompress(page).decode()
    assert headers["Cache-Control"] == "no-store"
    _, headers, csv = proxy.get("/dids/export/", Cookie=cookie, Accept_Encoding="gzip")
    assert headers.get_all("Content-Encoding") == ["gzip"]
    assert gzip.decompress(csv).count(b"\n") == 14
    for path in re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"', page):
        status, headers, body = proxy.get(path, Accept_Encoding="gzip, br")
        assert status == 200
        assert "max-age=315360000" in headers["Cache-Control"]
        assert headers.get_all("Content-Encoding") in (["br"], None)
        plain = proxy.get(path)
        assert "Content-Encoding" not in plain[1]
        assert plain[2] == (brotli.decompress(body) if "Content-Encoding" in headers else body)


def test_the_proxy_gives_each_request_its_id_whatever_the_visitor_sends(site):
    proxy, _ = site
    ids = [proxy.get("/healthz", X_Request_ID="of-the-visitor")[1]["X-Request-ID"] for _ in range(2)]
    assert len(set(ids)) == 2
    assert all(re.fullmatch(r"[0-9a-f-]{32,36}", one) for one in ids)


def test_another_host_name_shows_nothing(site):
    proxy, web = site
    status, _, body = proxy.get("/login/", Host="elsewhere.example")
    if web.listener:
        assert status == 400
        assert b"This site has another address." in body
    else:
        assert body == b""  # Caddy knows one name


def test_no_request_is_lost_while_the_web_server_restarts(site, cookie):
    proxy, web = site
    statuses, ended = [], threading.Event()

    def use():
        while not ended.is_set():
            statuses.append(proxy.get("/dids/?q=111", Cookie=cookie)[0])
            if web.listener:  # Caddy does not send a form again
                statuses.append(post(proxy, "/dids/search/", {"q": "112"}, Cookie=cookie)[0])

    def wait_for_more():
        wanted = len(statuses) + 20
        while len(statuses) < wanted and not any(user.done() for user in users):
            time.sleep(0.01)

    with ThreadPoolExecutor() as pool:
        users = [pool.submit(use) for _ in range(4)]
        try:
            for _ in range(2):
                wait_for_more()
                assert web.stop() == 0
                web.start()
            wait_for_more()
        finally:
            ended.set()
    for user in users:
        user.result()
    assert set(statuses) == ({200, 302} if web.listener else {200})
