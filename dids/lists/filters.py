"""What lists of numbers are filtered by, on screens, in exports, in selections and in the API."""

from functools import cached_property

import django_filters
from django import forms
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact
from django.urls import reverse
from django.utils import timezone
from django_filters.fields import ChoiceField

from audit.history import visible_to
from clients.filters import reseller_filter
from clients.models import Account, Client
from didmgmt.choices import RemoteSelectMultiple, TickedBoxes
from didmgmt.fields import LocalDateTimeField
from didmgmt.filters import FilterSet, RowsFilter, no_such
from didmgmt.forms import Form
from didmgmt.listing import Count
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.lists.substring import Digits
from dids.models import DID, ClientPackage, Stock, Tag, TagSet
from dids.numbering.search import MATCHES, parse_search
from operators.models import Operator

COUNTED_TO = 10_000  # numbers that match; of more it is said that they are more


class MatchField(ChoiceField):
    """How the number search is meant; blank is what "contains" says in full."""

    def to_python(self, value):
        value = super().to_python(value)
        return "" if value == "contains" else value


class MatchFilter(django_filters.ChoiceFilter):
    field_class = MatchField


def _operators():
    return RowsFilter(
        label="Operator",
        error_messages=no_such("operator"),
        queryset=lambda user: Operator.objects.visible_to(user),
        widget=RemoteSelectMultiple("operators:choices", placeholder="all operators"),
    )


def _tags():
    return RowsFilter(
        label="Tags",
        error_messages=no_such("tag"),
        to_field_name="name",
        queryset=lambda user: Tag.objects.visible_to(user),
        widget=RemoteSelectMultiple("dids:tag_choices", placeholder="any tag"),
    )


class SearchForm(Form):
    """Reads ``q`` the way that ``match`` says into ``cleaned_data["search"]``, None when it is blank."""

    def clean(self):
        cleaned = super().clean()
        if {"q", "match"} <= cleaned.keys():
            try:
                cleaned["search"] = parse_search(cleaned["q"], cleaned["match"])
            except ValueError as error:
                self.add_error("q", str(error))
        return cleaned


class NumberFilter(FilterSet):
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
        error_messages=no_such("match type"),
    )

    class Meta:
        model = DID
        fields = []
        form = SearchForm


def total_of(counts):
    """The ``Count`` of several; where one was broken off, all of them are more than ``COUNTED_TO``."""
    counts = list(counts)
    return Count(COUNTED_TO, more=True) if any(count.more for count in counts) else Count(sum(counts))


class NowField(LocalDateTimeField):
    """Refuse every time: only the current inventory can be changed."""

    refusal = (
        "The inventory as of a past time can be viewed and exported, but not changed."
        " Go back to the current list first."
    )

    def clean(self, value):
        if value not in self.empty_values:
            raise forms.ValidationError(self.refusal)


class NowFilter(django_filters.Filter):
    """Filter nothing; ``dids.lists.as_of`` replaces it."""

    field_class = NowField

    def __init__(self, **kwargs):
        super().__init__(label="As of", help_text="Leave empty for now", **kwargs)

    def filter(self, queryset, value):
        return queryset


class DIDFilter(NumberFilter):
    """The numbers that an address asks for, of those that ``user`` may see.

    All of it is as of one moment, ``now``. With an invalid value ``qs`` must not be used: see
    ``didmgmt.listing``. ``queryset`` is the whole inventory that the person may see.
    """

    status = django_filters.MultipleChoiceFilter(
        label="Status", choices=st.CHOICES, widget=TickedBoxes, error_messages=no_such("status")
    )
    operator = _operators()
    reseller = reseller_filter()
    client = RowsFilter(
        label="Client",
        error_messages=no_such("client"),
        queryset=lambda user: Client.objects.visible_to(user),
        widget=RemoteSelectMultiple("dids:client_choices", placeholder="all clients"),
    )
    tag = _tags()
    as_of = NowFilter()
    apart = ("as_of",)

    def __init__(self, *args, now=None, overdue=None, exactly=False, **kwargs):
        """``exactly``: count all that match, where else counting ends at ``COUNTED_TO``.

        ``overdue``: whether holds are over at ``now``, if that is known already.
        """
        super().__init__(*args, **kwargs)
        self.now = now or timezone.now()
        self._overdue, self._exactly = overdue, exactly

    def filter_queryset(self, queryset):
        statuses, dids = self.form.cleaned_data["status"], self.of_any_status
        return dids.in_status(statuses, self.now, overdue=self._overdue) if statuses else dids

    @cached_property
    def of_any_status(self):
        """What matches all but the status."""
        asked, dids = self.form.cleaned_data, self.searched_in(self.queryset)
        if self.operators is not None:
            dids = dids.filter(operator__in=self.operators)
        if asked["client"]:
            # By a list: of a subquery SQLite doesn't know how few accounts it gives.
            dids = dids.filter(account__in=self.accounts).exclude(holds.over(self.now))
        if asked["tag"]:
            dids = dids.filter(tag_set__in=self.tag_sets)
        return dids

    def searched_in(self, dids):
        """Those of ``dids`` that the number search finds."""
        search = self.form.cleaned_data["search"]
        return matching(dids, search, self.digits) if search else dids

    @cached_property
    def digits(self):
        """The ``Digits`` that are searched for inside of numbers or at their end, else None."""
        return _digits(self.form.cleaned_data["search"])

    @property
    def is_few(self):
        """Whether what is searched for are some numbers, so that they can be sorted at once."""
        search = self.form.cleaned_data["search"]
        if self.digits:
            return not self.digits.many
        return search is not None and search.kind in ("exact", "list")

    @cached_property
    def operators(self):
        """Keys of the operators whose numbers can match, asked for or all that one may see; None for all."""
        operators, reseller = (self.form.cleaned_data[name] for name in ("operator", "reseller"))
        if not operators and not reseller and not self.user.reseller_id:
            return None
        found = Operator.objects.visible_to(self.user)
        if operators:
            found = found.filter(pk__in=[operator.pk for operator in operators])
        if reseller:
            found = found.filter(reseller=reseller)
        return list(found.values_list("pk", flat=True))

    @cached_property
    def accounts(self):
        """Keys of the accounts whose numbers can match, None for all numbers, also free ones."""
        clients = self.form.cleaned_data["client"]
        if not clients:
            return None
        return list(Account.objects.filter(client__in=clients).values_list("pk", flat=True))

    @cached_property
    def tag_sets(self):
        """Keys of the tag sets that the numbers can bear, None for any and none."""
        tags = self.form.cleaned_data["tag"]
        if not tags:
            return None
        return list(TagSet.objects.filter(tags__in=tags).distinct().values_list("pk", flat=True))

    @property
    def is_in_stock(self):
        """Whether the counters that the database keeps know how many match."""
        asked = self.form.cleaned_data
        return not (asked["search"] or asked["client"])

    @cached_property
    def exactly_by_status(self):
        """{status: count} of what matches all but the status.

        From the counters that the database keeps, else by a grouped count; two queries either way, one less
        when it is known that no hold is over.
        """
        if not self.is_in_stock:
            return self.of_any_status.by_status(self.now, overdue=self._overdue)
        return Stock.objects.by_status(
            self.operators, self.now, tag_sets=self.tag_sets, overdue=self._overdue
        )

    @cached_property
    def by_status(self):
        """The same as ``Count``, exact where that is cheap or asked for.

        Else no more than ``COUNTED_TO`` are looked at. When there are more, a status has at least as many
        as it has among these; the one that is asked for, if it is one, is counted on.
        """
        if self._exactly or self.is_in_stock or self.is_few:
            return {status: Count(number) for status, number in self.exactly_by_status.items()}
        some = self.of_any_status
        if self._digits_alone and self.digits.ids:
            some = some.filter(pk__named=self.digits.ids)
        counts = some.some_by_status(COUNTED_TO + 1, self.now)
        more = sum(counts.values()) > COUNTED_TO
        found = {status: Count(number, more=more) for status, number in counts.items()}
        if more and len(asked := self.form.cleaned_data["status"]) == 1:
            found[asked[0]] = self._counted_on
        return found

    @cached_property
    def _counted_on(self):
        """How many match, status and all, when the counters of every status don't tell."""
        return Count.up_to(COUNTED_TO, self.qs.order_by()[: COUNTED_TO + 1].count())

    @property
    def _digits_alone(self):
        """Whether numbers that contain some digits are all that is asked for, status apart."""
        asked = self.form.cleaned_data
        return bool(self.digits) and self.operators is None and not (asked["client"] or asked["tag"])

    @cached_property
    def total(self):
        """How many match, status and all, as ``Count``; one bounded count more when that is not known."""
        asked = self.form.cleaned_data["status"]
        total = total_of(self.by_status[status] for status in asked or st.LABELS)
        return self._counted_on if total.more and asked else total

    def exact_total(self):
        """How many match, counted to the end."""
        return sum(self.exactly_by_status[status] for status in self.form.cleaned_data["status"] or st.LABELS)


class ClientDIDFilter(NumberFilter):
    """The numbers of one ``client``; ``queryset`` holds those, without overdue holds."""

    status = django_filters.MultipleChoiceFilter(
        label="Status",
        choices=[(key, st.LABELS[key]) for key in st.HELD],
        widget=TickedBoxes,
        error_messages=no_such("status", " for a number of a client"),
    )
    account = RowsFilter(
        label="Account",
        error_messages=no_such("account", " of this client"),
        queryset=Account.objects.none(),
        widget=RemoteSelectMultiple(placeholder="all accounts"),
    )
    package = RowsFilter(
        label="Package",
        error_messages=no_such("package", " of this client"),
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


def _digits(search):
    """What ``matching`` looks for inside of numbers, None for a search of another kind."""
    if search is None or search.kind not in ("either", "ends", "contains"):
        return None
    return Digits(search.value, at_end=search.kind == "ends")


def matching(dids, search, digits=None):
    """The numbers that a ``numbering.search.Search`` asks for; ``digits``: its ``Digits`` if they are there.

    Exact, begins, range and list are served by the unique index: "begins" as a range of text, which
    both engines read from it. Contains and ends look at the heads of numbers first: see ``substring``.
    """
    return dids.filter(searched(search, digits or _digits(search)))


def deleted_matching(search, viewer):
    """Return the history rows of deletions of numbers that match a ``numbering.search.Search``.

    Deleted numbers have no substring index, so a search for digits inside or at the end of a number
    finds only a deleted number that consists of exactly these digits.
    """
    rows = visible_to(DID, viewer).filter(event="-")
    if search.kind in ("contains", "ends", "either"):
        return rows.filter(number__in=[search.value, *search.values])
    return matching(rows, search)


def searched(search, digits):
    """A Q for what a ``numbering.search.Search`` asks for; of ``digits`` the ``condition`` is taken."""
    if search.kind == "range":
        same_length = Exact(Length("number"), len(search.low))
        return Q(same_length, number__gte=search.low, number__lte=search.high)
    if search.kind == "list":
        return Q(number__in=search.values)
    value = search.value
    if search.kind == "exact":
        return Q(number=value)
    if search.kind == "begins":
        return Q(number__gte=value, number__lt=value[:-1] + chr(ord(value[-1]) + 1))
    if search.kind == "either":
        return Q(number__in=search.values) | digits.condition
    return digits.condition
