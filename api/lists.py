"""Lists by query parameters: the filters and sorts of the screens, pages by cursor, or all as a stream."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase, QueryDict

import sheets
from api.fields import Fields, answer
from api.problems import error, errors_of, invalid, unknown_parameters
from api.streams import CSV, JSON, accepted, csv_answer, ndjson_answer
from didmgmt.filters import FilterSet
from didmgmt.keyset import rows_after
from didmgmt.listing import Listing
from didmgmt.text import parse_whole, shorten

USUAL, MOST = 100, 1_000  # rows of a page
OWN = ("limit", "after", "sort", "fields", "count")  # parameters besides those of the filter
OF_STREAM = ("sort", "fields")  # those of a stream, which has no pages
TRUE, FALSE = ("true", "1"), ("", "false", "0")
Rows = Callable[[Any, list[Any], tuple[str, ...]], Iterable[Any]]


def list_answer(
    request: HttpRequest,
    filterset: type[FilterSet],
    listing_of: Callable[[QueryDict], Listing],
    fields: Fields,
    rows: Rows,
    *,
    without: tuple[str, ...] = (),
) -> HttpResponseBase:
    """Answer with a page of a list: {"items": […], "next": URL or null}, and "count" if it was asked for.

    With ``Accept`` for CSV or NDJSON, answer with all records as a stream.

    ``listing_of`` returns the list for the filter and the sort; ``rows(listing, keys, names)`` the rows with
    these primary keys, in order, with what the fields ``names`` need. ``without``: parameters of the filter
    that the API doesn't take. Raises ProblemError for parameters that are unknown or invalid.
    """
    given, wanted = request.GET, accepted(request)
    if wanted != JSON:
        errors = unknown_to(filterset, given, OF_STREAM, without)
        names = read_fields(given, fields, errors)
        found = _all(valid_listing(given, listing_of, errors), fields, rows, names)
        return csv_answer(request, _csv(found, names)) if wanted == CSV else ndjson_answer(request, found)
    errors = unknown_to(filterset, given, OWN, without)
    limit, names, counts = (
        read_limit(given, errors),
        read_fields(given, fields, errors),
        _counts(given, errors),
    )
    listing = valid_listing(given, listing_of, errors)
    try:
        page = rows_after(listing, given.get("after") or None, limit + 1)
    except LookupError:
        sentence = "This is not a cursor of this list. Take the address in “next” as it is, or leave it out."
        raise invalid([error("?after", given["after"], sentence, "cursor")]) from None
    keys = [key for _, key in page[:limit]]
    body: dict[str, Any] = {"items": fields.objects(rows(listing, keys, names), names) if keys else []}
    body["next"] = next_url(request, page[limit - 1][0]) if len(page) > limit else None
    if counts:
        body["count"] = listing.count_all()
    return answer(body)


def _all(listing: Listing, fields: Fields, rows: Rows, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the objects of all records of a list, read page by page."""
    cursor = None
    while page := rows_after(listing, cursor, MOST):
        keys, cursor = [key for _, key in page], page[-1][0]
        yield from fields.objects(rows(listing, keys, names), names)
        if len(page) < MOST:
            return


def _csv(objects: Iterable[dict[str, Any]], names: Sequence[str]) -> Iterator[bytes]:
    """Yield objects as CSV with a header: related records by their names, lists separated by commas."""
    return sheets.write(chain([names], (map(_cell, one.values()) for one in objects)))


def _cell(value: Any) -> str | int | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return str(value["name"]) if "name" in value else json.dumps(value, ensure_ascii=False)
    return value


def unknown_to(
    filterset: type[FilterSet], given: QueryDict, own: Sequence[str], without: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return the errors of parameters that are neither of the filter, but ``without`` some, nor ``own``."""
    known = [name for name in (*filterset.names(), *own) if name not in without]
    return unknown_parameters(given, known, many=["fields", *filterset.choosing_many()])


def valid_listing(
    given: QueryDict, listing_of: Callable[[QueryDict], Listing], errors: list[dict[str, Any]]
) -> Listing:
    """Return the list for the filter and the sort; raise ProblemError for ``errors`` or those of the list."""
    query = given.copy()
    for name in OWN:
        if name != "sort":
            query.pop(name, None)
    if errors:
        raise invalid(errors)
    listing = listing_of(query)
    if not listing.valid:
        raise invalid(_errors(listing))
    return listing


def read_limit(given: QueryDict, errors: list[dict[str, Any]]) -> int:
    """Return the parameter ``limit``; add its error to ``errors``."""
    text = given.get("limit", "").strip()
    limit = parse_whole(text, most=MOST) if text else USUAL
    if not limit:
        errors.append(error("?limit", text, f"Enter a whole number from 1 to {MOST:,}."))
    return limit or USUAL


def read_fields(given: QueryDict, fields: Fields, errors: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the names in the parameter ``fields``, or the usual ones; add its error to ``errors``."""
    try:
        return fields.read(",".join(given.getlist("fields")))
    except LookupError as refusal:
        errors.append(error("?fields", given["fields"], str(refusal.args[0]), "unknown_field"))
        return fields.usual


def _counts(given: QueryDict, errors: list[dict[str, Any]]) -> bool:
    text = given.get("count", "").strip()
    if text not in (*TRUE, *FALSE):
        errors.append(error("?count", text, f"“{shorten(text)}” is neither true nor false."))
    return text in TRUE


def _errors(listing: Listing) -> list[dict[str, Any]]:
    """Return the errors of the filter, then those of the list, which are about its sort."""
    filterset = listing.filterset
    of_filter = errors_of(filterset.errors, filterset.data, "?") if filterset.errors else []
    of_list = listing.errors[len(filterset.error_messages) :]
    return of_filter + [error("?sort", listing.sort, sentence) for sentence in of_list]


def next_url(request: HttpRequest, cursor: str | None) -> str:
    """Return the URL of the next page."""
    parameters = [
        (name, value) for name, values in request.GET.lists() for value in values if name != "after"
    ]
    query = urlencode([*parameters, ("after", cursor)], safe="~")
    return request.build_absolute_uri(f"{request.path}?{query}")
