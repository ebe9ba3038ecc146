"""Forms for assigning numbers: which client, which package and account, which numbers."""

from django import forms
from django.core.exceptions import ValidationError
from django.db.models.functions import Lower
from django.urls import reverse

from clients.models import Account, Client
from didmgmt.choices import SHOWN, RemoteSelect
from didmgmt.forms import Form
from didmgmt.text import count_noun
from dids.lists.picks import PICK_LIMIT, PickError, pick_any, pick_consecutive, pick_pasted
from dids.models import ClientPackage
from dids.numbering.ranges import parse_ranges


class HolderForm(Form):
    """Choose a running package and an account of ``client``.

    Without a ``client`` there is nothing to choose from yet.
    """

    package = forms.ModelChoiceField(
        label="Package",
        queryset=ClientPackage.objects.none(),
        empty_label="Choose a package",
        widget=RemoteSelect(printed=SHOWN),
        error_messages={
            "required": "Choose the package of the numbers.",
            "invalid_choice": "This is not a running package of the client.",
        },
    )
    account = forms.ModelChoiceField(
        label="Account",
        queryset=Account.objects.none(),
        empty_label="Choose an account",
        widget=RemoteSelect(printed=SHOWN),
        error_messages={
            "required": "Choose the account that the numbers are routed to.",
            "invalid_choice": "This is not an account of the client.",
        },
    )

    def __init__(self, data=None, *, client, now, required=True):
        super().__init__(data, auto_id="assign_%s")  # the list under the dialog has fields of these names
        if client is None:
            return
        package, account = self.fields["package"], self.fields["account"]
        package.queryset = ClientPackage.objects.offered(client, now)
        package.label_from_instance = package_label
        package.widget.load_from(f"{reverse('clients:dids_packages', args=[client.pk])}?running=1")
        account.queryset = Account.objects.filter(client=client).order_by(Lower("name"), "pk")
        account.widget.load_from(reverse("clients:dids_accounts", args=[client.pk]))
        package.required = account.required = required

    @classmethod
    def of(cls, data, *, client, now, required):
        """Bind the form to ``data``; a package or account that is the only one is chosen by default."""
        form = cls(client=client, now=now)
        chosen = {name: data[name] for name in form.fields if data.get(name)}
        for name in form.fields.keys() - chosen.keys():
            only = list(form.fields[name].queryset[:2])
            if len(only) == 1:
                chosen[name] = str(only[0].pk)
        return cls(chosen, client=client, now=now, required=required)

    @property
    def holder(self):
        """Return (client package, account), each None when nothing valid is chosen."""
        self.is_valid()
        return self.cleaned_data.get("package"), self.cleaned_data.get("account")


class NumbersForm(Form):
    """Pick numbers by pasting or counting them: ``pick(available, visible)`` after ``is_valid()``."""

    PASTE, ANY, RUN = "paste", "any", "run"
    WAYS = {PASTE: "Paste numbers", ANY: "Any numbers", RUN: "Consecutive numbers"}

    numbers = forms.CharField(
        label="Numbers",
        help_text="Numbers, or ranges like 111-222, separated by new lines, commas, semicolons or blanks",
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        error_messages={"required": "Enter the numbers to assign."},
    )
    count = forms.IntegerField(
        label="How many",
        min_value=1,
        max_value=PICK_LIMIT,
        error_messages={
            "required": "Enter how many numbers to assign.",
            "max_value": f"Enter at most {PICK_LIMIT:,}.",
        },
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, data=None, *, way, **kwargs):
        super().__init__(data, **kwargs)
        self.way = way
        del self.fields["count" if way == self.PASTE else "numbers"]
        if way == self.RUN:
            self.fields["count"].label = "How many in a row"

    def clean_numbers(self):
        numbers = parse_ranges(self.cleaned_data["numbers"], PICK_LIMIT)
        if problems := numbers.problems():
            raise ValidationError(problems)
        return numbers

    def pick(self, available, visible):
        """Return a ``Pick`` from the ``available`` numbers, or from all ``visible`` ones when pasted.

        None, with an error of the field, when there are none.
        """
        try:
            if self.way == self.PASTE:
                return pick_pasted(self.data["numbers"], self.cleaned_data["numbers"], visible)
            pick = pick_consecutive if self.way == self.RUN else pick_any
            return pick(available, self.cleaned_data["count"])
        except PickError as error:
            self.add_error("numbers" if self.way == self.PASTE else "count", str(error))
            return None


class ChooseClientForm(Form):
    """Choose the client that gets the numbers, among those that ``by`` may see."""

    client = forms.ModelChoiceField(
        label="Client",
        queryset=Client.objects.none(),
        empty_label="Choose a client",
        widget=RemoteSelect("dids:client_choices", printed=SHOWN),
        error_messages={
            "required": "Choose the client that gets the numbers.",
            "invalid_choice": "This client doesn’t exist, or you don’t have access to it.",
        },
    )

    def __init__(self, data=None, *, by):
        super().__init__(data, auto_id="assign_%s")
        clients = Client.objects.visible_to(by).filter(closed_at__isnull=True)
        self.fields["client"].queryset = clients.order_by("name", "pk")


def package_label(given):
    """Return a label such as “Basic, 3 of 10 numbers free”; needs ``with_numbers_in_use``."""
    limit = count_noun(given.package.did_limit, "number")
    return f"{given.package.name}, {given.free:,} of {limit} free"
