"""Jobs: how far they are, how to cancel them, and what they refused."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from ninja import Router, Schema
from pydantic import Field

from api.access import found, needs
from api.fields import answer, moment
from api.idempotency import once
from api.problems import ProblemError
from api.results import Counts, RefusedFor, counts
from dids.job_kinds import refused_numbers, result_of
from jobs.models import Job

router = Router(tags=["Jobs"])
CSV, NDJSON = "text/csv", "application/x-ndjson"
COLUMNS = ("number", "code", "why")
_FILES = {
    "description": "One refused number a line",
    "content": {kind: {"schema": {"type": "string"}} for kind in (NDJSON, CSV)},
}


class JobState(Schema):
    """A job: how far it is, and what it did."""

    id: str
    kind: str = Field(examples=["edit"])
    label: str
    state: str = Field(json_schema_extra={"enum": [*map(str, Job.State.values)]}, examples=["running"])
    percent: int | None
    done: int = Field(description="How many numbers or rows it has handled")
    total: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested: bool
    error: str | None = Field(description="Why it failed, for people")
    sentence: str = Field(description="The result so far, in words")
    change: int | None = Field(description="The id of the change that it writes")
    result: Counts | None = Field(description="Null for jobs that write no numbers")
    refusals: list[RefusedFor] | None
    refused_url: str = Field("", description="The address of the refused numbers")


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


@router.get("/jobs/{job_id}", operation_id="get_job", summary="Read a job", response=JobState)
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
    response={200: JobState, 202: JobState},
)
@needs("jobs.view_job")
@once
def cancel_job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Cancel a job after its current chunk. What it has already done is kept."""
    job = _job(job_id, request.user)
    if not job.request_cancel():
        sentence = f"“{job}” has already ended, so it can’t be cancelled."
        raise ProblemError(409, "ended", sentence, current=job_object(job))
    return answer(job_object(job), status=200 if job.is_finished else 202)


@router.get(
    "/jobs/{job_id}/refused",
    operation_id="refused_of_job",
    summary="Read what a job refused",
    openapi_extra={"responses": {200: _FILES}},
)
@needs("jobs.view_job")
def refused_of_job(request: HttpRequest, job_id: UUID) -> HttpResponse | StreamingHttpResponse:
    """Return the refused numbers, one a line as NDJSON, or as CSV if ``Accept`` prefers it.

    Up to 10,000 are kept for each reason.
    """
    job = _job(job_id, request.user)
    kind = request.get_preferred_type([NDJSON, CSV]) or NDJSON
    lines = _csv(job) if kind == CSV else _ndjson(job)
    response = StreamingHttpResponse(lines, content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="refused-{job.pk}.{kind[-3:]}"'
    return response


def _rows(job: Job) -> Iterator[tuple[str, str, str]]:
    for refusal, number in refused_numbers(job):
        yield number, refusal.code, refusal.why


def _ndjson(job: Job) -> Iterator[str]:
    for row in _rows(job):
        yield json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) + "\n"


def _csv(job: Job) -> Iterator[str]:
    for row in (COLUMNS, *_rows(job)):
        line = io.StringIO()
        csv.writer(line).writerow(row)
        yield line.getvalue()
