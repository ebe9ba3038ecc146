"""The page of rules, and the dialogs that change minimum holds.

Whoever sees numbers sees the rules; those of the installation are changed by administrators of all resellers.
"""

from copy import copy

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.db import IntegrityError, transaction
from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from didmgmt import clock, dialogs
from didmgmt.parameters import takes
from didmgmt.text import count_noun
from dids.exports.breaches import breach_rows
from dids.forms.ageing import NewRuleForm, RuleForm
from dids.history.breaches import SHOWN, SOLD_MOST
from dids.history.minimums import minimums
from dids.job_kinds import MinimumJob, hold_ends_moved, submit_minimum
from dids.models import AgeingRule
from jobs.models import SMALL, Job
from screens.answers import queued
from screens.downloads import download, file_name
from screens.people.people import confirm
from screens.records import has_installation_wide, installation_wide
from screens.rules.marks import panels

CHANGE = "dids.change_ageingrule"
may_view = permission_required("dids.view_did", raise_exception=True)
may_set = installation_wide(CHANGE)
_IN_A_JOB = f"More than {SMALL:,} of its numbers are on Hold: a job moves their ends in the background."


@require_safe
@may_view
@takes("numbers")
def rule_list(request):
    user = request.user
    context = {
        "minimums": minimums(user, clock.now()),
        "may_set": has_installation_wide(user, CHANGE),
        "jobs": Job.objects.visible_to(user).unfinished().filter(kind=MinimumJob.name),
        "default_days": settings.HOLD_DAYS,
        "shown": SHOWN,
        "sold_most": SOLD_MOST,
    }
    context |= panels(request)
    return render(request, "rules/list.html", context)


@require_safe
@permission_required("dids.export_did", raise_exception=True)
@takes()
def breach_export(request):
    """Send all breaches of the last year as CSV."""
    now = clock.now()
    return download(request, breach_rows(request.user, now), file_name("breaches", None, now))


@dialogs.view
@may_set
def rule_new(request):
    form = NewRuleForm(dialogs.posted(request), instance=AgeingRule())
    if form.is_valid() and _create(form, request.user):
        return _done(request, f"The minimum hold of {form.instance} does nothing until it is accepted.")
    return _show(request, form, "Minimum hold of a prefix", "Add")


def _create(form, user):
    """Store the rule; return False if another one of the same prefix was stored meanwhile."""
    try:
        with transaction.atomic():
            form.instance.create(by=user)
    except IntegrityError:
        form.instance.pk = None
        form.full_clean()
        if not form.errors:
            raise
        return False
    return True


@dialogs.view
@may_set
def rule_edit(request, pk):
    rule = get_object_or_404(AgeingRule, pk=pk)
    form = RuleForm(dialogs.posted(request), instance=copy(rule))  # which it fills with what was entered
    if form.is_valid() and (running := _running(rule)):
        form.add_error(None, running)
    if form.is_valid():
        if rule.accepted_at and form.values["days"] != rule.days and _is_large(rule):
            return queued(request, submit_minimum(request.user, rule, "change", form.values))
        moved = rule.change(form.values, by=request.user)
        if moved is not None:
            days = _days(form.values["days"])
            return _done(request, f"The minimum hold of {rule} is {days}.{hold_ends_moved(moved)}")
        form.add_error(None, "This rule has been removed in the meantime.")
    return _show(request, form, f"Minimum hold of {rule}", "Save")


@dialogs.view
@may_set
def rule_accept(request, pk):
    rule = get_object_or_404(AgeingRule, pk=pk)
    refusal = f"The minimum hold of {rule} has been accepted already." if rule.accepted_at else _running(rule)
    is_large = not refusal and _is_large(rule)
    if is_large and request.method == "POST":
        return queued(request, submit_minimum(request.user, rule, "accept"))
    held = 0 if refusal else rule.held_back(request.user, clock.now())
    return confirm(
        request,
        lambda: _found(rule.accept(by=request.user)),
        list_url=reverse("rules:list"),
        title=f"Accept {_days(rule.days)} for {rule}?",
        says=[
            f"It holds back {count_noun(held, 'number')} now: no other client gets one before its time."
            if held
            else "It holds back no number now.",
            f"From then on, a Hold of {rule} lasts at least {_days(rule.days)}, also one that runs now.",
            *([_IN_A_JOB] if is_large else []),
        ],
        button="Accept",
        done=lambda moved: (
            f"The minimum hold of {rule} is in force: {_days(rule.days)}.{hold_ends_moved(moved)}"
        ),
        refusal=refusal,
    )


@dialogs.view
@may_set
def rule_remove(request, pk):
    rule = get_object_or_404(AgeingRule, pk=pk)
    refusal = _running(rule)
    is_large = bool(rule.accepted_at) and not refusal and _is_large(rule)
    if is_large and request.method == "POST":
        return queued(request, submit_minimum(request.user, rule, "remove"))
    says = "It is not in force, so nothing changes for numbers."
    if rule.accepted_at:
        says = (
            "Its numbers follow the rule of a shorter prefix then, or none. Running holds end as their hold"
            " days say, some of them now."
        )
    return confirm(
        request,
        lambda: rule.remove(by=request.user),
        list_url=reverse("rules:list"),
        title=f"Remove the minimum hold of {rule}?",
        says=[says, *([_IN_A_JOB] if is_large else [])],
        button="Remove",
        done=lambda moved: f"The minimum hold of {rule} is removed.{hold_ends_moved(moved)}",
        danger=True,
        refusal=refusal,
    )


def _found(moved):
    if moved is None:
        raise Http404
    return moved


def _days(days):
    return count_noun(days, "day")


def _is_large(rule):
    """Whether so many of its numbers are on Hold that a job moves them."""
    return rule.holds().count() > SMALL


def _running(rule):
    """Return why nothing can be done to the rule while a job does; "" otherwise."""
    jobs = Job.objects.unfinished().filter(kind=MinimumJob.name, params__rule=rule.pk)
    return f"A job changes the minimum hold of {rule}. Wait until it has ended." if jobs.exists() else ""


def _done(request, sentence):
    return dialogs.done(request, sentence, reverse("rules:list"))


def _show(request, form, title, verb):
    back_url = dialogs.back_to(request, reverse("rules:list"))
    return dialogs.show_form(request, form, title, verb, back_url=back_url)
