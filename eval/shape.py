"""The shape of clouds of unit vectors: gap, alignment, spread, rank, and hubs.

Legend: n and m items, E width, P pairs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.seeding import keyed_rng

Floats = NDArray[np.floating]
Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

EXACT_ITEMS = 5000  # items up to which uniformity looks at all pairs
PAIRS = 1_000_000  # seeded pairs above that
BLOCK = 1 << 22  # numbers of one tile


def modality_gap(x: Floats, y: Floats) -> float:
    """Return the distance of the means of (n, E) and (m, E).

    After Liang et al., "Mind the Gap", NeurIPS 2022.
    """
    return float(np.linalg.norm(_mean(x) - _mean(y)))


def alignment(x: Floats, y: Floats) -> Reals:
    """Return (n,) squared distances of matched pairs; their mean is the alignment.

    After Wang and Isola, "Understanding Contrastive Representation Learning", ICML 2020.
    """
    return np.asarray(((x.astype(np.float64) - y.astype(np.float64)) ** 2).sum(axis=1))


def uniformity(x: Floats, seed: int) -> float | None:
    """Return log mean exp(-2 |a - b|^2) over pairs of different items; None without a pair.

    All pairs up to 5,000 items, else 10^6 seeded ones. After Wang and Isola, as above.
    """
    n = len(x)
    if n < 2:
        return None
    if n <= EXACT_ITEMS:
        return float(np.log(_kernel_sum(x) / (n * (n - 1))))
    rng = keyed_rng(seed, "uniformity", n)
    one, step = rng.integers(0, n, PAIRS), rng.integers(1, n, PAIRS)
    total, size = 0.0, max(1, BLOCK // x.shape[1])
    for start in range(0, PAIRS, size):
        i = one[start : start + size]
        total += float(np.exp(-2 * alignment(x[i], x[(i + step[start : start + size]) % n])).sum())
    return float(np.log(total / PAIRS))


def anisotropy(x: Floats) -> float | None:
    """Return the mean cosine over all pairs of different unit vectors; None without a pair.

    After Ethayarajh, "How Contextual are Contextualized Word Representations?", EMNLP 2019, but
    exact instead of sampled.
    """
    n = len(x)
    if n < 2:
        return None
    whole = x.sum(axis=0, dtype=np.float64)
    own = float((x.astype(np.float64) ** 2).sum())
    return float((whole @ whole - own) / (n * (n - 1)))


def spectrum(x: Floats) -> Reals:
    """Return (E,) squared singular values of centred (n, E), largest first.

    They come from the E x E scatter matrix, summed over blocks; what lies below its rounding is 0.
    """
    center, width = _mean(x), x.shape[1]
    scatter = np.zeros((width, width))
    for start in range(0, len(x), max(1, BLOCK // width)):
        part = x[start : start + max(1, BLOCK // width)].astype(np.float64) - center
        scatter += part.T @ part
    values = np.linalg.eigvalsh(scatter)[::-1]
    floor = max(len(x), width) * np.finfo(np.float32).eps ** 2 * max(1.0, float(len(x)))
    return np.where(values > floor, values, 0.0)


def effective_rank(squared: Reals) -> float | None:
    """Return exp(entropy of the normalised singular values); None where all are 0.

    After Roy and Vetterli, "The Effective Rank", EUSIPCO 2007.

    >>> effective_rank(np.array([4.0, 1.0, 1.0]))  # singular values 2, 1, 1
    2.8284271247461903
    """
    values = np.sqrt(squared[squared > 0])
    if len(values) == 0:
        return None
    share = values / values.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def explained(squared: Reals, components: int) -> float | None:
    """Return the share of the variance that the first components hold; None without variance."""
    whole = float(squared.sum())
    return float(squared[:components].sum()) / whole if whole > 0 else None


def occurrences(query: Floats, gallery: Floats, k: int, *, same: bool) -> Reals:
    """Return (m,) how often each gallery item is among the k nearest of a query.

    Items tied with the k-th share its places, so that no order of items makes a hub.

    Args:
        query: (n, E).
        gallery: (m, E).
        k: neighbours.
        same: whether query i is item i, which then is no neighbour of its own.
    """
    import torch

    m = len(gallery)
    k = min(k, m - 1 if same else m)
    counts = np.zeros(m)
    if k < 1:
        return counts
    right = torch.from_numpy(np.ascontiguousarray(gallery, dtype=np.float32))
    slack = 4 * float(np.sqrt(gallery.shape[1])) * 2.0**-24
    for start in range(0, len(query), max(1, BLOCK // m)):
        left = np.ascontiguousarray(query[start : start + max(1, BLOCK // m)], dtype=np.float32)
        table = torch.from_numpy(left) @ right.T
        if same:
            own = torch.arange(len(left))
            table[own, start + own] = -torch.inf
        mark = table.topk(k, dim=1).values[:, -1:]
        above, tied = table > mark + slack, (table - mark).abs() <= slack
        room = (k - above.sum(dim=1)) / tied.sum(dim=1)
        counts += above.sum(dim=0).double().numpy()
        counts += (tied.double() * room.double()[:, None]).sum(dim=0).numpy()
    return counts


def skewness(counts: Reals) -> float | None:
    """Return the skewness of how often items occur; None where all occur equally often.

    After Radovanović, Nanopoulos and Ivanović, "Hubs in Space", JMLR 2010.
    """
    if len(counts) == 0:
        return None
    deviation = counts - counts.mean()
    spread = float(np.sqrt((deviation**2).mean()))
    if spread <= 1e-9 * max(1.0, float(counts.mean())):
        return None
    return float((deviation**3).mean()) / spread**3


def _mean(x: Floats) -> Reals:
    return np.asarray(x.mean(axis=0, dtype=np.float64))


def _kernel_sum(x: Floats) -> float:
    """Return the sum of exp(-2 |a - b|^2) over ordered pairs of different items."""
    wide = x.astype(np.float64)
    square = (wide**2).sum(axis=1)
    total = 0.0
    for start in range(0, len(wide), max(1, BLOCK // len(wide))):
        part = slice(start, start + max(1, BLOCK // len(wide)))
        apart = square[part, None] + square[None, :] - 2 * (wide[part] @ wide.T)
        kernel = np.exp(-2 * np.maximum(apart, 0.0))
        rows = np.arange(len(kernel))
        kernel[rows, start + rows] = 0.0
        total += float(kernel.sum())
    return total
