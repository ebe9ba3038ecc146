"""The limits of files to import, as this installation has them."""

import math

from django.conf import settings

from sheets import Limits

EXAMINED = 5  # seconds of processor time that a request examines a text file; the check reads all of it


def import_limits(*, examined: float = math.inf) -> Limits:
    return Limits(
        rows=settings.IMPORT_ROWS,
        columns=settings.IMPORT_COLUMNS,
        cell=settings.IMPORT_CELL,
        unpacked=settings.UNPACKED_LIMIT,
        seconds=settings.READ_SECONDS,
        memory=settings.READ_MEMORY,
        examined=examined,
    )
