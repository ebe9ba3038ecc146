"""Find pages of the inventory by key: a page deep inside ten million numbers costs what the first one costs.

A sorted list is a sequence of **partitions**: sorted by operator, one for each operator. Each partition
merges **index scans**, such as the numbers of an operator in one status, which an index returns in order.
A page starts after a **cursor** (the key of a partition, and a position in it) and reads no further than
it shows.

Where no index serves both a filter and an order, rows that don't match are read and skipped;
``bench/README.md`` has the cost.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import islice, product
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings
from django.db import connections
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.expressions import OrderBy
from django.db.models.functions import Lower

from clients.models import Account, Reseller
from didmgmt.statements import Statement
from didmgmt.text import parse_whole
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.lists.prefix_rows import PREFIXES_MAX, Place, PrefixRows
from dids.models import DID, Stock, TagSet
from dids.models.lookups import IndexKey
from dids.models.prefixes import NumberHead
from dids.numbering.normalise import MAX_DIGITS
from operators.models import Operator

if TYPE_CHECKING:
    from didmgmt.listing import Row
    from dids.lists.filters import DIDFilter

SCANS_MAX = 1_500  # index scans of a partition
MERGE_MAX = 300  # index scans merged in one query; SQLite's limit is 500
SKIP_MAX = 20_000  # rows skipped by merging; more are counted by prefix first
MERGE_SKIP_MAX = 1_000  # rows of a prefix skipped by merging; more are counted by their next digit first
GUESSES_MAX = 6
BATCH = 50  # partitions read together, and accounts found together
UNTAGGED = [None]  # the values of tag_set for numbers without tags
# {order: its columns}; "written" is that of history rows.
COLUMNS = {"number": ("number",), "id": ("pk",), "notes": ("notes", "number"), "written": ("history_id",)}

Scan = QuerySet[Any]
# (partition, its rows before a row of the list, its rows from that row on)
Location = tuple["Partition", float, float]


@dataclass(frozen=True)
class Partition:
    """A part of a sorted list; ``key`` identifies it in cursors.

    ``scans(most)`` returns at most that many querysets, which are merged by ``order``, a key of
    ``COLUMNS``. For the order of notes it also takes lookups, as keyword arguments, that bound the scan.
    ``operators``: the partition has all numbers of these operators and nothing else; () for all numbers, None
    for other partitions. Its statement is compiled once. ``prefixes``: its rows by prefix, None if no
    counter has them.
    """

    key: str
    scans: Callable[..., list[Scan]]
    order: str = "number"
    operators: tuple[int, ...] | None = None
    prefixes: PrefixRows | None = None


class Partitioning(Protocol):
    """The partitions of a list in its order."""

    def starting_at(self, key: str | None, backwards: bool) -> Iterator[Partition]:
        """Iterate from the partition ``key`` on (None: from the end); LookupError if there is none."""

    def locate(self, offset: int, total: int) -> list[Location]:
        """Find the row ``offset`` of ``total``.

        Returns several locations, the most likely first, if partitions are not counted; reading them
        shows which one has the row.
        """


class DIDKeyset:
    """The numbers of a valid ``DIDFilter`` sorted by ``sort``, a key of ``SORTS``; see ``Keyset``.

    Costs one or two queries, and one more for each further batch of partitions that the page spans.
    """

    key = "pk"  # the column of a scan that identifies a row

    def __init__(self, filterset: "DIDFilter", sort: str, *, descending: bool, overdue: bool) -> None:
        self._filterset, self._sort, self._descending = filterset, sort, descending
        self._partitions: Partitioning = SORTS[sort](FilteredScans(filterset, overdue=overdue), descending)

    def after(self, cursor: str | None, count: int) -> "list[Row]":
        return self._from_cursor(cursor, count, backwards=False)

    def before(self, cursor: str | None, count: int) -> "list[Row]":
        return self._from_cursor(cursor, count, backwards=True)[::-1]

    def at(self, offset: int, count: int, total: int) -> "list[Row]":
        """Return rows by offset, skipping rows of the partition from its nearer end."""
        found: list[Row] = []
        for partition, before, after in self._partitions.locate(offset, total):
            wanted = int(min(count, after))
            backwards = before > after - wanted
            skipped = after - wanted if backwards else before
            position = None
            if skipped:
                position = self._position(partition, int(skipped), backwards, before + after, total)
                if position is None:
                    continue
            found = self._read([partition], wanted, backwards, position)[:: -1 if backwards else 1]
            if len(found) == wanted or (found and not backwards):
                break
        if found and len(found) < count:
            found += self.after(found[-1][0], count - len(found))
        return found

    def _position(
        self, partition: Partition, skipped: int, backwards: bool, size: float, total: int
    ) -> Any | None:
        """Return the position after ``skipped`` rows of a partition, None if it has fewer.

        ``size``: the rows of the partition, infinite if unknown. Only index columns are read.
        """
        columns, descending = COLUMNS[partition.order], self._descending != backwards
        scans = partition.scans(MERGE_MAX)
        place = None
        if scans and skipped > SKIP_MAX and partition.prefixes:
            place = partition.prefixes.locate(skipped, descending=descending, using=scans[0].db)
        if place:
            scans, skipped = _skip_to(place, scans)
            descending = False
        elif partition.order == "number":
            scans, skipped = _skip_by_counting(scans, skipped, size, total, descending)
        rows = _merged(scans, columns, descending, columns, skipped)
        position = next(iter(rows[skipped - 1 : skipped]), None)
        return position and position[-1]

    def _from_cursor(self, cursor: str | None, count: int, backwards: bool) -> "list[Row]":
        key, position = (None, None) if cursor is None else _parse_cursor(cursor)
        if found := self._near_end(position, count, backwards):
            return found
        partitions = self._partitions.starting_at(key, backwards)
        # The first partition usually fills the page. If it doesn't, the next ones may be small, too.
        found = self._read(list(islice(partitions, 1)), count, backwards, position)
        for batch in _growing_batches(partitions):
            if len(found) >= count:
                break
            found += self._read(batch, count - len(found), backwards)
        return found

    def _near_end(self, position: str | None, count: int, backwards: bool) -> "list[Row]":
        """Return the page if it is among the first of very many numbers with a substring, else [].

        Otherwise the index on number would be scanned from its end, however far away the first match is.
        """
        substring = self._filterset.substring
        if self._sort != "number" or substring is None or not substring.many:
            return []
        front = substring.front(backwards=self._descending != backwards)
        if front is None:
            return []
        partition = Partition("", lambda most: [self._filterset.qs.filter(front)])
        found = self._read([partition], count, backwards, position)
        return found if len(found) == count else []

    def _read(
        self, partitions: Sequence[Partition], count: int, backwards: bool, position: str | None = None
    ) -> "list[Row]":
        """Return the first rows of ``partitions``, one partition after the other, in reading direction."""
        if not partitions:
            return []
        descending = self._descending != backwards
        if len(partitions) == 1 and partitions[0].operators is not None and self.key == "pk":
            return _read_operators(partitions[0], count, descending, position)
        columns = COLUMNS[partitions[0].order]  # the same for partitions that are read together
        names = columns if columns[-1] == self.key else (*columns, self.key)
        queries = []
        for rank, one in enumerate(partitions):
            scans = _scans_after(one, position, descending)
            for first in range(0, len(scans), MERGE_MAX):
                chunk = scans[first : first + MERGE_MAX]
                queries.append(_merged(chunk, columns, descending, (Value(rank), *names), count))
        rows = queries[0][:count] if len(queries) == 1 else _concatenated(queries, columns, descending, count)
        return [(f"{partitions[row[0]].key}~{row[len(columns)]}", row[-1]) for row in rows]


def _read_operators(partition: Partition, count: int, descending: bool, position: str | None) -> "list[Row]":
    """Return the first rows of a partition that has all numbers of some operators, or all numbers."""
    operators = partition.operators or ()
    most = next((size + 1 for size in settings.PAGE_SIZES if size >= count - 1), count)  # few statements
    statement = _numbers_of(len(operators), most, descending, position is not None)
    values = {f"operator_{index}": pk for index, pk in enumerate(operators)}
    rows = statement.rows(position=position, **values)
    return [(f"{partition.key}~{number}", pk) for number, pk in rows[:count]]


@lru_cache(maxsize=200)
def _numbers_of(operators: int, count: int, descending: bool, bounded: bool) -> Statement:
    """Return the statement for (number, pk) of the first numbers of so many operators, or of all numbers."""
    names = [f"operator_{index}" for index in range(operators)]

    def build(position: Any, **keys: Any) -> Any:
        dids = DID.objects.filter(**{f"number__{'lt' if descending else 'gt'}": position} if bounded else {})
        scans = [
            dids.filter(operator=IndexKey(keys[name]), status=status)
            for name in names
            for status in st.LABELS
        ]
        return _merged(scans or [dids], ("number",), descending, ("number", "pk"), count)[:count]

    return Statement(build, names=["position", *names])


def _parse_cursor(cursor: str) -> tuple[str, str]:
    key, sign, position = cursor.partition("~")
    if not (sign and position.isascii() and position.isdigit() and len(position) <= MAX_DIGITS):
        raise LookupError(cursor)
    return key, position


def _locate_counted(counted: Iterable[tuple[Partition, int]], offset: int) -> list[Location]:
    """Return the location of row ``offset`` in partitions with their sizes; [] beyond the end."""
    for one, size in counted:
        if offset < size:
            return [(one, offset, size - offset)]
        offset -= size
    return []


def _growing_batches(partitions: Iterator[Partition]) -> Iterator[list[Partition]]:
    """Yield partitions in batches: small ones first, large ones if these didn't fill the page."""
    for size in (4, 16):
        if batch := list(islice(partitions, size)):
            yield batch
    while batch := list(islice(partitions, BATCH)):
        yield batch


def _scans_after(part: Partition, position: str | None, descending: bool) -> list[Scan]:
    """Return the index scans of a partition after ``position``; None: all of it."""
    if position is None:
        return part.scans(SCANS_MAX)
    lookup = "lt" if descending else "gt"
    if part.order != "notes":
        bound = {f"{COLUMNS[part.order][0]}__{lookup}": position}
        return [scan.filter(**bound) for scan in part.scans(SCANS_MAX)]
    notes = DID.objects.filter(number=position, notes__gt="").values_list("notes", flat=True).first()
    if notes is None:
        raise LookupError(position)
    same = part.scans(SCANS_MAX, notes=notes, **{f"number__{lookup}": position})
    return same + part.scans(SCANS_MAX, **{f"notes__{lookup}": notes})


def _merged(
    scans: Sequence[Scan], columns: Sequence[str], descending: bool, names: Sequence[Any], most: int
) -> QuerySet[Any, tuple[Any, ...]]:
    """Return a query of ``names`` that merges index scans by ``columns``, for at most ``most`` rows.

    SQLite merges the index order of the scans by itself. PostgreSQL does so only if each scan has an
    ORDER BY and a LIMIT; otherwise it may read and sort all their rows.
    """
    sign = "-" if descending else ""
    if len(scans) == 1:
        sorted_by = [f"{sign}{name}" for name in (*scans[0].query.order_by, *columns)]
        return scans[0].order_by(*sorted_by).values_list(*names)
    order = [f"{sign}{name}" for name in columns]
    if connections[scans[0].db].features.supports_slicing_ordering_in_compound:
        parts = [scan.order_by(*order).values_list(*names)[:most] for scan in scans]
    else:
        parts = [scan.order_by().values_list(*names) for scan in scans]
    return parts[0].union(*parts[1:], all=True).order_by(*order)


def _skip_to(place: Place, scans: list[Scan]) -> tuple[list[Scan], int]:
    """Return the scans from a number on, in ascending order, and their rows up to the place, inclusive.

    One scan skips the numbers of a prefix fast. For several they are counted first by their next digit, so
    that no more than a tenth of them are merged.
    """
    first, row = place.first, place.row
    if row > MERGE_SKIP_MAX and len(scans) > 1:
        counts = _count_by_beginning(_between(scans, False, first, place.end), len(first) + 1)
        for beginning, count in sorted(counts.items()):
            first = beginning
            if count >= row:
                break
            row -= count
        else:
            first = place.end
    return _between(scans, False, first, None), row


def _skip_by_counting(
    scans: list[Scan], skipped: int, size: float, total: int, descending: bool
) -> tuple[list[Scan], int]:
    """Return the scans from a later number on, and how many of their rows are left to skip.

    Skipping rows while scans are merged costs more than counting each scan up to a number. So the
    rows up to the prefix of some number are counted first, until at most ``SKIP_MAX`` are left.

    For example, row 300,000 of an operator with 500,000 numbers is wanted, in three statuses, so three scans
    are merged. The numbers have 50 prefixes of some 10,000 numbers each. 3/5 of the rows are to be skipped,
    so the guess is prefix 30: one query counts 290,000 rows before it. The scans then start at that prefix,
    and only 10,000 rows are merged.

    Guesses are proportional to ``size``, the rows of the partition, or to ``total`` if ``size`` is infinite.
    After ``GUESSES_MAX`` of them the interval is halved, since the numbers are spread unevenly.
    """
    if skipped <= SKIP_MAX or not scans:
        return scans, skipped
    prefixes = NumberHead.objects.using(scans[0].db).order_by("-head" if descending else "head")
    bounds = list(prefixes.values_list("head", flat=True)[: PREFIXES_MAX + 1])
    if len(bounds) > PREFIXES_MAX:
        return scans, skipped
    # The wanted row is between `lower` and `upper`, which `before_lower` and `before_upper` rows precede.
    lower, before_lower = None, 0
    upper, before_upper = None, None if math.isinf(size) else size
    first, last, guesses = 0, len(bounds), 0
    while first < last and skipped - before_lower > SKIP_MAX:
        left = skipped - before_lower
        if before_upper is None and before_lower:  # assume as many rows per prefix as so far
            share = left / (before_lower / first * (last - first))
        else:
            share = left / ((total if before_upper is None else before_upper) - before_lower)
        step = int((last - first) * (share if guesses < GUESSES_MAX else 0.5))
        middle = first + min(step, last - first - 1)
        if before_upper is None or share < 0.5:
            before = before_lower + _count_between(scans, descending, lower, bounds[middle])
        else:
            before = int(before_upper) - _count_between(scans, descending, bounds[middle], upper)
        if before < skipped:
            lower, before_lower, first = bounds[middle], before, middle + 1
        else:
            upper, before_upper, last = bounds[middle], before, middle
        guesses += 1
    return _between(scans, descending, lower, None), skipped - before_lower


def _count_by_beginning(scans: Sequence[Scan], length: int) -> dict[str, int]:
    """Return {the first ``length`` digits: rows of the scans with them} in one query."""
    counts: dict[str, int] = Counter()
    parts = [scan.order_by().values("number") for scan in scans]
    statements, params = zip(*(part.query.sql_with_params() for part in parts), strict=True)
    each = f"SELECT substr(number, 1, {length}), count(*) FROM ({{}}) AS s GROUP BY 1"
    with connections[scans[0].db].cursor() as cursor:
        cursor.execute(" UNION ALL ".join(map(each.format, statements)), sum(params, ()))
        for beginning, count in cursor:
            counts[beginning] += count
    return counts


def _count_between(scans: Sequence[Scan], descending: bool, start: str | None, end: str | None) -> int:
    """Count the rows of the scans between two numbers in one query."""
    parts = [scan.order_by().values("number") for scan in _between(scans, descending, start, end)]
    statements, params = zip(*(part.query.sql_with_params() for part in parts), strict=True)
    counts = " UNION ALL ".join(f"SELECT count(*) FROM ({sql}) AS s" for sql in statements)
    with connections[scans[0].db].cursor() as cursor:
        cursor.execute(counts, sum(params, ()))
        return sum(count for (count,) in cursor.fetchall())


def _between(scans: Sequence[Scan], descending: bool, start: str | None, end: str | None) -> list[Scan]:
    """Return the scans from number ``start`` up to ``end`` (exclusive) in list order; None: no bound."""
    bounds = ("number__lte", start), ("number__gt", end)
    if not descending:
        bounds = ("number__gte", start), ("number__lt", end)
    lookups = {name: bound for name, bound in bounds if bound is not None}
    return [scan.filter(**lookups) for scan in scans]


def _concatenated(
    queries: Sequence[QuerySet[Any, Any]], columns: Sequence[str], descending: bool, count: int
) -> list[tuple[Any, ...]]:
    """Return the first rows of several queries of ``_merged``, those of lower rank first.

    Uses raw SQL, because SQLite accepts a sorted and limited query only as a subquery.
    """
    if not queries:
        return []
    connection = connections[queries[0].db]
    statements, params = zip(*(one[:count].query.sql_with_params() for one in queries), strict=True)
    union = " UNION ALL ".join(f"SELECT * FROM ({sql}) AS s{n}" for n, sql in enumerate(statements))
    order = ", ".join(f"{n} DESC" if descending else f"{n}" for n in range(2, len(columns) + 2))
    with connection.cursor() as cursor:
        cursor.execute(f"{union} ORDER BY 1, {order} LIMIT %s", [*sum(params, ()), count])
        return list(cursor.fetchall())


class FilteredScans:
    """The numbers of a ``DIDFilter`` as index scans."""

    def __init__(self, filterset: "DIDFilter", *, overdue: bool) -> None:
        self.filterset = filterset
        self.statuses: list[str] = filterset.form.cleaned_data["status"]
        self.over = holds.over(filterset.now) if overdue else Q(pk__in=[])
        self._overdue = overdue
        # The operators are among the values, so what the user may see needs no join.
        found = filterset.of_change(filterset.searched_in(DID.objects.all()))
        if filterset.marks:
            found = found.filter(filterset.marks.condition)
        found = filterset.ending(found)
        self._dids: Scan = filterset.in_places(found)
        places = filterset.places
        self._ranges: list[Scan] | None = places and [found.filter(part) for part in places.parts]
        self._values: dict[str, list[Any] | None] = {
            "account": filterset.accounts,
            "operator": filterset.operators,
            "tag_set": filterset.tag_sets,
        }

    def all_of(self, *operators: int) -> tuple[int, ...] | None:
        """Return the operators if nothing else filters the list and they are few, else None."""
        values = [one for name, one in self._values.items() if name != "operator" or not operators]
        plain = not (
            self._overdue or self.statuses or self.filterset.searches or any(v is not None for v in values)
        )
        return operators if plain and len(operators) * len(st.LABELS) <= MERGE_MAX else None

    def unsplit(self, most: int) -> list[Scan]:
        """Return everything as one scan; only the index of the order itself serves it."""
        return [self.filterset.qs]

    @cached_property
    def held(self) -> Scan:
        """Numbers with an account."""
        held: Scan = self.filterset.qs.filter(account__isnull=False)
        return held.exclude(self.over) if self._overdue else held

    def scans(
        self, most: int, *, statuses: list[str] | None = None, where: Q | None = None, **fixed: list[Any]
    ) -> list[Scan]:
        """Return the scans of numbers in ``statuses`` that match ``where``.

        ``fixed``: values of account, operator or tag_set. An index has each of these columns with status
        and number. The leading one gives a scan for each of its values in each status; rows that differ in
        the others are skipped. With more than ``most`` scans there is a single one, which has to be sorted.
        """
        values = self._values | fixed
        wanted = statuses or self.statuses
        operators, tag_sets = values["operator"], values["tag_set"]
        if values["account"] is None and self.filterset.is_led_by_marks(operators, tag_sets, wanted):
            return self._marked(values, wanted, where)
        lead = self._leading_column(values)
        dids = self._dids if where is None else self._dids.filter(where)
        for name, keys in values.items():
            if name != lead and keys is not None:
                dids = dids.filter(**{f"{name}__isnull": True} if keys == UNTAGGED else {f"{name}__in": keys})
        held = values["account"] is not None
        if held:
            dids = dids.exclude(self.over)
        if lead is None and not wanted:
            if self._ranges is not None and where is None and values["tag_set"] is None:
                return self._ranges
            # Sorted by a column that is always NULL, or PostgreSQL may read the index on number and filter.
            return [dids.order_by("tag_set") if values["tag_set"] == UNTAGGED else dids]
        every = wanted or list(st.HELD if held else st.LABELS)
        leads: list[Any] = [None] if lead is None else values[lead] or []
        pairs = self._existing_pairs(product(leads, every), lead, values)
        led: Any = dids if lead is None else dids.filter(**{f"{lead}__in": leads})
        if lead == "tag_set" and not wanted:  # an index covers tag sets without a status
            leads = list(dict.fromkeys(tag_set for tag_set, _ in pairs))
            if len(leads) <= most:
                return [dids.filter(tag_set=IndexKey(tag_set)) for tag_set in leads]
        if len(pairs) >= most:
            return [led.in_status(every, self.filterset.now)]
        found = [self._stored(dids, lead, one, status) for one, status in pairs]
        if self._overdue and not held:
            # By primary key: SQLite would scan all numbers in order to find these few.
            over = DID.objects.hold_over(self.filterset.now).values("pk")
            found.append(led.filter(holds.followed_by(every), pk__in=over))
        return found

    def _marked(
        self, values: Mapping[str, list[Any] | None], statuses: list[str], where: Q | None
    ) -> list[Scan]:
        """Return the scans of the marks of these numbers."""
        dids = self.filterset.ending(DID.objects.all() if where is None else DID.objects.filter(where))
        for name, keys in values.items():
            if keys is not None:
                dids = dids.filter(**{f"{name}__isnull": True} if keys == UNTAGGED else {f"{name}__in": keys})
        if statuses:
            dids = dids.in_status(statuses, self.filterset.now, overdue=self._overdue)
        scans: list[Scan] = self.filterset.marks.scans(dids, self.filterset.of_number)
        return scans

    def _leading_column(self, values: Mapping[str, list[Any] | None]) -> str | None:
        """Return the account column, since accounts have few numbers, or the column with fewer numbers."""
        given = {name: keys for name, keys in values.items() if keys is not None and keys != UNTAGGED}
        if len(given) < 2 or "account" in given:
            return next(iter(given), None)
        return min(given, key=lambda name: sum(self._stock[name][one] for one in given[name]))

    def _existing_pairs(
        self,
        pairs: Iterable[tuple[Any, str]],
        lead: str | None,
        values: Mapping[str, list[Any] | None],
    ) -> list[tuple[Any, str]]:
        """Return those of ``pairs`` = (value of ``lead``, status) that have numbers with the tag sets.

        Otherwise all numbers of an operator without any of them would be scanned for nothing.
        """
        tag_sets = values["tag_set"]
        if tag_sets is None or lead == "account":
            return list(pairs)
        operators, stock = (
            values["operator"],
            self._untagged if tag_sets == UNTAGGED else self._stock["pairs"],
        )
        existing = {
            ({"operator": operator, "tag_set": tag_set}.get(lead or ""), status)
            for tag_set in tag_sets
            for operator, status in stock[tag_set]
            if operators is None or operator in operators
        }
        return [pair for pair in pairs if pair in existing]

    @cached_property
    def _stock(self) -> dict[str, Any]:
        """The counters of the filter's values.

        {"operator": numbers by operator, "tag_set": numbers by tag set,
        "pairs": {tag set: {(operator, status)}}}.
        """
        operators, tag_sets = self._values["operator"], self._values["tag_set"]
        some = Q()
        if operators is not None:
            some |= Q(operator__in=operators)
        if tag_sets is not None:
            some |= Q(tag_set__in=tag_sets)
        stock: dict[str, Any] = {"operator": Counter(), "tag_set": Counter(), "pairs": defaultdict(set)}
        rows = Stock.objects.filter(some).values_list("operator", "tag_set", "status", "numbers")
        for operator, tag_set, status, numbers in rows:
            stock["operator"][operator] += numbers
            stock["tag_set"][tag_set] += numbers
            stock["pairs"][tag_set].add((operator, status))
        return stock

    @cached_property
    def _untagged(self) -> dict[None, set[tuple[int, str]]]:
        """The same "pairs" for numbers without tags."""
        stock = Stock.objects.of(self.filterset.operators, None).filter(tag_set=None)
        return {None: set(stock.values_list("operator", "status"))}

    def _stored(self, dids: Scan, lead: str | None, value: Any, status: str) -> Scan:
        """Return the numbers stored with ``value`` of ``lead`` and a status, without overdue holds."""
        dids = dids.filter(
            **{lead: IndexKey(value), "status": status} if lead else {"status": IndexKey(status)}
        )
        return dids.exclude(self.over) if self._overdue and status in st.TIMED else dids

    def prefixes(
        self, *, statuses: list[str] | None = None, operator: list[int] | None = None
    ) -> PrefixRows | None:
        """Return the rows of ``scans`` with the same arguments by prefix; None if no counter has them."""
        if not self.filterset.is_in_stock or self.filterset.tag_sets is not None:
            return None
        operators = self.filterset.operators if operator is None else operator
        wanted = statuses or self.statuses
        return PrefixRows(operators, wanted, self.filterset.now, self._overdue)

    def operators(self) -> list[tuple[int, int]]:
        """Return (operator, its reseller) for the filter's operators, or all with numbers, by name."""
        found = Operator.objects.order_by(Lower("name"), "pk").values_list("pk", "reseller")
        if self.filterset.operators is not None:
            return list(found.filter(pk__in=self.filterset.operators))
        return list(found.filter(Exists(Stock.objects.filter(operator=OuterRef("pk")))))

    def tag_sets(self) -> list[int]:
        """Return the primary keys of the tag sets with numbers, by label."""
        stock = Stock.objects.of(self.filterset.operators, self.filterset.tag_sets)
        found = TagSet.objects.filter(pk__in=stock.values("tag_set"))
        return list(found.order_by("label").values_list("pk", flat=True))

    def counts(self, column: str) -> dict[Any, int]:
        """Return {value of ``column``: rows}; from the counters if they have it, else by a full scan."""
        if self.filterset.is_in_stock and not self._overdue:
            stock = Stock.objects.of(self.filterset.operators, self.filterset.tag_sets)
            if self.statuses:
                stock = stock.filter(status__in=self.statuses)
            return dict(stock.grouped_by(column))
        return dict(self.filterset.qs.order_by().values_list(column).annotate(_rows=Count("*")))


class Partitions:
    """Partitions that are known beforehand, in the order of the list.

    ``counts()`` returns {key: rows}; None for a single partition, which has all rows.
    """

    def __init__(
        self, partitions: Iterable[Partition], counts: Callable[[], Mapping[str, int]] | None = None
    ) -> None:
        self._partitions = {one.key: one for one in partitions}
        self._counts = counts

    def starting_at(self, key: str | None, backwards: bool) -> Iterator[Partition]:
        keys = list(self._partitions)[:: -1 if backwards else 1]
        if key is not None:
            if key not in self._partitions:
                raise LookupError(key)
            keys = keys[keys.index(key) :]
        return (self._partitions[one] for one in keys)

    def locate(self, offset: int, total: int) -> list[Location]:
        counts = self._counts() if self._counts else dict.fromkeys(self._partitions, total)
        return _locate_counted([(one, counts.get(key, 0)) for key, one in self._partitions.items()], offset)


class NotesPartitions(Partitions):
    """Numbers with notes and numbers without, which no counter has.

    A row is at a known distance from the start of the first partition or from the end of the second.
    Looking for it in both costs less than counting one of them.
    """

    def locate(self, offset: int, total: int) -> list[Location]:
        noted, plain = self._partitions.values()
        both: list[Location] = [(noted, offset, math.inf), (plain, math.inf, total - offset)]
        # Numbers without notes are counted, which is faster than skipping the others in their order.
        return both if 2 * offset <= total - offset else both[::-1]


class AccountPartitions:
    """One partition for each account with numbers, by client and account, and one for free numbers.

    There may be many accounts, so they are found in batches.
    """

    def __init__(self, rows: FilteredScans, descending: bool) -> None:
        self._rows, self._descending = rows, descending

    def starting_at(self, key: str | None, backwards: bool) -> Iterator[Partition]:
        account = None
        if key:
            account = Account.objects.filter(pk=parse_whole(key) or 0).first()
            if account is None:
                raise LookupError(key)
            yield self._partition(account.pk)
        elif key == "" or backwards:
            yield self._free
            if not backwards:
                return
        while batch := self._next(account, self._descending != backwards):
            account = batch[-1]
            yield from (self._partition(one.pk) for one in batch)
        if not backwards:
            yield self._free

    def locate(self, offset: int, total: int) -> list[Location]:
        """Find the row; may scan the index of all numbers with an account."""
        by_status = self._rows.filterset.exactly_by_status
        held = total - sum(by_status[status] for status in self._free_statuses)
        if offset >= held:
            return [(self._free, offset - held, total - offset)]
        counts = dict(self._rows.held.order_by().values_list("account").annotate(_rows=Count("*")))
        accounts = Account.objects.filter(pk__named=list(counts)).order_by(*self._order(self._descending))
        keys = accounts.values_list("pk", flat=True)
        return _locate_counted([(self._partition(pk), counts[pk]) for pk in keys], offset)

    def _next(self, account: Account | None, descending: bool) -> list[Account]:
        """Return the next batch of accounts with numbers after ``account`` (None: from the end)."""
        named = Account.objects.annotate(_client=Lower("client__name"), _name=Lower("name"))
        found = named.filter(Exists(self._rows.held.filter(account=OuterRef("pk"))))
        if account is not None:
            position = named.values_list("_client", "_name", "pk").get(pk=account.pk)
            found = found.filter(_after_account(position, descending))
        return list(found.order_by(*self._order(descending))[:BATCH])

    @staticmethod
    def _order(descending: bool) -> list[OrderBy]:
        names = (Lower("client__name"), Lower("name"), F("pk"))
        return [name.desc() if descending else name.asc() for name in names]

    def _partition(self, account: int) -> Partition:
        return Partition(str(account), partial(self._rows.scans, account=[account]))

    @property
    def _free(self) -> Partition:
        """Free numbers, found by status so that the index on status serves them."""
        if not self._free_statuses:
            return Partition("", lambda most: [])
        free = self._free_statuses
        return Partition(
            "", partial(self._rows.scans, statuses=free), prefixes=self._rows.prefixes(statuses=free)
        )

    @property
    def _free_statuses(self) -> list[str]:
        if self._rows.filterset.accounts is not None:
            return []
        return [status for status in self._rows.statuses or st.LABELS if status in st.FREE]


def _after_account(position: tuple[str, str, int], descending: bool) -> Q:
    """Return the condition for accounts after ``position`` = (client, name, pk)."""
    lookup = "lt" if descending else "gt"
    client, name, pk = position
    return (
        Q(**{f"_client__{lookup}": client})
        | Q(_client=client, **{f"_name__{lookup}": name})
        | Q(_client=client, _name=name, **{f"pk__{lookup}": pk})
    )


def _by_number(rows: FilteredScans, descending: bool) -> Partitioning:
    operators = rows.all_of(*(rows.filterset.operators or ()))
    return Partitions([Partition("", rows.scans, operators=operators, prefixes=rows.prefixes())])


def _by_id(rows: FilteredScans, descending: bool) -> Partitioning:
    return Partitions([Partition("", rows.unsplit, "id")])


def _by_status(rows: FilteredScans, descending: bool) -> Partitioning:
    statuses = sorted(rows.statuses or st.LABELS, reverse=descending)
    partitions = [
        Partition(
            status,
            partial(rows.scans, statuses=[status]),
            prefixes=rows.prefixes(statuses=[status]),
        )
        for status in statuses
    ]
    return Partitions(partitions, lambda: rows.filterset.exactly_by_status)


def _by_operator(rows: FilteredScans, descending: bool) -> Partitioning:
    operators = _directed(rows.operators(), descending)
    partitions = [
        Partition(
            str(pk),
            partial(rows.scans, operator=[pk]),
            operators=rows.all_of(pk),
            prefixes=rows.prefixes(operator=[pk]),
        )
        for pk, _ in operators
    ]
    return Partitions(partitions, lambda: {str(pk): n for pk, n in rows.counts("operator").items()})


def _by_reseller(rows: FilteredScans, descending: bool) -> Partitioning:
    operators: dict[int, list[int]] = {}
    for operator, reseller in rows.operators():
        operators.setdefault(reseller, []).append(operator)
    resellers = Reseller.objects.filter(pk__in=operators).order_by(Lower("name"), "pk")
    keys = _directed(resellers.values_list("pk", flat=True), descending)
    partitions = [
        Partition(
            str(pk),
            partial(rows.scans, operator=operators[pk]),
            operators=rows.all_of(*operators[pk]),
            prefixes=rows.prefixes(operator=operators[pk]),
        )
        for pk in keys
    ]

    def counts() -> dict[str, int]:
        found = rows.counts("operator")
        return {str(pk): sum(found.get(one, 0) for one in operators[pk]) for pk in operators}

    return Partitions(partitions, counts)


def _by_tag(rows: FilteredScans, descending: bool) -> Partitioning:
    keys = _directed(rows.tag_sets(), descending)
    partitions = [Partition(str(pk), partial(rows.scans, tag_set=[pk])) for pk in keys]
    if rows.filterset.tag_sets is None:
        partitions.append(Partition("", partial(rows.scans, tag_set=UNTAGGED)))
    return Partitions(partitions, lambda: {str(pk or ""): n for pk, n in rows.counts("tag_set").items()})


def _by_notes(rows: FilteredScans, descending: bool) -> Partitioning:
    def noted(most: int, **bounds: Any) -> list[Scan]:
        # In this order, because SQLite starts its scan at the first of two lower bounds.
        return [rows.filterset.qs.filter(**bounds).filter(notes__gt="")]

    # The function of an IndexKey would be called for each row by a condition that no index has.
    nothing = "" if rows.all_of() is None else IndexKey("")
    plain = partial(rows.scans, where=Q(notes=nothing))
    return NotesPartitions([Partition("notes", noted, "notes"), Partition("", plain)])


def _directed(keys: Iterable[Any], descending: bool) -> list[Any]:
    return list(keys)[:: -1 if descending else 1]


SORTS: dict[str, Callable[[FilteredScans, bool], Partitioning]] = {
    "number": _by_number,
    "id": _by_id,
    "status": _by_status,
    "operator": _by_operator,
    "tag": _by_tag,
    "notes": _by_notes,
    "client": AccountPartitions,
    "reseller": _by_reseller,
}
