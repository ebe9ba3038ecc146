import django_filters

from clients.models import Reseller
from didmgmt.choices import RemoteSelect
from didmgmt.filters import FilterSet, RowFilter
from operators.models import Operator


def name_filter():
    return django_filters.CharFilter(label="Name", lookup_expr="icontains")


def reseller_filter(field=None):
    """The reseller of the rows, of those that ``user`` may see; ``field``: the way to it."""
    return RowFilter(
        label="Reseller",
        field_name=field,
        queryset=lambda user: Reseller.objects.visible_to(user),
        empty_label="all resellers",
        widget=RemoteSelect("operators:reseller_choices"),
        error_messages={"invalid_choice": "“%(value)s” is no reseller that you know."},
    )


class OperatorFilter(FilterSet):
    """The operators that an address asks for, of those that ``user`` may see."""

    name = name_filter()
    reseller = reseller_filter()

    class Meta:
        model = Operator
        fields = []
