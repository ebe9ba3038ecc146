"""The form to look up who had which numbers at a given time."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from didmgmt import clock
from didmgmt.fields import LocalDateTimeInput, PastDateTimeField
from didmgmt.forms import Form
from didmgmt.parameters import parameter_errors
from dids.numbering.search import MAX_LISTED, parse_list


class WhoHadItForm(Form):
    """Read ``numbers``, a list in the order entered, and the time ``at``, which is now if it is blank.

    ``refused``: the first 1,000 entries that can't be read, as ``Problem``.
    """

    numbers = forms.CharField(
        label="Numbers",
        help_text=f"Up to {MAX_LISTED:,} numbers or ranges, separated by new lines, commas or semicolons",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        error_messages={"required": "Enter one or more numbers."},
    )
    at = PastDateTimeField(label="Date and time", required=False, widget=LocalDateTimeInput(step=1))

    def __init__(self, data=None, **kwargs):
        super().__init__(data, **kwargs)
        self.refused = []
        zone = timezone.get_current_timezone_name()
        self.fields["at"].help_text = f"In {zone}. Leave empty for now."
        self.initial.setdefault("at", timezone.localtime(clock.now()).replace(microsecond=0))
        if not self.is_bound:
            self.fields["numbers"].widget.attrs["autofocus"] = True

    def clean(self):
        given = self.data.copy()
        given.pop("csrfmiddlewaretoken", None)
        for sentence in parameter_errors(given, self.fields):
            self.add_error(None, sentence)
        return super().clean()

    def clean_numbers(self):
        numbers, read = parse_list(self.cleaned_data["numbers"], MAX_LISTED)
        if problems := read.problems():
            self.refused = read.errors
            raise ValidationError(problems)
        if not numbers:
            raise ValidationError(self.fields["numbers"].error_messages["required"])
        return numbers

    def clean_at(self):
        return self.cleaned_data["at"] or clock.now()

    def shown(self):
        """Return the form to show with the result: filled in again, or with its errors."""
        if not self.is_valid():
            return self
        numbers = self.data["numbers"].replace(",", "\n")  # a URL has commas
        at = timezone.localtime(self.cleaned_data["at"]).replace(microsecond=0)
        return WhoHadItForm(initial={"numbers": numbers, "at": at})
