"""Jobs: how far they are, how to cancel them, and what they refused."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from ninja import Router, Schema
from pydantic import Field as Member

import sheets
from api.access import found, needs, needs_scope
from api.facts import answers_with_list
from api.fields import (
    MAYBE_MOMENT,
    MAYBE_WHOLE,
    MOMENT,
    TEXT,
    UUID_TEXT,
    WHOLE,
    Field,
    Fields,
    answer,
    moment,
)
from api.idempotency import once
from api.lists import list_answer
from api.problems import ProblemError
from api.results import Counts, RefusedFor, counts
from dids.imports.rows import RefusedRow, RowsJob, refused_rows
from dids.job_kinds import refused_numbers, result_of
from dids.lists.records import JOBS
from jobs.filters import JobFilter
from jobs.models import Job

router = Router(tags=["Jobs"])
CSV, NDJSON = "text/csv", "application/x-ndjson"
COLUMNS = ("number", "code", "why")
_FILES = {
    "description": "One refused number a line",
    "content": {
        NDJSON: {
            "schema": {
                "type": "object",
                "title": "RefusedNumber",
                "required": [*COLUMNS],
                "properties": dict.fromkeys(COLUMNS, TEXT),
            },
            "example": '{"number": "442071838750", "code": "missing", "why": "not in the inventory"}\n',
        },
        CSV: {"schema": {"type": "string"}},
    },
}


class JobDetail(Schema):
    """A job: how far it is, and what it did."""

    id: UUID = Member(examples=["0197f3a2-5a64-7c3e-9d2b-6f1c2a4e8b90"])
    kind: str = Member(examples=["edit"])
    label: str = Member(examples=["Mass edit: 3,000 numbers"])
    state: str = Member(json_schema_extra={"enum": [*map(str, Job.State.values)]}, examples=["running"])
    percent: int | None = Member(examples=[33])
    done: int = Member(description="How many numbers or rows it has handled", examples=[1_000])
    total: int | None = Member(examples=[3_000])
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested: bool
    error: str | None = Member(description="Why it failed, for people")
    sentence: str = Member(description="The result so far, in words", examples=["1,000 numbers changed."])
    change: int | None = Member(description="The id of the change that it writes")
    result: Counts | None = Member(description="Null for jobs that write no numbers")
    refusals: list[RefusedFor] | None
    refused_url: str = Member("", description="The address of the refused numbers")


def _job(pk: UUID, user: Any) -> Job:
    """Return a job that the token has submitted; raise Http404 for any other."""
    jobs = Job.objects.visible_to(user).select_related("owner", "token")
    return found(jobs.filter(pk=pk).first(), f"job {pk}")


def job_object(job: Job) -> dict[str, Any]:
    """Return a job as JSON; ``result`` and ``refusals`` are null for jobs that write no numbers."""
    result = result_of(job)
    own = {
        "id": str(job.pk),
        "kind": job.kind,
        "label": str(job),
        "state": job.state,
        "percent": job.percent,
        "done": job.done,
        "total": job.total,
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at),
        "finished_at": moment(job.finished_at),
        "cancel_requested": job.cancel_asked_at is not None,
        "error": job.result.get("error"),
        "sentence": job.sentence,
        "change": job.change_id,
        "result": None,
        "refusals": None,
    }
    if result is not None:
        own["result"] = counts(result)
        own["refusals"] = [
            {"code": one.code, "why": one.why, "count": one.count, "numbers": one.sample}
            for one in result.refusals.values()
        ]
        own["refused_url"] = reverse("api:refused_of_job", args=[job.pk])
    return own


# What a list shows; a job by its address has its refusals as well.
JOB = Fields(
    "ListedJob",
    [
        Field("id", lambda job: str(job.pk), UUID_TEXT, "Its id", "0197f3a2-5a64-7c3e-9d2b-6f1c2a4e8b90"),
        Field("kind", lambda job: job.kind, TEXT, "What it does", "edit"),
        Field("label", lambda job: str(job), TEXT, "A label for people", "Mass edit: 3,000 numbers"),
        Field(
            "state",
            lambda job: job.state,
            {"type": "string", "enum": [*map(str, Job.State.values)]},
            "How far it is",
            "running",
        ),
        Field("done", lambda job: job.done, WHOLE, "How many numbers or rows it has handled", 1_000),
        Field("total", lambda job: job.total, MAYBE_WHOLE, "How many there are", 3_000),
        Field(
            "created_at",
            lambda job: moment(job.created_at),
            MOMENT,
            "When it was submitted",
            "2026-03-02T14:31:07.240000Z",
        ),
        Field("finished_at", lambda job: moment(job.finished_at), MAYBE_MOMENT, "When it ended", None),
        Field("sentence", lambda job: job.sentence, TEXT, "The result so far, in words", ""),
        Field("change", lambda job: job.change_id, MAYBE_WHOLE, "The change that it writes", 4711),
    ],
)


@router.get("/jobs", operation_id="list_jobs", url_name="list_jobs", summary="List jobs")
@answers_with_list(JOB, JobFilter, JOBS.sorts, default=JOBS.default)
@needs("jobs.view_job")
def list_jobs(request: HttpRequest) -> HttpResponseBase:
    """Return a page of the jobs that the token has submitted, newest first."""
    return list_answer(
        request,
        JobFilter,
        lambda query: JOBS.listing(query, request.user),
        JOB,
        lambda listing, keys, _names: _rows_of(listing, keys),
    )


def _rows_of(listing: Any, keys: list[UUID]) -> list[Job]:
    by_key = {job.pk: job for job in listing.fetched(keys)}
    return [by_key[key] for key in keys if key in by_key]


@router.get("/jobs/{job_id}", operation_id="get_job", summary="Read a job", response=JobDetail)
@needs("jobs.view_job")
def get_job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Return how far a job is. Ask again until ``state`` is done, failed or cancelled."""
    job = _job(job_id, request.user)
    headers = {"Cache-Control": "no-store"} | ({} if job.is_finished else {"Retry-After": "1"})
    return answer(job_object(job), headers=headers)


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="cancel_job",
    summary="Cancel a job",
    response={200: JobDetail, 202: JobDetail},
)
@needs("jobs.view_job")
@needs_scope("jobs", "write")
@once
def cancel_job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Cancel a job after its current chunk. What it has already done is kept."""
    job = _job(job_id, request.user)
    if not job.request_cancel():
        raise ProblemError(409, "ended", job.has_ended_sentence, current=job_object(job))
    return answer(job_object(job), status=200 if job.is_finished else 202)


@router.post(
    "/jobs/{job_id}/retry", operation_id="retry_job", summary="Continue a job", response={202: JobDetail}
)
@needs("jobs.view_job")
@needs_scope("jobs", "write")
@once
def retry_job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Continue a failed or cancelled job after its last chunk."""
    job = _job(job_id, request.user)
    if not job.retry():
        raise ProblemError(409, "not_stopped", job.not_stopped_sentence, current=job_object(job))
    return answer(job_object(job), status=202)


@router.get(
    "/jobs/{job_id}/refused",
    operation_id="refused_of_job",
    summary="Read what a job refused",
    openapi_extra={"responses": {200: _FILES}},
)
@needs("jobs.view_job")
def refused_of_job(request: HttpRequest, job_id: UUID) -> HttpResponse | StreamingHttpResponse:
    """Return the refused numbers, one a line as NDJSON, or as CSV if ``Accept`` prefers it.

    Up to 10,000 are kept for each reason. Of a job for rows these are all refused rows, which also have
    ``line``, ``column`` and ``value``.
    """
    job = _job(job_id, request.user)
    kind = request.get_preferred_type([NDJSON, CSV]) or NDJSON
    rows: Iterator[Sequence[Any]] = refused_rows(job) if job.kind == RowsJob.name else _rows(job)
    columns = RefusedRow._fields if job.kind == RowsJob.name else COLUMNS
    lines = _csv(columns, rows) if kind == CSV else _ndjson(columns, rows)
    response = StreamingHttpResponse(lines, content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="refused-{job.pk}.{kind[-3:]}"'
    return response


def _rows(job: Job) -> Iterator[tuple[str, str, str]]:
    for refusal, number in refused_numbers(job):
        yield number, refusal.code, refusal.why


def _ndjson(columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n"


def _csv(columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[bytes]:
    return sheets.write(chain([columns], rows))
