"""psycopg with connections that give up on a server which sends nothing any more.

PostgreSQL's own timeouts need a server that runs, and TCP's a host that is gone: a frozen server, or a proxy
that has lost it, keeps a connection alive for ever.
"""

import time
from collections.abc import Callable, Generator
from typing import Any

import psycopg
from psycopg import *  # noqa: F403 - Django looks for the names of the driver here
from psycopg.errors import ConnectionTimeout, OperationalError

from didmgmt import patience


class Connection(psycopg.Connection[Any]):  # type: ignore[no-redef]
    """A connection that waits at most ``silence`` seconds for an answer, None for any time.

    Then it is closed, and calls ``on_silence``, unless it was in a hurry.
    """

    silence: float | None = None
    on_silence: Callable[[], Any] = staticmethod(lambda: None)

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        longest, left = self.silence, patience.seconds_left()
        if timeout is not None or longest is left is None:
            return super().wait(gen, interval, timeout)
        is_hurried = left is not None and (longest is None or left < longest)
        longest = left if is_hurried else longest
        try:
            return super().wait(gen, interval, longest)
        except psycopg.errors._WaitTimeout:
            self.close()
            if not is_hurried:
                self.on_silence()
            raise OperationalError(f"The database sent nothing for {longest:.1f} s.") from None

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> Any:
        left = patience.seconds_left()
        gen = super()._connect_gen(conninfo)
        return gen if left is None else _within(left, gen)


def _within(seconds: float, gen: Any) -> Generator[Any, Any, Any]:
    """Return a generator of psycopg that is broken off after ``seconds``; psycopg itself waits 2 or more."""
    end, ready = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            wanted = gen.send(ready)
        except StopIteration as done:
            return done.value
        ready = yield wanted
    gen.close()
    raise ConnectionTimeout(f"The database did not accept a connection within {seconds:.1f} s.")


connect = Connection.connect
