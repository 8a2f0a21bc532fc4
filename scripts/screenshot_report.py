"""Takes the picture of a report that the README shows, with a headless Chromium.

Run: python scripts/screenshot_report.py runs/quickstart/report.html

Chromium (or Google Chrome) must be on the PATH. The picture is the first screen, 1280 x 900 pixels,
with as few colours as keep it below 400 KB.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "report.png"
WIDTH, HEIGHT = 1280, 900
MOST_BYTES = 400_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Write docs/images/report.png."""
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/screenshot_report.py REPORT.html")
    report = Path(sys.argv[1]).resolve()
    if not report.is_file():
        sys.exit(f"no such file: {report}")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        _photograph(report, shot, Path(folder) / "profile")
        _save(Image.open(shot).convert("RGB"))
    print(f"written: {PICTURE}, {PICTURE.stat().st_size // 1000} KB")


def _photograph(report: Path, shot: Path, profile: Path) -> None:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is installed")
    command = [
        browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        f"--window-size={WIDTH},{HEIGHT}", f"--user-data-dir={profile}", f"--screenshot={shot}",
        report.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=180, stderr=subprocess.DEVNULL)


def _save(picture: Image.Image) -> None:
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    for colours in (256, 128, 64):
        reduced = picture.crop((0, 0, WIDTH, HEIGHT)).quantize(colours)
        reduced.save(PICTURE, optimize=True)
        if PICTURE.stat().st_size < MOST_BYTES:
            return
    sys.exit(f"{PICTURE.name} stays above {MOST_BYTES} bytes")


if __name__ == "__main__":
    main()
