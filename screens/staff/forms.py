import zoneinfo

from django import forms

from didmgmt.forms import ModelForm
from staff.models import User


class MeForm(ModelForm):
    """What people may change about themselves."""

    time_zone = forms.ChoiceField(
        choices=lambda: [(name, name.replace("_", " ")) for name in sorted(zoneinfo.available_timezones())],
        help_text="Moments are shown in it",
    )

    class Meta:
        model = User
        fields = ("first_name", "last_name", "time_zone")
