"""What nobody ever sees is told from what only a rare moment shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.live import visibility
from emotalk.live.visibility import MOODS, far_views, shown_faces, views, weights, worth_sending
from emotalk.talk.request import Look
from emotalk.talk.scene import Scene, still_motion
from tests.live.doubles import lively_motion, sparse_avatar


def test_the_faces_show_what_a_talk_can_show():
    faces, known = shown_faces(), len(MOODS)
    most = faces.expression.max(0)
    for name in ("jawOpen", "tongueOut", "mouthSmileLeft", "mouthUpperUpRight", "mouthRollUpper", "mouthFunnel"):
        assert most[ARKIT_INDEX[name]] >= 0.5, name
    assert faces.eyelids.max() == 1
    assert np.abs(faces.gaze).max(0) == pytest.approx([0.5, 0.35])
    assert len(faces) == 2 * known
    seen_from = {(yaw, t) for yaw, pitch, of in views() for t in of if pitch == 0}
    assert {t for yaw, t in seen_from if yaw == 41} >= set(range(known, 2 * known))
    assert {yaw for yaw, _ in seen_from} == {-41, -20, 0, 20, 41}
    assert max(t for _, _, of in far_views() for t in of) < len(faces)


def test_a_gaussian_behind_others_weighs_nothing(monkeypatch):
    monkeypatch.setattr(visibility, "views", lambda: [(0, 0, [0]), (18, 0, [12])])
    monkeypatch.setattr(visibility, "far_views", lambda: [])
    avatar = sparse_avatar(mesh=20, joint=80)
    g = avatar.gaussians
    position, scale, opacity = g.position.clone(), g.log_scale.clone(), g.opacity_logit.clone()
    # Seventy-nine stand as a wall before the camera, the last one is small and far behind it.
    across = torch.cartesian_prod(torch.linspace(-0.2, 0.2, 10), torch.linspace(-0.25, 0.2, 8))
    position[20:99] = torch.cat([across, torch.full((80, 1), 0.2)], 1)[:79]
    position[99] = torch.tensor([0.0, 0.0, -0.2])
    scale[20:99], scale[99], opacity[20:] = -3.2, -6.0, 6.0

    def found(wall: float) -> np.ndarray:
        opacity[20:99] = wall
        moved = {"position": position, "log_scale": scale, "opacity_logit": opacity}
        return weights(avatar.replace(gaussians=type(g)(**{**vars(g), **moved})))

    behind_glass, behind_a_wall = found(-9.0), found(6.0)
    assert behind_glass[99] > 20
    assert behind_a_wall[99] < 0.01 * behind_glass[99]
    assert behind_a_wall[20:99].min() > 1


def test_mouths_and_eyes_are_kept_whole(monkeypatch):
    monkeypatch.setattr(visibility, "weights", lambda avatar: np.zeros(len(avatar)))
    avatar = sparse_avatar()
    lips = avatar.gaussians.region.numpy() == REGION_INDEX["lips"]
    np.testing.assert_array_equal(worth_sending(avatar), lips)


def test_what_is_kept_moves_as_before():
    avatar, motion = sparse_avatar(), lively_motion()
    keep = np.random.default_rng(0).random(len(avatar)) < 0.5
    before, after = avatar.pose(motion, 2), avatar.select(torch.from_numpy(keep)).pose(motion, 2)
    for name in ("means", "quats", "scales", "colors", "opacities"):
        torch.testing.assert_close(getattr(after, name), getattr(before, name)[torch.from_numpy(keep)])


@pytest.mark.slow
def test_a_preset_needs_nearly_all_of_what_thinning_left_and_shows_the_same():
    avatar = load_avatar("mira")
    keep = worth_sending(avatar)
    region = avatar.gaussians.region.numpy()
    for name, least in (("hair", 0.9), ("clothes", 0.9), ("brows", 0.95), ("teeth", 1)):
        assert keep[region == REGION_INDEX[name]].mean() >= least, name
    kept = avatar.select(torch.from_numpy(keep))
    corners = [Look(384, yaw, pitch, zoom) for yaw in (-40, 40) for pitch in (-20, 20) for zoom in (0.6, 1.25)]
    for look in (*corners, Look(384, zoom=0.6), Look(384, zoom=0.9), Look(384), Look(384, zoom=1.8)):
        whole, shown = (Scene(of, look).draw(still_motion(0.3, 0.2)).astype(np.float32) for of in (avatar, kept))
        assert np.square(whole - shown).mean() < 255**2 / 10**4.5, look  # 45 dB
