"""Moments that people enter, in their own time zone."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

YEARS = range(2000, 2200)  # far from where a moment fits no database, in any time zone


class MomentInput(forms.DateTimeInput):
    """Shows any moment that it can read, also one of an address that somebody has written."""

    def __init__(self):
        super().__init__(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def format_value(self, value):
        if isinstance(value, str):
            try:
                value = MomentField(required=False).to_python(value)
            except ValidationError:
                return value
        if not value:
            return ""
        local = timezone.localtime(value) if timezone.is_aware(value) else value
        exact = local.second or local.microsecond
        return local.replace(tzinfo=None).isoformat(timespec="milliseconds" if exact else "minutes")


class MomentField(forms.DateTimeField):
    """A date and time of the person's time zone."""

    widget = MomentInput

    def to_python(self, value):
        try:
            moment = super().to_python(value)
            fits = moment is None or timezone.localtime(moment).year in YEARS
        except OverflowError:
            fits = False
        if not fits:
            raise ValidationError(f"Choose a year from {YEARS[0]} to {YEARS[-1]}.")
        return moment
