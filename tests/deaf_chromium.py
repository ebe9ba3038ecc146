#!/usr/bin/env python3
"""Run the Chromium that CHROMIUM names so that it learns of no change of the network.

At each change it drops its connections, and the scripts that they load, which a page of a test then lacks.
Tests of hosts that are cut off make and delete network interfaces on this machine, next to the browser’s.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2
LOAD, EQUALS, RETURN = 0x20, 0x15, 0x06  # of classic BPF
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT
NETLINK = 16  # the family of the sockets through which the kernel tells of changes
SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}  # architecture, number of the call


def refuse_netlink():
    """Let this process and its children open no socket of this family, where the kernel can filter."""
    architecture, call = SOCKET[platform.machine()]
    steps = [  # (what, how many steps to skip if so, and if not, operand)
        (LOAD, 0, 0, 4),
        (EQUALS, 0, 5, architecture),
        (LOAD, 0, 0, 0),
        (EQUALS, 0, 3, call),
        (LOAD, 0, 0, 16),
        (EQUALS, 0, 1, NETLINK),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code))
    prctl = ctypes.CDLL(None).prctl
    prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    prctl(SECCOMP, FILTER, program, 0, 0)


if __name__ == "__main__":
    if platform.machine() in SOCKET:
        refuse_netlink()
    os.execv(os.environ["CHROMIUM"], [os.environ["CHROMIUM"], *sys.argv[1:]])  # noqa: S606
