"""Who had which numbers, when: what is asked."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from didmgmt.fields import LocalDateTimeInput, PastDateTimeField
from didmgmt.forms import Form
from dids.numbering.search import MAX_LISTED, parse_list
from screens.numbers.forms import number_problems


class WhoHadItForm(Form):
    """``cleaned_data``: ``numbers``, a list in the order asked, and ``at``, the moment; empty: now."""

    numbers = forms.CharField(
        label="Numbers",
        help_text=f"One, or up to {MAX_LISTED:,}: separated by new lines, commas or semicolons, or as ranges",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        error_messages={"required": "Write the numbers that you ask about."},
    )
    at = PastDateTimeField(label="Date and time", required=False, widget=LocalDateTimeInput(seconds=True))

    def __init__(self, data=None, **kwargs):
        super().__init__(data, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["at"].help_text = f"In {zone}. Leave empty for now."
        self.initial.setdefault("at", timezone.localtime().replace(microsecond=0))

    def clean_numbers(self):
        numbers, read = parse_list(self.cleaned_data["numbers"], MAX_LISTED)
        if problems := number_problems(read):
            raise ValidationError(problems)
        if not numbers:
            raise ValidationError(self.fields["numbers"].error_messages["required"])
        return numbers

    def clean_at(self):
        return self.cleaned_data["at"] or timezone.now()

    def shown(self):
        """Return the form to show with the answer: filled in again, or with its errors."""
        if not self.is_valid():
            return self
        numbers = self.data["numbers"].replace(",", "\n")  # a URL has commas
        at = timezone.localtime(self.cleaned_data["at"]).replace(microsecond=0)
        return WhoHadItForm(initial={"numbers": numbers, "at": at})
