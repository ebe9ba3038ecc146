"""Forms of reservations: reserve numbers for a client or a name, and change the end."""

from datetime import datetime, time, timedelta

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from clients.models import Client
from clients.names import NAME_MAX, NameFormField
from didmgmt import clock
from didmgmt.choices import SHOWN, RemoteSelect
from didmgmt.dates import read_day
from didmgmt.fields import LocalDateTimeField
from didmgmt.forms import Form
from didmgmt.text import enumerated
from dids.models import Reservation
from dids.models.reservations import PURPOSE_MAX, past_end
from dids.numbering.ranges import parse_ranges

MOST = 10_000  # numbers of one reservation, which are written within a request
LAST_MINUTE = time(23, 59)
DATE, NO_END = "date", "none"
_DAYS = {"3 days": 3, "1 week": 7, "1 month": 30}
_TOO_MANY = f"At most {MOST:,} numbers can be reserved at once. Reserve them in parts."


class EndFields(Form):
    """When a reservation ends: after some days, at the end of that day; at a time; or never.

    ``cleaned_data["until"]`` is the time, None for no end.
    """

    ends = forms.ChoiceField(
        label="Ends",
        choices=[*((label, label) for label in _DAYS), (DATE, "Date"), (NO_END, "No end")],
        initial="1 week",
        widget=forms.RadioSelect,
    )
    ends_at = LocalDateTimeField(label="Ends on", required=False)

    def __init__(self, data=None, **kwargs):
        super().__init__(data, auto_id="reserve_%s", **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["ends_at"].help_text = f"Time in {zone}; a day alone means 23:59"

    def clean(self):
        cleaned = super().clean()
        ends = cleaned.get("ends")
        if ends == DATE and "ends_at" in cleaned:
            cleaned["until"] = self._end_at(cleaned["ends_at"])
        elif ends in _DAYS:
            day = timezone.localtime(clock.now()).date() + timedelta(days=_DAYS[ends])
            cleaned["until"] = timezone.make_aware(datetime.combine(day, LAST_MINUTE))
        elif ends:
            cleaned["until"] = None
        return cleaned

    def _end_at(self, ends_at):
        if ends_at is None:
            self.add_error("ends_at", "Enter when the reservation ends, or choose another end.")
            return None
        if _is_day(self.data.get("ends_at", "")):
            ends_at = timezone.localtime(ends_at).replace(hour=LAST_MINUTE.hour, minute=LAST_MINUTE.minute)
        if ends_at <= clock.now():
            self.add_error("ends_at", past_end(ends_at))
        return ends_at


class ExtendForm(EndFields):
    """Another end of ``reservation``."""

    def __init__(self, data=None, *, reservation):
        ends_at = reservation.ends_at
        super().__init__(data, initial={"ends": DATE if ends_at else NO_END, "ends_at": ends_at})


class ReserveForm(EndFields):
    """Reserve numbers, typed here or selected elsewhere, for a client or for a name.

    ``draft(numbers)`` returns the unsaved reservation of these numbers after ``is_valid()``.
    """

    CLIENT, NAME = "client", "name"

    numbers = forms.CharField(
        label="Numbers",
        help_text="Numbers, or ranges like 111-222, separated by new lines, commas, semicolons or blanks",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        error_messages={"required": "Enter the numbers to reserve."},
    )
    whom = forms.ChoiceField(
        label="Reserved for",
        choices=[(CLIENT, "Client"), (NAME, "Name")],
        initial=CLIENT,
        widget=forms.RadioSelect,
    )
    client = forms.ModelChoiceField(
        label="Client",
        queryset=Client.objects.none(),
        required=False,
        empty_label="Choose a client",
        widget=RemoteSelect("dids:client_choices", printed=SHOWN),
        error_messages={"invalid_choice": "This client doesn’t exist, or you don’t have access to it."},
    )
    name = NameFormField(
        label="Name", required=False, max_length=NAME_MAX, help_text="Such as a prospect or a project"
    )
    purpose = forms.CharField(
        label="Purpose",
        max_length=PURPOSE_MAX,
        help_text="Shown in the list and in the history of each number",
        error_messages={"required": "Enter what the numbers are kept for."},
    )
    field_order = ("numbers", "whom", "client", "name", "purpose", "ends", "ends_at")

    def __init__(self, data=None, *, by, is_selected, **kwargs):
        super().__init__(data, **kwargs)
        self.by = by
        clients = Client.objects.visible_to(by).filter(closed_at__isnull=True)
        self.fields["client"].queryset = clients.select_related("reseller").order_by("name", "pk")
        if is_selected:
            del self.fields["numbers"]

    def clean_numbers(self):
        numbers = parse_ranges(self.cleaned_data["numbers"], MOST)
        if problems := numbers.problems():
            raise ValidationError(problems)
        return numbers

    def clean_purpose(self):
        return " ".join(self.cleaned_data["purpose"].split())

    def clean(self):
        cleaned = super().clean()
        if cleaned.get("whom") == self.CLIENT and "client" in cleaned and not cleaned["client"]:
            self.add_error("client", "Choose the client that the numbers are kept for.")
        if cleaned.get("whom") == self.NAME and "name" in cleaned and not cleaned["name"]:
            self.add_error("name", "Enter the name that the numbers are kept for.")
        return cleaned

    def draft(self, numbers, count):
        """Return the unsaved reservation, or None with an error of the form; one query for a name.

        A reservation is of one reseller: that of its client, or that of the numbers.
        """
        chosen = self.cleaned_data
        fields = {"purpose": chosen["purpose"], "ends_at": chosen["until"], "made_at": clock.now()}
        if count > MOST:
            self.add_error(None, _TOO_MANY)
            return None
        if chosen["whom"] == self.CLIENT:
            client = chosen["client"]
            return Reservation.draft(by=self.by, client=client, reseller=client.reseller, **fields)
        owners = numbers.order_by("operator__reseller").values_list(
            "operator__reseller", "operator__reseller__name"
        )
        resellers = list(owners.distinct()[:4])
        if len(resellers) != 1:
            names = enumerated([name for _, name in resellers])
            self.add_error(
                None,
                f"These numbers belong to several resellers: {names}. Reserve those of one at a time.",
            )
            return None
        ((reseller, _),) = resellers
        return Reservation.draft(by=self.by, name=chosen["name"], reseller_id=reseller, **fields)


def _is_day(text):
    try:
        read_day(text)
    except ValueError:
        return False
    return True
