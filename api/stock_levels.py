"""Stock levels: how many numbers of an operator, a tag or a prefix should be In Stock at least."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field as Member
from pydantic import StrictInt, StrictStr

from api.access import needs_scope
from api.facts import conditional
from api.fields import MAYBE_TEXT, TEXT, WHOLE, Field, Fields, answer, named, reference
from api.idempotency import once
from api.inputs import Body, form_data, sent
from api.problems import error, errors_of, invalid
from api.resources import Resource
from api.writes import documented, documented_deletion, done, locked, saved
from dids.forms.stock_levels import LevelForm, NewLevelForm
from dids.lists import records
from dids.models import StockLevel

router = Router(tags=["Stock levels"])
may_write = needs_scope("stock-levels", "write")

_NO_UNDO: dict[str, Any] = {**MAYBE_TEXT, "description": "Null: a level is set again, not undone"}

STOCK_LEVEL = Fields(
    "StockLevel",
    [
        Field("id", lambda row: row.pk, WHOLE, "Its id", 3),
        Field(
            "of",
            lambda row: row.of,
            {"type": "string", "enum": [*StockLevel.OF]},
            "Which of the next three it is of",
            "prefix",
        ),
        Field(
            "operator",
            lambda row: named(row.operator_id, row.operator and row.operator.name),
            reference(maybe=True),
            "The operator whose numbers it counts, or null",
            None,
        ),
        Field("tag", lambda row: row.tag, TEXT, "The tag of the numbers that it counts, or nothing", ""),
        Field("prefix", lambda row: row.prefix, TEXT, "Their first digits, or nothing", "4420"),
        Field(
            "reseller",
            lambda row: named(row.reseller_id, row.reseller and row.reseller.name),
            reference(maybe=True),
            "The reseller whose numbers it counts; null for those of all",
            {"id": 1, "name": "Arbor Voice"},
        ),
        Field("minimum", lambda row: row.minimum, WHOLE, "The level", 1000),
        Field("in_stock", lambda row: row.in_stock, WHOLE, "How many of these numbers are In Stock now", 982),
    ],
)
STOCK_LEVELS = Resource(
    records.STOCK_LEVELS,
    STOCK_LEVEL,
    "stock level",
    "stock-levels",
    needs_scope("stock-levels", "read"),
    frozenset({"in_stock"}),
    # All that can change of a level is its minimum.
    version_of=lambda pk: StockLevel.objects.values_list("minimum", flat=True).filter(pk=pk).first(),
)
STOCK_LEVELS.register(router)

_MINIMUM: Any = Member(description="People are told when fewer numbers are In Stock", examples=[1000])


class NewStockLevel(Body):
    """A level of one of an operator, a tag and a prefix."""

    operator: StrictInt | None = Member(None, description="The id of an operator")
    tag: StrictStr | None = Member(None, description="The name of a tag")
    prefix: StrictStr | None = Member(
        None, description="The first digits, with the country code", examples=["4420"]
    )
    reseller: StrictInt | None = Member(
        None, description="Of a tag or a prefix: the id of a reseller, to count its numbers alone"
    )
    minimum: StrictInt = _MINIMUM


class StockLevelEdit(Body):
    """Another minimum."""

    minimum: StrictInt = _MINIMUM


@router.post(
    "/stock-levels",
    operation_id="create_stock_level",
    summary="Set a stock level",
    **documented(STOCK_LEVELS, 201, undo_url=_NO_UNDO),
)
@may_write
@once
def create_stock_level(request: HttpRequest, body: NewStockLevel) -> HttpResponse:
    """Set the level of an operator, a tag or a prefix. `Location` is its address."""
    members = sent(body, NewStockLevel)
    of = [name for name in StockLevel.OF if members.get(name) is not None]
    if len(of) != 1:
        sentence = "Name one of “operator”, “tag” and “prefix”."
        raise invalid([error("#", None, sentence, "required")])
    user, reseller = request.user, members.get("reseller")
    if reseller is not None:
        if of == ["operator"]:
            sentence = "The level of an operator counts the numbers of its reseller. Leave “reseller” out."
            raise invalid([error("#/reseller", reseller, sentence, "unused")])
        if user.reseller_id not in (None, reseller):  # type: ignore[union-attr]
            sentence = f"You have access to {user.reseller} only. Leave “reseller” out."  # type: ignore[union-attr]
            raise invalid([error("#/reseller", reseller, sentence, "invalid_choice")])
    data = form_data(members) | {"of": of[0]}
    return _save(request, NewLevelForm(data, instance=StockLevel(), by=user), members, is_new=True)


@router.patch(
    "/stock-levels/{pk}",
    operation_id="edit_stock_level",
    summary="Change a stock level",
    **documented(STOCK_LEVELS, undo_url=_NO_UNDO),
)
@may_write
@conditional
def edit_stock_level(request: HttpRequest, pk: int, body: StockLevelEdit) -> HttpResponse:
    """Set another minimum. `If-Match` refuses to change what has changed since."""
    members = sent(body, StockLevelEdit)
    with transaction.atomic():
        level = locked(request, STOCK_LEVELS, pk)
        return _save(request, LevelForm(form_data(members), instance=level, by=request.user), members)


@router.delete(
    "/stock-levels/{pk}",
    operation_id="delete_stock_level",
    summary="Delete a stock level",
    **documented_deletion(),
)
@may_write
@conditional
def delete_stock_level(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a level: nobody is told any more when this stock runs low. Its numbers stay as they are."""
    with transaction.atomic():
        level = locked(request, STOCK_LEVELS, pk)
        level.remove(by=request.user)
        return answer(done(request, level.deleted_sentence) | {"undo_url": None})


def _save(
    request: HttpRequest, form: LevelForm, members: dict[str, Any], *, is_new: bool = False
) -> HttpResponse:
    """Store the level of the form and answer with it. Raises ProblemError if it is refused."""
    sentence = form.save_level() if form.is_valid() else ""
    if not sentence:
        raise invalid(errors_of(form.errors, members, "#/"))
    return saved(request, STOCK_LEVELS, form.instance.pk, sentence, is_new=is_new, undo_url=None)
