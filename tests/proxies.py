"""nginx and Caddy with the configurations of deploy/, in front of the web server."""

import contextlib
import os
import re
import socket
import ssl
import subprocess
import time
from http.client import HTTPConnection, HTTPSConnection

from django.conf import settings

from tests.programs import accepts_connections, free_port, program

DEPLOY = settings.BASE_DIR / "deploy"


def shakes_hands(port):
    """Return whether a proxy has a certificate yet, which Caddy makes after it has begun to listen."""
    try:
        with (
            socket.create_connection(("localhost", port), timeout=10) as client,
            tls().wrap_socket(client, server_hostname="localhost"),
        ):
            return True
    except OSError:
        return False


def tls():
    """Return a context that accepts the certificate that a proxy of a test made for itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Proxy:
    """A proxy that serves ``localhost`` at the ports ``http`` and ``https``."""

    def __init__(self):
        self.http, self.https = free_port(), free_port()

    def get(self, path, method="GET", body=None, **headers):
        """Return (status, headers, body) over TLS; an underscore in the name of a header is a hyphen."""
        client = HTTPSConnection("localhost", self.https, timeout=60, context=tls())
        headers = {"Host": "localhost"} | {name.replace("_", "-"): text for name, text in headers.items()}
        with contextlib.closing(client):
            client.request(method, path, body, headers)
            response = client.getresponse()
            return response.status, response.headers, response.read()

    def redirects(self, path):
        """Return (status, address) of the answer without TLS."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.http, timeout=30)) as client:
            client.request("GET", path, headers={"Host": "localhost"})
            response = client.getresponse()
            return response.status, response.headers["Location"]

    def is_ready(self):
        return accepts_connections(self.http) and shakes_hands(self.https)

    @contextlib.contextmanager
    def run(self, command, log, **variables):
        with (
            log.open("a") as errors,
            subprocess.Popen(command, stderr=errors, env=os.environ | variables) as process,
        ):
            try:
                while process.poll() is None and not (
                    accepts_connections(self.http) and shakes_hands(self.https)
                ):
                    time.sleep(0.05)
                assert process.poll() is None, log.read_text()
                yield self
            finally:
                process.terminate()


def here(text, *changes):
    """Return ``text`` with each (regular expression, replacement) applied at least once."""
    for written, replacement in changes:
        text, count = re.subn(written, replacement, text, flags=re.MULTILINE)
        assert count, written
    return text


@contextlib.contextmanager
def nginx(folder, port):
    """Yield a ``Proxy``: nginx in front of the web server at ``port``."""
    command, proxy = program("nginx"), Proxy()
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 1".split()
    subprocess.run([*make, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        here(
            (DEPLOY / "nginx.conf").read_text(),
            (r" *listen \[::\].*\n", ""),
            ("listen 80;", f"listen 127.0.0.1:{proxy.http};"),
            ("listen 443", f"listen 127.0.0.1:{proxy.https}"),
            (r"127\.0\.0\.1:8000", f"127.0.0.1:{port}"),
            (r"/etc/ssl/did\.example\.com\.crt", str(certificate)),
            (r"/etc/ssl/private/did\.example\.com\.key", str(key)),
            (r"did\.example\.com", "localhost"),
            ("/run/nginx.pid", f"{folder}/pid"),
            ("/var/log/nginx", str(folder)),
            (r"http \{\n", f"http {{\n{temporary}"),
        )
    )
    user = "user root; " if os.geteuid() == 0 else ""
    start = [command, "-p", folder, "-c", configuration, "-g", f"daemon off; {user}"]
    with proxy.run(start, folder / "error.log"):
        yield proxy


@contextlib.contextmanager
def caddy(folder, port):
    """Yield a ``Proxy``: Caddy in front of the web server at ``port``."""
    command, proxy = program("caddy"), Proxy()
    local = f"http_port {proxy.http}\n\thttps_port {proxy.https}\n\tadmin off\n\tlocal_certs\n"
    configuration = folder / "Caddyfile"
    configuration.write_text(
        here((DEPLOY / "Caddyfile").read_text(), (r"^\{\n", f"{{\n\t{local}\tskip_install_trust\n"))
    )
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder))
    start = [command, "run", "--adapter", "caddyfile", "--config", configuration]
    with proxy.run(start, folder / "log", DID_HOST="localhost", DID_WEB=f"127.0.0.1:{port}", **homes):
        yield proxy
