"""Text encoders of published sizes, built by `transformers`.

Legend: B batch, T tokens, W width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modalities.pretrained import load_transformer
from modalities.report.encoder_options import TextOptions
from modalities.report.options import ReportOptions
from modalities.report.tokens import HASH, SPECIALS, load_tokenizer, vocabulary_size
from workbench.encoder import Encoder, Features, masked_mean
from workbench.errors import Refusal
from workbench.modality import Batch, Weights

_QUERY_VALUE = ("query", "value")
LORA_TARGETS: Mapping[str, tuple[str, ...]] = {
    "bert": _QUERY_VALUE, "roberta": _QUERY_VALUE, "xlm-roberta": _QUERY_VALUE,
    "camembert": _QUERY_VALUE, "electra": _QUERY_VALUE, "albert": _QUERY_VALUE,
    "distilbert": ("q_lin", "v_lin"), "mpnet": ("attn.q", "attn.v"),
    "deberta": ("in_proj",), "deberta-v2": ("query_proj", "value_proj"), "modernbert": ("Wqkv",),
    "longformer": _QUERY_VALUE, "big_bird": _QUERY_VALUE, "nomic_bert": ("Wqkv",),
}  # fmt: skip
# width, layers, heads
_SIZES: Mapping[str, tuple[int, int, int]] = {
    "bert-base": (768, 12, 12),
    "roberta-base": (768, 12, 12),
    "distilbert-base": (768, 6, 12),
    "bert-small": (512, 4, 8),
}


class TransformerText(Encoder):
    """A `transformers` encoder behind the id layout of this modality.

    Args:
        model: the transformer.
        ids: (V,) the model's own id for every id of ours.
        pooling: as `TextOptions.pooling`.
        max_tokens: T that `unmasked_mean` pads to.
    """

    def __init__(self, model: Any, ids: Tensor, *, pooling: str, max_tokens: int) -> None:
        super().__init__()
        self.model = model
        self.width = int(model.config.hidden_size)
        self.lora_targets = lora_targets(model)
        self.pooling = pooling
        self.max_tokens = max_tokens
        self.register_buffer("ids", ids, persistent=False)

    def forward(self, batch: Batch) -> Features:
        """Encode (B, T) ids."""
        values_BT, valid_BT = batch.values, batch.valid
        if valid_BT is None:
            valid_BT = torch.ones_like(values_BT, dtype=torch.bool)
        length = values_BT.shape[1]
        if self.pooling == "unmasked_mean":
            room = (0, max(0, self.max_tokens - length))
            values_BT = nn.functional.pad(values_BT, room)
            valid_BT = nn.functional.pad(valid_BT, room)
        ids: Tensor = self.get_buffer("ids")
        output = self.model(input_ids=ids[values_BT], attention_mask=valid_BT.long())
        tokens_BTW: Tensor = output.last_hidden_state
        return Features(
            self._pool(tokens_BTW, valid_BT), tokens_BTW[:, :length], valid_BT[:, :length]
        )

    def blocks(self) -> Sequence[nn.Module]:
        """Return the transformer's layers: its longest list of modules."""
        lists = [list(m) for m in self.model.modules() if isinstance(m, nn.ModuleList)]
        return max(lists, key=len) if lists else [self.model]

    def patchify(self, values: Tensor) -> Tensor:
        """Return (B, T, 1): one id under each token."""
        return values.unsqueeze(-1)

    def _pool(self, tokens_BTW: Tensor, valid_BT: Tensor) -> Tensor:
        if self.pooling == "cls":
            return tokens_BTW[:, 0]
        return masked_mean(tokens_BTW, valid_BT if self.pooling == "mean" else None)


def text(encoder_options: TextOptions, weights: Weights, options: ReportOptions) -> Encoder:
    """Build the encoder from a local folder, a pinned hub id, or random numbers.

    Raises:
        Refusal: weights that cannot be used, or a tokenizer of another vocabulary.
    """
    architecture = encoder_options.architecture
    model = _scratch(architecture, options) if weights.scratch else load_transformer(weights)
    ids = _own_ids(options)
    limit = int(model.config.vocab_size)
    if int(ids.max()) >= limit:
        raise Refusal(
            "E-CKP-102", file=weights.source, field="vocabulary", found=f"{limit} embeddings",
            expected=f"at least {int(ids.max()) + 1}, one per id of tokenizer {options.tokenizer}",
            fix="Use the tokenizer that came with the weights.",
        )  # fmt: skip
    return TransformerText(
        model, ids, pooling=encoder_options.pooling, max_tokens=options.max_tokens
    )


def lora_targets(model: Any) -> tuple[str, ...]:
    """Return the attention projections of a model that LoRA wraps by default.

    Raises:
        Refusal: a model type whose projections are not known.
    """
    known = LORA_TARGETS.get(model.config.model_type)
    if known is None:
        raise Refusal(
            "E-CKP-103", file="config.json", field="model_type", found=model.config.model_type,
            expected=f"one of {sorted(LORA_TARGETS)}",
        )  # fmt: skip
    return known


def _own_ids(options: ReportOptions) -> Tensor:
    """Return the model's id for each of ours; for the hash tokenizer they are the same."""
    size = vocabulary_size(options)
    if options.tokenizer == HASH:
        return torch.arange(size)
    tokenizer = load_tokenizer(options.tokenizer)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else pad
    own = [
        pad,
        tokenizer.mask_token_id if tokenizer.mask_token_id is not None else unknown,
        tokenizer.cls_token_id if tokenizer.cls_token_id is not None else unknown,
        unknown,
    ]
    return torch.cat([torch.tensor(own), torch.arange(size - SPECIALS)])


def _scratch(architecture: str, options: ReportOptions) -> Any:
    """Return a model of a published size with random numbers."""
    from transformers import (
        BertConfig,
        BertModel,
        DistilBertConfig,
        DistilBertModel,
        RobertaConfig,
        RobertaModel,
    )

    width, layers, heads = _SIZES[architecture]
    room = max(512, options.max_tokens)
    size = vocabulary_size(options)
    if architecture == "distilbert-base":
        small = DistilBertConfig(
            vocab_size=size, dim=width, n_layers=layers, n_heads=heads, hidden_dim=4 * width,
            max_position_embeddings=room, pad_token_id=0,
        )  # fmt: skip
        return DistilBertModel(small)
    sizes: dict[str, Any] = {
        "vocab_size": size, "hidden_size": width, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": 4 * width, "pad_token_id": 0,
    }  # fmt: skip
    if architecture == "roberta-base":
        # positions start after the padding id
        shifted = RobertaConfig(**sizes, max_position_embeddings=room + 2, type_vocab_size=1)
        return RobertaModel(shifted, add_pooling_layer=False)
    return BertModel(BertConfig(**sizes, max_position_embeddings=room), add_pooling_layer=False)
