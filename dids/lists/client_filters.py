"""What the lists of clients, packages, client packages and resellers are filtered by."""

import django_filters

from clients.models import Account, Client, Package, Reseller
from didmgmt.choices import RemoteSelect
from didmgmt.filters import FilterSet, RowFilter
from dids.models.client_packages import PACKAGE_STATES, ClientPackage
from operators.filters import name_filter, reseller_filter


def _ended(field, label, words):
    """Whether the moment in ``field`` is set: ``words`` for (no, yes)."""
    return django_filters.ChoiceFilter(
        label=label,
        field_name=field,
        choices=[("no", words[0]), ("yes", words[1])],
        empty_label="all",
        error_messages={"invalid_choice": "“%(value)s” is neither yes nor no."},
        method=lambda queryset, name, value: queryset.filter(**{f"{name}__isnull": value == "no"}),
    )


class ClientFilter(FilterSet):
    name = name_filter()
    reseller = reseller_filter()
    closed = _ended("closed_at", "Closed", ("open", "closed"))

    class Meta:
        model = Client
        fields = []


class AccountFilter(FilterSet):
    name = name_filter()

    class Meta:
        model = Account
        fields = []


class PackageFilter(FilterSet):
    name = name_filter()
    reseller = reseller_filter()
    archived = _ended("archived_at", "Archived", ("on offer", "archived"))

    class Meta:
        model = Package
        fields = []


class ResellerFilter(FilterSet):
    name = name_filter()

    class Meta:
        model = Reseller
        fields = []


class ClientPackageFilter(FilterSet):
    """Wants a queryset ``with_state``."""

    client = RowFilter(
        label="Client",
        queryset=lambda user: Client.objects.visible_to(user),
        empty_label="all clients",
        widget=RemoteSelect("dids:client_choices"),
        error_messages={"invalid_choice": "“%(value)s” is no client that you know."},
    )
    package = RowFilter(
        label="Package",
        queryset=lambda user: Package.objects.visible_to(user),
        empty_label="all packages",
        widget=RemoteSelect("packages:choices"),
        error_messages={"invalid_choice": "“%(value)s” is no package that you know."},
    )
    reseller = reseller_filter("package__reseller")
    state = django_filters.ChoiceFilter(
        label="State",
        choices=list(PACKAGE_STATES.items()),
        empty_label="all states",
        error_messages={"invalid_choice": "“%(value)s” is no state of a client package."},
    )

    class Meta:
        model = ClientPackage
        fields = []
