"""Simulate a fictitious carrier for ``demo_data``: its staff, its clients, its numbers and their history.

Every event goes through the set-wise writes that the screens use, in chronological order, by users with
roles or by the system. Each write is a few statements over a range of ids, so memory does not grow with the
inventory. The same count of numbers gives the same world, relative to the day it is built.

Until it is complete, its holds and packages look overdue to a worker, so all of it is one transaction of the
caller.
"""

import random
import time
from dataclasses import dataclass
from datetime import timedelta
from heapq import heappop, heappush
from itertools import chain, count

from django.contrib.auth.models import Group
from django.db.models import Max, Min

import audit
from audit.models import Change
from clients.models import Account, Client, Package, Reseller
from didmgmt import clock
from dids import marks
from dids.demo.names import (
    BOUND,
    CLIENT_FIRST,
    CLIENT_SECOND,
    LONG_NOTES,
    NOTES,
    OPERATORS,
    PACKAGES,
    PEOPLE,
    PLANS,
    RESELLERS,
    RESERVATIONS,
)
from dids.lifecycle import statuses as st
from dids.models import DID, ClientPackage, MarkState, PatternRule, Reservation, head_geography, stock_days
from operators.models import Operator
from staff.models import User

DAYS = 420  # of history
SNAPSHOTS = 90  # days of which the stock is known
SATURDAY = 5  # of ``weekday``
DELIVERY_MAX = 20_000  # numbers created in one transaction
REPORT_EVERY = 3  # seconds


class DisturbedError(Exception):
    """Another process writes numbers at the same time."""


@dataclass(eq=False)
class Run:
    """Numbers that were delivered together, with ids from ``low`` to ``high``."""

    operator: Operator
    low: int
    high: int
    toll_free: bool = False

    def __len__(self):
        return self.high - self.low + 1

    def dids(self):
        return DID.objects.filter(pk__range=(self.low, self.high))

    def cut(self, size):
        """Return the first ``size`` numbers as a run, and the rest or None."""
        if size >= len(self):
            return self, None
        middle = self.low + size
        return self.part(self.low, middle - 1), self.part(middle, self.high)

    def part(self, low, high):
        return Run(self.operator, low, high, self.toll_free)


@dataclass
class Customer:
    """A client with its accounts and package; it ``has`` some numbers and ``wants`` that many in the end."""

    client: Client
    accounts: list[Account]
    client_package: ClientPackage
    wants: int
    toll_free: bool
    has: int = 0


class World:
    def __init__(self, numbers, *, now=None, report=lambda text: None):
        self.numbers = numbers
        self.clock = now or clock.now()
        # People did nothing today, so the hour does not change the world.
        self.now = self.clock.replace(hour=0, minute=0, second=0, microsecond=0)
        self.start = self.now - timedelta(days=DAYS)
        self.rng = random.Random(f"demo {numbers}")  # noqa: S311 - reproducible, not secret
        self.report = report
        self.events, self.sequence = [], count()
        self.created = self.written = 0
        self.customers = []
        self.stock = {}  # (reseller id, toll-free?) -> runs In Stock

    def build(self):
        """Build the world and return the number of writes to numbers, including creations."""
        with audit.origin("demo_data"):
            self._people()
            if not PatternRule.objects.exists():
                marks.use_suggested(by=audit.SYSTEM, version=MarkState.current().version)
            self._reference()
            self._plan_deliveries()
            self._plan_customers()
            self._plan_withdrawals()
            self._plan_reservations()
            self._plan_small_orders()
            self._plan_snapshots()
            self._play()
            while stock_days.count_stock(self.clock):  # the flows of some more days
                pass
            marks.count_marks(self.clock)
        return self.written

    # --- the clock ---

    def _at(self, when, do, *args):
        """Schedule ``do(time, *args)``; events of today are left out."""
        if when < self.now:
            heappush(self.events, (when, next(self.sequence), do, args))

    def _when_over(self, hold_until, do, *args):
        """Schedule an event at the end of a hold, when the worker runs, which is every half minute."""
        when = hold_until + timedelta(seconds=30 - hold_until.second % 30)
        if hold_until <= self.clock:
            heappush(self.events, (min(when, self.clock), next(self.sequence), do, args))

    def _play(self):
        started = reported = time.monotonic()
        while self.events:
            when, _, do, args = heappop(self.events)
            do(when, *args)
            if time.monotonic() - reported > REPORT_EVERY:
                reported = time.monotonic()
                rate = self.written / (reported - started)
                self.report(
                    f"  {when:%b %Y}: {self.created:,} of {self.numbers:,} numbers, "
                    f"{self.written:,} writes, {rate:,.0f} a second"
                )

    def _office_hours(self, when):
        """Return a time near ``when`` on a working day between 07:00 and 17:00 UTC, never in the future."""
        when += timedelta(days=(0, 0, 0, 0, 0, 2, 1)[when.weekday()])
        seconds = self.rng.randrange(7 * 3600, 17 * 3600)
        when = when.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(seconds=seconds)
        return when if when < self.now else self.now - timedelta(minutes=self.rng.randrange(5, 300))

    def _after(self, when, low, high):
        """Return a time in office hours, ``low`` to ``high`` days later."""
        later = self._office_hours(when + timedelta(days=self.rng.uniform(low, high)))
        return max(later, when + timedelta(minutes=self.rng.randrange(2, 200)))

    def _ago(self, low, high):
        return self._office_hours(self.now - timedelta(days=self.rng.uniform(low, high)))

    def _done(self, result):
        if result.refused:
            raise RuntimeError(f"The demonstration data breaks a rule: {result.sentence()}")
        self.written += result.done
        return result

    # --- staff and reference data ---

    def _people(self):
        self.staff = {}
        for username, first, last, role, zone in PEOPLE:
            self.staff.setdefault(role, []).append(self._person(username, first, last, role, zone))

    def _person(self, username, first, last, role, zone, reseller=None):
        """Create a user without a password, so that demonstration data lets nobody in."""
        about = {"first_name": first, "last_name": last, "time_zone": zone, "reseller": reseller}
        user, made = User.objects.get_or_create(username=username, defaults=about)
        if made:
            user.set_unusable_password()
            user.save(update_fields=["password"])
            user.groups.add(Group.objects.get(name=role))
        return user

    def _anyone(self, *roles):
        return self.rng.choice([person for role in roles for person in self.staff[role]])

    def _reference(self):
        """Create resellers with their operators and packages."""
        boss = self._anyone("Supervisor")
        first_day = self._office_hours(self.start)
        with audit.change(Change.Kind.CREATE, by=boss, label="Resellers and operators added", at=first_day):
            self.resellers = [
                Reseller.objects.create(name=name, hold_days=hold_days) for name, hold_days in RESELLERS
            ]
            self.operators = [
                (Operator.objects.create(reseller=self.resellers[of], name=name, hold_days=hold_days), plans)
                for name, of, hold_days, plans in OPERATORS
            ]
            self.packages = {
                reseller: [
                    Package.objects.create(
                        reseller=reseller, name=name, did_limit=limit, allowed_tags=tags, hold_days=hold_days
                    )
                    for name, limit, tags, hold_days in PACKAGES
                ]
                for reseller in self.resellers
            }
        for *about, of in BOUND:
            self._person(*about, self.resellers[of])

    # --- deliveries ---

    def _plan_deliveries(self):
        rng, left = self.rng, self.numbers
        usual = min(DELIVERY_MAX // 2, max(self.numbers // 150, min(100, self.numbers // 30), 4))
        next_free = {name: plan.first for name, plan in PLANS.items()}
        routes = [(operator, PLANS[name], name) for operator, plans in self.operators for name in plans]
        large = [route for route in routes if route[1].most > DELIVERY_MAX]
        # Each operator once, then those with large ranges repeatedly.
        for operator, plan, name in chain(routes, iter(lambda: rng.choice(large), None)):
            size = min(left, plan.most, int(usual * rng.choice((0.1, 0.5, 1, 1, 1, 2))) or 1)
            low, next_free[name] = next_free[name], next_free[name] + size + rng.choice((0, 0, 0, 10, 100))
            past = self.start + timedelta(days=1 + DAYS * 0.95 * rng.betavariate(0.6, 2))
            self._at(self._office_hours(past), self._deliver, operator, plan, low, size)
            left -= size
            if not left:
                break
        for _ in range(3):
            operator, plan, _ = rng.choice(large)
            # A typing error at the unused end of the range, created and deleted again.
            low = 10**plan.digits - rng.randrange(1, 90) * 100
            self._at(self._ago(5, 300), self._deliver_by_mistake, operator, plan, low)

    def _deliver(self, when, operator, plan, low, size):
        rng = self.rng
        person = self._anyone("Provisioner", "Supervisor")
        status = rng.choices((st.INSTOCK, st.RESERVED, st.ARCHIVE), (78, 18, 4))[0]
        extra = rng.choice(([], [], [], ["ported"], ["sip-tested"], ["premium"]))
        order = rng.randrange(10_000, 99_999)
        run = self._create(
            plan.numbers(low, size),
            operator=operator,
            by=person,
            status=status,
            after_hold=rng.choices((st.INSTOCK, st.RESERVED, st.ARCHIVE), (80, 14, 6))[0],
            hold_days=rng.choices((None, 7, 60, 90), (90, 4, 3, 3))[0],
            tags=[*(plan.tags if plan.toll_free or rng.random() < 0.6 else ()), *extra],
            notes=rng.choice(NOTES).format(order=order) if rng.random() < 0.4 else "",
            now=when,
        )
        self.created += len(run)
        run.toll_free = plan.toll_free
        if status == st.RESERVED and rng.random() < 0.6:
            self._at(self._after(when, 5, 60), self._release, run)
        elif status == st.INSTOCK:
            self._shelve(run)
        if rng.random() < 0.15:
            self._at(self._after(when, 1, 40), self._tag, run, rng.choice(("audited", "sip-tested", "fax")))
        if rng.random() < 0.25:
            self._at(self._after(when, 1, 40), self._tag_nice, run)
        for _ in range(rng.choice((0, 0, 1, 2))):
            self._at(self._after(when, 2, 300), self._note, run)

    def _create(self, numbers, *, operator, **fields):
        newest = DID.objects.aggregate(newest=Max("pk"))["newest"] or 0
        made = self._done(DID.objects.create_numbers(numbers, operator=operator, **fields)).done
        ids = DID.objects.filter(pk__gt=newest).aggregate(low=Min("pk"), high=Max("pk"))
        if ids["high"] - ids["low"] + 1 != made:
            raise DisturbedError
        return Run(operator, ids["low"], ids["high"])

    def _deliver_by_mistake(self, when, operator, plan, low):
        person = self._anyone("Provisioner")
        run = self._create(plan.numbers(low, 20), operator=operator, by=person, now=when)
        boss, later = self._anyone("Supervisor"), when + timedelta(minutes=self.rng.randrange(5, 90))
        self._at(later, lambda now: self._done(run.dids().delete_unused(by=boss, now=now)))

    def _shelve(self, run):
        self.stock.setdefault((run.operator.reseller_id, run.toll_free), []).append(run)

    def _take(self, shelf, run, size):
        """Take up to ``size`` numbers of ``run`` from ``shelf`` and put the rest back."""
        taken, rest = run.cut(size)
        shelf.remove(run)
        if rest:
            shelf.append(rest)
        return taken

    def _release(self, when, run):
        self._mass_edit(when, run.dids(), label="Released for sale", status=st.INSTOCK)
        self._shelve(run)

    def _tag(self, when, run, tag):
        self._mass_edit(when, run.dids(), add_tags=[tag])

    def _tag_nice(self, when, run):
        self._mass_edit(when, run.dids().filter(number__regex="(000|111|777|123|888)$"), add_tags=["golden"])

    def _note(self, when, run):
        """Write a note on one or a few numbers."""
        first = self.rng.randint(run.low, run.high)
        few = run.part(first, min(run.high, first + self.rng.choice((0, 0, 0, 1, 9))))
        person = self._anyone("Clerk", "Provisioner")
        self._done(few.dids().edit(by=person, notes=self.rng.choice(LONG_NOTES), now=when))

    def _mass_edit(self, when, dids, *, by=None, label="Mass edit", **fields):
        by = by or self._anyone("Clerk", "Provisioner")
        self._done(dids.edit(by=by, kind=Change.Kind.MASS_EDIT, label=label, now=when, **fields))

    # --- withdrawals ---

    def _plan_withdrawals(self):
        for _ in range(10):
            self._at(self._ago(5, 200), self._withdraw, st.ARCHIVE, "The operator withdrew the range")
            self._at(self._ago(5, 100), self._withdraw, st.RESERVED, "Kept for a large client")

    def _withdraw(self, when, status, reason):
        shelves = [shelf for shelf in self.stock.values() if shelf]
        if not shelves:
            return
        shelf = self.rng.choice(shelves)
        run = self._take(shelf, self.rng.choice(shelf), max(1, self.numbers // 400))
        self._mass_edit(when, run.dids(), label=reason, status=status)
        if self.rng.random() < 0.2:
            self._at(self._after(when, 3, 60), self._put_back, run)

    def _put_back(self, when, run):
        boss = self._anyone("Supervisor")
        self._mass_edit(when, run.dids(), by=boss, label="Back on sale", status=st.INSTOCK)
        self._shelve(run)

    def _plan_small_orders(self):
        """Schedule a few small orders on each working day of the last months."""
        for ago in range(1, SNAPSHOTS + 10):
            day = self.now - timedelta(days=ago)
            for _ in range(3 if day.weekday() < SATURDAY else 0):
                self._at(self._office_hours(day), self._order_few)

    def _order_few(self, when):
        rng = self.rng
        size = rng.randint(1, max(4, self.numbers // 1_500))
        customers = [
            one
            for one in self.customers
            if one.client_package.active and one.has + size <= one.client_package.package.did_limit
        ]
        if not customers:
            return
        customer = rng.choice(customers)
        shelf = self.stock.get((customer.client.reseller_id, customer.toll_free), [])
        if ample := [run for run in shelf if len(run) >= 5 * size]:
            self._sell(when, customer, self._take(shelf, rng.choice(ample), size))

    # --- the stock day by day ---

    def _plan_snapshots(self):
        for ago in range(1, SNAPSHOTS + 1):
            self._at(self.now - timedelta(days=ago - 1, minutes=1), self._keep_stock)

    def _keep_stock(self, when):
        head_geography.renew()
        stock_days.keep_stock(when)

    # --- sales ---

    def _plan_reservations(self):
        """Schedule reservations that end in the future; with few numbers in stock some find none."""
        for name, purpose, size, ago, days in RESERVATIONS:
            ends_at = days and (self.clock + timedelta(days=days)).replace(second=0, microsecond=0)
            self._at(self._ago(ago, ago + 1), self._reserve, name, purpose, size, ends_at)

    def _reserve(self, when, name, purpose, size, ends_at):
        shelves = {
            key: runs
            for key, runs in sorted(self.stock.items())
            if any(len(run) >= size and not run.toll_free for run in runs)
        }
        if not shelves:
            return
        reseller, toll_free = self.rng.choice(list(shelves))
        shelf = self.stock[reseller, toll_free]
        run = self._take(shelf, next(run for run in shelf if len(run) >= size), size)
        clients = Client.objects.filter(reseller=reseller, closed_at=None).order_by("pk")
        client = self.rng.choice(clients) if name is None and clients else None
        fields = {"client": client, "name": "" if client else name or "Orsini Textiles"}
        by = self._anyone("Clerk", "Provisioner")
        draft = Reservation.draft(
            by=by, reseller_id=reseller, purpose=purpose, ends_at=ends_at, made_at=when, **fields
        )
        self._done(run.dids().reserve(draft, by=by, now=when))

    def _plan_customers(self):
        rng = self.rng
        many = min(250, max(6, self.numbers // 100))
        weights = [rng.paretovariate(1.1) for _ in range(many)]
        demand = 0.75 * self.numbers / sum(weights)
        names = [f"{first} {second}" for first in CLIENT_FIRST for second in CLIENT_SECOND]
        rng.shuffle(names)
        for name, weight in zip(names, weights, strict=False):
            begin = self._office_hours(self.start + timedelta(days=2 + DAYS * 0.9 * rng.betavariate(0.8, 2)))
            self._at(begin, self._win, name, max(1, round(demand * weight)))

    def _win(self, when, name, wants):
        """Create a client with accounts and a package, and schedule its orders."""
        rng = self.rng
        reseller = rng.choices(self.resellers, (5, 3, 2, 1)[: len(self.resellers)])[0]
        toll_free = rng.random() < 0.06
        *by_size, freephone = self.packages[reseller]
        packages = [freephone] if toll_free else by_size
        wants = min(wants, packages[-1].did_limit)
        package = next(package for package in packages if package.did_limit >= wants)
        slug = name.lower().replace(" ", "_").replace("&_", "").replace("'", "")
        person = self._anyone("Provisioner", "Supervisor")
        lost = max(self._ago(1, 120), self._after(when, 10, 20)) if rng.random() < 0.1 else None
        ends_at = rng.choice((None, None, None, self.now + timedelta(days=rng.randrange(20, 400))))
        if lost and rng.random() < 0.5:
            ends_at = lost
        with audit.change(Change.Kind.CREATE, by=person, label=f"New client {name}", at=when):
            client = Client.objects.create(reseller=reseller, name=name)
            accounts = [
                Account.objects.create(client=client, name=f"{slug}{suffix}")
                for suffix in ("", "_pbx", "_fax")[: rng.choice((1, 1, 1, 2, 3))]
            ]
            given = ClientPackage.objects.create(
                client=client, package=package, starts_at=when, ends_at=ends_at
            )
        customer = Customer(client, accounts, given, wants, toll_free)
        self.customers.append(customer)
        for _ in range(rng.choice((1, 2, 2, 3, 5))):
            self._at(self._after(when, 0, (self.now - when).days * 0.95), self._order, customer)
        self._at(when + timedelta(hours=1), self._order, customer)
        if lost:
            self._at(lost, self._lose, customer)

    def _order(self, when, customer):
        rng = self.rng
        size = min(customer.wants - customer.has, max(1, round(customer.wants * rng.uniform(0.1, 0.6))))
        shelf = self.stock.get((customer.client.reseller_id, customer.toll_free))
        if size <= 0 or not shelf or not customer.client_package.active:
            return
        # From a run with that many numbers, else from the largest one.
        ample = [run for run in shelf if len(run) >= size]
        picked = rng.choice(ample) if ample else max(shelf, key=len)
        self._sell(when, customer, self._take(shelf, picked, size))

    def _sell(self, when, customer, run):
        rng = self.rng
        account = rng.choice(customer.accounts)
        person = self._anyone("Provisioner", "Supervisor")
        self._done(run.dids().assign(customer.client_package, account, by=person, now=when))
        customer.has += len(run)
        fate = rng.random()
        part = run.cut(rng.randint(1, len(run)))[0]
        later, lately = self._after(when, 20, 200), max(self._after(when, 0, 1), self._ago(0, 25))
        if fate < 0.12:
            self._at(later, self._return, customer, part)
        elif fate < 0.24:
            self._at(lately, self._return, customer, part)
        elif fate < 0.27:
            self._at(later, self._block, part, True)
        elif fate < 0.32:
            self._at(lately, self._block, part, False)

    def _block(self, when, run, for_a_while):
        """Block numbers for unpaid bills; some clients pay."""
        if self._all(run, st.ACTIVE):
            self._done(run.dids().block(by=self._anyone("Provisioner", "Supervisor"), now=when))
            if for_a_while:
                self._at(self._after(when, 2, 20), self._unblock, run)

    def _unblock(self, when, run):
        if self._all(run, st.BLOCKED):
            self._done(run.dids().unblock(by=self._anyone("Provisioner", "Supervisor"), now=when))

    def _return(self, when, customer, run):
        """Put numbers that the client returns on Hold."""
        if self._all(run, st.ACTIVE):
            self._done(run.dids().hold(by=self._anyone("Provisioner", "Supervisor"), now=when))
            customer.has -= len(run)
            self._schedule_end(when, run)

    def _schedule_end(self, when, run):
        """Schedule the end of a hold, by the system or earlier by a supervisor."""
        hold_until = run.dids().aggregate(last=Max("hold_until"))["last"]
        if hold_until is None:  # no hold days
            self._shelve_if_in_stock(run)
            return
        if self.rng.random() < 0.06:
            self._at(self._after(when, 1, 6), self._end_hold, run, self._anyone("Supervisor"))
        self._when_over(hold_until, self._end_hold, run, audit.SYSTEM)

    def _end_hold(self, when, run, by):
        if self._all(run, st.HOLD):
            self._done(run.dids().end_hold(by=by, now=when))
            self._shelve_if_in_stock(run)

    def _shelve_if_in_stock(self, run):
        if self._all(run, st.INSTOCK):
            self._shelve(run)

    def _lose(self, when, customer):
        """End a package, so that its numbers go on Hold; a few clients return in time, some close."""
        rng, given = self.rng, customer.client_package
        customer.wants = 0
        expired = given.ends_at == when
        by = audit.SYSTEM if expired else self._anyone("Provisioner", "Supervisor")
        self._done(given.deactivate(by=by, now=when, ended=expired))
        theirs = DID.objects.filter(client_package=given, status=st.HOLD)
        if not expired and rng.random() < 0.4:
            self._at(self._after(when, 1, 6), self._win_back, customer)
        elif rng.random() < 0.4:
            self._at(self._after(when, 1, 30), self._close, customer)
        for hold_until in theirs.values_list("hold_until", flat=True).distinct():
            self._when_over(hold_until, self._end_holds, hold_until)

    def _close(self, when, customer):
        client = customer.client
        with audit.change(Change.Kind.EDIT, by=self._anyone("Supervisor"), label=f"{client} closed", at=when):
            client.closed_at = when
            client.save(update_fields=["closed_at"])

    def _end_holds(self, when, hold_until):
        self._done(
            DID.objects.filter(status=st.HOLD, hold_until=hold_until).end_hold(by=audit.SYSTEM, now=when)
        )

    def _win_back(self, when, customer):
        person, given = self._anyone("Provisioner"), customer.client_package
        given.activate(by=person, now=when)
        theirs = DID.objects.filter(client_package=given, status=st.HOLD)
        self._done(theirs.assign(given, customer.accounts[0], by=person, now=when))

    def _all(self, run, status):
        return not run.dids().exclude(status=status).exists()
