from django import forms
from django.contrib.auth import forms as auth_forms

from didmgmt.choices import LongSelect
from didmgmt.forms import Form, ModelForm, OwnSentences
from notices.models import Wish, kinds_for
from staff import passwords
from staff.models import FIRST_PAGES, User, time_zones


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

    first_page = forms.ChoiceField(
        choices=FIRST_PAGES,
        required=False,
        help_text="Opens when you sign in or press the name of the product",
        error_messages={"invalid_choice": "Choose one of the pages instead of “%(value)s”."},
    )

    class Meta:
        model = User
        fields = ("first_name", "last_name", "time_zone", "first_page")


class NoticesForm(Form):
    """What the user wants to be told of and where; ``rows``: (label, [box of each place])."""

    def __init__(self, data=None, *, user):
        super().__init__(data)
        self.user, self.kinds, self.places = user, kinds_for(user), Wish.places_for(user)
        wishes = Wish.of(user)
        for kind in self.kinds:
            for place in self.places:
                self.fields[f"{kind}_{place}"] = forms.BooleanField(
                    label=f"{kind.label}: {Wish.PLACES[place]}",
                    required=False,
                    initial=getattr(wishes[kind], place),
                )

    @property
    def rows(self):
        return [(kind.label, [self[f"{kind}_{place}"] for place in self.places]) for kind in self.kinds]

    def save(self):
        for kind in self.kinds:
            wanted = {place: self.cleaned_data[f"{kind}_{place}"] for place in self.places}
            Wish.objects.update_or_create(user=self.user, kind=kind, defaults=wanted)
