from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image


def test_cut_pages_are_refused(tmp_path: Path, frames, quarantined) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames)
    data = (tmp_path / "a.tif").read_bytes()
    for share in (0.01, 0.5, 0.8):
        (tmp_path / "b.tif").write_bytes(data[: max(8, int(share * len(data)))])
        quarantined(tmp_path / "b.tif", "E-OCT-002")


def test_pages_of_two_shapes_are_refused(tmp_path: Path, frames, quarantined) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(frames[0])
        writer.write(frames[1][:10])
    quarantined(tmp_path / "a.tif", "E-OCT-100")


def test_real_colour_is_refused_and_grey_stored_as_colour_is_flagged(
    tmp_path: Path, frames, read, quarantined
) -> None:
    colour = np.repeat(frames[..., None], 3, axis=-1)
    tifffile.imwrite(tmp_path / "grey.tif", colour, photometric="rgb")
    assert "F-OCT-101 grey-as-colour" in read(tmp_path / "grey.tif").flags
    colour[0, :5, :5, 0] = 250
    tifffile.imwrite(tmp_path / "colour.tif", colour, photometric="rgb")
    quarantined(tmp_path / "colour.tif", "E-OCT-101")


def test_too_many_pages_are_refused(tmp_path: Path, frames, quarantined) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames)
    quarantined(tmp_path / "a.tif", "E-OCT-003", max_frames=5)


def test_plain_lzw_and_16_bit_pages_agree(tmp_path: Path, frames, read) -> None:
    tifffile.imwrite(tmp_path / "plain.tif", frames)
    pages = [Image.fromarray(frame) for frame in frames]
    pages[0].save(
        tmp_path / "lzw.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw"
    )
    tifffile.imwrite(tmp_path / "deep.tif", frames.astype(np.uint16) * 257)
    plain = read(tmp_path / "plain.tif")
    np.testing.assert_array_equal(plain.data, read(tmp_path / "lzw.tif").data)
    np.testing.assert_allclose(plain.data, read(tmp_path / "deep.tif").data, atol=1e-5)


def test_white_is_zero_is_turned_round(tmp_path: Path, frames, read) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames)
    tifffile.imwrite(tmp_path / "b.tif", 255 - frames, photometric="miniswhite")
    np.testing.assert_array_equal(read(tmp_path / "a.tif").data, read(tmp_path / "b.tif").data)


def test_real_macular_hole_volume(sample_data, read) -> None:
    sample = read(sample_data("oct/macular-hole-3d/mh.tif"))
    assert sample.meta["source_shape"] == (49, 200, 200)
    assert sample.meta["spacing_mm"] is None
