"""Tests of the report in a real browser: nothing too wide, nothing asked for, no error, readable marks."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eval.report import ReportData, write_report

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from browser import BROWSERS, Browser, Page, Screen

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, BROWSERS)), reason="no Chromium is installed"
)
LONG = "a_label_that_never_ends_" * 6
SCREENS = {
    "wide": Screen(1280, 900),
    "narrow": Screen(390, 844),
    "dark": Screen(390, 844, dark=True),
}
SEEN = """[...document.querySelectorAll('.scatter .tip')]
    .filter(tip => getComputedStyle(tip).visibility == 'visible').map(tip => tip.textContent)"""


def row(task: str, metric: str, **given: Any) -> dict[str, Any]:
    return {"task": task, "query": "ecg", "gallery": "report", "label": LONG, "metric": metric,
            "split": "test", "model": "trained", "value": 0.6, "ci_low": 0.5, "ci_high": 0.7,
            "chance": 0.2, "n": 4000, "n_groups": 2000, "flags": [LONG], **given}  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    points = [{"x": i % 7, "y": i % 5, "modality": "ecg", "id": f"row-{i}", "label": LONG[i:]}
              for i in range(30)]  # fmt: skip
    bins = [{"low": 0.0, "high": 1.0, "confidence": 0.5, "accuracy": 0.4, "n": 9}]
    entry = {"query": LONG, "query_modality": "ecg", "gallery_modality": "report",
             "items": [{"id": LONG, "score": 0.5, "relevant": True}] * 6}  # fmt: skip
    data = ReportData(
        LONG, "abc" * 20, 7, f"name: {LONG}\n", space_map={"points": points},
        metrics=[row("zero_shot", "accuracy"), row("retrieval", "hit", relation="pair", k=5),
                 row("subgroups", "accuracy", subgroup=f"{LONG}=b"), row("threshold", "ppv"),
                 row("zero_shot", "accuracy", compared_to=LONG, p=0.1, p_adjusted=0.2)],
        extras={"calibration-ecg": {"reliability": bins}, "retrieval-ecg": {"neighbours": [entry]},
                "zero_shot-ecg": {"classes": [LONG, "b"], "confusion": [[3, 1], [0, 4]]}},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("report")
    write_report(data, folder)
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def faults(page: Page) -> list[str]:
    wide = [f"{page.overflow} px too wide: {page.widest}"] if page.overflow > 0 else []
    return [*page.console, *page.asked, *wide]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<script>console.error('x')</script>", "console error"),
        ("<script>throw Error('x')</script>", "exception"),
        ("<img src='missing.png'>", "missing.png"),
        ("<p style='width:3000px'>x</p>", "px too wide: P"),
    ],
)
def test_a_faulty_page_is_noticed(browser: Browser, tmp_path: Path, body: str, fault: str) -> None:
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html><title>t</title>{body}")
    found = faults(browser.open(tmp_path / "page.html", SCREENS["narrow"]))
    assert any(fault in text for text in found)


@pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS)
def test_a_report_fits_every_screen_and_asks_for_nothing(
    browser: Browser, report: Path, screen: Screen
) -> None:
    page = browser.open(report, screen)
    assert faults(page) == []
    assert page.width == screen.width


def test_pointing_at_a_mark_reads_it(browser: Browser, report: Path) -> None:
    page = browser.open(report, SCREENS["wide"])
    assert page.value(SEEN) == []
    page.value("document.querySelector('.scatter').scrollIntoView({behavior: 'instant'})")
    x, y = page.value(
        "(r => [r.x + r.width / 2, r.y + r.height / 2])"
        "(document.querySelector('g.dot [class^=c]').getBoundingClientRect())"
    )
    browser.call("Input.dispatchMouseEvent", page.session, type="mouseMoved", x=x, y=y)
    assert page.value(SEEN)[0].startswith("ecg row-")


def test_a_link_of_the_list_shows_its_mark(browser: Browser, report: Path) -> None:
    page = browser.open(report, SCREENS["wide"])
    page.value("document.querySelector('.points a[href=\"#p3\"]').click()")
    assert page.value(SEEN)[0] == "ecg row-2"


def test_a_picture_has_the_size_that_was_asked_for(browser: Browser, report: Path) -> None:
    page = browser.open(report, SCREENS["narrow"])
    png = page.picture(500, 100)
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (390, 500)
