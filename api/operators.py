"""Operators and resellers."""

from ninja import Router
from pydantic import Field as Member
from pydantic import StrictBool, StrictInt, StrictStr

from api.access import needs
from api.fields import MAYBE_WHOLE, TEXT, WHOLE, Field, Fields, named, reference
from api.inputs import Body
from api.resources import Resource
from api.writes import ALTHOUGH, NAME, Writes, installation_wide
from clients.models import Reseller
from dids.forms.operators import OperatorForm, ResellerForm
from dids.lists import records
from operators.models import Operator

router = Router(tags=["Operators and resellers"])

OPERATOR = Fields(
    "Operator",
    [
        Field("id", lambda row: row.pk, WHOLE, "Its id", 3),
        Field("name", lambda row: row.name, TEXT, "Its name, unique in its reseller", "Northline"),
        Field(
            "reseller",
            lambda row: named(row.reseller_id, row.reseller.name),
            reference(),
            "The reseller that it and its numbers belong to",
            {"id": 1, "name": "Arbor Voice"},
        ),
        Field(
            "hold_days",
            lambda row: row.hold_days,
            MAYBE_WHOLE,
            "Hold days of its numbers, 0 to 365; null for those of its reseller",
            None,
        ),
        Field("dids", lambda row: row.did_count, WHOLE, "How many numbers it provides", 1200, usual=False),
    ],
)
RESELLER = Fields(
    "Reseller",
    [
        Field("id", lambda row: row.pk, WHOLE, "Its id", 1),
        Field("name", lambda row: row.name, TEXT, "Its name, which is unique", "Arbor Voice"),
        Field(
            "hold_days",
            lambda row: row.hold_days,
            MAYBE_WHOLE,
            "Hold days of its numbers, 0 to 365; null for the default of the installation",
            30,
        ),
        Field(
            "operators", lambda row: row.operator_count, WHOLE, "How many operators it has", 4, usual=False
        ),
        Field("clients", lambda row: row.client_count, WHOLE, "How many clients it has", 85, usual=False),
        Field("packages", lambda row: row.package_count, WHOLE, "How many packages it has", 6, usual=False),
        Field("dids", lambda row: row.did_count, WHOLE, "How many numbers it has", 41000, usual=False),
    ],
)
OPERATORS = Resource(
    records.OPERATORS,
    OPERATOR,
    "operator",
    "operators",
    needs("operators.view_operator"),
    frozenset({"dids"}),
)
RESELLERS = Resource(
    records.RESELLERS,
    RESELLER,
    "reseller",
    "resellers",
    needs("clients.view_reseller"),
    frozenset({"operators", "clients", "packages", "dids"}),
)
OPERATORS.register(router)
RESELLERS.register(router)


class OperatorEdit(Body):
    """What an edit of an operator changes."""

    name: StrictStr | None = NAME
    reseller: StrictInt | None = Member(
        None, description="The id of the reseller that it belongs to", examples=[1]
    )
    hold_days: StrictInt | None = Member(None, description="0 to 365; null for those of its reseller")
    although: StrictBool = ALTHOUGH


class NewOperator(OperatorEdit):
    """A new operator; the reseller may be left out if there is only one."""

    new_reseller: StrictStr | None = Member(
        None, description="The name of the first reseller, which is created if there is none yet"
    )


class ResellerEdit(Body):
    """A new reseller, or what an edit changes."""

    name: StrictStr | None = NAME
    hold_days: StrictInt | None = Member(None, description="0 to 365; null for the installation’s")
    although: StrictBool = ALTHOUGH


Writes(
    OPERATORS,
    OperatorForm,
    NewOperator,
    OperatorEdit,
    lambda _body, _user: Operator(),
    ("operators.add_operator", "operators.change_operator", "operators.delete_operator"),
).register(router)
Writes(
    RESELLERS,
    ResellerForm,
    ResellerEdit,
    ResellerEdit,
    lambda _body, _user: Reseller(),
    ("clients.add_reseller", "clients.change_reseller", "clients.delete_reseller"),
    installation_wide,
).register(router)
