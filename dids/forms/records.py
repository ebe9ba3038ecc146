"""Base classes for the forms of named records, with which screens and programs write them."""

from django import forms
from django.db import IntegrityError

from clients.models import AlikeError, Reseller
from clients.names import lookalike_exists
from didmgmt.forms import ModelForm
from didmgmt.text import count_noun


def saved_sentence(record, note=""):
    """Return that the record was saved, and the ``note`` of its form."""
    return f"{record._meta.verbose_name.capitalize()} {record} saved. {note}".strip()


class RecordForm(ModelForm):
    """Base class for the form of a named record, new or existing.

    ``by``: the user; a field ``reseller`` offers only the resellers that it may see. After ``save_record``,
    ``note`` holds a sentence about consequences, or "".
    """

    def __init__(self, data=None, *, instance, by):
        # The page under the dialog may have a search form with fields of the same names.
        super().__init__(data, instance=instance, auto_id="dialog_%s")
        self.by, self.note = by, ""
        if "reseller" in self.fields:
            self._offer_resellers(self.fields["reseller"])

    def _offer_resellers(self, field):
        field.queryset, field.empty_label = Reseller.objects.visible_to(self.by), "Choose a reseller"
        field.error_messages["invalid_choice"] = (
            "This reseller doesn’t exist, or you don’t have access to it. Choose another one."
        )
        only = list(field.queryset[:2])
        if self.instance.pk is None and len(only) == 1:
            self.initial["reseller"] = only[0].pk

    def _post_clean(self):
        super()._post_clean()
        if "name" not in self.errors and {"name", "reseller"} & {*self.changed_data}:
            self._ask_about_lookalike()

    def _ask_about_lookalike(self):
        """Refuse a name that a person would take for an existing one, unless its box is ticked."""
        name, noun = self.instance.name, self.instance._meta.verbose_name
        if not (others := self.instance.lookalikes()):
            return
        verb = "Create" if self.instance.pk is None else "Save"
        box = forms.CheckboxInput(attrs={"value": name})
        label = f"{verb} it although “{others[0]}” exists"
        self.fields["although"] = forms.BooleanField(required=False, label=label, widget=box)
        self.order_fields(["name", "although"])
        if not self.alike:
            exists = lookalike_exists(noun, others[0], name)
            self.add_error("name", f"{exists} Use it, or tick the box to have both.")

    @property
    def record_name(self):
        """The name of the record as it is stored."""
        return self.initial["name"]

    @property
    def alike(self):
        """Whether the user wants this name although another one is alike."""
        return self.data.get("although") == self.instance.name

    def save_record(self):
        """Write the record; return False, with the reason among the form's errors, when that failed."""
        is_new = self.instance.pk is None
        try:
            found = self.write()
        except (IntegrityError, AlikeError):
            # A concurrent write took the name, or one alike, or deleted a parent: validation finds out which.
            if is_new:
                self.instance.pk = None
            self.full_clean()
            if not self.errors:
                raise
            return False
        if not found:
            self.add_error(None, f"This {self.instance._meta.verbose_name} has been deleted in the meantime.")
        return found

    def write(self):
        """Write the record in a change; return False when it no longer exists."""
        return self.instance.record(by=self.by, fields=self.changed_data, alike=self.alike)


class HoldDaysForm(RecordForm):
    """Base class for records with hold days.

    New hold days move the ends of running holds in the same change.
    """

    def affected(self):
        """Return the numbers whose holds may follow this record's days, as a ``DIDQuerySet``."""
        raise NotImplementedError

    def write(self):
        if self.instance.pk is None:
            return super().write()
        found, moved = self.affected().record_hold_days(
            self.instance, by=self.by, fields=self.changed_data, alike=self.alike
        )
        if moved:
            verb = "ends" if moved == 1 else "end"
            self.note = f"{count_noun(moved, 'number')} on Hold now {verb} at a different time."
        return found
