"""The report modality: free text, structured reports and lineages as token ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from modalities.report import near as nearness
from modalities.report.batches import hide, stack
from modalities.report.contradict import contradictions
from modalities.report.encoder_options import BagOptions, TextOptions, TinyOptions
from modalities.report.facts import laterality
from modalities.report.findings import FINDINGS
from modalities.report.options import ReportOptions
from modalities.report.read import cut, read_report
from modalities.report.synth import write_report
from modalities.report.tokens import encode, tokenizer_digest, tokenizer_of
from modalities.report.views import drop_tail, drop_words, shuffle_sentences
from workbench.fingerprint import Fingerprint
from workbench.modality import Batch, EncoderEntry, Masked, Modality, Sample, Source, Spec, Weights

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCRATCH: frozenset[Literal["scratch", "local", "hub"]] = frozenset({"scratch"})
_ANYWHERE: frozenset[Literal["scratch", "local", "hub"]] = frozenset({"scratch", "local", "hub"})
_PREVIEW_LINES = 9

ENCODERS: Mapping[str, EncoderEntry[ReportOptions]] = {
    "text_tiny": EncoderEntry(
        "text_tiny", "modalities.report.encoders:text_tiny",
        "word embeddings and two small transformer blocks, for CPU; no published weights",
        TinyOptions, _SCRATCH, "nothing",
    ),
    "word_bag": EncoderEntry(
        "word_bag", "modalities.report.encoders:word_bag",
        "mean of word embeddings and a linear layer, blind to order; for lineages",
        BagOptions, _SCRATCH, "nothing",
    ),
    "text": EncoderEntry(
        "text", "modalities.report.tower:text",
        "any text encoder of transformers, mask-aware mean pooling",
        TextOptions, _ANYWHERE, "as its model card says",
    ),
}  # fmt: skip


class Report(Modality[ReportOptions]):
    """Reports, notes, prompts and lineages."""

    spec = Spec(
        name="report", axes="token", dtype="int64", unit="token id", low=0, high=float(1 << 21),
        cell="either",
    )  # fmt: skip
    options = ReportOptions
    encoders = ENCODERS
    findings = FINDINGS
    near_at = nearness.ALIKE
    repeats = True

    def read(self, source: Source, options: ReportOptions) -> Sample:
        """Decode inline text or a file; the text chosen is in `meta["text"]`."""
        return read_report(source, options)

    def collate(self, samples: Sequence[Sample], options: ReportOptions) -> Batch:
        """Pad at the end to the longest text of the batch."""
        return stack(samples, options)

    def augment(self, sample: Sample, rng: np.random.Generator, options: ReportOptions) -> Sample:
        """Return a view by `options.augment`; negations stay with what they negate."""
        text = sample.meta.get("text")
        if options.augment == "none" or not text:
            return sample
        if options.augment == "sentences":
            text = shuffle_sentences(text, rng, options.drop_words)
        elif options.augment == "words":
            text = drop_words(text, rng, options.drop_words)
        else:
            text = drop_tail(text, rng)
        ids, _ = cut(encode(text, options), options)
        if not ids:
            return sample
        return replace(
            sample, data=np.asarray(ids, dtype=np.int64), meta={**sample.meta, "text": text}
        )

    def contradict(
        self, sample: Sample, rng: np.random.Generator, options: ReportOptions
    ) -> Sequence[Sample]:
        """Return the text with its sides, negations, degrees, sizes or taxa changed, one each.

        What differs only past `max_tokens`, or only for the reader, is left out.
        """
        found = []
        for text in contradictions(str(sample.meta.get("text", "")), rng):
            ids, _ = cut(encode(text, options), options)
            data = np.asarray(ids, dtype=np.int64)
            if not np.array_equal(data, sample.data):
                meta = {**sample.meta, "text": text, "laterality": laterality(text)}
                found.append(replace(sample, data=data, meta=meta))
        return tuple(found)

    def mask(
        self, batch: Batch, rng: np.random.Generator, options: ReportOptions, *, ratio: float
    ) -> Masked:
        """Hide words; the target is the word itself among all words."""
        return hide(batch, rng, options, ratio=ratio)

    def contract(self, options: ReportOptions) -> dict[str, Any]:
        """Return what decides which ids a text becomes."""
        return {
            "tokenizer": tokenizer_digest(options),
            "sections": list(options.sections),
            "max_tokens": options.max_tokens,
            "prefix": options.prefix,
        }

    def synthesize(self, finding: str, rng: np.random.Generator, folder: Path) -> str:
        """Write a text report; see `modalities.report.synth`."""
        return write_report(finding, rng, folder)

    def preview(self, sample: Sample) -> Figure:
        """Return the first lines of the text as a picture; dollar signs are no mathematics."""
        import textwrap

        from matplotlib.figure import Figure

        figure = Figure(figsize=(3, 2), dpi=100)
        lines = textwrap.wrap(str(sample.meta.get("text", "")), 44) or ["(no text)"]
        if len(lines) > _PREVIEW_LINES:
            lines = [*lines[: _PREVIEW_LINES - 1], "…"]
        figure.text(
            0.03, 0.95, "\n".join(lines), va="top", fontsize=7, family="monospace",
            parse_math=False,
        )  # fmt: skip
        return figure

    def fingerprint(self, sample: Sample, options: ReportOptions) -> Fingerprint:
        """Return MinHash keys of the tokens, and the digest of the normalised text."""
        del options
        return nearness.fingerprint(sample)

    def near(self, a: Sample, b: Sample, options: ReportOptions) -> float:
        """Return the Jaccard similarity of two texts' runs of tokens."""
        del options
        return nearness.near(a, b)

    def complete(self, options: ReportOptions, weights: Weights) -> ReportOptions:
        """Use the tokenizer that came with the weights, unless one is named."""
        if weights.scratch or options.tokenizer != "hash":
            return options
        return options.model_copy(update={"tokenizer": tokenizer_of(weights)})


REPORT = Report()
