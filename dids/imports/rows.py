"""Rows that a program sends to create or edit numbers: checked and written as those of an imported file.

The rows are staged, validated and merged by ``Check`` and ``Apply``. A row that can't be read, or whose
number can't be written, is refused with its line, and the others are written. ``write_at_once`` does that in
a request, in one transaction, and ``RowsJob`` for more rows in a worker.

``job.cursor["phase"]`` is "check", then "checked", then "apply".
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import transaction

from didmgmt.text import count_noun
from dids.imports.apply import CHUNK, Apply
from dids.imports.bodies import CSV, NAMES, Columns
from dids.imports.check import Check
from dids.imports.options import CLEAR, KEEP, REFUSE
from dids.imports.reasons import explain
from dids.imports.tally import refusal_reasons
from dids.lifecycle.result import Result
from dids.lists.changed import changed_url
from dids.models.staging import ImportBatch
from jobs.kinds import JobKind, register
from jobs.models import Job

CREATE, EDIT = "create", "edit"
DONE = {CREATE: "created", EDIT: "changed"}
BLOCK = 2_000  # refused rows that are explained at once

# What to do instead, where the sentences for imported files speak of the steps of the wizard
_REMEDIES = {
    "no operator": "Name it in the column operator, or by the parameter operator.",
    "no id": "Correct it, or leave the row out.",
    "operator ambiguous": "Name the reseller as well, or the operator by its id, as in id:17.",
    "client ambiguous": "Name the reseller as well, or the client by its id, as in id:17.",
    "package not given": "Give it to the client first.",
    "changed": "Send the row again.",
    "created": "Send the row again.",
    "long": "",
} | dict.fromkeys(
    [f"{kind} unknown" for kind in ("reseller", "operator", "client", "account", "package")],
    "Correct it, create it first, or name it by its id, as in id:17.",
)

_ALL_OR_NOTHING = (
    "Nothing was written: {rows} and you sent all_or_nothing=true. Correct them, or send all_or_nothing=false"
    " to write the others."
)


class RefusedRow(NamedTuple):
    """A refused row: its ``line`` in the body, the name of the ``column`` at fault, and what it has.

    ``code`` and ``why``: the reason, for programs and as a sentence.
    """

    line: int
    number: str | None
    column: str
    value: str
    code: str
    why: str


class RowsRefusedError(Exception):
    """Nothing is written, because some rows are refused: the first ``rows`` of them, of ``count``."""

    def __init__(self, count: int, rows: list[RefusedRow]) -> None:
        rows_are = f"{count_noun(count, 'row is', 'rows are')} refused"
        super().__init__(_ALL_OR_NOTHING.format(rows=rows_are))
        self.count, self.rows = count, rows


def rows_job(
    user: Any,
    columns: Columns,
    *,
    rows: int,
    action: str,
    dry_run: bool = False,
    all_or_nothing: bool = False,
    clears: bool = False,
    operator: Any = None,
    defaults: dict[str, str],
) -> Job:
    """Return an unsaved job for the rows of a body, which are ``rows`` or a few less.

    ``clears``: whether blank cells empty tags, notes and hold days of existing numbers. ``operator`` and
    ``defaults``: of new numbers, see ``Options``.
    """
    kind = "CSV" if columns.kind == CSV else "NDJSON"
    what = {CREATE: "New DIDs", EDIT: "Edit of DIDs"}[action]
    job = Job(kind=RowsJob.name, owner=user, label=f"{what} from {kind}{', rehearsed' if dry_run else ''}")
    job.params = {
        "action": action,
        "dry_run": dry_run,
        "all_or_nothing": all_or_nothing,
        "columns": columns.as_json(),
        "mapping": columns.mapping,
        "skip": [columns.line],
        "strict": True,
        "empty": [],
        "existing": REFUSE if action == CREATE else CLEAR if clears else KEEP,
        "new": action == CREATE,
        "create": False,
        "operator": operator and operator.pk,
        "defaults": defaults,
    }
    job.cursor, job.total = {"phase": "check"}, max(rows, 0)
    return job


class Written(NamedTuple):
    """What rows did, or would do in a rehearsal, and all refused ones; ``change`` is None if nothing did."""

    result: Result
    sentence: str
    refused: list[RefusedRow]
    change: int | None


def write_at_once(job: Job, file: Any) -> Written:
    """Check and write the rows of ``file`` in one transaction; of the job nothing remains.

    Raises RowsRefusedError, and JobError for what no row is to blame for.
    """
    with transaction.atomic():
        job.save()
        for _ in Check(job, lambda: Columns.from_json(job.params["columns"]).rows(file)).run():
            pass
        batch = ImportBatch.objects.get(pk=job.cursor["batch"])
        refused = job.result["counts"].get("refused", 0)
        if not job.params["dry_run"]:
            if refused and job.params["all_or_nothing"]:
                raise RowsRefusedError(refused, list(_explained(batch, job.actor)))
            _begin_to_write(job)
            for _ in Apply(job, _ALL_OR_NOTHING).run():
                pass
        done = _written(job, [*_explained(batch, job.actor)])
        if job.params["dry_run"]:
            transaction.set_rollback(True)
        else:
            batch.erase()
            Job.objects.filter(pk=job.pk).delete()
    return done


def _written(job: Job, refused: list[RefusedRow]) -> Written:
    counts = _counts(job)
    result = Result(_count_done(counts), counts.get("unchanged", 0))
    for one in refused:
        result.refuse(one.code, one.why.removesuffix("."), 1, filter(None, [one.number]))
    return Written(result, rows_sentence(job), refused, job.change_id)


def submit_rows(user: Any, job: Job, file: Any) -> Job:
    """Store the body and queue the job. Raises LimitError."""
    Job.objects.refuse_many_waiting(user)
    Job.objects.refuse_many_uploads(user, RowsJob.name)
    job.state = Job.State.QUEUED
    job.file.save(f"{job.pk}.{job.params['columns']['kind']}", file, save=False)
    try:
        job.save()
    except BaseException:
        job.file.delete(save=False)
        raise
    return job


def _begin_to_write(job: Job) -> None:
    job.cursor = {"phase": "apply", "batch": job.cursor["batch"], "frees": job.cursor.get("frees")}


def _note_reasons(job: Job, batch: ImportBatch) -> None:
    reasons, more = refusal_reasons(batch, job.actor)
    job.result |= {"reasons": reasons, "more_reasons": more}


class RowsJob(JobKind):
    name, label, unit = "rows", "Rows of a program", "rows"

    def run(self, job: Job) -> Iterator[None]:
        columns = Columns.from_json(job.params["columns"])

        def rows() -> Iterator[Any]:
            body: Any = job.file
            with body.open("rb") as file:
                yield from columns.rows(file)

        if job.cursor["phase"] == "check":
            yield from _halving(job, Check(job, rows).run(), before=0)
            batch = ImportBatch.objects.get(pk=job.cursor["batch"])
            if job.params["dry_run"] or job.params["all_or_nothing"]:
                _note_reasons(job, batch)
            yield
        batch = ImportBatch.objects.get(pk=job.cursor["batch"])
        if job.params["dry_run"]:
            yield from _erase(job, batch)
        else:
            if job.cursor["phase"] == "checked":
                _begin_to_write(job)
                yield
            yield from _halving(job, Apply(job, _ALL_OR_NOTHING).run(), before=(job.total or 0) // 2)
        job.done = job.total or 0

    def sentence(self, job: Job) -> str:
        return rows_sentence(job) if "counts" in job.result else ""

    def url(self, job: Job) -> str:
        return str(changed_url(job.change_id))


def _halving(job: Job, work: Iterator[None], *, before: int) -> Iterator[None]:
    """Let ``job.done`` count each row by halves: for the check and for the write."""
    shown = None
    for _ in work:
        if job.done != shown:
            job.done = shown = before + job.done // 2
        yield


def _erase(job: Job, batch: ImportBatch) -> Iterator[None]:
    """Delete the staged rows of a rehearsal, except for the refused ones."""
    while chunk := batch.chunk_after(job.cursor.get("erased", batch.first), job.at_once(CHUNK)):
        chunk.erase_written()
        job.cursor["erased"] = chunk.last
        yield


# --- what rows did --------------------------------------------------------------------------------


def rows_result(job: Job) -> Result:
    """Return what a job has written, or would write, and its refusals by reason; see ``refused_rows``."""
    found, counts = job.result, _counts(job)
    result = Result(_count_done(counts), counts.get("unchanged", 0))
    for reason in found.get("reasons", ()):
        one = _refused(reason)
        result.refuse(one.code, one.why.removesuffix("."), reason["rows"], filter(None, [one.number]))
    if more := counts.get("refused", 0) - result.refused:
        result.refuse("other", "for several reasons, see the refused rows", more)
    return result


def _counts(job: Job) -> dict[str, int]:
    """Return {result of ``staging.RESULTS``: rows}: of what is written, not of what was only checked."""
    counts: dict[str, int] = job.result.get("counts", {})
    if "applied" in job.result:
        return dict(job.result["applied"])
    return counts if job.params["dry_run"] else {"refused": counts.get("refused", 0)}


def _count_done(counts: dict[str, int]) -> int:
    return counts.get("created", 0) + counts.get("updated", 0)


def rows_sentence(job: Job) -> str:
    """Return what a job has done in words: "480 numbers created, 12 unchanged. 3 rows refused."."""
    counts, did = _counts(job), DONE[job.params["action"]]
    written = _count_done(counts)
    would = "would be " if job.params["dry_run"] else ""
    said = f"{count_noun(written, 'number') if written else 'No number'} {would}{did}"
    if unchanged := counts.get("unchanged", 0):
        said += f", {unchanged:,} unchanged"
    refused = counts.get("refused", 0)
    return f"{said}. {count_noun(refused, 'row')} refused." if refused else f"{said}."


def refused_rows(job: Job) -> Iterator[RefusedRow]:
    """Yield the refused rows of a job, in the order of the body, as long as its files are kept."""
    for batch in job.batches.filter(pk=job.cursor.get("batch")):
        yield from _explained(batch, job.actor)


def _explained(batch: ImportBatch, user: Any) -> Iterator[RefusedRow]:
    after = 0
    while some := explain(batch.refused.filter(pk__gt=after)[:BLOCK], user):
        yield from map(_refused, some)
        after = some[-1]["id"]


def _refused(one: dict[str, Any]) -> RefusedRow:
    """Return a refused row from what ``explain`` returns."""
    code = one["kind"] or "unreadable" if one["code"] == "flaw" else one["code"]
    remedy = _REMEDIES.get(one["code"], one["remedy"])
    why = f"{one['what']} {remedy}".strip()
    column = NAMES.get(one["key"], "")
    return RefusedRow(one["line"], one["number"], column, one["value"], code.replace(" ", "_"), why)


register(RowsJob())
