"""Step 2 of the import wizard: the questions about a file, their answers, and the columns."""

import re

import pytest

from clients.models import Account, Client, Reseller
from dids.models import DID, TagSet
from jobs.models import Job
from operators.models import Operator
from tests.screens.imports.test_import_wizard import columns_of, upload
from tests.world import client_of, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser():
    return client_of(member("Administrator"))


@pytest.fixture(autouse=True)
def operator():
    return Operator.objects.create(reseller=Reseller.objects.create(name="North"), name="Oldmoor Exchange")


def numbers(count, first=441632960100, rest=",Oldmoor Exchange"):
    return "".join(f"{number}{rest}\n" for number in range(first, first + count))


def opened(browser, text, name="numbers.csv", **fields):
    return browser.get(upload(browser, text, name, **fields).url)


def post(browser, page, *, htmx=None, **answers):
    """Submit the page with these answers; ``htmx`` is the name of the control that a script sends it for."""
    headers = {"HX-Request": "true", "HX-Trigger-Name": htmx} if htmx else {}
    return browser.post(page.request["PATH_INFO"], columns_of(page) | answers, headers=headers)


def stored():
    return set(DID.objects.values_list("number", flat=True))


def finish(browser, answer):
    """Apply a check that was started by ``answer``; return the result page."""
    assert answer.status_code == 302, answer.context["said"]
    return browser.post(answer.url, follow=True)


def kinds(page):
    return [item.kind for item in page.context["questions"]]


def test_a_file_without_doubts_has_nothing_to_decide(browser):
    page = opened(browser, "DID,Operator\n" + numbers(20))

    assert page.context["questions"] == []
    assert "Nothing to decide" in page.text
    assert "Check all 21 lines" in page.text
    assert page.context["rest"] == "15 lines without doubts"


def test_a_long_file_is_looked_through_in_part_and_checked_as_a_whole(browser, monkeypatch):
    monkeypatch.setattr("screens.imports.forms.EXAMINED", 0)

    page = opened(browser, "DID,Operator\n" + numbers(1_199))

    assert "only its first 1,000 rows have been looked through so far" in page.text
    assert "more than 1,000 lines" in page.text
    assert "Check all lines" in page.text
    finish(browser, post(browser, page))
    assert len(stored()) == 1_199


def test_a_missing_operator_is_asked_for_and_the_check_waits_for_it(browser, operator):
    page = opened(browser, "DID,Notes\n" + numbers(3, rest=",x"), name="oldmoor-exchange.csv")
    assert kinds(page) == ["operator"]
    assert "Oldmoor Exchange" in page.text

    refused = post(browser, page)

    assert refused.status_code == 422
    assert "1 question is open." in refused.text
    finish(browser, post(browser, page, operator=operator.pk))
    assert len(stored()) == 3


def test_a_proposed_operator_is_taken_by_a_button_without_a_script(browser, operator):
    page = opened(browser, "DID,Notes\n" + numbers(3, rest=",x"), name="oldmoor-exchange.csv")

    answered = post(browser, page, use_operator=operator.pk)

    assert (answered.status_code, answered.context["open"]) == (200, 0)
    assert browser.get(page.request["PATH_INFO"]).context["form"]["operator"].value() == operator.pk


def test_new_numbers_without_an_operator_may_be_refused_on_purpose(browser):
    page = opened(browser, "DID,Notes\n" + numbers(3, rest=",x"))

    result = post(browser, page, without_operator="on")

    assert browser.get(result.url).context["counts"]["refused"] == 3


@pytest.mark.parametrize(("answer", "created"), [({"use_column": "2=range_size"}, 30), ({"single": "on"}, 3)])
def test_a_column_that_may_hold_sizes_of_ranges_is_asked_about(browser, operator, answer, created):
    lines = "".join(f"4420794600{n}0,Oldmoor Exchange,10\n" for n in range(3))
    page = opened(browser, f"DID,Operator,Quantity\n{lines}")
    assert post(browser, page).status_code == 422
    page = post(browser, page, **answer)
    if page.status_code == 200:
        page = post(browser, page)
    counts = browser.get(page.url).context["counts"]
    assert (counts["created"], counts["refused"]) == (created, 0)


def test_unknown_statuses_are_answered_once_and_remembered(browser):
    text = "DID,Status,Operator\n" + "".join(
        f"44163296010{index},{value},Oldmoor Exchange\n"
        for index, value in enumerate(["in-stock!", "free", "free", "parked"])
    )
    page = opened(browser, text)
    assert kinds(page) == ["status"]
    answers = {"status=in-stock!": "archive", "status=free": "?instock", "status=parked": "refuse"}
    assert post(browser, page, **answers).status_code == 422, "a proposal is no answer"

    result = finish(browser, post(browser, page, **answers | {"status=free": "instock"}))

    assert (result.context["counts"]["created"], result.context["counts"]["refused"]) == (3, 1)
    assert DID.objects.get(number="441632960100").status == "archive"
    again = opened(browser, text)
    assert (kinds(again), again.context["open"]) == (["status"], 0)
    assert {column["word"] for column in again.context["columns"]} == {"As before"}


def test_answers_are_not_remembered_if_the_user_does_not_want_it(browser):
    text = "DID,Status,Operator\n441632960100,free,Oldmoor Exchange\n"
    page = opened(browser, text)
    data = columns_of(page) | {"status=free": "instock"}
    del data["remember"]

    browser.post(page.request["PATH_INFO"], data)

    assert opened(browser, text).context["open"] == 1


def test_accepted_proposals_are_answers(browser):
    page = opened(browser, "DID,Status,Operator\n441632960100,free,Oldmoor Exchange\n")

    answered = post(browser, page, use_values="status", **{"status=free": "?instock"})

    assert answered.context["open"] == 0
    assert Job.objects.get().params["values"] == {"status": {"free": "instock"}}


def test_numbers_that_may_lack_digits_are_completed_as_chosen(browser):
    page = opened(browser, "DID,Operator\n" + numbers(20) + numbers(2, 1632960411))
    (item,) = page.context["questions"]
    assert (item.kind, item.is_open) == ("lost", False)
    assert [choice.amount.value for choice in item.choices if choice.amount] == [12, "44"]
    assert "10 digits, while the other 20 numbers have 12." in page.text

    empty = post(browser, page, lost="put", front="")
    assert empty.status_code == 422
    assert "Enter the digits to put in front" in empty.text
    finish(browser, post(browser, page, lost="put", front="44"))

    assert {"441632960411", "441632960412"} < stored()
    assert len(stored()) == 22


def test_numbers_that_lost_their_zeros_are_padded_to_the_length_of_the_others(browser):
    whole = "".join(f"016329601{n},Oldmoor Exchange\n" for n in range(10, 30))
    page = opened(browser, f"DID,Operator\n{whole}1632960411,Oldmoor Exchange\n632960412,Oldmoor Exchange\n")

    empty = post(browser, page, lost="pad", pad="")
    assert empty.status_code == 422
    assert "Enter how many digits the numbers have" in empty.text
    assert post(browser, page, htmx="pad", pad="11").context["form"]["lost"].value() == "pad"
    finish(browser, post(browser, page, lost="pad", pad="11"))

    assert {"01632960411", "00632960412"} < stored()


def test_a_row_refused_for_a_doubt_leads_to_the_question_that_decides(browser):
    page = opened(browser, "DID,Operator\n" + numbers(3) + "44163296010-19,Oldmoor Exchange\nx,y\n")
    check = browser.get(post(browser, page).url, {"show": "refused"})
    (question,) = [item for item in page.context["questions"] if item.kind == "short range"]
    assert check.text.count(f'{page.request["PATH_INFO"]}#question-{question.slug}"') == 1


def test_missing_digits_are_refused_unless_decided_otherwise(browser):
    page = opened(browser, "DID,Operator\n" + numbers(20) + numbers(2, 1632960411))

    result = finish(browser, post(browser, page))

    assert (result.context["counts"]["created"], result.context["counts"]["refused"]) == (20, 2)


def test_a_trailer_is_written_only_if_it_is_ticked(browser):
    text = "DID,Operator\n" + numbers(5) + "000005,Oldmoor Exchange\n"

    finish(browser, post(browser, opened(browser, text)))
    assert "000005" not in stored()

    finish(browser, post(browser, opened(browser, text), written="7"))
    assert "000005" in stored()


def test_a_script_gets_the_part_of_the_page_and_the_answer_survives_a_reload(browser):
    page = opened(browser, "DID,Operator,More\n" + numbers(5, rest=",Oldmoor Exchange,x"))

    part = post(browser, page, htmx="column2", column2="notes")

    assert part.status_code == 200
    assert "<html" not in part.text
    assert browser.get(page.request["PATH_INFO"]).context["form"]["column2"].value() == "notes"


def test_a_field_moves_to_the_column_that_is_given_it(browser):
    page = opened(browser, "DID,Other,Operator\n441632960100,441632960900,Oldmoor Exchange\n")

    moved = post(browser, page, htmx="column1", column1="number")

    assert [moved.context["form"][f"column{index}"].value() for index in range(3)] == [
        "",
        "number",
        "operator",
    ]


def test_choosing_again_forgets_an_earlier_check(browser):
    page = opened(browser, "DID,Operator\n" + numbers(3))
    check = post(browser, page).url
    again = browser.get(page.request["PATH_INFO"])

    post(browser, again, htmx="existing", existing="leave")

    assert browser.post(check).url == page.request["PATH_INFO"]
    assert stored() == set()


def test_doubtful_lines_are_shown_with_the_number_of_their_question(browser):
    page = opened(
        browser, "DID,Operator\n" + numbers(60) + "1632960411,Oldmoor Exchange\n" + numbers(9, 10**11)
    )

    lines = [row["line"] for row in page.context["rows"]]
    assert lines == [1, 2, 3, 4, 5, 6, 62]
    assert page.context["rows"][-1]["gap"] == "55 lines without doubts"
    assert page.context["rows"][-1]["shown"][0]["doubt"] == 1
    assert page.context["rest"] == "9 lines without doubts"


def test_a_doubtful_line_can_be_skipped_and_taken_back(browser):
    page = opened(browser, "DID,Operator\n" + numbers(60) + "7,Oldmoor Exchange\n")

    skipped = post(browser, page, htmx="skip62", skip62="on")
    assert kinds(skipped) == []
    assert [row["line"] for row in skipped.context["rows"]][-1] == 62

    data = columns_of(skipped)
    del data["skip62"]
    assert kinds(browser.post(page.request["PATH_INFO"], data, headers={"HX-Request": "true"})) == ["flagged"]


def test_joined_columns_show_the_number_as_it_will_be_stored(browser):
    page = opened(browser, "Country code,Area,Number,Operator\n44,1632,960601,Oldmoor Exchange\n")
    mapped = {"column0": "part", "column1": "part", "column2": "number"}

    part = post(browser, page, htmx="column0", **mapped)

    assert "→ 441632960601" in part.text
    finish(browser, post(browser, page, **mapped))
    assert stored() == {"441632960601"}


def test_marks_of_empty_cells_can_be_changed(browser):
    text = "DID,Operator,Notes\n441632960100,Oldmoor Exchange,none\n441632960101,Oldmoor Exchange,NULL\n"

    finish(browser, post(browser, opened(browser, text), empty="none, NULL"))

    assert set(DID.objects.values_list("notes", flat=True)) == {""}


def test_a_column_that_would_refuse_every_row_says_so(browser):
    opened_page = opened(browser, "DID,When,Operator\n" + numbers(3, rest=",soon,Oldmoor Exchange"))

    page = post(browser, opened_page, htmx="column1", column1="hold_days")

    (column,) = [column for column in page.context["columns"] if column["bars"] == 1]
    assert column["word"] == "Please check"
    assert "every row" in column["reason"]


def test_another_user_cannot_answer(browser):
    path = upload(browser, "DID\n100\n").url

    assert client_of(member("Supervisor")).post(path, {"column0": "number"}).status_code == 404


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"number_column": "9" * 30, "written": ["x", "9" * 40], "skip-1": "on", "skip" + "9" * 30: "on"},
        {"lost": "pad", "pad": "9" * 30, "dash": "x"},
        {"column0": "nonsense", "lost": "put", "front": "44x", "status=": "active", "status=\0": "?"},
        {
            "use_operator": "0",
            "use_values": "nothing",
            "operator": "x",
            "short_ranges": "x",
            "empty": "," * 600,
        },
    ],
)
def test_nonsense_is_answered_by_the_page(browser, data):
    path = upload(browser, "DID,Operator\n" + numbers(3)).url

    assert browser.post(path, data).status_code in (200, 422, 302)
    assert browser.post(path, data, headers={"HX-Request": "true"}).status_code in (200, 302)
    assert browser.get(path).status_code in (200, 302)


def two_number_columns(browser):
    """Open a file in which two columns may be the DID."""
    rows = "".join(f"{441632960100 + n},{441632970100 + n},Oldmoor Exchange\n" for n in range(12))
    return opened(browser, f"Line A,Line B,Operator\n{rows}")


def test_two_columns_that_could_be_the_did_are_asked_about(browser):
    page = two_number_columns(browser)
    (item,) = page.context["questions"]
    assert (item.kind, item.is_open, item.aside) == ("number", True, "2 columns fit")
    assert [choice.label for choice in item.choices] == ["Line A", "Line B"]

    refused = post(browser, page)
    assert refused.status_code == 422
    assert "1 question is open." in refused.text
    finish(browser, post(browser, page, number_column="1"))

    assert stored() == {str(441632970100 + n) for n in range(12)}


def test_the_answer_which_column_is_the_did_can_be_changed(browser):
    page = two_number_columns(browser)

    def keys(answer):
        return [answer.context["form"][f"column{index}"].value() for index in range(3)]

    first = post(browser, page, htmx="number_column", number_column="0")
    assert keys(first) == ["number", "", "operator"]
    second = post(browser, first, htmx="number_column", number_column="1")
    assert keys(second) == ["", "number", "operator"]
    third = post(browser, second, htmx="column0", column0="number", number_column="1")
    assert keys(third) == ["number", "", "operator"]
    assert kinds(third) == ["number"]


def test_no_id_of_the_page_is_used_twice(browser):
    rows = "44163296151-9,x\n43210-98765,x\n+44 (0)1632 960116,x\n1632960411,x\n7,x\nTotal,x\n"
    page = opened(browser, "DID,Status\n" + numbers(30, rest=",free") + rows)

    ids = re.findall(r' id="([^"]+)"', page.text)

    assert kinds(page) == ["operator", "status", "short range", "dash", "zero", "lost", "flagged"]
    assert sorted(ids) == sorted(set(ids))


TWILIO = "Sid,Phone Number,Friendly Name,Carrier\nP1,+12025550108,Support,Oldmoor Exchange\n"


def keys_of(page):
    return [page.context["form"][f"column{index}"].value() for index in range(page.context["form"].width)]


def layouts_of(page):
    """Return the labels of the select, the chosen one first."""
    labels = dict(page.context["form"].fields["layout"].choices)
    return [labels.pop(page.context["form"]["layout"].value()), *labels.values()]


def test_another_layout_maps_the_columns_without_a_new_upload(browser):
    page = opened(browser, TWILIO)
    assert layouts_of(page)[0] == "Twilio (recognised)"
    assert keys_of(page) == ["", "number", "notes", "operator"]

    by_content = post(browser, page, htmx="layout", layout="content")
    assert keys_of(by_content) == ["", "number", "", "operator"]
    assert "Mapped by their names and content: 2 columns are imported, of 4." in by_content.text
    assert keys_of(browser.get(page.request["PATH_INFO"])) == ["", "number", "", "operator"]

    back = post(browser, by_content, htmx="layout", layout="Twilio")
    assert keys_of(back) == ["", "number", "notes", "operator"]
    assert "Mapped as in lists of Twilio: 3 columns are imported, of 4." in back.text


def test_another_layout_is_chosen_without_a_script(browser):
    page = opened(browser, TWILIO)

    answered = post(browser, page, layout="content", use_layout="1")
    assert (answered.status_code, keys_of(answered)) == (200, ["", "number", "", "operator"])
    assert post(browser, answered, layout="Twilio").status_code == 200, "the columns differ from those shown"
    assert post(browser, answered, layout="Twilio").status_code == 302


def test_a_layout_whose_number_is_missing_changes_nothing(browser):
    page = opened(browser, TWILIO)

    answered = post(browser, page, htmx="layout", layout="Yeastar")

    assert keys_of(answered) == keys_of(page)
    assert "No column of this file has the name of the DID in lists of Yeastar." in answered.text
    assert layouts_of(answered)[0] == "Twilio (recognised)"
    assert post(browser, page, layout="nonsense").status_code in (200, 422)


def test_the_columns_of_the_last_file_are_a_layout(browser):
    text = "DID,Other,Operator\n441632960100,x,Oldmoor Exchange\n"
    post(browser, opened(browser, text), column1="notes")
    page = opened(browser, text)
    assert (layouts_of(page)[0], keys_of(page)) == ("As for the last file", ["number", "notes", "operator"])

    by_content = post(browser, page, htmx="layout", layout="content")
    assert (layouts_of(by_content)[0], keys_of(by_content)[1]) == ("None recognised", "")
    again = post(browser, by_content, htmx="layout", layout="before")
    assert keys_of(again) == ["number", "notes", "operator"]


def test_existing_names_tell_what_a_column_holds(browser, operator):
    rows = "44163296010{n},Jarrow Dental,jarrow,vip\n44163296020{n},Marlow Foods,marlow,gold\n"
    text = "DID,A,B,C\n" + "".join(rows.format(n=n) for n in range(3))
    assert keys_of(opened(browser, text)) == ["number", "", "", ""]
    for name in ("Jarrow Dental", "Marlow Foods"):
        client = Client.objects.create(reseller=operator.reseller, name=name)
        Account.objects.create(client=client, name=name.split()[0].lower())
    TagSet.of(["vip", "gold"])

    page = opened(browser, text)

    assert keys_of(page) == ["number", "client", "account", "tags"]
    assert {column["reason"] for column in page.context["columns"][1:]} == {"2 of 2 names exist."}


def test_how_sure_a_column_is_depends_on_how_many_of_its_names_exist(browser):
    page = opened(browser, "DID,Operator\n441632960100,Oldmoor Exchange\n441632960101,Newmoor\n")

    (_, column) = page.context["columns"]
    assert (column["word"], column["reason"]) == ("Likely", "1 of 2 names exist.")


def test_names_of_another_branch_tell_nothing(browser, operator):
    south = Reseller.objects.create(name="South")
    for name in ("Jarrow Dental", "Marlow Foods"):
        Client.objects.create(reseller=south, name=name)
    text = "DID,A\n441632960100,Jarrow Dental\n441632960101,Marlow Foods\n"
    bound = client_of(member("Administrator", username="bound", reseller=operator.reseller))

    assert keys_of(opened(browser, text)) == ["number", "client"]
    page = opened(bound, text)
    assert (keys_of(page), page.context["columns"][1]["reason"]) == (["number", ""], "")


def test_names_that_exist_twice_are_not_guessed(browser, operator):
    for name in ("Jarrow Dental", "Marlow Foods"):
        Client.objects.create(reseller=operator.reseller, name=name)
        Operator.objects.create(reseller=operator.reseller, name=name)
    page = opened(browser, "DID,A\n441632960100,Jarrow Dental\n441632960101,Marlow Foods\n")

    assert keys_of(page) == ["number", ""]
    assert page.context["columns"][1]["word"] == "Please check"


@pytest.mark.parametrize(
    ("header", "cells", "key"),
    [
        ("State", "MI;CA;NY;MI", ""),
        ("State", "OR;IN;OK;ME", ""),
        ("LineState", "in-use;free;free;free", "status"),
        ("Active", "1;0;1;1", ""),
        ("Enabled", "Y;N;Y;Y", ""),
        ("Active", "true;false;true;true", ""),
        ("Account", "main;main;second;main", ""),
        ("Trunk", "a;b;a;b", ""),
        ("Status", "1;0;1;1", "status"),
        ("Status", "Y;N;Y;Y", "status"),
    ],
)
def test_flags_states_and_accounts_without_clients_are_asked_about_or_left_out(browser, header, cells, key):
    rows = "".join(f"44163296010{n},Oldmoor Exchange,{cell}\n" for n, cell in enumerate(cells.split(";")))
    page = opened(browser, f"DID,Operator,{header}\n{rows}")

    assert keys_of(page)[2] == key
    assert kinds(page) == ["status"] * bool(key)
    assert page.context["open"] == bool(key)


def test_columns_that_are_left_out_say_why_if_their_cells_tell(browser):
    rows = "".join(
        f"44163296010{n},44163297000{n % 2},2026-05-0{n + 1},{n}.50,Oldmoor Exchange,x\n" for n in range(3)
    )
    page = opened(browser, f"DID,Pilot,Since,Fee,Operator,Any\n{rows}")

    words = [(column["word"], column["reason"]) for column in page.context["columns"]]
    assert words[1:4] == [
        ("Please check", "This column also holds phone numbers."),
        ("Certain", "The cells are dates."),
        ("Certain", "The cells are amounts."),
    ]
    assert words[5] == ("", "")


def test_a_column_whose_values_are_asked_about_is_not_called_hopeless(browser):
    page = opened(browser, "DID,LineState,Operator\n" + numbers(3, rest=",free,Oldmoor Exchange"))

    assert page.context["columns"][1]["word"] == "Likely"
    refused = post(browser, page, htmx="status=free", **{"status=free": "refuse"})
    assert refused.context["columns"][1]["word"] == "Please check"


def test_the_columns_of_an_import_without_a_layout_stay_when_it_is_checked(browser):
    page = opened(browser, "DID,Other,Operator\n441632960100,x,Oldmoor Exchange\n")
    moved = post(browser, page, htmx="column1", column1="notes")
    job = Job.objects.get()
    del job.params["layout"]  # as an earlier version left it
    job.save()

    page = browser.get(page.request["PATH_INFO"])
    assert layouts_of(page)[0] == "None recognised"
    assert post(browser, page).status_code == 302
    assert Job.objects.get().params["mapping"] == keys_of(moved) == ["number", "notes", "operator"]
