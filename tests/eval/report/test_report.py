"""Tests of the report's promises: nothing active, nothing remote, all sections, same bytes."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from eval.report import ReportData, write_report
from eval.report.markdown import markdown
from eval.report.page import page
from eval.report.sections import sections
from eval.report.sections.searches import PREVIEW_BUDGET, Previews
from eval.report.summary import summary
from eval.report.verdicts import cards, warnings

CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)><a xlink:href=javascript:alert(1)>",
    "</title></style></pre><iframe src=https://example.org></iframe>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "![x](https://example.org/x.png) [y](javascript:alert(1)) https://example.org",
]
ACTIVE = {"script", "iframe", "object", "embed", "form", "input", "button", "base", "audio", "video",
          "foreignobject", "animate", "set", "use", "image"}  # fmt: skip
KNOWN_TAGS = {"html", "head", "body", "meta", "link", "title", "style", "nav", "main", "header",
              "footer", "section", "article", "div", "p", "span", "strong", "b", "i", "br", "h1",
              "h2", "h3", "h4", "ol", "ul", "li", "a", "dl", "dt", "dd", "table", "thead", "tbody", "tr",
              "th", "td", "details", "summary", "pre", "figure", "figcaption", "img", "svg", "g", "rect",
              "line", "circle", "path", "polyline", "text"}  # fmt: skip


class Nodes(HTMLParser):
    """Collects every element with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def metric(**given: Any) -> dict[str, Any]:
    row = {"task": "zero_shot", "query": "ecg", "label": "finding", "metric": "balanced_accuracy",
           "split": "test", "model": "trained", "value": 0.7, "ci_low": 0.6, "ci_high": 0.8,
           "chance": 0.5, "n": 40, "n_groups": 20, "n_excluded": {}, "flags": []}  # fmt: skip
    return {**row, **given}


def run(word: str = "plain", size: int = 3, preview: bytes = PNG) -> ReportData:
    """A run whose every text is `word`."""
    items = [{"id": word, "score": 0.9, "relevant": i == 0} for i in range(4)]
    retrieval = {"task": "retrieval", "gallery": "report", "label": None, "relation": word, "k": 5,
                 "metric": "hit", "chance": 0.1}  # fmt: skip
    fields = ("task", "query", "gallery", "label", "relation", "metric", "split", "model", "pool",
              "rank", "subgroup", "prompts", "average", "reason", "compared_to")  # fmt: skip
    hostile = dict.fromkeys(fields, word) | {
        "flags": [word],
        "n_excluded": {word: 3},
        "p": 0.01,
    }
    return ReportData(
        name=word, digest=word, seed=7, pipeline=f"name: {word}\n",
        record={"device": word, "versions": {word: word}, word: {word: [word]},
                "stages": {word: {"seconds": 1.5, "peak_mb": 20.0}},
                "towers": {word: {"encoder": word, "weights": word, "base_digest": word,
                                  "adapt": {word: word}, "trained_parameters": 5,
                                  "total_parameters": 10}}},
        flow={word: {"rows": 9, "absent": 2, "present": 7, "ok": 5, "flag": 1, "quarantine": 1}},
        splits={word: {"rows": 9, "groups": 3, word: 7}}, flags={word: 4},
        quarantine=[dict.fromkeys(("id", "modality", "code", "file", "field", "found", "hint"), word)],
        metrics=[metric(), metric(**hostile), metric(**retrieval),
                 metric(value=None, metric="auroc", reason=word)],
        extras={word: {"classes": [word, "b"], "confusion": [[3, 1], [0, 2.5]],
                       "prompts": {word: [word]}, "sensitivity": {word: {word: 0.5, "max": 0.6}},
                       "errors": [{"id": word, "truth": word, "prediction": word, "score": 0.1}],
                       "neighbours": [{"query": word, "query_modality": word,
                                       "gallery_modality": word, "items": items}] * size}},
        curves=[{"stage": word, "modality": word, "step": i, "loss": 1 / (i + 1)} for i in range(9)],
        space_map={"points": [{"x": i, "y": -i, "modality": word, "id": word, "label": f"{word}{i}"}
                              for i in range(3)]},
        previews={f"{word}/{word}": preview}, leakage={word: word, "pretraining_overlap": {word: word}},
        source=word, card={word: word, "intended_use": word},
    )  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_becomes_an_active_node(attack: str) -> None:
    nodes = Nodes(page(run(attack))).found
    tags = {tag for tag, _ in nodes}
    assert tags <= KNOWN_TAGS
    assert not tags & ACTIVE
    for _, attributes in nodes:
        assert not [name for name in attributes if name.startswith("on")]
        assert all(
            attributes[name].startswith(("#", "data:image/png;base64,", "data:,"))
            for name in ("href", "src", "xlink:href", "action", "srcset")
            if name in attributes
        )


def test_an_attack_adds_no_element_to_the_page() -> None:
    plain = [tag for tag, _ in Nodes(page(run("plain"))).found]
    assert [tag for tag, _ in Nodes(page(run(ATTACKS[1]))).found] == plain


@pytest.mark.parametrize("attack", ATTACKS)
def test_markdown_holds_neither_html_nor_links_to_elsewhere(attack: str) -> None:
    outside = "".join(
        part for i, part in enumerate(markdown(run(attack)).split("```")) if i % 2 == 0
    )
    assert "<script" not in outside
    assert "<img" not in outside
    assert "](" not in outside.replace("\\](", "")
    assert "https://" not in outside


def test_a_pipeline_with_backticks_stays_inside_its_fence() -> None:
    text = markdown(dataclasses.replace(run(), pipeline="a: '```'\n<b>x</b>"))
    assert "\n````yaml\na: '```'\n<b>x</b>\n````" in text


def test_the_policy_forbids_scripts_and_the_network() -> None:
    policies = [
        attributes["content"]
        for tag, attributes in Nodes(page(run())).found
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == [CSP]


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = page(run())
    assert not [
        word for word in ("http://", "https://", "@import", "url(", "//cdn") if word in html
    ]


@pytest.mark.parametrize("data", [run(), ReportData("n", "d", 1, "name: n")], ids=["full", "empty"])
def test_all_eighteen_sections_stand_in_order(data: ReportData) -> None:
    assert [section.number for section in sections(data)] == list(range(1, 19))
    ids = [attributes["id"] for tag, attributes in Nodes(page(data)).found
           if tag == "section" and "id" in attributes]  # fmt: skip
    assert ids == [f"s{i}" for i in range(1, 19)]
    text = markdown(data)
    assert all(f"\n## {i}. " in text for i in range(1, 19))


def test_an_empty_run_says_not_provided_in_every_fillable_section() -> None:
    parts = page(ReportData("n", "d", 1, "name: n")).split('<section class="part"')[1:]
    silent = [i for i, part in enumerate(parts, start=1) if "not provided" not in part]
    assert silent == [16, 18]
    assert "author must fill" in parts[17]


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(run(), tmp_path / name)
    for file in ("report.html", "report.md"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["report.html", "report.md"]


def test_an_undefined_number_says_so_with_its_reason() -> None:
    data = ReportData("n", "d", 1, "", metrics=[metric(value=None, reason="one class only")])
    for text in (page(data), markdown(data)):
        assert "not defined" in text
        assert "one class only" in text


def test_previews_that_are_no_png_or_too_many_are_left_out() -> None:
    assert Previews({"a/1": b"<svg onload=alert(1)>"}).take("a", "1") == ""
    assert Previews({"a/1": PNG}, budget=len(PNG) - 1).take("a", "1") == ""
    assert base64.b64decode(Previews({"a/1": PNG}).take("a", "1")) == PNG


def test_large_previews_keep_the_page_under_six_megabytes() -> None:
    large = PNG + b"\0" * (PREVIEW_BUDGET // 4)
    html = page(run("plain", size=40, preview=large))
    assert html.count("data:image/png") >= 3
    assert len(html.encode()) < 6_000_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda rows: [*rows, metric(model="control:random_frozen", ci_high=0.65)],
            "does not beat",
        ),
        (lambda rows: [*rows, metric(model="control:constant", value=0.51)], "differs from chance"),
        (lambda rows: [*rows, metric(model="control:shuffled_pairs")], "suspect a leak"),
        (lambda rows: [metric(ci_low=0.4)], "not told apart from chance"),
        (lambda rows: rows, "No control was run"),
    ],
)
def test_the_first_paragraph_warns(
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], words: str
) -> None:
    data = ReportData("n", "d", 1, "", metrics=change([metric()]))
    assert any(words in text for text in warnings(data))
    assert words in page(data).split('class="lead"')[1].split("</p>")[0]


def test_leakage_is_warned_about_and_a_clean_audit_is_not() -> None:
    found = ReportData("n", "d", 1, "", leakage={"near_duplicates": {"found": 3, "result": "flag"}})
    clean = ReportData("n", "d", 1, "", leakage={"near_duplicates": 0, "pretraining_overlap": "no"})
    assert any("3 by near duplicates" in text for text in warnings(found))
    assert not any("leakage" in text for text in warnings(clean))


def test_a_beaten_control_gives_no_warning() -> None:
    rows = [metric(), metric(model="control:random_frozen", value=0.5, ci_low=0.45, ci_high=0.55)]
    assert warnings(ReportData("n", "d", 1, "", metrics=rows)) == ()


def test_the_summary_speaks_of_data_result_interval_and_chance() -> None:
    text = " ".join(
        summary(dataclasses.replace(run(), source="600 invented visits", metrics=[metric()]))
    )
    assert "600 invented visits; 9 rows" in text
    assert "balanced accuracy 0.700 (95 % interval 0.600 – 0.800, chance 0.500" in text


def test_one_card_per_query_prefers_balanced_accuracy() -> None:
    rows = [metric(metric="auroc", average="macro"), metric(), metric(query="oct")]
    assert [(card.modality, card.headlines[0].metric) for card in cards(rows)] == [
        ("ecg", "balanced accuracy"), ("oct", "balanced accuracy"),
    ]  # fmt: skip


def test_rows_that_are_unaccounted_for_are_told() -> None:
    flow = {"ecg": {"rows": 9, "absent": 2, "present": 6, "ok": 6, "flag": 0, "quarantine": 0}}
    assert "The counts of ecg do not add up" in page(ReportData("n", "d", 1, "", flow=flow))
