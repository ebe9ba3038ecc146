"""The audit log: the changes that an address asks for, found by key however many there are."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property

import django_filters
from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from audit import history
from audit.models import Change, Touched
from didmgmt.choices import RemoteSelect
from didmgmt.filters import FilterSet, RowFilter
from didmgmt.listing import Count, Listing
from didmgmt.text import parse_whole, shorten
from dids.history.rows import KINDS, count_of, noun
from dids.lists.filters import COUNTED_TO, deleted_matching, matching
from dids.models import DID
from dids.numbering.search import parse_search
from jobs.models import Job
from staff.models import User

OBJECTS_MOST = 100  # things whose changes are looked for at once
DAYS = (date(2000, 1, 1), date(2999, 12, 31))  # that a period can have
SCREENS = {  # by the beginning of the address, the first that fits
    "/dids/new/": "New DIDs",
    "/dids/mass-edit/": "Mass Edit",
    "/dids/delete/": "Delete",
    "/dids/assign/": "Assign",
    "/dids/import/": "Import DIDs",
    "/dids/": "A number's page",
    "/operators/": "Operators",
    "/clients/": "Clients",
    "/accounts/": "Accounts",
    "/packages/": "Packages",
    "/client-packages/": "Client packages",
    "/resellers/": "Resellers",
    "/audit/": "Audit log",
    "/jobs/": "Jobs",
    "/admin/": "Staff admin",
    "/api/": "API",
    "job ": "Job",
    "worker": "Worker",
    "demo_data": "Demonstration data",
    "prune_history": "prune_history",
}


def log_listing(parameters, user, path=""):
    """List the changes that match ``parameters`` and that ``user`` may open."""

    def keyset(filterset, sort, descending):
        rows, columns = filterset.rows
        return KeyWalk(rows, columns, descending=descending, position=_moment_of)

    return Listing(
        parameters,
        Change.objects.all(),
        ChangeFilter,
        user=user,
        path=path,
        sorts={"at": ("at", "id")},
        default="-at",
        total=lambda filterset: filterset.total(exactly=parameters.get("count") == "exact"),
        exact_total=lambda filterset: filterset.total(exactly=True),
        keyset=keyset,
    )


def _day(label, **kwargs):
    return django_filters.DateFilter(
        label=label,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        validators=[
            MinValueValidator(DAYS[0], f"The log begins in {DAYS[0].year} at the earliest."),
            MaxValueValidator(DAYS[1], f"Write a day before the year {DAYS[1].year + 1}."),
        ],
        error_messages={"invalid": "Write a day like 2026-11-03."},
        **kwargs,
    )


def _choice(label, choices, everything, what):
    return django_filters.ChoiceFilter(
        label=label,
        choices=choices,
        empty_label=everything,
        error_messages={"invalid_choice": f"“%(value)s” is no {what}."},
    )


class ChangeFilter(FilterSet):
    """The changes that an address asks for, of those that touched what ``user`` may see.

    A page is found by ``rows``, which an index has in order.
    """

    type = _choice(
        "Object type",
        [(name, noun(tracked, plural=True).capitalize()) for name, tracked in KINDS.items()],
        "all types",
        "type of object",
    )
    object = django_filters.CharFilter(
        label="Object",
        help_text="A number, also a deleted one, or a name",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    action = _choice("Action", Change.Kind.choices, "all actions", "action")
    since = _day("From")
    until = _day("To", help_text="This day included")
    by = _choice("Made by", Change.Actor.choices, "anybody", "kind of actor")
    person = RowFilter(
        label="Person",
        queryset=lambda user: User.objects.visible_to(user),
        empty_label="all people",
        widget=RemoteSelect("audit:people"),
        error_messages={"invalid_choice": "“%(value)s” is nobody that you know."},
    )

    class Meta:
        model = Change
        fields = []

    def is_valid(self):
        if not super().is_valid():
            return False
        asked = self.form.cleaned_data
        if asked["since"] and asked["until"] and asked["until"] < asked["since"]:
            self.form.add_error("until", "The period ends before it begins. Choose a later day.")
        try:
            self.objects  # noqa: B018 a cached property
        except ValueError as error:
            self.form.add_error("object", str(error))
        return self.form.is_valid()

    def filter_queryset(self, queryset):
        rows, columns = self.rows
        return queryset.filter(pk__in=rows.values(columns[-1]))

    @cached_property
    def objects(self):
        """{tracked: ids} of the things that ``object`` names; None when nothing is asked for.

        Raises ValueError with a sentence where the text can't be read, or names too many.
        """
        asked = self.form.cleaned_data
        text = asked["object"].replace("\0", "").strip()
        if not text:
            return None
        kinds = [KINDS[asked["type"]]] if asked["type"] else list(KINDS.values())
        found = {}
        if DID in kinds:
            try:
                found[DID] = self._numbers(parse_search(text))
            except ValueError:
                if kinds == [DID]:
                    raise
        if not (DID in found and text.isascii() and not any(map(str.isalpha, text))):
            found |= {tracked: self._named(tracked, text) for tracked in kinds if _has_name(tracked)}
        if sum(map(len, found.values())) > OBJECTS_MOST:
            raise ValueError(f"More than {OBJECTS_MOST} things match “{shorten(text)}”. Write it in full.")
        return found

    def _numbers(self, search):
        """Keys of numbers, also of deleted ones; in these, digits inside and at the end are not found."""
        if search is None:
            return set()
        viewer = self.user
        there = matching(DID.objects.visible_to(viewer), search)
        return {
            *there.order_by().values_list("pk", flat=True)[: OBJECTS_MOST + 1],
            *deleted_matching(search, viewer).values_list("object_id", flat=True)[: OBJECTS_MOST + 1],
        }

    def _named(self, tracked, name):
        viewer = self.user
        there = tracked.objects.visible_to(viewer).filter(name__icontains=name)
        past = history.visible_to(tracked, viewer).filter(event="-", name__icontains=name)
        return {
            *there.order_by().values_list("pk", flat=True)[: OBJECTS_MOST + 1],
            *past.values_list("object_id", flat=True)[: OBJECTS_MOST + 1],
        }

    @cached_property
    def rows(self):
        """(rows, their columns of the moment and the change): as an index has them in order.

        One of the changes; of a branch or a kind of thing, one of what was touched. Few things have few
        changes, which are looked up.
        """
        asked, viewer = self.form.cleaned_data, self.user
        if self.objects is not None:
            rows, of_touched = Change.objects.filter(pk__named=self._of_objects()), False
        elif asked["person"] and not asked["type"]:
            # Of a person of the branch, most of what is found by the index of the person touched the branch.
            rows, of_touched = Change.objects.visible_to(viewer), False
        elif viewer.reseller_id or asked["type"]:
            rows, of_touched = Touched.objects.all(), True
            if viewer.reseller_id:
                rows = rows.filter(reseller_id=viewer.reseller_id)
            if asked["type"]:
                rows = rows.filter(kind=asked["type"])
        else:
            rows, of_touched = Change.objects.all(), False
        if asked["since"]:
            rows = rows.filter(at__gte=_midnight(asked["since"]))
        if asked["until"]:
            rows = rows.filter(at__lt=_midnight(asked["until"] + timedelta(days=1)))
        columns = _OF_TOUCHED if of_touched else _OF_CHANGE
        for name in ("action", "by", "person"):
            if asked[name]:
                rows = rows.filter(**{columns[name]: asked[name]})
        key = columns["key"]
        return (rows.values("at", key).distinct() if of_touched else rows), ("at", key)

    def _of_objects(self):
        changes = set()
        for tracked, ids in self.objects.items():
            rows = history.visible_to(tracked, self.user)
            rows = rows.filter(object_id__in=ids, change__isnull=False)
            changes.update(rows.values_list("change_id", flat=True).distinct())
        return sorted(changes)

    def total(self, *, exactly=False):
        """How many match, as ``Count``; beyond ``COUNTED_TO`` only when asked to."""
        rows, _ = self.rows
        if exactly:
            return Count(rows.count())
        return Count.up_to(COUNTED_TO, rows[: COUNTED_TO + 1].count())


_OF_CHANGE = {"key": "pk", "action": "kind", "by": "actor_kind", "person": "actor"}
_OF_TOUCHED = {
    "key": "change_id",
    "action": "action",
    "by": "change__actor_kind",
    "person": "change__actor",
}


def _has_name(tracked):
    return any(one.name == "name" for one in tracked._meta.concrete_fields)


def _midnight(day):
    """The beginning of a day in the person's time zone."""
    return timezone.make_aware(datetime.combine(day, time()))


class KeyWalk:
    """Pages of ``rows`` by key, for ``didmgmt.listing.Listing``; an index has them by ``columns``.

    The last column is unique, and the place of a row. ``position(key)``: its values of the columns before,
    needed where there are any; raises LookupError for a row that is gone.
    """

    def __init__(self, rows, columns, *, descending, position=lambda key: ()):
        self._rows, self._columns, self._descending = rows.values_list(*columns), columns, descending
        self._position = position

    def after(self, place, count):
        return self._read(place, count, self._descending)

    def before(self, place, count):
        return self._read(place, count, not self._descending)[::-1]

    def at(self, offset, count, total):
        """Skips rows of the index, from the nearer end."""
        behind = total - offset - count
        if behind < offset:
            rows = self._ordered(self._rows, not self._descending)
            return _placed(rows[max(0, behind) : total - offset])[::-1]
        return _placed(self._ordered(self._rows, self._descending)[offset : offset + count])

    def _read(self, place, count, descending):
        rows = self._rows
        if place is not None:
            if parse_whole(place) is None:
                raise LookupError(place)
            rows = rows.filter(_beyond(self._columns, (*self._position(place), place), descending))
        return _placed(self._ordered(rows, descending)[:count])

    def _ordered(self, rows, descending):
        return rows.order_by(*(f"-{name}" if descending else name for name in self._columns))


def _beyond(columns, values, descending):
    """What comes behind ``values``; its first condition alone says where the index is entered."""
    way = "lt" if descending else "gt"
    condition = Q(**{f"{columns[-1]}__{way}": values[-1]})
    for name, value in reversed(list(zip(columns[:-1], values[:-1], strict=True))):
        condition = Q(**{f"{name}__{way}e": value}) & (Q(**{f"{name}__{way}": value}) | condition)
    return condition


def _placed(rows):
    return [(str(pk), pk) for *_, pk in rows]


def _moment_of(key):
    at = Change.objects.filter(pk=key).values_list("at").first()
    if at is None:
        raise LookupError(key)
    return at


# --- one change in words ----------------------------------------------------------------------------


@dataclass
class Line:
    """A change as ``viewer`` is told of it."""

    change: Change
    what: str
    touched: list[str]
    where: str
    address: str
    job: Job | None = None
    undone_by: list[Change] = field(default_factory=list)
    counts: dict = field(default_factory=dict)  # {tracked: history rows}, of what the viewer may see


def lines(changes, viewer):
    """The ``Line`` of each; at most five queries, however many."""
    ids = [change.pk for change in changes]
    counts = {pk: {} for pk in ids}
    touched = Touched.objects.filter(change__in=ids)
    if viewer.reseller_id:
        touched = touched.filter(reseller_id=viewer.reseller_id)
    for pk, kind, rows in touched.values_list("change", "kind", "rows"):
        tracked = KINDS[kind]
        counts[pk][tracked] = counts[pk].get(tracked, 0) + rows
    numbers = _only_numbers([pk for pk in ids if counts[pk].get(DID) == 1], viewer)
    jobs = Job.objects.visible_to(viewer).filter(change__in=ids).only("label", "kind", "change")
    jobs = {job.change_id: job for job in jobs}
    undone = {}
    for later in Change.objects.visible_to(viewer).filter(undo_of__in=ids).order_by("pk"):
        undone.setdefault(later.undo_of_id, []).append(later)
    own = _own_people(changes, viewer)
    return [
        Line(
            change,
            str(change),
            _touched(change, counts[change.pk], numbers.get(change.pk)),
            where(change),
            change.address if change.actor_id in own else "",
            jobs.get(change.pk),
            undone.get(change.pk, []),
            counts[change.pk],
        )
        for change in changes
    ]


def where(change):
    """From where it was made: the screen, "Job", "API", or the command; "" when that is not known."""
    fitting = (words for start, words in SCREENS.items() if change.source.startswith(start))
    return next(fitting, change.source)


def _only_numbers(ids, viewer):
    """{change: number} of changes that wrote one.

    By one look into the index of changes for each: of a list of them planners, who know that a change writes
    thousands of rows, rather read all of history.
    """
    if not ids:
        return {}
    rows = history.visible_to(DID, viewer).filter(change=OuterRef("pk")).order_by("history_id")
    found = Change.objects.filter(pk__in=ids).annotate(number=Subquery(rows.values("number")[:1]))
    return dict(found.values_list("pk", "number"))


def _touched(change, counts, number):
    words = [
        number if tracked is DID and number else count_of(tracked, counts[tracked])
        for tracked in KINDS.values()
        if tracked in counts
    ]
    if not words and change.kind == Change.Kind.PRUNE:
        return [f"{change.touched:,} rows of history"]
    return words


def _own_people(changes, viewer):
    """Keys of the actors whose addresses the viewer is told: of its own branch, or all."""
    people = {change.actor_id for change in changes} - {None}
    if viewer.reseller_id is None or not people:
        return people
    return set(User.objects.filter(pk__in=people, reseller=viewer.reseller_id).values_list("pk", flat=True))
