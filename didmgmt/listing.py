"""Lists as addresses describe them: filter, sort, page; and the selection made on such a list.

Nothing here knows a model of ours. Both read a django-filter FilterSet and fail closed: with a value
that makes no sense there are no rows and there is no selection, only errors.
"""

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlencode

from django.conf import settings
from django.db import models
from django.http import QueryDict

from didmgmt.text import shorten

TICKED_LIMIT = 20_000  # rows ticked one by one: each is a parameter of every query
NAMED = 5  # vanished rows that a sentence names
PLACES = ("after", "before", "count")  # parameters of a page that no other page of the list has


class Count(int):
    """How many rows match; with ``more`` it is at least so many, and they were not counted to the end."""

    def __new__(cls, number, *, more=False):
        count = super().__new__(cls, number)
        count.more = more
        return count

    @classmethod
    def up_to(cls, limit, number):
        """Of a count that was broken off when it went beyond ``limit``."""
        return cls(min(limit, number), more=number > limit)

    @property
    def label(self):
        """ "1,234"; rounded down "7,000+"; "…" when nothing is known but that there may be some."""
        if not self.more:
            return f"{self:,}"
        scale = 10 ** (len(str(int(self))) - 1)
        return f"{self // scale * scale:,}+" if self else "…"


@dataclass(frozen=True)
class Page:
    """[(place or None, primary key)], and whether rows of the list come before and after them."""

    rows: list
    is_preceded: bool = False
    is_followed: bool = False

    @classmethod
    def forwards(cls, found, count, is_preceded):
        """Of what was read from its first row on, ``count`` rows and one more."""
        return cls(found[:count], is_preceded, len(found) > count)

    @classmethod
    def backwards(cls, found, count, is_followed):
        """The same of what was read from its last row back."""
        return cls(found[-count:], len(found) > count, is_followed)


class Listing:
    """One page of a queryset, filtered and sorted by the parameters of the address.

    ``sorts``: {key: (column, …)}, ascending; the address says ``sort=key`` or ``sort=-key``, which turns
    round every column. The columns end with a unique one, else the primary key is added. A column given
    as an expression (``F("tag_set__label")``) may be empty; empty ones come last both ways. An unknown
    key is an error, as an unknown value is. ``default``: the sort of an address that names none, the
    first key when not given.

    ``total``: how many rows match, when there is a cheaper way than to count them: a callable that
    gets the valid filterset and returns a ``Count``. ``fetch``: makes of a queryset of the page's rows
    one with all that they show. The page's keys are found first, over an index and from the nearer end,
    and only these rows are fetched: a page deep inside costs no joins for the rows before it. Costs three
    queries and those of the filter, when they are asked for.

    ``walk``: how a large list finds its pages by key instead of counting rows from an end: a callable
    that gets the valid filterset, the sort and whether it descends, and returns None or an object with
    ``after(place, count)``, ``before(place, count)`` and ``at(offset, count, total)``, see
    ``dids.lists.keyset.Walk``. The links to the next and the previous page then say ``after=`` or ``before=``
    which place they are. With a total that is not counted to its end, pages from the end have negative
    numbers: -1 is the last one. ``exact_total``: counts to the end, of the valid filterset; needed for
    a page that is beyond what was counted.

    ``keeps``: other parameters of the address, which its links carry on.

    A page beyond the end is the last one; what is no page at all is the first.
    """

    def __init__(
        self,
        request,
        queryset,
        filterset_class,
        *,
        sorts,
        default="",
        total=None,
        exact_total=None,
        fetch=None,
        walk=None,
        keeps=(),
    ):
        self.request = request
        self.filterset = filterset_class(request.GET, queryset, request=request)
        self.form = self.filterset.form
        self.errors = filter_errors(self.filterset)
        self.sort = request.GET.get("sort") or default or next(iter(sorts))
        self._columns = sorts.get(self.sort.removeprefix("-"))
        if self._columns is None:
            known = ", ".join(sorts)
            self.errors.append(f"Sort: “{shorten(self.sort)}” is no column to sort by; there are {known}.")
        self.valid = not self.errors
        self.per_page = _whole(request.GET.get("per_page"))
        if self.per_page not in settings.PAGE_SIZES:
            self.per_page = settings.PAGE_SIZES[0]
        self._total, self._exact_total = total, exact_total
        self._fetch, self._make_walk, self._keeps = fetch, walk, keeps

    @property
    def things(self):
        """What its rows are called, several of them."""
        return self.filterset.queryset.model._meta.verbose_name_plural

    @cached_property
    def found(self):
        """All that match, without an order."""
        return self.filterset.qs.order_by() if self.valid else self.filterset.queryset.none()

    @cached_property
    def ordered(self):
        """All that match, in the order that the address asks for."""
        return self.found.order_by(*_ordering(self.found.model, self._columns, self._descending))

    @property
    def _descending(self):
        return self.sort.startswith("-")

    @cached_property
    def total(self):
        """A ``Count`` of all that match."""
        if not self.valid:
            return Count(0)
        total = self._total(self.filterset) if self._total else Count(self.found.count())
        if total.more and self._asked_page > total // self.per_page and self._place == ("", ""):
            return Count(self._exact_total(self.filterset))
        return total

    @cached_property
    def pages(self):
        """How many there are, as far as rows were counted."""
        return max(1, -(-self.total // self.per_page))

    @cached_property
    def page(self):
        """Its number; a negative one counts from the end."""
        asked = self._asked_page
        if self.total.more:
            # The last page alone needs no count; how far another one is from the beginning does.
            is_typed = asked < -1 and self._place == ("", "")
            return max(asked, -self._counted_total // self.per_page) if is_typed else asked
        return min(max(1, asked if asked > 0 else self.pages + 1 + asked), self.pages)

    @cached_property
    def _asked_page(self):
        text = self.request.GET.get("page") or ""
        return -_whole(text[1:]) if text.startswith("-") and _whole(text[1:]) else _whole(text) or 1

    @property
    def first(self):
        return min((self.page - 1) * self.per_page + 1, self.total)

    @property
    def last(self):
        return (
            self.first + len(self.keys) - 1 if self.total.more else min(self.page * self.per_page, self.total)
        )

    @property
    def span(self):
        """Which rows these are, in words."""
        if self.page > 0:
            return f"{self.first:,} – {self.last:,}"
        near = (-self.page - 1) * self.per_page + 1
        return f"{near + len(self.keys) - 1:,} – {near:,} from the end"

    @property
    def keys(self):
        """The primary keys of the page's rows, in order."""
        return [key for _, key in self._page.rows]

    @cached_property
    def _page(self):
        if not self.total:
            return Page([])
        return self._walked() if self._walk else self._counted()

    def _counted(self):
        """The page found by counting rows from the nearer end."""
        before, behind = self.first - 1, self.total - self.last
        if before <= behind:
            keys = self.ordered.values_list("pk", flat=True)[before : self.last]
        else:
            backwards = self.ordered.reverse().values_list("pk", flat=True)
            keys = list(backwards[behind : self.total - before])[::-1]
        return Page([(None, key) for key in keys], before > 0, behind > 0)

    def _walked(self):
        """The page found by its place; one row more tells whether another page follows."""
        walk, count = self._walk, self.per_page
        way, place = self._place
        if self.page == 1:
            return Page.forwards(walk.after(None, count + 1), count, False)
        if self.page == -1:
            return Page.backwards(walk.before(None, count + 1), count, False)
        if not self.total.more and self.page == self.pages:
            return Page(walk.before(None, self.last - self.first + 1), True)
        try:
            if way == "after" and (found := walk.after(place, count + 1)):
                return Page.forwards(found, count, True)
            if way == "before" and (found := walk.before(place, count + 1)):
                return Page.backwards(found, count, True)
        except LookupError:
            pass  # The row is gone that the link was made of: the page is counted.
        offset = (self.page - 1) * count
        if self.page < 0:
            end = self._counted_total + (self.page + 1) * count
            offset = max(0, end - count)
            count = end - offset
        return Page.forwards(walk.at(offset, count + 1, self._counted_total), count, offset > 0)

    @cached_property
    def _counted_total(self):
        """How many match, counted to the end."""
        return self._exact_total(self.filterset) if self.total.more else self.total

    @cached_property
    def _walk(self):
        if self._make_walk is None:
            return None
        return self._make_walk(self.filterset, self.sort.removeprefix("-"), self._descending)

    @cached_property
    def _place(self):
        """("after" or "before", the place) that the address names; ("", "") for none."""
        asked = ((way, self.request.GET.get(way)) for way in ("after", "before"))
        return next((one for one in asked if one[1]), ("", ""))

    @property
    def first_url(self):
        return self._turn(1) if self.page != 1 else None

    @property
    def previous_url(self):
        if self.page == 1 or not self._page.is_preceded:
            return None
        return self._turn(self.page - 1, before=self._page.rows[0][0] if self.page != 2 else None)

    @property
    def next_url(self):
        follows = self.page < 0 or self.total.more or self.page < self.pages
        if not (self._page.is_followed and follows):
            return None
        return self._turn(self.page + 1, after=self._page.rows[-1][0] if self.page != -2 else None)

    @property
    def last_url(self):
        return self._turn(-1 if self.total.more else self.pages) if self.next_url else None

    @property
    def exact_url(self):
        """This page with all that match counted."""
        return f"{self.request.path}?{urlencode([*self.parameters, ('count', 'exact')])}"

    @property
    def parameters(self):
        """(name, value) of what all pages of this list have in their addresses."""
        own = ("page", *PLACES)
        return [(name, one) for name, values in self.request.GET.lists() if name not in own for one in values]

    def _turn(self, page, **place):
        """This list on another page; ``place``: where that begins or ends."""
        parameters = self.parameters
        if page != 1:
            parameters.append(("page", page))
        parameters += [(way, value) for way, value in place.items() if value is not None]
        query = urlencode(parameters, safe="~")
        return f"{self.request.path}?{query}" if query else self.request.path

    @cached_property
    def rows(self):
        if not self.keys:
            return []
        rows = self.found.model._default_manager.filter(pk__in=self.keys)
        by_key = {row.pk: row for row in (self._fetch(rows) if self._fetch else rows)}
        # One that was deleted between the two queries is left out.
        return [by_key[key] for key in self.keys if key in by_key]

    @cached_property
    def query(self):
        """The filter as a query string, in the order of its fields, without sort and page."""
        return filter_data(self.filterset).urlencode()

    @cached_property
    def reset_url(self):
        return self._address(QueryDict(mutable=True))

    @cached_property
    def chips(self):
        """What the list is filtered by: {label, value, remove_url} of each value."""
        asked = list(described(self.filterset))
        return [
            {
                "label": label,
                "value": shown,
                "remove_url": self.url(**{name: [v for n, v, *_ in asked if n == name and v != value]}),
            }
            for name, value, label, shown in asked
        ]

    def url(self, **parameters):
        """This list, from its first page, with lists of values for some parameters of the filter."""
        data = filter_data(self.filterset)
        for name, values in parameters.items():
            data.setlist(name, values)
        return self._address(_without_idle(self.filterset, data))

    def _address(self, data):
        """Order and page size stay as they are."""
        for name in ("sort", "per_page", *self._keeps):
            if value := self.request.GET.get(name):
                data[name] = value
        query = data.urlencode()
        return f"{self.request.path}?{query}" if query else self.request.path


class Selection:
    """The rows that an action is asked for: those ticked, or all that match a filter.

    ``queryset`` holds them, ``count`` counts them; with an ``error`` (a sentence) both are empty.
    ``note`` tells of ticked rows that have vanished meanwhile, or is "". ``scope``, ``ids``,
    ``query``, ``expected`` are what a form carries on to the next step. ``filterset``: the valid one
    of "all that match", else None.
    """

    def __init__(self, queryset, scope, *, ids="", query="", expected=""):
        self.scope, self.ids, self.query, self.expected = scope, ids, query, expected
        self.error = self.note = ""
        self.filterset = None
        self.queryset, self.count = queryset.none(), 0

    @classmethod
    def from_request(cls, request, queryset, filterset_class, *, limit=None):
        """Read scope, ids, query and expected from a POST, or ``?ids=`` of an address.

        ``queryset``: what the person may touch. ``limit``: the most rows that may be selected,
        settings.REQUEST_LIMIT when not given.
        Refused are: an invalid filter, a count that is not the one that was confirmed, rows above
        the limit, and nothing. Costs one query beside the filter's own.
        """
        data = request.POST if request.method == "POST" else request.GET
        scope = data.get("scope") or "ids"
        ids = [key.strip() for part in data.getlist("ids") for key in part.split(",") if key.strip()]
        selection = cls(
            queryset,
            scope,
            ids=",".join(dict.fromkeys(ids)) if scope == "ids" else "",
            query=data.get("query", ""),
            expected=data.get("expected", ""),
        )
        if scope == "ids":
            selection._take_ticked(queryset)
        elif scope == "all":
            selection._take_matching(request, queryset, filterset_class)
        else:
            selection.refuse(f"“{shorten(scope)}” is not a way to select rows.")
        limit = settings.REQUEST_LIMIT if limit is None else limit
        if selection.count > limit:
            selection.refuse(
                f"{selection.count:,} {selection._noun} are selected; at most {limit:,} can be done at once."
                " Narrow the search and do them in parts."
            )
        return selection

    @property
    def _noun(self):
        return self.queryset.model._meta.verbose_name_plural

    def _take_ticked(self, queryset):
        ids = self.ids.split(",") if self.ids else []
        if not ids:
            self.refuse(f"No {self._noun} are selected. Tick some rows first.")
        elif any(not _whole(key) for key in ids):
            bad = next(key for key in ids if not _whole(key))
            self.refuse(f"“{shorten(bad)}” is not the id of a row. Tick the rows again.")
        elif len(ids) > TICKED_LIMIT:
            self.refuse(
                f"{len(ids):,} rows are ticked one by one; at most {TICKED_LIMIT:,} can be."
                " Search for them and select all that match."
            )
        else:
            wanted = dict.fromkeys(map(int, ids))
            self.queryset = queryset.filter(pk__in=wanted)
            found = set(self.queryset.order_by().values_list("pk", flat=True))
            self.count = len(found)
            gone = [key for key in wanted if key not in found]
            if not found:
                self.refuse(f"None of the selected {self._noun} is there any more.")
            elif gone:
                named = ", ".join(map(str, gone[:NAMED])) + (", …" if len(gone) > NAMED else "")
                self.note = (
                    f"{len(gone):,} of the {len(wanted):,} selected {self._noun} are no longer there"
                    f" (ID {named})."
                )

    def _take_matching(self, request, queryset, filterset_class):
        filterset = filterset_class(QueryDict(self.query), queryset, request=request)
        if errors := filter_errors(filterset):
            return self.refuse(" ".join(["Nothing is selected: the search is wrong.", *errors]))
        self.filterset, self.queryset = filterset, filterset.qs.order_by()
        self.count = self.queryset.count()
        expected = _whole(self.expected)
        if not self.count:
            self.refuse(f"No {self._noun} match any more.")
        elif not expected:
            self.refuse(f"It is not known how many {self._noun} you saw. Select them again on the list.")
        elif self.count != expected:
            self.refuse(
                f"{expected:,} {self._noun} matched when you selected them, now {self.count:,} do."
                " Look at the list again and select them anew."
            )
        return None

    def refuse(self, sentence):
        """Have nothing selected, because of this."""
        self.error, self.queryset, self.count = sentence, self.queryset.none(), 0


def filter_errors(filterset):
    """Sentences about every value that makes no sense; empty when the filter may be applied."""
    if filterset.is_valid():
        return []
    return [
        f"{filterset.form[name].label}: {error}" if name in filterset.form.fields else str(error)
        for name, errors in filterset.errors.items()
        for error in errors
    ]


def filter_data(filterset):
    """What the address filters by, as a QueryDict of the filter's own parameters, blanks left out.

    As the form reads it: of a parameter that takes one value, the last one counts.
    """
    data = QueryDict(mutable=True)
    for name, field in filterset.form.fields.items():
        value = field.widget.value_from_datadict(filterset.data, {}, name)
        values = value if isinstance(value, list) else [value]
        if values := [one for one in values if one and one.strip()]:
            data.setlist(name, list(dict.fromkeys(values)))
    return _without_idle(filterset, data)


def _without_idle(filterset, data):
    """``data`` without what only says how another parameter is meant that isn't there."""
    for refining, refined in getattr(filterset, "refines", {}).items():
        if not data.get(refined):
            data.pop(refining, None)
    return data


def described(filterset):
    """(parameter, value, label, what a person reads) of every value that is filtered by.

    But for those of the filter's ``apart``, which a page tells in its own way.
    """
    data = filter_data(filterset)
    for name in data:
        if name in getattr(filterset, "apart", ()):
            continue
        words, label = _words(filterset.form, name), filterset.form[name].label
        for value in data.getlist(name):
            yield name, value, label, words.get(value) or shorten(value)


def _ordering(model, columns, descending):
    """Expressions for ``order_by``, of which the last one is unique."""
    unique = {"pk", model._meta.pk.name}
    unique.update(fields[0] for fields in _unique_fields(model) if len(fields) == 1)
    if columns[-1] not in unique:
        columns = (*columns, "pk")
    if not descending:
        return [c if isinstance(c, str) else c.asc(nulls_last=True) for c in columns]
    return [f"-{c}" if isinstance(c, str) else c.desc(nulls_last=True) for c in columns]


def _unique_fields(model):
    yield from ((field.name,) for field in model._meta.local_fields if field.unique)
    yield from (constraint.fields for constraint in model._meta.total_unique_constraints)


def _words(form, name):
    """{value in the address: what a person reads} of the chosen rows, or of all choices."""
    field, cleaned = form.fields[name], getattr(form, "cleaned_data", {}).get(name)
    if hasattr(field, "queryset"):
        key = field.to_field_name or "pk"
        rows = [cleaned] if isinstance(cleaned, models.Model) else cleaned or []
        return {str(getattr(row, key)): str(row) for row in rows}
    return {str(key): label for key, label in getattr(field, "choices", ())}


def _whole(text):
    """The positive whole number that ``text`` is, else 0."""
    text = text or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
