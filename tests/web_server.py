"""The web server, and the worker, in processes of their own."""

import contextlib
import os
import socket
import subprocess
import sys
from http.client import HTTPConnection

from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

THREADS = 2
MEGABYTE = 1024 * 1024

# The product, an address that streams as many megabytes as it is asked for, one that counts the streams that
# are not sent to their end, and one that keeps its thread until a file exists.
PROGRAM = """
import os
import sys
import time
from didmgmt.wsgi import application as product
from didmgmt import server
from didmgmt.management.commands import web

if len(sys.argv) > 1:
    server.HEADER_SECONDS = server.SILENT_SECONDS = int(sys.argv[1])
    server.UNREAD_BYTES = 16 * 1024 * 1024
unsent = []

def application(environ, start_response):
    if environ["PATH_INFO"] == "/unsent":
        start_response("200 OK", [])
        return [str(len(unsent)).encode()]
    if environ["PATH_INFO"] == "/hold":
        while not os.path.exists(environ["QUERY_STRING"]):
            time.sleep(0.02)
        start_response("200 OK", [])
        return [b"held"]
    if environ["PATH_INFO"] != "/stream":
        return product(environ, start_response)
    unsent.append(environ)
    environ[server.WHEN_SENT](unsent.pop)
    start_response("200 OK", [("Content-Type", "text/csv")])
    return (b"x" * 65536 for _ in range(int(environ["QUERY_STRING"]) * 16))

listener = server.listen(os.environ["HOST"], 0)
print(listener.getsockname()[1], flush=True)
web.serve_on(listener, application)
"""


class Running:
    """A running server and the connections to it."""

    def __init__(self, process, stack, address):
        self.process, self._stack, self.address = process, stack, address
        self.port = int(process.stdout.readline())

    def connect(self, sent="", *, window=None):
        """Return a new connection, over which ``sent`` was sent; ``window``: bytes that may be unread."""
        client = self._stack.enter_context(socket.socket())
        if window:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        client.settimeout(30)
        client.connect((self.address, self.port))
        client.sendall(sent.encode())
        return client

    def get(self, path="/healthz", *, method="GET", **headers):
        with contextlib.closing(HTTPConnection(self.address, self.port, timeout=30)) as client:
            client.request(method, path, headers=headers)
            response = client.getresponse()
            return response.status, response.read()


def collect_static(folder):
    """Write the static files into the VAR_DIR ``folder``, for servers without DEBUG.

    Not into the one that tests share: WhiteNoise would read it anew for the client of each later test.
    """
    storages = settings.STORAGES | {
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    }
    with override_settings(STATIC_ROOT=folder / "static", STORAGES=storages):
        call_command("collectstatic", interactive=False, verbosity=0)


@contextlib.contextmanager
def running(folder, *arguments, host=None, **variables):
    """Yield a ``Running`` server whose deadlines are ``arguments[0]`` seconds, if that is given.

    ``host``: of ``tests.networks``, on which it runs.
    """
    address, prefix = (host.address, host.prefix) if host else ("127.0.0.1", [])
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(folder), "WEB_THREADS": str(THREADS)}
    environment |= {"DJANGO_SETTINGS_MODULE": "didmgmt.settings", "DEBUG": "1", "UPLOAD_LIMIT_MB": "40"}
    environment |= {"HOST": address} | variables
    command = [*prefix, sys.executable, "-c", PROGRAM, *arguments]
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.PIPE)
        )
        stack.callback(process.kill)
        yield Running(process, stack, address)


@contextlib.contextmanager
def worker(folder, **variables):
    """Run a worker."""
    environment = {**os.environ, "VAR_DIR": str(folder), "DEBUG": "1", **variables}
    command = [sys.executable, "manage.py", "worker", "--every", "0.2"]
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait()
