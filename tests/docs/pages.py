"""The documentation as the tests read it: pages, fenced blocks, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages() -> list[Path]:
    top = [CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    docs = CHECKOUT / "docs"
    return [*top, *(p for p in sorted(docs.rglob("*.md")) if "_build" not in p.parts)]


def blocks(page: Path, language: str) -> list[str]:
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [body for name, body in found if name == language]


def local_links(page: Path) -> Iterator[Path]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in _LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
        if not re.match(r"[a-z]+:|#", target):
            yield page.parent / target.partition("#")[0]


def commands() -> Iterator[tuple[str, str]]:
    """Every `workbench ...` line of a bash block or of inline code, with its page."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        lines = [line for body in blocks(page, "bash") for line in body.splitlines()]
        lines += re.findall(r"`(workbench [^`\n]+)`", text)
        for line in lines:
            command = line.partition("#")[0].strip()
            if command.startswith("workbench "):
                yield page.relative_to(CHECKOUT).as_posix(), command
