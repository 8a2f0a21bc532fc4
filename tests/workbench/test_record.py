import json
import os
import socket

import pytest

from workbench.errors import Refusal
from workbench.record import FollowedFolder, RunFolder, verify_stage, write_json


def test_a_stage_exists_only_when_its_block_ended(tmp_path):
    run = RunFolder(tmp_path)
    with pytest.raises(ZeroDivisionError), run.writing("embeddings/trained", "d1") as part:
        (part / "x.bin").write_bytes(bytes([1 // 0]))
    assert not run.is_complete("embeddings/trained", "d1")
    with run.writing("embeddings/trained", "d1") as part:
        (part / "x.bin").write_bytes(b"1")
    assert run.is_complete("embeddings/trained", "d1")
    assert not run.is_complete("embeddings/trained", "d2")


def test_a_flipped_bit_in_a_stage_is_refused(tmp_path):
    run = RunFolder(tmp_path)
    with run.writing("checkpoints", "d") as part:
        (part / "w.safetensors").write_bytes(b"\0\1\2\3")
    verify_stage(run.stage("checkpoints"))
    (run.stage("checkpoints") / "w.safetensors").write_bytes(b"\0\1\2\2")
    with pytest.raises(Refusal, match="E-CKP-005"):
        verify_stage(run.stage("checkpoints"))


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path):
    run = RunFolder(tmp_path)
    with (
        run.locked(),
        pytest.raises(Refusal, match=f"E-CKP-017.*process {os.getpid()}"),
        run.locked(),
    ):
        pass
    assert not (tmp_path / "run.lock").exists()


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path):
    lock = tmp_path / "run.lock"
    lock.write_text(json.dumps({"pid": 2**22 + 1, "host": socket.gethostname()}))
    with RunFolder(tmp_path).locked():
        assert json.loads(lock.read_text())["pid"] == os.getpid()


def test_a_lock_of_another_host_is_never_taken(tmp_path):
    (tmp_path / "run.lock").write_text(json.dumps({"pid": 1, "host": "another-host"}))
    with pytest.raises(Refusal, match="another-host"), RunFolder(tmp_path).locked():
        pass


def test_a_torn_last_log_line_is_dropped_and_later_steps_are_rewound(tmp_path):
    run = RunFolder(tmp_path)
    for step in range(4):
        run.log({"step": step})
    with open(tmp_path / "log.jsonl", "a") as stream:
        stream.write('{"step": 4, "lo')
    run.rewind_log(lambda row: row["step"] < 2)
    assert [row["step"] for row in run.logged()] == [0, 1]


def test_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})


def test_a_process_that_follows_writes_nothing(tmp_path):
    followed = FollowedFolder(tmp_path)
    with RunFolder(tmp_path).locked(), followed.locked():
        followed.log({"step": 0})
        followed.update_record(lambda record: record.update(a=1))
        assert (tmp_path / "run.lock").is_file()
        assert [p.name for p in tmp_path.iterdir()] == ["run.lock"]
