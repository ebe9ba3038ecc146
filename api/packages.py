"""Packages, and which clients have them."""

from ninja import Router

from api.access import needs
from api.clients import IN_USE
from api.fields import (
    MAYBE_MOMENT,
    MAYBE_WHOLE,
    MOMENT,
    TAGS,
    TEXT,
    WHOLE,
    Field,
    Fields,
    moment,
    named,
    reference,
    tags_of,
)
from api.resources import Resource
from dids.lists import records
from dids.models.client_packages import PACKAGE_STATES

router = Router(tags=["Packages"])

PACKAGE = Fields(
    "Package",
    [
        Field("id", lambda row: row.pk, WHOLE, "Its id", 5),
        Field("name", lambda row: row.name, TEXT, "Its name, unique in its reseller", "Office"),
        Field(
            "reseller",
            lambda row: named(row.reseller_id, row.reseller.name),
            reference(),
            "The reseller that offers it",
            {"id": 1, "name": "Arbor Voice"},
        ),
        Field(
            "did_limit", lambda row: row.did_limit, WHOLE, "Most numbers that a client may have with it", 20
        ),
        Field(
            "allowed_tags",
            lambda row: tags_of(row.allowed_tags),
            TAGS,
            "A number needs at least one of these tags; an empty list allows any number",
            ["gold"],
        ),
        Field(
            "hold_days",
            lambda row: row.hold_days,
            MAYBE_WHOLE,
            "Hold days of its numbers, 0 to 365; null for those of the operator or reseller",
            None,
        ),
        Field(
            "archived_at",
            lambda row: moment(row.archived_at),
            MAYBE_MOMENT,
            "When it was archived; null for one on offer",
            None,
        ),
        Field(
            "clients", lambda row: row.client_count, WHOLE, "For how many clients it runs", 14, usual=False
        ),
        Field("dids", lambda row: int(row.did_count), WHOLE, IN_USE, 130, usual=False),
    ],
)
CLIENT_PACKAGE = Fields(
    "ClientPackage",
    [
        Field("id", lambda row: row.pk, WHOLE, "Its id", 31),
        Field(
            "client",
            lambda row: named(row.client_id, row.client.name),
            reference(),
            "The client that has it",
            {"id": 9, "name": "Jarrow Dental"},
        ),
        Field(
            "package",
            lambda row: named(row.package_id, row.package.name),
            reference(),
            "The package",
            {"id": 5, "name": "Office"},
        ),
        Field(
            "reseller",
            lambda row: named(row.package.reseller_id, row.package.reseller.name),
            reference(),
            "The reseller of both",
            {"id": 1, "name": "Arbor Voice"},
        ),
        Field(
            "starts_at", lambda row: moment(row.starts_at), MOMENT, "When it begins", "2026-01-10T09:00:00Z"
        ),
        Field(
            "ends_at",
            lambda row: moment(row.ends_at),
            MAYBE_MOMENT,
            "When it ends (exclusive); null for one without an end",
            None,
        ),
        Field("active", lambda row: row.active, {"type": "boolean"}, "Whether it is switched on", True),
        Field(
            "state",
            lambda row: row.state,
            {"type": "string", "enum": [*PACKAGE_STATES]},
            "What follows from its dates and switch now",
            "running",
        ),
        Field("did_limit", lambda row: row.package.did_limit, WHOLE, "Most numbers that it allows", 20),
        Field("in_use", lambda row: row.in_use, WHOLE, "Numbers that count towards the limit", 12),
    ],
)
PACKAGES = Resource(
    records.PACKAGES,
    PACKAGE,
    "package",
    "packages",
    needs("clients.view_package"),
    frozenset({"clients", "dids"}),
)
CLIENT_PACKAGES = Resource(
    records.CLIENT_PACKAGES,
    CLIENT_PACKAGE,
    "client package",
    "client-packages",
    needs("dids.view_clientpackage"),
    frozenset({"state", "in_use"}),
)
PACKAGES.register(router)
CLIENT_PACKAGES.register(router)
