"""Accounts as files."""

from collections import defaultdict

from django.db.models import Q

from clients.models import Account, Client
from dids.reference_files.fields import read_only
from dids.reference_files.resource import ReferenceResource, refusal


class AccountResource(ReferenceResource):
    client = read_only("client__name", "Client")
    reseller = read_only("client__reseller__name", "Reseller")

    parent, related = "client", "client__reseller"
    known_as = ReferenceResource.known_as | {"account": "name", "client": "client"}
    words = {"id": "account id; trunk id"}
    about = [("Client", "The client that the account belongs to. It must exist already.")]

    class Meta:
        model = Account
        fields = ("id", "name", "client", "reseller")

    def before_import(self, dataset, **kwargs):
        super().before_import(dataset, **kwargs)
        self._clients = defaultdict(list)
        named = Client.objects.visible_to(self.by).filter(name__in=self._texts(dataset, "client"))
        for client in named.select_related("reseller").order_by("reseller__name"):
            self._clients[client.name].append(client)

    def _siblings(self, dataset):
        named = Q(client__name__in=self._texts(dataset, "client"))
        owners = {account.client_id for account in self._by_id.values()}
        return super()._siblings(dataset).filter(named | Q(client__in=owners))

    def _parent_of(self, row):
        if not (name := row.get("Client", "")):
            if match := self._with_id(row):
                return match.client
            raise refusal("client", "An account belongs to a client. Fill in the client.")
        reseller = self._reseller_of(row) if row.get("Reseller") else None
        matches = [one for one in self._clients[name] if reseller in (None, one.reseller)]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise refusal(
                "client", "There is no client with this name. Correct it, or import the client first."
            )
        resellers = ", ".join(one.reseller.name for one in matches)
        raise refusal(
            "client",
            f"Several resellers have a client with this name: {resellers}. Name one in the Reseller column.",
        )

    def _new(self, parent):
        if parent.closed_at:
            raise refusal("client", "This client is closed. Choose another client.")
        return super()._new(parent)
