"""Alignment of a run: builds towers and objective, trains them, saves and loads what they became."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from pipelines.align import Alignment, Demand, demand_of
from pipelines.batch import Rows, Shelf, item_table
from pipelines.encode import Crew, Reader
from pipelines.fit import FitFolder, fit
from pipelines.frozen import fit_heads
from pipelines.frozen_linear import faster
from pipelines.fusion import build_fusions
from pipelines.lora import base_tensors, tensor_digest
from pipelines.objectives.entry import Shapes
from pipelines.objectives.objective import Objective
from pipelines.pairing import Pairing
from pipelines.placement import placement, precision, sent
from pipelines.plan import Plan
from pipelines.prefix import PrefixCache, plan_prefix
from pipelines.processes import Processes
from pipelines.sharding import sharded
from pipelines.stacked import stacked
from pipelines.towers import Tower, build_encoder, build_tower, load_tower, save_tower, token_width
from workbench.config import Lora
from workbench.encoder import Features
from workbench.errors import Failure
from workbench.files import atomic_write
from workbench.manifest import Manifest
from workbench.modality import Batch
from workbench.seeding import derive_seed, keyed_rng

Bases = Mapping[str, Mapping[str, Tensor]]
"""By modality, encoder weights after masked pretraining."""


def build_objective(plan: Plan, shelves: Mapping[str, Shelf]) -> Objective:
    """Return the plan's objective; its first weights come from the seed."""
    options = plan.objective_options
    recon = {}
    if "recon" in plan.objective.needed(options):
        recon = {key: _recon_size(plan, shelf) for key, shelf in shelves.items()}
    rows = max((len(shelf.place) for shelf in shelves.values()), default=0)
    torch.manual_seed(derive_seed(plan.pipeline.seed, "objective weights") % 2**63)
    shapes = Shapes(plan.pipeline.align.dim, rows, recon)
    built = plan.objective.build(options, plan.edges(), shapes)
    return sent(built, placement(plan.pipeline.device).device)


def make_pairing(
    plan: Plan, shelves: Mapping[str, Shelf], manifest: Manifest, objective: Objective
) -> Pairing:
    """Return which rows hold what, with the columns that the objective reads coded."""
    table = item_table(manifest, shelves, objective.label_columns())
    fused = {name: config.of for name, config in plan.pipeline.align.fuse.items()}
    return Pairing(shelves, table, manifest, plan.edges(), plan.pipeline.seed, fused)


def build_crew(plan: Plan, pairing: Pairing, bases: Bases, processes: Processes) -> Crew:
    """Return towers and fusions ready to train."""
    align, seed = plan.pipeline.align, plan.pipeline.seed
    tokens = "tokens" in plan.objective.needed(plan.objective_options)
    towers = {}
    for key, part in plan.parts.items():
        width = token_width(part, next(pairing.samples(key))) if tokens else None
        towers[key] = build_tower(
            part, align.dim, seed=seed, base=bases.get(key), samples=pairing.samples(key),
            token_width=width,
        )  # fmt: skip
    fusions = build_fusions(align.fuse, align.dim, seed=seed)
    towers, fusions = sent((towers, fusions), placement(plan.pipeline.device).device)
    return Crew(towers, pairing, processes, align.micro_batch, {}, fusions)


def align(plan: Plan, crew: Crew, objective: Objective, folders: Mapping[str, FitFolder]) -> None:
    """Train towers and fusions in place, and check that frozen weights did not move.

    Args:
        plan: the pipeline.
        crew: what is trained.
        objective: what is minimised.
        folders: where checkpoints and log lines of "heads" and of "align" go.

    Raises:
        Failure: a frozen encoder changed.
    """
    config = plan.pipeline.align
    demand = demand_of(plan.objective, plan.objective_options)
    before = {key: tensor_digest(base_tensors(t.encoder)) for key, t in crew.towers.items()}
    if config.warm_heads:
        heads = config.model_copy(update={"epochs": config.warm_heads, "patience": None})
        fit_heads(crew, objective, heads, demand, folders["heads"])
    with (
        shortcuts(plan, crew, folders["align"]) as quick,
        _shared_out(quick, plan, demand) as parts,
    ):
        lesson = Alignment(parts, objective, config, demand)
        fit(lesson, config, folders["align"], config.patience, crew.processes)
    for key, tower in crew.towers.items():
        moved = tensor_digest(base_tensors(tower.encoder)) != before[key]
        if keeps_base(plan, key) and moved:
            raise Failure(f"{key}: the frozen encoder changed while training; nothing was saved")


@contextmanager
def shortcuts(plan: Plan, crew: Crew, folder: FitFolder) -> Iterator[Crew]:
    """Let frozen weights cost less for a while: laid out once, or not computed again at all.

    What was chosen for each modality, and why, is logged. Yields the crew to train with.
    """
    align = plan.pipeline.align
    chosen = precision(align.precision, crew.device).name
    readers: dict[str, Reader] = {}
    with ExitStack() as stack:
        for key, tower in crew.towers.items():
            swap = stack.enter_context(faster(tower.encoder, precision=chosen))
            shelf = crew.pairing.shelves[key]
            prefix = "prefix_cache: off"
            if align.prefix_cache != "off":
                found = plan_prefix(plan.parts[key], tower, shelf)
                prefix = found if isinstance(found, str) else found.describe()
                if not isinstance(found, str):
                    path = folder.path / f"prefix-{key}-{crew.processes.rank}"
                    cache = PrefixCache(found, path, align.prefix_cache)
                    readers[key] = _reader(cache, shelf)
            folder.log({"step": 0, "modality": key, "frozen": swap.describe(), "prefix": prefix})
        yield replace(crew, readers=readers)


@contextmanager
def _shared_out(crew: Crew, plan: Plan, demand: Demand) -> Iterator[Crew]:
    """Share out the encoders that train in full, where the plan says so."""
    if not plan.pipeline.align.shard:
        yield crew
        return
    with sharded(crew, demand) as parts:
        yield parts


def _reader(cache: PrefixCache, shelf: Shelf) -> Reader:
    def read(batch: Batch, rows: Rows) -> Features:
        return cache.features(batch, shelf.place[rows])

    return read


def save_trained(plan: Plan, crew: Crew, objective: Objective, folder: Path) -> None:
    """Write towers and fusions of one stage, and the objective's own state; safetensors only."""
    for key, tower in crew.towers.items():
        own = plan.parts[key].weights.scratch or key in plan.pipeline.pretrain
        own_weights = own or not keeps_base(plan, key)
        save_tower(plan.parts[key], tower, folder / key, own_weights=own_weights)
    for name, fusion in crew.fusions.items():
        atomic_write(folder / name / "fusion.safetensors", serialised(fusion.state_dict()))
    save_objective(objective, folder)


def save_objective(objective: Objective, folder: Path) -> None:
    """Write the objective's own state, such as its temperature."""
    atomic_write(folder / "objective.safetensors", serialised(objective.state_dict()))


def load_crew(plan: Plan, pairing: Pairing, folder: Path) -> Crew:
    """Load what `save_trained` wrote."""
    from safetensors.torch import load_file

    towers = load_towers(plan, folder)
    fusions = build_fusions(plan.pipeline.align.fuse, plan.pipeline.align.dim, seed=0)
    for name, fusion in fusions.items():
        fusion.load_state_dict(load_file(str(folder / name / "fusion.safetensors")))
        fusion.eval()
    fusions = sent(fusions, placement(plan.pipeline.device).device)
    return Crew(towers, pairing, Processes.alone(), plan.pipeline.align.micro_batch, {}, fusions)


def load_towers(plan: Plan, folder: Path) -> dict[str, Tower]:
    """Load the towers of a finished run; those of several stages give joined vectors."""
    dim, seed = plan.pipeline.align.dim, plan.pipeline.seed
    stages = [
        {key: load_tower(part, dim, place / key, seed=seed) for key, part in plan.parts.items()}
        for place in stage_folders(plan, folder)
    ]
    towers = stages[0] if len(stages) == 1 else stacked(stages)
    return sent(towers, placement(plan.pipeline.device).device)


def stage_folders(plan: Plan, folder: Path) -> list[Path]:
    """Return where the towers of each stage are, one folder where there is one training."""
    count = plan.pipeline.align.stages
    return [folder] if count == 1 else [folder / f"stage-{n + 1}" for n in range(count)]


def keeps_base(plan: Plan, key: str) -> bool:
    """Whether an encoder's own weights stand still while adapters or projections train."""
    adapt = plan.parts[key].config.adapt
    return adapt == "frozen" or isinstance(adapt, Lora)


def serialised(tensors: Mapping[str, Tensor]) -> bytes:
    """Return tensors as one safetensors file."""
    from safetensors.torch import save

    return bytes(save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}))


def _recon_size(plan: Plan, shelf: Shelf) -> tuple[int, int]:
    """Return how many elements lie under a token, and of how many classes (0: continuous)."""
    part = plan.parts[shelf.part.key]
    batch = shelf.batch(shelf.decoded.rows[:1])
    masked = part.modality.mask(batch, keyed_rng(0, "size"), part.options, ratio=0.5)
    encoder = build_encoder(part, seed=0)
    return int(encoder.patchify(masked.target).shape[2]), masked.classes or 0
