"""The audit log: filter and sort changes, and summarise each of them."""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import cached_property

import django_filters
from django import forms
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from audit import history
from audit.models import Change, Touched
from didmgmt.choices import RemoteSelect
from didmgmt.fields import DayField
from didmgmt.filters import FilterSet, RowFilter
from didmgmt.keyset import ColumnKeyset
from didmgmt.listing import Count, Listing
from didmgmt.text import shorten
from dids.history.rows import OBJECT_TYPES, count_label, noun
from dids.lists.filters import COUNTED_TO, deleted_matching, matching
from dids.models import DID
from dids.numbering.normalise import to_plain
from dids.numbering.search import Search, parse_search
from jobs.models import Job
from staff.models import User

OBJECTS_MOST = 100  # matching objects whose changes are looked up
# Columns of the filters, by the table that is read.
_OF_CHANGE = {"key": "pk", "action": "kind", "by": "actor_kind", "person": "actor"}
_OF_TOUCHED = {
    "key": "change_id",
    "action": "action",
    "by": "change__actor_kind",
    "person": "change__actor",
}


def log_listing(parameters, user, path=""):
    """Return the listing of changes that match ``parameters`` and that ``user`` may open."""

    def keyset(filterset, _sort, descending):
        rows, columns = filterset.rows
        return ColumnKeyset(rows, columns, descending=descending, position=_time_of)

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


def _time_of(change_id):
    at = Change.objects.filter(pk=change_id).values_list("at").first()
    if at is None:
        raise LookupError(change_id)
    return at


class DayFilter(django_filters.DateFilter):
    field_class = DayField


def _choice(label, choices, empty_label, noun):
    return django_filters.ChoiceFilter(
        label=label,
        choices=choices,
        empty_label=empty_label,
        error_messages={"invalid_choice": f"There is no {noun} “%(value)s”."},
    )


class ChangeFilter(FilterSet):
    """Filter the changes that touched something ``user`` may see.

    Pages are read from ``rows``, which an index has in order.
    """

    type = _choice(
        "Object type",
        [(name, noun(tracked, plural=True).capitalize()) for name, tracked in OBJECT_TYPES.items()],
        "all types",
        "object type",
    )
    object = django_filters.CharFilter(
        label="Object",
        help_text="A number or a name, also of something deleted. *113* finds all numbers that contain 113",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    action = _choice("Action", Change.Kind.choices, "all actions", "action")
    since = DayFilter(label="From")
    until = DayFilter(label="To", help_text="Inclusive")
    by = _choice("Made by", Change.Actor.choices, "anyone", "kind of actor")
    person = RowFilter(
        label="Person",
        queryset=lambda user: User.objects.visible_to(user),
        search="username",
        empty_label="all people",
        widget=RemoteSelect("audit:people"),
        error_messages={"invalid_choice": "There is no person “%(value)s”."},
    )

    whole = ""  # the number that was searched for if it was found exactly, set by ``is_valid``

    class Meta:
        model = Change
        fields = []

    def relation_of(self, name, data):
        """Leave the object without one: a number is found exactly first, and a name by a part of it."""
        return "" if name == "object" else super().relation_of(name, data)

    def is_valid(self):
        if not super().is_valid():
            return False
        values = self.form.cleaned_data
        if values["since"] and values["until"] and values["until"] < values["since"]:
            self.form.add_error("until", "The range ends before it begins. Choose a later date.")
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
        """The objects that match the field "object" as {tracked: ids}, None if it is blank.

        Raises ValueError with a sentence if the text can't be read or matches too many.
        """
        values = self.form.cleaned_data
        text = values["object"].replace("\0", "").strip()
        if not text:
            return None
        types = [OBJECT_TYPES[values["type"]]] if values["type"] else list(OBJECT_TYPES.values())
        found = {}
        if DID in types:
            try:
                found[DID] = self._numbers(parse_search(text))
            except ValueError:
                if types == [DID]:
                    raise
        named = [tracked for tracked in types if _has_name(tracked)]
        if DID in found and text.isascii() and not any(map(str.isalpha, text)):
            found |= {tracked: self._named(tracked, text, exactly=True) for tracked in named}
        else:
            found |= {tracked: self._named(tracked, text) for tracked in named}
        if sum(map(len, found.values())) > OBJECTS_MOST:
            many = f"more than {OBJECTS_MOST}"
            what = f"No object is exactly “{shorten(text)}”, and {many} contain it."
            if self._is_marked:
                what = f"M{many[1:]} objects match “{shorten(text)}”."
            raise ValueError(f"{what} Enter the whole number or name.")
        return found

    def _numbers(self, search):
        """Return the ids of the numbers that a search finds: of the exact number alone if there is one."""
        if search is None:
            return set()
        if search.kind in ("contains", "either") and not self._is_marked:
            whole = tuple(dict.fromkeys([search.value, *search.values]))
            if exact := self._ids(Search("list", values=whole)):
                self.whole = search.value
                return exact
        return self._ids(search)

    @property
    def _is_marked(self):
        """Whether the text says with a * that parts of numbers are meant."""
        return "*" in to_plain(self.form.cleaned_data["object"])

    def _ids(self, search):
        existing = matching(DID.objects.visible_to(self.user), search)
        return {
            *existing.order_by().values_list("pk", flat=True)[: OBJECTS_MOST + 1],
            *deleted_matching(search, self.user).values_list("object_id", flat=True)[: OBJECTS_MOST + 1],
        }

    def _named(self, tracked, name, *, exactly=False):
        condition = {"name" if exactly else "name__icontains": name}
        existing = tracked.objects.visible_to(self.user).filter(**condition)
        deleted = history.visible_to(tracked, self.user).filter(event="-", **condition)
        return {
            *existing.order_by().values_list("pk", flat=True)[: OBJECTS_MOST + 1],
            *deleted.values_list("object_id", flat=True)[: OBJECTS_MOST + 1],
        }

    @cached_property
    def rows(self):
        """(queryset, its columns for the timestamp and the change's id), which an index has in order.

        For one reseller or one object type the rows are those of ``Touched``, else of ``Change``. The changes
        of the few matching objects are looked up by id.
        """
        values = self.form.cleaned_data
        if self.objects is not None:
            rows, of_touched = Change.objects.filter(pk__named=self._changes_of_objects()), False
        elif values["person"] and not values["type"]:
            # Most changes of a reseller's person touched that reseller, so the index of the person is best.
            rows, of_touched = Change.objects.visible_to(self.user), False
        elif self.user.reseller_id or values["type"]:
            rows, of_touched = Touched.objects.all(), True
            if self.user.reseller_id:
                rows = rows.filter(reseller_id=self.user.reseller_id)
            if values["type"]:
                rows = rows.filter(kind=values["type"])
        else:
            rows, of_touched = Change.objects.all(), False
        if values["since"]:
            rows = rows.filter(at__gte=_midnight(values["since"]))
        if values["until"]:
            rows = rows.filter(at__lt=_midnight(values["until"] + timedelta(days=1)))
        columns = _OF_TOUCHED if of_touched else _OF_CHANGE
        for name in ("action", "by", "person"):
            if values[name]:
                rows = rows.filter(**{columns[name]: values[name]})
        key = columns["key"]
        return (rows.values("at", key).distinct() if of_touched else rows), ("at", key)

    def _changes_of_objects(self):
        changes = set()
        for tracked, ids in self.objects.items():
            rows = history.visible_to(tracked, self.user).filter(object_id__in=ids, change__isnull=False)
            changes.update(rows.values_list("change_id", flat=True).distinct())
        return sorted(changes)

    def total(self, *, exactly=False):
        """Return the number of matching changes, a lower bound above ``COUNTED_TO`` unless ``exactly``."""
        rows, _ = self.rows
        if exactly:
            return Count(rows.count())
        return Count.up_to(COUNTED_TO, rows[: COUNTED_TO + 1].count())


def _has_name(tracked):
    return any(field.name == "name" for field in tracked._meta.concrete_fields)


def _midnight(day):
    """Return the beginning of a day in the active time zone."""
    return timezone.make_aware(datetime.combine(day, time()))


# --- summaries of changes -----------------------------------------------------------------------------


@dataclass
class LogEntry:
    """A change as ``viewer`` may see it.

    ``counts``: {tracked: number of history rows}. ``address``: the IP address, "" if it is unknown or the
    actor belongs to another reseller.
    """

    change: Change
    label: str
    touched: list[str]
    address: str
    job: Job | None = None
    undo_of: Change | None = None
    undone_by: list[Change] = field(default_factory=list)
    counts: dict = field(default_factory=dict)


def log_entries(changes, viewer):
    """Return the ``LogEntry`` of each change; at most seven queries, however many there are."""
    ids = [change.pk for change in changes]
    counts = {pk: {} for pk in ids}
    touched = Touched.objects.filter(change__in=ids).exclude(kind="")
    if viewer.reseller_id:
        touched = touched.filter(reseller_id=viewer.reseller_id)
    for pk, object_type, rows in touched.values_list("change", "kind", "rows"):
        tracked = OBJECT_TYPES[object_type]
        counts[pk][tracked] = counts[pk].get(tracked, 0) + rows
    numbers = _single_numbers([pk for pk in ids if counts[pk].get(DID) == 1], viewer)
    jobs = Job.objects.visible_to(viewer).filter(change__in=ids).only("label", "kind", "change")
    jobs = {job.change_id: job for job in jobs}
    undone = {}
    related = Q(undo_of__in=ids) | Q(pk__in={change.undo_of_id for change in changes} - {None})
    related = {one.pk: one for one in Change.objects.visible_to(viewer).filter(related).order_by("pk")}
    Change.hide_labels([*changes, *related.values()], viewer)
    for later in related.values():
        if later.undo_of_id in counts:
            undone.setdefault(later.undo_of_id, []).append(later)
    own = _own_people(changes, viewer)
    return [
        LogEntry(
            change,
            str(change),
            _touched(change, counts[change.pk], numbers.get(change.pk)),
            change.address if change.actor_id in own else "",
            jobs.get(change.pk),
            related.get(change.undo_of_id),
            undone.get(change.pk, []),
            counts[change.pk],
        )
        for change in changes
    ]


def _single_numbers(ids, viewer):
    """Return {change id: number} of changes that wrote one number each.

    A correlated subquery probes the index once per change. For a list of changes the planners expect
    thousands of rows each, and read all of history instead.
    """
    if not ids:
        return {}
    rows = history.visible_to(DID, viewer).filter(change=OuterRef("pk")).order_by("history_id")
    found = Change.objects.filter(pk__in=ids).annotate(number=Subquery(rows.values("number")[:1]))
    return dict(found.values_list("pk", "number"))


def _touched(change, counts, number):
    labels = [
        number if tracked is DID and number else count_label(tracked, counts[tracked])
        for tracked in OBJECT_TYPES.values()
        if tracked in counts
    ]
    if not labels and change.kind == Change.Kind.PRUNE:
        return [f"{change.touched:,} history rows"]
    return labels


def _own_people(changes, viewer):
    """Return the ids of the actors whose IP address the viewer may see."""
    people = {change.actor_id for change in changes} - {None}
    if viewer.reseller_id is None or not people:
        return people
    return set(User.objects.filter(pk__in=people, reseller=viewer.reseller_id).values_list("pk", flat=True))
