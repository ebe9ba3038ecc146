"""Form fields for dates and times: text as pages show it, with a button that opens the browser's calendar."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.html import format_html

from didmgmt import clock
from didmgmt.dates import read_day, read_time, readings, show_day, show_time
from didmgmt.templatetags.look import icon


class CalendarInput(forms.TextInput):
    """A text input, and the button with which static/js/calendar.js opens the browser's control ``picker``.

    Text that can't be read stays as it was typed.
    """

    picker = example = calendar_label = ""

    def __init__(self, *, step=None):
        attrs = {"autocomplete": "off", "spellcheck": "false", "placeholder": f"like {self.example}"}
        super().__init__(attrs)
        self.step = step

    def value_from_datadict(self, data, files, name):
        """Return what was entered as ISO 8601, because addresses are made of it."""
        text = super().value_from_datadict(data, files, name)
        try:
            return self.iso(self.read(text or ""))
        except ValueError:
            return text

    def format_value(self, value):
        if isinstance(value, str):
            try:
                value = self.read(value)
            except ValueError:
                return value
        return self.show(value) if value else None

    def render(self, name, value, attrs=None, renderer=None):
        return format_html(
            '<span class="calendar-field">{}<button type="button" class="icon-button" data-calendar="{}"'
            ' data-step="{}" aria-label="{}">{}</button></span>',
            super().render(name, value, attrs, renderer),
            self.picker,
            self.step or "",
            self.calendar_label,
            icon("calendar"),
        )


class DayInput(CalendarInput):
    """Show a day as "28 Nov 2026"."""

    picker, example = "date", "28 Nov 2026"
    read, show = staticmethod(read_day), staticmethod(show_day)

    def iso(self, day):
        return day.isoformat()


class LocalDateTimeInput(CalendarInput):
    """Show a time in the active zone as "28 Nov 2026, 17:45". ``step``: seconds between choices, 1 or 60."""

    picker, example = "datetime-local", "28 Nov 2026, 17:45"
    read, show = staticmethod(read_time), staticmethod(show_time)

    def iso(self, at):
        return at.isoformat(timespec="auto" if at.second or at.microsecond else "minutes")


class _CalendarField:
    """Read text as the field's widget does."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.widget.calendar_label = f"Calendar: {self.label}"

    def read(self, value):
        if not isinstance(value, str):
            return value
        try:
            return self.widget.read(value) if value.strip() else None
        except ValueError as error:
            raise ValidationError(str(error) or self.error_messages["invalid"], "invalid") from None


class DayField(_CalendarField, forms.DateField):
    """A day."""

    widget = DayInput

    def to_python(self, value):
        return super().to_python(self.read(value))


class LocalDateTimeField(_CalendarField, forms.DateTimeField):
    """A date and time in the user's time zone, or with a UTC offset.

    A local time that a clock change repeats is refused with both its readings; one that it skips is refused.
    """

    widget = LocalDateTimeInput

    def prepare_value(self, value):
        """Leave the time zone to the widget, which shows a UTC offset where the local time is not enough."""
        return value

    def to_python(self, value):
        try:
            return super().to_python(self.read(value))
        except ValidationError as error:
            if error.code != "ambiguous_timezone":
                raise
            raise ValidationError(_repeated_or_skipped(error.params["datetime"]), error.code) from None


class PastDateTimeField(LocalDateTimeField):
    """A date and time that is not in the future."""

    def to_python(self, value):
        time = super().to_python(value)
        if time and time > clock.now():
            raise ValidationError("This time is in the future. Choose an earlier one.")
        return time


def _repeated_or_skipped(local):
    first, second = readings(local)
    zone = timezone.get_current_timezone_name()
    if first.utcoffset() < second.utcoffset():
        return f"{local:%H:%M} did not exist that day in {zone}: clocks went forward. Choose another time."
    return (
        f"{local:%H:%M} occurred twice that day in {zone}: clocks went back."
        f" Enter {show_time(first)} for the first time, {show_time(second)} for the second."
    )
