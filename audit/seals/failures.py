"""Integrity failures, the results of verification."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet

MAX_IDS = 5  # ids that a failure names


@dataclass(frozen=True)
class IntegrityFailure:
    """One integrity failure. ``table`` is "" for a failure of the chain of seals."""

    table: str
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def name_keys(rows: QuerySet[Any]) -> str:
    """Return a part of a sentence with the first keys of ``rows``: " (id 3, 4)"; one query."""
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[: MAX_IDS + 1])
    return f" ({_name(keys)})"


def count_and_name(sql: str, params: Sequence[Any] = ()) -> str:
    """Return the count and the first ids that a query of ``id`` finds, "2 (id 3, 4)", or "" for none."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({sql}) AS found", params)
        (count,) = cursor.fetchone()
        if not count:
            return ""
        cursor.execute(f"SELECT id FROM ({sql}) AS found ORDER BY id LIMIT {MAX_IDS + 1}", params)
        return f"{count:,} ({_name([pk for (pk,) in cursor.fetchall()])})"


def _name(ids: list[int]) -> str:
    return "id " + ", ".join(str(pk) for pk in ids[:MAX_IDS]) + (", …" if len(ids) > MAX_IDS else "")
