from jobs.models import Job


def running_jobs(request):
    """Add ``running_jobs``, the count of the user’s unfinished jobs; queried only when a template uses it."""

    def count():
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            return 0
        return Job.objects.unfinished().filter(owner=user).count()

    return {"running_jobs": count}
