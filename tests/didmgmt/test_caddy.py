"""deploy/Caddyfile in front of the web server, run by a real Caddy."""

import contextlib
import os
import re
import shutil
import ssl
import subprocess
import time
from http.client import HTTPConnection, HTTPSConnection

import pytest
from django.conf import settings
from django.db import connection

from tests.didmgmt.test_nginx import answers, free_port
from tests.web_server import MEGABYTE, running

CADDY = shutil.which("caddy")
pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="the database makes no difference")


class Proxy:
    def __init__(self, folder, upstream):
        self.http, self.https = free_port(), free_port()
        text = (settings.BASE_DIR / "deploy" / "Caddyfile").read_text()
        local = f"http_port {self.http}\n\thttps_port {self.https}\n\tadmin off\n\tlocal_certs\n"
        for written, here in (
            (r"^\{\n", f"{{\n\t{local}\tskip_install_trust\n"),
            (r"did\.example\.com", "localhost"),
            (r"127\.0\.0\.1:8000", f"127.0.0.1:{upstream.port}"),
        ):
            text, count = re.subn(written, here, text, flags=re.MULTILINE)
            assert count, written
        self.configuration = folder / "Caddyfile"
        self.configuration.write_text(text)

    def get(self, path, method="GET", body=None, **headers):
        """Return (status, headers, body) over TLS, with the certificate that Caddy has made for itself."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = HTTPSConnection("localhost", self.https, timeout=30, context=context)
        with contextlib.closing(client):
            client.request(method, path, body, {"Host": "localhost"} | headers)
            response = client.getresponse()
            return response.status, response.headers, response.read()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    if CADDY is None:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail("there is no caddy")
        pytest.skip("there is no caddy")
    folder = tmp_path_factory.mktemp("caddy")
    with running(folder, TLS="1", ALLOWED_HOSTS="localhost") as upstream:
        proxy = Proxy(folder, upstream)
        environment = os.environ | {
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
        }
        command = [CADDY, "run", "--adapter", "caddyfile", "--config", proxy.configuration]
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen(command, stderr=log, env=environment) as process,
        ):
            try:
                while process.poll() is None and not (answers(proxy.https) and answers(proxy.http)):
                    time.sleep(0.05)
                assert process.poll() is None, (folder / "log").read_text()
                yield proxy
            finally:
                process.terminate()


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
        assert response.status == 308
        assert re.fullmatch(r"https://localhost(:\d+)?/dids/\?q=1", response.headers["Location"])


def test_large_requests_are_refused(proxy):
    assert proxy.get(f"/dids/?q={'1' * 200_000}")[0] == 431
    assert proxy.get("/login/", "POST", b"x" * 300_000)[0] == 413


def test_a_visitor_cannot_forge_the_address(proxy):
    forged = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"}
    status, headers, _ = proxy.get("/dids/", **forged)
    assert (status, headers["Location"]) == (302, "/login/?next=/dids/")
