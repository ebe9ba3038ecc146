"""What people enter about resellers, clients, accounts and packages, and when packages are given and end."""

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import IntegrityError
from django.utils import timezone
from django.utils.formats import date_format

from clients.models import DID_LIMIT_MAX, Account, Client, Package, Reseller
from clients.tags import tag_label
from didmgmt.choices import RemoteSelect
from didmgmt.fields import MomentField
from dids.models import DID, ClientPackage
from screens.forms import HoldDaysForm, RecordForm
from screens.numbers.forms import DeleteForm


class ClientForm(RecordForm):
    class Meta:
        model = Client
        fields = ("name", "reseller")
        widgets = {"reseller": RemoteSelect("operators:reseller_choices")}


class AccountForm(RecordForm):
    class Meta:
        model = Account
        fields = ("name",)
        help_texts = {"name": "A login or a trunk, as the switch knows it"}

    def clean(self):
        """The client is not on the form: is it there still, and is the name unique among its accounts?"""
        cleaned = super().clean()
        if not Client.objects.filter(pk=self.instance.client_id).exists():
            self.add_error(None, "This client has been deleted meanwhile.")
        taken = Account.objects.filter(client=self.instance.client_id, name=cleaned.get("name"))
        if taken.exclude(pk=self.instance.pk).exists():
            self.add_error("name", self._taken(cleaned["name"]))
        return cleaned

    def _taken(self, name):
        return Account(client=self.instance.client, name=name).name_taken()


class PackageForm(HoldDaysForm):
    class Meta:
        model = Package
        fields = ("name", "reseller", "did_limit", "allowed_tags", "hold_days")
        widgets = {"reseller": RemoteSelect("operators:reseller_choices")}
        help_texts = {
            "did_limit": "How many numbers a client may have by it",
            "allowed_tags": "Separated by commas; a number fits with one of them. Empty: any number.",
            "hold_days": "Days of rest after use, 0 to 365. Empty: as the operator says.",
        }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["did_limit"].validators.append(MaxValueValidator(DID_LIMIT_MAX))

    def clean_allowed_tags(self):
        return tag_label([self.cleaned_data["allowed_tags"]])

    def affected(self):
        return DID.objects.filter(client_package__package=self.instance.pk)


class ResellerForm(HoldDaysForm):
    class Meta:
        model = Reseller
        fields = ("name", "hold_days")
        help_texts = {"hold_days": "Days of rest after use, 0 to 365. Empty: as the installation says."}
        error_messages = {"name": {"unique": "There is a reseller of this name already."}}

    def affected(self):
        return DID.objects.filter(operator__reseller=self.instance.pk)


class GiveForm(forms.ModelForm):
    """A package for a client, given as ``instance.client``; of its reseller, and none that is archived."""

    starts_at = MomentField(label="Starts on")
    ends_at = MomentField(label="Ends on", required=False, help_text="Empty: until somebody ends it")

    class Meta:
        model = ClientPackage
        fields = ("package", "starts_at", "ends_at")
        error_messages = {
            "package": {"invalid_choice": "This is no package that this client can have. Choose another one."}
        }

    def __init__(self, data=None, *, instance, by, choices_url):
        super().__init__(data, instance=instance, auto_id="dialog_%s")
        self.by = by
        field = self.fields["package"]
        field.widget = RemoteSelect("packages:choices", attrs={"data-choices-url": choices_url})
        field.queryset, field.empty_label = packages_for(instance.client), "Choose a package"
        field.widget.choices = field.choices
        zone = timezone.get_current_timezone_name()
        self.fields["starts_at"].help_text = f"Times are of {zone}"
        self.initial["starts_at"] = timezone.localtime().replace(second=0, microsecond=0)

    def give(self):
        """Give it; False when it can't be had any more, and the form says why."""
        try:
            self.instance.give(by=self.by)
        except ValidationError as error:
            self.add_error(None, error)
        except IntegrityError:
            self.add_error(None, "The client or the package has been deleted meanwhile.")
        return not self.errors


def packages_for(client):
    """Those that may be given to ``client``."""
    return Package.objects.filter(reseller=client.reseller_id, archived_at__isnull=True)


class EndForm(forms.Form):
    """When a client package ends; empty: never by itself."""

    ends_at = MomentField(label="Ends on", required=False)

    def __init__(self, data=None, *, client_package):
        ends_at = client_package.ends_at and client_package.ends_at.replace(second=0, microsecond=0)
        super().__init__(data, auto_id="dialog_%s", initial={"ends_at": ends_at})
        self.client_package = client_package
        zone = timezone.get_current_timezone_name()
        self.fields["ends_at"].help_text = f"Time of {zone}. Empty: until somebody ends it."

    def clean_ends_at(self):
        ends_at, starts_at = self.cleaned_data["ends_at"], self.client_package.starts_at
        if ends_at and ends_at <= starts_at:
            begin = date_format(timezone.localtime(starts_at), "j M Y, H:i")
            raise ValidationError(f"It begins on {begin}. Choose a later end.")
        return ends_at


class StopForm(DeleteForm):
    """The count, typed, before many numbers are taken out of use."""

    fate = "go on Hold"
