"""The run directory: where every artefact lies, which stages are complete, and who is writing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import Refusal
from workbench.files import atomic_write, file_digest, one_at_a_time, sync_folder
from workbench.liveness import Life


@dataclass(frozen=True)
class RunFolder:
    """Paths and completeness of one run.

    Each stage owns one folder, written under a temporary name and renamed when complete, with a
    `stage.json` that holds the digest of everything the stage depends on.
    """

    path: Path

    def stage(self, name: str) -> Path:
        """Folder of a complete stage."""
        return self.path / name

    def is_complete(self, name: str, digest: str) -> bool:
        """Whether a stage was finished for exactly these dependencies."""
        marker = self.stage(name) / "stage.json"
        return marker.is_file() and json.loads(marker.read_text())["digest"] == digest

    @contextmanager
    def writing(self, name: str, digest: str) -> Iterator[Path]:
        """Yield a temporary folder that becomes the stage when the block ends without an error."""
        final = self.stage(name)
        temporary = final.with_name(f".{final.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        write_json(temporary / "stage.json", {"digest": digest, "files": _digests(temporary)})
        sync_folder(temporary)
        if final.exists():
            shutil.rmtree(final)
        os.replace(temporary, final)
        sync_folder(final.parent)

    def update_record(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change `record.json` in one atomic step."""
        record = self.record()
        change(record)
        write_json(self.path / "record.json", record)

    def record(self) -> dict[str, Any]:
        """Return `record.json`, or an empty record."""
        path = self.path / "record.json"
        return dict(json.loads(path.read_text())) if path.is_file() else {}

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one line to `log.jsonl`."""
        with open(self.path / "log.jsonl", "a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, sort_keys=True) + "\n")

    def rewind_log(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Drop log lines that a resumed stage will write again, and a torn last line."""
        path = self.path / "log.jsonl"
        if path.is_file():
            kept = [line for line in _whole_lines(path) if keep(json.loads(line))]
            atomic_write(path, "".join(line + "\n" for line in kept).encode())

    def logged(self) -> list[dict[str, Any]]:
        """Return the lines of `log.jsonl`."""
        path = self.path / "log.jsonl"
        return [json.loads(line) for line in _whole_lines(path)] if path.is_file() else []

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for one process; a lock whose process is gone on this host is taken over.

        Raises:
            Refusal: another live process, named by pid and host, is writing here.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = self.path / "run.lock"
        with one_at_a_time(self.path):
            _refuse_if_alive(lock)
            write_json(lock, Life.mine().as_dict())
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


class FollowedFolder(RunFolder):
    """A run folder as a process sees it that only reads: another process writes and logs."""

    def update_record(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Leave the record to the process that writes."""
        del change

    def log(self, row: Mapping[str, Any]) -> None:
        """Leave the log to the process that writes."""
        del row

    def rewind_log(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Leave the log to the process that writes."""
        del keep

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Leave the lock to the process that writes."""
        yield


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, atomically; NaN is an error, never text that no parser reads."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    atomic_write(path, (text + "\n").encode())


def verify_stage(folder: Path) -> None:
    """Refuse a stage whose files are not the ones that were written.

    Raises:
        Refusal: a file is missing or its sha256 differs (a flipped bit loads silently otherwise).
    """
    expected: dict[str, str] = json.loads((folder / "stage.json").read_text())["files"]
    for name, digest in expected.items():
        path = folder / name
        found = file_digest(path) if path.is_file() else "no such file"
        if found != digest:
            raise Refusal("E-CKP-005", file=f"{folder.name}/{name}", field="sha256",
                          found=found, expected=digest,
                          fix=f"Delete {folder.name}/ and run the same command again.")  # fmt: skip


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): file_digest(p) for p in files}


def _whole_lines(path: Path) -> list[str]:
    """Return the lines that end in a newline; a killed writer may leave one that does not."""
    text = path.read_text(encoding="utf-8")
    return text[: text.rfind("\n") + 1].splitlines()


def _refuse_if_alive(lock: Path) -> None:
    """Pass where there is no lock or its owner is gone; refuse while it may be alive."""
    if not lock.is_file():
        return
    try:
        owner = Life.parse(json.loads(lock.read_text()))
    except json.JSONDecodeError:  # torn by a version that did not write it at once
        return
    if not owner.ended():
        raise Refusal("E-CKP-017", file=str(lock.parent), field="run.lock", found=str(owner),
                      expected="no other writer",
                      fix="Wait for it, or choose another --out.")  # fmt: skip
