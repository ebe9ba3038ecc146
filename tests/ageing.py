"""What history says about numbers that went to another client too early, told row by row."""

from datetime import timedelta

from clients.models import Account
from dids.lifecycle.statuses import IN_USE
from dids.models import DIDHistory


def resold_early(minimums):
    """Return (number, when it was left, when another client got it) of each sale before ``minimums``.

    ``minimums``: {prefix: days}. A sale is a number that becomes Active or Blocked.
    """
    clients = dict(Account.objects.values_list("pk", "client"))
    user, left, found = {}, {}, []
    rows = DIDHistory.objects.order_by("history_id")
    for number, event, status, account, at in rows.values_list(
        "number", "event", "status", "account_id", "at"
    ):
        client = clients[account] if status in IN_USE and event != "-" else None
        before = user.get(number)
        if before is not None and client != before:
            left[number] = (before, at)
        if client not in (None, before) and number in left:
            last, since = left[number]
            prefix = max((one for one in minimums if number.startswith(one)), key=len, default=None)
            days = minimums.get(prefix, 0)
            if client != last and at < since + timedelta(days=days):
                found.append((number, since, at))
        user[number] = client
    return found
