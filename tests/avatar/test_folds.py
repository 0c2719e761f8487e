"""Folds of the skin: where they run, which muscles draw them, and how they look on Gaussians."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from emotalk.avatar import AvatarCard, load_avatar
from emotalk.avatar.fold_detail import with_finer_folds
from emotalk.avatar.fold_shading import FLUSH_GROUP, fold_corrections, joined, light_of
from emotalk.avatar.folds import DRIVERS, FOLDS, SIDED, driver_row, landmarks, lines_on
from emotalk.avatar.gaussians import SIGNAL_WIDTH, Corrections, signals
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.camera import project
from emotalk.core.errors import AvatarError
from emotalk.core.motion import HeadMotion
from emotalk.emotion import expression_field, named_emotion, split_eyes
from emotalk.head import HeadModel
from emotalk.rendering import portrait_camera, rasterize

GREYS = torch.tensor([0.2126, 0.7152, 0.0722])
DEEP = dict.fromkeys(FOLDS, 1.0) | {FLUSH_GROUP: 1.0}


@pytest.fixture(scope="module")
def head():
    return HeadModel.load()


@pytest.fixture(scope="module")
def plain(head):
    """A preset without its folds."""
    avatar = load_avatar("mira", head)
    return avatar.replace(card=dataclasses.replace(avatar.card, folds={}))


@pytest.fixture(scope="module")
def folded(plain):
    return plain.replace(card=dataclasses.replace(plain.card, folds=DEEP))


def feeling(name):
    expression, eyelids, gaze = split_eyes(expression_field(*named_emotion(name)))
    still = HeadMotion.neutral()
    return HeadMotion(expression, still.jaw, gaze, eyelids, still.head_pose)


def face(avatar, motion, side=192):
    camera = portrait_camera(side, zoom=1.9)
    return rasterize(avatar.pose(motion, 0, camera), camera, (0.6, 0.6, 0.6)).image.clamp(0, 1)


def test_lines_run_on_the_skin(head):
    vertices = head.template.numpy()
    skin = cKDTree(vertices[head.regions["skin"].numpy()])
    for line in lines_on(head, vertices):
        assert skin.query(line.points)[0].max() < 0.006, line.group
        assert np.linalg.norm(np.diff(line.points, axis=0), axis=1).max() < 0.0015
        assert line.share[0] == line.share[-1] == 0
        assert line.share.max() == 1


def test_halves_of_a_face_fold_alike(head):
    lines = lines_on(head, head.template.numpy())
    for group in SIDED:
        left, right = (
            [line.points for line in lines if (line.group, line.side) == (group, s)] for s in ("Left", "Right")
        )
        assert len(left) == len(right) > 0
        for mine, other in zip(sorted(left, key=len), sorted(right, key=len), strict=True):
            away = cKDTree(mine * [-1, 1, 1]).query(other)[0]
            assert away.max() < 0.003


def test_every_fold_has_muscles():
    assert set(FOLDS) | {FLUSH_GROUP} == set(DRIVERS)


@pytest.mark.parametrize(
    ("mood", "groups"),
    [
        ("angry", ["frown", "nose", "cheek"]),
        ("sad", ["forehead inner", "corner", "chin"]),
        ("surprised", ["forehead inner", "forehead outer"]),
        ("happy", ["cheek", "eyes"]),
        ("disgusted", ["nose", "cheek", "frown"]),
    ],
)
def test_moods_fold_where_their_muscles_pull(mood, groups):
    signal = signals(feeling(mood))[0]
    latents = {
        group: driver_row(group, "Left" if group in SIDED else "", SIGNAL_WIDTH) @ signal for group in FOLDS
    }  # fmt: skip
    for group in groups:
        assert latents[group] > 0.45, (group, latents)
    assert driver_row("frown", "", SIGNAL_WIDTH) @ signals(HeadMotion.neutral())[0] == 0


def test_a_wink_of_the_cheek_folds_its_own_side():
    smirk = HeadMotion.neutral()
    smirk.expression[0, ARKIT_INDEX["mouthSmileLeft"]] = 1
    left, right = (driver_row("cheek", side, SIGNAL_WIDTH) @ signals(smirk)[0] for side in ("Left", "Right"))
    assert left > 0.5
    assert right == 0


def test_a_resting_face_is_as_without_folds(plain, folded):
    rest = HeadMotion.neutral()
    assert (face(plain, rest) - face(folded, rest)).abs().max() < 1e-5


def test_anger_draws_dark_lines_between_the_brows(plain, folded):
    motion, camera = feeling("angry"), portrait_camera(192, zoom=1.9)
    before, after = (face(avatar, motion) @ GREYS for avatar in (plain, folded))
    marks = landmarks(folded.head, folded.mesh(motion)[0][0].numpy())
    frown, temple = project(marks[[8, 127]], camera)[0].round().astype(int).tolist()

    def around(place, reach=9):
        x, y = place
        return (after - before)[y - reach : y + reach, x - reach : x + reach]

    assert around(frown).min() < -0.04  # a line,
    assert around(frown).min() < 3 * around(frown).mean()  # not a shadow on all of it
    assert around(temple, reach=4).abs().max() < 0.02


def test_deeper_folds_are_darker(plain):
    vertices = plain.mesh(HeadMotion.neutral())[0][0].numpy()
    light, deep = (fold_corrections(plain.head, plain.gaussians, vertices, {"frown": depth}) for depth in (0.3, 0.9))
    assert deep.color.min() < 1.8 * light.color.min() < 0
    assert len(light.matrix) == 1


def test_where_nothing_folds_there_are_no_corrections(plain):
    vertices = plain.mesh(HeadMotion.neutral())[0][0].numpy()
    for strength in ({}, {"frown": 0.0}, {"of a later program": 1.0}):
        assert len(fold_corrections(plain.head, plain.gaussians, vertices, strength).index) == 0
    lips = dataclasses.replace(plain.gaussians, region=torch.ones_like(plain.gaussians.region))
    assert len(fold_corrections(plain.head, lips, vertices, DEEP).index) == 0


def some_corrections(rng, latents, rows, count=30):
    index = torch.from_numpy(np.sort(rng.choice(count, rows, replace=False)))
    return Corrections(
        torch.zeros(SIGNAL_WIDTH), torch.from_numpy(rng.normal(size=(latents, SIGNAL_WIDTH)).astype(np.float32)), index,
        *(torch.from_numpy(rng.normal(size=(latents, rows, 3)).astype(np.float32)) for _ in range(2)),
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 12))
def test_joined_corrections_add_up(seed, first_rows, second_rows):
    rng = np.random.default_rng(seed)
    parts = [some_corrections(rng, 2, first_rows), some_corrections(rng, 3, second_rows)]
    both = joined(*parts)
    signal = torch.from_numpy(rng.normal(size=SIGNAL_WIDTH).astype(np.float32))

    def spread(corrections):
        whole = torch.zeros(2, 30, 3)
        for kind, offset in enumerate(corrections.offsets(corrections.latents(signal))):
            whole[kind, corrections.index] = offset
        return whole

    torch.testing.assert_close(spread(both), spread(parts[0]) + spread(parts[1]))


@pytest.mark.parametrize("towards", [(0.0, 0.8, 0.6), (0.6, 0.6, 0.52), (-0.5, 0.4, 0.77)])
def test_light_is_read_off_the_skin(towards):
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(4000, 3))
    normals[:, 2] = np.abs(normals[:, 2])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    linear = 0.3 * (1 + 0.8 * (normals @ towards))[:, None] * [0.9, 0.6, 0.45]
    light = light_of(normals, linear.clip(0, 1) ** (1 / 2.2))
    usual = light_of(normals, np.full((4000, 3), 0.5))
    assert light[:3] @ towards > 0.93
    assert light[3] > usual[3]


def test_finer_skin_looks_the_same(plain):
    coarse = load_avatar("mira", plain.head)
    gaussians = coarse.gaussians
    wide = dataclasses.replace(gaussians, log_scale=gaussians.log_scale + 0.15)
    coarse = coarse.replace(gaussians=wide, card=plain.card)
    fine = with_finer_folds(coarse, most=1500)
    assert len(coarse) < len(fine) <= len(coarse) + 1500
    for motion in (HeadMotion.neutral(), feeling("happy")):
        error = ((face(coarse, motion) - face(fine, motion)) ** 2).mean()
        assert -10 * torch.log10(error) > 45


def test_folds_are_kept_in_the_card(tmp_path, folded):
    folded.save(tmp_path / "folded")
    again = load_avatar(str(tmp_path / "folded"), folded.head)
    assert again.card.folds == DEEP
    assert len(again.corrections.matrix) == len(folded.corrections.matrix)  # the file holds no folds
    motion = feeling("sad")
    torch.testing.assert_close(face(again, motion), face(folded, motion), atol=0.02, rtol=0)


def test_baked_folds_look_the_same_without_the_card(folded):
    baked = folded.with_baked_folds()
    assert baked.card.folds == {}
    motion = feeling("disgusted")
    torch.testing.assert_close(face(baked, motion), face(folded, motion), atol=1e-5, rtol=0)


@pytest.mark.parametrize("folds", [["frown"], {"frown": -0.1}, {"frown": 3.1}, {"frown": "deep"}, {"frown": True},
                                   {str(k): 0.1 for k in range(41)}])  # fmt: skip
def test_a_card_takes_depths_only(folds):
    with pytest.raises(AvatarError, match="folds"):
        AvatarCard("N", "CC0-1.0", "p", synthetic=True, folds=folds)


@pytest.mark.parametrize("reach", [0.4, 2.1, float("nan"), "far", True])
def test_a_card_takes_a_reach_within_its_range(reach):
    with pytest.raises(AvatarError, match="reach"):
        AvatarCard("N", "CC0-1.0", "p", synthetic=True, reach=reach)
