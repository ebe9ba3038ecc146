"""Import a text in a test as the wizard does, without its pages."""

from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

import sheets
from dids.imports import mapping as columns
from dids.imports.options import KEEP
from dids.imports.wizard import Import

DEFAULTS = {"status": "instock", "after_hold": "instock", "tags": "", "notes": ""}


def staged(text, user, *, operator=None, mapping=None, name="numbers.csv", **options):
    """Upload and check ``text`` (CSV with a header, or bytes) as ``user``; return the import.

    ``options``: those of ``Import.check``, and the defaults of the upload.
    """
    chosen = {"existing": KEEP, "create": False, "all_or_nothing": False}
    chosen |= {key: options.pop(key) for key in list(options) if key in chosen}
    upload = SimpleUploadedFile(name, text if isinstance(text, bytes) else text.encode())
    with sheets.load(upload, upload.name) as loaded:
        number_import = Import.start(user, upload, loaded, operator=operator, **DEFAULTS | options)
    head = number_import.upload.head()
    keys, header = columns.guess([row.cells for row in head], number_import.upload.format.width)
    skip = [row.line for row in head[: header + 1]] if header is not None else []
    assert number_import.check(mapping=mapping or keys, skip=skip, **chosen)
    return finished(number_import)


def imported(text, user, **options):
    """Upload, check and apply ``text``; return the import."""
    number_import = staged(text, user, **options)
    assert number_import.apply(number_import.checked)
    return finished(number_import)


def finished(number_import):
    """Return the import after a worker has run its job, if it was queued."""
    if number_import.job.is_under_way:
        call_command("worker", "--once")
        number_import.job.refresh_from_db()
    return number_import
