"""Write notices, in the transaction of what they tell of."""

from datetime import timedelta
from itertools import groupby

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from didmgmt import clock
from dids.models import ClientPackage, StockLevel
from events.recording import record_low_stock
from jobs.kinds import at_end
from jobs.models import Job
from notices.models import RIGHTS, AnnouncedEnd, Kind, Notice, Wish
from staff.models import User
from staff.rights import holders

GATHERED = timedelta(seconds=60)  # for which notices of a person wait for others, to be one mail
NAMED = 20  # packages that one notice names
PACKAGES_PER_ROUND = 1_000
LEVELS_PER_ROUND = 100


def tell(kind, people, reseller_id, facts):
    """Write a notice for those of ``people``, a list of users, who want it."""
    wishes = {wish.user_id: wish for wish in Wish.objects.filter(kind=kind, user__in=people)}
    default, written = Wish(), []
    mail_at = clock.database_now() + GATHERED
    for user in people:
        wish = wishes.get(user.pk, default)
        mailed = wish.by_mail and "by_mail" in Wish.places_for(user)
        if wish.in_app or mailed:
            notice = Notice(user=user, kind=kind, reseller_id=reseller_id, facts=facts, in_app=wish.in_app)
            notice.mail_at = mail_at if mailed else None
            written.append(notice)
    Notice.objects.bulk_create(written)


def concerned(kind, reseller_id):
    """Return the active people who are told of what concerns a branch; None: what concerns none alone."""
    branch = Q(reseller=None)
    if reseller_id is not None:
        branch |= Q(reseller=reseller_id)
    return list(holders(RIGHTS[kind]).filter(branch).order_by("pk"))


@at_end
def tell_of_job(job):
    """Tell its owner of the end of a job, unless a request has run it, whose answer says so.

    Programs ask for the jobs of their tokens, or have webhooks.
    """
    if job.token_id or job.runs_in_request or job.state not in (Job.State.DONE, Job.State.FAILED):
        return
    owner = User.objects.get(pk=job.owner_id)
    if owner.is_active:
        tell(Kind.JOB, [owner], owner.reseller_id, {"job": str(job.pk), "state": str(job.state)})


def tell_of_ends(now):
    """Tell of client packages that end within ``PACKAGE_END_DAYS``, once for each end; return how many.

    Those of a reseller that come up in the same round are one notice.
    """
    until = now + settings.PACKAGE_END_DELTA
    with transaction.atomic():
        found = AnnouncedEnd.announce(now, until, PACKAGES_PER_ROUND)
        ending = ClientPackage.objects.filter(pk__in=found).order_by("package__reseller", "ends_at", "pk")
        rows = ending.values_list("package__reseller", "pk", "client", "package", "ends_at")
        for reseller_id, some in groupby(rows, key=lambda row: row[0]):
            ends = [(pk, client, package, ends_at.isoformat()) for _, pk, client, package, ends_at in some]
            facts = {"ends": ends[:NAMED], "count": len(ends), "last": ends[-1][-1]}
            tell(Kind.PACKAGE_END, concerned(Kind.PACKAGE_END, reseller_id), reseller_id, facts)
    return len(found)


def tell_of_stock():
    """Tell of each level that the stock has fallen below, once until it is back; return how many.

    One query if no level was crossed. A fall and what tells of it are written together.
    """
    fallen, crossed = 0, StockLevel.objects.differing().order_by("pk")
    for pk in list(crossed.values_list("pk", flat=True)[:LEVELS_PER_ROUND]):
        with transaction.atomic():
            if level := StockLevel.settle(pk):
                record_low_stock(level, level.low.since)
                facts = {
                    "level": level.pk,
                    "of": level.of,
                    "subject": level.operator_id or level.subject,
                    "query": level.query,
                    "minimum": level.minimum,
                    "in_stock": level.in_stock,
                }
                people = concerned(Kind.STOCK_LOW, level.reseller_id)
                tell(Kind.STOCK_LOW, people, level.reseller_id, facts)
                fallen += 1
    return fallen
