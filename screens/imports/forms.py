"""The forms of the import wizard: the file with its defaults, then its columns."""

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

import sheets
from clients.tags import MAX_LABEL, tag_label
from didmgmt.choices import RemoteSelect
from dids.imports import mapping as columns
from dids.imports.limits import import_limits
from dids.imports.validate import CLEAR, KEEP, LEAVE
from dids.lifecycle import statuses as st
from operators.models import Operator
from screens.numbers.forms import NotesField, TagsField

DETECT = "detect"
SUFFIXES = (".csv", ".txt", ".tsv", ".gz", ".xlsx", ".xls", ".ods")
WORKBOOKS = {"xlsx": "Excel workbook", "xls": "old Excel workbook", "ods": "OpenDocument workbook"}
GOOD, ALL = "good", "all"
ERRORS = [
    (GOOD, "Import the good rows and give back the refused ones as a file"),
    (ALL, "All or nothing: a single refused row keeps all from being imported"),
]
EXISTING = [
    (KEEP, "Update them; a blank cell keeps what is there"),
    (CLEAR, "Update them; a blank cell empties tags, notes and hold days"),
    (LEAVE, "Leave them as they are"),
]


class UploadForm(forms.Form):
    """The file, how to read it, and what new numbers get where it says nothing.

    After ``is_valid``: ``loaded``, what ``sheets.load`` made of the file; the caller closes it.
    """

    file = forms.FileField(
        label="File",
        help_text="CSV text (.csv, .txt, .tsv, also .gz) or a workbook (.xlsx, .xls, .ods)",
        error_messages={"required": "Choose a file to import.", "empty": "The file is empty."},
        widget=forms.FileInput(attrs={"accept": ",".join(SUFFIXES)}),
    )
    delimiter = forms.ChoiceField(
        label="Fields delimiter",
        choices=[(DETECT, "autodetect"), *((name, name) for name in sheets.DELIMITERS)],
        required=False,
    )
    encoding = forms.ChoiceField(
        label="Encoding", choices=[("", "autodetect"), *sheets.ENCODINGS.items()], required=False
    )
    operator = forms.ModelChoiceField(
        label="Operator",
        queryset=Operator.objects.none(),
        required=False,
        empty_label="as the file says",
        widget=RemoteSelect("operators:choices"),
    )
    status = forms.ChoiceField(label="Status", choices=st.FREE_CHOICES, initial=st.INSTOCK)
    after_hold = forms.ChoiceField(label="After Hold", choices=st.FREE_CHOICES, initial=st.INSTOCK)
    tags = TagsField(max_length=MAX_LABEL)
    notes = NotesField()

    def __init__(self, *args, by, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["operator"].queryset = Operator.objects.visible_to(by)

    def clean_file(self):
        file = self.cleaned_data["file"]
        if file.size > settings.UPLOAD_LIMIT:
            most = settings.UPLOAD_LIMIT // 1024 // 1024
            raise ValidationError(f"The file is larger than {most} MB. Split it and import the parts.")
        return file

    def clean(self):
        cleaned = super().clean()
        # The longest part comes last: a file is not read for a form that is wrong anyway.
        if not self.errors:
            try:
                self.loaded = sheets.load(
                    cleaned["file"],
                    cleaned["file"].name,
                    encoding=cleaned["encoding"],
                    delimiter=delimiter_of(cleaned["delimiter"]),
                    limits=import_limits(),
                )
                if not self.loaded.rows:
                    self.loaded.close()
                    raise sheets.SheetError("The file has no rows. Choose the file that holds the numbers.")
            except sheets.SheetError as error:
                self.add_error("file", str(error))
        return cleaned

    def defaults(self):
        """What ``Import.start`` keeps beside file and format."""
        wanted = ("operator", "status", "after_hold", "notes")
        return {name: self.cleaned_data[name] for name in wanted} | {
            "tags": tag_label(self.cleaned_data["tags"])
        }


class ReadingForm(forms.Form):
    """How the file at hand is read; a text file has a delimiter and an encoding, a workbook sheets."""

    delimiter = forms.ChoiceField(label="Fields delimiter")
    encoding = forms.ChoiceField(label="Encoding", choices=list(sheets.ENCODINGS.items()))
    sheet = forms.ChoiceField(label="Sheet")

    def __init__(self, data=None, *, format):
        super().__init__(data)
        self.initial = {"encoding": format.encoding, "sheet": format.sheet}
        names = {char: name for name, char in sheets.DELIMITERS.items()}
        self.initial["delimiter"] = names.setdefault(format.delimiter, format.delimiter)
        self.fields["delimiter"].choices = [(name, name) for name in names.values()]
        self.fields["sheet"].choices = [(name, name) for name in format.sheets]
        if format.encoding and format.encoding not in sheets.ENCODINGS:
            self.fields["encoding"].choices += [(format.encoding, format.encoding)]
        for name in ("delimiter", "encoding") if format.sheets else ("sheet",):
            del self.fields[name]
        if len(format.sheets) == 1:
            del self.fields["sheet"]

    def chosen(self):
        """What ``Import.read_otherwise`` takes."""
        chosen = dict(self.cleaned_data)
        if "delimiter" in chosen:
            chosen["delimiter"] = delimiter_of(chosen["delimiter"])
        return chosen


def delimiter_of(name):
    """The delimiter of that name; None is to be detected."""
    return None if name in ("", DETECT) else sheets.DELIMITERS.get(name, name)


class ColumnsForm(forms.Form):
    """One select a column, a box for each line of the head to skip, and what to do with what is found.

    ``one``: the ``Import``. A column is what was chosen before, else what it was in this person's last file
    with the same header line, else what its header and content say. ``chosen()``: for ``Import.check``.
    """

    existing = forms.ChoiceField(
        label="Numbers that exist already", choices=EXISTING, initial=KEEP, widget=forms.RadioSelect
    )
    errors_policy = forms.ChoiceField(
        label="When rows are refused",
        choices=ERRORS,
        initial=GOOD,
        required=False,
        widget=forms.RadioSelect,
    )
    create = forms.BooleanField(
        label="Create missing operators, clients, accounts and packages",
        help_text="Else the rows that name them are refused. You need the rights for it.",
        required=False,
    )

    def __init__(self, data=None, *, one, head):
        super().__init__(data)
        self.width, self.lines = one.format.width, [row.line for row in head]
        kept = one.job.params if "mapping" in one.job.params else {}
        keys, header = columns.guess([row.cells for row in head], self.width)
        if kept:
            keys = kept["mapping"]
        elif known := one.mapped_before(head):
            keys, header = known
        skipped = kept.get("skip", self.lines[: header + 1] if header is not None else [])
        self.initial = {name: kept[name] for name in ("existing", "create") if name in kept}
        if kept.get("all_or_nothing"):
            self.initial["errors_policy"] = ALL
        choices = [("", "-"), *columns.LABELS.items()]
        for index in range(self.width):
            self.fields[f"column{index}"] = forms.ChoiceField(
                choices=choices, required=False, initial=keys[index], label=f"Column {index + 1}"
            )
        for line in self.lines:
            self.fields[f"skip{line}"] = forms.BooleanField(
                required=False, initial=line in skipped, label=f"Skip line {line}"
            )

    def chosen(self):
        data = self.cleaned_data
        return {
            "mapping": [data[f"column{index}"] for index in range(self.width)],
            "skip": [line for line in self.lines if data[f"skip{line}"]],
            "existing": data["existing"],
            "create": data["create"],
            "all_or_nothing": data["errors_policy"] == ALL,
        }

    def clean(self):
        cleaned = super().clean()
        chosen = {}
        for index in range(self.width):
            key = cleaned.get(f"column{index}")
            if key and key in chosen:
                self.add_error(
                    f"column{index}", f"{columns.LABELS[key]} is column {chosen[key] + 1} already."
                )
            elif key:
                chosen[key] = index
        if not {"number", "id"} & set(chosen):
            raise ValidationError("No column is the DID. Choose the column that holds the numbers.")
        return cleaned


def file_note(format, rows):
    """ "1,204 lines, separated by comma, Unicode (UTF-8)": what was detected."""
    counted = f"{rows:,} {'line' if rows == 1 else 'lines'}"
    if format.sheets:
        return f"{counted}, {WORKBOOKS.get(format.kind, format.kind)}, sheet “{format.sheet}”"
    named = {char: name for name, char in sheets.DELIMITERS.items()}
    delimiter = named.get(format.delimiter, format.delimiter)
    split = "one column" if delimiter == "none" else f"separated by {delimiter}"
    return f"{counted}, {split}, {sheets.ENCODINGS.get(format.encoding, format.encoding)}"
