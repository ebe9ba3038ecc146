"""Child processes that are started again when they die, and that end when their parent is gone."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

STOP_WITHIN = 30  # seconds, after which a child is killed
SOON = 10  # a child that lived for fewer seconds is started again a little later
LONGEST_PAUSE = 30  # seconds before a child that keeps dying is started again
_PIPE = "PARENT_PIPE"  # environment variable with the descriptor of a pipe that the parent keeps open


@dataclass
class _Child:
    arguments: Sequence[str]
    process: subprocess.Popen[bytes]
    started: float
    pause: float = 0
    again_at: float | None = None


class Children:
    """Python processes by name, each ``python`` with these arguments.

    ``files``: descriptors that they inherit. ``say``: writes a sentence for the log.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        *,
        files: Collection[int] = (),
        say: Callable[[str], None],
    ) -> None:
        self._files, self._say = files, say
        # Nobody writes to the pipe. It ends with this process, however that ends, and the children notice.
        self._theirs, self._ours = os.pipe()
        self._children = {
            name: _Child(arguments, self._start(arguments), time.monotonic())
            for name, arguments in commands.items()
        }

    def _start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if name != "ADMIN_PASSWORD"}
        # glibc gives each thread its own heap and returns little of it after a large page.
        environment.setdefault("MALLOC_ARENA_MAX", "2")
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=settings.BASE_DIR,
            env=environment | {_PIPE: str(self._theirs)},
            pass_fds=(self._theirs, *self._files),
            process_group=0,  # so that Ctrl-C reaches the parent only
        )

    @property
    def ended(self) -> tuple[str, int] | None:
        """The name and the exit status of a child that has ended; None while all are running."""
        states = ((name, child.process.poll()) for name, child in self._children.items())
        return next(((name, status) for name, status in states if status is not None), None)

    def keep_running(self, stop: threading.Event) -> None:
        """Start children that die again, until ``stop`` is set."""
        while not stop.wait(0.2):
            for name, child in self._children.items():
                if child.process.poll() is not None:
                    self._start_again(name, child, time.monotonic())

    def _start_again(self, name: str, child: _Child, now: float) -> None:
        if child.again_at is None:
            short_lived = now - child.started < SOON
            child.pause = min(LONGEST_PAUSE, max(1, 2 * child.pause)) if short_lived else 0
            child.again_at = now + child.pause
            when = f"in {child.pause:.0f} s" if child.pause else "now"
            status = child.process.returncode
            self._say(f"The {name} exited with status {status}; it is started again {when}.")
        if now >= child.again_at:
            child.process, child.started, child.again_at = self._start(child.arguments), now, None

    def stop(self) -> None:
        """Ask all to stop, wait for them, and kill those that take longer than ``STOP_WITHIN``."""
        for child in self._children.values():
            child.process.terminate()
        deadline = time.monotonic() + STOP_WITHIN
        for name, child in self._children.items():
            try:
                child.process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(f"The {name} did not stop within {STOP_WITHIN} s and was killed.")
                child.process.kill()
                child.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


def end_with_parent() -> None:
    """Stop this process when the parent that started it as one of its ``Children`` is gone."""
    if pipe := os.environ.pop(_PIPE, ""):
        threading.Thread(target=_wait_for_end, args=(int(pipe),), daemon=True).start()


def _wait_for_end(pipe: int) -> None:
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_WITHIN)
    os._exit(1)
