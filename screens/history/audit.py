"""The audit log: changes, one change with its rows, and what was written outside the application."""

from datetime import timedelta

from django.contrib.auth.decorators import permission_required
from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit import history
from audit.models import Change
from didmgmt.choices import choices
from didmgmt.filters import FilterSet
from didmgmt.listing import Count, Listing
from didmgmt.replica import may_lag
from dids.history.audit_log import KeyWalk, lines, log_listing
from dids.history.external_writes import moment_of, outside_groups
from dids.history.rows import KINDS, count_of, file_rows, noun, told, with_former
from dids.lists.filters import COUNTED_TO
from screens.numbers.export import download
from staff.models import User

may_view = permission_required("audit.view_change", raise_exception=True)


@require_safe
@may_view
@may_lag
def change_list(request):
    listing = log_listing(request.GET, request.user, request.path)
    context = {"listing": listing, "lines": lines(listing.rows, request.user)}
    return render(request, "history/list.html", context)


@require_safe
@may_view
@may_lag
def change_detail(request, pk):
    """``type``: which kind of thing its rows are shown of, the first when it says none."""
    change = _change(request.user, pk)
    line = lines([change], request.user)[0]
    kinds = [tracked for tracked in KINDS.values() if tracked in line.counts]
    asked = request.GET.get("type", "")
    if asked and KINDS.get(asked) not in kinds:
        raise Http404
    tracked = KINDS[asked] if asked else next(iter(kinds), None)
    listing = tracked and _rows(request, tracked, _rows_of(change, tracked, request.user))
    context = {
        "line": line,
        "tabs": [
            {
                "label": count_of(one, line.counts[one]),
                "url": f"?type={one._meta.model_name}",
                "active": one is tracked,
            }
            for one in kinds
        ],
        "listing": listing,
        "rows": told(listing.rows, tracked, request.user) if tracked else [],
        "noun": tracked and noun(tracked),
        "lost": listing and _lost(listing.total, line.counts[tracked]),
    }
    return render(request, "history/detail.html", context)


@require_safe
@may_view
@permission_required("dids.export_did", raise_exception=True)
def change_rows_csv(request, pk):
    change = _change(request.user, pk)
    kinds = lines([change], request.user)[0].counts
    rows = {one: _rows_of(change, one, request.user) for one in KINDS.values() if one in kinds}
    return download(
        file_rows(rows, request.user), f"change_{change.pk}_{timezone.localtime(change.at):%Y-%m-%d_%H%M}"
    )


@require_safe
@may_view
def outside(request):
    """What was written to the database by something else than this application, by table and moment."""
    before = request.GET.get("before", "")
    groups, older = outside_groups(request.user, moment_of(before) if before else None)
    return render(request, "history/outside.html", {"groups": groups, "older": older, "before": before})


@require_safe
@may_view
def outside_rows(request, kind, moment):
    """The rows of one such group. ``moment``: in microseconds, see ``dids.history.external_writes``."""
    tracked = KINDS.get(kind)
    at = moment_of(moment)
    if tracked is None or at is None:
        raise Http404
    rows = history.visible_to(tracked, request.user).filter(change__isnull=True)
    # Not at=at: SQLite compares texts, and the triggers write a full second with its fraction.
    rows = rows.filter(at__gte=at, at__lt=at + timedelta(microseconds=1))
    listing = _rows(request, tracked, rows)
    if not listing.total:
        raise Http404
    context = {
        "at": at,
        "listing": listing,
        "rows": told(listing.rows, tracked, request.user),
        "noun": noun(tracked),
        "things": noun(tracked, plural=True),
    }
    return render(request, "history/outside_rows.html", context)


@require_safe
@may_view
def people(request):
    """Choices of who made changes."""
    found = User.objects.visible_to(request.user).order_by("username")
    return choices(request, found, search="username", note=lambda user: user.get_full_name())


def _change(user, pk):
    return get_object_or_404(Change.objects.visible_to(user).select_related("undo_of"), pk=pk)


def _rows_of(change, tracked, viewer):
    return history.visible_to(tracked, viewer).filter(change=change)


class _NoFilter(FilterSet):
    class Meta:
        fields = []


def _rows(request, tracked, rows):
    return Listing(
        request.GET,
        rows,
        _NoFilter,
        user=request.user,
        path=request.path,
        sorts={"row": ("history_id",)},
        total=lambda _: Count.up_to(COUNTED_TO, rows[: COUNTED_TO + 1].count()),
        exact_total=lambda _: Count(rows.count()),
        fetch=lambda found: with_former(found, tracked, request.user),
        keyset=lambda filterset, sort, descending: KeyWalk(rows, ("history_id",), descending=descending),
        keeps=("type",),
    )


def _lost(kept, written):
    """How many rows are gone since, because old history was deleted."""
    return 0 if kept.more else max(0, written - kept)
