from datetime import timedelta

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

from clients.models import Reseller
from didmgmt import clock
from didmgmt.choices import RemoteSelect
from didmgmt.filters import FilterSet, RowFilter, no_such
from didmgmt.forms import ModelForm
from staff import scopes
from staff.models import Token, User

NOTHING = ("", "nothing")
ENDS = {
    30: "In 30 days",
    90: "In 90 days",
    365: "In 1 year",
    730: "In 2 years",
    1826: "In 5 years",
}  # {days: …}


class TokenForm(ModelForm):
    """A new API token: the scopes that its owner may pass on, and where and how long it can be used."""

    expires_at = forms.ChoiceField(label="Expires")
    scopes = forms.CharField(required=False)  # made of the choices of the resources, and shown with them

    class Meta:
        model = Token
        fields = ("name", "reseller", "networks", "expires_at", "scopes")
        widgets = {
            "reseller": RemoteSelect("operators:reseller_choices"),
            "networks": forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        }
        help_texts = {
            "reseller": "Leave empty to include every reseller",
            "networks": "One address or network a line. Empty allows any address",
        }

    def __init__(self, data=None, *, owner):
        super().__init__(data, instance=Token(owner=owner), auto_id="dialog_%s")
        self.fields["name"].help_text = f"Shown in the audit log as “billing-sync, token of {owner}”"
        self.initial["expires_at"] = Token.DAYS
        now = timezone.localtime(clock.now())
        self.fields["expires_at"].choices = [
            (days, f"{words}, {_day(now + timedelta(days))}") for days, words in ENDS.items()
        ]
        reseller = self.fields["reseller"]
        reseller.queryset, reseller.empty_label = Reseller.objects.visible_to(owner), "All resellers"
        if owner.reseller_id:
            del self.fields["reseller"]
        self.offered = scopes.offered(owner)
        for resource, levels in self.offered.items():
            self.fields[_field_of(resource)] = forms.ChoiceField(
                label=resource,
                choices=[NOTHING, *((level, level) for level in levels)],
                required=False,
                widget=forms.RadioSelect,
            )

    @property
    def matrix(self):
        """[(resource, hint, name of the field, [(level, whether it is offered, whether it is chosen)])]."""
        rows = []
        for resource in scopes.SCOPES:
            field = self[_field_of(resource)]
            chosen = field.value() or ""
            cells = [("", True, not chosen)]
            cells += [(level, level in self.offered[resource], level == chosen) for level in scopes.LEVELS]
            rows.append((resource, scopes.HINTS.get(resource, ""), field.html_name, cells))
        return rows

    @property
    def other_fields(self):
        return [self[name] for name in ("name", "reseller", "networks", "expires_at") if name in self.fields]

    def clean_expires_at(self):
        return clock.now() + timedelta(int(self.cleaned_data["expires_at"]))

    def clean(self):
        chosen = {resource: self.cleaned_data.get(_field_of(resource)) for resource in scopes.SCOPES}
        self.cleaned_data["scopes"] = scopes.text_of({name: level for name, level in chosen.items() if level})

    def issue(self, *, by):
        """Save the token and return its text; None, with the reason at its field, if it is refused."""
        try:
            return self.instance.issue(by=by)
        except ValidationError as error:
            self.add_error(None, error)
        return None


class FeedForm(TokenForm):
    """A new token that reads the calendar and nothing else, for an address that others may see."""

    def __init__(self, data=None, *, owner):
        super().__init__(data, owner=owner)
        self.initial["name"] = "Calendar feed"
        self.fields["name"].help_text = "Of the calendar program, such as desk-phone"
        for name in ("networks", *map(_field_of, self.offered)):
            del self.fields[name]

    def clean(self):
        self.cleaned_data["scopes"] = scopes.OF_FEEDS


def _field_of(resource):
    return f"scope_{resource.replace('-', '_')}"


def _day(at):
    return f"{at.day} {at:%b %Y}"


STATES = {
    "usable": ("usable", lambda now: Q(revoked_at=None, expires_at__gt=now)),
    "expired": ("expired", lambda now: Q(revoked_at=None, expires_at__lte=now)),
    "revoked": ("revoked", lambda _now: Q(revoked_at__isnull=False)),
}


class TokenFilter(FilterSet):
    name = django_filters.CharFilter(label="Name", lookup_expr="icontains")
    person = RowFilter(
        label="Person",
        field_name="owner",
        queryset=lambda user: User.objects.visible_to(user),
        search="username",
        empty_label="all people",
        widget=RemoteSelect("audit:people"),
        error_messages=no_such("person"),
    )
    state = django_filters.ChoiceFilter(
        label="State",
        choices=[(name, label) for name, (label, _) in STATES.items()],
        empty_label="all",
        error_messages={"invalid_choice": "There is no state “%(value)s”. Choose one from the list."},
        method=lambda queryset, _name, value: queryset.filter(STATES[value][1](clock.now())),
    )

    class Meta:
        model = Token
        fields = []
