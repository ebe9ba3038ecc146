"""The form of step 2: what each column holds, the answers to the survey's questions, and the options."""

from functools import partial

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from clients.tags import tag_label
from didmgmt.text import count_noun, parse_whole
from dids.imports import layouts, mapping
from dids.imports.cells import KEEP as KEEP_LOST
from dids.imports.cells import MEANT, PAD, PUT, REFUSE
from dids.imports.options import CLEAR, KEEP, LEAVE
from dids.imports.wizard import AS_BEFORE
from dids.numbering.normalise import MAX_DIGITS
from screens.imports.forms import DefaultsForm

VALID, ALL = "valid", "all"
ERRORS = [
    (VALID, "Import the others, return these as a file"),
    (ALL, "All or nothing: import no row if one is refused"),
]
EXISTING = [
    (KEEP, "Update; a blank cell keeps the value"),
    (CLEAR, "Update; a blank cell clears tags, notes and hold days"),
    (LEAVE, "Leave unchanged"),
]
CREATE = [("", "Refuse the rows naming them"), ("True", "Create them, if you have permission")]
ANSWERS = {
    "short_ranges": (REFUSE, "expand"),
    "several": (REFUSE, "split"),
    "dash": (REFUSE, "number", "range"),
    "zero": (REFUSE, "drop"),
}
LOST = (REFUSE, KEEP_LOST, PAD, PUT)
AMOUNTS = {PAD: "pad", PUT: "front"}  # {answer: the field that it needs}
PROPOSAL = "?"  # in front of the status that is proposed for a value, until it is accepted


class ColumnsForm(DefaultsForm):
    """One select for each column, a checkbox to skip each line of the head, the answers and the options.

    A form without data shows the choices of ``Import.choices``. The meanings of values are sent as
    ``status=TEXT`` and ``after_hold=TEXT``, the ticked rows as ``written``. ``changed`` is the name of the
    control that a script sent the form for: if a column gets a field that another has, the other loses it.
    Another ``layout`` maps all columns again; ``layout_note`` then says so, or why it is impossible.
    """

    layout = forms.ChoiceField(label="Layout", required=False)
    existing = forms.ChoiceField(label="Numbers that exist already", choices=EXISTING)
    errors_policy = forms.ChoiceField(label="Refused rows", choices=ERRORS, required=False)
    create = forms.BooleanField(
        label="Missing operators, clients, accounts, packages",
        required=False,
        widget=forms.Select(choices=CREATE),
    )
    empty = forms.CharField(label="Cells that count as empty", required=False, max_length=500)
    without_operator = forms.BooleanField(label="Refuse new numbers without an operator", required=False)
    single = forms.BooleanField(label="Each row is one number", required=False)
    remember = forms.BooleanField(label="Remember for files with these columns", required=False)
    pad = forms.IntegerField(
        label="Digits to pad to", required=False, min_value=1, max_value=MAX_DIGITS, widget=forms.TextInput
    )
    front = forms.CharField(label="Digits to put in front", required=False, max_length=MAX_DIGITS)

    SETTINGS = ("existing", "errors_policy", "create", "empty")
    DEFAULTS = ("operator", "status", "after_hold", "tags", "notes")
    no_operator = "Choose an operator"

    def __init__(self, data=None, *, number_import, head, guess, by, changed=""):
        self.width = number_import.upload.format.width
        self.start = start = number_import.choices(head, guess)
        self.guess, self.layout_note = guess, ""
        self.guess_as = partial(number_import.guess, head)
        if isinstance(data, QueryDict):
            data = self._settled(data.copy(), changed)
        super().__init__(data, by=by)
        for name in ("status", "after_hold"):
            self.fields[name].required = False
        self.asks_number = any(question.key == "number" for question in self.guess.questions)
        for name, answers in (ANSWERS | {"lost": LOST}).items():
            choices = [(answer, answer) for answer in answers]
            self.fields[name] = forms.ChoiceField(choices=choices, required=False, widget=forms.RadioSelect)
        self.fields["layout"].choices = self._layouts()
        choices = [("", "– leave out"), *mapping.LABELS.items()]
        for index in range(self.width):
            self.fields[f"column{index}"] = forms.ChoiceField(
                choices=choices, required=False, label=f"Column {index + 1}"
            )
        sent = [parse_whole(name.removeprefix("skip")) for name in self.data if name.startswith("skip")]
        lines = {row.line for row in head} | {*start["skip"]} | {line for line in sent if line}
        self.lines = []
        self.add_lines(sorted(lines))
        self.initial = self._initial()

    def add_lines(self, lines):
        """Add a checkbox to skip each of these lines that has none."""
        for line in lines:
            if line not in self.lines:
                self.lines.append(line)
                self.fields[f"skip{line}"] = forms.BooleanField(
                    required=False, initial=False, label=f"Skip line {line}"
                )

    def _initial(self):
        start = self.start
        initial = {
            name: start[name]
            for name in ("layout", "existing", "create", "operator", "remember", "pad", "front")
        }
        initial |= start["defaults"] | {name: start[name] for name in ("without_operator", "single")}
        initial |= {name: start["readings"].get(name, REFUSE) for name in ANSWERS} | {"lost": start["lost"]}
        initial |= {f"column{index}": key for index, key in enumerate(start["mapping"])}
        initial |= {f"skip{line}": True for line in start["skip"]}
        initial["errors_policy"] = ALL if start["all_or_nothing"] else VALID
        initial["empty"] = ", ".join(start["empty"])
        return initial

    def _settled(self, data, changed):
        """Apply to the other controls what one of them, or a button, implies."""
        if operator := data.get("use_operator"):
            data["operator"] = operator
        if data.get("layout", self.start["layout"]) != self.start["layout"]:
            chosen = data.get(changed) if changed.startswith("column") else None
            self._map_again(data)
            if chosen is not None:
                data[changed] = chosen
        for key in MEANT.keys() & {*data.getlist("use_values")}:
            for name in [name for name in data if name.startswith(f"{key}=")]:
                data[name] = data[name].removeprefix(PROPOSAL)
        for answer, amount in AMOUNTS.items():
            if changed == amount:
                data["lost"] = answer
        if changed == "operator" and data.get("operator"):
            data["without_operator"] = ""
        columns = [f"column{index}" for index in range(self.width)]
        mapped = [name for name in columns if data.get(name) == "number"]
        before = [f"column{index}" for index, key in enumerate(self.start["mapping"]) if key == "number"]
        index, _, key = data.get("use_column", "").partition("=")
        if f"column{index}" in columns and key in ("range_end", "range_size"):
            data[f"column{index}"] = key
        radio = f"column{data.get('number_column', '')}"
        if radio in columns and (changed == "number_column" or (not changed and mapped == before)):
            data[radio], changed = "number", radio
        key = data.get(changed) if changed in columns else ""
        for name in columns:
            if key and key not in mapping.REPEATED and name != changed and data.get(name) == key:
                data[name] = ""
        return data

    def _layouts(self):
        """Return the choices of layouts, with the recognised one marked."""
        recognised = self.guess.recognised
        before = [(AS_BEFORE, "As for the last file")] if self.start["remembered"] else []
        content = "By names and content" if recognised else "None recognised"
        systems = [(name, f"{name} (recognised)" if name == recognised else name) for name in layouts.SYSTEMS]
        return [*before, (mapping.CONTENT, content), *systems]

    def _map_again(self, data):
        """Map the columns by another layout, unless it finds no number."""
        layout, before = data["layout"], self.start["remembered"]
        guess = self.guess_as(layout)
        if layout == AS_BEFORE and before:
            keys, how = before, "as you chose for the last file with these columns"
        elif layout == mapping.CONTENT:
            keys, how = guess.keys, "by their names and content"
        elif layout in layouts.SYSTEMS and "number" in guess.keys:
            keys, how = guess.keys, f"as in lists of {layout}"
        else:
            data["layout"] = self.start["layout"]
            system = layout if layout in layouts.SYSTEMS else "such a layout"
            self.layout_note = (
                f"No column of this file has the name of the DID in lists of {system}."
                " The columns stay as they were."
            )
            return
        self.guess = guess
        for index, key in enumerate(keys):
            data[f"column{index}"] = key
        data.pop("number_column", None)
        mapped = count_noun(sum(map(bool, keys)), "column is", "columns are")
        self.layout_note = f"Mapped {how}: {mapped} imported, of {self.width:,}."

    def clean_operator(self):
        operator = self.cleaned_data["operator"]
        return operator.pk if operator else None

    def clean_empty(self):
        return [mark for part in self.cleaned_data["empty"].split(",") if (mark := part.strip())]

    def clean_front(self):
        front = self.cleaned_data["front"].strip()
        if front and not (front.isascii() and front.isdigit()):
            raise ValidationError("Enter digits only, for example 44.")
        return front

    def clean(self):
        cleaned = super().clean()
        chosen = {}
        for index in range(self.width):
            key = cleaned.get(f"column{index}")
            if key and key in chosen and key not in mapping.REPEATED:
                self.add_error(
                    f"column{index}", f"Column {chosen[key] + 1} is already {mapping.LABELS[key]}."
                )
            elif key:
                chosen[key] = index
        if cleaned.get("lost") == PAD and not cleaned.get("pad") and "pad" not in self.errors:
            self.add_error("pad", "Enter how many digits the numbers have, for example 11.")
        if cleaned.get("lost") == PUT and not cleaned.get("front") and "front" not in self.errors:
            self.add_error("front", "Enter the digits to put in front, for example 44.")
        if not {"number", "id"} & set(chosen) and not self.asks_number:
            raise ValidationError("No column holds the DID. Choose the column with the numbers.")
        return cleaned

    def choices(self):
        """Return the arguments of ``Import.choose``; fields with errors keep their earlier choice."""
        if not self.is_bound:
            return dict(self.start)
        self.is_valid()
        data, start = self.cleaned_data, self.start

        def chosen(name):
            return data[name] if name in data and name not in self.errors else start[name]

        readings = {name: data.get(name) or REFUSE for name in ANSWERS}
        lost = data.get("lost") or start["lost"]
        amount = AMOUNTS.get(lost)
        return {
            "mapping": [data.get(f"column{index}", "") for index in range(self.width)],
            "skip": [line for line in self.lines if data.get(f"skip{line}")],
            "existing": chosen("existing"),
            "create": chosen("create"),
            "all_or_nothing": data.get("errors_policy") == ALL,
            "readings": {name: answer for name, answer in readings.items() if answer != REFUSE},
            "lost": REFUSE if amount and not data.get(amount) else lost,
            "pad": chosen("pad"),
            "front": chosen("front"),
            "values": self._values(),
            "empty": chosen("empty") if "empty" in self.data else start["empty"],
            "written": sorted({line for text in self._list("written") if (line := parse_whole(text))}),
            "operator": chosen("operator"),
            "without_operator": chosen("without_operator"),
            "single": chosen("single"),
            "defaults": self._defaults(),
            "remember": chosen("remember"),
            "remembered": start["remembered"],
            "layout": chosen("layout") or start["layout"],
        }

    def _values(self):
        """Return the meanings of values: the earlier ones, changed by those sent."""
        values = {key: dict(self.start["values"].get(key, {})) for key in MEANT}
        for key, meanings in values.items():
            allowed = {status for status, _ in MEANT[key]} | {"leave", REFUSE}
            for name in self.data:
                if name.startswith(f"{key}="):
                    text, meaning = name.removeprefix(f"{key}="), self.data[name]
                    meanings.pop(text, None)
                    if meaning in allowed:
                        meanings[text] = meaning
        return {key: meanings for key, meanings in values.items() if meanings}

    def _defaults(self):
        defaults, data = dict(self.start["defaults"]), self.cleaned_data
        for name in ("status", "after_hold"):
            if data.get(name):
                defaults[name] = data[name]
        if "notes" in data:
            defaults["notes"] = data["notes"]
        if "tags" in data:
            defaults["tags"] = tag_label(data["tags"])
        return defaults

    def _list(self, name):
        return self.data.getlist(name) if isinstance(self.data, QueryDict) else []
