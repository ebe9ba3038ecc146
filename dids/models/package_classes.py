"""Which numbers a package may hold, by the classes that pattern marks give them.

A package with ``allowed_classes`` takes no number of another class, whichever way it would get it: by
assignment, by an import, from Hold, or by an undo. Numbers that it has stay. The class follows from the
digits and the tails of the rules (``dids.models.marks``), so it is also known of numbers that are yet to be
created, and while a job still marks numbers by new rules.
"""

from django.apps import apps
from django.db import connection, models
from django.db.models import Count, F, Func, Q
from django.db.models.lookups import Exact

from clients.classes import CLASSES, UNMARKED, split_classes
from dids.lifecycle.result import SAMPLE, Refusal
from dids.numbering.patterns import PLACES

RIGHT = {"postgresql": 'right({number}, {length}) COLLATE "C"', "sqlite": "substr({number}, -{length})"}


def class_sql(number):
    """Return SQL for the class of ``number``, SQL itself; index lookups of its ends."""
    right = RIGHT[connection.vendor]
    ends = ", ".join(right.format(number=number, length=length) for length in PLACES)
    return f"""coalesce((
        SELECT class_rule.mark_class FROM dids_patterntail AS class_tail
        JOIN dids_patternrule AS class_rule ON class_rule.id = class_tail.rule_id
        WHERE class_tail.tail IN ({ends}) AND class_tail.length > 0
        ORDER BY class_tail.length DESC LIMIT 1
    ), '{UNMARKED}')"""


def refuses_sql(package, number):
    """Return the SQL condition that the row ``package`` holds no numbers of the class of ``number``.

    For statements with parameters: percent signs are doubled.
    """
    allowed = f"{package}.allowed_classes"  # no class is part of the name of another one
    return f"({allowed} <> '' AND {allowed} NOT LIKE '%%' || {class_sql(number)} || '%%')"


class NumberClass(Func):
    """The class of a number, the only argument, as an expression."""

    output_field = models.CharField()

    def as_sql(self, compiler, _connection, **_context):
        number, params = compiler.compile(self.source_expressions[0])
        return class_sql(number), [*params] * len(PLACES)


def refused_classes(package):
    """Return [(class, condition for its numbers, why ``package`` refuses them)], none without a rule."""
    refused = CLASSES.keys() - {*split_classes(package.allowed_classes)}
    return [
        (one, Q(Exact(NumberClass(F("number")), one)), _why(package, one))
        for one in CLASSES
        if one in refused
    ]


def outside(package):
    """Return the condition for numbers that ``package`` does not take, None without a rule."""
    conditions = [condition for _, condition, _ in refused_classes(package)]
    return Q(*conditions, _connector=Q.OR) if conditions else None


def refusals(numbers, package):
    """Return a ``Refusal`` for each class of ``numbers`` that ``package`` does not take; two queries each."""
    found = []
    for one, condition, why in refused_classes(package):
        theirs = numbers.filter(condition)
        if count := theirs.count():
            sample = list(theirs.values_list("number", flat=True)[:SAMPLE])
            found.append(Refusal(code(one), why, count, sample))
    return found


def count_outside(package):
    """Return how many numbers clients have with ``package`` that it would not take, by marks; two queries."""
    allowed = split_classes(package.allowed_classes)
    held = apps.get_model("dids", "DID").objects.filter(client_package__package=package.pk)
    marked = held.filter(mark__rule__position__isnull=False).order_by().values_list("mark__rule__mark_class")
    counts = dict(marked.annotate(Count("pk")))
    counts[UNMARKED] = held.count() - sum(counts.values())
    return sum(count for one, count in counts.items() if one not in allowed)


def code(number_class):
    """Return the code of the cause that numbers of a class are refused."""
    return f"class {number_class}"


def _why(package, number_class):
    return (
        f"{number_class}, and package {package} holds no {number_class} numbers; choose another package, or"
        f" change what {package} may hold"
    )
