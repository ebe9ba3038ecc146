import json
import threading

import pytest

from events.catalogue import TYPES
from events.models import Endpoint, Event
from events.publishing import publish_due


@pytest.fixture
def endpoint(world):
    """Return a function that makes an endpoint for everybody, or for a reseller."""
    made = []

    def make(url="https://receiver.example/hook", types=tuple(TYPES), reseller=None):
        made.append(Endpoint.objects.create(url=url, types=list(types), reseller=reseller))
        made[-1].secrets.create()
        return made[-1]

    return make


@pytest.fixture
def published():
    """Return a function that publishes what is due and returns {type: data} of one audience."""

    def publish(reseller=None, keep=False):
        publish_due(threading.Event())
        bodies = [json.loads(event.body) for event in Event.objects.filter(reseller_id=reseller)]
        if not keep:
            Event.objects.all().delete()
        assert len({body["type"] for body in bodies}) == len(bodies)
        return {body["type"]: body["data"] for body in bodies}

    return publish
