"""Counters of the inventory by prefix, operator and status, maintained by triggers.

The prefixes are those of ``prefixes``: all digits but the last four. Summed up in order they give the row at
any offset without counting rows, and a prefix has 10,000 numbers at most, which are then skipped in an index.
A row has a column for each status, so that a change of status writes one row.

PostgreSQL: each statement inserts rows with the differences it made (``merged`` is False), as for ``Stock``;
``compact`` adds them to the one merged row of their prefix and operator. SQLite has only merged rows.

``changes`` counts the writes, so that it tells whether the numbers In Stock or their tags may have changed.
"""

from functools import reduce
from operator import add
from typing import NamedTuple

from django.db import connection, models, transaction
from django.db.models import Count, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Greatest, Length, Substr

from audit import triggers
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models.head_geography import HeadGeography
from dids.models.prefixes import TAIL
from dids.numbering.geography import UNKNOWN
from operators.models import Operator

COMPACT_ABOVE = 2_000  # differences; below that a compaction costs more than it saves
COMPACT_MOST = 100_000  # differences that are merged at once
KEY = "head, operator_id"
HEAD = {
    "postgresql": f"left(number, -{TAIL})",
    "sqlite": f"substr(number, 1, max(length(number) - {TAIL}, 0))",
}


class HeadStockQuerySet(models.QuerySet):
    def by_head(self, operators=None, statuses=None, *, most, over=None):
        """Return the pairs (prefix, numbers) in the order of prefixes; None if they are more than ``most``.

        ``operators`` (keys) and ``statuses`` are those counted; none for all. ``over``: the numbers whose
        hold is over, which count as in the status that follows; None if there are none.
        """
        found = self if operators is None else self.filter(operator__in=operators)
        numbers = Sum(reduce(add, map(F, statuses or st.LABELS)))
        found = found.order_by("head").values_list("head").annotate(_numbers=numbers).exclude(_numbers=0)
        counts = dict(found[: most + 1])
        if len(counts) > most:
            return None
        if statuses:
            for head, status, following, count in overdue_by_head(over, operators):
                gained = (following in statuses) - (status in statuses)
                counts[head] = counts.get(head, 0) + gained * count
        return sorted((head, count) for head, count in counts.items() if count)

    def by_status(self, heads, operators=None, *, over=None):
        """Return {status: numbers} with these prefixes; ``operators`` and ``over`` as in ``by_head``."""
        of = {} if operators is None else {"operator__in": operators}
        sums = self.filter(head__named=heads, **of).aggregate(**{one: Sum(one) for one in st.LABELS})
        counts, wanted = {status: numbers or 0 for status, numbers in sums.items()}, set(heads)
        for head, status, following, count in overdue_by_head(over, operators):
            if head in wanted:
                counts[status] -= count
                counts[following] += count
        return counts

    def by_head_and_status(self, operators=None, *, over=None):
        """Return {prefix: {status: numbers}} of all; ``operators`` and ``over`` as in ``by_head``."""
        found = self if operators is None else self.filter(operator__in=operators)
        rows = found.order_by().values_list("head").annotate(**{f"of_{one}": Sum(one) for one in st.LABELS})
        counts = {head: dict(zip(st.LABELS, numbers, strict=True)) for head, *numbers in rows}
        for head, status, following, count in overdue_by_head(over, operators):
            of_head = counts.setdefault(head, dict.fromkeys(st.LABELS, 0))
            of_head[status] -= count
            of_head[following] += count
        return counts

    def by_place(self, place, operators=None, *, over=None, per=()):
        """Return {(place, *values of ``per``): {status: numbers}} of countries or types.

        ``place``: "country" or "type"; that of new prefixes is unknown until a worker has come by.
        ``operators`` and ``over`` as in ``by_head``. ``per``: columns that counters and numbers share, such
        as "operator__reseller".
        """
        heads = self if operators is None else self.filter(operator__in=operators)
        of_head = HeadGeography.objects.filter(head=OuterRef("head")).values(place)
        heads = heads.order_by().annotate(_place=Coalesce(Subquery(of_head), Value(UNKNOWN)))
        sums = {f"of_{one}": Sum(one) for one in st.LABELS}
        width, counts = 1 + len(per), {}
        for row in heads.values_list("_place", *per).annotate(**sums):
            counts[row[:width]] = dict(zip(st.LABELS, row[width:], strict=True))
        overdue = list(overdue_by_head(over, operators, per))
        some = HeadGeography.objects.filter(head__named=sorted({head for head, *_ in overdue}))
        places = dict(some.values_list("head", place)) if overdue else {}
        for head, status, following, count, *values in overdue:
            key = (places.get(head, UNKNOWN), *values)
            found = counts.setdefault(key, dict.fromkeys(st.LABELS, 0))
            found[status] -= count
            found[following] += count
        return counts


def overdue_by_head(over, operators, per=()):
    """Yield (prefix, status, status that follows, numbers, *``per``) of the numbers ``over``, None for none.

    ``operators`` and ``per`` as in ``HeadStockQuerySet``.
    """
    if over is None:
        return
    prefix = Substr("number", 1, Greatest(Length("number") - TAIL, 0))
    some = over if operators is None else over.filter(operator__in=operators)
    rows = some.order_by().values_list(prefix, "status", "after_hold", *per).annotate(Count("pk"))
    for head, status, after_hold, *values, count in rows:
        yield head, status, holds.after(status, after_hold), count, *values


class HeadStock(models.Model):
    """The numbers of an operator with a prefix by status: the sum of its rows. Only triggers write it."""

    id = models.BigAutoField(primary_key=True)
    head = models.CharField(max_length=20)
    operator = models.ForeignKey(
        Operator, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    merged = models.BooleanField(db_default=True)
    reserved = models.IntegerField(db_default=0)
    instock = models.IntegerField(db_default=0)
    active = models.IntegerField(db_default=0)
    blocked = models.IntegerField(db_default=0)
    hold = models.IntegerField(db_default=0)
    archive = models.IntegerField(db_default=0)
    changes = models.BigIntegerField(db_default=1)

    objects = HeadStockQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["head", "operator"], condition=Q(merged=True), name="head_stock_key"
            )
        ]
        indexes = [models.Index(fields=["id"], condition=Q(merged=False), name="head_stock_new")]

    def __str__(self):
        return f"{self.head}… {self.operator_id}"


STATUSES = ", ".join(st.LABELS)  # the columns of numbers
_ADDED = ", ".join(f"{one} = dids_headstock.{one} + excluded.{one}" for one in (*st.LABELS, "changes"))
MERGE = f"ON CONFLICT ({KEY}) WHERE merged DO UPDATE SET {_ADDED}"


def compact():
    """Merge the differences when there are many; return how many rows were merged.

    Rows locked by another transaction are skipped, and the others merged in the order of their key, so any
    number of workers may call it. Costs an index scan of the differences. SQLite has none.
    """
    if connection.vendor != "postgresql":
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM dids_headstock WHERE NOT merged")
        if cursor.fetchone()[0] <= COMPACT_ABOVE:
            return 0
        sums = ", ".join(f"sum({status})" for status in st.LABELS)
        cursor.execute(
            f"""
            WITH taken AS (
                DELETE FROM dids_headstock
                WHERE id IN (
                    SELECT id FROM dids_headstock WHERE NOT merged
                    ORDER BY id LIMIT {COMPACT_MOST} FOR UPDATE SKIP LOCKED
                )
                RETURNING {KEY}, {STATUSES}, changes
            ), added AS (
                INSERT INTO dids_headstock ({KEY}, merged, {STATUSES}, changes)
                SELECT {KEY}, TRUE, {sums}, sum(changes) FROM taken GROUP BY {KEY} ORDER BY {KEY}
                {MERGE}
            )
            SELECT count(*) FROM taken"""
        )
        return cursor.fetchone()[0]


class HeadCount(NamedTuple):
    """The numbers of an operator with a prefix, in the order of ``st.LABELS``: as stored and as counted."""

    head: str
    operator_id: int
    stored: tuple[int, ...]
    counted: tuple[int, ...]

    @property
    def is_exact(self):
        return self.stored == self.counted


def check():
    """Return the HeadCount of every prefix and operator.

    One statement, so both counts are from the same snapshot. Reads the whole inventory, as that of Stock.
    """
    nothing = ", ".join("0" for _ in st.LABELS)
    sums = ", ".join(f"sum({side}_{status})" for side in ("s", "c") for status in st.LABELS)
    names = ", ".join(f"{status} AS s_{status}" for status in st.LABELS)
    zeros = ", ".join(f"0 AS c_{status}" for status in st.LABELS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {KEY}, {sums} FROM (
                SELECT {KEY}, {names}, {zeros} FROM dids_headstock
                UNION ALL SELECT {KEY}, {nothing}, {STATUSES} FROM ({counted(connection.vendor)}) AS numbers
            ) AS both_counts
            GROUP BY {KEY} ORDER BY {KEY}"""
        )
        half = len(st.LABELS)
        rows = [(head, operator, tuple(map(int, numbers))) for head, operator, *numbers in cursor]
        return [HeadCount(head, operator, both[:half], both[half:]) for head, operator, both in rows]


def repair():
    """Correct the counters that are not exact; return every HeadCount as it was before.

    PostgreSQL: the differences of one snapshot are added, so concurrent writes stay counted; only another
    repair waits. SQLite: writers wait while it counts.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        is_postgresql = connection.vendor == "postgresql"
        if is_postgresql:
            cursor.execute("LOCK TABLE dids_headstock IN SHARE UPDATE EXCLUSIVE MODE")
        counts = check()
        marks = ", ".join("%s" for _ in st.LABELS)
        merge = "" if is_postgresql else MERGE
        for one in (count for count in counts if not count.is_exact):
            added = [counted - stored for stored, counted in zip(one.stored, one.counted, strict=True)]
            cursor.execute(
                f"INSERT INTO dids_headstock ({KEY}, merged, {STATUSES})"
                f" VALUES (%s, %s, %s, {marks}) {merge}",
                [one.head, one.operator_id, not is_postgresql, *added],
            )
    return counts


def counted(vendor):
    """Return the SQL that counts all numbers as the rows of the table do."""
    return f"SELECT {HEAD[vendor]} AS head, operator_id, {_counts()} FROM dids_did GROUP BY 1, 2"


def _counts():
    return ", ".join(f"count(CASE WHEN status = '{status}' THEN 1 END) AS {status}" for status in st.LABELS)


# --- triggers


@triggers.register
def head_stock_triggers(vendor):
    return list(_postgresql() if vendor == "postgresql" else _sqlite())


def _postgresql():
    # Grouped by status first, which needs one aggregate a row instead of six. An update joins both images, so
    # that one of other columns, such as the notes, groups nothing. New tags of numbers In Stock are a change.
    head = f"{HEAD['postgresql']} AS head"
    sums = ", ".join(f"coalesce(sum(n) FILTER (WHERE status = '{status}'), 0)" for status in st.LABELS)

    def add(grouped):
        return f"""INSERT INTO dids_headstock ({KEY}, merged, {STATUSES})
    SELECT {KEY}, FALSE, {sums}
    FROM ({grouped}) AS grouped GROUP BY {KEY};"""

    body = f"""
BEGIN
  IF TG_OP = 'INSERT' THEN
    {add(f"SELECT {head}, operator_id, status, count(*) AS n FROM rows_new GROUP BY 1, 2, 3")}
  ELSIF TG_OP = 'DELETE' THEN
    {add(f"SELECT {head}, operator_id, status, -count(*) AS n FROM rows_old GROUP BY 1, 2, 3")}
  ELSE
    {
        add(f'''
      SELECT {head}, operator_id, status, sum(one) AS n FROM (
        SELECT image.* FROM rows_new AS made FULL JOIN rows_old AS past ON made.id = past.id
        CROSS JOIN LATERAL (VALUES
          (made.number, made.operator_id, made.status, 1), (past.number, past.operator_id, past.status, -1)
        ) AS image (number, operator_id, status, one)
        WHERE (made.status IS DISTINCT FROM past.status OR made.operator_id IS DISTINCT FROM past.operator_id
          OR made.number IS DISTINCT FROM past.number
          OR made.status = '{st.INSTOCK}' AND made.tag_set_id IS DISTINCT FROM past.tag_set_id)
          AND image.number IS NOT NULL
      ) AS changed GROUP BY 1, 2, 3
    ''')
    }
  END IF;
  RETURN NULL;
END
"""
    return triggers.after_each_statement("dids_headstock", "dids_did", body, needs="dids_headstock")


def _sqlite():
    def row(image):
        return HEAD["sqlite"].replace("number", f"{image}.number")

    of_old = f"WHERE head = {row('OLD')} AND operator_id = OLD.operator_id AND merged;"
    ones = ", ".join(f"NEW.status = '{status}'" for status in st.LABELS)
    more = (
        f" INSERT INTO dids_headstock ({KEY}, merged, {STATUSES})"
        f" VALUES ({row('NEW')}, NEW.operator_id, 1, {ones}) {MERGE};"
    )

    def changed(by):
        columns = ", ".join(f"{status} = {status} {by.format(status)}" for status in st.LABELS)
        return f" UPDATE dids_headstock SET {columns}, changes = changes + 1 {of_old}"

    less = changed("- (OLD.status = '{}')")
    moved = "OLD.operator_id <> NEW.operator_id OR OLD.number <> NEW.number"
    retagged = (
        f"OLD.tag_set_id IS NOT NEW.tag_set_id AND NEW.status = '{st.INSTOCK}' AND OLD.status = NEW.status"
        f" AND NOT ({moved})"
    )
    for event, on, steps in (
        ("insert", "INSERT ON dids_did FOR EACH ROW", more),
        ("move", f"UPDATE OF number, operator_id ON dids_did FOR EACH ROW WHEN {moved}", less + more),
        (
            "update",
            f"UPDATE OF status ON dids_did FOR EACH ROW WHEN OLD.status <> NEW.status AND NOT ({moved})",
            changed("+ (NEW.status = '{0}') - (OLD.status = '{0}')"),
        ),
        (
            "tag",
            f"UPDATE OF tag_set_id ON dids_did FOR EACH ROW WHEN {retagged}",
            f" UPDATE dids_headstock SET changes = changes + 1 {of_old}",
        ),
        ("delete", "DELETE ON dids_did FOR EACH ROW", less),
    ):
        name = f"dids_headstock_{event}"
        sql = f"CREATE TRIGGER {name} AFTER {on} BEGIN{steps} END"
        yield triggers.Trigger(name, "dids_did", sql, needs="dids_headstock")
