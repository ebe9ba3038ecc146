"""The form that chooses whose numbers a page of counts shows."""

from django import forms

from clients.models import Reseller
from didmgmt.choices import RemoteSelect
from didmgmt.forms import Form


class ScopeForm(Form):
    """Of which reseller numbers are counted. ``by``: who looks; for a bound person there is no choice."""

    reseller = forms.ModelChoiceField(
        label="Reseller",
        required=False,
        queryset=Reseller.objects.none(),
        empty_label="All resellers",
        widget=RemoteSelect("operators:reseller_choices"),
    )

    def __init__(self, *args, by, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["reseller"].queryset = Reseller.objects.visible_to(by)
        if by.reseller_id:
            del self.fields["reseller"]
