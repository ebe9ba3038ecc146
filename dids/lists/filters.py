"""Filters of the lists of numbers, for screens, exports, selections and jobs."""

from datetime import timedelta
from functools import cached_property

import django_filters
from django import forms
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact, In
from django.urls import reverse
from django_filters.fields import ChoiceField, ModelChoiceField

from audit.history import visible_to
from audit.models import Change
from clients.filters import reseller_filter
from clients.models import Account, Client
from clients.names import fold
from didmgmt import clock
from didmgmt.choices import LongSelect, RemoteSelectMultiple, TickedBoxes
from didmgmt.dates import midnight
from didmgmt.fields import DayField, LocalDateTimeField
from didmgmt.filters import ChoicesFilter, FilterSet, RowFilter, RowsField, RowsFilter, no_such
from didmgmt.forms import Form
from didmgmt.listing import Count
from didmgmt.models import StoredSearch
from didmgmt.text import count_noun
from dids.labels import change_label
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.lists.changed import ChangedNumbers
from dids.lists.marks import CHOICES as MARKS
from dids.lists.marks import Marks
from dids.lists.missing import DELETED, Missing
from dids.lists.places import Places, unknown_first
from dids.lists.row_counts import COUNTED_TO
from dids.lists.substring import Substring
from dids.models import DID, ClientPackage, HeadStock, PatternRule, Reservation, Stock, Tag, TagSet
from dids.models.lookups import AmongIndexKeys, Unindexed
from dids.numbering.countries import COUNTRIES
from dids.numbering.geography import TYPES
from dids.numbering.search import MATCHES, Search, parse_search
from operators.models import Operator

OF_MARKS = ("mark", "mark_rule")
OF_ENDS = ("reservation", "reserved", "reserved_until", "ends_on")
OF_ORDER = ("begins", "range")  # searches for numbers that follow one another
OF_PLACES = ("country", "type", "area")
COMMON_TAG = 50_000  # numbers: with more, those of a client are not looked up in the index of the tag
SEARCH_HINT = "Part of a number, 0049* begins, *900 ends, =49… exact, 111-222 a range, or a pasted list"


class MatchField(ChoiceField):
    """The match type of the number search; blank for "contains"."""

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


class TagsField(RowsField):
    """Choose tags by their names, however they are spelled."""

    def rows_by_key(self, values):
        keys = {value: fold(value) for value in values}
        tags = {tag.key: tag for tag in self.queryset.filter(key__in=keys.values())}
        if self.deleted and (others := {value for value, key in keys.items() if key not in tags}):
            tags |= {tag.key: tag for tag in self.deleted(others)}
        return {value: tags[key] for value, key in keys.items() if key in tags}


class TagsFilter(RowsFilter):
    field_class = TagsField


def _tags():
    return TagsFilter(
        label="Tags",
        error_messages=no_such("tag"),
        to_field_name="name",
        search="key",
        read=fold,
        queryset=lambda user: Tag.objects.visible_to(user),
        widget=RemoteSelectMultiple("dids:tag_choices", placeholder="any tag"),
    )


class SearchForm(Form):
    """Parse ``q`` with the match type into ``cleaned_data["search"]``, None if it is blank.

    Without ``q``, the text is that of ``list``, the token of a list that the user has stored.
    """

    user = None

    def clean(self):
        cleaned = super().clean()
        if {"q", "match", "list"} <= cleaned.keys():
            try:
                cleaned["search"] = parse_search(self._text(cleaned), cleaned["match"])
            except LookupError as error:
                self.add_error("list", str(error))
            except ValueError as error:
                self.add_error("q", str(error))
        return cleaned

    def _text(self, cleaned):
        if cleaned["q"] or not cleaned["list"]:
            return cleaned["q"]
        return StoredSearch.objects.text_of(self.user, cleaned["list"])


class NumberFilter(FilterSet):
    """Base class with the number search that every list of numbers has.

    ``absent``: what a number of a pasted list is that the list of numbers, unfiltered, does not have.
    """

    refines = {"match": ("q", "list")}
    absent = "not in the inventory"

    q = django_filters.CharFilter(
        label="Number",
        help_text=SEARCH_HINT,
        widget=forms.TextInput(
            attrs={"data-numbers": "", "autocomplete": "off", "spellcheck": "false", "inputmode": "tel"}
        ),
    )
    list = django_filters.CharFilter(label="Pasted list", widget=forms.HiddenInput, max_length=40)
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

    @cached_property
    def missing(self):
        """The ``Missing`` numbers of a pasted list, None for another search; at most three queries.

        Groups of digits between blanks are a list if one of them is a number.
        """
        search = self.form.cleaned_data["search"]
        if search is None or search.kind not in ("list", "either"):
            return None
        present = self.present(search.values)
        if not present and search.kind == "either":
            return None
        return Missing(len(search.values), self.states_of([n for n in search.values if n not in present]))

    def present(self, numbers):
        """Return those of ``numbers`` that the list has without its filter."""
        found = self.queryset.order_by().filter(number__in=numbers)
        return set(found.values_list("number", flat=True))

    def states_of(self, missing):
        """Return {why: numbers} for ``missing`` numbers."""
        return {self.absent: missing} if missing else {}

    def without_idle(self, data):
        """Drop the stored list as well if a search is typed, which replaces it."""
        if data.get("q"):
            data.pop("list", None)
        return super().without_idle(data)

    def relation_of(self, name, data):
        if name not in ("q", "list"):
            return super().relation_of(name, data)
        search = self._search
        return _RELATIONS[search.kind] if search else ""

    def _names(self, name, values):
        search = self._search
        if name not in ("q", "list") or not search:
            return super()._names(name, values)
        if name == "list":
            return {self.data.get("list"): _pasted(search.values)} if search.values else {}
        if search.kind == "range":
            return {values[0]: f"{search.low} and {search.high}"}
        return {values[0]: search.value} if search.value and not search.values else {}

    @property
    def _search(self):
        """The ``Search``, None for a blank or an invalid one."""
        return getattr(self.form, "cleaned_data", {}).get("search")


# {kind of ``Search``: how the numbers relate to what is searched for}
_RELATIONS = {
    "contains": "contains",
    "begins": "begins with",
    "ends": "ends with",
    "exact": "is",
    "range": "between",
    "list": "any of",
    "either": "contains",
}


def _pasted(numbers):
    """Return a label for a pasted list."""
    return f"{count_noun(len(numbers), 'number')} from {numbers[0]} to {numbers[-1]}"


def total_of(counts):
    """Return the sum of several ``Count``; if one is a lower bound, more than ``COUNTED_TO``."""
    counts = list(counts)
    return Count(COUNTED_TO, more=True) if any(count.more for count in counts) else Count(sum(counts))


class NowField(LocalDateTimeField):
    """Refuse every time: only the current inventory can be changed."""

    refusal = (
        "The inventory as of a past time can be viewed and exported, but not changed."
        " Go back to the current list first."
    )

    def clean(self, value):
        if value and value.strip():
            raise forms.ValidationError(self.refusal)


class NowFilter(django_filters.Filter):
    """Filter nothing; ``dids.lists.as_of`` replaces it."""

    field_class: type[forms.Field] = NowField

    def __init__(self, **kwargs):
        super().__init__(label="As of", help_text="Leave empty for now", **kwargs)

    def filter(self, queryset, value):
        return queryset


class ChangeField(ModelChoiceField):
    def label_from_instance(self, change):
        return change_label(change)


class ChangeFilter(RowFilter):
    field_class = ChangeField


class ReservedUntilFilter(django_filters.Filter):
    field_class = LocalDateTimeField


class EndsOnFilter(django_filters.Filter):
    field_class = DayField


class DIDFilter(NumberFilter):
    """Filter the numbers that ``user`` may see, which are the ``queryset``.

    Everything is as of one time, ``now``. With an invalid value ``qs`` must not be used: see
    ``didmgmt.listing``.
    """

    status = ChoicesFilter(
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
    mark = ChoicesFilter(label="Mark", choices=MARKS, widget=TickedBoxes, error_messages=no_such("mark"))
    mark_rule = RowFilter(
        label="Pattern rule",
        error_messages=no_such("pattern rule"),
        queryset=PatternRule.objects.filter(position__isnull=False),
        widget=forms.HiddenInput,
    )
    country = django_filters.ChoiceFilter(
        label="Country",
        choices=unknown_first(COUNTRIES),
        empty_label="any country",
        widget=LongSelect,
        error_messages=no_such("country"),
    )
    type = ChoicesFilter(
        label="Type", choices=list(TYPES.items()), widget=TickedBoxes, error_messages=no_such("type")
    )
    area = django_filters.CharFilter(label="Area", help_text="Part of a town’s or region’s name")
    change = ChangeFilter(
        label="Change",
        error_messages=no_such("change"),
        queryset=lambda user: Change.objects.visible_to(user),
        widget=forms.HiddenInput,
    )
    reserved = django_filters.ChoiceFilter(
        label="Reservation",
        choices=[("with", "in a reservation"), ("without", "in none")],
        empty_label="any",
        error_messages={"invalid_choice": "Choose with or without instead of “%(value)s”."},
    )
    reserved_until = ReservedUntilFilter(label="Reserved until, at the latest")
    reservation = RowFilter(
        label="Reservation",
        error_messages=no_such("reservation"),
        queryset=lambda user: Reservation.objects.visible_to(user).select_related("client"),
        widget=forms.HiddenInput,
    )
    ends_on = EndsOnFilter(label="Ends on", help_text="Its hold, its reservation or its package")
    as_of = NowFilter()
    apart = ("as_of",)

    def __init__(self, *args, now=None, overdue=None, exactly=False, **kwargs):
        """Set ``exactly`` to count all matches instead of up to ``COUNTED_TO``.

        ``overdue``: whether any hold is over at ``now``, if that is known already.
        """
        super().__init__(*args, **kwargs)
        self.now = now or clock.now()
        self._overdue, self._exactly = overdue, exactly

    def filter_queryset(self, queryset):
        return self._in_statuses(self.in_any_status)

    def _in_statuses(self, dids):
        statuses = self.form.cleaned_data["status"]
        return dids.in_status(statuses, self.now, overdue=self._overdue) if statuses else dids

    @cached_property
    def in_any_status(self):
        """The numbers that match all but the status."""
        return self.of_change(self._in_any_status_or_change)

    @property
    def matching_any_change(self):
        """The numbers that match all but the change."""
        return self._in_statuses(self._in_any_status_or_change)

    @cached_property
    def _in_any_status_or_change(self):
        chosen, dids = self.form.cleaned_data, self.searched_in(self.queryset)
        if self.operators is not None:
            dids = dids.filter(operator__in=self.operators)
        if chosen["client"]:
            # A list, because SQLite can't estimate how few accounts a subquery returns.
            dids = dids.filter(account__in=self.accounts).exclude(holds.over(self.now))
        if chosen["tag"]:
            of_common_tag = chosen["client"] and self._tag_is_common
            column = Unindexed("tag_set") if of_common_tag else F("tag_set")
            dids = dids.filter(In(column, self.tag_sets))
        return self.ending(self.in_places(self.marked(dids)))

    @property
    def _tag_is_common(self):
        """Whether so many numbers have a chosen tag that a client's are better found without its index.

        PostgreSQL would read all its entries, millions perhaps, to combine them with those of the client.
        """
        return Stock.objects.of(None, self.tag_sets).total() > COMMON_TAG

    @cached_property
    def places(self):
        """The ``Places`` of the chosen country, types and area, None without any."""
        chosen = [self.form.cleaned_data[name] for name in OF_PLACES]
        return Places(*chosen) if any(chosen) else None

    def in_places(self, dids):
        """Return those of ``dids`` in the chosen places."""
        return dids.filter(self.places.condition) if self.places else dids

    @property
    def of_number(self):
        """The condition of the places and of a search by the order of numbers; it names only the number."""
        search = self.form.cleaned_data["search"]
        found = self.places.condition if self.places else Q()
        return found & search_condition(search, None) if search else found

    @cached_property
    def marks(self):
        """The ``Marks`` of the chosen classes and rule, None without any."""
        chosen = [self.form.cleaned_data[name] for name in OF_MARKS]
        return Marks(*chosen) if any(chosen) else None

    def marked(self, dids):
        """Return those of ``dids`` with a chosen mark."""
        if not self.marks:
            return dids
        leads = self.is_led_by_marks(self.operators, self.tag_sets, ())
        return dids.filter(self.marks.leading_condition if leads else self.marks.condition)

    def is_led_by_marks(self, operators, tag_sets, statuses):
        """Return whether numbers are best found by their marks: not if other values have fewer numbers.

        ``operators`` and ``tag_sets``: their keys, None for all; [None] for numbers without tags. Costs two
        small queries if anything is given.
        """
        chosen = self.form.cleaned_data
        if not self.marks or not self.marks.is_indexed or chosen["client"] or chosen["change"]:
            return False
        if chosen["search"] and chosen["search"].kind not in OF_ORDER:
            return False
        if operators is None and tag_sets is None and not statuses:
            return True
        stock = Stock.objects.of(operators, None if tag_sets == [None] else tag_sets)
        stock = stock.filter(tag_set=None) if tag_sets == [None] else stock
        stock = stock.filter(status__in=statuses) if statuses else stock
        return stock.total() > self._marks_count

    @cached_property
    def _marks_count(self):
        return self.marks.count()

    def ending(self, dids):
        """Return those of ``dids`` that match the filters by reservation and by end.

        A reservation that is over has no numbers, and what is over ends on no day any more.
        """
        kept, reserved, until, day = (self.form.cleaned_data[name] for name in OF_ENDS)
        if day:
            dids = dids.filter(self._ending_on(day))
        if reserved == "without":
            dids = dids.filter(Q(reservation__isnull=True) | holds.over(self.now))
        if kept or until or reserved == "with":
            dids = dids.filter(reservation__isnull=False).exclude(holds.over(self.now))
        if kept:
            dids = dids.filter(reservation=kept)
        return dids.filter(hold_until__lte=until) if until else dids

    def _ending_on(self, day):
        """Return the condition for numbers that leave their status by themselves on ``day``.

        A package whose end has come ends today: the worker has not switched it off yet.
        """
        begins, ends = midnight(day), midnight(day + timedelta(days=1))
        timed = Q(hold_until__gte=begins, hold_until__lt=ends, hold_until__gt=self.now)
        packages = ClientPackage.objects.filter(active=True, ends_at__lt=ends)
        if begins > self.now:
            packages = packages.filter(ends_at__gte=begins)
        if ends <= self.now:
            packages = packages.none()
        return timed | Q(client_package__in=packages, status__in=st.IN_USE)

    def states_of(self, missing):
        if not missing:
            return {}
        deleted = deleted_matching(Search("list", values=tuple(missing)), self.user)
        deleted = set(deleted.values_list("number", flat=True))
        return {
            DELETED: [number for number in missing if number in deleted],
            self.absent: [number for number in missing if number not in deleted],
        }

    @cached_property
    def changed(self):
        """The ``ChangedNumbers`` of the chosen change, None without one."""
        change = self.form.cleaned_data["change"]
        return change and ChangedNumbers(change, self.user)

    def of_change(self, dids):
        """Return those of ``dids`` that the chosen change wrote."""
        return dids.filter(self.changed.condition) if self.changed else dids

    def searched_in(self, dids):
        """Return those of ``dids`` that the number search finds."""
        search = self.form.cleaned_data["search"]
        return matching(dids, search, self.substring) if search else dids

    @cached_property
    def substring(self):
        """The ``Substring`` that is searched for, None for another search."""
        return _substring(self.form.cleaned_data["search"])

    @property
    def is_few(self):
        """Whether what is searched for, a change or ends have so few numbers that they can be sorted."""
        chosen = self.form.cleaned_data
        search = chosen["search"]
        if self.changed and not self.changed.many:
            return True
        if chosen["reservation"] or chosen["reserved_until"] or chosen["ends_on"]:
            return True
        if chosen["reserved"] == "with":
            return True
        if self.substring:
            return not self.substring.many
        return search is not None and search.kind in ("exact", "list")

    @cached_property
    def operators(self):
        """Primary keys of the chosen operators, or of all that the user may see; None for all."""
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
        """Primary keys of the accounts of the chosen clients; None for all numbers, free ones included."""
        clients = self.form.cleaned_data["client"]
        if not clients:
            return None
        return list(Account.objects.filter(client__in=clients).values_list("pk", flat=True))

    @cached_property
    def tag_sets(self):
        """Primary keys of the tag sets with a chosen tag; None without a filter by tag."""
        tags = self.form.cleaned_data["tag"]
        if not tags:
            return None
        return list(TagSet.objects.filter(tags__in=tags).distinct().values_list("pk", flat=True))

    @property
    def searches(self):
        """Whether the list is limited to a search, a change, marks, reservations, ends or places."""
        return bool(self.places) or self._is_narrowed

    @property
    def _is_narrowed(self):
        return any(self.form.cleaned_data[name] for name in ("search", "change", *OF_MARKS, *OF_ENDS))

    @property
    def is_in_stock(self):
        """Whether the counters have the number of matches."""
        return not (self.searches or self.form.cleaned_data["client"])

    @property
    def _is_in_head_stock(self):
        """Whether the counters by head have it: places, operators and statuses are the only filters."""
        chosen = self.form.cleaned_data
        return bool(self.places) and not (self._is_narrowed or chosen["client"] or chosen["tag"])

    @cached_property
    def exactly_by_status(self):
        """{status: count} of the numbers that match all but the status.

        From the counters, or by a grouped count; two queries either way, one less if it is known that no
        hold is over.
        """
        if self._is_in_head_stock:
            over = None if self._overdue is False else DID.objects.hold_over(self.now)
            return HeadStock.objects.by_status(self.places.heads, self.operators, over=over)
        if not self.is_in_stock:
            return self.in_any_status.by_status(self.now, overdue=self._overdue)
        return Stock.objects.by_status(
            self.operators, self.now, tag_sets=self.tag_sets, overdue=self._overdue
        )

    @cached_property
    def by_status(self):
        """The same as ``Count``, exact if that is cheap or requested.

        Otherwise up to ``COUNTED_TO`` numbers are counted. If there are more, the counts of statuses are
        lower bounds; a single chosen status is counted separately.
        """
        if self._exactly or self.is_in_stock or self._is_in_head_stock or self.is_few:
            return {status: Count(number) for status, number in self.exactly_by_status.items()}
        dids = self._counted_in_any_status
        if self._is_substring_only and self.substring.ids:
            dids = dids.filter(pk__named=self.substring.ids)
        first = self._first_of_change_by_status()
        counts = first or dids.some_by_status(COUNTED_TO + 1, self.now)
        more = bool(first) or sum(counts.values()) > COUNTED_TO
        found = {status: Count(number, more=more) for status, number in counts.items()}
        if more and len(statuses := self.form.cleaned_data["status"]) == 1:
            found[statuses[0]] = self._bounded_total
        return found

    def _first_of_change_by_status(self):
        """Return {status: count} of the first numbers of a change that is the only filter.

        None for another filter, or if some of these numbers are deleted: then the others must be counted.
        """
        if not self.changed or not set(self.parameters()) <= {"change", "status"}:
            return None
        first = self.changed.first
        counts = self.queryset.filter(pk__named=first).some_by_status(len(first), self.now)
        return counts if sum(counts.values()) == len(first) else None

    @cached_property
    def _bounded_total(self):
        """The number of matches, counted up to ``COUNTED_TO``."""
        counted = self._in_statuses(self._counted_in_any_status)
        return Count.up_to(COUNTED_TO, counted.order_by()[: COUNTED_TO + 1].count())

    @cached_property
    def _counted_in_any_status(self):
        """``in_any_status``, for numbers in a range of some operators by the index of operators.

        PostgreSQL would count them among all numbers in the range, which may be millions of other operators:
        it assumes that those of each operator are spread evenly, and so are found soon.
        """
        chosen = self.form.cleaned_data
        is_range = chosen["search"] and chosen["search"].kind in ("begins", "range")
        if not is_range or self.operators is None or chosen["client"] or chosen["change"]:
            return self.in_any_status
        # What the user may see is among the operators.
        dids = self.searched_in(DID.objects.filter(AmongIndexKeys("operator", self.operators)))
        dids = dids.filter(status__in=st.LABELS)  # the second column of the index
        dids = self.ending(self.in_places(self.marked(dids)))
        return dids.filter(tag_set__in=self.tag_sets) if chosen["tag"] else dids

    @property
    def _is_substring_only(self):
        """Whether a substring is the only filter besides the status."""
        names = ("client", "tag", *OF_MARKS, *OF_ENDS, *OF_PLACES)
        others = any(self.form.cleaned_data[name] for name in names)
        return bool(self.substring) and self.operators is None and not others

    @cached_property
    def total(self):
        """The number of matches; costs another bounded count if that of the statuses is a lower bound."""
        statuses = self.form.cleaned_data["status"]
        total = total_of(self.by_status[status] for status in statuses or st.LABELS)
        return self._bounded_total if total.more and statuses else total

    def exact_total(self):
        """Return the exact number of matches."""
        return sum(self.exactly_by_status[status] for status in self.form.cleaned_data["status"] or st.LABELS)


class ClientDIDFilter(NumberFilter):
    """Filter the numbers of a client, which are the ``queryset``, without overdue holds."""

    absent = "not a number of this client"

    status = ChoicesFilter(
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
        search="package__name",
        queryset=ClientPackage.objects.none(),
        widget=RemoteSelectMultiple(placeholder="all packages"),
    )

    def __init__(self, *args, client, **kwargs):
        super().__init__(*args, **kwargs)
        account, package = self.form.fields["account"], self.form.fields["package"]
        account.queryset = Account.objects.filter(client=client)
        account.widget.load_from(reverse("clients:dids_accounts", args=[client.pk]))
        package.queryset = ClientPackage.objects.filter(client=client).select_related("package", "client")
        package.label_from_instance = lambda client_package: client_package.package.name
        package.widget.load_from(reverse("clients:dids_packages", args=[client.pk]))

    def filter_queryset(self, queryset):
        statuses = self.form.cleaned_data["status"]
        return self.in_any_status.filter(status__in=statuses) if statuses else self.in_any_status

    @cached_property
    def in_any_status(self):
        chosen, dids = self.form.cleaned_data, self.queryset
        if chosen["search"]:
            dids = matching(dids, chosen["search"])
        if chosen["account"]:
            dids = dids.filter(account__in=chosen["account"])
        if chosen["package"]:
            dids = dids.filter(client_package__in=chosen["package"])
        return dids


class AvailableFilter(NumberFilter):
    """Filter the numbers available for a client package, which are the ``queryset``."""

    absent = "not available for this package"

    operator = _operators()
    tag = _tags()

    def filter_queryset(self, queryset):
        chosen = self.form.cleaned_data
        if chosen["search"]:
            queryset = matching(queryset, chosen["search"])
        if chosen["operator"]:
            queryset = queryset.filter(operator__in=chosen["operator"])
        return queryset.tagged([tag.name for tag in chosen["tag"]]) if chosen["tag"] else queryset


def _substring(search):
    """Return the ``Substring`` of a search, None for a search of another kind."""
    if search is None or search.kind not in ("either", "ends", "contains"):
        return None
    return Substring(search.value, at_end=search.kind == "ends")


def matching(dids, search, substring=None):
    """Return the numbers that match a ``numbering.search.Search``.

    ``substring``: its ``Substring``, if the caller has it. The unique index serves exact, begins (as a range
    of text, which both engines read from it), range and list. Contains and ends use the prefixes of numbers:
    see ``substring``.
    """
    substring = substring or _substring(search)
    return dids.filter(search_condition(search, lambda: substring.condition))


def deleted_matching(search, viewer):
    """Return the history rows of deletions of numbers that match a ``numbering.search.Search``.

    Deleted numbers have no substring index, so a search for digits inside or at the end of a number
    finds only a deleted number that consists of exactly these digits.
    """
    rows = visible_to(DID, viewer).filter(event="-")
    if search.kind in ("contains", "ends", "either"):
        return rows.filter(number__in=[search.value, *search.values])
    return matching(rows, search)


def search_condition(search, substring_condition):
    """Return the Q for a ``numbering.search.Search``.

    ``substring_condition()`` returns the Q for contains and ends.
    """
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
        return Q(number__in=search.values) | substring_condition()
    return substring_condition()
