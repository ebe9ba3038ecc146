"""Many people at once: lists, number pages and edits over HTTP at the product's own web server and worker."""

import random
import re
import secrets
import socket
import statistics
import subprocess
import threading
import time
from collections import Counter
from contextlib import contextmanager
from html import unescape
from http.cookiejar import CookieJar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, build_opener

from django.core.management import CommandError
from django.db import connection
from django.urls import reverse

from bench.pages import FILTERS, LISTED, Page
from clients.models import Client, Reseller
from dids.lifecycle import statuses as st
from dids.models import DID, Tag
from operators.models import Operator
from staff.models import User

KINDS = {"list": 80, "number page": 15, "edit": 5}  # in a hundred
SHOWN = 1_000  # numbers that people look at one by one
ANSWER_WITHIN = 60
USER = "bench-mixed"


def measure(scratch, url, seconds, clients):
    """One dict a kind and one for all, times in milliseconds; then one for each sentence of an error."""
    password = secrets.token_urlsafe(12)
    there = scratch.run("sign_up", url, password=password)
    with serving(scratch, url) as address:
        people = [Person(address, there, password, seed) for seed in range(clients)]
        began = time.perf_counter()
        threads = [
            threading.Thread(target=person.keep_asking, args=(began + seconds,), daemon=True)
            for person in people
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
    about = {"rows": there["numbers"], "engine": connection.vendor, "clients": clients}
    answers = [answer for person in people for answer in person.answers]
    for kind in (*KINDS, "all"):
        times = sorted(ms for other, ms, *_ in answers if kind in (other, "all"))
        yield {"bench": "mixed", "scenario": kind} | about | _spread(times, took)
    errors = Counter((status, sentence) for *_, status, sentence in answers if sentence)
    for (status, sentence), times in errors.most_common():
        yield {
            "bench": "mixed",
            "scenario": f"error {status}: {sentence}",
            "status": status,
            **about,
            "times": times,
        }


def _spread(times, took):
    if not times:
        return {"times": 0}
    centiles = statistics.quantiles(times * 2, n=100, method="inclusive")  # of one time as well
    return {
        "times": len(times),
        "per_second": round(len(times) / took, 1),
        "p50": round(centiles[49], 1),
        "p95": round(centiles[94], 1),
        "p99": round(centiles[98], 1),
        "max": round(times[-1], 1),
    }


def sign_up(password):
    """Make the person who asks; returns what there is to ask for."""
    user, _ = User.objects.get_or_create(username=USER, defaults={"is_superuser": True})
    user.set_password(password)
    user.save(update_fields=["password"])
    numbers, chosen = DID.objects.count(), random.Random(0)  # noqa: S311 - to be the same each time
    if not numbers:
        raise CommandError("There are no numbers in it; load some first: manage.py demo_data.")
    newest = DID.objects.order_by("pk").values_list("pk", flat=True).last()
    some = sorted({chosen.randint(1, newest) for _ in range(SHOWN)})
    return {
        "numbers": numbers,
        "dids": list(DID.objects.filter(pk__in=some).values_list("pk", "number")),
        "operator": list(Operator.objects.values_list("pk", flat=True)),
        "reseller": list(Reseller.objects.values_list("pk", flat=True)),
        "client": list(Client.objects.values_list("pk", flat=True)),
        "tag": list(Tag.objects.values_list("name", flat=True)),
        "status": list(st.LABELS),
    }


@contextmanager
def serving(scratch, url):
    """The web server that ``manage.py serve`` starts, and a worker; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"HOST": "127.0.0.1", "PORT": str(port), "TLS": "0", "DEBUG": "0"}
    children = [
        scratch.start(step, url, environment=environment, stdout=subprocess.DEVNULL)
        for step in ("web", "worker")
    ]
    try:
        deadline = time.monotonic() + ANSWER_WITHIN
        while not _answers(port):
            if time.monotonic() > deadline or children[0].poll() is not None:
                raise CommandError("The web server does not answer; the lines above may say why.")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()


def _answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class _Stay(HTTPRedirectHandler):
    """Where a saved form leads is a request of its own, and not part of the edit."""

    def redirect_request(self, *_):
        return None


class Person:
    """Asks for one thing after the other without a rest.

    ``answers``: [(kind, milliseconds, status, what was wrong or "")].
    """

    def __init__(self, address, there, password, seed):
        self.address, self.there = address, there
        self.chance = random.Random(seed)  # noqa: S311 - to be the same each time
        self.cookies = CookieJar()
        self.browser = build_opener(HTTPCookieProcessor(self.cookies), _Stay())
        self.answers, self.page = [], None
        door = reverse("staff:login")
        self._ask(door)
        status, html = self._ask(door, {"username": USER, "password": password})
        if status != 302:
            raise CommandError(f"Signing in was answered by {status}: {complaint(status, html)}")

    def keep_asking(self, end):
        while time.perf_counter() < end:
            (kind,) = self.chance.choices(list(KINDS), list(KINDS.values()))
            address, data = {"list": self._list, "number page": self._number, "edit": self._edit}[kind]()
            start = time.perf_counter()
            status, html = self._ask(address, data)
            took = (time.perf_counter() - start) * 1000
            self.answers.append((kind, took, status, complaint(status, html)))
            if kind == "list":
                self.page = Page(address, html) if status == 200 else None

    def _list(self):
        """By turns a link of the page that was seen last, and a new search."""
        chance, there = self.chance, self.there
        links = self.page.links if self.page else {}
        ways = [name for name in ("next", "prev", "Last page", "First page") if name in links]
        if ways and chance.random() < 0.5:
            return links[chance.choice(ways)], None
        query = {"per_page": chance.choice((20, 100))}
        for name in chance.sample(FILTERS, chance.choice((0, 1, 2))):
            if there[name]:
                query[name] = chance.choice(there[name])
        if chance.random() < 0.3:
            _, number = chance.choice(there["dids"])
            query["q"] = chance.choice((f"={number}", f"{number[:5]}*", number[-6:], number))
        if self.page and self.page.sorts and chance.random() < 0.3:
            query["sort"] = chance.choice(("", "-")) + chance.choice(self.page.sorts)
        if chance.random() < 0.2:
            query["page"] = chance.randint(1, max(1, there["numbers"] // query["per_page"]))
        return f"{LISTED}?{urlencode(query)}", None

    def _number(self):
        return f"{LISTED}{self.chance.choice(self.there['dids'])[0]}/", None

    def _edit(self):
        """A mass edit of a few numbers that were ticked."""
        ticked = self.chance.choices(self.there["dids"], k=self.chance.randint(1, 20))
        return f"{LISTED}mass-edit/", {
            "scope": "ids",
            "ids": ",".join(str(pk) for pk, _ in ticked),
            "step": "apply",
            "change_notes": "on",
            "notes": f"Ticket {self.chance.randrange(10_000)}",
        }

    def _ask(self, address, data=None):
        """(status, text of the page); a server that does not answer has status 0."""
        if data is not None:
            token = next(cookie.value for cookie in self.cookies if cookie.name == "csrftoken")
            data = urlencode(data | {"csrfmiddlewaretoken": token}).encode()
        try:
            with self.browser.open(self.address + address, data, timeout=ANSWER_WITHIN) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (URLError, OSError) as error:
            return 0, f"<h1>{error}</h1>"


def complaint(status, html):
    """What is wrong with an answer, in its own words; "" when nothing is."""
    if status == 302:
        return ""
    told = re.search(r"(?s)(?:notice|field)-error.*?<(?:p|span)[^>]*>(.*?)</(?:p|span)>", html)
    if status != 200:
        told = told or re.search(r"(?s)<h1[^>]*>(.*?)</h1>", html)
    elif not told:
        return ""
    words = unescape(re.sub(r"<[^>]*>", "", told[1] if told else html)).split()
    return " ".join(words)[:200] or "no words"
