"""Packages, and which clients have them."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field as Member
from pydantic import StrictBool, StrictInt, StrictStr

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
from api.idempotency import once
from api.inputs import Body, form_data, sent
from api.problems import ProblemError, errors_of, invalid
from api.resources import Resource
from api.stops import HELD, RETURNED, reopen, returned, stay, stop
from api.writes import ALTHOUGH, NAME, Writes, client_of, documented, locked, saved
from clients.classes import CLASSES
from clients.models import Package
from didmgmt import clock
from dids import packages
from dids.forms.packages import EndForm, GiveForm, PackageForm
from dids.lists import records
from dids.models import ClientPackage
from dids.models.client_packages import PACKAGE_STATES
from dids.models.number_previews import Resumption

router = Router(tags=["Packages"])
_CLASSES: dict[str, Any] = {"type": "array", "items": {"type": "string", "enum": [*CLASSES]}}

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
            "allowed_classes",
            lambda row: row.allowed_classes.split(", ") if row.allowed_classes else [],
            _CLASSES,
            "The classes of numbers, by their pattern marks, that it may hold; an empty list allows any",
            [],
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
            "starts_at",
            lambda row: moment(row.starts_at),
            MOMENT,
            "When it begins",
            "2026-01-10T09:00:00.000000Z",
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


class PackageFields(Body):
    """A new package, or what an edit changes; the reseller may be left out if there is only one."""

    name: StrictStr | None = NAME
    reseller: StrictInt | None = Member(None, description="The id of the reseller that offers it")
    did_limit: StrictInt | None = Member(
        None, description="Most numbers a client may have with it", examples=[20]
    )
    allowed_tags: list[StrictStr] = Member([], description="A number needs one of these; [] for any number")
    allowed_classes: list[StrictStr] = Member(
        [],
        description="The classes of numbers that it may hold; [] for any",
        json_schema_extra={"items": _CLASSES["items"]},
    )
    hold_days: StrictInt | None = Member(None, description="0 to 365; null for those of the operator")
    although: StrictBool = ALTHOUGH


class NewClientPackage(Body):
    """A package for a client."""

    client: StrictInt | None = Member(None, description="The id of the client that gets it", examples=[9])
    package: StrictInt | None = Member(None, description="The id of a package of its reseller", examples=[5])
    starts_at: StrictStr = Member("", description="When it begins, such as 2026-05-03T14:00Z; now by default")
    ends_at: StrictStr | None = Member(None, description="When it ends (exclusive); null for no end")


class ClientPackageEdit(Body):
    """When a client’s package ends."""

    ends_at: StrictStr | None = Member(description="Null for no end; a time in the past ends it now")


Writes(
    PACKAGES,
    PackageForm,
    PackageFields,
    PackageFields,
    lambda _body, _user: Package(),
    ("clients.add_package", "clients.change_package", "clients.delete_package"),
).register(router)


@router.post(
    "/packages/{pk}/archive",
    operation_id="archive_package",
    summary="Archive a package",
    **documented(PACKAGES, done="Stopped", **HELD),
)
@needs("clients.change_package", "dids.change_clientpackage")
@once
def archive_package(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a package for all its clients, and give it to none until it is restored. Numbers go on Hold."""
    with transaction.atomic():
        return stop(request, PACKAGES, packages.archive_package(locked(request, PACKAGES, pk)), pk)


@router.post(
    "/packages/{pk}/restore",
    operation_id="restore_package",
    summary="Restore a package",
    **documented(PACKAGES),
)
@needs("clients.change_package", "dids.change_clientpackage")
@once
def restore_package(request: HttpRequest, pk: int) -> HttpResponse:
    """Offer an archived package again; it stays switched off for the clients that have it."""
    with transaction.atomic():
        return reopen(request, PACKAGES, locked(request, PACKAGES, pk))


@router.post(
    "/client-packages",
    operation_id="create_client_package",
    summary="Give a client a package",
    **documented(CLIENT_PACKAGES, 201),
)
@needs("dids.add_clientpackage")
@once
def create_client_package(request: HttpRequest, body: NewClientPackage) -> HttpResponse:
    """Give a client a package of its reseller. `Location` is the address of the client package."""
    given = ClientPackage(client=client_of(body, request.user))
    data = form_data({"package": body.package, "starts_at": body.starts_at, "ends_at": body.ends_at})
    data["starts_at"] = data["starts_at"] or clock.now().isoformat()
    form = GiveForm(data, instance=given, by=request.user, choices_url="")
    if not (form.is_valid() and form.give()):
        raise invalid(errors_of(form.errors, sent(body, NewClientPackage), "#/"))
    return saved(request, CLIENT_PACKAGES, given.pk, packages.given_to_client(given), is_new=True)


@router.patch(
    "/client-packages/{pk}",
    operation_id="edit_client_package",
    summary="End a client’s package",
    **documented(CLIENT_PACKAGES, done="Ended", perhaps=HELD),
)
@needs("dids.change_clientpackage")
def edit_client_package(request: HttpRequest, pk: int, body: ClientPackageEdit) -> HttpResponse:
    """Set or clear the end of a client’s package. A past one ends it now, and its numbers go on Hold."""
    with transaction.atomic():
        given = locked(request, CLIENT_PACKAGES, pk)
        form = EndForm(form_data({"ends_at": body.ends_at}), client_package=given)
        if not form.is_valid():
            raise invalid(errors_of(form.errors, {"ends_at": body.ends_at}, "#/"))
        ends_at = form.cleaned_data["ends_at"]
        if ends_at and ends_at <= clock.now():
            return stop(request, CLIENT_PACKAGES, packages.end_now(given, ends_at), pk)
        if form.has_changed():
            given.end_on(ends_at, by=request.user)
        return saved(request, CLIENT_PACKAGES, pk, packages.end_changed(given))


@router.post(
    "/client-packages/{pk}/deactivate",
    operation_id="deactivate_client_package",
    summary="Switch a client’s package off",
    **documented(CLIENT_PACKAGES, done="Stopped", **HELD),
)
@needs("dids.change_clientpackage")
@once
def deactivate_client_package(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a client’s package now. Its numbers go on Hold, and return if it is activated before holds end."""
    with transaction.atomic():
        return stop(request, CLIENT_PACKAGES, packages.deactivate(locked(request, CLIENT_PACKAGES, pk)), pk)


@router.post(
    "/client-packages/{pk}/activate",
    operation_id="activate_client_package",
    summary="Switch a client’s package on",
    **documented(CLIENT_PACKAGES, done="Resumed", **RETURNED),
)
@needs("dids.change_clientpackage")
@once
def activate_client_package(request: HttpRequest, pk: int) -> HttpResponse:
    """Start a client’s package, clear an end that has passed, and return its numbers from Hold."""
    with transaction.atomic():
        given = locked(request, CLIENT_PACKAGES, pk)
        try:
            result = given.activate(by=request.user)
        except ValidationError as refusal:
            raise ProblemError(409, "closed", refusal.messages[0]) from None
        sentence, effect = packages.activated(given, result), result or Resumption()
        return saved(request, CLIENT_PACKAGES, pk, sentence, returned=returned(effect), stay=stay(effect))
