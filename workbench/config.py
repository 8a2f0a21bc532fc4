"""The pipeline file as frozen models: every key, its type, its default, and what it is for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from workbench.fuse_config import FuseConfig
from workbench.leakage_config import LeakageConfig
from workbench.modality import Options

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class SplitShares(Options):
    """Shares of the groups that go to each split, drawn by a seeded hash of the group."""

    train: Fraction = 0.7
    val: Fraction = 0.1
    test: Fraction = 0.2

    @model_validator(mode="after")
    def _sum_to_one(self) -> SplitShares:
        if abs(self.train + self.val + self.test - 1.0) > 1e-6:
            raise ValueError("the shares must sum to 1")
        return self


class ManifestConfig(Options):
    """Where the rows come from, and which columns say who they are."""

    path: str | None = Field(None, description="CSV, TSV or Parquet file, relative to the pipeline")
    synthetic: str | None = Field(None, description="name of a generated cohort, such as `clinic`")
    dataset: str | None = Field(None, description="name of a dataset adapter, such as `ptbxl`")
    root: str | None = Field(None, description="folder that paths in cells start from")
    subjects: Positive = Field(600, description="subjects of a synthetic cohort")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the adapter")
    id: str = Field("id", description="column with a unique id per row")
    group: str = Field("group", description="column that never crosses splits; unit of intervals")
    split: str | SplitShares = Field("split", description="split column, or shares of the groups")
    missing: tuple[str, ...] = Field(("",), description="cell texts that mean absent")
    max_bad: Fraction = Field(0.0, description="share of present cells that may be quarantined")
    on_bad: Literal["mask", "drop_row"] = Field("mask", description="what a bad cell costs")
    duplicates: Literal["refuse", "flag"] = Field(
        "refuse", description="equal file contents in two splits; equal texts are only flagged"
    )

    @model_validator(mode="after")
    def _one_source(self) -> ManifestConfig:
        if sum(x is not None for x in (self.path, self.synthetic, self.dataset)) != 1:
            raise ValueError("give exactly one of path, synthetic, dataset")
        if self.dataset is not None and self.root is None:
            raise ValueError(
                f"dataset {self.dataset!r} needs root: the folder that holds it "
                f"(--set manifest.root=FOLDER)"
            )
        return self


class EncoderConfig(Options):
    """Which encoder, and where its weights come from."""

    name: str = Field(description="registry name within the modality")
    weights: str = Field("scratch", description="scratch, a local folder or file, or a hub id")
    revision: str | None = Field(None, description="40-hex commit of a hub id")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the encoder")


class LoraConfig(Options):
    """Low-rank adapters in peft's own form; the base stays frozen."""

    rank: Positive = 8
    alpha: Positive = 16
    dropout: Fraction = 0.0
    targets: tuple[str, ...] | None = Field(None, description="modules to wrap; None = encoder's")
    last: Positive | None = Field(None, description="wrap only in the last so many blocks")


class Lora(Options):
    """Train low-rank adapters."""

    lora: LoraConfig


class UnlockLast(Options):
    """Train the last k blocks."""

    unlock_last: Positive


Adapt = Literal["full", "frozen"] | Lora | UnlockLast


class ModalityConfig(Options):
    """One modality of this pipeline."""

    type: str | None = Field(None, description="registered modality; defaults to the key")
    column: str | None = Field(None, description="manifest column of its cells; default the key")
    template: str | None = Field(
        None, description='text made from columns, such as "{order} {family}"; missing words drop'
    )
    options: dict[str, Any] = Field(default_factory=dict, description="options of the modality")
    encoder: EncoderConfig
    adapt: Adapt = "full"
    augment: bool = Field(True, description="use the modality's training views")

    @model_validator(mode="after")
    def _one_cell(self) -> ModalityConfig:
        if self.column is not None and self.template is not None:
            raise ValueError("give column or template, not both")
        return self


class FitConfig(Options):
    """What every training stage shares."""

    epochs: Positive = 20
    batch_size: Positive = 64
    learning_rate: Rate = 1e-3
    weight_decay: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.01
    warmup: Fraction = Field(0.1, description="share of the steps with rising learning rate")
    clip: Rate = Field(1.0, description="largest gradient norm")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto is bf16 where processor or GPU multiplies it natively"
    )
    checkpoint_every: Positive | None = Field(None, description="steps; default once an epoch")


class PretrainConfig(FitConfig):
    """Masked modelling of one modality, before alignment."""

    mask_ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.6


class Anchor(Options):
    """Pair every other modality with one."""

    anchor: str


class WeightedEdge(Options):
    """One comparison, counted more or less than the others."""

    query: str
    candidate: str
    weight: Rate = 1.0


class BatchPlan(Options):
    """Which rows meet in a batch."""

    plan: Literal["shuffled", "apart", "together", "per_class", "clusters"] = Field(
        "shuffled",
        description="apart: rows of one group never share a batch; together: `per` rows of a group "
        "do; per_class: `per` rows of each class drawn do; clusters: training in stages, each on "
        "batches from one cluster of what the stages before have learnt",
    )
    label: str | None = Field(None, description="column of the classes of per_class")
    per: Annotated[int, Field(ge=2)] = Field(2, description="rows of a group or class that meet")
    stages: Annotated[int, Field(ge=2, le=8)] = Field(3, description="clusters: trainings")
    clusters: Annotated[int, Field(ge=2)] = Field(10, description="clusters: k of k-means")

    @model_validator(mode="after")
    def _belongs(self) -> BatchPlan:
        if self.plan == "per_class" and self.label is None:
            raise ValueError("per_class needs label: a manifest column")
        for name in ("stages", "clusters"):
            given = getattr(self, name) != type(self).model_fields[name].default
            if given and self.plan != "clusters":
                raise ValueError(f"{name} is an option of plan: clusters, not of {self.plan}")
        return self


class ObjectiveConfig(Options):
    """Which objective, with the options that its registry entry defines."""

    name: str = "contrastive"
    options: dict[str, Any] = Field(default_factory=dict)


def _objective(value: Any) -> Any:
    """Gather the objective's own options, which stand beside its name in the file."""
    if isinstance(value, dict) and "options" not in value:
        rest = {k: v for k, v in value.items() if k != "name"}
        return {"name": value.get("name", "contrastive"), "options": rest}
    return value


class AlignConfig(FitConfig):
    """Contrastive alignment into one shared space."""

    fuse: dict[Name, FuseConfig] = Field(
        default_factory=dict, description="vectors made of several modalities, by name"
    )
    edges: Literal["all", "cycle"] | Anchor | tuple[tuple[str, str] | WeightedEdge, ...] = "all"
    objective: Annotated[ObjectiveConfig, BeforeValidator(_objective)] = ObjectiveConfig()
    dim: Positive = Field(256, description="width of the shared space")
    batch_size: Positive = 256
    batches: BatchPlan = BatchPlan()
    gradients: Literal["sum", "harmonize"] = Field(
        "sum", description="harmonize: no loss term may work against another"
    )
    micro_batch: Positive | None = Field(None, description="gradient caching in parts of this size")
    prefix_cache: Literal["off", "fp32", "fp16", "bf16"] = Field(
        "fp32",
        description="keep what frozen first blocks compute, on disk, where no view is drawn anew",
    )
    shard: bool = Field(
        False, description="several processes each hold a part of the encoders that train in full"
    )
    warm_heads: Annotated[int, Field(ge=0)] = Field(
        0, description="epochs for which only projections train, on features computed once"
    )
    patience: Positive | None = Field(None, description="epochs without a better validation")

    @model_validator(mode="after")
    def _heads_divide(self) -> AlignConfig:
        if self.shard and self.gradients == "harmonize":
            raise ValueError("shard: harmonize needs the gradient of every term, whole")
        for name, fuse in self.fuse.items():
            if fuse.how == "stochastic" and self.dim % fuse.heads:
                raise ValueError(
                    f"fuse.{name}: dim {self.dim} is no multiple of {fuse.heads} heads"
                )
        if self.fuse and self.batches.plan == "clusters":
            raise ValueError(
                "batches: plan clusters joins the vectors of its stages; it has no fuse"
            )
        return self

    @property
    def stages(self) -> int:
        """How many trainings the vectors of an item are joined from."""
        return self.batches.stages if self.batches.plan == "clusters" else 1


class Controls(Options):
    """Models that every number is printed beside."""

    random_frozen: Annotated[int, Field(ge=0)] = Field(1, description="random encoders, seeds")
    unaligned: bool = Field(True, description="towers before alignment")
    constant: bool = Field(True, description="all vectors equal: every number must be its chance")
    text_prior: bool = Field(True, description="every query replaced by the mean query")
    unimodal: bool = Field(True, description="best single modality of a joined or fused query")
    shuffled_pairs: Literal["off", "heads", "full"] = Field(
        "off", description="trained on wrong pairs: projections alone, or all that alignment trains"
    )


def _entry(value: Any) -> Any:
    """Gather a task's own options, which stand beside its name in the file."""
    if isinstance(value, dict) and "task" in value and "options" not in value:
        rest = {k: v for k, v in value.items() if k not in ("task", "controls")}
        return {"task": value["task"], "options": rest}
    return value


class TaskConfig(Options):
    """One entry under `evaluate:`; the task's options stand beside its name."""

    task: str
    options: dict[str, Any] = Field(default_factory=dict)


class Pipeline(Options):
    """A whole pipeline file."""

    name: Name
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where encoders run; auto is a GPU where torch sees one"
    )
    manifest: ManifestConfig
    leakage: LeakageConfig = LeakageConfig()
    modalities: Annotated[dict[Name, ModalityConfig], Field(min_length=1)]
    pretrain: dict[Name, PretrainConfig] = Field(default_factory=dict)
    align: AlignConfig
    evaluate: tuple[Annotated[TaskConfig, BeforeValidator(_entry)], ...] = ()
    controls: Controls = Field(default_factory=lambda: Controls())
    replicates: Annotated[int, Field(ge=0)] = Field(2000, description="bootstrap replicates")
    card: dict[str, str] = Field(
        default_factory=dict, description="the author's words for the report: intended_use, ..."
    )

    def resolved_type(self, key: str) -> str:
        """Return the registered modality behind a key of this pipeline."""
        return self.modalities[key].type or key

    def modalities_of(self, name: str) -> tuple[str, ...]:
        """Return what a name stands for: the parts of a fused vector, or the modality itself."""
        return self.align.fuse[name].of if name in self.align.fuse else (name,)

    def names(self) -> list[str]:
        """Return the names that have vectors in the shared space: modalities, then fused ones."""
        return [*self.modalities, *self.align.fuse]

    def weighted_edges(self) -> tuple[tuple[str, str, float], ...]:
        """Return the comparisons to align, each once: query, candidate, weight."""
        keys, edges = list(self.modalities), self.align.edges
        if isinstance(edges, Anchor):
            own = (edges.anchor, *self.modalities_of(edges.anchor))
            return tuple((edges.anchor, k, 1.0) for k in keys if k not in own)
        if edges == "all":
            return tuple((a, b, 1.0) for i, a in enumerate(keys) for b in keys[i + 1 :])
        if edges == "cycle":
            turned = [*keys[1:], keys[0]] if len(keys) > 2 else keys[1:]
            return tuple((a, b, 1.0) for a, b in zip(keys, turned, strict=False))
        return tuple(
            (e.query, e.candidate, e.weight) if isinstance(e, WeightedEdge) else (*e, 1.0)
            for e in edges
        )

    def edges(self) -> tuple[tuple[str, str], ...]:
        """Return the pairs of names to align, each once."""
        return tuple((query, candidate) for query, candidate, _ in self.weighted_edges())

    @model_validator(mode="after")
    def _names_exist(self) -> Pipeline:
        named = {e for edge in self.edges() for e in edge}
        if unknown := sorted(named - set(self.names())):
            raise ValueError(f"{unknown} not under modalities or align.fuse: {self.names()}")
        parts = {m for fuse in self.align.fuse.values() for m in fuse.of} | set(self.pretrain)
        if unknown := sorted(parts - set(self.modalities)):
            raise ValueError(f"{unknown} not under modalities: {sorted(self.modalities)}")
        if not self.edges():
            raise ValueError("align.edges pairs nothing: give at least two modalities")
        return self

    @model_validator(mode="after")
    def _fused_apart(self) -> Pipeline:
        if taken := sorted(set(self.align.fuse) & set(self.modalities)):
            raise ValueError(f"align.fuse: {taken} are names of modalities already")
        for a, b in self.edges():
            both = sorted(set(self.modalities_of(a)) & set(self.modalities_of(b)))
            if both and not {a, b}.isdisjoint(self.align.fuse):
                raise ValueError(f"edge {a}-{b} compares {both} with itself")
        return self
