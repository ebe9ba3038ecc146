"""The list of numbers, its counters and its export as of a past time, checked against a plain model."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.http import QueryDict
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from audit import SYSTEM, change
from audit.models import Change
from dids.exports import rows as export_rows
from dids.lifecycle import statuses as st
from dids.lists import as_of
from dids.lists.listing import did_listing
from dids.models import DID, ClientPackage
from jobs.models import Job
from operators.models import Operator
from tests.carrier import carrier
from tests.examples import scaled
from tests.reads import rows_read
from tests.roles import as_owner
from tests.screens.numbers.test_did_list import numbers_of, words
from tests.world import client_of, member

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def address(time, path="/dids/", **query):
    return f"{path}?{urlencode({'as_of': time.isoformat(), **query}, doseq=True)}"


def listed(user, time, **query):
    path, _, parameters = address(time, **query).partition("?")
    listing = did_listing(QueryDict(parameters), user, path)
    assert listing.valid, listing.errors
    return listing


def carrier_since_start(name="North"):
    """Create a carrier whose client package has started before START."""
    house = carrier(name)
    ClientPackage.objects.update(starts_at=START - DAY)
    return house


@pytest.fixture
def house():
    return carrier_since_start()


@pytest.fixture(params=["few", "many"])
def plan(request, monkeypatch):
    """Run a test with few candidates, sorted at once, and with many, paged by key in chunks of two."""
    if request.param == "many":
        monkeypatch.setattr(as_of, "CANDIDATES_MAX", 0)
        monkeypatch.setattr(as_of, "EARLY_MAX", -1)
        monkeypatch.setattr(as_of, "LATER_MIN", 0)
        monkeypatch.setattr(as_of, "LATER_HEADS_MIN", 1)
        monkeypatch.setattr(export_rows, "CHUNK", 2)


# --- a plain model ------------------------------------------------------------------------------------

NUMBERS = [f"4420{n}" for n in range(6)]
ACTIONS = ("create", "create", "reserve", "assign", "block", "hold", "hold", "end", "delete", "tag", "sql")
STEPS = some.lists(
    some.tuples(
        some.sampled_from(ACTIONS), some.sets(some.sampled_from(NUMBERS), min_size=1), some.integers(0, 30)
    ),
    min_size=4,
    max_size=20,
)


class Model:
    """The states of numbers over time: {number: [(time, state from then on; None once deleted)]}."""

    def __init__(self):
        self.states = {}

    def write(self, number, time, state):
        self.states.setdefault(number, []).append((time, state))

    def state_at(self, number, time):
        """Return the state at ``time``, with an overdue hold released; None if the number did not exist."""
        states = [state for written, state in self.states.get(number, ()) if written <= time]
        state = states[-1] if states else None
        if state and state["status"] == st.HOLD and state["until"] <= time:
            state = state | {"status": state["after_hold"], "client": ""}
        return state

    def at(self, time):
        return {n: state for n in self.states if (state := self.state_at(n, time))}


def run(steps, houses):
    """Run the steps in the database and in a ``Model``; return the model and the times of changes."""
    model, now, times = Model(), START, [START]
    for action, numbers, hours in steps:
        now += hours * HOUR
        times.append(now)
        for number in sorted(numbers):
            did, state, house = DID.objects.filter(number=number), model.state_at(number, now), houses[number]
            if action == "create" and state is None:
                after = st.ARCHIVE if number > NUMBERS[2] else st.INSTOCK
                DID.objects.create_numbers(
                    [number], operator=house.operator, by=SYSTEM, after_hold=after, now=now
                )
                created = {"operator": house.operator.name, "status": st.INSTOCK, "after_hold": after}
                model.write(number, now, created | {"tags": "", "client": ""})
            elif action == "create" or state is None:
                continue
            elif action == "sql":  # timestamped by the database, later than any time that is checked
                did.update(notes=f"by hand, {hours}")
            elif action == "tag":
                did.edit(by=SYSTEM, add_tags=["Gold"], now=now)
                model.write(number, now, state | {"tags": "Gold"})
            elif action == "reserve" and state["status"] == st.INSTOCK:
                did.edit(by=SYSTEM, status=st.RESERVED, now=now)
                model.write(number, now, state | {"status": st.RESERVED})
            elif action == "assign" and state["status"] == st.INSTOCK:
                did.assign(house.client_package, house.account, by=SYSTEM, now=now)
                model.write(number, now, state | {"status": st.ACTIVE, "client": house.client.name})
            elif action == "block" and state["status"] == st.ACTIVE:
                did.block(by=SYSTEM, now=now)
                model.write(number, now, state | {"status": st.BLOCKED})
            elif action == "hold" and state["status"] in st.IN_USE:
                did.edit(by=SYSTEM, hold_days=1, now=now)
                did.hold(by=SYSTEM, now=now)
                model.write(number, now, state | {"status": st.HOLD, "until": now + DAY})
                times.append(now + DAY)
            elif action == "end" and state["status"] == st.HOLD:
                did.end_hold(by=SYSTEM, now=now)
                model.write(number, now, state | {"status": state["after_hold"], "client": ""})
            elif action == "delete" and state["status"] in st.FREE:
                did.delete_unused(by=SYSTEM, now=now)
                model.write(number, now, None)
    return model, times


def rows_by_number(listing):
    rows = {
        row.number: {
            "operator": row.operator_name,
            "status": row.status_now,
            "after_hold": row.after_hold,
            "tags": row.tag_label,
            "client": row.client_name,
        }
        for row in listing.rows
    }
    assert len(rows) == len(listing.rows), "a number is listed twice"
    assert list(rows) == sorted(rows)
    return rows


def check(user, time, model, houses, dice):
    """Compare rows, filters, counters, pages and file as of ``time`` with the model."""
    wanted = {
        number: {key: value for key, value in state.items() if key != "until"}
        for number, state in model.at(time).items()
        if user.reseller_id in (None, houses[number].reseller.pk)
    }
    house = houses[NUMBERS[0]]
    searches = [({}, lambda number, state: True)]
    searches += [
        ({"status": key}, lambda number, state, key=key: state["status"] == key) for key in st.LABELS
    ]
    searches += [
        ({"status": [st.INSTOCK, st.ARCHIVE]}, lambda _, state: state["status"] in (st.INSTOCK, st.ARCHIVE)),
        ({"operator": house.operator.pk}, lambda _, state: state["operator"] == house.operator.name),
        (
            {"operator": house.operator.pk, "status": st.INSTOCK},
            lambda _, state: (state["operator"], state["status"]) == (house.operator.name, st.INSTOCK),
        ),
        ({"reseller": house.reseller.pk}, lambda _, state: state["operator"] == house.operator.name),
        ({"client": house.client.pk}, lambda _, state: state["client"] == house.client.name),
        ({"client": house.client.pk, "q": "20"}, lambda _, state: state["client"] == house.client.name),
        ({"q": f"{NUMBERS[1]}, {NUMBERS[3]}"}, lambda number, _: number in (NUMBERS[1], NUMBERS[3])),
        ({"q": "*3"}, lambda number, _: number.endswith("3")),
        ({"q": "4420*", "status": st.ACTIVE}, lambda _, state: state["status"] == st.ACTIVE),
        ({"q": f"{NUMBERS[1]}-{NUMBERS[4]}"}, lambda number, _: NUMBERS[1] <= number <= NUMBERS[4]),
    ]
    if any(state["tags"] for state in wanted.values()):
        searches.append(({"tag": "Gold"}, lambda _, state: state["tags"] == "Gold"))
    for query, matches in dice.sample(searches, 7):
        if user.reseller_id and ("client" in query or "operator" in query or "reseller" in query):
            continue
        expected = {number: state for number, state in wanted.items() if matches(number, state)}
        listing = listed(user, time, **query)
        assert rows_by_number(listing) == expected, (time, query)
        listing = listed(user, time, count="exact", **query)
        assert (listing.total, listing.total.more) == (len(expected), False)
        _, *rows = export_rows.past_rows(listing)
        assert [row[3] for row in rows] == sorted(expected), (time, query)
        backwards = listed(user, time, sort="-number", page="-1", **query)
        assert [row.number for row in backwards.rows] == sorted(expected, reverse=True), (time, query)
    counts = listed(user, time, count="exact").filterset.by_status
    assert {key: int(count) for key, count in counts.items()} == {
        key: sum(state["status"] == key for state in wanted.values()) for key in st.LABELS
    }


@given(steps=STEPS, dice=some.randoms(use_true_random=False))
@settings(
    max_examples=scaled(12),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_inventory_as_of_any_time_matches_the_model(plan, steps, dice):
    with transaction.atomic():
        north, south = carrier_since_start("North"), carrier_since_start("South")
        houses = {number: south if n % 3 == 1 else north for n, number in enumerate(NUMBERS)}
        model, times = run(steps, houses)
        times = [time + timedelta(microseconds=n) for time in times for n in (-1, 0, 1)]
        users = [member("Administrator"), member("Viewer", reseller=north.reseller)]
        for time in dice.sample(times, min(2, len(times))):
            for user in users:
                check(user, time, model, houses, dice)
        transaction.set_rollback(True)


def test_a_tag_that_no_number_has_any_more_can_be_chosen_by_its_former_reseller(house, plan):
    south = carrier_since_start("South")
    DID.objects.create_numbers(["44200"], operator=house.operator, by=SYSTEM, tags=["Gold"], now=START)
    DID.objects.all().edit(by=SYSTEM, tags=[], now=START + DAY)
    ours = member("Viewer", reseller=house.reseller)
    theirs = member("Viewer", username="south", reseller=south.reseller)

    assert [row.number for row in listed(ours, START + HOUR, tag="Gold").rows] == ["44200"]
    path, _, parameters = address(START + HOUR, tag="Gold").partition("?")
    refused = did_listing(QueryDict(parameters), theirs, path)
    assert refused.errors == ["Tags: There is no tag “Gold”."]


@pytest.mark.parametrize(("while_ours", "errors"), [(True, []), (False, ["Tags: There is no tag “Gold”."])])
def test_a_tag_of_an_operator_that_was_moved_can_be_chosen_by_its_reseller_then(
    house, plan, while_ours, errors
):
    """An operator that changes its reseller does not bring along the names of its former tags."""
    south = carrier_since_start("South").reseller
    DID.objects.create_numbers(["44200"], operator=house.operator, by=SYSTEM, tags=["Gold"], now=START)
    DID.objects.all().edit(by=SYSTEM, tags=[], now=START + HOUR)
    with change("edit", by=SYSTEM, at=START + DAY):
        Operator.objects.filter(pk=house.operator.pk).update(reseller=south)
    reader = member("Viewer", reseller=house.reseller if while_ours else south)

    path, _, parameters = address(START + DAY * 2, tag="Gold").partition("?")
    assert did_listing(QueryDict(parameters), reader, path).errors == errors


def test_numbers_created_later_are_skipped(house, administrator, plan):
    keys = {}
    for n, day in enumerate([0, 0, 3, 1, 4, 4, 9]):  # the clock is set back once
        time = START + DAY * day / 48
        DID.objects.create_numbers([f"4420{9 - n}"], operator=house.operator, by=SYSTEM, now=time)
        keys[DID.objects.latest("pk").pk] = time
    DID.objects.filter(number="44206").delete_unused(by=SYSTEM, now=START + DAY)
    for hours in range(9):
        then = listed(administrator, START + hours * HOUR / 2)
        last = then.filterset._last_created
        late = {pk for pk, created in keys.items() if last is not None and pk > last}
        assert all(keys[pk] > then.time for pk in late)
        assert {row.pk for row in then.rows} == {pk for pk, created in keys.items() if created <= then.time}
    assert listed(administrator, START).filterset._last_created == sorted(keys)[1], "later ids are skipped"
    assert listed(administrator, START + DAY).filterset._last_created is None, "there are no later ids"


def test_numbers_created_just_after_are_skipped(house, administrator, plan):
    for minutes, number in ((0, "4420"), (50, "4421"), (51, "4422")):
        now = START + timedelta(minutes=minutes)
        DID.objects.create_numbers([number], operator=house.operator, by=SYSTEM, now=now)
    first = DID.objects.get(number="4420").pk
    for minutes in (0, 49):
        then = listed(administrator, START + timedelta(minutes=minutes))
        assert then.filterset._last_created == first
        assert [row.number for row in then.rows] == ["4420"]


def test_numbers_that_a_long_change_creates_are_skipped_from_a_minute_later_on(house, administrator, plan):
    whole = None
    for hours, number in ((0, "4420"), (1, "4421"), (2, "4422")):
        with change("import", by=SYSTEM, at=START + hours * HOUR, resume=whole) as whole:
            DID.objects.create_numbers([number], operator=house.operator, by=SYSTEM)
    then = listed(administrator, START + HOUR)
    assert then.filterset._last_created == DID.objects.get(number="4421").pk
    assert [row.number for row in then.rows] == ["4420", "4421"]


def test_no_number_is_skipped_if_history_is_pruned(house, administrator, plan, tmp_path):
    DID.objects.create_numbers(NUMBERS, operator=house.operator, by=SYSTEM, now=START)
    DID.objects.create_numbers(["4421"], operator=house.operator, by=SYSTEM, now=START + 5 * DAY)
    old = DID.objects.order_by("pk")[3]  # in the middle, where a binary search begins
    DID.objects.filter(pk=old.pk).edit(by=SYSTEM, notes="later", now=START + 9 * DAY)
    with as_owner():
        call_command("prune_history", before="2026-03-20", export=str(tmp_path / "old"))
    then = listed(administrator, START + DAY)
    assert then.known_since
    assert {row.number for row in then.rows} == {*NUMBERS} - {old.number}


def spread(start, count, heads=50):
    """Return numbers with these first digits and several prefixes."""
    return [f"{start}{n % heads:03}{n // heads:04}" for n in range(count)]


@pytest.mark.parametrize("dir_", ["", "-"])
def test_a_page_before_an_import_does_not_read_the_imported_numbers(house, administrator, monkeypatch, dir_):
    monkeypatch.setattr(as_of, "CANDIDATES_MAX", 0)
    monkeypatch.setattr(as_of, "EARLY_MAX", -1)
    monkeypatch.setattr(as_of, "LATER_MIN", 100)
    old = [*spread("500", 30, heads=3), *spread("600", 30, heads=3)]
    DID.objects.create_numbers(old, operator=house.operator, by=SYSTEM, now=START)
    for start in ("100", "550", "999"):  # before, between and after the old ones
        later = START + 5 * DAY
        DID.objects.create_numbers(spread(start, 1_500), operator=house.operator, by=SYSTEM, now=later)
    pages = {"sort": f"{dir_}number", "per_page": "20"}

    def shown(page):
        return listed(administrator, START + DAY, page=page, **pages)

    expected = sorted(old, reverse=bool(dir_))
    for page in (1, 2, 3):  # the second crosses the middle
        rows = shown(page).rows
        assert [row.number for row in rows] == expected[page * 20 - 20 : page * 20]

    def cost(read):
        keyset = shown(1).keyset
        keyset._filterset.scans(1)  # finds the ids and ranges once
        return rows_read(lambda: read(keyset))

    reads = [lambda keyset: keyset.after(None, 61), lambda keyset: keyset.before(None, 20)]
    mended = [cost(read) for read in reads]
    monkeypatch.setattr(as_of, "LATER_MIN", 1_000_000)
    for read, skipped in zip(reads, mended, strict=True):
        assert skipped * 3 < cost(read), (skipped, cost(read))


@given(
    numbers=some.sets(some.text("0129", min_size=1, max_size=8), min_size=1, max_size=40),
    dice=some.randoms(use_true_random=False),
    gap=some.integers(1, 4),
)
def test_the_ranges_of_prefixes_have_all_their_numbers_once(numbers, dice, gap):
    heads = sorted({number[:-4] for number in numbers})
    wanted = {head for head in heads if dice.random() < 0.4}
    ranges = as_of._ranges_of(heads, wanted, gap)
    for number in numbers:
        found = sum(first <= number <= last for first, last in ranges)
        assert found == 1 if number[:-4] in wanted else found <= 1
    # The gaps are what is avoided: no range is longer than its prefixes need.
    assert all(first[:-4] in wanted and last[:-4] in wanted for first, last in ranges if wanted)


# --- the page -------------------------------------------------------------------------------------------


@pytest.fixture
def past(house):
    """Create six numbers; assign three after an hour, block one after two, delete one after three."""
    DID.objects.create_numbers(NUMBERS, operator=house.operator, by=SYSTEM, now=START)
    used = DID.objects.filter(number__in=NUMBERS[:3])
    used.assign(house.client_package, house.account, by=SYSTEM, now=START + HOUR)
    used.filter(number=NUMBERS[0]).block(by=SYSTEM, now=START + 2 * HOUR)
    DID.objects.filter(number=NUMBERS[5]).delete_unused(by=SYSTEM, now=START + 3 * HOUR)
    return house


@pytest.fixture
def show(past, supervisor):
    """Return ``get(time, **query)``, which returns the response of the list and its text."""
    browser = client_of(supervisor)

    def get(time=START + HOUR, **query):
        response = browser.get(address(time, **query))
        assert response.status_code == 200
        return response, words(response.text)

    return get


def test_the_page_names_its_time_and_offers_no_changes(show, past):
    response, text = show(START + HOUR)
    assert "Inventory as of 2 Mar 2026, 09:00 . Read-only. Back to the present" in text
    assert numbers_of(response) == NUMBERS
    assert "All 6" in text and "In Stock 3" in text and "Active 3" in text
    assert f"{past.client.name} | {past.account.name}" in text
    for word in ("Mass Edit", "New DIDs", "Import DIDs"):
        assert word not in text
    for part in ('name="ids"', "selection-form", "/dids/delete/", "data-selection"):
        assert part not in response.text


def test_a_number_deleted_later_is_listed_and_links_to_its_history(show):
    response, _ = show(START + 3 * HOUR - timedelta(seconds=1), q=NUMBERS[5])
    assert numbers_of(response) == [NUMBERS[5]]
    (link,) = re.findall(r'class="col-number">\s*<a href="([^"]+)"', response.text)
    assert response.client.get(link).status_code == 200
    response, text = show(START + 3 * HOUR, q=NUMBERS[5])
    assert numbers_of(response) == [] and "No numbers match" in text


def test_the_exact_match_then_comes_first(show, past):
    number, longer, deleted = NUMBERS[5], f"1{NUMBERS[5]}", START + 3 * HOUR
    DID.objects.create_numbers([longer], operator=past.operator, by=SYSTEM, now=START)
    before, text = show(deleted - timedelta(seconds=1), q=NUMBERS[5])
    order = [
        "Exact match",
        f"<mark>{NUMBERS[5]}</mark>",
        f"1 more contains {NUMBERS[5]}",
        f"1<mark>{NUMBERS[5]}",
    ]
    assert sorted(order, key=before.text.index) == order and "All 2" in text
    for query in ({"status": "active"}, {"q": number[1:]}):
        assert "Exact match" not in show(deleted - timedelta(seconds=1), **{"q": number} | query)[1]
    after, text = show(deleted, q=number)
    assert "Exact match" not in text and longer in after.text


def test_every_link_of_the_list_keeps_the_time(show, plan, settings):
    settings.PAGE_SIZES = [2, 20]
    response, _ = show(START + HOUR, sort="-number", page="2")
    html = response.text[response.text.index('id="content"') :]
    links = set(re.findall(r'href="(/dids/\?[^"]*|\?[^"]*)"', html))
    kept = [link for link in links if "as_of=" in link]
    assert len(kept) > 5
    assert [link for link in links if link not in kept] == ["/dids/?sort=-number"], (
        "all but the link back to the present"
    )


def test_pages_follow_one_another_by_their_links(show, plan, settings):
    settings.PAGE_SIZES = [2, 20]
    response, _ = show(START + HOUR)
    seen = []
    while True:
        seen += numbers_of(response)
        following = re.search(r'rel="next" href="([^"]+)"', response.text)
        if not following:
            break
        response = response.client.get(following[1].replace("&amp;", "&"))
    assert seen == NUMBERS
    back = []
    while True:
        back = numbers_of(response) + back
        previous = re.search(r'rel="prev" href="([^"]+)"', response.text)
        if not previous:
            break
        response = response.client.get(previous[1].replace("&amp;", "&"))
    assert back == NUMBERS
    assert numbers_of(show(START + HOUR, page="3")[0]) == NUMBERS[4:]


def test_only_the_number_can_be_sorted_by(show):
    response, _ = show(START + HOUR, sort="-operator")
    assert numbers_of(response) == NUMBERS[::-1]
    assert re.findall(r'class="sort" href="[^"]*sort=(-?\w+)', response.text) == ["number"]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("yesterday", "Enter a date and time like 28 Nov 2026, 17:45."),
        ("2999-01-01T00:00", "Choose a year from 2000 to 2199."),
        ("2150-01-01T00:00", "This time is in the future. Choose an earlier one."),
        ("0001-01-01T00:00", "Choose a year from 2000 to 2199."),
        ("2026-03-02T09:00:00+99:99", "Enter a date and time like 28 Nov 2026, 17:45."),
        ("2026-02-30T09:00", "There is no 30 Feb 2026."),
    ],
)
def test_an_invalid_time_shows_an_error_and_no_rows(past, supervisor, value, error):
    response = client_of(supervisor).get("/dids/", {"as_of": value})
    assert response.status_code == 200
    assert f"As of: {error}" in words(response.text)
    assert re.search(rf'(?s)id="id_as_of_error">.{{0,300}}?{re.escape(error)}', response.text)
    assert numbers_of(response) == []
    assert client_of(supervisor).get("/dids/export/", {"as_of": value}).status_code == 302


def test_a_blank_time_is_no_time(past, supervisor):
    browser = client_of(supervisor)
    current = numbers_of(browser.get("/dids/"))
    assert current
    assert numbers_of(browser.get("/dids/", {"as_of": "  "})) == current


def test_the_time_is_read_in_the_users_time_zone(past, supervisor):
    supervisor.time_zone = "Asia/Tokyo"
    supervisor.save()
    browser = client_of(supervisor)
    assert numbers_of(browser.get("/dids/", {"as_of": "2026-03-02T16:59"})) == []
    response = browser.get("/dids/", {"as_of": "2026-03-02T17:00"})
    assert numbers_of(response) == NUMBERS
    assert 'value="2 Mar 2026, 17:00"' in response.text


def test_a_time_that_a_clock_change_repeats_is_refused_with_both_readings(past, supervisor):
    supervisor.time_zone = "Europe/Vilnius"
    supervisor.save()
    response = client_of(supervisor).get("/dids/", {"as_of": "2025-10-26T03:30"})
    sentence = "Enter 26 Oct 2025, 03:30 +03:00 for the first time, 26 Oct 2025, 03:30 +02:00 for the second."
    assert f"As of: 03:30 occurred twice that day in Europe/Vilnius: clocks went back. {sentence}" in words(
        response.text
    )
    assert numbers_of(response) == []
    assert re.search(r'name="as_of" value="26 Oct 2025, 03:30"[^>]* id="as-of"', response.text)


def test_a_time_that_a_clock_change_repeats_is_read_with_its_utc_offset(past, supervisor):
    supervisor.time_zone = "Europe/Vilnius"
    supervisor.save()
    response = client_of(supervisor).get("/dids/", {"as_of": "2025-10-26 03:30:00+02:00"})
    assert response.context["listing"].valid
    assert 'name="as_of" value="26 Oct 2025, 03:30 +02:00"' in response.text
    assert response.context["listing"].query == "as_of=2025-10-26T03%3A30%2B02%3A00"


def test_a_time_that_a_clock_change_skips_is_refused(past, supervisor):
    supervisor.time_zone = "Europe/Vilnius"
    supervisor.save()
    response = client_of(supervisor).get("/dids/", {"as_of": "2026-03-29T03:30"})
    assert "As of: 03:30 did not exist that day in Europe/Vilnius" in words(response.text)


def test_the_time_can_be_chosen_on_the_current_list(past, supervisor):
    html = client_of(supervisor).get("/dids/?status=active&advanced=1").text
    assert re.search(r'<input type="text" name="as_of"[^>]* id="as-of"[^>]*required', html)
    assert 'id="id_as_of"' in html


# --- access, deleted records and refusals --------------------------------------------------------------


def test_a_user_of_a_reseller_sees_the_numbers_it_had_then(past, plan):
    south = carrier("South")
    DID.objects.create_numbers(["77001"], operator=south.operator, by=SYSTEM, now=START)
    bound = client_of(member("Supervisor", username="south", reseller=south.reseller))
    response = bound.get(address(START + HOUR))
    assert numbers_of(response) == ["77001"] and "All 1" in words(response.text)
    assert past.client.name not in response.text
    assert bound.get(address(START + HOUR, operator=past.operator.pk)).context["listing"].valid is False
    _, *rows = csv.reader(
        io.StringIO(b"".join(bound.get(address(START, "/dids/export/"))).decode("utf-8-sig"))
    )
    assert [row[3] for row in rows] == ["77001"]


def test_numbers_belong_to_the_reseller_their_operator_had_then(past, plan):
    south = carrier("South")
    moved = timezone.now()
    Operator.objects.filter(pk=past.operator.pk).update(reseller=south.reseller)
    bound = member("Viewer", username="south", reseller=south.reseller)
    assert rows_by_number(listed(bound, moved - timedelta(seconds=1))) == {}
    assert len(rows_by_number(listed(bound, timezone.now()))) == 5


def test_numbers_of_a_deleted_operator_are_listed(past, supervisor, plan):
    DID.objects.all().hold(by=SYSTEM, now=START + 4 * HOUR)
    DID.objects.all().end_hold(by=SYSTEM, now=START + 5 * HOUR)
    DID.objects.all().delete_unused(by=SYSTEM, now=START + 6 * HOUR)
    name = past.operator.name
    past.operator.delete()
    bound = member("Viewer", username="north", reseller=past.reseller)
    for user in (supervisor, bound):
        assert {row["operator"] for row in rows_by_number(listed(user, START + 4 * HOUR)).values()} == {name}


def test_a_deleted_operator_can_be_chosen_as_of_a_past_time(past, supervisor, plan):
    other = carrier_since_start("South")
    DID.objects.create_numbers(["4421"], operator=other.operator, by=SYSTEM, now=START)
    deleted = past.operator.pk
    DID.objects.all().hold(by=SYSTEM, now=START + 4 * HOUR)
    DID.objects.all().end_hold(by=SYSTEM, now=START + 5 * HOUR)
    DID.objects.all().delete_unused(by=SYSTEM, now=START + 6 * HOUR)
    past.operator.delete()
    browser = client_of(supervisor)
    response = browser.get(address(START, operator=[deleted, other.operator.pk], advanced="1"))
    assert numbers_of(response) == [*NUMBERS, "4421"]
    assert numbers_of(browser.get(address(START, operator=deleted))) == NUMBERS
    name = f"{past.operator.name} (deleted, North)"
    assert f'<option value="{deleted}" selected>{name}</option>' in response.text
    (url,) = re.findall(r'name="operator"[^>]*data-choices-url="([^"]+)"', response.text)
    assert [row["text"] for row in browser.get(url).json()["results"]] == [other.operator.name, name]
    assert [row["text"] for row in browser.get(f"{url}&q=north").json()["results"]] == [name]
    assert [row["text"] for row in browser.get(f"{url}&q=nowhere").json()["results"]] == []
    assert name not in browser.get(url.partition("?")[0]).text, "the current list offers no deleted ones"
    assert f"There is no operator “{deleted}”" in browser.get(f"/dids/?operator={deleted}").text
    stranger = client_of(member("Administrator", reseller=other.reseller))
    assert past.operator.name not in stranger.get(url).text
    owner = client_of(member("Administrator", username="owner", reseller=past.reseller))
    assert f"{past.operator.name} (deleted)" in owner.get(url).text
    assert f"There is no operator “{deleted}”" in stranger.get(address(START, operator=deleted)).text


def test_a_deleted_client_can_be_chosen_as_of_a_past_time(past, administrator, plan):
    deleted = past.client.pk
    DID.objects.all().hold(by=SYSTEM, now=START + 4 * HOUR)
    DID.objects.all().end_hold(by=SYSTEM, now=START + 5 * HOUR)
    for record in (past.client_package, past.account, past.client):
        record.delete()
    browser = client_of(administrator)
    assert numbers_of(browser.get(address(START + HOUR, client=deleted))) == NUMBERS[:3]
    assert numbers_of(browser.get(address(START, client=deleted))) == []
    (found,) = browser.get("/dids/choices/clients/?gone=1").json()["results"]
    assert (found["id"], found["text"]) == (deleted, f"{past.client.name} (deleted, North)")


@pytest.mark.parametrize("path", ["mass-edit", "delete", "assign"])
def test_the_past_cannot_be_changed(past, administrator, path):
    browser = client_of(administrator)
    query = urlencode({"as_of": START.isoformat()})
    every = {
        "scope": "all",
        "query": query,
        "expected": "6",
        "step": "apply",
        "set_notes": "on",
        "notes": "x",
    }
    ticked = {"ids": DID.objects.first().pk, "query": query, "step": "apply"}
    before = DID.objects.count()
    for sent in (every, ticked):
        response = browser.post(f"/dids/{path}/", sent)
        assert response.status_code == 422
        assert "can be viewed and exported, but not changed" in words(response.text)
    response = browser.post(f"/dids/{path}/?{query}", {"ids": DID.objects.first().pk, "step": "apply"})
    assert response.status_code == 422
    assert DID.objects.count() == before and not DID.objects.filter(notes="x").exists()


def test_a_search_that_exceeds_the_time_limit_shows_an_error(show, monkeypatch):
    def never(self, statuses):
        raise as_of.TooLongError

    monkeypatch.setattr(as_of.PastFilter, "_check", never)
    response, text = show(START + HOUR)
    assert numbers_of(response) == [] and "Reading the inventory as of then takes too long." in text


def test_a_statement_beyond_the_time_limit_is_interrupted():
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(as_of.TooLongError), as_of.time_limit(1), connection.cursor() as cursor:
        cursor.execute(endless)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_a_warning_names_the_time_before_which_history_was_deleted(show):
    Change.objects.create(
        kind=Change.Kind.PRUNE, actor_kind="system", data={"horizon": "2026-03-02T00:00:00+00:00"}
    )
    assert "Incomplete:" not in show(START)[1]
    assert "Incomplete: history before 2 Mar 2026, 00:00 has been deleted." in show(START - DAY)[1]


# --- files --------------------------------------------------------------------------------------------


def rows_of(response):
    content = b"".join(response).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(content)))


def test_an_export_has_the_past_rows_and_its_time_in_the_name(past, supervisor, plan):
    browser = client_of(supervisor)
    response = browser.get(address(START + HOUR, "/dids/export/", status="active"))
    assert 'filename="dids_as-of_status-active_2026-03-02_0900.csv"' in response["Content-Disposition"]
    _, *rows = rows_of(response)
    assert [(row[3], row[1], row[6]) for row in rows] == [
        (n, "active", past.client.name) for n in NUMBERS[:3]
    ]


def test_an_export_as_of_now_equals_the_current_export(past, supervisor, plan):
    DID.objects.filter(number=NUMBERS[4]).edit(
        by=SYSTEM, add_tags=["Gold"], notes="=1+1", now=START + 4 * HOUR
    )
    browser = client_of(supervisor)
    now = rows_of(browser.get("/dids/export/"))
    assert rows_of(browser.get(address(timezone.now(), "/dids/export/"))) == now
    assert rows_of(browser.get(address(timezone.now(), "/dids/export/", scope="page"))) == now


def test_a_large_workbook_as_of_a_past_time_becomes_a_job(past, supervisor, plan, monkeypatch):
    monkeypatch.setattr("screens.numbers.export.XLSX_AT_ONCE", 2)
    posted = {"scope": "list", "format": "xlsx"}
    response = client_of(supervisor).post(address(START + HOUR, "/dids/export/"), posted)
    job = Job.objects.get()
    assert response.url == job.get_absolute_url()
    call_command("worker", "--once")
    job.refresh_from_db()
    assert (job.state, job.done) == (Job.State.DONE, 6)
    assert job.result["file"]["name"] == "dids_as-of_2026-03-02_0900.xlsx"
