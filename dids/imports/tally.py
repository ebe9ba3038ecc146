"""What jobs of an import note about its rows, so that pages need not count or search them."""

from django.db import connection

from dids.imports.capacity import PACKAGE
from dids.imports.reasons import explain
from dids.imports.sql import in_list, is_distinct, select
from dids.models.staging import RESULTS

BLOCK = 10_000  # rows that are counted together
KEPT = 2_000  # rows of a result that are noted one by one
KINDS = 200  # kinds of effects that are told apart
REASONS = 100  # reasons that a result lists
SAMPLE = 20  # rows that the check shows first


class Tally:
    """Where the rows of each result are, and examples of each kind of effect; kept in a job as ``data``.

    ``data["blocks"]``: {result: {number of a block of ``BLOCK`` rows: rows with the result}}.
    ``data["rows"]``: {result: its rows}, None if there are more than ``KEPT``, which are close to each other.
    ``data["kinds"]``: {kind: its first rows}. Rows are counted from 1.
    ``data["assigned"]``: how many existing numbers will be assigned to a client.
    """

    def __init__(self, data):
        self.data = data
        data.setdefault("blocks", {})
        data.setdefault("rows", {})
        data.setdefault("kinds", {})
        data.setdefault("assigned", 0)

    @property
    def counts(self):
        """{result: rows}."""
        return {result: sum(blocks.values()) for result, blocks in self.data["blocks"].items()}

    def count(self, first, last):
        """Count the rows from id to id, where no page shows them, as if they were one block; one query."""
        found = select(
            """
            SELECT verdict, count(*), count(assigned) FROM dids_importrow
            WHERE id BETWEEN %(first)s AND %(last)s GROUP BY verdict
            """,
            {"first": first, "last": last},
        )
        for verdict, count, assigned in found:
            counts = self.data["blocks"].setdefault(RESULTS[verdict], {})
            counts["0"] = counts.get("0", 0) + count
            self.data["assigned"] += assigned

    def add(self, batch, first, last, written=()):
        """Count the rows from id to id, which begin with a block; up to three queries for each block.

        Rows differ in kind by verdict, reason, status, the fields that change, and how the number is written.
        ``written``: lines of flagged rows to write nevertheless, a kind of their own.
        """
        blocks, kinds = self.data["blocks"], self.data["kinds"]
        for start in range(first, last + 1, BLOCK):
            end, block = min(start + BLOCK - 1, last), str((start - batch.first - 1) // BLOCK)
            for verdict, *kind, one, other, count, assigned in _kinds(start, end, written):
                result, rows = RESULTS[verdict], {one - batch.first, other - batch.first}
                counts = blocks.setdefault(result, {})
                counts[block] = counts.get(block, 0) + int(count)
                self.data["assigned"] += assigned
                name = "|".join(map(str, [result, *kind]))
                if name in kinds or len(kinds) < KINDS:
                    kinds[name] = sorted(rows.union(kinds.get(name, ())))[:2]
            self._keep_rows(batch, start, end, block)

    def _keep_rows(self, batch, start, end, block):
        """Note each row of the results that have few rows."""
        kept, few = self.data["rows"], []
        for result, counts in self.data["blocks"].items():
            if block not in counts or kept.get(result, []) is None:
                continue
            if sum(counts.values()) > KEPT:
                kept[result] = None
            else:
                few.append(result)
        if not few:
            return
        verdicts = [verdict for verdict, result in RESULTS.items() if result in few]
        found = select(
            f"""
            SELECT id, verdict FROM dids_importrow
            WHERE id BETWEEN %(first)s AND %(last)s AND verdict IN {in_list(verdicts)} ORDER BY id
            """,
            {"first": start, "last": end},
        )
        for pk, verdict in found:
            kept.setdefault(RESULTS[verdict], []).append(pk - batch.first)

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


def _kinds(first, last, written):
    """Return (verdict, …kind…, id of the first row, id of the last row, rows, assigned) from id to id.

    ``rows`` is their number, and ``assigned`` that of the existing numbers that are assigned to a client.
    Rows that update nothing are counted by group first, so that groups are looked up once and not for each
    row. The others are searched only if these are not all.
    """
    cell = "CASE WHEN r.cell IS NULL THEN '' WHEN r.cell = '' THEN 'next' ELSE 'cell' END"
    lines = ", ".join(str(int(line)) for line in written)
    ticked = f"CASE WHEN r.line IN ({lines}) THEN 1 ELSE 0 END" if lines else "0"
    params = {"first": first, "last": last}
    found = select(
        f"""
        SELECT s.verdict, s.reason, CASE s.verdict WHEN '+' THEN g.status END, s.cell, s.ticked,
            min(s.first), max(s.last), sum(s.rows), 0
        FROM (
            SELECT r.group_id, r.verdict, r.reason, {cell} AS cell, {ticked} AS ticked,
                min(r.id) AS first, max(r.id) AS last, count(*) AS rows
            FROM dids_importrow r WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict <> '~'
            GROUP BY 1, 2, 3, 4, 5
        ) s LEFT JOIN dids_importgroup g ON g.id = s.group_id
        GROUP BY 1, 2, 3, 4, 5
        """,
        params,
    )
    if sum(count for *_, count, _ in found) == last - first + 1:
        return found
    return found + select(
        f"""
        SELECT r.verdict, CASE WHEN d.status <> r.status THEN d.status || '>' || r.status END,
            {is_distinct("r.operator_id", "d.operator_id")}, {is_distinct("r.tag_set_id", "d.tag_set_id")},
            r.notes <> d.notes, {cell}, {ticked}, min(r.id), max(r.id), count(*), count(r.assigned)
        FROM dids_importrow r LEFT JOIN dids_did d ON d.id = r.did_id
        WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict = '~'
        GROUP BY 1, 2, 3, 4, 5, 6, 7
        """,
        params,
    )


def refusal_reasons(batch, user):
    """Return (the reasons of the refused rows as JSON, how many further reasons there are); for jobs.

    The most frequent ``REASONS`` come first. Each is as ``explain`` returns it for the first row with the
    reason, and ``rows`` says how many rows have it. Unreadable cells are one reason for each column and kind
    of error, and each full package is a reason.
    """
    part = "flaw::json ->>" if connection.vendor == "postgresql" else "flaw ->>"
    found = select(
        f"""
        SELECT min(id), count(*) FROM (
            SELECT r.id, r.verdict, r.reason,
                CASE r.reason WHEN 'flaw' THEN coalesce(r.flaw, g.flaw) END AS flaw,
                CASE r.reason WHEN 'package full' THEN {PACKAGE} END AS package
            FROM dids_importrow r LEFT JOIN dids_importgroup g ON g.id = r.group_id
            WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict IN ('!', '?')
        ) refused
        GROUP BY verdict, reason, package, {part} 0, {part} 3
        ORDER BY 2 DESC, 1
        """,
        {"first": batch.first, "last": batch.last},
    )
    shown = found[:REASONS]
    refusals = {
        one["id"]: one for one in explain(batch.rows.filter(pk__in=[first for first, _ in shown]), user)
    }
    return [refusals[first] | {"rows": count} for first, count in shown], len(found) - len(shown)
