"""Write the rows of an export to a workbook that a job keeps."""

import tempfile

from django.core.files.base import File

import sheets
from jobs.kinds import JobError

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLSX_AT_ONCE = 10_000  # rows; a workbook with more is written by a job


def write_workbook(rows, job):
    """Write ``rows``, header first, to the file of ``job``; a generator that yields after each chunk.

    The result names the file and the id of the reseller that its rows were limited to, None for all.
    Half a workbook can't be continued, so a worker that takes the job over starts again.
    """
    job.done = 0
    with tempfile.TemporaryFile() as file:
        try:
            for count in sheets.write_workbook(rows, file):
                job.done = count - 1  # without the header
                yield
        except sheets.SheetError as error:
            raise JobError(str(error)) from None
        file.seek(0)
        job.file.save(f"{job.pk}.xlsx", File(file), save=False)
    job.total = job.done
    job.result = {"file": {"name": job.params["name"], "type": XLSX, "reseller": job.actor.reseller_id}}
