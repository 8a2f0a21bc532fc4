"""What is seen: files read on the fly look the same as what a run decoded."""

import numpy as np
import pytest

from pipelines import rows
from pipelines.decode import load_decoded
from pipelines.leakage.seen import of_decoded, of_manifest
from pipelines.plan import make_plan


@pytest.fixture
def small(finished):
    plan = make_plan(finished.parent / "small.yaml")
    return plan, rows.manifest_of(plan, finished / "cohort")


def test_reading_on_the_fly_sees_what_the_run_decoded(small, finished):
    plan, manifest = small
    folder = finished / "decoded"
    decoded = {key: load_decoded(folder / key) for key in plan.parts}
    for live, kept in zip(
        of_manifest(plan, manifest), of_decoded(plan, decoded, folder), strict=True
    ):
        assert live.part.key == kept.part.key
        assert live.rows.tolist() == kept.rows.tolist()
        assert live.digests == kept.digests
        assert (live.prints.keys == kept.prints.keys).all()
        assert live.prints.contents == kept.prints.contents
        assert np.array_equal(live.sample(0).data, kept.sample(0).data)


def test_texts_made_from_columns_are_left_out(finished):
    text = (finished.parent / "small.yaml").read_text()
    (finished.parent / "made.yaml").write_text(
        text.replace("  report:\n", '  report:\n    template: "{ecg_finding}"\n')
    )
    plan = make_plan(finished.parent / "made.yaml")
    manifest = rows.manifest_of(plan, finished / "cohort")
    assert [one.part.key for one in of_manifest(plan, manifest)] == ["ecg"]
