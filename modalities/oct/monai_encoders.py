"""Encoders built from MONAI networks; importing MONAI takes seconds, so only builders do it.

Legend: B batch, T tokens, C feature width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from modalities.drop_tokens import both, thinned
from modalities.oct.cubes import CUBE, cut, pad_to, token_valid
from modalities.oct.entries import MonaiVitOptions, SwinOptions
from modalities.oct.options import OctOptions
from workbench.encoder import Encoder, Features, masked_mean
from workbench.errors import Refusal
from workbench.modality import Batch, Weights

SWIN_STRIDE = 32


class MonaiVit3d(Encoder):
    """MONAI's ViT over cubes of 3 x 16 x 16, for the input shape it was built for.

    Cubes without real voxels are drawn like others by `drop_tokens`, because it sees them.
    """

    lora_targets = ("attn.qkv", "attn.out_proj", "linear1", "linear2")

    def __init__(self, network: Any, width: int, *, drop_tokens: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.width = width
        self.drop_tokens = drop_tokens

    def forward(self, batch: Batch) -> Features:
        """Return the mean over the real tokens; attention does not see what is not valid as such."""
        values, valid = pad_to(batch.values, CUBE), token_valid(batch, CUBE)
        if self.training and self.drop_tokens:
            total = math.prod(n // side for n, side in zip(values.shape[2:], CUBE, strict=True))
            with thinned(self.network.blocks[0], self.drop_tokens, tokens=total) as found:
                tokens, _ = self.network(values)
            tokens = found[0].put_back(tokens)
            valid = both(found[0].places(), valid)
        else:
            tokens, _ = self.network(values)
        return Features(masked_mean(tokens, valid), tokens, valid)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the patch embedding, then the transformer blocks."""
        return [self.network.patch_embedding, *self.network.blocks]

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, 1, D, H, W) into the voxels of each cube, (B, T, 768)."""
        return cut(pad_to(values, CUBE), CUBE)


class MonaiSwinUnetr(Encoder):
    """The Swin transformer of SwinUNETR; tokens are its deepest feature map, one per 32^3 voxels."""

    lora_targets = ("attn.qkv", "attn.proj", "mlp.linear1", "mlp.linear2")

    def __init__(self, network: Any, width: int) -> None:
        super().__init__()
        self.network = network
        self.width = width

    def forward(self, batch: Batch) -> Features:
        """Return the mean over the cells of the bottleneck that hold real voxels."""
        cube = (SWIN_STRIDE,) * 3
        deepest = self.network(pad_to(batch.values, cube), True)[-1]
        tokens = deepest.flatten(2).transpose(1, 2)
        valid = token_valid(batch, cube)
        return Features(masked_mean(tokens, valid), tokens, valid)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the patch embedding, then the four stages."""
        net = self.network
        return [net.patch_embed, net.layers1, net.layers2, net.layers3, net.layers4]

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, 1, D, H, W) into the voxels of each bottleneck cell, (B, T, 32768)."""
        cube = (SWIN_STRIDE,) * 3
        return cut(pad_to(values, cube), cube)


def build_vit(encoder_options: MonaiVitOptions, weights: Weights, options: OctOptions) -> Encoder:
    """Build `monai_vit3d` for the input shape of the modality's options."""
    from monai.networks.nets.vit import ViT

    size = tuple(-(-n // side) * side for n, side in zip(options.shape, CUBE, strict=True))
    network = ViT(
        in_channels=1, img_size=size, patch_size=CUBE, hidden_size=encoder_options.width,
        mlp_dim=4 * encoder_options.width, num_layers=encoder_options.depth,
        num_heads=encoder_options.heads, proj_type="conv", qkv_bias=True,
    )  # fmt: skip
    drop = encoder_options.drop_tokens
    encoder = MonaiVit3d(network, encoder_options.width, drop_tokens=drop)
    _load(encoder.network, weights)
    return encoder


def build_swin(encoder_options: SwinOptions, weights: Weights, options: OctOptions) -> Encoder:
    """Build `monai_swin_unetr`'s encoder; the decoder of the published network is left out."""
    del options
    from monai.networks.nets.swin_unetr import SwinTransformer

    network = SwinTransformer(
        in_chans=1, embed_dim=encoder_options.width, window_size=(7, 7, 7), patch_size=(2, 2, 2),
        depths=encoder_options.depths, num_heads=encoder_options.heads, spatial_dims=3,
        use_checkpoint=encoder_options.checkpointing,
    )  # fmt: skip
    encoder = MonaiSwinUnetr(network, 16 * encoder_options.width)
    _load(encoder.network, weights)
    return encoder


def swin_key(key: str) -> str | None:
    """Return the Swin transformer's key of a SwinUNETR key, or None for its decoder."""
    key = key.removeprefix("module.")
    if key.startswith("swinViT."):
        return key.removeprefix("swinViT.")
    return None if key.startswith(("encoder", "decoder", "out.")) else key


def _load(network: nn.Module, weights: Weights) -> None:
    """Fill a network from a local safetensors file, strictly."""
    if weights.scratch:
        return
    from modalities.pretrained import load_strict, locate, read_tensors

    tensors = read_tensors(locate(weights), name=weights.source)
    channels = {v.shape[1] for k, v in tensors.items() if k.endswith("patch_embed.proj.weight")}
    if channels - {1}:
        raise Refusal(
            "E-CKP-007", file=weights.source, field="input channels", found=sorted(channels),
            expected=1,
        )  # fmt: skip
    load_strict(network, tensors, name=weights.source, rename=swin_key)
