"""Sessions in the database, as Django keeps them, read with a compiled statement."""

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
        return self.decode(found[0][0])
