"""Tell the folders of files of several hosts apart: they share one, or each has its own.

The folder has a marker with a random name. A job remembers the name of the folder that has its file, and only
workers with that folder take it.
"""

import os
import secrets
from functools import cache
from pathlib import Path

from django.conf import settings

MARKER = ".folder"


def folder() -> str:
    """Return the name of this host's folder of files, giving it one if it has none; "" if that fails."""
    try:
        return _name_of(str(settings.MEDIA_ROOT))
    except OSError:
        return ""


@cache
def _name_of(root: str) -> str:
    marker = Path(root, MARKER)
    if not marker.exists():
        marker.parent.mkdir(parents=True, exist_ok=True)
        draft = marker.with_name(f"{MARKER}.{secrets.token_hex(8)}")
        draft.write_text(secrets.token_hex(8))
        try:
            # If two processes start together, the first one wins and both read the same name.
            os.link(draft, marker)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return marker.read_text().strip()[:32]
