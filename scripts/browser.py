"""A headless Chromium driven over two pipes, with nothing but the standard library.

The browser speaks the Chrome DevTools Protocol on file descriptors 3 and 4: JSON messages, each
ended by a zero byte.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_SECONDS = 60.0
_SETTLE_SECONDS = 0.4
_WIDEST = """
(() => { const room = document.documentElement.clientWidth; let worst = '', edge = room;
for (const e of document.querySelectorAll('body *')) {
  if (e.closest('.wide') && !e.classList.contains('wide')) continue;
  if (e.closest('pre,svg')) continue;
  const r = e.getBoundingClientRect();
  if (r.width && r.right > edge + 0.5) { edge = r.right; worst = e.tagName + '.' + e.className; } }
return [document.documentElement.scrollWidth - room, worst,
        document.documentElement.scrollHeight, room]; })()
"""


@dataclass(frozen=True)
class Screen:
    """What a page is looked at on; sizes in CSS pixels."""

    width: int
    height: int
    dark: bool = False
    medium: str = ""


@dataclass
class Page:
    """A page that has loaded.

    Attributes:
        console: errors and warnings that the console shows.
        asked: addresses that the page asked for, itself left out.
        width: room for the page; height: of all of it; overflow: by how much it is too wide.
        widest: the element that reaches furthest out of the room.
    """

    browser: Browser
    session: str
    console: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    width: int = 0
    height: int = 0
    overflow: int = 0
    widest: str = ""

    def picture(self, height: int, top: int = 0) -> bytes:
        """Return the part of the page that begins at `top` as PNG bytes."""
        clip = {"x": 0, "y": top, "width": self.width, "height": height, "scale": 1}
        shot = self.browser.call(
            "Page.captureScreenshot", self.session, captureBeyondViewport=True, clip=clip
        )
        return base64.b64decode(shot["data"])

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression gives on the page."""
        found = self.browser.call(
            "Runtime.evaluate", self.session, expression=expression, returnByValue=True
        )
        return found["result"].get("value")


class Browser:
    """A running browser; use it in a `with` block.

    Args:
        folder: an empty folder for its profile.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._left = b""
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        name = next((found for name in BROWSERS if (found := shutil.which(name))), None)
        if name is None:
            sys.exit(f"none of {', '.join(BROWSERS)} is installed")
        read, self._write = os.pipe()
        self._read, write = os.pipe()
        flags = f"--headless=new --no-sandbox --disable-gpu --hide-scrollbars --no-first-run \
            --remote-debugging-pipe --user-data-dir='{self._folder}'"
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec '{name}' {flags} about:blank 3<&{read} 4>&{write}"],
            pass_fds=(read, write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read)
        os.close(write)
        return self

    def __exit__(self, *_: object) -> None:
        self.call("Browser.close", "")
        self._process.wait(PATIENCE_SECONDS)

    def open(self, path: Path, screen: Screen) -> Page:
        """Load a page from disk on a screen and wait until it stands still."""
        address = path.resolve().as_uri()
        target = self.call("Target.createTarget", "", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", "", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable", session)
        self.call("Emulation.setDeviceMetricsOverride", session, width=screen.width,
                  height=screen.height, deviceScaleFactor=1, mobile=screen.width < 600)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if screen.dark else "light"}
        self.call("Emulation.setEmulatedMedia", session, media=screen.medium, features=[scheme])
        self.call("Page.bringToFront", session)
        self._events.clear()
        self.call("Page.navigate", session, url=address)
        self._wait("Page.loadEventFired")
        time.sleep(_SETTLE_SECONDS)
        page = Page(self, session)
        page.overflow, page.widest, page.height, page.width = page.value(_WIDEST)
        page.console = [text for event in self._events if (text := _complaint(event))]
        asked = [event["params"]["request"]["url"] for event in self._events
                 if event.get("method") == "Network.requestWillBeSent"]  # fmt: skip
        page.asked = [one for one in asked if one != address and not one.startswith("data:")]
        return page

    def call(self, method: str, session: str, **given: Any) -> dict[str, Any]:
        """Send one command and return its result; events that come meanwhile are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": given}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def _wait(self, method: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any(event.get("method") == method for event in self._events):
            if time.monotonic() > deadline:
                raise TimeoutError(method)
            self._events.append(self._next())

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            part = os.read(self._read, 1 << 16)
            if not part:
                raise RuntimeError("the browser has gone")
            self._left += part
        line, _, self._left = self._left.partition(b"\0")
        return dict(json.loads(line))


def _complaint(event: dict[str, Any]) -> str:
    """Return what an event says is wrong with the page, or nothing."""
    given = event.get("params", {})
    match event.get("method"):
        case "Log.entryAdded" if given["entry"]["level"] in {"error", "warning"}:
            return f"console {given['entry']['level']}: {given['entry']['text']}"
        case "Runtime.consoleAPICalled" if given["type"] in {"error", "warning", "assert"}:
            return f"console {given['type']}: {[one.get('value') for one in given['args']]}"
        case "Runtime.exceptionThrown":
            return f"exception: {given['exceptionDetails']['text']}"
        case "Network.loadingFailed":
            return f"could not load: {given['errorText']}"
    return ""
