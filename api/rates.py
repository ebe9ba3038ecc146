"""How many requests a token may send in a minute.

Counted in the memory of each process, in windows that begin with a token's first request: with n web
processes a token gets up to n times as many, and the headers tell of the process that answered. A count in
the database would be a write for each read.
"""

import math
import threading
import time
from collections.abc import Mapping

from django.conf import settings

from didmgmt.limits import KEYS_MOST
from didmgmt.text import count_noun

WINDOW = 60  # seconds


class Windows:
    """Counts of requests by key, each of which starts again after ``WINDOW`` seconds."""

    def __init__(self) -> None:
        self._lock, self._found = threading.Lock(), dict[int, tuple[float, int]]()

    def count(self, key: int, now: float | None = None) -> tuple[int, float]:
        """Count a request; return how many there were in the window, and its remaining seconds."""
        now = time.monotonic() if now is None else now
        with self._lock:
            began, requests = self._found.get(key, (now, 0))
            if now - began >= WINDOW:
                began, requests = now, 0
            if key not in self._found and len(self._found) >= KEYS_MOST:
                self._found = {one: kept for one, kept in self._found.items() if now - kept[0] < WINDOW}
            self._found[key] = began, requests + 1
        return requests + 1, began + WINDOW - now


_windows = Windows()


def count_request(token: int) -> tuple[Mapping[str, str], str]:
    """Count a request of a token; return the headers of its answer, and a sentence if it is one too many.

    The headers are those of draft-ietf-httpapi-ratelimit-headers: the quota and its window, and what is left.
    """
    most = settings.API_REQUESTS_PER_MINUTE
    if not most:
        return {}, ""
    requests, left = _windows.count(token)
    seconds = max(1, math.ceil(left))
    headers = {
        "RateLimit-Policy": f'"token";q={most};w={WINDOW}',
        "RateLimit": f'"token";r={max(0, most - requests)};t={seconds}',
    }
    if requests <= most:
        return headers, ""
    sentence = (
        f"This token has sent more than {most:,} requests within a minute, the most that are allowed. Wait"
        f" {count_noun(seconds, 'second')} and try again."
    )
    return headers | {"Retry-After": str(seconds)}, sentence
