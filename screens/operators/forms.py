from clients.models import Reseller
from didmgmt.choices import RemoteSelect
from dids.models import DID
from operators.models import Operator
from screens.records import HoldDaysForm


class OperatorForm(HoldDaysForm):
    class Meta:
        model = Operator
        fields = ("name", "reseller", "hold_days")
        widgets = {"reseller": RemoteSelect("operators:reseller_choices")}
        help_texts = {"hold_days": "0 to 365. Leave empty to use the reseller’s value."}

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
