"""The figures of the page Overview: what is in stock, what leaves and returns, and when it runs dry."""

from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from api.access import needs_scope
from api.facts import parameters
from api.fields import ID, answer, moment
from api.inputs import Body
from api.problems import errors_of, invalid, unknown_parameters
from didmgmt import clock
from didmgmt.replica import may_lag
from dids.forecast import DAYS
from dids.forms.overview import FiguresForm
from dids.lifecycle import statuses as st
from dids.models.stock_days import COUNTRY, OPERATOR, PREFIX, SUBJECTS, TAG, TYPE
from dids.overview import CHANGE, PAST, RANKED, RETURNS, Overview
from dids.past_overview import PastOverview

router = Router(tags=["Overview"])
GROUPS = {"operators": OPERATOR, "countries": COUNTRY, "types": TYPE, "prefixes": PREFIX, "tags": TAG}
_DAY: Any = {"format": "date"}
_NOT_KEPT = "Null as of a day on which they were not kept yet"


class StatusFigures(Body):
    """The numbers of a status."""

    status: str = Field(json_schema_extra={"enum": [*st.LABELS]}, examples=["instock"])
    numbers: int = Field(examples=[982])
    before: int | None = Field(
        description=f"How many they were {CHANGE} days ago; null if no worker counted", examples=[1040]
    )


class GroupFigures(Body):
    """The numbers of an operator, a country, a type, a prefix or a tag."""

    key: str = Field(
        description="Its id, code, first digits or name, as the list of numbers takes it", examples=["4420"]
    )
    name: str = Field(examples=["+44 20 London"])
    numbers: int = Field(examples=[1200])
    statuses: dict[str, int] = Field(
        description="How many have each status", examples=[{"instock": 982, "active": 218}]
    )


class Groups(Body):
    """The largest groups first, at most 100 of a kind. A number counts under each of its tags."""

    operators: list[GroupFigures]
    countries: list[GroupFigures] | None = Field(description=_NOT_KEPT)
    types: list[GroupFigures] | None = Field(description=_NOT_KEPT)
    prefixes: list[GroupFigures] = Field(
        description="By the first four digits, of numbers with eight or more"
    )
    tags: list[GroupFigures]


class Flow(Body):
    """What left the stock and returned to it on a day; null if it was not counted."""

    day: str = Field(json_schema_extra=_DAY, examples=["2026-11-29"])
    assigned: int | None = Field(examples=[12])
    released: int | None = Field(examples=[7])


class Return(Body):
    """What returns from Hold on a day, by the status that it gets."""

    day: str = Field(json_schema_extra=_DAY, examples=["2026-12-01"])
    statuses: dict[str, int] = Field(examples=[{"instock": 83}])


class SubjectForecast(Body):
    """When a stock runs dry at the rate of the last 30 days, with what is known to return."""

    of: str = Field(json_schema_extra={"enum": [*SUBJECTS]}, examples=["prefix"])
    key: str = Field(examples=["4420"])
    name: str = Field(examples=["+44 20 London"])
    in_stock: int = Field(description="At the snapshot", examples=[982])
    level: int = Field(description="How many should be In Stock at least; 0 for none", examples=[1000])
    out_a_day: float = Field(examples=[12.4])
    back_a_day: float = Field(examples=[3.1])
    dry_on: str | None = Field(
        description="Null if not within a year", json_schema_extra=_DAY, examples=["2027-02-11"]
    )
    below_level_on: str | None = Field(
        description="Null if not within a year, or without a level", json_schema_extra=_DAY, examples=[None]
    )


class Figures(Body):
    """Counts are live. ``flows``, ``returns`` and ``forecasts`` are from the last snapshot of the worker.

    As of a past day counts are from its snapshot, and there are neither ``returns`` nor ``forecasts``.
    """

    total: int = Field(examples=[1200])
    statuses: list[StatusFigures]
    groups: Groups
    counted_at: str | None = Field(
        description="When the last snapshot was taken, that of the day with ``as_of``; or null",
        json_schema_extra={"format": "date-time"},
        examples=["2026-11-30T14:00:02.113000Z"],
    )
    history_days: int = Field(
        description=f"Days with counted flows, without a gap; forecasts need {DAYS[0]}", examples=[90]
    )
    flows: list[Flow] = Field(
        description=f"Of the last {PAST} days, today included, or of those up to ``as_of``"
    )
    returns: list[Return] = Field(description=f"Of the next {RETURNS} days; days without any are left out")
    forecasts: list[SubjectForecast] = Field(
        description=f"At most {RANKED} of each kind, those that run dry first come first"
    )


@router.get(
    "/overview",
    operation_id="get_overview",
    url_name="get_overview",
    summary="Read the figures of the overview",
    response=Figures,
    openapi_extra=parameters(
        reseller=(ID, "The id of a reseller; not for a token of one"),
        as_of=(
            {"type": "string", "format": "date"},
            "A past day: the stock as it was, on one of the last 400 days on which the worker kept it",
        ),
    ),
)
@needs_scope("overview", "read")
@may_lag
def get_overview(request: HttpRequest) -> HttpResponse:
    """Return what the page Overview shows, of all numbers that you may see or of one reseller.

    Either as of now or as of a past day.
    """
    user: Any = request.user
    form = FiguresForm(request.GET, by=user)
    if errors := unknown_parameters(request.GET, form.fields):
        raise invalid(errors)
    if not form.is_valid():
        raise invalid(errors_of(form.errors, request.GET, "?"))
    reseller, counted = form.cleaned_data.get("reseller"), form.cleaned_data["as_of"]
    found = PastOverview(user, counted, reseller) if counted else Overview(user, clock.now(), reseller)
    return answer(
        {
            "total": found.total,
            "statuses": [
                {"status": one.status, "numbers": one.numbers, "before": one.before} for one in found.statuses
            ],
            "groups": {
                name: [_group(group) for group in found.grouped(by)]
                if not counted or counted.has(by)
                else None
                for name, by in GROUPS.items()
            },
            "counted_at": moment(found.counted_at),
            "history_days": found.history_days,
            "flows": [
                {"day": one.day.isoformat(), "assigned": one.assigned, "released": one.released}
                for one in found.flows()
            ],
            "returns": [] if counted else _returns(found),
            "forecasts": [] if counted else _forecasts(found),
        }
    )


def _group(group: Any) -> dict[str, Any]:
    return {
        "key": group.key,
        "name": group.name,
        "numbers": group.total,
        "statuses": _given(group.counts),
    }


def _given(counts: dict[str, int]) -> dict[str, int]:
    return {status: count for status, count in counts.items() if count}


def _returns(found: Overview) -> list[dict[str, Any]]:
    return [
        {"day": day.isoformat(), "statuses": _given(counts)}
        for day, counts in found.returns()
        if any(counts.values())
    ]


def _forecasts(found: Overview) -> list[dict[str, Any]]:
    """Return the forecasts of all kinds; none without a snapshot, or with too few days before it."""
    if not found.counted_at or found.history_days < DAYS[0]:
        return []
    subjects = [subject for of in SUBJECTS for subject in found.subjects(of)]
    return [
        {
            "of": one.of,
            "key": one.key,
            "name": one.name,
            "in_stock": one.in_stock,
            "level": one.level,
            "out_a_day": one.rates[DAYS[0]].out_a_day,
            "back_a_day": one.rates[DAYS[0]].back_a_day,
            "dry_on": _day(found.base, one.forecast().dry),
            "below_level_on": _day(found.base, one.forecast().low) if one.level else None,
        }
        for one in subjects
    ]


def _day(base: date, ahead: int | None) -> str | None:
    return None if ahead is None else (base + timedelta(days=ahead)).isoformat()
