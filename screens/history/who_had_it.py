"""Who had which numbers at a given time: the page, a statement to print, and a CSV file.

A short list is looked up by an address that can be bookmarked, a long one is posted. Replicas are never read,
because they may lag.
"""

from collections import Counter
from itertools import chain
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from audit.pruning import known_since
from didmgmt import clock
from didmgmt.text import count_noun
from dids.exports import ownership
from dids.forms.past import WhoHadItForm
from dids.history.ownership import (
    ABSENT,
    DELETED,
    FREE,
    NEVER,
    ON_HOLD,
    PERIODS_MOST,
    UNKNOWN,
    USED,
    exact_time,
    periods_of,
    who_had,
)
from screens.downloads import download

SHORT = 100  # numbers that fit in an address on every server
SHOWN = 500  # results on the page; the statement and the file have all of them
RIGHTS = ("audit.view_change", "dids.view_did")

may_look_up = permission_required(RIGHTS, raise_exception=True)

_COUNTED = {
    "in use by a client": {USED},
    "on Hold after use": {ON_HOLD},
    "unassigned": {FREE},
    "not in the inventory at that time": {ABSENT, DELETED},
    "never in the inventory": {NEVER},
    "unknown": {UNKNOWN},
}


@require_http_methods(["GET", "HEAD", "POST"])
@may_look_up
def who_had_it(request):
    form = _form(request)
    if not form.is_bound:
        return render(request, "history/who_had_it.html", {"form": form})
    if not form.is_valid():
        return render(request, "history/who_had_it.html", {"form": form.shown()}, status=422)
    numbers, at = form.cleaned_data["numbers"], form.cleaned_data["at"]
    if request.method == "POST" and len(numbers) <= SHORT:
        return redirect(f"{request.path}?{_query(numbers, at)}")
    context = _found(request, numbers, at) | {"form": form.shown(), "shown": SHOWN}
    if len(numbers) == 1:
        context["periods"], context["has_more_periods"] = periods_of(numbers[0], request.user)
        context["periods_most"] = PERIODS_MOST
    return render(request, "history/who_had_it.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_look_up
def who_had_it_statement(request):
    form = _form(request)
    if not form.is_valid():
        return _show_errors(request, form)
    context = _found(request, form.cleaned_data["numbers"], form.cleaned_data["at"])
    since, counts = known_since(), context["counts"]
    context |= {
        "summary": f"{context['count']}: {', '.join(f'{n:,} {label}' for label, n in counts.items())}",
        "known_since": since and exact_time(since),
        "created": exact_time(clock.now()),
        "requested_by": _person(request.user),
    }
    return render(request, "history/statement.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required([*RIGHTS, "dids.export_did"], raise_exception=True)
def who_had_it_csv(request):
    form = _form(request)
    if not form.is_valid():
        return _show_errors(request, form)
    at = form.cleaned_data["at"]
    found = who_had(form.cleaned_data["numbers"], at, request.user)
    rows = chain([ownership.HEADER], (ownership.row(one, at) for one in found))
    return download(request, rows, f"who-had-it_{timezone.localtime(at):%Y-%m-%d_%H%M%S}")


def _form(request):
    """Return the form, unbound when the request has no parameters."""
    data = request.POST if request.method == "POST" else request.GET
    return WhoHadItForm(data if data or data is request.POST else None)


def _person(user):
    """Return a label such as "Ann Lee (ann), North"."""
    name = user.get_full_name()
    label = f"{name} ({user.get_username()})" if name else user.get_username()
    return f"{label}, {user.reseller}" if user.reseller_id else label


def _show_errors(request, form):
    if request.method == "POST":
        return render(request, "history/who_had_it.html", {"form": form.shown()}, status=422)
    return redirect(f"{reverse('audit:who_had_it')}?{request.GET.urlencode()}")


def _query(numbers, at):
    return urlencode({"numbers": ",".join(numbers), "at": timezone.localtime(at).isoformat()}, safe=",:")


def _found(request, numbers, at):
    """Return the context that the page and the statement share."""
    found = list(who_had(numbers, at, request.user))
    kinds = Counter(one.kind for one in found)
    counts = {label: sum(kinds[kind] for kind in group) for label, group in _COUNTED.items()}
    return {
        "found": found,
        "numbers": numbers,
        "count": count_noun(len(numbers), "number"),
        "counts": {label: count for label, count in counts.items() if count},
        "at": timezone.localtime(at),
        "at_label": exact_time(at),
        "zone": timezone.get_current_timezone_name(),
        "query": _query(numbers, at) if len(numbers) <= SHORT else "",
    }
