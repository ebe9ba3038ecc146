"""Minimum holds: the least days that numbers with a prefix rest before another client gets them."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from api.access import needs_scope
from api.fields import answer, moment
from api.inputs import Body
from api.problems import refuse_unknown
from didmgmt.replica import may_lag
from dids.models import AgeingRule

router = Router(tags=["Minimum holds"])


class MinimumHold(Body):
    """A rule. It does nothing until it is accepted; of those in force the longest prefix decides."""

    id: int = Field(examples=[2])
    prefix: str = Field(description="The first digits of its numbers", examples=["41"])
    place: str = Field(description="The country or the kind of numbers, or nothing", examples=["Switzerland"])
    days: int = Field(description="How long they rest at least", examples=[180])
    source: str = Field(description="The law, the contract or the rule that says so", examples=["Contract"])
    accepted_at: str | None = Field(
        description="Since when it is in force, or null",
        json_schema_extra={"format": "date-time"},
        examples=["2026-03-02T14:31:07.240000Z"],
    )
    accepted_by: str | None = Field(
        description="Who accepted it; null for a token of one reseller", examples=["anna"]
    )


class MinimumHolds(Body):
    """All rules in the order of their prefixes, at most 200."""

    items: list[MinimumHold]


@router.get(
    "/minimum-holds",
    operation_id="get_minimum_holds",
    url_name="get_minimum_holds",
    summary="Read the minimum holds",
    response=MinimumHolds,
)
@needs_scope("minimum-holds", "read")
@may_lag
def get_minimum_holds(request: HttpRequest) -> HttpResponse:
    """Return all rules, also those that are only suggested. People change them on the page Rules."""
    refuse_unknown(request.GET, ())
    user: Any = request.user
    items = [
        {
            "id": rule.pk,
            "prefix": rule.prefix,
            "place": rule.place,
            "days": rule.days,
            "source": rule.source,
            "accepted_at": moment(rule.accepted_at),
            "accepted_by": rule.accepted_by.get_username()
            if rule.accepted_by and not user.reseller_id
            else None,
        }
        for rule in AgeingRule.objects.select_related("accepted_by").order_by("prefix")
    ]
    return answer({"items": items})
