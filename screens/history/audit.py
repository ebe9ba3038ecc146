"""The audit log: the list of changes, one change with its rows, and writes outside the application."""

from django.contrib.auth.decorators import permission_required
from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit import history
from audit.models import Change
from didmgmt.choices import choices
from didmgmt.filters import FilterSet
from didmgmt.keyset import ColumnKeyset
from didmgmt.listing import Count, Listing
from didmgmt.parameters import takes
from didmgmt.replica import may_lag
from dids.history.audit_log import log_entries, log_listing
from dids.history.external_writes import external_writes, parse_microsecond, rows_written_at
from dids.history.rows import OBJECT_TYPES, count_label, csv_rows, describe, noun, with_previous
from dids.lists.changed import changed_url
from dids.lists.filters import COUNTED_TO
from dids.models import DID
from screens.downloads import download
from screens.history.links import object_urls, source_label
from staff.models import User

may_view = permission_required("audit.view_change", raise_exception=True)


@require_safe
@may_view
@may_lag
def change_list(request):
    listing = log_listing(request.GET, request.user, request.path)
    context = {"listing": listing, "entries": _entries(listing.rows, request.user)}
    if listing.valid and (whole := listing.filterset.whole):
        context |= {"whole": whole, "parts_url": listing.url(object=[f"*{whole}*"])}
    return render(request, "history/list.html", context)


@require_safe
@may_view
@may_lag
def change_detail(request, pk):
    """Show a change and its rows of the object type in ``type``, by default of the first one."""
    change = _change(request.user, pk)
    (entry,) = _entries([change], request.user)
    types = [tracked for tracked in OBJECT_TYPES.values() if tracked in entry.counts]
    chosen = request.GET.get("type", "")
    if chosen and OBJECT_TYPES.get(chosen) not in types:
        raise Http404
    tracked = OBJECT_TYPES[chosen] if chosen else next(iter(types), None)
    context = {"entry": entry, "tabs": _tabs(types, tracked, entry.counts)}
    context["numbers_url"] = changed_url(change.pk) if DID in entry.counts else ""
    if tracked:
        listing = _row_listing(request, tracked, _rows_of(change, tracked, request.user))
        context |= _row_context(listing, tracked, request.user)
        context["lost"] = _lost(listing.total, entry.counts[tracked]) if listing.valid else 0
    return render(request, "history/detail.html", context)


@require_safe
@may_view
@permission_required("dids.export_did", raise_exception=True)
@takes()
def change_rows_csv(request, pk):
    change = _change(request.user, pk)
    types = log_entries([change], request.user)[0].counts
    rows = {one: _rows_of(change, one, request.user) for one in OBJECT_TYPES.values() if one in types}
    name = f"change_{change.pk}_{timezone.localtime(change.at):%Y-%m-%d_%H%M}"
    return download(request, csv_rows(change, rows, request.user), name)


@require_safe
@may_view
@takes(before=parse_microsecond)
def external_write_list(request):
    before = request.GET.get("before", "")
    writes, older = external_writes(request.user, parse_microsecond(before))
    context = {"writes": writes, "older": older, "before": before}
    return render(request, "history/external_writes.html", context)


@require_safe
@may_view
def external_write_rows(request, object_type, microsecond):
    """Show the rows of one write; ``microsecond``: see ``dids.history.external_writes``."""
    tracked = OBJECT_TYPES.get(object_type)
    at = parse_microsecond(str(microsecond))
    if tracked is None or at is None:
        raise Http404
    listing = _row_listing(request, tracked, rows_written_at(at, tracked, request.user))
    if listing.valid and not listing.total:
        raise Http404
    context = _row_context(listing, tracked, request.user)
    context |= {"at": at, "nouns": noun(tracked, plural=True)}
    return render(request, "history/external_rows.html", context)


@require_safe
@may_view
def people(request):
    """Answer with choices for the filter "Person"."""
    users = User.objects.visible_to(request.user).order_by("username")
    return choices(request, users, search="username", note=lambda user: user.get_full_name())


def _change(user, pk):
    return get_object_or_404(Change.objects.visible_to(user), pk=pk)


def _entries(changes, user):
    entries = log_entries(changes, user)
    for entry in entries:
        entry.source_label = source_label(entry.change.source)
    return entries


def _tabs(types, active, counts):
    return [
        {
            "label": count_label(tracked, counts[tracked]),
            "url": f"?type={tracked._meta.model_name}",
            "active": tracked is active,
        }
        for tracked in types
    ]


def _rows_of(change, tracked, viewer):
    return history.visible_to(tracked, viewer).filter(change=change)


class _NoFilter(FilterSet):
    class Meta:
        fields = []


def _row_listing(request, tracked, rows):
    return Listing(
        request.GET,
        rows,
        _NoFilter,
        user=request.user,
        path=request.path,
        sorts={"row": ("history_id",)},
        total=lambda _: Count.up_to(COUNTED_TO, rows[: COUNTED_TO + 1].count()),
        exact_total=lambda _: Count(rows.count()),
        fetch=lambda found: with_previous(found, tracked, request.user),
        keyset=lambda _filterset, _sort, descending: ColumnKeyset(
            rows, ("history_id",), descending=descending
        ),
        keeps=("type",),
    )


def _row_context(listing, tracked, user):
    rows = describe(listing.rows, tracked, user)
    urls = object_urls(tracked, {row.object_id for row in rows}, user)
    for row in rows:
        row.url = urls.get(row.object_id, "")
    return {"listing": listing, "rows": rows, "noun": noun(tracked)}


def _lost(kept, written):
    """Return how many rows of the change have been pruned; 0 if the kept ones were not counted."""
    return 0 if kept.more else max(0, written - kept)
