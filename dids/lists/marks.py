"""The numbers with or without a mark of a pattern rule.

Those of a rule are in the order of an index of ``Mark``, so a page of them reads no other numbers. Numbers
without a mark are nearly all, so they are found by any other index, and those with one skipped.
"""

import json
from functools import cached_property

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, Sum
from django.db.models.functions import Coalesce

from dids.models import Mark, MarkCount
from dids.models.lookups import IndexKey
from dids.models.marks import LABELS, rules_in_force

ANY, NONE = "any", "none"
CHOICES = [(ANY, "Any"), *LABELS.items(), (NONE, "None")]
NOTHING = Q(number="")


class Marks:
    """The numbers with a mark of one of the classes ``chosen``; ``ANY``: with a mark, ``NONE``: without.

    ``only``: a rule of which the mark must be as well, of any class without ``chosen``; None for every rule.
    """

    def __init__(self, chosen, only=None):
        classes = chosen or [ANY]
        of_chosen = {True: [], False: []}
        for rule in rules_in_force():
            is_chosen = only in (None, rule) and (ANY in classes or rule.mark_class in classes)
            of_chosen[is_chosen].append(rule.pk)
        self.rules, self._others = of_chosen[True], of_chosen[False]
        self._without = NONE in classes and only is None

    @cached_property
    def condition(self):
        """The Q of these numbers, for numbers that another index finds: it looks up each of them."""
        if self._without:
            other = Mark.objects.filter(did=OuterRef("pk"), rule__in=self._others)
            return Q(~Exists(other)) if self._others else Q()
        mine = Mark.objects.filter(did=OuterRef("pk"), rule__in=self.rules)
        return Q(Exists(mine)) if self.rules else NOTHING

    @property
    def leading_condition(self):
        """The same, for those that ``is_indexed``: their marks are read first."""
        return Q(HasMark(self.rules))

    @property
    def is_indexed(self):
        """Whether ``scans`` finds these numbers."""
        return bool(self.rules) and not self._without

    def count(self):
        """Return how many numbers these were when the worker counted them; one small query."""
        counts = MarkCount.objects.filter(rule__in=self.rules)
        return counts.aggregate(numbers=Coalesce(Sum("numbers"), 0))["numbers"]

    def scans(self, dids, of_number):
        """Return the marks of each rule whose numbers are among ``dids``, with their number and ``pk``.

        ``of_number``: a further condition that names nothing but the number, so that the index is read no
        further than needed.
        """
        among = Exists(dids.order_by().filter(pk=OuterRef("pk")))
        return [Mark.objects.filter(of_number, among, rule=IndexKey(rule)) for rule in self.rules]


class HasMark(Func):
    """Whether a number has the mark of one of ``rules``, ids; all their marks are read before the numbers.

    PostgreSQL would read all numbers to find some thousand, as it does for EXISTS and IN; see ``IndexKey``.
    """

    output_field = BooleanField()

    def __init__(self, rules):
        super().__init__(F("pk"))
        self._rules = rules

    def as_postgresql(self, compiler, connection, **_context):
        column, params = compiler.compile(self.source_expressions[0])
        marks = "ARRAY(SELECT did_id FROM dids_mark WHERE rule_id = ANY(%s::bigint[]))"
        return f"{column} = ANY(dids_index_key({marks}))", (*params, self._rules)

    def as_sqlite(self, compiler, connection, **_context):
        column, params = compiler.compile(self.source_expressions[0])
        rules = "SELECT value FROM json_each(%s)"
        return (
            f"{column} IN (SELECT did_id FROM dids_mark WHERE rule_id IN ({rules}))",
            (*params, json.dumps(self._rules)),
        )
