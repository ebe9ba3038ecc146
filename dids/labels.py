"""Names of the ids in history rows, including those of deleted records."""

from collections import defaultdict

from django.utils import timezone
from django.utils.formats import date_format

from audit.history import last_known, visible_to
from audit.models import Change
from clients.models import Account, Client, Package
from didmgmt.statements import Statement
from dids.models import ClientPackage, Reservation, TagSet
from operators.models import Operator


class Names:
    """Look up the names of sets of ids: at most five queries, and more when records were deleted or moved.

    A ``viewer`` who is bound to a reseller gets the names that records had while they belonged to it. An id
    without any known name gets a generic one ("operator 12"). The records of ``did``, a number that the
    viewer may see as ``for_page`` returns it, are not looked up again; its past often names no others.
    """

    def __init__(
        self,
        viewer=None,
        *,
        operators=(),
        accounts=(),
        client_packages=(),
        tag_sets=(),
        reservations=(),
        did=None,
    ):
        self._viewer = viewer
        current = _current(did) if did else {}
        self._operators = self._last_known(Operator, operators, "name", current=current)
        self._accounts, self._clients = self._with_parents(
            Account, accounts, "client", Client, "name", current=current
        )
        self._client_packages, self._packages = self._with_parents(
            ClientPackage, client_packages, "package", Package, current=current
        )
        self._reservations = ReservationNames(reservations, viewer)
        self._tag_sets = current.get(TagSet, {})
        tag_sets = {pk for pk in tag_sets if pk is not None} - self._tag_sets.keys()
        self._tag_sets |= dict(map(tuple, _labels.rows(ids=tag_sets)))

    def _last_known(self, tracked, ids, *fields, current):
        known = current.get(tracked, {})
        return known | last_known(tracked, set(ids) - known.keys(), *fields, viewer=self._viewer)

    def _with_parents(self, tracked, ids, parent, parents, *fields, current):
        """Return {id: values} of records and of their parents, which existing records name in one query."""
        known = self._last_known(tracked, ids, f"{parent}_id", f"{parent}__name", *fields, current=current)
        named = {
            row[f"{parent}_id"]: {"name": row[f"{parent}__name"]}
            for row in known.values()
            if f"{parent}__name" in row
        }
        unnamed = {row[f"{parent}_id"] for row in known.values()} - named.keys()
        return known, named | last_known(parents, unnamed, "name", viewer=self._viewer)

    @classmethod
    def of(cls, versions, viewer, did=None):
        """Return the names of every id in these rows of ``DIDHistory``; ``did``: see ``Names``."""
        return cls(
            viewer,
            did=did,
            operators={version.operator_id for version in versions},
            accounts={version.account_id for version in versions},
            client_packages={version.client_package_id for version in versions},
            tag_sets={version.tag_set_id for version in versions},
            reservations={version.reservation_id for version in versions},
        )

    @classmethod
    def of_differing(cls, pairs, viewer):
        """Return the names of the ids that differ in pairs of a version and the one before it or None."""
        return cls(
            viewer,
            **{
                f"{column.removesuffix('_id')}s": {
                    getattr(version, column)
                    for new, old in pairs
                    if old is None or getattr(old, column) != getattr(new, column)
                    for version in (new, old)
                    if version
                }
                for column in _COLUMNS
            },
        )

    def operator(self, pk):
        return _name(self._operators, pk, "operator")

    def client(self, account):
        """Return the name of the client that an account id belongs to."""
        known = self._accounts.get(account)
        return (
            _name(self._clients, known["client_id"], "client")
            if known
            else f"the client of account {account}"
        )

    def client_id(self, account):
        """Return the id of the client that an account id belongs to, None if it is unknown."""
        known = self._accounts.get(account)
        return known and known["client_id"]

    def account(self, pk):
        return _name(self._accounts, pk, "account")

    def holder(self, account):
        """Return "Rose Orig | rose_orig" as in the list; "" for None."""
        if account is None:
            return ""
        return f"{self.client(account)} | {self.account(account)}"

    def package(self, client_package):
        """Return the name of a client package's package; "" for None."""
        if client_package is None:
            return ""
        known = self._client_packages.get(client_package)
        return _name(self._packages, known["package_id"], "package") if known else f"package {client_package}"

    def tags(self, tag_set):
        return "" if tag_set is None else self._tag_sets.get(tag_set, f"tag set {tag_set}")

    def reserved_for(self, pk):
        """Return the client or the name that a reservation is for."""
        return self._reservations.whom(pk)

    def reservation(self, pk):
        """Return "Bellamy Hotel: Offer 20417"; "" for None."""
        return "" if pk is None else self._reservations.title(pk)


class ReservationNames:
    """For whom and what reservations are, also deleted ones; two queries at most, none without ids."""

    def __init__(self, ids, viewer):
        fields = ("client_id", "client__name", "name", "purpose")
        self._known = last_known(Reservation, ids, *fields, viewer=viewer)
        unnamed = {row["client_id"] for row in self._known.values() if "client__name" not in row}
        self._clients = last_known(Client, unnamed, "name", viewer=viewer)

    def __contains__(self, pk):
        return pk in self._known

    def whom(self, pk):
        """Return the client or the name that it is for; a generic one if that is unknown."""
        row = self._known.get(pk)
        if row is None:
            return f"reservation {pk}"
        if row["client_id"] is None:
            return row["name"]
        return row.get("client__name") or _name(self._clients, row["client_id"], "client")

    def title(self, pk):
        """Return "Bellamy Hotel: Offer 20417"."""
        return f"{self.whom(pk)}: {self._known[pk]['purpose']}" if pk in self else self.whom(pk)


_COLUMNS = ("operator_id", "account_id", "client_package_id", "tag_set_id", "reservation_id")


def _current(did):
    """Return {model: {id: values}} of the records that a number refers to, as ``Names`` looks them up."""
    current = {Operator: {did.operator_id: {"name": did.operator.name}}}
    if did.tag_set_id:
        current[TagSet] = {did.tag_set_id: did.tag_set.label}
    if did.account_id and did.account.client.reseller_id == did.operator.reseller_id:
        account, given = did.account, did.client_package
        client = {"client_id": account.client_id, "client__name": account.client.name}
        current[Account] = {account.pk: client | {"name": account.name}}
        package = {"package_id": given.package_id, "package__name": given.package.name}
        current[ClientPackage] = {given.pk: package}
    return current


_labels = Statement(lambda ids: TagSet.objects.filter(pk__in=ids).values_list("pk", "label"), lists=["ids"])


class NamesThen(Names):
    """Look up also the names that records had at times up to ``latest``; one more query per model.

    The methods ``…_then`` return "" when the name was the same.
    """

    def __init__(self, latest, viewer, **ids):
        super().__init__(viewer, **ids)
        self._then = {
            tracked: _names_until(latest, tracked, known, viewer)
            for tracked, known in (
                (Account, self._accounts), (Client, self._clients), (Package, self._packages)
            )
        }  # fmt: skip

    def account_then(self, pk, at):
        return self._if_different(Account, pk, at, self.account(pk))

    def client_then(self, account, at):
        known = self._accounts.get(account)
        return self._if_different(Client, known["client_id"], at, self.client(account)) if known else ""

    def package_then(self, client_package, at):
        known = self._client_packages.get(client_package)
        if not known:
            return ""
        return self._if_different(Package, known["package_id"], at, self.package(client_package))

    def _if_different(self, tracked, pk, at, name):
        then = next((then for since, then in self._then[tracked].get(pk, ()) if since <= at), name)
        return "" if then == name else then


def _names_until(latest, tracked, ids, viewer):
    """Return {id: [(time from which it had a name, name), newest first]} for the ids with history.

    Only history up to ``latest`` that ``viewer`` may see.
    """
    found = defaultdict(list)
    if ids:
        past = visible_to(tracked, viewer).filter(object_id__in=list(ids), at__lte=latest)
        for pk, at, name in past.order_by("-history_id").values_list("object_id", "at", "name"):
            found[pk].append((at, name))
    return found


def _name(known, pk, noun):
    return known[pk]["name"] if pk in known else f"{noun} {pk}"


# The kinds of changes whose label is not the noun.
_NOUNS = {
    Change.Kind.CREATE: "creation",
    Change.Kind.DELETE: "deletion",
    Change.Kind.ASSIGN: "assignment",
    Change.Kind.UNBLOCK: "end of a block",
}


def change_label(change):
    """Describe a change in the current time zone: "import of 28 Nov 2026, 14:03, by clara.okafor"."""
    noun = _NOUNS.get(change.kind) or change.get_kind_display().lower()
    at = date_format(timezone.localtime(change.at), "j M Y, H:i")
    return f"{noun} of {at}, by {change.who}"
