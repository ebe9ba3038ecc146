"""The limits of files to import, as this installation has them."""

from django.conf import settings

from sheets import Limits


def import_limits() -> Limits:
    return Limits(
        rows=settings.IMPORT_ROWS,
        columns=settings.IMPORT_COLUMNS,
        cell=settings.IMPORT_CELL,
        unpacked=settings.UNPACKED_LIMIT,
        seconds=settings.READ_SECONDS,
        memory=settings.READ_MEMORY,
    )
