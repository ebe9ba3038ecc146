"""Which addresses webhooks may go to: public ones, and those of WEBHOOK_PRIVATE_NETWORKS.

The check is about the address that is connected to, after its name was resolved, so a name that resolves to
another address the next time passes it no more than any other.
"""

import ipaddress
import socket
import threading
from queue import Empty, SimpleQueue

from django.conf import settings

# Networks whose addresses contain an IPv4 address, at this offset from the right: NAT64 and 6to4.
NAT64, SIX_TO_FOUR = ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16")


class RefusedAddressError(OSError):
    """The host has no address that webhooks may go to; the text says why."""


def resolve(host, port, timeout):
    """Return the addresses of ``host`` that webhooks may go to as [(family, sockaddr)].

    Raises RefusedAddressError if there is none, and TimeoutError if no answer comes within ``timeout``
    seconds: the resolver, which can't be interrupted, is left behind in a thread.
    """
    answer = SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answer), daemon=True).start()
    try:
        found = answer.get(timeout=max(timeout, 0))
    except Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise found
    allowed = [(family, address) for family, _, _, _, address in found if is_allowed(address[0])]
    if not allowed:
        refused = ", ".join(sorted({str(address[0]) for *_, address in found}))
        raise RefusedAddressError(f"{refused} is not a public address, so nothing was sent")
    return allowed


def _look_up(host, port, answer):
    try:
        answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        answer.put(error)


def is_allowed(text):
    """Return whether webhooks may go to an IP address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    inner = _embedded(address)
    if any(address in network or inner in network for network in settings.WEBHOOK_PRIVATE_NETWORKS):
        return True
    return inner.is_global and not (inner.is_multicast or inner.is_reserved)


def _embedded(address):
    """Return the IPv4 address that an IPv6 address leads to, itself if there is none."""
    if address.version == 4:
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in SIX_TO_FOUR:
        return address.sixtofour
    return address
