"""The forms that choose whose numbers a page of counts shows, and as of which day."""

from django import forms
from django.core.exceptions import ValidationError

from clients.models import Reseller
from didmgmt import clock
from didmgmt.choices import RemoteSelect
from didmgmt.dates import show_day
from didmgmt.fields import DayField
from didmgmt.forms import Form
from dids.models import stock_days


class ScopeForm(Form):
    """Of which reseller numbers are counted. ``by``: who looks; for a bound person there is no choice."""

    reseller = forms.ModelChoiceField(
        label="Reseller",
        required=False,
        queryset=Reseller.objects.none(),
        empty_label="All resellers",
        widget=RemoteSelect("operators:reseller_choices"),
    )

    def __init__(self, *args, by, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["reseller"].queryset = Reseller.objects.visible_to(by)
        if by.reseller_id:
            del self.fields["reseller"]


class KeptDayField(DayField):
    """A past day whose stock the worker kept, as its ``CountedDay``; None for the present.

    An error about a day has the parameter ``nearest``: the day to choose instead, None if there is none.
    """

    def __init__(self):
        super().__init__(label="Stock as of", required=False)

    def clean(self, value):
        day, today = super().clean(value), stock_days.local_day(clock.now())
        if day is None:
            return None
        if day < today and (found := stock_days.kept(day)):
            return found
        nearest = stock_days.nearest_kept(day, today)
        shown = show_day(day)
        wrong = f"The stock of {shown} was not kept" if day < today else f"{shown} is not over"
        raise ValidationError(f"{wrong}. {_advice(day, nearest)}", params={"nearest": nearest})


def _advice(day, nearest):
    if nearest is None:
        return "No day has been kept yet: the worker keeps the stock of each day on which it runs."
    said = "The last day before it that was kept" if nearest < day else "The first day that was kept"
    return f"{said} is {show_day(nearest)}."


class AsOfForm(Form):
    """The day that the overview is as of."""

    as_of = KeptDayField()


class FiguresForm(ScopeForm):
    """Of which reseller the figures of the overview are, and as of which day."""

    as_of = KeptDayField()
