from django import forms
from django.db import IntegrityError

from clients.models import Reseller
from didmgmt.choices import RemoteSelect
from operators.models import Operator


class OperatorForm(forms.ModelForm):
    """A new operator or an existing one, as ``by`` may enter it: in a branch, of its own reseller only."""

    class Meta:
        model = Operator
        fields = ("name", "reseller", "hold_days")
        widgets = {"reseller": RemoteSelect("operators:reseller_choices")}
        help_texts = {"hold_days": "Days of rest after use, 0 to 365. Empty: as the reseller says."}
        error_messages = {"reseller": {"invalid_choice": "This is no reseller that you know."}}

    def __init__(self, data=None, *, instance, by):
        # A dialog lies over a page whose search form has the same names.
        super().__init__(data, instance=instance, auto_id="dialog_%s")
        self.by = by
        resellers = Reseller.objects.visible_to(by)
        reseller = self.fields["reseller"]
        reseller.queryset, reseller.empty_label = resellers, "Choose a reseller"
        only = list(resellers[:2])
        if instance.pk is None and len(only) == 1:
            self.initial["reseller"] = only[0].pk

    def record(self):
        """Write what was entered; False when that failed, and the form says why."""
        new = self.instance.pk is None
        try:
            found = self.instance.record(by=self.by, fields=self.changed_data)
        except IntegrityError:
            # Somebody was quicker. Asking again what is wrong finds the words for it.
            if new:
                self.instance.pk = None
            self.full_clean()
            if not self.errors:
                raise
            return False
        if not found:
            self.add_error(None, "This operator has been deleted meanwhile.")
        return found
