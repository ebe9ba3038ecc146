"""Programs of this machine that tests start, and the ports at which they listen."""

import os
import shutil
import socket

import pytest


def require(name, found):
    """Skip the test if a program was not found (None); fail with CI=true."""
    if found is None:
        missing(f"there is no {name}")


def missing(what):
    """Skip the test for the lack of something outside the project; fail with CI=true."""
    pytest.fail(what) if os.environ.get("CI", "").lower() in ("1", "true") else pytest.skip(what)


def find(name):
    """Return the path of a program, also of one for administrators, or None."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")


def program(name):
    """Return the path of a program; without it the test is skipped, and fails in CI."""
    found = find(name)
    require(name, found)
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts_connections(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
