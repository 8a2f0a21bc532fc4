"""Writes docs/codes.md: every code that the source can raise or flag, with where and about what.

Run: python scripts/write_codes.py
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("workbench", "modalities", "pipelines", "eval")
CODE = re.compile(r"\b([EF]-[A-Z]{3}-\d{3})\b ?([^\"]*)")
HEAD = """\
# Codes

Every refusal and every flag carries a code. `E-` codes name what was refused: the whole run, or one
cell, which is then quarantined. `F-` codes name what was repaired, assumed or found suspicious in a
sample that was used. The number stays the same for ever. A reader that fails in a way it does not
know gives `-999` of its family.

This table is written by `scripts/write_codes.py` from the source.

| code | about | where |
|---|---|---|
"""


def main() -> None:
    """Write the table."""
    (ROOT / "docs" / "codes.md").write_text(table(ROOT), encoding="utf-8")


def table(root: Path) -> str:
    """Return the page: one line per code, sorted."""
    about: dict[str, list[str]] = {}
    where: dict[str, list[str]] = {}
    files = [p for room in ROOMS for p in sorted((root / room).rglob("*.py"))]
    trees = {p: ast.parse(p.read_text(encoding="utf-8")) for p in files}
    constants = {".".join(p.relative_to(root).with_suffix("").parts): _constants(t)
                 for p, t in trees.items()}  # fmt: skip
    for path, tree in trees.items():
        for code, words in _codes(tree, _constants(tree) | _imported(tree, constants)):
            _add(about.setdefault(code, []), words)
            _add(where.setdefault(code, []), f"`{path.relative_to(root)}`")
    lines = [f"| {code} | {'; '.join(about[code])} | {', '.join(where[code])} |"
             for code in sorted(where)]  # fmt: skip
    return HEAD + "\n".join(lines) + "\n"


def _constants(tree: ast.Module) -> dict[str, int]:
    """Return the whole numbers that a module names: `A = 1` and `A, B = 1, 2`."""
    found: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            left, right = node.targets[0], node.value
            pairs = [(left, right)]
            if isinstance(left, ast.Tuple) and isinstance(right, ast.Tuple):
                pairs = list(zip(left.elts, right.elts, strict=False))
            for name, number in pairs:
                if isinstance(name, ast.Name) and isinstance(number, ast.Constant):
                    value = number.value
                    if isinstance(value, int):
                        found[name.id] = value
    return found


def _imported(tree: ast.Module, constants: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return the numbers that a module imports from others of ours."""
    found: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            there = constants.get(node.module or "", {})
            found |= {a.name: there[a.name] for a in node.names if a.name in there}
    return found


def _codes(tree: ast.Module, numbers: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield (code, words): the field that a call names, the words behind a flag, or none."""
    prose = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        yield from _numbered(call, numbers)
        for argument in (*call.args, *(k.value for k in call.keywords)):
            for code, _ in _found(argument):
                yield code, _field(call, argument)
    for node in ast.walk(tree):
        for code, words in _found(node):
            flag = code.startswith("F") and id(node) not in prose
            yield code, words if flag else ""


def _numbered(call: ast.Call, numbers: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield the code of a call such as `bad(26, name, "file", ...)`, as the DICOM readers write it."""
    if isinstance(call.func, ast.Name) and call.func.id == "bad" and len(call.args) > 2:
        first = call.args[0]
        row: object = first.value if isinstance(first, ast.Constant) else None
        if isinstance(first, ast.Name):
            row = numbers.get(first.id)
        if isinstance(row, int):
            yield f"E-DCM-{row:03d}", _text(call.args[2]) or ""


def _found(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the codes in a piece of text, with the words that follow each."""
    text = _text(node)
    if text is not None:
        yield from ((m[1], m[2].strip()) for m in CODE.finditer(text))


def _field(call: ast.Call, argument: ast.AST) -> str:
    """Return what a call's message is about: its `field`, or the words behind the code itself."""
    given = {k.arg: _text(k.value) for k in call.keywords}
    if "field" in given:
        return given["field"] or given.get("expected") or ""
    own = next(_found(argument))[1]
    rest = [
        a for a in call.args if a is not argument and isinstance(a, ast.Constant | ast.JoinedStr)
    ]
    return own or next((t for a in rest if (t := _text(a))), "")


def _text(node: ast.AST) -> str | None:
    """Return a string constant, or an f-string with "..." where values go."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "..." for p in node.values)
    return None


def _add(items: list[str], item: str) -> None:
    if item and item not in items:
        items.append(" ".join(item.replace("|", "\\|").split()))


if __name__ == "__main__":
    main()
