"""The DNA encoders by name, described without importing what builds them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modalities.dna.options import DnaOptions
from workbench.modality import EncoderEntry, Options

BOLD_DATA = "COI barcodes of BOLD (Canadian invertebrates) or BIOSCAN-5M; see the weights' own card"


class TinyOptions(Options):
    """Schema of `encoder.options:` for kmer_bert_tiny.

    Attributes:
        width: W.
        depth: transformer blocks.
        heads: attention heads; divides width.
        window: bases that one token sees, overlapping its neighbours'; even, 4 or more.
    """

    width: int = Field(default=64, ge=8, multiple_of=2)
    depth: int = Field(default=2, ge=1)
    heads: int = Field(default=4, ge=1)
    window: int = Field(default=12, ge=4, multiple_of=2)


class BertOptions(Options):
    """Schema of `encoder.options:` for barcodebert; the defaults are the released 4-4-4 model.

    Attributes:
        k: bases of a token.
        stride: bases between the starts of two tokens; k when None, as in every released model.
        vocabulary: order of the token ids, see `modalities.dna.kmers`.
        leading: id put before the tokens: "none" (BarcodeBERT), "mask" (CLIBD) or "cls" (mmlearn).
        width: W.
        depth: transformer layers.
        heads: attention heads; divides width.
        hidden: width of the feed-forward layers; four times width when None.
        positions: most tokens; the published max(512, ceil(1536 / stride)) when None.
        pooling: "masked" leaves padding out; "compat" averages it in, as published snippets do.
    """

    k: int = Field(default=4, ge=1, le=8)
    stride: int | None = Field(default=None, ge=1)
    vocabulary: Literal["barcodebert", "clibd"] = "barcodebert"
    leading: Literal["none", "mask", "cls"] = "none"
    width: int = Field(default=768, ge=4)
    depth: int = Field(default=4, ge=1)
    heads: int = Field(default=4, ge=1)
    hidden: int | None = Field(default=None, ge=4)
    positions: int | None = Field(default=None, ge=8)
    pooling: Literal["masked", "compat"] = "masked"


class SitesOptions(Options):
    """Schema of `encoder.options:` for coi_sites.

    Attributes:
        width: W.
        depth: residual layers over the whole barcode.
        hidden: width inside a residual layer.
        divergence: average share of bases that training substitutes the way species differ,
            before changes of the protein are mostly undone; 0 leaves barcodes as they are.
    """

    width: int = Field(default=512, ge=8)
    depth: int = Field(default=1, ge=0)
    hidden: int = Field(default=512, ge=8)
    divergence: float = Field(default=0.2, ge=0.0, le=0.4)


ENTRIES: dict[str, EncoderEntry[DnaOptions]] = {
    entry.name: entry
    for entry in (
        EncoderEntry[DnaOptions](
            "kmer_bert_tiny",
            "modalities.dna.encoders:kmer_bert_tiny",
            "transformer over overlapping k-mers, 2 layers x 64, learns from scratch on a CPU",
            options=TinyOptions,
            data="none",
        ),
        EncoderEntry[DnaOptions](
            "barcodebert",
            "modalities.dna.bert:barcodebert",
            "BERT over k-mers of BarcodeBERT and CLIBD: 4-4-4 (k 4, 4 layers x 768, 4 heads) to "
            "12 x 768 (arXiv 2311.02401, 2405.17537)",
            options=BertOptions,
            weights=frozenset({"scratch", "local", "hub"}),
            data=BOLD_DATA,
        ),
        EncoderEntry[DnaOptions](
            "coi_sites",
            "modalities.dna.convolution:coi_sites",
            "site-specific weights for the bases and amino acids of a COI barcode, which it lays on "
            "the consensus of the training split; from scratch in minutes on a CPU",
            options=SitesOptions,
            data="none",
        ),
    )
}
