"""A receiver of webhooks: a real HTTP server in a thread."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """``got``: [(headers, body)] of each request. ``answer(receiver)`` returns (status, headers, body)."""

    def __init__(self, port, got):
        self.port, self.url, self.got = port, f"http://127.0.0.1:{port}/hook", got
        self.status, self.headers, self.body, self.seconds, self.drips = 200, {}, b"", 0, False
        self.released = threading.Event()  # ends what is slow

    @property
    def ids(self):
        return [headers["webhook-id"] for headers, _ in self.got]


@contextmanager
def receiver():
    """Yield a Receiver at a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            here.got.append((dict(self.headers), body))
            here.released.wait(here.seconds)
            try:
                if here.drips:
                    self.drip()
                    return
                self.send_response(here.status)
                for name, value in here.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(here.body)
            except OSError:
                pass  # the sender has given up

        do_GET = do_POST

        def drip(self):
            """Send a header that never ends, byte by byte."""
            self.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
            while not here.released.wait(0.05):
                self.wfile.write(b".")
                self.wfile.flush()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Receiver(server.server_port, [])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield here
    finally:
        here.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def wait_until(condition, seconds=60):
    """Wait until ``condition()``; fail if that takes a minute."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
