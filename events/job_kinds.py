"""Replay many events in a job."""

from django.urls import reverse
from django.utils.dateparse import parse_datetime

from didmgmt.text import count_noun
from events.models import Endpoint
from events.replaying import CHUNK, after, events_between, replay
from jobs.kinds import JobError, JobKind, register
from jobs.models import Job


class ReplayJob(JobKind):
    name, label, unit, url_label = "replay", "Replay of events", "events", "Open the webhook"

    def run(self, job):
        params = job.params
        since, until = parse_datetime(params["since"]), parse_datetime(params["until"])
        while True:
            endpoint = Endpoint.objects.visible_to(job.actor).filter(pk=params["endpoint"]).first()
            if endpoint is None or not endpoint.active:
                raise JobError("The webhook was paused or deleted, so nothing more is sent to it.")
            if not job.actor.has_perm("events.change_endpoint"):
                raise JobError("You no longer have permission to send events again. Ask an administrator.")
            cursor = job.cursor.get("after")
            left = after(events_between(endpoint, since, until, params["only"]), cursor and _read(cursor))
            events = list(left[: job.at_once(CHUNK)])
            if not events:
                return
            job.done += replay(endpoint, events)
            job.cursor = {"after": [events[-1].created_at.isoformat(), events[-1].pk]}
            yield

    def sentence(self, job):
        return f"{count_noun(job.done, 'event')} will be sent again." if job.done else ""

    def url(self, job):
        return reverse("webhooks:detail", args=[job.params["endpoint"]])


def _read(cursor):
    at, pk = cursor
    return parse_datetime(at), pk


def submit_replay(user, endpoint, since, until, only, count):
    """Queue and return a job that replays the events of a time span, about ``count``."""
    return Job.objects.submit(
        kind=ReplayJob.name,
        owner=user,
        label=f"Replay to {endpoint}"[:150],
        total=count,
        params={
            "endpoint": endpoint.pk,
            "since": since.isoformat(),
            "until": until.isoformat(),
            "only": only,
        },
    )


register(ReplayJob())
