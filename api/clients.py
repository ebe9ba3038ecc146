"""Clients and their accounts."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field as Member
from pydantic import StrictBool, StrictInt, StrictStr

from api.access import needs
from api.fields import MAYBE_MOMENT, TEXT, WHOLE, Field, Fields, moment, named, reference
from api.idempotency import once
from api.inputs import Body
from api.resources import Resource
from api.stops import HELD, reopen, stop
from api.writes import ALTHOUGH, NAME, Writes, client_of, documented, locked
from clients.models import Account, Client
from dids import packages
from dids.forms.clients import AccountForm, ClientForm
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


class ClientFields(Body):
    """A new client, or what an edit changes; the reseller may be left out if there is only one."""

    name: StrictStr | None = NAME
    reseller: StrictInt | None = Member(None, description="The id of the reseller whose customer it is")
    although: StrictBool = ALTHOUGH


class AccountEdit(Body):
    """What an edit of an account changes."""

    name: StrictStr | None = NAME
    although: StrictBool = ALTHOUGH


class NewAccount(AccountEdit):
    """A new account."""

    client: StrictInt | None = Member(
        None, description="The id of the client that it belongs to", examples=[9]
    )


Writes(
    CLIENTS,
    ClientForm,
    ClientFields,
    ClientFields,
    lambda _body, _user: Client(),
    ("clients.add_client", "clients.change_client", "clients.delete_client"),
).register(router)
Writes(
    ACCOUNTS,
    AccountForm,
    NewAccount,
    AccountEdit,
    lambda body, user: Account(client=client_of(body, user)),
    ("clients.add_account", "clients.change_account", "clients.delete_account"),
).register(router)


@router.post(
    "/clients/{pk}/close",
    operation_id="close_client",
    summary="Close a client",
    **documented(CLIENTS, done="Stopped", **HELD),
)
@needs("clients.change_client", "dids.change_clientpackage")
@once
def close_client(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop all packages of a client, and give it no more until it is reopened. Its numbers go on Hold."""
    with transaction.atomic():
        return stop(request, CLIENTS, packages.close_client(locked(request, CLIENTS, pk)), pk)


@router.post(
    "/clients/{pk}/reopen", operation_id="reopen_client", summary="Reopen a client", **documented(CLIENTS)
)
@needs("clients.change_client", "dids.change_clientpackage")
@once
def reopen_client(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a closed client get packages again; those that it had stay switched off."""
    with transaction.atomic():
        return reopen(request, CLIENTS, locked(request, CLIENTS, pk))
