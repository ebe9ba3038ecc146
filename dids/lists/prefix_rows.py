"""Find a row in the order of numbers by the counters of prefixes, without counting rows."""

from bisect import bisect
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

from dids.models import DID, HeadStock
from dids.models.prefixes import AFTER_DIGITS, TAIL

PREFIXES_MAX = 20_000  # prefixes that are read


class Place(NamedTuple):
    """A row: the ``row``-th (1 is the first) number from the text ``first`` on.

    ``end``: there are at most some 10,000 numbers from ``first`` to this text, and nearly always the row.
    """

    first: str
    end: str
    row: int


@dataclass(frozen=True)
class PrefixRows:
    """The numbers of ``operators`` (None: of all) in ``statuses`` (none: in all) at ``now``.

    ``overdue``: whether the hold of some number is over.
    """

    operators: list[int] | None
    statuses: list[str]
    now: datetime
    overdue: bool

    def locate(self, count: int, *, descending: bool, using: str) -> Place | None:
        """Return the place of the last of the first ``count`` numbers (``descending``: of the last ones).

        None if there are fewer, or more than ``PREFIXES_MAX`` prefixes. One query; one more if some prefix
        begins with a shorter one that has numbers.

        Prefixes are summed up in their order. But numbers are sorted as text, so those of a shorter prefix
        lie among those of longer ones that begin with it: 442012345 of 44201 comes between 44200000 and
        44209999, both of 4420. Those that come after the beginning of the row's prefix are looked up.
        """
        over = DID.objects.using(using).hold_over(self.now) if self.overdue else None
        heads = HeadStock.objects.using(using).by_head(
            self.operators, self.statuses, most=PREFIXES_MAX, over=over
        )
        ends = list(accumulate(numbers for _, numbers in heads or ()))
        if not ends or not 0 < count <= ends[-1]:
            return None
        row = ends[-1] - count if descending else count - 1
        index = bisect(ends, row)
        head, numbers = heads[index]
        beginnings = {head[:length] for length in range(len(head))}
        shorter = {one: n for one, n in heads[:index] if one in beginnings}
        row += self._count_from(head, shorter, using) if shorter else 0
        following = heads[index + 1][0] if index + 1 < len(heads) else ""
        end = following if following.startswith(head) else head + AFTER_DIGITS
        return Place(head, end, row - (ends[index] - numbers) + 1)

    def _count_from(self, bound: str, heads: dict[str, int], using: str) -> int:
        """Return how many numbers of prefixes with which ``bound`` begins come from ``bound`` on.

        ``heads``: {prefix: its numbers}. Those that are possible on one side of the bound are looked up.
        """
        rows, possible = 0, []
        for head, numbers in heads.items():
            before, after = _sides(head, bound)
            if sum(map(len, before.values())) < sum(map(len, after.values())):
                nearer, rows = before, rows + numbers
            else:
                nearer = after
            possible += [f"{head}{tail:0{length}}" for length, tails in nearer.items() for tail in tails]
        existing = DID.objects.using(using).filter(number__named=possible).with_status_now(self.now)
        for number, operator, status in existing.values_list("number", "operator_id", "status_now"):
            if self._has(operator, status):
                rows += 1 if number >= bound else -1
        return rows

    def _has(self, operator: int, status: str) -> bool:
        is_chosen = self.operators is None or operator in self.operators
        return is_chosen and (not self.statuses or status in self.statuses)


def _sides(head: str, bound: str) -> tuple[dict[int, range], dict[int, range]]:
    """Return the possible tails of numbers with a prefix before ``bound`` and from it on.

    Both as {length of the tails: tails}; the bound begins with the prefix.
    """
    before, after, rest = {}, {}, bound[len(head) :]
    for length in range(1, TAIL + 1) if head == "" else (TAIL,):
        first = int(rest[:length].ljust(length, "0")) + (len(rest) > length)
        before[length], after[length] = range(first), range(first, 10**length)
    return before, after
