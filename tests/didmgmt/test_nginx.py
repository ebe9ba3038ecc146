"""deploy/nginx.conf in front of the web server, run by a real nginx."""

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from http.client import HTTPConnection, HTTPSConnection

import pytest
from django.conf import settings
from django.db import connection

from tests.web_server import MEGABYTE, running

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="the database makes no difference")
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Proxy:
    def __init__(self, folder, upstream):
        self.http, self.https, self.folder = free_port(), free_port(), folder
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        command = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 1".split()
        subprocess.run([*command, "-out", certificate, "-keyout", key], check=True, capture_output=True)
        text = (settings.BASE_DIR / "deploy" / "nginx.conf").read_text()
        temporary = "".join(
            f"{name}_temp_path {folder}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        for written, here in (
            (r" *listen \[::\].*\n", ""),
            ("listen 80;", f"listen 127.0.0.1:{self.http};"),
            ("listen 443", f"listen 127.0.0.1:{self.https}"),
            (r"127\.0\.0\.1:8000", f"127.0.0.1:{upstream.port}"),
            (r"/etc/ssl/did\.example\.com\.crt", str(certificate)),
            (r"/etc/ssl/private/did\.example\.com\.key", str(key)),
            (r"did\.example\.com", "localhost"),
            ("/run/nginx.pid", f"{folder}/pid"),
            ("/var/log/nginx", str(folder)),
            (r"http \{\n", f"http {{\n{temporary}"),
        ):
            text, count = re.subn(written, here, text)
            assert count, written
        self.configuration = folder / "nginx.conf"
        self.configuration.write_text(text)

    def get(self, path, method="GET", body=None, **headers):
        """Return (status, headers, body) over TLS."""
        context = ssl.create_default_context(cafile=self.folder / "certificate.pem")
        context.check_hostname = False
        client = HTTPSConnection("127.0.0.1", self.https, timeout=30, context=context)
        with contextlib.closing(client):
            client.request(method, path, body, {"Host": "localhost"} | headers)
            response = client.getresponse()
            return response.status, response.headers, response.read()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    if NGINX is None:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail("there is no nginx")
        pytest.skip("there is no nginx")
    folder = tmp_path_factory.mktemp("nginx")
    with running(folder, TLS="1", ALLOWED_HOSTS="localhost") as upstream:
        proxy = Proxy(folder, upstream)
        user = "user root; " if os.geteuid() == 0 else ""
        command = [NGINX, "-p", folder, "-c", proxy.configuration, "-g", f"daemon off; {user}"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                while process.poll() is None and not answers(proxy.https):
                    time.sleep(0.05)
                assert process.poll() is None, (folder / "error.log").read_text()
                yield proxy
            finally:
                process.terminate()


def answers(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_pages_and_streams_go_through_with_tls(proxy):
    status, headers, body = proxy.get("/login/")
    assert status == 200
    assert "Secure" in headers["Set-Cookie"]
    assert "Strict-Transport-Security" in headers
    assert b"Sign in" in body
    assert len(proxy.get("/stream?5")[2]) == 5 * MEGABYTE


def test_plain_http_is_redirected(proxy):
    with contextlib.closing(HTTPConnection("127.0.0.1", proxy.http, timeout=30)) as client:
        client.request("GET", "/dids/?q=1", headers={"Host": "localhost"})
        response = client.getresponse()
        assert (response.status, response.headers["Location"]) == (308, "https://localhost/dids/?q=1")


def test_large_requests_are_refused(proxy):
    assert proxy.get(f"/dids/?q={'1' * 40_000}")[0] == 414
    assert proxy.get("/login/", "POST", b"x" * 70_000)[0] == 413


def test_many_connections_of_an_address_are_refused(proxy):
    context = ssl.create_default_context(cafile=proxy.folder / "certificate.pem")
    context.check_hostname = False
    with contextlib.ExitStack() as stack:
        for _ in range(64):
            client = socket.create_connection(("127.0.0.1", proxy.https), timeout=30)
            client = stack.enter_context(context.wrap_socket(client))
            client.sendall(b"POST /dids/import/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nabc")
        time.sleep(0.5)
        assert proxy.get("/healthz")[0] == 429
    while (status := proxy.get("/healthz")[0]) == 429:
        time.sleep(0.1)
    assert status == 200


def test_many_requests_for_the_sign_in_page_are_refused(proxy):
    statuses = [proxy.get("/login/")[0] for _ in range(30)]
    assert set(statuses) == {200, 429}
