"""A rough avatar covers the head; strands lie where they were put and move with what they are bound to."""

import numpy as np
import pytest
import torch

from emotalk.avatar import REGIONS, BoundGaussians, GaussianAvatar
from emotalk.avatar.card import AvatarCard
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel
from emotalk.rendering import portrait_camera, rasterize
from scripts.preset_fit.plain import PlainLook, build_plain_avatar
from scripts.preset_fit.strands import hang, pieces, stick
from tests.avatar.doubles import EggHead, make_motion


@pytest.fixture(scope="module")
def plain():
    return build_plain_avatar(HeadModel.load(), count=12_000)


def matrices(quats):
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    return torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], -1)  # the turned x axis


def test_every_part_of_the_head_gets_gaussians(plain):
    counts = torch.bincount(plain.gaussians.region, minlength=len(REGIONS))
    for name in ("face", "lips", "mouth", "teeth", "gums", "tongue", "eyes", "lids", "lashes", "ears", "neck", "hair"):
        assert counts[REGION_INDEX[name]] > 50, name


@pytest.mark.parametrize(("yaw", "jaw"), [(0.0, 0.0), (0.6, 0.0), (0.0, 0.8)])
def test_nothing_shines_through_the_face(plain, yaw, jaw):
    motion = HeadMotion.neutral()
    motion.expression[0, ARKIT_INDEX["jawOpen"]] = jaw
    camera = portrait_camera(160, yaw=yaw, zoom=1.5)
    alpha = rasterize(plain.pose(motion, 0, camera), camera).alpha
    face = plain.mesh(motion)[0][0][plain.head.regions["face"]]
    local = face @ camera.world_to_camera[:3, :3].T + camera.world_to_camera[:3, 3]
    u = (camera.fx * local[:, 0] / local[:, 2] + camera.cx).long().clamp(0, 159)
    v = (camera.fy * local[:, 1] / local[:, 2] + camera.cy).long().clamp(0, 159)
    assert (alpha[v, u] > 0.9).float().mean() > 0.99


def test_the_look_sets_the_colours():
    dark = build_plain_avatar(HeadModel.load(), look=PlainLook(skin=(0.3, 0.2, 0.15), hair_thickness=0), count=5000)
    face = dark.gaussians.region == REGION_INDEX["face"]
    assert (dark.gaussians.color[face].median(0).values - torch.tensor([0.3, 0.2, 0.15])).abs().max() < 0.08
    assert not (dark.gaussians.region == REGION_INDEX["hair"]).any()


def test_too_few_gaussians_are_refused():
    with pytest.raises(InputError, match="at least 1000"):
        build_plain_avatar(HeadModel.load(), count=10)


def test_the_same_seed_gives_the_same_avatar():
    first, second = (build_plain_avatar(HeadModel.load(), count=2000, seed=4) for _ in range(2))
    assert torch.equal(first.gaussians.barycentric, second.gaussians.barycentric)
    assert torch.equal(first.gaussians.position, second.gaussians.position)


def strand_arrays(count: int = 30):
    rng = np.random.default_rng(0)
    points = rng.normal((0, 0, 0.05), 0.03, (count, 3))
    directions = rng.normal(size=(count, 3))
    directions[0] = [-1, 0, 0]  # opposite to the axis that strands are turned from
    return points, directions, np.full(count, 0.004), np.full(count, 0.0003), rng.random((count, 3))


def egg_avatar(gaussians: BoundGaussians) -> GaussianAvatar:
    return GaussianAvatar(EggHead(), torch.zeros(3), gaussians, AvatarCard("Egg", "CC0-1.0", "test", True))


@pytest.mark.parametrize("bound_to", ["joints", "skin"])
def test_strands_lie_where_they_were_put(bound_to):
    points, directions, lengths, widths, colors = strand_arrays()
    head = EggHead()
    if bound_to == "joints":
        weights = np.tile([0.0, 0.0, 1.0], (len(points), 1))
        gaussians = hang(points, directions, lengths, widths, colors, weights, "hair")
    else:
        everywhere = np.ones(len(head.triangles), bool)
        mesh = (head.template.numpy(), head.triangles.numpy(), everywhere)
        gaussians = stick(points, directions, lengths, widths, colors, *mesh, "beard")
    cloud = egg_avatar(gaussians).pose(HeadMotion.neutral(), 0)
    np.testing.assert_allclose(cloud.means, points, atol=1e-6)
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    np.testing.assert_allclose(matrices(cloud.quats), unit, atol=2e-5)
    np.testing.assert_allclose(cloud.scales[:, 0], lengths, rtol=1e-4)
    np.testing.assert_allclose(cloud.scales[:, 1:].T, [widths, widths], rtol=1e-4)


def test_hair_turns_with_the_head():
    points, directions, lengths, widths, colors = strand_arrays()
    weights = np.tile([0.0, 0.0, 1.0], (len(points), 1))
    avatar = egg_avatar(hang(points, directions, lengths, widths, colors, weights, "hair"))
    motion = make_motion()
    _, rotations, translations = (part[1] for part in avatar.mesh(motion))
    cloud = avatar.pose(motion, 1)
    expected = torch.from_numpy(points).float() @ rotations[2].T + translations[2]
    torch.testing.assert_close(cloud.means, expected, atol=1e-6, rtol=1e-5)


def test_pieces_follow_their_strand_and_cover_as_much():
    t = np.linspace(0, 1, 12)
    points = np.stack([np.stack([0 * t + s, -0.1 * t, 0.02 * t**2], 1) for s in np.linspace(0, 0.1, 400)])
    radius, colors = np.full((400, 12), 1e-4), np.full((400, 12, 3), 0.3)
    place, span, length, width, color = pieces(points, radius, colors, 100, 5, np.random.default_rng(0))
    assert len(place) == 500
    np.testing.assert_allclose(width, 2e-4)  # a quarter of the strands, each twice as thick
    assert (span[:, 1] < 0).all()
    np.testing.assert_allclose(place[:, 2], 0.02 * (place[:, 1] / 0.1) ** 2, atol=6e-4)
    np.testing.assert_allclose(length, 0.42 * np.linalg.norm(span, axis=1))
    np.testing.assert_allclose(color, 0.3)
