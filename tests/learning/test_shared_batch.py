"""A batch shared by processes: parts that add up, and chance that drops of a part what it drops of it in the whole."""

import pytest
import torch
from torch import nn

from emotalk.core.errors import InputError
from emotalk.learning.motion_data import TrackedBatch
from emotalk.learning.shared_batch import SharedDropout, own_part, part_of


def test_parts_are_equal_and_whole():
    assert [list(own_part(6, rank, 3)) for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]
    assert own_part(5, 0, 1) == range(5)
    with pytest.raises(InputError, match="12 windows cannot be shared by 5"):
        own_part(12, 0, 5)
    batch = TrackedBatch(*(torch.arange(4.0)[:, None] for _ in TrackedBatch.__dataclass_fields__))
    assert part_of(batch, range(1, 3)).rows.flatten().tolist() == [1.0, 2.0]


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("learned", [False, True])
def test_dropout_of_a_part_is_that_of_the_whole(kind, learned):
    whole = torch.rand(6, 9, 31, generator=torch.Generator().manual_seed(0)).add(1).to(kind).requires_grad_(learned)

    def dropped(part: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(5)
        for share in (0.1, 0.3):  # what comes later is drawn from where the earlier left off
            part = nn.functional.dropout(part, share, True)
        return part

    wanted = dropped(whole)
    assert 0.2 < (wanted == 0).float().mean() < 0.6
    for processes in (1, 2, 3):
        parts = []
        for rank in range(processes):
            rows = own_part(6, rank, processes)
            with SharedDropout(rank, processes):
                parts.append(dropped(whole[rows.start : rows.stop]))
        torch.testing.assert_close(torch.cat(parts), wanted)


def test_nothing_is_dropped_outside_of_training():
    part = torch.rand(2, 3)
    with SharedDropout(0, 2):
        assert nn.functional.dropout(part, 0.5, False) is part
        assert nn.functional.dropout(part, 0.0, True) is part
