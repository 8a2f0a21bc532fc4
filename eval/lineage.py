"""Class prompts from manifest columns: every lineage that occurs becomes a class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import Formatter

from pydantic import field_validator

from eval.prompts import PromptClass, PromptSet
from eval.space import Rows
from workbench.errors import Refusal
from workbench.modality import Options

Path = tuple[str | None, ...]


class LineageClasses(Options):
    """Which columns make a class and its prompt, such as "{order} {family} {genus}".

    Attributes:
        template: the class's path, and its prompt.
        members: prompts instead of `template`: every different text that the rows of a class
            make, such as "{order} {family} {species}" for a genus. `aggregate: max_score` then
            names the class of the nearest member, `mean_embedding` compares with their mean.
        label: the task's label, if given.
        splits: splits whose rows make classes and prompts; all when empty.
    """

    template: str
    members: str | None = None
    label: str | None = None
    splits: tuple[str, ...] = ()

    @field_validator("template", "members")
    @classmethod
    def _names_columns(cls, template: str | None) -> str | None:
        if template is None:
            return None
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
        if not names or not all(name.isidentifier() for name in names):
            raise ValueError(f"{template!r} must name columns, such as '{{order}} {{genus}}'")
        return template

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the template, in order."""
        return _columns(self.template)


def lineages(options: LineageClasses, label: str, rows: Rows) -> list[str | None]:
    """Return the class id of every manifest row: its label, or its path where labels repeat.

    A row without the label has no class; other missing ranks are left out of the path.

    Raises:
        Refusal: a column of the template is not in the manifest.
    """
    paths = _paths(options.columns, label, rows)
    owners: dict[str, set[Path]] = {}
    for path in paths:
        if path is not None:
            owners.setdefault(str(path[-1]), set()).add(path)
    return [None if path is None else _class_id(path, owners) for path in paths]


def lineage_prompts(options: LineageClasses, label: str, rows: Rows) -> PromptSet:
    """Return the prompt set of every class that occurs, in the given splits or anywhere."""
    ids = lineages(options, label, rows)
    wording = options.members or options.template
    paths = _paths(_columns(wording), label, rows)
    wanted: dict[str, dict[str, None]] = {}
    for name, path, split in zip(ids, paths, rows.splits, strict=True):
        if (
            name is not None
            and path is not None
            and (not options.splits or split in options.splits)
        ):
            wanted.setdefault(name, {})[_prompt(wording, path)] = None
    if not wanted:
        raise Refusal(
            "E-CFG-021", file="manifest", field=label, found="no labelled row",
            expected=f"rows with {label} in splits {list(options.splits) or 'any'}",
        )  # fmt: skip
    classes = tuple(
        PromptClass(id=name, prompts=tuple(sorted(prompts)))
        for name, prompts in sorted(wanted.items())
    )
    return PromptSet(name=f"lineage-{label}", classes=classes)


def _columns(template: str) -> tuple[str, ...]:
    """Return the columns a template names, in order."""
    names = [name for _, name, _, _ in Formatter().parse(template) if name]
    return tuple(dict.fromkeys(names))


def _paths(columns: Sequence[str], label: str, rows: Rows) -> list[Path | None]:
    """Return each row's values of some columns, its label last; None without label."""
    absent = [name for name in (*columns, label) if name not in rows.columns]
    if absent:
        raise Refusal(
            "E-CFG-021", file="manifest", field="classes.template", found=f"columns {absent}",
            expected=f"columns among {sorted(rows.columns)}",
        )  # fmt: skip
    cells: list[Sequence[str | None]] = [rows.columns[n] for n in (*columns, label)]
    return [path if path[-1] is not None else None for path in zip(*cells, strict=True)]


def _class_id(path: Path, owners: dict[str, set[Path]]) -> str:
    name = str(path[-1])
    if len(owners[name]) == 1:
        return name
    return " > ".join(str(part) for part in path[:-1] if part is not None)


def _prompt(template: str, path: Path) -> str:
    """Fill the template; the place of a missing rank closes up."""
    values = dict(zip(_columns(template), path, strict=False))
    text = template.format(**{name: value or "" for name, value in values.items()})
    return re.sub(r"\s+([,;:.])", r"\1", re.sub(r"\s+", " ", text)).strip(" ,;:")
