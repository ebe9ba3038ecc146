"""The page of one number, its editing, and its history."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from audit import SYSTEM
from audit.models import Change
from dids.models import DID, DIDHistory
from dids.models.number_reads import neighbours
from screens.numbers.number import RECENT
from tests.carrier import person
from tests.world import client_of, member

pytestmark = pytest.mark.django_db


def address(did):
    return f"/dids/{did.pk}/"


def page(browser, url, **data):
    return browser.get(url, **data).content.decode()


def fields_of(response):
    """Return the data that the edit form on the page would post."""
    form = response.context["form"]
    return {bound.name: bound.value() or "" for bound in form} | {"version": response.context["did"].version}


@pytest.fixture
def browser(supervisor):
    return client_of(supervisor)


def test_the_page_shows_the_number_and_explains_its_status(world, browser):
    html = page(browser, address(world.did("2567")))

    for text in ("2567", "DID Operator", "Reseller 1", "Rose Orig | rose_orig", "Basic", "30 days"):
        assert text in html
    assert "because the system assigned it to Rose Orig; goes on Hold when package Basic" in html


def test_the_page_of_a_number_on_hold_shows_its_end_and_next_status(world, browser):
    html = page(browser, address(world.did("2563")))

    assert "On Hold since" in html and "becomes In Stock on" in html
    assert "Hold until" in html


def test_editing_writes_only_changed_fields(world, browser, supervisor):
    did = world.did("256999")
    DID.objects.filter(pk=did.pk).edit(by=SYSTEM, tags=["gold"], hold_days=12)

    seen = fields_of(browser.get(address(did)))
    response = browser.post(address(did), seen | {"notes": "for the bakery"}, follow=True)

    did = world.did("256999")
    assert (did.notes, did.tag_set.label, did.hold_days, did.status) == (
        "for the bakery",
        "gold",
        12,
        "instock",
    )
    assert "256999 saved." in response.content.decode()
    newest = DIDHistory.objects.order_by("-history_id").first()
    assert newest.change.actor == supervisor
    assert (newest.change.kind, newest.change.touched) == (Change.Kind.EDIT, 1)


def test_every_field_can_be_changed_and_emptied(world, browser):
    did = world.did("256999")
    seen = fields_of(browser.get(address(did)))
    browser.post(
        address(did),
        seen
        | {"status": "reserved", "after_hold": "archive", "hold_days": "7", "tags": "b, a", "notes": "n"},
    )
    did = world.did("256999")
    assert (did.status, did.after_hold, did.hold_days, did.tag_set.label, did.notes) == (
        "reserved", "archive", 7, "a, b", "n",
    )  # fmt: skip

    seen = fields_of(browser.get(address(did)))
    browser.post(address(did), seen | {"hold_days": "", "tags": "", "notes": ""})
    did = world.did("256999")
    assert (did.hold_days, did.tag_set, did.notes) == (None, None, "")


def test_saving_again_writes_no_history(world, browser):
    did = world.did("256999")
    seen = fields_of(browser.get(address(did))) | {"notes": "two\r\nlines"}
    browser.post(address(did), seen)
    rows, changes = DIDHistory.objects.count(), Change.objects.count()

    again = fields_of(browser.get(address(did))) | {"notes": "two\r\nlines"}
    response = browser.post(address(did), again, follow=True)

    assert "No field was changed." in response.content.decode()
    assert (DIDHistory.objects.count(), Change.objects.count()) == (rows, changes)


def test_line_breaks_changed_by_the_browser_are_no_change(world, browser):
    did = world.did("256999")
    DID.objects.filter(pk=did.pk).edit(by=SYSTEM, notes="two\nlines ")
    rows = DIDHistory.objects.count()

    browser.post(address(did), fields_of(browser.get(address(did))) | {"notes": "two\r\nlines"})

    assert DIDHistory.objects.count() == rows


def test_a_parameter_that_was_not_sent_leaves_its_field_unchanged(world, browser):
    did = world.did("256999")
    DID.objects.filter(pk=did.pk).edit(by=SYSTEM, notes="keep me", tags=["gold"])

    browser.post(address(did), {"status": "reserved"})

    did = world.did("256999")
    assert (did.status, did.notes, did.tag_set.label) == ("reserved", "keep me", "gold")


def test_an_id_that_no_number_can_have_is_not_found(browser):
    for pk in (0, 2**63, 10**30):
        for page in ("", "history/", "explanation/"):
            assert browser.get(f"/dids/{pk}/{page}").status_code == 404
        assert browser.post(f"/dids/{pk}/", {"notes": "x"}).status_code == 404


def test_the_page_costs_few_queries_and_counts_no_package(world, browser, django_assert_max_num_queries):
    with django_assert_max_num_queries(19) as spent:
        assert browser.get(f"/dids/{world.did('2567').pk}/").status_code == 200
    assert not [
        query for query in spent.captured_queries if "COUNT" in query["sql"] and "dids_did" in query["sql"]
    ]


def test_a_refused_move_is_explained_at_the_status_and_input_is_kept(world, browser):
    did = world.did("2567")
    seen = fields_of(browser.get(address(did)))
    response = browser.post(address(did), seen | {"status": "reserved", "notes": "typed at length"})

    assert response.status_code == 422
    assert "in use by a client; put on Hold first" in response.context["form"].errors["status"][0]
    html = response.content.decode()
    assert escape(response.context["form"].errors["status"][0]) in html
    assert "typed at length" in html
    assert (world.did("2567").status, world.did("2567").notes) == ("active", "")


def test_an_invalid_value_is_explained_at_its_field(world, browser):
    did = world.did("256999")
    seen = fields_of(browser.get(address(did)))
    response = browser.post(address(did), seen | {"hold_days": "366", "status": "hodl"})

    assert response.status_code == 422
    assert response.context["form"].errors["hold_days"] == ["Enter 365 or less."]
    assert "hodl" in response.context["form"].errors["status"][0]
    assert world.did("256999").hold_days is None


def test_only_permitted_moves_are_offered(world, browser, clerk):
    def offered(browser, number):
        form = browser.get(address(world.did(number))).context["form"]
        return [key for key, _ in form.fields["status"].widget.choices]

    assert offered(browser, "256999") == ["reserved", "instock", "archive"]
    assert offered(browser, "2567") == ["active", "blocked", "hold"]
    assert offered(browser, "2563") == ["reserved", "instock", "hold", "archive"]
    assert offered(client_of(clerk), "2567") == ["active"]


def moves(browser, number, world):
    found = browser.get(address(world.did(number))).context["moves"]
    return {move.label: move.consequence for move in found.possible}, dict(found.impossible)


def test_each_move_is_a_button_with_its_consequence_and_others_have_a_reason(world, browser):
    possible, impossible = moves(browser, "2567", world)
    assert list(possible) == ["Block", "Hold"]
    assert possible["Block"] == (
        "Unreachable at once. Rose Orig keeps the number, and it still takes a place of Basic."
    )
    assert possible["Hold"].startswith("Unreachable at once. Rose Orig can have it back until ")
    assert possible["Hold"].endswith("; then it becomes In Stock. Frees a place of Basic.")
    assert impossible == {
        "Reserve, Put in stock, Archive, Delete": "Rose Orig uses the number. Put it on Hold first."
    }

    possible, impossible = moves(browser, "2563", world)
    assert possible["Activate"] == (
        "Back to Rose Orig, account rose_orig, reachable at once. Takes a place of Basic: 3 of 5."
    )
    assert possible["End hold"].startswith("Becomes In Stock now, 29 days early. Rose Orig can no longer")
    assert impossible == {"Block, Delete": "The number is on Hold for Rose Orig. End the hold first."}

    possible, impossible = moves(browser, "256999", world)
    assert list(possible) == ["Assign…", "Reserve…", "Archive", "Delete…"]
    assert impossible == {"Block, Hold": "No client uses the number."}
    assert "Restore as In Stock" in moves(browser, "12567", world)[0]


def test_a_move_that_the_package_or_a_right_forbids_says_so(world, browser, clerk):
    world.package.did_limit = 2
    world.package.save()
    assert "is full: 2 of 2 places are taken. Raise its" in moves(browser, "2563", world)[1]["Activate"]
    world.client_package.deactivate(by=SYSTEM)
    assert "is not active. Activate it first." in moves(browser, "2563", world)[1]["Activate"]
    assert "You don’t have the right to end a hold" in moves(client_of(clerk), "2563", world)[1]["End hold"]


def test_the_buttons_of_the_moves_make_them(world, browser):
    for number, status in (("12568", "instock"), ("2563", "instock")):
        did = world.did(number)
        move = next(
            move
            for move in browser.get(address(did)).context["moves"].possible
            if move.fields.get("status") == status
        )
        answer = browser.post(move.url, move.fields, follow=True)
        assert world.did(number).status == status
        assert f"{number} is In Stock now." in answer.text
    block = browser.get(address(world.did("2567"))).context["moves"].possible[0]
    answer = browser.post(block.url, block.fields, follow=True)
    assert (world.did("2567").status, answer.redirect_chain[-1][0]) == ("blocked", address(world.did("2567")))


def test_a_number_is_assigned_from_its_page(world, browser):
    url, here = f"/dids/assign/?ids={world.did('256999').pk}", address(world.did("256999"))
    assert 'id="assign"' in browser.get(url).text
    chosen = {"ids": world.did("256999").pk, "client": world.client.pk, "step": "apply", "back": here}
    chosen |= {"package": world.client_package.pk, "account": world.account.pk}
    assert browser.post("/dids/assign/", chosen).url == here
    assert world.did("256999").status == "active"


def test_a_number_changed_in_the_meantime_is_not_overwritten(world, browser):
    did = world.did("256999")
    seen = fields_of(browser.get(address(did)))
    anna = person("anna", "dids.change_did")
    DID.objects.filter(pk=did.pk).edit(by=anna, notes="hers", tags=["gold"])

    response = browser.post(address(did), seen | {"hold_days": "9"})

    assert response.status_code == 422
    html = response.content.decode()
    assert "Not saved: 256999 was changed by anna while you were editing it" in html
    assert "Tag: empty → gold; Notes: empty → hers" in html
    assert world.did("256999").hold_days is None
    form = response.context["form"]
    assert (form["hold_days"].value(), form["notes"].value(), form["tags"].value()) == ("9", "hers", "gold")

    browser.post(address(did), fields_of(response))

    did = world.did("256999")
    assert (did.hold_days, did.notes, did.tag_set.label) == (9, "hers", "gold")


def test_editing_requires_permission(world, viewer):
    browser, did = client_of(viewer), world.did("256999")

    assert "Save settings" not in page(browser, address(did))
    assert browser.post(address(did), {"notes": "x"}).status_code == 403
    assert world.did("256999").notes == ""


def test_a_user_who_may_only_block_sees_only_the_status(world):
    browser = client_of(person("guard", "dids.view_did", "dids.block_did"))
    did = world.did("2567")
    seen = fields_of(browser.get(address(did)))

    assert set(seen) == {"status", "version"}
    browser.post(address(did), seen | {"status": "blocked", "notes": "smuggled"})
    assert (world.did("2567").status, world.did("2567").notes) == ("blocked", "")


def test_a_user_of_another_reseller_finds_no_number(world, stranger):
    browser, did = client_of(stranger), world.did("256999")

    for answer in (
        browser.get(address(did)),
        browser.post(address(did), {"notes": "x"}),
        browser.get(f"{address(did)}history/"),
    ):
        assert answer.status_code == 404
    assert world.did("256999").notes == ""


def test_the_page_requires_permission_to_view_numbers(world):
    browser = client_of(person("nobody"))

    assert browser.get(address(world.did("256999"))).status_code == 403
    assert browser.get(f"{address(world.did('256999'))}history/").status_code == 403


@pytest.mark.parametrize("path", ["/dids/{}/", "/dids/{}/history/"])
@pytest.mark.parametrize("pk", [0, 10**18, 10**30])
def test_an_unknown_id_is_not_found(world, browser, path, pk):
    assert browser.get(path.format(pk)).status_code == 404


def test_wrong_methods_are_refused(world, browser):
    did = world.did("256999")

    assert browser.delete(address(did)).status_code == 405
    assert browser.post(f"{address(did)}history/").status_code == 405


def test_the_history_of_a_deleted_number_stays_readable_for_its_branch(world, browser, owner, stranger):
    did = world.did("111")
    DID.objects.filter(pk=did.pk).delete_unused(by=owner)
    url = f"/dids/{did.pk}/history/"

    for reader in (browser, client_of(owner)):
        html = page(reader, url)
        assert "History of 111" in html and "Deleted" in html and "by owner" in html
    assert client_of(stranger).get(url).status_code == 404
    assert client_of(stranger).get(address(did)).status_code == 404


def test_the_last_state_of_a_deleted_number_opens_from_its_address_and_a_search(world, browser, owner):
    did = world.did("111")
    DID.objects.filter(pk=did.pk).edit(by=owner, notes="kept for later")
    DID.objects.filter(pk=did.pk).delete_unused(by=owner)

    html = browser.get(address(did), follow=True).content.decode()
    assert "Last values" in html and "kept for later" in html and "DID Operator" in html
    found = page(browser, "/dids/?q=111")
    assert f'<a href="/dids/{did.pk}/history/">111</a> was deleted' in found
    assert browser.post(address(did), {"notes": "x"}).status_code == 404


def test_the_entries_of_a_history_lead_to_their_changes(world, browser, owner):
    did = world.did("111")
    DID.objects.filter(pk=did.pk).edit(by=owner, notes="seen")
    change = Change.objects.latest("pk")

    assert f'<a href="/audit/{change.pk}/">Edit</a>' in page(browser, f"{address(did)}history/")
    nobody = client_of(person("vera", "dids.view_did"))
    assert "/audit/" not in page(nobody, f"{address(did)}history/")


def test_a_former_reseller_sees_the_history_of_its_own_time_only(world, owner):
    did = world.did("111")
    DID.objects.filter(pk=did.pk).update(operator=world.operator_2, notes="later")

    page = client_of(owner).get(f"/dids/{did.pk}/history/")
    assert [entry.event for entry in page.context["entries"]] == ["+"]
    assert "moved to another reseller" in page.text
    assert "later" not in page.text and "DID Operator 2" not in page.text


def test_a_long_history_is_read_in_pages(world, browser):
    dids = DID.objects.filter(number="111")
    for n in range(105):
        dids.edit(by=SYSTEM, notes=f"note-{n:03}")
    url = f"/dids/{dids.get().pk}/history/"

    first = browser.get(url)
    second = browser.get(url + first.context["older_url"])

    assert len(first.context["entries"]) == 100 and len(second.context["entries"]) == 6
    assert first.context["older_url"] in first.content.decode()
    assert "note-104" in first.content.decode() and "note-000" in second.content.decode()
    assert second.context["older_url"] == ""
    assert len(browser.get(address(dids.get())).context["entries"]) == RECENT


def test_a_history_can_be_limited_to_changes_of_the_status(world, browser):
    dids = DID.objects.filter(number="2567")
    dids.edit(by=SYSTEM, notes="first")
    dids.block(by=SYSTEM)
    dids.edit(by=SYSTEM, notes="second")
    dids.unblock(by=SYSTEM)
    pk = dids.get().pk
    for url in (f"/dids/{pk}/", f"/dids/{pk}/history/"):
        assert "?only=status#history-title" in page(browser, url)
        some = browser.get(f"{url}?only=status")
        changed = [[one.field for one in entry.differences][:1] for entry in some.context["entries"][:3]]
        assert changed == [["Status"], ["Status"], ["Status"]]
        assert some.context["entries"][-1].event == "+" and ">first<" not in some.text
        assert 'href="?#history-title"' in some.text
        assert browser.get(f"{url}?only=notes").status_code == 400


def test_status_changes_are_read_in_pages(world, browser, monkeypatch):
    monkeypatch.setattr("screens.numbers.number.RECENT", 2)
    dids = DID.objects.filter(number="2567")
    for _ in range(2):
        dids.block(by=SYSTEM)
        dids.unblock(by=SYSTEM)
    shown = browser.get(f"/dids/{dids.get().pk}/?only=status")
    assert len(shown.context["entries"]) == 2
    assert f"/dids/{dids.get().pk}/history/?only=status" in shown.text


def test_a_number_leads_to_its_neighbours_in_the_branch(world, browser, owner, django_assert_num_queries):
    did = world.did("2568")  # the next one is another reseller's

    def around(viewer):
        ours = DID.objects.visible_to(viewer).order_by("number")
        return ours.filter(number__lt=did.number).last(), ours.filter(number__gt=did.number).first()

    for viewer, browsed in ((member("Supervisor", username="everyone"), browser), (owner, client_of(owner))):
        with django_assert_num_queries(2):
            found = neighbours(did.number, viewer)
        assert found == tuple(one and (one.pk, one.number) for one in around(viewer))
        html = page(browsed, address(did))
        for one in filter(None, found):
            assert f'href="/dids/{one[0]}/"' in html
    assert neighbours("0", owner)[0] is neighbours("9" * 20, owner)[1] is None


@pytest.mark.parametrize(
    ("before", "status"), [("x", 400), ("-1", 400), ("²", 400), ("9" * 40, 400), ("", 200)]
)
def test_an_invalid_history_page_is_refused(world, browser, before, status):
    assert browser.get(f"/dids/{world.did('111').pk}/history/?before={before}").status_code == status


def test_the_page_needs_the_same_queries_for_any_history(world, browser):
    dids = DID.objects.filter(number="2563")
    for tag in ("gold", "silver"):  # the number doesn't name its earlier tags
        dids.edit(by=SYSTEM, tags=[tag])
    url = address(dids.get())
    browser.get(url)
    with CaptureQueriesContext(connection) as short:
        browser.get(url)
    for n in range(10):
        dids.edit(by=SYSTEM, notes=str(n), tags=[str(n)])
    with CaptureQueriesContext(connection) as long:
        browser.get(url)

    assert len(long) == len(short) <= 25
