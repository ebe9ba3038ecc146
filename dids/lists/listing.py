"""The list of numbers for query parameters: a screen shows it, exports write it, jobs read it again."""

from functools import partial

from django.db.models import Case, F, Value, When
from django.db.models.functions import Lower, NullIf

from didmgmt import clock
from didmgmt.listing import Listing
from dids.lifecycle import statuses as st
from dids.lists.as_of import PastListing
from dids.lists.changed import ChangeKeyset
from dids.lists.columns import PARAMETER, read_columns, remembered_columns, rows_with_columns
from dids.lists.filters import DIDFilter
from dids.lists.keyset import DIDKeyset
from dids.models import DID, SavedView
from dids.models.number_reads import any_hold_over

SORTED_MAX = 5_000  # numbers that are sorted at once; pages of more are found by key


def did_listing(parameters, user, path="", *, besides=(), counted=True):
    """List the numbers that match ``parameters`` and that ``user`` may see, now or as of a past time.

    ``besides``: further parameters that the caller reads. ``counted``: count the matches to choose how pages
    are found; without it nothing is counted, and pages can be read by their cursors only.
    """
    if parameters.get("as_of", "").strip():
        return PastListing(parameters, user, path, SORTS, besides=(PARAMETER, SavedView.PARAMETER, *besides))
    now = clock.now()
    dids = DID.objects.visible_to(user)
    overdue = any_hold_over(now)

    def keyset(filterset, sort, descending):
        if sort == "written":
            return None if filterset.is_few else ChangeKeyset(filterset, descending=descending)
        # No index has all filters in all orders, and a keyset skips rows that don't match.
        if filterset.is_few or (counted and sort != "number" and filterset.total <= SORTED_MAX):
            return None
        return DIDKeyset(filterset, sort, descending=descending, overdue=overdue)

    sorts, default = _OVERDUE if overdue else SORTS, ""
    if parameters.get("change"):
        sorts, default = sorts | _WRITTEN, "written"
    return DIDListing(
        parameters,
        dids.with_status_now(now) if overdue else dids,
        partial(DIDFilter, now=now, overdue=overdue, exactly=parameters.get("count") == "exact"),
        user=user,
        path=path,
        sorts=sorts,
        default=default,
        total=lambda filterset: filterset.total,
        exact_total=lambda filterset: filterset.exact_total(),
        now=now,
        keyset=keyset,
        besides=besides,
    )


def exact_hit(listing):
    """Return the match that is the whole number searched for; None without one, and on later pages.

    A few lookups in indexes.
    """
    search = listing.form.cleaned_data["search"] if listing.valid and listing.page == 1 else None
    if search is None or search.kind not in ("exact", "contains", "either"):
        return None
    if isinstance(listing, PastListing):
        return next(iter(listing.rows_of(listing.filterset.keys_of(search.value))), None)
    found = DID.objects.filter(number=search.value).values_list("pk", flat=True).first()
    matches = found and listing.matches.filter(pk=found).exists()
    return next(iter(listing.fetched([found])), None) if matches else None


class DIDListing(Listing):
    """The current numbers, with the ``columns`` (their keys) that the address names or the user chose last.

    ``view``: the primary key of the saved view with which the list was opened, as text, or "".
    """

    def __init__(self, parameters, *args, user, now, **options):
        super().__init__(
            parameters,
            *args,
            user=user,
            keeps=(PARAMETER, SavedView.PARAMETER),
            **options,
        )
        self._user, self._now = user, now
        self.view = parameters.get(SavedView.PARAMETER, "")
        named = parameters.get(PARAMETER, "").strip()
        try:
            self.columns = read_columns(named) if named else remembered_columns(user)
        except LookupError as error:
            self.columns, self.valid = remembered_columns(user), False
            self.errors.append(f"Columns: {error}")

    def fetched(self, keys):
        return rows_with_columns(keys, self.columns, self._user, self._now)

    @property
    def view_query(self):
        """The query string that shows these numbers in this way to everybody."""
        data = self.filterset.parameters()
        data["sort"], data["per_page"] = self.sort, str(self.per_page)
        data[PARAMETER] = ",".join(self.columns)
        return data.urlencode()


SORTS = {
    "number": ("number",),
    "id": ("id",),
    "status": ("status", "number"),
    "operator": (Lower("operator__name"), "operator_id", "number"),
    "tag": (F("tag_set__label"), "number"),
    "notes": (NullIf("notes", Value("")), "number"),
    "client": (Lower("account__client__name"), Lower("account__name"), "account_id", "number"),
    "reseller": (Lower("operator__reseller__name"), "number"),
}
# The numbers of a change; few of them are sorted by number, more come in the order in which it wrote them.
_WRITTEN = {"written": ("number",)}
# An overdue hold that is not yet released is sorted by its After Hold status, which no index has.
_CLIENT, _ACCOUNT, *_ = SORTS["client"]
_OVERDUE = SORTS | {
    "status": ("status_now", "number"),
    "client": (
        Case(When(status_now__in=st.HELD, then=_CLIENT)),
        Case(When(status_now__in=st.HELD, then=_ACCOUNT)),
        Case(When(status_now__in=st.HELD, then="account_id")),
        "number",
    ),
}
