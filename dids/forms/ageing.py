"""The forms of minimum holds, and of the reason to pass a number on earlier."""

from django import forms
from django.core.exceptions import ValidationError

from didmgmt.forms import Form, ModelForm
from dids.forms.stock_levels import WITHOUT
from dids.models import AgeingRule
from dids.models.ageing import OVERRIDE, PREFIX_MOST, REASON_MAX


class RuleForm(ModelForm):
    """Another value of an existing rule."""

    class Meta:
        model = AgeingRule
        fields = ("days", "place", "source")
        help_texts = {
            "days": "1 to 365, counted from when a client leaves the number",
            "place": "The country or the kind of numbers, such as Switzerland. May be empty.",
            "source": "The law, contract or company rule that says so",
        }

    def __init__(self, data=None, *, instance):
        super().__init__(data, instance=instance, auto_id="dialog_%s")

    @property
    def values(self):
        return {name: self.cleaned_data[name] for name in RuleForm.Meta.fields}


class NewRuleForm(RuleForm):
    """A new rule."""

    prefix = forms.CharField(  # type: ignore[assignment]  # no field of the class, but one of its forms
        help_text="The first digits with the country code, such as 41",
        error_messages={"required": "Enter the first digits of the numbers, such as 41."},
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off", "spellcheck": "false"}),
    )

    class Meta(RuleForm.Meta):
        fields = ("prefix", *RuleForm.Meta.fields)  # type: ignore[assignment]

    def clean_prefix(self):
        digits = WITHOUT.sub("", self.cleaned_data["prefix"])
        if not (digits.isascii() and digits.isdigit()):
            raise ValidationError("Enter the first digits of the numbers, such as 41.")
        if len(digits) > PREFIX_MOST:
            raise ValidationError(f"Enter at most {PREFIX_MOST} digits; these are {len(digits)}.")
        if AgeingRule.objects.filter(prefix=digits).exists():
            raise ValidationError(f"+{digits} has a minimum hold already. Change it in the list.")
        return digits

    def clean(self):
        if AgeingRule.objects.count() >= AgeingRule.MOST:
            raise ValidationError(f"There are {AgeingRule.MOST} rules already. Remove one first.")
        return super().clean()


class OverrideForm(Form):
    """Why numbers go to another client although they age; without a field for users without the right."""

    override = forms.CharField(
        label="Reason to override ageing",
        required=False,
        max_length=REASON_MAX,
        help_text="Only for numbers that another client left too recently. It is kept with the change",
    )

    def __init__(self, data=None, *, by):
        super().__init__(data, auto_id="assign_%s")
        if not by.has_perm(OVERRIDE):
            del self.fields["override"]

    @property
    def reason(self):
        """The reason, "" without one."""
        return self.cleaned_data.get("override", "") if self.is_valid() else ""
