"""Record who changed what: changes, and history tables written by the database.

``audit.change`` opens a change, ``audit.SYSTEM`` is the actor of what no person did, and ``audit.origin``
records where a change comes from (a screen, a job, a command). ``audit.latest`` is the last
change recorded there.
"""

from audit.changes import SYSTEM, System, change, latest, origin

__all__ = ["SYSTEM", "System", "change", "latest", "origin"]
