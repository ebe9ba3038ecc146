"""New DIDs: the preview, what is created, and existing numbers left unchanged."""

from urllib.parse import urlencode

import pytest
from django.conf import settings as product
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Change
from dids.models import DID, DIDHistory
from tests.carrier import person
from tests.world import client_of

pytestmark = pytest.mark.django_db
NEW = "/dids/new/"


@pytest.fixture
def browser(clerk):
    return client_of(clerk)


def form(world, numbers, **more):
    return {
        "numbers": numbers,
        "operator": world.operator.pk,
        "status": "instock",
        "after_hold": "instock",
    } | more


def preview(browser, text):
    data = {"step": "preview", "numbers": text}
    return " ".join(browser.post(NEW, data, headers={"HX-Request": "true"}).text.split())


def test_there_is_no_button_when_nothing_would_be_created(world, browser):
    html = preview(browser, "111-116")
    assert "<b>0</b> of 6 DIDs will be created." in html and "<button" not in html
    assert "<button" not in preview(browser, "111-") and "Create 1 DID" in preview(browser, "4420")


def test_a_range_is_created_with_the_values_of_the_form(world, browser, clerk):
    data = form(
        world,
        "4420-4429",
        status="reserved",
        after_hold="archive",
        hold_days="7",
        tags="b, a",
        notes="ordered",
    )
    response = browser.post(NEW, data, follow=True)

    created = DID.objects.filter(number__startswith="442")
    assert [did.number for did in created.order_by("number")] == [str(n) for n in range(4420, 4430)]
    assert {
        (did.operator, did.status, did.after_hold, did.hold_days, did.tag_set.label, did.notes)
        for did in created
    } == {(world.operator, "reserved", "archive", 7, "a, b", "ordered")}
    change = Change.objects.latest("pk")
    assert (change.kind, change.actor, change.touched) == ("create", clerk, 10)
    assert DIDHistory.objects.filter(change=change, event="+").count() == 10
    assert response.redirect_chain[-1][0] == "/dids/?q=4420-4429"
    assert "10 DIDs created for DID Operator." in response.content.decode()


def test_numbers_are_parsed_in_any_notation_and_keep_leading_zeros(world, browser):
    browser.post(NEW, form(world, "+44 20 7946 0001; 007\n008,009"))

    numbers = set(DID.objects.values_list("number", flat=True))
    assert {"442079460001", "007", "008", "009"} <= numbers


def test_existing_numbers_are_named_and_left_unchanged(world, browser):
    before = world.did("111")
    response = browser.post(NEW, form(world, "110-117", notes="new"), follow=True)

    assert (
        "2 DIDs created for DID Operator. "
        "6 already exist and were skipped: 111, 112, 113, 114, 115 and 1 more." in response.content.decode()
    )
    after = world.did("111")
    assert (after.notes, after.status) == (before.notes, before.status)
    assert DID.objects.filter(notes="new").count() == 2


def test_submitting_the_form_twice_creates_numbers_once(world, browser):
    browser.post(NEW, form(world, "4420-4429"))
    numbers, rows, changes = DID.objects.count(), DIDHistory.objects.count(), Change.objects.count()

    response = browser.post(NEW, form(world, "4420-4429"), follow=True)

    assert "No DID was created. 10 already exist" in response.content.decode()
    assert (DID.objects.count(), DIDHistory.objects.count(), Change.objects.count()) == (
        numbers,
        rows,
        changes,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4420-4429", "<b>10 DIDs</b> will be created, from 4420 to 4429."),
        ("4420", "<b>1 DID</b> will be created: 4420."),
        ("110-117", "<b>2</b> of 8 DIDs will be created. <b>6</b> already exist and will not change"),
        ("111, 110", "<b>1</b> of 2 DIDs will be created. <b>1</b> already exists and will not change"),
        ("111", "<b>0</b> of 1 DIDs will be created."),
        ("4420, 4420", "1 was entered more than once and is counted once."),
        ("4420, 44a0", "“44a0”"),
        ("212-555", "<b>344 DIDs</b>"),
        ("212-5555", "it may be one number, 2125555, or a range"),
        ("", "Enter numbers to see how many will be created."),
        ("1-1000001", "These are 1,000,001 numbers; at most"),
    ],
)
def test_the_preview_counts_the_new_numbers_and_writes_nothing(world, browser, text, message):
    before = DID.objects.count()

    html = preview(browser, text.replace("1-1000001", "1000000-2000000"))

    assert message in html
    assert DID.objects.count() == before


def test_without_scripts_the_preview_page_keeps_the_entered_values(world, browser):
    data = form(world, "4420-4429", notes="typed", step="preview")
    html = browser.post(NEW, data).content.decode()

    assert "<b>10 DIDs</b> will be created" in html and "Create 10 DIDs" in html
    assert "typed" in html and "4420-4429" in html
    assert f'<option value="{world.operator.pk}" selected>' in html
    assert not DID.objects.filter(number="4420").exists()


def test_the_preview_counts_a_large_range_in_few_queries(world, browser):
    with CaptureQueriesContext(connection) as queries:
        html = preview(browser, f"{10**9}-{10**9 + 99_999}")

    assert "<b>100,000 DIDs</b>" in html
    assert len(queries) <= 25


def test_a_hundred_thousand_numbers_can_be_pasted_line_by_line(world, browser, settings):
    settings.LONG_NUMBERS = True
    lines = "\r\n".join(str(10**19 + 2 * n) for n in range(100_000))
    body = urlencode({"step": "preview", "numbers": lines})

    response = browser.post(
        NEW, body, content_type="application/x-www-form-urlencoded", headers={"HX-Request": "true"}
    )

    assert "<b>100,000 DIDs</b> will be created" in response.content.decode()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1," * 100_001, "The list has more than 100,000 entries, the most that are read at once."),
        ("1 " * 100_001, "The list has more than 100,000 entries, the most that are read at once."),
        ("1\n" * 1_250_000 + "1", "The list has 2,500,001 characters; at most 2,500,000 are read at once."),
    ],
)
def test_a_list_that_is_too_long_is_refused_with_its_limit_and_what_to_do(world, browser, text, sentence):
    for step, status in (("preview", 200), ("create", 422)):
        response = browser.post(NEW, form(world, text, step=step))
        assert response.status_code == status
        assert f"{sentence} Write ranges such as 111-222, split the list, or import it as a file." in (
            response.content.decode()
        )
    assert not DID.objects.filter(number="1").exists()


def test_more_than_the_limit_of_the_form_is_refused_without_expanding_the_range(world, browser, settings):
    settings.LONG_NUMBERS = True
    response = browser.post(NEW, form(world, f"{'1' * 20}-{'9' * 20}"))

    assert response.status_code == 422
    assert f"at most {product.NEW_DIDS_LIMIT:,} are allowed at once" in response.content.decode()


def test_more_than_15_digits_are_refused_unless_the_setting_allows_them(world, browser, settings):
    html = preview(browser, f"1234567890123456\n+12345678901234567-+12345678901234568\n{'1' * 21}")

    for written in ("Line 1, “1234567890123456”", "Line 2, “+12345678901234567-+12345678901234568”"):
        assert f"{written}: it has more than 15 digits, the most that E.164 allows." in html
    assert "it has 21 digits. Enter at most 15." in html
    settings.LONG_NUMBERS = True
    assert "<b>1 DID</b> will be created" in preview(browser, "12345678901234567890")
    assert "it has 21 digits. Enter at most 20." in preview(browser, "1" * 21)


def test_one_unreadable_entry_is_named_and_nothing_is_created(world, browser):
    response = browser.post(NEW, form(world, "4420\n44x1\n4422", notes="kept"))
    html = response.content.decode()

    assert response.status_code == 422
    assert "Line 2, “44x1”: “x” is not a digit." in html
    assert "4422" in html and "kept" in html
    assert not DID.objects.filter(number="4420").exists()


def test_many_unreadable_entries_are_counted(world, browser):
    html = browser.post(NEW, form(world, "\n".join(f"x{n}" for n in range(9)))).content.decode()

    assert "4 more entries can" in html


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("operator", "", "Choose the operator"),
        ("operator", "999999", "This operator doesn’t exist, or you don’t have access to it."),
        ("operator", "9" * 30, "This operator doesn’t exist, or you don’t have access to it."),
        ("operator", "x", "This operator doesn’t exist, or you don’t have access to it."),
        ("status", "active", "“active” is not one of the options"),
        ("hold_days", "366", "Enter 365 or less."),
        ("tags", "t" * 51, "The limit is 50"),
        ("notes", "n" * 501, "at most 500 characters"),
        ("numbers", "", "Enter the numbers to create."),
    ],
)
def test_a_wrong_value_is_shown_at_its_field(world, browser, field, value, message):
    response = browser.post(NEW, form(world, "4420") | {field: value})

    assert response.status_code == 422
    assert message in str(response.context["form"].errors[field])
    assert not DID.objects.filter(number="4420").exists()


def test_scattered_numbers_redirect_to_a_list_that_shows_them(world, browser):
    assert browser.post(NEW, form(world, "4420, 5530")).url == "/dids/?q=4420%2C5530"
    assert browser.post(NEW, form(world, "4421")).url == "/dids/?q=%3D4421"
    assert browser.post(NEW, form(world, "6000-6100, 7000-7100")).url == "/dids/?sort=-id"


def test_a_bound_user_creates_numbers_only_for_their_operators(world, stranger):
    response = client_of(stranger).post(NEW, form(world, "4420"))

    assert response.status_code == 422
    assert "This operator doesn’t exist, or you don’t have access to it." in response.content.decode()
    assert not DID.objects.filter(number="4420").exists()


def test_the_form_requires_permission(world, viewer):
    for user in (viewer, person("nobody")):
        browser = client_of(user)
        assert browser.get(NEW).status_code == 403
        assert browser.post(NEW, form(world, "4420")).status_code == 403
    assert not DID.objects.filter(number="4420").exists()


def test_wrong_methods_are_refused(browser):
    assert browser.put(NEW).status_code == 405
    assert browser.delete(NEW).status_code == 405


def test_the_form_starts_with_the_usual_values(world, browser):
    form = browser.get(NEW).context["form"]

    assert (form["status"].value(), form["after_hold"].value()) == ("instock", "instock")
    assert [key for key, _ in form.fields["status"].choices] == ["reserved", "instock", "archive"]
