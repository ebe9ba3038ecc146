"""Operators and resellers."""

from ninja import Router

from api.access import needs
from api.fields import MAYBE_WHOLE, TEXT, WHOLE, Field, Fields, named, reference
from api.resources import Resource
from dids.lists import records

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
