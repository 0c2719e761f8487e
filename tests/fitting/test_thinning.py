"""A lighter avatar looks as the whole one did, and what speech is read on has not moved."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import GaussianAvatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.avatar.vertex_colors import skin_of
from emotalk.core.camera import Camera
from emotalk.core.errors import Cancelled, InputError
from emotalk.core.motion import HeadMotion
from emotalk.fitting.gaussian_fit import score
from emotalk.fitting.thinning import held, picture, thinned
from tests.avatar.doubles import make_avatar, make_motion

SIDE = 48
LIPS = 50
"""Gaussians of the mesh, the first ones, that are lips."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tensors this small cost more to share between threads than to work on."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def views(count: int) -> list[tuple[HeadMotion, Camera]]:
    motion, found = make_motion(count), []
    for t in range(count):
        c, s = float(np.cos(0.2 * (t - 3))), float(np.sin(0.2 * (t - 3)))
        matrix = torch.tensor([[c, 0, -s, 0], [0, -1.0, 0, 0], [-s, 0, -c, 0.5], [0, 0, 0, 1]])
        found.append((motion[t : t + 1], Camera(matrix, 110.0, 110.0, SIDE / 2, SIDE / 2, SIDE, SIDE)))
    return found


@pytest.fixture(scope="module")
def whole() -> GaussianAvatar:
    avatar = make_avatar(mesh=900, joint=300)
    g = avatar.gaussians
    region, color = g.region.clone(), g.color.clone()
    region[:LIPS] = REGION_INDEX["lips"]
    color[0] = 1.6  # more than a fit lets a colour be
    return avatar.replace(gaussians=dataclasses.replace(g, region=region, color=color))


@pytest.fixture(scope="module")
def thin(whole: GaussianAvatar) -> GaussianAvatar:
    return thinned(whole, views(8), share=0.4, steps=80)


def likeness(avatar: GaussianAvatar, whole: GaussianAvatar) -> float:
    return score(avatar, [picture(whole, *view) for view in views(8)])[0]


def test_the_rest_has_learned_what_the_others_showed(whole: GaussianAvatar, thin: GaussianAvatar) -> None:
    dropped = thinned(whole, views(8), share=0.4, steps=1)
    assert len(thin) == len(dropped) == 480
    assert torch.equal(thin.gaussians.region, dropped.gaussians.region)
    assert likeness(thin, whole) > likeness(dropped, whole) + 1


def test_who_is_missed_stays(whole: GaussianAvatar, thin: GaussianAvatar) -> None:
    some = torch.arange(len(whole)) % 5 < 2
    some |= held(whole)
    blind = whole.select(some)
    assert likeness(thinned(whole, views(8), len(blind) / len(whole), steps=1), whole) > likeness(blind, whole) + 3


def test_what_speech_is_read_on_stays_to_the_bit(whole: GaussianAvatar, thin: GaussianAvatar) -> None:
    for field in dataclasses.fields(whole.gaussians):
        if field.name != "joint_weights":
            assert torch.equal(getattr(thin.gaussians, field.name)[:LIPS], getattr(whole.gaussians, field.name)[:LIPS])
    before, after = ((c.index, c.position, c.color) for c in (whole.corrections, thin.corrections))
    mine, kept = before[0] < LIPS, after[0] < LIPS
    assert torch.equal(before[0][mine], after[0][kept])
    for a, b in zip(before[1:], after[1:], strict=True):
        assert torch.equal(a[:, mine], b[:, kept])


def test_nothing_else_of_the_avatar_changes(whole: GaussianAvatar, thin: GaussianAvatar) -> None:
    assert thin.card == whole.card
    assert thin.thumbnail == whole.thumbnail
    assert torch.equal(thin.background, whole.background)
    assert torch.equal(thin.identity, whole.identity)


def test_skin_that_nothing_shows_keeps_its_colour(whole: GaussianAvatar, thin: GaussianAvatar) -> None:
    assert np.array_equal(thin.skin, skin_of(whole))
    assert not np.array_equal(skin_of(thin.replace(skin=None)), skin_of(whole))


def test_the_same_seed_gives_the_same_avatar(whole: GaussianAvatar) -> None:
    one, same, other = (thinned(whole, views(3), 0.5, steps=4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.gaussians.color, same.gaussians.color)
    assert not torch.equal(one.gaussians.color, other.gaussians.color)


@pytest.mark.parametrize(("share", "left"), [(1.0, 1200), (0.01, LIPS)])
def test_whatever_the_share_the_regions_that_stay_do(whole: GaussianAvatar, share: float, left: int) -> None:
    assert len(thinned(whole, views(2), share, steps=1)) == left


@pytest.mark.parametrize("share", [0.0, -0.5, 1.01, float("nan")])
def test_a_share_outside_its_range_is_refused(whole: GaussianAvatar, share: float) -> None:
    with pytest.raises(InputError, match=r"lies in \(0, 1\]"):
        thinned(whole, views(1), share)


def test_without_views_there_is_nothing_to_go_by(whole: GaussianAvatar) -> None:
    with pytest.raises(InputError, match="found none"):
        thinned(whole, [])


def test_it_reports_and_can_be_stopped(whole: GaussianAvatar) -> None:
    def stop(progress) -> None:
        assert progress.done == 50
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        thinned(whole, views(2), 0.5, steps=60, report=stop)
