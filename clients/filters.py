"""Filters of the lists of resellers, clients, accounts and packages."""

import django_filters

from clients.classes import CLASSES, allowing
from clients.models import Account, Client, Package, Reseller
from clients.names import NameFormField
from didmgmt.choices import RemoteSelect
from didmgmt.filters import FilterSet, RowFilter, no_such


class NameFilter(django_filters.CharFilter):
    field_class = NameFormField


def name_filter():
    """Return a filter by a part of the name."""
    return NameFilter(label="Name", lookup_expr="icontains")


def reseller_filter(field=None):
    """Return a filter by a reseller that the user may see; ``field`` is the lookup to it."""
    return RowFilter(
        label="Reseller",
        field_name=field,
        queryset=lambda user: Reseller.objects.visible_to(user),
        empty_label="all resellers",
        widget=RemoteSelect("operators:reseller_choices"),
        error_messages=no_such("reseller"),
    )


def client_filter():
    """Return a filter by a client that the user may see."""
    return RowFilter(
        label="Client",
        queryset=lambda user: Client.objects.visible_to(user),
        empty_label="all clients",
        widget=RemoteSelect("dids:client_choices"),
        error_messages=no_such("client"),
    )


def _is_set_filter(field, label, no, yes):
    """Return a filter by whether a timestamp is set; ``no`` and ``yes`` are the names of the choices."""
    return django_filters.ChoiceFilter(
        label=label,
        field_name=field,
        choices=[("no", no), ("yes", yes)],
        empty_label="all",
        error_messages={"invalid_choice": "Choose yes or no instead of “%(value)s”."},
        method=lambda queryset, name, value: queryset.filter(**{f"{name}__isnull": value == "no"}),
    )


class ResellerFilter(FilterSet):
    name = name_filter()

    class Meta:
        model = Reseller
        fields = []


class ClientFilter(FilterSet):
    name = name_filter()
    reseller = reseller_filter()
    closed = _is_set_filter("closed_at", "Closed", "open", "closed")

    class Meta:
        model = Client
        fields = []


class AccountFilter(FilterSet):
    name = name_filter()

    class Meta:
        model = Account
        fields = []


class AccountsFilter(AccountFilter):
    """Filter the accounts of all clients."""

    client = client_filter()
    reseller = reseller_filter("client__reseller")


class PackageFilter(FilterSet):
    name = name_filter()
    reseller = reseller_filter()
    allowed_class = django_filters.ChoiceFilter(
        label="Allowed class",
        choices=[*CLASSES.items()],
        empty_label="all",
        error_messages=no_such("class of numbers"),
        method=lambda queryset, _name, value: queryset.filter(allowing(value)),
    )
    archived = _is_set_filter("archived_at", "Archived", "on offer", "archived")

    class Meta:
        model = Package
        fields = []
