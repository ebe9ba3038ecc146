"""The form behind the dialogs of what has a name; see ``clients.models.Recorded``."""

from django import forms
from django.db import IntegrityError

from clients.models import Reseller, counted


class RecordForm(forms.ModelForm):
    """A new one or an existing one, as ``by`` may enter it: in a branch, of its own reseller only.

    After ``record``: ``note``, a sentence about what followed from it, or "".
    """

    def __init__(self, data=None, *, instance, by):
        # A dialog lies over a page whose search form has the same names.
        super().__init__(data, instance=instance, auto_id="dialog_%s")
        self.by, self.note = by, ""
        if "reseller" in self.fields:
            self._offer_resellers(self.fields["reseller"])

    def _offer_resellers(self, field):
        field.queryset, field.empty_label = Reseller.objects.visible_to(self.by), "Choose a reseller"
        field.error_messages["invalid_choice"] = "This is no reseller that you know."
        only = list(field.queryset[:2])
        if self.instance.pk is None and len(only) == 1:
            self.initial["reseller"] = only[0].pk

    def record(self):
        """Write what was entered; False when that failed, and the form says why."""
        new = self.instance.pk is None
        try:
            found = self.write()
        except IntegrityError:
            # Somebody was quicker. Asking again what is wrong finds the words for it.
            if new:
                self.instance.pk = None
            self.full_clean()
            if not self.errors:
                raise
            return False
        if not found:
            self.add_error(None, f"This {self.instance._meta.verbose_name} has been deleted meanwhile.")
        return found

    def write(self):
        """Whether it was there to be written."""
        return self.instance.record(by=self.by, fields=self.changed_data)


class HoldDaysForm(RecordForm):
    """Hold days changed here move the ends of the holds that go by them, in the same change.

    ``affected``: the numbers among which these holds are, of ``dids.models.DIDQuerySet``.
    """

    def write(self):
        if self.instance.pk is None:
            return super().write()
        there, moved = self.affected().record_hold_days(self.instance, by=self.by, fields=self.changed_data)
        if moved:
            ends = "ends" if moved == 1 else "end"
            self.note = f"{counted(moved, 'number')} on Hold {ends} at another time now."
        return there
