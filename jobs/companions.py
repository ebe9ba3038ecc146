"""Threads of the worker for work that must not wait for its jobs, such as sending events.

A companion works until nothing of its kind is due and then waits, which costs nothing: the worker looks for
due work anyway (``jobs.waking``) and wakes it. While the worker runs a job and does not look, its companions
look themselves, once a second.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from django.db import connection
from django.db.models import QuerySet

from didmgmt.clock import StatementClock

LOOK_EVERY = 1  # second, while the worker runs a job
PAUSE = 5  # seconds after an error
LONGEST_END = 30  # seconds that the worker waits for what its companions are doing

log = logging.getLogger("worker")


class Companion(Protocol):
    """One kind of work. ``due(now)``: the rows that are due, in the order of an index."""

    name: str

    def due(self, now: StatementClock) -> QuerySet[Any]: ...

    def work(self, stopped: threading.Event) -> None:
        """Work until nothing is due, or until what has begun is finished once ``stopped`` is set."""


COMPANIONS: list[Companion] = []


def register(companion: Companion) -> Companion:
    COMPANIONS.append(companion)
    return companion


class Companions:
    """The companions of one worker, each with its thread and its connection."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped, self._alone = stopped, False
        self._woken = [threading.Event() for _ in COMPANIONS]
        self._threads = [
            threading.Thread(target=self._run, args=pair, name=pair[0].name, daemon=True)
            for pair in zip(COMPANIONS, self._woken, strict=True)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self, due: list[bool]) -> None:
        """Wake those whose work is due."""
        for woken, its in zip(self._woken, due, strict=True):
            if its:
                woken.set()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let them look for work themselves meanwhile."""
        self._alone = True
        self.wake([True] * len(self._woken))
        try:
            yield
        finally:
            self._alone = False

    def join(self) -> None:
        """Wait for the end of what they are doing, once ``stopped`` is set."""
        self.wake([True] * len(self._woken))
        for thread in self._threads:
            thread.join(LONGEST_END)

    def _run(self, companion: Companion, woken: threading.Event) -> None:
        while not self._stopped.is_set():
            woken.wait(LOOK_EVERY if self._alone else None)
            woken.clear()
            try:
                companion.work(self._stopped)
            except Exception:
                log.exception("%s failed; trying again", companion.name)
                self._stopped.wait(PAUSE)
            finally:
                connection.close()
