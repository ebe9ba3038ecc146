"""Import a text in a test as the screens do, without the screens."""

from io import BytesIO

from django.core.files.uploadedfile import SimpleUploadedFile

from dids import columns, sheets
from dids.importing import Import
from dids.judging import KEEP

DEFAULTS = {"status": "instock", "after_hold": "instock", "tags": "", "notes": ""}


def staged(text, user, *, existing=KEEP, create=False, operator=None, mapping=None, **defaults):
    """The import of ``text`` (CSV with a header), checked, as ``user`` uploads it."""
    data = text if isinstance(text, bytes) else text.encode()
    upload = SimpleUploadedFile("numbers.csv", data)
    format = sheets.sniff(BytesIO(data))
    rows = sum(1 for _ in sheets.read(BytesIO(data), format))
    one = Import.start(user, upload, format=format, rows=rows, operator=operator, **DEFAULTS | defaults)
    head = one.head()
    keys, header = columns.guess([row.cells for row in head], format.width)
    skip = [row.line for row in head[: header + 1]] if header is not None else []
    assert one.check(mapping=mapping or keys, skip=skip, existing=existing, create=create)
    return one


def imported(text, user, **choices):
    """``staged`` and applied."""
    one = staged(text, user, **choices)
    assert one.apply(one.checked)
    return one
