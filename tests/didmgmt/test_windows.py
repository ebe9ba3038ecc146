"""Counts that the web processes of a host share."""

import os
import subprocess
import sys
import threading

from didmgmt.windows import SLOT, SLOTS, Windows, shared_by_children

COUNT = """
import sys, threading
from didmgmt.windows import Windows
windows = Windows(3600)
threads = [threading.Thread(target=lambda: [windows.count(7) for _ in range(500)]) for _ in range(2)]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_a_window_begins_again_after_its_time():
    windows = Windows(60)
    assert [windows.count(1, now) for now in (1000, 1010, 1059)] == [(1, 60), (2, 50), (3, 1)]
    assert windows.count(2, 1059) == (1, 60)
    assert windows.count(1, 1060) == (1, 60)
    assert windows.count(1, 5) == (1, 60)  # the clock of another boot
    assert windows.count(SLOTS + 2, 1060) == (2, 59)


def test_processes_and_threads_lose_no_count():
    with shared_by_children() as descriptor:
        command = [sys.executable, "-c", COUNT]
        processes = [
            subprocess.Popen(
                command, pass_fds=[descriptor], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
            )
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            process.stdin.write(b"go\n")
            process.stdin.close()
        for process in processes:
            assert process.wait() == 0
            process.stdout.close()
        assert Windows(3600).count(7)[0] == 3 * 2 * 500 + 1
    assert Windows(3600).count(7)[0] == 1


def test_the_disk_has_room_for_all_counts_from_the_start():
    with shared_by_children() as descriptor:
        assert os.fstat(descriptor).st_blocks * 512 >= SLOT.size * SLOTS


def test_a_count_of_one_thread_is_seen_by_another():
    windows = Windows(60)
    thread = threading.Thread(target=windows.count, args=[1])
    thread.start()
    thread.join()
    assert windows.count(1)[0] == 2
