"""The list of numbers as of a past time, read from history: their status and holder then.

A **version** of a number is a row of its history. A version is current at a time if it was written by then,
is not a deletion, and the number has no later version written by then; one index lookup checks that. A Hold
whose end had passed is over, whether or not the worker had written it by then.

**Candidates** are read from an index: the versions of an operator's numbers in one status, of an account or
of a tag; all versions written by an early time; or the numbers themselves, existing and deleted ones. Each
candidate is checked for being current. Up to ``CANDIDATES_MAX`` of them are checked at once, then counted
and sorted like any short list. With more, pages are found by key as in ``keyset``, and counts are lower
bounds from the first ``CANDIDATES_MAX``.

Operators belong to their resellers of that time, as far as their history goes back. Names are the current
ones, or the last ones of deleted records.
"""

import json
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property, partial
from time import monotonic
from urllib.parse import urlencode

import django_filters
from django import forms
from django.db import OperationalError, connection, transaction
from django.db.models import (
    BooleanField,
    Case,
    F,
    Func,
    Max,
    Min,
    OuterRef,
    Q,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat

from audit.history import deleted_records, last_known, visible_to
from audit.models import Change
from audit.pruning import known_since
from clients.models import Account, AccountHistory, Client, Reseller
from clients.names import fold
from didmgmt.fields import PastDateTimeField
from didmgmt.listing import Count, Listing
from didmgmt.patience import statements_may_take
from dids.labels import Names
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.lists.filters import DIDFilter, NowFilter, search_condition
from dids.lists.keyset import DIDKeyset, Partition, Partitions
from dids.lists.prefix_rows import PREFIXES_MAX
from dids.models import DID, DIDHistory, NumberHead, Tag
from dids.models.prefixes import TAIL
from operators.models import Operator, OperatorHistory

CANDIDATES_MAX = 5_000
EARLY_MAX = 40_000  # the same for an early time: at most this many versions were written by then,
CHANGES_MAX = 5_000  # in at most this many changes
CLOCK_SKEW = timedelta(minutes=1)  # between the application and the database
CLOCK_SET_BACK = timedelta(hours=1)  # the largest backward step of a clock that is allowed for
PROBES = 16  # ids looked up in one query; with more, all queries together look up more
STATEMENT_MAX = timedelta(
    minutes=1
)  # the longest statement that creates numbers, from an id to its timestamp
SECONDS = 8  # time limit for a page
COUNTING = 30  # time limit for a page with an exact count
LATER_MIN = 20_000  # later ids, below which reading and skipping their numbers costs less than avoiding them
LATER_HEADS_MIN = 5  # consecutive prefixes of later numbers that are avoided
RANGES_MAX = 25  # ranges of numbers that are merged, since each is read for a whole page
INDEXED = ("exact", "begins", "range", "list")  # searches that the index on number serves


# Repeats the partial index's WHERE clause; SQLite can't match a bound parameter.
RARE_STATUS = Func(
    F("status"),
    template=f"({' OR '.join(f'%(expressions)s = {status!r}' for status in st.RARE)})",
    output_field=BooleanField(),
)


class TooLongError(Exception):
    """The database did not answer within the time limit."""

    def __str__(self):
        return (
            "Reading the inventory as of then takes too long. Filter by an operator, a client or some"
            " numbers, or export it as CSV."
        )


class PastTimeFilter(NowFilter):
    """Take a past time instead of refusing it; ``PastFilter`` reads history as of then."""

    field_class = PastDateTimeField


class _NotOfPastField(forms.CharField):
    def clean(self, value):
        if value not in self.empty_values:
            raise forms.ValidationError(
                f"The inventory as of a past time can’t be filtered by {self.label}. Remove one of the two."
            )


class _NotOfPast(django_filters.Filter):
    """Refuse a filter that the versions as of a time are not read by. ``label``: such as "a change"."""

    field_class = _NotOfPastField

    def __init__(self, label):
        super().__init__(label=label, widget=forms.HiddenInput)

    def filter(self, queryset, value):
        return queryset


class PastFilter(DIDFilter):
    """Filter rows of ``DIDHistory`` as of a past time, which is ``now`` here."""

    as_of = PastTimeFilter()
    change = _NotOfPast("a change")
    reservation = _NotOfPast("a reservation")
    reserved = _NotOfPast("its reservations")
    reserved_until = _NotOfPast("the end of a reservation")
    ends_on = _NotOfPast("the day of an end")
    mark = _NotOfPast("the mark")
    mark_rule = _NotOfPast("a pattern rule")
    country = _NotOfPast("the country")
    type = _NotOfPast("the type of number")
    area = _NotOfPast("the area")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name, tracked in (("operator", Operator), ("client", Client)):
            self._offer_deleted(self.form.fields[name], tracked)
        self.form.fields["tag"].deleted = self._past_tags
        if self.form.is_valid():
            self.now = self.form.cleaned_data["as_of"]

    def _offer_deleted(self, field, tracked):
        """Accept deleted records as well, which may have had numbers then."""
        field.deleted = lambda keys: deleted_records(tracked, self.user, object_id__in=keys)
        field.deleted_named = lambda **condition: deleted_records(tracked, self.user, **condition)
        field.widget.load_from(f"{field.widget.attrs['data-choices-url']}?gone=1")

    def _past_tags(self, names):
        """Return the tags with these names that a number had while its operator was the user's reseller's.

        A user who is not bound to a reseller sees every tag anyway. A tag costs one index lookup if a number
        of the reseller had it, else a scan of the versions with that tag.
        """
        if self.user.reseller_id is None:
            return []
        versions = visible_to(DID, self.user)
        return [
            tag
            for tag in Tag.objects.filter(key__in=map(fold, names))
            if versions.filter(tag_set_id__in=tag.sets.values("pk")).exists()
        ]

    absent = "not in the inventory at that time"

    def present(self, numbers):
        found = self._versions_of(numbers)
        if bound := self.user.reseller_id:
            found = found.filter(
                operator_id__in=[pk for pk, owner in self.resellers.items() if owner == bound]
            )
        return set(found.values_list("number", flat=True))

    def _versions_of(self, numbers):
        """Return the versions of these numbers then, by the ids of all that ever had them."""
        ids = {
            *DID.objects.filter(number__in=numbers).values_list("pk", flat=True),
            *DIDHistory.objects.filter(event="-", number__in=numbers).values_list("object_id", flat=True),
        }
        return DIDHistory.objects.filter(current_at(self.now), object_id__in=ids)

    def keys_of(self, number):
        """Return the keys of the matches that are this whole number, at most one."""
        found = self._versions_of([number]).filter(self._matches(self.statuses), number=number)
        return list(found.values_list("pk", flat=True))

    def states_of(self, missing):
        return {self.absent: missing} if missing else {}

    def filter_queryset(self, queryset):
        """Return the matches among few candidates; with many, ``PastKeyset`` finds the pages."""
        return queryset.filter(pk__named=[pk for pk, _ in self._in_statuses[0]])

    @property
    def statuses(self):
        return self.form.cleaned_data["status"]

    # --- conditions

    @cached_property
    def operators(self):
        """Primary keys of operators as in ``DIDFilter``, by their reseller then, with deleted operators."""
        operators, reseller = (self.form.cleaned_data[name] for name in ("operator", "reseller"))
        bound = self.user.reseller_id
        if not operators and not reseller and not bound:
            return None
        chosen = {operator.pk for operator in operators}
        return [
            pk
            for pk, owner in self.resellers.items()
            if (not chosen or pk in chosen)
            and (not reseller or owner == reseller.pk)
            and bound in (None, owner)
        ]

    @cached_property
    def resellers(self):
        """{operator: its reseller then}; the first known one if history starts later."""
        found = {}
        rows = OperatorHistory.objects.order_by("history_id")
        for pk, at, reseller in rows.values_list("object_id", "at", "reseller_id"):
            if at <= self.now or pk not in found:
                found[pk] = reseller
        return found

    @cached_property
    def accounts(self):
        clients = self.form.cleaned_data["client"]
        if not clients:
            return None
        deleted = AccountHistory.objects.filter(event="-", client_id__in=[client.pk for client in clients])
        existing = Account.objects.filter(client__in=clients)
        return [*existing.values_list("pk", flat=True), *deleted.values_list("object_id", flat=True)]

    @cached_property
    def _plain_search(self):
        """The number search as a condition for versions, None without one."""
        search = self.form.cleaned_data["search"]
        if search is None:
            return None
        lookup = "number__endswith" if search.kind == "ends" else "number__contains"
        return search_condition(search, lambda: Q(**{lookup: search.value}))

    @cached_property
    def _matches_any_status(self):
        """The condition for versions that match all but the status, current or not."""
        values = {"operator_id": self.operators, "account_id": self.accounts, "tag_set_id": self.tag_sets}
        matches = Q(**{f"{name}__in": keys for name, keys in values.items() if keys is not None})
        if self.accounts is not None:
            matches &= ~self._over
        return matches & self._plain_search if self._plain_search else matches

    @cached_property
    def _over(self):
        return holds.over(self.now)

    def _matches(self, statuses=()):
        """Return the condition for versions that match and are no deletion, current or not."""
        matches = self._matches_any_status & ~Q(event="-")
        if statuses:
            matches &= (Q(status__in=statuses) & ~self._over) | (self._over & holds.followed_by(statuses))
        return matches

    @cached_property
    def _status(self):
        return holds.status_expression(self.now)

    # --- candidates

    @cached_property
    def _written(self):
        """Primary keys of all versions written by then, and maybe of later ones; None if there are many.

        History has no index on its timestamp, but changes have: rows are found by their change, or by
        having none.
        """
        changes = Change.objects.filter(at__lte=self.now + CLOCK_SKEW).order_by("at")
        changes = list(changes.values_list("pk", "touched")[: CHANGES_MAX + 1])
        if len(changes) > CHANGES_MAX or sum(touched for _, touched in changes) > EARLY_MAX:
            return None
        keys = []
        for condition in (Q(change__in=[pk for pk, _ in changes]), Q(change__isnull=True)):
            keys += DIDHistory.objects.filter(condition).values_list("pk", flat=True)[: EARLY_MAX + 1]
        return keys if len(keys) <= EARLY_MAX else None

    def _leading_column(self, statuses):
        """Return (column, its values) for the history index that has candidates in the order of number.

        (None, None): candidates are numbers.
        """
        if self.accounts is not None:
            return "account_id", self.accounts
        if self.is_few:
            return None, None
        if self.operators is not None:
            return "operator_id", self.operators
        if self.tag_sets is not None:
            return "tag_set_id", self.tag_sets
        if statuses and set(statuses) <= set(st.RARE) and not self.substring:
            # An overdue hold may match as well until it is released.
            over = [st.HOLD] if set(statuses) & set(st.FREE) else []
            return "status", list(dict.fromkeys([*statuses, *over]))
        return None, None

    def _candidates(self, statuses, *, only=None):
        """Return the versions to check; None if the candidates are numbers.

        ``only``: the versions of one leading value. A second condition on the column would make PostgreSQL
        estimate almost no rows.
        """
        if self._written is not None:
            return DIDHistory.objects.filter(pk__named=self._written)
        column, values = self._leading_column(statuses)
        if column is None:
            return None
        led = {f"{column}__in": values} if only is None else {column: only}
        found = DIDHistory.objects.filter(**led)
        if column == "status" and connection.vendor == "sqlite":
            found = found.filter(RARE_STATUS)
        search = self.form.cleaned_data["search"]
        return found.filter(self._plain_search) if search and search.kind in INDEXED else found

    def _numbers(self, statuses, value=F("history_id")):  # noqa: B008 - it is not changed
        """Yield the existing and the deleted numbers, with their ``version`` then if it matches, or None.

        ``value``: an expression to return of the version instead of its key.
        """
        by_then = DIDHistory.objects.filter(at__lte=self.now).order_by("-history_id")
        by_then = by_then.values(found=Case(When(self._matches(statuses), then=value)))
        deleted = DIDHistory.objects.filter(event="-")
        if self._plain_search:
            deleted = deleted.filter(self._plain_search)
        for candidates, key in ((self.searched_in(DID.objects.all()), "pk"), (deleted, "object_id")):
            numbers = candidates
            if self._last_created is not None:
                # With + 0, or SQLite would scan by primary key and sort.
                numbers = candidates.annotate(_created=F(key) + 0).filter(_created__lte=self._last_created)
            yield numbers.annotate(version=Subquery(by_then.filter(object_id=OuterRef(key))[:1]))

    @cached_property
    def _last_created(self):
        """An upper bound for the ids of numbers created by then, None if it would skip nothing.

        Ids are given in order, so if a change began later, all ids from its first one on were given later:
        such numbers are skipped without reading their history. A change that began before may have created
        numbers since; of these, later ones are known by their timestamp, ``STATEMENT_MAX`` after the id.
        Found with a few queries, each of which divides the ids by ``PROBES``.
        """
        since = known_since()
        if since and self.now < since:
            return None  # the versions that recorded the creation of numbers may be deleted
        versions = DIDHistory.objects.order_by("object_id", "history_id")
        versions = versions.values_list("object_id", "at", "change__at")
        set_back = self._clock_was_set_back
        margin = CLOCK_SET_BACK if set_back else STATEMENT_MAX

        def is_later(at, begun):
            return at > self.now + margin or (not set_back and begun is not None and begun > self.now)

        low, high = 0, DIDHistory.objects.aggregate(last=Max("object_id"))["last"] or 0
        newest = versions.filter(object_id=high).first()
        if newest is None or not is_later(*newest[1:]):
            return None
        while low < high:
            probes = range(low + 1, high + 1, -(-(high - low) // PROBES))
            for key, *written in versions.filter(history_id__in=_first_versions(probes)):
                if is_later(*written):  # and no number has an id from the probe up to this one
                    high = next(probe for probe in probes if probe > low) - 1
                    break
                low = key
        return low

    @property
    def _clock_was_set_back(self):
        """Whether a change then states an earlier time than one that began before it."""
        around = Change.objects.filter(
            at__gt=self.now - CLOCK_SET_BACK, at__lte=self.now + CLOCK_SET_BACK
        ).aggregate(last=Max("pk", filter=Q(at__lte=self.now)), first=Min("pk", filter=Q(at__gt=self.now)))
        return None not in around.values() and around["last"] > around["first"]

    @cached_property
    def _ranges(self):
        """Conditions for ranges of numbers that have all numbers created by then; ``[Q()]``: everything.

        An import since then may have created millions of numbers next to one another, which a scan in the
        order of number would have to skip one by one. Prefixes whose numbers are all later ones are known by
        their lowest id. Reads all prefixes, unless there are few later ids or very many prefixes.
        """
        if self._last_created is None:
            return [Q()]
        newest = DIDHistory.objects.aggregate(last=Max("object_id"))["last"]
        heads = NumberHead.objects.order_by("head").values_list("head", "first_id")[: PREFIXES_MAX + 1]
        if newest - self._last_created < LATER_MIN or len(heads := list(heads)) > PREFIXES_MAX:
            return [Q()]
        by_then = {head for head, first in heads if first is None or first <= self._last_created}
        ranges, gap_min = None, LATER_HEADS_MIN
        while ranges is None or len(ranges) > RANGES_MAX:
            ranges = _ranges_of(dict.fromkeys(head for head, _ in heads), by_then, gap_min)
            gap_min *= 2
        return [Q(number__gte=first, number__lte=last) for first, last in ranges]

    def scans(self, most):
        """Return index scans with ``version``, as ``dids.lists.keyset.Partition`` needs them."""
        candidates = self._candidates(self.statuses)
        if candidates is None:
            every = [numbers.filter(version__isnull=False) for numbers in self._numbers(self.statuses)]
            return [numbers.filter(one) for numbers in every for one in self._ranges]
        _, values = self._leading_column(self.statuses)
        each = [candidates]
        if len(values) < most:
            each = [self._candidates(self.statuses, only=value) for value in values]
        condition = current_at(self.now) & self._matches(self.statuses)
        return [scan.filter(condition).annotate(version=F("history_id")) for scan in each]

    # --- counts

    def _check(self, statuses):
        """Return [(version, status)] of the matches among the first candidates, and whether these are all."""
        candidates = self._candidates(statuses)
        if candidates is None:
            # Both in one text, since a subquery returns one value; the statuses cost another lookup each.
            checked, both = [], Concat("history_id", Value(" "), self._status, output_field=TextField())
            for numbers in self._numbers(statuses, both):
                checked += numbers.values_list("version", flat=True)[: CANDIDATES_MAX + 1]
            found = [one.split() for one in checked if one is not None]
            return [(int(pk), status) for pk, status in found], len(checked) <= CANDIDATES_MAX
        most = CANDIDATES_MAX if self._written is None else EARLY_MAX
        condition = current_at(self.now) & self._matches(statuses)
        checked = candidates.annotate(found=Case(When(condition, then=self._status)))
        checked = list(checked.values_list("pk", "found")[: most + 1])
        return [(pk, status) for pk, status in checked if status is not None], len(checked) <= most

    @cached_property
    def _in_any_status(self):
        return self._check(())

    @cached_property
    def _in_statuses(self):
        """The same for the chosen statuses."""
        found, is_complete = self._in_any_status
        if is_complete or not self.statuses:
            wanted = self.statuses or st.LABELS
            return [(pk, status) for pk, status in found if status in wanted], is_complete
        return self._check(self.statuses)

    @property
    def is_counted(self):
        """Whether all candidates were checked, so that all matches are known."""
        return self._in_statuses[1]

    @cached_property
    def by_status(self):
        found, is_complete = self._in_any_status
        if self._exactly and not is_complete:
            return {status: Count(number) for status, number in self.exactly_by_status.items()}
        counts = Counter(status for _, status in found)
        by_status = {status: Count(counts[status], more=not is_complete) for status in st.LABELS}
        if len(self.statuses) == 1:
            by_status[self.statuses[0]] = self.total
        return by_status

    @cached_property
    def total(self):
        found, is_complete = self._in_statuses
        if self._exactly and not is_complete:
            return Count(self.exact_total())
        return Count(len(found), more=not is_complete)

    @cached_property
    def exactly_by_status(self):
        everything = self._candidates(())
        versions = DIDHistory.objects.all() if everything is None else everything
        versions = versions.filter(current_at(self.now) & self._matches()).annotate(status_then=self._status)
        sql, params = versions.values_list("status_then").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT status_then, count(*) FROM ({sql}) AS found GROUP BY status_then", params)
            return dict.fromkeys(st.LABELS, 0) | dict(cursor.fetchall())


class PastKeyset(DIDKeyset):
    """The pages of a ``PastFilter`` by number."""

    key = "version"

    def __init__(self, filterset, *, descending):
        self._filterset, self._sort, self._descending = filterset, "number", descending
        self._partitions = Partitions([Partition("", filterset.scans)])
        self._first_pages = {}  # {count: rows}

    def after(self, cursor, count):
        """Return rows as usual; keep the first page, which is read for its count and again for display."""
        if cursor is not None:
            return super().after(cursor, count)
        if count not in self._first_pages:
            self._first_pages[count] = super().after(None, count)
        return self._first_pages[count]

    def _near_end(self, position, count, backwards):
        return []  # few candidates are sorted, many have no substring search of their own


class PastListing(Listing):
    """A list of numbers as of a past time. Its rows are ``PastDID``; its keys are those of versions.

    Always sorted by number, whatever the sort parameter. Raises TooLongError inside ``time_limit``.
    """

    def __init__(self, parameters, user, path, sorts, *, besides=()):
        super().__init__(
            parameters,
            DIDHistory.objects.all(),
            partial(PastFilter, exactly=parameters.get("count") == "exact"),
            user=user,
            path=path,
            sorts=dict.fromkeys(sorts, ("number", "history_id")),
            default="number",
            exact_total=lambda filterset: filterset.exact_total(),
            keyset=lambda filterset, sort, descending: (
                None if filterset.is_counted else PastKeyset(filterset, descending=descending)
            ),
            besides=besides,
        )
        self._keeps = ("as_of",) if self.has_time else ()

    @property
    def time(self):
        """The time that the list is as of."""
        return self.filterset.now

    @cached_property
    def total(self):
        """The number of matching rows; reads the first page if the checked candidates don't fill it."""
        if not self.valid:
            return Count(0)
        total, page = self.filterset.total, self._page_parameter
        if total.more and total < self.per_page:
            found = len(self.keyset.after(None, self.per_page + 1))
            total = Count(found, more=found > self.per_page)
        if total.more and page > max(1, total // self.per_page) and self._cursor is None:
            return Count(self.filterset.exact_total())
        return total

    @cached_property
    def rows(self):
        return self.rows_of(self.keys)

    @cached_property
    def known_since(self):
        """The time before which history was deleted, if the list is as of an earlier one; else None."""
        since = known_since() if self.valid else None
        return since if since and self.time < since else None

    @property
    def has_time(self):
        """Whether the time is valid, whatever the other parameters are."""
        return bool(self.form.cleaned_data.get("as_of"))

    @property
    def is_filtered(self):
        return set(self.filterset.parameters()) != {"as_of"}

    @property
    def now_url(self):
        """The URL of the same search in the current inventory."""
        parameters = [(name, value) for name, value in self.parameters if name != "as_of"]
        return f"{self._path}?{urlencode(parameters)}" if parameters else self._path

    def refuse(self, sentence):
        """Show this error and no rows."""
        self.errors.append(sentence)
        self.valid = False
        for name in ("total", "rows", "_page", "matches"):
            self.__dict__.pop(name, None)

    def key_chunks(self, size):
        """Yield the keys of all matching versions in the order of the list, up to ``size`` at a time."""
        if self.keyset is None:
            keys = list(self.ordered.values_list("pk", flat=True))
            yield from (keys[start : start + size] for start in range(0, len(keys), size))
            return
        cursor = None
        while found := self.keyset.after(cursor, size):
            yield [key for _, key in found]
            cursor = found[-1][0]

    def rows_of(self, keys):
        """Return the ``PastDID`` of each version in ``keys``, in their order."""
        versions = list(self._with_changed_at(keys)) if keys else []
        names = Names.of(versions, self.filterset.user)
        owners = self.filterset.resellers if versions else {}
        resellers = last_known(Reseller, {owners.get(version.operator_id) for version in versions}, "name")
        rows = {}
        for version in versions:
            owner = owners.get(version.operator_id)
            reseller = owner, resellers.get(owner, {"name": ""})["name"]
            rows[version.pk] = PastDID(version, names, reseller, self.time)
        return [rows[key] for key in keys if key in rows]

    def _with_changed_at(self, keys):
        """Return these versions with ``changed_at``, when the newest one that the user may see was written.

        None if they were all written while the number's operator belonged to another reseller.
        """
        seen = visible_to(DID, self.filterset.user)
        seen = seen.filter(object_id=OuterRef("object_id"), at__lte=self.time).order_by("-history_id")
        found = DIDHistory.objects.filter(pk__named=keys)
        return found.annotate(changed_at=Subquery(seen.values("at")[:1]))


class PastDID:
    """The values of a version for a row of the list or of a file. ``reseller``: (id, name)."""

    mark_class = mark_name = ""  # the present rules say nothing about the past

    def __init__(self, version, names, reseller, time):
        over = holds.is_over(version.hold_until, time)
        self.pk, self.number, self.notes = version.object_id, version.number, version.notes
        self.status_now = holds.after(version.status, version.after_hold) if over else version.status
        self.after_hold = version.after_hold
        self.operator_id, self.operator_name = version.operator_id, names.operator(version.operator_id)
        self.reseller_id, self.reseller_name = reseller
        self.tag_label = names.tags(version.tag_set_id)
        held = version.account_id is not None and not over
        self.account_id = version.account_id if held else None
        self.client_id = names.client_id(version.account_id) if held else None
        self.client_package_id = version.client_package_id if held else None
        self.client_name = names.client(version.account_id) if held else ""
        self.account_name = names.account(version.account_id) if held else ""
        self.package_name = names.package(version.client_package_id) if held else ""
        self.last_client, self.last_account = self.client_name, self.account_name
        self.hold_days, self.hold_until = version.hold_days, version.hold_until
        self.reservation_id = version.reservation_id
        self.changed_at = version.changed_at
        self.days_left = None
        if self.status_now == st.HOLD:
            self.days_left = holds.days_left(version.hold_until, time)

    @property
    def status_label(self):
        return st.LABELS[self.status_now]


def _ranges_of(heads, wanted, gap_min):
    """Return [first, last] of the ranges of numbers that have all numbers with the ``wanted`` prefixes.

    ``heads``: all prefixes in order. Ranges with fewer than ``gap_min`` other prefixes between them are one.
    Numbers of other lengths may be in a gap, as 99900123 is between 9990000000 and 9990009999, so a range
    ends with the last number of any prefix in it. Without any prefix the range is empty.
    """
    ranges, others = [], 0
    for head in heads:
        if head not in wanted:
            others += 1
            continue
        first, last = head and head + "0" * TAIL, head + "9" * TAIL
        if ranges and (others < gap_min or first <= ranges[-1][1]):
            ranges[-1][1] = max(ranges[-1][1], last)
        else:
            ranges.append([first, last])
        others = 0
    return ranges or [["", ""]]


def _first_versions(ids):
    """Return a subquery of the first version of the first number from each id on; one lookup each."""
    each = (
        "unnest(%s::bigint[]) AS each(value)"
        if connection.vendor == "postgresql"
        else "json_each(%s) AS each"
    )
    first = (
        "SELECT history_id FROM dids_didhistory WHERE object_id >= each.value ORDER BY object_id, history_id"
    )
    ids = list(ids)
    parameter = ids if connection.vendor == "postgresql" else json.dumps(ids)
    return RawSQL(f"SELECT ({first} LIMIT 1) FROM {each}", [parameter])  # noqa: S611 - constant SQL


def current_at(time):
    """Return the condition for rows of ``DIDHistory`` that are a number's version at ``time``.

    Compares with a subquery of one value, because planners may turn EXISTS into a join that reads all of
    history. With >= instead of =, although no version is newer than the newest: for = PostgreSQL estimates a
    single row and prefers sorting everything to an index scan.
    """
    by_then = DIDHistory.objects.filter(object_id=OuterRef("object_id"), at__lte=time)
    newest = by_then.order_by("-history_id").values("history_id")[:1]
    return Q(at__lte=time) & ~Q(event="-") & Q(history_id__gte=Subquery(newest))


@contextmanager
def time_limit(seconds):
    """Raise TooLongError if a statement (PostgreSQL) or the whole block (SQLite) takes longer."""
    try:
        if connection.vendor == "postgresql":
            with transaction.atomic(), statements_may_take(seconds, connection.alias):
                yield
            return
        connection.ensure_connection()
        until = monotonic() + seconds
        connection.connection.set_progress_handler(lambda: monotonic() > until, 100_000)
        try:
            yield
        finally:
            connection.connection.set_progress_handler(None, 0)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == "57014" or str(error) == "interrupted":
            raise TooLongError from None
        raise
