"""Search for digits inside or at the end of numbers ("contains", "ends") without scanning all numbers.

Numbers come in ranges, so a great many share a prefix: all digits but the last four. The table of prefixes is
kept by triggers and is some thousand times smaller than the inventory. The prefixes alone determine where
numbers can contain a substring: after a prefix that contains it, after one that ends with the start of it
(as in 4420 71|23 for "7123"), and wholly within the last four digits after any prefix. Each of these
possible beginnings of numbers is one scan of the unique index on number.

Triggers only ever add prefixes. One that is left without numbers costs one empty index scan, while removing
it would have to wait for every writer that is adding a number with it.
"""

import json
from functools import cached_property
from itertools import product

from django.db import connections
from django.db.models import Max, Min, Q, Value
from django.db.models.functions import Concat

from dids.lifecycle import statuses as st
from dids.models.prefixes import AFTER_DIGITS, TAIL, NumberHead

IDS_MAX = 10_000  # numbers: up to this many are found by id first, then filtered and sorted
SCANS_MAX = 20_000  # index scans; a substring that needs more occurs in very many numbers


class Substring:
    """The numbers that contain ``digits`` (1 to 20 of them), or with ``at_end`` end with them.

    ``condition``: a Q for them. It holds their ids if they are few, so use it within the request.
    ``many``: whether there are more than ``IDS_MAX``, or too many index scans are needed.
    ``ids``: those of the first by number, up to ``IDS_MAX`` and one more; None if too many scans are needed.

    Costs up to two queries, which grow with the prefixes and not with the numbers.
    """

    def __init__(self, digits, *, at_end=False):
        self.digits, self.at_end = digits, at_end
        # _splits: how many of the digits can be at the end of a prefix while the others are in the tail.
        # _free: how many other digits the tail has at most.
        least = max(len(digits) - TAIL, 0)
        self._splits = range(least, least + 1 if at_end else len(digits))
        self._free = max(TAIL - len(digits), 0)

    @property
    def many(self):
        return self.ids is None or len(self.ids) > IDS_MAX

    @cached_property
    def condition(self):
        """The Q: by id for a few matches; compares each number in a range if there are many."""
        plain = self._plain
        if self.ids is None and 0 in self._splits:
            return plain  # such numbers can follow any prefix
        if not self.many:
            return plain & Q(pk__named=self.ids)
        first, last = self._bounds
        return plain & Q(number__gte=first, number__lt=last)

    @cached_property
    def ids(self):
        return None if self._beginnings is None else self._scan(self._beginnings)

    def first(self, most):
        """Return the ids of the first ``most`` by number; None if too many scans are needed.

        Unlike ``ids`` it ends its index scans there.
        """
        return None if self._beginnings is None else self._scan(self._beginnings, most=most)

    def first_of(self, operators, most):
        """Return the ids of the first ``most`` by number of these operators; None if it needs too many scans.

        One index scan for each operator in each status, which ends with its first ``most`` matches: of each
        possible beginning, or of all numbers if most of them can match.
        """
        beginnings = self._beginnings
        if beginnings is None:
            beginnings, matches = (
                [f"%{self.digits}" if self.at_end else f"%{self.digits}%"],
                "number LIKE b.value",
            )
        elif len(beginnings) * len(operators) * len(st.LABELS) > SCANS_MAX:
            return None
        else:
            matches = self._matches
        connection = connections[NumberHead.objects.db]
        is_postgresql = connection.vendor == "postgresql"
        # Otherwise PostgreSQL would read the index of numbers and filter: all numbers of others, too.
        operator, status = (
            f"dids_index_key({key})" if is_postgresql else key for key in ("o.value", "s.value")
        )
        scan = (
            f"SELECT id, number FROM dids_did WHERE operator_id = {operator} AND status = {status}"
            f" AND {matches} ORDER BY number LIMIT {most}"
        )
        if is_postgresql:
            lists = ", ".join(
                f"unnest(%s::{kind}[]) AS {name}(value)"
                for name, kind in (("o", "bigint"), ("s", "text"), ("b", "text"))
            )
            found, params = f"SELECT d.id, d.number FROM {lists}, LATERAL ({scan}) AS d", list
        else:
            lists, params = " CROSS JOIN ".join(f"json_each(%s) AS {name}" for name in "osb"), json.dumps
            ids = f"json_each((SELECT json_group_array(id) FROM ({scan})))"
            ids = f"SELECT i.value FROM {lists} CROSS JOIN {ids} AS i"
            found = f"SELECT id, number FROM dids_did WHERE id IN ({ids})"
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id FROM ({found}) AS f ORDER BY number LIMIT {most}",
                [params(operators), params([*st.LABELS]), params(beginnings)],
            )
            return [pk for (pk,) in cursor.fetchall()]

    def front(self, *, backwards=False):
        """Return a Q for the first ``IDS_MAX`` by number (``backwards``: the last); None if unknown.

        For the first pages of many numbers in this order, where ``condition`` would scan the index from its
        end, however far away the first match is. If a page is full under this Q, it is the right one; other
        conditions may leave too few rows. ``backwards`` costs a query.
        """
        if self.ids is None:
            return None
        ids = self._scan(self._beginnings[::-1], "DESC") if backwards else self.ids
        return self._plain & Q(pk__named=ids[:IDS_MAX])

    @property
    def _plain(self):
        return Q(**{"number__endswith" if self.at_end else "number__contains": self.digits})

    @property
    def _matches(self):
        """The condition for numbers with a beginning, which is ``b.value``."""
        if self.at_end:
            return "number = b.value"
        return f"number >= b.value AND number < b.value || '{AFTER_DIGITS}'"

    @property
    def _bounds(self):
        """Lower and upper bound of all matching numbers."""
        if self.ids is None:
            bounds = self._prefixes.aggregate(
                first=Min("head"), last=Max(Concat("head", Value(AFTER_DIGITS)))
            )
            return bounds["first"], bounds["last"]
        return self._beginnings[0], self._beginnings[-1] + AFTER_DIGITS

    @property
    def _prefixes(self):
        """The prefixes of numbers that may match."""
        condition = Q() if self.at_end else Q(head__contains=self.digits)
        for split in self._splits:
            condition |= Q(head__endswith=self.digits[:split])
        return NumberHead.objects.filter(condition)

    @cached_property
    def _beginnings(self):
        """The beginnings of matching numbers (``at_end``: whole numbers), ascending; None if too many.

        No beginning is a prefix of another, so each number has exactly one.
        """
        most = SCANS_MAX // 10**self._free
        prefixes = list(self._prefixes.values_list("head", flat=True)[: most + 1])
        if len(prefixes) > most:
            return None
        beginnings = sorted({beginning for prefix in prefixes for beginning in self._extensions(prefix)})
        if self.at_end:
            return beginnings
        distinct = beginnings[:1]
        for beginning in beginnings:
            if not beginning.startswith(distinct[-1]):
                distinct.append(beginning)
        return distinct

    def _extensions(self, prefix):
        """Return the beginnings of matching numbers with ``prefix``."""
        if not self.at_end and self.digits in prefix:
            return [prefix]
        fewest = self._free if self.at_end and prefix else 0  # a number without a prefix has a shorter tail
        return [
            prefix + "".join(before) + self.digits[split:]
            for split in self._splits
            if prefix.endswith(self.digits[:split])
            for free in (range(fewest, self._free + 1) if split == 0 else (0,))
            for before in product("0123456789", repeat=free)
        ]

    def _scan(self, beginnings, order="ASC", most=None):
        """Return the ids of the first ``most`` numbers with these beginnings, in their order.

        Without ``most`` up to ``IDS_MAX`` and one more.

        One index scan for each beginning, which may end early. For a plain join the planner decides, and
        PostgreSQL may compare all numbers with all beginnings; sorting everything would read everything.
        """
        most = most or IDS_MAX + 1
        connection = connections[NumberHead.objects.db]
        scan = f"SELECT id FROM dids_did WHERE {self._matches} ORDER BY number {order} LIMIT {most}"
        if connection.vendor == "postgresql":
            sql = f"SELECT s.id FROM unnest(%s::text[]) AS b(value) CROSS JOIN LATERAL ({scan}) AS s"
        else:
            beginnings = json.dumps(beginnings)
            ids = f"json_each((SELECT json_group_array(id) FROM ({scan})))"
            sql = f"SELECT s.value FROM json_each(%s) AS b CROSS JOIN {ids} AS s"
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} LIMIT {most}", [beginnings])
            return [pk for (pk,) in cursor.fetchall()]
