"""Who changed what: changes, and the history tables that the database writes itself.

``audit.change`` opens a change, ``audit.SYSTEM`` is the actor of everything that no
person did, ``audit.origin`` says where the work comes from (a screen, a job, a command).
"""

from audit.changes import SYSTEM, System, change, origin

__all__ = ["SYSTEM", "System", "change", "origin"]
