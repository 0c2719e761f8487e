"""The lip branch: a window around every frame, seen through smooth bumps, never further than it may look."""

import pytest
import torch

from emotalk.motion.lip_branch import LIP_COURSES, LipBranch, WindowBumps, bumps
from emotalk.motion.network import AHEAD, BEFORE


def test_every_bump_is_a_mean():
    weights = bumps(BEFORE, AHEAD)
    assert weights.shape == (2 * (BEFORE + 1 + AHEAD), 9)
    torch.testing.assert_close(weights.sum(0), torch.ones(9))
    torch.testing.assert_close(weights, weights.flip(0, 1))  # as far ahead as back


def test_steady_speech_looks_the_same_through_every_bump():
    window = WindowBumps(3, BEFORE, AHEAD)
    level = torch.tensor([0.5, -1.0, 2.0])
    seen = window(level.expand(1, 2 * (BEFORE + 4 + AHEAD), 3))
    torch.testing.assert_close(seen, level.repeat_interleave(9).expand(1, 4, 27))


def test_what_is_usual_is_zero_and_what_is_rare_is_bounded():
    window = WindowBumps(1, BEFORE, AHEAD)
    window.mean.fill_(3.0)
    window.scale.fill_(0.01)
    rows = torch.full((1, 2 * (BEFORE + 1 + AHEAD), 1), 3.0)
    assert window(rows).abs().max() == 0
    assert window(rows + 7).max() == pytest.approx(5.0)


@pytest.mark.parametrize("frame", [0, 7])
def test_a_frame_sees_its_own_window_only(frame):
    window = WindowBumps(2, BEFORE, AHEAD)
    rows = torch.randn(1, 2 * (BEFORE + 8 + AHEAD), 2, generator=torch.Generator().manual_seed(0))
    changed = rows.clone()
    inside = slice(2 * frame, 2 * (frame + BEFORE + 1 + AHEAD))
    changed[:, : inside.start] += 1
    changed[:, inside.stop :] += 1
    torch.testing.assert_close(window(rows)[:, frame], window(changed)[:, frame])


def test_only_training_is_a_matter_of_chance():
    torch.manual_seed(0)
    branch = LipBranch(6, (8, 5))
    seen = torch.randn(2, 3, 6)
    assert not torch.equal(branch(seen), branch(seen))
    branch.eval()
    assert torch.equal(branch(seen), branch(seen))
    assert branch(seen).shape == (2, 3, LIP_COURSES)
