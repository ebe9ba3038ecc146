"""What the owner of a file has to decide before it is checked."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

import sheets
from dids.imports import mapping, survey
from dids.imports.existing import existing_names
from dids.imports.options import KEEP
from dids.imports.wizard import Import
from operators.models import Operator
from tests.imports import DEFAULTS, importer
from tests.world import make_world, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return make_world()


@pytest.fixture
def admin(world):
    return member("Administrator")


def uploaded(text, user, *, name="numbers.csv", operator=None):
    """Return the import of ``text`` before its columns are chosen."""
    upload = SimpleUploadedFile(name, text.encode())
    with sheets.load(upload, upload.name) as loaded:
        return Import.start(user, upload, loaded, operator=operator, **DEFAULTS)


def surveyed(number_import, columns, **answers):
    """Survey with these columns, separated by "|", below one header line."""
    head = [row.cells for row in number_import.upload.head()]
    keys = columns.split("|")
    guess = mapping.guess(head, len(keys))
    choices = {"mapping": keys, "skip": [1], "existing": KEEP, "create": False}
    return number_import.survey(guess, **choices | answers)


def question(found, kind):
    (one,) = [one for one in found.questions if one.kind == kind]
    return one


def numbers(count, first=441632960100):
    return "".join(f"{number},DID Operator\n" for number in range(first, first + count))


def of(text, user, columns="number|operator", **answers):
    return surveyed(uploaded(text, user), columns, **answers)


def test_a_plain_file_has_nothing_to_decide(admin):
    found = of("DID,Operator\n" + numbers(20), admin)

    assert (found.questions, found.rows, found.is_cut) == ([], 20, False)


def test_ambiguous_notations_are_counted_by_kind_with_their_readings(admin):
    text = (
        "DID,Operator\n" + numbers(12) + "441632961280-289,DID Operator\n441632961290-299,DID Operator\n"
        "+44 (0)1632 960116,DID Operator\n"
    )

    found = of(text, admin)

    ranges, zero = question(found, "short range"), question(found, "zero")
    assert (ranges.count, ranges.numbers, ranges.is_open) == (2, 20, False)
    assert [example.line for example in ranges.examples] == [14, 15]
    assert "441632961280–441632961289" in ranges.examples[0].readings
    assert zero.examples[0].readings == ("4401632960116", "441632960116")
    assert found.marks == {14: {0: "short range"}, 15: {0: "short range"}, 16: {0: "zero"}}
    assert found.doubts_between(0, 13) == 0
    assert found.doubts_between(0, 99) == 3


def test_a_cell_with_two_doubts_counts_for_both(admin):
    found = of("DID,Operator\n+44 (0)1632 960116 / +44 (0)1632 960117,DID Operator\n", admin)

    assert {one.kind for one in found.questions} == {"several", "zero"}


def test_numbers_with_one_dash_in_the_middle_are_asked_about(admin):
    text = "DID,Operator\n43210-98765,DID Operator\n98765-43210,DID Operator\n90000-90022,DID Operator\n"

    asked = question(of(text, admin), "dash")

    assert (asked.count, asked.numbers, asked.is_open) == (2, 2, False)
    assert [one.readings for one in asked.examples] == [
        ("4321098765", "43210–98765"),
        ("9876543210",),
    ]
    as_numbers = of(text, admin, readings={"dash": "number"})
    assert {length: len(rows) for length, (rows, _, _) in as_numbers.by_length.items()} == {10: 3}
    as_ranges = of(text, admin, readings={"dash": "range"})
    assert (question(as_ranges, "dash").numbers, question(as_ranges, "flagged").others) == (55_556, 1)


def test_a_cell_with_several_doubts_leads_to_the_first_one(admin):
    found = of("DID,Operator\n" + numbers(20) + "43210-98765,DID Operator\n", admin)

    assert question(found, "lost").count == question(found, "dash").count == 1
    assert found.marks == {22: {0: "dash"}}


def test_an_operator_of_invisible_characters_names_none(admin):
    found = of("DID,Operator\n441632960100,\u200b\n441632960101,\ufeff \n", admin)

    assert question(found, "operator").count == 2


def test_numbers_a_little_shorter_than_nearly_all_others_may_have_lost_digits(admin):
    found = of("DID,Operator\n" + numbers(40) + "1632960411,x\n+1632960412,x\n", admin)

    assert found.typical == (12, 12, 40, ())
    lost = question(found, "lost")
    assert (lost.count, lost.examples[0].text) == (1, "1632960411")
    assert lost.examples[0].readings == ("001632960411", "441632960411")


def test_lengths_that_many_numbers_have_are_no_doubt(admin):
    text = "DID,Operator\n" + numbers(20) + numbers(10, 1632960411)

    assert of(text, admin).typical is None


def test_short_numbers_of_a_file_of_short_numbers_are_no_doubt(admin):
    text = "DID,Operator\n" + numbers(20, 100) + "7,DID Operator\n"

    assert of(text, admin).questions == []


def test_short_numbers_that_exist_are_no_doubt_among_long_ones(admin):
    found = of("DID,Operator\n" + numbers(20) + "2567,\n2568,\n", admin)
    mixed = of("DID,Operator\n" + numbers(20) + "2567,\n2569,\n", admin)

    assert found.questions == []
    assert found.typical == (12, 12, 20, (4,))
    assert question(mixed, "flagged").count == 2


def test_numbers_of_another_branch_do_not_count_as_existing(world):
    user = importer(world, bound=True)

    assert question(of("DID,Operator\n" + numbers(20) + "3333,DID Operator\n", user), "flagged").count == 1


def test_rows_that_are_hardly_numbers_are_flagged(admin):
    found = of("DID,Operator\n" + numbers(5) + "000005,\nTotal,\n2,DID Operator\n", admin)

    flagged = question(found, "flagged")
    assert (flagged.count, flagged.others) == (2, 1)
    assert [(one.line, one.text) for one in flagged.examples] == [(8, "Total"), (9, "2"), (7, "000005")]


def test_an_operator_is_asked_for_where_new_numbers_lack_one(admin):
    number_import = uploaded("DID,Notes\n441632960100,x\n441632960101,x\n", admin)

    asked = question(surveyed(number_import, "number|notes"), "operator")

    assert (asked.count, asked.is_open) == (2, True)
    operator = Operator.objects.first()
    assert not question(surveyed(number_import, "number|notes", operator=operator.pk), "operator").is_open
    assert surveyed(number_import, "number|notes", without_operator=True).open == []


def test_no_operator_is_asked_for_where_all_numbers_exist(admin):
    assert of("DID,Notes\n256999,x\n2567,y\n", admin, "number|notes").questions == []


def test_the_operator_whose_name_is_like_the_name_of_the_file_is_proposed(world, admin):
    Operator.objects.create(reseller=world.reseller, name="Oldmoor Exchange")
    Operator.objects.create(reseller=world.reseller, name="Moorland Exchange")

    def proposed(name):
        return survey.operator_like(name, admin)

    assert str(proposed("oldmoor-exchange-2026-11.csv")) == "Oldmoor Exchange"
    assert proposed("exchange.csv") is None
    assert proposed("numbers.csv") is None


def test_an_operator_of_another_branch_is_not_proposed(world):
    Operator.objects.create(reseller=world.reseller_2, name="Oldmoor Exchange")

    assert survey.operator_like("oldmoor-exchange.csv", importer(world, bound=True)) is None


def test_values_that_are_no_status_are_asked_for_once(admin):
    text = "DID,Status,Operator\n" + "".join(
        f"44163296010{index},{value},DID Operator\n"
        for index, value in enumerate(["in-use", "free", "free", "Active", "parked", "NULL", ""])
    )
    number_import = uploaded(text, admin)

    asked = question(surveyed(number_import, "number|status|operator"), "status")

    assert asked.is_open
    assert asked.values == [
        ("free", 2, "", "instock"),
        ("in-use", 1, "", "active"),
        ("parked", 1, "", ""),
    ]
    answers = {"status": {"in-use": "active", "free": "instock", "parked": "leave"}}
    answered = surveyed(number_import, "number|status|operator", values=answers)
    assert answered.open == []
    assert question(answered, "status").count == 4


def test_a_column_that_would_refuse_every_row_is_named(admin):
    text = "DID,When,Operator\nabc,soon,DID Operator\ndef,later,DID Operator\n"

    assert set(of(text, admin, "number|hold_days|operator").hopeless) == {0, 1}
    assert of("ID,Notes\nx,a\n", admin, "id|notes").hopeless.keys() == {0}
    assert of("ID,Notes\n1,a\n", admin, "id|notes").hopeless == {}


def test_the_survey_is_bounded(admin, monkeypatch):
    monkeypatch.setattr(survey, "ROWS", 10)

    found = of("DID,Operator\n" + numbers(20) + "441632961280-289,x\n", admin)

    assert (found.rows, found.is_cut, found.questions) == (10, True, [])


def test_the_survey_looks_at_the_clock_every_few_rows(admin, monkeypatch):
    monkeypatch.setattr(survey, "SECONDS", -1)
    found = of("DID,Operator\n" + numbers(20), admin)
    assert found.is_cut
    assert found.last_row < 20


def test_the_number_of_a_row_is_shown_as_it_will_be_stored(admin):
    found = of("CC,Area,Number\n44,1632,960601\n44,1632,960602\n", admin, "part|part|number")

    assert found.stored(2, ["44", "1632", "960601"]) == "441632960601"
    assert found.stored(9, ["44", "1632", "x"]) == ""


def test_names_are_looked_up_by_one_query_for_each_kind(admin, django_assert_num_queries):
    rows = [["DID Operator", "Rose Orig", "x" * 200, "441632960100", f"name {n}"] for n in range(600)]

    with django_assert_num_queries(5):
        found = existing_names(rows, admin)

    assert {key: sorted(cells) for key, cells in found.items() if cells} == {
        "operator": ["DID Operator"],
        "client": ["Rose Orig"],
    }
