"""A mended mouth has whole rows of teeth that no expression bends, and its resting lips hide them."""

import numpy as np
import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.fitting.gaussian_fit import blank_corrections
from emotalk.head import HeadModel
from scripts.mend_mouths import main
from scripts.preset_fit.mouth import MENDED, _slit, mend_mouth
from scripts.preset_fit.plain import build_plain_avatar
from scripts.preset_pictures import motion_of

TEETH = REGION_INDEX["teeth"]


@pytest.fixture(scope="module")
def before():
    kofi = load_avatar("kofi")  # whose lips leave a slit
    plain = build_plain_avatar(HeadModel.load(), kofi.identity, count=20_000, hair=True)
    corrections = blank_corrections(plain)
    corrections.color[:, :, 0] = corrections.index / 1e6  # each says whose it is
    return plain.replace(corrections=corrections)


@pytest.fixture(scope="module")
def after(before):
    return mend_mouth(before)


def teeth(avatar, motion):
    return avatar.pose(motion, 0).means[avatar.gaussians.region == TEETH]


def test_the_rows_move_as_two_rigid_pieces(after):
    rest, moved = (teeth(after, m) for m in (HeadMotion.neutral(), motion_of({"jawOpen": 0.7, "mouthSmileLeft": 1.0})))
    still = (moved - rest).norm(dim=1) < 1e-5
    assert 0.3 < still.float().mean() < 0.7  # the upper row stays with the skull
    # jawOpen moves the lower row along straight lines, which stretches it a little.
    for row, stretch in ((still, 1e-4), (~still, 0.05)):
        a, b = rest[row][::40], moved[row][::40]
        torch.testing.assert_close(torch.cdist(a, a), torch.cdist(b, b), atol=1e-4, rtol=stretch)


def test_side_teeth_are_lit_and_alike_on_both_sides(after):
    g, place = after.gaussians, after.pose(HeadMotion.neutral(), 0).means
    mine = g.region == TEETH
    light, place = g.color[mine].mean(1), place[mine]
    shown = place[:, 2] > place[:, 2].max() - 0.025
    assert light[shown].quantile(0.05) > 0.6 * light[shown].max()
    left, right = (light[shown & (s * place[:, 0] > 0.012)].mean() for s in (1, -1))
    assert abs(float(left - right)) < 0.02


def test_the_slit_of_resting_lips_closes():
    kofi = load_avatar("kofi")
    shown = len(_slit(kofi))
    if MENDED in kofi.card.metrics:
        assert shown < 600
    else:
        assert shown > 1000
        assert len(_slit(mend_mouth(kofi))) < 0.25 * shown


def test_everything_else_keeps_its_place_and_its_corrections(before, after):
    old, new = before.gaussians, after.gaussians
    kept = (old.region != TEETH).nonzero()[:, 0]
    stay = (new.region != TEETH).nonzero()[:, 0]
    assert torch.equal(old.region[kept], new.region[stay])
    torch.testing.assert_close(old.rotation[kept], new.rotation[stay])
    number = dict(zip(stay.tolist(), kept.tolist(), strict=True))
    inside = torch.isin(new.region, torch.tensor([REGION_INDEX[n] for n in ("gums", "mouth", "teeth")]))
    for row, value in zip(after.corrections.index.tolist(), after.corrections.color[0, :, 0].tolist(), strict=True):
        if not inside[row]:
            assert round(value * 1e6) == number[row]
    assert not (new.region[after.corrections.index] == TEETH).any()


def test_a_lip_moves_less_than_a_millimetre(before, after):
    old, new = before.gaussians, after.gaussians
    lips = REGION_INDEX["lips"]
    moved = (old.position[old.region == lips] - new.position[new.region == lips]).norm(dim=1)
    assert moved.max() <= 0.0006 + 1e-6


def test_the_command_mends_once(tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.mend_mouths.load_avatar", lambda folder: load_avatar(folder.name))
    main(("jun",), tmp_path)
    if MENDED not in load_avatar("jun").card.metrics:
        mended = load_avatar(tmp_path / "jun")
        assert mended.card.metrics[MENDED] == 1
        assert np.isclose(len(mended.gaussians), mended.card.metrics["gaussians"])
        assert mended.thumbnail == load_avatar("jun").thumbnail
    else:
        assert not (tmp_path / "jun").exists()
