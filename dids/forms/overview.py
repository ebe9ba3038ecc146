"""The form that chooses whose numbers the overview shows."""

from django import forms

from clients.models import Reseller
from didmgmt.choices import RemoteSelect
from didmgmt.filters import no_such
from didmgmt.forms import Form


class ScopeForm(Form):
    """``by``: who looks; a bound person has nothing to choose."""

    reseller = forms.ModelChoiceField(
        label="Reseller",
        required=False,
        queryset=Reseller.objects.none(),
        empty_label="All resellers",
        widget=RemoteSelect("operators:reseller_choices"),
        error_messages=no_such("reseller"),
    )

    def __init__(self, *args, by, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["reseller"].queryset = Reseller.objects.visible_to(by)
