"""The overview: what is in stock, what needs somebody, where it runs dry, what comes back; and what was."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from clients.models import Reseller
from didmgmt import clock
from didmgmt.addresses import go_to
from didmgmt.parameters import takes
from didmgmt.replica import may_lag
from didmgmt.templatetags.look import required_control
from didmgmt.text import parse_whole
from dids.exports.stock import stock_rows
from dids.forecast import DAYS
from dids.forms.overview import AsOfForm, ScopeForm
from dids.lifecycle import statuses as st
from dids.models.stock_days import COUNTRY, OPERATOR, PREFIX, SUBJECTS, TAG, TYPE, places_kept_since
from dids.overview import (
    AHEAD,
    ALL_MOST,
    GROUPED,
    PAST,
    RANKED,
    SHOWN,
    SOON,
    STATUSES,
    Overview,
    Subject,
)
from dids.past_overview import PastOverview
from screens.downloads import download, file_name
from screens.overview import plots

SUBJECT_WORDS = {PREFIX: ("Prefix", "prefixes"), TAG: ("Tag", "tags"), OPERATOR: ("Operator", "operators")}
GROUP_WORDS = {
    TAG: ("Tag", "tags"),
    COUNTRY: ("Country", "countries"),
    TYPE: ("Type", "types"),
    PREFIX: ("Prefix", "prefixes"),
}
CONCERNS = 7
KEPT = ("as_of", "reseller", "forecast", "group", "subjects")  # parameters that forms of the page send on
GROUP_ROWS = 11
LABELLED, LABEL = 4, 16  # percent: the narrowest segment with a label, and the room of one
SMALL = {"back": PAST, "ahead": AHEAD, "height": 22, "bottom": 21, "top": 1}
LARGE = {"back": PAST, "ahead": AHEAD, "height": 232, "bottom": 206, "top": 26, "long": True}


def _is_forecast(value):
    return value.partition(":")[0] in SUBJECTS


@require_safe
@permission_required("dids.view_did", raise_exception=True)
@may_lag
@takes(
    "as_of",
    reseller=lambda value: parse_whole(value) is not None,
    forecast=_is_forecast,
    group=lambda value: value in GROUPED,
    subjects=lambda value: value == "all",
)
def overview(request):
    reseller, form = _reseller(request), AsOfForm(request.GET)
    context = {"reseller": reseller, "given": _given(request, KEPT)}
    if not request.user.reseller_id:
        context["scope_form"] = ScopeForm(initial={"reseller": reseller}, by=request.user)
    if not form.is_valid():
        (error,) = form.errors.as_data()["as_of"]
        context |= {"form": form, "nearest": (error.params or {}).get("nearest")}
        return render(request, "overview/not_kept.html", context, status=422)
    if counted := form.cleaned_data["as_of"]:
        context |= _past_context(PastOverview(request.user, counted, reseller), form, request)
        return render(request, "overview/past.html", context)
    found = Overview(request.user, clock.now(), reseller)
    context |= {"overview": found, "as_of_control": _as_of_control()}
    if found.total:
        context |= _context(found, request)
    return render(request, "overview/overview.html", context)


@require_safe
@permission_required("dids.export_did", raise_exception=True)
@may_lag
@takes("as_of", reseller=lambda value: parse_whole(value) is not None, group=lambda value: value in GROUPED)
def overview_export(request):
    """Send the stock by status of all numbers, of each operator and of each group that the page shows."""
    now, by, reseller = clock.now(), request.GET.get("group", "").strip() or TAG, _reseller(request)
    form = AsOfForm(request.GET)
    counted = form.cleaned_data["as_of"] if form.is_valid() else None
    if not form.is_valid() or (counted and not counted.has(by)):
        return go_to(f"{reverse('overview:stock')}?{request.GET.urlencode()}")  # it says what is wrong
    if counted:
        rows = stock_rows(PastOverview(request.user, counted, reseller), by)
        return download(request, rows, file_name("stock", None, now, f"as of {counted} by {by}"))
    rows = stock_rows(Overview(request.user, now, reseller), by)
    return download(request, rows, file_name("stock", None, now, f"by {by}"))


@cache
def _as_of_control():
    """Return the control of the present, where it is empty."""
    return required_control(AsOfForm()["as_of"], "as-of")


def _given(request, names):
    """Return (name, value) of these parameters, as far as they have one."""
    return [(name, request.GET[name]) for name in names if request.GET.get(name, "").strip()]


def _reseller(request):
    """Return the reseller whose numbers are wanted, None for all; 404 for one that the user may not see."""
    pk = parse_whole(request.GET.get("reseller", "").strip())
    return get_object_or_404(Reseller.objects.visible_to(request.user), pk=pk) if pk else None


def home(request):
    """Go to the page with which the person begins."""
    return redirect("overview:stock" if request.user.first_page == "overview" else "dids:list")


def _context(found, request):
    """Return what the page of the present shows."""
    link = _Link(request)
    of, _, key = (request.GET.get("forecast", "").strip() or PREFIX).partition(":")
    concerns = found.concerns()
    context = _counts(found, request, link)
    context |= {
        "hold_url": _dids({"status": st.HOLD} | context["scope"]),
        "concerns": [(one, _forecast_url(one, link)) for one in concerns[:CONCERNS]],
        "more_concerns": len(concerns) - CONCERNS,
        "returns": plots.return_plot(found.returns()) if found.counted_at else None,
        "forecast_tabs": [
            (words[0], link(forecast=one, subjects=None), one == of) for one, words in SUBJECT_WORDS.items()
        ],
        "needed": DAYS[0],
    }
    return context | _forecasts(found, of, key, request.GET.get("subjects") == "all", link)


def _past_context(found, form, request):
    """Return what the page as of a past day shows."""
    link, counted = _Link(request), form.cleaned_data["as_of"]
    zone = timezone.get_default_timezone_name()
    context = {
        "overview": found,
        "day": counted.day,
        "as_of_control": required_control(form["as_of"], "as-of"),
        "now_url": f"{reverse('overview:stock')}{link(as_of=None)}",
        "other_zone": None if zone == timezone.get_current_timezone_name() else zone,
    }
    if found.total:
        context |= _counts(found, request, link)
        if not counted.has(context["by"]):
            context |= {"lacking": True, "kept_since": places_kept_since(), "export_url": None}
    return context


def _counts(found, request, link):
    """Return the counts, groups and flows of an overview, of the present or of a past day."""
    by = request.GET.get("group", "").strip() or TAG
    scope, as_of = (dict(_given(request, [name])) for name in ("reseller", "as_of"))
    in_lists = scope | found.in_lists
    return {
        "by": by,
        "scope": scope,
        "dids_url": _dids(in_lists),
        "statuses": [(count, _dids({"status": count.status} | in_lists)) for count in found.statuses],
        "status_labels": [st.LABELS[status] for status in STATUSES],
        "most": max(count.numbers for count in found.statuses),
        "flows": plots.flow_plot(found.flows()),
        "export_url": f"{reverse('overview:export')}?{urlencode({'group': by} | scope | as_of)}",
        "operators": _groups(found.grouped(OPERATOR), "operator", "operators"),
        "groups": _groups(found.grouped(by), *GROUP_WORDS[by]),
        "group_tabs": [(words[0], link(group=one), one == by) for one, words in GROUP_WORDS.items()],
    }


def _dids(query):
    """Return the address of the list of numbers with these parameters."""
    return f"{reverse('dids:list')}?{urlencode(query)}" if query else reverse("dids:list")


class _Link:
    """Addresses of this page with other parameters."""

    def __init__(self, request):
        self.given = {name: value for name, value in request.GET.items() if value.strip()}

    def __call__(self, **changes):
        return f"?{urlencode({name: value for name, value in (self.given | changes).items() if value})}"


def _forecast_url(concern, link):
    subject = concern.subject
    return link(forecast=f"{subject.of}:{subject.key}", subjects=None) + "#forecast" if subject else ""


def _groups(groups, word, words):
    """Return what the panel of groups shows: some rows as bars to one scale, and all in the table."""
    most = max((group.total for group in groups), default=1)
    rows = [(group, plots.segments(group.counts, most)) for group in groups[:GROUP_ROWS]]
    return {
        "word": word.capitalize(),
        "words": words,
        "rows": rows,
        "all": groups,
        "have_blocks": any(group.blocks for group in groups),
        "labels": _segment_labels(rows[0][1]) if rows else [],
    }


def _segment_labels(segments):
    """Return those that have room for their name."""
    shown, end = [], 0
    for segment in segments:
        if segment.width >= LABELLED and end <= segment.x <= 100 - LABEL:
            shown.append(segment)
            end = segment.x + LABEL
    return shown


@dataclass
class DryRow:
    subject: Subject
    url: str
    current: bool
    curve: plots.Curve
    dry: date | None
    low: date | None

    @property
    def is_low(self):
        return self.subject.forecast().low == 0

    @property
    def is_soon(self):
        """Whether it runs dry so soon that somebody should act."""
        dry = self.subject.forecast().dry
        return dry is not None and dry <= SOON.days


def _forecasts(found, of, key, everything, link):
    """Return the context of the two panels of forecasts."""
    word, words = SUBJECT_WORDS[of]
    context = {"forecast_word": word, "forecast_words": words, "days_known": found.history_days}
    if not found.counted_at or found.history_days < DAYS[0]:
        return context
    ranked = found.subjects(of, ALL_MOST if everything else RANKED)
    shown = ranked if everything else ranked[:SHOWN]
    chosen = next((one for one in ranked if one.key == key), None) or (key and found.subject(of, key)) or None
    if not key and shown:
        chosen = shown[0]
    past = found.past(
        of, [one.key for one in {id(one): one for one in [*shown, *filter(None, [chosen])]}.values()]
    )
    rows = [
        DryRow(
            one,
            link(forecast=f"{of}:{one.key}") + "#forecast",
            chosen is not None and one.key == chosen.key,
            plots.curve(one, past[one.key], found.base, **SMALL),
            _day(found, one.forecast().dry),
            _day(found, one.forecast().low),
        )
        for one in shown
    ]
    context |= {
        "rows": rows,
        "subjects_total": found.count_subjects(of),
        "all_url": None if everything else link(forecast=f"{of}:{key}" if key else of, subjects="all"),
        "asked": key,
    }
    if chosen:
        context |= {"chosen": chosen, "chosen_plot": _large(found, chosen, past[chosen.key])}
    return context


def _day(found, ahead):
    return None if ahead is None else found.base + timedelta(days=ahead)


def _large(found, chosen, past):
    """Return the plot of one subject, with the days and the rows of its table."""
    forecast = chosen.forecast()
    long = chosen.forecast(DAYS[1]) if found.history_days >= DAYS[1] else None
    return {
        "curve": plots.curve(chosen, past, found.base, **(LARGE | {"long": long is not None})),
        "dry": _day(found, forecast.dry),
        "low": _day(found, forecast.low),
        "is_low": forecast.low == 0,
        "long_dry": _day(found, long.dry) if long else None,
        "has_long": long is not None,
        "rate": chosen.rates[DAYS[0]],
        "long_rate": chosen.rates[DAYS[1]],
        "past": [(found.base + timedelta(days=day), stock) for day, stock in past if day % 7 == 0],
        "ahead": [(_day(found, day), round(stock)) for day, stock in forecast.curve(AHEAD)[7::7]],
        "gaps": PAST + 1 - len(past),
    }
