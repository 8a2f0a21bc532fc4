"""BERT over k-mers: BarcodeBERT and the DNA tower of CLIBD, at their published sizes.

Legend: B batch, L bases, T tokens, W feature width, K bases per token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from modalities.dna.alphabet import HIDDEN, UNKNOWN
from modalities.dna.entries import BertOptions
from modalities.dna.kmers import MASK_ID, SPECIALS, token_count, unknown_id, vocabulary_size
from modalities.dna.options import DnaOptions
from workbench.encoder import Encoder, Features, masked_mean
from workbench.errors import Refusal
from workbench.modality import Batch, Weights

_PREFIX = re.compile(r"^(module\.)?(dna_encoder\.base_dna_encoder\.)?(bert\.)?")
_UNUSED = ("classifier.", "cls.", "pooler.", "embeddings.position_ids")
_OTHER_TOWERS = ("image_encoder.", "language_encoder.", "logit_scale")
_LORA = re.compile(r"\.(query|value)\.(w|w_a|w_b)\.weight$")


class KmerTokens(nn.Module):
    """Turns base codes (B, L) into token ids (B, T), as `modalities.dna.kmers.tokenize` does.

    Args:
        options: k, stride and vocabulary.
    """

    powers: Tensor

    def __init__(self, options: BertOptions) -> None:
        super().__init__()
        self.k, self.stride = options.k, options.stride or options.k
        self.first = len(SPECIALS[options.vocabulary])
        self.unknown = unknown_id(options.vocabulary)
        self.register_buffer("powers", 4 ** torch.arange(options.k - 1, -1, -1), persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Return token ids; a k-mer with a hidden base is the mask, else one with N is unknown."""
        windows = self.cut(codes)
        ids = (windows * self.powers).sum(dim=-1) + self.first
        ids = ids.masked_fill((windows >= UNKNOWN).any(dim=-1), self.unknown)
        return ids.masked_fill((windows == HIDDEN).any(dim=-1), MASK_ID)

    def cut(self, values: Tensor) -> Tensor:
        """Cut (B, L) into the bases under each token, (B, T, K)."""
        return values.unfold(1, self.k, self.stride)


class BarcodeBert(Encoder):
    """The encoder of `BertForTokenClassification` over k-mers, without its head.

    With "masked" pooling, attention and average see the first `bases // stride` tokens of each
    barcode, as BarcodeBERT's attention mask does; with "compat" they see padding too, as CLIBD and
    the snippets beside the published weights do.
    """

    lora_targets = ("query", "value")

    def __init__(self, options: BertOptions) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        self.width = options.width
        self.pooling = options.pooling
        self.cut = KmerTokens(options)
        self.leading = {"none": None, "mask": 0, "cls": 1}[options.leading]
        config = BertConfig(
            vocab_size=vocabulary_size(options.k, options.vocabulary),
            hidden_size=options.width,
            num_hidden_layers=options.depth,
            num_attention_heads=options.heads,
            intermediate_size=options.hidden or 4 * options.width,
            max_position_embeddings=options.positions or max(512, -(-1536 // self.cut.stride)),
            pad_token_id=None,
        )
        self.bert = BertModel(config, add_pooling_layer=False)

    def forward(self, batch: Batch) -> Features:
        """Encode base codes (B, L); tokens (B, T, W) without the leading one."""
        ids = self.cut(batch.values)
        valid = self._token_valid(batch, ids)
        seen = valid
        if self.leading is not None:
            ids = nn.functional.pad(ids, (1, 0), value=self.leading)
            seen = None if valid is None else nn.functional.pad(valid, (1, 0), value=True)
        mask = None if seen is None else seen.to(torch.int64)
        states: Tensor = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        tokens = states if self.leading is None else states[:, 1:]
        return Features(masked_mean(states, seen), tokens, valid)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the embeddings, then the layers."""
        return [self.bert.embeddings, *self.bert.encoder.layer]

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, L) into the bases under each token, (B, T, K)."""
        return self.cut.cut(values)

    def _token_valid(self, batch: Batch, ids: Tensor) -> Tensor | None:
        """Return which tokens count (B, T); None when all do. A row always has one."""
        if batch.valid is None or self.pooling == "compat":
            return None
        count = (batch.valid.sum(dim=1) // self.cut.stride).clamp_min(1)
        return torch.arange(ids.shape[1], device=ids.device) < count[:, None]


def barcodebert(encoder_options: BertOptions, weights: Weights, options: DnaOptions) -> BarcodeBert:
    """Build the encoder from random numbers, or from safetensors with every key accounted for.

    Raises:
        Refusal: the options contradict each other or the length of the modality, or the weights
            do not fit.
    """
    _refuse_contradictions(encoder_options, options)
    encoder = BarcodeBert(encoder_options)
    if not weights.scratch:
        from modalities.pretrained import load_strict, locate, read_tensors

        tensors = read_tensors(locate(weights), name=weights.source)
        load_strict(encoder.bert, merge_lora(tensors), name=weights.source, rename=published_key)
    return encoder


def published_key(key: str) -> str | None:
    """Return the key of `BertModel` that a published key stands for; None for other parts.

    >>> published_key("module.bert.encoder.layer.0.output.dense.bias")
    'encoder.layer.0.output.dense.bias'
    >>> published_key("classifier.weight") is None
    True
    """
    bare = _PREFIX.sub("", key)
    return None if bare.startswith((*_UNUSED, *_OTHER_TOWERS)) else bare


def merge_lora(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add CLIBD's low-rank updates to the weights they wrap: query and value + w_b w_a."""
    merged: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if key.endswith((".w.weight", ".w.bias")) and re.search(r"\.(query|value)\.w\.", key):
            stem, _, part = key.rpartition(".w.")
            low, high = tensors.get(f"{stem}.w_a.weight"), tensors.get(f"{stem}.w_b.weight")
            merged[f"{stem}.{part}"] = tensor
            if part == "weight" and low is not None and high is not None:
                merged[f"{stem}.{part}"] = tensor + high @ low
        elif not _LORA.search(key):
            merged[key] = tensor
    return merged


def _refuse_contradictions(encoder_options: BertOptions, options: DnaOptions) -> None:
    """Refuse more tokens than positions, and a leading token that the vocabulary lacks."""
    stride = encoder_options.stride or encoder_options.k
    tokens = token_count(options.max_length, encoder_options.k, stride)
    room = encoder_options.positions or max(512, -(-1536 // stride))
    found = (
        ("leading", "cls", "none or mask with the barcodebert vocabulary")
        if encoder_options.leading == "cls" and encoder_options.vocabulary != "clibd"
        else ("max_length", f"{tokens} tokens", f"1 to {room - 1} tokens of {stride} bases")
        if not 1 <= tokens < room
        else ("heads", encoder_options.heads, f"a divisor of width {encoder_options.width}")
        if encoder_options.width % encoder_options.heads
        else None
    )
    if found:
        raise Refusal(
            "E-CFG-100", file="pipeline", field=found[0], found=found[1], expected=found[2]
        )
