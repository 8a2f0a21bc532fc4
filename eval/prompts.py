"""Prompt sets: the wording of every class, read from YAML and checked before anything is encoded.

```yaml
name: ecg-findings
version: 1
language: en
templates: ["{} on the electrocardiogram", "ECG showing {}"]
negative: ["no {}"]                 # optional; turns a multi-label score into a margin
classes:
  - {id: AFIB, name: atrial fibrillation, synonyms: [AF]}
  - {id: NORM, prompts: ["normal sinus rhythm", "normal ECG"]}
aggregate: mean_embedding
```
`classes` may also map an id to a class, to a list of prompts or to a display name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from workbench.errors import Refusal
from workbench.modality import Options
from workbench.seeding import keyed_rng

Aggregate = Literal["mean_embedding", "mean_score", "max_score", "logsumexp"]


class PromptClass(Options):
    """One class: what its label is in the manifest, and how it is worded."""

    id: str
    name: str | None = None
    synonyms: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()

    @property
    def wordings(self) -> tuple[str, ...]:
        """The words that fill a template: display name (or id), then synonyms."""
        return (self.name or self.id, *self.synonyms)


class PromptSet(Options):
    """A prompt set; its digest stands in every row that used it."""

    classes: tuple[PromptClass, ...] = Field(min_length=1)
    name: str = "inline"
    version: int | str = 1
    language: str = "en"
    templates: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    aggregate: Aggregate = "mean_embedding"
    tau: float = Field(default=1.0, gt=0)
    seed: int = 0
    draw: int | None = Field(default=None, ge=1)

    @field_validator("classes", mode="before")
    @classmethod
    def _by_id(cls, given: Any) -> Any:
        """Accept a mapping from id to class, prompts or display name."""
        if not isinstance(given, Mapping):
            return given
        return [_class_entry(str(name), value) for name, value in given.items()]

    @field_validator("templates", "negative")
    @classmethod
    def _has_place(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if template.count("{}") != 1:
                raise ValueError(f"template {template!r} must hold one {{}}")
        return templates

    @model_validator(mode="after")
    def _complete(self) -> PromptSet:
        ids = [entry.id for entry in self.classes]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"class ids {twice} occur twice")
        bare = [entry.id for entry in self.classes if not (self.templates or entry.prompts)]
        if bare:
            raise ValueError(f"classes {bare} have neither prompts nor a template")
        return self

    @property
    def digest(self) -> str:
        """sha256 of the whole set."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def label(self) -> str:
        """Name and digest, as the metric rows carry it."""
        return f"{self.name}@{self.digest[:12]}"

    def positive_prompts(self) -> dict[str, tuple[str, ...]]:
        """Return every class's prompts, drawn by (seed, class id) where `draw` is set."""
        return {
            entry.id: self._drawn(entry.id, (*entry.prompts, *_fill(self.templates, entry)))
            for entry in self.classes
        }

    def negative_prompts(self) -> dict[str, tuple[str, ...]]:
        """Return every class's negated prompts; empty where the set has none."""
        return {entry.id: (*entry.negative, *_fill(self.negative, entry)) for entry in self.classes}

    def of_template(self, number: int) -> dict[str, tuple[str, ...]]:
        """Return every class's prompts made by one template."""
        chosen = (self.templates[number],)
        return {entry.id: tuple(_fill(chosen, entry)) for entry in self.classes}

    def _drawn(self, class_id: str, prompts: tuple[str, ...]) -> tuple[str, ...]:
        return draw(prompts, self.draw or len(prompts), self.seed, class_id)


def draw(prompts: tuple[str, ...], count: int, *key: object) -> tuple[str, ...]:
    """Return `count` different prompts, chosen by the key alone and kept in their order."""
    prompts = tuple(dict.fromkeys(prompts))
    if count >= len(prompts):
        return prompts
    chosen = keyed_rng("prompts", *key).choice(len(prompts), count, replace=False)
    return tuple(prompts[i] for i in sorted(chosen))


def load_prompts(given: str | Mapping[str, Any], base: Path) -> PromptSet:
    """Return a prompt set from a YAML file (relative to `base`) or an inline mapping.

    Raises:
        Refusal: the file is missing, or the set does not fit the schema.
    """
    name = given if isinstance(given, str) else "pipeline"
    if isinstance(given, str):
        from workbench.yaml12 import load_yaml

        try:
            text = (base / given).read_bytes()
        except OSError as cause:
            raise Refusal(
                "E-CFG-020", file=given, field="prompts", found=type(cause).__name__,
                expected="a readable prompt set (YAML)",
            ) from None  # fmt: skip
        given = load_yaml(text, given)
    try:
        return PromptSet.model_validate(given)
    except ValidationError as cause:
        first = cause.errors()[0]
        raise Refusal(
            "E-CFG-020", file=name, field=".".join(map(str, first["loc"])) or "prompt set",
            found=str(first.get("input"))[:120], expected=first["msg"],
        ) from None  # fmt: skip


def _class_entry(name: str, value: Any) -> dict[str, Any]:
    """Return the full form of one entry of a mapping of classes."""
    if isinstance(value, str):
        return {"id": name, "name": value}
    if isinstance(value, list | tuple):
        return {"id": name, "prompts": value}
    return {"id": name, **(value or {})}


def _fill(templates: tuple[str, ...], entry: PromptClass) -> list[str]:
    """Put every wording of a class into every template."""
    return [template.replace("{}", word) for template in templates for word in entry.wordings]
