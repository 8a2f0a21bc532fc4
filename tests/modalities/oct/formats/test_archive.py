from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def png(frame) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "PNG")
    return stream.getvalue()


def make(path: Path, members: dict[str, bytes], link: str | None = None) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
            if link:
                info = zipfile.ZipInfo(link)
                info.external_attr = 0xA1FF << 16
                archive.writestr(info, "/etc/passwd")
        return path
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
    return path


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
class TestBoth:
    def test_upward_absolute_and_link_members_are_refused(
        self, tmp_path: Path, frames, quarantined, suffix: str
    ) -> None:
        good = {f"s{k}.png": png(frame) for k, frame in enumerate(frames)}
        for bad in ("../s6.png", "/s6.png", "a/../../s6.png"):
            path = make(tmp_path / f"a{suffix}", good | {bad: png(frames[0])})
            assert quarantined(path, "E-OCT-017").field == "archive member"
        path = make(tmp_path / f"b{suffix}", good, link="s6.png")
        assert "link" in quarantined(path, "E-OCT-017").found

    def test_a_missing_number_is_refused(self, tmp_path, frames, quarantined, suffix) -> None:
        members = {f"s{k}.png": png(frames[0]) for k in (0, 1, 3)}
        quarantined(make(tmp_path / f"a{suffix}", members), "E-OCT-017")

    def test_more_bytes_than_the_limit_are_refused(self, tmp_path, quarantined, suffix) -> None:
        members = {"s0.png": bytes(3 << 20)}
        path = make(tmp_path / f"a{suffix}", members)
        quarantined(path, "E-OCT-018", limit_mb=2)

    def test_a_cut_archive_is_refused(self, tmp_path, frames, quarantined, suffix) -> None:
        members = {f"s{k}.png": png(frame) for k, frame in enumerate(frames)}
        path = make(tmp_path / f"a{suffix}", members)
        path.write_bytes(path.read_bytes()[:700])
        quarantined(path, "E-OCT-002")

    def test_pictures_are_read_in_order_and_nothing_is_extracted(
        self, tmp_path, frames, read, suffix
    ) -> None:
        members = {f"v/s{k}.png": png(frame) for k, frame in enumerate(frames)}
        path = make(tmp_path / f"a{suffix}", members)
        sample = read(path)
        assert (np.diff(sample.data[0].mean(axis=(1, 2))) > 0).all()
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
