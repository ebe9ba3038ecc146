"""Compare set-based writes with plain SQL under the same triggers; everything is rolled back."""

import time

from django.db import connection, transaction

from audit import SYSTEM
from clients.models import Reseller
from dids.models import DID
from operators.models import Operator

FIRST = 9_000_000_000_000_000_000  # 19 digits, longer than any demonstration number


class _RollBackError(Exception):
    """End the transaction of a measurement."""


def measure(count):
    """Yield a dict for each kind of write: ours and raw in seconds, and their ratio."""
    for name, ours, raw in (
        ("create a range", _create, _raw_create),
        ("edit notes", lambda dids: dids.edit(by=SYSTEM, notes="bench"), _raw("notes = 'bench'")),
        ("edit status", lambda dids: dids.edit(by=SYSTEM, status="reserved"), _raw("status = 'reserved'")),
    ):
        times = [_seconds(work, count, create=work not in (_create, _raw_create)) for work in (ours, raw)]
        yield {
            "scenario": name,
            "rows": count,
            "engine": connection.vendor,
            "ours": round(times[0], 3),
            "raw": round(times[1], 3),
            "ratio": round(times[0] / times[1], 2),
        }


def _seconds(work, count, *, create):
    try:
        with transaction.atomic():
            operator = Operator.objects.create(name="Bench", reseller=Reseller.objects.create(name="Bench"))
            dids = DID.objects.filter(operator=operator)
            dids.bench = (operator, count)
            if create:
                _create(dids)
            start = time.perf_counter()
            work(dids)
            took = time.perf_counter() - start
            raise _RollBackError
    except _RollBackError:
        return took


def _create(dids):
    operator, count = dids.bench
    return DID.objects.create_numbers(
        (str(FIRST + n) for n in range(count)), operator=operator, by=SYSTEM, notes=""
    )


def _raw_create(dids):
    operator, count = dids.bench
    if connection.vendor == "postgresql":
        series = f"SELECT n FROM generate_series(0, {count - 1}) AS n"
    else:
        counting = f"SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {count - 1}"
        series = f"WITH RECURSIVE s(n) AS ({counting}) SELECT n FROM s"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO dids_did (number, operator_id, status, after_hold, notes)"
            f" SELECT CAST({FIRST} + n AS varchar(20)), {operator.pk}, 'instock', 'instock', ''"
            f" FROM ({series}) AS numbered"
        )


def _raw(assignment):
    def work(dids):
        operator, _ = dids.bench
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE dids_did SET {assignment} WHERE operator_id = {operator.pk}")

    return work
