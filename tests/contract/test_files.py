"""What a modality reads: its own synthetic files as promised, spoilt ones as a named refusal."""

import hashlib
import re
import shutil

import numpy as np
import pytest

from workbench.errors import BadInput
from workbench.modality import Source
from workbench.seeding import keyed_rng

MUTATIONS = 40
PERSON = ("Zyxwvson", "Quentilda", "MRN7788Q", "19511213", "1951-12-13")


def tree(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def is_file(case, cell):
    return len(cell) < 255 and "\n" not in cell and (case.folder / cell).is_file()


def test_every_finding_becomes_a_file_or_a_text(case):
    for finding, cell in case.cells.items():
        assert cell, f"{finding}: synthesize wrote nothing"
        if case.modality.spec.cell == "path":
            assert is_file(case, cell), f"{finding}: no file {cell!r} in the folder it was given"
        if is_file(case, cell):
            assert (case.folder / cell).stat().st_size > 0


def test_every_finding_reads_as_the_spec_says(case, obey):
    assert case.samples
    for sample in case.samples.values():
        obey(case.modality, sample)


def test_findings_differ_in_the_array(case):
    seen = {s.data.tobytes() for s in case.samples.values()}
    assert len(seen) == len(case.samples)


def test_default_options_read_the_synthetic_file(case, obey):
    finding = next(iter(case.cells))
    obey(case.modality, case.modality.read(case.source(finding), case.modality.options()))


def test_one_rng_gives_one_file_and_another_gives_another(case, tmp_path):
    finding = next(iter(case.cells))
    found = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        folder = tmp_path / name
        folder.mkdir()
        cell = case.modality.synthesize(finding, keyed_rng(seed), folder)
        found[name] = (cell, tree(folder))
    assert found["a"] == found["b"]
    assert found["a"] != found["c"]


def test_files_do_not_overwrite_each_other_in_one_folder(case, tmp_path):
    cells, before = set(), {}
    for n, finding in enumerate([*case.cells, *case.cells]):
        cells.add(case.modality.synthesize(finding, keyed_rng(n), tmp_path))
        after = tree(tmp_path)
        assert {k: after.get(k) for k in before} == before
        before = after
    assert len(cells) == 2 * len(case.cells)


def test_reading_twice_gives_the_same_and_changes_no_file(case):
    before = tree(case.folder)
    for finding, first in case.samples.items():
        again = case.modality.read(case.source(finding), case.options)
        np.testing.assert_array_equal(again.data, first.data)
        assert again.flags == first.flags
    assert tree(case.folder) == before


def test_peek_accepts_what_read_accepts(case):
    for finding in case.cells:
        case.modality.peek(case.source(finding), case.options)


def test_a_file_outside_the_root_is_refused(case, tmp_path):
    if case.modality.spec.cell != "path":
        pytest.skip("cells may be text, where dots and slashes mean nothing")
    inner = tmp_path / "root"
    inner.mkdir()
    shutil.copytree(case.folder, tmp_path / "outside")
    cell = next(iter(case.cells.values()))
    with pytest.raises(BadInput, match="E-MAN-015"):
        case.modality.read(Source(f"../outside/{cell}", inner), case.options)
    with pytest.raises(BadInput, match="E-MAN-007"):
        case.modality.read(Source("missing.bin", inner), case.options)


def test_spoilt_files_are_read_as_promised_or_refused_by_name(case, tmp_path, obey):
    """Truncated, emptied, garbled and bit-flipped files: a sample of the spec, or BadInput."""
    refused = 0
    cells = list(case.cells.values())
    for n in range(MUTATIONS):
        rng = keyed_rng("mutation", case.name, n)
        cell = cells[n % len(cells)]
        source = spoilt(case, cell, tmp_path / str(n), rng=rng, n=n)
        try:
            sample = case.modality.read(source, case.options)
        except BadInput as bad:
            refused += 1
            complain(bad, tmp_path / str(n), source)
        else:
            obey(case.modality, sample)
    assert refused > 0, "no spoilt file was refused"


def complain(bad, folder, source):
    """Assert that a refusal says what a person needs to act on it."""
    fields = bad.fields()
    for key in ("code", "file", "field", "found", "expected"):
        assert fields[key], f"{key} is empty in: {bad}"
    assert re.fullmatch(r"E-[A-Z]{3,}-\d{3}", bad.code)
    files = {str(p.relative_to(folder)) for p in folder.rglob("*")}
    named = re.sub(r"(#.*|:\d+)$", "", bad.file)
    assert named in files or named == source.value[:200] or "text" in named, bad.file


def spoilt(case, cell, folder, *, rng, n):
    """Return a damaged copy of a cell: its files in a folder of their own, or a damaged text."""
    folder.mkdir()
    if not is_file(case, cell):
        data = damaged(cell.encode(), rng=rng, n=n)
        return Source(data.decode("utf-8", errors="replace"), folder)
    stem = (case.folder / cell).name.partition(".")[0]
    parent = (case.folder / cell).parent
    targets = []
    for path in sorted(parent.glob(f"{stem}.*")):
        target = folder / path.relative_to(case.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        targets.append(target)
    victim = targets[int(rng.integers(len(targets)))]
    victim.write_bytes(damaged(victim.read_bytes(), rng=rng, n=n))
    return Source(cell, folder)


def damaged(data, *, rng, n):
    """Return bytes damaged in one of eight ways."""
    place = int(rng.integers(len(data)))
    head = int(rng.integers(min(len(data), 512)))
    raw = np.frombuffer(data, np.uint8).copy()
    match n % 8:
        case 0:
            return data[:place]
        case 1:
            return b""
        case 2:
            return rng.bytes(len(data))
        case 3:
            raw[place] ^= 1 << int(rng.integers(8))
        case 4:
            raw[head] ^= 1 << int(rng.integers(8))
        case 5:
            at = rng.integers(len(raw), size=16)
            raw[at] ^= (1 << rng.integers(8, size=16)).astype(np.uint8)
        case 6:
            raw[head : head + 32] = 0
        case _:
            return data[:head] + rng.bytes(8) + data[head:]
    return raw.tobytes()


def test_nothing_of_a_person_in_the_file_comes_out(case, tmp_path):
    """A name, number and birthday written into a header reach neither meta, flags nor picture."""
    finding, cell = next(iter(case.cells.items()))
    del finding
    if not is_file(case, cell):
        pytest.skip("the cell is text, all of which is the sample")
    shutil.copytree(case.folder, tmp_path / "named")
    if not plant(tmp_path / "named" / cell):
        pytest.skip("this format has no header that could hold a name")
    sample = case.modality.read(Source(cell, tmp_path / "named"), case.options)
    figure = case.modality.preview(sample)
    written = [t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text"))]
    said = " ".join([repr(dict(sample.meta)), *sample.flags, *written])
    assert not [word for word in PERSON if word in said]


def plant(path):
    """Write a person into the header of a file; return whether its format has one."""
    data = path.read_bytes()
    if data[128:132] == b"DICM":
        import pydicom

        header = pydicom.dcmread(path)
        header.PatientName, header.PatientID = "Zyxwvson^Quentilda", "MRN7788Q"
        header.PatientBirthDate = "19511213"
        header.save_as(path)
        return True
    if path.suffix == ".hea":
        text = data.decode()
        path.write_text(text.rstrip("\n") + "\n# Name: Quentilda Zyxwvson MRN7788Q 1951-12-13\n")
        return True
    if data[:1] == b">":
        head, _, rest = data.partition(b"\n")
        path.write_bytes(head + b" Quentilda Zyxwvson 1951-12-13\n" + rest)
        return True
    return False
