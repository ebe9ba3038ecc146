"""Files that the first of several processes makes and the others read, such as a generated key."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def read_or_make(path: Path, make: Callable[[], str], mode: int) -> str:
    """Return the text of a file without white space around it, after creating it from ``make()`` if missing.

    If several processes start together, all of them return the text of the first one. Raises OSError.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(make())
        try:
            os.link(draft, path)  # unlike a rename, it fails if another process was faster
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
