"""Run workers and web requests in processes of their own and kill them, as a power cut would.

    python -m tests.kills

is the process from which they are forked: it loads Django once. It reads a line for each of them, "worker" or
"post" with JSON, and answers with the process id.
"""

import json
import os
import random
import signal
import socket
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
from tests.roles import application_role

CHUNK = 200  # numbers
LEASE = 1  # second
RETRY_AFTER = timedelta(seconds=0.1)  # so that a job soon continues after its connection was cut
STALLED = 300  # seconds without any progress after which a test fails; a busy machine is only slow


def database_url(port=None):
    """Return the URL of the test database for another process, through another ``port`` if given."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    password = f":{quote(database['PASSWORD'])}" if database["PASSWORD"] else ""
    where = f"{database['HOST'] or '127.0.0.1'}:{port or database['PORT'] or 5432}"
    role = f"?assume_role={quote(application_role())}" if application_role() else ""
    return f"postgres://{quote(database['USER'])}{password}@{where}/{database['NAME']}{role}"


class Nursery:
    """Start processes by forking one that has loaded Django."""

    def __init__(self, port=None):
        environment = os.environ | {
            "DATABASE_URL": database_url(port),
            "DJANGO_SETTINGS_MODULE": "didmgmt.settings",
            "JOB_LEASE": str(LEASE),
            "LOG_LEVEL": "ERROR",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.kills"],
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


def kill(pid):
    """Kill a process, unless it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Proxy:
    """Pass TCP connections on to a port of this machine, until they are ``cut``."""

    def __init__(self, target):
        self.target, self.pairs = target, []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.cut()

    def _accept(self):
        while True:
            try:
                one, _ = self.server.accept()
            except OSError:  # closed
                return
            pair = one, socket.create_connection(("127.0.0.1", self.target))
            self.pairs.append(pair)
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source, sink):
        with suppress(OSError):  # cut
            while data := source.recv(65_536):
                sink.sendall(data)

    def cut(self):
        """Drop all connections at once, without a farewell, whatever is on its way."""
        while self.pairs:
            for end in self.pairs.pop():
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()


def killed_again_and_again(workers, job, times, until):
    """Let ``workers``, a Nursery, run ``job``; kill up to ``times`` of them with SIGKILL at random times.

    Every other worker is killed after a chunk, so that the job makes progress. ``until(job)`` is the end.
    Return how many were killed while they had the job; the last worker finishes.
    """
    chance, kills = random.Random(f"{job.kind} {times}"), 0
    while kills < times and not until(job):
        worker, before = workers.start(), job.done
        name = f":{worker}"
        wait_for(job, lambda name=name: until(job) or job.worker.endswith(name))
        if kills % 2:
            wait_for(job, lambda before=before: until(job) or job.done != before)
        time.sleep(chance.uniform(0, 0.2))
        kill(worker)
        job.refresh_from_db()
        kills += job.worker.endswith(name)
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
        if name.startswith("dids.") and hasattr(module, "CHUNK"):
            module.CHUNK = CHUNK
    import_module("jobs.models").RETRY_AFTER = RETRY_AFTER
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
            work() if what == "worker" else post(**json.loads(rest))
        finally:
            os._exit(0)


def work():
    import_module("django.core.management").call_command("worker", "--every", "0.05")


def post(user, path, fields):
    """Send a form as a web process would handle it."""
    world = import_module("tests.world")
    world.client_of(world.User.objects.get(pk=user)).post(path, fields, headers={"Host": "localhost"})


if __name__ == "__main__":
    main()
