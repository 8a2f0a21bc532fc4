"""Work shared by threads: all of it done, and what fails is raised."""

import pytest
import torch

from eval.threads import in_threads


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_what_a_part_raises_is_raised(threads):
    def fail(part):
        raise KeyError(part)

    with pytest.raises(KeyError):
        in_threads(fail, [1, 2, 3])


def test_every_part_is_done_once(threads):
    done = [0] * 7
    in_threads(lambda i: done.__setitem__(i, done[i] + 1), range(7))
    assert done == [1] * 7
