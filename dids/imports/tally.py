"""What jobs of an import note about its rows, so that pages need not count or search them."""

from django.db import connection

from dids.imports.reasons import explain
from dids.imports.sql import is_distinct, select
from dids.models.staging import RESULTS

BLOCK = 10_000  # rows that are counted together
KINDS = 200  # kinds of effects that are told apart
SAMPLE = 20  # rows that the check shows first


class Tally:
    """Where the rows of each result are, and examples of each kind of effect; kept in a job as ``data``.

    ``data["blocks"]``: {result: {number of a block of ``BLOCK`` rows: rows with the result}}.
    ``data["kinds"]``: {kind: its first rows}. Rows are counted from 1.
    """

    def __init__(self, data):
        self.data = data
        data.setdefault("blocks", {})
        data.setdefault("kinds", {})

    def add(self, batch, chunk, written=()):
        """Count the rows of a chunk, which begins with a block; one query.

        Rows differ in kind by verdict, reason, status, the fields that change, and how the number is written.
        ``written``: lines of flagged rows to write nevertheless, a kind of their own.
        """
        blocks, kinds = self.data["blocks"], self.data["kinds"]
        for block, verdict, *kind, first, last, count in _kinds(batch, chunk, written):
            result = RESULTS[verdict]
            counts = blocks.setdefault(result, {})
            counts[str(block)] = counts.get(str(block), 0) + count
            name = "|".join(map(str, [result, *kind]))
            if name in kinds or len(kinds) < KINDS:
                kinds[name] = sorted({*kinds.get(name, []), first, last})[:2]

    def sample(self):
        """Return rows of every kind: one of each, then second ones, at most ``SAMPLE``, in file order."""
        found = []
        for nth in (0, 1):
            of_result = {}
            for name, rows in self.data["kinds"].items():
                of_result.setdefault(name.partition("|")[0], []).extend(rows[nth : nth + 1])
            for rows in of_result.values():
                rows.sort()
            # In turn, so that a result with many kinds leaves room for the others.
            while any(of_result.values()):
                found += [rows.pop(0) for rows in of_result.values() if rows]
        return sorted(found[:SAMPLE])


def _kinds(batch, chunk, written):
    """Yield (block, verdict, …kind…, first row, last row, number of rows) of a chunk."""
    ticked = f"r.line IN ({', '.join(str(int(line)) for line in written)})" if written else "FALSE"
    return select(
        f"""
        SELECT block, verdict, reason, status, cell, moved, tags, notes, ticked, min(nth), max(nth), count(*)
        FROM (
            SELECT (r.id - %(before)s - 1) / {BLOCK} AS block, r.id - %(before)s AS nth, r.verdict, r.reason,
                CASE WHEN r.verdict = '~' AND d.status <> r.status THEN d.status || '>' || r.status
                    WHEN r.verdict = '~' THEN '' WHEN r.verdict = '+' THEN g.status END AS status,
                CASE WHEN r.cell IS NULL THEN '' WHEN r.cell = '' THEN 'next' ELSE 'cell' END AS cell,
                CASE WHEN {is_distinct("r.operator_id", "d.operator_id")} THEN 1 ELSE 0 END AS moved,
                CASE WHEN {is_distinct("r.tag_set_id", "d.tag_set_id")} THEN 1 ELSE 0 END AS tags,
                CASE WHEN r.verdict = '~' AND r.notes <> d.notes THEN 1 ELSE 0 END AS notes,
                CASE WHEN {ticked} THEN 1 ELSE 0 END AS ticked
            FROM dids_importrow r LEFT JOIN dids_importgroup g ON g.id = r.group_id
            LEFT JOIN dids_did d ON d.id = r.did_id AND r.verdict = '~'
            WHERE r.id BETWEEN %(first)s AND %(last)s
        ) seen
        GROUP BY block, verdict, reason, status, cell, moved, tags, notes, ticked
        ORDER BY min(nth)
        """,
        {"before": batch.first, "first": chunk.first, "last": chunk.last},
    )


def refusal_reasons(batch, user):
    """Return the reasons of the refused rows as JSON, the most frequent first; for jobs.

    Each is as ``explain`` returns it for the first row with the reason, and ``rows`` says how many rows
    have it. Unreadable cells are one reason for each column and kind of error.
    """
    part = "flaw::json ->>" if connection.vendor == "postgresql" else "flaw ->>"
    found = select(
        f"""
        SELECT min(id), count(*) FROM (
            SELECT r.id, r.verdict, r.reason,
                CASE r.reason WHEN 'flaw' THEN coalesce(r.flaw, g.flaw) END AS flaw
            FROM dids_importrow r LEFT JOIN dids_importgroup g ON g.id = r.group_id
            WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict IN ('!', '?')
        ) refused
        GROUP BY verdict, reason, {part} 0, {part} 3
        ORDER BY 2 DESC, 1
        """,
        {"first": batch.first, "last": batch.last},
    )
    refusals = {
        one["id"]: one for one in explain(batch.rows.filter(pk__in=[first for first, _ in found]), user)
    }
    return [refusals[first] | {"rows": count} for first, count in found]
