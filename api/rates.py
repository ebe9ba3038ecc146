"""How many requests a token may send in a minute.

Counted in windows that begin with a token’s first request, in memory that the web processes of a host share:
a count in the database would be a write for each read.
"""

import math
from collections.abc import Mapping
from functools import cache

from django.conf import settings

from didmgmt.text import count_noun
from didmgmt.windows import Windows

WINDOW = 60  # seconds


@cache
def _windows() -> Windows:
    return Windows(WINDOW)


def count_request(token: int) -> tuple[Mapping[str, str], str]:
    """Count a request of a token; return the headers of its answer, and a sentence if it is one too many.

    The headers are those of draft-ietf-httpapi-ratelimit-headers: the quota and its window, and what is left.
    """
    most = settings.API_REQUESTS_PER_MINUTE
    if not most:
        return {}, ""
    requests, left = _windows().count(token)
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
