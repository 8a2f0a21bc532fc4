"""A tower: an encoder, the way it is adapted, and its projection into the shared space.

Legend: B rows, W encoder width, E shared width.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from pipelines.lora import adapted, base_tensors, counts, tensor_digest
from pipelines.plan import Part
from workbench.config import Adapt, Lora
from workbench.encoder import Encoder, Features
from workbench.errors import Failure, Refusal
from workbench.modality import Batch
from workbench.record import write_json
from workbench.seeding import derive_seed

if TYPE_CHECKING:
    from peft import PeftModel


class Projection(nn.Module):
    """Features to the shared space: each feature standardised over the batch, then Linear(W -> E).

    What all samples have in common says nothing about which belong together, yet it dominates the
    features of small encoders; left in, every cosine is near 1 and contrast finds nothing to hold
    on to. Running statistics take the batch's place outside training, so vectors never depend on
    their neighbours then (as in the batch-normalised heads of MoRE).
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, affine=False)
        self.linear = nn.Linear(width, dim, bias=False)

    def along(self, others_BW: Tensor, pooled_BW: Tensor) -> Tensor:
        """Return (B, E) of rows that are standardised as the rows of a batch are.

        In training that is by the batch's own statistics, which the others do not touch.

        Args:
            others_BW: features to project.
            pooled_BW: features of the batch.
        """
        if not (self.training and len(pooled_BW) > 1):
            projected: Tensor = self(others_BW)
            return projected
        variance, mean = torch.var_mean(pooled_BW, dim=0, correction=0)
        scaled: Tensor = self.linear((others_BW - mean) * (variance + self.norm.eps).rsqrt())
        return scaled

    def forward(self, pooled_BW: Tensor) -> Tensor:
        """Return (B, E), not normalised."""
        norm = self.norm
        scaled = nn.functional.batch_norm(
            pooled_BW, norm.running_mean, norm.running_var,
            training=self.training and len(pooled_BW) > 1, momentum=0.1, eps=norm.eps,
        )  # fmt: skip
        projected: Tensor = self.linear(scaled)
        return projected


class Tower(nn.Module):
    """Batch in, one vector of the shared space per row out.

    Attributes:
        encoder: the encoder, wrapped by peft where it has adapters.
        head: the projection into the shared space.
        token_head: the projection of tokens, where the objective compares tokens.
        in_parts: whether processes share the encoder's weights, and so have to run it together.
    """

    in_parts: ClassVar[bool] = False

    def __init__(
        self, encoder: nn.Module, width: int, dim: int, token_width: int | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = Projection(width, dim)
        self.token_head = None if token_width is None else nn.Linear(token_width, dim)

    @property
    def has_tokens(self) -> bool:
        """Whether tokens are projected into the shared space too."""
        return self.token_head is not None

    def tokens(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return (B, T, E) tokens of the shared space and (B, T) bool, True for real ones.

        An encoder without tokens gives one: its pooled features.
        """
        if self.token_head is None:
            raise Failure("this tower projects no tokens: its objective compares pooled vectors")
        found = features.pooled.unsqueeze(1) if features.tokens is None else features.tokens
        valid = features.token_valid if features.tokens is not None else None
        if valid is None:
            valid = torch.ones(found.shape[:2], dtype=torch.bool, device=found.device)
        projected: Tensor = self.token_head(found.float()).float()
        return projected * valid.unsqueeze(-1), valid

    def features(self, batch: Batch) -> Features:
        """Return the encoder's features."""
        found: Features = self.encoder(batch)
        return found

    def forward(self, batch: Batch) -> Tensor:
        """Return (B, E) vectors, not normalised."""
        projected: Tensor = self.head(self.features(batch).pooled.float())
        return projected


@dataclass(frozen=True)
class Provenance:
    """Where a tower's numbers come from; one entry of `record.json`."""

    encoder: str
    weights: str
    base_digest: str
    adapt: str
    trained_parameters: int
    total_parameters: int
    data: str

    def as_dict(self) -> dict[str, Any]:
        """Return the entry, JSON-ready."""
        return dict(self.__dict__)


def build_encoder(part: Part, *, seed: int, samples: Iterable[Batch] | None = None) -> Encoder:
    """Build the encoder of a part; random weights come from the seed and the part's key.

    Args:
        part: the modality.
        seed: seed of every random weight.
        samples: training samples that an encoder from scratch may calibrate itself on.

    Raises:
        Refusal: the encoder does not take weights from that source.
    """
    kind = "scratch" if part.weights.scratch else "hub" if part.weights.revision else "local"
    if kind not in part.entry.weights:
        raise Refusal("E-CFG-013", file="pipeline", field=f"modalities.{part.key}.encoder.weights",
                      found=part.weights.source,
                      expected=f"weights of {part.entry.name}: {sorted(part.entry.weights)}")  # fmt: skip
    torch.manual_seed(derive_seed(seed, "weights", part.key) % 2**63)
    encoder = part.entry.build(part.encoder_options, part.weights, part.options)
    if samples is not None and part.weights.scratch:
        encoder.calibrate(samples)
    return encoder


def build_tower(
    part: Part, dim: int, *, seed: int, base: Mapping[str, Tensor] | None = None,
    adapt: Adapt | None = None, samples: Iterable[Batch] | None = None,
    token_width: int | None = None,
) -> Tower:  # fmt: skip
    """Build a tower ready to train.

    Args:
        part: the modality.
        dim: E.
        seed: seed of every random weight.
        base: encoder weights from masked pretraining, replacing the built ones.
        adapt: how to adapt, instead of what the pipeline says (controls freeze).
        samples: training samples to calibrate on; a pretrained `base` was calibrated already.
        token_width: width of the encoder's tokens, where the objective compares tokens.
    """
    encoder = build_encoder(part, seed=seed, samples=samples if base is None else None)
    if base is not None:
        encoder.load_state_dict(dict(base), strict=True)
    torch.manual_seed(derive_seed(seed, "adapter", part.key) % 2**63)
    module = adapted(encoder, adapt or part.config.adapt)
    return Tower(module, encoder.width, dim, token_width)


def token_width(part: Part, batch: Batch) -> int:
    """Return the width of an encoder's tokens (of its pooled features, where it gives none)."""
    encoder = build_encoder(part, seed=0).eval()
    with torch.no_grad():
        found = encoder(batch)
    return int(found.pooled.shape[1] if found.tokens is None else found.tokens.shape[2])


def provenance(part: Part, tower: Tower) -> Provenance:
    """Describe a tower."""
    trained, total = counts(tower)
    adapt = part.config.adapt
    name = adapt if isinstance(adapt, str) else json.dumps(adapt.model_dump(mode="json"))
    digest = tensor_digest(base_tensors(tower.encoder))
    return Provenance(
        part.entry.name, part.weights.source, digest, name, trained, total, part.entry.data
    )


def save_tower(part: Part, tower: Tower, folder: Path, *, own_weights: bool) -> None:
    """Save a tower so that peft, safetensors and the workbench can each read their part.

    Args:
        part: the modality.
        tower: what to save.
        folder: gets `adapter/` in peft's own format, `head.safetensors`, and `contract.json` with
            the input contract and the digest of the encoder.
        own_weights: also write `encoder.safetensors`, because the encoder's weights are not those
            of the published file.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    base = {
        k: v.detach().cpu().contiguous().clone() for k, v in base_tensors(tower.encoder).items()
    }
    if isinstance(part.config.adapt, Lora):
        _as_peft(tower.encoder).save_pretrained(str(folder / "adapter"), safe_serialization=True)
    if own_weights:
        save_file(base, str(folder / "encoder.safetensors"))
    head = {k: v.detach().cpu().contiguous() for k, v in tower.head.state_dict().items()}
    save_file(head, str(folder / "head.safetensors"))
    if tower.token_head is not None:
        tokens = {
            k: v.detach().cpu().contiguous() for k, v in tower.token_head.state_dict().items()
        }
        save_file(tokens, str(folder / "tokens.safetensors"))
    contract = {
        "input": part.modality.contract(part.options),
        "base_digest": tensor_digest(base),
        "encoder": part.entry.name,
    }
    write_json(folder / "contract.json", contract)


def load_tower(part: Part, dim: int, folder: Path, *, seed: int) -> Tower:
    """Load what `save_tower` wrote.

    Raises:
        Refusal: another input contract, other base weights, or keys that do not match.
    """
    from safetensors.torch import load_file

    contract = json.loads((folder / "contract.json").read_text())
    compare_contract(contract["input"], part.modality.contract(part.options), part.key)
    encoder = build_encoder(part, seed=seed)
    saved = folder / "encoder.safetensors"
    if saved.is_file():
        _load(encoder, load_file(str(saved)), f"{part.key}/encoder.safetensors")
    _compare_base(encoder, contract["base_digest"], part.key)
    module: nn.Module = encoder
    if (folder / "adapter").is_dir():
        module = _load_adapter(encoder, folder / "adapter", part.key)
    saved_tokens = folder / "tokens.safetensors"
    tokens = load_file(str(saved_tokens)) if saved_tokens.is_file() else None
    width = None if tokens is None else tokens["weight"].shape[1]
    tower = Tower(module, encoder.width, dim, width)
    _load(tower.head, load_file(str(folder / "head.safetensors")), f"{part.key}/head.safetensors")
    if tower.token_head is not None and tokens is not None:
        _load(tower.token_head, tokens, f"{part.key}/tokens.safetensors")
    return tower.eval()


def compare_contract(saved: Any, given: Any, where: str) -> None:
    """Refuse another input contract, naming the first field that differs."""
    saved, given = json.loads(json.dumps(saved)), json.loads(json.dumps(given))
    for name in sorted(set(saved) | set(given)):
        if saved.get(name) != given.get(name):
            raise Refusal("E-CKP-007", file=f"checkpoints/{where}/contract.json", field=name,
                          found=given.get(name), expected=saved.get(name))  # fmt: skip


def _load(module: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Load all tensors or none, naming the first that does not fit."""
    wanted = {k: tuple(v.shape) for k, v in module.state_dict().items()}
    found = {k: tuple(v.shape) for k, v in tensors.items()}
    wrong = sorted(k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k))
    if wrong:
        raise Refusal("E-CKP-008", file=f"checkpoints/{name}", field=wrong[0],
                      found=found.get(wrong[0], "nothing"), expected=wanted.get(wrong[0], "nothing"),
                      fix=f"{len(wrong)} tensors differ; was it trained by another version?")  # fmt: skip
    module.load_state_dict(dict(tensors))


def _compare_base(encoder: Encoder, expected: str, where: str) -> None:
    found = tensor_digest(base_tensors(encoder))
    if found != expected:
        raise Refusal("E-CKP-006", file=f"checkpoints/{where}", field="base weights",
                      found=found, expected=expected,
                      fix="Give the weights that the adapter was trained on.")  # fmt: skip


def _load_adapter(encoder: Encoder, folder: Path, where: str) -> nn.Module:
    """Load a peft adapter; keys that peft would only warn about are refused."""
    import peft
    from safetensors import safe_open

    model = peft.PeftModel.from_pretrained(encoder, str(folder))
    with safe_open(str(folder / "adapter_model.safetensors"), "pt") as stored:
        saved = set(stored.keys())
    wanted = set(peft.get_peft_model_state_dict(model))
    if saved != wanted:
        raise Refusal("E-CKP-008", file=f"checkpoints/{where}/adapter", field="adapter keys",
                      found=f"unexpected {sorted(saved - wanted)[:5]}",
                      expected=f"missing {sorted(wanted - saved)[:5]}")  # fmt: skip
    return model


def _as_peft(module: nn.Module) -> PeftModel:
    import peft

    if not isinstance(module, peft.PeftModel):
        raise TypeError(f"expected a PeftModel, found {type(module).__name__}")
    return module
