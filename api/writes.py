"""Create, edit and delete records that have names, through the forms of the screens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router
from pydantic import Field

import audit
from api.access import found, lacks, needs, with_id
from api.examples import example_of
from api.facts import conditional
from api.fields import MAYBE_TEXT, MAYBE_WHOLE, TEXT, answer, component_reference
from api.idempotency import once
from api.inputs import Body, form_data, sent
from api.problems import ProblemError, errors_of, invalid
from api.records import changed, expected_version
from api.resources import Resource
from clients.models import Client
from clients.names import clean_name
from didmgmt.forms import Form
from dids.forms.records import RecordForm, saved_sentence

NAME: Any = Field(None, description="Its name", examples=["Northline"])
ALTHOUGH: Any = Field(
    False, description="Whether the name is wanted although there is one that looks alike", examples=[False]
)


def installation_wide(permission: str, admits: Callable[[Any], Any] | None = None) -> Callable[[Any], Any]:
    """Admit users with the permission who are not bound to a reseller, for what all resellers share.

    ``admits``: another decorator that admits users with the permission, such as by a scope.
    """

    def guard(operation: Any) -> Any:
        @wraps(operation)
        def unbound(request: Any, *args: Any, **kwargs: Any) -> Any:
            if request.user.reseller_id:
                raise lacks(permission)
            return operation(request, *args, **kwargs)

        return (admits or needs(permission))(unbound)

    return guard


@dataclass(frozen=True)
class Writes:
    """The operations that write one kind of record.

    ``created`` and ``edited``: the classes of the bodies. ``new(body, user)``: the record to create, unsaved.
    ``rights``: the permissions to create, edit and delete; ``guard`` makes decorators of them.
    """

    resource: Resource
    form: type[RecordForm]
    created: type[Body]
    edited: type[Body]
    new: Callable[[Any, Any], Any]
    rights: tuple[str, str, str]
    guard: Callable[[str], Callable[[Any], Any]] = needs

    def register(self, router: Router) -> None:
        """Add the operations."""
        path, noun, a_noun = self.resource.path, self.resource.noun, self.resource.a_noun
        may_create, may_edit, may_delete = map(self.guard, self.rights)

        def create(request: HttpRequest, body: Any) -> HttpResponse:
            return self.save(request, self.new(body, request.user), body)

        def edit(request: HttpRequest, pk: int, body: Any) -> HttpResponse:
            with transaction.atomic():
                return self.save(request, locked(request, self.resource, pk), body)

        def delete(request: HttpRequest, pk: int) -> HttpResponse:
            with transaction.atomic():
                return self.delete(request, locked(request, self.resource, pk))

        create.__annotations__["body"], edit.__annotations__["body"] = self.created, self.edited
        router.post(
            f"/{path}",
            operation_id=f"create_{noun}",
            summary=f"Create {a_noun}",
            description=f"Create {a_noun}. `Location` is its address.",
            **documented(self.resource, 201),
        )(may_create(once(create)))
        router.patch(
            f"/{path}/{{pk}}",
            operation_id=f"edit_{noun}",
            summary=f"Edit {a_noun}",
            description="Change what the body names. `If-Match` refuses to change what has changed since.",
            **documented(self.resource),
        )(may_edit(conditional(edit)))
        router.delete(
            f"/{path}/{{pk}}",
            operation_id=f"delete_{noun}",
            summary=f"Delete {a_noun}",
            description="Delete it unless other records use it; its history remains.",
            **documented_deletion(),
        )(may_delete(conditional(delete)))

    def save(self, request: HttpRequest, record: Any, body: Body) -> HttpResponse:
        """Write the record as the body says and answer with it. Raises ProblemError if it is refused."""
        user, is_new = request.user, record.pk is None
        members = sent(body, type(body))
        form = self.form(self._data(record, members, user), instance=record, by=user)
        if not (form.is_valid() and form.save_record()):
            raise invalid(errors_of(form.errors, members, "#/"))
        return saved(request, self.resource, record.pk, saved_sentence(record, form.note), is_new=is_new)

    def _data(self, record: Any, members: dict[str, Any], user: Any) -> dict[str, str]:
        """Return what the form would send: its values, replaced by those that the body has."""
        blank = self.form(instance=record, by=user)
        shown = {name: blank.get_initial_for_field(field, name) for name, field in blank.fields.items()}
        data = form_data(shown | members)
        if members.get("although"):
            data["although"] = clean_name(data.get("name", ""))
        else:
            data.pop("although", None)
        return data

    def delete(self, request: HttpRequest, record: Any) -> HttpResponse:
        if uses := record.delete_unused(by=request.user):
            raise ProblemError(409, "in_use", record.in_use_sentence(uses), uses=uses)
        return answer(done(request, record.deleted_sentence))


def documented(
    resource: Resource,
    status: int = 200,
    *,
    done: str = "Written",
    perhaps: Mapping[str, Any] = MappingProxyType({}),
    **facts: dict[str, Any],
) -> dict[str, Any]:
    """Return the keyword arguments of an operation that answers with ``saved``; ``facts``: their schemas.

    ``done``: what was done to the record, which begins the name of the answer’s type. ``perhaps``: the
    schemas of facts that only some answers have.
    """
    name = resource.noun.replace(" ", "_")
    record = {name: component_reference(resource.fields.noun)}
    example = _EXAMPLE | {name: resource.fields.example()}
    example |= {fact: example_of(schema, {}) for fact, schema in facts.items()}
    answers = _answers(status, f"{done}{resource.fields.noun}", record | facts, example, perhaps)
    return {"response": {status: None}, "openapi_extra": answers}


def documented_deletion() -> dict[str, Any]:
    """Return the keyword arguments of an operation that answers with ``done`` alone."""
    return {"response": {200: None}, "openapi_extra": _answers(200, "Deleted", {}, _EXAMPLE)}


def _answers(
    status: int,
    title: str,
    members: dict[str, Any],
    example: dict[str, Any],
    perhaps: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    required = _DONE | members
    schema = {
        "type": "object",
        "title": title,
        "required": [*required],
        "properties": required | dict(perhaps),
    }
    content = {"application/json": {"schema": schema, "example": example}}
    return {"responses": {status: {"description": "What was done", "content": content}}}


_DONE: dict[str, Any] = {
    "sentence": TEXT,
    "change": {**MAYBE_WHOLE, "description": "The id of the change, null if nothing was written"},
    "undo_url": {
        **MAYBE_TEXT,
        "description": "The page where a person undoes the change, null if nothing was written",
    },
}
_EXAMPLE = {
    "sentence": "Saved.",
    "change": 4711,
    "undo_url": "https://did.example/audit/4711/undo/",
}


def locked(request: HttpRequest, resource: Resource, pk: int) -> Any:
    """Return the record that a request writes, locked, on condition of ``If-Match``.

    Call it in a transaction. Raises Http404, and ProblemError if the record has changed since.
    """
    version, user = expected_version(request), request.user
    visible = with_id(resource.records.model.objects.visible_to(user), pk)
    rows = visible.select_for_update(no_key=True, of=("self",))
    record = found(rows.first(), f"{resource.noun} {pk}")
    if version is not None and version != (current := resource.version(pk)):
        (state,) = resource.fields.objects([resource.row(pk, user)], resource.fields.usual)
        raise changed(state, current)
    return record


def saved(
    request: HttpRequest, resource: Resource, pk: int, sentence: str, *, is_new: bool = False, **facts: Any
) -> HttpResponse:
    """Answer with the sentence, the change and the record as it is now."""
    row, name = resource.row(pk, request.user), resource.noun.replace(" ", "_")
    (record,) = resource.fields.objects([row], resource.fields.usual)
    headers = {"ETag": f'"{resource.version(pk) or 0}"'}
    if is_new:
        headers["Location"] = reverse(f"api:get_{name}", args=[pk])
    body = done(request, sentence) | facts | {name: record}
    return answer(body, status=201 if is_new else 200, headers=headers)


def done(request: Any, sentence: str) -> dict[str, Any]:
    """Return what was done; ``change`` is null if nothing was written.

    ``undo_url``: the page where a person undoes the change. It needs that person’s right, not the token’s.
    """
    change = audit.latest()
    undo = request.build_absolute_uri(reverse("audit:undo", args=[change])) if change else None
    return {"sentence": sentence, "change": change, "undo_url": undo}


class _ClientForm(Form):
    """Choose the client that a new record belongs to."""

    client = forms.ModelChoiceField(queryset=Client.objects.none())

    def __init__(self, data: Mapping[str, Any], *, by: Any) -> None:
        super().__init__(data)
        field: Any = self.fields["client"]
        field.queryset = Client.objects.visible_to(by)


def client_of(body: Any, user: Any) -> Client:
    """Return the client whose id the body has; raise ProblemError if the user can't see it."""
    form = _ClientForm({"client": body.client}, by=user)
    if not form.is_valid():
        raise invalid(errors_of(form.errors, {"client": body.client}, "#/"))
    client: Client = form.cleaned_data["client"]
    return client
