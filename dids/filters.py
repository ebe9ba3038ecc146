"""What lists of numbers are filtered by, on screens, in exports, in selections and in the API."""

from functools import cached_property

import django_filters
from django import forms
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact
from django.urls import reverse
from django.utils import timezone
from django_filters.fields import ChoiceField, ModelMultipleChoiceField

from clients.models import Account, Client
from didmgmt.choices import RemoteSelectMultiple, TickedBoxes, fits
from dids import status as st
from dids.digits import Digits
from dids.models import DID, ClientPackage, Stock, Tag
from dids.numbers import MATCHES, parse_search, shorten
from operators.filters import reseller_filter
from operators.models import Operator


def _unknown(what):
    return {"invalid_choice": f"“%(value)s” is no {what} that you know."}


class RowsField(ModelMultipleChoiceField):
    """Several rows of a queryset."""

    def _check_values(self, value):
        rows = {}
        key = self.to_field_name or "pk"
        if possible := {one for one in value if fits(self, one)}:
            rows = {str(getattr(row, key)): row for row in self.queryset.filter(**{f"{key}__in": possible})}
        for one in value:
            if one not in rows:
                raise forms.ValidationError(
                    self.error_messages["invalid_choice"],
                    code="invalid_choice",
                    params={"value": shorten(one)},
                )
        return [rows[one] for one in dict.fromkeys(value)]


class MatchField(ChoiceField):
    """How the number search is meant; blank is what "contains" says in full."""

    def to_python(self, value):
        value = super().to_python(value)
        return "" if value == "contains" else value


class MatchFilter(django_filters.ChoiceFilter):
    field_class = MatchField


class RowsFilter(django_filters.ModelMultipleChoiceFilter):
    field_class = RowsField


def _operators():
    return RowsFilter(
        label="Operator",
        error_messages=_unknown("operator"),
        queryset=lambda request: Operator.objects.visible_to(request.user),
        widget=RemoteSelectMultiple("operators:choices", placeholder="all operators"),
    )


def _tags():
    return RowsFilter(
        label="Tags",
        error_messages=_unknown("tag"),
        to_field_name="name",
        queryset=lambda request: Tag.objects.visible_to(request.user),
        widget=RemoteSelectMultiple("dids:tag_choices", placeholder="any tag"),
    )


class SearchForm(forms.Form):
    """Reads ``q`` the way that ``match`` says into ``cleaned_data["search"]``, None when it is blank."""

    def clean(self):
        cleaned = super().clean()
        if {"q", "match"} <= cleaned.keys():
            try:
                cleaned["search"] = parse_search(cleaned["q"], cleaned["match"])
            except ValueError as error:
                self.add_error("q", str(error))
        return cleaned


class NumberFilter(django_filters.FilterSet):
    """What every list of numbers is searched by."""

    refines = {"match": "q"}  # says how another parameter is meant; nothing by itself

    q = django_filters.CharFilter(
        label="Number",
        help_text="Also a range 111-222 or a pasted list",
        widget=forms.TextInput(
            attrs={"data-numbers": "", "autocomplete": "off", "spellcheck": "false", "inputmode": "tel"}
        ),
    )
    match = MatchFilter(
        label="Match",
        choices=[(match, match.capitalize()) for match in MATCHES if match != "contains"],
        empty_label="Contains",
        error_messages=_unknown("way to match a number"),
    )

    class Meta:
        model = DID
        fields = []
        form = SearchForm


class DIDFilter(NumberFilter):
    """The numbers that an address asks for, of those that ``request.user`` may see.

    All of it is as of one moment, ``now``. With an invalid value ``qs`` must not be used: see
    ``didmgmt.listing``. ``queryset`` is the whole inventory that the person may see.
    """

    status = django_filters.MultipleChoiceFilter(
        label="Status", choices=st.CHOICES, widget=TickedBoxes, error_messages=_unknown("status")
    )
    operator = _operators()
    reseller = reseller_filter()
    client = RowsFilter(
        label="Client",
        error_messages=_unknown("client"),
        queryset=lambda request: Client.objects.visible_to(request.user),
        widget=RemoteSelectMultiple("dids:client_choices", placeholder="all clients"),
    )
    tag = _tags()

    def __init__(self, *args, now=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.now = now or timezone.now()

    def filter_queryset(self, queryset):
        statuses = self.form.cleaned_data["status"]
        return self.of_any_status.in_status(statuses, self.now) if statuses else self.of_any_status

    @cached_property
    def of_any_status(self):
        """What matches all but the status."""
        asked, dids = self.form.cleaned_data, self.queryset
        if asked["search"]:
            dids = matching(dids, asked["search"])
        if self._operators is not None:
            dids = dids.filter(operator__in=list(self._operators.values_list("pk", flat=True)))
        if asked["client"]:
            dids = dids.held_by(asked["client"], self.now)
        if asked["tag"]:
            dids = dids.tagged([tag.name for tag in asked["tag"]])
        return dids

    @cached_property
    def by_status(self):
        """{status: count} of what matches all but the status, exact.

        From the counters that the database keeps when operators are all that is asked for besides,
        else by a grouped count; two queries either way.
        """
        asked = self.form.cleaned_data
        if asked["search"] or asked["client"] or asked["tag"]:
            return self.of_any_status.by_status(self.now)
        operators = self._operators
        if operators is None and self.request.user.reseller_id:
            operators = Operator.objects.visible_to(self.request.user)
        return Stock.objects.by_status(operators, self.now)

    @property
    def total(self):
        """How many match, status and all."""
        statuses = self.form.cleaned_data["status"] or st.LABELS
        return sum(self.by_status[status] for status in statuses)

    @cached_property
    def _operators(self):
        """The operators that are asked for, by name or by reseller; None for all."""
        operators, reseller = (self.form.cleaned_data[name] for name in ("operator", "reseller"))
        if not operators and not reseller:
            return None
        found = Operator.objects.visible_to(self.request.user)
        if operators:
            found = found.filter(pk__in=[operator.pk for operator in operators])
        return found.filter(reseller=reseller) if reseller else found


class ClientDIDFilter(NumberFilter):
    """The numbers of one ``client``; ``queryset`` holds those, without overdue holds."""

    status = django_filters.MultipleChoiceFilter(
        label="Status",
        choices=[(key, st.LABELS[key]) for key in st.HELD],
        widget=TickedBoxes,
        error_messages=_unknown("status of a client's number"),
    )
    account = RowsFilter(
        label="Account",
        error_messages=_unknown("account of this client"),
        queryset=Account.objects.none(),
        widget=RemoteSelectMultiple(placeholder="all accounts"),
    )
    package = RowsFilter(
        label="Package",
        error_messages=_unknown("package of this client"),
        queryset=ClientPackage.objects.none(),
        widget=RemoteSelectMultiple(placeholder="all packages"),
    )

    def __init__(self, *args, client, **kwargs):
        super().__init__(*args, **kwargs)
        account, package = self.form.fields["account"], self.form.fields["package"]
        account.queryset = Account.objects.filter(client=client)
        account.widget.asks(reverse("clients:dids_accounts", args=[client.pk]))
        package.queryset = ClientPackage.objects.filter(client=client).select_related("package", "client")
        package.label_from_instance = lambda given: given.package.name
        package.widget.asks(reverse("clients:dids_packages", args=[client.pk]))

    def filter_queryset(self, queryset):
        statuses = self.form.cleaned_data["status"]
        return self.of_any_status.filter(status__in=statuses) if statuses else self.of_any_status

    @cached_property
    def of_any_status(self):
        asked, dids = self.form.cleaned_data, self.queryset
        if asked["search"]:
            dids = matching(dids, asked["search"])
        if asked["account"]:
            dids = dids.filter(account__in=asked["account"])
        if asked["package"]:
            dids = dids.filter(client_package__in=asked["package"])
        return dids


class AvailableFilter(NumberFilter):
    """The numbers that can be picked; ``queryset`` holds those of one client package."""

    operator = _operators()
    tag = _tags()

    def filter_queryset(self, queryset):
        asked = self.form.cleaned_data
        if asked["search"]:
            queryset = matching(queryset, asked["search"])
        if asked["operator"]:
            queryset = queryset.filter(operator__in=asked["operator"])
        return queryset.tagged([tag.name for tag in asked["tag"]]) if asked["tag"] else queryset


def matching(dids, search):
    """The numbers that a ``dids.numbers.Search`` asks for.

    Exact, begins, range and list are served by the unique index: "begins" as a range of text, which
    both engines read from it. Contains and ends look at the heads of numbers first: see ``dids.digits``.
    """
    if search.kind == "range":
        same_length = Exact(Length("number"), len(search.low))
        return dids.filter(same_length, number__gte=search.low, number__lte=search.high)
    if search.kind == "list":
        return dids.filter(number__in=search.values)
    if search.kind == "either":
        return dids.filter(Q(number__in=search.values) | Digits(search.value).condition)
    value = search.value
    return {
        "exact": lambda: dids.filter(number=value),
        "begins": lambda: dids.filter(number__gte=value, number__lt=value[:-1] + chr(ord(value[-1]) + 1)),
        "ends": lambda: dids.filter(Digits(value, at_end=True).condition),
        "contains": lambda: dids.filter(Digits(value).condition),
    }[search.kind]()
