"""Finds plugins by entry point, without importing any until its name is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from typing import Any, Literal

from workbench.errors import Refusal, did_you_mean
from workbench.modality import Modality

Group = Literal["modalities", "objectives", "tasks", "datasets"]


@dataclass(frozen=True)
class Plugin:
    """One registered name, described without importing what stands behind it.

    Attributes:
        name: registry name.
        target: "package.module:attribute".
        distribution: the installed distribution that claims the name.
    """

    name: str
    target: str
    distribution: str


def installed(group: Group) -> Mapping[str, Plugin]:
    """Return every registered name of a group, sorted; imports no plugin.

    Raises:
        Refusal: two distributions claim one name.
    """
    found: dict[str, Plugin] = {}
    for distribution, entry in _entries(f"workbench.{group}"):
        plugin = Plugin(entry.name, entry.value, distribution)
        other = found.setdefault(entry.name, plugin)
        if other != plugin:
            raise Refusal(
                "E-CFG-014", file=f"entry points of workbench.{group}", field=entry.name,
                found=f"claims by {other.distribution} and {distribution}",
                expected="one distribution per name", fix="Uninstall one of the two.",
            )  # fmt: skip
    return dict(sorted(found.items()))


def load(group: Group, name: str) -> Any:
    """Import and return the object registered under a name.

    Raises:
        Refusal: the name is unknown, or its plugin cannot be imported (with the cause).
    """
    known = installed(group)
    if name not in known:
        raise Refusal(
            "E-CFG-013", file="pipeline", field=f"{group} name", found=repr(name),
            expected=f"one of {list(known)}{did_you_mean(name, known)}",
            fix="Install the plugin that provides it, or correct the name.",
        )  # fmt: skip
    plugin = known[name]
    module, _, attribute = plugin.target.partition(":")
    try:
        entry = metadata.EntryPoint(name, plugin.target, f"workbench.{group}")
        return entry.load()
    except (ImportError, AttributeError) as cause:
        raise Refusal(
            "E-CFG-014", file=f"distribution {plugin.distribution}", field=f"{group} {name!r}",
            found=f"{type(cause).__name__}: {cause}",
            expected=f"an importable {module}:{attribute}",
        ) from cause  # fmt: skip


def modality(name: str) -> Modality[Any]:
    """Return a registered modality.

    Raises:
        Refusal: as `load`, or when what is registered is not a modality.
    """
    found = load("modalities", name)
    if not isinstance(found, Modality):
        raise Refusal(
            "E-CFG-014", file=f"distribution {installed('modalities')[name].distribution}",
            field=f"modalities {name!r}", found=type(found).__name__,
            expected="an instance of workbench.modality.Modality",
        )  # fmt: skip
    return found


@lru_cache(maxsize=8)
def _entries(group: str) -> tuple[tuple[str, metadata.EntryPoint], ...]:
    """List a group's entry points with the distribution of each; scanned once per process."""
    rows = []
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        rows += [(name, entry) for entry in distribution.entry_points if entry.group == group]
    return tuple(sorted(set(rows), key=lambda row: (row[1].name, row[0])))
