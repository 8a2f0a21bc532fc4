"""Words of a command become stores with names of their own; what is none costs no other."""

from example_stores import write_store

from pipelines.jobs.stores import open_stores
from workbench.errors import Refusal


def test_what_is_no_store_is_named_and_the_others_are_opened(stranger, tmp_path):
    (tmp_path / "empty").mkdir()
    stores, reasons, errors = open_stores([tmp_path / "empty", tmp_path / "gone", stranger])
    assert [s.name for s in stores] == ["stranger"]
    assert set(reasons) == {"empty", "gone"}
    assert "neither pipeline.yaml nor store.yaml" in reasons["empty"]
    assert all(isinstance(e, Refusal) and e.code == "E-EMB-001" for e in errors)


def test_a_folder_its_file_and_twice_the_same_are_told(stranger):
    (one,), _, _ = open_stores([stranger, stranger])
    (same,), _, _ = open_stores([stranger / "store.yaml"])
    assert one == same


def test_equal_names_take_the_folders_above_them(tmp_path):
    paths = [write_store(tmp_path / above / "store") for above in ("clip", "gram")]
    stores, _, _ = open_stores([*paths, write_store(tmp_path / "other")])
    assert [s.name for s in stores] == ["clip/store", "gram/store", "other"]


def test_a_name_given_twice_by_the_files_themselves_is_told_apart_too(tmp_path):
    paths = [write_store(tmp_path / name) for name in ("a", "b")]
    for path in paths:
        (path / "store.yaml").write_text("name: x\n" + (path / "store.yaml").read_text())
    names = [s.name for s in open_stores(paths)[0]]
    assert len(set(names)) == 2
    assert all(name.endswith("/x") for name in names)


def test_a_run_and_one_of_its_models(finished):
    stores, _, _ = open_stores([finished])
    assert [s.name for s in stores] == ["run", "run/random_frozen-1", "run/unaligned"]
    (one,), _, _ = open_stores([finished / "embeddings" / "unaligned"])
    assert one.digest == stores[2].digest
