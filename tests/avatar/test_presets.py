"""The shipped people load, are small, pose, and their held-out pictures survive being kept."""

import json

import numpy as np
import pytest
import torch

from emotalk.avatar import list_avatars, load_avatar
from emotalk.avatar.gallery import avatar_folders
from emotalk.core.motion import HeadMotion
from emotalk.fitting.samples import FitSample
from emotalk.head import HeadModel
from emotalk.rendering import portrait_camera, rasterize
from scripts.check_presets import FOLDER, check
from scripts.preset_pictures import covered, head_box, keep_held_out, load_data_set, load_held_out, motion_of, sample_of
from scripts.preset_sheet import POSES

LEAST_PSNR, LEAST_SSIM = 29.5, 0.919
"""Guards against regressions; `python -m scripts.check_presets` holds presets to the higher targets. All six were
photographed before brows slanted, and four with the mouths they had then: .003 to .006 of SSIM."""
HAIRY_SSIM = {"henrik": 0.915}
"""The same for white hairs in a dark beard, which are finer than Gaussians."""
SHIPPED = [info.name for info in list_avatars([avatar_folders()[0]])]


@pytest.fixture(scope="module")
def head():
    return HeadModel.load()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_avatar_is_small_and_poses(name, head):
    avatar = load_avatar(name, head)
    folder = avatar_folders()[0][0] / name
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 6_000_000
    assert avatar.card.synthetic
    assert avatar.card.licence == "CC0-1.0"
    camera = portrait_camera(96)
    for motion, _ in POSES.values():
        cloud = avatar.pose(motion_of(**motion), 0, camera)
        assert cloud.means.isfinite().all()
        assert rasterize(cloud, camera).alpha[40:56, 40:56].min() > 0.9  # the middle of the face is covered


@pytest.mark.parametrize("name", [name for name in SHIPPED if (FOLDER / name / "views.json").is_file()])
def test_a_shipped_avatar_matches_its_held_out_pictures(name, head):
    scores, _ = check(load_avatar(name, head), FOLDER / name)
    assert len(scores) >= 8
    assert scores[:, 0].mean() >= LEAST_PSNR
    assert scores[:, 1].mean() >= HAIRY_SSIM.get(name, LEAST_SSIM)
    size = sum((FOLDER / name / part).stat().st_size for part in ("held_out.webp", "held_out_alpha.png", "views.json"))
    assert size <= 1_200_000


def pictures(count: int, side: int = 64) -> list[FitSample]:
    rng = np.random.default_rng(0)
    made = []
    for k in range(count):
        y, x = np.mgrid[:side, :side] / side
        image = np.stack([x, y, 0.5 + 0.4 * np.sin(3 * x + k), (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.16], -1)
        motion = motion_of({"jawOpen": float(rng.random())}, gaze=[0.1, -0.2], head_pose=[0.1, 0, 0, 0, 0.01, 0])
        made.append(FitSample((image * 255).astype(np.uint8), portrait_camera(side, yaw=0.1 * k), motion))
    return made


def test_held_out_pictures_come_back(tmp_path):
    samples = pictures(5)
    keep_held_out(samples, tmp_path)
    kept = load_held_out(tmp_path)
    assert len(kept) == 5
    for sample, (again, alpha) in zip(samples, kept, strict=True):
        coverage = sample.image[..., 3:].astype(float) / 255
        over_grey = sample.image[..., :3] * coverage + 127.5 * (1 - coverage)
        assert np.abs(again.image - over_grey).max() <= 0.5 + 1e-6
        assert np.abs(alpha.numpy() - coverage[..., 0]).max() < 0.05
        torch.testing.assert_close(again.camera.world_to_camera, sample.camera.world_to_camera, atol=1e-6, rtol=0)
        np.testing.assert_allclose(again.motion.expression, sample.motion.expression, atol=1e-5)
        np.testing.assert_allclose(again.motion.head_pose, sample.motion.head_pose, atol=1e-6)


def test_a_data_set_is_read_by_split_and_skips_missing_pictures(tmp_path):
    from PIL import Image

    (tmp_path / "images").mkdir()
    sample = pictures(1)[0]
    views = []
    for k, split in enumerate(["train", "train", "test"]):
        camera = sample.camera
        views.append({
            "image": f"images/{k:04d}.png", "split": split, "expression": {"jawOpen": 0.5}, "gaze": [0.1, 0],
            "world_to_camera": camera.world_to_camera.tolist(), "fx": camera.fx, "fy": camera.fy, "cx": camera.cx,
            "cy": camera.cy, "width": 64, "height": 64, "eyelids": [0, 0], "jaw": [0, 0, 0], "head_pose": [0] * 6,
        })  # fmt: skip
        if k != 1:
            Image.fromarray(sample.image).save(tmp_path / views[-1]["image"])
    (tmp_path / "views.json").write_text(json.dumps(views))
    splits = load_data_set(tmp_path)
    assert {split: len(found) for split, found in splits.items()} == {"train": 1, "test": 1}
    np.testing.assert_array_equal(splits["test"][0].image, sample.image)
    assert splits["train"][0].motion.gaze[0, 0] == pytest.approx(0.1)


def test_the_head_region_is_the_covered_part_around_the_head(head):
    from scripts.preset_fit.plain import build_plain_avatar

    avatar = build_plain_avatar(head, count=4000)
    camera = portrait_camera(128)
    alpha = rasterize(avatar.pose(HeadMotion.neutral(), 0), camera).alpha
    view = {
        "world_to_camera": camera.world_to_camera.tolist(), "fx": camera.fx, "fy": camera.fy, "cx": camera.cx,
        "cy": camera.cy, "width": 128, "height": 128, "expression": {},
    }  # fmt: skip
    mask = head_box(avatar, sample_of(view, np.zeros((128, 128, 3), np.uint8))) & covered(alpha)
    rows = mask.any(1).nonzero()[:, 0]
    assert mask[64, 64]
    assert not mask[-10:].any()  # the chest
    assert not mask[:, :8].any()  # the background
    assert 40 < len(rows) < 90
    assert (alpha[mask] > 0.5).float().mean() > 0.7  # the rest is the 3 pixels around it
