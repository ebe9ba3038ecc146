"""What the API answers instead of a result: problem details with the sentences that screens show."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.forms import BaseForm
from django.forms.utils import ErrorDict
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from ninja import NinjaAPI
from ninja.errors import HttpError
from ninja.errors import ValidationError as InputError
from ninja.parser import Parser

from didmgmt.parameters import named_parameter_errors
from didmgmt.problems import problem
from didmgmt.text import shorten

INVALID = "The request has invalid values; “errors” names each of them. Nothing was changed."


class ProblemError(Exception):
    """Refuse a request with ``status``, a ``code`` for programs and a ``sentence`` for people.

    ``errors``: {pointer, value, sentence, code} of each invalid value. A pointer is "#/status" for a member
    of the body (RFC 6901), "?status" for a query parameter, or the name of a header. ``members``: further
    facts.
    """

    def __init__(
        self,
        status: int,
        code: str,
        sentence: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(sentence)
        self.http_status, self.code, self.sentence = status, code, sentence
        self._facts = {"errors": errors, "headers": headers, **members}

    def response(self) -> HttpResponse:
        return problem(self.http_status, self.code, self.sentence, **self._facts)


def invalid(errors: Sequence[Mapping[str, Any]], sentence: str = INVALID) -> ProblemError:
    """Return the refusal of invalid values."""
    return ProblemError(422, "invalid", sentence, errors=errors)


def error(pointer: str, value: Any, sentence: str, code: str = "invalid") -> dict[str, Any]:
    return {"pointer": pointer, "value": value, "sentence": sentence, "code": code}


def unknown_parameters(
    given: QueryDict, known: Collection[str], *, many: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return the errors of query parameters that are not ``known``, see ``parameter_errors``, or are empty.

    A program whose variable is unset would otherwise get all records for ``?client=``.
    """
    found = named_parameter_errors(given, known, many=many)
    empty = [name for name, values in given.lists() if name in known and not all(map(str.strip, values))]
    return [error(f"?{shorten(name)}", None, sentence, "unknown_parameter") for name, sentence in found] + [
        error(f"?{name}", "", f"“{name}” is empty. Send a value, or leave it out.", "empty") for name in empty
    ]


def refuse_unknown(given: QueryDict, known: Collection[str] = (), *, many: Collection[str] = ()) -> None:
    """Raise ProblemError if there are query parameters that are not ``known``, see ``parameter_errors``."""
    if errors := unknown_parameters(given, known, many=many):
        raise invalid(errors)


def problem_of(form: BaseForm, pointer: str = "#/") -> ProblemError:
    """Return the refusal of a form with errors; its fields are named like the members of the body."""
    return invalid(errors_of(form.errors, form.data, pointer))


def errors_of(found: ErrorDict, data: Any, pointer: str) -> list[dict[str, Any]]:
    """Return the errors of a form; ``pointer``: what precedes the name of a field, "#/" or "?"."""
    listed = []
    for name, errors in found.as_data().items():
        whole = name == NON_FIELD_ERRORS
        at = pointer.rstrip("/?") if whole else f"{pointer}{name}"
        value = None if whole else _sent(data, name)
        listed += [error(at, value, text, one.code or "invalid") for one in errors for text in _texts(one)]
    return listed


def _sent(data: Any, name: str) -> Any:
    if hasattr(data, "getlist"):
        values = data.getlist(name)
        return values[0] if len(values) == 1 else values or None
    return data.get(name)


def _texts(one: ValidationError) -> list[str]:
    return [str(text) for text in one.messages]


class BodyParser(Parser):
    """Read JSON, but refuse escapes of half a character, which neither an answer nor a database can hold."""

    def parse_body(self, request: HttpRequest) -> Any:
        body = super().parse_body(request)
        if rb"\ud" in request.body.lower():
            json.dumps(body, ensure_ascii=False).encode()
        return body


def register(api: NinjaAPI) -> None:
    """Answer exceptions of operations with problems.

    Those of the database, limits and damaged requests go on to the middleware, which answers them everywhere.
    """
    api.add_exception_handler(ProblemError, _refused)
    api.add_exception_handler(Http404, _not_found)
    api.add_exception_handler(PermissionDenied, _denied)
    api.add_exception_handler(InputError, _invalid_input)
    api.add_exception_handler(HttpError, _unreadable)
    api.add_exception_handler(Exception, _raise)


def _refused(_request: HttpRequest, one: Any) -> HttpResponse:
    response: HttpResponse = one.response()
    return response


def _not_found(_request: HttpRequest, one: Any) -> HttpResponse:
    return problem(404, "not_found", str(one) or "There is nothing at this address.")


def _denied(_request: HttpRequest, one: Any) -> HttpResponse:
    sentence = str(one) or "You don’t have the right to do this. Ask an administrator for it."
    return problem(403, "forbidden", sentence)


def _invalid_input(_request: HttpRequest, one: Any) -> HttpResponse:
    errors = [_input_error(found) for found in one.errors]
    return invalid(errors).response()


def _input_error(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the error of a value that has the wrong type; pydantic names where it is."""
    where, *path = found["loc"]
    if where == "body":
        path = path[1:] if len(path) > 1 else path  # the name of the operation's argument
        pointer = "".join(f"/{part}" for part in path)
        pointer = f"#{pointer}"
    else:
        pointer = f"{'?' if where == 'query' else ''}{path[-1] if path else where}"
    return error(pointer, found.get("input"), f"{found['msg']}.", found["type"])


def _unreadable(_request: HttpRequest, one: Any) -> HttpResponse:
    if one.status_code == 400:
        sentence = "The body is not valid JSON. Send an object in UTF-8 with Content-Type: application/json."
        return problem(400, "unreadable", sentence)
    return problem(one.status_code, "refused", str(one))


def _raise(_request: HttpRequest, one: Any) -> HttpResponse:
    raise one
