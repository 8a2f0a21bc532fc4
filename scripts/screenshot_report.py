"""Photographs a report in a headless Chromium at the two widths that people read it at.

Run: python scripts/screenshot_report.py runs/quickstart/report.html [--out FOLDER]

Without --out it writes docs/images/report.png, the picture that the README shows: the first screen,
1280 x 900 pixels, with as few colours as keep it below 400 KB. With --out it writes whole pages into
a folder, in pieces, wide and narrow, light and dark, and one as printed.

Either way it fails when the browser's console shows an error, when a page asks for anything but
itself, or when a page is wider than the screen. Chromium (or Google Chrome) must be on the PATH.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

from browser import Browser, Page, Screen
from PIL import Image

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "report.png"
WIDTH, HEIGHT = 1280, 900
MOST_BYTES = 400_000
TALLEST = 8_000
SCREENS = {
    "wide": Screen(WIDTH, HEIGHT),
    "narrow": Screen(390, 844),
    "wide-dark": Screen(WIDTH, HEIGHT, dark=True),
    "narrow-dark": Screen(390, 844, dark=True),
    "print": Screen(794, 1123, medium="print"),
}


def main() -> None:
    """Photograph one page and say what is wrong with it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("page", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not arguments.page.is_file():
        sys.exit(f"no such file: {arguments.page}")
    with tempfile.TemporaryDirectory() as folder, Browser(Path(folder)) as browser:
        faults = [
            f"{name}: {fault}"
            for name, screen in SCREENS.items()
            for fault in _photograph(browser.open(arguments.page, screen), name, arguments.out)
        ]
    if faults:
        sys.exit("\n".join(faults))


def _photograph(page: Page, name: str, out: Path | None) -> list[str]:
    """Save one screen of a page and return its faults."""
    faults = [*page.console, *(f"asks for {address}" for address in page.asked)]
    if page.overflow > 0:
        faults.append(f"{page.overflow} px wider than the screen: {page.widest}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for i, top in enumerate(range(0, page.height, TALLEST)):
            path = out / f"{name}-{i + 1}.png"
            path.write_bytes(page.picture(min(page.height - top, TALLEST), top))
        print(f"{out / name}-*.png: {page.width} x {page.height}")
    elif name == "wide":
        _save(Image.open(io.BytesIO(page.picture(HEIGHT))).convert("RGB"))
        print(f"written: {PICTURE}, {PICTURE.stat().st_size // 1000} KB")
    return faults


def _save(picture: Image.Image) -> None:
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    for colours in (256, 128, 64):
        picture.crop((0, 0, WIDTH, HEIGHT)).quantize(colours).save(PICTURE, optimize=True)
        if PICTURE.stat().st_size < MOST_BYTES:
            return
    sys.exit(f"{PICTURE.name} stays above {MOST_BYTES} bytes")


if __name__ == "__main__":
    main()
