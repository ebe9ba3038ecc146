"""The form to find numbers in a row that are In Stock."""

from django import forms
from django.core.exceptions import ValidationError

from clients.models import Package
from clients.tags import MAX_LABEL, split_tags, tag_keys
from didmgmt import clock
from didmgmt.choices import RemoteSelect
from didmgmt.forms import Form
from didmgmt.parameters import parameter_errors
from dids.lists.free_runs import free_runs
from dids.models import Tag
from dids.numbering.free_runs import COUNT_MAX, GAPS_MAX
from dids.numbering.normalise import NumberError
from dids.numbering.search import parse_search
from operators.models import Operator

SHOWN = 50  # rows of an answer
BEST, FIRST = "best", "first"
ORDERS = {BEST: "Best fit: breaks up the shortest free run", FIRST: "First fit: the lowest number first"}
MULTIPLES = {1: "Any number", 10: "Multiple of 10", 100: "Multiple of 100"}
_LEFT_OUT = {"multiple": "1", "gaps": "0", "order": BEST}


class FreeRunsForm(Form):
    """Find ``count`` numbers in a row: ``find()`` after ``is_valid()``. ``by``: who asks.

    Only the count is required. What is left out means any number, no gaps and the best fit.
    """

    count = forms.IntegerField(
        label="In a row",
        min_value=1,
        max_value=COUNT_MAX,
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"required": "Enter how many numbers in a row."},
    )
    multiple = forms.ChoiceField(label="Starts at", required=False, choices=MULTIPLES.items())
    begins = forms.CharField(
        label="Begins with",
        required=False,
        max_length=40,
        help_text="Digits, such as 4420 or +44 20",
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )
    operator = forms.ModelChoiceField(
        label="Operator",
        required=False,
        queryset=Operator.objects.none(),
        empty_label="Any operator",
        widget=RemoteSelect("operators:choices"),
    )
    tag = forms.CharField(
        label="Tag", required=False, max_length=MAX_LABEL, help_text="Any of these, separated by commas"
    )
    package = forms.ModelChoiceField(
        label="Allowed by package",
        required=False,
        queryset=Package.objects.none(),
        empty_label="Any package",
        widget=RemoteSelect("packages:choices"),
    )
    gaps = forms.IntegerField(
        label="Gaps allowed",
        required=False,
        min_value=0,
        max_value=GAPS_MAX,
        help_text="Numbers in between that are not In Stock",
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    order = forms.ChoiceField(label="Order", required=False, choices=ORDERS.items(), widget=forms.RadioSelect)

    def __init__(self, data=None, *, by):
        if data is not None:
            data = data.copy()
            for name, value in _LEFT_OUT.items():
                data.setdefault(name, value)
        super().__init__(data, initial={"count": 20, **_LEFT_OUT})
        self.by = by
        self.fields["operator"].queryset = Operator.objects.visible_to(by)
        self.fields["package"].queryset = Package.objects.visible_to(by)
        if not by.has_perm("clients.view_package"):
            del self.fields["package"]

    def clean(self):
        for sentence in parameter_errors(self.data, self.fields):
            self.add_error(None, sentence)
        return super().clean()

    def clean_multiple(self):
        return int(self.cleaned_data["multiple"] or 1)

    def clean_begins(self):
        text = self.cleaned_data["begins"].strip().rstrip("*")
        try:
            search = parse_search(text, "begins") if text else None
        except NumberError as error:
            raise ValidationError(str(error)) from error
        if search and search.kind != "begins":
            raise ValidationError("Write the digits with which the numbers begin, such as 4420.")
        return search.value if search else ""

    def clean_tag(self):
        tags = split_tags(self.cleaned_data["tag"])
        known = set(
            Tag.objects.visible_to(self.by)
            .filter(key__in=tag_keys(",".join(tags)))
            .values_list("key", flat=True)
        )
        unknown = [tag for tag in tags if not tag_keys(tag) <= known]
        if unknown:
            names = ", ".join(f"“{tag}”" for tag in unknown)
            raise ValidationError(f"No number has the tag {names}. Check the spelling.")
        return ", ".join(tags)

    def clean_gaps(self):
        return self.cleaned_data["gaps"] or 0

    def find(self):
        """Return (``Found`` with at most ``SHOWN`` rows, the ``FreeRuns`` that were searched)."""
        fields = self.cleaned_data
        runs = free_runs(
            self.by,
            clock.now(),
            operator=fields["operator"],
            tags=fields["tag"],
            package=fields.get("package"),
            prefix=fields["begins"],
        )
        fit = runs.first_fit if fields["order"] == FIRST else runs.best_fit
        found = fit(fields["count"], multiple=fields["multiple"], gaps=fields["gaps"], limit=SHOWN)
        return found, runs
