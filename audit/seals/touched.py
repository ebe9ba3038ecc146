"""Verify the counts by which the audit log finds changes against the history rows that they count."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Model

from audit.history import TRACKED, TrackedModel, branch
from audit.models import WITHOUT_HISTORY, Touched
from audit.seals.failures import IntegrityFailure, count_and_name

BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


def verify_touched(horizon: datetime | None) -> Iterator[IntegrityFailure]:
    """Yield a failure for each way in which ``Touched`` differs from history.

    ``horizon``: the time before which history was pruned, None if it never was; fewer rows than were counted
    are expected before. Two passes over each history table.
    """
    since = connection.ops.adapt_datetimefield_value(horizon or BEGINNING)
    checks: list[tuple[str, str, list[Any]]] = [
        ("count rows of a time or an action that is not the change’s", _contradicting_sql(), []),
        ("count rows of a kind that has no history", _unknown_kinds_sql(), []),
    ]
    for tracked, past in TRACKED.items():
        kind, table = str(tracked._meta.model_name), past._meta.db_table
        checks.append((f"count more or fewer rows than {table} has", _miscounted_sql(past), [kind, since]))
        if branch(tracked)[0]:
            sql = _misfiled_sql(tracked, past)
            checks.append((f"count rows of {table} for another reseller", sql, [since, kind]))
    table = Touched._meta.db_table
    for problem, sql, params in checks:
        if found := count_and_name(sql, params):
            sentence = (
                f"{table}: these changes {problem}: {found}. The audit log shows or hides them wrongly."
                " Compare these changes with a backup."
            )
            yield IntegrityFailure(table, sentence)


def _contradicting_sql() -> str:
    counted_at, changed_at = "t.at", "c.at"
    if connection.vendor == "sqlite":
        # Earlier versions wrote some times of a whole second with a fraction of zeros.
        counted_at, changed_at = (f"replace({at}, '.000000', '')" for at in (counted_at, changed_at))
    return f"""
        SELECT DISTINCT t.change_id AS id FROM audit_touched t JOIN audit_change c ON c.id = t.change_id
        WHERE {counted_at} <> {changed_at} OR t.action <> c.kind
    """


def _unknown_kinds_sql() -> str:
    kinds = ", ".join(f"'{tracked._meta.model_name}'" for tracked in TRACKED)
    actions = ", ".join(f"'{action}'" for action in WITHOUT_HISTORY)
    return f"""
        SELECT DISTINCT change_id AS id FROM audit_touched
        WHERE kind NOT IN ({kinds}) AND NOT (kind = '' AND action IN ({actions}))
    """


def _miscounted_sql(past: type[Model]) -> str:
    """Return SQL for the ids of changes whose rows are not as many as counted, with params kind, since."""
    return f"""
        SELECT id FROM (
            SELECT change_id AS id, sum(written) AS written, sum(counted) AS counted FROM (
                SELECT change_id, count(*) AS written, 0 AS counted FROM {past._meta.db_table}
                WHERE change_id IS NOT NULL GROUP BY change_id
                UNION ALL
                SELECT change_id, 0, sum(rows) FROM audit_touched WHERE kind = %s GROUP BY change_id
            ) AS both_sides GROUP BY change_id HAVING sum(written) <> sum(counted)
        ) AS differing
        WHERE written > counted
           OR EXISTS (SELECT 1 FROM audit_change c WHERE c.id = differing.id AND c.at >= %s)
    """


def _misfiled_sql(tracked: type[TrackedModel], past: type[Model]) -> str:
    """Return SQL for the ids of changes with rows that no count names for their reseller.

    Its params are since and kind. Rows of a parent that moved from one reseller to another are left out.
    """
    column, parent = branch(tracked)
    reseller, join = f"h.{column}", ""
    if parent is not None:
        reseller = "parent.reseller_id"
        join = f"""
            JOIN (
                SELECT object_id, min(reseller_id) AS reseller_id FROM {TRACKED[parent]._meta.db_table}
                GROUP BY object_id HAVING min(reseller_id) = max(reseller_id)
            ) AS parent ON parent.object_id = h.{column}
        """
    return f"""
        SELECT DISTINCT written.change_id AS id FROM (
            SELECT h.change_id, {reseller} AS reseller_id, count(*) AS n FROM {past._meta.db_table} h {join}
            WHERE h.change_id IS NOT NULL AND h.at >= %s AND {reseller} IS NOT NULL
            GROUP BY h.change_id, {reseller}
        ) AS written
        LEFT JOIN audit_touched t
            ON t.change_id = written.change_id AND t.kind = %s AND t.reseller_id = written.reseller_id
        WHERE written.n > coalesce(t.rows, 0)
    """
