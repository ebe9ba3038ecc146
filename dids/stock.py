"""How ``Stock`` is kept: triggers on the DID table, and the summing up of what they wrote.

PostgreSQL: each statement inserts the differences it made, by operator and status. Inserts never
wait for one another, so counters add no lock and no deadlock to any write; ``compact`` sums the
rows up while it holds only those it replaces. SQLite has one writer at a time: there each row's
trigger counts in place. ``check`` tells whether they are right.
"""

from typing import NamedTuple

from django.db import connection, transaction

from audit import triggers

COMPACT_ABOVE = 2_000  # rows; summing fewer costs less than tidying them


@triggers.register
def stock_triggers(vendor):
    return _postgresql() if vendor == "postgresql" else _sqlite()


def compact():
    """Sum the rows of each operator and status up into one, when there are many. Returns rows saved.

    Only rows that no other transaction holds are taken, so any number of workers may call it.
    """
    if connection.vendor != "postgresql":
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM dids_stock")
        before = cursor.fetchone()[0]
        if before <= COMPACT_ABOVE:
            return 0
        cursor.execute(
            "WITH taken AS (DELETE FROM dids_stock WHERE id IN"
            " (SELECT id FROM dids_stock FOR UPDATE SKIP LOCKED) RETURNING operator_id, status, numbers)"
            " INSERT INTO dids_stock (operator_id, status, numbers)"
            " SELECT operator_id, status, sum(numbers) FROM taken GROUP BY operator_id, status"
            " HAVING sum(numbers) <> 0"
        )
        cursor.execute("SELECT count(*) FROM dids_stock")
        return before - cursor.fetchone()[0]


class Counter(NamedTuple):
    """How many numbers an operator has in a status: as ``kept`` by Stock, and as ``counted`` one by one."""

    operator_id: int
    status: str
    kept: int
    counted: int

    @property
    def is_exact(self):
        return self.kept == self.counted


def check():
    """Every Counter there is. One statement, so both sides are of one moment and nobody waits for it.

    Reads all numbers: some ten seconds for ten millions of them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT operator_id, status, sum(kept), sum(counted) FROM ("
            " SELECT operator_id, status, sum(numbers) AS kept, 0 AS counted FROM dids_stock"
            " GROUP BY operator_id, status"
            " UNION ALL SELECT operator_id, status, 0, count(*) FROM dids_did GROUP BY operator_id, status"
            ") AS both_sides GROUP BY operator_id, status ORDER BY operator_id, status"
        )
        return [Counter(operator, status, int(kept), int(n)) for operator, status, kept, n in cursor]


def repair():
    """Set right what is not exact; returns every Counter as it was before.

    PostgreSQL: adds the differences of one moment, to which whoever writes meanwhile adds its own; only
    another repair waits. SQLite: writers wait while it counts.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("LOCK TABLE dids_stock IN SHARE UPDATE EXCLUSIVE MODE")
        counters = check()
        for operator, status, kept, counted in (c for c in counters if not c.is_exact):
            added = counted - kept
            if connection.vendor == "sqlite":  # its triggers count in one row
                cursor.execute(
                    "DELETE FROM dids_stock WHERE operator_id = %s AND status = %s", [operator, status]
                )
                added = counted
            cursor.execute(
                "INSERT INTO dids_stock (operator_id, status, numbers) VALUES (%s, %s, %s)",
                [operator, status, added],
            )
    return counters


def _postgresql():
    body = """
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO dids_stock (operator_id, status, numbers)
    SELECT operator_id, status, count(*) FROM rows_new GROUP BY operator_id, status;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO dids_stock (operator_id, status, numbers)
    SELECT operator_id, status, -count(*) FROM rows_old GROUP BY operator_id, status;
  ELSE
    INSERT INTO dids_stock (operator_id, status, numbers)
    SELECT operator_id, status, sum(n) FROM (
      SELECT operator_id, status, 1 AS n FROM rows_new UNION ALL SELECT operator_id, status, -1 FROM rows_old
    ) AS both_images GROUP BY operator_id, status HAVING sum(n) <> 0;
  END IF;
  RETURN NULL;
END
"""
    images = {
        "INSERT": "NEW TABLE AS rows_new",
        "UPDATE": "NEW TABLE AS rows_new OLD TABLE AS rows_old",
        "DELETE": "OLD TABLE AS rows_old",
    }
    for event, tables in images.items():
        name = f"dids_stock_{event.lower()}"
        yield triggers.Trigger(
            name,
            "dids_did",
            f"CREATE TRIGGER {name} AFTER {event} ON dids_did REFERENCING {tables}"
            " FOR EACH STATEMENT EXECUTE FUNCTION dids_stock_count()",
            "dids_stock_count",
            body,
        )


def _sqlite():
    here, there = (
        f"WHERE operator_id = {row}.operator_id AND status = {row}.status;" for row in ("NEW", "OLD")
    )
    more = (
        f" UPDATE dids_stock SET numbers = numbers + 1 {here}"
        " INSERT INTO dids_stock (operator_id, status, numbers)"
        " SELECT NEW.operator_id, NEW.status, 1 WHERE changes() = 0;"
    )
    less = f" UPDATE dids_stock SET numbers = numbers - 1 {there}"
    moved = "OLD.status <> NEW.status OR OLD.operator_id <> NEW.operator_id"
    for event, on, steps in (
        ("insert", "INSERT ON dids_did FOR EACH ROW", more),
        ("update", f"UPDATE OF status, operator_id ON dids_did FOR EACH ROW WHEN {moved}", less + more),
        ("delete", "DELETE ON dids_did FOR EACH ROW", less),
    ):
        name = f"dids_stock_{event}"
        yield triggers.Trigger(name, "dids_did", f"CREATE TRIGGER {name} AFTER {on} BEGIN{steps} END")
