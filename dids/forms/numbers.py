"""Forms for numbers: edit one, create new ones, edit many, assign them to a client."""

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models.functions import Lower
from django.urls import reverse

from clients.models import HOLD_DAYS_MAX, Account, Client
from clients.tags import MAX_LABEL, split_tags, tag_keys
from didmgmt.choices import SHOWN, RemoteSelect
from didmgmt.forms import Form
from didmgmt.text import count_noun
from dids.lifecycle import statuses as st
from dids.models import DID, ClientPackage, Tag
from dids.numbering.normalise import longest_new
from dids.numbering.ranges import parse_ranges
from operators.models import Operator

INSTEAD_OF_LIST = "Write ranges such as 111-222, split the list, or import it as a file."
HOLD_DAYS_HELP = "0 to 365. Leave empty to use the package’s, operator’s or reseller’s value."


class TagsField(forms.CharField):
    """A list of tags, separated by commas; cleans to a sorted list of names.

    The form sets ``by``, whose tags must not look like a new one.
    """

    def __init__(self, **kwargs):
        super().__init__(required=False, label="Tag", help_text="Separated by commas", **kwargs)

    def clean(self, value):
        tags = split_tags(super().clean(value))
        Tag.objects.visible_to(self.by).refuse_lookalikes(tags)
        return tags

    def has_changed(self, initial, data):
        try:
            return tag_keys(initial) != tag_keys(data)
        except ValidationError:
            return True


def _status(**kwargs):
    return forms.ChoiceField(label="Status", choices=st.CHOICES, **kwargs)


def _after_hold(**kwargs):
    return forms.ChoiceField(label="After Hold", choices=st.FREE_CHOICES, **kwargs)


def _hold_days(**kwargs):
    return forms.IntegerField(
        label="Hold days", required=False, min_value=0, max_value=HOLD_DAYS_MAX, **kwargs
    )


class NotesField(forms.CharField):
    """Notes with line breaks and surrounding spaces normalised as in the database.

    Browsers send other line breaks; without this every save would be a change.
    """

    def __init__(self):
        length = DID._meta.get_field("notes").max_length
        widget = forms.Textarea(attrs={"rows": 2})
        super().__init__(label="Notes", required=False, max_length=length, widget=widget)

    def to_python(self, value):
        return super().to_python(value).replace("\r\n", "\n").replace("\r", "\n")

    def has_changed(self, initial, data):
        return self.to_python(initial) != self.to_python(data)


class EditForm(Form):
    """Edit one number. ``touched()`` returns the fields that the user changed.

    ``shown``: the values that the user saw. A parameter that was not sent leaves its field alone.
    ``by``: users without the right to edit can only change the status.
    """

    status = _status(required=False)
    after_hold = _after_hold(required=False)
    hold_days = _hold_days(help_text=HOLD_DAYS_HELP)
    tags = TagsField(max_length=MAX_LABEL)
    notes = NotesField()

    def __init__(self, data=None, *, shown, by):
        super().__init__(data, initial=shown)
        self.fields["tags"].by = by
        if not by.has_perm("dids.change_did"):
            for name in ("after_hold", "hold_days", "tags", "notes"):
                del self.fields[name]
        # Offer the moves that the user may make; the lifecycle refuses and explains any other.
        offered = {shown["status"], (data or {}).get("status")} | {
            move.target
            for move in st.MOVES.values()
            if move.source == shown["status"] and move.edit and by.has_perm(f"dids.{move.right}")
        }
        self.fields["status"].widget.choices = [choice for choice in st.CHOICES if choice[0] in offered]

    def touched(self):
        """Return the arguments of ``DIDQuerySet.edit``."""
        return {
            name: self.cleaned_data[name]
            for name in self.changed_data
            if name in self.data and (self.cleaned_data[name] or name not in ("status", "after_hold"))
        }


class NewForm(Form):
    """Create numbers. ``cleaned_data["numbers"]`` is a ``Numbers``, which may be large."""

    numbers = forms.CharField(
        label="DID(s)",
        help_text="Numbers, or ranges like 111-222, separated by new lines, commas, semicolons or blanks",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "autofocus": True}),
        error_messages={"required": "Enter the numbers to create."},
    )
    operator = forms.ModelChoiceField(
        label="Operator",
        queryset=Operator.objects.none(),
        empty_label="Choose an operator",
        widget=RemoteSelect("operators:choices"),
        error_messages={
            "required": "Choose the operator that the numbers belong to.",
            "invalid_choice": "This operator doesn’t exist, or you don’t have access to it.",
        },
    )
    status = forms.ChoiceField(label="Status", choices=st.FREE_CHOICES, initial=st.INSTOCK)
    after_hold = _after_hold(initial=st.INSTOCK)
    hold_days = _hold_days(help_text=HOLD_DAYS_HELP)
    tags = TagsField(max_length=MAX_LABEL)
    notes = NotesField()

    def __init__(self, data=None, *, by, **kwargs):
        super().__init__(data, **kwargs)
        self.fields["tags"].by = by
        self.fields["operator"].queryset = Operator.objects.visible_to(by)

    def clean_numbers(self):
        numbers = read_numbers(self.cleaned_data["numbers"])
        if problems := numbers.problems():
            raise ValidationError(problems)
        return numbers


def read_numbers(text):
    """Parse the text into ``Numbers``; more than the limit is one of its errors."""
    return parse_ranges(text, settings.NEW_DIDS_LIMIT, longest_new(), INSTEAD_OF_LIST)


class MassEditForm(Form):
    """Edit many numbers. Only ticked fields are changed; ticking a field and leaving it empty clears it."""

    ADD, REMOVE, REPLACE = "add", "remove", "replace"

    change_status = forms.BooleanField(required=False)
    change_after_hold = forms.BooleanField(required=False)
    change_hold_days = forms.BooleanField(required=False)
    change_tags = forms.BooleanField(required=False)
    change_notes = forms.BooleanField(required=False)
    status = forms.ChoiceField(
        label="Set Status to",
        required=False,
        choices=[("", "Unchanged")]
        + [(key, "Active (unblock)" if key == st.ACTIVE else label) for key, label in st.CHOICES],
    )
    after_hold = forms.ChoiceField(
        label="After Hold", required=False, choices=[("", "Unchanged"), *st.FREE_CHOICES]
    )
    hold_days = _hold_days(help_text=HOLD_DAYS_HELP)
    tag_action = forms.ChoiceField(
        label="Change of tags",
        required=False,
        choices=[(ADD, "Add"), (REMOVE, "Remove"), (REPLACE, "Replace all with")],
    )
    tags = TagsField(max_length=MAX_LABEL)
    notes = NotesField()

    def __init__(self, data=None, *, by):
        super().__init__(data)
        self.fields["tags"].by = by

    def clean(self):
        data = super().clean()
        for name in ("status", "after_hold"):
            if data.get(f"change_{name}") and not data.get(name) and name not in self.errors:
                self.add_error(name, "Choose a status, or untick the field.")
        some_needed = data.get("change_tags") and data.get("tag_action") != self.REPLACE
        if some_needed and not data.get("tags") and "tags" not in self.errors:
            self.add_error("tags", "Enter tags, or choose “Replace all with” to remove all tags.")
        return data

    def touched(self):
        """Return the arguments of ``DIDQuerySet.edit`` for the ticked fields."""
        data = self.cleaned_data
        fields = {
            name: data[name]
            for name in ("status", "after_hold", "hold_days", "notes")
            if data[f"change_{name}"]
        }
        if data["change_tags"]:
            field = {self.ADD: "add_tags", self.REMOVE: "remove_tags"}.get(data["tag_action"], "tags")
            fields[field] = data["tags"]
        return fields


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
