"""The upload form of a reference table, and the checked rows that its page carries until they are applied."""

from django.core import signing
from django.core.exceptions import ValidationError

import sheets
from didmgmt.forms import Form
from dids.imports.limits import import_limits
from dids.reference_files.parsed_file import HEAD, LIMIT, ParsedFile
from screens.imports.forms import UploadForm, delimiter_of

MAX_BYTES = 5 * 1024 * 1024
MAX_AGE = 24 * 60 * 60  # seconds after which a check can't be applied any more


class ReferenceUploadForm(Form):
    """Take a file of ``resource``'s table. After ``is_valid`` its rows are in ``parsed_file``."""

    file = UploadForm.base_fields["file"]
    delimiter = UploadForm.base_fields["delimiter"]
    encoding = UploadForm.base_fields["encoding"]

    def __init__(self, *args, resource, **kwargs):
        super().__init__(*args, **kwargs)
        self.resource = resource

    def clean_file(self):
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise ValidationError(
                f"The file is larger than {MAX_BYTES // 1024 // 1024} MB. Split it and import the parts."
            )
        return file

    def clean(self):
        cleaned = super().clean()
        if "file" in cleaned:
            limits = import_limits()._replace(rows=LIMIT + HEAD)
            options = {"encoding": cleaned.get("encoding", ""), "limits": limits}
            options["delimiter"] = delimiter_of(cleaned.get("delimiter", ""))
            try:
                with sheets.load(cleaned["file"], cleaned["file"].name, **options) as loaded:
                    rows = sheets.read(loaded.file, loaded.format, limits)
                    self.parsed_file = ParsedFile.parse(self.resource, rows, cleaned["file"].name)
            except sheets.SheetError as error:
                self.add_error("file", str(error))
        return cleaned


def sign(file, result, *, table, user):
    """Return the checked rows as signed text; only ``user`` can apply it, and nobody can alter it."""
    values = {"name": file.name, "keys": file.keys, "rows": file.rows, "expected": result.digest}
    return signing.dumps(values, salt=_salt(table, user), compress=True)


def unsign(text, *, table, user):
    """Return (parsed file, digest of the checked result).

    Raises ``BadSignature``, also for text older than a day.
    """
    values = signing.loads(text, salt=_salt(table, user), max_age=MAX_AGE)
    expected = values.pop("expected")
    return ParsedFile(**values), expected


def _salt(table, user):
    return f"reference.{table}.{user.pk}"
