"""The numbers of a country, a type or an area, as ranges of their order.

Numbers come in ranges, so those of a country are a few runs in the order of heads. Each run is a scan of an
index. Runs are bridged where there are too many, and the numbers of shorter heads lie among those of longer
ones, so their heads are compared as well if a range has others, too.
"""

import json
from functools import cached_property
from itertools import product

from django.db.models import BooleanField, F, Func, Q

from dids.models import DID
from dids.models.head_geography import every_head
from dids.models.head_stock import HEAD
from dids.models.prefixes import AFTER_DIGITS, TAIL
from dids.numbering.geography import UNKNOWN

RANGES_MAX = 100  # index scans of a query
NOTHING = Q(number="")


class Places:
    """The numbers with ``country``, one of ``types`` and a text in their area; each may be "" or empty."""

    def __init__(self, country="", types=(), area=""):
        area = area.casefold()

        def has(place):
            return (
                (not country or place.country == country)
                and (not types or place.type in types)
                and (not area or area in place.area.casefold())
            )

        self._every = [(head, has(place)) for head, place in every_head()]

    @cached_property
    def heads(self):
        """The heads that match, sorted."""
        return [head for head, matches in self._every if matches]

    @cached_property
    def parts(self):
        """The Q of each range, in the order of numbers and apart from each other."""
        ranges = [Q(number__gte=first, number__lt=last) for first, last in self._bridged]
        if not self._is_exact:
            ranges = [one & Q(HasHead("number", [head for head in self.heads if head])) for one in ranges]
        # Numbers without a head lie anywhere.
        return [*ranges, Q(number__named=self._short)] if self._short else ranges

    @cached_property
    def condition(self):
        """The Q of all of them; the same ranges and their outer bounds."""
        if not self.parts:
            return NOTHING
        either = Q()
        for one in self.parts:
            either |= one
        if len(self.parts) == 1 or self._short:
            return either
        return Q(number__gte=self._bridged[0][0], number__lt=self._bridged[-1][1]) & either

    @cached_property
    def _short(self):
        """The numbers without a head, if they match."""
        if "" not in self.heads:
            return []
        tails = ("".join(digits) for n in range(1, TAIL + 1) for digits in product("0123456789", repeat=n))
        found = DID.objects.order_by().filter(number__named=list(tails))
        return sorted(found.values_list("number", flat=True))

    @cached_property
    def _ranges(self):
        """[first, end] of each run of matching heads, and how many others precede it."""
        ranges, others = [], 0
        for head, matches in self._every:
            if not matches or not head:
                others += 1
                continue
            if ranges and (not others or head < ranges[-1][1]):
                ranges[-1][1] = max(ranges[-1][1], head + AFTER_DIGITS)
            else:
                ranges.append([head, head + AFTER_DIGITS, others])
            others = 0
        return ranges

    @cached_property
    def _bridged(self):
        """(first, end) of at most ``RANGES_MAX`` ranges: the gaps with the most heads are left."""
        gaps = sorted((gap for _, _, gap in self._ranges[1:]), reverse=True)
        widest = gaps[RANGES_MAX - 2] if len(gaps) >= RANGES_MAX else 0
        bridged = []
        for first, end, gap in self._ranges:
            if bridged and (gap < widest or len(bridged) == RANGES_MAX):
                bridged[-1] = bridged[-1][0], max(bridged[-1][1], end)
            else:
                bridged.append((first, end))
        return bridged

    @cached_property
    def _is_exact(self):
        """Whether the ranges have no numbers of other heads."""
        if len(self._ranges) > RANGES_MAX:
            return False
        matches = dict(self._every)
        lengths = sorted({len(head) for head in matches})
        return all(
            matches.get(head[:length], same) == same
            for head, same in self._every
            for length in lengths
            if length < len(head)
        )


class HasHead(Func):
    """Whether the head of a column with a number is one of ``heads``."""

    output_field = BooleanField()

    def __init__(self, column, heads):
        super().__init__(F(column))
        self._heads = heads

    def as_postgresql(self, compiler, connection, **_context):
        return self._head(compiler, connection, "= ANY(%s::text[])", self._heads)

    def as_sqlite(self, compiler, connection, **_context):
        one_of = "IN (SELECT value FROM json_each(%s))"
        return self._head(compiler, connection, one_of, json.dumps(self._heads))

    def _head(self, compiler, connection, one_of, heads):
        column, params = compiler.compile(self.source_expressions[0])
        head = HEAD[connection.vendor].replace("number", column)
        return f"{head} {one_of}", (*params, heads)


def unknown_first(names):
    """Return choices of {key: name}, sorted by name, after the one of unknown."""
    rest = sorted((name, key) for key, name in names.items() if key != UNKNOWN)
    return [(UNKNOWN, "Unknown"), *((key, name) for name, key in rest)]
