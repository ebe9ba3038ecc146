"""How ``Stock`` is kept: triggers on the DID table, and the summing up of what they wrote.

PostgreSQL: each statement inserts the differences it made, by operator, status and tag set. Inserts never
wait for one another, so counters add no lock and no deadlock to any write; ``compact`` sums the
rows up while it holds only those it replaces. SQLite has one writer at a time: there each row's
trigger counts in place. ``check`` tells whether they are right.
"""

from typing import NamedTuple

from django.db import connection, transaction

from audit import triggers

COMPACT_ABOVE = 2_000  # rows more than there need be; summing fewer costs less than tidying them
KEY = "operator_id, status, tag_set_id"


@triggers.register
def stock_triggers(vendor):
    return _postgresql() if vendor == "postgresql" else _sqlite()


def compact():
    """Sum the rows of each operator, status and tag set up into one, when they are many. Returns rows saved.

    Only rows that no other transaction holds are taken, so any number of workers may call it.
    """
    if connection.vendor != "postgresql":
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), count(DISTINCT ({KEY})) FROM dids_stock")
        before, needed = cursor.fetchone()
        if before - needed <= COMPACT_ABOVE:
            return 0
        cursor.execute(
            "WITH taken AS (DELETE FROM dids_stock WHERE id IN"
            f" (SELECT id FROM dids_stock FOR UPDATE SKIP LOCKED) RETURNING {KEY}, numbers)"
            f" INSERT INTO dids_stock ({KEY}, numbers)"
            f" SELECT {KEY}, sum(numbers) FROM taken GROUP BY {KEY} HAVING sum(numbers) <> 0"
        )
        cursor.execute("SELECT count(*) FROM dids_stock")
        return before - cursor.fetchone()[0]


class Counter(NamedTuple):
    """How many numbers of an operator have a status and a tag set (None: no tags).

    As ``kept`` by Stock, and as ``counted`` one by one.
    """

    operator_id: int
    status: str
    tag_set_id: int | None
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
            f"SELECT {KEY}, sum(kept), sum(counted) FROM ("
            f" SELECT {KEY}, sum(numbers) AS kept, 0 AS counted FROM dids_stock GROUP BY {KEY}"
            f" UNION ALL SELECT {KEY}, 0, count(*) FROM dids_did GROUP BY {KEY}"
            f") AS both_sides GROUP BY {KEY} ORDER BY {KEY}"
        )
        return [Counter(*key, int(kept), int(counted)) for *key, kept, counted in cursor]


def repair():
    """Set right what is not exact; returns every Counter as it was before.

    PostgreSQL: adds the differences of one moment, to which whoever writes meanwhile adds its own; only
    another repair waits. SQLite: writers wait while it counts.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("LOCK TABLE dids_stock IN SHARE UPDATE EXCLUSIVE MODE")
        counters = check()
        for *key, kept, counted in (c for c in counters if not c.is_exact):
            added = counted - kept
            if connection.vendor == "sqlite":  # its triggers count in one row
                same = "operator_id = %s AND status = %s AND tag_set_id IS %s"
                cursor.execute(f"DELETE FROM dids_stock WHERE {same}", key)
                added = counted
            cursor.execute(f"INSERT INTO dids_stock ({KEY}, numbers) VALUES (%s, %s, %s, %s)", [*key, added])
    return counters


def _postgresql():
    body = f"""
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO dids_stock ({KEY}, numbers)
    SELECT {KEY}, count(*) FROM rows_new GROUP BY {KEY};
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO dids_stock ({KEY}, numbers)
    SELECT {KEY}, -count(*) FROM rows_old GROUP BY {KEY};
  ELSE
    INSERT INTO dids_stock ({KEY}, numbers)
    SELECT {KEY}, sum(n) FROM (
      SELECT {KEY}, 1 AS n FROM rows_new UNION ALL SELECT {KEY}, -1 FROM rows_old
    ) AS both_images GROUP BY {KEY} HAVING sum(n) <> 0;
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
        f"WHERE operator_id = {row}.operator_id AND status = {row}.status AND tag_set_id IS {row}.tag_set_id;"
        for row in ("NEW", "OLD")
    )
    more = (
        f" UPDATE dids_stock SET numbers = numbers + 1 {here}"
        f" INSERT INTO dids_stock ({KEY}, numbers)"
        " SELECT NEW.operator_id, NEW.status, NEW.tag_set_id, 1 WHERE changes() = 0;"
    )
    less = f" UPDATE dids_stock SET numbers = numbers - 1 {there}"
    moved = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in KEY.split(", "))
    for event, on, steps in (
        ("insert", "INSERT ON dids_did FOR EACH ROW", more),
        ("update", f"UPDATE OF {KEY} ON dids_did FOR EACH ROW WHEN {moved}", less + more),
        ("delete", "DELETE ON dids_did FOR EACH ROW", less),
    ):
        name = f"dids_stock_{event}"
        yield triggers.Trigger(name, "dids_did", f"CREATE TRIGGER {name} AFTER {on} BEGIN{steps} END")
