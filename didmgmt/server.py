"""The web server: waitress, with deadlines for slow clients and a stop that finishes what it has begun.

Waitress receives requests and sends responses in one thread and runs the application in a few others, so a
client that sends or reads slowly costs a socket and a temporary file, but no thread. Its own timeouts leave
two cases out, which are added here: headers that arrive byte by byte, and a client that stopped reading while
a long response is being written.
"""

import gc
import os
import resource
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

CONNECTIONS = 1_000  # of a process
HEADER_SECONDS = 20  # until the headers of a request are complete
SILENT_SECONDS = 60  # without a byte sent or received, outside of the application
CROWDED_SECONDS = 5  # for both, while more than half of the connections are taken
MONITORED = ("/healthz", "/readyz", "/metrics")
MONITOR_THREADS = 4  # besides those of pages, which may all wait for a database that does not answer
STOP_SECONDS = 20  # to finish responses after a request to stop
FIRST_SECONDS = 2  # for a new connection to send something after a request to stop
GIVEN = 3  # descriptor of the first socket from systemd, see sd_listen_fds(3)
HEADER_BYTES = 128 * 1024  # of a request's first line and headers together
# Unread bytes of a response are in a temporary file. A longer response waits, and holds one of the threads,
# until the client reads on.
UNREAD_BYTES = 1024 * 1024 * 1024
WHEN_SENT = "didmgmt.when_sent"  # in the WSGI environment: takes a function to call when all is sent
FORM_BYTES = 1024 * 1024  # that a form adds to an uploaded file
# Objects that a collection of reference cycles waits for. Python's default of 700 collects 20 times in a page
# of 100 numbers, which leaves next to no cycles: a tenth of its processor time.
COLLECTED = (10_000, 20, 50)


class Task(WSGITask):
    """A request, whose application may ask to be told when the client has got the response."""

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[WHEN_SENT] = self.channel.when_sent
        return environ


class Channel(HTTPChannel):
    """A connection that knows since when it has been waiting for the headers of a request.

    ``waiting``: functions to call when all that the application has written is sent.
    """

    task_class = Task
    headers_since: float | None = None
    silent = True  # has sent nothing so far

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.waiting: list[Callable[[], None]] = []
        super().__init__(*arguments, **options)

    def when_sent(self, call: Callable[[], None]) -> None:
        """Call ``call`` within a second after the response is sent, or the connection has ended."""
        with self.outbuf_lock:
            if self.connected:
                self.waiting.append(call)
                return
        call()

    def handle_close(self) -> None:
        super().handle_close()
        self.tell()

    def tell(self) -> None:
        """Call the waiting functions."""
        while self.waiting:
            self.waiting.pop()()

    def received(self, data: bytes) -> Any:
        self.silent = False
        if self.request is None:
            self.headers_since = time.time()
        result = super().received(data)
        if self.request is None or self.request.headers_finished:
            self.headers_since = None
        return result

    @property
    def is_busy(self) -> bool:
        """Whether a request is being received or answered."""
        return bool(self.request or self.requests or self.total_outbufs_len)

    def is_owed(self, now: float) -> bool:
        """Return whether a server that stops waits for the connection: a request is there, or on its way."""
        return self.is_busy or (self.silent and now - self.creation_time < FIRST_SECONDS)

    def is_overdue(self, now: float, crowded: bool) -> bool:
        """Return whether the client has kept the connection waiting for too long."""
        if self.headers_since is not None:
            return now - self.headers_since > (CROWDED_SECONDS if crowded else HEADER_SECONDS)
        if self.requests and not self.total_outbufs_len:
            return False  # it waits for the application
        crowded = crowded and not self.is_busy
        return now - self.last_activity > (CROWDED_SECONDS if crowded else SILENT_SECONDS)


class Server(TcpWSGIServer):
    """Serve the application on a listening socket until ``stop`` is called."""

    channel_class = Channel

    def __init__(self, application: Callable[..., Any], listener: socket.socket) -> None:
        body = max(settings.UPLOAD_LIMIT, settings.DATA_UPLOAD_MAX_MEMORY_SIZE) + FORM_BYTES
        adjustments = Adjustments(
            sockets=[listener],
            threads=settings.WEB_THREADS,
            connection_limit=CONNECTIONS,
            cleanup_interval=1,
            max_request_header_size=HEADER_BYTES,
            max_request_body_size=body,
            outbuf_high_watermark=UNREAD_BYTES,
            recv_bytes=64 * 1024,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=False,  # didmgmt.proxy reads those of trusted proxies
            log_socket_errors=False,
            ident=None,
        )
        self.stopping = False
        self.monitoring = ThreadedTaskDispatcher()
        self.monitoring.set_thread_count(MONITOR_THREADS)
        address = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            _without_body_of_head(application),
            {},
            _sock=listener,
            adj=adjustments,
            bind_socket=False,
            sockinfo=address,
        )

    def add_task(self, task: Channel) -> None:
        """Let monitors be answered by threads of their own."""
        path = getattr(task.requests[0], "path", "")
        (self.monitoring if path in MONITORED else self.task_dispatcher).add_task(task)

    def run(self) -> None:
        """Serve until stopped; then finish the responses that have begun, for up to ``STOP_SECONDS``."""
        while not self.stopping:
            self._poll()
        self._accept_waiting()
        self.accepting = False
        self.socket.close()
        self.del_channel()
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and self._owes():
            self._poll()
        self.task_dispatcher.shutdown(timeout=1)
        self.monitoring.shutdown(timeout=1)

    def _accept_waiting(self) -> None:
        """Accept the connections that a close would reset."""
        waiting = select.poll()
        waiting.register(self.socket, select.POLLIN)
        for _ in range(CONNECTIONS):
            if not waiting.poll(0):
                break
            self.handle_accept()

    def _owes(self) -> bool:
        now = time.time()
        return any(channel.is_owed(now) for channel in self.active_channels.values())

    def _poll(self) -> None:
        self.asyncore.loop(timeout=1, map=self._map, use_poll=True, count=1)

    def stop(self, *_: Any) -> None:
        """Make ``run`` return; may be called by a signal handler."""
        self.stopping = True
        self.pull_trigger()

    def maintenance(self, now: float) -> None:
        """Tell who waits for responses that are sent; close connections whose client is too slow."""
        channels = list(self.active_channels.values())
        crowded = len(channels) > CONNECTIONS // 2
        for channel in channels:
            if channel.waiting and not channel.requests and not channel.total_outbufs_len:
                channel.tell()
            if channel.is_overdue(now, crowded):
                channel.will_close = True
                channel.handle_close()  # now: waitress would wait until the client reads


def _without_body_of_head(application: Callable[..., Any]) -> Callable[..., Any]:
    """Drop the body of responses to HEAD, which waitress would send and the client would misread."""

    def respond(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        body = application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return body
        if hasattr(body, "close"):
            body.close()
        return []

    return respond


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises OSError, socket.gaierror for a host that is not an address here."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def given_socket() -> socket.socket | None:
    """Return the listening socket that systemd holds for this process, None without one.

    Source: sd_listen_fds(3). A socket that outlives the process keeps connections until the next one starts.
    """
    process, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    if process != str(os.getpid()) or count != "1":
        return None
    return socket.socket(fileno=GIVEN)


def collect_seldom() -> None:
    """Collect reference cycles seldom, and never look at the objects of the code loaded so far."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED)


def allow_files() -> None:
    """Raise the limit of open files: a connection needs up to three, for its socket and two buffers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
