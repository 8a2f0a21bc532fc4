"""Joint galleries, trained scores and prompts by sides: through the tasks that use them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import collapse, make_space, unit

from eval.retrieval import Retrieval
from eval.scores import side_score
from eval.scores.scorer import Scorer, load_scorer, save_scorer
from eval.sides import part_names, with_joint
from eval.space import Vectors
from eval.task import Context
from eval.zero_shot import ZeroShot
from workbench.errors import Failure, Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=100)
PROMPTS = {
    "name": "four", "version": "1", "templates": ["class {}", "a class {}"],
    "classes": [{"id": f"c{k}"} for k in range(4)],
}  # fmt: skip


def with_score(space, name, edges=(("report", ("ecg",)),), **options):
    return replace(space, score=name, scorer=Scorer(side_score(name, 12, **options), edges))


def with_tokens(space, noise=0.6, count=4, seed=0):
    """The same space with tokens scattered around each vector, and a scorer of late interaction."""
    rng = np.random.default_rng(seed)

    def scatter(vectors):
        drawn = vectors.values[:, None] + noise * rng.standard_normal((len(vectors.ids), count, 12))
        drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
        valid = np.ones((len(vectors.ids), count), dtype=bool)
        return replace(vectors, tokens=drawn.astype(np.float16), token_valid=valid)

    texts = {}
    for key, given in space.texts.items():
        names = tuple(sorted(given))
        texts[key] = scatter(Vectors(names, np.stack([given[t] for t in names])))
    vectors = {k: scatter(v) for k, v in space.vectors.items()}
    return with_score(replace(space, vectors=vectors, text_tokens=texts), "late")


def three(count=240, missing=3):
    """A third modality, absent from every so many rows."""
    space = make_space(count)
    rng = np.random.default_rng(5)
    ecg = space.vectors["ecg"]
    keep = [i for i in range(count) if i % missing]
    noise = 0.3 * rng.standard_normal((len(keep), 12))
    echo = Vectors(
        tuple(ecg.ids[i] for i in keep), unit(ecg.values[keep] + noise), None,
        tuple(f"echo-{i}" for i in keep),
    )  # fmt: skip
    return replace(space, vectors={**space.vectors, "echo": echo})


def search(space, **options):
    made = Retrieval.options(**{"query": "report", "gallery": "ecg", **options})
    return Retrieval().run(space, made, CONTEXT)


def ask(space, **options):
    given = {"query": "ecg", "label": "finding", "prompts": PROMPTS, **options}
    return ZeroShot().run(space, ZeroShot.options(**given), CONTEXT)


def value(result, metric, **columns):
    (row,) = [r for r in result.rows if r.metric == metric
              and all(getattr(r, k) == v for k, v in columns.items())]  # fmt: skip
    return row.value


@pytest.mark.parametrize("task", [search, ask])
def test_another_score_than_the_model_was_trained_with_is_refused(task):
    with pytest.raises(Refusal, match="trained with"):
        task(with_tokens(make_space(60)), score="cosine")


def test_a_score_that_was_not_kept_is_a_failure():
    with pytest.raises(Failure, match="not kept"):
        search(replace(make_space(60), score="late"))


def test_a_modality_on_both_sides_of_a_search_is_refused():
    with pytest.raises(Refusal, match="one side only"):
        search(three(60), gallery=["ecg", "report"])


def test_the_mean_of_embeddings_of_tokens_is_refused():
    with pytest.raises(Refusal, match="no mean embedding"):
        ask(with_tokens(make_space(60)), aggregate="mean_embedding")


@pytest.mark.parametrize("name", ["late", "segment_attention", "mil_nce"])
def test_items_without_tokens_have_the_numbers_of_cosine(name):
    space = make_space(120)
    plain, other = search(space), search(with_score(space, name))
    assert [(r.metric, r.k, r.query) for r in plain.rows] == [
        (r.metric, r.k, r.query) for r in other.rows
    ]
    for one, two in zip(plain.rows, other.rows, strict=True):
        assert two.score == name
        assert one.value == pytest.approx(two.value, abs=1e-9), one.metric


def test_late_interaction_finds_what_noise_in_each_token_hides():
    space = with_tokens(make_space(120, noise=0.4), noise=0.2)
    found = search(space, both_directions=False)
    assert value(found, "hit", k=10, query="report") > 0.5


@pytest.mark.parametrize("name", ["late", "volume", "mil_nce", "fdt"])
def test_a_constant_encoder_scores_exactly_chance(name):
    space = with_score(collapse(make_space(120)), name)
    for row in search(space).rows:
        if row.value is not None and row.chance is not None:
            assert row.value == pytest.approx(row.chance, abs=1e-12, rel=1e-12), row.metric


def test_a_search_against_the_trained_order_uses_the_same_table():
    space = with_tokens(make_space(120))
    trained = replace(space, scorer=Scorer(space.scorer.score, (("report", ("ecg",)),)))
    swapped = replace(space, scorer=Scorer(space.scorer.score, (("ecg", ("report",)),)))
    options = {"gallery": "report", "query": "ecg", "both_directions": False}
    one, two = search(trained, **options), search(swapped, **options)
    assert value(one, "mrr") != value(two, "mrr")


def test_two_modalities_that_point_one_way_are_searched_by_volume():
    space = three(missing=10**6)
    ecg, echo = space.vectors["ecg"], space.vectors["echo"]
    at = [ecg.ids.index(i) for i in echo.ids]
    echo = replace(echo, values=-unit(ecg.values[at] + 0.05 * echo.values))
    space = replace(space, vectors={**space.vectors, "echo": echo})
    by_volume = with_score(space, "volume", (("report", ("ecg", "echo")),))
    options = {"gallery": ["ecg", "echo"], "both_directions": False}
    cosine, volume = search(space, **options), search(by_volume, **options)
    assert volume.rows[0].gallery == "ecg,echo"
    assert value(volume, "hit", k=10) > 2 * value(cosine, "hit", k=10)


@pytest.mark.parametrize("name", ["cosine", "volume"])
def test_a_joint_gallery_says_how_often_complete_records_come_first(name):
    space = three()
    space = with_score(space, name, (("report", ("ecg", "echo")),)) if name != "cosine" else space
    found = search(space, gallery=["ecg", "echo"])
    (row,) = [r for r in found.rows if r.metric == "complete_first"]
    test = [i for i, s in enumerate(space.rows.splits) if s == "test"]
    assert row.chance == pytest.approx(np.mean([i % 3 > 0 for i in test]))
    assert ("complete records favoured" in row.flags) == (name == "volume")
    assert {r.query for r in found.rows} == {"report", "ecg,echo"}


def test_a_fused_mean_stands_for_a_joint_name_under_cosine():
    space = with_joint(three(60), "ecg,echo")
    joint, ecg, echo = (space.vectors[k] for k in ("ecg,echo", "ecg", "echo"))
    assert part_names(space, "ecg,echo") == ("ecg", "echo")
    both, alone = echo.ids[0], ecg.ids[0]
    mean = ecg.values[ecg.ids.index(both)] + echo.values[0]
    np.testing.assert_allclose(
        joint.values[joint.ids.index(both)], mean / np.linalg.norm(mean), atol=1e-6
    )
    np.testing.assert_allclose(joint.values[joint.ids.index(alone)], ecg.values[0], atol=1e-6)
    assert len(set(joint.digests)) == len(joint.ids)


def test_zero_shot_ranks_classes_with_the_trained_score():
    space = make_space(200, noise=0.3)
    plain = ask(space, aggregate="mean_score")
    same = ask(with_score(space, "late"), aggregate="mean_score")
    assert [r.value for r in plain.rows] == pytest.approx([r.value for r in same.rows], nan_ok=True)
    tokens = ask(with_tokens(space, noise=0.2))
    assert value(tokens, "accuracy", k=1, average="macro") > 0.6
    assert all("aggregate mean_score: no mean of tokens" in r.flags for r in tokens.rows)


def test_zero_shot_by_volume_keeps_the_mean_of_embeddings():
    found = ask(with_score(make_space(200, noise=0.3), "volume"))
    assert value(found, "accuracy", k=1, average="macro") > 0.6
    assert not any("aggregate" in flag for r in found.rows for flag in r.flags)


@pytest.mark.parametrize("name", ["late", "segment_attention", "mil_nce", "fdt", "volume"])
def test_a_score_comes_back_as_it_was_saved(name, tmp_path):
    options = {"fdt": {"size": 16}, "late": {"normalise": "sum"}}.get(name, {})
    scorer = Scorer(side_score(name, 12, **options), (("report", ("ecg", "echo")),))
    save_scorer(scorer, tmp_path)
    found = load_scorer(tmp_path)
    assert found.edges == scorer.edges
    assert dict(found.score.given) == {"dim": 12, **options}
    for key, tensor in scorer.score.state_dict().items():
        assert np.array_equal(found.score.state_dict()[key].numpy(), tensor.numpy())
    assert load_scorer(tmp_path / "elsewhere") is None


def test_numbers_of_another_score_are_refused(tmp_path):
    save_scorer(Scorer(side_score("fdt", 12, size=16)), tmp_path)
    text = (tmp_path / "score.json").read_text().replace("16", "8")
    (tmp_path / "score.json").write_text(text)
    with pytest.raises(Refusal, match="shapes"):
        load_scorer(tmp_path)
