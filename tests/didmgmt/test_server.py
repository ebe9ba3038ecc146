"""The web server in a process of its own, with slow clients; it needs no database."""

import contextlib
import signal
import socket
import time

import pytest

from tests.web_server import MEGABYTE, THREADS, running


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def impatient(tmp_path):
    """Return a server that waits one second for a client."""
    with running(tmp_path, "1") as started:
        yield started


def read_all(client):
    """Return how many bytes a connection gives until the server closes it."""
    count = 0
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(MEGABYTE):
            count += len(chunk)
    return count


def test_slow_readers_and_senders_take_no_thread_from_others(server):
    readers = [server.connect("GET /stream?5 HTTP/1.1\r\nHost: a\r\n\r\n", window=4096) for _ in range(64)]
    for _ in range(64):
        server.connect("GET / HTTP/1.1\r\nHost: a\r\n")
        server.connect("POST /login/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\nabc")
    for _ in range(200):
        server.connect()
    for _ in range(3):
        for reader in readers:
            reader.recv(1024)
        assert server.get("/unsent")[0] == 200


def test_a_long_response_that_nobody_reads_keeps_no_thread_and_is_unsent(server):
    request = "GET /stream?100 HTTP/1.1\r\nHost: a\r\n\r\n"
    before = int(server.get("/unsent")[1])
    readers = [server.connect(request, window=4096) for _ in range(2 * THREADS)]
    while int(server.get("/unsent")[1]) < before + len(readers):
        time.sleep(0.1)
    readers[0].shutdown(socket.SHUT_WR)
    assert read_all(readers[0]) > 100 * MEGABYTE
    for reader in readers[1:]:
        reader.close()
    while int(server.get("/unsent")[1]) > before:
        time.sleep(0.1)


def test_a_stream_arrives_whole(server):
    status, body = server.get("/stream?5")
    assert (status, len(body)) == (200, 5 * MEGABYTE)


def test_a_response_to_head_has_no_body(server):
    assert server.get(method="HEAD") == (200, b"")
    client = server.connect("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
    client.shutdown(socket.SHUT_WR)
    received = b""
    while chunk := client.recv(65536):
        received += chunk
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert not received.endswith(b"ok")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (f"GET /?q={'1' * 600_000} HTTP/1.1", b"431"),
        ("POST /login/ HTTP/1.1\r\nContent-Length: 50000000", b"413"),
    ],
)
def test_a_request_that_is_too_large_is_refused_before_it_is_read(server, request_line, status):
    client = server.connect(f"{request_line}\r\nHost: localhost\r\n\r\n")
    assert client.recv(12) == b"HTTP/1.1 " + status or b"HTTP/1.0 " + status


def test_headers_that_arrive_byte_by_byte_are_cut_off(impatient):
    client = impatient.connect("GET / HTTP/1.1\r\n")
    sent = 0
    with contextlib.suppress(OSError):
        while sent < 100:
            time.sleep(0.1)
            client.sendall(b"X")
            sent += 1
    assert 0 < sent < 100


def test_clients_that_stop_reading_a_long_response_give_their_threads_back(impatient):
    request = "GET /stream?200 HTTP/1.1\r\nHost: a\r\n\r\n"
    stuck = [impatient.connect(request, window=4096) for _ in range(2 * THREADS)]
    assert impatient.get("/unsent")[0] == 200  # by one of the threads that they had
    assert all(read_all(client) < 200 * MEGABYTE for client in stuck)


def test_monitors_are_answered_while_all_threads_are_taken(server, tmp_path):
    free = tmp_path / "free"
    taken = [server.connect(f"GET /hold?{free} HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(THREADS)]
    assert server.get() == (200, b"ok")
    free.touch()
    assert all(client.recv(1024).startswith(b"HTTP/1.1 200 OK") for client in taken)


def test_a_server_that_is_stopped_finishes_its_responses(tmp_path):
    with running(tmp_path) as server:
        client = server.connect("GET /stream?5 HTTP/1.1\r\nHost: a\r\n\r\n", window=4096)
        client.recv(1024)
        server.process.send_signal(signal.SIGTERM)
        assert read_all(client) > 5 * MEGABYTE - 1024
        assert server.process.wait(30) == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()
