"""The stages that need torch: pretraining, alignment, embedding and evaluation of one run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eval.space import Space
from pipelines.align import Alignment, Pairing
from pipelines.batch import Shelf, calibration_batches, item_table, shelf
from pipelines.controls import plan_score, random_frozen, unaligned
from pipelines.embed import Model, embed_model, embed_texts, load_space, save_space
from pipelines.evaluate import Stamp
from pipelines.evaluate import evaluate as run_tasks
from pipelines.fit import FitFolder, fit
from pipelines.frozen import fit_heads
from pipelines.lora import base_tensors, tensor_digest
from pipelines.objectives.objective import Objective
from pipelines.plan import Plan, digest_of
from pipelines.pretrain import MaskedModelling
from pipelines.run import Stages
from pipelines.towers import Tower, build_encoder, build_tower, load_tower, provenance, save_tower
from workbench.config import Lora
from workbench.errors import Failure
from workbench.files import atomic_write
from workbench.record import verify_stage

Bases = Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True)
class Trained:
    """What training leaves: the towers, the encoders before alignment, and how rows are paired."""

    towers: Mapping[str, Tower]
    bases: Bases
    pairing: Pairing


def shelves_of(run: Stages) -> dict[str, Shelf]:
    """Return the decoded samples of a run by modality."""
    count = len(run.manifest)
    return {key: shelf(part, run.decoded[key], count) for key, part in run.plan.parts.items()}


def train(run: Stages) -> Trained:
    """Pretrain where asked, align, and save; or load what an earlier run saved."""
    run.folder.update_record(lambda r: r["threads"].update(torch=leave_one_core()))
    shelves = shelves_of(run)
    objective = _objective(run.plan)
    table = item_table(run.manifest, shelves, objective.label_columns())
    pairing = Pairing(
        shelves, table, run.manifest, run.plan.pipeline.edges(), run.plan.pipeline.seed
    )
    bases = {key: _pretrained(run, shelves[key]) for key in run.plan.pipeline.pretrain}
    if run.folder.is_complete("checkpoints", run.key("checkpoints")):
        run.progress.stage("align", "already complete")
        verify_stage(run.folder.stage("checkpoints"))
        return Trained(load_towers(run.plan, run.folder.stage("checkpoints")), bases, pairing)
    run.progress.stage("align", " ".join(f"{a}-{b}" for a, b in pairing.edges))
    towers = _aligned(run, objective, pairing, bases)
    with run.folder.writing("checkpoints", run.key("checkpoints")) as part:
        for key, tower in towers.items():
            save_tower(run.plan.parts[key], tower, part / key, own_weights=_own(run.plan, key))
        state = {k: v.detach().contiguous() for k, v in objective.state_dict().items()}
        atomic_write(part / "objective.safetensors", _serialised(state))
    return Trained(towers, bases, pairing)


def leave_one_core() -> int:
    """Give torch all cores but the one that draws the next batch's views; return how many.

    OMP_NUM_THREADS, where the user set it, wins.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
    return torch.get_num_threads()


def load_towers(plan: Plan, folder: Path) -> dict[str, Tower]:
    """Load the towers of a finished run."""
    dim, seed = plan.pipeline.align.dim, plan.pipeline.seed
    return {key: load_tower(part, dim, folder / key, seed=seed) for key, part in plan.parts.items()}


def embed(run: Stages, trained: Trained) -> None:
    """Write `embeddings/`: the trained model, and one folder per control."""
    for name in _models(run.plan):
        stage = f"embeddings/{name}"
        if run.folder.is_complete(stage, run.key(stage)):
            run.progress.stage(f"embed {name}", "already complete")
            continue
        run.progress.stage(f"embed {name}")
        model = _model(run, name, trained)
        space = embed_model(model, trained.pairing.shelves, run.manifest)
        texts = {
            key: embed_texts(model.towers[key], trained.pairing.shelves[key], wanted)
            for key, wanted in run.prompts.items()
        }
        with run.folder.writing(stage, run.key(stage)) as part:
            whole = Space(space.model, space.vectors, space.rows, texts, space.score)
            save_space(whole, part, {"dim": run.plan.pipeline.align.dim})


def evaluate(run: Stages) -> None:
    """Write `predictions/` and `metrics.json`."""
    if run.folder.is_complete("predictions", run.key("predictions")):
        run.progress.stage("evaluate", "already complete")
    else:
        run.progress.stage("evaluate")
        folder = run.folder.path / "embeddings"
        spaces = [load_space(folder / name, run.manifest) for name in _models(run.plan)]
        stamp = Stamp(run.plan.digest()[:16], run.data_digest[:16], run.plan.pipeline.seed)
        with run.folder.writing("predictions", run.key("predictions")) as part:
            run_tasks(run.plan, spaces, part, stamp)
    text = (run.folder.stage("predictions") / "metrics.json").read_bytes()
    atomic_write(run.folder.path / "metrics.json", text)


def _objective(plan: Plan) -> Objective:
    return plan.objective.build(plan.objective_options, plan.edges())


def _own(plan: Plan, key: str) -> bool:
    """Whether a tower's encoder differs from any published file."""
    part = plan.parts[key]
    adapt = part.config.adapt
    kept = adapt == "frozen" or isinstance(adapt, Lora)
    return part.weights.scratch or key in plan.pipeline.pretrain or not kept


def _pretrained(run: Stages, one: Shelf) -> dict[str, Tensor]:
    """Return the encoder weights after masked modelling, trained now or before."""
    from safetensors.torch import load_file

    key = one.part.key
    stage = f"pretrained/{key}"
    if not run.folder.is_complete(stage, run.key(stage)):
        run.progress.stage(f"pretrain {key}")
        config = run.plan.pipeline.pretrain[key]
        seed = run.plan.pipeline.seed
        samples = calibration_batches(one, run.manifest, seed=seed)
        encoder = build_encoder(one.part, seed=seed, samples=samples)
        lesson = MaskedModelling(encoder, one, run.manifest, config, seed)
        fit(lesson, config, fit_folder(run, f"pretrain {key}"))
        tensors = {k: v.detach().contiguous() for k, v in encoder.state_dict().items()}
        with run.folder.writing(stage, run.key(stage)) as part:
            atomic_write(part / "encoder.safetensors", _serialised(tensors))
    else:
        verify_stage(run.folder.stage(stage))
    return dict(load_file(str(run.folder.stage(stage) / "encoder.safetensors")))


def _aligned(run: Stages, objective: Objective, pairing: Pairing, bases: Bases) -> dict[str, Tower]:
    """Train the towers, and check that frozen weights did not move."""
    config, seed = run.plan.pipeline.align, run.plan.pipeline.seed
    towers = {
        key: build_tower(
            part, config.dim, seed=seed, base=bases.get(key), samples=pairing.samples(key)
        )
        for key, part in run.plan.parts.items()
    }
    before = {key: tensor_digest(base_tensors(t.encoder)) for key, t in towers.items()}
    if config.warm_heads:
        heads = config.model_copy(update={"epochs": config.warm_heads, "patience": None})
        fit_heads(towers, objective, pairing, heads, fit_folder(run, "heads"))
    lesson = Alignment(towers, objective, pairing, config)
    fit(lesson, config, fit_folder(run, "align"), config.patience)
    for key, tower in towers.items():
        adapt = run.plan.parts[key].config.adapt
        kept = adapt == "frozen" or isinstance(adapt, Lora)
        if kept and tensor_digest(base_tensors(tower.encoder)) != before[key]:
            raise Failure(f"{key}: the frozen encoder changed while training; nothing was saved")
    towers_record = {k: provenance(run.plan.parts[k], t).as_dict() for k, t in towers.items()}
    run.folder.update_record(lambda r: r.update(towers=towers_record))
    return towers


def fit_folder(run: Stages, stage: str) -> FitFolder:
    """Return where a stage's training checkpoints and log lines go."""
    path = run.folder.path / "progress" / stage.replace(" ", "-").replace(":", "-")

    def log(row: Mapping[str, Any]) -> None:
        run.folder.log({"stage": stage, **row})
        run.progress.step({"stage": stage, **row})

    def rewind(step: int) -> None:
        run.folder.rewind_log(lambda r: r.get("stage") != stage or _before(r, step))

    key = {"configuration": digest_of(run.plan.training()), "data": run.data_digest}
    return FitFolder(path, key, log, rewind)


def _before(row: Mapping[str, Any], step: int) -> bool:
    """Whether a log line was written before a step; an epoch's validation counts as its last."""
    return int(row["step"]) <= step if "validation" in row else int(row["step"]) < step


def _models(plan: Plan) -> list[str]:
    controls = plan.pipeline.controls
    frozen = [f"random_frozen-{n + 1}" for n in range(controls.random_frozen)]
    return ["trained", *(["unaligned"] if controls.unaligned else []), *frozen]


def _model(run: Stages, name: str, trained: Trained) -> Model:
    score = plan_score(run.plan)
    if name == "trained":
        return Model("trained", trained.towers, score)
    if name == "unaligned":
        return unaligned(run.plan, trained.bases, trained.pairing)
    number = int(name.rpartition("-")[2]) - 1
    folder = fit_folder(run, f"control {name}")
    return random_frozen(run.plan, number, _objective(run.plan), trained.pairing, folder)


def _serialised(tensors: Mapping[str, Tensor]) -> bytes:
    from safetensors.torch import save

    return bytes(save(dict(tensors)))
