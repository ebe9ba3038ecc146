"""What people do with the packages of clients, and the sentences that report it."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format

from clients.models import Client
from didmgmt import clock
from didmgmt.text import count_noun
from dids.models import DID, ClientPackage


@dataclass(frozen=True)
class Stop:
    """An action that switches packages off and puts their numbers on Hold.

    ``packages``: the client packages that stop; ``dids``: their numbers. ``write(by)`` returns the ``Result``
    of the holds, None when nothing had to be changed. ``done``: the sentence that it was done.
    """

    packages: QuerySet
    dids: QuerySet
    write: Callable
    done: str

    def preview(self, user):
        """Return the ``HoldPreview`` of the numbers; five queries."""
        return self.dids.preview_hold(user)

    def run(self, by, preview):
        """Carry it out and return (the sentence about it, its Result or None)."""
        result = self.write(by)
        if result is None:
            return f"{self.done} Nothing had to be changed.", None
        fate = "put on Hold" if preview.rests else "freed without a hold"
        return f"{self.done} {result.sentence(fate)}", result


def close_client(client):
    """Return the ``Stop`` that closes a client."""
    return Stop(
        client.client_packages.filter(active=True),
        DID.objects.filter(client_package__client=client, client_package__active=True),
        lambda by: ClientPackage.close_client(client, by=by),
        f"Client {client} closed.",
    )


def archive_package(package):
    """Return the ``Stop`` that archives a package."""
    return Stop(
        package.client_packages.filter(active=True),
        DID.objects.filter(client_package__package=package, client_package__active=True),
        lambda by: ClientPackage.archive_package(package, by=by),
        f"Package {package} archived.",
    )


def deactivate(given):
    """Return the ``Stop`` that switches a client package off."""
    return _stop_of(
        given,
        lambda by: given.deactivate(by=by) if given.active else None,
        f"Package {given} switched off.",
    )


def end_now(given, ends_at):
    """Return the ``Stop`` that ends a client package at a past time."""
    return _stop_of(
        given,
        lambda by: given.end_on(ends_at, by=by) if given.active else None,
        f"Package {given} ended.",
    )


def _stop_of(given, write, done):
    this = ClientPackage.objects.filter(pk=given.pk)
    return Stop(this, DID.objects.filter(client_package=given), write, done)


def activated(given, result):
    """Return what ``given.activate`` did, given the ``result`` that it returned."""
    if result is None:
        return f"Package {given} is already on."
    if given.starts_at > clock.now():
        return f"Package {given} switched on. It starts on {_minute(given.starts_at)}."
    return f"Package {given} switched on. {result}"


def end_changed(given):
    """Return when a client package ends, after its end was set or cleared."""
    off = "" if given.active else " It is switched off; activate it to use it again."
    if given.ends_at is None:
        return f"Package {given} no longer has an end.{off}"
    return f"Package {given} ends on {_minute(given.ends_at)}.{off}"


def given_to_client(given):
    """Return that a client has a package now."""
    places = count_noun(given.package.did_limit, "number")
    starts = " It has not started yet." if given.starts_at > clock.now() else ""
    return f"{given.client} now has package {given.package}, with room for {places}.{starts}"


def reopened(record, was_closed):
    """Return what ``ClientPackage.reopen`` did with a client or a package, given what it returned."""
    is_client = isinstance(record, Client)
    if not was_closed:
        return f"Client {record} is not closed." if is_client else f"Package {record} is not archived."
    off = record.client_packages.filter(active=False).count()
    if is_client:
        still_off = f" Still switched off: {count_noun(off, 'package')}." if off else ""
        return f"Client {record} reopened.{still_off}"
    still_off = f" Still switched off for {count_noun(off, 'client')}." if off else ""
    return f"Package {record} restored.{still_off}"


def _minute(at):
    return date_format(timezone.localtime(at), "j M Y, H:i")
