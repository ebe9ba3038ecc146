"""The addresses of the API. Whatever is wrong with a request, the answer is JSON."""

import json
import re
from collections import defaultdict
from functools import cache, wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI

from api import (
    bulk,
    calendar,
    changes,
    clients,
    dids,
    document,
    free_runs,
    jobs,
    minimum_holds,
    moves,
    operators,
    overview,
    packages,
    past,
    pattern_rules,
    problems,
    reference,
    reservations,
    rows,
    stock_levels,
    tags,
    webhooks,
)
from api.access import TokenAuth
from didmgmt.parameters import takes
from didmgmt.problems import problem

NO_ADDRESS = "There is nothing at this address. The document at /api/v1/openapi.json lists all addresses."
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")

api = NinjaAPI(
    title="DID Management",
    version="1",
    urls_namespace="api",
    openapi_url=None,
    docs_url=None,
    auth=TokenAuth(),
    parser=problems.BodyParser(),
)
problems.register(api)
api.add_router("", bulk.router)  # before the address of one number
api.add_router("", rows.router)
api.add_router("", dids.router)
api.add_router("", operators.router)
api.add_router("", clients.router)
api.add_router("", packages.router)
api.add_router("", reservations.router)
api.add_router("", tags.router)
api.add_router("", stock_levels.router)
api.add_router("", free_runs.router)
api.add_router("", calendar.router)
api.add_router("", overview.router)
api.add_router("", minimum_holds.router)
api.add_router("", pattern_rules.router)
api.add_router("", changes.router)
api.add_router("", past.router)
api.add_router("", moves.router)
api.add_router("", jobs.router)
api.add_router("", webhooks.router)


@cache
def _document() -> bytes:
    return json.dumps(document.document(api), ensure_ascii=False).encode()


@api.get(
    "/openapi.json",
    auth=None,
    operation_id="get_document",
    url_name="document",
    include_in_schema=False,
)
def get_document(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - django-ninja names it
    """Return this document. It is public, so that tools can read it, and has no data."""
    return HttpResponse(_document(), content_type="application/json")


def _answering(patterns: list[Any]) -> Any:
    """Return a view of all that is at one address, which several routers may have methods of.

    A view that lacks the method answers 405 before it does anything. HEAD is answered like GET; the server
    leaves the body out.
    """
    views = [(one.callback, PARAMETER.findall(str(one.pattern))) for one in patterns]

    @csrf_exempt
    @login_not_required
    @wraps(patterns[0].callback)
    def answering(request: Any, **kwargs: Any) -> Any:
        if request.method == "HEAD":
            request.method = "GET"
        allowed: list[str] = []
        for view, names in views:
            response = view(request, **dict(zip(names, kwargs.values(), strict=True)))
            if response.status_code != 405:
                for name, value in getattr(request, "rate", {}).items():
                    response.headers[name] = value
                return response
            allowed += response.headers["Allow"].split(", ")
        methods = ", ".join(sorted({*allowed, *(["HEAD"] if "GET" in allowed else [])}))
        sentence = f"{request.method} is not possible here. Use {methods}."
        return problem(405, "method_not_allowed", sentence, headers={"Allow": methods})

    return answering


def _patterns(patterns: list[Any]) -> list[Any]:
    """Return one pattern for each address, whatever routers call its parameters; those without come first."""
    same = defaultdict(list)
    for one in patterns:
        same[PARAMETER.sub("<>", str(one.pattern))].append(one)
    return [
        path(str(alike[0].pattern), _answering(alike), name=alike[0].name)
        for route, alike in sorted(same.items(), key=lambda item: item[0].count("<"))
        if alike[0].name != "api-root"
    ]


@csrf_exempt
@login_not_required
def unknown(_request: Any) -> Any:
    return problem(404, "not_found", NO_ADDRESS)


_found, _app, _namespace = api.urls
urlpatterns = [
    path("v1/", (_patterns(_found), _app, _namespace)),
    re_path("", unknown, name="api_unknown"),
]


@require_safe
@takes()
def reference_page(request: HttpRequest) -> HttpResponse:
    """Show the document to whoever has signed in."""
    return reference.page(request, json.loads(_document()))


reference_urlpatterns = [path("", reference_page, name="page")]
