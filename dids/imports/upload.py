"""The uploaded file of an import, stored with its job, and how it is read."""

from dataclasses import asdict
from itertools import islice, takewhile
from pathlib import PurePath

from django.core.files import File

import sheets
from dids.imports import mapping
from dids.imports.limits import EXAMINED, import_limits

HEAD = 50  # rows among which the header is looked for, and by which the columns are guessed


class Upload:
    """The file of an import ``job``. The caller saves the job after writing."""

    def __init__(self, job):
        self.job = job

    def store(self, file, loaded):
        """Store the uploaded ``file``; ``loaded`` is the result of ``sheets.load``."""
        file.seek(0)
        self.job.params["name"] = file.name
        self.job.file.save(f"{self.job.pk}{_suffix(file.name)}", file, save=False)
        self.read_as(loaded, file)

    def read_as(self, loaded, file):
        """Remember how ``file`` is read, and store the rows that were unpacked to read it."""
        params, storage = self.job.params, self.job.file.storage
        self.delete_table()
        if loaded.file is not file:
            params["table"] = storage.save(f"{self.job.file.name}.rows", File(loaded.file))
        params["format"] = asdict(loaded.format)
        params["notes"] = loaded.notes if loaded.complete else [*loaded.notes, _examined(loaded.rows)]
        params["damage"] = [damage.sentence for damage in loaded.damage]
        params["rows"], params["complete"] = loaded.rows, loaded.complete
        self.job.total = loaded.rows

    def delete_table(self):
        """Delete the unpacked rows, if there are any."""
        if table := self.job.params.pop("table", None):
            self.job.file.storage.delete(table)

    def load(self, file, **how):
        """Load the stored file, opened as ``file``, with another delimiter, encoding or sheet."""
        return sheets.load(file, self.name, limits=import_limits(examined=EXAMINED), **how)

    @property
    def name(self):
        return self.job.params["name"]

    @property
    def format(self):
        return sheets.Format(**self.job.params["format"])

    def rows(self):
        """Stream the rows of the file."""
        table = self.job.params.get("table") or self.job.file.name
        with self.job.file.storage.open(table, "rb") as file:
            yield from sheets.read(file, self.format, import_limits())

    def head(self):
        return list(islice(self.rows(), HEAD))

    def header(self):
        """Return the cells of the row that names the columns, None if there is none.

        Among the skipped rows at the beginning it is the one with most known names, else the last one.
        """
        skip = set(self.job.params["skip"])
        skipped = [row.cells for row in takewhile(lambda row: row.line in skip, self.head())]
        found = mapping.find_header(skipped)
        return skipped[-1 if found is None else found] if skipped else None


def delete_files(job):
    """Delete the staged rows and the files of a job; its results stay readable."""
    for batch in job.batches.all():
        batch.erase()
    Upload(job).delete_table()
    job.erase()


def _examined(rows):
    return (
        f"The file is long, so only its first {rows:,} rows have been looked through so far."
        " The check reads all rows and refuses those that can’t be read."
    )


def _suffix(name):
    suffix = PurePath(name).suffix.lower()
    return suffix if suffix.isascii() and suffix[1:].isalnum() and len(suffix) <= 6 else ".bin"
