"""The `diagnostics` task: how two modalities lie in the shared space, whatever the labels say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from eval.sides import Names, with_joint
from eval.space import Space
from eval.task import Context, Result, Task
from workbench.modality import Options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eval.rows import Sheet
    from eval.selection import Selection

    Reals = NDArray[np.float64]

WHOLE = "a property of the whole set: no interval"


class DiagnosticsOptions(Options):
    """Which modalities are looked at."""

    query: Names
    gallery: Names | None = None
    split: str = "test"
    neighbours: int = Field(default=10, ge=1)
    components: int = Field(default=10, ge=1)
    most: int = Field(default=20_000, ge=2)


@dataclass(frozen=True)
class Cloud:
    """The finite, non-zero vectors of one modality, of length one.

    Attributes:
        name: the modality.
        chosen: their rows.
        values: (n, E).
        broken: how many vectors were not finite, and how many zero.
    """

    name: str
    chosen: Selection
    values: Reals
    broken: tuple[int, int]


class Diagnostics(Task[DiagnosticsOptions]):
    """Modality gap, alignment, uniformity, effective rank, anisotropy, hubness, broken vectors.

    Column `pool` says whose vectors a number of one modality is about.
    """

    options = DiagnosticsOptions

    def run(self, space: Space, options: DiagnosticsOptions, context: Context) -> Result:
        """Measure each modality by itself, then the two against each other."""
        from eval.rows import config_digest, resampler, sheet

        names = [options.query, *([options.gallery] if options.gallery else [])]
        space = with_joint(space, *names)
        clouds = [_cloud(space, name, options, context) for name in dict.fromkeys(names)]
        pages: list[Sheet] = []
        spectra = {}
        for cloud in clouds:
            pages.append(sheet(
                resampler(cloud.chosen.groups, context), task="diagnostics", query=options.query,
                gallery=options.gallery, split=options.split, model=space.model, score="cosine",
                pool=cloud.name, n_excluded=cloud.chosen.excluded,
                config_digest=config_digest(options, context),
            ))  # fmt: skip
            spectra[cloud.name] = _add_own(pages[-1], cloud, options, seed=context.seed)
        if len(clouds) == 2:
            pages += _across(pages[0], clouds, options, context)
        return Result([row for page in pages for row in page.rows], {}, {"spectrum": spectra})


def _cloud(space: Space, name: str, options: DiagnosticsOptions, context: Context) -> Cloud:
    """Return the usable vectors of a modality, at most `most`, drawn by id."""
    import numpy as np

    from eval.selection import select
    from workbench.seeding import keyed_rng

    chosen = select(space, name, options.split)
    values = space.vectors[name].values[chosen.items].astype(np.float64)
    finite = np.asarray(np.isfinite(values).all(axis=1))
    length = np.sqrt((np.where(finite[:, None], values, 0.0) ** 2).sum(axis=1))
    zero = np.asarray(finite & (length == 0))
    why = {int(i): "vector not finite" for i in np.flatnonzero(~finite)}
    why |= {int(i): "zero vector" for i in np.flatnonzero(zero)}
    good = [i for i in range(len(chosen)) if i not in why]
    if len(good) > options.most:
        rng = keyed_rng(context.seed, "diagnostics", options.split, len(chosen))
        drawn = set(rng.choice(good, options.most, replace=False).tolist())
        why |= {i: "not drawn" for i in good if i not in drawn}
    keep = [i for i in range(len(chosen)) if i not in why]
    unit = values[keep] / length[keep, None] if keep else values[:0]
    broken = int((~finite).sum()), int(zero.sum())
    return Cloud(name, chosen.without(why), unit, broken)


def _add_own(
    page: Sheet, cloud: Cloud, options: DiagnosticsOptions, *, seed: int
) -> list[float]:  # fmt: skip
    """Add the numbers of one modality and return the head of its spectrum."""
    from eval import shape

    for metric, count in zip(("not_finite", "zero_vectors"), cloud.broken, strict=True):
        page.add_value(metric, float(count), reason=WHOLE)
    x = cloud.values
    squared = shape.spectrum(x) if len(x) > 1 else x[:0, 0]
    found = {
        "uniformity": shape.uniformity(x, seed),
        "anisotropy": shape.anisotropy(x),
        "effective_rank": shape.effective_rank(squared),
        f"explained_{options.components}": shape.explained(squared, options.components),
    }
    for metric, value in found.items():
        page.add_value(metric, value, reason=WHOLE if value is not None else "no spread to measure")
    _add_hubs(page, shape.occurrences(x, x, options.neighbours, same=True), "own_")
    return [float(value) for value in squared[:50]]


def _across(
    page: Sheet, clouds: list[Cloud], options: DiagnosticsOptions, context: Context
) -> list[Sheet]:
    """Return the numbers of two modalities: of their means, their pairs, and each one's hubs."""
    import numpy as np

    from eval import shape
    from eval.rows import resampler, sheet
    from eval.weighted import mean

    one, other = clouds
    place = {row_id: i for i, row_id in enumerate(other.chosen.ids)}
    pairs = [(i, place[row_id]) for i, row_id in enumerate(one.chosen.ids) if row_id in place]
    left, right = (np.array(side, dtype=np.int64) for side in ([i for i, _ in pairs],
                                                               [j for _, j in pairs]))  # fmt: skip
    groups = tuple(one.chosen.groups[i] for i in left)
    kept = {k: v for k, v in page.shared.items() if k not in ("n", "n_groups", "unit", "pool")}
    both = sheet(resampler(groups, context), **kept)
    empty = len(one.values) == 0 or len(other.values) == 0
    gap = None if empty else shape.modality_gap(one.values, other.values)
    both.add_value("modality_gap", gap, reason="no row is left" if empty else WHOLE)
    apart = shape.alignment(one.values[left], other.values[right])
    both.add("alignment", mean(apart, both.resampler.index))
    for query, gallery in ((one, other), (other, one)):
        counts = shape.occurrences(query.values, gallery.values, options.neighbours, same=False)
        hubs = sheet(resampler(gallery.chosen.groups, context), **kept, pool=gallery.name)
        _add_hubs(hubs, counts, "")
        both.rows.extend(hubs.rows)
    return [both]


def _add_hubs(page: Sheet, counts: Reals, prefix: str) -> None:
    """Add how unevenly items are found, and the share of those that nobody finds."""
    from eval.shape import skewness

    value = skewness(counts)
    reason = WHOLE if value is not None else "every item is found equally often"
    page.add_value(f"{prefix}hubness", value, reason=reason)
    never = float((counts == 0).mean()) if len(counts) else None
    why = WHOLE if never is not None else "no row is left"
    page.add_value(f"{prefix}never_found", never, reason=why)
