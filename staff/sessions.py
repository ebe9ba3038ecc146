"""Sessions in the database, as Django keeps them, read with a compiled statement."""

from copy import deepcopy
from functools import lru_cache

from django.conf import settings
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session

from didmgmt import clock
from didmgmt.statements import Statement

_valid = Statement(
    lambda key, now: Session.objects.filter(session_key=key, expire_date__gt=now).values_list("session_data")
)


class SessionStore(db.SessionStore):
    def load(self):
        found = _valid.rows(key=self.session_key, now=clock.now())
        if not found:
            self._session_key = None
            return {}
        return deepcopy(self._decoded(found[0][0], settings.SECRET_KEY))

    @classmethod
    @lru_cache(maxsize=500)
    def _decoded(cls, data, _key):
        """Return what is in a signed session, which is the same text for most requests of a user."""
        return cls().decode(data)
