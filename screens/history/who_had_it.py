"""Who had which numbers at a moment: asked and answered on a page, as a statement to print, as CSV.

A short list is asked by an address that can be kept, a long one is sent; both are answered alike. It is never
read from a replica, which may be behind.
"""

from collections import Counter
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from audit.pruning import known_since
from clients.models import counted
from dids.history.ownership import (
    ABSENT,
    DELETED,
    FREE,
    NEVER,
    PERIODS,
    RESTS,
    UNKNOWN,
    USED,
    exactly,
    periods_of,
    who_had,
)
from screens.history.forms import WhoHadItForm
from screens.numbers.export import download

SHORT = 100  # numbers that an address can hold whatever server it goes through
SHOWN = 500  # answers on the page; the statement and the file have them all
RIGHTS = ("audit.view_change", "dids.view_did")

may_ask = permission_required(RIGHTS, raise_exception=True)

_COUNTED = {
    "had by a client": {USED},
    "resting after use": {RESTS},
    "had by nobody": {FREE},
    "not in the inventory then": {ABSENT, DELETED},
    "never in the inventory": {NEVER},
    "not known": {UNKNOWN},
}


@require_http_methods(["GET", "HEAD", "POST"])
@may_ask
def who_had_it(request):
    form = _form(request)
    if not form.is_bound:
        return render(request, "history/who_had_it.html", {"form": form})
    if not form.is_valid():
        return render(request, "history/who_had_it.html", {"form": form.shown()}, status=422)
    numbers, moment = form.cleaned_data["numbers"], form.cleaned_data["at"]
    if request.method == "POST" and len(numbers) <= SHORT:
        return redirect(f"{request.path}?{_query(numbers, moment)}")
    context = _answered(request, numbers, moment) | {"form": form.shown(), "shown": SHOWN}
    if len(numbers) == 1:
        context["periods"], context["more_periods"] = periods_of(numbers[0], request.user)
        context["most_periods"] = PERIODS
    return render(request, "history/who_had_it.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_ask
def who_had_it_statement(request):
    """A page to be printed."""
    form = _form(request)
    if not form.is_valid():
        return _back(request, form)
    context = _answered(request, form.cleaned_data["numbers"], form.cleaned_data["at"])
    since = known_since()
    context |= {"known_since": since and exactly(since), "made": exactly(timezone.now())}
    return render(request, "history/statement.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required([*RIGHTS, "dids.export_did"], raise_exception=True)
def who_had_it_csv(request):
    form = _form(request)
    if not form.is_valid():
        return _back(request, form)
    moment = form.cleaned_data["at"]
    answers = who_had(form.cleaned_data["numbers"], moment, request.user)
    name = f"who-had-it_{timezone.localtime(moment):%Y-%m-%d_%H%M%S}"
    return download(_rows(answers, moment), name)


def _form(request):
    """What is asked; unbound when nothing is."""
    asked = request.POST if request.method == "POST" else request.GET
    return WhoHadItForm(asked if "numbers" in asked or asked is request.POST else None)


def _back(request, form):
    """Errors are told on the page; of a question that was sent, here and now."""
    if request.method == "POST":
        return render(request, "history/who_had_it.html", {"form": form.shown()}, status=422)
    return redirect(f"{reverse('audit:who_had_it')}?{request.GET.urlencode()}")


def _query(numbers, moment):
    at = timezone.localtime(moment).isoformat()
    return urlencode({"numbers": ",".join(numbers), "at": at}, safe=",:")


def _answered(request, numbers, moment):
    answers = list(who_had(numbers, moment, request.user))
    kinds = Counter(answer.kind for answer in answers)
    counts = {words: sum(kinds[kind] for kind in of) for words, of in _COUNTED.items()}
    return {
        "answers": answers,
        "numbers": numbers,
        "count": counted(len(numbers), "number"),
        "counts": {words: count for words, count in counts.items() if count},
        "moment": timezone.localtime(moment),
        "moment_told": exactly(moment),
        "zone": timezone.get_current_timezone_name(),
        "query": _query(numbers, moment) if len(numbers) <= SHORT else "",
    }


# --- CSV --------------------------------------------------------------------------------------------

_ANSWERS = {
    USED: "had",
    RESTS: "rests after",
    FREE: "nobody",
    ABSENT: "not in the inventory then",
    DELETED: "deleted",
    NEVER: "never in the inventory",
    UNKNOWN: "not known",
}


def _rows(answers, moment):
    """The header, then a row an answer; moments as ISO 8601 with their distance to UTC."""
    yield (
        *("DID", "Moment", "Answer", "Status", "Client", "Client then", "Account", "Account then"),
        *("Package", "Package then", "From", "From by", "From what", "From change"),
        *("Until", "Until by", "Until what", "Until change", "Note"),
    )
    asked = _iso(moment)
    for answer in answers:
        period, told = answer.period, answer.told
        yield (
            *(answer.number, asked, _ANSWERS[answer.kind], answer.status),
            *(period.client, period.client_then, period.account_name, period.account_then),
            *(period.package, period.package_then),
            *_turn(told and told.began),
            *_turn(told and told.ended),
            answer.note,
        )


def _turn(turn):
    if turn is None:
        return ("",) * 4
    return _iso(turn.at), turn.actor, turn.what, turn.change.pk if turn.change else ""


def _iso(moment):
    return timezone.localtime(moment).isoformat(" ")
