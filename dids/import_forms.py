"""The forms of the import wizard: the file with its defaults, then its columns."""

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from clients.tags import MAX_LABEL, tag_label
from didmgmt.choices import RemoteSelect
from dids import columns, sheets
from dids import status as st
from dids.forms import NotesField, TagsField
from dids.importing import HEAD, SUFFIXES
from dids.judging import CLEAR, KEEP, LEAVE
from operators.models import Operator

DETECT = "detect"
EXISTING = [
    (KEEP, "Update them; a blank cell keeps what is there"),
    (CLEAR, "Update them; a blank cell empties tags, notes and hold days"),
    (LEAVE, "Leave them as they are"),
]


class UploadForm(forms.Form):
    """The file, how to read it, and what new numbers get where it says nothing.

    After ``is_valid``: ``format`` as sniffed and ``rows``, how many the file has.
    """

    file = forms.FileField(
        label="File",
        help_text="CSV text: .csv, .txt or .tsv",
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
        if "file" in cleaned:
            delimiter = cleaned.get("delimiter") or DETECT
            try:
                self.format = sheets.sniff(
                    cleaned["file"],
                    encoding=cleaned.get("encoding") or "",
                    delimiter=None if delimiter == DETECT else sheets.DELIMITERS[delimiter],
                )
                self.rows = self._count(cleaned["file"])
            except sheets.SheetError as error:
                self.add_error("file", str(error))
        return cleaned

    def _count(self, file):
        """How many rows there are; refuses a file of none, and of more than one request can do."""
        limit = settings.REQUEST_LIMIT
        rows = 0
        for rows, _ in enumerate(sheets.read(file, self.format), start=1):
            if rows > limit + HEAD:
                raise sheets.SheetError(
                    f"The file has more than {limit:,} rows; as many can be imported in one go."
                    " Split it and import the parts."
                )
        if not rows:
            raise sheets.SheetError("The file has no rows. Choose the file that holds the numbers.")
        file.seek(0)
        return rows

    def defaults(self):
        """What ``Import.start`` keeps beside file and format."""
        wanted = ("operator", "status", "after_hold", "notes")
        return {name: self.cleaned_data[name] for name in wanted} | {
            "tags": tag_label(self.cleaned_data["tags"])
        }


class ColumnsForm(forms.Form):
    """One select a column, a box for each line of the head to skip, and what to do with what is found.

    ``mapping()``: for each column a key of ``columns.LABELS`` or ""; ``skip()``: the lines left out.
    """

    existing = forms.ChoiceField(
        label="Numbers that exist already", choices=EXISTING, initial=KEEP, widget=forms.RadioSelect
    )
    create = forms.BooleanField(
        label="Create missing operators, clients, accounts and packages",
        help_text="Else the rows that name them are refused. You need the rights for it.",
        required=False,
    )

    def __init__(self, data=None, *, head, width, kept=None):
        super().__init__(data)
        self.width, self.lines = width, [row.line for row in head]
        kept = kept or {}
        guessed, header = columns.guess([row.cells for row in head], width)
        keys = kept.get("mapping", guessed)
        skipped = kept.get("skip", self.lines[: header + 1] if header is not None else [])
        self.initial = {name: kept[name] for name in ("existing", "create") if name in kept}
        choices = [("", "-"), *columns.LABELS.items()]
        for index in range(width):
            self.fields[f"column{index}"] = forms.ChoiceField(
                choices=choices, required=False, initial=keys[index], label=f"Column {index + 1}"
            )
        for line in self.lines:
            self.fields[f"skip{line}"] = forms.BooleanField(
                required=False, initial=line in skipped, label=f"Skip line {line}"
            )

    def mapping(self):
        return [self.cleaned_data[f"column{index}"] for index in range(self.width)]

    def skip(self):
        return [line for line in self.lines if self.cleaned_data[f"skip{line}"]]

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
    named = {char: name for name, char in sheets.DELIMITERS.items()}
    delimiter = named.get(format.delimiter, format.delimiter)
    split = "one column" if delimiter == "none" else f"separated by {delimiter}"
    encoding = sheets.ENCODINGS.get(format.encoding, format.encoding)
    return f"{rows:,} {'line' if rows == 1 else 'lines'}, {split}, {encoding}"
