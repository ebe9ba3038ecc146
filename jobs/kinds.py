"""Job kinds: each app registers its own; ``jobs.models`` knows none of them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jobs.models import Job


class JobError(Exception):
    """The job can't be done, now or later; the text is a sentence for its owner."""


class JobKind(Protocol):
    """How jobs of one kind are run and described.

    ``unit``: what ``Job.done`` counts. ``url_label``: the text of the link to ``url``. ``writes``: False for
    work that only reads the database; its chunks run outside a transaction.
    """

    name: str
    label: str
    unit: str = "numbers"
    url_label: str = "Show the numbers"
    writes: bool = True

    def run(self, job: "Job") -> Iterator[None]:
        """Work from ``job.cursor`` on, one chunk between two yields.

        The engine runs each chunk in a transaction, in which it also writes ``cursor``, ``done``, ``total``,
        ``result`` and ``change`` as the chunk has left them on ``job``. A generator may return the job's
        next state; None means done. What it keeps in its own variables is lost with the worker.
        """

    def sentence(self, job: "Job") -> str:
        """Return the result in counts, also for a job that is not finished."""

    def url(self, job: "Job") -> str:
        """Return the page that shows the result, or ""."""
        return ""


KINDS: dict[str, JobKind] = {}


def register(kind: JobKind) -> JobKind:
    """Make a kind known to workers and screens; its name is unique."""
    if kind.name in KINDS:
        raise ValueError(f"a job kind {kind.name} is already registered")
    KINDS[kind.name] = kind
    return kind
