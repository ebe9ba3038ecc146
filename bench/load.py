"""Measure lists, number pages and edits of concurrent users over HTTP, with the web server and a worker."""

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

KINDS = {"list": 80, "number page": 15, "edit": 5}  # percent
SHOWN = 1_000  # numbers whose pages are opened
TIMEOUT = 60  # seconds
USER = "bench-mixed"


def measure(scratch, url, seconds, clients):
    """Yield a dict for each kind of request, one for all, and one for each error; times in milliseconds."""
    password = secrets.token_urlsafe(12)
    targets = scratch.run("sign_up", url, password=password)
    with serving(scratch, url) as address:
        users = [SimulatedUser(address, targets, password, seed) for seed in range(clients)]
        start = time.perf_counter()
        threads = [
            threading.Thread(target=user.send_requests, args=(start + seconds,), daemon=True)
            for user in users
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - start
    about = {"rows": targets["numbers"], "engine": connection.vendor, "clients": clients}
    answers = [answer for user in users for answer in user.answers]
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
    centiles = statistics.quantiles(
        times * 2, n=100, method="inclusive"
    )  # doubled, so that one value is enough
    return {
        "times": len(times),
        "per_second": round(len(times) / took, 1),
        "p50": round(centiles[49], 1),
        "p95": round(centiles[94], 1),
        "p99": round(centiles[98], 1),
        "max": round(times[-1], 1),
    }


def sign_up(password):
    """Create the user of the requests and return the values that the requests choose from."""
    user, _ = User.objects.get_or_create(username=USER, defaults={"is_superuser": True})
    user.set_password(password)
    user.save(update_fields=["password"])
    numbers, chance = DID.objects.count(), random.Random(0)  # noqa: S311 - the same each time
    if not numbers:
        raise CommandError("The database has no numbers. Load some first: manage.py demo_data.")
    newest = DID.objects.order_by("pk").values_list("pk", flat=True).last()
    some = sorted({chance.randint(1, newest) for _ in range(SHOWN)})
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
    """Run the web server of ``manage.py serve`` and a worker; yield the server's URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"HOST": "127.0.0.1", "PORT": str(port), "TLS": "0", "DEBUG": "0"}
    children = [
        scratch.start(step, url, environment=environment, stdout=subprocess.DEVNULL)
        for step in ("web", "worker")
    ]
    try:
        deadline = time.monotonic() + TIMEOUT
        while not _answers(port):
            if time.monotonic() > deadline or children[0].poll() is not None:
                raise CommandError("The web server does not answer. See the output above.")
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
    """Do not follow redirects: the page after a saved form is not part of the edit."""

    def redirect_request(self, *_args):
        return None


class SimulatedUser:
    """Send requests one after the other without think time.

    ``answers``: [(kind, milliseconds, status, error or "")].
    """

    def __init__(self, address, targets, password, seed):
        self.address, self.targets = address, targets
        self.chance = random.Random(seed)  # noqa: S311 - the same each time
        self.cookies = CookieJar()
        self.browser = build_opener(HTTPCookieProcessor(self.cookies), _Stay())
        self.answers, self.page = [], None
        login = reverse("staff:login")
        self._request(login)
        status, html = self._request(login, {"username": USER, "password": password})
        if status != 302:
            raise CommandError(f"Signing in returned {status}: {error_in(status, html)}")

    def send_requests(self, end):
        while time.perf_counter() < end:
            (kind,) = self.chance.choices(list(KINDS), list(KINDS.values()))
            address, data = {"list": self._list, "number page": self._number, "edit": self._edit}[kind]()
            start = time.perf_counter()
            status, html = self._request(address, data)
            took = (time.perf_counter() - start) * 1000
            self.answers.append((kind, took, status, error_in(status, html)))
            if kind == "list":
                self.page = Page(address, html) if status == 200 else None

    def _list(self):
        """Return a link of the last page, or a new search."""
        chance, targets = self.chance, self.targets
        links = self.page.links if self.page else {}
        ways = [name for name in ("next", "prev", "Last page", "First page") if name in links]
        if ways and chance.random() < 0.5:
            return links[chance.choice(ways)], None
        query = {"per_page": chance.choice((20, 100))}
        for name in chance.sample(FILTERS, chance.choice((0, 1, 2))):
            if targets[name]:
                query[name] = chance.choice(targets[name])
        if chance.random() < 0.3:
            _, number = chance.choice(targets["dids"])
            query["q"] = chance.choice((f"={number}", f"{number[:5]}*", number[-6:], number))
        if self.page and self.page.sorts and chance.random() < 0.3:
            query["sort"] = chance.choice(("", "-")) + chance.choice(self.page.sorts)
        if chance.random() < 0.2:
            query["page"] = chance.randint(1, max(1, targets["numbers"] // query["per_page"]))
        return f"{LISTED}?{urlencode(query)}", None

    def _number(self):
        return f"{LISTED}{self.chance.choice(self.targets['dids'])[0]}/", None

    def _edit(self):
        """Return a mass edit of a few ticked numbers."""
        ticked = self.chance.choices(self.targets["dids"], k=self.chance.randint(1, 20))
        return f"{LISTED}mass-edit/", {
            "scope": "ids",
            "ids": ",".join(str(pk) for pk, _ in ticked),
            "step": "apply",
            "change_notes": "on",
            "notes": f"Ticket {self.chance.randrange(10_000)}",
        }

    def _request(self, address, data=None):
        """Return (status, text of the page), with status 0 if the server does not answer."""
        if data is not None:
            token = next(cookie.value for cookie in self.cookies if cookie.name.endswith("csrftoken"))
            data = urlencode(data | {"csrfmiddlewaretoken": token}).encode()
        try:
            with self.browser.open(self.address + address, data, timeout=TIMEOUT) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (URLError, OSError) as error:
            return 0, f"<h1>{error}</h1>"


def error_in(status, html):
    """Return the error message on the page, "" without an error."""
    if status == 302:
        return ""
    message = re.search(r"(?s)(?:notice|field)-error.*?<(?:p|span)[^>]*>(.*?)</(?:p|span)>", html)
    if status != 200:
        message = message or re.search(r"(?s)<h1[^>]*>(.*?)</h1>", html)
    elif not message:
        return ""
    words = unescape(re.sub(r"<[^>]*>", "", message[1] if message else html)).split()
    return " ".join(words)[:200] or "no words"
