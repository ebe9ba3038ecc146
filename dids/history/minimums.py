"""The list of minimum holds: the rules with their numbers, and what has broken them."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass

from dids.history.breaches import Breach, breaches
from dids.lifecycle import statuses as st
from dids.models import DID, AgeingRule, HeadStock
from dids.models.number_reads import any_hold_over
from dids.models.prefixes import AFTER_DIGITS
from operators.models import Operator


@dataclass(frozen=True)
class Minimums:
    """``rules`` in the order of prefixes, each with ``total`` and ``on_hold`` numbers and ``broken``."""

    rules: list[AgeingRule]
    breaches: list[Breach]

    @property
    def suggested(self):
        return sum(1 for rule in self.rules if not rule.accepted_at)


def minimums(viewer, now):
    """Return the ``Minimums`` as ``viewer`` may see them: numbers and breaches of the branch alone.

    The counters by prefix are read once.
    """
    rules = list(AgeingRule.objects.select_related("accepted_by").order_by("prefix"))
    found = breaches(viewer, now)
    broken = Counter(breach.prefix for breach in found)
    operators = Operator.objects.visible_to(viewer) if viewer.reseller_id else None
    over = DID.objects.hold_over(now) if any_hold_over(now) else None
    stock = HeadStock.objects.by_head_and_status(operators, over=over)
    heads = sorted(stock)
    for rule in rules:
        ends = bisect_left(heads, rule.prefix + AFTER_DIGITS)
        counts = [stock[head] for head in heads[bisect_left(heads, rule.prefix) : ends]]
        rule.total = sum(sum(of_head.values()) for of_head in counts)
        rule.on_hold = sum(of_head[st.HOLD] for of_head in counts)
        rule.broken = broken[rule.prefix]
    return Minimums(rules, found)
