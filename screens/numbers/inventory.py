"""The list of numbers, now or as of a past time, and the choices of its filters."""

from functools import cache

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from clients.models import Client
from clients.names import fold
from didmgmt.addresses import go_to, is_ours
from didmgmt.choices import choices
from didmgmt.listing import Count
from didmgmt.models import StoredSearch
from didmgmt.replica import may_lag
from didmgmt.statements import EVERYBODY
from didmgmt.templatetags.look import required_control
from dids.exports.workbook import XLSX_AT_ONCE
from dids.lifecycle import statuses as st
from dids.lists.as_of import COUNTING, SECONDS, PastListing, TooLongError, time_limit
from dids.lists.filters import DIDFilter, deleted_matching
from dids.lists.listing import did_listing, exact_hit
from dids.models import DID, Tag
from screens.answers import SHORT
from screens.numbers.views import views_context
from screens.records import record_choices

DELETED_SHOWN = 5

may_view = permission_required("dids.view_did", raise_exception=True)


@require_safe
@may_view
@may_lag
def did_list(request):
    listing = did_listing(request.GET, request.user, request.path)
    if request.htmx and request.htmx.target != "list-table":
        return render(request, "numbers/_advanced_search.html", {"listing": listing, "noun": "numbers"})
    if isinstance(listing, PastListing):
        return _past_list(request, listing)
    if listing.valid and not listing.query and not listing.total:
        return redirect("start:start")
    rows = exact_first(listing)
    counters = []
    if listing.valid:
        counters = status_counters(listing, listing.filterset.by_status)
    context = views_context(request.user, listing) | rows
    context |= {
        "listing": listing,
        "counters": counters,
        "is_large": listing.total > XLSX_AT_ONCE,
        "as_of_control": _as_of_control() if listing.valid else _control_of(listing.form),
        "deleted": _deleted(listing, request.user),
        "unassigned": listing.valid and not listing.query and _is_unassigned(listing.filterset.by_status),
    }
    template = "numbers/_columns_applied.html" if request.htmx else "numbers/list.html"
    return render(request, template, context)


def _control_of(form):
    return required_control(form["as_of"], "as-of")


@cache
def _as_of_control():
    """Return the control of the current list, where it is empty."""
    return _control_of(DIDFilter(QueryDict(), DID.objects.none(), user=EVERYBODY).form)


@require_POST
@may_view
def did_search(request):
    """Go to the list in ``to`` with the search of a form; store a long text and name it by its token."""
    parameters, text = request.POST.copy(), request.POST.get("q", "").strip()
    path = request.GET.get("to", "")
    path = path if path.startswith("/") and is_ours(request, path) else reverse("dids:list")
    for name in ("csrfmiddlewaretoken", "q", "list"):
        parameters.pop(name, None)
    if len(text) > StoredSearch.LONGEST:
        messages.error(
            request,
            f"The pasted text has {len(text):,} characters; at most {StoredSearch.LONGEST:,} can be searched"
            " for. Search for the list in parts.",
        )
    elif len(text) > SHORT:
        parameters["list"] = StoredSearch.objects.store(request.user, text)
    elif text:
        parameters["q"] = text
    return go_to(f"{path}?{parameters.urlencode()}")


def _is_unassigned(counts):
    """Whether no number is with a client, or on Hold after one."""
    return not any(counts[status] for status in (*st.IN_USE, st.HOLD))


def exact_first(listing):
    """Return the exact match in a list, the other ``rows``, a heading for them, and the search to mark."""
    exact = exact_hit(listing)
    return {
        "exact": [exact] if exact else [],
        "rows": [did for did in listing.rows if not exact or did.pk != exact.pk],
        "others": _others(listing) if exact else "",
        "mark": _mark(listing),
    }


_VERBS = {"contains": ("contains", "contain"), "either": ("matches", "match")}


def _others(listing):
    """Return how many numbers match besides the exact hit, "" for none: "10 more contain 4940"."""
    search, total = listing.form.cleaned_data["search"], listing.total
    others = Count(max(0, total - 1), more=total.more)
    if not others or search.kind == "exact":
        return ""
    one, several = _VERBS[search.kind]
    return f"{others.label} more {one if others == 1 and not others.more else several} {search.value}"


def _mark(listing):
    """Return the search whose digits are marked in each number."""
    return listing.form.cleaned_data["search"] if listing.valid else None


def _deleted(listing, user):
    """Return deleted numbers that match the search, when no existing number does."""
    search = listing.form.cleaned_data["search"] if listing.valid and not listing.rows else None
    return deleted_matching(search, user).order_by("number", "-history_id")[:DELETED_SHOWN] if search else []


def _past_list(request, listing):
    """Render the list as of a past time; its transaction reads from the primary, never from a replica."""
    counters = []
    try:
        with time_limit(COUNTING if request.GET.get("count") == "exact" else SECONDS):
            if listing.valid:
                counters = status_counters(listing, listing.filterset.by_status)
            rows = exact_first(listing)
    except TooLongError as error:
        counters = []
        listing.refuse(str(error))
        rows = exact_first(listing)
    context = rows | {
        "listing": listing,
        "counters": counters,
        "is_large": listing.total > XLSX_AT_ONCE,
        "as_of_control": _control_of(listing.form),
    }
    return render(request, "numbers/past_list.html", context)


def status_counters(listing, counts):
    """Return a link for each status of ``counts`` ({status: Count}) that filters by it as well."""
    chosen = listing.form.cleaned_data["status"]
    every = {
        "key": "",
        "label": "All",
        "count": Count(sum(counts.values()), more=any(count.more for count in counts.values())),
        "url": listing.url(status=[]),
        "active": not chosen,
    }
    return [every] + [
        {
            "key": key,
            "label": st.LABELS[key],
            "count": count,
            "url": listing.url(status=[key]),
            "active": key in chosen,
        }
        for key, count in counts.items()
    ]


@require_safe
@may_view
def client_choices(request):
    return record_choices(request, Client)


@require_safe
@may_view
def tag_choices(request):
    tags = Tag.objects.visible_to(request.user).order_by("name")
    return choices(request, tags, search="key", read=fold, key="name")
