"""Pattern rules, which mark special numbers, and the keypad words that some of them look for.

All rules have one version, the first part of each ETag: a change of any of them may change what another one
marks. Each change of a tail is followed by a job that marks all numbers again.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router, Schema
from pydantic import Field as Member
from pydantic import StrictInt, StrictStr

from api.access import also_needs, found, needs_scope
from api.bulk import QueuedJob, queued_job
from api.facts import answers_with, conditional
from api.fields import MAYBE_WHOLE, RECORD, TEXT, WHOLE, Field, Fields, answer, moment
from api.idempotency import once
from api.inputs import Body, sent
from api.problems import ProblemError, error, errors_of, invalid, refuse_unknown
from api.records import expected_version, record_answer, record_fields
from api.writes import done, installation_wide
from didmgmt.replica import may_lag
from dids import marks
from dids.forms.marks import MarkRuleForm
from dids.models import MarkState, PatternRule
from dids.models.marks import all_words
from dids.numbering.patterns import (
    CLASSES,
    LADDER,
    LETTERS,
    PATTERN,
    WORDS,
    WORDS_MOST,
    PatternError,
    read_word,
)

router = Router(tags=["Pattern rules"])
may_read = needs_scope("pattern-rules", "read")
_unbound = installation_wide(marks.CHANGE, needs_scope("pattern-rules", "write"))

_CLASS: dict[str, Any] = {"enum": [*CLASSES]}
_KIND: dict[str, Any] = {"enum": [PATTERN, LADDER, WORDS]}
_TEXT = "The pattern, such as AABB; how many digits a ladder has; nothing for words"
_TAKE_BACK = "Null: a rule is changed again, not undone"


def may_write(operation: Any) -> Any:
    """Admit who changes the rules of all resellers, by a token with the scope."""
    return also_needs({"a change": (marks.CHANGE,)})(_unbound(operation))


PATTERN_RULE = Fields(
    "PatternRule",
    [
        Field("id", lambda row: row.pk, WHOLE, "Its id, also `mark_rule` of the list of numbers", 4),
        Field("place", lambda row: row.place, WHOLE, "Its place: the first rule that fits decides", 5),
        Field("mark_class", lambda row: row.mark_class, {**TEXT, **_CLASS}, "Its class", "silver"),
        Field("kind", lambda row: row.kind, {**TEXT, **_KIND}, "What it looks for", PATTERN),
        Field("text", lambda row: row.text, TEXT, _TEXT, "AABB"),
        Field("name", lambda row: row.name, TEXT, "What people read", "Two pairs at the end"),
        Field(
            "numbers",
            lambda row: row.numbers,
            MAYBE_WHOLE,
            "How many numbers that you may see it marks, at `counted_at`; null before the first count",
            146,
        ),
        Field("in_stock", lambda row: row.in_stock, MAYBE_WHOLE, "How many of them are In Stock", 39),
    ],
)


class PatternRules(Body):
    """All rules in order, at most 40."""

    items: list[dict[str, Any]] = Member(
        json_schema_extra={RECORD: PATTERN_RULE.noun},
        examples=[[PATTERN_RULE.example()]],
    )
    counted_at: str | None = Member(
        description="When the numbers were counted, or null",
        json_schema_extra={"format": "date-time"},
        examples=["2026-03-02T14:31:07.240000Z"],
    )
    is_marked: bool = Member(
        description="Whether all numbers have the marks of these rules; false until a job has marked them"
    )


class NewPatternRule(Body):
    """A rule, which comes after all others."""

    # The default is not "", which is none of the values: generators of clients would leave the operation out.
    mark_class: StrictStr | None = Member(
        None, description="The class", examples=["silver"], json_schema_extra=_CLASS
    )
    kind: StrictStr | None = Member(
        None, description="What it looks for", examples=[PATTERN], json_schema_extra=_KIND
    )
    text: StrictStr = Member("", description=_TEXT, examples=["AABB"])
    name: StrictStr = Member("", description="What people read", examples=["Two pairs at the end"])


class PatternRuleEdit(NewPatternRule):
    """What an edit changes; members that are left out stay as they are."""


class PatternRuleMove(Body):
    """Where a rule goes."""

    place: StrictInt = Member(
        ge=1, le=PatternRule.MOST, description="1 for the first; after the last is the last", examples=[1]
    )


class PatternWords(Body):
    """The words whose digits on a telephone keypad rules of words mark, sorted."""

    words: list[StrictStr] = Member(
        max_length=WORDS_MOST,
        description=f"{LETTERS[0]} to {LETTERS[-1]} letters from A to Z each",
        examples=[["FLOWERS", "TAXI"]],
    )


class ChangedPatternRules(Schema):
    """What was done."""

    sentence: str = Member(
        examples=["Rule “Two pairs at the end” is saved. A job marks 6,000 numbers again."]
    )
    change: int | None = Member(
        description="The id of the change, null if nothing was written", examples=[4711]
    )
    undo_url: str | None = Member(description=_TAKE_BACK)
    job: QueuedJob | None = Member(description="The job that marks all numbers again, null without need")


class ChangedPatternRule(ChangedPatternRules):
    """What was done to a rule, and the rule as it is now."""

    pattern_rule: dict[str, Any] = Member(
        json_schema_extra={RECORD: PATTERN_RULE.noun}, examples=[PATTERN_RULE.example()]
    )


class ChangedPatternWords(ChangedPatternRules, PatternWords):
    """What was done to the words, and the words as they are now."""


@router.get(
    "/pattern-rules",
    operation_id="get_pattern_rules",
    url_name="get_pattern_rules",
    summary="Read the pattern rules",
    response=PatternRules,
)
@may_read
@may_lag
def get_pattern_rules(request: HttpRequest) -> HttpResponse:
    """Return all rules in their order. The ETag is that of each of them."""
    refuse_unknown(request.GET)
    rules = _rules(request.user)
    return answer(_as_json(rules), headers=_etag(rules.state.version))


@router.get(
    "/pattern-rules/{pk}",
    operation_id="get_pattern_rule",
    url_name="get_pattern_rule",
    summary="Read a pattern rule",
)
@answers_with(PATTERN_RULE)
@may_read
@may_lag
def get_pattern_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Return one of them by its id."""
    names, rules = record_fields(request, PATTERN_RULE), _rules(request.user)
    return record_answer(request, PATTERN_RULE, _one(rules, pk), rules.state.version, names)


@router.post(
    "/pattern-rules",
    operation_id="create_pattern_rule",
    summary="Add a pattern rule",
    response={201: ChangedPatternRule},
)
@may_write
@once
@conditional
def create_pattern_rule(request: HttpRequest, body: NewPatternRule) -> HttpResponse:
    """Add a rule after all others; a job then marks all numbers again. `Location` is its address."""
    return _save_rule(request, PatternRule(), sent(body, NewPatternRule), marks.add_rule, status=201)


@router.patch(
    "/pattern-rules/{pk}",
    operation_id="edit_pattern_rule",
    summary="Change a pattern rule",
    response=ChangedPatternRule,
)
@may_write
@conditional
def edit_pattern_rule(request: HttpRequest, pk: int, body: PatternRuleEdit) -> HttpResponse:
    """Change what the body names. `If-Match` refuses it if any rule has changed since."""
    rule = _one(_rules(request.user), pk)
    shown = {name: getattr(rule, name) for name in MarkRuleForm.Meta.fields}

    def save(*, by: Any, version: int, **values: str) -> marks.Saved:
        saved: marks.Saved = marks.edit_rule(pk, values, by=by, version=version)
        return saved

    return _save_rule(request, rule, shown | sent(body, PatternRuleEdit), save)


@router.post(
    "/pattern-rules/{pk}/move",
    operation_id="move_pattern_rule",
    summary="Move a pattern rule",
    response=ChangedPatternRule,
)
@may_write
@once
@conditional
def move_pattern_rule(request: HttpRequest, pk: int, body: PatternRuleMove) -> HttpResponse:
    """Put a rule at another place. `If-Match` refuses it if any rule has changed since."""
    _one(_rules(request.user), pk)
    saved = _saved(request, lambda **door: marks.move_rule(pk, body.place, **door))
    return _answer(request, saved, pattern_rule=_record(request, pk))


@router.delete(
    "/pattern-rules/{pk}",
    operation_id="delete_pattern_rule",
    summary="Delete a pattern rule",
    response=ChangedPatternRules,
)
@may_write
@conditional
def delete_pattern_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a rule: its numbers get the mark of a later rule that fits them, or none."""
    _one(_rules(request.user), pk)
    return _answer(request, _saved(request, lambda **door: marks.delete_rule(pk, **door)))


@router.get(
    "/pattern-words",
    operation_id="get_pattern_words",
    url_name="get_pattern_words",
    summary="Read the words of pattern rules",
    response=PatternWords,
)
@may_read
@may_lag
def get_pattern_words(request: HttpRequest) -> HttpResponse:
    """Return the words. The ETag is that of each rule."""
    refuse_unknown(request.GET)
    version = MarkState.current().version
    return answer({"words": all_words()}, headers=_etag(version))


@router.put(
    "/pattern-words",
    operation_id="replace_pattern_words",
    summary="Replace the words of pattern rules",
    response=ChangedPatternWords,
)
@may_write
@conditional
def replace_pattern_words(request: HttpRequest, body: PatternWords) -> HttpResponse:
    """Store these words in place of all others. `If-Match` refuses it if any rule has changed since."""
    wrong = []
    for place, word in enumerate(body.words):
        try:
            read_word(word)
        except PatternError as refusal:
            wrong.append(error(f"#/words/{place}", word, str(refusal)))
    if wrong:
        raise invalid(wrong)
    saved = _saved(request, lambda **door: marks.set_words(body.words, **door), "#/words")
    return _answer(request, saved, words=all_words())


def _save_rule(
    request: HttpRequest,
    rule: PatternRule,
    members: dict[str, Any],
    save: Callable[..., marks.Saved],
    *,
    status: int = 200,
) -> HttpResponse:
    """Save the rule as its dialog does and answer with it. Raises ProblemError if it is refused."""
    version = MarkState.current().version
    form = MarkRuleForm(members | {"version": version}, instance=rule, version=version)
    if not form.is_valid():
        raise invalid(errors_of(form.errors, members, "#/"))
    saved = _saved(request, lambda **door: save(**form.values, **door), "#/text", members.get("text"))
    pk = saved.rule.pk  # type: ignore[union-attr]
    headers = {"Location": reverse("api:get_pattern_rule", args=[pk])} if status == 201 else {}
    return _answer(request, saved, status=status, headers=headers, pattern_rule=_record(request, pk))


def _saved(
    request: HttpRequest, act: Callable[..., marks.Saved], pointer: str = "#", value: Any = None
) -> marks.Saved:
    """Change rules on condition of ``If-Match``; ``pointer`` and ``value``: what rules may refuse."""
    expected = expected_version(request)
    version = MarkState.current().version if expected is None else expected
    try:
        return act(by=request.user, version=version)
    except marks.ChangedError:
        rules = _rules(request.user)
        sentence = "The rules have changed since you read them. Read them again, then decide."
        headers = _etag(rules.state.version)
        raise ProblemError(412, "changed", sentence, headers=headers, current=_as_json(rules)) from None
    except PatternError as refusal:
        raise invalid([error(pointer, value, str(refusal))]) from None


def _answer(
    request: HttpRequest,
    saved: marks.Saved,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **facts: Any,
) -> HttpResponse:
    said = done(request, saved.sentence) | {"undo_url": None, "job": saved.job and queued_job(saved.job)}
    headers = _etag(MarkState.current().version) | (headers or {})
    return answer(said | facts, status=status, headers=headers)


def _rules(user: Any) -> Any:
    """Return the ``Rules`` that a user sees, each with its place; its counts are None if there are none."""
    rules = marks.pattern_rules(user)
    for place, rule in enumerate(rules.rules, start=1):
        rule.place = place
        if rules.state.counted_at is None:
            rule.numbers = rule.in_stock = None
    return rules


def _one(rules: Any, pk: int) -> Any:
    """Return a rule in force; raise Http404."""
    return found(next((rule for rule in rules.rules if rule.pk == pk), None), f"pattern rule {pk}")


def _as_json(rules: Any) -> dict[str, Any]:
    return {
        "items": PATTERN_RULE.objects(rules.rules, PATTERN_RULE.usual),
        "counted_at": moment(rules.state.counted_at),
        "is_marked": rules.state.is_marked,
    }


def _record(request: HttpRequest, pk: int) -> dict[str, Any]:
    (record,) = PATTERN_RULE.objects([_one(_rules(request.user), pk)], PATTERN_RULE.usual)
    return record


def _etag(version: int) -> dict[str, str]:
    return {"ETag": f'"{version}"'}
