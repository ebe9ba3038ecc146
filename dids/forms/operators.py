from django.core.exceptions import ValidationError

from clients.models import Reseller
from didmgmt.choices import RemoteSelect
from dids.forms.records import HoldDaysForm
from dids.models import DID
from operators.models import Operator


class OperatorForm(HoldDaysForm):
    """In a system without resellers, a user who may create one names it here."""

    class Meta:
        model = Operator
        fields = ("name", "reseller", "hold_days")
        widgets = {"reseller": RemoteSelect("operators:reseller_choices")}
        help_texts = {"hold_days": "0 to 365. Leave empty to use the reseller’s value."}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        reseller = self.fields["reseller"]
        if reseller.queryset.exists():
            return
        if self.by.reseller_id or not self.by.has_perm("clients.add_reseller"):
            reseller.help_text = "There is no reseller yet. An administrator has to create the first one."
            return
        del self.fields["reseller"]
        self.fields["new_reseller"] = Reseller._meta.get_field("name").formfield(
            label="Reseller", help_text="The first one. It is created with the operator."
        )
        self.order_fields(["name", "new_reseller"])

    def clean_new_reseller(self):
        if Reseller.objects.exists():  # only since the form was made
            raise ValidationError("A reseller has been created in the meantime. Open this dialog again.")
        return self.cleaned_data["new_reseller"]

    def write(self):
        if name := self.cleaned_data.get("new_reseller"):
            return self.instance.record_with_reseller(Reseller(name=name), by=self.by)
        return super().write()

    def affected(self):
        return self.instance.dids.all()


class ResellerForm(HoldDaysForm):
    class Meta:
        model = Reseller
        fields = ("name", "hold_days")
        help_texts = {"hold_days": "0 to 365. Leave empty to use the installation’s value."}
        error_messages = {"name": {"unique": "There is already a reseller with this name."}}

    def affected(self):
        return DID.objects.filter(operator__reseller=self.instance.pk)
