"""Lives: a process that ended is known by its number and its start, on its own host only."""

import os
import socket
import subprocess
import sys

from workbench.liveness import Life


def test_the_asking_process_lives():
    assert not Life.mine().ended()
    assert Life.parse(Life.mine().as_dict()) == Life.mine()


def test_a_process_that_exited_has_ended_even_before_its_parent_took_note():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert Life(child.pid, socket.gethostname()).ended()
    child.wait()


def test_a_later_process_of_the_same_number_is_another():
    now = Life.mine()
    assert Life(now.pid, now.host, "an earlier boot 17").ended()
    assert not Life(now.pid, now.host).ended()


def test_nothing_is_known_of_another_host():
    assert not Life(2**22 + 1, "another-host").ended()
    assert str(Life(7, "another-host")) == "process 7 on another-host"
