"""Prints the house measures; exits 1 only when a hard limit is broken.

Run: python scripts/house_measures.py
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

ROOMS = ("workbench", "modalities", "pipelines", "eval")
FILE_MEDIAN, FILE_MAX = 130, 400
FUNCTION_P90, FUNCTION_MAX = 35, 60
PARAMETERS, POSITIONAL = 6, 3

Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    """Measure every source file."""
    root = Path(__file__).resolve().parent.parent
    files = {
        p: p.read_text(encoding="utf-8") for room in ROOMS for p in (root / room).rglob("*.py")
    }
    lines = {p: text.count("\n") for p, text in files.items()}
    functions = [(p, f) for p, text in files.items() for f in _functions(ast.parse(text))]
    lengths = {(p, f.name, f.lineno): _length(f) for p, f in functions}
    broken = [f"{p.relative_to(root)}: {n} lines" for p, n in lines.items() if n > FILE_MAX]
    broken += [f"{p.relative_to(root)}:{line} {name}: {n} lines"
               for (p, name, line), n in lengths.items() if n > FUNCTION_MAX]  # fmt: skip
    broken += [f"{p.relative_to(root)}:{f.lineno} {f.name}: {why}"
               for p, f in functions for why in _parameters(f)]  # fmt: skip
    p90 = statistics.quantiles(lengths.values(), n=10)[8]
    undocumented = [f"{p.relative_to(root)}:{n.lineno} {n.name}"
                    for p, text in files.items() for n in _undocumented(ast.parse(text))]  # fmt: skip
    print(f"files {len(files)}, lines {sum(lines.values())}")
    print(f"file length: median {statistics.median(lines.values()):.0f} (aim {FILE_MEDIAN}), "
          f"longest {max(lines.values())} (limit {FILE_MAX})")  # fmt: skip
    print(f"function length: p90 {p90:.0f} (aim {FUNCTION_P90}), "
          f"longest {max(lengths.values())} (limit {FUNCTION_MAX})")  # fmt: skip
    print(f"undocumented public names: {len(undocumented)}")
    print(f"functions over {PARAMETERS} parameters or {POSITIONAL} positional: "
          f"{sum('parameters' in b or 'positional' in b for b in broken)}")  # fmt: skip
    for line in [*broken, *undocumented]:
        print(f"  {line}")
    hard = [b for b in broken if b.endswith("lines")]
    sys.exit(1 if hard else 0)


def _functions(tree: ast.AST) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def _length(function: Function) -> int:
    """Lines of a function, its docstring and signature included."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _parameters(function: Function) -> Iterator[str]:
    own = [
        a for a in (*function.args.posonlyargs, *function.args.args) if a.arg not in ("self", "cls")
    ]
    count = len(own) + len(function.args.kwonlyargs)
    if count > PARAMETERS:
        yield f"{count} parameters"
    if len(own) > POSITIONAL:
        yield f"{len(own)} positional"


def _undocumented(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    public = isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_")
                    if public and not ast.get_docstring(inner):
                        yield inner


if __name__ == "__main__":
    main()
