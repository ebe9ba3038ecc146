"""Register the kinds of jobs; each app registers its own."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jobs.models import Job


class JobError(Exception):
    """The job can't be done, and retrying won't help; the text is a sentence for its owner."""


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

    def prepare(self, job: "Job") -> None:
        """Read what may take long, before the first chunk of each worker and outside of its transaction."""
        return

    def run(self, job: "Job") -> Iterator[None]:
        """Work from ``job.cursor`` on, one chunk between two yields.

        Each chunk runs in a transaction, which also writes ``cursor``, ``done``, ``total``, ``result`` and
        ``change`` as the chunk set them on ``job``. The generator may return the job's final state; None
        means done. Its local variables are lost when another worker takes over.
        """

    def sentence(self, job: "Job") -> str:
        """Return the result so far, in counts."""

    def url(self, job: "Job") -> str:
        """Return the page that shows the result, or ""."""
        return ""

    def refused_lists(self, job: "Job") -> list[tuple[str, str]]:
        """Return [(label, URL)] of the lists of what was refused, for the owner of the job."""
        return []

    def discard_url(self, job: "Job") -> str:
        """Return where its owner can discard a job that has written nothing, or ""."""
        return ""


KINDS: dict[str, JobKind] = {}


def register(kind: JobKind) -> JobKind:
    """Register a kind under its unique name."""
    if kind.name in KINDS:
        raise ValueError(f"A job kind “{kind.name}” is already registered.")
    KINDS[kind.name] = kind
    return kind


_endings: list[Callable[["Job"], None]] = []


def at_end(function: Callable[["Job"], None]) -> Callable[["Job"], None]:
    """Register ``function(job)`` to run last in the transaction that ends a job: it is done or has failed."""
    _endings.append(function)
    return function


def follow_end(job: "Job") -> None:
    """Run what is registered for the end of a job."""
    for function in _endings:
        function(job)
