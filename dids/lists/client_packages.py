"""The filter of the list of client packages."""

import django_filters

from clients.filters import client_filter, reseller_filter
from clients.models import Package
from didmgmt.choices import RemoteSelect
from didmgmt.filters import FilterSet, RowFilter, no_such
from dids.models import ClientPackage
from dids.models.client_packages import PACKAGE_STATES


class ClientPackageFilter(FilterSet):
    """Filter client packages; needs a queryset ``with_state``."""

    client = client_filter()
    package = RowFilter(
        label="Package",
        queryset=lambda user: Package.objects.visible_to(user),
        empty_label="all packages",
        widget=RemoteSelect("packages:choices"),
        error_messages=no_such("package"),
    )
    reseller = reseller_filter("package__reseller")
    state = django_filters.ChoiceFilter(
        label="State",
        choices=list(PACKAGE_STATES.items()),
        empty_label="all states",
        error_messages=no_such("client package state"),
    )

    class Meta:
        model = ClientPackage
        fields = []
