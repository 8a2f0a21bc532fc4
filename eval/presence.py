"""Whether a search over several modalities favours the records that hold all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eval.gallery import Gallery
from eval.retrieval_rows import Outcomes
from eval.rows import Sheet
from eval.sides import complete, part_names
from eval.space import Space
from eval.weighted import mean


def add_presence(
    page: Sheet, space: Space, gallery_name: str, gallery: Gallery, *, outcomes: Outcomes
) -> None:
    """Add `complete_first`: the share of queries whose first hit holds every modality.

    Chance is the share of complete entries in the gallery. A further modality can only shrink a
    volume, so that complete records win whatever they show; a value far above chance says so.
    """
    if len(part_names(space, gallery_name)) < 2:
        return
    entries = [gallery.name(number) for number in range(len(gallery))]
    whole = complete(space, gallery_name, entries)
    first: NDArray[np.int64] = outcomes.best[:, 0]
    values = np.where(first >= 0, whole[np.maximum(first, 0)], np.nan)
    share = float(whole.mean()) if len(whole) else None
    flags = ("complete records favoured",) if _favoured(values, share) else ()
    statistic = mean(values, page.resampler.index)
    page.add("complete_first", statistic, chance=share, average="micro", flags=flags)


def _favoured(values: NDArray[np.float64], share: float | None) -> bool:
    """Whether complete entries are found first by more than two standard errors above their share."""
    known = values[np.isfinite(values)]
    if share is None or len(known) == 0:
        return False
    error = np.sqrt(share * (1 - share) / len(known))
    return bool(known.mean() > share + 2 * error)
