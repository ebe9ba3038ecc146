"""Tell of what comes, and delete old notices bit by bit."""

from datetime import timedelta

from jobs.periodic import periodic_task
from notices.models import AnnouncedEnd, Mail, Notice, keep_from
from notices.writing import tell_of_ends, tell_of_stock

ROWS = 1_000  # of a round: a statement of unknown size would make writers on SQLite wait


@periodic_task("tell of package ends")
def tell_of_package_ends(now):
    return tell_of_ends(now)


@periodic_task("watch stock levels")
def watch_stock_levels(_now):
    """Tell of stock below its level, after the holds that this round has ended."""
    return tell_of_stock()


@periodic_task("delete old notices")
def delete_old_notices(now):
    """Delete notices and mails after ``NOTICE_KEEP_DAYS``, and the marks of ends that are over."""
    old = Notice.objects.filter(at__lt=keep_from(now)).order_by("at")
    mails = Mail.objects.filter(created_at__lt=keep_from(now)).order_by("created_at")
    over = AnnouncedEnd.objects.filter(ends_at__lt=now - timedelta(days=1)).order_by("ends_at")
    return _delete(old) + _delete(mails) + _delete(over)


def _delete(rows):
    keys = list(rows.values_list("pk", flat=True)[:ROWS])
    return rows.model.objects.filter(pk__in=keys).delete()[0] if keys else 0
