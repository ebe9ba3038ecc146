"""Create or edit many numbers, each with values of its own, from rows of CSV or NDJSON."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from ninja import Router
from pydantic import Field

import sheets
from api.access import also_needs, lacks, needs
from api.bulk import Queued, Rehearsed, queued
from api.facts import parameters
from api.fields import answer
from api.idempotency import once
from api.moves import may_edit
from api.problems import ProblemError, error, errors_of, invalid, refuse_unknown
from api.receiving import Received, receives_rows
from api.results import RefusedRow, Written, counts, refusals, refused_row
from api.streams import CSV, NDJSON
from clients.tags import tag_label
from didmgmt.text import shorten
from dids.forms.numbers import NewForm
from dids.imports import bodies
from dids.imports.rows import (
    CREATE,
    DONE,
    EDIT,
    RowsRefusedError,
    rows_job,
    submit_rows,
    write_at_once,
)
from dids.lifecycle import statuses as st
from jobs.kinds import JobError
from jobs.models import SMALL

router = Router(tags=["DIDs"])
NAMED = 100  # refused rows that a problem names
OF_NEW = ("operator", "status", "after_hold", "tags", "notes")  # parameters with defaults of new numbers
OWN = ("action", "dry_run", "all_or_nothing", "empty")
KEEP, CLEAR = "keep", "clear"


class DefaultsForm(NewForm):
    """What new numbers have where their row says nothing."""

    numbers: Any = None
    hold_days: Any = None

    def __init__(self, data: Any, *, by: Any) -> None:
        super().__init__(data, by=by)
        self.fields["operator"].required = False


class RowsWritten(Written):
    """What rows did."""

    refused_rows: list[RefusedRow] = Field(description="All rows that were refused", examples=[[]])


class RowsRehearsed(Rehearsed):
    """What rows would do."""

    sentence: str = Field(description="The result in words", examples=["2 numbers would be created."])
    refused_rows: list[RefusedRow] = Field(description="All rows that would be refused")


_CSV_EXAMPLE = """number,operator,status,tags,notes
442071838750,Northline,reserved,"gold, london",
442071838751,id:3,instock,,first of a new block
"""
_NDJSON_EXAMPLE = """{"number": "442071838750", "operator": 3, "status": "reserved", "tags": ["gold"]}
{"number": "442071838751", "operator": "Northline", "hold_days": 30, "notes": "first of a new block"}
"""
_BODY = {
    "required": True,
    "content": {
        CSV: {"schema": {"type": "string"}, "example": _CSV_EXAMPLE},
        NDJSON: {"schema": {"type": "string"}, "example": _NDJSON_EXAMPLE},
    },
}
_FREE = {"type": "string", "enum": [*st.FREE], "default": st.INSTOCK}
_BOOLEAN = {"type": "boolean", "default": False}
_ENCODING = {
    "in": "header",
    "name": "Content-Encoding",
    "required": False,
    "schema": {"type": "string", "enum": ["gzip"]},
    "description": "How the body is compressed.",
}
_ACTION = {
    "in": "query",
    "name": "action",
    "required": True,
    "schema": {"type": "string", "enum": [*DONE]},
    "description": "Whether the rows are new numbers or edit existing ones.",
}
_DOCUMENTED: dict[str, Any] = {
    "requestBody": _BODY,
    "parameters": [
        _ACTION,
        *parameters(
            dry_run=(_BOOLEAN, "Whether to answer what would be done, and do nothing."),
            all_or_nothing=(_BOOLEAN, "Whether to write nothing if a row is refused."),
            empty=(
                {"type": "string", "enum": [KEEP, CLEAR], "default": KEEP},
                "edit: whether an empty cell keeps tags, notes and hold days, or clears them.",
            ),
            operator=({"type": "integer"}, "create: the id of the operator of rows that name none."),
            status=(_FREE, "create: the status of rows that name none."),
            after_hold=(_FREE, "create: the status after a hold, of rows that name none."),
            tags=({"type": "string"}, "create: the tags of rows without, separated by commas."),
            notes=({"type": "string", "maxLength": 500}, "create: the notes of rows without."),
        )["parameters"],
        _ENCODING,
    ],
    "responses": {
        status: {"$ref": f"#/components/responses/{name}"}
        for status, name in ((413, "TooLarge"), (415, "UnsupportedType"))
    },
}


def _admits(operation: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuse users who may not carry out the action, before their body is received."""

    @wraps(operation)
    def admitting(request: HttpRequest) -> HttpResponse:
        action = request.GET.get("action")
        if action == EDIT:
            may_edit(request.user)
        elif action == CREATE and not request.user.has_perm("dids.add_did"):
            raise lacks("dids.add_did")
        return operation(request)

    return admitting


@router.post(
    "/dids/bulk/rows",
    operation_id="bulk_rows",
    url_name="bulk_rows",
    summary="Create or edit numbers from rows",
    response={200: RowsWritten | RowsRehearsed, 202: Queued},
    openapi_extra=_DOCUMENTED,
)
@needs("dids.view_did")
@also_needs({"create": ("dids.add_did",), "edit": (*sorted(st.EDIT_RIGHTS),)})
@_admits
@receives_rows
@once
def bulk_rows(request: HttpRequest) -> HttpResponse:
    """Create or edit many numbers, each with values of its own, from rows of CSV or objects of NDJSON.

    Rows that can’t be read or written are refused with their line, and the others are written in one change.
    Up to 2,000 are done at once; more become a job, to be read at the address in `Location`.
    """
    user: Any = request.user
    received: Received = request.received  # type: ignore[attr-defined]
    action, options = _read_parameters(request.GET, user)
    columns = _columns(received, action, clears=options["clears"])
    rows = received.lines - columns.line  # without the header of CSV
    job = rows_job(user, columns, rows=rows, action=action, **options)
    if rows <= SMALL and received.size <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return _write(job, received)
    return queued(submit_rows(user, job, received.file))


def _write(job: Any, received: Received) -> HttpResponse:
    try:
        written = write_at_once(job, received.file)
    except RowsRefusedError as refusal:
        errors = [
            error(one.pointer, one.value, one.why, one.code) for one in map(refused_row, refusal.rows[:NAMED])
        ]
        raise ProblemError(422, "rows_refused", str(refusal), errors=errors, refused=refusal.count) from None
    except JobError as refusal:
        raise ProblemError(422, "rows_refused", str(refusal)) from None
    body = {
        "result": counts(written.result),
        "sentence": written.sentence,
        "refusals": refusals(written.result),
        "refused_rows": [refused_row(one).dict() for one in written.refused],
    }
    if job.params["dry_run"]:
        return answer(body | {"dry_run": True, "selected": written.result.selected})
    return answer(body | {"change": written.change})


# --- what is sent


def _read_parameters(given: QueryDict, user: Any) -> tuple[str, dict[str, Any]]:
    """Return (action, arguments of ``rows_job``). Raises ProblemError."""
    refuse_unknown(given, (*OWN, *OF_NEW))
    action = given.get("action", "")
    if action not in DONE:
        named = f"There is no action “{shorten(action)}”." if action else "Name the action."
        sentence = f"{named} Use {CREATE} or {EDIT}; /dids/bulk has the others."
        raise invalid([error("?action", shorten(action), sentence, "unknown_action")])
    errors: list[dict[str, Any]] = []
    options = {name: _choice(given, name, ("false", "true"), errors) == "true" for name in OWN[1:3]}
    options["clears"] = _choice(given, "empty", (KEEP, CLEAR), errors) == CLEAR
    unused = OF_NEW if action == EDIT else ("empty",)
    errors += [
        error(f"?{name}", given[name], f"The action “{action}” takes no “{name}”. Leave it out.", "unused")
        for name in unused
        if name in given
    ]
    defaults = {"status": st.INSTOCK, "after_hold": st.INSTOCK}
    form = DefaultsForm(defaults | {name: given[name] for name in OF_NEW if name in given}, by=user)
    if action == CREATE and not form.is_valid():
        errors += errors_of(form.errors, form.data, "?")
    if errors:
        raise invalid(errors)
    return action, options | _defaults(form, action)


def _choice(given: QueryDict, name: str, choices: tuple[str, ...], errors: list[dict[str, Any]]) -> str:
    """Return the value of a parameter, the first of ``choices`` by default; add its error to ``errors``."""
    value = given.get(name) or choices[0]
    if value not in choices:
        sentence = f"“{shorten(value)}” is neither {' nor '.join(choices)}."
        errors.append(error(f"?{name}", shorten(value), sentence))
    return value


def _defaults(form: DefaultsForm, action: str) -> dict[str, Any]:
    """Return the arguments of ``rows_job`` for what rows leave out."""
    if action == EDIT:
        blank = {"status": st.INSTOCK, "after_hold": st.INSTOCK, "tags": "", "notes": ""}
        return {"operator": None, "defaults": blank}
    chosen = form.cleaned_data
    texts = {name: chosen[name] for name in ("status", "after_hold", "notes")}
    return {"operator": chosen["operator"], "defaults": texts | {"tags": tag_label(chosen["tags"])}}


def _columns(received: Received, action: str, *, clears: bool) -> bodies.Columns:
    """Return the columns of the body. Raises ProblemError for one that the action doesn’t take."""
    kind = bodies.CSV if received.content_type == CSV else bodies.NDJSON
    known = [name for name in bodies.COLUMNS if action == EDIT or name != "id"]
    try:
        return bodies.columns_of(received.file, kind, known, complete=clears)
    except bodies.BodyError as refusal:
        name = shorten(refusal.column)
        pointer = f"#/rows/{refusal.line}/{_escaped(name)}" if name else f"#/rows/{refusal.line}"
        raise invalid([error(pointer, name or None, str(refusal), refusal.code)]) from None
    except sheets.SheetError as refusal:
        raise invalid([error("#", None, str(refusal), "unreadable")]) from None


def _escaped(name: str) -> str:
    """Return a name as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
