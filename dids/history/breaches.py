"""Find numbers that went to another client before their minimum hold was over.

Times at which a number of an accepted rule was taken into use are compared with the time at which its client
before left it, by history, also if the number was deleted and created again in between. A page looks at the
newest ``SOLD_MOST``, a file at all of the last year.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection

from audit.models import Change
from didmgmt.streams import CHUNK, read_transaction
from dids.history.explain import actor_name
from dids.labels import Names
from dids.lifecycle import statuses as st
from dids.models.ageing import AgeingRule, in_force, minimum_of
from operators.models import Operator

PERIOD = timedelta(days=365)
SOLD_MOST = 5_000  # that are looked at
SHOWN = 100
_ALL = 2**62
# Changes by which a client gets a number
_KINDS = ("assign", "import", "undo", "edit", "mass_edit", "unblock", "package")
_IN_USE = "('{}')".format("', '".join(st.IN_USE))


@dataclass(frozen=True)
class Breach:
    """A number that another client got after ``rested`` days on which it should have rested ``minimum``.

    ``number_id``: None if it is not in the viewer's inventory any more. ``reason``: why, as recorded.
    """

    number: str
    number_id: int
    prefix: str
    at: datetime
    rested: int
    minimum: int
    before: str
    then: str
    change: Change
    reason: str

    @property
    def who(self):
        return actor_name(self.change)


def breaches(viewer, now):
    """Return at most ``SHOWN`` breaches of the last year in the viewer's branch, newest first.

    One query of the bounded number of rows, and a few for the names.
    """
    rules = in_force()
    if not rules:
        return []
    with connection.cursor() as cursor:
        cursor.execute(*_resold(rules, viewer, now, sold=SOLD_MOST, shown=SHOWN))
        return _named(cursor.fetchall(), rules, viewer)


def every_breach(viewer, now):
    """Yield all breaches of the last year in the viewer's branch, newest first.

    Reads through a server-side cursor, see ``didmgmt.streams.stream``; a few queries name those of a chunk.
    """
    rules = in_force()
    if not rules:
        return
    with read_transaction(connection.alias), connection.chunked_cursor() as cursor:
        cursor.execute(*_resold(rules, viewer, now, sold=_ALL, shown=_ALL))
        while rows := cursor.fetchmany(CHUNK):
            yield from _named(rows, rules, viewer)


def _named(found, rules, viewer):
    """Return the breaches of rows of ``_RESOLD``."""
    names = Names(viewer, accounts={account for row in found for account in row[5:7]})
    changes = Change.objects.in_bulk({row[7] for row in found})
    Change.hide_labels(changes.values(), viewer)
    accepted = dict(AgeingRule.objects.values_list("prefix", "accepted_at"))
    made = []
    for number, pk, *times, _, before, then, change in found:
        at, left_at = map(_aware, times)
        prefix = next(prefix for prefix, _ in rules if number.startswith(prefix))
        reason = changes[change].data.get("override", "")
        if not reason and at < accepted[prefix]:
            reason = "Before the rule was accepted"
        made.append(
            Breach(
                number=number,
                number_id=pk,
                prefix=prefix,
                at=at,
                rested=(at - left_at) // timedelta(days=1),
                minimum=minimum_of(number, rules),
                before=names.client(before),
                then=names.client(then),
                change=changes[change],
                reason=reason,
            )
        )
    return made


def _resold(rules, viewer, now, *, sold, shown):
    """Return the statement that reads breaches, and its parameters.

    ``sold``: how many of the newest numbers taken into use are looked at; ``shown``: the most breaches.
    """
    is_postgresql = connection.vendor == "postgresql"
    params = {"since": connection.ops.adapt_datetimefield_value(now - PERIOD), "most": sold}
    params |= {"shown": shown} | {f"prefix{n}": f"{prefix}%" for n, (prefix, _) in enumerate(rules)}
    of_rules = " OR ".join(f"sold.number LIKE %(prefix{n})s" for n in range(len(rules)))
    whens = " ".join(f"WHEN sold.number LIKE %(prefix{n})s THEN {rule.days}" for n, rule in enumerate(rules))
    early = (
        f"sold.at < free.at + (CASE {whens} END) * interval '1 day'"
        if is_postgresql
        else f"julianday(sold.at) < julianday(free.at) + CASE {whens} END"
    )
    branch = "1 = 1"
    if viewer.reseller_id:
        operators = Operator.objects.visible_to(viewer).values_list("pk", flat=True)
        branch = f"{{}}.operator_id IN ({', '.join(map(str, operators)) or 'NULL'})"
    sql = _RESOLD.format(
        of_rules=of_rules,
        early=early,
        sold_here=branch.format("sold"),
        used_here=branch.format("used"),
        kinds=", ".join(f"'{kind}'" for kind in _KINDS),
        in_use=_IN_USE,
    )
    return sql, params


def _aware(at):
    """Return a timestamp of a raw query; SQLite stores naive UTC, as text."""
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    return at if at.tzinfo else at.replace(tzinfo=UTC)


_RESOLD = """
    WITH sold AS MATERIALIZED (
        SELECT sold.history_id, sold.object_id, sold.number, sold.at, sold.account_id, sold.change_id, (
            SELECT max(earlier.history_id) FROM dids_didhistory earlier
            WHERE earlier.object_id = sold.object_id AND earlier.history_id < sold.history_id
        ) AS before_id
        FROM dids_didhistory sold JOIN audit_change made ON made.id = sold.change_id
        WHERE made.at > %(since)s AND made.kind IN ({kinds}) AND sold.status IN {in_use} AND sold.event <> '-'
          AND ({of_rules}) AND {sold_here}
        ORDER BY sold.history_id DESC LIMIT %(most)s
    ), resold AS (
        SELECT sold.*, coalesce((
            SELECT max(used.history_id) FROM dids_didhistory used
            WHERE used.object_id = sold.object_id AND used.history_id < sold.history_id
              AND used.status IN {in_use} AND used.event <> '-'
        ), (
            SELECT max(used.history_id) FROM dids_didhistory gone
            JOIN dids_didhistory used ON used.object_id = gone.object_id
            WHERE gone.event = '-' AND gone.number = sold.number AND gone.history_id < sold.history_id
              AND used.status IN {in_use} AND used.event <> '-'
        )) AS used_id
        FROM sold LEFT JOIN dids_didhistory prior ON prior.history_id = sold.before_id
        WHERE prior.history_id IS NULL OR prior.event = '-' OR prior.status NOT IN {in_use}
           OR prior.account_id <> sold.account_id
    )
    SELECT sold.number, sold.object_id, sold.at, free.at, sold.history_id, used.account_id, sold.account_id,
           sold.change_id
    FROM resold sold JOIN dids_didhistory used ON used.history_id = sold.used_id
    JOIN dids_didhistory free ON free.history_id = (
        SELECT min(later.history_id) FROM dids_didhistory later
        WHERE later.object_id = used.object_id AND later.history_id > used.history_id
    )
    LEFT JOIN clients_account former ON former.id = used.account_id
    LEFT JOIN clients_account present ON present.id = sold.account_id
    WHERE coalesce(former.client_id, 0) <> coalesce(present.client_id, 0) AND {used_here} AND {early}
    ORDER BY sold.history_id DESC LIMIT %(shown)s
"""
