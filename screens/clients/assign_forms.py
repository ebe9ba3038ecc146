"""The form of the page for picking numbers: which ones, pasted or counted."""

from django import forms
from django.core.exceptions import ValidationError

from didmgmt.forms import Form
from dids.lists.picks import PICK_LIMIT, PickError, pick_any, pick_consecutive, pick_pasted
from dids.numbering.ranges import parse_ranges


class NumbersForm(Form):
    """Pick numbers by pasting or counting them: ``pick(available, visible)`` after ``is_valid()``."""

    PASTE, ANY, RUN = "paste", "any", "run"
    WAYS = {PASTE: "Paste numbers", ANY: "Any numbers", RUN: "Consecutive numbers"}

    numbers = forms.CharField(
        label="Numbers",
        help_text="Numbers, or ranges like 111-222, separated by new lines, commas, semicolons or blanks",
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        error_messages={"required": "Enter the numbers to assign."},
    )
    count = forms.IntegerField(
        label="How many",
        min_value=1,
        max_value=PICK_LIMIT,
        error_messages={
            "required": "Enter how many numbers to assign.",
            "max_value": f"Enter at most {PICK_LIMIT:,}.",
        },
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, data=None, *, way, **kwargs):
        super().__init__(data, **kwargs)
        self.way = way
        del self.fields["count" if way == self.PASTE else "numbers"]
        if way == self.RUN:
            self.fields["count"].label = "How many in a row"

    def clean_numbers(self):
        numbers = parse_ranges(self.cleaned_data["numbers"], PICK_LIMIT)
        if problems := numbers.problems():
            raise ValidationError(problems)
        return numbers

    def pick(self, available, visible, runs):
        """Return a ``Pick`` from the ``available`` numbers, or from all ``visible`` ones when pasted.

        None, with an error of the field, when there are none. ``runs()`` returns the available FreeRuns.
        """
        try:
            if self.way == self.PASTE:
                return pick_pasted(self.data["numbers"], self.cleaned_data["numbers"], visible)
            if self.way == self.RUN:
                return pick_consecutive(available, self.cleaned_data["count"], runs())
            return pick_any(available, self.cleaned_data["count"])
        except PickError as error:
            self.add_error("numbers" if self.way == self.PASTE else "count", str(error))
            return None
