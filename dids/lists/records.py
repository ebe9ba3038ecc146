"""The lists of everything but numbers and changes: their filters, sorts and what a row shows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Lower
from django.http import QueryDict

from clients.filters import (
    AccountFilter,
    AccountsFilter,
    ClientFilter,
    PackageFilter,
    ResellerFilter,
    name_filter,
    reseller_filter,
)
from clients.models import Account, Client, Package, Reseller
from didmgmt import clock
from didmgmt.filters import FilterSet
from didmgmt.listing import Listing, Sorts
from dids.lists import row_counts
from dids.lists.client_packages import ClientPackageFilter
from dids.lists.reservations import ReservationFilter, rows_of
from dids.models import ClientPackage, Reservation, StockLevel, Tag
from jobs.filters import JobFilter
from jobs.models import Job
from operators.filters import OperatorFilter
from operators.models import Operator


@dataclass(frozen=True)
class RecordList:
    """The list of one kind of record.

    ``rows(records, now)`` adds to a queryset what a row shows. ``related``: what else each row needs, for
    ``select_related``. ``default``: the sort without a parameter, the first one if it is blank.
    ``page``: returns the records of a page with what is worked out in Python.
    """

    model: Any
    filterset: type[FilterSet]
    sorts: Sorts
    rows: Callable[[Any, Any], Any] = lambda records, now: records
    related: tuple[str, ...] = ("reseller",)
    default: str = ""
    page: Callable[[Any, Any], Iterable[Any]] = lambda records, now: records

    def visible_to(self, user: Any) -> QuerySet[Any]:
        """Return the records that a user may see, with related ones."""
        return self.with_related(self.model.objects.visible_to(user))

    def listing(
        self,
        parameters: QueryDict,
        user: Any,
        path: str = "",
        records: QuerySet[Any] | None = None,
        *,
        besides: tuple[str, ...] = (),
    ) -> Listing:
        """Return the ``Listing`` of ``records``, by default of all that the user may see.

        ``besides``: further parameters that the caller reads.
        """
        now = clock.now()
        return Listing(
            parameters,
            self.rows(self.model.objects.visible_to(user) if records is None else records, now),
            self.filterset,
            user=user,
            path=path,
            sorts=self.sorts,
            default=self.default,
            fetch=lambda found: self.page(self.rows(self.with_related(found), now), now),
            besides=besides,
        )

    def with_related(self, records: QuerySet[Any]) -> QuerySet[Any]:
        return records.select_related(*self.related) if self.related else records


class StockLevelFilter(FilterSet):
    reseller = reseller_filter()

    class Meta:
        model = StockLevel
        fields = []


class TagFilter(FilterSet):
    name = name_filter()

    class Meta:
        model = Tag
        fields = []


_NAME = {"name": (Lower("name"), "id"), "id": ("id",)}
_BY_RESELLER = {"reseller": (Lower("reseller__name"), Lower("name"), "id")}

OPERATORS = RecordList(
    model=Operator,
    filterset=OperatorFilter,
    sorts={**_NAME, "dids": ("did_count", "id"), **_BY_RESELLER},
    rows=lambda operators, now: operators.with_did_count(),
)
RESELLERS = RecordList(
    model=Reseller,
    filterset=ResellerFilter,
    sorts={
        **_NAME,
        "days": (F("hold_days"), "id"),
        "operators": ("operator_count", "id"),
        "clients": ("client_count", "id"),
        "packages": ("package_count", "id"),
        "dids": ("did_count", "id"),
    },
    rows=lambda resellers, now: row_counts.with_reseller_counts(resellers),
    related=(),
)
CLIENTS = RecordList(
    model=Client,
    filterset=ClientFilter,
    sorts={
        **_NAME,
        **_BY_RESELLER,
        "accounts": ("account_count", "id"),
        "packages": ("package_count", "id"),
        "dids": ("all_dids", "id"),
        "state": (F("closed_at"), "id"),
    },
    rows=row_counts.with_client_counts,
)
ACCOUNTS = RecordList(
    model=Account,
    filterset=AccountFilter,
    sorts={**_NAME, "dids": ("all_dids", "id")},
    rows=lambda accounts, now: row_counts.with_account_counts(accounts),
    related=("client__reseller",),
)
ALL_ACCOUNTS = replace(
    ACCOUNTS,
    filterset=AccountsFilter,
    sorts={**ACCOUNTS.sorts, "client": (Lower("client__name"), Lower("name"), "id")},
)
PACKAGES = RecordList(
    model=Package,
    filterset=PackageFilter,
    sorts={
        **_NAME,
        **_BY_RESELLER,
        "limit": ("did_limit", "id"),
        "tags": ("allowed_tags", "id"),
        "classes": ("allowed_classes", "id"),
        "days": (F("hold_days"), "id"),
        "clients": ("client_count", "id"),
        "dids": ("all_dids", "id"),
        "state": (F("archived_at"), "id"),
    },
    rows=row_counts.with_package_counts,
)
CLIENT_PACKAGES = RecordList(
    model=ClientPackage,
    filterset=ClientPackageFilter,
    sorts={
        "client": (Lower("client__name"), "id"),
        "package": (Lower("package__name"), "id"),
        "reseller": (Lower("package__reseller__name"), Lower("client__name"), "id"),
        "starts": ("starts_at", "id"),
        "ends": (F("ends_at"), "id"),
        "state": ("state", "id"),
        "dids": ("in_use", "id"),
    },
    rows=lambda given, now: given.with_state(now).with_numbers_in_use(),
    related=("client", "package__reseller"),
)
RESERVATIONS = RecordList(
    model=Reservation,
    filterset=ReservationFilter,
    sorts={
        "ends": (F("ends_at"), "id"),
        "numbers": (F("first"), "id"),
        "count": ("numbers", "id"),
        "whom": (Lower(Coalesce("client__name", "name")), "id"),
        "purpose": (Lower("purpose"), "id"),
        "by": (Lower("maker"), "id"),
        "since": ("made_at", "id"),
    },
    rows=lambda reservations, now: reservations.running(now).with_numbers(),
    related=("client", "reseller"),
    page=rows_of,
)
JOBS = RecordList(
    model=Job,
    filterset=JobFilter,
    sorts={
        "created": ("created_at",),
        "label": ("label",),
        "kind": ("kind",),
        "state": ("state",),
        "owner": ("owner__username",),
    },
    related=("owner", "token"),
    default="-created",
)
_MARGIN = F("in_stock") - F("minimum")
STOCK_LEVELS = RecordList(
    model=StockLevel,
    filterset=StockLevelFilter,
    sorts={
        "margin": ("margin", "id"),
        "stock": ("in_stock", "id"),
        "level": ("minimum", "id"),
        "reseller": (F("reseller__name"), "id"),
    },
    rows=lambda levels, now: levels.with_stock().annotate(margin=_MARGIN),
    related=("operator", "reseller"),
    default="margin",
)
TAGS = RecordList(model=Tag, filterset=TagFilter, sorts=_NAME, related=())
