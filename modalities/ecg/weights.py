"""Loads local safetensors into an ECG encoder, every key accounted for."""

from __future__ import annotations

from modalities.pretrained import load_strict, locate, read_tensors
from workbench.encoder import Encoder
from workbench.modality import Weights


def load_local(encoder: Encoder, weights: Weights) -> None:
    """Fill an encoder from a local file.

    Raises:
        Refusal: no safetensors, or keys missing, unexpected or reshaped.
    """
    tensors = read_tensors(locate(weights), name=weights.source)
    load_strict(encoder, tensors, name=weights.source)
