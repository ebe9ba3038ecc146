from didmgmt.choices import RemoteSelect
from operators.models import Operator
from screens.forms import HoldDaysForm


class OperatorForm(HoldDaysForm):
    class Meta:
        model = Operator
        fields = ("name", "reseller", "hold_days")
        widgets = {"reseller": RemoteSelect("operators:reseller_choices")}
        help_texts = {"hold_days": "Days of rest after use, 0 to 365. Empty: as the reseller says."}

    def affected(self):
        return self.instance.dids.all()
