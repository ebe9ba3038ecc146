from django import forms
from django.contrib.auth import forms as auth_forms

from didmgmt.choices import LongSelect
from didmgmt.forms import ModelForm, OwnSentences
from staff import passwords
from staff.models import User, time_zones


class SignInForm(OwnSentences, auth_forms.AuthenticationForm):
    error_messages = {
        "invalid_login": "Wrong user name or password. Both are case-sensitive.",
        "inactive": "This account is deactivated. Ask an administrator.",
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "User name"


class PasswordForm(OwnSentences, auth_forms.PasswordChangeForm):
    error_messages = {
        "password_incorrect": "This is not your current password. Enter it again.",
        "password_mismatch": "The two new passwords differ. Enter the same password twice.",
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        first, second = self.fields["new_password1"], self.fields["new_password2"]
        self.fields["old_password"].label, second.label = "Current password", "New password again"
        first.help_text, second.help_text = passwords.HELP, ""


class MeForm(ModelForm):
    """What users may change about themselves."""

    time_zone = forms.ChoiceField(
        choices=lambda: [(name, name.replace("_", " ")) for name in time_zones()],
        widget=LongSelect,
        help_text="Dates and times are shown in this zone",
        error_messages={"invalid_choice": "There is no time zone “%(value)s”. Choose one from the list."},
    )

    class Meta:
        model = User
        fields = ("first_name", "last_name", "time_zone")
