"""The browser of the tests does not notice the networks that other tests make."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chromium import DEAF
from tests.deaf_chromium import SOCKET

FILTERS = Path("/proc/sys/kernel/seccomp/actions_avail").exists() and platform.machine() in SOCKET
LISTEN = "import socket; socket.socket(); socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"


@pytest.mark.skipif(not FILTERS, reason="this kernel or processor can’t filter")
def test_it_learns_of_no_change_of_the_network():
    tried = subprocess.run(
        [DEAF, "-c", LISTEN], env=os.environ | {"CHROMIUM": sys.executable}, capture_output=True, text=True
    )
    assert tried.returncode == 1 and "Address family not supported" in tried.stderr
