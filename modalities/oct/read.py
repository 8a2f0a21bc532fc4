"""Reads an OCT file of any supported format, recognised by its content and not by its name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from modalities.oct.finish import finish
from modalities.oct.options import OctOptions
from modalities.oct.sniff import sniff
from modalities.oct.volume import Volume
from workbench.modality import Sample, Source

_READERS = {
    "dicom": "dicom:read_dicom",
    "folder": "folder:read_folder",
    "picture": "pictures:read_picture",
    "tiff": "tiff:read_tiff",
    "nifti": "nifti:read_nifti",
    "npy": "arrays:read_npy",
    "mat": "matlab:read_mat",
    "vol": "heidelberg_vol:read_vol",
    "e2e": "heidelberg_e2e:read_e2e",
    "archive": "archive:read_archive",
}


def read(source: Source, options: OctOptions) -> Sample:
    """Decode one cell, see `Modality.read`."""
    path = source.path()
    return finish(read_volume(path, source.name, options), source.name, options)


def read_volume(path: Path, name: str, options: OctOptions) -> Volume:
    """Return the B-scans of a file or folder as stored.

    Raises:
        BadInput: no supported format, or damaged.
    """
    module, _, function = _READERS[sniff(path, name)].partition(":")
    reader: Callable[[Path, str, OctOptions], Volume]
    reader = getattr(import_module(f"modalities.oct.formats.{module}"), function)
    return reader(path, name, options)
