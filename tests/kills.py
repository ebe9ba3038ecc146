"""Run workers and web requests in processes of their own and kill them, as a power cut would.

    python -m tests.kills

is the process from which they are forked: it loads Django once. It reads a line for each of them, "worker" or
"post" or "program" with JSON, and answers with the process id.
"""

import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from didmgmt.clock import database_now
from tests.roles import PASSWORD, made

CHUNK = 200  # numbers
LEASE = 1  # second
RETRY_AFTER = timedelta(seconds=0.1)  # so that a job soon continues after its connection was cut
STALLED = 300  # seconds without any progress after which a test fails; a busy machine is only slow


def database_url(port=None, host=None):
    """Return the URL of the test database for another process, at another ``port`` and ``host`` if given."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    user, password = database["USER"], database["PASSWORD"]
    if made:  # a session that only assumes the role could not end others of it
        user, password = made[0], PASSWORD
    where = f"{host or database['HOST'] or '127.0.0.1'}:{port or database['PORT'] or 5432}"
    return f"postgres://{quote(user)}:{quote(password)}@{where}/{database['NAME']}"


class Nursery:
    """Start processes by forking one that has loaded Django.

    ``port``, ``host``: where they find PostgreSQL. ``prefix``: the beginning of the command that starts them.
    ``pooled``: whether a pooler in transaction mode is there. ``lease``: of their jobs, in seconds.
    """

    def __init__(self, port=None, host=None, prefix=(), *, pooled=False, lease=LEASE):
        environment = os.environ | {
            "DATABASE_URL": database_url(port, host),
            "DJANGO_SETTINGS_MODULE": "didmgmt.settings",
            "JOB_LEASE": str(lease),
            "LOG_LEVEL": "ERROR",
            "DATABASE_POOLER": "transaction" if pooled else "",
        }
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.kills"],
            cwd=settings.BASE_DIR,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, line="worker"):
        """Return the id of a new process that does what ``line`` says."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


def kill(pid, signum=signal.SIGKILL):
    """Kill a process, unless it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signum)


def is_name_of(name, worker):
    """Return whether a job's ``worker`` is the process with this id: host:process:random."""
    return name.split(":")[1:2] == [str(worker)]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Proxy:
    """Pass TCP connections on to a port of this machine, until they are ``cut``.

    ``flows``: cleared, nothing is passed on, as through a network that loses everything.
    """

    def __init__(self, target, host="127.0.0.1"):
        self.target, self.pairs, self.threads = target, [], []
        self.flows = threading.Event()
        self.flows.set()
        self.server = socket.create_server((host, 0))
        self.port = self.server.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.cut()
        self.flows.set()

    def _accept(self):
        while True:
            try:
                one, _ = self.server.accept()
            except OSError:  # closed
                return
            try:
                pair = one, socket.create_connection(("127.0.0.1", self.target))
            except OSError:  # a server that is down refuses its clients, not those of the next one
                one.close()
                continue
            self.pairs.append(pair)
            for source, sink in (pair, pair[::-1]):
                thread = threading.Thread(target=self._pass_on, args=(source, sink), daemon=True)
                thread.start()
                self.threads.append(thread)

    def _pass_on(self, source, sink):
        with suppress(OSError):  # cut
            while data := source.recv(65_536):
                self.flows.wait()
                sink.sendall(data)
            self.flows.wait()
            sink.shutdown(socket.SHUT_WR)

    def cut(self):
        """Drop all connections at once, without a farewell, whatever is on its way."""
        while self.pairs:
            for end in self.pairs.pop():
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def reset(self):
        """Drop all connections with a packet that is sent once, and lost where there is no link."""
        for one, other in self.pairs:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            for end in (one, other):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RD)  # wakes the thread that reads, which keeps the socket open
        while self.threads:
            self.threads.pop().join()
        while self.pairs:
            for end in self.pairs.pop():
                end.close()


def killed_again_and_again(workers, job, times, until):
    """Let ``workers``, a Nursery, run ``job``; kill up to ``times`` of them with SIGKILL at random times.

    Every other worker is killed after a chunk, so that the job makes progress. ``until(job)`` is the end.
    Return how many were killed while they had the job; the last worker finishes.
    """
    chance, kills = random.Random(f"{job.kind} {times}"), 0
    while kills < times and not until(job):
        worker, before = workers.start(), job.done
        wait_for(job, lambda worker=worker: until(job) or is_name_of(job.worker, worker))
        if kills % 2:
            wait_for(job, lambda before=before: until(job) or job.done != before)
        time.sleep(chance.uniform(0, 0.2))
        kill(worker)
        job.refresh_from_db()
        kills += is_name_of(job.worker, worker)
        # The next worker takes over at once, perhaps while the server still runs a statement of this one.
        orphaned = type(job).objects.filter(pk=job.pk, worker=job.worker, state=job.State.RUNNING)
        orphaned.update(lease_until=database_now())
    worker = workers.start()
    try:
        wait_for(job, lambda: until(job))
    finally:
        os.kill(worker, signal.SIGTERM)
    return kills


def interrupted_again_and_again(workers, job, times, interrupt):
    """Let one worker run ``job`` and ``interrupt()`` its connections ``times``, each after another chunk.

    Return how many were interrupted before the job was finished.
    """
    chance, done = random.Random(f"{job.kind} {times}"), 0
    worker = workers.start()
    try:
        while done < times and not job.is_finished:
            before = job.done
            wait_for(job, lambda before=before: job.is_finished or job.done != before)
            time.sleep(chance.uniform(0, 0.1))
            interrupt()
            job.refresh_from_db()
            done += not job.is_finished
        wait_for(job, lambda: job.is_finished)
    finally:
        os.kill(worker, signal.SIGTERM)
    return done


def wait_for(job, condition):
    """Wait as long as the job makes progress."""
    seen, end = None, 0.0
    while not condition():
        progress = (job.state, job.worker, job.done, job.cursor, job.attempts, job.lease_until)
        if progress != seen:
            seen, end = progress, time.monotonic() + STALLED
        assert time.monotonic() < end, f"{job} is {job.state} at {job.done} of {job.total}"
        time.sleep(0.01)
        job.refresh_from_db()


# --- the process that is forked ---------------------------------------------------------------------


def main():
    import_module("django").setup()
    import_module("didmgmt.urls")

    # Smaller chunks let more kills meet a job of fewer numbers.
    for name, module in list(sys.modules.items()):
        if name.startswith(("dids.", "events.")) and hasattr(module, "CHUNK"):
            module.CHUNK = CHUNK
    import_module("jobs.models").RETRY_AFTER = RETRY_AFTER
    import_module("events.delivery").CLAIMED = timedelta(seconds=LEASE)
    import_module("notices.mailing").CLAIMED = timedelta(seconds=LEASE)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if pid := os.fork():
            print(pid, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
        os.dup2(sys.stdout.fileno(), 1)
        what, _, rest = line.strip().partition(" ")
        try:
            {"worker": work, "post": post, "program": program}[what](**json.loads(rest or "{}"))
        finally:
            os._exit(0)


def work():
    import_module("django.core.management").call_command("worker", "--every", "0.05")


def post(user, path, fields):
    """Send a form as a web process would handle it."""
    world = import_module("tests.world")
    world.client_of(world.User.objects.get(pk=user)).post(path, fields, headers={"Host": "localhost"})


def program(token, path, body, key, kind="application/json"):
    """Send a request of a program as a web process would handle it, which dies when it has committed it.

    ``body``: JSON, or the text of another ``kind``.
    """
    transaction = import_module("django.db.transaction")

    def dies_after_commit(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith('UPDATE "didmgmt_sentrequest"'):
            transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
        return result

    headers = {"Host": "localhost", "Authorization": f"Bearer {token}", "Idempotency-Key": key}
    with connection.execute_wrapper(dies_after_commit):
        browser = import_module("django.test").Client(headers=headers)
        browser.post(path, body if isinstance(body, str) else json.dumps(body), content_type=kind)


if __name__ == "__main__":
    main()
