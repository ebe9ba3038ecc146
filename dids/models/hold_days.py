"""How long a number stays on Hold, as database expressions.

The hold days of a number are its own, else those of its package, operator or reseller, else the
setting ``HOLD_DAYS``; and at least the minimum of an accepted rule (``dids.models.ageing``). The
expressions also apply to staged rows, whose columns have the same names.
"""

from collections import Counter
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Case, ExpressionWrapper, OuterRef, Subquery, Value, When
from django.db.models.functions import Coalesce, Greatest
from django.db.models.lookups import Exact

from dids.models.client_packages import ClientPackage
from operators.models import Operator

UNSET = object()  # a value that is not given, where None has a meaning of its own


def hold_days(own, rest=None, *, least=None):
    """Return the hold days as an expression; ``own`` is the expression for the number's own.

    ``rest``: the expression for numbers without any; the setting by default. ``least``: the expression for
    the minimum, if there is any.
    """

    def from_parent(model, key, field):
        return Subquery(model.objects.filter(pk=OuterRef(key)).values(field)[:1])

    days = Coalesce(
        own,
        from_parent(ClientPackage, "client_package", "package__hold_days"),
        from_parent(Operator, "operator", "hold_days"),
        from_parent(Operator, "operator", "reseller__hold_days"),
        Value(settings.HOLD_DAYS) if rest is None else rest,
        output_field=models.IntegerField(),
    )
    return days if least is None else Greatest(days, least)


def distinct_hold_days(rows, own=UNSET, *, rules=()):
    """Return the hold days that ``rows`` may have, sorted; ``own`` replaces the rows' own values.

    Many numbers share few combinations of own days, package and operator. The database finds the
    combinations, so the days are looked up once per combination instead of once per row.
    """
    keys = rows.order_by().values_list("hold_days", "client_package", "operator").distinct()
    keys = {(row_own if own is UNSET else own, *parents) for row_own, *parents in keys}
    least = [0, *(days for _, days in rules)]
    return sorted({max(days, minimum) for days in set(days_of(keys).values()) for minimum in least})


def count_by_days(found, own=UNSET):
    """Return {(status, hold days, ``then``): rows}; three queries. ``own`` replaces the rows' own values.

    ``found``: (own days, client package, operator, minimum days, status, ``then``, rows). The days are looked
    up once per combination, as in ``distinct_hold_days``.
    """
    found = [
        ((row_own if own is UNSET else own, *parents), minimum, status, then, count)
        for row_own, *parents, minimum, status, then, count in found
    ]
    days, counts = days_of({key for key, *_ in found}), Counter()
    for key, minimum, status, then, count in found:
        counts[status, max(days[key], minimum), then] += count
    return counts


def days_of(keys):
    """Return {key: hold days} for keys (own days, client package, operator); three queries."""
    packages = _values(ClientPackage, {package for _, package, _ in keys}, "package__hold_days")
    operators = _values(Operator, {operator for *_, operator in keys}, "hold_days")
    resellers = _values(Operator, {operator for *_, operator in keys}, "reseller__hold_days")
    return {
        (own, package, operator): first_given(
            own, packages.get(package), operators.get(operator), resellers.get(operator)
        )
        for own, package, operator in keys
    }


def first_given(own, package, operator, reseller):
    """Return the hold days of a number from its own and those that it inherits; None where not set."""
    inherited = (own, package, operator, reseller)
    return next((days for days in inherited if days is not None), settings.HOLD_DAYS)


def _values(model, keys, field):
    return dict(model.objects.filter(pk__among=keys - {None}).values_list("pk", field))


def hold_end(start, days, distinct):
    """Return ``start`` plus ``days`` as an expression.

    ``start`` is a datetime or an expression, ``days`` an expression, ``distinct`` the values that
    ``days`` takes (see ``distinct_hold_days``). With a single value, as is usual when a package ends,
    the database doesn't evaluate ``days`` for each row.
    """

    def after(count):
        if isinstance(start, datetime):
            return Value(start + timedelta(days=count), output_field=models.DateTimeField())
        return ExpressionWrapper(start + Value(timedelta(days=count)), models.DateTimeField())

    if len(distinct) == 1:
        return after(distinct[0])
    whens = [When(Exact(days, count), then=after(count)) for count in distinct]
    return Case(*whens, default=start, output_field=models.DateTimeField())
