"""Clients and their accounts."""

from ninja import Router

from api.access import needs
from api.fields import MAYBE_MOMENT, TEXT, WHOLE, Field, Fields, moment, named, reference
from api.resources import Resource
from dids.lists import records
from dids.lists.row_counts import COUNTED_TO

router = Router(tags=["Clients and accounts"])
IN_USE = f"How many of its numbers are Active or Blocked; at most {COUNTED_TO:,} are counted"

CLIENT = Fields(
    "Client",
    [
        Field("id", lambda row: row.pk, WHOLE, "Its id", 9),
        Field("name", lambda row: row.name, TEXT, "Its name, unique in its reseller", "Jarrow Dental"),
        Field(
            "reseller",
            lambda row: named(row.reseller_id, row.reseller.name),
            reference(),
            "The reseller whose customer it is",
            {"id": 1, "name": "Arbor Voice"},
        ),
        Field(
            "closed_at",
            lambda row: moment(row.closed_at),
            MAYBE_MOMENT,
            "When it was closed; null for an open one",
            None,
        ),
        Field("accounts", lambda row: row.account_count, WHOLE, "How many accounts it has", 2, usual=False),
        Field(
            "packages", lambda row: row.package_count, WHOLE, "How many of its packages run", 1, usual=False
        ),
        Field("dids", lambda row: int(row.did_count), WHOLE, IN_USE, 12, usual=False),
    ],
)
ACCOUNT = Fields(
    "Account",
    [
        Field("id", lambda row: row.pk, WHOLE, "Its id", 12),
        Field("name", lambda row: row.name, TEXT, "Its name, unique in its client", "jarrow_dental"),
        Field(
            "client",
            lambda row: named(row.client_id, row.client.name),
            reference(),
            "The client that it belongs to",
            {"id": 9, "name": "Jarrow Dental"},
        ),
        Field(
            "reseller",
            lambda row: named(row.client.reseller_id, row.client.reseller.name),
            reference(),
            "The reseller of its client",
            {"id": 1, "name": "Arbor Voice"},
        ),
        Field("dids", lambda row: int(row.did_count), WHOLE, IN_USE, 12, usual=False),
        Field(
            "on_hold",
            lambda row: int(row.hold_count),
            WHOLE,
            f"How many of its numbers are on Hold; at most {COUNTED_TO:,} are counted",
            0,
            usual=False,
        ),
    ],
)
CLIENTS = Resource(
    records.CLIENTS,
    CLIENT,
    "client",
    "clients",
    needs("clients.view_client"),
    frozenset({"accounts", "packages", "dids"}),
)
ACCOUNTS = Resource(
    records.ALL_ACCOUNTS,
    ACCOUNT,
    "account",
    "accounts",
    needs("clients.view_account"),
    frozenset({"dids", "on_hold"}),
)
CLIENTS.register(router)
ACCOUNTS.register(router)
