"""The forms that say which days of the calendar are wanted."""

from datetime import timedelta

from django import forms
from django.core.exceptions import ValidationError

from didmgmt.dates import show_day
from didmgmt.fields import DayField
from didmgmt.parameters import parameter_errors
from dids.forms.overview import ScopeForm
from dids.upcoming import DAYS_AHEAD, KINDS

SPAN_MOST = 92  # days of one answer of the API
SPAN_USUAL = 45


class DaysForm(ScopeForm):
    """Which day the calendar begins with, and of which reseller.

    ``today``: in the active time zone. What is over does not happen any more, so no earlier day is accepted.
    """

    def __init__(self, data=None, *, by, today):
        super().__init__(data, by=by)
        self.today = today
        self.fields["from"] = DayField(label="From", required=False)

    def clean(self):
        for sentence in parameter_errors(self.data, self.fields):
            self.add_error(None, sentence)
        return super().clean()

    def clean_from(self):
        return self.within(self.cleaned_data["from"] or self.today)

    def within(self, day):
        """Return ``day``; raise ValidationError for one that the calendar does not have."""
        last = self.today + timedelta(days=DAYS_AHEAD)
        if day < self.today:
            raise ValidationError(f"{show_day(day)} is over. The calendar begins today.")
        if day > last:
            raise ValidationError(f"The calendar goes to {show_day(last)}. Choose an earlier day.")
        return day


class CalendarForm(DaysForm):
    """The days of the screen, and whether one kind alone is shown."""

    kind = forms.ChoiceField(required=False, choices=KINDS.items(), widget=forms.HiddenInput)


class SpanForm(DaysForm):
    """A span of days for programs: by default ``SPAN_USUAL`` of them, at most ``SPAN_MOST``."""

    def __init__(self, data=None, **kwargs):
        super().__init__(data, **kwargs)
        self.fields["to"] = DayField(label="To", required=False)

    def clean_to(self):
        first = self.cleaned_data.get("from") or self.today
        most = self.today + timedelta(days=DAYS_AHEAD)
        last = self.cleaned_data["to"] or min(first + timedelta(days=SPAN_USUAL - 1), most)
        if last < first:
            raise ValidationError(f"{show_day(last)} is before {show_day(first)}. Choose a later day.")
        if (last - first).days >= SPAN_MOST:
            raise ValidationError(
                f"At most {SPAN_MOST} days can be asked for at once. Choose an earlier day."
            )
        return self.within(last)
