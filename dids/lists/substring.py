"""The search for digits inside of numbers: "contains" and "ends", without going through all numbers.

Numbers come in ranges, so a great many share their heads: all digits but the last four. The table of
heads is kept by triggers and is some thousand times smaller than the inventory. From the heads alone
follows where the numbers are that contain some digits: behind a head that contains them, behind one that
ends with their beginning (as in 4420 71|23 for "7123"), and wholly within the last four digits behind any
head. Each of these places is one look into the unique index.

Triggers only ever add heads. One that is left without numbers costs a look that finds nothing, while
taking it away would have to wait for everybody who is just adding a number behind it.
"""

import json
from functools import cached_property
from itertools import product

from django.db import connections
from django.db.models import Max, Min, Q, Value
from django.db.models.functions import Concat

from dids.models.prefixes import TAIL, NumberHead

FEW = 10_000  # numbers: up to so many are found first, then filtered and sorted
LOOKS = 20_000  # into the index at most; digits with more places than that match very many numbers
AFTER = ":"  # sorts behind every digit


class Digits:
    """The numbers that contain ``digits`` (text, 1 to 20 of them), or end with them.

    ``condition``  a Q for them. It holds ids when they are few, so it is for use within the request
    ``many``       whether there are more than FEW, or too many places to look at
    ``ids``        of those that come first by number, FEW and one at most; None when the places are too many

    Costs up to two queries, which grow with the heads and not with the numbers.
    """

    def __init__(self, digits, *, at_end=False):
        self.digits, self.at_end = digits, at_end
        # How many of the digits may be the end of a head, when the others are in the tail, and how many
        # more digits are in it at most.
        least = max(len(digits) - TAIL, 0)
        self._splits = range(least, least + 1 if at_end else len(digits))
        self._free = max(TAIL - len(digits), 0)

    @property
    def many(self):
        return self.ids is None or len(self.ids) > FEW

    @cached_property
    def condition(self):
        """A few are named; many are compared number by number between the first and the last."""
        plain = self._plain
        if self.ids is None and 0 in self._splits:
            return plain  # there are such numbers behind any head
        if not self.many:
            return plain & Q(pk__named=self.ids)
        first, last = self._ends
        return plain & Q(number__gte=first, number__lt=last)

    @cached_property
    def ids(self):
        return None if self._places is None else self._look(self._places)

    def front(self, *, backwards=False):
        """A Q for the FEW that come first by number (``backwards``: last); None when it is not known.

        For the first pages in this order of numbers that are many: the condition would have an index
        walked from its end, however far away the matches are. A page that is full under this Q is the
        one; other conditions may leave too few. ``backwards`` costs a query.
        """
        if self.ids is None:
            return None
        ids = self._look(self._places[::-1], "DESC") if backwards else self.ids
        return self._plain & Q(pk__named=ids[:FEW])

    @property
    def _plain(self):
        return Q(**{"number__endswith" if self.at_end else "number__contains": self.digits})

    @property
    def _ends(self):
        """Texts between which the matching numbers are."""
        if self.ids is None:
            ends = self._heads.aggregate(first=Min("head"), last=Max(Concat("head", Value(AFTER))))
            return ends["first"], ends["last"]
        return self._places[0], self._places[-1] + AFTER

    @property
    def _heads(self):
        """The heads behind which numbers may match."""
        heads = Q() if self.at_end else Q(head__contains=self.digits)
        for split in self._splits:
            heads |= Q(head__endswith=self.digits[:split])
        return NumberHead.objects.filter(heads)

    @cached_property
    def _places(self):
        """What the matching numbers begin with (``at_end``: are), ascending; None when too many.

        None of them begins with another one, so that each number has one place.
        """
        most = LOOKS // 10**self._free
        heads = list(self._heads.values_list("head", flat=True)[: most + 1])
        if len(heads) > most:
            return None
        places = sorted({place for head in heads for place in self._places_behind(head)})
        if self.at_end:
            return places
        apart = places[:1]
        for place in places:
            if not place.startswith(apart[-1]):
                apart.append(place)
        return apart

    def _places_behind(self, head):
        if not self.at_end and self.digits in head:
            return [head]
        fewest = self._free if self.at_end and head else 0  # the tail of a short number may be short
        return [
            head + "".join(before) + self.digits[split:]
            for split in self._splits
            if head.endswith(self.digits[:split])
            for free in (range(fewest, self._free + 1) if split == 0 else (0,))
            for before in product("0123456789", repeat=free)
        ]

    def _look(self, places, order="ASC"):
        """The ids of the numbers in these places, in their order, FEW and one at most.

        Place by place, each an index scan that may end early. As a plain join it is for the planner to
        say, and PostgreSQL may well compare all numbers with all places; an order over all would have
        to read them all.
        """
        there = (
            "d.number = p.value"
            if self.at_end
            else f"d.number >= p.value AND d.number < p.value || '{AFTER}'"
        )
        connection = connections[NumberHead.objects.db]
        look = f"SELECT d.id FROM dids_did AS d WHERE {there} ORDER BY d.number {order} LIMIT {FEW + 1}"
        if connection.vendor == "postgresql":
            sql = f"SELECT f.id FROM unnest(%s::text[]) AS p(value) CROSS JOIN LATERAL ({look}) AS f"
        else:
            places = json.dumps(places)
            found = f"json_each((SELECT json_group_array(id) FROM ({look})))"
            sql = f"SELECT f.value FROM json_each(%s) AS p CROSS JOIN {found} AS f"
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} LIMIT {FEW + 1}", [places])
            return [pk for (pk,) in cursor.fetchall()]
