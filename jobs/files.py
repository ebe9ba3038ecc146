"""Tell the folders of files of several hosts apart: they share one, or each has its own.

The folder has a marker with a random name. A job remembers the name of the folder that has its file, and only
workers with that folder take it.
"""

import secrets
from functools import cache
from pathlib import Path

from django.conf import settings

from didmgmt.first_process import read_or_make

MARKER = ".folder"


def folder() -> str:
    """Return the name of this host's folder of files, giving it one if it has none; "" if that fails."""
    try:
        return _name_of(str(settings.MEDIA_ROOT))
    except OSError:
        return ""


@cache
def _name_of(root: str) -> str:
    return read_or_make(Path(root, MARKER), lambda: secrets.token_hex(8), 0o666)[:32]
