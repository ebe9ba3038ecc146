"""Form fields for dates and times in the user's time zone."""

import re

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from didmgmt import clock

LONGEST = 100  # characters that may be a date and time; trying every format on more takes long
YEARS = range(2000, 2200)  # in any time zone far from the limits of both databases
_PICKER_VALUE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?")


class LocalDateTimeInput(forms.DateTimeInput):
    """Show a date and time in the browser's picker, or as text if the picker can't hold it.

    The picker takes no UTC offset, which a time in the repeated hour of a clock change needs. ``seconds``:
    the picker offers seconds.
    """

    def __init__(self, *, seconds=False):
        super().__init__(attrs={"step": "1"} if seconds else {})

    def input_type_for(self, value):
        """Return the type of the control that can hold ``value``."""
        shown = self.format_value(value)
        try:
            LocalDateTimeField(required=False).to_python(shown)
        except ValidationError:
            return "text"
        return "datetime-local" if not shown or _PICKER_VALUE.fullmatch(shown) else "text"

    def get_context(self, name, value, attrs):
        context = super().get_context(name, value, attrs)
        context["widget"]["type"] = self.input_type_for(value)
        return context

    def format_value(self, value):
        """Return the local time; text that can't be read is returned as it is."""
        if isinstance(value, str):
            try:
                value = LocalDateTimeField(required=False).to_python(value)
            except ValidationError:
                return value
        if not value:
            return ""
        local = timezone.localtime(value) if timezone.is_aware(value) else value
        first, second = _readings(local.replace(tzinfo=None))
        if first.utcoffset() != second.utcoffset() and timezone.is_aware(local):
            return local.isoformat(" ", "milliseconds" if local.microsecond else "seconds")
        exact = local.second or local.microsecond
        return local.replace(tzinfo=None).isoformat(timespec="milliseconds" if exact else "minutes")


class LocalDateTimeField(forms.DateTimeField):
    """A date and time in the user's time zone, or with a UTC offset.

    A local time that a clock change repeats is refused with both its readings; one that it skips is refused.
    """

    widget = LocalDateTimeInput

    def prepare_value(self, value):
        """Leave the time zone to the widget, which shows a UTC offset where the local time is not enough."""
        return value

    def to_python(self, value):
        if isinstance(value, str) and len(value) > LONGEST:
            raise ValidationError(self.error_messages["invalid"], "invalid")
        try:
            time = super().to_python(value)
            year = time and timezone.localtime(time).year
        except OverflowError:
            time, year = None, 0
        except ValidationError as error:
            if error.code != "ambiguous_timezone":
                raise
            local = error.params["datetime"]
            time, year = None, local.year
            if year in YEARS:
                raise ValidationError(_repeated_or_skipped(local), error.code) from None
        if year is not None and year not in YEARS:
            raise ValidationError(f"Choose a year from {YEARS[0]} to {YEARS[-1]}.")
        return time


class PastDateTimeField(LocalDateTimeField):
    """A date and time that is not in the future."""

    def to_python(self, value):
        time = super().to_python(value)
        if time and time > clock.now():
            raise ValidationError("This time is in the future. Choose an earlier one.")
        return time


def _readings(local):
    """Return the two times that a local time can mean; equal except in the repeated hour."""
    zone = timezone.get_current_timezone()
    return [local.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]


def _repeated_or_skipped(local):
    first, second = _readings(local)
    zone = first.tzinfo
    if first.utcoffset() < second.utcoffset():
        return f"{local:%H:%M} did not exist that day in {zone}: clocks went forward. Choose another time."
    return (
        f"{local:%H:%M} occurred twice that day in {zone}: clocks went back."
        f" Enter {first.isoformat(' ')} for the first time, {second.isoformat(' ')} for the second."
    )
