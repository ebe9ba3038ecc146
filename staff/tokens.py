"""Users who act by an API token: who a token belongs to, what it may do now, and when it was last used."""

import hmac
import ipaddress
import logging
import re
from contextvars import ContextVar
from datetime import timedelta

from django.db import DatabaseError
from django.db.models import Q
from django.views.decorators.debug import sensitive_variables

from clients.models import Reseller
from didmgmt import clock
from didmgmt.limits import Buckets, LimitError
from didmgmt.statements import Statement
from staff import scopes
from staff.models import Token, digest_of
from staff.rights import granted_to

HEADER = re.compile(r"Bearer +did_([A-Za-z0-9]{4,16})\.([A-Za-z0-9]{20,64})", re.ASCII | re.IGNORECASE)
USED_EVERY = timedelta(seconds=60)  # between two writes of a token's last use
GUESSES = 30  # a minute from one address, after which further ones get no answer of their own
_NOBODYS = digest_of("")  # compared with the secret of an unknown key, which then takes as long

log = logging.getLogger("staff.tokens")
_guesses = Buckets(GUESSES)
_used = ContextVar("used_token", default=None)

_by_key = Statement(lambda key: Token.objects.select_related("owner__reseller", "reseller").filter(key=key))
_by_id = Statement(lambda pk: Token.objects.select_related("owner__reseller", "reseller").filter(pk=pk))


class TokenRefusedError(Exception):
    """A request without a token that may be used; the text is a sentence for whoever runs the program.

    ``code``: "missing", "malformed", "unknown", "revoked", "expired", "network" or "inactive".
    """

    def __init__(self, code, sentence):
        super().__init__(sentence)
        self.code = code


@sensitive_variables("authorization", "match", "secret")
def user_of(authorization, address):
    """Return the owner of the token in an Authorization header, with the rights of the token.

    ``authorization``: the header's value, "Bearer did_<key>.<secret>". ``address``: the IP address of the
    client. The user is for this request only and can't be saved: ``token`` is set, the reseller is the
    token's, and it has those permissions of its owner that the token's scopes include. Nothing is cached, so
    whatever changes takes effect with the next request. Two queries; one if the owner is a superuser.

    Raises TokenRefusedError, and LimitError for an address that sends too many unknown tokens.
    """
    if not authorization:
        raise TokenRefusedError("missing", "Send a token in the header “Authorization: Bearer did_…”.")
    match = HEADER.fullmatch(authorization)
    if match is None:
        raise TokenRefusedError(
            "malformed", "The header must be “Authorization: Bearer ” and the whole token, did_….…."
        )
    key, secret = match.groups()
    found = _by_key.instances(key=key)
    token = found[0] if found else None
    same = hmac.compare_digest(digest_of(secret), token.digest if token else _NOBODYS)
    if token is None or not same:
        _count_guess(key, address)
        raise TokenRefusedError("unknown", "There is no such token. Check that it was copied as a whole.")
    try:
        _check(token)
        _check_network(token, address)
    except TokenRefusedError as refusal:
        log.warning("Token %s was refused from %s: %s", key, address, refusal.code)
        raise
    _used.set((token, address))
    return _narrowed(token)


def user_by_id(pk, *, even_if_refused=False):
    """Return the owner of a token with the token's rights as they are now; ``pk``: the token's primary key.

    Raises TokenRefusedError if the token can't be used any more, unless what it did is to be shown.
    """
    token = _by_id.instances(pk=pk)[0]
    if not even_if_refused:
        _check(token)
    return _narrowed(token)


def _check(token):
    """Raise TokenRefusedError unless a token, with its owner, can be used now."""
    if token.revoked_at is not None:
        raise TokenRefusedError("revoked", f"The token “{token}” was revoked. Create another one.")
    if token.is_expired:
        raise TokenRefusedError("expired", f"The token “{token}” has expired. Create another one.")
    if token.has_lost_reseller:
        raise TokenRefusedError(
            "inactive", f"The reseller of the token “{token}” was deleted. Create another token."
        )
    owner = token.owner
    if not owner.is_active:
        raise TokenRefusedError("inactive", f"The owner of the token “{token}” has been deactivated.")
    if owner.reseller_id and token.reseller_id not in (None, owner.reseller_id):
        raise TokenRefusedError(
            "inactive",
            f"The owner of the token “{token}” is no longer with its reseller. Create another one.",
        )


def _check_network(token, address):
    networks = token.network_list
    if networks and not any(_is_in(address, network) for network in networks):
        raise TokenRefusedError(
            "network", f"The token “{token}” can’t be used from {address}. Add the address to its networks."
        )


def _is_in(address, network):
    try:
        client = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(client, "ipv4_mapped", None) or client) in ipaddress.ip_network(network)


def _narrowed(token):
    user = token.owner
    held = None if user.is_superuser else granted_to(user.pk)
    user.scopes, permissions = scopes.in_effect(token.scopes, held)
    user.is_superuser = user.is_staff = False
    # What Django's backends would otherwise read from the tables
    user._perm_cache = user._user_perm_cache = user._group_perm_cache = permissions
    if token.reseller_id:  # also one that was deleted: without it, the token would be for all of them
        user.reseller = Reseller(pk=token.reseller_id) if token.has_lost_reseller else token.reseller
    user.token = token
    return user


def _count_guess(key, address):
    """Log an unknown token by its key; raise LimitError instead if too many came from the address.

    Tokens that exist keep working from there: a secret of 256 bits can't be guessed, and programs of many
    people may share the address with the one that is set up wrongly.
    """
    if wait := _guesses.take(address):
        raise LimitError(
            "Too many unknown tokens were sent from this address in the last minute. Check the token, then"
            " try again.",
            retry_after=max(1, round(wait)),
        )
    log.warning("Token %s was refused from %s: unknown", key, address)


def write_use(**_):
    """Write when and from where the token of the finished request was used, at most once a minute.

    Called after the answer was sent, so that nobody waits for the database's write lock.
    """
    used = _used.get()
    if used is None:
        return
    _used.set(None)
    token, address = used
    try:
        now = clock.now()
        if token.last_used_at and token.last_used_at > now - USED_EVERY:
            return
        due = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
        Token.objects.filter(due, pk=token.pk).update(last_used_at=now, last_used_from=address[:45])
    except DatabaseError as error:
        log.info("The last use of token %s was not written: %s", token.key, error)
