"""The kinds of long work. Each app registers its own; the engine in ``jobs.models`` knows none."""

from collections.abc import Callable
from dataclasses import dataclass


class JobFailed(Exception):
    """The job can't be done, now or later; its text is a sentence for the person who asked for it."""


@dataclass(frozen=True)
class Kind:
    """How jobs of one kind are done and told.

    ``begin(job)`` is a generator that does the work from ``job.cursor`` on, a chunk between two yields.
    The engine runs each chunk in a transaction, in which it also writes the job's ``cursor``, ``done``,
    ``total``, ``result`` and ``change`` as the chunk has left them on ``job``. What the generator returns is
    the job's next state (None: done). Whatever it keeps in its own variables is lost with the worker.
    ``inside``: False for work that only reads the database; its chunks run outside a transaction.

    ``sentence(job)``: what came of it, in counts; also of a job that is not over yet.
    ``url(job)``: where the result is looked at, or "", and ``url_label`` what the link says. ``unit``: what
    ``done`` counts.
    """

    name: str
    label: str
    begin: Callable
    sentence: Callable
    unit: str = "numbers"
    url: Callable = lambda job: ""
    url_label: str = "Show the numbers"
    inside: bool = True


KINDS: dict[str, Kind] = {}


def register(kind):
    """Make a kind known to workers and screens; its name is unique."""
    if kind.name in KINDS:
        raise ValueError(f"there is a kind {kind.name} already")
    KINDS[kind.name] = kind
    return kind
