"""Who had which numbers, when: what is asked."""

from datetime import UTC

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from didmgmt.fields import MomentField
from didmgmt.forms import Form
from dids.numbering.search import MAX_LISTED, parse_list
from screens.numbers.forms import number_problems


class PastField(MomentField):
    """A moment that is past, to the second. Without a time zone it is of the person's.

    A time that came twice, as clocks were put back, is refused unless it is written with its distance to UTC.
    """

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")

    def to_python(self, value):
        try:
            moment = super().to_python(value)
        except ValidationError as error:
            if error.code == "ambiguous_timezone":
                raise ValidationError(_twice_or_never(error.params["datetime"]), "twice") from None
            raise
        if moment and moment > timezone.now():
            raise ValidationError("This moment is still to come. Choose one that is past.")
        return moment


def _readings(local):
    """The two moments that a naive time of the person's zone may mean; nearly always the same one."""
    zone = timezone.get_current_timezone()
    return [local.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]


def _twice_or_never(local):
    first, second = _readings(local)
    zone = first.tzinfo
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        return f"There was no {local:%H:%M} that day in {zone}: clocks were put forward. Choose another time."
    return (
        f"There was {local:%H:%M} twice that day in {zone}: clocks were put back."
        f" Write {first.isoformat(' ')} for the first, {second.isoformat(' ')} for the second."
    )


class WhoHadItForm(Form):
    """``cleaned_data``: ``numbers``, a list in the order asked, and ``at``, the moment; empty: now."""

    numbers = forms.CharField(
        label="Numbers",
        help_text=f"One, or up to {MAX_LISTED:,}: separated by new lines, commas or semicolons, or as ranges",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        error_messages={"required": "Write the numbers that you ask about."},
    )
    at = PastField(label="Moment", required=False)

    def __init__(self, data=None, **kwargs):
        super().__init__(data, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["at"].help_text = f"Date and time of {zone}. Empty: now."
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
        """The form from which the person goes on, with the moment as its control can show it."""
        if not self.is_valid():
            if self.has_error("at"):
                self.fields["at"].widget = forms.TextInput()  # which takes a distance to UTC as well
            return self
        moment = timezone.localtime(self.cleaned_data["at"]).replace(microsecond=0)
        numbers = self.data["numbers"].replace(",", "\n")  # an address has commas
        again = WhoHadItForm(initial={"numbers": numbers, "at": moment})
        first, second = _readings(moment.replace(tzinfo=None))
        if first.utcoffset() != second.utcoffset():
            again.fields["at"].widget = forms.TextInput()
            again.initial["at"] = moment.isoformat(" ")
        return again
