"""Form parts that several screens share."""

import re

from django import forms
from django.core.exceptions import ValidationError

from didmgmt.forms import Form

CONFIRM_ABOVE = 1_000  # an action on more numbers than this needs their count typed
NUMBER = re.compile(r"[0-9]+|[0-9]{1,3}([,.’' \u00a0\u202f][0-9]{3})+")  # with or without separators


class ConfirmCountForm(Form):
    """The count of numbers, typed to confirm a large action. ``fate``: what happens to them."""

    typed_count = forms.CharField(
        label="", widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"})
    )

    def __init__(self, data=None, *, count, fate):
        super().__init__(data)
        self.count = count
        self.fields["typed_count"].label = f"Type {count:,} to confirm"
        self.sentence = f"Type {count:,}, the number of DIDs that {fate}."
        self.fields["typed_count"].error_messages["required"] = self.sentence

    @classmethod
    def when_needed(cls, data, *, count, fate):
        """Return the form, or None when ``count`` needs no confirmation."""
        return cls(data, count=count, fate=fate) if count > CONFIRM_ABOVE else None

    def clean_typed_count(self):
        typed = self.cleaned_data["typed_count"]
        if not NUMBER.fullmatch(typed) or re.sub("[^0-9]", "", typed) != str(self.count):
            raise ValidationError(self.sentence)
        return typed
