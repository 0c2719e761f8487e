"""Brows of a photo come down as far as brows do."""

import numpy as np
import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.portrait.brows import KEPT, with_firm_brows
from emotalk.portrait.donor import Donor, with_donor


@pytest.fixture(scope="module")
def before():
    donor = Donor.of(load_avatar("mira"))
    return with_donor(load_avatar("jun"), donor)


@pytest.fixture(scope="module")
def after(before):
    return with_firm_brows(before)


def frowning(strength: float, **others: float) -> HeadMotion:
    motion = HeadMotion.neutral()
    for name, weight in {"browDown": strength, **others}.items():
        for side in ("Left", "Right"):
            motion.expression[0, ARKIT_INDEX[name + side]] = weight
    return motion


def lowered(avatar, motion, rows) -> np.ndarray:
    """How far up [n] (metres) Gaussians go."""
    rest = avatar.pose(HeadMotion.neutral(), 0).means[rows]
    return (avatar.pose(motion, 0).means[rows] - rest)[:, 1].numpy()


@pytest.fixture(scope="module")
def forehead(before):
    """Corrected skin that a whole frown lowers by more than 4 mm."""
    rows = before.corrections.index
    rows = rows[before.gaussians.region[rows] == REGION_INDEX["face"]]
    return rows[torch.from_numpy(lowered(before, frowning(1.0), rows) < -0.004)]


@pytest.mark.parametrize(("strength", "near"), [(0.5, 0.2), (1.0, 0.1), (1.6, 0.25)])
def test_a_frown_lowers_them_by_a_share_of_what_the_head_does(before, after, forehead, strength, near):
    share = lowered(after, frowning(strength), forehead) / lowered(before, frowning(strength), forehead)
    assert np.median(share) == pytest.approx(KEPT, abs=near)


def test_so_does_the_sneer_of_anger(before, after, forehead):
    angry = frowning(1.68, noseSneer=1.07)
    share = lowered(after, angry, forehead) / lowered(before, angry, forehead)
    assert 0.3 < np.median(share) < 0.65


def test_nothing_else_is_other_than_before(before, after):
    for motion in (HeadMotion.neutral(), frowning(0.0, mouthSmile=0.8), frowning(0.0, browOuterUp=1.0)):
        was, now = before.pose(motion, 0), after.pose(motion, 0)
        assert torch.equal(was.means, now.means)
        assert torch.equal(was.colors, now.colors)


def test_the_edge_of_the_lids_stays_where_the_head_has_it(before, after):
    lashes = (before.gaussians.region == REGION_INDEX["lashes"]).nonzero()[:, 0]
    way = lowered(after, frowning(1.0), lashes) - lowered(before, frowning(1.0), lashes)
    assert np.quantile(np.abs(way), 0.9) < 0.0003
