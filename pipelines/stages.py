"""The stages that need torch: pretraining, alignment, embedding and evaluation of one run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from eval.scores.scorer import load_scorer, save_scorer
from pipelines.batch import Shelf, calibration_batches, shelf
from pipelines.controls import objective_scorer, plan_score, random_frozen, unaligned
from pipelines.embed import Model, embed_model, load_space, save_space, with_texts
from pipelines.encode import Crew
from pipelines.evaluate import Stamp
from pipelines.evaluate import evaluate as run_tasks
from pipelines.fit import FitFolder, fit
from pipelines.fusion import build_fusions
from pipelines.multistage import Start, align_stages
from pipelines.objectives.objective import Objective
from pipelines.pairing import Pairing
from pipelines.placement import placement, sent
from pipelines.plan import Plan, digest_of
from pipelines.pretrain import MaskedModelling
from pipelines.processes import Processes
from pipelines.run import Stages
from pipelines.shuffled import NAME as SHUFFLED
from pipelines.shuffled import shuffled_pairs
from pipelines.stacked import stacked
from pipelines.towers import Tower, build_encoder, provenance
from pipelines.training import (
    Bases,
    build_objective,
    load_crew,
    make_pairing,
    save_objective,
    save_trained,
    serialised,
    stage_folders,
)  # fmt: skip
from workbench.encoder import Encoder
from workbench.files import atomic_write
from workbench.record import verify_stage


@dataclass(frozen=True)
class Trained:
    """What training leaves: the towers, the encoders before alignment, and who encodes them."""

    crew: Crew
    bases: Bases

    @property
    def towers(self) -> Mapping[str, Tower]:
        """The towers by modality."""
        return self.crew.towers

    @property
    def pairing(self) -> Pairing:
        """How rows are paired."""
        return self.crew.pairing


def shelves_of(run: Stages) -> dict[str, Shelf]:
    """Return the decoded samples of a run by modality."""
    count = len(run.manifest)
    return {key: shelf(part, run.decoded[key], count) for key, part in run.plan.parts.items()}


def train(run: Stages) -> Trained:
    """Pretrain where asked, align, and save; or load what an earlier run saved."""
    run.folder.update_record(lambda r: r["threads"].update(torch=leave_one_core()))
    _say_where(run)
    shelves = shelves_of(run)
    objective = build_objective(run.plan, shelves)
    pairing = make_pairing(run.plan, shelves, run.manifest, objective)
    bases = {key: _pretrained(run, shelves[key]) for key in run.plan.pipeline.pretrain}
    if run.folder.is_complete("checkpoints", run.key("checkpoints")):
        run.progress.stage("align", "already complete")
        verify_stage(run.folder.stage("checkpoints"))
        return Trained(load_crew(run.plan, pairing, run.folder.stage("checkpoints")), bases)
    run.progress.stage("align", " ".join(edge.name for edge in pairing.edges))
    start = Start(pairing, bases, run.processes)
    trained = list(align_stages(run.plan, start, shelves, lambda name: fit_folder(run, name)))
    run.processes.first_does("saving checkpoints", lambda: _save_trained(run, trained))
    last = trained[-1][0]
    towers = {k: provenance(run.plan.parts[k], t).as_dict() for k, t in last.towers.items()}
    run.folder.update_record(lambda r: r.update(towers=towers))
    if len(trained) == 1:
        return Trained(last, bases)
    return Trained(replace(last, towers=stacked([crew.towers for crew, _ in trained])), bases)


def _say_where(run: Stages) -> None:
    """Say and record on which device, and at which precision, each stage trains, and why."""
    pipeline = run.plan.pipeline
    asked = {f"pretrain {key}": fit.precision for key, fit in pipeline.pretrain.items()}
    where = placement(pipeline.device).describe({**asked, "align": pipeline.align.precision})
    run.progress.say(f"trains {where}")
    run.folder.update_record(lambda r: r.update(device=where))


def leave_one_core() -> int:
    """Give torch all cores but the one that draws the next batch's views; return how many.

    OMP_NUM_THREADS, where the user set it, wins.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
    return torch.get_num_threads()


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
        whole = with_texts(space, model, trained.pairing.shelves, run.prompts)
        with run.folder.writing(stage, run.key(stage)) as part:
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
        encoder = sent(encoder, placement(run.plan.pipeline.device).device)
        lesson = MaskedModelling(encoder, one, run.manifest, config, seed, processes=run.processes)
        folder = fit_folder(run, f"pretrain {key}")
        fit(lesson, config, folder, processes=run.processes)
        run.processes.first_does(f"saving {stage}", lambda: _save_encoder(run, stage, encoder))
    else:
        verify_stage(run.folder.stage(stage))
    return dict(load_file(str(run.folder.stage(stage) / "encoder.safetensors")))


def _save_trained(run: Stages, trained: Sequence[tuple[Crew, Objective]]) -> None:
    with run.folder.writing("checkpoints", run.key("checkpoints")) as part:
        for place, (crew, objective) in zip(stage_folders(run.plan, part), trained, strict=True):
            save_trained(run.plan, crew, objective, place)
        objective = trained[-1][1]
        save_objective(objective, part)
        scorer = objective_scorer(run.plan, objective)
        if scorer is not None:
            save_scorer(scorer, part)


def _save_encoder(run: Stages, stage: str, encoder: Encoder) -> None:
    tensors = {k: v.detach().contiguous() for k, v in encoder.state_dict().items()}
    with run.folder.writing(stage, run.key(stage)) as part:
        atomic_write(part / "encoder.safetensors", serialised(tensors))


def fit_folder(run: Stages, stage: str) -> FitFolder:
    """Return where a stage's training checkpoints and log lines go."""
    path = run.folder.path / "progress" / stage.replace(" ", "-").replace(":", "-")

    processes = run.processes
    who = {"rank": processes.rank, "world": processes.world} if processes.world > 1 else {}

    def log(row: Mapping[str, Any]) -> None:
        run.folder.log({"stage": stage, **row, **who})
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
    shuffled = [] if controls.shuffled_pairs == "off" else [SHUFFLED]
    return ["trained", *(["unaligned"] if controls.unaligned else []), *frozen, *shuffled]


def _model(run: Stages, name: str, trained: Trained) -> Model:
    score = plan_score(run.plan)
    if name == "trained":
        scorer = load_scorer(run.folder.stage("checkpoints"))
        return Model("trained", trained.towers, score, trained.crew.fusions, scorer)
    if name == "unaligned":
        fresh = build_objective(run.plan, trained.pairing.shelves)
        scorer = objective_scorer(run.plan, fresh)
        return unaligned(run.plan, trained.bases, trained.pairing, scorer)
    if name == SHUFFLED:
        return shuffled_pairs(
            run.plan, trained.crew, trained.bases, run.manifest,
            lambda stage: fit_folder(run, f"control {stage}"),
        )  # fmt: skip
    number = int(name.rpartition("-")[2]) - 1
    folder = fit_folder(run, f"control {name}")
    objective = build_objective(run.plan, trained.pairing.shelves)
    align = run.plan.pipeline.align
    fusions = build_fusions(align.fuse, align.dim, seed=run.plan.pipeline.seed)
    crew = replace(trained.crew, fusions=fusions, processes=Processes.alone())
    return random_frozen(run.plan, number, objective, crew, folder)
