"""The forms of pattern rules: one rule, the list of words, and numbers to try the rules with."""

from django import forms
from django.core.exceptions import ValidationError

from clients.classes import GOLD
from didmgmt.forms import Form, ModelForm
from dids.models import PatternRule
from dids.numbering.normalise import MAX_DIGITS
from dids.numbering.patterns import (
    LADDER,
    LETTERS,
    PATTERN,
    PLACES,
    STEPS,
    WORDS,
    WORDS_MOST,
    PatternError,
    read_pattern,
    read_steps,
    read_word,
)
from dids.numbering.search import parse_list

TRIED_MOST = 50
BAD_LINES = 5  # lines that can’t be read and are named


class _VersionField(forms.IntegerField):
    """The version of the rules that the person saw, so that nobody overwrites others unseen."""

    widget = forms.HiddenInput

    def clean(self, value):
        try:
            return super().clean(value)
        except ValidationError:
            return -1  # one that never was


class MarkRuleForm(ModelForm):
    """A new rule, or other values of one."""

    version = _VersionField()

    class Meta:
        model = PatternRule
        fields = ("mark_class", "kind", "text", "name")
        labels = {"kind": "Looks for", "text": "Pattern or length", "name": "Name"}
        help_texts = {
            "text": (
                f"Pattern: {PLACES[0]} to {PLACES[-1]} places. The same letter is the same digit, as in AABB;"
                f" x is any digit. Ladder: how many digits, {STEPS[0]} to {STEPS[-1]}. Words: leave empty."
            ),
            "name": "What the list says of it, such as Two pairs at the end",
        }
        widgets = {"text": forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})}

    def __init__(self, data=None, *, instance, version):
        super().__init__(data, instance=instance, auto_id="dialog_%s", initial={"version": version})
        self.fields["kind"].choices = [
            (PATTERN, "A pattern at the end"),
            (LADDER, "A ladder at the end"),
            (WORDS, "A word of the list at the end"),
        ]
        self.fields["mark_class"].choices = self.fields["mark_class"].choices[1:]
        if instance.pk is None:
            self.initial |= {"kind": PATTERN, "mark_class": GOLD}

    def clean(self):
        kind, text = self.cleaned_data.get("kind"), self.cleaned_data.get("text")
        try:
            if text is None:
                pass  # it has an error already
            elif kind == PATTERN:
                self.cleaned_data["text"] = read_pattern(text)
            elif kind == LADDER:
                self.cleaned_data["text"] = str(read_steps(text))
            elif kind:
                self.cleaned_data["text"] = ""
        except PatternError as error:
            self.add_error("text", str(error))
        return super().clean()

    @property
    def values(self):
        return {name: self.cleaned_data[name] for name in self.Meta.fields}


class WordsForm(Form):
    """The words whose digits on a keypad are special, one on each line."""

    version = _VersionField()
    words = forms.CharField(
        required=False,
        max_length=WORDS_MOST * (LETTERS[-1] + 20),
        strip=False,
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false", "autocapitalize": "characters"}),
        help_text=(
            f"One a line, {LETTERS[0]} to {LETTERS[-1]} letters from A to Z each. At most {WORDS_MOST} words."
        ),
    )

    def __init__(self, data=None, *, words, version):
        initial = {"words": "\n".join(words), "version": version}
        super().__init__(data, auto_id="dialog_%s", initial=initial)

    def clean_words(self):
        """Return the words in capital letters, each once."""
        words, wrong = {}, []
        for line, text in enumerate(self.cleaned_data["words"].splitlines(), start=1):
            if not text.strip():
                continue
            try:
                words.setdefault(read_word(text), line)
            except PatternError as error:
                wrong.append(f"Line {line}: {error}")
        if wrong:
            more = len(wrong) - BAD_LINES
            raise ValidationError(
                wrong[:BAD_LINES] + ([f"{more} more lines can’t be read."] if more > 0 else [])
            )
        if len(words) > WORDS_MOST:
            raise ValidationError(
                f"These are {len(words):,} words, and the list takes {WORDS_MOST}. Remove some."
            )
        return list(words)


class TryForm(Form):
    """Numbers to try the rules with."""

    writes = False

    numbers = forms.CharField(
        label="Numbers to try",
        required=False,
        max_length=TRIED_MOST * (MAX_DIGITS + 10),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "inputmode": "tel"}),
    )

    def __init__(self, data=None):
        super().__init__(data, auto_id="try_%s")

    def clean_numbers(self):
        """Return the numbers in the order in which they are written."""
        numbers, read = parse_list(self.cleaned_data["numbers"], TRIED_MOST)
        if problems := read.problems():
            raise ValidationError(problems)
        return numbers
