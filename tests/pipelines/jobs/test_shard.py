"""Shards of an array: every unit in exactly one, neighbours together."""

import pytest

from pipelines.jobs.shard import Shard, cut, parse_shard
from workbench.errors import Refusal


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "-1/3", "1/0", ""])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(Refusal, match="E-JOB-002 --shard"):
        parse_shard(text)


@pytest.mark.parametrize("total", [0, 1, 5, 12])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_shards_cover_everything_once_in_order(total, count):
    items = list(range(total))
    shards = [parse_shard(f"{i}/{count}").of(items) for i in range(1, count + 1)]
    assert [item for shard in shards for item in shard] == items
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_shard_is_written_as_it_is_read():
    assert str(parse_shard("2/8")) == "2/8"
    assert str(Shard()) == "1/1"


@pytest.mark.parametrize(
    ("total", "parts", "lengths"), [(5, 2, [3, 2]), (2, 5, [1, 1]), (0, 2, [])]
)
def test_chunks_are_about_equal_and_never_empty(total, parts, lengths):
    assert [len(c) for c in cut(range(total), parts)] == lengths
