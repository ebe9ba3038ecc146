"""Members of JSON bodies as the forms of the screens read them, and their errors by JSON pointers."""

from collections.abc import Mapping
from typing import Any

from django.forms import BaseForm
from ninja import Schema
from pydantic import ConfigDict, Field, StrictInt, StrictStr

from api.access import lacks
from api.problems import error, errors_of, invalid
from clients.models import Account
from didmgmt import clock
from dids.forms.ageing import OverrideForm
from dids.forms.numbers import ChooseClientForm, HolderForm
from dids.forms.reservations import DATE, NO_END, ReserveForm
from dids.lifecycle import statuses as st
from dids.models import ClientPackage, Reservation
from dids.models.ageing import OVERRIDE

ENDS = "When it ends, such as 2026-12-05T23:59Z; a day alone means 23:59; null for no end"
_FREE: dict[str, Any] = {"enum": list(st.FREE)}
_ANY: dict[str, Any] = {"enum": list(st.LABELS)}


OVERRIDE_REASON = (
    "Why numbers are assigned before their minimum hold is over; needs the right to override ageing, and is"
    " kept with the change"
)
OVERRIDES = {"override_reason": (OVERRIDE,)}


class Body(Schema):
    """A JSON object whose members are all known."""

    model_config = ConfigDict(extra="forbid")


class NewFields(Body):
    """What new numbers have."""

    operator: StrictInt = Field(description="The id of the operator that provides the numbers", examples=[3])
    status: str = Field(st.INSTOCK, description="Their first status", json_schema_extra=_FREE)
    after_hold: str = Field(st.INSTOCK, description="The status after a hold", json_schema_extra=_FREE)
    hold_days: StrictInt | None = Field(None, description="0 to 365; null inherits", examples=[30])
    tags: list[str] = Field([], description="Their tags", examples=[["gold"]])
    notes: str = Field("", description="Up to 500 characters")


class DIDEdit(Body):
    """What an edit changes; members that are left out stay as they are."""

    status: str | None = Field(None, description="The status to move to", json_schema_extra=_ANY)
    after_hold: str | None = Field(None, description="The status after a hold", json_schema_extra=_FREE)
    hold_days: StrictInt | None = Field(None, description="0 to 365; null inherits", examples=[30])
    tags: list[str] | None = Field(None, description="The tags that replace all others", examples=[["gold"]])
    notes: str | None = Field(None, description="Up to 500 characters")


class Assignment(Body):
    """Who gets numbers. What is left out is the only one that is possible."""

    client: StrictInt | None = Field(None, description="The id of the client; by default that of its package")
    client_package: StrictInt | None = Field(
        None, description="The id of the client’s package", examples=[31]
    )
    account: StrictInt | None = Field(None, description="The id of the client’s account", examples=[12])
    override_reason: str | None = Field(None, description=OVERRIDE_REASON)


class ReservationFields(Body):
    """For whom and what numbers are kept, and until when."""

    client: StrictInt | None = Field(None, description="The id of the client, or null for a name")
    name: StrictStr = Field("", description="A name, such as that of a prospect", examples=["Orsini"])
    purpose: StrictStr = Field("", description="What for; required", examples=["Trial"])
    ends_at: StrictStr | None = Field(None, description=ENDS)


def form_data(members: Mapping[str, Any]) -> dict[str, str]:
    """Return members of a body as the fields of a form. Raises ProblemError for an unusable tag."""
    return {name: _text(name, value) for name, value in members.items()}


def members(body: Schema, fields: type[Schema]) -> dict[str, Any]:
    """Return the members that ``fields`` describes, with their defaults where they were left out."""
    return {name: getattr(body, name) for name in fields.model_fields}


def sent(body: Schema, fields: type[Schema]) -> dict[str, Any]:
    """Return the members that ``fields`` describes and the body has."""
    return {name: getattr(body, name) for name in fields.model_fields if name in body.model_fields_set}


def _text(name: str, value: Any) -> str:
    if isinstance(value, list):
        wrong = [
            error(f"#/{name}/{place}", tag, "A tag has no comma or semicolon: write each tag by itself.")
            for place, tag in enumerate(value)
            if "," in tag or ";" in tag
        ]
        if wrong:
            raise invalid(wrong)
        return ", ".join(value)
    return "" if value is None else str(value)


def check(form: BaseForm, names: Mapping[str, str] | None = None) -> None:
    """Raise ProblemError if the form is invalid; ``names``: fields that the body calls otherwise."""
    if not form.is_valid():
        raise invalid(errors_by_name(form, names or {}))


def errors_by_name(form: BaseForm, names: Mapping[str, str]) -> list[dict[str, Any]]:
    renamed = {f"#/{field}": f"#/{name}" for field, name in names.items()}
    listed = errors_of(form.errors, form.data, "#/")
    return [one | {"pointer": renamed.get(one["pointer"], one["pointer"])} for one in listed]


def holder_of(body: Schema, user: Any) -> tuple[ClientPackage, Account]:
    """Return (client package, account) that the body chooses, as the dialog for assigning does."""
    chosen = sent(body, Assignment)
    clients = ChooseClientForm({"client": _client_of(chosen, user)}, by=user)
    check(clients)
    data = {"package": chosen.get("client_package"), "account": chosen.get("account")}
    client = clients.cleaned_data["client"]
    form = HolderForm.of(data, client=client, now=clock.now(), required=True)
    check(form, {"package": "client_package"})
    return form.holder


def reserve_form(body: Schema, user: Any, numbers: str | None = None) -> ReserveForm:
    """Return the valid form that ``ReservationFields`` of the body fill; ``numbers``: None if selected.

    Raises ProblemError for invalid values.
    """
    given: Any = body
    name = given.name or ""
    has_client = given.client is not None
    if has_client and name.strip():
        raise invalid([error("#/name", name, "Name a client or a name, not both.", "both")])
    data = {} if numbers is None else {"numbers": numbers}
    data |= {
        "whom": ReserveForm.CLIENT if has_client else ReserveForm.NAME,
        "client": str(given.client) if has_client else "",
        "name": name,
        "purpose": given.purpose or "",
        "ends": NO_END if given.ends_at is None else DATE,
        "ends_at": given.ends_at or "",
    }
    form = ReserveForm(data, by=user, is_selected=numbers is None)
    check(form)
    return form


def reservation_of(form: ReserveForm, numbers: Any, count: int) -> Reservation:
    """Return the unsaved reservation of the form for ``numbers``. Raises ProblemError if it is impossible."""
    draft: Reservation | None = form.draft(numbers, count)
    if draft is None:
        raise invalid(errors_by_name(form, {}))
    return draft


def override_of(body: Schema, user: Any) -> str:
    """Return the reason to override ageing, "" without one. Raises ProblemError without the right."""
    reason = getattr(body, "override_reason", None) or ""
    if reason and not user.has_perm(OVERRIDE):
        raise lacks(OVERRIDE)
    form = OverrideForm({"override": reason}, by=user)
    check(form, {"override": "override_reason"})
    return form.reason


def _client_of(chosen: Mapping[str, Any], user: Any) -> Any:
    """Return the id of the client, that of the package or account if none is given."""
    if chosen.get("client") is not None:
        return chosen["client"]
    for name, model in (("client_package", ClientPackage), ("account", Account)):
        if chosen.get(name) is not None and abs(chosen[name]) < 2**63:
            found = model.objects.visible_to(user).filter(pk=chosen[name])
            client = found.values_list("client", flat=True).first()
            if client is None:
                sentence = "This record doesn’t exist, or you don’t have access to it. Choose another one."
                raise invalid([error(f"#/{name}", chosen[name], sentence, "invalid_choice")])
            return client
    return None
