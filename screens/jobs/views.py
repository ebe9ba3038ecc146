"""Jobs: the list, one job with its progress, cancel and retry."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import FileResponse, Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from audit.models import SealDelivery
from didmgmt.parameters import takes
from didmgmt.text import parse_whole
from dids.lists import records
from jobs.files import folder
from jobs.models import SMALL, Job, WorkerBeat
from staff.middleware import unattended

LONGEST_PAUSE = 1_000  # milliseconds between requests for the progress of a job

may_view = permission_required("jobs.view_job", raise_exception=True)


@require_safe
@may_view
def job_list(request):
    listing = records.JOBS.listing(request.GET, request.user, request.path)
    context = {
        "listing": listing,
        "small": SMALL,
        "failing": WorkerBeat.failing_tasks(),
        "clocks": WorkerBeat.wrong_clocks(),
        "undelivered": SealDelivery.failing(),
    }
    return render(request, "jobs/list.html", context)


@unattended
@require_safe
@may_view
@never_cache
def running_jobs(request):
    """Render the count of running jobs in the navigation, and the bell of the notices of those that ended."""
    return render(request, "jobs/_running_answer.html")


@require_safe
@may_view
@never_cache
def job_detail(request, pk):
    job = _job(request, pk)
    mine = job.owner_id == request.user.pk
    context = {"job": job, "mine": mine, "file": _file_for(job, request.user)}
    return render(request, "jobs/detail.html", context)


@unattended
@require_safe
@may_view
@never_cache
@takes(after=lambda value: parse_whole(value) is not None)
def job_progress(request, pk):
    """Render the progress, which the page requests again and again; reload the page when the job has ended.

    ``after``: milliseconds that the page has waited. It waits longer each time, so that the end of a short
    job is seen at once and a long one costs a request a second.
    """
    job = _job(request, pk)
    if request.htmx and not job.is_unfinished:
        return HttpResponseClientRefresh()
    waited = parse_whole(request.GET.get("after", "")) or LONGEST_PAUSE
    return render(request, "jobs/_progress.html", {"job": job, "pause": min(waited * 3 // 2, LONGEST_PAUSE)})


@unattended
@require_safe
@may_view
@never_cache
def job_state(request, pk):
    """Render the state, one cell of the list."""
    return render(request, "jobs/_state.html", {"job": _job(request, pk)})


@require_safe
@may_view
def job_file(request, pk):
    """Send the file that a job has written."""
    job = _job(request, pk)
    made = _file_for(job, request.user)
    if not made or (job.folder == folder() and not job.file.storage.exists(job.file.name)):
        raise Http404("This job has no file.")
    file = job.file.open("rb")
    return FileResponse(file, as_attachment=True, filename=made["name"], content_type=made["type"])


@require_POST
@may_view
def job_cancel(request, pk):
    job = _job(request, pk)
    if not job.request_cancel():
        messages.warning(request, job.has_ended_sentence)
    elif job.is_finished:
        messages.success(request, f"“{job}” cancelled. What it has already done is kept.")
    else:
        messages.info(request, f"“{job}” stops after the current chunk. What it has already done is kept.")
    return _back(request, job)


@require_POST
@may_view
def job_retry(request, pk):
    job = _job(request, pk)
    if job.owner_id != request.user.pk:
        messages.error(request, f"Only {job.owner} can continue this job: it runs with that user’s rights.")
    elif job.retry():
        messages.info(request, f"“{job}” continues where it stopped.")
    else:
        messages.warning(request, job.not_stopped_sentence)
    return _back(request, job)


def _back(request, job):
    """Return to the page with the button, named by ``next`` unless it is the job’s own page."""
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())
    return redirect(target if safe else job)


def _file_for(job, user):
    """Return the name and type of the job's file, None if there is none for this user.

    It is for the owner alone, whose permissions decided what is in it, and not for one who has been bound to
    another reseller since.
    """
    made = job.result.get("file")
    if not made or job.owner_id != user.pk or user.reseller_id not in (None, made["reseller"]):
        return None
    return made


def _job(request, pk):
    jobs = Job.objects.visible_to(request.user).select_related("owner", "token", "change")
    return get_object_or_404(jobs, pk=pk)
