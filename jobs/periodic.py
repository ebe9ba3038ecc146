"""Periodic tasks of the workers: short, idempotent, safe to run on several hosts at once."""

import logging
from collections.abc import Callable
from datetime import datetime

log = logging.getLogger("jobs")

Task = Callable[[datetime], int]

_tasks: dict[str, Task] = {}


def periodic_task(name: str) -> Callable[[Task], Task]:
    """Register ``function(now)``, which returns how many rows it handled, to run in every round."""

    def register(function: Task) -> Task:
        _tasks[name] = function
        return function

    return register


def run_periodic_tasks(now: datetime) -> tuple[dict[str, int], list[str]]:
    """Run each task once; return {name: rows handled}, without zeros, and the names of those that failed.

    A failing task stops neither the others nor the worker. It runs again in the next round.
    """
    counts, failing = {}, []
    for name, function in _tasks.items():
        try:
            if count := function(now):
                counts[name] = count
        except Exception:
            log.exception("Periodic task “%s” failed; it runs again in the next round", name)
            failing.append(name)
    return counts, failing
