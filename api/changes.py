"""Changes: the audit log."""

from itertools import islice
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Router

import sheets
from api.access import found, needs, with_id
from api.facts import answers_with, answers_with_list
from api.fields import MAYBE_TEXT, MAYBE_WHOLE, MOMENT, TEXT, WHOLE, Field, Fields, moment
from api.lists import list_answer
from api.problems import refuse_unknown
from api.records import record_answer, record_fields
from api.streams import CSV, NDJSON, accepted, csv_answer, ndjson_answer, streamed_answers
from audit import history
from audit.models import Change
from didmgmt.replica import may_lag
from dids.history.audit_log import ChangeFilter, LogEntry, log_entries, log_listing
from dids.history.rows import OBJECT_TYPES, csv_rows

router = Router(tags=["Changes"])

CHANGE = Fields(
    "Change",
    [
        Field("id", lambda entry: entry.change.pk, WHOLE, "Its id", 4711),
        Field(
            "at",
            lambda entry: moment(entry.change.at),
            MOMENT,
            "When it was made",
            "2026-03-02T14:31:07.240000Z",
        ),
        Field(
            "kind",
            lambda entry: entry.change.kind,
            {"type": "string", "enum": [*Change.Kind.values]},
            "What was done",
            "assign",
        ),
        Field("label", lambda entry: entry.label, TEXT, "A sentence for people", "Assigned to jarrow_dental"),
        Field(
            "actor",
            lambda entry: {"kind": entry.change.actor_kind, "name": entry.change.actor_name},
            {
                "type": "object",
                "properties": {"kind": {"type": "string", "enum": [*Change.Actor.values]}, "name": TEXT},
            },
            "Who made it: a person, a token or the system",
            {"kind": "person", "name": "clara.okafor"},
        ),
        Field(
            "address",
            lambda entry: entry.address or None,
            MAYBE_TEXT,
            "The IP address that it came from, as far as you may know it",
            "192.0.2.7",
        ),
        Field(
            "rows",
            lambda entry: {tracked._meta.model_name: rows for tracked, rows in entry.counts.items()},
            {"type": "object", "additionalProperties": WHOLE},
            "How many records of each type it wrote, as far as you may see them",
            {"did": 12},
        ),
        Field(
            "job",
            lambda entry: entry.job and str(entry.job.pk),
            MAYBE_TEXT,
            "The id of the job that made it; null without one, or if you may not see it",
            None,
        ),
        Field(
            "undo_of",
            lambda entry: entry.undo_of and entry.undo_of.pk,
            MAYBE_WHOLE,
            "The change that it undoes",
            None,
        ),
        Field(
            "undone_by",
            lambda entry: [change.pk for change in entry.undone_by],
            {"type": "array", "items": WHOLE},
            "The changes that undo it",
            [],
        ),
    ],
)


@router.get("/changes", operation_id="list_changes", url_name="list_changes", summary="List changes")
@answers_with_list(CHANGE, ChangeFilter, ["at"], default="-at")
@needs("audit.view_change")
@may_lag
def list_changes(request: HttpRequest) -> HttpResponseBase:
    """Return a page of the changes that you may open, newest first, as the audit log filters them."""
    return list_answer(
        request,
        ChangeFilter,
        lambda query: log_listing(query, request.user),
        CHANGE,
        lambda _listing, keys, _names: _entries(keys, request.user),
    )


@router.get("/changes/{pk}", operation_id="get_change", url_name="get_change", summary="Read a change")
@answers_with(CHANGE)
@needs("audit.view_change")
def get_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Return one change by its id."""
    names = record_fields(request, CHANGE)
    user: Any = request.user
    visible = with_id(Change.objects.visible_to(user), pk)
    entries = _entries([*visible.values_list("pk", flat=True)], user)
    entry = found(entries[0] if entries else None, f"change {pk}")
    return record_answer(request, CHANGE, entry, None, names)


COLUMNS = ("at", "type", "id", "object", "event", "field", "old", "new", "by")
LINE: dict[str, Any] = {
    "type": "object",
    "title": "ChangedField",
    "description": "A field that a change wrote",
    "required": [*COLUMNS],
    "properties": {name: WHOLE if name == "id" else TEXT for name in COLUMNS},
}
ROW = (
    '{"at":"2026-03-02T14:31:07.240000Z","type":"number","id":17,"object":"442071838750",'
    '"event":"changed","field":"Notes","old":"","new":"main line","by":"clara.okafor"}\n'
)


@router.get(
    "/changes/{pk}/rows",
    operation_id="change_rows",
    summary="Read what a change wrote",
    openapi_extra=streamed_answers(NDJSON, CSV, line=LINE, example=ROW),
)
@needs("audit.view_change", "dids.export_did")
def change_rows(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Stream a row for each field that a change wrote, as NDJSON or, with ``Accept: text/csv``, as CSV.

    They are the rows of the file that the page of the change exports; times are in UTC.
    """
    refuse_unknown(request.GET)
    wanted = accepted(request, (NDJSON, CSV))
    user: Any = request.user
    visible = with_id(Change.objects.visible_to(user), pk)
    change = found(visible.first(), f"change {pk}")
    types = log_entries([change], user)[0].counts
    rows_of = {
        tracked: history.visible_to(tracked, user).filter(change=change)
        for tracked in OBJECT_TYPES.values()
        if tracked in types
    }
    rows = csv_rows(change, rows_of, user, moment)
    if wanted == CSV:
        return csv_answer(request, sheets.write(rows))
    return ndjson_answer(request, (dict(zip(COLUMNS, row, strict=True)) for row in islice(rows, 1, None)))


def _entries(keys: list[Any], user: Any) -> list[LogEntry]:
    changes = Change.objects.select_related("actor").in_bulk(keys)
    return log_entries([changes[key] for key in keys if key in changes], user)
