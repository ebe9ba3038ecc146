"""Counters of the inventory by operator, status and tag set, maintained by triggers.

PostgreSQL: each statement inserts rows with the differences it made. Inserts never wait for each
other, so the counters add no lock and no deadlock to a write; ``compact`` sums the rows from time to
time. SQLite has a single writer, so its row triggers update one counter row in place.
"""

from typing import NamedTuple

from django.db import connection, models, transaction
from django.db.models import Sum

from audit import triggers
from didmgmt import clock
from didmgmt.statements import Statement
from dids.lifecycle import statuses as st
from dids.models.number_reads import move_overdue
from dids.models.numbers import DID
from dids.models.tags import TagSet
from operators.models import Operator

COMPACT_ABOVE = 2_000  # surplus rows; below that a compaction costs more than it saves
KEY = "operator_id, status, tag_set_id"


class StockQuerySet(models.QuerySet):
    def of(self, operators, tag_sets):
        """Return the counters of ``operators`` and ``tag_sets`` (keys); None doesn't filter."""
        stock = self if operators is None else self.filter(operator__in=operators)
        return stock if tag_sets is None else stock.filter(tag_set__in=tag_sets)

    def by_status(self, operators=None, now=None, *, tag_sets=None, overdue=None):
        """Return {status: count} of the inventory at ``now``, filtered as in ``of``.

        Exact, with overdue holds treated as over. Two queries whose cost doesn't depend on the size
        of the inventory; ``overdue=False`` skips the second, because no hold is over.
        """
        counts = dict.fromkeys(st.LABELS, 0)
        if operators is None and tag_sets is None:
            counts.update(map(tuple, _all_by_status.rows()))
        else:
            counts.update(self.of(operators, tag_sets).grouped_by("status"))
        if overdue is False:
            return counts
        over = DID.objects.hold_over(now or clock.now())
        if operators is not None:
            over = over.filter(operator__in=operators)
        if tag_sets is not None:
            over = over.filter(tag_set__in=tag_sets)
        return move_overdue(counts, over)

    def total(self):
        """Return how many numbers the counters count."""
        return self.aggregate(numbers=Sum("numbers", default=0))["numbers"]

    def grouped_by(self, column):
        """Return the pairs (value of the column, sum of its counters)."""
        return self.order_by().values_list(column).annotate(Sum("numbers"))


class Stock(models.Model):
    """A counter; the count of an operator, status and tag set (None: no tags) is the sum of its rows.

    Only triggers write it.
    """

    id = models.BigAutoField(primary_key=True)
    operator = models.ForeignKey(
        Operator, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="stock"
    )
    status = models.CharField(max_length=10, choices=st.CHOICES)
    tag_set = models.ForeignKey(
        TagSet,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="stock",
    )
    numbers = models.BigIntegerField()

    objects = StockQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["operator", "status", "tag_set"], name="stock_key")]

    def __str__(self):
        return f"{self.operator_id} {self.status}: {self.numbers}"


_all_by_status = Statement(lambda: Stock.objects.grouped_by("status"))


def compact():
    """Sum the rows of each key into one when there are many; return how many rows that removed.

    Rows locked by another transaction are skipped, so any number of workers may call it. Does nothing
    on SQLite, where each key has one row.
    """
    if connection.vendor != "postgresql":
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), count(DISTINCT ({KEY})) FROM dids_stock")
        before, needed = cursor.fetchone()
        if before - needed <= COMPACT_ABOVE:
            return 0
        cursor.execute(
            f"""
            WITH taken AS (
                DELETE FROM dids_stock
                WHERE id IN (SELECT id FROM dids_stock FOR UPDATE SKIP LOCKED)
                RETURNING {KEY}, numbers
            )
            INSERT INTO dids_stock ({KEY}, numbers)
            SELECT {KEY}, sum(numbers) FROM taken GROUP BY {KEY} HAVING sum(numbers) <> 0"""
        )
        cursor.execute("SELECT count(*) FROM dids_stock")
        return before - cursor.fetchone()[0]


class Count(NamedTuple):
    """The numbers with one key: as ``stored`` in Stock, and as ``counted`` in the inventory."""

    operator_id: int
    status: str
    tag_set_id: int | None
    stored: int
    counted: int

    @property
    def is_exact(self):
        return self.stored == self.counted


def check():
    """Return the Count of every key.

    One statement, so both counts are from the same snapshot and nobody waits for it. Reads the whole
    inventory: about ten seconds for ten million numbers.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {KEY}, sum(stored), sum(counted) FROM (
                SELECT {KEY}, sum(numbers) AS stored, 0 AS counted FROM dids_stock GROUP BY {KEY}
                UNION ALL SELECT {KEY}, 0, count(*) FROM dids_did GROUP BY {KEY}
            ) AS both_counts
            GROUP BY {KEY} ORDER BY {KEY}"""
        )
        return [Count(*key, int(stored), int(counted)) for *key, stored, counted in cursor]


def repair():
    """Correct the counters that are not exact; return every Count as it was before.

    PostgreSQL: the differences of one snapshot are added, so concurrent writes stay counted; only
    another repair waits. SQLite: writers wait while it counts.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("LOCK TABLE dids_stock IN SHARE UPDATE EXCLUSIVE MODE")
        counts = check()
        for *key, stored, counted in (count for count in counts if not count.is_exact):
            added = counted - stored
            if connection.vendor == "sqlite":  # its triggers need exactly one row per key
                same = "operator_id = %s AND status = %s AND tag_set_id IS %s"
                cursor.execute(f"DELETE FROM dids_stock WHERE {same}", key)
                added = counted
            cursor.execute(f"INSERT INTO dids_stock ({KEY}, numbers) VALUES (%s, %s, %s, %s)", [*key, added])
    return counts


# --- triggers


@triggers.register
def stock_triggers(vendor):
    return _postgresql() if vendor == "postgresql" else _sqlite()


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
    return triggers.after_each_statement("dids_stock", "dids_did", body)


def _sqlite():
    new_row, old_row = (
        f"WHERE operator_id = {row}.operator_id AND status = {row}.status AND tag_set_id IS {row}.tag_set_id;"
        for row in ("NEW", "OLD")
    )
    more = (
        f" UPDATE dids_stock SET numbers = numbers + 1 {new_row}"
        f" INSERT INTO dids_stock ({KEY}, numbers)"
        " SELECT NEW.operator_id, NEW.status, NEW.tag_set_id, 1 WHERE changes() = 0;"
    )
    less = f" UPDATE dids_stock SET numbers = numbers - 1 {old_row}"
    moved = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in KEY.split(", "))
    for event, on, steps in (
        ("insert", "INSERT ON dids_did FOR EACH ROW", more),
        ("update", f"UPDATE OF {KEY} ON dids_did FOR EACH ROW WHEN {moved}", less + more),
        ("delete", "DELETE ON dids_did FOR EACH ROW", less),
    ):
        name = f"dids_stock_{event}"
        yield triggers.Trigger(name, "dids_did", f"CREATE TRIGGER {name} AFTER {on} BEGIN{steps} END")
