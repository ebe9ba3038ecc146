"""Measure what a worker costs that has nothing to do."""

import subprocess
import time

from django.db import connection

from bench.processor import cpu, sessions
from bench.steps import step

WARM = 5  # seconds in which a worker starts and runs its first round


def measure(scratch, url, seconds):
    """Yield a dict: milliseconds of CPU a second of the worker, of its database session, and of both."""
    worker = scratch.start("worker", url, stdout=subprocess.DEVNULL)
    try:
        time.sleep(WARM)
        yield {"scenario": "idle worker", "engine": connection.vendor} | scratch.run(
            "watch", url, pid=worker.pid, seconds=seconds
        )
    finally:
        worker.terminate()
        worker.wait()


@step
def watch(*, pid, seconds):
    """Return {worker, database, both}, in milliseconds of CPU a second."""
    parts = {"worker": [pid], "database": sessions()}
    before = {name: cpu(*pids) for name, pids in parts.items()}
    time.sleep(seconds)
    spent = {name: (cpu(*pids) - before[name]) * 1000 / seconds for name, pids in parts.items()}
    spent["both"] = sum(spent.values())
    return {name: round(ms, 2) for name, ms in spent.items()}
