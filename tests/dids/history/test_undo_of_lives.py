"""Random lives of numbers of two resellers, and undos of random changes, against a plain Python model.

The model keeps every state after each step and does not read history.
"""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as some

import audit
from audit import SYSTEM
from audit.models import Change
from clients.models import Client
from dids.history.undo.undo import Undo
from dids.models import DID, ClientPackage, counters
from dids.periodic import end_due_holds
from tests.carrier import carrier, person
from tests.examples import scaled
from tests.imports import imported

pytestmark = pytest.mark.django_db

NUMBERS = [f"55{n}" for n in range(8)]
LIMIT = 3
IN_PLACE = ("active", "blocked")

chosen = some.sets(some.integers(0, 7), min_size=1)
house_index = some.integers(0, 1)
STEPS = some.one_of(
    some.tuples(some.just("create"), house_index, chosen),
    some.tuples(
        some.just("edit"), some.sampled_from(["reserved", "instock", "archive", "notes", "tags"]), chosen
    ),
    some.tuples(some.just("move"), some.sampled_from(["blocked", "active", "hold"]), chosen),
    some.tuples(some.just("assign"), house_index, chosen),
    some.tuples(some.just("end hold"), some.none(), chosen),
    some.tuples(some.just("delete"), some.none(), chosen),
    some.tuples(some.just("import"), some.sampled_from(["In Stock", "Active"]), chosen),
    some.tuples(some.sampled_from(["off", "on", "close", "reopen"]), house_index, some.none()),
    some.tuples(some.just("days pass"), some.integers(1, 4), some.none()),
    some.tuples(some.just("undo"), some.integers(0, 9), some.none()),
    some.tuples(some.just("undo"), some.integers(0, 3), some.none()),
    some.tuples(some.just("undo"), some.integers(0, 3), some.none()),
)


FIRST_STEPS = [
    ("create", 0, {0, 1, 2, 3, 4}),
    ("create", 1, {5, 6}),
    ("assign", 0, {0, 1, 2}),
    ("move", "hold", {0, 1}),
    ("assign", 0, {3, 4}),
]


class RollBackError(Exception):
    """End an example; the next one starts with an empty database."""


@settings(max_examples=scaled(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=some.lists(STEPS, min_size=4, max_size=14))
def test_any_change_is_undone_as_a_plain_model_predicts(db, steps):
    try:
        with transaction.atomic():
            Life().live([*FIRST_STEPS, *steps])
            raise RollBackError
    except RollBackError:
        pass


class Life:
    """A life of numbers: ``states[n]`` after step n, {(model, id): row}, and its ``changes[n]`` or None."""

    def __init__(self):
        self.houses = [carrier(name, did_limit=LIMIT) for name in ("North", "South")]
        self.owner = person("importer")
        self.owner.is_superuser = True
        self.owner.save()
        self.now = timezone.now()
        self.states, self.changes = [current_state()], [None]

    def live(self, steps):
        for what, how, numbers in steps:
            if what == "undo":
                self.undo(how)
                continue
            before = Change.objects.count()
            self.step(what, how, DID.objects.filter(number__in=[NUMBERS[n] for n in numbers or ()]), numbers)
            self.note(Change.objects.latest("pk") if Change.objects.count() > before else None)
            assert Change.objects.count() <= before + 1

    def note(self, change):
        self.states.append(current_state())
        self.changes.append(change)
        assert all(one.is_exact for one in counters.check())

    def step(self, what, how, dids, numbers):
        by, now = SYSTEM, self.now
        if what == "create":
            DID.objects.create_numbers(
                [NUMBERS[n] for n in numbers], operator=self.houses[how].operator, by=by, hold_days=5, now=now
            )
        elif what == "edit":
            fields = {"notes": {"notes": f"note {len(self.states)}"}, "tags": {"add_tags": ["vip"]}}
            dids.edit(by=by, now=now, **fields.get(how, {"status": how}))
        elif what == "move":
            dids.edit(by=by, now=now, status=how)
        elif what == "assign":
            dids.assign(self.houses[how].client_package, self.houses[how].account, by=by, now=now)
        elif what == "end hold":
            dids.end_hold(by=by, now=now)
        elif what == "delete":
            dids.delete_unused(by=by, now=now)
        elif what == "import":
            self.import_file(how, numbers)
        elif what == "days pass":
            self.now += timedelta(days=how)
            with audit.change("end_hold", by=SYSTEM, label="Holds over"):
                end_due_holds(self.now)
        else:
            self.package(what, self.houses[how])

    def package(self, what, house):
        given, client = ClientPackage.objects.get(pk=house.client_package.pk), house.client
        client.refresh_from_db()
        if what == "off":
            given.deactivate(by=SYSTEM, now=self.now)
        elif what == "on" and not client.closed_at:
            given.activate(by=SYSTEM, now=self.now)
        elif what == "close":
            ClientPackage.close_client(client, by=SYSTEM, now=self.now)
        elif what == "reopen":
            ClientPackage.reopen(client, by=SYSTEM, now=self.now)

    def import_file(self, status, numbers):
        house = self.houses[0]
        holder = f"{house.client},{house.account},Basic" if status == "Active" else ",,"
        lines = [f"{NUMBERS[n]},{status},{holder},in file {len(self.states)}" for n in sorted(numbers)]
        text = "\n".join(["DID,Status,Client,Account,Package,Notes", *lines])
        imported(text, self.owner, operator=house.operator)

    def undo(self, back):
        """Undo the change ``back`` before the last one, then undo that undo."""
        known = [n for n, change in enumerate(self.changes) if change]
        n = known[-1 - back % len(known)]
        expected, refused = self.expected(n)
        before = self.states[-1]
        undo = Undo(self.changes[n], by=SYSTEM, now=self.now)
        previewed = undo.preview()
        assert current_state() == before
        result = undo.run()
        assert result.results == previewed.results
        after = current_state()
        assert after == expected
        assert result.refused == refused
        assert result.done == sum(before.get(key) != after.get(key) for key in before.keys() | after.keys())
        event(f"{'some' if result.done else 'nothing'} reverted, {'some' if refused else 'nothing'} refused")
        if result.change is None:
            return
        self.note(Change.objects.get(pk=result.change))
        redo = Undo(self.changes[-1], by=SYSTEM, now=self.now).run()
        assert (current_state(), redo.refused) == (before, 0)
        self.note(Change.objects.get(pk=redo.change))

    def expected(self, n):
        """Return the state after an undo of step n, and the number of refusals."""
        change, was, left, now = self.changes[n], self.states[n - 1], self.states[n], dict(self.states[-1])
        touched = [key for key in was.keys() | left.keys() if was.get(key) != left.get(key)]
        todo, refused = [], 0
        for key in touched:
            later = [m for m in range(n + 1, len(self.states)) if self.at(m - 1, key) != self.at(m, key)]
            last = self.changes[later[-1]] if later else None
            if last and last.undo_of_id == change.pk:
                continue
            if later and not (last.kind == "undo" and now.get(key) == left.get(key)):
                refused += 1
            else:
                todo.append(key)
        target = {key: was.get(key) for key in todo}
        closing = [key for key in todo if self.closes(now, key, target[key])]

        def put(keys, why_not):
            nonlocal refused
            for key in sorted(keys, key=lambda key: key[1]):
                if why_not(key, target[key]):
                    refused += 1
                elif target[key] is None:
                    now.pop(key, None)
                else:
                    now[key] = target[key]

        def of(model, keys):
            return [key for key in keys if key[0] is model]

        def client_closed(given):
            return now[Client, given["client_id"]]["closed_at"] is not None

        def places(package):
            return sum(in_place(row) and row["client_package_id"] == package for row in now.values())

        def is_number_refused(key, then):
            here = now.get(key)
            if then is None:
                return False
            if any(k != key and k[0] is DID and row["number"] == then["number"] for k, row in now.items()):
                return True
            if then["status"] == "hold":
                return then["hold_until"] <= self.now
            held = ("status", "client_package_id")
            if not in_place(then) or (
                here and [here[name] for name in held] == [then[name] for name in held]
            ):
                return False
            given = now[ClientPackage, then["client_package_id"]]
            if client_closed(given) or not given["active"]:
                return True
            return not kept_place(here, then) and places(then["client_package_id"]) >= LIMIT

        def kept_place(here, then):
            return here and in_place(here) and here["client_package_id"] == then["client_package_id"]

        opening = [key for key in todo if key not in closing]
        put(of(Client, opening), lambda *_: False)
        put(of(ClientPackage, opening), lambda key, then: then["active"] and client_closed(then))
        numbers = of(DID, todo)
        # Numbers that free a place come first, then those that take one, in the order of ids.
        frees = [
            key for key in numbers if key in now and in_place(now[key]) and not in_place(target[key] or {})
        ]
        put(frees, is_number_refused)
        put([key for key in numbers if key not in frees], is_number_refused)
        put(of(ClientPackage, closing), lambda key, then: places(key[1]) > 0)
        put(of(Client, closing), lambda key, then: self.has_package_on(now, key[1]))
        return now, refused

    def at(self, n, key):
        return self.states[n].get(key)

    @staticmethod
    def closes(now, key, then):
        if key[0] is ClientPackage:
            return now[key]["active"] and not then["active"]
        return key[0] is Client and now[key]["closed_at"] is None and then["closed_at"] is not None

    @staticmethod
    def has_package_on(now, client):
        return any(
            k[0] is ClientPackage and row["client_id"] == client and row["active"] for k, row in now.items()
        )


def in_place(row):
    return row.get("status") in IN_PLACE


def current_state():
    """Return {(model, id): {column: value}} of the models that the steps can change."""
    return {
        (model, row["id"]): row for model in (Client, ClientPackage, DID) for row in model.objects.values()
    }
