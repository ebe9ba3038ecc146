"""The list of numbers as of a moment, from history: which numbers there were, in which status, with whom.

A **version** of a number is a row of its history. It is valid at a moment when it was written by then, is
no deletion, and the number has no later version that was written by then: one look into the index of a
number's versions. A Hold whose end had come is over, whether or not the worker had written it by then.

What can match is read from an index (**candidates**): the versions of an operator's numbers in one status, of
an account, of a tag; all that was written until an early moment; or the numbers themselves, those that are
there and those deleted since. Each candidate is asked whether it is valid. Up to ``FEW`` of them are asked at
once, and counted and sorted like any short list. Of more, pages are found by key as ``keyset`` does,
and counts end at what is known of the first ``FEW``.

Operators belong to the resellers of that moment, as far as their history tells; names are those of now, or
the last ones.
"""

import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property, partial
from types import SimpleNamespace
from urllib.parse import urlencode

from django.db import OperationalError, connection, transaction
from django.db.models import BooleanField, Case, F, Func, Max, OuterRef, Q, Subquery, When

from audit.history import deleted_records, last_known
from audit.models import Change
from audit.pruning import known_since
from clients.models import Account, AccountHistory, Client, Reseller
from didmgmt.fields import PastDateTimeField
from didmgmt.listing import Count, Listing
from dids.labels import Names
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.lists.filters import DIDFilter, NowFilter, searched
from dids.lists.keyset import Section, Sections, Walk
from dids.models import DID, DIDHistory
from operators.models import Operator, OperatorHistory

FEW = 5_000  # candidates
EARLY = 40_000  # the same, of a moment by which no more had been written,
CHANGES = 5_000  # in no more changes than these
CLOCKS = timedelta(minutes=1)  # by which those of the application and of the database may differ
TURNED = timedelta(hours=1)  # at most a clock was ever turned back by so much
SECONDS = 8  # for a page
COUNTING = 30  # the same with all that match counted
PLAIN = ("exact", "begins", "range", "list")  # searches that an index on number serves


# Literally what its index says: SQLite can't conclude it from a status that is a parameter.
OF_FEW = Func(
    F("status"),
    template=f"({' OR '.join(f'%(expressions)s = {status!r}' for status in st.RARE)})",
    output_field=BooleanField(),
)


class TooLong(Exception):
    """The database has not answered in time."""

    def __str__(self):
        return (
            "It takes too long to find out what there was. Ask for less of it: an operator, a client,"
            " some numbers; or export it as CSV."
        )


class PastTimeFilter(NowFilter):
    """Take a past time instead of refusing it; ``PastFilter`` reads history as of then."""

    field_class = PastDateTimeField


class PastFilter(DIDFilter):
    """What an address with ``as_of`` asks for, as rows of ``DIDHistory``; ``now`` is that moment."""

    as_of = PastTimeFilter()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name, tracked in (("operator", Operator), ("client", Client)):
            self._offer_gone(self.form.fields[name], tracked)
        if self.form.is_valid():
            self.now = self.form.cleaned_data["as_of"]

    def _offer_gone(self, field, tracked):
        """What is deleted by now had numbers then."""
        field.deleted = lambda keys: deleted_records(tracked, self.user, object_id__in=keys)
        field.widget.asks(f"{field.widget.attrs['data-choices-url']}?gone=1")

    def filter_queryset(self, queryset):
        """All that match, of few candidates; where there are many, pages are found by ``PastWalk``."""
        return queryset.filter(pk__named=[pk for pk, _ in self._of_statuses[0]])

    @property
    def statuses(self):
        return self.form.cleaned_data["status"]

    # --- what is asked for

    @cached_property
    def operators(self):
        """As in ``DIDFilter``, of those whose reseller it was then, also operators that are gone."""
        operators, reseller = (self.form.cleaned_data[name] for name in ("operator", "reseller"))
        bound = self.user.reseller_id
        if not operators and not reseller and not bound:
            return None
        chosen = {operator.pk for operator in operators}
        return [
            pk
            for pk, of in self.resellers.items()
            if (not chosen or pk in chosen) and (not reseller or of == reseller.pk) and bound in (None, of)
        ]

    @cached_property
    def resellers(self):
        """{operator: its reseller then}; of one that history knows from later on, the first one known."""
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
        gone = AccountHistory.objects.filter(event="-", client_id__in=[client.pk for client in clients])
        there = Account.objects.filter(client__in=clients)
        return [*there.values_list("pk", flat=True), *gone.values_list("object_id", flat=True)]

    @cached_property
    def _plain_search(self):
        """The number search as a Q for versions, None when there is none."""
        search = self.form.cleaned_data["search"]
        if search is None:
            return None
        text = {"number__endswith" if search.kind == "ends" else "number__contains": search.value}
        return searched(search, SimpleNamespace(condition=Q(**text)))

    @cached_property
    def _asked(self):
        """A Q for versions that match all but the status, valid or not."""
        values = {"operator_id": self.operators, "account_id": self.accounts, "tag_set_id": self.tag_sets}
        asked = Q(**{f"{name}__in": found for name, found in values.items() if found is not None})
        if self.accounts is not None:
            asked &= ~self._over
        return asked & self._plain_search if self._plain_search else asked

    @cached_property
    def _over(self):
        return holds.over(self.now)

    def _matches(self, statuses=()):
        """A Q for versions that match and are no deletion, valid or not."""
        matches = self._asked & ~Q(event="-")
        if statuses:
            matches &= (Q(status__in=statuses) & ~self._over) | (self._over & Q(after_hold__in=statuses))
        return matches

    @cached_property
    def _status(self):
        return holds.status_expression(self.now)

    # --- candidates

    @cached_property
    def _written(self):
        """Keys of all versions written by then, and maybe of later ones; None when they are many.

        History has no index of moments, but changes have: rows are found by theirs, or by having none.
        """
        changes = Change.objects.filter(at__lte=self.now + CLOCKS).order_by("at")
        changes = list(changes.values_list("pk", "touched")[: CHANGES + 1])
        if len(changes) > CHANGES or sum(touched for _, touched in changes) > EARLY:
            return None
        keys = []
        for some in (Q(change__in=[pk for pk, _ in changes]), Q(change__isnull=True)):
            keys += DIDHistory.objects.filter(some).values_list("pk", flat=True)[: EARLY + 1]
        return keys if len(keys) <= EARLY else None

    def _lead(self, statuses):
        """(column, its values) that an index of history gives candidates by, sorted by number.

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
        if statuses and set(statuses) <= set(st.RARE) and not self.digits:
            # A hold that is over may be what is asked for, until somebody writes that.
            over = [st.HOLD] if set(statuses) & set(st.FREE) else []
            return "status", list(dict.fromkeys([*statuses, *over]))
        return None, None

    def _candidates(self, statuses, *, only=None):
        """Versions, from which those that match can be picked; None where numbers are candidates.

        ``only`` those of one of the leading values: what else is said of the column would make
        PostgreSQL expect next to none.
        """
        if self._written is not None:
            return DIDHistory.objects.filter(pk__named=self._written)
        column, values = self._lead(statuses)
        if column is None:
            return None
        led = {f"{column}__in": values} if only is None else {column: only}
        found = DIDHistory.objects.filter(**led)
        if column == "status" and connection.vendor == "sqlite":
            found = found.filter(OF_FEW)
        search = self.form.cleaned_data["search"]
        return found.filter(self._plain_search) if search and search.kind in PLAIN else found

    def _numbers(self, statuses):
        """Those that are there, and those that are gone, with their ``version`` if it matches, or None."""
        by_then = DIDHistory.objects.filter(at__lte=self.now).order_by("-history_id")
        by_then = by_then.values(found=Case(When(self._matches(statuses), then=F("history_id"))))
        gone = DIDHistory.objects.filter(event="-")
        if self._plain_search:
            gone = gone.filter(self._plain_search)
        for numbers, key in ((self.searched_in(DID.objects.all()), "pk"), (gone, "object_id")):
            if self._last_made is not None:
                # Added to, or SQLite would read them in the order of their keys, and sort them.
                numbers = numbers.annotate(_made=F(key) + 0).filter(_made__lte=self._last_made)
            yield numbers.annotate(version=Subquery(by_then.filter(object_id=OuterRef(key))[:1]))

    @cached_property
    def _last_made(self):
        """A key that no number made by then is above, None when it would leave nothing out.

        Keys are given in the order of making, so numbers made since are passed by without a look into
        their history. It is found by halves: some twenty short queries.
        """
        since = known_since()
        if since and self.now < since:
            return None  # the first versions of numbers may be gone, which tell when these were made
        versions = DIDHistory.objects.order_by("object_id", "history_id").values_list("object_id", "at")
        low, high = 0, DIDHistory.objects.aggregate(last=Max("object_id"))["last"] or 0
        newest = versions.filter(object_id=high).first()
        if newest is None or newest[1] <= self.now + TURNED:
            return None
        while low < high:
            middle = (low + high + 1) // 2
            key, at = versions.filter(object_id__gte=middle).first()
            low, high = (key, high) if at <= self.now + TURNED else (low, middle - 1)
        return low

    def streams(self, most):
        """As for ``dids.lists.keyset.Section``, with their ``version``: each in the order of an index."""
        candidates = self._candidates(self.statuses)
        if candidates is None:
            return [numbers.filter(version__isnull=False) for numbers in self._numbers(self.statuses)]
        _, values = self._lead(self.statuses)
        each = [candidates]
        if len(values) < most:
            each = [self._candidates(self.statuses, only=value) for value in values]
        fits = valid_at(self.now) & self._matches(self.statuses)
        return [some.filter(fits).annotate(version=F("history_id")) for some in each]

    # --- counts

    def _look(self, statuses):
        """([(version, status)] of those among the first candidates that match, whether these are all)."""
        candidates = self._candidates(statuses)
        if candidates is None:
            some = []
            for numbers in self._numbers(statuses):
                some += numbers.values_list("version", flat=True)[: FEW + 1]
            found = DIDHistory.objects.filter(pk__named=[pk for pk in some if pk is not None])
            return list(found.values_list("pk", self._status)), len(some) <= FEW
        most = FEW if self._written is None else EARLY
        fits = valid_at(self.now) & self._matches(statuses)
        some = candidates.annotate(found=Case(When(fits, then=self._status)))
        some = list(some.values_list("pk", "found")[: most + 1])
        return [(pk, status) for pk, status in some if status is not None], len(some) <= most

    @cached_property
    def _of_any_status(self):
        return self._look(())

    @cached_property
    def _of_statuses(self):
        """The same of the statuses that are asked for."""
        found, are_all = self._of_any_status
        if are_all or not self.statuses:
            return [(pk, status) for pk, status in found if status in (self.statuses or st.LABELS)], are_all
        return self._look(self.statuses)

    @property
    def is_counted(self):
        """Whether so few candidates were looked at that all that match are known."""
        return self._of_statuses[1]

    @cached_property
    def by_status(self):
        found, are_all = self._of_any_status
        if self._exactly and not are_all:
            return {status: Count(number) for status, number in self.exactly_by_status.items()}
        counts = Counter(status for _, status in found)
        by_status = {status: Count(counts[status], more=not are_all) for status in st.LABELS}
        if len(self.statuses) == 1:
            by_status[self.statuses[0]] = self.total
        return by_status

    @cached_property
    def total(self):
        found, are_all = self._of_statuses
        if self._exactly and not are_all:
            return Count(self.exact_total())
        return Count(len(found), more=not are_all)

    @cached_property
    def exactly_by_status(self):
        everything = self._candidates(())
        versions = DIDHistory.objects.all() if everything is None else everything
        versions = versions.filter(valid_at(self.now) & self._matches()).annotate(status_then=self._status)
        sql, params = versions.values_list("status_then").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT status_then, count(*) FROM ({sql}) AS found GROUP BY status_then", params)
            return dict.fromkeys(st.LABELS, 0) | dict(cursor.fetchall())


class PastWalk(Walk):
    """The pages of a ``PastFilter``, by number."""

    key = "version"

    def __init__(self, filterset, *, descending):
        self._filterset, self._sort, self._descending = filterset, "number", descending
        self._sections = Sections([Section("", filterset.streams)])
        self._first = {}  # how many rows were asked for: those

    def after(self, place, count):
        """The first page is asked for once to know how many there are at least, and again to be shown."""
        if place is not None:
            return super().after(place, count)
        if count not in self._first:
            self._first[count] = super().after(None, count)
        return self._first[count]

    def _near_end(self, position, count, backwards):
        return []  # candidates that are few have been sorted by now


class PastListing(Listing):
    """A list of numbers with ``as_of`` in its address. Its rows are ``PastDID``; its keys are versions'.

    Sorted by number alone: an address that asks for another order gets that one. Raises TooLong within
    ``within``.
    """

    def __init__(self, parameters, user, path, sorts):
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
                None if filterset.is_counted else PastWalk(filterset, descending=descending)
            ),
        )
        self._keeps = ("as_of",) if self.has_moment else ()

    @property
    def moment(self):
        return self.filterset.now

    @cached_property
    def total(self):
        """Where so little is known that it fills no page, that page is looked at."""
        if not self.valid:
            return Count(0)
        total, asked = self.filterset.total, self._page_parameter
        if total.more and total < self.per_page:
            found = len(self._keyset.after(None, self.per_page + 1))
            total = Count(found, more=found > self.per_page)
        if total.more and asked > max(1, total // self.per_page) and self._cursor is None:
            return Count(self.filterset.exact_total())
        return total

    @cached_property
    def rows(self):
        return self.rows_of(self.keys)

    @cached_property
    def known_since(self):
        """The moment before which history was deleted, where the list is of an earlier one; else None."""
        since = known_since() if self.valid else None
        return since if since and self.moment < since else None

    @property
    def has_moment(self):
        """Whether the address names a moment that makes sense, whatever else it asks for."""
        return bool(self.form.cleaned_data.get("as_of"))

    @property
    def time_input(self):
        """The {type, value} of a control for the time of the list."""
        widget, value = self.form.fields["as_of"].widget, self._query["as_of"]
        return {"type": widget.input_type_for(value), "value": widget.format_value(value)}

    @property
    def is_filtered(self):
        return set(self.filterset.parameters()) != {"as_of"}

    @property
    def now_url(self):
        """The same search now."""
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
        if self._keyset is None:
            keys = list(self.ordered.values_list("pk", flat=True))
            yield from (keys[start : start + size] for start in range(0, len(keys), size))
            return
        cursor = None
        while found := self._keyset.after(cursor, size):
            yield [key for _, key in found]
            cursor = found[-1][0]

    def rows_of(self, keys):
        """Return the ``PastDID`` of each version in ``keys``, in their order."""
        versions = list(DIDHistory.objects.filter(pk__named=keys)) if keys else []
        names = Names.of(versions)
        of = self.filterset.resellers if versions else {}
        resellers = last_known(Reseller, {of.get(version.operator_id) for version in versions}, "name")
        told = {}
        for version in versions:
            reseller = resellers.get(of.get(version.operator_id), {"name": ""})["name"]
            told[version.pk] = PastDID(version, names, reseller, self.moment)
        return [told[key] for key in keys if key in told]


class PastDID:
    """What a row of the list and a row of a file tell of a version."""

    explanation = ""  # would be of now

    def __init__(self, version, names, reseller, moment):
        over = holds.is_over(version.hold_until, moment)
        self.pk, self.number, self.notes = version.object_id, version.number, version.notes
        self.status_now = version.after_hold if over else version.status
        self.after_hold = version.after_hold
        self.operator_name, self.reseller_name = names.operator(version.operator_id), reseller
        self.tag_label = names.tags(version.tag_set_id)
        held = version.account_id is not None and not over
        self.client_name = names.client(version.account_id) if held else ""
        self.account_name = names.account(version.account_id) if held else ""
        self.package_name = names.package(version.client_package_id) if held else ""
        self.days_left = None
        if self.status_now == st.HOLD:
            self.days_left = holds.days_left(version.hold_until, moment)

    @property
    def status_label(self):
        return st.LABELS[self.status_now]


def valid_at(moment):
    """A Q for rows of ``DIDHistory`` that are a number's version at ``moment``.

    By a subquery that gives one value: planners may turn EXISTS into a join that reads all of history. No
    version is newer than the newest; asked for the same one, PostgreSQL expects a single row of all, and
    rather sorts whatever there is than to walk an index.
    """
    by_then = DIDHistory.objects.filter(object_id=OuterRef("object_id"), at__lte=moment)
    newest = by_then.order_by("-history_id").values("history_id")[:1]
    return Q(at__lte=moment) & ~Q(event="-") & Q(history_id__gte=Subquery(newest))


@contextmanager
def within(seconds):
    """Raises TooLong where a statement takes longer (PostgreSQL), or all of them (SQLite)."""
    try:
        if connection.vendor == "postgresql":
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds}s"])
                yield
                cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
            return
        connection.ensure_connection()
        until = time.monotonic() + seconds
        connection.connection.set_progress_handler(lambda: time.monotonic() > until, 100_000)
        try:
            yield
        finally:
            connection.connection.set_progress_handler(None, 0)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == "57014" or str(error) == "interrupted":
            raise TooLong from None
        raise
