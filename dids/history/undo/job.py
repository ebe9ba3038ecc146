"""Undo large changes in a job."""

from audit.models import Change
from dids.history.undo.result import UndoResult
from dids.history.undo.undo import START, Undo
from dids.lists.changed import changed_url
from jobs.kinds import JobError, JobKind, register
from jobs.models import Job


def submit_undo(undo):
    """Queue a job that runs ``undo`` and return it."""
    return Job.objects.submit(
        kind=KIND.name,
        owner=undo.by,
        label=undo.change.undo_label,
        total=undo.rows,
        params={"change": undo.change.pk},
        cursor={"after": START},
    )


class UndoJob(JobKind):
    name, label, unit = "undo", "Undo", "steps"

    def run(self, job):
        while True:
            # Checked before each chunk: the right may be revoked, or old history deleted, meanwhile.
            if not job.actor.has_perm("audit.undo_change"):
                raise JobError("You no longer have permission to undo changes. Ask a supervisor.")
            change = Change.objects.filter(pk=job.params["change"]).first()
            if change is None:
                raise JobError("The change no longer exists: its history was deleted.")
            result = UndoResult.from_json(job.result)
            done = Undo(change, by=job.actor).run_next(job.cursor["after"], result, job.change, job.at_once)
            if done is None:
                return
            cursor, rows, current = done
            job.change = current if current.pk else None
            job.result, job.cursor = result.as_json(), {"after": cursor}
            job.done += rows
            yield

    def sentence(self, job):
        return UndoResult.from_json(job.result).sentence() if job.done else ""

    def url(self, job):
        return changed_url(job.change_id)


KIND = register(UndoJob())
