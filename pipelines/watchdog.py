"""Watches the other processes of a run, and leaves with their name when one is lost."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import PrefixStore, Store

from pipelines.signals import ended_by_term
from workbench.liveness import Life

EVERY_SECONDS = 0.5
BEAT_SECONDS = 1.0
SILENT_SECONDS = 20.0
"""A process that has not been heard of for so long is taken for lost."""
GRACE_SECONDS = 5.0
"""What a process is given to end by itself when another has stopped in good order."""
LOST = 3
"""Exit code of a process that leaves because another was lost."""


@dataclass
class _Peer:
    """What another process last said of itself, and when that last changed."""

    life: Life
    place: str
    beat: int
    left: dict[str, Any] | None
    heard: float = field(default_factory=time.monotonic)
    done: bool = False


class Watchdog:
    """A thread that says where this process is, and looks whether the others still are.

    A process of the same host is missed at once by its number; any other when its heartbeat stops.
    The store is torchrun's, and outlives every process of the run.
    """

    def __init__(self, rank: int, world: int, store: Store) -> None:
        self.rank, self.world, self.store = rank, world, store
        self.place, self.beats, self.told, self.beaten = "the start", 0, 0, 0.0
        self.life = Life.mine()
        self.peers: dict[int, _Peer] = {}
        self.over, self.looking = threading.Event(), threading.Lock()

    def start(self, patience: timedelta) -> None:
        """Wait for the first heartbeat of every process, then begin to watch."""
        self._beat(None)
        self.store.wait([f"beat/{r}" for r in range(self.world)], patience)
        self._listen()
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def at(self, place: str) -> None:
        """Note where this process is."""
        self.place = place

    def tell(self, text: str) -> None:
        """Hand a text from the first process to all that `hear`."""
        self.told += 1
        self.store.set(f"told/{self.told}", text)

    def hear(self) -> str:
        """Wait, however long, for the next text of the first process."""
        self.told += 1
        name = f"told/{self.told}"
        while not self.store.check([name]):
            time.sleep(0.05)
        return str(self.store.get(name).decode())

    def name_the_lost(self) -> None:
        """Give the watch the time it needs to find who was lost, which ends this process."""
        elsewhere = any(p.life.host != self.life.host for p in self.peers.values())
        time.sleep((SILENT_SECONDS if elsewhere else EVERY_SECONDS) + 2 * BEAT_SECONDS)

    def leave(self, error: BaseException | None) -> None:
        """Tell the others that this process ends, and whether in good order."""
        code, why = 0, ""
        if error is not None:
            known = getattr(error, "exit_code", getattr(error, "code", LOST))
            code = known if isinstance(known, int) and known else LOST
            why = str(error) if hasattr(error, "exit_code") else type(error).__name__
        self._beat({"code": code, "why": why})
        self.over.set()

    def look(self) -> None:
        """End this process when another was lost: gone without a word, or silent for too long."""
        with self.looking:
            watched = {rank: peer for rank, peer in self.peers.items() if not peer.done}
            gone = [rank for rank, peer in watched.items() if peer.life.ended()]
            if gone or time.monotonic() - self.beaten >= BEAT_SECONDS:
                self._hear_from(gone)
            for rank, peer in watched.items():
                silent = time.monotonic() - peer.heard > SILENT_SECONDS
                if peer.left is None and (rank in gone or silent):
                    how = "was lost" if rank in gone else f"is silent for {SILENT_SECONDS:.0f} s"
                    who = f"rank {rank} ({peer.life}) {how}, last heard of at {peer.place}"
                    self._end(who, LOST)

    def _run(self) -> None:
        heard = time.monotonic()
        while not self.over.wait(EVERY_SECONDS):
            try:
                self.look()
                heard = time.monotonic()
            except RuntimeError:
                if time.monotonic() - heard > SILENT_SECONDS:
                    self._end("the launcher's store cannot be reached", LOST)
            self._follow()

    def _hear_from(self, gone: list[int]) -> None:
        """Exchange news; the store itself may have gone with a process that held it."""
        try:
            self._beat(None)
            self._listen()
        except RuntimeError:
            if not gone:
                raise

    def _follow(self) -> None:
        """Forget processes that are done; end after one that stopped, unless already ending."""
        for rank, peer in self.peers.items():
            if peer.left is not None and not peer.done:
                peer.done = True
                code = int(peer.left["code"])
                if code and not self.over.wait(GRACE_SECONDS):
                    self._end(f"rank {rank} stopped: {peer.left['why']}", code)

    def _end(self, why: str, code: int) -> None:
        """Say why, and end this process whatever it is doing; what it writes is never half."""
        if not self.over.is_set():
            sys.stderr.write(f"rank {self.rank}: {why}; leaving from {self.place}\n")
            sys.stderr.flush()
            os._exit(code)

    def _beat(self, left: dict[str, Any] | None) -> None:
        self.beats, self.beaten = self.beats + 1, time.monotonic()
        value = {"beat": self.beats, "place": self.place, "life": self.life.as_dict(), "left": left}
        self.store.set(f"beat/{self.rank}", json.dumps(value))

    def _listen(self) -> None:
        others = [r for r in range(self.world) if r != self.rank]
        found = self.store.multi_get([f"beat/{r}" for r in others])
        for rank, text in zip(others, found, strict=True):
            said = json.loads(text)
            if rank not in self.peers:
                self.peers[rank] = _Peer(Life.parse(said["life"]), "", -1, None)
            peer = self.peers[rank]
            if peer.beat != said["beat"]:
                peer.place, peer.beat, peer.left = said["place"], said["beat"], said["left"]
                peer.heard = time.monotonic()


@contextmanager
def watching(rank: int, world: int, patience: timedelta) -> Iterator[Watchdog]:
    """Watch the other processes while the block runs, and tell them how it ended."""
    watch = Watchdog(rank, world, _store())
    watch.start(patience)
    try:
        # torchrun sends SIGTERM when a process was lost: the watch first has time to name it
        with ended_by_term(after_seconds=4 * EVERY_SECONDS):
            yield watch
    except BaseException as error:
        if isinstance(error, RuntimeError):
            watch.name_the_lost()
        with suppress(RuntimeError):  # the store may be gone, and there is nobody left to tell
            watch.look()
            watch.leave(error)
        raise
    watch.leave(None)


def _store() -> Store:
    """Return a connection of our own to the store that torchrun's processes met by."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    run = (
        os.environ.get("TORCHELASTIC_RUN_ID", ""),
        os.environ.get("TORCHELASTIC_RESTART_COUNT", ""),
    )
    store = TCPStore(host, port, is_master=False, timeout=timedelta(seconds=10))
    return PrefixStore(f"workbench/{run[0]}/{run[1]}", store)
