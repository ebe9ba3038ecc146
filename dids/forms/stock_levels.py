"""The forms of stock levels: of what a new one is, and how many numbers there should be."""

import re

from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from clients.models import Reseller
from didmgmt.choices import RemoteSelect
from didmgmt.forms import ModelForm
from dids.models import StockLevel, Tag
from dids.models.stock_levels import PREFIX_MOST
from operators.models import Operator

WITHOUT = re.compile(r"[\s+().\-/]+")  # how prefixes are written besides their digits
CHOOSE = {"operator": "Choose an operator.", "tag": "Choose a tag.", "prefix": "Enter a prefix."}


class LevelForm(ModelForm):
    """Another minimum of an existing level."""

    class Meta:
        model = StockLevel
        fields = ("minimum",)
        help_texts = {"minimum": "People are told when fewer numbers than this are In Stock"}

    def __init__(self, data=None, *, instance, by):
        super().__init__(data, instance=instance, auto_id="dialog_%s")
        self.by = by

    def save_level(self):
        """Store the level; return a sentence, or "" with the reason among the form's errors."""
        level = self.instance
        if level.set_minimum(by=self.by, was=self.initial["minimum"]):
            return f"The level of {level} is {level.minimum:,}."
        self.add_error(None, "This level has been deleted in the meantime.")
        return ""


class NewLevelForm(LevelForm):
    """A new level, of an operator, a tag or a prefix. One of a branch counts the numbers of that branch."""

    of = forms.ChoiceField(
        label="Of", choices=list(StockLevel.OF.items()), initial="operator", widget=forms.RadioSelect
    )
    operator = forms.ModelChoiceField(
        queryset=Operator.objects.none(),
        required=False,
        empty_label="Choose an operator",
        widget=RemoteSelect("operators:choices"),
    )
    tag = forms.ModelChoiceField(
        queryset=Tag.objects.none(),
        required=False,
        to_field_name="name",
        empty_label="Choose a tag",
        widget=RemoteSelect("dids:tag_choices"),
    )
    prefix = forms.CharField(  # type: ignore[assignment]  # no field of the class, but one of its forms
        required=False,
        help_text="The first digits with the country code, such as 4420",
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off", "spellcheck": "false"}),
    )

    class Meta:
        model = StockLevel
        fields = ("operator", "tag", "prefix", "reseller", "minimum")
        widgets = {"reseller": RemoteSelect("operators:reseller_choices")}
        help_texts = LevelForm.Meta.help_texts | {
            "reseller": "Counts its numbers alone. Leave empty to count those of all resellers"
        }

    field_order = ("of", "operator", "tag", "prefix", "reseller", "minimum")

    def __init__(self, data=None, *, instance, by):
        super().__init__(data, instance=instance, by=by)
        self.fields["operator"].queryset = Operator.objects.visible_to(by)
        self.fields["tag"].queryset = Tag.objects.visible_to(by)
        if by.reseller_id:
            del self.fields["reseller"]
            instance.reseller_id = by.reseller_id
        else:
            reseller = self.fields["reseller"]
            reseller.queryset, reseller.empty_label = Reseller.objects.visible_to(by), "All resellers"

    def clean_prefix(self):
        digits = WITHOUT.sub("", self.cleaned_data["prefix"])
        if digits and not (digits.isascii() and digits.isdigit()):
            raise ValidationError("Enter the first digits of the numbers, such as 4420.")
        if len(digits) > PREFIX_MOST:
            raise ValidationError(f"Enter at most {PREFIX_MOST} digits; these are {len(digits)}.")
        return digits

    def clean(self):
        """Keep what belongs to the kind that is chosen; the other fields are hidden, and ignored."""
        data = super().clean()
        of = data.get("of")
        if of and of not in self.errors and not data.get(of):
            self.add_error(of, CHOOSE[of])
        operator = data.get("operator") if of == "operator" else None
        tag = data.get("tag") if of == "tag" else None
        data |= {"operator": operator, "tag": tag.name if tag else ""}
        if of != "prefix":
            data["prefix"] = ""
        if operator:
            data["reseller"] = self.instance.reseller = operator.reseller
        return data

    def _post_clean(self):
        super()._post_clean()
        if self.errors:
            return
        level = self.instance
        if part := level.too_long():
            self.add_error(
                "prefix",
                f"Some numbers that begin with {part} have only {len(part) + 4} digits, and numbers are"
                f" counted by all but the last four. Enter at most {len(part)} digits.",
            )
        elif self._exists():
            taken = f"{level} already has a level. Choose it in the list to change it."
            self.add_error(self.cleaned_data["of"], taken)
        elif StockLevel.objects.filter(reseller=level.reseller_id).count() >= StockLevel.MOST:
            self.add_error(None, f"There are {StockLevel.MOST} levels already. Delete one first.")

    def save_level(self):
        level = self.instance
        try:
            level.create(by=self.by)
        except IntegrityError:
            level.pk = None
            self.full_clean()  # finds the level that was stored meanwhile
            if not self.errors:
                raise
            return ""
        return f"People are told when {level} has fewer than {level.minimum:,} numbers In Stock."

    def _exists(self):
        """Return whether the subject has a level. Django leaves out the constraints of blank fields."""
        try:
            self.instance.validate_constraints()
        except ValidationError:
            return True
        return False
