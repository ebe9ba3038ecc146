"""The check page of an import: its rows and filters, ticking flagged rows, discarding."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format

from dids.models import DID
from jobs.models import Job
from tests.imports import staged
from tests.world import client_of, make_world, member

pytestmark = pytest.mark.django_db

LONG = "".join(f"4416320000{n:02}\n" for n in range(60))
FILE = f"DID\n{LONG}1212\n12x\n111\n"


@pytest.fixture
def checked():
    """Return a checked import with 60 numbers to create and one row of each other kind but updates."""
    world = make_world()
    number_import = staged(FILE, member("Administrator"), operator=world.operator)
    assert number_import.check(all_or_nothing=False, typical=[3, 12, 60])
    assert number_import.check(all_or_nothing=False, typical=[12, 12, 60])
    return number_import


@pytest.fixture
def browser(checked):
    return client_of(checked.job.owner)


@pytest.fixture
def path(checked):
    return f"/dids/import/{checked.job.pk}/"


def lines(page):
    return [row["effect"].line for row in page.context["rows"]]


def test_the_page_speaks_of_the_future_and_writes_nothing(browser, path):
    page = browser.get(path + "check/")

    assert "Nothing is written yet." in page.text
    assert "The import will create 60 numbers; it will refuse 1 row and leave out 2." in page.text
    assert "Import 60 numbers" in page.text
    assert DID.objects.filter(number__startswith="4416").count() == 0


def test_the_filters_are_links_with_counts_that_survive_a_reload(browser, path):
    page = browser.get(path + "check/")
    counts = {link["label"]: link["count"] for link in page.context["filters"]}
    assert counts["All rows"] == 63 and counts["Create"] == 60 and counts["Flagged"] == 2

    for link in page.context["filters"]:
        shown = browser.get(path + "check/" + link["url"])
        assert [one["label"] for one in shown.context["filters"] if one["current"]] == [link["label"]]
        assert 'aria-current="true"' in shown.text
    assert lines(browser.get(path + "check/?show=refused")) == [63]


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        ("created", "No number will be created."),
        ("updated", "No number will be updated."),
        ("unchanged", "Every number in the file is new, changes or is refused."),
        ("flagged", "No row is doubtful."),
    ],
)
def test_a_filter_without_rows_says_so(shown, sentence):
    number_import = staged("DID\n12x\n", member("Administrator"), operator=make_world().operator)

    page = client_of(number_import.job.owner).get(
        f"/dids/import/{number_import.job.pk}/check/?show={shown}&per_page=500&page=7"
    )

    assert page.context["rows"] == [] and sentence in page.text


def test_the_pages_of_all_rows_follow_each_other(browser, path):
    first = browser.get(path + "check/?show=all&per_page=50")
    assert re.search(r"Rows <b>1 – 50</b>\s+of <b>63</b>", first.text)
    second = browser.get(path + "check/?show=all&per_page=50&page=2")
    assert lines(first) + lines(second) == list(range(2, 65))


@pytest.mark.parametrize(
    "query", ["show=zzz", "page=0", "page=-1", "page=x", "per_page=7", f"page={'9' * 99}"]
)
def test_nonsense_in_the_address_is_refused_by_name(browser, path, query):
    response = browser.get(f"{path}check/?{query}")
    assert response.status_code == 400
    assert f"is not a valid value of “{query.partition('=')[0]}”." in response.text


def test_a_ticked_row_is_written_after_another_check(browser, path):
    page = browser.get(path + "check/?show=flagged")
    assert "Write <span>1212</span>" in page.text and "Left out unless ticked" in page.text

    again = browser.post(
        path + "flagged/", {"shown": [62, 64], "ticked": [62], "show": "sample"}, follow=True
    )

    assert again.redirect_chain[0][0] == path + "check/?show=sample"
    assert "The import will create 61 numbers; it will refuse 1 row and leave out 1." in again.text
    assert 'name="ticked" value="62" checked' in again.text
    browser.post(path + "check/")
    assert DID.objects.filter(number="1212").exists()


def test_a_line_that_was_not_shown_cannot_be_ticked(browser, path, checked):
    browser.post(path + "flagged/", {"shown": [64], "ticked": [62, "x"]})

    checked.job.refresh_from_db()
    assert checked.job.params["written"] == []


def test_flagged_rows_cannot_be_ticked_after_the_import(browser, path, checked):
    browser.post(path + "check/")

    answer = browser.post(path + "flagged/", {"shown": [62], "ticked": [62]}, follow=True)

    assert "already running" in answer.text
    assert not DID.objects.filter(number="1212").exists()


def test_discard_asks_once_and_deletes_the_import(browser, path, checked):
    question = browser.get(path + "discard/")
    assert "Discard this import?" in question.text
    assert Job.objects.get().state == "draft"

    answer = browser.post(path + "discard/", follow=True)

    assert "The import of numbers.csv is discarded." in answer.text
    job = Job.objects.get()
    assert (job.state, job.is_erased, job.batches.exists()) == ("cancelled", True, False)
    assert "Discarded. Nothing was imported" in browser.get(path + "check/", follow=True).text
    assert browser.post(path + "check/").status_code == 302
    assert not DID.objects.filter(number__startswith="4416").exists()


def test_a_draft_is_discarded_from_its_job(browser, path, checked):
    page = browser.get(f"/jobs/{checked.job.pk}/")

    assert f'href="{path}discard/"' in page.text
    browser.post(path + "discard/")
    assert f"{path}discard/" not in browser.get(f"/jobs/{checked.job.pk}/").text


def test_a_draft_is_discarded_from_the_list_of_jobs_by_its_owner_alone(browser, path, checked):
    assert f'href="{path}discard/"' in browser.get("/jobs/").text
    assert f"{path}discard/" not in client_of(member("Administrator", username="other")).get("/jobs/").text

    answer = browser.post(path + "discard/", {"back": "/jobs/?state=draft"})
    assert answer.url == "/jobs/?state=draft"
    assert f"{path}discard/" not in browser.get("/jobs/").text


def test_an_applied_import_cannot_be_discarded(browser, path, checked):
    browser.post(path + "check/")

    answer = browser.post(path + "discard/", follow=True)

    assert "can’t be discarded" in answer.text
    assert Job.objects.get().state == "done"
    assert browser.get(path + "refused.csv").status_code == 200


def test_the_result_speaks_of_the_past_with_reasons_and_undo(browser, path):
    browser.post(path + "check/")

    page = browser.get(path + "result/")

    assert page.context["headline"] == "60 numbers created"
    assert "60 In Stock" in page.text and "1 row was refused" in page.text
    (reason,) = page.context["reasons"]
    assert (reason["rows"], reason["line"], reason["value"]) == (1, 63, "12x")
    assert "/undo/" in page.text


def test_the_result_lists_the_rows_that_were_left_out(browser, path, checked):
    browser.post(path + "check/")

    page = browser.get(path + "result/")

    assert [(row["line"], row["value"]) for row in page.context["left_out"]] == [(62, "1212"), (64, "111")]
    assert "2 rows were left out" in page.text and "Read as 1212: 4 digits" in page.text
    until = timezone.localtime(checked.job.created_at + timedelta(days=settings.JOB_FILES_DAYS))
    assert page.text.count(f"kept until {date_format(until, 'j M Y')}") == 2
    answer = browser.get(path + "left-out.csv").getvalue().decode("utf-8-sig")
    assert [line.partition(",")[0] for line in answer.splitlines()] == ["DID", "1212", "111"]


def test_the_result_leads_to_exactly_the_numbers_written(browser, path):
    browser.post(path + "check/")

    page = browser.get(path + "result/")
    url = re.search(r'href="(/dids/\?change=\d+)">Show the 60 numbers', page.text)[1]

    shown = browser.get(f"{url}&per_page=100").context["listing"]
    assert [did.number for did in shown.rows] == LONG.split()
    assert shown.chips[0]["value"].startswith("import of ")


def test_damage_found_in_the_file_is_repeated(checked, browser, path):
    checked.job.params["damage"] = ["A spreadsheet may have damaged numbers in this file."]
    checked.job.save()

    assert "A spreadsheet may have damaged numbers in this file." in browser.get(path + "check/").text


def test_a_range_in_the_sample_leads_to_all_its_numbers():
    world = make_world()
    number_import = staged("DID\n111\n9000-9099\n", member("Administrator"), operator=world.operator)
    browser, path = client_of(number_import.job.owner), f"/dids/import/{number_import.job.pk}/check/"

    page = browser.get(path + "?per_page=50")
    link = re.search(r'<a href="(\?[^"]*)"[^>]*>98 more</a>', page.text)[1].replace("&amp;", "&")

    assert re.search(r"9000</b>\s*<span class=\"how-read\">\s*1 of 100", page.text)
    assert 3 in lines(browser.get(path + link)) and "2 of 100" in browser.get(path + link).text
