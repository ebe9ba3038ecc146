"""The panels of pattern marks: the rules, the try-out without saving, and the dialogs that change them."""

import pytest
from django.utils.html import escape

from audit.models import Change
from dids import marks
from dids.models import DID, MarkState, PatternRule, PatternWord
from dids.models.marks import all_words, rules_in_force
from dids.numbering.patterns import SUGGESTED
from jobs.models import Job
from tests.world import client_of, make_world, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return make_world()


@pytest.fixture
def admin():
    return member("Administrator")


def suggested(admin):
    marks.use_suggested(by=admin, version=version())


def work():
    """Run the job that waits, as a worker does."""
    job = Job.objects.claim("worker")
    Job.objects.get(pk=job.pk).run("worker")


def version():
    return MarkState.current().version


def test_the_dialog_that_deletes_a_rule_counts_its_numbers(world, admin):
    suggested(admin)
    work()
    asked = page_of(admin, f"/rules/marks/{rule('AAA').pk}/delete/")
    assert "2 numbers have its mark, 1 of them In Stock." in asked
    gone = client_of(admin).get("/rules/marks/999999/delete/")
    assert gone.status_code == 404


def page_of(user, path="/rules/", **parameters):
    return " ".join(client_of(user).get(path, parameters).content.decode().split())


def said(answer):
    return list(map(str, answer.context["messages"]))


def post(user, path, **data):
    return client_of(user).post(f"/rules/marks/{path}", {"version": version()} | data, follow=True)


def rule(text):
    return PatternRule.objects.get(text=text, position__isnull=False)


def test_without_rules_the_suggested_ones_are_offered_and_taken_after_a_question(world, admin):
    assert "Use the suggested rules" in page_of(admin)
    asked = page_of(admin, "/rules/marks/suggested/")
    assert "8 rules and 48 keypad words" in asked and "A job then marks 13 numbers again." in asked
    assert not rules_in_force()

    answer = post(admin, "suggested/")

    assert said(answer) == ["8 rules and 48 words are in force. A job marks 13 numbers again."]
    assert [one.name for one in rules_in_force()] == [one.name for one in SUGGESTED]
    assert "There are rules already." in page_of(admin, "/rules/marks/suggested/")
    assert "Use the suggested rules" not in page_of(admin)


def test_the_panel_shows_the_rules_with_examples_and_counts(world, admin):
    suggested(admin)
    page = page_of(admin)
    assert "Marking numbers again: 0 %" in page and "follow the job" in page
    assert "Counted at" not in page

    work()
    page = page_of(admin)

    assert "Marking numbers again" not in page and "Counted at" in page
    assert "3319900<b>7744</b>" in page and "<code>0123, 9876</code>" in page
    assert "<code>AUTO, 48 words</code>" in page
    counts = {row["rule"].text: row["rule"].numbers for row in context_of(admin)["mark_rows"]}
    assert counts == {"AAAA": 1, "4": 0, "": 0, "AAA": 2, "AABB": 0, "ABBA": 0, "ABAB": 0, "00": 0}


def test_each_count_leads_to_the_numbers_counted(world, admin):
    suggested(admin)
    work()
    theirs = member("Administrator", username="theirs", reseller=world.reseller_2)
    for user in (admin, theirs):
        browser = client_of(user)
        page = browser.get("/rules/").content.decode()
        for row in context_of(user)["mark_rows"]:
            one = row["rule"]
            for count, query in ((one.numbers, ""), (one.in_stock, "&status=instock")):
                address = f"/dids/?mark_rule={one.pk}{query}"
                assert f'href="{escape(address)}"' in page
                listing = browser.get(address).context["listing"]
                assert (listing.valid, listing.total) == (True, count)


def test_the_list_of_a_rule_has_a_chip_with_its_name_and_the_page_of_a_number_leads_there(world, admin):
    suggested(admin)
    work()
    three = rule("AAA")
    chips = page_of(admin, "/dids/", mark_rule=three.pk)
    assert "Pattern rule" in chips and "Three alike at the end" in chips
    number = page_of(admin, f"/dids/{DID.objects.get(number='111').pk}/")
    assert f'<a href="/dids/?mark_rule={three.pk}">Three alike at the end</a>' in number


def context_of(user):
    return client_of(user).get("/rules/").context


def test_people_of_a_reseller_see_counts_of_their_branch_and_change_nothing(world, admin):
    suggested(admin)
    work()
    theirs = member("Administrator", username="theirs", reseller=world.reseller_2)

    page = page_of(theirs)

    counts = {row["rule"].text: row["rule"].numbers for row in context_of(theirs)["mark_rows"]}
    assert counts["AAAA"] == 1 and counts["AAA"] == 0  # 3333 is theirs, 111 and 256999 are not
    assert "Add a rule" not in page and "Move rule" not in page and "marks 13 numbers" not in page


def test_numbers_are_tried_without_saving_anything(world, admin):
    suggested(admin)
    changes = Change.objects.count()

    page = page_of(admin, numbers="33199004774\n442079460177, +44 20 7946 9999")

    assert "3319900<b>4774</b>" in page and "rule 6, Mirror of four" in page
    assert "442079460177" in page and "no rule" in page
    assert "44207946<b>9999</b>" in page and "rule 1, Four or more alike at the end" in page
    assert Change.objects.count() == changes and not DID.objects.filter(number="33199004774").exists()


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ("12ab", "Line 1, “12ab”"),
        ("100-150", "51"),
        ("\0", "Remove the invisible null character from this text."),
        ("1" * 2000, "Enter at most 1500 characters; these are 2000."),
    ],
)
def test_numbers_that_can_not_be_tried_get_an_error_at_the_field(world, admin, numbers, says):
    answer = client_of(admin).get("/rules/", {"numbers": numbers})
    assert answer.status_code == 200
    assert says in answer.context["try_form"].errors.as_text()
    assert "Pattern marks" in answer.content.decode()


def test_a_new_rule_comes_after_all_others_and_is_in_the_audit_log(world, admin):
    suggested(admin)

    answer = post(admin, "new/", mark_class="bronze", kind="pattern", text=" A7 ", name="Sevens")

    assert said(answer) == ["Rule “Sevens” is added after all others. A job marks 13 numbers again."]
    assert [one.text for one in rules_in_force()][-1] == "A7"
    change = Change.objects.latest("pk")
    assert change.actor == admin and "Sevens" in change.label
    assert "A7" in page_of(admin, f"/audit/{change.pk}/")


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"text": "aabb"}, "text", "“aabb” is not a pattern."),
        ({"text": ""}, "text", "“” is not a pattern."),
        ({"text": "ABCDEF"}, "text", "stands for 151,200 ends of numbers"),
        ({"text": "A" * 9}, "text", "Enter at most 8 characters; these are 9."),
        ({"kind": "ladder", "text": "2"}, "text", "Enter a number from 3 to 8."),
        ({"kind": "song"}, "kind", "“song” is not one of the options."),
        ({"mark_class": "tin"}, "mark_class", "“tin” is not one of the options."),
        ({"name": ""}, "name", "Fill in this field."),
    ],
)
def test_a_wrong_value_gets_an_error_at_its_field(world, admin, fields, field, says):
    sent = {"mark_class": "gold", "kind": "pattern", "text": "AABB", "name": "Pairs"} | fields
    answer = post(admin, "new/", **sent)
    assert answer.status_code == 422
    assert [*answer.context["form"].errors] == [field]
    assert says in answer.context["form"].errors[field][0]
    assert len(answer.context["form"].errors[field]) == 1


def test_a_rule_is_edited_moved_and_deleted_with_a_sentence(world, admin):
    suggested(admin)
    pairs = rule("AABB")

    edited = post(admin, f"{pairs.pk}/", mark_class="gold", kind="pattern", text="AABB", name="Pairs")
    assert said(edited) == ["Rule “Pairs” is saved. No number has to be marked again."]
    moved = post(admin, f"{pairs.pk}/move/", place="1")
    assert said(moved)[0].startswith("Rule “Pairs” is number 1 now.")
    asked = page_of(admin, f"/rules/marks/{pairs.pk}/delete/")
    assert "a later rule that fits them, or none." in asked
    assert "its mark" not in asked  # numbers are not counted yet
    deleted = post(admin, f"{pairs.pk}/delete/")
    assert said(deleted) == ["Rule “Pairs” is deleted. A job marks 13 numbers again."]
    assert client_of(admin).get(f"/rules/marks/{pairs.pk}/").status_code == 404


@pytest.mark.parametrize("place", ["", "0", "-1", "x", "999"])
def test_a_move_to_no_place_leaves_the_rule_where_it_is(world, admin, place):
    suggested(admin)
    moved = post(admin, f"{rule('AABB').pk}/move/", place=place)
    assert said(moved) == [
        "Rule “Two pairs at the end” stays where it is. Move it with the arrows of its row."
    ]
    assert rules_in_force()[4].text == "AABB" and version() == 1


def test_whoever_saw_other_rules_overwrites_nothing(world, admin):
    suggested(admin)
    pairs, seen = rule("AABB"), version()
    post(admin, f"{rule('AAAA').pk}/move/", place="2")
    sentence = "Somebody else has changed the rules since you opened this page"
    fields = {"mark_class": "gold", "kind": "pattern", "text": "77", "name": "Pairs"}

    for old in (seen, "", "x"):
        edited = post(admin, f"{pairs.pk}/", version=old, **fields)
        assert edited.status_code == 422 and sentence in edited.content.decode()
        added = post(admin, "new/", version=old, **fields)
        assert added.status_code == 422 and sentence in added.content.decode()
        words = post(admin, "words/", version=old, words="TAXI")
        assert words.status_code == 422 and sentence in words.content.decode()
        deleted = post(admin, f"{pairs.pk}/delete/", version=old)
        assert deleted.status_code == 422 and sentence in deleted.content.decode()
        moved = post(admin, f"{pairs.pk}/move/", version=old, place="1")
        assert said(moved)[0].startswith(sentence)

    assert (rule("AABB").name, len(rules_in_force()), len(all_words())) == ("Two pairs at the end", 8, 48)


def test_words_are_edited_one_on_each_line(world, admin):
    suggested(admin)
    assert "LOVE" in page_of(admin, "/rules/marks/words/")

    answer = post(admin, "words/", words="taxi\r\n\r\nBakery\nTAXI\n")

    assert said(answer) == ["The list has 2 words. A job marks 13 numbers again."]
    assert all_words() == ["BAKERY", "TAXI"]


def test_each_line_that_is_no_word_is_named(world, admin):
    answer = post(admin, "words/", words="TAXI\nCAFÉ\n\nAB\nTELEPHONE")

    assert answer.status_code == 422
    assert list(answer.context["form"].errors["words"]) == [
        "Line 2: “CAFÉ” has characters that are on no key. Use the letters A to Z alone.",
        "Line 4: “AB” has 2 letters. Write 3 to 8.",
        "Line 5: “TELEPHONE” has 9 letters. Write 3 to 8.",
    ]
    assert not PatternWord.objects.exists()


def test_many_bad_lines_are_counted_and_too_many_words_refused(world, admin):
    bad = post(admin, "words/", words="\n".join(["1"] * 9))
    assert list(bad.context["form"].errors["words"])[-1] == "4 more lines can’t be read."
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    many = [f"AA{a}{b}" for a in letters for b in letters][:501]
    refused = post(admin, "words/", words="\n".join(many))
    assert list(refused.context["form"].errors["words"]) == [
        "These are 501 words, and the list takes 500. Remove some."
    ]


def test_a_job_that_was_cancelled_is_offered_again(world, admin):
    suggested(admin)
    Job.objects.update(state=Job.State.CANCELLED)
    assert "has been cancelled or has failed" in page_of(admin)
    assert "Mark all numbers again" not in page_of(member("Viewer"))

    answer = client_of(admin).post("/rules/marks/again/", follow=True)

    assert said(answer) == ["A job marks 13 numbers again."]
    assert "Marking numbers again" in page_of(admin)
