"""Hash ranges of rows, and seals themselves.

Rows are hashed as JSON of their values, which is the same on both engines: seals stay valid after a
move from one to the other.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypedDict

from django.conf import settings
from django.db.models import Model

from audit.history import TRACKED
from audit.models import Change, Seal

BLOCK_KEYS = 4_096  # keys hashed together: the range that verification narrows a forgery down to

# A job adds up ``touched`` chunk by chunk; the other columns of a change never change.
CHANGE_COLUMNS = [field.attname for field in Change._meta.concrete_fields if field.name != "touched"]


class Span(TypedDict):
    """A sealed range of keys of one table, as kept in ``Seal.spans``.

    ``blocks``: [row count, hash] of each ``BLOCK_KEYS`` keys.
    """

    table: str
    columns: list[str]
    first: int
    last: int
    blocks: list[list[Any]]


def sealed_models() -> list[type[Model]]:
    """Return the models whose rows are sealed: every history model, and Change."""
    return [*TRACKED.values(), Change]


def hash_span(model: type[Model], first: int, last: int) -> Span:
    """Hash the rows with keys from ``first`` to ``last``; one query a block."""
    columns = CHANGE_COLUMNS if model is Change else [f.attname for f in model._meta.concrete_fields]
    return {
        "table": model._meta.db_table,
        "columns": columns,
        "first": first,
        "last": last,
        "blocks": [hash_block(model, columns, *bounds) for bounds in block_bounds(first, last)],
    }


def block_bounds(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the first and last key of each block of a range."""
    for start in range(first, last + 1, BLOCK_KEYS):
        yield start, min(start + BLOCK_KEYS - 1, last)


def hash_block(model: type[Model], columns: list[str], first: int, last: int) -> list[Any]:
    """Return [row count, hash] of the rows with keys from ``first`` to ``last``; one query."""
    rows = model._default_manager.filter(pk__range=(first, last)).order_by("pk").values_list(*columns)
    digest, count = hashlib.sha256(), 0
    for row in rows:
        digest.update(_json([_plain(value) for value in row]))
        count += 1
    return [count, digest.hexdigest()]


def sign(seal: Seal) -> tuple[str, str]:
    """Return the digest and the signature that belong to the content of ``seal``."""
    content = [
        seal.number,
        seal.day.isoformat(),
        seal.sealed_at.astimezone(UTC).isoformat(),
        seal.more,
        seal.spans,
        seal.until,
        seal.previous,
    ]
    digest = hashlib.sha256(_json(content)).hexdigest()
    return digest, hmac.new(settings.SEAL_KEY.encode(), digest.encode(), hashlib.sha256).hexdigest()


def _plain(value: object) -> object:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _json(content: list[Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
