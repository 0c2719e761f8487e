"""Cloth that the head hides in a video keeps its colours, whatever a fit finds at its edge."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.fitting.gaussian_fit import FitConfig
from emotalk.fitting.hidden_cloth import MARGIN, HiddenCloth, hidden_share
from emotalk.fitting.starting_avatar import starting_avatar
from emotalk.fitting.video_fit import VideoFit, lightness_and_tint
from emotalk.fitting.video_frames import VideoFrames, usable_rows
from tests.fitting.synthetic_video import make_video
from tests.fitting.test_personalize import make_card

pytestmark = pytest.mark.slow  # a video is drawn and an avatar begun first


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """(frames, start) of a video in which the head moves a little."""
    video = make_video(tmp_path_factory.mktemp("video"), "kofi", frames=30, size=96)[0]
    frames = VideoFrames(video, usable_rows(video))
    return frames, starting_avatar(frames, make_card(), 5000)


def fit_of(frames, start) -> VideoFit:
    torso = start.torso[torch.from_numpy(frames.rows)]
    return VideoFit(start.avatar, frames, torso, FitConfig(steps=40, budget=6000, frozen=("view_color",)), ("gaze",))


def on_the_root(points) -> tuple[torch.Tensor, torch.Tensor]:
    points = torch.from_numpy(np.array(points, np.float32))
    return points, torch.tensor([[1.0, 0.0, 0.0]]).repeat(len(points), 1)


def test_what_lies_behind_the_face_is_hidden_and_what_lies_before_or_beside_it_is_not(begun):
    avatar = begun[1].avatar
    vertices, _, _ = (part[0] for part in avatar.mesh(HeadMotion.neutral()))
    nose = vertices[:, 2].argmax()
    tip = vertices[nose].tolist()
    behind, before, beside = (0, 0, -0.05), (0, 0, 0.05), (0.3, 0, 0)
    points, weights = on_the_root([np.add(tip, by) for by in (behind, before, beside)])
    share = hidden_share(avatar, points, weights, HeadMotion.neutral(5), torch.zeros(5, 3))
    assert share.tolist() == [1, 0, 0]


def test_a_point_that_some_frames_show_is_hidden_in_the_others_only(begun):
    avatar = begun[1].avatar
    vertices, _, _ = (part[0] for part in avatar.mesh(HeadMotion.neutral()))
    points, weights = on_the_root([np.add(vertices[vertices[:, 2].argmax()].tolist(), (0, 0, -0.05))])
    motion = HeadMotion.neutral(20)
    motion.head_pose[15:, 3] = 0.3  # metres to the side: head and shoulders leave, the torso's shift takes them back
    torso = torch.zeros(20, 3)
    torso[15:, 0] = -0.3
    assert hidden_share(avatar, points, weights, motion, torso) == pytest.approx(0.75)


def test_split_gaussians_stay_hidden(begun):
    frames, start = begun
    parameters = fit_of(frames, start).parameters
    hidden = HiddenCloth(start.avatar, frames.motion, start.torso[torch.from_numpy(frames.rows)])
    rows = hidden.rows(parameters)
    assert 0 < len(rows) < int((parameters.fixed.region == REGION_INDEX["clothes"]).sum())
    everyone = torch.arange(len(parameters))
    parameters.rearrange(torch.cat([everyone, rows[:3]]), torch.zeros(len(parameters) + 3, dtype=torch.bool))
    assert len(hidden.rows(parameters)) == len(rows) + 3


def test_hidden_cloth_keeps_its_colours_and_seen_cloth_learns(begun):
    frames, start = begun
    fit = fit_of(frames, start)
    hidden = fit._hidden_cloth.rows(fit.parameters)
    cloth = (fit.parameters.fixed.region == REGION_INDEX["clothes"]).nonzero()[:, 0]
    seen = cloth[~torch.isin(cloth, hidden)]
    with torch.no_grad():
        fit.parameters.values["color"][cloth] = torch.tensor([0.9, 0.0, 0.9])  # what a fit may come to
    fit._keep_whole()
    color, began = fit.parameters.values["color"].detach(), fit.parameters.start["color"]
    strayed = (lightness_and_tint(color[hidden]) - lightness_and_tint(began[hidden])).abs()
    assert (strayed <= torch.tensor(MARGIN) + 0.03).all()  # clamped tints need not sum to 0: lightness takes the rest
    assert torch.equal(color[seen], torch.tensor([[0.9, 0.0, 0.9]]).expand(len(seen), 3))


def test_an_avatar_without_cloth_is_fitted_all_the_same(begun):
    frames, start = begun
    gaussians = start.avatar.gaussians
    bare = start.avatar.replace(gaussians=gaussians.select(gaussians.region != REGION_INDEX["clothes"]))
    fit = fit_of(frames, dataclasses.replace(start, avatar=bare))
    assert not len(fit._hidden_cloth.rows(fit.parameters))
    assert np.isfinite(fit.step())
