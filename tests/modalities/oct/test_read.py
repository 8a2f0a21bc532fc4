from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modalities.oct import OCT, OctOptions
from modalities.oct.sniff import sniff
from workbench.errors import BadInput
from workbench.modality import Source


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("a.fda", b"FOCTFDA\x01" + bytes(50), "E-OCT-001", "Topcon .fda"),
        ("a.fds", b"FOCTFDS\x01" + bytes(50), "E-OCT-001", "Topcon .fds"),
        ("a.mat", b"\x89HDF\r\n\x1a\n" + bytes(50), "E-OCT-001", "v7.3"),
        ("a.vol", b"junkjunk" + bytes(50), "E-OCT-001", "Heidelberg"),
        ("a.txt", b"hello", "E-OCT-001", "68656c6c"),
        ("P1_Macular Cube 512x128_OD_cube_z.img", bytes(1000), "E-OCT-015", "512x128"),
        ("a.img", bytes(1000), "E-OCT-015", "without header"),
        ("a.dcm", b"not dicom at all", "E-DCM-009", ""),
    ],
)  # fmt: skip
def test_formats_that_are_not_read_are_named(
    tmp_path: Path, quarantined, name: str, content: bytes, code: str, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert words in str(quarantined(tmp_path / name, code))


def test_missing_and_empty_files_and_paths_that_leave_the_root(tmp_path: Path) -> None:
    (tmp_path / "empty.dcm").write_bytes(b"")
    for cell, code in (
        ("none.dcm", "E-MAN-007"),
        ("empty.dcm", "E-MAN-007"),
        ("../x", "E-MAN-015"),
    ):
        with pytest.raises(BadInput) as caught:
            OCT.read(Source(cell, tmp_path), OctOptions())
        assert caught.value.code == code


def test_content_counts_and_not_the_suffix(tmp_path: Path, frames) -> None:
    Image.fromarray(frames[0]).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.vol")
    assert sniff(tmp_path / "a.vol", "a.vol") == "picture"


def test_random_bytes_behind_every_magic_raise_only_bad_input(tmp_path: Path, read) -> None:
    rng = np.random.default_rng(0)
    magics = (
        b"HSF-OCT-103\0", b"CMDb", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"II*\0\x08\0\0\0",
        b"MM\0*\0\0\0\x08", b"II+\0", b"\x93NUMPY\x01\0", b"MATLAB 5.0 MAT-file", b"PK\x03\x04",
        bytes(128) + b"DICM", b"\x5c\x01\0\0" + bytes(340) + b"n+1\0", b"\x1f\x8b\x08\0",
        bytes(257) + b"ustar\x0000",
    )  # fmt: skip
    for magic in magics:
        for _ in range(6):
            noise = rng.bytes(int(rng.integers(0, 4000)))
            (tmp_path / "a.bin").write_bytes(magic + noise)
            with pytest.raises(BadInput):
                read(tmp_path / "a.bin")


def test_flipped_bits_raise_only_bad_input(tmp_path: Path, frames, read) -> None:
    """Every format survives mutation: a sample within the spec, or BadInput."""
    import nibabel
    import tifffile
    from scipy.io import savemat

    from modalities.oct.formats.dicom_write import write_dicom

    np.save(tmp_path / "a.npy", frames)
    tifffile.imwrite(tmp_path / "a.tif", frames)
    nibabel.save(nibabel.Nifti1Image(frames, np.eye(4)), tmp_path / "a.nii")
    savemat(tmp_path / "a.mat", {"images": frames})
    Image.fromarray(frames[0]).save(tmp_path / "a.png")
    write_dicom(
        tmp_path / "a.dcm", frames, (0.1, 0.1, 0.1), laterality="R", rng=np.random.default_rng(0)
    )
    rng = np.random.default_rng(1)
    for path in sorted(tmp_path.iterdir()):
        data = path.read_bytes()
        for _ in range(40):
            mutated = bytearray(data)
            for _ in range(int(rng.integers(1, 4))):
                mutated[int(rng.integers(min(len(data), 1200)))] ^= 1 << int(rng.integers(8))
            path.write_bytes(bytes(mutated))
            try:
                sample = read(path)
            except BadInput:
                continue
            assert sample.data.shape == (1, 4, 16, 16)
            assert float(sample.data.min()) >= 0.0
            assert float(sample.data.max()) <= 1.0


def test_real_vendor_files_are_refused(sample_data, quarantined) -> None:
    folder = "oct/vendor-panimg"
    for name in ("fda_minimized.fda", "fds_minimized.fds"):
        quarantined(sample_data(f"{folder}/{name}"), "E-OCT-001")
    xml = "oct/heidelberg-eyepy/heyex_xml/test_volume/test_dummy.xml"
    error = quarantined(sample_data(xml), "E-OCT-001")
    assert "Doe" not in str(error)


def test_reading_changes_no_file(tmp_path: Path, frames, read) -> None:
    np.save(tmp_path / "a.npy", frames)
    before = (tmp_path / "a.npy").read_bytes()
    read(tmp_path / "a.npy")
    assert (tmp_path / "a.npy").read_bytes() == before
