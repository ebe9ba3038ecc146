"""Notifications: the list, and marking them as read."""

import django_filters
from django.conf import settings
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from didmgmt import clock
from didmgmt.addresses import is_ours
from didmgmt.filters import FilterSet, no_such
from didmgmt.keyset import ColumnKeyset
from didmgmt.listing import Listing
from didmgmt.text import count_noun, parse_whole
from notices.models import Kind, Notice, kinds_for
from notices.reading import read
from staff.middleware import unattended


def _notices(request):
    """Return the notices that the user may see now."""
    return Notice.objects.visible_to(request.user).filter(kind__in=kinds_for(request.user))


class NoticeFilter(FilterSet):
    only = django_filters.ChoiceFilter(
        label="Only",
        choices=[("unread", "unread")],
        empty_label="all",
        method="filter_only",
        error_messages=no_such("choice"),
    )

    class Meta:
        model = Notice
        fields = []

    def filter_only(self, notices, _name, _value):
        return notices.unread()


@require_safe
def notice_list(request):
    notices = _notices(request)
    listing = Listing(
        request.GET,
        notices,
        NoticeFilter,
        user=request.user,
        path=request.path,
        sorts={"at": ("id",)},
        default="-at",
        keyset=lambda filterset, _sort, descending: ColumnKeyset(
            filterset.qs, ("id",), descending=descending
        ),
    )
    rows = list(listing.rows) if listing.valid else []
    newest = notices.order_by("-pk").values_list("pk", flat=True).first()
    context = {
        "listing": listing,
        "entries": read(rows, request.user),
        "newest": newest,
        "only_unread": request.GET.get("only") == "unread",
        "keep_days": settings.NOTICE_KEEP_DAYS,
    }
    return render(request, "notices/list.html", context)


def _mark(notices):
    return notices.unread().update(read_at=clock.database_now())


@require_POST
def notice_open(request, pk):
    """Mark a notice as read and go to what it is about."""
    notice = get_object_or_404(_notices(request), pk=pk)
    _mark(_notices(request).filter(pk=pk))
    ((_, message),) = read([notice], request.user)
    return redirect(message.url or "notices:list")


@require_POST
def notice_read(request, pk):
    notice = get_object_or_404(_notices(request), pk=pk)
    _mark(_notices(request).filter(pk=notice.pk))
    messages.success(request, "1 notification marked as read.")
    return _back(request)


@require_POST
def notices_read(request):
    """Mark all as read up to the newest one that the page has shown."""
    until = parse_whole(request.POST.get("until", "")) or 0
    marked = _mark(_notices(request).filter(pk__lte=until))
    sentence = f"{count_noun(marked, 'notification')} marked as read."
    messages.success(request, sentence if marked else "All notifications were read already.")
    return _back(request)


def _back(request):
    back = request.POST.get("back", "")
    return redirect(back if is_ours(request, back) else "notices:list")


@unattended
@require_POST
def job_seen(request, job):
    """Mark the notice of a job as read whose page is open, and render the bell of the frame."""
    _mark(_notices(request).filter(kind=Kind.JOB, facts__job=str(job)))
    return render(request, "notices/_bell.html")
