"""The ECG modality: twelve leads in millivolts, from any common file format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modalities.ecg import near as nearness
from modalities.ecg.encoder_options import ResnetOptions, TinyOptions, Vit1dOptions
from modalities.ecg.leads import ORDERS
from modalities.ecg.options import ECGOptions
from modalities.ecg.read import LIMIT_MV, peek_ecg, read_ecg
from modalities.ecg.synth import FINDINGS, write_finding
from modalities.ecg.views import draw, hide, stack, vary
from workbench.fingerprint import Fingerprint
from workbench.modality import Batch, EncoderEntry, Masked, Modality, Sample, Source, Spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ENCODERS: tuple[EncoderEntry[ECGOptions], ...] = (
    EncoderEntry(
        name="vit1d_tiny", builder="modalities.ecg.encoders:build_vit1d", options=TinyOptions,
        summary="ViT over time, depth 3, width 64, 0.2 s patches over all leads; trains on a CPU",
        weights=frozenset({"scratch", "local"}),
    ),
    EncoderEntry(
        name="vit1d", builder="modalities.ecg.encoders:build_vit1d", options=Vit1dOptions,
        summary="ViT-B over time, depth 12, width 768, 5-sample patches, the size of MoRE's ECG tower",
        weights=frozenset({"scratch", "local"}),
    ),
    EncoderEntry(
        name="resnet1d", builder="modalities.ecg.resnet:build_resnet1d", options=ResnetOptions,
        summary="resnet1d_wang of the PTB-XL benchmark, 128 channels, group norm in place of batch norm",
        weights=frozenset({"scratch", "local"}),
    ),
)  # fmt: skip


class Ecg(Modality[ECGOptions]):
    """Twelve-lead ECGs, rows by lead name, columns by time."""

    spec = Spec("ecg", "lead time", "float32", "mV", -LIMIT_MV, LIMIT_MV, "path")
    options = ECGOptions
    encoders: Mapping[str, EncoderEntry[ECGOptions]] = {entry.name: entry for entry in _ENCODERS}
    findings = FINDINGS
    near_at = nearness.CORRELATED

    def read(self, source: Source, options: ECGOptions) -> Sample:
        """Decode a record; see `modalities.ecg.read.read_ecg`."""
        return read_ecg(source, options)

    def peek(self, source: Source, options: ECGOptions) -> None:
        """Check the header without decoding samples."""
        peek_ecg(source, options)

    def collate(self, samples: Sequence[Sample], options: ECGOptions) -> Batch:
        """Stack samples, which all have the options' length."""
        return stack(list(samples))

    def augment(self, sample: Sample, rng: np.random.Generator, options: ECGOptions) -> Sample:
        """Vary what carries no diagnosis; see `modalities.ecg.views.vary`."""
        return vary(sample, rng)

    def mask(
        self, batch: Batch, rng: np.random.Generator, options: ECGOptions, *, ratio: float
    ) -> Masked:
        """Hide lead x time segments; see `modalities.ecg.views.hide`."""
        del options
        return hide(batch, rng, ratio)

    def contract(self, options: ECGOptions) -> dict[str, Any]:
        """Return rate, length, lead order, unit and scaling."""
        scaled = options.normalise == "global_zscore"
        return {
            "rate_hz": options.rate_hz,
            "seconds": options.seconds,
            "start_s": options.start_s,
            "leads": list(ORDERS[options.lead_order]),
            "unit": "mV",
            "baseline": options.baseline,
            "normalise": options.normalise,
            "mean_mv": options.mean_mv if scaled else None,
            "std_mv": options.std_mv if scaled else None,
            "resampling": "polyphase, Kaiser beta 5, half length 10",
        }

    def synthesize(self, finding: str, rng: np.random.Generator, folder: Path) -> str:
        """Write a WFDB record showing a finding; see `modalities.ecg.synth`."""
        return write_finding(finding, rng, folder)

    def preview(self, sample: Sample) -> Figure:
        """Draw the twelve leads."""
        return draw(sample, sample.meta.get("leads", ORDERS["standard"]))

    def fingerprint(self, sample: Sample, options: ECGOptions) -> Fingerprint:
        """Return what a shift in time leaves; see `modalities.ecg.near`."""
        del options
        return nearness.fingerprint(sample)

    def near(self, a: Sample, b: Sample, options: ECGOptions) -> float:
        """Return the correlation of two recordings after alignment."""
        del options
        return nearness.near(a, b)


ECG = Ecg()
