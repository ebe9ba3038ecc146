"""The list of minimum holds: the rules with their numbers, and what has broken them."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Sum

from dids.history.breaches import Breach, breaches
from dids.lifecycle import statuses as st
from dids.models import AgeingRule, HeadStock
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

    One query of the counters for each rule, of which there are at most ``AgeingRule.MOST``.
    """
    rules = list(AgeingRule.objects.select_related("accepted_by").order_by("prefix"))
    found = breaches(viewer, now)
    broken = Counter(breach.prefix for breach in found)
    stock = HeadStock.objects.all()
    if viewer.reseller_id:
        stock = stock.filter(operator__in=Operator.objects.visible_to(viewer))
    for rule in rules:
        heads = stock.filter(head__gte=rule.prefix, head__lt=rule.prefix + AFTER_DIGITS)
        counts = heads.aggregate(**{status: Sum(status, default=0) for status in st.LABELS})
        rule.total, rule.on_hold, rule.broken = sum(counts.values()), counts[st.HOLD], broken[rule.prefix]
    return Minimums(rules, found)
