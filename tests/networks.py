"""Hosts of their own for processes of tests: network namespaces of this machine, joined by a bridge."""

import os
import subprocess
from contextlib import ExitStack, contextmanager

from tests.programs import find, missing, require

IP = find("ip")
addresses = set()  # of the hosts that exist now, to which tests may connect


class Host:
    """A namespace with an ``address``, whose ``link`` to the others can be cut."""

    def __init__(self, name, address, link):
        self.address, self._link = address, link
        self.prefix = [IP, "netns", "exec", name]  # of a command that is to run there

    def cut(self):
        """Lose all that is sent to or by this host from now on, without a word to either side."""
        ip("link", "set", self._link, "down")

    def mend(self):
        ip("link", "set", self._link, "up")


def ip(*words):
    subprocess.run([IP, *words], check=True, capture_output=True, text=True)


@contextmanager
def hosts(count):
    """Yield (the address of this machine, ``count`` hosts) of a network of their own.

    Without root, iproute2 or the right to make namespaces the test is skipped, and fails in CI.
    """
    require("ip, of iproute2", IP)
    if os.geteuid():
        missing("network namespaces need root")
    with ExitStack() as stack:
        try:
            found = _make(stack, count)
        except subprocess.CalledProcessError as error:
            missing(f"{' '.join(error.cmd)}: {error.stderr.strip()}")
        yield found


def _make(stack, count):
    own = os.getpid()
    bridge, net = f"did{own}", f"10.213.{own % 250}"
    ip("link", "add", bridge, "type", "bridge")
    stack.callback(ip, "link", "del", bridge)
    ip("addr", "add", f"{net}.1/24", "dev", bridge)
    ip("link", "set", bridge, "up")
    made = []
    for n in range(count):
        name, link, address = f"did-{own}-{n}", f"did{own}.{n}", f"{net}.{n + 10}"
        ip("netns", "add", name)
        stack.callback(ip, "netns", "del", name)
        ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", link, "master", bridge, "up")
        ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip("-n", name, "link", "set", device, "up")
        addresses.add(address)
        stack.callback(addresses.discard, address)
        made.append(Host(name, address, link))
    return f"{net}.1", made
