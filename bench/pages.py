"""Measure the list of numbers at several sizes, by URLs and by the links that its pages show."""

import random
import re
from collections import Counter
from datetime import timedelta
from html import unescape
from itertools import combinations, product
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from django.contrib.auth.models import Group
from django.core.management import CommandError
from django.db import connection, transaction
from django.db.models import Count, Max, Min
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Change
from bench.lists import timed
from dids.models import DID, TagSet
from jobs.periodic import run_periodic_tasks
from staff.models import User

BASE = 10_000  # the size that others are compared with
GROWS = 1.5  # a scenario is marked if it takes so many times as long as at the first size
ENOUGH = 200  # a filter finds more numbers than this if possible: two full pages of 100
PASTED = 1_000
BUDGET = 4  # seconds for the runs of one scenario, but at least three runs
LISTED = "/dids/"
JUMPS = {"a quarter": 1, "the middle": 2, "three quarters": 3}  # how deep, in quarters of the list
FILTERS = ("status", "operator", "reseller", "client", "tag")
LARGEST = (("status",), ("operator",), ("status", "operator"))


def fill(scratch, numbers, *, large_operator=False):
    """Return the URL of a new database with demonstration data of so many numbers.

    ``large_operator``: one operator has 35 % of them, see ``bench.steps.deliver``.
    """
    url = scratch.new()
    scratch.run("fill", url, numbers=numbers, large_operator=large_operator)
    return url


def measure(scratch, urls, runs):
    """Yield a dict for each scenario and database, in turns; ``ratio`` compares with the first one."""
    visits = [scratch.each("pages", url, runs=runs) for url in urls]
    for rows in zip(*visits, strict=True):
        if len({row["scenario"] for row in rows}) > 1:
            raise CommandError("These databases have different lists. Create them with demo_data.")
        for row in rows:
            ratio = row["p50"] / rows[0]["p50"]
            yield row | {"ratio": round(ratio, 2), "grows": ratio > GROWS}


class Scenario(NamedTuple):
    """Describe one request.

    ``group`` is the plot that shows it; ``finds`` is whether there are rows, None for pages without a list.
    """

    name: str
    group: str
    browser: Client
    address: str
    finds: bool | None = True


def visit(runs):
    """Yield a dict for each scenario on this database, and keep neither its users nor their sessions.

    Times in milliseconds; cpu does not include a database server.
    """
    run_periodic_tasks(timezone.now())  # ends due holds like a worker
    with transaction.atomic():
        yield from _visited(runs)
        transaction.set_rollback(True)


def _visited(runs):
    chosen = Chosen()
    for name, group, browser, address, finds in scenarios(chosen):
        with CaptureQueriesContext(connection) as seen:
            page = opened(browser, address)
        if finds is not None and bool(page.rows) != finds:
            raise CommandError(f"{name}: {address[:200]} shows {page.rows} rows.")
        yield {
            "bench": "lists",
            "scenario": name,
            "group": group,
            "address": address[:200],
            "rows": chosen.total,
            "engine": connection.vendor,
            "queries": len(seen.captured_queries),
            "shown": page.rows,
            **timed(lambda browser=browser, address=address: browser.get(address), runs, BUDGET),
        }


def scenarios(chosen):
    """Yield every ``Scenario``, created on demand."""
    admin, bound = chosen.administrator, chosen.bound
    for name, address in _browse(admin, chosen.total, 100):
        yield Scenario(name, "page", admin, address)
    for name, address in _browse(admin, chosen.total, 20):
        yield Scenario(f"{name}, 20 a page", "20 a page", admin, address)
    for key in opened(admin, _address({})).sorts:
        for sort, way in ((key, ""), (f"-{key}", ", down")):
            first = opened(admin, _address({"sort": sort}))
            for name, address in (
                ("first", first.address),
                ("next", first.link("next")),
                ("last", first.link("Last page")),
            ):
                yield Scenario(f"by {key}{way}: {name}", f"sort, {name}", admin, address)
        for name, quarters in JUMPS.items():
            page = max(1, chosen.total // 100 * quarters // 4)
            jump = _address({"sort": key, "page": page})
            group = "sort, middle" if name == "the middle" else "sort, jump"
            yield Scenario(f"by {key}: to {name}", group, admin, jump)
    for names, values in chosen.filters.items():
        group = "filter" if len(names) == 1 else "two filters"
        yield Scenario(" and ".join(names), group, admin, _address(dict(zip(names, values, strict=True))))
    for names, values in chosen.largest.items():
        name = f"largest {' and '.join(names)}"
        yield Scenario(name, "largest", admin, _address(dict(zip(names, values, strict=True))))
    for name, (search, finds) in chosen.searches.items():
        yield Scenario(name, "search", admin, _address({"q": search}), finds)
    for name, address in _browse(bound, chosen.total, 100):
        if name in ("first", "next", "last"):
            yield Scenario(f"bound: {name}", "bound", bound, address)
    yield Scenario("bound: status", "bound", bound, _address({"status": chosen.bound_status}))
    search, finds = chosen.bound_search
    yield Scenario("bound: contains 6 digits", "bound", bound, _address({"q": search}), finds)
    for name, time in chosen.times.items():
        then, then_is = {"as_of": time.isoformat()}, f"as of {name}"
        yield Scenario(then_is, then_is, admin, _address(then), None)
        yield Scenario(f"{then_is}: last", then_is, admin, _address(then | {"page": -1}), None)
        for names, values in chosen.filters.items():
            if len(names) == 1:
                query = then | dict(zip(names, values, strict=True))
                yield Scenario(f"{then_is}: {names[0]}", then_is, admin, _address(query), None)
        for search in ("exact", "begins with 6 digits", "contains 6 digits", f"list of {PASTED:,}"):
            query = then | {"q": chosen.searches[search][0]}
            yield Scenario(f"{then_is}: {search}", then_is, admin, _address(query), None)
        yield Scenario(f"{then_is}: bound", then_is, bound, _address(then), None)
    yield Scenario("number page", "number", admin, f"{LISTED}{chosen.pk}/", None)
    yield Scenario("history of a number", "number", admin, f"{LISTED}{chosen.pk}/history/", None)


def _browse(browser, total, size):
    """Yield (name, URL) of pages of the whole list of ``total`` numbers, reached by links."""
    first = opened(browser, _address({"per_page": size}))
    then = opened(browser, first.link("next"))
    last = opened(browser, first.link("Last page"))
    pages = max(1, total // size)
    yield "first", first.address
    yield "next", then.address
    yield "previous", opened(browser, then.link("next")).link("prev")
    yield "last", last.address
    yield "before the last", last.link("prev")
    yield "middle page", _address({"per_page": size, "page": pages // 2 or 1})
    random_page = random.Random(pages).randint(1, pages)  # noqa: S311 - the same each time
    yield "random page", _address({"per_page": size, "page": random_page})


class Chosen:
    """Choose users and average values, so that databases of different sizes can be compared.

    ``administrator``, and ``bound`` to a reseller: browsers; ``filters``: {names of one or two parameters:
    their values}; ``largest``: the same with the values that most numbers have; ``searches``: {name: (text,
    whether it finds any)}; ``times``: {name: a time in the past};
    ``pk`` of a number.
    """

    def __init__(self):
        counts = _counts()
        self.total = sum(counts.values())
        if not self.total:
            raise CommandError("The database has no numbers. Load some first: manage.py demo_data.")
        sizes = _sizes(counts)
        self.filters = {names: _median(found) for names, found in sizes.items()}
        self.largest = {names: max(sizes[names], key=sizes[names].get) for names in LARGEST}
        (reseller,) = self.filters["reseller",]
        self.administrator = _browser(_user("bench"))
        bound = _user("bench-bound", reseller)
        self.bound = _browser(bound)
        visible = Counter()
        for (status, _, of, *_), count in counts.items():
            visible[status] += count if of == reseller else 0
        self.bound_status = _middle([status for status, count in visible.most_common() if count])
        ends = Change.objects.aggregate(first=Min("at"), last=Max("at"))
        whole = ends["last"] - ends["first"]
        self.times = {
            "an hour ago": timezone.now() - timedelta(hours=1),
            "half way back": ends["first"] + whole / 2,
            "near the beginning": ends["first"] + whole / 20,
        }
        self._choose_numbers()
        digits, _ = self.searches["contains 6 digits"]
        found = DID.objects.visible_to(bound).filter(number__contains=digits).exists()
        self.bound_search = digits, found

    def _choose_numbers(self):
        ordered = DID.objects.order_by("number").values_list("pk", "number")
        # The first number from the middle that is long enough for searches by its parts.
        following = ordered[self.total // 2 :].iterator(chunk_size=1_000)
        self.pk, number = next((row for row in following if len(row[1]) >= 11), ordered[0])
        same_prefix = ordered.filter(number__gte=number, number__lt=number[:3] + ":")[:PASTED]
        last = [other for _, other in same_prefix if len(other) == len(number)][-1]
        ends = DID.objects.aggregate(low=Min("pk"), high=Max("pk"))
        some = range(ends["low"], ends["high"] + 1, max(1, self.total // PASTED))
        pasted = DID.objects.filter(pk__among=some[:PASTED]).values_list("number", flat=True)
        self.searches = {
            "exact": (f"={number}", True),
            "begins with 6 digits": (f"{number[:6]}*", True),
            "ends with 4 digits": (f"*{number[-4:]}", True),
            "contains the whole number": (number, True),
            "contains 8 digits": (number[-8:], True),
            "contains 6 digits": (number[-7:-1], True),
            "contains 4 digits": (number[-5:-1], True),
            "contains what there is not": (_nowhere(), False),
            "range": (f"{number}-{last}", True),
            f"list of {PASTED:,}": ("\n".join(pasted), True),
        }


def _counts():
    """Return {(status, operator, reseller, client or None, tag set or None): count} with one query."""
    columns = ("status", "operator", "operator__reseller", "account__client", "tag_set")
    found = DID.objects.order_by().values_list(*columns).annotate(Count("pk"))
    return {tuple(values): count for *values, count in found}


def _sizes(counts):
    """Return {names: {values: numbers}} of each parameter and each pair."""
    tags = {row.pk: [tag.name for tag in row.tags.all()] for row in TagSet.objects.prefetch_related("tags")}
    groups = {names: Counter() for n in (1, 2) for names in combinations(FILTERS, n)}
    for (status, operator, reseller, client, tag_set), count in counts.items():
        row = {"status": [status], "operator": [operator], "reseller": [reseller]}
        row |= {"client": [client] if client else [], "tag": tags.get(tag_set, [])}
        for names, sizes in groups.items():
            for values in product(*(row[name] for name in names)):
                sizes[values] += count
    return groups


def _median(sizes):
    some = {values for values, count in sizes.items() if count > ENOUGH}
    by_size = sorted(sizes, key=lambda values: (sizes[values], *map(str, values)))
    return _middle([values for values in by_size if values in some] or by_size[-1:])


def _middle(ordered):
    return ordered[(len(ordered) - 1) // 2]


def _nowhere():
    """Return digits that no number contains."""
    chance = random.Random(0)  # noqa: S311 - the same each time
    while True:
        digits = "".join(chance.choices("0123456789", k=9))
        if not DID.objects.filter(number__contains=digits).exists():
            return digits


def _user(username, reseller=None):
    """Return an administrator, or a supervisor of ``reseller`` (an id); create the user if needed."""
    user, _ = User.objects.update_or_create(
        username=username, defaults={"reseller_id": reseller, "is_superuser": reseller is None}
    )
    if reseller:
        user.groups.set(Group.objects.filter(name="Supervisor"))
    return user


def _browser(user):
    browser = Client()
    browser.force_login(user, backend="staff.backends.StaffBackend")
    return browser


# --- pages ----------------------------------------------------------------------------------------


class Page:
    """Parse a page of the list: its number of ``rows``, its ``links`` and its ``sorts``."""

    def __init__(self, address, html):
        self.address, self.rows, self.links, self.sorts = address, 0, {}, []
        for tag in re.findall(r"<a\s[^>]*>", html):
            attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
            self.rows += "data-row-link" in tag
            for name in {attributes.get("rel"), attributes.get("aria-label")} - {None}:
                self.links[name] = urljoin(address, unescape(attributes["href"]))
            if "sort" in attributes.get("class", "").split():
                query = parse_qs(urlsplit(unescape(attributes["href"])).query)
                self.sorts.append(query["sort"][0].removeprefix("-"))

    def link(self, name):
        """Return the URL of the link ``name``, or of this page at the end of the list."""
        if name not in self.links and _WITH[name] in self.links:
            raise CommandError(f"{self.address[:200]} has a link “{_WITH[name]}” but no link “{name}”.")
        return self.links.get(name, self.address)


_WITH = {"next": "Last page", "Last page": "next", "prev": "First page"}  # both or neither


def opened(browser, address):
    response = browser.get(address)
    if response.status_code != 200:
        raise CommandError(f"{address[:200]} returned {response.status_code}.")
    return Page(address, response.content.decode())


def _address(query):
    return f"{LISTED}?{urlencode({'per_page': 100} | query)}"
