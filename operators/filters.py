import django_filters

from clients.models import Reseller
from didmgmt.choices import RemoteSelect
from operators.models import Operator


class OperatorFilter(django_filters.FilterSet):
    """The operators that an address asks for, of those that ``request.user`` may see."""

    name = django_filters.CharFilter(label="Name", lookup_expr="icontains")
    reseller = django_filters.ModelChoiceFilter(
        label="Reseller",
        queryset=lambda request: Reseller.objects.visible_to(request.user),
        empty_label="all resellers",
        widget=RemoteSelect("operators:reseller_choices"),
        error_messages={"invalid_choice": "“%(value)s” is no reseller that you know."},
    )

    class Meta:
        model = Operator
        fields = []
