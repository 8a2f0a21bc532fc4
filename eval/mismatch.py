"""The `mismatch` task: finds pairs that were attached wrongly, such as another patient's report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from eval.sides import Names, items_of, trained_score, with_joint
from eval.space import Space
from eval.task import Context, Result, Task
from workbench.modality import Options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eval.rows import Sheet
    from eval.selection import Selection

    Reals = NDArray[np.float64]

NO_PARTNER = "no partner"
SHOWN = 50
TARGET = 0.9


class MismatchOptions(Options):
    """Which pairs are looked at, and how many are swapped to see whether that is found."""

    query: Names
    gallery: Names
    split: str = "test"
    share: float = Field(default=0.05, gt=0, le=0.5)
    label: str | None = None


class Mismatch(Task[MismatchOptions]):
    """AUROC, AUPRC and precision of suspicion on planted swaps; the most suspicious real pairs.

    Suspicion is the negative of a pair's own score, standardised by row and column.
    """

    options = MismatchOptions

    def run(self, space: Space, options: MismatchOptions, context: Context) -> Result:
        """Suspect every pair once with a plant and once as it is.

        Raises:
            Refusal: there is no such modality or column.
        """
        from eval.attachment import plant
        from eval.rows import config_digest, resampler, sheet

        space = with_joint(space, options.query, options.gallery)
        chosen, contents = _pairs(space, options)
        partner, wrong = plant(chosen.groups, contents, options.share, seed=context.seed)
        ids = list(chosen.ids)
        planted = _suspicion(space, options, ids, [ids[i] for i in partner])
        found = _suspicion(space, options, ids, ids)
        page = sheet(
            resampler(chosen.groups, context), task="mismatch", query=options.query,
            gallery=options.gallery, relation="pair", split=options.split, model=space.model,
            score=space.score, n_excluded=chosen.excluded, gallery_size=len(chosen),
            config_digest=config_digest(options, context),
        )  # fmt: skip
        _add(page, planted, wrong)
        order = sorted(range(len(ids)), key=lambda i: (-found[i], ids[i]))[:SHOWN]
        table = chosen.table({
            "suspicion": found.tolist(), "suspicion_planted": planted.tolist(),
            "planted": wrong.tolist(),
        })  # fmt: skip
        shown = [{"id": ids[i], "suspicion": float(found[i])} for i in order]
        return Result(page.rows, table, {"suspicious": shown})


def _pairs(space: Space, options: MismatchOptions) -> tuple[Selection, list[str]]:
    """Return the rows that hold both sides, and what must differ for a swap to be wrong."""
    from eval.selection import column, select

    chosen = select(space, options.query, options.split)
    partners = select(space, options.gallery, options.split)
    item = dict(zip(partners.ids, partners.items, strict=True))
    chosen = chosen.without(
        {i: NO_PARTNER for i, row_id in enumerate(chosen.ids) if row_id not in item}
    )
    if options.label is not None:
        cells = column(space.rows, options.label)
        return chosen, [str(cells[row]) for row in chosen.rows]
    digests = space.vectors[options.gallery].digests
    if digests is None:
        return chosen, list(chosen.ids)
    return chosen, [digests[item[row_id]] for row_id in chosen.ids]


def _suspicion(
    space: Space, options: MismatchOptions, ids: list[str], partners: list[str]
) -> Reals:  # fmt: skip
    """Return (n,) how badly each item fits the partner it is given."""
    import numpy as np

    from eval.attachment import fit_of_sides, fit_of_vectors

    scorer = trained_score(space, None)
    if scorer is not None:
        sides = (items_of(space, options.query, ids), items_of(space, options.gallery, partners))
        return -fit_of_sides(scorer, *sides)
    values = []
    for name, wanted in ((options.query, ids), (options.gallery, partners)):
        vectors = space.vectors[name]
        number = {row_id: n for n, row_id in enumerate(vectors.ids)}
        values.append(vectors.values[np.array([number[i] for i in wanted], dtype=np.int64)])
    return -fit_of_vectors(*values)


def _add(page: Sheet, suspicion: Reals, wrong: NDArray[np.bool_]) -> None:
    """Add the numbers of the plant; ties at the last place called share it."""
    import numpy as np

    from eval.areas import area
    from eval.threshold_rules import of_counts, ppv

    count, index = int(wrong.sum()), page.resampler.index
    if count == 0:
        for metric in ("auroc", "auprc", "precision"):
            page.add_value(metric, None, reason="no pair could be swapped across groups")
        return
    truth, share = wrong.astype(float), count / len(wrong)
    marks: dict[str, Any] = {"flags": (f"{count} of {len(wrong)} pairs swapped",)}
    row = page.add("auroc", area("auroc", suspicion, truth, index=index), chance=0.5, **marks)
    if row.value is not None and row.value < TARGET:
        page.rows[-1] = replace(row, flags=(*row.flags, f"below {TARGET}"))
    page.add("auprc", area("auprc", suspicion, truth, index=index), chance=share, **marks)
    edge = np.sort(suspicion)[-count]
    tied = suspicion == edge
    room = (count - (suspicion > edge).sum()) / tied.sum()
    called = np.where(suspicion > edge, 1.0, np.where(tied, room, 0.0))
    statistic = of_counts(ppv, called, truth, index=index)
    page.add("precision", statistic, chance=share, **marks)
