"""Names a process so that another one can tell whether it still runs."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Life:
    """One process on one host, told apart from a later one that was given the same number.

    Attributes:
        pid: its number; 0 when nobody is known.
        host: name of its host.
        born: boot of the host and moment of the start, where the system tells; else empty.
    """

    pid: int
    host: str
    born: str = ""

    @classmethod
    def mine(cls) -> Life:
        """Return the life of the process that asks."""
        return cls(os.getpid(), socket.gethostname(), _born(os.getpid()))

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Life:
        """Return what `as_dict` gave, or an older form without `born`."""
        return cls(int(value["pid"]), str(value["host"]), str(value.get("born", "")))

    def as_dict(self) -> dict[str, Any]:
        """Return the parts, JSON-ready."""
        return dict(self.__dict__)

    def ended(self) -> bool:
        """Whether the process is known to be over; False for one on another host."""
        if self.host != socket.gethostname():
            return False
        if not _running(self.pid):
            return True
        return bool(self.born) and self.born != _born(self.pid)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _running(pid: int) -> bool:
    """Whether a process exists on this host; one that ended and waits for its parent does not."""
    if pid <= 0:
        return False
    if Path("/proc/self/stat").exists():
        return bool(_stat(pid)) and _stat(pid)[0] not in "ZX"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _born(pid: int) -> str:
    """Return boot and start of a process; both together never come twice on one host."""
    boot, stat = Path("/proc/sys/kernel/random/boot_id"), _stat(pid)
    return f"{boot.read_text().strip()} {stat[19]}" if stat and boot.is_file() else ""


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; empty when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
