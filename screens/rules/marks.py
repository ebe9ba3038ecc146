"""Pattern marks: the rules that mark special numbers, a try-out, and the dialogs that change the rules."""

from django.contrib import messages
from django.http import Http404
from django.urls import reverse
from django.views.decorators.http import require_POST

from didmgmt import dialogs
from didmgmt.addresses import go_to
from didmgmt.text import count_noun, parse_whole
from dids import marks
from dids.forms.marks import MarkRuleForm, TryForm, WordsForm
from dids.lists.tried import tried
from dids.models import MarkState, PatternRule, Stock
from dids.models.marks import all_words, rules_in_force
from dids.numbering import patterns
from screens.people.people import confirm
from screens.records import has_installation_wide, installation_wide
from staff.people import RefusedError

may_set = installation_wide(marks.CHANGE)


def panels(request):
    """Return the context of the panels: the rules with their counts, and the numbers that are tried."""
    found, user = marks.pattern_rules(request.user), request.user
    form = TryForm(request.GET if "numbers" in request.GET else None)
    may_change = has_installation_wide(user, marks.CHANGE)
    return {
        "marks": found,
        "mark_rows": [_row(place, rule, found.words) for place, rule in enumerate(found.rules, start=1)],
        "may_mark": may_change,
        "mark_total": Stock.objects.total() if may_change else None,
        "follows_job": found.job and found.job.owner_id == user.pk,
        "try_form": form,
        "tried": tried(form.cleaned_data["numbers"]) if form.is_valid() else [],
    }


def _row(place, rule, words):
    """Return what the list shows of a rule: its place, an example as (beginning, tail), and its pattern."""
    head, tail = patterns.example(rule.kind, rule.text, words)
    pattern = rule.text
    if rule.kind == patterns.LADDER:
        pattern = f"{tail}, {patterns.DIGITS[::-1][: len(tail)]}"
    elif rule.kind == patterns.WORDS:
        pattern = f"{words[0]}, {count_noun(len(words), 'word')}" if words else "no word yet"
    return {"place": place, "rule": rule, "head": head, "tail": tail, "pattern": pattern}


@dialogs.view
@may_set
def mark_new(request):
    return _save_rule(request, PatternRule(), "Add a rule", "Add", marks.add_rule)


@dialogs.view
@may_set
def mark_edit(request, pk):
    rule = _rule(pk, rules_in_force())
    return _save_rule(
        request,
        rule,
        f"Rule “{rule}”",
        "Save",
        lambda by, version, **values: marks.edit_rule(pk, values, by=by, version=version),
    )


def _save_rule(request, rule, title, verb, save):
    form = MarkRuleForm(dialogs.posted(request), instance=rule, version=MarkState.current().version)
    if form.is_valid() and (saved := _saved(form, "text", save, request.user, **form.values)):
        return _done(request, saved.sentence)
    return dialogs.show_form(request, form, title, verb, back_url=_back(request))


@dialogs.view
@may_set
def mark_words(request):
    state = MarkState.current()
    form = WordsForm(dialogs.posted(request), words=all_words(), version=state.version)
    if form.is_valid() and (
        saved := _saved(form, "words", marks.set_words, request.user, words=form.cleaned_data["words"])
    ):
        return _done(request, saved.sentence)
    return dialogs.show_form(request, form, "Words of pattern marks", "Save", back_url=_back(request))


def _saved(form, field, save, user, **values):
    """Return the ``Saved``; None if it was refused, with the reason among the errors of the form."""
    try:
        return save(**values, by=user, version=form.cleaned_data["version"])
    except marks.ChangedError as error:
        form.add_error(None, str(error))
    except patterns.PatternError as error:
        form.add_error(field, str(error))
    return None


@dialogs.view
@may_set
def mark_delete(request, pk):
    found = marks.pattern_rules(request.user)
    rule = _rule(pk, found.rules)
    marked = f"{count_noun(rule.numbers, 'number')} {'has' if rule.numbers == 1 else 'have'} its mark"
    return _confirm(
        request,
        lambda version: marks.delete_rule(pk, by=request.user, version=version),
        title=f"Delete the rule “{rule}”?",
        says=[
            *([f"{marked}, {rule.in_stock:,} of them In Stock."] if found.state.counted_at else []),
            "Its numbers get the mark of a later rule that fits them, or none.",
            _will_mark(),
        ],
        button="Delete the rule",
        done=lambda saved: saved.sentence,
        danger=True,
        sent={"version": found.state.version},
    )


@dialogs.view
@may_set
def mark_suggested(request):
    state = MarkState.current()
    rules, words = len(patterns.SUGGESTED), len(patterns.SUGGESTED_WORDS)
    exist = "There are rules already. Change or delete them instead." if rules_in_force() else ""
    return _confirm(
        request,
        lambda version: marks.use_suggested(by=request.user, version=version),
        title="Use the suggested rules?",
        says=[
            f"{rules} rules and {words} keypad words mark numbers as gold, silver or bronze.",
            "You can change them afterwards.",
            _will_mark(),
        ],
        button="Use them",
        done=lambda saved: saved.sentence,
        refusal=exist,
        sent={"version": state.version},
    )


def _confirm(request, act, **context):
    def change():
        try:
            return act(_version(request))
        except (marks.ChangedError, patterns.PatternError) as error:
            raise RefusedError(str(error)) from None

    return confirm(request, change, list_url=reverse("rules:list"), **context)


@require_POST
@may_set
def mark_move(request, pk):
    """Put a rule one place up or down: ``place`` is the place that it gets, 1 for the first one."""
    rule = _rule(pk, rules_in_force())
    back = go_to(f"{reverse('rules:list')}#marks-title")
    place = parse_whole(request.POST.get("place", ""), most=PatternRule.MOST)
    if not place:
        messages.error(request, f"Rule “{rule}” stays where it is. Move it with the arrows of its row.")
        return back
    try:
        saved = marks.move_rule(pk, place, by=request.user, version=_version(request))
    except marks.ChangedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, saved.sentence)
    return back


@require_POST
@may_set
def mark_again(request):
    """Queue the job that marks all numbers, after one that was cancelled or has failed."""
    marks.mark_all_again(by=request.user)
    messages.success(request, f"A job marks {count_noun(Stock.objects.total(), 'number')} again.")
    return go_to(f"{reverse('rules:list')}#marks-title")


def _rule(pk, rules):
    rule = next((rule for rule in rules if rule.pk == pk), None)
    if rule is None:
        raise Http404
    return rule


def _version(request):
    """Return the version of the rules that the person saw; one that never was if none was sent."""
    version = parse_whole(request.POST.get("version", ""))
    return -1 if version is None else version


def _will_mark():
    return f"A job then marks {count_noun(Stock.objects.total(), 'number')} again."


def _back(request):
    return dialogs.back_to(request, reverse("rules:list"))


def _done(request, sentence):
    return dialogs.done(request, sentence, reverse("rules:list"))
