"""Periodic tasks of the workers: short, idempotent, safe to run on several hosts at once."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from didmgmt.clock import StatementClock

log = logging.getLogger("jobs")

Task = Callable[[datetime], int]
Due = Callable[[StatementClock], QuerySet[Any]]

_tasks: dict[str, Task] = {}
_due: list[Due] = []


@dataclass
class Paced:
    """A task that a process runs at most once in ``every`` seconds; ``due``: a time of ``time.monotonic``."""

    task: Task
    every: float
    due: float = float("-inf")

    def __call__(self, now: datetime) -> int:
        if time.monotonic() < self.due:
            return 0
        self.due = time.monotonic() + self.every
        return self.task(now)


def periodic_task(name: str, due: Due | None = None, *, every: float = 0) -> Callable[[Task], Task]:
    """Register ``function(now)``, which returns how many rows it handled, to run in every round.

    ``due(now)`` returns the rows that it would handle, in the order of an index, for a task that can't wait
    for the next round: a round begins as soon as there are any. ``now`` is an expression. ``every``: seconds
    between its runs, for a task that need not run in every round.
    """

    def register(function: Task) -> Task:
        _tasks[name] = Paced(function, every) if every else function
        if due:
            _due.append(due)
        return _tasks[name]

    return register


def due_rows() -> list[QuerySet[Any]]:
    """Return the rows of each task that can't wait, unevaluated."""
    return [rows(StatementClock()) for rows in _due]


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
