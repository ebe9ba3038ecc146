from didmgmt.statements import Statement
from jobs.models import Job

_unfinished = Statement(
    lambda owner: Job.objects.unfinished().filter(owner=owner).order_by().values_list("pk")
)


def running_jobs(request):
    """Add ``running_jobs``, the count of the user’s unfinished jobs; queried only when a template uses it."""

    def count():
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            return 0
        return len(_unfinished.rows(owner=user.pk))

    return {"running_jobs": count}
