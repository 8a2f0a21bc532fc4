"""The barcode encoder whose filters know which codon of COI they look at.

It slides a barcode along a reference, the consensus of the training barcodes (a convolution), then
gives every column of the reference its own weights for bases and for the amino acids they code: a
convolution of stride 12 bases whose filters are not shared between places.

Legend: B batch, L bases, R 657 columns of the reference, C 219 codons, G 55 groups of 4 codons,
T tokens, W feature width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from modalities.dna.alphabet import UNKNOWN
from modalities.dna.consensus import consensus
from modalities.dna.divergence import AMINO_ACIDS, diverge, translate
from modalities.dna.entries import SitesOptions
from modalities.dna.options import DnaOptions
from modalities.dna.registration import (
    CODONS,
    COLUMNS,
    Registered,
    known_codes,
    register,
    unknown_reference,
)
from modalities.layers import Mlp
from workbench.encoder import Encoder, Features
from workbench.modality import Batch, Weights

STRIDE = 12
"""Bases under one token: four codons."""
GROUPS = -(-COLUMNS // STRIDE)


class CoiSites(Encoder):
    """Site-specific weights over registered codons, then residual layers over their sum.

    Args:
        options: see SitesOptions.
        genetic_code: NCBI table 2 or 5.

    Attributes:
        reference: (R,) base codes that barcodes are laid on; all 4 (not known) until `calibrate`,
            and barcodes are then laid as given.
    """

    reference: Tensor
    lora_targets = ("context", "mlp.fc1", "mlp.fc2")

    def __init__(self, options: SitesOptions, genetic_code: int = 5) -> None:
        super().__init__()
        self.width = options.width
        self.divergence = options.divergence
        self.genetic_code = genetic_code
        self.register_buffer("reference", unknown_reference())
        self.sites = Sites(options.width, genetic_code)
        self.norm = nn.LayerNorm(options.width)
        self.trunk = nn.ModuleList(
            Residual(options.width, options.hidden) for _ in range(options.depth)
        )
        self.context = nn.Linear(options.width, options.width)
        self.place = nn.Parameter(torch.randn(GROUPS, options.width))
        self.token_norm = nn.LayerNorm(options.width)

    def forward(self, batch: Batch) -> Features:
        """Encode base codes (B, L); tokens (B, ceil(L / 12), W).

        In training mode each barcode is first changed the way related species differ
        (`modalities.dna.divergence`), with draws from torch's generator, as dropout has them.
        """
        laid = register(batch.values, batch.valid, self.reference)
        codes = laid.codes
        if self.training and self.divergence > 0:
            codes = diverge(codes, self.divergence, self.genetic_code)
        local_BGW = self.sites(codes)
        pooled = self.norm(local_BGW.sum(dim=1))
        for block in self.trunk:
            pooled = block(pooled)
        seen_BGW = local_BGW + self.place * self.context(pooled).unsqueeze(1)
        tokens = self.token_norm(_as_given(seen_BGW, laid, batch.values.shape[1]))
        valid = None if batch.valid is None else self.patchify(batch.valid).any(dim=-1)
        return Features(pooled, tokens, valid)

    def calibrate(self, batches: Iterable[Batch]) -> None:
        """Take the reference from training barcodes; its own bases then start at zero."""
        rows = [known_codes(batch.values, batch.valid) for batch in batches]
        if not rows:
            return
        length = max(part.shape[1] for part in rows)
        codes = torch.cat([F.pad(p, (0, length - p.shape[1]), value=UNKNOWN) for p in rows])
        self.reference.copy_(consensus(codes.cpu(), self.genetic_code))
        self.sites.start_from(self.reference)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the site weights, then the residual layers."""
        return [self.sites, *self.trunk]

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, L) into the 12 bases under each token, (B, T, 12), in the order given."""
        whole = F.pad(values, (0, -values.shape[1] % STRIDE))
        return whole.reshape(len(values), -1, STRIDE)


class Sites(nn.Module):
    """A vector for every base at every column, and for every amino acid at every codon.

    After `start_from` a vector at first says how a barcode differs from the reference. Unknown bases,
    and codons with one, add nothing.

    Args:
        width: W.
        genetic_code: NCBI table 2 or 5.
    """

    def __init__(self, width: int, genetic_code: int) -> None:
        super().__init__()
        self.genetic_code = genetic_code
        self.nothing = COLUMNS * 4 + CODONS * AMINO_ACIDS
        weight = torch.randn(self.nothing + 1, width)
        weight[: COLUMNS * 4] /= COLUMNS**0.5
        weight[COLUMNS * 4 :] *= 1.5 / CODONS**0.5
        weight[self.nothing] = 0.0
        self.weight = nn.Parameter(weight)

    def start_from(self, reference: Tensor) -> None:
        """Set the vectors of the reference's own bases and amino acids to zero."""
        with torch.no_grad():
            self.weight[self.places(reference.unsqueeze(0)).flatten()] = 0.0

    def forward(self, codes: Tensor) -> Tensor:
        """Sum the vectors of each group of four codons of codes (B, R): (B, G, W)."""
        places = self.places(codes)
        total = F.embedding_bag(
            places.flatten(0, 1), self.weight, mode="sum", padding_idx=self.nothing
        )
        return total.reshape(len(codes), GROUPS, -1)

    def places(self, codes: Tensor) -> Tensor:
        """Return which rows of the weights a barcode takes, (B, G, 12 + 4)."""
        column = torch.arange(COLUMNS, device=codes.device)
        base = torch.where(codes < UNKNOWN, column * 4 + codes, self.nothing)
        acid = translate(codes, self.genetic_code)
        codon = COLUMNS * 4 + torch.arange(CODONS, device=codes.device) * AMINO_ACIDS
        acid = torch.where(acid < AMINO_ACIDS, codon + acid, self.nothing)
        spare = GROUPS * STRIDE - COLUMNS
        base = F.pad(base, (0, spare), value=self.nothing).reshape(len(codes), GROUPS, STRIDE)
        acid = F.pad(acid, (0, spare // 3), value=self.nothing).reshape(len(codes), GROUPS, 4)
        return torch.cat([base, acid], dim=2)


class Residual(nn.Module):
    """A pre-norm residual layer that begins as the identity."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mlp = Mlp(width, hidden)
        nn.init.zeros_(self.mlp.fc2.weight)
        nn.init.zeros_(self.mlp.fc2.bias)

    def forward(self, x_BW: Tensor) -> Tensor:
        """Return (B, W)."""
        out: Tensor = x_BW + self.mlp(self.norm(x_BW))
        return out


def coi_sites(encoder_options: SitesOptions, weights: Weights, options: DnaOptions) -> CoiSites:
    """Build the encoder from random numbers."""
    del weights
    return CoiSites(encoder_options, options.genetic_code)


def _as_given(groups_BGW: Tensor, laid: Registered, length: int) -> Tensor:
    """Pick, for every 12 bases in the order given, the group of codons at their middle.

    Returns (B, T, W); bases beyond the reference take its nearest group.
    """
    tokens = -(-length // STRIDE)
    middle = torch.arange(tokens, device=groups_BGW.device) * STRIDE + STRIDE // 2
    middle = torch.where(laid.turned.unsqueeze(1), length - 1 - middle, middle)
    group = (middle + laid.first.unsqueeze(1)).div(STRIDE, rounding_mode="floor")
    group = group.clamp(0, GROUPS - 1)
    return groups_BGW.gather(1, group.unsqueeze(2).expand(-1, -1, groups_BGW.shape[2]))
