"""Writes docs/pipeline-file.md, the reference of every key, from the models that check the file.

Run: python scripts/write_reference.py          (with --check: only say whether it is current)
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from reference_words import INTRODUCTION, MEANINGS

from workbench import config, registry
from workbench.fuse_config import FuseConfig
from workbench.leakage_config import LeakageConfig

PAGE = Path(__file__).resolve().parent.parent / "docs" / "pipeline-file.md"
OURS = "medbio-workbench"
SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The file", config.Pipeline),
    ("manifest", config.ManifestConfig),
    ("manifest.split", config.SplitShares),
    ("leakage", LeakageConfig),
    ("modalities.NAME", config.ModalityConfig),
    ("modalities.NAME.encoder", config.EncoderConfig),
    ("modalities.NAME.adapt.lora", config.LoraConfig),
    ("pretrain.NAME", config.PretrainConfig),
    ("align", config.AlignConfig),
    ("align.edges, one of a list", config.WeightedEdge),
    ("align.fuse.NAME", FuseConfig),
    ("align.batches", config.BatchPlan),
    ("controls", config.Controls),
)
HEAD = "| key | type | default | meaning |\n|---|---|---|---|\n"

Row = tuple[str, str, str, str]


def main() -> None:
    """Write the page, or with --check exit 1 where it is out of date."""
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        print(f"written: {PAGE}")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.name} is out of date: python scripts/write_reference.py")


def page() -> str:
    """Return the whole page as Markdown."""
    parts = [INTRODUCTION]
    parts += [_section(f"`{name}`" if name[0].islower() else name, model)
              for name, model in SECTIONS]  # fmt: skip
    parts.append("## Objectives\nBeside `name:` under `align.objective`.\n")
    parts += _objectives()
    parts.append("## Tasks\nBeside `task:` in each entry of `evaluate`.\n")
    for name in _ours("tasks"):
        task = registry.load("tasks", name)
        parts.append(_section(f"`{name}`", task.options, "###", _first_line(task)))
    parts.append("## Modalities\nUnder `options:` of a modality, and under `encoder.options:`.\n")
    for name in _ours("modalities"):
        parts.append(_modality(name))
    parts.append("## Dataset adapters\nUnder `manifest.options`, with `--set` of the command "
                 "`workbench manifest`.\n")  # fmt: skip
    for name in _ours("datasets"):
        dataset = registry.load("datasets", name)
        parts.append(_section(f"`{name}`", dataset.options, "###", dataset.summary + "."))
    return "\n".join(parts)


def rows(model: type[BaseModel]) -> Iterator[Row]:
    """Yield (key, type, default, meaning) of every key of a model, plain text."""
    documented = _attributes(model)
    for name, field in model.model_fields.items():
        words = field.description or documented.get(name) or _inherited(model, name)
        yield name, _type(field), _default(field), words


def _ours(group: Any) -> list[str]:
    return [n for n, p in registry.installed(group).items() if p.distribution == OURS]


def _objectives() -> Iterator[str]:
    """Yield a section each; an objective that extends another one names only what it adds."""
    entries = {name: registry.load("objectives", name) for name in _ours("objectives")}
    for name, entry in entries.items():
        wider = {n: e.options for n, e in entries.items() if e.options in entry.options.__mro__[1:]}
        told, hidden = entry.summary + ".", frozenset[str]()
        if wider:
            base = max(wider, key=lambda n: len(wider[n].__mro__))
            told += f" Beside the options of `{base}`:"
            hidden = frozenset(_unchanged(entry.options, wider[base]))
        yield _section(f"`{name}`", entry.options, "###", told, hidden=hidden)


def _unchanged(model: type[BaseModel], base: type[BaseModel]) -> Iterator[str]:
    """Yield the keys that a model has from its base as they are."""
    of_base = {key: (kind, default) for key, kind, default, _ in rows(base)}
    for key, kind, default, _ in rows(model):
        if of_base.get(key) == (kind, default):
            yield key


def _modality(name: str) -> str:
    modality = registry.modality(name)
    spec = modality.spec
    told = f"A sample has the axes `{spec.axes}`, {spec.dtype}, {spec.unit}."
    parts = [_section(f"`{name}`", modality.options, "###", told)]
    for entry in modality.encoders.values():
        weights = ", ".join(sorted(entry.weights))
        told = f"{entry.summary}. Weights: {weights}."
        parts.append(_section(f"`{name}`: encoder `{entry.name}`", entry.options, "####", told))
    return "\n".join(parts)


def _section(
    title: str, model: type[BaseModel], level: str = "##", told: str = "",
    *, hidden: frozenset[str] = frozenset(),
) -> str:  # fmt: skip
    found = [row for row in rows(model) if row[0] not in hidden]
    lines = [f"| `{key}` | " + " | ".join(map(_cell, rest)) + " |" for key, *rest in found]
    table = HEAD + "\n".join(lines) + "\n" if lines else "No options.\n"
    return f"{level} {title}\n" + (f"{told}\n\n" if told else "\n") + table


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0]


def _attributes(model: type[BaseModel]) -> dict[str, str]:
    """Return the Attributes section of a Google docstring, by name."""
    body = (model.__doc__ or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    name = ""
    for line in body.splitlines():
        entry = re.match(r"^ {8}(\w+): (.*)$", line)
        if entry:
            name = entry[1]
            found[name] = entry[2].strip()
        elif name and line.startswith(" " * 12):
            found[name] += " " + line.strip()
        elif name:
            break
    return found


def _inherited(model: type[BaseModel], name: str) -> str:
    """Return what a base class or the list of shared words says of a key."""
    for base in model.__mro__[1:]:
        if issubclass(base, BaseModel) and base is not BaseModel and name in _attributes(base):
            return _attributes(base)[name]
    owned = [f"{base.__name__}.{name}" for base in model.__mro__]
    return next((MEANINGS[key] for key in [*owned, name] if key in MEANINGS), "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined:
        return "none"
    if isinstance(value, BaseModel):
        return f"`{_yaml(value.model_dump(mode='json'))}`"
    return f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    """Write a value as it would stand in the file."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, str):
        return value if re.fullmatch(r"[A-Za-z][\w .-]*", value) else f'"{value}"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_yaml(v) for v in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _type(field: FieldInfo) -> str:
    limits = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {getattr(item, name):g}"
        for item in field.metadata
        for name, sign in limits.items()
        if isinstance(getattr(item, name, None), int | float)
    ]
    return " ".join([_words(field.annotation), *bounds])


def _words(annotation: Any) -> str:
    """Return an annotation in words a reader of YAML knows."""
    origin, args = get_origin(annotation), get_args(annotation)
    simple = {str: "text", int: "whole number", float: "number", bool: "true or false",
              type(None): "none", Any: "any"}  # fmt: skip
    if annotation in simple:
        return simple[annotation]
    if origin is Literal:
        return " or ".join(f"`{a}`" for a in args)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(a) for a in args if a is not type(None)))
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return f"list of {_words(args[0])}"
        return f"[{', '.join(_words(a) for a in args)}]"
    if origin is dict:
        return "keys and values" if args[1] is Any else f"names to {_words(args[1])}"
    if hasattr(annotation, "__metadata__"):
        return _words(args[0])
    return "keys below" if isinstance(annotation, type) else str(annotation)


if __name__ == "__main__":
    main()
