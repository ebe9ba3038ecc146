"""The OpenAPI document: what django-ninja knows of types, and what lists, fields and refusals add to it."""

import re
from collections.abc import Iterable
from copy import deepcopy
from http import HTTPStatus
from typing import Any

import django_filters
from django import forms
from ninja import NinjaAPI

from api.examples import add_examples
from api.facts import Facts
from api.fields import ID, RECORD, TEXT, Named, component_reference
from api.idempotency import LONGEST as LONGEST_KEY
from api.links import add_links
from api.lists import MOST, USUAL
from api.streams import CSV, NDJSON
from didmgmt.choices import NAMED
from didmgmt.fields import CalendarInput
from didmgmt.filters import LONGEST, VALUES_MOST, FilterSet
from didmgmt.problems import PREFIX, TYPE
from staff.rights import in_words

ABOUT = """
Everything that people do on the screens, by HTTP, with the same rules, rights and sentences.

Send a token with each request: `Authorization: Bearer did_…`. A token has at most the rights of its owner.

Lists end with `next`, the URL of the next page, or null. A refusal is a problem (RFC 9457) with a sentence
for people and a code for programs; `errors` names each invalid value.
"""
# {status: (name of the component, when it is answered)}
PROBLEMS = {
    400: ("Unreadable", "The request can’t be read"),
    401: ("NoToken", "There is no token, or it can’t be used"),
    403: ("Forbidden", "The token lacks a right; the sentence names it"),
    404: ("NotFound", "There is no such record, or it belongs to another reseller"),
    406: ("NotAcceptable", "The address doesn’t answer with a type that `Accept` names"),
    409: ("Conflict", "The state of the record does not allow it; `current` is the record as it is"),
    413: ("TooLarge", "The body is larger than the server accepts; the sentence says how large it may be"),
    412: ("Changed", "The record has changed since `If-Match`; `current` is the record as it is"),
    415: ("UnsupportedType", "The body has another `Content-Type` or `Content-Encoding` than is read"),
    422: ("Invalid", "Values are invalid; `errors` names each of them"),
    429: ("TooMany", "Too many requests; try again after `Retry-After` seconds"),
    503: ("Unavailable", "The database is busy or down; try again after `Retry-After` seconds"),
}
_WRITES = ("post", "patch", "put", "delete")


def document(api: NinjaAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of all operations."""
    found: dict[str, Any] = deepcopy(dict(api.get_openapi_schema(path_prefix=f"{PREFIX}v1/")))
    found["info"]["description"] = ABOUT.strip()
    found.pop("servers", None)
    components = found["components"]
    components["schemas"] |= {
        "Problem": _PROBLEM,
        "InvalidValue": _ERROR,
        Named.__name__: Named.model_json_schema(),
    }
    components["responses"] = {name: _problem(status) for status, (name, _) in PROBLEMS.items()}
    components["responses"]["TooLong"] = _TOO_LONG
    operations = {operation.operation_id: operation for operation in _operations(api)}
    for path, methods in found["paths"].items():
        for method, one in methods.items():
            operation = operations[one["operationId"]]
            _add_rights(one, operation.view_func)
            _add_headers(one, operation.view_func)
            one["responses"] = {str(status): answer for status, answer in one["responses"].items()}
            if about := getattr(operation.view_func, "facts", None):
                _add_answer(one, about, components["schemas"])
            _name_answers(one, components["schemas"])
            add_examples(one, components["schemas"])
            _add_problems(one, method, path, public="security" not in one)
    _refer_to_records(components["schemas"])
    add_links(found["paths"], components["schemas"])
    return found


def _operations(api: NinjaAPI) -> list[Any]:
    return [
        operation
        for bound in api._get_bound_routers()
        for view in bound.path_operations.values()
        for operation in view.operations
    ]


def _add_rights(one: dict[str, Any], view: Any) -> None:
    """Say which rights an operation needs, in words and for programs."""
    permissions, scope = getattr(view, "permissions", ()), getattr(view, "scope", "")
    words = _quoted(permissions)
    if words:
        one["x-permissions"] = [*permissions]
        one["description"] = f"{one.get('description', '')}\n\nNeeds the right {' and '.join(words)}.".strip()
    if rights := getattr(view, "rights", {}):
        one["x-permissions-for"] = {what: [*any_of] for what, any_of in rights.items()}
        ways = [f"- {what}: {' or '.join(_quoted(any_of))}" for what, any_of in rights.items()]
        one["description"] += f"\n\nAlso needs, for\n{chr(10).join(ways)}"
    if scope:
        one["x-scope"] = scope
        one["description"] = f"{one.get('description', '')}\n\nNeeds a token with {scope}.".strip()


def _quoted(permissions: Iterable[str]) -> list[str]:
    return [f"“{in_words(permission)}”" for permission in permissions]


def _add_headers(one: dict[str, Any], view: Any) -> None:
    """Add the headers that a write takes."""
    if getattr(view, "once", False):
        one["parameters"].append(_IDEMPOTENCY_KEY)
    if getattr(view, "conditional", False):
        one["parameters"].append(_IF_MATCH)


def _add_answer(one: dict[str, Any], facts: Facts, schemas: dict[str, Any]) -> None:
    fields = facts.fields
    reference, example = _component(fields.noun, fields.schema(), schemas), fields.example()
    if facts.filterset is None:
        headers = {"ETag": {"schema": TEXT, "description": "For If-None-Match and If-Match"}}
        one["responses"]["200"] = _json(reference, example, "The record") | {"headers": headers}
        one["parameters"] += [_fields_parameter(fields), _IF_NONE_MATCH]
        one["responses"]["304"] = {"description": "The record is as it was when the client read it"}
        return
    page = {
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": reference},
            "next": {"type": ["string", "null"], "format": "uri", "description": "The URL of the next page"},
            "count": {"type": "integer", "description": "All matching records, with `count=true`"},
        },
    }
    page = _component(f"{fields.noun}Page", page, schemas)
    one["responses"]["200"] = _json(page, {"items": [example], "next": None}, "A page of the list")
    one["responses"]["200"]["content"] |= {CSV: {"schema": TEXT}, NDJSON: {"schema": reference}}
    one["responses"]["406"] = {"$ref": "#/components/responses/NotAcceptable"}
    one["parameters"] += [*_filter_parameters(facts.filterset, facts.without), *_page_parameters(facts)]


def _name_answers(one: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Move the schemas of answers that are objects with a title to the components."""
    for answer in one["responses"].values():
        for content in answer.get("content", {}).values():
            schema = content.get("schema", {})
            if "properties" in schema and "title" in schema:
                content["schema"] = _component(schema["title"], schema, schemas)


def _refer_to_records(schemas: dict[str, Any]) -> None:
    """Replace the schemas of members that are marked as records, or lists of them, unknown to pydantic."""
    for schema in schemas.values():
        for name, member in schema.get("properties", {}).items():
            if noun := member.pop(RECORD, ""):
                record = component_reference(noun)
                is_list = member.get("type") == "array"
                schema["properties"][name] = {**member, "items": record} if is_list else record


def _component(name: str, schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Add a schema to the components, which become types of generated clients; return its reference."""
    schemas.setdefault(name, schema)
    return component_reference(name)


def _json(schema: dict[str, Any], example: Any, about: str) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": schema, "example": example}}}


# --- parameters of lists ------------------------------------------------------------------------------


def _filter_parameters(filterset: type[FilterSet], without: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the parameters of a list's filterset."""
    found = []
    for name in filterset.names():
        if name in without:
            continue
        one = filterset.base_filters.get(name)
        if one is None:
            label = filterset.base_filters[name.removesuffix(NAMED)].label
            about = f"{label}: all whose names contain this text"
            found.append(_parameter(name, _WORDS, about))
        else:
            schema = _schema_of(one)
            kind = {"integer": " by its id", "array": ", any of several"}.get(schema["type"], "")
            kind = ", any of several ids" if schema.get("items") == ID else kind
            about = ". ".join(filter(None, [f"{one.label}{kind}", str(one.extra.get("help_text", ""))]))
            found.append(_parameter(name, schema, about))
    return found


def _schema_of(one: django_filters.Filter) -> dict[str, Any]:
    """Return the JSON schema of a filter's values."""
    field = one.field_class
    if issubclass(field, forms.ModelMultipleChoiceField):
        key = _WORDS if one.extra.get("to_field_name") else ID
        return {"type": "array", "items": key, "maxItems": VALUES_MOST}
    if issubclass(field, forms.ModelChoiceField):
        return ID
    choices = one.extra.get("choices")
    if choices is not None:
        keys = [key for key, _ in (choices() if callable(choices) else choices)]
        keyed = {"type": "string", "enum": keys}
        many = issubclass(field, forms.MultipleChoiceField)
        return {"type": "array", "items": keyed, "maxItems": VALUES_MOST} if many else keyed
    widget = one.extra.get("widget") or field.widget
    if isinstance(widget, CalendarInput) or (isinstance(widget, type) and issubclass(widget, CalendarInput)):
        day = issubclass(field, forms.DateField) and not issubclass(field, forms.DateTimeField)
        return {"type": "string", "format": "date" if day else "date-time"}
    return _WORDS


def _page_parameters(facts: Facts) -> list[dict[str, Any]]:
    sorts = [key for one in facts.sorts for key in (one, f"-{one}")]
    return [
        _parameter(
            "sort",
            {"type": "string", "enum": sorts, "default": facts.default},
            "The order; a minus reverses it. Values that are missing come last",
        ),
        _parameter(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
            "Most records of a page",
        ),
        _parameter(
            "after",
            {"type": "string", "minLength": 1},
            "Where the page begins. Take the URL in `next` instead of making one",
        ),
        _fields_parameter(facts.fields),
        _parameter(
            "count",
            {"type": "boolean", "default": False},
            "Whether to count all matches, which takes longer the more there are",
        ),
    ]


def _fields_parameter(fields: Any) -> dict[str, Any]:
    names = {"type": "array", "items": {"type": "string", "enum": [*fields.all]}}
    about = "The fields to answer with, separated by commas or as repeated parameters"
    return _parameter("fields", names, about) | {"style": "form", "explode": False}


def _parameter(name: str, schema: dict[str, Any], about: str) -> dict[str, Any]:
    return {"in": "query", "name": name, "required": False, "schema": schema, "description": f"{about}."}


_WORDS = {"type": "string", "minLength": 1, "maxLength": LONGEST}
_IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "required": False,
    "schema": TEXT,
    "description": "The ETag of an earlier answer: 304 without a body if the record is still the same.",
}
_IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "schema": TEXT,
    "description": "The ETag of an earlier answer: 412 with the record as it is if it has changed since.",
}
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "maxLength": LONGEST_KEY},
    "description": (
        "Any text of your own, such as a UUID: the same request with the same key is carried out once and"
        " answered alike for 24 hours. Another request with it is refused."
    ),
}


# --- refusals -----------------------------------------------------------------------------------------


def _add_problems(one: dict[str, Any], method: str, path: str, *, public: bool) -> None:
    """Add the refusals that an operation can answer with, besides those that it names itself."""
    statuses = {429, 503} if public else {401, 403, 422, 429, 503}
    if "{" in path:
        statuses |= {404, 422}
    if method in _WRITES:
        statuses |= {400, 404, 409, 412}
    for status in sorted(statuses):
        name, _ = PROBLEMS[status]
        one["responses"].setdefault(str(status), {"$ref": f"#/components/responses/{name}"})
    one["responses"]["431"] = {"$ref": "#/components/responses/TooLong"}


# The web server refuses it before it knows what the request is about.
_TOO_LONG = {
    "description": "The address and the headers are longer than 128 KB, which is answered in plain text.",
    "content": {"text/plain": {"schema": TEXT}},
}


def _problem(status: int) -> dict[str, Any]:
    _, about = PROBLEMS[status]
    content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if example := _EXAMPLES.get(status):
        content["example"] = example
    answer: dict[str, Any] = {"description": f"{about}.", "content": {TYPE: content}}
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    return answer


def _example(status: int, code: str, sentence: str, **members: Any) -> dict[str, Any]:
    head = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    return head | {"code": code, "detail": sentence} | members


_EXAMPLES = {
    404: _example(404, "not_found", "There is no number 442071838750."),
    422: _example(
        422,
        "invalid",
        "The request has invalid values; “errors” names each of them. Nothing was changed.",
        errors=[
            {
                "pointer": "?status",
                "value": "gone",
                "sentence": "There is no status “gone”.",
                "code": "invalid_choice",
            }
        ],
    ),
}
_ERROR = {
    "type": "object",
    "title": "InvalidValue",
    "required": ["pointer", "sentence", "code"],
    "properties": {
        "pointer": {
            "type": "string",
            "description": (
                "#/status for a member of the body, #/rows/17/status for the column of a line of it,"
                " ?status for a parameter, or a header"
            ),
        },
        "value": {"description": "What was sent"},
        "sentence": {"type": "string", "description": "For people"},
        "code": {"type": "string", "description": "For programs"},
    },
}
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "A refusal (RFC 9457)",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "The reason, for programs"},
        "detail": {"type": "string", "description": "The reason and what to do, for people"},
        "errors": {"type": "array", "items": component_reference("InvalidValue")},
    },
    "additionalProperties": True,
}


def anchor(path: str, method: str) -> str:
    """Return the id of an operation on the reference page."""
    return re.sub(r"\W+", "-", f"{method} {path}").strip("-")
