from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from modalities.oct.entries import OctCubeOptions
from modalities.oct.octcube import OctCubeVit, build_octcube, fuse, rename
from modalities.oct.options import OctOptions
from workbench.errors import Refusal
from workbench.modality import Batch, Weights

SMALL = OctCubeOptions(width=16, depth=2, heads=2, spatial_grid=(4, 4), temporal_grid=4)
INPUT = OctOptions(size=(12, 64, 64))


def published(encoder: OctCubeVit, *, attention: str = "mixer") -> dict[str, torch.Tensor]:
    """Write an encoder's weights under the published keys, with a decoder and the 2-D branch."""
    out = {"mask_token": torch.zeros(1, 1, 8), "decoder_blocks.0.norm1.weight": torch.ones(8)}
    out["high_res_patch_embed.proj.weight"] = torch.zeros(16, 3, 16, 16)
    for key, value in encoder.state_dict().items():
        key = key.replace("trunk.", "blocks.")
        if "mixer" not in key or attention == "mixer":
            out[key] = value.clone()
        elif attention == "qkv" or "out_proj" in key:
            out[key.replace("mixer.Wqkv", "attn.qkv").replace("mixer.out_proj", "attn.proj")] = (
                value.clone()
            )
        else:
            for name, part in zip("qkv", value.chunk(3), strict=True):
                out[key.replace("mixer.Wqkv", f"attn.{name}")] = part.clone()
    return out


@pytest.fixture
def encoder() -> OctCubeVit:
    torch.manual_seed(0)
    made = OctCubeVit(SMALL).eval()
    torch.nn.init.normal_(made.cls_token)
    torch.nn.init.normal_(made.pos_embed_class)
    return made


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "OCTCube.pth").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(Refusal, match="safetensors"):
        build_octcube(SMALL, Weights(str(tmp_path / "OCTCube.pth")), INPUT)


def test_missing_unexpected_and_reshaped_keys_are_listed(tmp_path: Path, encoder) -> None:
    tensors = published(encoder)
    del tensors["norm.bias"]
    tensors["surprise"] = torch.zeros(1)
    tensors["cls_token"] = torch.zeros(1, 1, 8)
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(Refusal) as caught:
        build_octcube(SMALL, Weights(str(tmp_path / "w.safetensors")), INPUT)
    for key in ("norm.bias", "surprise", "cls_token"):
        assert key in str(caught.value)


@pytest.mark.parametrize("attention", ["mixer", "qkv", "separate"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_every_published_layout_gives_the_same_features(
    tmp_path: Path, encoder, attention: str, prefix: str
) -> None:
    tensors = {prefix + k: v for k, v in published(encoder, attention=attention).items()}
    save_file(tensors, tmp_path / "w.safetensors")
    loaded = build_octcube(SMALL, Weights(str(tmp_path / "w.safetensors")), INPUT).eval()
    batch = Batch(torch.rand(2, 1, 12, 64, 64))
    torch.testing.assert_close(loaded(batch).pooled, encoder(batch).pooled)


def test_key_map_of_the_published_names() -> None:
    assert rename("blocks.23.mixer.Wqkv.weight") == "trunk.23.mixer.Wqkv.weight"
    assert rename("patch_embed.proj.bias") == "patch_embed.proj.bias"
    for key in ("decoder_pred.weight", "mask_token", "high_res_patch_embed.proj.bias"):
        assert rename(key) is None
    three = {f"blocks.0.attn.{p}.bias": torch.full((2,), float(n)) for n, p in enumerate("qkv")}
    assert fuse(three)["blocks.0.mixer.Wqkv.bias"].tolist() == [0, 0, 1, 1, 2, 2]


def by_hand(encoder: OctCubeVit, values: torch.Tensor, final_residual: bool) -> torch.Tensor:
    """The published forward: blocks hand on (MLP output, residual); the last residual is dropped."""
    x = functional.conv3d(
        values,
        encoder.patch_embed["proj"].weight,
        encoder.patch_embed["proj"].bias,
        stride=(3, 16, 16),
    )
    B, C, d, h, w = x.shape
    x = torch.stack([x[:, :, i, j, k] for i in range(d) for j in range(h) for k in range(w)], 1)
    space = encoder.pos_embed_spatial.repeat(1, d, 1)
    time = encoder.pos_embed_temporal.repeat_interleave(h * w, dim=1)
    first = (encoder.cls_token + encoder.pos_embed_class).expand(B, -1, -1)
    hidden, residual = torch.cat([first, x + space + time], 1), torch.zeros(())
    for block in encoder.trunk:
        residual = hidden + residual
        y = functional.layer_norm(residual, (C,), block.norm1.weight, block.norm1.bias, 1e-6)
        q, k, v = block.mixer.Wqkv(y).reshape(B, -1, 3, 2, C // 2).unbind(2)
        score = torch.einsum("bthc,bshc->bhts", q, k) / (C // 2) ** 0.5
        y = torch.einsum("bhts,bshc->bthc", score.softmax(-1), v).reshape(B, -1, C)
        residual = block.mixer.out_proj(y) + residual
        y = functional.layer_norm(residual, (C,), block.norm2.weight, block.norm2.bias, 1e-6)
        hidden = block.mlp.fc2(functional.gelu(block.mlp.fc1(y)))
    out = hidden + residual if final_residual else hidden
    mean = out[:, 1:].mean(1)
    return functional.layer_norm(mean, (C,), encoder.norm.weight, encoder.norm.bias, 1e-6)


@pytest.mark.parametrize("final_residual", [False, True])
def test_forward_equals_flash_attention_blocks_written_by_hand(final_residual: bool) -> None:
    torch.manual_seed(1)
    encoder = OctCubeVit(SMALL.model_copy(update={"final_residual": final_residual})).eval()
    values = torch.rand(2, 1, 12, 64, 64)
    expected = by_hand(encoder, values, final_residual)
    torch.testing.assert_close(encoder(Batch(values)).pooled, expected, atol=1e-5, rtol=1e-4)


def test_positions_are_interpolated_or_cropped(encoder) -> None:
    d, h, w = 2, 2, 3
    mixed = encoder.positions(d, h, w)
    assert mixed.shape == (1, 12, 16)
    space = functional.interpolate(
        encoder.pos_embed_spatial.reshape(1, 4, 4, 16).permute(0, 3, 1, 2), size=(h, w),
        mode="bicubic", align_corners=False,
    )  # fmt: skip
    time = functional.interpolate(
        encoder.pos_embed_temporal.transpose(1, 2), size=d, mode="linear", align_corners=False
    )
    expected = time[0, :, 1] + space[0, :, 1, 2]
    torch.testing.assert_close(mixed[0, 1 * h * w + 1 * w + 2], expected)
    encoder.temporal = "crop"
    cropped = encoder.positions(2, 4, 4)[0, 0]
    torch.testing.assert_close(
        cropped, encoder.pos_embed_temporal[0, 1] + encoder.pos_embed_spatial[0, 0]
    )


def test_published_size_is_vit_large(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        encoder = OctCubeVit(OctCubeOptions())
    count = sum(p.numel() for p in encoder.parameters())
    assert len(encoder.trunk) == 24
    assert encoder.pos_embed_spatial.shape == (1, 1024, 1024)
    assert 300e6 < count < 310e6
