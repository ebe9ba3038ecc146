"""What people and programs do to webhooks, with the sentences that both of them read."""

from didmgmt.listing import Listing
from didmgmt.text import count_noun
from dids.lists.records import RecordList
from events.forms import DeliveryFilter, EndpointFilter
from events.job_kinds import submit_replay
from events.models import Endpoint
from events.replaying import replay, replay_all, send_test

AT_ONCE = 10_000  # events up to which a replay is no job

# Not sorted by URL: cursors hold what they sort by, and its query may hold a secret of the receiver.
ENDPOINTS = RecordList(model=Endpoint, filterset=EndpointFilter, sorts={"id": ("id",)})


class InactiveError(Exception):
    """Nothing is sent to an endpoint that is not active, or that was just changed; the text is a sentence."""


def deliveries(endpoint, parameters, user, path="", *, keeps=()):
    """Return the ``Listing`` of what was sent to an endpoint, newest first."""
    return Listing(
        parameters,
        endpoint.deliveries.all(),
        DeliveryFilter,
        user=user,
        path=path,
        sorts={"created": ("id",)},
        default="-created",
        fetch=lambda found: found.select_related("event"),
        keeps=keeps,
    )


def create(endpoint, *, by):
    """Insert it; return its secret, which is not shown again, and a sentence."""
    secret = endpoint.create(by=by)
    return secret, f"Webhook to {endpoint} created. Its secret can’t be shown again."


def edit(endpoint, fields, *, by):
    """Update the named fields; return a sentence."""
    endpoint.edit(by=by, fields=fields)
    return f"Webhook to {endpoint} saved."


def replace_secret(endpoint, *, by):
    """Return a new secret, which is not shown again, and a sentence."""
    secret = endpoint.rotate_secret(by=by)
    return secret, f"The secret of {endpoint} is replaced. The old one signs as well for 24 hours."


def pause(endpoint, *, by):
    """Stop sending, unless it is inactive already; return (whether it was active, sentence)."""
    if not endpoint.active:
        return False, f"{endpoint} is paused already."
    endpoint.pause(by=by)
    return True, f"{endpoint} is paused."


def resume(endpoint, *, by):
    """Send again, unless it is active already; return (whether it was inactive, sentence)."""
    if endpoint.active:
        return False, f"{endpoint} is active already."
    endpoint.resume(by=by)
    return True, f"{endpoint} is active. To send what happened while it was not, replay that time."


def test(endpoint):
    """Send a test; return its delivery and a sentence. Raises InactiveError."""
    if not endpoint.active:
        raise InactiveError(f"No test was sent, because {endpoint} is not active. Resume it first.")
    delivery = send_test(endpoint)
    if delivery is None:
        raise InactiveError(f"No test was sent, because {endpoint} was changed meanwhile. Send it again.")
    return delivery, "A test is on its way."


def replay_one(delivery):
    """Send an event again; return a sentence. Raises InactiveError."""
    _refuse_inactive(delivery.endpoint)
    replay(delivery.endpoint, [delivery.event])
    return f"{delivery.event_id} will be sent again."


def counted(count):
    """Return what a replay of ``count`` events will do, as a sentence."""
    return f"{count_noun(count, 'event')} will be sent again." if count else "No event of this time matches."


def replay_span(endpoint, events, span, count, *, by):
    """Send the ``count`` events of a time span again; return (job, sentence), one of them None.

    ``span``: the arguments of ``events_between`` after the endpoint. More than ``AT_ONCE`` events become a
    job. Raises InactiveError, and LimitError if the user has too many jobs.
    """
    _refuse_inactive(endpoint)
    if count > AT_ONCE:
        return submit_replay(by, endpoint, *span, count), None
    return None, replay_all(endpoint, events)


def _refuse_inactive(endpoint):
    if not endpoint.active:
        raise InactiveError(f"Nothing was sent, because {endpoint} is not active. Resume it first.")
