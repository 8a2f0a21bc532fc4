"""Reads a pipeline file into its models, turning every mistake into one line with its place."""

from __future__ import annotations

import types
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from workbench.config import Pipeline
from workbench.errors import Refusal, did_you_mean
from workbench.yaml12 import Document, load_yaml, parse_yaml
from workbench.yaml12 import Path as Place

M = TypeVar("M", bound=BaseModel)


def load_pipeline(path: Path, overrides: Sequence[str] = ()) -> tuple[Pipeline, Document]:
    """Return the validated pipeline of a file, and the document for later messages.

    Args:
        path: the YAML file.
        overrides: "a.b=c" texts from `--set`; the value is read as YAML.

    Raises:
        Refusal: with file, line, column, what was found and what was expected.
    """
    if not path.is_file():
        raise Refusal("E-CFG-014", file=str(path), field="pipeline file", found="no such file",
                      expected="a YAML file or the name of a shipped recipe")  # fmt: skip
    document = parse_yaml(path.read_bytes(), path.name)
    if not isinstance(document.data, dict):
        raise Refusal("E-CFG-012", file=document.place(()), field="document",
                      found=type(document.data).__name__, expected="keys and values")  # fmt: skip
    for text in overrides:
        _override(document, text)
    return validate(Pipeline, document.data, document), document


def validate(model: type[M], data: Any, document: Document, at: Place = ()) -> M:
    """Validate part of a document against a model, naming the place of the first mistake.

    Args:
        model: what the part must be.
        data: the part.
        document: where it stands.
        at: path of the part in the document.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        _refuse(model, error, document, at)


def _refuse(
    model: type[BaseModel], error: ValidationError, document: Document, at: Place
) -> NoReturn:
    """Raise the most telling of pydantic's errors as one Refusal."""
    first = max(error.errors(), key=lambda e: (len(e["loc"]), e["type"] == "extra_forbidden"))
    loc: Place = _visible(tuple(first["loc"]), document, at)
    where = ".".join(str(p) for p in (*at, *loc)) or "pipeline"
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, tuple(first["loc"])[:-1])
        raise Refusal(
            "E-CFG-001", file=document.place((*at, *loc)), field="unknown key",
            found=repr(".".join(str(p) for p in (*at, *loc))),
            expected=f"one of {known}{did_you_mean(str(loc[-1]), known)}",
        )  # fmt: skip
    found = "nothing" if first["type"] == "missing" else repr(first["input"])
    if first["type"] == "value_error":
        found = "values that do not fit together"
    raise Refusal(
        "E-CFG-012", file=document.place((*at, *loc)), field=where, found=found[:120],
        expected=first["msg"].removeprefix("Value error, "),
    )  # fmt: skip


def _visible(loc: Place, document: Document, at: Place) -> Place:
    """Leave out of a pydantic location the tags of unions, which no user wrote."""
    kept: list[str | int] = []
    for part in loc:
        tag = isinstance(part, str) and (part.startswith("literal[") or part[:1].isupper())
        if (*at, *kept, part) in document.marks or (part is loc[-1] and not tag):
            kept.append(part)
    return tuple(kept)


def _known_keys(model: type[BaseModel], loc: Place) -> list[str]:
    """Return the keys allowed at a location of a model."""
    current: Any = model
    for part in loc:
        current = _step(current, part)
    return sorted(current.model_fields) if _is_model(current) else []


def _step(annotation: Any, part: str | int) -> Any:
    """Return the annotation one part further down."""
    if _is_model(annotation):
        fields = annotation.model_fields
        return _strip(fields[part].annotation, part) if part in fields else annotation
    return _strip(annotation, part)


def _strip(annotation: Any, part: str | int) -> Any:
    """Look through Annotated, unions and containers to a model, preferring the one `part` names."""
    if _is_model(annotation):
        return annotation
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _strip(args[0], part)
    if origin in (Union, types.UnionType, dict, tuple, list):
        models = [m for m in (_strip(a, part) for a in args) if _is_model(m)]
        named = [m for m in models if m.__name__ == part]
        return (named or models or [annotation])[0]
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _override(document: Document, text: str) -> None:
    """Apply one "a.b=c" to a document in place."""
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise Refusal("E-CFG-012", file="--set", field="override", found=repr(text),
                      expected="key.path=value")  # fmt: skip
    target = document.data
    parts = key.split(".")
    for part in parts[:-1]:
        target = _descend(target, part, key)
    parsed = load_yaml(value, f"--set {key}")
    if isinstance(target, list):
        target[_index(target, parts[-1], key)] = parsed
    else:
        target[parts[-1]] = parsed


def _descend(target: Any, part: str, key: str) -> Any:
    if isinstance(target, list):
        return target[_index(target, part, key)]
    if not isinstance(target, dict):
        raise Refusal("E-CFG-012", file="--set", field=key, found=f"{part!r} below a plain value",
                      expected="a path through keys and list positions")  # fmt: skip
    return target.setdefault(part, {})


def _index(items: list[Any], part: str, key: str) -> int:
    if not part.isdigit() or int(part) >= len(items):
        raise Refusal("E-CFG-012", file="--set", field=key, found=repr(part),
                      expected=f"a position from 0 to {len(items) - 1}")  # fmt: skip
    return int(part)
