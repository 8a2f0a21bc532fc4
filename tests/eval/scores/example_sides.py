"""Sides with tokens for the tests of scores that compare them."""

from __future__ import annotations

from dataclasses import replace

import torch

from eval.scores.side import Side

NAMES = ("late", "segment_attention", "mil_nce", "fdt")


def make_side(count, *, seed=0, tokens=5, width=8, name="a"):
    """One modality, with one to all tokens real."""
    source = torch.Generator().manual_seed(seed)
    values = torch.randn(count, tokens, width, generator=source)
    valid = torch.arange(tokens) < torch.randint(1, tokens + 1, (count, 1), generator=source)
    vectors = torch.randn(count, width, generator=source)
    present = torch.ones(count, dtype=torch.bool)
    return Side({name: vectors}, {name: present}, {name: values}, {name: valid})


def one_token(side):
    """The same items, each with its pooled vector as its only token."""
    (name,) = side.vectors
    vectors = side.vectors[name]
    valid = torch.ones(len(vectors), 1, dtype=torch.bool)
    return replace(side, tokens={name: vectors[:, None]}, token_valid={name: valid})


def padded(side, extra=3):
    """The same items with large numbers appended as padding."""
    (name,) = side.vectors
    values, valid = side.tokens[name], side.token_valid[name]
    noise = 50 * torch.ones(len(values), extra, values.shape[2])
    more = torch.zeros(len(values), extra, dtype=torch.bool)
    return replace(
        side, tokens={name: torch.cat([values, noise], 1)},
        token_valid={name: torch.cat([valid, more], 1)},
    )  # fmt: skip


def bare(side):
    """The same items without tokens."""
    return replace(side, tokens={}, token_valid={})
