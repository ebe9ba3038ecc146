"""The list of reservations: its filter, its counters, and what a row shows."""

from datetime import datetime, time, timedelta

import django_filters
from django.db.models import Count, Q
from django.utils import timezone

from clients.filters import client_filter, reseller_filter
from didmgmt import clock
from didmgmt.filters import FilterSet, no_such
from dids.lifecycle import statuses as st
from dids.models import DID, Reservation, Stock
from operators.models import Operator

SOON = 3  # days left, up to which the list warns
WEEK = timedelta(days=7)
# {key: label} of the counters, which are filters; "" is the whole list
ENDS = {"today": "Ends today", "week": "Next 7 days", "later": "Later", "none": "No end"}
WHOM = {"client": "For a client", "name": "For a name"}


class ReservationFilter(FilterSet):
    """Filter running reservations."""

    ends = django_filters.ChoiceFilter(
        label="Ends",
        choices=list(ENDS.items()),
        empty_label="at any time",
        error_messages=no_such("end"),
        method="filter_ends",
    )
    whom = django_filters.ChoiceFilter(
        label="Reserved for",
        choices=list(WHOM.items()),
        empty_label="anybody",
        error_messages={"invalid_choice": "Choose client or name instead of “%(value)s”."},
        method="filter_whom",
    )
    client = client_filter()
    purpose = django_filters.CharFilter(label="Purpose", lookup_expr="icontains")
    by = django_filters.ChoiceFilter(
        label="Reserved by",
        choices=[("me", "me")],
        empty_label="anybody",
        error_messages={"invalid_choice": "Choose me instead of “%(value)s”."},
        method="filter_by",
    )
    reseller = reseller_filter()

    class Meta:
        model = Reservation
        fields = []

    def filter_ends(self, queryset, _, value):
        return queryset.filter(_ends(timezone.localtime(clock.now()))[value])

    def filter_whom(self, queryset, _, value):
        return queryset.filter(client__isnull=value == "name")

    def filter_by(self, queryset, *_):
        return queryset.filter(made_by=self.user.pk)


def _ends(local):
    """Return {key of ``ENDS``: condition}; ``local``: the present time in the user's time zone."""
    tomorrow = timezone.make_aware(datetime.combine(local.date() + timedelta(days=1), time()), local.tzinfo)
    week = tomorrow + WEEK
    return {
        "today": Q(ends_at__lt=tomorrow),
        "week": Q(ends_at__gte=tomorrow, ends_at__lt=week),
        "later": Q(ends_at__gte=week),
        "none": Q(ends_at__isnull=True),
    }


def counters(reservations, user, now):
    """Return [(parameter, value, label, count)] of running ``reservations``; one query."""
    conditions = {("ends", key): condition for key, condition in _ends(timezone.localtime(now)).items()}
    conditions |= {("by", "me"): Q(made_by=user.pk), ("whom", "name"): Q(client__isnull=True)}
    labels = ENDS | {"me": "Mine", "name": WHOM["name"]}
    counts = reservations.order_by().aggregate(
        every=Count("pk"),
        **{
            f"{name}_{value}": Count("pk", filter=condition)
            for (name, value), condition in conditions.items()
        },
    )
    found = [(name, value, labels[value], counts[f"{name}_{value}"]) for name, value in conditions]
    return [("", "", "All", counts["every"]), *found]


def rows_of(reservations, now):
    """Return the reservations of a page with ``left``, the days until they end or None, and ``named``."""
    today, found = timezone.localtime(now).date(), list(reservations)
    for one in found:
        one.left = one.ends_at and (timezone.localtime(one.ends_at).date() - today).days
        one.is_soon = one.ends_at is not None and 0 < one.left <= SOON
        one.named = _named(one)
    return found


def _named(one):
    """Return "100 – 119" for numbers in a row, "100 … 250" for others, or the only one."""
    if one.numbers == 1:
        return one.first
    is_run = len(one.first) == len(one.last) and int(one.last) - int(one.first) + 1 == one.numbers
    return f"{one.first} {'–' if is_run else '…'} {one.last}"


def numbers_in(reservations):
    """Count the numbers in ``reservations``, a queryset."""
    return DID.objects.filter(reservation__in=reservations.order_by().values("pk")).count()


def reserved_without(user, now):
    """Return how many numbers that ``user`` may see are Reserved without a reservation; two queries."""
    own = None
    if user.reseller_id:
        own = list(Operator.objects.visible_to(user).values_list("pk", flat=True))
    reserved = Stock.objects.by_status(own, now)[st.RESERVED]
    return reserved - numbers_in(Reservation.objects.visible_to(user).running(now))
