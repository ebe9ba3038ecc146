"""The form that takes a file of a reference table, and the checked rows on their way to being applied."""

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError

import sheets
from dids.imports.limits import import_limits
from dids.reference_files.tables import HEAD, LIMIT, Sheet
from screens.imports.forms import UploadForm, delimiter_of

LARGEST = 5 * 1024 * 1024  # bytes of a file
KEPT = 24 * 60 * 60  # seconds that a check can be applied


class ReferenceUploadForm(forms.Form):
    """A file of ``resource``'s table and how to read it. After ``is_valid``: ``sheet``."""

    file = UploadForm.base_fields["file"]
    delimiter = UploadForm.base_fields["delimiter"]
    encoding = UploadForm.base_fields["encoding"]

    def __init__(self, *args, resource, **kwargs):
        super().__init__(*args, **kwargs)
        self.resource = resource

    def clean_file(self):
        file = self.cleaned_data["file"]
        if file.size > LARGEST:
            raise ValidationError(
                f"The file is larger than {LARGEST // 1024 // 1024} MB. Split it and import the parts."
            )
        return file

    def clean(self):
        cleaned = super().clean()
        if "file" in cleaned:
            limits = import_limits()._replace(rows=LIMIT + HEAD)
            how = {"encoding": cleaned.get("encoding", ""), "limits": limits}
            how["delimiter"] = delimiter_of(cleaned.get("delimiter", ""))
            try:
                with sheets.load(cleaned["file"], cleaned["file"].name, **how) as loaded:
                    rows = sheets.read(loaded.file, loaded.format, limits)
                    self.sheet = Sheet.of(self.resource, rows, cleaned["file"].name)
            except sheets.SheetError as error:
                self.add_error("file", str(error))
        return cleaned


def seal(sheet, outcome, *, table, user):
    """The checked rows as a text that a page can carry: nobody but ``user`` can use it, nor alter it."""
    carried = {"name": sheet.name, "keys": sheet.keys, "rows": sheet.rows, "expected": outcome.digest}
    return signing.dumps(carried, salt=_salt(table, user), compress=True)


def unseal(text, *, table, user):
    """(sheet, digest of the outcome that was checked). Raises ``BadSignature``, also a day later."""
    carried = signing.loads(text, salt=_salt(table, user), max_age=KEPT)
    expected = carried.pop("expected")
    return Sheet(**carried), expected


def _salt(table, user):
    return f"reference.{table}.{user.pk}"
