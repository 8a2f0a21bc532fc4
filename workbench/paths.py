"""The one place where a path that comes from data is resolved, so that it cannot leave its root."""

from __future__ import annotations

import os
import re
from pathlib import Path

from workbench.errors import BadInput

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_DRIVE = re.compile(r"^[A-Za-z]:")


def resolve_inside(name: str, root: Path | None, *, allow_absolute: bool = True) -> Path:
    """Return the real path that `name` stands for, refusing whatever lies outside `root`.

    Args:
        name: path as it stands in a manifest cell, a header or an archive.
        root: folder it must stay in; None allows any existing file.
        allow_absolute: manifest cells may hold absolute paths, headers may not.

    Raises:
        BadInput: NUL, drive letter, UNC, URL, a path or link that leaves the root, or no such file.
    """
    _refuse_foreign(name, allow_absolute)
    base = Path(os.path.realpath(root)) if root is not None else None
    given = (base / name) if base is not None else Path(name).expanduser()
    real = Path(os.path.realpath(given))
    if base is not None and os.path.commonpath([base, real]) != str(base):
        raise BadInput(
            "E-MAN-015", file=name, field="path", found="a place outside the data root",
            expected="a path inside the data root", fix="Move the file or set manifest.root.",
        )  # fmt: skip
    _refuse_unreadable(name, real, linked=given.is_symlink())
    return real


def _refuse_foreign(name: str, allow_absolute: bool) -> None:
    """Refuse what is no path of this machine."""
    kind = (
        "a NUL character" if "\0" in name
        else "a URL" if _URL.match(name)
        else "a drive letter" if _DRIVE.match(name)
        else "a network path" if name.startswith(("\\\\", "//"))
        else "an absolute path" if os.path.isabs(name) and not allow_absolute
        else ""
    )  # fmt: skip
    if kind:
        raise BadInput(
            "E-MAN-015", file=name, field="path", found=kind, expected="a local relative path"
        )


def _refuse_unreadable(name: str, real: Path, *, linked: bool) -> None:
    """Refuse what is missing, empty or not permitted, each with its own words."""
    try:
        exists = real.exists()
    except OSError as error:  # a text far too long to be a path
        exists, name = False, f"<{len(name)} characters, {error.strerror}>"
    if not exists:
        found = "a broken link" if linked else "no such file"
    elif real.is_file() and real.stat().st_size == 0:
        found = "0 bytes"
    elif not os.access(real, os.R_OK):
        found = "no permission to read"
    else:
        return
    raise BadInput("E-MAN-007", file=name, field="file", found=found, expected="a readable file")
