"""Forms of the import wizard: the file with its defaults, then its columns."""

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

import sheets
from clients.tags import MAX_LABEL, tag_label
from didmgmt.choices import RemoteSelect
from didmgmt.forms import Form
from didmgmt.text import count_noun
from dids.forms.numbers import NotesField, TagsField
from dids.imports.limits import EXAMINED, import_limits
from dids.lifecycle import statuses as st
from operators.models import Operator

DETECT = "detect"
SUFFIXES = [suffix for suffixes in sheets.SUFFIXES.values() for suffix in suffixes]
WORKBOOKS = {
    "xlsx": "Excel workbook",
    "xlsb": "binary Excel workbook",
    "xls": "old Excel workbook",
    "ods": "OpenDocument workbook",
    "fods": "OpenDocument workbook",
    "xml": "XML workbook",
    "html": "web page",
}


class DefaultsForm(Form):
    """Base class for the forms with values that new numbers get where the file has none.

    ``by``: the user, who chooses among the operators and tags of its branch.
    """

    operator = forms.ModelChoiceField(
        label="Operator",
        queryset=Operator.objects.none(),
        required=False,
        widget=RemoteSelect("operators:choices"),
    )
    status = forms.ChoiceField(label="Status", choices=st.FREE_CHOICES, initial=st.INSTOCK)
    after_hold = forms.ChoiceField(label="After Hold", choices=st.FREE_CHOICES, initial=st.INSTOCK)
    tags = TagsField(max_length=MAX_LABEL)
    notes = NotesField()

    no_operator = ""  # what the choice of no operator means

    def __init__(self, data=None, files=None, *, by):
        super().__init__(data, files)
        self.fields["tags"].by = by
        self.fields["operator"].queryset = Operator.objects.visible_to(by)
        self.fields["operator"].empty_label = self.no_operator


class UploadForm(DefaultsForm):
    """The file, how to read it, and the defaults for new numbers.

    ``is_valid`` sets ``loaded``, the result of ``sheets.load``, which the caller closes.
    """

    no_operator = "from the file"

    file = forms.FileField(
        label="File",
        help_text="CSV text (.csv, .txt, .tsv, also .gz) or a workbook (.xlsx, .xlsb, .xls, .ods)",
        error_messages={"required": "Choose a file to import.", "empty": "The file is empty."},
        widget=forms.FileInput(attrs={"accept": ",".join(SUFFIXES)}),
    )
    delimiter = forms.ChoiceField(
        label="Field delimiter",
        choices=[(DETECT, "autodetect"), *((name, name) for name in sheets.DELIMITERS)],
        required=False,
    )
    encoding = forms.ChoiceField(
        label="Encoding", choices=[("", "autodetect"), *sheets.ENCODINGS.items()], required=False
    )

    def clean_file(self):
        file = self.cleaned_data["file"]
        if file.size > settings.UPLOAD_LIMIT:
            most = settings.UPLOAD_LIMIT // 1024 // 1024
            raise ValidationError(f"The file is larger than {most} MB. Split it and import the parts.")
        return file

    def clean(self):
        cleaned = super().clean()
        # Reading the file takes longest, so it is done only if the other fields are valid.
        if not self.errors:
            try:
                self.loaded = sheets.load(
                    cleaned["file"],
                    cleaned["file"].name,
                    encoding=cleaned["encoding"],
                    delimiter=delimiter_of(cleaned["delimiter"]),
                    limits=import_limits(examined=EXAMINED),
                )
                if not self.loaded.rows:
                    self.loaded.close()
                    raise sheets.SheetError("The file has no rows. Choose another file.")
            except sheets.SheetError as error:
                self.add_error("file", str(error))
        return cleaned

    def defaults(self):
        """Return the defaults that ``Import.start`` takes."""
        defaults = {name: self.cleaned_data[name] for name in ("operator", "status", "after_hold", "notes")}
        return defaults | {"tags": tag_label(self.cleaned_data["tags"])}


class ReadingForm(Form):
    """How the uploaded file is read: delimiter and encoding of a text file, sheet and rows of a workbook."""

    delimiter = forms.ChoiceField(label="Field delimiter")
    encoding = forms.ChoiceField(label="Encoding", choices=list(sheets.ENCODINGS.items()))
    sheet = forms.ChoiceField(label="Sheet")
    leave_out = forms.BooleanField(label="Leave out hidden rows", required=False)

    def __init__(self, data=None, *, file_format):
        super().__init__(data)
        self.initial = {"encoding": file_format.encoding, "sheet": file_format.sheet}
        names = {char: name for name, char in sheets.DELIMITERS.items()}
        self.initial["delimiter"] = names.setdefault(file_format.delimiter, file_format.delimiter)
        self.fields["delimiter"].choices = [(name, name) for name in names.values()]
        self.fields["sheet"].choices = [(name, name) for name in file_format.sheets]
        if file_format.encoding and file_format.encoding not in sheets.ENCODINGS:
            encoding = file_format.encoding
            self.fields["encoding"].choices += [(encoding, sheets.encoding_name(encoding))]
        for name in ("delimiter", "encoding") if file_format.sheets else ("sheet",):
            del self.fields[name]
        if len(file_format.sheets) == 1:
            del self.fields["sheet"]
        self.initial["leave_out"] = not file_format.hidden_read
        if not file_format.hidden:
            del self.fields["leave_out"]

    def options(self):
        """Return the arguments of ``Import.read_again``."""
        options = dict(self.cleaned_data)
        if "delimiter" in options:
            options["delimiter"] = delimiter_of(options["delimiter"])
        if "leave_out" in options:
            options["hidden"] = not options.pop("leave_out")
        return options


def delimiter_of(name):
    """Return the delimiter with this name, None to detect it."""
    return None if name in ("", DETECT) else sheets.DELIMITERS.get(name, name)


def file_note(file_format, params):
    """Describe how a file is read: "1,204 lines, separated by comma, Unicode (UTF-8)".

    ``params`` are those of its job. Not all lines of a large file are counted when it is uploaded.
    """
    lines = count_noun(params["rows"], "line")
    if not params.get("complete", True):
        lines = f"more than {lines}"
    if file_format.sheets:
        return f"{lines}, {WORKBOOKS.get(file_format.kind, file_format.kind)}, sheet “{file_format.sheet}”"
    named = {char: name for name, char in sheets.DELIMITERS.items()}
    delimiter = named.get(file_format.delimiter, file_format.delimiter)
    split = "one column" if delimiter == "none" else f"separated by {delimiter}"
    return f"{lines}, {split}, {sheets.encoding_name(file_format.encoding)}"
