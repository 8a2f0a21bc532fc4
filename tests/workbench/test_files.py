import gzip
import os

import pytest

from workbench import files
from workbench.errors import BadInput
from workbench.files import atomic_write, inflate, read_bytes


def test_a_gzip_bomb_is_refused_before_it_is_inflated(tmp_path):
    bomb = gzip.compress(b"\0" * (96 << 20))
    assert len(bomb) < 200_000
    with pytest.raises(BadInput, match="or more"):
        inflate(bomb, name="x.gz", code="E-DNA-020")


def test_the_limit_holds_for_plain_files_and_for_inflated_ones(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100)
    (tmp_path / "b").write_bytes(gzip.compress(b"x" * 100))
    for name in "ab":
        with pytest.raises(BadInput, match="at most 99 bytes"):
            read_bytes(tmp_path / name, name=name, code="E-DNA-020", limit=99)
        assert read_bytes(tmp_path / name, name=name, code="E-DNA-020", limit=100) == b"x" * 100


def test_damaged_and_cut_gzip_are_refused():
    good = gzip.compress(os.urandom(10_000))
    for bad in (good[:100] + b"\xff" * 50 + good[150:], good[:-200]):
        with pytest.raises(BadInput, match="gzip stream"):
            inflate(bad, name="x.gz", code="E-DNA-020")


def test_several_gzip_members_are_one_content():
    assert inflate(gzip.compress(b"a") + gzip.compress(b"b"), name="x", code="E-DNA-020") == b"ab"


def test_a_failing_write_leaves_the_old_content_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    atomic_write(path, b"old")

    def fail(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]
