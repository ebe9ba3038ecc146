"""Measure the processor time of requests to the API, and of the statements that they send."""

import gc
import secrets
import statistics
import time
from datetime import timedelta
from operator import itemgetter

from django.db import connection, transaction
from django.db.models import Sum
from django.test import Client

from didmgmt import clock
from didmgmt.server import collect_seldom
from dids.lifecycle import statuses as st
from dids.models import DID, Stock
from staff.models import Token, digest_of

WARM = 5  # requests before measuring: they prepare statements
SCOPES = "dids:read clients:read changes:read"


def measure(user, runs):
    """Yield a dict for each request, in medians of milliseconds of this process.

    ``cpu``: the whole request by the test's client, ``sql``: its statements alone, sent again, ``above``: the
    difference. The time of a PostgreSQL server is not included. Nothing is kept.
    """
    before = gc.get_threshold()
    collect_seldom()
    try:
        with transaction.atomic():
            browser = Client(headers={"authorization": f"Bearer {_token(user)}"})
            for name, address in _requests():
                yield {"scenario": name, "engine": connection.vendor} | _measured(browser, address, runs)
            transaction.set_rollback(True)
    finally:
        gc.set_threshold(*before)


def _token(user):
    secret = secrets.token_hex(20)
    expires = clock.now() + timedelta(days=1)
    token = Token(owner=user, name="bench", key=secrets.token_hex(6), scopes=SCOPES, expires_at=expires)
    token.digest = digest_of(secret)
    token.save(force_insert=True)
    return f"did_{token.key}.{secret}"


def _requests():
    """Yield (name, address)."""
    used = DID.objects.filter(status=st.ACTIVE).order_by("number")
    (number,) = used.values_list("number", flat=True)[100:101] or used.values_list("number", flat=True)[:1]
    stock = Stock.objects.order_by().values_list("operator").annotate(all=Sum("numbers"))
    largest = max(stock, key=itemgetter(1))[0]
    yield "one number", f"/api/v1/dids/{number}?fields=id,number,status,client,account"
    yield "one number, all fields", f"/api/v1/dids/{number}"
    yield "list of 100", "/api/v1/dids"
    yield "list of 100, after a number", f"/api/v1/dids?after=~{number}"
    yield "list of 100, In Stock", "/api/v1/dids?status=instock"
    yield "list of 100, largest operator", f"/api/v1/dids?operator={largest}"
    yield "list of 100, three fields", "/api/v1/dids?fields=id,number,status"
    yield "list of 1,000", "/api/v1/dids?limit=1000"
    yield "list of 100 clients", "/api/v1/clients"
    yield "list of 100 changes", "/api/v1/changes"


def _measured(browser, address, runs):
    sent = []

    def record(execute, sql, params, many, context):
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        response = browser.get(address)
    if response.status_code != 200:
        raise RuntimeError(f"{address} returned {response.status_code}: {response.text}")
    for _ in range(WARM):
        browser.get(address)
    cpu = _median(lambda: browser.get(address), runs)
    sql = _median(lambda: _send(sent), runs)
    above = round(cpu - sql, 2)
    return {"cpu": cpu, "sql": sql, "above": above, "queries": len(sent), "bytes": len(response.content)}


def _send(statements):
    with connection.cursor() as cursor:
        for sql, params in statements:
            cursor.execute(sql, params)
            if cursor.description:  # None for the last use of the token, which is written
                cursor.fetchall()


def _median(work, runs):
    times = []
    for _ in range(runs):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return round(statistics.median(times) * 1000, 2)
