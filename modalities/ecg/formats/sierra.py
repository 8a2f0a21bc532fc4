"""Reads Philips Sierra ECG XML whose leads are stored plainly; the XLI-compressed kind is refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from modalities.ecg.formats.muse import decode_int16
from modalities.ecg.formats.xml_text import anywhere, text_of
from modalities.ecg.leads import LEADS
from modalities.ecg.options import ECGOptions
from modalities.ecg.recording import Channel, Recording, check_size, checked_rate
from workbench.errors import BadInput


def read_sierra(root: Any, name: str, options: ECGOptions) -> Recording:
    """Read the parsed waveforms: leads one after another, int16, in steps of some microvolts.

    Raises:
        BadInput: compressed leads (E-ECG-102), no waveform, or a length that no lead count divides.
    """
    waves = next(anywhere(root, "parsedwaveforms"), None)
    if waves is None:
        raise BadInput(
            "E-ECG-025", file=name, field="parsedwaveforms", found="none", expected="one"
        )
    if (
        waves.get("compressflag", "").lower() == "true"
        or waves.get("compression", "none") != "none"
    ):
        # version 1.03 writes a flag and a method, 1.04 one word; the codec's owner publishes neither
        method = waves.get("compressmethod") or waves.get("compression")
        raise BadInput(
            "E-ECG-102", file=name, field="parsedwaveforms", found=f"compression {str(method)[:8]!r}",
            expected="uncompressed leads",
            fix="Export the recording without compression, or as DICOM or aECG.",
        )  # fmt: skip
    labels = str(waves.get("leadlabels", "")).split() or list(LEADS)
    rate_hz = checked_rate(text_of(root, "samplingrate"), name=name, field="samplingrate")
    try:
        step_uv = float(text_of(root, "signalresolution") or text_of(root, "resolution"))
    except ValueError:
        step_uv = 0.0
    if not step_uv > 0:
        raise BadInput(
            "E-ECG-009", file=name, field="signalresolution", found="none or 0",
            expected="microvolts per step",
        )  # fmt: skip
    coded = waves.text or ""
    check_size(len(coded) * 3 // 8, 1, limit=options.max_samples, name=name)
    stored = decode_int16(coded, name=name, field="parsedwaveforms")
    if len(stored) % len(labels):
        raise BadInput(
            "E-ECG-006", file=name, field="parsedwaveforms", found=f"{len(stored)} samples",
            expected=f"a multiple of {len(labels)} leads",
        )  # fmt: skip
    values = stored.reshape(len(labels), -1).astype(np.float64) * (step_uv * 1e-3)
    channels = tuple(Channel(lead, row, rate_hz) for lead, row in zip(labels, values, strict=True))
    return Recording("Sierra", channels)
