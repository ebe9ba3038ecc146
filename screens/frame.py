"""What the frame of every page counts."""

from functools import cache

from django.db.models import Count, OuterRef, Subquery

from didmgmt.statements import Statement
from jobs.models import Job
from notices.models import Notice, kinds_for
from staff.models import User

NO_KIND = "-"  # a list of a statement can't be empty


def _count(rows, owner):
    counted = rows.filter(**{owner: OuterRef("pk")}).order_by().values(owner)
    return Subquery(counted.annotate(_rows=Count("pk")).values("_rows"))


_counts = Statement(
    lambda viewer, kinds: User.objects.filter(pk=viewer.pk).values_list(
        _count(Job.objects.unfinished(), "owner"),
        _count(Notice.objects.visible_to(viewer).unread().filter(kind__in=kinds), "user"),
    ),
    lists=["kinds"],
)


def counts(request):
    """Add ``running_jobs`` and ``unread_notices``, counts of the user’s unfinished jobs and unread notices.

    One query for both, when a template uses one.
    """

    @cache
    def both():
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            return 0, 0
        found = _counts.rows(viewer=user, kinds=kinds_for(user) or [NO_KIND])
        return [count or 0 for count in found[0]] if found else (0, 0)

    return {"running_jobs": lambda: both()[0], "unread_notices": lambda: both()[1]}
