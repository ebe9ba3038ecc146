"""The rules that mark special numbers: their changes, the job that follows, and the counts of marks.

Each function that changes rules takes the ``version`` that the person saw (``MarkState.version``) and raises
``ChangedError`` if somebody has changed them since. It raises PatternError, with a sentence, for rules that
can't be read. It stores the rules with their tails, records a change, and returns a ``Saved``.
"""

from collections import Counter
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, Sum
from django.urls import reverse

import audit
from audit.models import Change
from didmgmt import clock
from didmgmt.text import count_noun, shorten
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models import DID, Mark, MarkCount, MarkState, PatternRule, PatternWord, Stock
from dids.models.marks import (
    TAILS_MOST,
    all_words,
    compiled,
    hold_tails,
    mark_again,
    rules_in_force,
    write_tails,
)
from dids.numbering.patterns import (
    CLASSES,
    SUGGESTED,
    SUGGESTED_WORDS,
    WORDS,
    WORDS_MOST,
    PatternError,
    read_word,
)
from jobs.kinds import JobKind, register
from jobs.models import Job
from operators.models import Operator

CHANGE = "dids.change_patternrule"  # the permission
CHUNK = 20_000  # numbers that are marked in one transaction
COUNT_EVERY = 600  # seconds
_LISTED = 5  # words that the audit log names


class ChangedError(Exception):
    """The rules are not those that the person saw; ``str()`` is a sentence for users."""

    def __init__(self):
        super().__init__(
            "Somebody else has changed the rules since you opened this page, so yours are not saved."
            " Look at the rules as they are now, then change them again."
        )


class Saved(NamedTuple):
    """``rule``: the one that was saved, None for several. ``job``: marks all numbers, None without need.

    ``done``: a sentence that says what was saved.
    """

    rule: PatternRule | None
    job: Job | None
    done: str

    @property
    def sentence(self) -> str:
        """What was saved, and what follows."""
        if self.job is None:
            return f"{self.done} No number has to be marked again."
        return f"{self.done} A job marks {count_noun(self.job.total or 0, 'number')} again."


class Rules(NamedTuple):
    """``rules`` in order, each with ``numbers`` and ``in_stock`` as of ``state.counted_at``.

    ``words``: those of ``PatternWord``, sorted. ``job``: the unfinished one that marks numbers, or None.
    """

    rules: list[PatternRule]
    words: list[str]
    state: MarkState
    job: Job | None


def pattern_rules(viewer):
    """Return the ``Rules`` with the counts of the numbers that ``viewer`` may see; five small queries."""
    rules = list(rules_in_force())
    counts = MarkCount.objects.filter(rule__in=[rule.pk for rule in rules])
    if viewer.reseller_id:
        counts = counts.filter(operator__in=Operator.objects.visible_to(viewer))
    sums = counts.order_by().values_list("rule").annotate(Sum("numbers"), Sum("in_stock"))
    found = {rule: tuple(numbers) for rule, *numbers in sums}
    for rule in rules:
        rule.numbers, rule.in_stock = found.get(rule.pk, (0, 0))
    job = Job.objects.unfinished().filter(kind=MarkJob.name).order_by("-created_at").first()
    return Rules(rules, all_words(), MarkState.current(), job)


# --- changes of the rules


def add_rule(*, mark_class, kind, text="", name, by, version):
    """Add a rule after all others."""
    rule = PatternRule(mark_class=mark_class, kind=kind, text=text, name=name)

    def write(rules):
        if len(rules) >= PatternRule.MOST:
            raise PatternError(f"There are {PatternRule.MOST} rules already. Delete one first.")
        rule.position = _after(rules)
        rule.save(force_insert=True)

    edited = [["Class", "", rule.class_label], ["Pattern", "", _shown(kind, text)]]
    done = f"Rule “{name}” is added after all others."
    return _save(f"Pattern rule “{name}” added", edited, write, done, by=by, version=version, rule=rule)


def edit_rule(pk, fields, *, by, version):
    """Set {name: value} of a rule in force: ``mark_class``, ``kind``, ``text``, ``name``."""
    rule = PatternRule.objects.filter(pk=pk, position__isnull=False).first()
    if rule is None:
        raise ChangedError
    edited = [
        [
            str(PatternRule._meta.get_field(name).verbose_name).capitalize(),
            str(getattr(rule, name)),
            str(value),
        ]
        for name, value in fields.items()
        if getattr(rule, name) != value
    ]
    label = f"Pattern rule “{rule}” changed"
    for name, value in fields.items():
        setattr(rule, name, value)
    done = f"Rule “{rule}” is saved."
    if not edited:
        return Saved(rule, None, done)

    def write(_rules):
        rule.save(update_fields=list(fields))

    return _save(label, edited, write, done, by=by, version=version, rule=rule)


def delete_rule(pk, *, by, version):
    """Delete a rule; its marks are shown to nobody from then on, and the job gives those of other rules."""
    rule = PatternRule.objects.filter(pk=pk, position__isnull=False).first()
    if rule is None:
        raise ChangedError

    def write(_rules):
        rule.position = None
        rule.save(update_fields=["position"])

    edited = [["Class", rule.class_label, ""], ["Pattern", _shown(rule.kind, rule.text), ""]]
    done = f"Rule “{rule}” is deleted."
    return _save(f"Pattern rule “{rule}” deleted", edited, write, done, by=by, version=version, rule=rule)


def move_rule(pk, place, *, by, version):
    """Put a rule at ``place``, 1 for the first one; a place after the last one is the last."""
    before = list(rules_in_force())
    rule = next((one for one in before if one.pk == pk), None)
    if rule is None:
        raise ChangedError
    was = before.index(rule) + 1
    order = [one for one in before if one.pk != pk]
    order.insert(max(place, 1) - 1, rule)
    now = order.index(rule) + 1
    done = f"Rule “{rule}” is number {now} now."
    if was == now:
        return Saved(rule, None, done)

    def write(rules):
        # Out of the way first: no two rules may have the same position at any time.
        rules.update(position=F("position") + _after(rules))
        first = _after(rules)
        for position, one in enumerate(order, first):
            one.position = position
        PatternRule.objects.bulk_update(order, ["position"])

    label, edited = f"Pattern rule “{rule}” moved", [["Place", str(was), str(now)]]
    return _save(label, edited, write, done, by=by, version=version, rule=rule)


def set_words(words, *, by, version):
    """Store these words in place of those there are; raises PatternError for one that is none."""
    wanted = sorted({read_word(word) for word in words})
    if len(wanted) > WORDS_MOST:
        raise PatternError(f"These are {len(wanted):,} words. Write at most {WORDS_MOST}.")
    stored = all_words()
    added, removed = (sorted({*some} - {*others}) for some, others in ((wanted, stored), (stored, wanted)))
    done = f"The list has {count_noun(len(wanted), 'word')}."
    if not added and not removed:
        return Saved(None, None, done)
    edited = [["Words", f"{len(stored)}", f"{len(wanted)}"]]
    edited += [[name, "", _listed(some)] for name, some in (("Added", added), ("Removed", removed)) if some]
    label = f"Words of pattern rules: {len(wanted)}"
    return _save(label, edited, lambda _rules: _write_words(added, removed), done, by=by, version=version)


def use_suggested(*, by, version):
    """Store the suggested rules and words where there are no rules."""

    def write(rules):
        if rules:
            raise ChangedError
        PatternRule.objects.bulk_create(
            PatternRule(position=position, **one._asdict()) for position, one in enumerate(SUGGESTED, 1)
        )
        _write_words(sorted({*SUGGESTED_WORDS} - {*all_words()}), [])

    edited = [["Rules", "", _listed([one.name for one in SUGGESTED], len(SUGGESTED))]]
    done = f"{len(SUGGESTED)} rules and {len(SUGGESTED_WORDS)} words are in force."
    return _save("Suggested pattern rules used", edited, write, done, by=by, version=version)


def mark_all_again(*, by):
    """Queue and return a job that marks all numbers, after one that was cancelled or has failed."""
    return _submit(by, MarkState.current().tails_version)


def _save(label, edited, write, done, *, by, version, rule=None):
    """Run ``write(rules in force)``, and store the tails of the rules that there are then."""
    data = {"edited": [[name, shorten(before, 200), shorten(after, 200)] for name, before, after in edited]}
    with audit.change(Change.Kind.PATTERN_RULE, by=by, label=label[:200], data=data) as change:
        state = MarkState.lock()
        if state.version != version:
            raise ChangedError
        change.touched += 1
        write(PatternRule.objects.filter(position__isnull=False).order_by("position"))
        state.version += 1
        tails = compiled(_stored_rules(), all_words())
        if len(tails) > TAILS_MOST:
            raise PatternError(
                f"All rules together would stand for {len(tails):,} ends of numbers, and {TAILS_MOST:,} are"
                " possible. Write a shorter pattern, or delete a rule."
            )
        job = None
        if write_tails(tails):
            state.tails_version = state.version
            if DID.objects.exists():
                job = _submit(by, state.version)
            else:
                state.marked_version = state.version
        if job is None:
            _delete_retired()
        state.save()
    return Saved(rule, job, done)


def _stored_rules():
    return list(PatternRule.objects.filter(position__isnull=False).order_by("position"))


def _after(rules):
    """Return a position after all of ``rules``, a queryset."""
    return max((rule.position for rule in rules.all()), default=0) + 1


def _write_words(added, removed):
    PatternWord.objects.filter(word__in=removed).delete()
    PatternWord.objects.bulk_create(PatternWord(word=word) for word in added)


def _shown(kind, text):
    return "words" if kind == WORDS else text


def _listed(names, most=_LISTED):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


# --- the job


def _submit(user, version):
    total = Stock.objects.total()
    return Job.objects.submit(
        kind=MarkJob.name,
        owner=user,
        label=f"Pattern marks of {count_noun(total, 'number')}",
        total=total,
        params={"version": version},
    )


class MarkJob(JobKind):
    """Give all numbers the marks of the present rules, by ranges of their ids.

    It ends early if the rules have changed again, since another job follows that change. Numbers that are
    created meanwhile have their marks already.
    """

    name, label, url_label = "mark", "Pattern marks", "Show the numbers with a mark"

    def run(self, job):
        version = job.params["version"]
        after = job.cursor.get("after", 0)
        while after is not None:
            # As any writer: a change of the rules waits for this chunk, and the next one finds it.
            hold_tails()
            if MarkState.current().tails_version != version:
                return _superseded(job)
            after, count = mark_again(after, job.at_once(CHUNK))
            job.done += count
            job.cursor = {"after": after}
            yield
        counts = _counted(clock.now())
        state = MarkState.lock()
        if state.tails_version != version:
            return _superseded(job)
        state.marked_version = version
        _delete_retired()
        _store_counts(state, counts)
        job.result = {"classes": _by_class(counts)}
        return None

    def sentence(self, job):
        if "superseded" in job.result:
            return (
                f"Marked {count_noun(job.done, 'number')}, then stopped: the rules have been changed again,"
                " and a later job marks all numbers."
            )
        if "classes" not in job.result:
            return f"Marked {count_noun(job.done, 'number')} so far." if job.done else ""
        counts = job.result["classes"]
        classes = ", ".join(f"{counts[one]:,} {one}" for one in CLASSES)
        return f"Marked {count_noun(job.done, 'number')}: {classes}."

    def url(self, job):
        return f"{reverse('dids:list')}?mark=any" if "classes" in job.result else ""


register(MarkJob())


def _superseded(job):
    job.result = {"superseded": True}
    return Job.State.CANCELLED


def _delete_retired():
    """Delete the rules that were deleted and mark no number any more."""
    marks = Mark.objects.filter(rule=OuterRef("pk"))
    PatternRule.objects.filter(~Exists(marks), position__isnull=True).delete()


# --- counts


def count_marks(now):
    """Count the numbers of each rule, and those In Stock at ``now``; return how many counts were stored.

    Reads every mark with its number.
    """
    if not PatternRule.objects.filter(position__isnull=False).exists():
        return 0
    counts = _counted(now)
    with transaction.atomic():
        return _store_counts(MarkState.lock(), counts)


def _counted(now):
    """Return {(rule, operator): (numbers, numbers In Stock)} of the rules in force."""
    rules = [rule.pk for rule in rules_in_force()]
    marked = DID.objects.filter(mark__rule__in=rules).annotate(status_then=holds.status_expression(now))
    in_stock = Count("pk", filter=Q(status_then=st.INSTOCK))
    rows = marked.order_by().values_list("mark__rule", "operator").annotate(Count("pk"), in_stock=in_stock)
    return {(rule, operator): tuple(counts) for rule, operator, *counts in rows}


def _store_counts(state, counts):
    """Store what ``_counted`` has found; ``state`` is locked."""
    rules = {rule.pk for rule in rules_in_force()}
    MarkCount.objects.all().delete()
    stored = MarkCount.objects.bulk_create(
        MarkCount(rule_id=rule, operator_id=operator, numbers=numbers, in_stock=in_stock)
        for (rule, operator), (numbers, in_stock) in counts.items()
        if rule in rules
    )
    state.counted_at = clock.database_now()
    state.save()
    return len(stored)


def _by_class(counts):
    """Return {class: numbers} of all classes, of what ``_counted`` has found."""
    classes = {rule.pk: rule.mark_class for rule in rules_in_force()}
    found: Counter[str] = Counter()
    for (rule, _), (numbers, _) in counts.items():
        found[classes.get(rule, "")] += numbers
    return {one: found[one] for one in CLASSES}
