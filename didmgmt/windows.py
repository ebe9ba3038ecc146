"""Counts in time windows, in memory that the web processes of a host share.

Their parent makes an unnamed file, which they inherit and map into their memory. A count takes microseconds
and no query; it ends with the last process. Processes of another server count for themselves.
"""

import fcntl
import mmap
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from struct import Struct

SHARED = "SHARED_WINDOWS"  # environment variable with the descriptor of the file
SLOT = Struct("dQ")  # when the window began, in seconds of the monotonic clock, and its count
SLOTS = 65_536  # keys with the same remainder are counted together


class Windows:
    """Count events by key, a whole number, in windows of ``seconds`` that begin with a key’s first event."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._lock = seconds, threading.Lock()
        descriptor = os.environ.get(SHARED)
        self._file = None if descriptor is None else int(descriptor)
        self._memory = mmap.mmap(-1 if self._file is None else self._file, SLOT.size * SLOTS)

    def count(self, key: int, now: float | None = None) -> tuple[int, float]:
        """Count an event; return how many there were in the window, and its remaining seconds.

        ``now``: of the monotonic clock, which the processes of a host share.
        """
        now = time.monotonic() if now is None else now
        place = key % SLOTS * SLOT.size
        with self._locked(place):
            began, events = SLOT.unpack_from(self._memory, place)
            if not events or not 0 <= now - began < self._seconds:
                began, events = now, 0
            SLOT.pack_into(self._memory, place, began, events + 1)
        return events + 1, began + self._seconds - now

    @contextmanager
    def _locked(self, place: int) -> Iterator[None]:
        """Keep other threads away, and other processes, whose locks of a file end with them."""
        with self._lock:
            if self._file is None:
                yield
                return
            fcntl.lockf(self._file, fcntl.LOCK_EX, SLOT.size, place)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, SLOT.size, place)


@contextmanager
def shared_by_children() -> Iterator[int]:
    """Let the processes that are started meanwhile share counts; yield a descriptor for them to inherit."""
    with tempfile.TemporaryFile(buffering=0) as file:
        # Written, not only made so long: on a full disk a process would die of the first count in a page.
        file.write(bytes(SLOT.size * SLOTS))
        os.environ[SHARED] = str(file.fileno())
        try:
            yield file.fileno()
        finally:
            del os.environ[SHARED]
