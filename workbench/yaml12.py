"""Reads YAML 1.2 strictly: `1e-4` is a number, `no` is a string, nothing is executed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from workbench.errors import Refusal

BYTES_LIMIT = 1 << 20
DEPTH_LIMIT = 64

Path = tuple[str | int, ...]

_INT = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SPECIAL = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan"),
}  # fmt: skip


@dataclass(frozen=True)
class Document:
    """A parsed file: its data, and the line and column (from 1) of every key and item.

    Attributes:
        data: dicts with text keys, lists, str, int, float, bool and None.
        marks: position of the value at a path; a key's own position where the value is a mapping's.
        file: name that messages use.
    """

    data: Any
    marks: dict[Path, tuple[int, int]] = field(default_factory=dict)
    file: str = "pipeline.yaml"

    def place(self, path: Path) -> str:
        """Return "file:line:column" of a path, or of its nearest parent that has a position."""
        while path and path not in self.marks:
            path = path[:-1]
        line, column = self.marks.get(path, (1, 1))
        return f"{self.file}:{line}:{column}"


def load_yaml(text: str | bytes, file: str) -> Any:
    """Return the data of one YAML document. Raises Refusal for whatever is not plain data."""
    return parse_yaml(text, file).data


def parse_yaml(text: str | bytes, file: str) -> Document:
    """Parse one YAML document, keeping positions.

    Raises:
        Refusal: over 1 MB, not UTF-8, tabs or other syntax errors, tags, aliases, merge keys,
            duplicate keys, nesting deeper than 64, or several documents.
    """
    reader = _Reader(file)
    try:
        reader.events = yaml.parse(reader.decode(text), Loader=yaml.SafeLoader)
        return reader.document()
    except yaml.MarkedYAMLError as error:
        line, column = _place(error.problem_mark)
        reader.refuse(
            "E-CFG-014", line, column, "YAML syntax", str(error.problem), "valid YAML 1.2"
        )
    except yaml.reader.ReaderError as error:
        reader.refuse("E-CFG-014", 1, 1, "character", f"#x{error.character!r}", "printable UTF-8")


class _Reader:
    """Builds plain data from parser events, refusing what plain data cannot hold."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.marks: dict[Path, tuple[int, int]] = {}
        self.events: Iterator[Any] = iter(())

    def refuse(
        self, code: str, line: int, column: int, field_: str, found: str, expected: str
    ) -> NoReturn:
        raise Refusal(
            code, file=f"{self.file}:{line}:{column}", field=field_, found=found, expected=expected
        )

    def decode(self, text: str | bytes) -> str:
        raw = text.encode() if isinstance(text, str) else text
        if len(raw) > BYTES_LIMIT:
            self.refuse("E-CFG-008", 1, 1, "size", f"{len(raw)} bytes", f"at most {BYTES_LIMIT}")
        try:
            return raw.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            self.refuse("E-CFG-014", line, 1, "encoding", "bytes that are not UTF-8", "UTF-8")

    def document(self) -> Document:
        data: Any = None
        seen = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                seen += 1
                if seen > 1:
                    line, column = _place(event.start_mark)
                    self.refuse(
                        "E-CFG-015", line, column, "documents", "a second one", "one document"
                    )
                data = self.value(next(self.events), ())
        return Document(data, self.marks, self.file)

    def value(self, event: Any, path: Path) -> Any:
        line, column = _place(event.start_mark)
        self.marks.setdefault(path, (line, column))
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            self.refuse("E-CFG-006", line, column, "alias", "an anchor or alias", "plain values")
        if event.tag not in (None, "!"):
            self.refuse("E-CFG-005", line, column, "tag", repr(event.tag), "no tag")
        if len(path) > DEPTH_LIMIT:
            self.refuse("E-CFG-007", line, column, "nesting", f"over {DEPTH_LIMIT}", "less")
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path)
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path)
        return _scalar(event.value) if event.implicit[0] else event.value

    def sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.value(event, (*path, len(items))))
        return items

    def mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            line, column = _place(event.start_mark)
            if not isinstance(event, yaml.ScalarEvent):
                self.refuse("E-CFG-014", line, column, "key", "a collection", "a word")
            key = str(event.value)
            if key == "<<" and event.implicit[0]:
                self.refuse("E-CFG-006", line, column, "key", "a merge key '<<'", "plain keys")
            if key in found:
                self.refuse("E-CFG-002", line, column, f"key {key!r}", "a second value", "one")
            self.marks[(*path, key)] = (line, column)
            found[key] = self.value(next(self.events), (*path, key))
        return found


def _place(mark: Any) -> tuple[int, int]:
    """Return line and column from 1 of a parser's mark, which may be missing."""
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


def _scalar(text: str) -> Any:
    """Resolve a plain scalar by the YAML 1.2 core schema."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INT.match(text):
        return int(text)
    if _BASED.match(text):
        return int(text, 0)
    return float(text) if _FLOAT.match(text) else text
