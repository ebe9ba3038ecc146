"""Sign an event and post it, within ``TIMEOUT`` in all.

Written on http.client of the standard library. What matters here is where the socket goes and when it must
be finished: urllib3 and httpx resolve names and connect inside of their pools, and their timeouts start again
with each byte, so a receiver that drips its answer would never reach them.
"""

import base64
import hashlib
import hmac
import http.client
import io
import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache, partial
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.encoding import iri_to_uri

from events.addresses import RefusedAddressError, resolve

TIMEOUT = 15  # seconds for resolving, connecting, sending and the answer together
ANSWER = 2_048  # bytes of an answer that are kept
PREFIX = "whsec_"


@dataclass(frozen=True)
class Answer:
    """What came of one try. ``status``: None without an answer. ``took``: seconds."""

    status: int | None
    text: str
    body: str = ""
    took: float = 0.0

    @property
    def succeeded(self):
        return self.status is not None and 200 <= self.status < 300


def signature(secrets, event_id, timestamp, body):
    """Return the header webhook-signature: one signature for each secret, separated by blanks."""
    content = f"{event_id}.{timestamp}.{body}".encode()
    return " ".join(f"v1,{_sign(secret, content)}" for secret in secrets)


def _sign(secret, content):
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def headers(secrets, event_id, now, body):
    """Return the headers of a try at ``now``, which is signed as well."""
    timestamp = int(now.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": "didmgmt",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secrets, event_id, timestamp, body),
    }


def post(url, body, headers):
    """Post ``body``, a text, and return the Answer, whatever happens."""
    began = time.monotonic()
    try:
        status, text, answer = _post(url, body.encode(), headers, began + TIMEOUT)
    except Exception as error:  # noqa: BLE001 - a receiver may make any of these libraries raise anything
        status, text, answer = None, _words(error), ""
    return Answer(status, _printable(text), _printable(answer), round(time.monotonic() - began, 3))


def _post(url, body, headers, deadline):
    parts = urlsplit(iri_to_uri(url))
    if parts.scheme == "http" and not settings.WEBHOOK_HTTP:
        raise RefusedAddressError("http is not allowed, so nothing was sent; use https")
    connection = _Connection(parts, deadline)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, headers)
        response = connection.getresponse()
        text = f"{response.status} {response.reason}".strip()
        if 300 <= response.status < 400:
            text += ", not followed"
        return response.status, text, response.read(ANSWER).decode(errors="replace")
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, with a deadline (of ``time.monotonic``)."""

    def __init__(self, parts, deadline):
        self._tls, self._deadline = parts.scheme == "https", deadline
        super().__init__(parts.hostname, parts.port or (443 if self._tls else 80))
        self.response_class = partial(_Response, deadline=deadline)

    def connect(self):
        self.sock = self._connect()
        if self._tls:
            self.sock.settimeout(_left(self._deadline))
            self.sock = _tls().wrap_socket(self.sock, server_hostname=self.host)
        self.sock.settimeout(_left(self._deadline))

    def _connect(self):
        """Return a socket to the first address that accepts."""
        failed = None
        for family, address in resolve(self.host, self.port, _left(self._deadline)):
            opened = socket.socket(family, socket.SOCK_STREAM)
            try:
                opened.settimeout(_left(self._deadline))
                opened.connect(address)
            except OSError as error:
                opened.close()
                failed = error
            else:
                return opened
        raise failed


class _Response(http.client.HTTPResponse):
    def __init__(self, sock, *args, deadline, **kwargs):
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(sock, self.fp, deadline))


class _Reader(io.RawIOBase):
    """Read a socket until a deadline, however many bytes come. ``file`` keeps the socket open until then."""

    def __init__(self, sock, file, deadline):
        self._sock, self._file, self._deadline = sock, file, deadline

    def readable(self):
        return True

    def readinto(self, buffer):
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)

    def close(self):
        super().close()
        self._file.close()


def _left(deadline):
    """Return the seconds to the deadline; raise TimeoutError after it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@cache
def _tls():
    return ssl.create_default_context()


def _words(error):
    """Return what went wrong as people read it."""
    if isinstance(error, TimeoutError):
        return f"no answer in {TIMEOUT} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return "the host name was not found"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, http.client.RemoteDisconnected):
        return "connection closed without an answer"
    return str(error) or type(error).__name__


def _printable(text):
    """Return the text without what PostgreSQL can't store."""
    return text.replace("\0", "\ufffd")
