"""Find keys of this host that differ from those of the others, by fingerprints in the database.

With another SECRET_KEY a host signs people out whom the others let in; with another SEAL_KEY its seals look
forged. The first worker or web server that starts records a fingerprint of each key, from which the key can't
be computed. A key may be replaced on one host after the other: SECRET_KEY_FALLBACKS names the former one, or
the next.
"""

import hashlib
import hmac

from django.conf import settings
from django.db import Error

from didmgmt.models import KeyFingerprint

ADVICE = {
    "SECRET_KEY": "People would be signed out whenever they change hosts. Set the key of the other hosts as"
    " SECRET_KEY or among SECRET_KEY_FALLBACKS.",
    "SEAL_KEY": "Seals that it signs would be taken for forged. Set the key of the other hosts; if SEAL_KEY"
    " was never set, it was the first SECRET_KEY.",
}


def differing():
    """Return the names of the keys of this host that are not those of the installation; one query."""
    recorded = dict(KeyFingerprint.objects.values_list("name", "fingerprint"))
    return [name for name, known in _known().items() if name in recorded and recorded[name] not in known]


def record():
    """Record the fingerprints of keys that have none yet."""
    own = [KeyFingerprint(name=name, fingerprint=known[0]) for name, known in _known().items()]
    KeyFingerprint.objects.bulk_create(own, ignore_conflicts=True)


def accept():
    """Make the keys of this host those of the installation."""
    for name, known in _known().items():
        KeyFingerprint.objects.update_or_create(name=name, defaults={"fingerprint": known[0]})


def refuse_others():
    """End the process with a sentence if a key of this host differs; a database that is down is no reason."""
    try:
        record()
        wrong = differing()
    except Error:
        return
    if wrong:
        raise SystemExit(
            "Error: "
            + " ".join(f"{name} differs from that of the other hosts. {ADVICE[name]}" for name in wrong)
            + " If this host has the right one, run manage.py accept_keys here."
        )


def _known():
    """Return {name: fingerprints}: first that of the key, then those of keys that are accepted as well."""
    known = {
        "SECRET_KEY": [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS],
        "SEAL_KEY": [settings.SEAL_KEY],
    }
    return {name: [_fingerprint(name, key) for key in keys] for name, keys in known.items()}


def _fingerprint(name, key):
    return hmac.new(key.encode(), f"fingerprint of {name}".encode(), hashlib.sha256).hexdigest()
