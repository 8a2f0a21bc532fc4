"""The `cluster` task: whether groups found without labels are the classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from eval.space import Space
from eval.task import Context, Metric, Result, Task
from workbench.modality import Options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eval.rows import Sheet

    Ints = NDArray[np.int64]

By = Literal["features", "values"]
Reduce = Literal["pca", "umap", "none"]

FIXED = "fixed-clusters"


class ClusterOptions(Options):
    """Which vectors are clustered, and which label the clusters should find again.

    Attributes:
        query: modality.
        label: column with one class per row.
        split: rows that are clustered.
        by: shared-space "values", encoder "features", or both.
        reduce: principal components; "umap" as BarcodeBERT does it; or "none".
        dims: dimensions that are left.
        most: rows up to which Ward's method clusters; above, k-means.
        restarts: seeded starts of k-means; the lowest squared error is kept.
    """

    query: str
    label: str
    split: str = "test"
    by: tuple[By, ...] = Field(default=("values",), min_length=1)
    reduce: Reduce = "pca"
    dims: int = Field(default=50, ge=1)
    most: int = Field(default=20_000, ge=2)
    restarts: int = Field(default=10, ge=1)

    @field_validator("reduce")
    @classmethod
    def _there(cls, reduce: Reduce) -> Reduce:
        from eval.reduction import has_umap

        if reduce == "umap" and not has_umap():
            raise ValueError("umap is not installed: pip install 'medbio-workbench[umap]'")
        return reduce


class Cluster(Task[ClusterOptions]):
    """Ward or k-means into as many clusters as there are classes; AMI, ARI and NMI with them."""

    options = ClusterOptions

    def run(self, space: Space, options: ClusterOptions, context: Context) -> Result:
        """Cluster every kind of vector and compare with the labels."""
        from eval.labels import fault, parts, truth_of
        from eval.rows import config_digest, resampler, sheet
        from eval.selection import column, features_of, select

        cells = column(space.rows, options.label)
        classes = tuple(sorted({part for cell in cells for part in parts(cell)}))
        chosen = select(
            space, options.query, options.split, why_not=fault(cells, classes, "single")
        )
        truth = truth_of([cells[row] for row in chosen.rows], classes, "single")
        replicates = resampler(chosen.groups, context)
        rows: list[Metric] = []
        columns: dict[str, Any] = {"label": truth.words()}
        for kind in options.by:
            page = sheet(
                replicates, task="cluster", query=options.query, label=options.label, pool=kind,
                split=options.split, model=space.model, n_excluded=chosen.excluded,
                config_digest=config_digest(options, context),
            )  # fmt: skip
            vectors = features_of(space, options.query, chosen, by=kind)
            labels = truth.single
            reason = _why_not(labels, vectors)
            if reason is not None or labels is None or vectors is None:
                page.add_value("ami", None, reason=reason)
            else:
                found = _cluster(vectors, labels, options, context=context)
                columns[f"cluster_{kind}"] = found[0].tolist()
                _add(page, labels, found, options=options)
            rows += page.rows
        return Result(rows, chosen.table(columns), {"classes": list(classes)})


def _why_not(labels: Any, vectors: Any) -> str | None:
    """Say why nothing can be clustered, if so."""
    if vectors is None:
        return "these vectors were not kept"
    if labels is None or len(labels) == 0:
        return "no row is left"
    count = len(set(labels.tolist()))
    return f"{count} class among the rows, at least 2 needed" if count < 2 else None


def _cluster(
    vectors: Any, labels: Ints, options: ClusterOptions, *, context: Context
) -> list[Ints]:
    """Return the clustering that counts, then every restart of k-means."""
    import numpy as np

    from eval.reduction import principal, umap
    from eval.ward import ward

    points = vectors.astype(np.float64)
    if options.reduce == "pca":
        points = principal(points, options.dims)
    elif options.reduce == "umap":
        points = umap(points, options.dims)
    count = len(np.unique(labels))
    if len(points) <= options.most:
        return [ward(points, count)]
    return _k_means(points, count, restarts=options.restarts, seed=context.seed)


def _k_means(points: Any, count: int, *, restarts: int, seed: int) -> list[Ints]:
    """Return the k-means clustering of lowest squared error, then that of every restart."""
    import numpy as np
    from sklearn.cluster import KMeans

    from workbench.seeding import derive_seed

    runs = []
    for number in range(restarts):
        start = derive_seed(seed, "k-means", number) % 2**32
        model = KMeans(count, n_init=1, random_state=start).fit(points)
        runs.append((float(model.inertia_), np.asarray(model.labels_, dtype=np.int64)))
    best = min(range(restarts), key=lambda number: runs[number][0])
    return [runs[best][1], *(labels for _, labels in runs)]


def _add(page: Sheet, labels: Ints, found: list[Ints], *, options: ClusterOptions) -> None:
    """Add the measures; an interval speaks of new samples, the clusters held fixed."""
    import numpy as np

    from eval.agreement import Agreement, agreement, expected_nmi

    best, restarts = found[0], found[1:]
    index = page.resampler.index
    way = "k-means" if restarts else "Ward"
    flags: tuple[str, ...] = (f"{way}, {len(np.unique(best))} clusters",)
    if options.reduce != "none":
        flags += (f"transductive: {options.reduce} fitted on the rows that are clustered",)
    chances = {"ami": 0.0, "ari": 0.0, "nmi": expected_nmi(labels, best)}
    kinds: tuple[Agreement, ...] = ("ami", "ari", "nmi")
    for kind in kinds:
        statistic = agreement(kind, labels, best, index=index)
        row = page.add(kind, statistic, chance=chances[kind], flags=flags)
        if row.ci_method is not None:
            page.rows[-1] = replace(row, ci_method=FIXED, flags=(*row.flags, row.ci_method))
    if restarts:
        values = [page.resampler.point(agreement("ami", labels, r, index=index)) for r in restarts]
        known = [value for value in values if value is not None]
        row = page.add_value(
            "ami_over_seeds", float(np.mean(known)), chance=0.0, flags=flags,
            reason=f"mean of {len(known)} restarts; the interval is their range",
        )  # fmt: skip
        page.rows[-1] = replace(
            row, ci_low=min(known), ci_high=max(known), ci_method="range-over-seeds"
        )
