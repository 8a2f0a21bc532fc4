"""OCTCube's spatio-temporal vision transformer, with its published checkpoint layout.

Source: ZucksLiu/OCTCubeM@a49ed8b, Pre-training/models_mae_joint_res_flash_attn.py.
Legend: B batch, T tokens, C feature width; d, h, w the grid of cubes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from modalities.drop_tokens import draw_kept
from modalities.layers import TransformerBlock, resize_grid, resize_line
from modalities.oct.cubes import CUBE, cut, pad_to, token_valid
from modalities.oct.entries import OctCubeOptions
from modalities.oct.options import OctOptions
from workbench.encoder import Encoder, Features, masked_mean
from workbench.modality import Batch, Weights

# parts of the published file that encoding does not use: the decoder and the 2-D branch
_DROPPED = re.compile(
    r"^(mask_token|decoder_|high_res_patch_embed\.|fc_aggregate_cls|aggregate_cls_norm|head\.)"
)
_BLOCK = re.compile(r"^(blocks\.\d+)\.attn\.(qkv|proj|q|k|v)\.(weight|bias)$")


class OctCubeVit(Encoder):
    """Patches of 3 x 16 x 16, separate spatial and temporal positions, one class token.

    Pooled features are `norm` of the mean over patch tokens: the mean is taken before `norm`, as
    the published classifier does.
    """

    lora_targets = ("mixer.Wqkv", "mixer.out_proj")

    def __init__(self, options: OctCubeOptions) -> None:
        super().__init__()
        C = options.width
        self.width = C
        self.drop_tokens = options.drop_tokens
        self.spatial_grid = options.spatial_grid
        self.temporal = options.temporal
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv3d(1, C, CUBE, stride=CUBE)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, C))
        self.pos_embed_class = nn.Parameter(torch.zeros(1, 1, C))
        places = options.spatial_grid[0] * options.spatial_grid[1]
        self.pos_embed_spatial = nn.Parameter(torch.randn(1, places, C) * 0.02)
        self.pos_embed_temporal = nn.Parameter(torch.randn(1, options.temporal_grid, C) * 0.02)
        last = options.depth - 1
        skip = [n < last or options.final_residual for n in range(options.depth)]
        heads = options.heads
        self.trunk = nn.ModuleList(TransformerBlock(C, heads, final_residual=s) for s in skip)
        self.norm = nn.LayerNorm(C, eps=1e-6)

    def forward(self, batch: Batch) -> Features:
        """Encode (B, 1, D, H, W); tokens are those of the last block, before `norm`."""
        x = self.patch_embed["proj"](pad_to(batch.values, CUBE))
        d, h, w = x.shape[2:]
        x = x.flatten(2).transpose(1, 2) + self.positions(d, h, w)
        valid, kept = token_valid(batch, CUBE), None
        if self.training and self.drop_tokens:
            kept = draw_kept(x, valid, self.drop_tokens)
            x, valid = kept.take(x), kept.valid
        first = (self.cls_token + self.pos_embed_class).expand(len(x), -1, -1)
        x = torch.cat([first, x], dim=1)
        seen = None if valid is None else torch.cat([valid[:, :1] | True, valid], dim=1)
        for block in self.trunk:
            x = block(x, seen)
        tokens = x[:, 1:]
        pooled = self.norm(masked_mean(tokens, valid))
        if kept is not None:
            return Features(pooled, kept.put_back(tokens), kept.places())
        return Features(pooled, tokens, valid)

    def positions(self, d: int, h: int, w: int) -> Tensor:
        """Return position vectors (1, d * h * w, C), bicubic in space, linear or cropped in time."""
        space = resize_grid(self.pos_embed_spatial, self.spatial_grid, (h, w))
        time: Tensor = self.pos_embed_temporal
        have = time.shape[1]
        if self.temporal == "crop" and d < have:
            start = (have - d) // 2
            time = time[:, start : start + d]
        else:
            time = resize_line(time, d)
        return (time.unsqueeze(2) + space.unsqueeze(1)).flatten(1, 2)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the patch embedding, then the transformer blocks."""
        return [self.patch_embed, *self.trunk]

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, 1, D, H, W) into the voxels of each cube, (B, T, 768)."""
        return cut(pad_to(values, CUBE), CUBE)


def build_octcube(
    encoder_options: OctCubeOptions, weights: Weights, options: OctOptions
) -> Encoder:
    """Build `octcube_vit`, from scratch or from a local safetensors file.

    Raises:
        Refusal: the file is no safetensors file, or its keys do not fit.
    """
    del options
    encoder = OctCubeVit(encoder_options)
    if not weights.scratch:
        from modalities.pretrained import load_strict, locate, read_tensors

        tensors = read_tensors(locate(weights), name=weights.source)
        load_strict(encoder, fuse(tensors), name=weights.source, rename=rename)
    return encoder


def rename(key: str) -> str | None:
    """Return this encoder's key of a published one, or None for what encoding does not use.

    A leading `model.` or `visual.` (the OCTCube-IR tower) is taken off.
    """
    key = re.sub(r"^(model|visual)\.(trunk\.)?", "", key)
    if _DROPPED.match(key):
        return None
    return re.sub(r"^blocks\.", "trunk.", key)


def fuse(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring the attention of non-flash variants to `mixer.Wqkv` and `mixer.out_proj`.

    `attn.qkv` is renamed; `attn.q`, `attn.k`, `attn.v` are stacked in this order; `attn.proj`
    becomes `mixer.out_proj`.
    """
    out: dict[str, Tensor] = {}
    parts: dict[tuple[str, str], dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        bare = re.sub(r"^(model|visual)\.(trunk\.)?", "", key)
        found = _BLOCK.match(bare)
        if not found:
            out[bare] = tensor
            continue
        block, part, kind = found.groups()
        if part in ("q", "k", "v"):
            parts.setdefault((block, kind), {})[part] = tensor
        else:
            target = {"qkv": "Wqkv", "proj": "out_proj"}[part]
            out[f"{block}.mixer.{target}.{kind}"] = tensor
    for (block, kind), three in parts.items():
        out[f"{block}.mixer.Wqkv.{kind}"] = torch.cat([three[p] for p in "qkv" if p in three])
    return out
