"""Make the sentences of notices from their facts, when somebody reads them.

Facts by kind, in which records are named by their ids:

- ``job``: {"job": id, "state": "done" or "failed"}
- ``package_end``: {"ends": [[client package, client, package, ISO timestamp], …], "count": how many ends
  there were, of which the first are in ``ends``, "last": the last timestamp}
- ``stock_low``: {"level": id, "of": "operator", "tag" or "prefix", "subject": the id of the operator or the
  text, "query": parameters of the list of numbers, "minimum" and "in_stock": numbers}

Names are those that the reader may see now, or could see last: of a deleted record, and of one that moved to
another reseller since.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from audit import history
from clients.models import Client, Package
from didmgmt.dates import show_minute
from didmgmt.text import count_noun, enumerated
from dids.models import StockLevel
from jobs.models import Job
from notices.models import Kind
from operators.models import Operator

IN_SENTENCE = 3  # packages that a sentence names


@dataclass(frozen=True)
class Message:
    """What a notice says: ``subject`` is what it is about, ``text`` goes on; ``url``: a path or ""."""

    subject: str
    text: str
    url: str = ""
    is_bad: bool = False

    def __str__(self):
        return f"{self.subject} {self.text}"


def read(notices, user):
    """Return [(notice, Message)] of a list of the user's notices, in the active time zone.

    At most one query for each kind of record that they name.
    """
    found = {}
    for kind, messages in _READERS.items():
        if some := [notice for notice in notices if notice.kind == kind]:
            found |= messages(some, user)
    return [(notice, found[notice.pk]) for notice in notices]


def _of_jobs(notices, user):
    ids = [notice.facts["job"] for notice in notices]
    jobs = {
        str(job.pk): job
        for job in Job.objects.filter(owner=user.pk, pk__in=ids).select_related("owner", "token")
    }
    return {notice.pk: _of_job(notice.facts, jobs.get(notice.facts["job"])) for notice in notices}


def _of_job(facts, job):
    failed = facts["state"] == Job.State.FAILED
    subject = f"“{job}”" if job else "A job of yours"
    text = "has failed." if failed else "is finished."
    if job and job.state == facts["state"]:  # otherwise it was continued since
        text = f"{text} {job.sentence}".strip()
    return Message(subject, text, reverse("jobs:detail", args=[facts["job"]]) if job else "", failed)


def _of_package_ends(notices, user):
    ends = [end for notice in notices for end in notice.facts["ends"]]
    clients = history.last_known(Client, {client for _, client, *_ in ends}, "name", viewer=user)
    packages = history.last_known(Package, {package for *_, package, _ in ends}, "name", viewer=user)

    def name(client, package):
        client, package = (
            names.get(pk, {}).get("name") for names, pk in ((clients, client), (packages, package))
        )
        return f"{package} of {client}" if client and package else "A package that you can’t see any more"

    return {notice.pk: _of_ends(notice.facts, name) for notice in notices}


def _of_ends(facts, name):
    (_, client, package, at), *others = facts["ends"]
    if not others:
        text = f"ends on {_minute(at)}. Its numbers then go on Hold."
        query = {"client": client}
        return Message(name(client, package), text, _client_packages(query))
    named = [name(client, package) for _, client, package, _ in facts["ends"][:IN_SENTENCE]]
    if left := facts["count"] - len(named):
        named.append(f"{left:,} more")
    text = f"end by {_minute(facts['last'])}: {enumerated(named)}. Their numbers then go on Hold."
    return Message(
        count_noun(facts["count"], "package of clients", "packages of clients"),
        text,
        _client_packages({"state": "running", "sort": "ends"}),
    )


def _of_low_stock(notices, user):
    operators = [notice.facts["subject"] for notice in notices if notice.facts["of"] == "operator"]
    names = history.last_known(Operator, operators, "name", viewer=user)

    def message(facts):
        subject = facts["subject"]
        if facts["of"] == "operator":
            subject = names.get(subject, {}).get("name") or "that you can’t see any more"
        level = StockLevel(minimum=facts["minimum"])
        url = f"{reverse('dids:list')}?{urlencode(facts['query'])}"
        return Message(f"{StockLevel.OF[facts['of']]} {subject}", level.low_sentence(facts["in_stock"]), url)

    return {notice.pk: message(notice.facts) for notice in notices}


def _client_packages(query):
    return f"{reverse('client_packages:list')}?{urlencode(query)}"


def _minute(iso):
    return show_minute(timezone.localtime(parse_datetime(iso)))


_READERS = {Kind.JOB: _of_jobs, Kind.PACKAGE_END: _of_package_ends, Kind.STOCK_LOW: _of_low_stock}
