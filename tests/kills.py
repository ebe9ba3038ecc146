"""Run workers in their own processes and kill them, as a power cut would."""

import os
import random
import signal
import subprocess
import sys
import time
from urllib.parse import quote

from django.conf import settings
from django.db import connection

LEASE = 1  # seconds, so that the next worker takes over soon


def database_url():
    """Return the URL of the test database, for another process."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    password = f":{quote(database['PASSWORD'])}" if database["PASSWORD"] else ""
    where = f"{database['HOST'] or '127.0.0.1'}:{database['PORT'] or 5432}"
    return f"postgres://{quote(database['USER'])}{password}@{where}/{database['NAME']}"


def start_worker(*arguments):
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "didmgmt.settings",
        "JOB_LEASE": str(LEASE),
        "LOG_LEVEL": "ERROR",
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "worker", "--every", "0.05", *arguments],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.DEVNULL,
    )


def killed_again_and_again(job, times, until):
    """Let workers run ``job`` and kill them with SIGKILL at random times, at most ``times`` of them.

    Every other worker is killed after a chunk, so that the job makes progress. ``until(job)`` is the end.
    Return how many were killed while they had the job; the last worker finishes.
    """
    chance, kills = random.Random(f"{job.kind} {times}"), 0
    while kills < times and not until(job):
        worker, before = start_worker(), job.done
        name = f":{worker.pid}"
        try:
            wait_for(job, lambda name=name: until(job) or job.worker.endswith(name))
            if kills % 2:
                wait_for(job, lambda before=before: until(job) or job.done != before)
            time.sleep(chance.uniform(0, 0.2))
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        job.refresh_from_db()
        kills += job.worker.endswith(name)
    worker = start_worker()
    try:
        wait_for(job, lambda: until(job))
    finally:
        worker.terminate()
        worker.wait(timeout=30)
    return kills


def wait_for(job, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{job} is {job.state} at {job.done} of {job.total}"
        time.sleep(0.01)
        job.refresh_from_db()
