"""Operators as files."""

from dids.reference_files.fields import hold_days_column, read_only
from dids.reference_files.resource import ReferenceResource
from operators.models import Operator


class OperatorResource(ReferenceResource):
    hold_days = hold_days_column()
    did_count = read_only("did_count", "DID's count")

    only_exported = ("did_count",)
    known_as = ReferenceResource.known_as | {"operator": "name", "hold_days": "hold_days"}
    words = {"id": "operator id; provider id; carrier id"}
    about = [("Hold days", "Days on Hold after use, 0 to 365. Leave empty to use the reseller’s value.")]
    note = "DID's count is only exported, since it is counted from the numbers."

    class Meta:
        model = Operator
        fields = ("id", "name", "reseller", "hold_days", "did_count")
