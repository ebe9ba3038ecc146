"""The block map: the numbers of a person as parts of a prefix, two digits a step, down to each number.

The counters by head are read once and summed up for countries, ranges and parts; where a part is smaller than
a head, and for numbers, one range of the index is read. A block has numbers of one length, so that the parts
of a prefix have the same size. What the person does not see is not owned.
"""

from collections import defaultdict
from functools import cached_property
from typing import NamedTuple

from django.db.models import Count, F
from django.db.models.functions import Length, Substr
from django.db.models.lookups import Exact

from dids.lifecycle import statuses as st
from dids.models import DID, HeadStock, head_geography
from dids.models.number_reads import any_hold_over
from dids.models.prefixes import TAIL
from dids.numbering.geography import UNKNOWN, grouped
from operators.models import Operator

STEP = 2  # digits
RANGES_MAX = 12  # of a country; above that they are those of a length
FIRST, LAST = "0" * TAIL, "9" * TAIL  # digits after a head
ORDER = (st.ACTIVE, st.BLOCKED, st.HOLD, st.RESERVED, st.INSTOCK, st.ARCHIVE)


class Counts(dict):
    """{status: numbers}, and {length: numbers}."""

    @property
    def total(self):
        return sum(self.values())

    @property
    def free(self):
        return self.get(st.INSTOCK, 0)

    def add(self, other):
        for status, numbers in other.items():
            self[status] = self.get(status, 0) + numbers


class Part(NamedTuple):
    """The numbers with ``prefix``; ``counts`` is empty if none is owned."""

    prefix: str
    counts: Counts
    size: int


class Range(NamedTuple):
    """Numbers of ``digits`` digits of a country that begin with ``prefix``; ``label``: their area or type."""

    prefix: str
    digits: int
    label: str
    counts: Counts

    def holds(self, place):
        return self.digits == place.digits and place.prefix.startswith(self.prefix)


class Country(NamedTuple):
    key: str
    name: str
    code: str
    counts: Counts
    ranges: list[Range]


class Run(NamedTuple):
    first: str
    last: str
    length: int


class Selected(NamedTuple):
    """A range of numbers; ``run``: the free run of the block that it lies in, None if it lies in none."""

    first: str
    last: str
    counts: Counts
    run: Run | None

    @property
    def size(self):
        return int(self.last) - int(self.first) + 1

    @property
    def before(self):
        return int(self.first) - int(self.run.first)

    @property
    def after(self):
        return int(self.run.last) - int(self.last)


class BlockMap:
    """The map of what ``viewer`` sees at ``now``."""

    def __init__(self, viewer, now):
        self._now = now
        self._seen = DID.objects.visible_to(viewer)
        self._overdue = any_hold_over(now)
        operators = None
        if viewer.reseller_id is not None:
            operators = list(Operator.objects.visible_to(viewer).values_list("pk", flat=True))
        over = DID.objects.hold_over(now) if self._overdue else None
        heads = HeadStock.objects.by_head_and_status(operators, over=over)
        self._heads = {head: owned for head, counts in heads.items() if (owned := _owned(counts))}
        self.short = self._heads.pop("", Counts()).total

    @cached_property
    def countries(self):
        """The Countries with numbers, those with most In Stock first."""
        heads = defaultdict(list)
        head_geography.learn(f"{head}0000" for head in self._heads)
        for head in self._heads:
            heads[self._geography(head).country].append(head)
        found = [self._country(key, sorted(some)) for key, some in heads.items()]
        return sorted(found, key=lambda one: (one.key == UNKNOWN, -one.counts.free, one.name))

    def _geography(self, head):
        return head_geography.of_number(f"{head}0000")

    def _country(self, key, heads):
        first = self._geography(heads[0])
        for labelled in (True, False):
            groups = defaultdict(list)
            for head in heads:
                place = self._geography(head)
                label = (place.area_label or place.type_name) if labelled else ""
                groups[len(head), head[: len(head) % STEP], label].append(head)
            if len(groups) <= RANGES_MAX:
                break
        ranges = [
            Range(self._top(some), length + TAIL, label, self._sum(some))
            for (length, _, label), some in groups.items()
        ]
        return Country(
            key,
            first.country_name or "Unknown",
            first.pattern.partition(" ")[0] and heads[0][: first.pattern.index(" ") - 1],
            self._sum(heads),
            sorted(ranges, key=lambda one: (one.prefix, one.digits, one.label)),
        )

    def _sum(self, heads):
        counts = Counts()
        for head in heads:
            counts.add(self._heads[head])
        return counts

    @staticmethod
    def _top(heads):
        """Return the longest prefix of these heads of one length from which whole steps lead to them."""
        low, high = min(heads), max(heads)
        common = next((n for n in range(len(low)) if low[n] != high[n]), len(low))
        return low[: common - (len(low) - common) % STEP]

    def digits_of(self, prefix):
        """Return the lengths of owned numbers that begin with ``prefix``, that of most numbers first."""
        totals = Counts()
        for head, counts in self._heads.items():
            if _lead(head, prefix):
                totals.add({len(head) + TAIL: counts.total})
        return sorted(totals, key=lambda length: (-totals[length], length))

    def place(self, prefix, digits, block=""):
        """Return the ``Place`` at ``prefix``, or below where only one part is owned.

        Raises LookupError if no number of ``digits`` digits there is owned.
        """
        heads = sorted(head for head in self._heads if len(head) + TAIL == digits and _lead(head, prefix))
        if not heads:
            raise LookupError(prefix)
        first = heads[0][: len(heads[0]) % STEP]  # before the first step
        top = self._top([head for head in heads if head.startswith(first)])
        return Place(self, top, digits, block, self._geography(heads[0]))

    def way(self, prefix, digits):
        """Yield the prefixes from the first one with several parts down to ``prefix``."""
        heads = [head for head in self._heads if len(head) + TAIL == digits]
        for length in range((digits - TAIL) % STEP, len(prefix), STEP):
            within = [head for head in heads if head.startswith(prefix[:length])]
            if self._top(within) == prefix[:length]:
                yield prefix[:length]
        yield prefix

    def parts(self, prefix, digits):
        """Return the 100 Parts of a prefix, of numbers of ``digits`` digits."""
        length = len(prefix) + STEP
        found = defaultdict(Counts)
        if length <= digits - TAIL:
            for head, counts in self._heads.items():
                if len(head) + TAIL == digits and head.startswith(prefix):
                    found[head[:length]].add(counts)
        else:
            rows = self._numbers(prefix, digits).annotate(part=Substr("number", 1, length))
            for part, status, numbers in rows.values_list("part", "status_now").annotate(Count("pk")):
                found[part].add({status: numbers})
        size = 10 ** (digits - length)
        names = (f"{prefix}{n:02}" for n in range(10**STEP))
        return [Part(name, _owned(found.get(name, {})), size) for name in names]

    def statuses(self, prefix, digits):
        """Return {number: status} of the numbers that begin with ``prefix``, up to 1,000."""
        return dict(self._numbers(prefix, digits).values_list("number", "status_now"))

    def counts_between(self, first, last):
        """Return the Counts of the numbers from ``first`` to ``last``, which have one length.

        Whole heads are counted by their counters, what is left at the two ends by a range of the index each.
        """
        low, high = first[:-TAIL], last[:-TAIL]
        ends = [(first, last)] if low == high else [(first, f"{low}{LAST}"), (f"{high}{FIRST}", last)]
        cut = [one for one in ends if (one[0][-TAIL:], one[1][-TAIL:]) != (FIRST, LAST)]
        cut_heads, counts = {begin[:-TAIL] for begin, _ in cut}, Counts()
        for head, owned in self._heads.items():
            if len(head) == len(low) and low <= head <= high and head not in cut_heads:
                counts.add(owned)
        for one in cut:
            for status, numbers in self._between(*one).values_list("status_now").annotate(Count("pk")):
                counts.add({status: numbers})
        return _owned(counts)

    def _numbers(self, prefix, digits):
        """Return the numbers that begin with ``prefix``, with ``status_now``."""
        return self._between(*ends_of(prefix, digits))

    def _between(self, first, last):
        """Return the numbers of a range, with ``status_now``; one range of the index."""
        found = self._seen.order_by().filter(
            Exact(Length("number"), len(first)), number__gte=first, number__lte=last
        )
        return found.with_status_now(self._now) if self._overdue else found.annotate(status_now=F("status"))


def _lead(head, prefix):
    """Whether numbers of a head may begin with ``prefix``."""
    return head.startswith(prefix) or (prefix.startswith(head) and len(prefix) <= len(head) + TAIL)


class Place:
    """The parts of ``prefix``, and of ``block`` among them, in numbers of ``digits`` digits.

    ``block``: a part of the prefix, or, where the parts are hundreds, a thousand of it, which has one digit
    more than the prefix. Without one it is the first part with numbers In Stock, or with any.
    """

    def __init__(self, blocks, prefix, digits, block, geography):
        self._blocks, self.prefix, self.digits, self.geography = blocks, prefix, digits, geography
        self.has_numbers = (
            len(prefix) == digits - TAIL
        )  # below it: a block has numbers, and there are thousands
        steps = (1, STEP) if self.has_numbers else (STEP,)
        fits = block.startswith(prefix) and len(block) - len(prefix) in steps
        self.block = block if fits else self._first
        self.is_thousand = len(self.block) == len(prefix) + 1

    @cached_property
    def parts(self):
        return self._blocks.parts(self.prefix, self.digits)

    @property
    def _first(self):
        owned = [part for part in self.parts if part.counts] or self.parts[:1]
        return next((part.prefix for part in owned if part.counts.free), owned[0].prefix)

    @cached_property
    def counts(self):
        """The Counts of the prefix."""
        counts = Counts()
        for part in self.parts:
            counts.add(part.counts)
        return counts

    @cached_property
    def block_counts(self):
        counts = Counts()
        for part in self.parts:
            if part.prefix.startswith(self.block):
                counts.add(part.counts)
        return counts

    @cached_property
    def block_parts(self):
        """The Parts of the block, which are no numbers."""
        return self._blocks.parts(self.block, self.digits)

    @cached_property
    def statuses(self):
        """{number: status} of the block."""
        return self._blocks.statuses(self.block, self.digits)

    @cached_property
    def numbers(self):
        """All numbers of the block, owned or not, in rows of ten, or of a hundred for a thousand."""
        width = self.digits - len(self.block)
        row = 100 if self.is_thousand else 10
        every = [f"{self.block}{n:0{width}}" for n in range(10**width)]
        return [every[at : at + row] for at in range(0, len(every), row)]

    @cached_property
    def runs(self):
        """The Runs of numbers In Stock in the block, in their order."""
        found, begin, end = [], None, None
        for number in (number for row in self.numbers for number in row):
            if self.statuses.get(number) == st.INSTOCK:
                begin, end = begin or number, number
            elif begin:
                found.append(Run(begin, end, int(end) - int(begin) + 1))
                begin = None
        return [*found, Run(begin, end, int(end) - int(begin) + 1)] if begin else found

    def selected(self, first, last):
        """Return the ``Selected`` range; raise LookupError if it is no range of the prefix."""
        if not (first <= last and self.has_number(first) and self.has_number(last)):
            raise LookupError(first)
        begin, end = ends_of(self.block, self.digits)
        if not (self.has_numbers and begin <= first and last <= end):
            return Selected(first, last, self._blocks.counts_between(first, last), None)
        counts = Counts()
        for number, status in self.statuses.items():
            if first <= number <= last:
                counts.add({status: 1})
        run = next((run for run in self.runs if run.first <= first and last <= run.last), None)
        return Selected(first, last, _owned(counts), run)

    def has_number(self, text):
        """Whether the digits are one of the numbers with the prefix, owned or not."""
        return len(text) == self.digits and text.startswith(self.prefix)

    def block_with(self, first, last):
        """Return the block if numbers from ``first`` to ``last`` are in it, else the part with the first."""
        begin, end = ends_of(self.block, self.digits)
        return self.block if first <= end and begin <= last else first[: len(self.prefix) + STEP]

    def start(self, prefix):
        """Return a prefix as it is written in its country, alone."""
        return self.written(prefix).rstrip("x -")

    def written(self, prefix):
        """Return a prefix as it is written in its country, with x for the other digits."""
        text = grouped(prefix.ljust(self.digits, "x"), self.geography.pattern)
        return text if text.startswith("+") else f"{prefix}{'x' * (self.digits - len(prefix))}"


def ends_of(prefix, digits):
    """Return the first and the last number of ``digits`` digits that begin with ``prefix``."""
    return prefix.ljust(digits, "0"), prefix.ljust(digits, "9")


def place_of(first, last):
    """Return the parameters of the map for numbers in a row; {} if they are too short for it."""
    if len(first) <= TAIL:
        return {}
    block = {"prefix": first[:-TAIL], "digits": len(first), "block": first[:-STEP]}
    return block | ({"select": f"{first}-{last}"} if first[:-TAIL] == last[:-TAIL] else {})


def _owned(counts):
    """Return the Counts without zeros, in the order in which they are drawn."""
    return Counts({status: counts[status] for status in ORDER if counts.get(status)})
