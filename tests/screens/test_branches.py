"""Random histories of two resellers: each gets the answers of a model that knows only its own branch.

The model is plain Python: what the branch had after each step, and which changes wrote how much of it.
Numbers are deleted and created again in the other branch, and operators move between the resellers.
``make attack`` tries more histories.
"""

import csv
import io
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
from django.db import transaction
from django.utils import timezone

from clients.models import Account, Client, Package, Reseller
from dids.lifecycle import statuses as st
from dids.models import DID, ClientPackage
from operators.models import Operator
from tests.examples import scaled
from tests.imports import imported
from tests.world import client_of, member

pytestmark = pytest.mark.django_db

NUMBERS = [f"55{n:02d}" for n in range(12)]
DELETED = "deleted"


@dataclass(frozen=True)
class Number:
    """A number as its branch knows it; ``holder`` is an account's id."""

    pk: int
    operator: int
    status: str = "instock"
    holder: int | None = None
    notes: str = ""


@dataclass
class Branch:
    """What one reseller has and had.

    ``numbers``: {number: Number, or DELETED}; one that moved away is left out. ``past``: [(time, numbers)]
    after each step. ``names``: {(model, id): its last name here}. ``log``: [(kind of change, rows by model)].
    ``events``: {id of a number: its history here}. ``undo``: how the model undoes the last change, if it can.
    """

    name: str
    reseller: Reseller
    boss: object
    browser: object = None
    numbers: dict = field(default_factory=dict)
    past: list = field(default_factory=list)
    names: dict = field(default_factory=dict)
    live: set = field(default_factory=set)
    holders: dict = field(default_factory=dict)
    log: list = field(default_factory=list)
    events: dict = field(default_factory=dict)
    undo: object = None

    def having(self, *statuses):
        return [n for n, one in self.numbers.items() if one != DELETED and one.status in statuses]

    def of(self, model):
        return sorted(pk for kind, pk in self.live if kind is model)

    def name_of(self, model, pk):
        return self.names.get((model, pk), "")


class World:
    """Two branches, and the random steps that change them."""

    def __init__(self, seed):
        self.random, self.count = random.Random(seed), 0
        self.chief = member("Administrator", username="chief")
        self.branches = []
        for name in ("north", "south"):
            reseller = Reseller.objects.create(name=f"{name} reseller")
            boss = member("Supervisor", username=f"{name} boss", reseller=reseller)
            branch = Branch(name, reseller, boss, client_of(boss))
            self.branches.append(branch)
            for _ in range(2):
                self.new_operator(branch)
            self.new_client(branch)
            self.step(self.create, branch)

    def run(self, steps):
        actions = [
            self.create, self.create, self.assign, self.assign, self.block, self.unblock, self.hold,
            self.end_hold, self.delete, self.delete, self.edit, self.edit_all, self.undo, self.undo,
            self.move_operator, self.move_operator, self.new_operator, self.delete_operator, self.new_client,
            self.rename_client, self.file,
        ]  # fmt: skip
        for _ in range(steps):
            self.step(self.random.choice(actions), self.random.choice(self.branches))

    def step(self, action, branch):
        # Timestamps have milliseconds on SQLite, and no two steps share one.
        time.sleep(0.002)
        action(branch)
        time.sleep(0.002)
        now = timezone.now()
        for one in self.branches:
            one.past.append((now, dict(one.numbers)))

    # --- the model's book-keeping

    def fresh(self, branch, noun):
        self.count += 1
        return f"{branch.name} {noun} {self.count}"

    def new_notes(self):
        """Return notes without the name of a branch, because they move with their numbers."""
        self.count += 1
        return f"note {self.count}."

    def some(self, numbers):
        numbers = sorted(numbers)
        return self.random.sample(numbers, self.random.randint(1, len(numbers))) if numbers else []

    def wrote(self, branch, kind, event, numbers, undo=None):
        """Note that a change wrote these numbers of a branch."""
        branch.undo = undo
        if numbers:
            branch.log.append((kind, Counter({"did": len(numbers)})))
            for pk in numbers:
                branch.events.setdefault(pk, []).append(event)

    def named(self, branch, kind, record):
        branch.names[type(record), record.pk] = record.name
        branch.live.add((type(record), record.pk))
        self.wrote_record(branch, kind, record)

    def wrote_record(self, branch, kind, record):
        branch.undo = None
        branch.log.append((kind, Counter({record._meta.model_name: 1})))

    # --- steps

    def create(self, branch):
        operator = self.random.choice(branch.of(Operator) or [0])
        wanted = self.some(NUMBERS)
        if not operator:
            return
        free = [n for n in wanted if not DID.objects.filter(number=n).exists()]
        posted = {
            "numbers": ",".join(wanted),
            "operator": operator,
            "status": "instock",
            "after_hold": "instock",
        }
        assert branch.browser.post("/dids/new/", posted).status_code == 302
        if not free:
            return
        self.added(branch, "create", free, operator)

    def added(self, branch, kind, numbers, operator, notes=""):
        keys = dict(DID.objects.filter(number__in=numbers).values_list("number", "pk"))
        before = {n: branch.numbers.get(n) for n in numbers}
        for n in numbers:
            branch.numbers[n] = Number(keys[n], operator, notes=notes)

        def undo():
            branch.numbers.update(dict.fromkeys(before, DELETED))
            self.wrote(branch, "undo", "-", keys.values())

        self.wrote(branch, kind, "+", keys.values(), undo)

    def assign(self, branch):
        numbers, account = self.some(branch.having("instock")), self.random.choice(branch.of(Account))
        given = ClientPackage.objects.get(client__accounts=account)
        dids = DID.objects.filter(number__in=numbers)
        dids.assign(given, Account.objects.get(pk=account), by=branch.boss)
        self.moved(branch, "assign", numbers, status="active", holder=account)

    def moved(self, branch, kind, numbers, **fields):
        for n in numbers:
            branch.numbers[n] = replace(branch.numbers[n], **fields)
        if numbers:
            self.wrote(branch, kind, "~", [branch.numbers[n].pk for n in numbers])

    def block(self, branch):
        numbers = self.some(branch.having("active"))
        DID.objects.filter(number__in=numbers).block(by=branch.boss)
        self.moved(branch, "block", numbers, status="blocked")

    def unblock(self, branch):
        numbers = self.some(branch.having("blocked"))
        DID.objects.filter(number__in=numbers).unblock(by=branch.boss)
        self.moved(branch, "unblock", numbers, status="active")

    def hold(self, branch):
        numbers = self.some(branch.having("active", "blocked"))
        DID.objects.filter(number__in=numbers).hold(by=branch.boss)
        self.moved(branch, "hold", numbers, status="hold")

    def end_hold(self, branch):
        numbers = self.some(branch.having("hold"))
        DID.objects.filter(number__in=numbers).end_hold(by=branch.boss)
        self.moved(branch, "end_hold", numbers, status="instock", holder=None)

    def delete(self, branch):
        numbers = self.some(branch.having("instock"))
        if not numbers:
            return
        before = {n: branch.numbers[n] for n in numbers}
        keys = ",".join(str(one.pk) for one in before.values())
        assert branch.browser.post("/dids/delete/", {"ids": keys, "step": "apply"}).status_code == 302
        branch.numbers.update(dict.fromkeys(numbers, DELETED))

        def undo():
            back = {n: one for n, one in before.items() if n not in taken}
            branch.numbers.update(back)
            self.wrote(branch, "undo", "+", [one.pk for one in back.values()])

        taken = set()
        undo.taken = lambda: taken.update(
            DID.objects.filter(number__in=numbers).values_list("number", flat=True)
        )
        self.wrote(branch, "delete", "-", [one.pk for one in before.values()], undo)

    def edit(self, branch):
        numbers = self.some(branch.having(*st.LABELS))
        if not numbers:
            return
        notes = self.new_notes()
        keys = ",".join(str(branch.numbers[n].pk) for n in numbers)
        posted = {"ids": keys, "step": "apply", "change_notes": "on", "notes": notes}
        assert branch.browser.post("/dids/mass-edit/", posted).status_code == 302
        self.noted(branch, "mass_edit", numbers, notes)

    def noted(self, branch, kind, numbers, notes):
        before = {n: branch.numbers[n] for n in numbers}
        for n in numbers:
            branch.numbers[n] = replace(branch.numbers[n], notes=notes)

        def undo():
            branch.numbers.update(before)
            self.wrote(branch, "undo", "~", [one.pk for one in before.values()])

        self.wrote(branch, kind, "~", [one.pk for one in before.values()], undo)

    def edit_all(self, _branch):
        """Write numbers of both resellers in one change, as the chief."""
        numbers = [self.some(branch.having(*st.LABELS)) for branch in self.branches]
        if not all(numbers):
            return
        notes = self.new_notes()
        dids = DID.objects.filter(number__in=[n for some in numbers for n in some])
        dids.edit(by=self.chief, label="chief’s label", notes=notes)
        for branch, some in zip(self.branches, numbers, strict=True):
            self.noted(branch, "edit", some, notes)

    def file(self, branch):
        """Import a file with own, foreign and new numbers."""
        operator = self.random.choice(branch.of(Operator) or [0])
        if not operator:
            return
        wanted, notes = self.some(NUMBERS), self.new_notes()
        existing = set(DID.objects.filter(number__in=wanted).values_list("number", flat=True))
        own = [n for n in wanted if branch.numbers.get(n, DELETED) != DELETED]
        new = [n for n in wanted if n not in existing]
        imported(
            "DID;Notes\n" + "".join(f"{n};{notes}\n" for n in wanted),
            branch.boss,
            operator=Operator.objects.get(pk=operator),
        )
        if not own and not new:
            return
        self.noted(branch, "import", own, notes)
        if own and new:
            branch.log.pop()
        self.added(branch, "import", new, operator, notes)
        if own and new:
            branch.log[-1][1]["did"] += len(own)
        branch.undo = None

    def undo(self, branch):
        """Undo the last change of the branch."""
        if not branch.undo:
            return
        getattr(branch.undo, "taken", lambda: None)()
        change = self.newest_change(branch)
        posted = branch.browser.post(f"/audit/{change}/undo/", {"step": "apply"})
        assert posted.status_code == 302
        undo, branch.undo = branch.undo, None
        undo()

    @staticmethod
    def newest_change(branch):
        (entry, *_) = branch.browser.get("/audit/").context["entries"]
        return entry.change.pk

    def new_operator(self, branch):
        name = self.fresh(branch, "operator")
        posted = {"name": name, "reseller": branch.reseller.pk}
        assert branch.browser.post("/operators/new/", posted).status_code == 302
        self.named(branch, "operator", Operator.objects.get(name=name))

    def delete_operator(self, branch):
        used = {one.operator for one in branch.numbers.values() if one != DELETED}
        for pk in branch.of(Operator):
            if pk not in used and len(branch.of(Operator)) > 1:
                assert branch.browser.post(f"/operators/{pk}/delete/").status_code == 302
                branch.live.discard((Operator, pk))
                self.wrote_record(branch, "operator", Operator(pk=pk))
                return

    def move_operator(self, branch):
        """Move an operator without numbers in use to the other reseller and rename it, as the chief."""
        held = {one.operator for one in branch.numbers.values() if one != DELETED and one.holder}
        movable = [pk for pk in branch.of(Operator) if pk not in held]
        if not movable:
            return
        (other,) = (one for one in self.branches if one is not branch)
        operator = Operator.objects.get(pk=self.random.choice(movable))
        operator.reseller, operator.name = other.reseller, self.fresh(other, "operator")
        operator.full_clean()
        operator.record(by=self.chief, fields=["reseller", "name"])
        for n, one in list(branch.numbers.items()):
            if one != DELETED and one.operator == operator.pk:
                other.numbers[n] = branch.numbers.pop(n)
        branch.live.discard((Operator, operator.pk))
        branch.undo = None
        self.named(other, "operator", operator)

    def new_client(self, branch):
        name = self.fresh(branch, "client")
        posted = {"name": name, "reseller": branch.reseller.pk}
        assert branch.browser.post("/clients/new/", posted).status_code == 302
        client = Client.objects.get(name=name)
        self.named(branch, "create", client)
        account = Account(client=client, name=self.fresh(branch, "account"))
        account.record(by=branch.boss, fields=[])
        self.named(branch, "create", account)
        package = Package(
            reseller=branch.reseller, name=self.fresh(branch, "package"), did_limit=99, hold_days=30
        )
        package.record(by=branch.boss, fields=[])
        self.named(branch, "create", package)
        given = ClientPackage(client=client, package=package, starts_at=timezone.now())
        given.give(by=branch.boss)
        self.wrote_record(branch, "package", given)
        branch.holders[account.pk] = (client.pk, package.pk)

    def rename_client(self, branch):
        client = Client.objects.get(pk=self.random.choice(branch.of(Client)))
        posted = {"name": self.fresh(branch, "client"), "reseller": branch.reseller.pk}
        assert branch.browser.post(f"/clients/{client.pk}/edit/", posted).status_code == 302
        client.refresh_from_db()
        self.named(branch, "edit", client)


# --- the model's answers ------------------------------------------------------------------------------


def expected_rows(branch, numbers):
    """Return the rows of an export: (status, operator, number, notes, client, account, package, reseller)."""
    rows = []
    for number, one in sorted(numbers.items()):
        if one == DELETED:
            continue
        client, package = branch.holders.get(one.holder, (None, None))
        names = [(Operator, one.operator), (Client, client), (Account, one.holder), (Package, package)]
        operator, *holder = [branch.name_of(*key) for key in names]
        rows.append((one.status, operator, number, one.notes, *holder, branch.reseller.name))
    return rows


def expected_holder(branch, number, index):
    """Return (state, client, account, package) as who-had-it answers for the time after a step."""
    ever = any(number in numbers for _, numbers in branch.past)
    one = branch.past[index][1].get(number)
    if not ever:
        return ("never in the inventory", "", "", "")
    if one is None:
        return ("not in the inventory at that time", "", "", "")
    if one == DELETED:
        return ("deleted", "", "", "")
    if one.status == "instock":
        return ("unassigned", "", "", "")
    client, package = branch.holders[one.holder]
    names = (
        branch.name_of(Client, client),
        branch.name_of(Account, one.holder),
        branch.name_of(Package, package),
    )
    return ("on Hold after use" if one.status == "hold" else "in use", *names)


# --- comparison ---------------------------------------------------------------------------------------


def body_of(answer):
    return b"".join(answer).decode("utf-8-sig")


class Answers:
    """What a branch's boss is told; every text is searched for names of the other branch."""

    def __init__(self, branch, other):
        self.branch, self.secret = branch, re.compile(rf"{other.name}|chief’s label")
        self.notes = {one.notes for _, numbers in branch.past for one in numbers.values() if one != DELETED}

    def get(self, path, **parameters):
        answer = self.branch.browser.get(path, parameters)
        assert answer.status_code == 200, (path, parameters)
        self.check(body_of(answer), path)
        return answer

    def check(self, text, path):
        assert self.secret.findall(text) == [], path
        assert set(re.findall(r"\bnote \d+\.", text)) <= self.notes, path

    def csv(self, path, **parameters):
        text = body_of(self.branch.browser.get(path, parameters))
        self.check(text, path)
        return list(csv.DictReader(io.StringIO(text)))

    def exported(self, **parameters):
        names = ("Status", "Operator", "DID", "Notes", "Client", "Account", "Package", "Reseller")
        return [tuple(row[name] for name in names) for row in self.csv("/dids/export/", **parameters)]

    def choices(self, path, **parameters):
        results = self.get(path, **parameters).json()["results"]
        return sorted(result["text"] for result in results)


def compare(branch, other, chance):
    """Compare what the branch's boss is told with the model."""
    answers, boss = Answers(branch, other), branch.boss
    assert answers.exported() == expected_rows(branch, branch.numbers)
    live = [one for one in branch.numbers.values() if one != DELETED]

    counts = Counter(one.status for one in live)
    if live:  # otherwise the list leads to the first steps
        page = answers.get("/dids/").context
        assert page["listing"].total == len(live)
        assert {row["key"]: row["count"] for row in page["counters"]} == {
            "": len(live), **{status: counts[status] for status in st.LABELS},
        }  # fmt: skip
    for status in counts:
        found = answers.exported(status=status)
        assert found == [row for row in expected_rows(branch, branch.numbers) if row[0] == status]

    for index in chance.sample(range(len(branch.past)), min(4, len(branch.past))):
        moment, numbers = branch.past[index]
        at = moment.isoformat()
        assert answers.exported(as_of=at) == expected_rows(branch, numbers), index
        past = answers.get("/dids/", as_of=at).context
        assert past["listing"].total == len([one for one in numbers.values() if one != DELETED])
        found = answers.csv("/audit/who-had-it/csv/", numbers=",".join(NUMBERS), at=at)
        held = {row["DID"]: (row["State"], row["Client"], row["Account"], row["Package"]) for row in found}
        assert held == {number: expected_holder(branch, number, index) for number in NUMBERS}, index

    entries = answers.get("/audit/", per_page=500).context["entries"]
    told = [
        (entry.change.kind, {tracked._meta.model_name: rows for tracked, rows in entry.counts.items()})
        for entry in entries
    ]
    assert told[::-1] == [(kind, dict(rows)) for kind, rows in branch.log]
    for entry in chance.sample(entries, min(3, len(entries))):
        rows = sum(entry.counts.values())
        detail = answers.get(f"/audit/{entry.change.pk}/").context
        assert detail["listing"].total == next(iter(entry.counts.values()))
        answers.csv(f"/audit/{entry.change.pk}/rows.csv")
        dialog = branch.browser.get(f"/audit/{entry.change.pk}/undo/")
        answers.check(body_of(dialog), "undo")
        if dialog.status_code == 200:
            assert dialog.context["history_rows"] == rows
            assert dialog.context["preview"] is None or dialog.context["preview"].selected <= rows

    for pk, events in chance.sample(sorted(branch.events.items()), min(3, len(branch.events))):
        history = answers.get(f"/dids/{pk}/history/").context
        assert [entry.event for entry in history["entries"]][::-1] == events
    for n, one in other.numbers.items():
        if one != DELETED and n not in branch.numbers and one.pk not in branch.events:
            assert branch.browser.get(f"/dids/{one.pk}/").status_code == 404
            assert branch.browser.get(f"/dids/{one.pk}/history/").status_code == 404

    operators = sorted(branch.name_of(Operator, pk) for pk in branch.of(Operator))
    clients = sorted(branch.name_of(Client, pk) for pk in branch.of(Client))
    assert answers.choices("/operators/choices/", q=f"{branch.name} operator") == operators[:20]
    assert answers.choices("/dids/choices/clients/", q="client") == clients
    assert answers.choices("/operators/choices/", q=other.name) == []
    assert answers.choices("/operators/choices/", q=other.name, gone="1") == []
    assert answers.choices("/audit/choices/people/") == [boss.username]
    assert answers.choices("/operators/choices/resellers/") == [branch.reseller.name]
    owned = Counter(one.operator for one in live)
    rows = answers.get("/operators/", per_page=500).context["listing"].rows
    assert {row.name: row.did_count for row in rows} == {
        branch.name_of(Operator, pk): owned[pk] for pk in branch.of(Operator)
    }
    for path in ("/clients/", "/packages/", "/client-packages/", "/jobs/", "/audit/outside/"):
        answers.get(path)


def test_each_reseller_is_told_what_a_model_of_its_branch_alone_says(db):
    for seed in range(scaled(5)):
        with transaction.atomic():
            world = World(seed)
            world.run(25)
            north, south = world.branches
            for branch, other in ((north, south), (south, north)):
                try:
                    compare(branch, other, world.random)
                except AssertionError as error:
                    error.add_note(f"seed {seed}, as the boss of {branch.name}")
                    raise
            transaction.set_rollback(True)
