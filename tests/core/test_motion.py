"""What a head does over time keeps its promises."""

import numpy as np
import torch

from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel


def test_motion_slices_and_joins_back_to_itself():
    rng = np.random.default_rng(0)
    motion = HeadMotion(
        expression=rng.random((9, 52)),
        jaw=rng.normal(size=(9, 3)),
        gaze=rng.normal(size=(9, 2)),
        eyelids=rng.random((9, 2)),
        head_pose=rng.normal(size=(9, 6)),
    )
    joined = HeadMotion.concatenate([motion[:4], motion[4:]])
    assert len(joined) == 9
    np.testing.assert_array_equal(joined.expression, motion.expression)
    np.testing.assert_array_equal(joined.head_pose, motion.head_pose)


def test_neutral_motion_is_the_head_as_it_was_modelled():
    """Eyes open, mouth shut, upright, straight ahead: what every channel is measured from."""
    head, motion = HeadModel.load(), HeadMotion.neutral(3)
    channels = {name: torch.from_numpy(getattr(motion, name)) for name in vars(motion)}
    with torch.no_grad():
        vertices = head(**channels).vertices
    torch.testing.assert_close(vertices, head.template.expand(3, -1, -1), atol=1e-6, rtol=0)
    assert not motion.to_arkit().any()
