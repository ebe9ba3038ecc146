"""The form that selects a range of numbers on the block map."""

from django import forms
from django.core.exceptions import ValidationError

from didmgmt.forms import Form
from dids.numbering.normalise import NumberError, normalise

_ATTRS = {"inputmode": "tel", "autocomplete": "off"}


class BlockRangeForm(Form):
    """The first and the last number of a range within the prefix of ``place``, as digits in ``ends``."""

    use_required_attribute = False

    def __init__(self, data=None, *, place, **kwargs):
        super().__init__(data, **kwargs)
        self.place = place
        for name, label in (("from", "From"), ("to", "To")):
            self.fields[name] = forms.CharField(
                label=label, max_length=40, widget=forms.TextInput(attrs=_ATTRS)
            )

    def clean_from(self):
        return self._number("from")

    def clean_to(self):
        last, first = self._number("to"), self.cleaned_data.get("from")
        if first and last < first:
            raise ValidationError(f"{last} is before {first}. Enter a later number.")
        return last

    @property
    def ends(self):
        return self.cleaned_data["from"], self.cleaned_data["to"]

    def _number(self, name):
        try:
            number = normalise(self.cleaned_data[name])
        except NumberError as error:
            raise ValidationError(str(error)) from error
        place = self.place
        if not place.has_number(number):
            begin = f" that begins with {place.prefix}" if place.prefix else ""
            remedy = f"Enter a number of {place.digits} digits{begin}."
            raise ValidationError(f"{number} is not in {place.written(place.prefix)}. {remedy}")
        return number
