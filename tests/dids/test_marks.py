"""Rules that mark special numbers: how they are changed, and the job that marks all numbers again."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection, connections, transaction

from audit import SYSTEM
from audit.models import Change
from clients.models import Reseller
from didmgmt import clock
from dids import marks
from dids.models import DID, Mark, MarkCount, MarkState, PatternRule, PatternTail
from dids.models.marks import rules_in_force
from dids.numbering.patterns import SUGGESTED, SUGGESTED_WORDS, PatternError
from jobs.models import Job
from operators.models import Operator
from tests.carrier import carrier, numbers_in
from tests.dids.models.test_marks import KNOWN, mark_all
from tests.dids.models.test_marks import marks as marks_stored
from tests.world import member

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return member("Administrator")


def version():
    return MarkState.current().version


def run(job):
    """Run a job as a worker does; return its sentence."""
    assert Job.objects.claim("worker").pk == job.pk
    job = Job.objects.get(pk=job.pk)
    job.run("worker")
    return job.job_kind.sentence(job)


def use_suggested(admin):
    job = marks.use_suggested(by=admin, version=version()).job
    return run(job) if job else ""


def rule(text):
    return PatternRule.objects.get(text=text, position__isnull=False)


def test_the_suggested_rules_mark_all_numbers_and_are_counted(admin):
    house = carrier()
    numbers_in("instock", sorted(KNOWN), house)
    DID.objects.filter(number="0000").edit(by=SYSTEM, status="reserved")

    sentence = use_suggested(admin)

    assert sentence == "Marked 20 numbers: 8 gold, 5 silver, 3 bronze."
    assert marks_stored() == KNOWN
    found = marks.pattern_rules(admin)
    assert [one.name for one in found.rules] == [one.name for one in SUGGESTED]
    assert found.words == sorted(SUGGESTED_WORDS)
    assert (found.rules[0].numbers, found.rules[0].in_stock) == (4, 3)
    assert found.state.is_marked
    assert found.state.counted_at
    assert found.job is None


def test_without_numbers_no_job_is_needed(admin):
    assert marks.use_suggested(by=admin, version=0).job is None
    assert marks.pattern_rules(admin).state.is_marked
    numbers_in("instock", ["33199000000"], carrier())
    assert marks_stored() == {"33199000000": ("gold", "AAAA")}


def test_a_person_bound_to_a_reseller_sees_the_counts_of_that_branch(admin):
    numbers_in("instock", ["33199000000", "33199001111"], carrier())
    numbers_in("instock", ["33199002222"], carrier("South"))
    use_suggested(admin)
    bound = member("Viewer", reseller=Reseller.objects.get(name="South"))
    assert marks.pattern_rules(admin).rules[0].numbers == 3
    assert marks.pattern_rules(bound).rules[0].numbers == 1


def test_an_earlier_place_takes_numbers_from_other_rules(admin):
    numbers_in("instock", ["33199001100", "33199000000"], carrier())
    use_suggested(admin)
    saved = marks.move_rule(rule("00").pk, 1, by=admin, version=version())
    assert [one.text for one in rules_in_force()][:2] == ["00", "AAAA"]
    assert not MarkState.current().is_marked
    assert run(saved.job) == "Marked 2 numbers: 0 gold, 0 silver, 2 bronze."
    assert marks.move_rule(rule("00").pk, 99, by=admin, version=version()).job
    assert rules_in_force()[-1].text == "00"


def test_a_rule_that_is_deleted_leaves_its_numbers_to_others(admin):
    numbers_in("instock", ["33199000000"], carrier())
    use_suggested(admin)
    gold = rule("AAAA")
    saved = marks.delete_rule(gold.pk, by=admin, version=version())
    assert Mark.objects.get().rule_id == gold.pk  # until the job has come by, but it is no rule in force
    assert gold.pk not in [one.pk for one in rules_in_force()]
    assert run(saved.job) == "Marked 1 number: 0 gold, 1 silver, 0 bronze."
    assert not PatternRule.objects.filter(pk=gold.pk).exists()


def test_another_class_or_name_needs_no_job(admin):
    use_suggested(admin)
    saved = marks.edit_rule(
        rule("00").pk, {"mark_class": "gold", "name": "Hundred"}, by=admin, version=version()
    )
    assert saved.job is None
    change = Change.objects.get(label="Pattern rule “Round hundred” changed")
    assert change.kind == Change.Kind.PATTERN_RULE
    assert change.actor == admin
    assert change.data["edited"] == [["Class", "bronze", "gold"], ["Rule", "Round hundred", "Hundred"]]


def test_words_are_spelled_on_the_keypad(admin):
    numbers_in("instock", ["33199002255"], carrier())
    use_suggested(admin)
    saved = marks.set_words(["ball", "love"], by=admin, version=version())
    assert run(saved.job) == "Marked 1 number: 1 gold, 0 silver, 0 bronze."
    with pytest.raises(PatternError, match="“ball1” has characters"):
        marks.set_words(["ball1"], by=admin, version=version())
    assert marks.set_words(["LOVE", "Ball"], by=admin, version=version()).job is None


def test_nobody_overwrites_rules_unseen(admin):
    use_suggested(admin)
    seen = version()
    marks.delete_rule(rule("00").pk, by=admin, version=seen)
    before = list(PatternRule.objects.values())
    for change in (
        lambda: marks.delete_rule(rule("AAA").pk, by=admin, version=seen),
        lambda: marks.move_rule(rule("AAA").pk, 1, by=admin, version=seen),
        lambda: marks.edit_rule(rule("AAA").pk, {"text": "AAx"}, by=admin, version=seen),
        lambda: marks.add_rule(
            mark_class="gold", kind="pattern", text="99", name="99", by=admin, version=seen
        ),
        lambda: marks.set_words([], by=admin, version=seen),
        lambda: marks.use_suggested(by=admin, version=version()),
    ):
        with pytest.raises(marks.ChangedError, match="Somebody else has changed the rules"):
            change()
    assert list(PatternRule.objects.values()) == before


def test_rules_that_stand_for_too_many_tails_are_refused_as_a_whole(admin):
    for text in ("ABCDE0x", "ABCDEx0"):
        with pytest.raises(PatternError):
            marks.add_rule(
                mark_class="gold", kind="pattern", text=text, name=text, by=admin, version=version()
            )
    marks.add_rule(mark_class="gold", kind="pattern", text="xxxx1", name="1", by=admin, version=version())
    for text in ("xxxx2", "xxxx3", "xxxx4", "xxxx5"):
        marks.add_rule(mark_class="gold", kind="pattern", text=text, name="n", by=admin, version=version())
    with pytest.raises(PatternError, match="60,000 ends of numbers, and 50,000"):
        marks.add_rule(mark_class="gold", kind="pattern", text="xxxx6", name="n", by=admin, version=version())
    assert PatternTail.objects.filter(length__gt=0).count() == 50_000


def test_a_job_stops_when_the_rules_have_changed_again(admin):
    numbers_in("instock", ["33199000000"], carrier())
    first = marks.use_suggested(by=admin, version=version()).job
    second = marks.delete_rule(rule("AAAA").pk, by=admin, version=version()).job
    assert run(first).startswith("Marked 0 numbers, then stopped: the rules have been changed again,")
    first.refresh_from_db()
    assert first.state == Job.State.CANCELLED
    assert run(second) == "Marked 1 number: 0 gold, 1 silver, 0 bronze."


def test_all_numbers_can_be_marked_again_after_a_job_was_cancelled(admin):
    numbers_in("instock", ["33199000000"], carrier())
    marks.use_suggested(by=admin, version=version()).job.request_cancel()
    assert not marks.pattern_rules(admin).state.is_marked
    assert run(marks.mark_all_again(by=admin)) == "Marked 1 number: 1 gold, 0 silver, 0 bronze."
    assert marks.pattern_rules(admin).state.is_marked


def test_the_worker_counts_what_has_changed_since(admin):
    house = carrier()
    use_suggested(admin)
    numbers_in("instock", ["33199000000"], house)
    assert not MarkCount.objects.exists()
    assert marks.count_marks(clock.now()) == 1
    assert marks.pattern_rules(admin).rules[0].in_stock == 1
    DID.objects.all().delete_unused(by=SYSTEM)
    Operator.objects.all().update(name="Renamed")
    assert marks.count_marks(clock.now()) == 0
    mark_all()
    assert marks.pattern_rules(admin).rules[0].numbers == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_a_number_that_is_being_written_while_the_rules_change_gets_their_mark():
    house, admin, written = carrier(), member("Administrator"), Event()

    def write():
        try:
            with transaction.atomic():
                DID.objects.create_numbers(["33199000000"], operator=house.operator, by=SYSTEM)
                written.set()
                time.sleep(0.5)  # in which the rules would be saved without the number
        finally:
            connections.close_all()

    with ThreadPoolExecutor() as pool:
        writer = pool.submit(write)
        assert written.wait(30)
        job = marks.use_suggested(by=admin, version=0).job
        writer.result()
    assert run(job) == "Marked 1 number: 1 gold, 0 silver, 0 bronze."
