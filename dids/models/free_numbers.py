"""Which numbers are In Stock, a bit each, so that rows of free numbers are found without reading numbers.

A row has the free numbers of a prefix (see ``prefixes``) and operator by tag set, with the version of its
counters (``HeadStock.changes``) that it was read at. The worker renews the rows whose counters have changed
since; a reader that comes first reads those numbers itself. So what is found is always as of now.
"""

import struct
from collections import defaultdict
from typing import NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connections, models, router
from django.db.models import Q, Sum

from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models.head_stock import HEAD, HeadStock
from dids.models.numbers import DID
from dids.models.prefixes import AFTER_DIGITS, TAIL
from dids.numbering.free_runs import BLOCK, Block
from operators.models import Operator

AT_ONCE = 50  # prefixes that are read by one statement
RIGHT = {"postgresql": f"right(number, {TAIL})", "sqlite": f"substr(number, -{TAIL})"}
_HEADER = struct.Struct("<qBHH")  # tag set (0 is none), digits, bytes left out, bytes that follow


class FreeNumbers(models.Model):
    """The numbers of an operator with a prefix that were In Stock at ``version`` of their counters."""

    id = models.BigAutoField(primary_key=True)
    head = models.CharField(max_length=20)
    operator = models.ForeignKey(
        Operator, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    version = models.BigIntegerField()
    bits = models.BinaryField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["head", "operator"], name="free_numbers_key")]

    def __str__(self):
        return f"{self.head}… {self.operator_id}"


class _Place(NamedTuple):
    head: str
    operator: int


def free_blocks(*, operators=None, tag_sets=None, prefix="", tail_bits=None, now):
    """Return the Blocks of numbers that are In Stock at ``now``, sorted by digits and head.

    ``operators``, ``tag_sets``: their keys; None for all. ``prefix``: digits with which the numbers begin.
    ``tail_bits``: the ``patterns.TailBits`` of those that are wanted, None for all.
    Two queries, and one for each ``AT_ONCE`` prefixes that changed since the worker came by.
    """
    using = router.db_for_read(DID)
    versions = _versions(using, operators, prefix)
    stored = FreeNumbers.objects.using(using).filter(_begins(prefix), **_of(operators))
    bits = defaultdict(int)
    for head, operator, version, packed in stored.values_list("head", "operator", "version", "bits"):
        if versions.get(place := _Place(head, operator)) == version:
            del versions[place]
            _add(bits, head, _unpacked(packed), tag_sets)
    for place, free in _read(using, versions):
        _add(bits, place.head, free, tag_sets)
    over = DID.objects.using(using).hold_over(now).filter(holds.followed_by([st.INSTOCK]), **_of(operators))
    for place, free in _by_place(using, over):
        _add(bits, place.head, free, tag_sets)
    masked = ((key, free & _mask(*key, prefix)) for key, free in bits.items())
    if tail_bits:
        masked = ((key, free & tail_bits.of(*key)) for key, free in masked)
    return [Block(*key, free) for key, free in sorted(masked) if free]


def renew():
    """Bring the rows up to date; return how many were written. Any number of workers may call it.

    Reads the counters of all prefixes, and the numbers of those that have changed.
    """
    using = router.db_for_write(FreeNumbers)
    versions, written = _versions(using), 0
    for head, operator, version in FreeNumbers.objects.values_list("head", "operator", "version"):
        if versions.get(place := _Place(head, operator)) == version:
            del versions[place]
    places = sorted(versions)
    for start in range(0, len(places), AT_ONCE):
        some = places[start : start + AT_ONCE]
        # A version older than the numbers does no harm: the next reader finds that it isn't the present one.
        free = dict(_read(using, some))
        rows = [
            FreeNumbers(
                head=place.head,
                operator_id=place.operator,
                version=versions[place],
                bits=_packed(free.get(place, {})),
            )
            for place in some
        ]
        FreeNumbers.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["head", "operator"],
            update_fields=["version", "bits"],
        )
        written += len(rows)
    return written


def _versions(using, operators=None, prefix=""):
    """Return {place: version of its counters} of the places with numbers In Stock."""
    counters = HeadStock.objects.using(using).filter(_begins(prefix), **_of(operators)).order_by()
    sums = counters.values_list("head", "operator").annotate(Sum("changes"), free=Sum(st.INSTOCK))
    return {_Place(head, operator): changes for head, operator, changes, free in sums if free > 0}


def _of(operators):
    return {} if operators is None else {"operator__in": operators}


def _begins(prefix):
    """Return the condition (Q) for prefixes of numbers that begin with ``prefix``, and perhaps of others."""
    shorter = [prefix[:length] for length in range(len(prefix))]
    return Q(head__gte=prefix, head__lt=prefix + AFTER_DIGITS) | Q(head__in=shorter) if prefix else Q()


def _mask(digits, head, prefix):
    """Return the bits of the numbers that begin with ``prefix``."""
    if head.startswith(prefix):
        return -1
    width = min(digits, TAIL)
    rest = prefix[len(head) :]
    if not prefix.startswith(head) or len(rest) > width:
        return 0
    low, high = int(rest.ljust(width, "0")), int(rest.ljust(width, "9"))
    return (1 << high + 1) - (1 << low)


def _read(using, places):
    """Yield (place, its free numbers) of ``places``, from the table of numbers."""
    places = sorted(places)
    for start in range(0, len(places), AT_ONCE):
        within = Q()
        for head, operator in places[start : start + AT_ONCE]:
            ends = {"number__gte": head, "number__lt": head + AFTER_DIGITS}
            within |= Q(operator=operator, status=st.INSTOCK, **ends)
        wanted = set(places[start : start + AT_ONCE])
        # Numbers that are longer than those of the prefix may lie between them.
        found = _by_place(using, DID.objects.using(using).filter(within))
        yield from ((place, free) for place, free in found if place in wanted)


def _by_place(using, numbers):
    """Yield (place, {(tag set or None, digits): bits}) of the queryset ``numbers``, a row for each run."""
    vendor = connections[using].vendor
    columns = numbers.order_by().values("number", "operator_id", "tag_set_id")
    try:
        sql, params = columns.query.sql_with_params()
    except EmptyResultSet:  # of no operator
        return
    key = "head, operator_id, tag_set_id, digits"
    free = defaultdict(lambda: defaultdict(int))
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {key}, min(tail), count(*) FROM (
                SELECT {key}, tail, tail - row_number() OVER (PARTITION BY {key} ORDER BY tail) AS island
                FROM (
                    SELECT {HEAD[vendor]} AS head, operator_id, tag_set_id, length(number) AS digits,
                        CAST({RIGHT[vendor]} AS integer) AS tail
                    FROM ({sql}) AS numbers
                ) AS tails
            ) AS islands
            GROUP BY {key}, island""",
            params,
        )
        for head, operator, tag_set, digits, first, count in cursor:
            free[_Place(head, operator)][tag_set, digits] |= (1 << first + count) - (1 << first)
    yield from free.items()


def _add(bits, head, free, tag_sets):
    for (tag_set, digits), numbers in free.items():
        if tag_sets is None or tag_set in tag_sets:
            bits[digits, head] |= numbers


def _packed(free):
    parts = []
    for (tag_set, digits), bits in sorted(free.items(), key=lambda one: (one[0][0] or 0, one[0][1])):
        data = bits.to_bytes(BLOCK // 8, "little").rstrip(b"\0")
        kept = data.lstrip(b"\0")
        parts += [_HEADER.pack(tag_set or 0, digits, len(data) - len(kept), len(kept)), kept]
    return b"".join(parts)


def _unpacked(packed):
    free, at = {}, 0
    while at < len(packed):
        tag_set, digits, left_out, length = _HEADER.unpack_from(packed, at)
        at += _HEADER.size
        free[tag_set or None, digits] = int.from_bytes(packed[at : at + length], "little") << left_out * 8
        at += length
    return free
