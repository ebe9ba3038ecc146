from jobs.models import Job


def running_jobs(request):
    """``running_jobs``: how many of the person's jobs wait or run; counted only where a template asks."""

    def count():
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            return 0
        return Job.objects.unfinished().filter(owner=user).count()

    return {"running_jobs": count}
