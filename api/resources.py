"""Kinds of records that have ids: their list and one of them, by the lists of the screens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Router

from api.access import found, with_id
from api.facts import answers_with, answers_with_list
from api.fields import Fields
from api.lists import list_answer
from api.records import record_answer, record_fields
from audit.history import TRACKED
from didmgmt import clock
from didmgmt.replica import may_lag
from dids.lists.records import RecordList


@dataclass(frozen=True)
class Resource:
    """One kind of record.

    ``path``: its address, also its name in the plural. ``needs``: a decorator that checks rights.
    ``counted``: fields that need ``RecordList.rows``, whose counts cost a subquery for each row.
    ``version_of``: returns what ``version`` returns, for a kind without history.
    """

    records: RecordList
    fields: Fields
    noun: str
    path: str
    needs: Callable[[Any], Any]
    counted: frozenset[str] = frozenset()
    version_of: Callable[[int], int | None] = lambda _pk: None

    @property
    def a_noun(self) -> str:
        return f"{'an' if self.noun[0] in 'ao' else 'a'} {self.noun}"

    def register(self, router: Router) -> None:
        """Add the operations that read the list and a record."""
        name, plural = self.noun.replace(" ", "_"), self.path.replace("-", "_")
        words = self.path.replace("-", " ")

        records = self.records

        @answers_with_list(self.fields, records.filterset, records.sorts, default=records.default)
        @self.needs
        @may_lag
        def read_list(request: HttpRequest) -> HttpResponseBase:
            return self.page(request)

        @answers_with(self.fields)
        @self.needs
        @may_lag
        def read_one(request: HttpRequest, pk: int) -> HttpResponse:
            return self.one(request, pk)

        router.get(
            f"/{self.path}",
            operation_id=f"list_{plural}",
            url_name=f"list_{plural}",
            summary=f"List {words}",
            description=f"Return a page of the {words} that you may see, filtered and sorted.",
        )(read_list)
        router.get(
            f"/{self.path}/{{pk}}",
            operation_id=f"get_{name}",
            url_name=f"get_{name}",
            summary=f"Read {self.a_noun}",
            description="Return one of them by its id.",
        )(read_one)

    def page(self, request: HttpRequest) -> HttpResponseBase:
        return list_answer(
            request,
            self.records.filterset,
            lambda query: self.records.listing(query, request.user),
            self.fields,
            lambda listing, keys, names: self._rows(listing, keys, names),
        )

    def _rows(self, listing: Any, keys: list[Any], names: tuple[str, ...]) -> list[Any]:
        if self.counted & {*names}:
            rows = listing.fetched(keys)
        else:
            rows = self.records.with_related(self.records.model.objects.filter(pk__in=keys))
        by_key = {row.pk: row for row in rows}
        return [by_key[key] for key in keys if key in by_key]

    def one(self, request: HttpRequest, pk: int) -> HttpResponse:
        names = record_fields(request, self.fields)
        return record_answer(request, self.fields, self.row(pk, request.user), self.version(pk), names)

    def row(self, pk: int, user: Any) -> Any:
        """Return the record with all that its fields read; raise Http404 for one that the user can't see."""
        visible = with_id(self.records.visible_to(user), pk)
        return found(self.records.rows(visible, clock.now()).first(), f"{self.noun} {pk}")

    def version(self, pk: int) -> int | None:
        """Return the id of the record's newest history row or change, None for kinds that have neither."""
        history: Any = TRACKED.get(self.records.model)
        if history is None:
            return self.version_of(pk)
        newest = history.objects.filter(object_id=pk).order_by("-history_id")
        return newest.values_list("history_id", flat=True).first()
