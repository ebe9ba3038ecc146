"""Forms of packages, and of giving them to clients and ending them."""

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import IntegrityError
from django.utils import timezone
from django.utils.formats import date_format

from clients.classes import CLASSES, class_label, split_classes
from clients.models import DID_LIMIT_MAX, Package
from clients.tags import split_tags, tag_label
from didmgmt import clock
from didmgmt.choices import RemoteSelect
from didmgmt.fields import LocalDateTimeField
from didmgmt.forms import Form, ModelForm
from didmgmt.text import count_noun
from dids.forms.records import HoldDaysForm
from dids.models import DID, ClientPackage, Tag
from dids.models.package_classes import count_outside


class _TickedClasses(forms.CheckboxSelectMultiple):
    """Checkboxes for the classes of a package, which programs send as text."""

    def format_value(self, value):
        return split_classes(value) if isinstance(value, str) else super().format_value(value)


class ClassesField(forms.MultipleChoiceField):
    """The classes of numbers that a package may hold, ticked or as text; the text of the package."""

    widget = _TickedClasses(attrs={"class": "form-check-input"})

    def __init__(self, **kwargs):
        super().__init__(choices=CLASSES.items(), **kwargs)

    def to_python(self, value):
        if isinstance(value, str):
            return split_classes(value)
        ticked = super().to_python(value)
        return split_classes(", ".join(ticked)) if ticked else []

    def clean(self, value):
        return class_label(super().clean(value))

    def has_changed(self, initial, data):
        try:
            return class_label(self.to_python(data)) != initial
        except ValidationError:
            return True


class PackageForm(HoldDaysForm):
    allowed_classes = ClassesField(
        label="Numbers it may hold",
        help_text="By their pattern marks. Numbers that clients already have with it stay.",
        error_messages={"required": "Tick at least one class of numbers."},
    )

    class Meta:
        model = Package
        fields = ("name", "reseller", "did_limit", "allowed_tags", "allowed_classes", "hold_days")
        widgets = {"reseller": RemoteSelect("operators:reseller_choices")}
        help_texts = {
            "did_limit": "Most numbers a client may have with this package",
            "allowed_tags": (
                "Separated by commas. A number needs at least one of these tags. Leave empty for any number."
            ),
            "hold_days": "0 to 365. Leave empty to use the operator’s value.",
        }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["did_limit"].validators.append(MaxValueValidator(DID_LIMIT_MAX))

    def clean_allowed_tags(self):
        tags = split_tags(self.cleaned_data["allowed_tags"])
        Tag.objects.visible_to(self.by).refuse_lookalikes(tags)
        return tag_label(tags)

    def write(self):
        is_new = self.instance.pk is None
        found = super().write()
        if found and not is_new and "allowed_classes" in self.changed_data:
            self._note_outside(count_outside(self.instance))
        return found

    def _note_outside(self, count):
        if count:
            numbers = f"{count_noun(count, 'number')} that clients have with it"
            fate = (
                "is of a class that it does not take; it stays"
                if count == 1
                else "are of classes that it does not take; they stay"
            )
            self.note = f"{self.note} {numbers} {fate}.".strip()

    def affected(self):
        return DID.objects.filter(client_package__package=self.instance.pk)


class GiveForm(ModelForm):
    """Give a package to ``instance.client``: one of its reseller that is not archived."""

    starts_at = LocalDateTimeField(label="Starts on")
    ends_at = LocalDateTimeField(label="Ends on", required=False, help_text="Leave empty for no end")

    class Meta:
        model = ClientPackage
        fields = ("package", "starts_at", "ends_at")
        error_messages = {
            "package": {"invalid_choice": "This client can’t have this package. Choose another one."}
        }

    def __init__(self, data=None, *, instance, by, choices_url):
        super().__init__(data, instance=instance, auto_id="dialog_%s")
        self.by = by
        field = self.fields["package"]
        field.widget = RemoteSelect("packages:choices", attrs={"data-choices-url": choices_url})
        field.queryset, field.empty_label = packages_for(instance.client), "Choose a package"
        field.widget.choices = field.choices
        zone = timezone.get_current_timezone_name()
        self.fields["starts_at"].help_text = f"Times are in {zone}; a day alone means 00:00"
        self.initial["starts_at"] = timezone.localtime(clock.now()).replace(second=0, microsecond=0)

    def give(self):
        """Save the client package; return False, with the reason among the errors, when it can’t be given."""
        try:
            self.instance.give(by=self.by)
        except ValidationError as error:
            self.add_error(None, error)
        except IntegrityError:
            self.add_error(None, "The client or the package has been deleted in the meantime.")
        return not self.errors


def packages_for(client):
    """Return the packages that can be given to ``client``."""
    return Package.objects.filter(reseller=client.reseller_id, archived_at__isnull=True)


class EndForm(Form):
    """When a client package ends; empty for no end."""

    ends_at = LocalDateTimeField(label="Ends on", required=False)

    def __init__(self, data=None, *, client_package):
        ends_at = client_package.ends_at and client_package.ends_at.replace(second=0, microsecond=0)
        super().__init__(data, auto_id="dialog_%s", initial={"ends_at": ends_at})
        self.client_package = client_package
        zone = timezone.get_current_timezone_name()
        self.fields["ends_at"].help_text = f"Time in {zone}; a day alone means 00:00. Leave empty for no end."

    def clean_ends_at(self):
        ends_at, starts_at = self.cleaned_data["ends_at"], self.client_package.starts_at
        if ends_at and ends_at <= starts_at:
            start = date_format(timezone.localtime(starts_at), "j M Y, H:i")
            raise ValidationError(f"The package starts on {start}. Choose a later end.")
        return ends_at
