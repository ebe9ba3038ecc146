"""Import a text in a test as the screens do, without the screens."""

from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

import sheets
from dids.imports import mapping as columns
from dids.imports.validate import KEEP
from dids.imports.wizard import Import

DEFAULTS = {"status": "instock", "after_hold": "instock", "tags": "", "notes": ""}


def staged(text, user, *, operator=None, mapping=None, name="numbers.csv", **choices):
    """The import of ``text`` (CSV with a header, or bytes), checked, as ``user`` uploads it.

    ``choices``: those of ``Import.check``, and defaults of the upload.
    """
    policy = {"existing": KEEP, "create": False, "all_or_nothing": False}
    policy |= {key: choices.pop(key) for key in list(choices) if key in policy}
    upload = SimpleUploadedFile(name, text if isinstance(text, bytes) else text.encode())
    with sheets.load(upload, upload.name) as loaded:
        one = Import.start(user, upload, loaded, operator=operator, **DEFAULTS | choices)
    head = one.head()
    keys, header = columns.guess([row.cells for row in head], one.format.width)
    skip = [row.line for row in head[: header + 1]] if header is not None else []
    assert one.check(mapping=mapping or keys, skip=skip, **policy)
    return done(one)


def imported(text, user, **choices):
    """``staged`` and applied."""
    one = staged(text, user, **choices)
    assert one.apply(one.checked)
    return done(one)


def done(one):
    """The import once the worker, too, has done its part."""
    if one.job.is_under_way:
        call_command("worker", "--once")
        one.job.refresh_from_db()
    return one
