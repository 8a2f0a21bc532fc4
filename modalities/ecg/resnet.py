"""A residual network over time, resnet1d_wang of the PTB-XL benchmark, with group norm.

Sizes as published (helme/ecg_ptbxl_benchmarking; Wang et al. 2017, arXiv 1611.06455): a stem of 128 channels
and kernel 7, then three stages of one block each with 128 channels, kernels 5 and 3, stride 2 from the second
stage on. The published batch norm is group norm here, so that an output never depends on the batch;
published weights therefore do not load.

Legend: B batch, C channels, L samples, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from modalities.ecg.encoder_options import ResnetOptions
from modalities.ecg.options import ECGOptions
from workbench.encoder import Encoder, Features, masked_mean
from workbench.modality import Batch, Weights

_STEM = 7


class Resnet1d(Encoder):
    """Residual blocks over time; a token is one place of the last feature map.

    Args:
        options: sizes.
    """

    lora_targets = ("stem", "conv1", "conv2")

    def __init__(self, options: ResnetOptions) -> None:
        super().__init__()
        self.width = options.width
        self.step = 2 ** (options.stages - 1)
        self.stem = nn.Conv1d(12, options.width, _STEM, padding=_STEM // 2, bias=False)
        self.norm = ChannelNorm(options.width, options.groups)
        self.layers = nn.ModuleList(
            Block(options.width, options.groups, stride=1 if stage == 0 else 2)
            for stage in range(options.stages)
        )

    def forward(self, batch: Batch) -> Features:
        """Encode (B, 12, L) into L / step tokens."""
        values, valid = batch.values, batch.valid
        if valid is not None:
            values = values * valid
        x = self.norm(self.stem(_padded(values, self.step))).relu()
        for layer in self.layers:
            x = layer(x)
        tokens = x.transpose(1, 2)
        valid_BT = None
        if valid is not None:
            valid_BT = self.patchify(valid.expand(values.shape)).any(dim=2)
        return Features(masked_mean(tokens, valid_BT), tokens, valid_BT)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the residual blocks."""
        return list(self.layers)

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, 12, L) into (B, T, 12 * step), the end padded with 0."""
        padded = _padded(values, self.step)
        rows, leads, length = padded.shape
        cut = padded.reshape(rows, leads, length // self.step, self.step)
        return cut.transpose(1, 2).reshape(rows, length // self.step, leads * self.step)


class Block(nn.Module):
    """Two convolutions and a shortcut; with stride 2 the map gets half as long."""

    def __init__(self, width: int, groups: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 5, stride=stride, padding=2, bias=False)
        self.norm1 = ChannelNorm(width, groups)
        self.conv2 = nn.Conv1d(width, width, 3, padding=1, bias=False)
        self.norm2 = ChannelNorm(width, groups)
        self.shortcut = (
            nn.Conv1d(width, width, 1, stride=stride, bias=False) if stride > 1 else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, L / stride)."""
        y = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        return F.relu(y + self.shortcut(x))


class ChannelNorm(nn.Module):
    """Group norm at each time step alone, so that padding elsewhere changes nothing."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, width)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, L) over the channels of a group."""
        rows, channels, length = x.shape
        flat = x.transpose(1, 2).reshape(rows * length, channels)
        out: Tensor = self.norm(flat).reshape(rows, length, channels).transpose(1, 2)
        return out


def build_resnet1d(
    encoder_options: ResnetOptions, weights: Weights, options: ECGOptions
) -> Encoder:
    """Build the network, from scratch or from a local safetensors file of its own.

    Raises:
        Refusal: weights that do not fit, key by key.
    """
    del options  # the network takes any length
    encoder = Resnet1d(encoder_options)
    if not weights.scratch:
        from modalities.ecg.weights import load_local

        load_local(encoder, weights)
    return encoder


def _padded(values: Tensor, step: int) -> Tensor:
    rest = -values.shape[-1] % step
    return F.pad(values, (0, rest)) if rest else values
