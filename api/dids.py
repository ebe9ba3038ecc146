"""Numbers: the list, and one number."""

from collections import namedtuple
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import Any

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from ninja import Router

from api.access import found, needs
from api.facts import answers_with, answers_with_list
from api.fields import (
    MAYBE_MOMENT,
    MAYBE_TEXT,
    MAYBE_WHOLE,
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
from api.lists import list_answer, read_fields, unknown_to, valid_listing
from api.problems import error, invalid
from api.records import record_answer, record_fields
from api.streams import CSV, JSON, accepted, csv_answer, ndjson_answer
from audit.history import visible_to
from didmgmt import clock
from didmgmt.replica import may_lag
from didmgmt.statements import Statement
from didmgmt.streams import CHUNK, stream
from didmgmt.text import parse_whole, shorten
from dids.exports.rows import as_csv, listing_rows
from dids.lifecycle import statuses as st
from dids.lists.as_of import COUNTING, SECONDS, PastListing, TooLongError, time_limit
from dids.lists.filters import DIDFilter
from dids.lists.listing import SORTS, did_listing
from dids.models import DID, head_geography
from dids.models.head_geography import of_number
from dids.models.marks import with_mark
from dids.numbering.geography import TYPES, UNKNOWN
from dids.numbering.normalise import NumberError
from dids.numbering.patterns import CLASSES
from dids.numbering.reading import read_entry

router = Router(tags=["Numbers"])
NOT_TAKEN = ("list",)


def _held(value: Any) -> Any:
    """Return a function that reads what a number has only while a client has it."""
    return lambda row: value(row) if row.status_now in st.HELD else None


def _known(value: str) -> str | None:
    return None if value == UNKNOWN else value


FIELDS = Fields(
    "DID",
    [
        Field("id", lambda row: row.pk, WHOLE, "The number’s id, which stays the same", 17),
        Field("number", lambda row: row.number, TEXT, "1 to 20 digits", "442071838750"),
        Field(
            "status",
            lambda row: row.status_now,
            {"type": "string", "enum": [*st.LABELS]},
            "The status now: a hold that is over counts as over",
            "active",
        ),
        Field(
            "operator",
            lambda row: {"id": row.operator_id, "name": row.operator_name},
            reference(),
            "The operator that provides the number",
            {"id": 3, "name": "Northline"},
        ),
        Field(
            "reseller",
            lambda row: {"id": row.reseller_id, "name": row.reseller_name},
            reference(),
            "The reseller that the operator belongs to",
            {"id": 1, "name": "Arbor Voice"},
        ),
        Field("tags", lambda row: tags_of(row.tag_label), TAGS, "Its tags, sorted", ["gold", "london"]),
        Field(
            "client",
            _held(lambda row: named(row.client_id, row.last_client)),
            reference(maybe=True),
            "The client that has it, on Hold the last one; null for a free number",
            {"id": 9, "name": "Jarrow Dental"},
        ),
        Field(
            "account",
            _held(lambda row: named(row.account_id, row.last_account)),
            reference(maybe=True),
            "The client’s account that calls go to",
            {"id": 12, "name": "jarrow_dental"},
        ),
        Field(
            "client_package",
            _held(lambda row: named(row.client_package_id, row.package_name)),
            reference(maybe=True),
            "The client’s package that it counts towards; the name is that of the package",
            {"id": 31, "name": "Office"},
        ),
        Field(
            "hold_until",
            lambda row: moment(row.hold_until) if row.status_now == st.HOLD else None,
            MAYBE_MOMENT,
            "When its hold ends; null unless it is on Hold",
            None,
        ),
        Field(
            "reservation",
            lambda row: row.reservation_id if row.status_now == st.RESERVED else None,
            MAYBE_WHOLE,
            "The id of its reservation; null for a number in none",
            None,
        ),
        Field(
            "reserved_until",
            lambda row: moment(row.hold_until) if row.status_now == st.RESERVED else None,
            MAYBE_MOMENT,
            "When its reservation ends; null without an end",
            None,
        ),
        Field(
            "after_hold",
            lambda row: row.after_hold,
            {"type": "string", "enum": [*st.FREE]},
            "The status after a hold",
            "instock",
        ),
        Field(
            "hold_days",
            lambda row: row.hold_days,
            MAYBE_WHOLE,
            "Its own hold days; null for those of its package, operator or reseller",
            None,
        ),
        Field("notes", lambda row: row.notes, TEXT, "Up to 500 characters", ""),
        Field(
            "country",
            lambda row: of_number(row.number).country_name or None,
            MAYBE_TEXT,
            "Its country; null if its first digits are those of none",
            "United Kingdom",
            usual=False,
        ),
        Field(
            "country_code",
            lambda row: _known(of_number(row.number).country),
            MAYBE_TEXT,
            "The ISO 3166 code of its country, as ?country takes it; 001 for numbers of no country",
            "GB",
            usual=False,
        ),
        Field(
            "area",
            lambda row: of_number(row.number).area or None,
            MAYBE_TEXT,
            "The town or region that it belongs to; null without one",
            "London",
            usual=False,
        ),
        Field(
            "type",
            lambda row: _known(of_number(row.number).type),
            {"type": ["string", "null"], "enum": [*(key for key in TYPES if key != UNKNOWN), None]},
            "What kind of number it is by its numbering plan; null if that is not known",
            "geographic",
            usual=False,
        ),
        Field(
            "mark",
            lambda row: row.mark_class and {"class": row.mark_class, "rule": row.mark_name},
            {
                "type": ["object", "null"],
                "properties": {"class": {"type": "string", "enum": [*CLASSES]}, "rule": TEXT},
                "required": ["class", "rule"],
                "additionalProperties": False,
            },
            "What makes it special, by the first pattern rule that it matches; null for no rule",
            {"class": "gold", "rule": "Four or more alike at the end"},
            usual=False,
        ),
        Field(
            "created_at",
            lambda row: moment(row.created_at),
            MAYBE_MOMENT,
            "When it was created, as far as history is kept and you may see it",
            "2026-01-10T09:00:00.000000Z",
            usual=False,
        ),
        Field(
            "changed_at",
            lambda row: moment(row.changed_at),
            MAYBE_MOMENT,
            "When it was last changed",
            "2026-03-02T14:31:07.240000Z",
            usual=False,
        ),
    ],
)
_COLUMNS = {
    "pk": "pk",
    "number": "number",
    "after_hold": "after_hold",
    "hold_until": "hold_until",
    "reservation_id": "reservation_id",
    "hold_days": "hold_days",
    "notes": "notes",
    "operator_id": "operator_id",
    "reseller_id": "operator__reseller_id",
    "account_id": "account_id",
    "client_id": "account__client_id",
    "client_package_id": "client_package_id",
    "status_now": "status_now",
    "operator_name": "operator_name",
    "reseller_name": "reseller_name",
    "tag_label": "tag_label",
    "last_client": "last_client",
    "last_account": "last_account",
    "package_name": "package_name",
}
_PAST = frozenset({"created_at", "changed_at"})
_GEOGRAPHY = frozenset({"country", "country_code", "area", "type"})
_MARK = frozenset({"mark_class", "mark_name"})
# Those of a number as of a past time; ``changed_at`` is when it had been changed last by then.
NOT_OF_PAST = ("created_at", "mark")
PAST_FIELDS = Fields("past DID", [field for field in FIELDS.all.values() if field.name not in NOT_OF_PAST])


@cache
def _statement(needed: frozenset[str], by: str) -> tuple[Statement, Any]:
    """Return the statement that reads rows, and their class.

    ``needed``: those of ``_PAST`` and ``_MARK``, and "version", the id of the newest history row. ``by``:
    "ids" of rows that the viewer is known to see, "pk" or "number" of one of theirs.
    """

    def rows(key: Any, now: Any, viewer: Any) -> Any:
        dids = DID.objects.filter(pk__in=key) if by == "ids" else DID.objects.filter(**{by: key})
        return _selected(dids if by == "ids" else dids.visible_to(viewer), needed, viewer, now)

    return Statement(rows, lists=["key"] if by == "ids" else []), _row_class(needed)


def _selected(dids: Any, needed: frozenset[str], viewer: Any, now: Any) -> Any:
    """Return the values of ``_row_class(needed)`` of each of ``dids``."""
    dids = dids.for_table(now)
    past = visible_to(DID, viewer).filter(object_id=OuterRef("pk"))
    if "created_at" in needed:
        created = past.filter(event="+").order_by("history_id")
        dids = dids.annotate(created_at=Subquery(created.values("at")[:1]))
    if "changed_at" in needed:
        dids = dids.annotate(changed_at=Subquery(past.order_by("-history_id").values("at")[:1]))
    if needed >= _MARK:
        dids = with_mark(dids)
    if "version" in needed:
        dids = dids.with_version()
    return dids.values_list(*_COLUMNS.values(), *sorted(needed))


def _needed(names: tuple[str, ...]) -> frozenset[str]:
    """Return what has to be annotated for the fields called ``names``."""
    return (_PAST & {*names}) | (_MARK if "mark" in names else frozenset())


def _row_class(needed: frozenset[str]) -> Any:
    return namedtuple("Row", (*_COLUMNS, *sorted(needed)))


def did_rows(keys: list[int], names: tuple[str, ...], viewer: Any) -> list[Any]:
    """Return the numbers with these ids, which the viewer may see, in their order; one query."""
    statement, row = _statement(_needed(names), "ids")
    found = map(row._make, statement.rows(key=keys, now=clock.now(), viewer=viewer))
    by_key = {one.pk: one for one in found}
    _learn(by_key.values(), names)
    return [by_key[key] for key in keys if key in by_key]


def did_row(address: str, viewer: Any) -> Any:
    """Return the number at an address, with its ``version``: digits in any notation, or "id:17".

    Raises Http404 if the viewer can't see such a number, and ProblemError if the address is none.
    """
    by, key = read_address(address)
    statement, row = _statement(_PAST | _MARK | {"version"}, by)
    rows = statement.rows(key=key, now=clock.now(), viewer=viewer)
    return found(row._make(rows[0]) if rows else None, f"number {shorten(address)}")


def read_address(address: str) -> tuple[str, Any]:
    """Return ("pk", id) or ("number", digits) for the address of a number; raise ProblemError for neither."""
    if address.startswith("id:"):
        if pk := parse_whole(address[3:]):
            return "pk", pk
        raise invalid([error("number", shorten(address), "An id is a whole number, as in id:17.")])
    try:
        (low, high), *others = read_entry(address)
    except NumberError as refusal:
        raise invalid([error("number", shorten(address), str(refusal), refusal.kind or "number")]) from None
    if others or low != high:
        raise invalid([error("number", shorten(address), "This is a range. Name one number.", "range")])
    return "number", low


@router.get("/dids", operation_id="list_dids", summary="List numbers")
@answers_with_list(FIELDS, DIDFilter, SORTS, without=NOT_TAKEN)
@needs("dids.view_did")
@may_lag
def list_dids(request: HttpRequest) -> HttpResponseBase:
    """Return a page of the numbers that you may see, filtered and sorted like the list on screen.

    ``as_of``: a past time, for the numbers as they were then, sorted by number. With ``Accept: text/csv`` or
    ``application/x-ndjson`` all numbers that match are sent, whatever their count.
    """
    wanted, is_past = accepted(request), bool(request.GET.get("as_of", "").strip())
    if wanted != JSON:
        return _stream(request, wanted, PAST_FIELDS if is_past else FIELDS)
    if is_past:
        return _list_past(request)
    return list_answer(
        request,
        DIDFilter,
        _listing_for(request.user),
        FIELDS,
        lambda _listing, keys, names: did_rows(keys, names, request.user),
        without=NOT_TAKEN,
    )


def _listing_for(user: Any) -> Callable[[QueryDict], Any]:
    return lambda query: did_listing(query, user, counted=False)


def _list_past(request: HttpRequest) -> HttpResponseBase:
    """Answer with a page as of a past time, unless reading history for it takes too long."""
    read = []

    def listing_of(query: QueryDict) -> Any:
        read.append(did_listing(query, request.user, counted=False))
        return read[0]

    try:
        with time_limit(COUNTING if request.GET.get("count") else SECONDS):
            response = list_answer(
                request,
                DIDFilter,
                listing_of,
                PAST_FIELDS,
                _past_rows,
                without=NOT_TAKEN,
            )
            _add_known_since(response, read[0])
            return response
    except TooLongError as refusal:
        raise invalid([error("?as_of", request.GET["as_of"], str(refusal), "too_long")]) from None


def _add_known_since(response: HttpResponseBase, listing: Any) -> None:
    """Add the header that warns of an incomplete list: older history has been deleted."""
    if isinstance(listing, PastListing) and (since := moment(listing.known_since)):
        response.headers["History-Known-Since"] = since


def _stream(request: HttpRequest, wanted: str, fields: Fields) -> HttpResponseBase:
    """Send all numbers that match: as the columns of an exported file, or as the fields of a list."""
    own = ("sort",) if wanted == CSV else ("sort", "fields")
    errors = unknown_to(DIDFilter, request.GET, own, NOT_TAKEN)
    names = read_fields(request.GET, fields, errors)
    listing, now = valid_listing(request.GET, _listing_for(request.user), errors), clock.now()
    if wanted == CSV:
        response = csv_answer(request, as_csv(listing_rows(listing, now)))
    else:
        response = ndjson_answer(request, _objects(listing, fields, names, request.user, now))
    _add_known_since(response, listing)
    return response


def _objects(listing: Any, fields: Fields, names: tuple[str, ...], viewer: Any, now: Any) -> Iterator[Any]:
    """Yield the JSON object of each number of a list, in its order."""
    if isinstance(listing, PastListing):
        for keys in listing.key_chunks(CHUNK):
            yield from fields.objects(_past_rows(listing, keys, names), names)
        return
    needed = _needed(names)
    row = _row_class(needed)
    rows = map(row._make, stream(_selected(listing.ordered, needed, viewer, now)))
    while some := list(islice(rows, CHUNK)):
        _learn(some, names)
        yield from fields.objects(some, names)


def _past_rows(listing: PastListing, keys: Any, names: tuple[str, ...]) -> Any:
    rows = listing.rows_of(keys)
    _learn(rows, names)
    return rows


def _learn(rows: Any, names: tuple[str, ...]) -> None:
    """Read at once what the fields of geography need of these rows."""
    if _GEOGRAPHY & {*names}:
        head_geography.learn(row.number for row in rows)


@router.get("/dids/{number}", operation_id="get_did", summary="Read a number")
@answers_with(FIELDS)
@needs("dids.view_did")
def get_did(request: HttpRequest, number: str) -> HttpResponse:
    """Return one number, by its digits in any notation or by its id, as in ``id:17``."""
    names = record_fields(request, FIELDS)
    row = did_row(number, request.user)
    return record_answer(request, FIELDS, row, row.version, names)
