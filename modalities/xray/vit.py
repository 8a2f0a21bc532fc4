"""Vision transformers through the transformers library, fed by this modality's own tensors.

Legend: B batch, T patch tokens, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from modalities.drop_tokens import both, thinned
from modalities.pretrained import load_transformer
from modalities.xray.batches import token_valid
from modalities.xray.encoder_options import VitOptions
from modalities.xray.encoders import cut_patches
from modalities.xray.options import XrayOptions
from workbench.encoder import Encoder, Features, masked_mean
from workbench.errors import Failure
from workbench.modality import Batch, Options, Weights

# what LoRA wraps by `model_type`: the projections of attention, by the names each family gives them
LORA_TARGETS = {
    "vit": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "deit": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "dinov2": ("query", "key", "value"),
    "clip_vision_model": ("q_proj", "k_proj", "v_proj", "out_proj"),
    "siglip_vision_model": ("q_proj", "k_proj", "v_proj", "out_proj"),
}
_ATTENTION = (("query", "key", "value"), ("q_proj", "k_proj", "v_proj"), ("qkv",))


class Vit(Encoder):
    """A vision model of transformers whose last hidden state is one row per patch.

    Args:
        model: a model that takes `pixel_values` and returns `last_hidden_state`.
        preset_size: side of the pictures it will see, in pixels.
        pool: "cls" or "mean".
        drop_tokens: share of the patch tokens left out in training; padding is drawn like picture,
            because these models see it.
    """

    def __init__(
        self, model: nn.Module, preset_size: int, pool: str, *, drop_tokens: float = 0.0
    ) -> None:
        super().__init__()
        config: Any = model.config
        self.model = model
        self.width = int(config.hidden_size)
        self.patch = int(config.patch_size)
        self.pool = pool
        self.drop_tokens = drop_tokens
        self.tokens = (preset_size // self.patch) ** 2
        self.resize = preset_size != int(config.image_size)
        self.lora_targets = _targets(model, str(config.model_type))

    def forward(self, batch: Batch) -> Features:
        """Encode (B, C, H, W); leading class and register tokens are left out of the tokens."""
        valid, kept = token_valid(batch, self.patch), None
        if self.training and self.drop_tokens:
            with thinned(self.blocks()[0], self.drop_tokens, tokens=self.tokens) as found:
                hidden = self._hidden(batch)
            (kept,) = found
        else:
            hidden = self._hidden(batch)
        leading = hidden.shape[1] - (self.tokens if kept is None else kept.index.shape[1])
        tokens = hidden[:, leading:]
        if kept is not None:
            tokens, valid = kept.put_back(tokens), both(kept.places(), valid)
        pooled = hidden[:, 0] if self.pool == "cls" and leading else masked_mean(tokens, valid)
        return Features(pooled, tokens, valid)

    def _hidden(self, batch: Batch) -> Tensor:
        extra = {"interpolate_pos_encoding": True} if self.resize else {}
        hidden: Tensor = self.model(pixel_values=batch.values, **extra).last_hidden_state
        return hidden

    def blocks(self) -> Sequence[nn.Module]:
        """Return the longest list of layers of the model: its transformer blocks."""
        lists = [list(part) for part in self.model.modules() if isinstance(part, nn.ModuleList)]
        return max(lists, key=len)

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, C, H, W) into (B, T, C * patch * patch), row by row."""
        return cut_patches(values, self.patch)


def vit(encoder_options: Options, weights: Weights, options: XrayOptions) -> Encoder:
    """Build a ViT from numbers, or load one from a folder or a pinned hub snapshot.

    Raises:
        Refusal: weights that cannot be trusted or do not fit (see `modalities.pretrained`).
        Failure: the picture's side or channels do not suit the model.
    """
    if not isinstance(encoder_options, VitOptions):
        raise Failure(f"vit takes VitOptions, not {type(encoder_options).__name__}")
    preset = options.preset
    if weights.scratch:
        model = _from_scratch(encoder_options, preset.size, preset.channels)
    else:
        loaded = load_transformer(weights)
        # a two-tower checkpoint (CLIP, SigLIP) brings its vision half along
        model = getattr(loaded, "vision_model", loaded)
    config: Any = model.config
    channels = int(getattr(config, "num_channels", 3))
    if preset.size % int(config.patch_size) or channels != preset.channels:
        raise Failure(
            f"this ViT wants {channels} channels and a side that {config.patch_size} divides, "
            f"but the options give {preset.channels} and {preset.size}; set channels: and size:"
        )
    drop = encoder_options.drop_tokens
    return Vit(model, preset.size, encoder_options.pool, drop_tokens=drop)


def _from_scratch(shape: VitOptions, size: int, channels: int) -> nn.Module:
    """Return a randomly initialised ViT without its unused pooler."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=shape.width, num_hidden_layers=shape.depth, num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width, image_size=size, patch_size=shape.patch,
        num_channels=channels, qkv_bias=shape.qkv_bias,
    )  # fmt: skip
    model: nn.Module = ViTModel(config, add_pooling_layer=False)
    return model


def _targets(model: nn.Module, model_type: str) -> tuple[str, ...]:
    """Return LoRA's targets: the family's, where the model has them, else what attention has."""
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    for wanted in (LORA_TARGETS.get(model_type, ()), *_ATTENTION):
        if wanted and set(wanted) <= names:
            return tuple(wanted)
    raise Failure(f"no attention projections are known in a {model_type!r} model")
