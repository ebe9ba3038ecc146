"""Forms for assigning numbers: which client, which package and account, which numbers."""

from dataclasses import dataclass

from django import forms
from django.core.exceptions import ValidationError
from django.db.models.functions import Lower
from django.urls import reverse

from clients.models import Account, Client
from didmgmt.choices import SHOWN, RemoteSelect
from didmgmt.forms import Form
from didmgmt.listing import TICKED_LIMIT
from didmgmt.text import count_noun
from dids.lifecycle.result import Result
from dids.lists.filters import matching
from dids.models import DID, ClientPackage
from dids.models.number_writes import CHUNK
from dids.numbering.ranges import parse_ranges
from dids.numbering.search import Search
from screens.numbers.forms import number_problems

PICK_LIMIT = TICKED_LIMIT  # the page carries the id of each picked number
MISSING = "not in the inventory; create them with New DIDs or correct them"


@dataclass
class Pick:
    """Picked numbers, like a ``Selection``; ``missing`` counts pasted ones that are not in the inventory."""

    queryset: object
    count: int
    ids: str
    missing: Result
    pasted: str = ""
    scope = "ids"
    query = expected = note = error = ""

    @classmethod
    def of(cls, ids, missing=None, pasted=""):
        """Pick at most ``PICK_LIMIT`` ids. ``pasted``: the text that they were found by."""
        ids = list(ids)
        chosen = DID.objects.filter(pk__among=ids)
        return cls(chosen, len(ids), ",".join(map(str, ids)), missing or Result(), pasted)


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
        package.queryset = running_packages(client, now)
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
        if problems := number_problems(numbers):
            raise ValidationError(problems)
        return numbers

    def pick(self, available, visible):
        """Return a ``Pick`` from the ``available`` numbers, or from all ``visible`` ones when pasted.

        None, with an error of the field, when there are none.
        """
        if self.way == self.PASTE:
            return self._pasted(self.cleaned_data["numbers"], visible)
        count = self.cleaned_data["count"]
        if self.way == self.RUN:
            found = available.first_consecutive(count)
            if found is None:
                self.add_error(
                    "count", f"No {count:,} consecutive numbers can be picked. Enter a smaller count."
                )
                return None
            available = matching(available, Search("range", low=found[0], high=found[1]))
        pick = Pick.of(available.order_by("number").values_list("pk", flat=True)[:count])
        if pick.count < count:
            most = f"Only {pick.count:,} can" if pick.count else "No number can"
            self.add_error("count", f"{most} be picked for this package. Enter a smaller count.")
            return None
        return pick

    def _pasted(self, numbers, visible):
        found = {}
        for chunk in numbers.chunks(CHUNK):
            found.update(visible.filter(number__in=chunk).values_list("number", "pk"))
        missing = Result()
        if gone := [number for number in numbers if number not in found]:
            missing.refuse("missing", MISSING, len(gone), gone)
        if not found:
            named = missing.refusals["missing"].named
            self.add_error("numbers", f"None of these numbers is in the inventory: {named}.")
            return None
        return Pick.of(found.values(), missing, self.data["numbers"])


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


def running_packages(client, now):
    """Return the client packages running at ``now``, ``with_numbers_in_use``."""
    given = ClientPackage.objects.filter(client=client).running(now).with_numbers_in_use()
    return given.select_related("package", "client").order_by(Lower("package__name"), "pk")


def free_of(given):
    """Return the free slots of a client package read ``with_numbers_in_use``."""
    return max(0, given.package.did_limit - given.in_use)


def package_label(given):
    """Return a label such as “Basic, 3 of 10 numbers free”."""
    limit = count_noun(given.package.did_limit, "number")
    return f"{given.package.name}, {free_of(given):,} of {limit} free"
