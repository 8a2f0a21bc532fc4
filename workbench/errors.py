"""Every error the workbench raises on purpose, and the one-line message each prints."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MESSAGE_LIMIT = 500


class WorkbenchError(Exception):
    """The base of every error raised on purpose; `exit_code` is what the command returns."""

    exit_code = 3


class Refusal(WorkbenchError):
    """The run as a whole would be wrong, so it is refused before any work (exit code 2).

    Args:
        code: catalogue row, such as "E-CFG-001".
        file: the file at fault, relative to the data root where it has one.
        field: the key, column, tag or place inside the file.
        found: what was found; never a person's name, id, date or text.
        expected: what would have been accepted.
        fix: what to do about it, where that is known.
    """

    exit_code = 2
    action = "refused"

    def __init__(
        self, code: str, *, file: str, field: str, found: object, expected: object, fix: str = ""
    ) -> None:
        self.code, self.file, self.field, self.fix = code, file, field, fix
        self.found, self.expected = str(found), str(expected)
        super().__init__(str(self))

    def __str__(self) -> str:
        return _one_line(
            f"{self.code} {self.file}: {self.field} has {self.found}, "
            f"expected {self.expected}; {self.action}." + (f" {self.fix}" if self.fix else "")
        )

    def fields(self) -> dict[str, str]:
        """Return the parts of the message, as `quarantine.jsonl` stores them."""
        return {
            "code": self.code,
            "file": self.file,
            "field": self.field,
            "found": self.found,
            "expected": self.expected,
            "hint": self.fix,
        }


class BadInput(Refusal):
    """One cell of a manifest cannot be trusted: the only exception a reader may raise."""

    action = "quarantined"


class Failure(WorkbenchError):
    """Work that had begun could not go on (exit code 3); what was computed stays on disk."""


class Stopped(WorkbenchError):
    """A signal asked the run to stop, and it did so after a clean checkpoint.

    Args:
        signal_number: 15 for SIGTERM, 2 for SIGINT.
        where: what was saved, in words.
    """

    def __init__(self, signal_number: int, where: str) -> None:
        self.exit_code = 128 + signal_number
        super().__init__(f"stopped by signal {signal_number}; {where}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the nearest known word, or an empty string.

    >>> did_you_mean("learing_rate", ["learning_rate", "epochs"])
    "; did you mean 'learning_rate'?"
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def veil(text: str) -> str:
    """Return what may be printed of a value that could identify a person: its kind and length.

    >>> veil("Jane Example")
    '<text, 12 characters>'
    """
    return f"<text, {len(text)} characters>"


def _one_line(text: str) -> str:
    """Escape control characters and cut to the length that every message keeps to."""
    clean = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return clean if len(clean) <= MESSAGE_LIMIT else clean[: MESSAGE_LIMIT - 3] + "..."
