"""Measure an import from the upload to its result as a person sees it: over HTTP, with a worker."""

import re
import secrets
import time
from html import unescape
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.parse import urljoin
from urllib.request import HTTPCookieProcessor, Request, build_opener

from django.core.management import CommandError
from django.db import connection
from django.urls import reverse

from bench.load import TIMEOUT, serving
from bench.processor import cpu, descendants, sessions
from bench.steps import step
from staff.models import User

USER = "bench"
POLL = re.compile(r'hx-get="([^"]*/progress/[^"]*)"\s+hx-trigger="every (\d+)(ms|s)"')


def measure(scratch, empty, rows, times):
    """Yield a dict for each of ``times`` imports of the same file into an empty inventory.

    ``seconds``: from the upload to the result, without time to think; ``cpu``: seconds of CPU of web process,
    worker and database; ``polls``: requests for the progress.
    """
    password = secrets.token_urlsafe(12)
    for _ in range(times):
        url = scratch.copy(empty)
        scratch.run("give_password", url, password=password)
        with serving(scratch, url) as address:
            browser = Browser(address)
            browser.sign_in(password)
            time.sleep(2)  # the worker rests
            parts = scratch.run("processes", url)["pids"]
            before = cpu(*parts, *descendants())
            start = time.perf_counter()
            polls = _import(browser, scratch.path / "numbers.csv")
            took = time.perf_counter() - start
            spent = cpu(*parts, *descendants()) - before
        yield {
            "scenario": "import, upload to result",
            "rows": rows,
            "engine": connection.vendor,
            "seconds": round(took, 2),
            "cpu": round(spent, 2),
            "polls": polls,
        }
        scratch.drop(url)


def _import(browser, file):
    """Take each step of the wizard as soon as its page is there; return how often progress was requested."""
    browser.get(reverse("dids:import"))
    browser.post(file=file)
    browser.post()
    polls = browser.wait()
    browser.post()
    polls += browser.wait()
    if "numbers created" not in browser.text:
        raise CommandError(f"The import did not end with its result, but at {browser.url}")
    return polls


class Browser:
    """Open pages, post the form of a page as it is, and request progress as often as the page asks for it.

    ``url``, ``text``: of the page.
    """

    def __init__(self, address):
        self.address, self.url, self.text = address, address, ""
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def sign_in(self, password):
        self.get(reverse("staff:login"))
        self.post(username=USER, password=password)

    def get(self, path):
        self._open(Request(urljoin(self.address, path)))  # noqa: S310 - our own server

    def post(self, file=None, **typed):
        """Post the form in the main part of the page with what is ``typed`` into it, and with a ``file``."""
        form = _Form(self.text)
        fields = [(name, value) for name, value in form.fields if name not in typed] + list(typed.items())
        boundary = secrets.token_hex(16)
        parts = [_part(boundary, name, value.encode()) for name, value in fields]
        if file:
            parts.append(_part(boundary, "file", file.read_bytes(), file.name))
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Referer": self.url}
        self._open(Request(urljoin(self.url, form.action), body, kind))  # noqa: S310 - our own server

    def wait(self):
        """Request the progress until the page is to be reloaded, and reload it; return how often."""
        text, times = self.text, 0
        while found := POLL.search(text):
            time.sleep(int(found[2]) / (1 if found[3] == "s" else 1000))
            times += 1
            request = Request(urljoin(self.url, unescape(found[1])))  # noqa: S310 - our own server
            request.add_header("HX-Request", "true")
            with self.opener.open(request, timeout=TIMEOUT) as page:
                text = page.read().decode()
        self.get(self.url)
        return times

    def _open(self, request):
        with self.opener.open(request, timeout=TIMEOUT) as page:
            self.url, self.text = page.url, page.read().decode()


def _part(boundary, name, content, file=""):
    named = f'; filename="{file}"\r\nContent-Type: text/csv' if file else ""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + content + b"\r\n"


class _Form(HTMLParser):
    """The first form of the main part of a page that is posted: its action and its fields as they are."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields = None, []
        self.main = self.inside = False
        self.select = self.area = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.main = self.main or tag == "main"
        if tag == "form" and self.main and self.action is None and given.get("method") == "post":
            self.action, self.inside = given.get("action") or "", True
        elif not self.inside or "disabled" in given:
            return
        elif tag == "input" and given.get("name"):
            kind = given.get("type", "text")
            ticked = kind not in ("checkbox", "radio") or "checked" in given
            if ticked and kind not in ("file", "submit"):
                self.fields.append(
                    (given["name"], given.get("value") or ("on" if kind == "checkbox" else ""))
                )
        elif tag == "select":
            self.select, self.first = given.get("name"), True
        elif tag == "option" and self.select and (self.first or "selected" in given):
            if not self.first:
                self.fields.pop()
            self.fields.append((self.select, given.get("value", "")))
            self.first = False
        elif tag == "textarea":
            self.area = (given.get("name"), "")

    def handle_data(self, data):
        if self.area:
            self.area = (self.area[0], self.area[1] + data)

    def handle_endtag(self, tag):
        if tag == "form":
            self.inside = False
        elif tag == "select":
            self.select = None
        elif tag == "textarea" and self.area:
            self.fields.append(self.area)
            self.area = None


@step
def give_password(*, password):
    user = User.objects.get(username=USER)
    user.set_password(password)
    user.save(update_fields=["password"])


@step
def processes():
    return {"pids": sessions()}
