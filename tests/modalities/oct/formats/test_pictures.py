from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def test_a_picture_bomb_is_refused_from_its_header(tmp_path: Path, quarantined) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b""))
    quarantined(tmp_path / "a.png", "E-OCT-003")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_cut_picture_is_refused(tmp_path: Path, frames, quarantined, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(frames[0]).save(path)
    path.write_bytes(path.read_bytes()[:-40])
    quarantined(path, "E-OCT-002")


def test_one_bscan_is_one_real_frame(tmp_path: Path, frames, read) -> None:
    Image.fromarray(frames[0]).save(tmp_path / "a.png")
    sample = read(tmp_path / "a.png")
    assert sample.meta["source_frames"] == 1
    assert sample.valid[:, :1].all()
    assert not sample.valid[:, 1:].any()
    np.testing.assert_array_equal(sample.data[:, 0], sample.data[:, 3])


def test_sixteen_bits_keep_their_depth(tmp_path: Path, read) -> None:
    deep = np.full((20, 24), 1000, dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    np.testing.assert_allclose(read(tmp_path / "a.png").data, 1000 / 65535, atol=1e-6)


@pytest.mark.parametrize(
    ("file", "shape"),
    [
        ("duke-dme-yzhu/img/img_0.png", (1, 256, 256)),
        ("zeiss-onh-layers/predict/img/im1000.bmp", (1, 1024, 192)),
        ("zeiss-onh-layers/train/img/im00001.png", (1, 1024, 200)),
        ("noor-vineetadas/AMD/AMD_103.jpeg", (1, 291, 507)),
    ],
)
def test_real_pictures(sample_data, read, file: str, shape: tuple[int, ...]) -> None:
    assert read(sample_data(f"oct/{file}")).meta["source_shape"] == shape


def test_every_real_picture_opens(sample_data) -> None:
    from modalities.oct.formats.pictures import read_picture
    from modalities.oct.options import OctOptions

    for folder in ("kermany-heysaw", "noor-vineetadas", "duke-dme-yzhu", "zeiss-onh-layers"):
        files = [p for p in sample_data(f"oct/{folder}").rglob("*") if p.suffix in PICTURES]
        assert files
        for path in files:
            volume = read_picture(path, path.name, OctOptions())
            assert volume.frames.dtype == np.uint8


PICTURES = {".png", ".jpeg", ".bmp"}
