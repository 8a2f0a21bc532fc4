"""What a modality declares: light to import, closed options, sentences that tell findings apart."""

import json
import re
import subprocess
import sys
import types
import typing

import pytest
from pydantic import ValidationError

from workbench.errors import Refusal
from workbench.modality import Modality, Source

HEAVY = ("torch", "transformers", "peft", "monai", "sklearn", "pandas", "matplotlib")
# `source` says whether a cell is a path or a text, so another value is another input.
NOT_OF_THE_ARRAY = {"source"}
IMPORT = """
import sys
from workbench import registry
registry.modality({name!r})
print(*[m for m in {heavy!r} if m in sys.modules])
"""


def test_gives_the_suite_something_to_test(modality):
    assert isinstance(modality, Modality)
    assert len(modality.findings) >= 2, "findings: two or more, or nothing can be told apart"
    assert len(modality.encoders) >= 1, "encoders: none"
    scratch = [e for e in modality.encoders.values() if "scratch" in e.weights]
    assert scratch, "encoders: none that can be built from scratch, so none can be tested"


def test_importing_it_is_light(modality):
    code = IMPORT.format(name=modality.spec.name, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_spec_is_complete(modality):
    spec = modality.spec
    assert re.fullmatch(r"[a-z][a-z0-9_]*", spec.name)
    assert spec.axes.split()
    assert spec.low < spec.high
    assert spec.unit
    assert spec.cell in ("path", "text", "either")


def test_options_have_defaults_and_are_frozen_and_closed(modality):
    options = modality.options()
    field = next(iter(type(options).model_fields), None)
    with pytest.raises(ValidationError):
        modality.options(no_such_option=1)
    if field is not None:
        with pytest.raises(ValidationError):
            setattr(options, field, None)


def test_encoders_are_listed_under_their_own_names(modality):
    for name, entry in modality.encoders.items():
        assert name == entry.name
        assert entry.summary
        assert re.fullmatch(r"[\w.]+:\w+", entry.builder)
        assert entry.weights <= {"scratch", "local", "hub"}
        with pytest.raises(ValidationError):
            entry.options(no_such_option=1)


def test_findings_are_told_apart_by_their_sentences(modality):
    names = [f.name for f in modality.findings]
    assert len(set(names)) == len(names)
    owner: dict[str, str] = {}
    for finding in modality.findings:
        assert finding.statements, finding.name
        assert finding.denials, finding.name
        for kind, sentences in (("says", finding.statements), ("denies", finding.denials)):
            for sentence in sentences:
                assert sentence.strip()
                assert (
                    owner.setdefault(sentence, f"{kind} {finding.name}") == f"{kind} {finding.name}"
                )


def test_contract_is_ready_for_json(modality):
    contract = modality.contract(modality.options())
    assert contract
    assert json.loads(json.dumps(contract, allow_nan=False)) == json.loads(json.dumps(contract))


def test_contract_changes_whenever_an_option_changes_the_array(case):
    finding = next(iter(case.cells))
    before = collated(case, case.options, finding)
    contract = case.modality.contract(case.options)
    for field, other in alternatives(case.options):
        try:
            after = collated(case, other, finding)
        except Refusal:  # this file says nothing about an option that refuses it
            continue
        if before.shape != after.shape or not (before == after).all():
            message = f"{field} changes the array but not the contract"
            assert case.modality.contract(other) != contract, message


def collated(case, options, finding):
    """Return the values of one sample as the encoder sees them, missing ones as zero."""
    sample = case.modality.read(Source(case.cells[finding], case.folder), options)
    return case.modality.collate([sample], options).values.nan_to_num()


def alternatives(options):
    """Yield (field, options with another value in it) for fields whose type suggests one."""
    for name, field in type(options).model_fields.items():
        if name in NOT_OF_THE_ARRAY:
            continue
        given = options.model_dump(exclude_unset=True)
        for value in others(field.annotation, getattr(options, name)):
            try:
                yield name, type(options)(**{**given, name: value})
            except ValidationError:
                continue


def others(kind, now):
    """Return values of a type that differ from the present one."""
    args = typing.get_args(kind)
    if isinstance(now, bool):
        return [not now]
    if typing.get_origin(kind) is typing.Literal:
        return [a for a in args if a != now]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [v for a in args for v in others(a, now)]
    if isinstance(now, int):
        return [now + 1, max(1, now // 2)]
    if isinstance(now, float):
        return [now + 0.5, now / 2]
    if isinstance(now, str):
        return [f"{now}X"]
    return [*([16] if kind is int else []), *([1.5] if kind is float else [])]
