"""Lists described by query parameters (filter, sort order, page), and selections made on them.

This module knows no model of ours. Both classes read a ``FilterSet`` and fail closed: an invalid value
gives errors, but no rows and no selection.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import urlencode

from django.conf import settings
from django.db import models
from django.db.models.expressions import Combinable
from django.forms import BaseForm
from django.http import QueryDict

from didmgmt.filters import FilterSet
from didmgmt.parameters import OF_LIST
from didmgmt.text import parse_whole, shorten

TICKED_LIMIT = 20_000  # ticked rows; each is a parameter of every query
TICKED_CHARACTERS = 1_000_000  # of their ids with commas; checked before they are split
NAMED = 5  # missing rows that a sentence names

# (cursor, primary key). The cursor is None where pages are not found by key.
Row = tuple[str | None, Any]
Sorts = Mapping[str, tuple[str | Combinable, ...]]


class Count(int):
    """A number of matching rows; with ``more`` it is a lower bound."""

    more: bool

    def __new__(cls, number: int, *, more: bool = False) -> "Count":
        count = super().__new__(cls, number)
        count.more = more
        return count

    @classmethod
    def up_to(cls, limit: int, number: int) -> "Count":
        """Return the count of rows that were counted up to ``limit`` and one more."""
        return cls(min(limit, number), more=number > limit)

    @property
    def label(self) -> str:
        """The count as "1,234", a lower bound rounded down as "7,000+", or "…" for an unknown count."""
        if not self.more:
            return f"{self:,}"
        scale = 10 ** (len(str(int(self))) - 1)
        return f"{self // scale * scale:,}+" if self else "…"


class Keyset(Protocol):
    """Find pages of a sorted list by key instead of counting rows from an end.

    A cursor is the text for an address that identifies a row's position; None is the end of the list
    where reading starts. ``after`` and ``before`` return up to ``count`` rows next to a cursor, in the
    order of the list. They raise LookupError for an invalid cursor, or when its row has been deleted.
    ``at`` returns the same from row ``offset`` (the first is 0) of ``total`` rows on.
    """

    def after(self, cursor: str | None, count: int) -> list[Row]: ...

    def before(self, cursor: str | None, count: int) -> list[Row]: ...

    def at(self, offset: int, count: int, total: int) -> list[Row]: ...


@dataclass(frozen=True)
class Page:
    """The rows of one page, and whether the list has rows before and after them."""

    rows: list[Row]
    has_previous: bool = False
    has_next: bool = False

    @classmethod
    def forwards(cls, rows: list[Row], count: int, has_previous: bool) -> "Page":
        """Return a page of rows read forwards: ``count`` and one more."""
        return cls(rows[:count], has_previous, len(rows) > count)

    @classmethod
    def backwards(cls, rows: list[Row], count: int, has_next: bool) -> "Page":
        """Return a page of rows read backwards: ``count`` and one more."""
        return cls(rows[-count:], len(rows) > count, has_next)


class Listing:
    """One page of a queryset, filtered and sorted by query parameters.

    ``user``: the filter offers what they may see; pages have the size that they chose last.

    ``path``: the path that links to other pages of the list start with.

    ``sorts``: {key: (column, …)}, ascending; the parameter is ``sort=key``, or ``sort=-key`` to reverse
    all columns. If the last column isn't unique, the primary key is added. A column given as an
    expression (``F("tag_set__label")``) may be null; nulls come last in both directions. An unknown key
    is an error, like an unknown value of a filter. ``default``: the sort without a parameter; the first
    key if it is blank.

    ``total``: returns the number of rows of the valid filterset as a ``Count``, if there is a cheaper way
    than counting them.

    ``fetch``: adds to a queryset of the page's rows all that they show. The primary keys of the page are
    read first, from an index and from the nearer end; only these rows are fetched, so a page deep inside
    the list needs no joins for the rows before it. Costs three queries, and those of the filter.

    ``keyset``: returns the ``Keyset`` for the valid filterset, the sort key and whether it descends, or
    None to count rows. Links to the next and the previous page then have a cursor in ``after=`` or
    ``before=``. With a total that is a lower bound, pages from the end have negative numbers: -1 is the
    last one. ``exact_total``: counts all rows of the valid filterset; needed for pages beyond the bound.

    ``keeps``: other parameters that links carry on. ``besides``: further ones that the view reads. All others
    are errors, and so are an invalid page number and a page size that is not offered.

    A page number beyond the end means the last page.
    """

    def __init__(
        self,
        parameters: QueryDict,
        queryset: models.QuerySet[Any],
        filterset_class: Callable[..., FilterSet],
        *,
        user: Any,
        path: str = "",
        sorts: Sorts,
        default: str = "",
        total: Callable[[Any], Count] | None = None,
        exact_total: Callable[[Any], int] | None = None,
        fetch: Callable[[Any], Iterable[Any]] | None = None,
        keyset: Callable[[Any, str, bool], Keyset | None] | None = None,
        keeps: Sequence[str] = (),
        besides: Sequence[str] = (),
    ) -> None:
        self.filterset = filterset_class(parameters, queryset, user=user, besides=(*keeps, *besides))
        self._query, self._path = self.filterset.data or parameters, path
        self.form: BaseForm = self.filterset.form
        self.errors: list[str] = self.filterset.error_messages
        self.sort: str = parameters.get("sort") or default or next(iter(sorts))
        self._columns = sorts.get(self.sort.removeprefix("-"), ())
        if not self._columns:
            known = ", ".join(sorts)
            self.errors.append(f"Sort: there is no column “{shorten(self.sort)}”. Use one of {known}.")
        usual = getattr(user, "page_size", None) or settings.PAGE_SIZES[0]
        self.per_page: int = usual
        self._read_paging(parameters, usual)
        self.valid = not self.errors
        self._total, self._exact_total = total, exact_total
        self._fetch, self._make_keyset, self._keeps = fetch, keyset, keeps

    def _read_paging(self, parameters: QueryDict, usual: int) -> None:
        size, page, count = (parameters.get(name, "").strip() for name in ("per_page", "page", "count"))
        if size:
            self.per_page = parse_whole(size) or 0
            if self.per_page not in settings.PAGE_SIZES:
                sizes = ", ".join(map(str, settings.PAGE_SIZES))
                self.errors.append(f"Rows per page: “{shorten(size)}” is not offered. Use one of {sizes}.")
                self.per_page = usual
        if page and not parse_whole(page.removeprefix("-")):
            self.errors.append(f"Page: “{shorten(page)}” is not the number of a page. Enter 1 or higher.")
        if count not in ("", "exact"):
            self.errors.append(f"Count: “{shorten(count)}” is unknown. Use “exact” or leave it out.")

    @property
    def noun(self) -> str:
        """The plural noun for its rows."""
        return str(self.filterset.queryset.model._meta.verbose_name_plural)

    @cached_property
    def matches(self) -> models.QuerySet[Any]:
        """All matching rows, unordered."""
        found: models.QuerySet[Any] = self.filterset.qs if self.valid else self.filterset.queryset.none()
        return found.order_by()

    @cached_property
    def ordered(self) -> models.QuerySet[Any]:
        """All matching rows in the order of the list."""
        return self.matches.order_by(*self.order)

    @property
    def order(self) -> list[str | models.expressions.OrderBy]:
        """The expressions for ``order_by``, of which the last is unique."""
        return _ordering(self.matches.model, self._columns, self._descending)

    @property
    def _descending(self) -> bool:
        return self.sort.startswith("-")

    @cached_property
    def total(self) -> Count:
        """The number of matching rows."""
        if not self.valid:
            return Count(0)
        total = self._total(self.filterset) if self._total else Count(self.matches.count())
        if total.more and self._page_parameter > total // self.per_page and self._cursor is None:
            return Count(self.count_all())
        return total

    @cached_property
    def pages(self) -> int:
        """The number of pages, as far as rows were counted."""
        return max(1, -(-self.total // self.per_page))

    @property
    def has_several_pages(self) -> bool:
        return self.pages > 1

    @cached_property
    def page(self) -> int:
        """The number of this page; a negative one counts from the end."""
        page = self._page_parameter
        if self.total.more:
            # The last page needs no count. The others from the end do, to find the first one.
            needs_count = page < -1 and self._cursor is None
            return max(page, -self._counted_total // self.per_page) if needs_count else page
        return min(max(1, page if page > 0 else self.pages + 1 + page), self.pages)

    @cached_property
    def _page_parameter(self) -> int:
        text = (self._query.get("page") or "").strip()
        from_end = parse_whole(text[1:]) if text.startswith("-") else None
        return -from_end if from_end else parse_whole(text) or 1

    @property
    def first(self) -> int:
        """The number of the page's first row in the list."""
        return min((self.page - 1) * self.per_page + 1, self.total)

    @property
    def last(self) -> int:
        """The number of the page's last row in the list."""
        if self.total.more:
            return self.first + len(self.keys) - 1
        return min(self.page * self.per_page, self.total)

    @property
    def span(self) -> str:
        """A label such as "1 – 20" or "20 – 1 from the end"."""
        if self.page > 0:
            return f"{self.first:,} – {self.last:,}"
        near = (-self.page - 1) * self.per_page + 1
        return f"{near + len(self.keys) - 1:,} – {near:,} from the end"

    @property
    def keys(self) -> list[Any]:
        """The primary keys of the page's rows, in order."""
        return [key for _, key in self._page.rows]

    @cached_property
    def _page(self) -> Page:
        if not self.total:
            return Page([])
        return self._page_by_offset() if self.keyset is None else self._page_by_key(self.keyset)

    def _page_by_offset(self) -> Page:
        """Find the page by counting rows from the nearer end."""
        before, after = self.first - 1, self.total - self.last
        if before <= after:
            keys = list(self.ordered.values_list("pk", flat=True)[before : self.last])
        else:
            backwards = self.ordered.reverse().values_list("pk", flat=True)
            keys = list(backwards[after : self.total - before])[::-1]
        return Page([(None, key) for key in keys], before > 0, after > 0)

    def _page_by_key(self, keyset: Keyset) -> Page:
        """Find the page by its cursor; reads one row more to know whether another page follows."""
        count = self.per_page
        if self.page == 1:
            return Page.forwards(keyset.after(None, count + 1), count, False)
        if self.page == -1:
            return Page.backwards(keyset.before(None, count + 1), count, False)
        if not self.total.more and self.page == self.pages:
            return Page(keyset.before(None, self.last - self.first + 1), True)
        if page := self._page_at_cursor(keyset):
            return page
        offset = (self.page - 1) * count
        if self.page < 0:
            end = self._counted_total + (self.page + 1) * count
            offset = max(0, end - count)
            count = end - offset
        return Page.forwards(keyset.at(offset, count + 1, self._counted_total), count, offset > 0)

    def _page_at_cursor(self, keyset: Keyset) -> Page | None:
        """Return the page next to the cursor, None without one or when its row has been deleted."""
        if self._cursor is None:
            return None
        direction, cursor = self._cursor
        read, make = (
            (keyset.after, Page.forwards) if direction == "after" else (keyset.before, Page.backwards)
        )
        try:
            rows = read(cursor, self.per_page + 1)
        except LookupError:
            return None
        return make(rows, self.per_page, True) if rows else None

    @cached_property
    def _counted_total(self) -> int:
        """The exact number of matching rows."""
        return self.count_all() if self.total.more else self.total

    def count_all(self) -> int:
        """Return the exact number of matching rows of a valid list."""
        return self._exact_total(self.filterset) if self._exact_total else self.matches.count()

    @cached_property
    def keyset(self) -> Keyset | None:
        """What finds pages by key, None where rows are counted."""
        if self._make_keyset is None:
            return None
        return self._make_keyset(self.filterset, self.sort.removeprefix("-"), self._descending)

    @cached_property
    def _cursor(self) -> tuple[str, str] | None:
        """("after" or "before", cursor), if the parameters have one."""
        both = ((direction, self._query.get(direction)) for direction in ("after", "before"))
        return next(((direction, cursor) for direction, cursor in both if cursor), None)

    @property
    def first_url(self) -> str | None:
        """The URL of the first page, None on it."""
        return self._page_url(1) if self.page != 1 else None

    @property
    def previous_url(self) -> str | None:
        """The URL of the previous page, None on the first one."""
        if self.page == 1 or not self._page.has_previous:
            return None
        return self._page_url(self.page - 1, before=self._page.rows[0][0] if self.page != 2 else None)

    @property
    def next_url(self) -> str | None:
        """The URL of the next page, None on the last one."""
        may_follow = self.page < 0 or self.total.more or self.page < self.pages
        if not (self._page.has_next and may_follow):
            return None
        return self._page_url(self.page + 1, after=self._page.rows[-1][0] if self.page != -2 else None)

    @property
    def last_url(self) -> str | None:
        """The URL of the last page, None on it."""
        return self._page_url(-1 if self.total.more else self.pages) if self.next_url else None

    @property
    def exact_url(self) -> str:
        """The URL of this page with all matching rows counted."""
        return f"{self._path}?{urlencode([*self.parameters, ('count', 'exact')])}"

    @property
    def parameters(self) -> list[tuple[str, Any]]:
        """The parameters that all pages of this list share; unknown ones are dropped."""
        filters = self.filterset.names()
        shared = {*filters, *OF_LIST, *self._keeps}
        return [
            (name, one)
            for name, values in self._query.lists()
            if name in shared
            for one in (values if name in filters else values[-1:])
        ]

    def _page_url(self, page: int, **cursor: str | None) -> str:
        """Return the URL of another page; ``cursor``: where it starts (after) or ends (before)."""
        parameters = self.parameters
        if page != 1:
            parameters.append(("page", page))
        parameters += [(direction, value) for direction, value in cursor.items() if value is not None]
        query = urlencode(parameters, safe="~")
        return f"{self._path}?{query}" if query else self._path

    @cached_property
    def rows(self) -> list[Any]:
        """The rows of the page with all that they show."""
        if not self.keys:
            return []
        by_key = {row.pk: row for row in self.fetched(self.keys)}
        # Rows deleted between the two queries are left out.
        return [by_key[key] for key in self.keys if key in by_key]

    def fetched(self, keys: list[Any]) -> Iterable[Any]:
        """Return the rows with these primary keys and all that the list shows of them."""
        rows: models.QuerySet[Any] = self.matches.model._default_manager.filter(pk__in=keys)
        return self._fetch(rows) if self._fetch else rows

    @cached_property
    def query(self) -> str:
        """The filter as a query string in the order of its fields, without sort and page."""
        return self.filterset.parameters().urlencode()

    @cached_property
    def reset_url(self) -> str:
        """The URL of the list without the filter."""
        return self._filter_url(QueryDict(mutable=True))

    @cached_property
    def chips(self) -> list[dict[str, Any]]:
        """{name, label, relation, value, fields, remove_url} for each value that the list is filtered by.

        ``fields``: the names of the visible fields that change it, none for a value that no field shows.
        """
        described = list(self.filterset.described())
        return [
            {
                "name": name,
                "label": label,
                "relation": relation,
                "value": shown,
                "fields": self.filterset.fields_of(name),
                "remove_url": self.url(**{name: [v for n, v, *_ in described if n == name and v != value]}),
            }
            for name, value, label, relation, shown in described
        ]

    @property
    def kept(self) -> dict[str, str]:
        """The order, the page size unless it was refused, and other parameters that any filter keeps."""
        kept = {name: value for name in (*OF_LIST, *self._keeps) if (value := self._query.get(name))}
        if kept.get("per_page") != str(self.per_page):
            kept.pop("per_page", None)
        return kept

    def url(self, **parameters: list[str]) -> str:
        """Return the URL of the first page with other values for some parameters of the filter."""
        data = self.filterset.parameters()
        for name, values in parameters.items():
            data.setlist(name, values)
        return self._filter_url(self.filterset.without_idle(data))

    def _filter_url(self, data: QueryDict) -> str:
        """Return the URL for another filter, with the same order and page size."""
        for name, value in self.kept.items():
            data[name] = value
        query = data.urlencode()
        return f"{self._path}?{query}" if query else self._path


class Selection:
    """The rows that an action applies to: ticked rows, or all that match a filter.

    ``queryset`` holds them and ``count`` counts them; with an ``error`` (a sentence) both are empty.
    ``note`` mentions ticked rows that no longer exist, or is blank. ``scope``, ``ids``, ``query`` and
    ``expected`` are the fields that a form carries on to its next step. ``filterset``: the valid one of
    "all that match", else None.
    """

    def __init__(
        self,
        queryset: models.QuerySet[Any],
        scope: str,
        *,
        ids: str = "",
        query: str = "",
        expected: str = "",
    ) -> None:
        self.scope, self.ids, self.query, self.expected = scope, ids, query, expected
        self.error = self.note = ""
        self.filterset: FilterSet | None = None
        self.queryset, self.count = queryset.none(), 0

    @classmethod
    def read(
        cls,
        parameters: QueryDict,
        queryset: models.QuerySet[Any],
        filterset_class: Callable[..., FilterSet],
        *,
        user: Any,
        limit: float | None = None,
    ) -> "Selection":
        """Read a selection from the parameters scope, ids, query and expected.

        ``queryset``: the rows that the user may change. ``limit``: the most rows that may be selected,
        settings.REQUEST_LIMIT by default.
        Refuses an invalid filter, a count that differs from the confirmed one, more rows than the limit,
        and an empty selection. Costs one query, and those of the filter.
        """
        scope = parameters.get("scope") or "ids"
        text = ",".join(parameters.getlist("ids"))
        too_long = len(text) > TICKED_CHARACTERS
        ids = [] if too_long else [key.strip() for key in text.split(",") if key.strip()]
        selection = cls(
            queryset,
            scope,
            ids=",".join(dict.fromkeys(ids)) if scope == "ids" else "",
            query=parameters.get("query", ""),
            expected=parameters.get("expected", ""),
        )
        if scope == "ids" and too_long:
            selection.refuse(
                f"The list of ticked rows has {len(text):,} characters; at most {TICKED_CHARACTERS:,} can be."
                " Search for the rows and select all that match."
            )
        elif scope == "ids":
            selection._take_ticked(queryset)
        elif scope == "all":
            selection._take_matching(queryset, filterset_class, user)
        else:
            selection.refuse(
                f"“{shorten(scope)}” is not a way to select rows. Tick rows or select all that match."
            )
        limit = settings.REQUEST_LIMIT if limit is None else limit
        if selection.count > limit:
            selection.refuse(
                f"{selection.count:,} {selection._noun} are selected; at most {limit:,} can be changed at"
                " once. Narrow the search and work in parts."
            )
        return selection

    @property
    def _noun(self) -> str:
        return str(self.queryset.model._meta.verbose_name_plural)

    def _take_ticked(self, queryset: models.QuerySet[Any]) -> None:
        ids = self.ids.split(",") if self.ids else []
        wanted = {text: parse_whole(text) for text in ids}
        invalid = [text for text, key in wanted.items() if not key]
        if not ids:
            self.refuse(f"No {self._noun} are selected. Tick some rows first.")
        elif invalid:
            self.refuse(f"“{shorten(invalid[0])}” is not a row ID. Tick the rows again.")
        elif len(ids) > TICKED_LIMIT:
            self.refuse(
                f"{len(ids):,} rows are ticked; at most {TICKED_LIMIT:,} can be. Search for them and select"
                " all that match."
            )
        else:
            keys = list(dict.fromkeys(wanted.values()))
            self.ids = ",".join(map(str, keys))
            self._take_keys(queryset, keys)

    def _take_keys(self, queryset: models.QuerySet[Any], keys: list[int | None]) -> None:
        self.queryset = queryset.filter(pk__in=keys)
        found = set(self.queryset.order_by().values_list("pk", flat=True))
        self.count = len(found)
        missing = [key for key in keys if key not in found]
        if not found:
            self.refuse(f"None of the selected {self._noun} exist any more.")
        elif missing:
            named = ", ".join(map(str, missing[:NAMED])) + (", …" if len(missing) > NAMED else "")
            verb = "no longer exists" if len(missing) == 1 else "no longer exist"
            self.note = f"{len(missing):,} of the {len(keys):,} selected {self._noun} {verb} (ID {named})."

    def _take_matching(
        self, queryset: models.QuerySet[Any], filterset_class: Callable[..., FilterSet], user: Any
    ) -> None:
        filterset = filterset_class(QueryDict(self.query), queryset, user=user)
        if errors := filterset.error_messages:
            self.refuse(" ".join(["Nothing is selected because the search is invalid.", *errors]))
            return
        self.filterset, self.queryset = filterset, filterset.qs.order_by()
        self.count = self.queryset.count()
        expected = parse_whole(self.expected)
        if not self.count:
            self.refuse(f"No {self._noun} match any more.")
        elif not expected:
            self.refuse(f"The number of {self._noun} you saw is missing. Select them again in the list.")
        elif self.count != expected:
            verb = "matches" if self.count == 1 else "match"
            self.refuse(
                f"{expected:,} {self._noun} matched when you selected them; {self.count:,} {verb} now."
                " Check the list and select them again."
            )

    def refuse(self, sentence: str) -> None:
        """Clear the selection and give ``sentence`` as the reason."""
        self.error, self.queryset, self.count = sentence, self.queryset.none(), 0


def _ordering(
    model: type[models.Model], columns: Sequence[str | Any], descending: bool
) -> list[str | models.expressions.OrderBy]:
    """Return expressions for ``order_by``, of which the last is unique."""
    fields = model._meta.local_fields
    unique = {"pk", model._meta.pk.name, *(field.name for field in fields if field.unique)}
    unique.update(rule.fields[0] for rule in model._meta.total_unique_constraints if len(rule.fields) == 1)
    if columns[-1] not in unique:
        columns = (*columns, "pk")
    if descending:
        return [f"-{c}" if isinstance(c, str) else c.desc(nulls_last=True) for c in columns]
    return [c if isinstance(c, str) else c.asc(nulls_last=True) for c in columns]
