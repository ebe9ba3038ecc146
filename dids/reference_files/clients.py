"""Clients as files."""

from clients.models import Client
from dids.reference_files.fields import read_only
from dids.reference_files.resource import ReferenceResource


class ClientResource(ReferenceResource):
    closed_at = read_only("closed_at", "Closed at")

    only_exported = ("closed_at",)
    known_as = ReferenceResource.known_as | {"client": "name"}
    words = {"id": "client id; customer id"}
    note = "Closed at is only exported, since closing a client puts its numbers on Hold."

    class Meta:
        model = Client
        fields = ("id", "name", "reseller", "closed_at")
