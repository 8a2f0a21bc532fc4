"""`workbench new modality NAME`: a complete plugin package that passes the contract suite as it is."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from workbench import registry
from workbench.errors import Refusal
from workbench.files import atomic_write

TEMPLATES = Path(__file__).parent / "templates"
SUFFIX = ".txt"
"""Templates carry it so that no tool takes them for source code."""

_NAME = re.compile(r"[a-z][a-z0-9_]*[a-z0-9]")


def scaffold(kind: str, name: str, folder: Path) -> str:
    """Write the package `workbench-<name>` into a folder and return what to do next.

    Args:
        kind: "modality".
        name: registry name, lower case, a Python word.
        folder: existing or new folder that the package's own folder is written into.

    Raises:
        Refusal: another kind, a name that is no word or is taken, or the folder exists.
    """
    _refuse_kind(kind)
    _refuse_name(name)
    target = folder / f"workbench-{name}"
    if target.exists():
        raise _refusal("folder", f"{target.name} already exists", "a folder that does not exist")
    words = _words(name)
    source = TEMPLATES / kind
    written = []
    for template in sorted(source.rglob(f"*{SUFFIX}")):
        path = target / _place(template.relative_to(source), name)
        atomic_write(path, _filled(template.read_text(encoding="utf-8"), words).encode())
        written.append(str(path.relative_to(target)))
    lines = [f"written to {target}:", *(f"  {name}" for name in written)]
    return "\n".join([*lines, f"next: pip install --no-deps -e {target}"])


def _place(template: Path, name: str) -> Path:
    """Return where a template goes inside the new package."""
    parts = [f"workbench_{name}" if part == "package" else part for part in template.parts]
    parts[-1] = parts[-1].removesuffix(SUFFIX).replace("test_name", f"test_{name}")
    return Path(*parts)


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace("{{" + word + "}}", value)
    return text


def _words(name: str) -> dict[str, str]:
    """Return what stands for each placeholder."""
    letters = re.sub("[^A-Z]", "", name.upper())
    return {
        "name": name,
        "Name": "".join(part.capitalize() for part in name.split("_")),
        "NAME": name.upper(),
        "FAMILY": letters.ljust(3, "X"),
    }


def _refuse_kind(kind: str) -> None:
    if kind != "modality":
        raise _refusal("kind", repr(kind), "modality")


def _refuse_name(name: str) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise _refusal("name", repr(name), "a Python word in lower case, such as 'spectrum'")
    known = registry.installed("modalities")
    if name in known:
        raise _refusal(
            "name", f"{name!r}, registered by {known[name].distribution}", "a name that is free"
        )


def _refusal(field: str, found: str, expected: str) -> Refusal:
    return Refusal(
        "E-CFG-013", file="command line", field=f"new: {field}", found=found, expected=expected
    )
