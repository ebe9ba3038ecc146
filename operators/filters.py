"""The filter of the list of operators."""

from clients.filters import name_filter, reseller_filter
from didmgmt.filters import FilterSet
from operators.models import Operator


class OperatorFilter(FilterSet):
    name = name_filter()
    reseller = reseller_filter()

    class Meta:
        model = Operator
        fields = []
