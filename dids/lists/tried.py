"""Numbers that people try the pattern rules with, whether they are in the inventory or not."""

from collections import defaultdict
from typing import NamedTuple

from dids.models import PatternRule, PatternTail
from dids.models.marks import rules_in_force
from dids.numbering.patterns import ends_of, match


class Tried(NamedTuple):
    """A number as ``head`` and the ``tail`` that the ``rule`` marks, at its ``place`` among all rules.

    Without a mark the tail is "", and rule and place are None.
    """

    head: str
    tail: str
    rule: PatternRule | None
    place: int | None


def tried(numbers):
    """Return a ``Tried`` for each of ``numbers``, few texts; reads the tails that the database marks by."""
    ends = {end for number in numbers for end in ends_of(number)}
    of_rule = defaultdict(set)
    for tail, rule in PatternTail.objects.filter(tail__in=ends, length__gt=0).values_list("tail", "rule"):
        of_rule[rule].add(tail)
    rules = [(place, rule) for place, rule in enumerate(rules_in_force(), start=1)]
    compiled = [((place, rule), of_rule[rule.pk]) for place, rule in rules]
    return [_tried(number, match(number, compiled)) for number in numbers]


def _tried(number, found):
    if found is None:
        return Tried(number, "", None, None)
    (place, rule), length = found
    return Tried(number[:-length], number[-length:], rule, place)
