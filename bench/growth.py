"""Measure how the time of a request grows with what it sends: at 1, 2, 4 and 8 times a size."""

import time
from urllib.parse import urlencode

from django.test import Client

from clients.names import clean_name
from dids.numbering.normalise import NumberError
from dids.numbering.reading import read_cell

TIMES = (1, 2, 4, 8)
UNIT = 2_500  # repeats or characters, multiplied in each scenario
RUNS = 3
FIRST = 44_000_000_000


def measure(user):
    """Yield a dict for each scenario: processor ms at each size, and ``grows``, the last by the first.

    Time that is linear grows up to 8 times. What exceeds a limit is refused in less.
    """
    browser = Client()
    browser.force_login(user, backend="staff.backends.StaffBackend")

    def get(**query):
        return browser.get("/dids/", query).status_code

    def paste(numbers):
        return browser.post("/dids/search/", {"q": numbers}, follow=True).status_code

    def preview(numbers):
        return browser.post("/dids/new/", {"step": "preview", "numbers": numbers}).status_code

    def fields(count):
        form = urlencode([("a", "b")] * count)
        return browser.post("/dids/new/", form, content_type="application/x-www-form-urlencoded").status_code

    for name, size, send in (
        ("operator= repeated", UNIT, lambda n: get(operator=["1"] * n)),
        ("status= repeated", UNIT, lambda n: get(status=["instock"] * n)),
        ("q= of dashes", UNIT, lambda n: get(q="-" * n)),
        ("numbers pasted into the search", UNIT // 2, lambda n: paste(_numbers(n))),
        ("numbers pasted into New DIDs", 5 * UNIT, lambda n: preview(_numbers(n))),
        ("words pasted into New DIDs", 5 * UNIT, lambda n: preview("a," * n)),
        ("fields of a form", UNIT, fields),
        ("a cell of dashes", 2 * UNIT, lambda n: _read(read_cell, "-" * n)),
        ("a cell of digits and commas", 2 * UNIT, lambda n: _read(read_cell, "1," * (n // 2))),
        ("a name of accents", 40 * UNIT, lambda n: _read(clean_name, "a" + "\u0300\u0323" * (n // 2))),
    ):
        row, best = {"scenario": name, "size": size}, []
        for times in TIMES:
            taken, row["status"] = _fastest(send, size * times)
            best.append(taken)
            row[f"ms_{times}"] = round(1000 * taken, 1)
        yield row | {"grows": round(best[-1] / best[0], 1)}


def _fastest(send, size):
    """Return the least processor time of a few runs, in seconds, and the result."""
    taken = []
    for _ in range(RUNS):
        start = time.process_time()
        result = send(size)
        taken.append(time.process_time() - start)
    return max(min(taken), 1e-6), result


def _numbers(count):
    return "\n".join(str(FIRST + 2 * n) for n in range(count))


def _read(read, text):
    """Read the text, which may be refused."""
    try:
        read(text)
    except NumberError:
        return 422
    return 200
