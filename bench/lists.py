"""Compare a page of 100 numbers with its queries alone and with Django's admin on the same table."""

import math
import statistics
import time

from django.contrib import admin
from django.contrib.admin.templatetags.admin_list import results
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from dids.models import DID
from operators.models import Operator

RUNS = 20


class PlainAdmin(admin.ModelAdmin):
    """Show the columns of our list in Django's admin."""

    list_display = ("id", "status", "operator", "number", "tag_set", "notes", "account", "client_package")
    list_display_links = None
    list_select_related = ("operator__reseller", "tag_set", "account__client", "client_package__package")
    list_per_page = 100
    search_fields = ("number",)


def scenarios():
    """Yield (name, query string of our list, query string of the admin or None)."""
    total = DID.objects.count()
    middle = DID.objects.order_by("number").values_list("number", flat=True)[total // 2]
    operator = Operator.objects.order_by("pk").values_list("pk", flat=True).first()
    last = -(-total // 100)
    yield "first page", "", ""
    yield "last page", f"page={last}", f"p={last}"
    yield "sort by operator", "sort=operator", "o=3"
    yield "search exact", f"q=%3D{middle}", f"q={middle}"
    yield "search begins", f"q={middle[:6]}*", None
    yield "search contains", f"q={middle[2:8]}", None
    yield "status In Stock", "status=instock", None
    yield "one operator", f"operator={operator}", None


def measure(user):
    """Yield a dict for each scenario, with p50 and p95 of ``RUNS`` in milliseconds."""
    browser = Client()
    browser.force_login(user)
    plain = PlainAdmin(DID, admin.AdminSite("bench"))
    for name, ours, theirs in scenarios():
        address = f"/dids/?per_page=100&{ours}"
        with CaptureQueriesContext(connection) as seen:
            if (status := browser.get(address).status_code) != 200:
                raise RuntimeError(f"{address} returned {status}")
        reads = [query["sql"] for query in seen.captured_queries if query["sql"].startswith("SELECT")]
        yield {
            "scenario": name,
            "rows": DID.objects.count(),
            "engine": connection.vendor,
            "queries": len(seen.captured_queries),
            **timed(lambda address=address: browser.get(address)),
            "raw_p50": timed(lambda reads=reads: run(reads))["p50"],
            "admin_p50": None
            if theirs is None
            else timed(lambda q=theirs: _changelist(plain, user, q), 5)["p50"],
        }


def timed(work, runs=RUNS, budget=math.inf):
    """Return {p50, p95, cpu} in milliseconds; cpu is the time of this process per call.

    Stops after ``budget`` seconds, but not before three runs, if ``runs`` allows.
    """
    times, cpu = [], time.process_time()
    while len(times) < runs and (len(times) < 3 or sum(times) < budget * 1000):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    cpu = (time.process_time() - cpu) * 1000 / len(times)
    times.sort()
    return {
        "p50": round(statistics.median(times), 1),
        "p95": round(times[max(0, round(len(times) * 0.95) - 1)], 1),
        "cpu": round(cpu, 1),
    }


def run(statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            cursor.fetchall()


def _changelist(plain, user, query):
    """Render the cells of the admin's list, without its page template, which is in its favour."""
    request = RequestFactory().get(f"/?{query}")
    request.user = user
    changelist = plain.get_changelist_instance(request)
    changelist.formset = None
    return list(results(changelist))
