"""A pipeline file made concrete: every name looked up, every option typed, nothing read yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import workbench
from eval.sides import JOINT
from pipelines.objectives.contrastive import TOKEN_SCORES
from pipelines.objectives.entry import Edge, ObjectiveEntry, ObjectiveOptions
from workbench import registry
from workbench.config import ModalityConfig, Pipeline
from workbench.errors import Refusal, did_you_mean
from workbench.modality import EncoderEntry, Modality, Options, Weights
from workbench.pipeline_file import load_pipeline, validate
from workbench.yaml12 import Document

RECIPES = Path(__file__).parent / "recipes"
AFTER_TRAINING = ("leakage", "evaluate", "controls", "replicates", "card")


@dataclass(frozen=True)
class Part:
    """One modality of a pipeline, with everything that its name stood for."""

    key: str
    type: str
    config: ModalityConfig
    modality: Modality[Any]
    options: Options
    entry: EncoderEntry[Any]
    encoder_options: Options
    weights: Weights


@dataclass(frozen=True)
class TaskPlan:
    """One entry of `evaluate:`, its options typed.

    Attributes:
        name: unique within the run, such as "zero_shot-ecg-superclass"; names its predictions.
        task: registry name.
        options: the task's options.
    """

    name: str
    task: str
    options: Options


@dataclass(frozen=True)
class Plan:
    """A pipeline ready to run.

    Attributes:
        pipeline: the validated file.
        base: folder that paths in the file start from.
        parts: modalities by key, in the file's order.
        objective: what alignment minimises.
        tasks: evaluation entries.
    """

    pipeline: Pipeline
    base: Path
    parts: Mapping[str, Part]
    objective: ObjectiveEntry
    objective_options: ObjectiveOptions
    tasks: Sequence[TaskPlan]

    def edges(self) -> tuple[Edge, ...]:
        """Return the comparisons to align."""
        return tuple(Edge(a, (b,), w) for a, b, w in self.pipeline.weighted_edges())

    def resolved(self) -> dict[str, Any]:
        """Return the whole configuration, defaults filled in, as it is digested and stored."""
        whole = self.pipeline.model_dump(mode="json")
        for key, part in self.parts.items():
            stored = whole["modalities"][key]
            stored["options"] = part.options.model_dump(mode="json")
            stored["encoder"]["options"] = part.encoder_options.model_dump(mode="json")
            stored["type"] = part.type
        whole["align"]["objective"]["options"] = self.objective_options.model_dump(mode="json")
        for stored, plan in zip(whole["evaluate"], self.tasks, strict=True):
            stored["options"] = plan.options.model_dump(mode="json")
        return whole

    def digest(self) -> str:
        """Return the sha256 of the resolved configuration and the code version."""
        return digest_of({"pipeline": self.resolved(), "version": workbench.__version__})

    def training(self) -> dict[str, Any]:
        """Return the part of the configuration that training depends on."""
        return {k: v for k, v in self.resolved().items() if k not in AFTER_TRAINING}


def make_plan(
    pipeline: str | Path, overrides: Sequence[str] = (), *, base: Path | None = None
) -> Plan:
    """Load a pipeline file, or a shipped recipe by name, and look up all it names.

    Args:
        pipeline: YAML file or recipe name.
        overrides: "a.b=c" texts.
        base: folder that paths in the file start from, when not its own.

    Raises:
        Refusal: whatever is wrong, with its place in the file.
    """
    path = find_pipeline(pipeline)
    config, document = load_pipeline(path, overrides)
    base = base or path.parent
    parts = {key: _part(key, config, document, base) for key in config.modalities}
    objective: ObjectiveEntry = registry.load("objectives", config.align.objective.name)
    options = validate(
        objective.options, config.align.objective.options, document, ("align", "objective")
    )
    score = getattr(options, "score", "cosine")
    if config.align.stages > 1 and score != "cosine":
        raise Refusal("E-CFG-023", file=str(path), field="align.objective.score", found=score,
                      expected="cosine: plan clusters joins vectors of several trainings")  # fmt: skip
    _refuse_tokens_of_fused_names(options, config, path)
    tasks = _tasks(config, document)
    return Plan(config, base, parts, objective, options, tasks)


def find_pipeline(name: str | Path) -> Path:
    """Return the file of a pipeline: a path, or the name of a shipped recipe."""
    recipe = RECIPES / f"{name}.yaml"
    path = Path(name)
    if path.is_file() or not recipe.is_file():
        if not path.is_file():
            known = recipe_names()
            raise Refusal("E-CFG-014", file=str(name), field="pipeline", found="no such file",
                          expected=f"a YAML file or one of the recipes {known}"
                          f"{did_you_mean(str(name), known)}")  # fmt: skip
        return path.resolve()
    return recipe


def recipe_names() -> list[str]:
    """Return the names of the shipped recipes."""
    return sorted(p.stem for p in RECIPES.glob("*.yaml"))


def locate(base: Path, name: str) -> Path:
    """Return a path given in a pipeline file: beside the file, or else in the working folder."""
    beside = base / Path(name).expanduser()
    return beside if beside.exists() else Path.cwd() / name


def digest_of(value: Any) -> str:
    """Return the sha256 of a JSON-ready value."""
    text = json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _part(key: str, config: Pipeline, document: Document, base: Path) -> Part:
    chosen = config.modalities[key]
    kind = config.resolved_type(key)
    _refuse_unknown("modalities", kind, document, ("modalities", key))
    modality = registry.modality(kind)
    at = ("modalities", key, "encoder")
    if chosen.encoder.name not in modality.encoders:
        names = sorted(modality.encoders)
        raise Refusal(
            "E-CFG-013", file=document.place((*at, "name")), field="encoder.name",
            found=repr(chosen.encoder.name),
            expected=f"one of {names}{did_you_mean(chosen.encoder.name, names)}",
        )  # fmt: skip
    entry = modality.encoders[chosen.encoder.name]
    encoder_options = validate(entry.options, chosen.encoder.options, document, (*at, "options"))
    weights = _weights(chosen, base)
    given = validate(modality.options, chosen.options, document, ("modalities", key, "options"))
    options = modality.complete(given, weights)
    return Part(key, kind, chosen, modality, options, entry, encoder_options, weights)


def _weights(chosen: ModalityConfig, base: Path) -> Weights:
    """Turn a relative local path into an absolute one; hub ids and "scratch" stay as they are."""
    source = chosen.encoder.weights
    local = locate(base, source)
    if source != "scratch" and local.exists():
        return Weights(str(local), None)
    return Weights(source, chosen.encoder.revision)


def _tasks(config: Pipeline, document: Document) -> tuple[TaskPlan, ...]:
    plans: list[TaskPlan] = []
    for i, entry in enumerate(config.evaluate):
        _refuse_unknown("tasks", entry.task, document, ("evaluate", i, "task"))
        task = registry.load("tasks", entry.task)
        options = validate(task.options, entry.options, document, ("evaluate", i))
        _refuse_unknown_modalities(options, config, document, i)
        name = _task_name(entry.task, options)
        taken = sum(p.name == name or p.name.startswith(f"{name}-v") for p in plans)
        plans.append(TaskPlan(f"{name}-v{taken + 1}" if taken else name, entry.task, options))
    return tuple(plans)


def _task_name(task: str, options: Options) -> str:
    parts = [getattr(options, field, None) for field in ("query", "gallery", "label", "split")]
    return "-".join([task, *(p for p in parts if isinstance(p, str))])


def _refuse_unknown_modalities(
    options: Options, config: Pipeline, document: Document, position: int
) -> None:
    """Refuse a task whose query, gallery or anchor is no modality and no fused name.

    A search for a fused vector among its own parts is refused too: the answer is in the question.
    """
    known = config.names()
    sides: dict[str, set[str]] = {}
    for field in ("query", "gallery", "anchor"):
        given = getattr(options, field, None)
        names = given.split(JOINT) if isinstance(given, str) else []
        for name in names:
            if name not in known:
                raise Refusal(
                    "E-CFG-013", file=document.place(("evaluate", position, field)), field=field,
                    found=repr(name), expected=f"one of {known}{did_you_mean(name, known)}",
                )  # fmt: skip
        sides[field] = {part for name in names for part in config.modalities_of(name)}
    query, gallery = getattr(options, "query", None), getattr(options, "gallery", None)
    if query != gallery and (both := sorted(sides["query"] & sides["gallery"])):
        raise Refusal(
            "E-CFG-022", file=document.place(("evaluate", position, "gallery")), field="gallery",
            found=f"{both} in {query} and in {gallery}", expected="each on one side only",
        )  # fmt: skip


def _refuse_tokens_of_fused_names(options: ObjectiveOptions, config: Pipeline, path: Path) -> None:
    """Refuse an edge of a fused vector, which has no tokens, under a score that compares tokens."""
    scores = [getattr(part, "options", {}).get("score") for part in getattr(options, "parts", ())]
    wanted = sorted(TOKEN_SCORES.intersection([*scores, getattr(options, "score", "")]))
    fused = sorted(set(config.align.fuse).intersection(chain.from_iterable(config.edges())))
    if wanted and fused:
        raise Refusal(
            "E-CFG-023", file=str(path), field="align.objective.score", found=", ".join(wanted),
            expected=f"cosine or volume: {', '.join(fused)} is fused and has no tokens",
        )  # fmt: skip


def _refuse_unknown(group: Any, name: str, document: Document, at: tuple[str | int, ...]) -> None:
    known = registry.installed(group)
    if name not in known:
        raise Refusal(
            "E-CFG-013", file=document.place(at), field=f"{group} name", found=repr(name),
            expected=f"one of {list(known)}{did_you_mean(name, known)}",
        )  # fmt: skip
