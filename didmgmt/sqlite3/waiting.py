"""Who waits for SQLite's write lock, which has no queue: each one holds a shared lock of a file meanwhile."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

LOOK_EVERY = 0.002  # seconds


@contextmanager
def waits(database: str | os.PathLike[str]) -> Iterator[None]:
    """Let other connections to this file know that somebody waits; the end of the process ends it."""
    file = _open(database)
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
    finally:
        os.close(file)


def others_wait(database: str | os.PathLike[str]) -> bool:
    """Return whether anybody waits."""
    file = _open(database)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def give_way(longest: float) -> bool:
    """Return whether others wait, once they have had the write lock or ``longest`` seconds are over."""
    database, end, waited = connection.settings_dict["NAME"], time.monotonic() + longest, False
    while others_wait(database):
        waited = True
        if time.monotonic() > end:
            break
        time.sleep(LOOK_EVERY)
    return waited


def _open(database: str | os.PathLike[str]) -> int:
    return os.open(f"{database}-waiting", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
