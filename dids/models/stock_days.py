"""The stock day by day, and what leaves and returns: snapshots of the counters that the worker takes.

A subject is an operator, a tag or a prefix; its rows are kept by reseller, the one that its numbers had then,
so that each branch is the sum of its own rows and everybody’s the sum of all. Prefixes are the first
``PREFIX_DIGITS`` digits of numbers that have four more, and those that have a level. Countries and types have
rows too, of their stock alone: nothing is forecast of them. A day is one of TIME_ZONE.

The stock of a day is that of the last snapshot on it. A day without one is a gap: nobody knows its stock any
more. The flows of a day are counted from history, so those of days on which no worker ran are counted later.
"""

from collections import Counter, defaultdict
from datetime import UTC, datetime, time, timedelta

from django.db import connection, models, transaction
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, Sum
from django.db.models.functions import Length, Substr, TruncDate
from django.utils import timezone

from audit import history
from clients.models import BranchQuerySet, Reseller
from clients.tags import MAX_TAG
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models.counters import Stock
from dids.models.head_stock import HEAD, HeadStock
from dids.models.numbers import DID, DIDHistory
from dids.models.prefixes import TAIL
from dids.models.stock_levels import StockLevel
from dids.models.tags import KEYS, TagSet
from operators.models import Operator

OPERATOR, TAG, PREFIX = "operator", "tag", "prefix"
SUBJECTS = (OPERATOR, TAG, PREFIX)
PLACES = COUNTRY, TYPE = "country", "type"
PREFIX_DIGITS = 4
KEEP = timedelta(days=400)
FLOW_DAYS = 90  # that are counted later if no worker ran
FLOW_DAYS_AT_ONCE = 10
SUBJECTS_MOST = (
    1_000  # tags and prefixes with a row a day, those with most numbers; those with a level always
)
EVERY = timedelta(hours=1)
SETTLED = timedelta(hours=12)  # after which nothing is written any more to a job of a day
ROWS = 500  # in one statement
FLOWS = ("assigned", "released", "returned")


class CountedDay(models.Model):
    """When the stock and the flows of a day were counted last; None: not at all."""

    day = models.DateField(primary_key=True)
    stock_at = models.DateTimeField(null=True)
    flows_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return str(self.day)

    def has(self, of):
        """Tell whether the stock of this kind of subjects was kept; countries and types were not always."""
        return of not in PLACES or StockDay.objects.filter(day=self.day, of=of).exists()


class Subject(models.Model):
    """``key``: the id of an operator, the name of a tag, digits, or the code of a country or a type.

    ``reseller``: whose numbers count.
    """

    id = models.BigAutoField(primary_key=True)
    of = models.CharField(max_length=10)
    key = models.CharField(max_length=MAX_TAG)
    reseller = models.ForeignKey(
        Reseller, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )

    objects = BranchQuerySet.as_manager()

    class Meta:
        abstract = True
        default_permissions = ()

    def __str__(self):
        return f"{self.of} {self.key}"


class StockDay(Subject):
    """The stock of a subject on a day by status, and its flows.

    ``assigned``: numbers that were free and that a client got; ``released``: numbers that a client had;
    ``returned``: numbers that a client had and that became In Stock, most of them after a Hold.
    """

    day = models.DateField()
    reserved = models.IntegerField(default=0)
    instock = models.IntegerField(default=0)
    active = models.IntegerField(default=0)
    blocked = models.IntegerField(default=0)
    hold = models.IntegerField(default=0)
    archive = models.IntegerField(default=0)
    assigned = models.IntegerField(default=0)
    released = models.IntegerField(default=0)
    returned = models.IntegerField(default=0)

    class Meta(Subject.Meta):
        constraints = [models.UniqueConstraint(fields=["of", "key", "day", "reseller"], name="stock_day_key")]
        indexes = [models.Index(fields=["day", "of"], name="stock_day_of")]


class StockOutlook(Subject):
    """What a forecast needs, as of the last snapshot.

    ``out_30``: assigned in the last 30 whole days, and so on. ``returns``: {day in ISO: {status: numbers on
    Hold that become it}}. ``first_head`` and ``last_head``: those of a prefix, which tell where it belongs.
    """

    instock = models.IntegerField(default=0)
    out_30 = models.IntegerField(default=0)
    back_30 = models.IntegerField(default=0)
    out_90 = models.IntegerField(default=0)
    back_90 = models.IntegerField(default=0)
    returns = models.JSONField(default=dict)
    first_head = models.CharField(max_length=20, default="")
    last_head = models.CharField(max_length=20, default="")

    class Meta(Subject.Meta):
        constraints = [models.UniqueConstraint(fields=["of", "key", "reseller"], name="stock_outlook_key")]


# --- days


def local_day(now):
    """Return the day of ``now`` in TIME_ZONE, whatever zone a user has."""
    return timezone.localdate(now, timezone.get_default_timezone())


def _midnight(day):
    return datetime.combine(day, time(), timezone.get_default_timezone())


def _end(day):
    return _midnight(day + timedelta(days=1))


def just_after(at):
    """Return the first whole second that is not before ``at``, in UTC, for lists as of then."""
    whole = at.astimezone(UTC).replace(microsecond=0)
    return whole if whole == at else whole + timedelta(seconds=1)


# --- which days are kept


def kept(day):
    """Return the ``CountedDay`` of a day whose stock was kept, else None."""
    return _with_stock().filter(day=day).first()


def nearest_kept(day, today):
    """Return the last day before ``day`` whose stock was kept, the first one that was if all are later.

    None if none before ``today`` was.
    """
    days = _with_stock().filter(day__lt=today).values_list("day", flat=True)
    return days.filter(day__lt=day).order_by("-day").first() or days.order_by("day").first()


def places_kept_since():
    """Return the first day whose stock was kept by country and type, None if there is none."""
    rows = StockDay.objects.filter(day=OuterRef("day"), of=COUNTRY)
    return _with_stock().filter(Exists(rows)).order_by("day").values_list("day", flat=True).first()


def _with_stock():
    return CountedDay.objects.filter(stock_at__isnull=False)


# --- writes: what the worker does


def count_stock(now):
    """Take a snapshot if the last one is an hour old, and count flows that are missing; return rows written.

    Any number of workers may call it: they write the same rows. What takes long is read before it writes.
    """
    today, written = local_day(now), 0
    days = _days_to_count(now, today)
    for day in days:
        written += _write_flows(day, _flows(day), now)
    if days:
        stock, returns, heads = _stock(now), _returns(now), _heads()
        written += _write_stock(stock, now)
        _write_outlook(stock, returns, heads, now)
    return written


def keep_stock(now):
    """Keep the stock as that of the day of ``now``."""
    return _write_stock(_stock(now), now)


def forget_old_days(now, most):
    """Delete up to ``most`` rows of days that are too old; return how many."""
    before = local_day(now) - KEEP
    keys = list(StockDay.objects.filter(day__lt=before).order_by("day").values_list("pk", flat=True)[:most])
    deleted = StockDay.objects.filter(pk__in=keys).delete()[0] if keys else 0
    return deleted + (0 if keys else CountedDay.objects.filter(day__lt=before).delete()[0])


def _days_to_count(now, today):
    """Return the days whose flows are to be counted now: today’s hourly, others until they are settled."""
    first = DIDHistory.objects.order_by("history_id").values_list("at", flat=True).first()
    if first is None:
        return []
    begin = max(local_day(first) + timedelta(days=1), today - timedelta(days=FLOW_DAYS))
    counted = dict(CountedDay.objects.filter(day__gte=begin).values_list("day", "flows_at"))
    days = []
    for ago in range(max(0, (today - begin).days) + 1):
        day = today - timedelta(days=ago)
        at = counted.get(day)
        if at is None or (at < _end(day) + SETTLED and at <= now - EVERY):
            days.append(day)
    return days[:FLOW_DAYS_AT_ONCE]


def _write_stock(stock, now):
    """Keep ``stock`` as that of the day; return the rows written, 0 if a later one is kept already."""
    today, keys = local_day(now), _bounded(stock)
    with transaction.atomic():
        if not _claim(today, "stock_at", now):
            return 0
        StockDay.objects.filter(day=today).update(**dict.fromkeys(st.LABELS, 0))
        rows = [StockDay(day=today, **_named(key), **stock[key]) for key in keys]
        _upsert(rows, st.LABELS)
    return len(rows) + 1


def _write_outlook(stock, returns, heads, now):
    """Replace the outlook."""
    today, keys = local_day(now), [key for key in _bounded(stock) if key[0] in SUBJECTS]
    with transaction.atomic():
        CountedDay.objects.select_for_update(no_key=True).get(day=today)
        StockOutlook.objects.all().delete()
        rates = _rates(today)
        rows = [
            StockOutlook(
                **_named(key),
                instock=stock[key][st.INSTOCK],
                returns=returns.get(key, {}),
                **rates.get(key, {}),
                **heads.get(key, {}),
            )
            for key in keys
        ]
        StockOutlook.objects.bulk_create(rows, batch_size=ROWS)


def _write_flows(day, flows, now):
    keys = _bounded(flows)
    with transaction.atomic():
        if not _claim(day, "flows_at", now):
            return 0
        StockDay.objects.filter(day=day).update(**dict.fromkeys(FLOWS, 0))
        rows = [StockDay(day=day, **_named(key), **flows[key]) for key in keys]
        _upsert(rows, FLOWS)
    return len(rows) + 1


def _claim(day, what, now):
    """Lock the day; return whether nobody else has counted ``what`` since ``now``."""
    CountedDay.objects.get_or_create(day=day)
    marker = CountedDay.objects.select_for_update(no_key=True).get(day=day)
    if (at := getattr(marker, what)) is not None and at >= now:
        return False
    setattr(marker, what, now)
    marker.save(update_fields=[what])
    return True


def _upsert(rows, columns):
    StockDay.objects.bulk_create(
        rows,
        batch_size=ROWS,
        update_conflicts=True,
        unique_fields=["of", "key", "day", "reseller"],
        update_fields=list(columns),
    )


def _named(key):
    of, name, reseller = key
    return {"of": of, "key": name, "reseller_id": reseller}


def _bounded(counts):
    """Return the keys of ``counts`` that get a row, see ``SUBJECTS_MOST``."""
    levels = {(level.of, level.subject) for level in StockLevel.objects.filter(operator=None)}
    by_subject = defaultdict(list)
    for key in counts:
        by_subject[key[0]].append(key)
    kept = []
    for of, keys in by_subject.items():
        if of in (TAG, PREFIX) and len(keys) > SUBJECTS_MOST:
            keys.sort(key=lambda key: (key[:2] not in levels, -sum(counts[key].values())))
            del keys[max(SUBJECTS_MOST, len(levels)) :]
        kept += keys
    return kept


def _rates(today):
    """Return {key: {out_30, back_30, out_90, back_90}} of the whole days before today."""
    sums = {}
    for days in (30, 90):
        since = Q(day__gte=today - timedelta(days=days))
        sums |= {f"out_{days}": Sum("assigned", filter=since), f"back_{days}": Sum("returned", filter=since)}
    past = StockDay.objects.filter(day__lt=today, day__gte=today - timedelta(days=90))
    found = past.order_by().values_list("of", "key", "reseller").annotate(**sums)
    return {
        (of, key, reseller): {name: count or 0 for name, count in zip(sums, counts, strict=True)}
        for of, key, reseller, *counts in found
    }


# --- what is counted


def _stock(now):
    """Return {(of, key, reseller): {status: numbers}}, with overdue holds treated as over."""
    counts = defaultdict(lambda: dict.fromkeys(st.LABELS, 0))
    by = ("operator__reseller", "status")
    stock = Stock.objects.order_by()
    for pk, reseller, status, count in stock.values_list("operator", *by).annotate(Sum("numbers")):
        counts[OPERATOR, str(pk), reseller][status] += count
    tagged = stock.filter(tag_set__tags__isnull=False)
    for tag, reseller, status, count in tagged.values_list("tag_set__tags__name", *by).annotate(
        Sum("numbers")
    ):
        counts[TAG, tag, reseller][status] += count
    for key, *found in _by_prefix(*(Sum(status) for status in st.LABELS)):
        for status, count in zip(st.LABELS, found, strict=True):
            counts[key][status] += count
    for key, status, after_hold, count in by_subject(DID.objects.hold_over(now), "status", "after_hold"):
        counts[key][status] -= count
        counts[key][holds.after(status, after_hold)] += count
    for of in PLACES:
        places = HeadStock.objects.by_place(of, over=DID.objects.hold_over(now), per=["operator__reseller"])
        counts |= {(of, *key): found for key, found in places.items()}
    return {key: found for key, found in counts.items() if any(found.values())}


def _heads():
    """Return {(of, key, reseller): {first_head, last_head}} of the prefixes."""
    return {
        key: {"first_head": first, "last_head": last}
        for key, first, last in _by_prefix(Min("head"), Max("head"))
    }


def _by_prefix(*aggregates):
    """Yield (key, *aggregates) of the stock by heads, grouped by prefix and reseller."""
    for digits, prefixes in _prefix_lengths().items():
        heads = HeadStock.objects.annotate(_length=Length("head"), _key=Substr("head", 1, digits))
        rows = _of_prefixes(heads, digits, prefixes).values_list("_key", "operator__reseller")
        for prefix, reseller, *found in rows.annotate(*aggregates):
            yield (PREFIX, prefix, reseller), *found


def _returns(now):
    """Return {(of, key, reseller): {day in ISO: {status: numbers that become it}}} of the holds that run."""
    until = TruncDate("hold_until", tzinfo=timezone.get_default_timezone())
    on_hold = DID.objects.filter(holds.running(now), status=st.HOLD).annotate(_until=until)
    returns = defaultdict(lambda: defaultdict(Counter))
    for key, day, after_hold, count in by_subject(on_hold, "_until", "after_hold"):
        returns[key][day.isoformat()][after_hold] += count
    return returns


def by_subject(dids, *columns):
    """Yield (key, *columns, count) of ``dids``, grouped for each kind of subject."""
    dids = dids.order_by()
    reseller = "operator__reseller"
    for pk, *rest in dids.values_list("operator", reseller, *columns).annotate(Count("pk")):
        yield (OPERATOR, str(pk), rest[0]), *rest[1:]
    tagged = dids.filter(tag_set__tags__isnull=False)
    for tag, *rest in tagged.values_list("tag_set__tags__name", reseller, *columns).annotate(Count("pk")):
        yield (TAG, tag, rest[0]), *rest[1:]
    for digits, prefixes in _prefix_lengths().items():
        numbers = dids.annotate(_length=Length("number") - TAIL, _key=Substr("number", 1, digits))
        found = _of_prefixes(numbers, digits, prefixes)
        for prefix, *rest in found.values_list("_key", reseller, *columns).annotate(Count("pk")):
            yield (PREFIX, prefix, rest[0]), *rest[1:]


def _flows(day):
    """Return {(of, key, reseller): {"assigned", "released" and "returned": numbers}} of the changes of a day.

    Reads the history rows of the day, each with the one before it of the same number.
    """
    found = _moves(day)
    tags = _tags_of({tag_set for _, _, tag_set, *_ in found})
    lengths, counts = _prefix_lengths(), defaultdict(lambda: dict.fromkeys(FLOWS, 0))
    for reseller, operator, tag_set, head, *flows in found:
        keys = [(OPERATOR, str(operator)), *((TAG, tag) for tag in tags[tag_set])]
        for digits, prefixes in lengths.items():
            if len(head) >= digits and (prefixes is None or head[:digits] in prefixes):
                keys.append((PREFIX, head[:digits]))
        for key in keys:
            for name, count in zip(FLOWS, flows, strict=True):
                counts[*key, reseller][name] += count
    return counts


def _moves(day):
    """Return the rows (reseller, operator, tag set, head, *FLOWS) of a day, summed up.

    A hold that was over when the number was assigned has returned before, whether or not that was written.
    """
    used, held = (", ".join(f"'{status}'" for status in some) for some in (st.IN_USE, st.HELD))
    now = holds.status_sql("past", "written.at")
    columns = "history_id, object_id, operator_id, tag_set_id, number, status, at"
    written = ", ".join(f"row.{column}" for column in columns.split(", "))
    sql = f"""
        WITH written AS (
            SELECT {written}
            FROM audit_change AS change JOIN dids_didhistory AS row ON row.change_id = change.id
            WHERE change.at >= %s AND change.at < %s AND row.event = '~'
            UNION ALL
            SELECT {written} FROM dids_didhistory AS row
            WHERE row.change_id IS NULL AND row.at >= %s AND row.at < %s AND row.event = '~'
        ), moved AS (
            SELECT written.*, past.status AS was, {now} AS was_then
            FROM written JOIN dids_didhistory AS past ON past.history_id = (
                SELECT max(earlier.history_id) FROM dids_didhistory AS earlier
                WHERE earlier.object_id = written.object_id AND earlier.history_id < written.history_id
            )
            WHERE past.status <> written.status
        ), flows AS (
            SELECT {history.reseller_then(Operator, "moved.operator_id", "moved.at")} AS reseller,
                operator_id, tag_set_id, {HEAD[connection.vendor]} AS head,
                CASE WHEN status IN ({used}) AND was_then NOT IN ({held}) THEN 1 ELSE 0 END AS assigned,
                CASE WHEN was IN ({used}) AND status NOT IN ({used}) THEN 1 ELSE 0 END AS released,
                CASE WHEN was IN ({held}) AND (
                    status = '{st.INSTOCK}' OR (status IN ({used}) AND was_then = '{st.INSTOCK}')
                ) THEN 1 ELSE 0 END AS returned
            FROM moved
        )
        SELECT reseller, operator_id, tag_set_id, head, sum(assigned), sum(released), sum(returned)
        FROM flows WHERE reseller IS NOT NULL AND assigned + released + returned > 0
        GROUP BY reseller, operator_id, tag_set_id, head"""
    span = [connection.ops.adapt_datetimefield_value(at) for at in (_midnight(day), _end(day))]
    with connection.cursor() as cursor:
        cursor.execute(sql, span * 2)
        return cursor.fetchall()


def _tags_of(tag_sets):
    """Return {id of a tag set, also None: its tags}."""
    tags, keys = defaultdict(list), sorted(tag_sets - {None})
    through = TagSet.tags.through.objects
    for start in range(0, len(keys), KEYS):
        some = through.filter(tagset__in=keys[start : start + KEYS])
        for tag_set, tag in some.values_list("tagset", "tag__name"):
            tags[tag_set].append(tag)
    return tags


def _prefix_lengths():
    """Return {number of digits: the prefixes with a level that have so many, None for all}."""
    lengths = defaultdict(set)
    for prefix in StockLevel.objects.exclude(prefix="").values_list("prefix", flat=True):
        lengths[len(prefix)].add(prefix)
    return lengths | {PREFIX_DIGITS: None}


def _of_prefixes(rows, digits, prefixes):
    rows = rows.order_by().filter(_length__gte=digits)
    return rows if prefixes is None else rows.filter(_key__in=prefixes)
