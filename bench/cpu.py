"""Measure the processor time of pages: of the web process, and of its server process of PostgreSQL."""

import gc
import statistics
import time
from operator import itemgetter
from pathlib import Path

from django.db import connection
from django.db.models import Sum
from django.test import Client

from didmgmt import clock
from didmgmt.server import collect_seldom
from dids.lifecycle import statuses as st
from dids.models import DID, Stock, stock_days

WARM = 3  # requests before measuring: they load templates and prepare statements


def measure(user, runs):
    """Yield a dict for each page; ``web``, ``db`` and ``cpu``, their sum, are means in milliseconds.

    Python collects garbage as in a web process. SQLite runs in the web process. ``db`` is None for a server
    that is not on this machine, or not Linux.
    """
    before = gc.get_threshold()
    collect_seldom()
    try:
        yield from _measured(user, runs)
    finally:
        gc.set_threshold(*before)


def _measured(user, runs):
    # Pages are compressed for browsers, which costs time too.
    browser = Client(headers={"accept-encoding": "gzip, deflate, br, zstd"})
    browser.force_login(user, backend="staff.backends.StaffBackend")
    for name, address in _pages():
        for _ in range(WARM):
            response = browser.get(address)
            if response.status_code != 200:
                raise RuntimeError(f"{address} returned {response.status_code}")
        spent = [_spent(browser, address) for _ in range(runs)]
        web, db = (_mean(times) for times in zip(*spent, strict=True))
        yield {
            "scenario": name,
            "engine": connection.vendor,
            "rows": DID.objects.count(),
            "web": web,
            "db": db,
            "cpu": round(web + (db or 0), 1),
            "bytes": len(response.content),
        }


def _pages():
    """Yield (name, address) of pages."""
    used = DID.objects.filter(status=st.ACTIVE).order_by("number").values_list("pk", flat=True)
    pk = used[used.count() // 2]
    yield "number page", f"/dids/{pk}/"
    yield "history of a number", f"/dids/{pk}/history/"
    yield "your settings", "/me/"
    yield "first page of 100", "/dids/?per_page=100"
    yield "first page of 500", "/dids/?per_page=500"
    for sort in ("operator", "-operator", "reseller", "-reseller"):
        yield f"sorted by {sort}", f"/dids/?per_page=100&sort={sort}"
    stock = Stock.objects.order_by().values_list("operator").annotate(all=Sum("numbers"))
    largest = max(stock, key=itemgetter(1))[0]
    yield "largest operator", f"/dids/?per_page=100&operator={largest}"
    yield "largest operator, In Stock", f"/dids/?per_page=100&operator={largest}&status={st.INSTOCK}"
    yield "overview", "/overview/"
    today = stock_days.local_day(clock.now())
    if kept := stock_days.nearest_kept(today, today):
        yield "overview as of a day", f"/overview/?as_of={kept}"
    yield "block map", "/blocks/"
    yield "20 in a row", "/free-runs/?count=20"
    yield "100 in a row from a hundred", "/free-runs/?count=100&multiple=100"
    yield "calendar", "/calendar/"
    yield "minimum holds", "/rules/"


def _spent(browser, address):
    """Return the seconds that a request took of the web process and of its server process, None unknown."""
    backend = _Backend()
    web, db = time.process_time(), backend.seconds()
    browser.get(address)
    web = time.process_time() - web
    return web, None if db is None else backend.seconds() - db


def _mean(times):
    return None if None in times else round(statistics.mean(times) * 1000, 1)


class _Backend:
    """The server process of our connection."""

    def __init__(self):
        pid = connection.connection.info.backend_pid if connection.vendor == "postgresql" else 0
        self._file = Path(f"/proc/{pid}/schedstat")

    def seconds(self):
        """Return the processor time that it has used so far, None if it is not a process of this machine."""
        try:
            return int(self._file.read_text().split()[0]) / 1e9
        except OSError:
            return None
