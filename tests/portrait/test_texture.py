"""The texture branch: a small network that adds to the mouth."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.avatar import load_avatar
from emotalk.core.errors import CheckpointError
from emotalk.core.landmarks import OUTER_LIPS
from emotalk.portrait.flow import projected
from emotalk.portrait.texture import (
    ACROSS,
    CHANNELS,
    HEIGHT,
    WIDTH,
    Crop,
    TextureConfig,
    TextureNetwork,
    load_texture,
    moved_away,
    network_input,
    save_texture,
)
from emotalk.rendering import portrait_camera
from scripts.preset_pictures import motion_of


def trained(seed: int = 0, config: TextureConfig | None = None) -> TextureNetwork:
    """One whose last layer is not zero."""
    torch.manual_seed(seed)
    network = TextureNetwork(config)
    with torch.no_grad():
        network.leave.weight.normal_(0, 0.1)
    return network


def test_before_training_nothing_is_added():
    assert not TextureNetwork()(torch.randn(2, CHANNELS, HEIGHT, WIDTH)).any()


def test_what_is_added_fades_to_nothing_at_the_border():
    added = trained()(torch.randn(1, CHANNELS, HEIGHT, WIDTH))[0].detach()
    assert added.abs().mean() > 0.05
    rim = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    rim[1:-1, 1:-1] = False
    assert added[:, rim].abs().max() < 0.1 * added.abs().max()


def test_it_is_small():
    assert sum(parameter.numel() for parameter in TextureNetwork().parameters()) < 200_000


def test_it_comes_back_from_its_file(tmp_path):
    network = trained(config=TextureConfig(width=12, dilations=(1, 3)))
    save_texture(network, tmp_path / "texture.safetensors", {"steps": 3})
    loaded = load_texture(tmp_path / "texture.safetensors")
    assert loaded.config == network.config
    crops = torch.randn(1, CHANNELS, HEIGHT, WIDTH)
    assert torch.allclose(loaded(crops), network(crops), atol=2e-3)  # half precision
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="train_texture"):
        load_texture(tmp_path / "other.safetensors")


@settings(deadline=None)
@given(
    middle=st.tuples(st.floats(40, 90), st.floats(40, 90)), turn=st.floats(-0.6, 0.6), size=st.floats(0.15, 0.5),
)  # fmt: skip
def test_a_crop_shows_what_is_at_its_places(middle, turn, size):
    """Of a picture whose colours are its own coordinates."""
    crop = Crop(np.array(middle), size * np.array([np.cos(turn), np.sin(turn)]))
    y, x = torch.meshgrid(torch.arange(128) + 0.5, torch.arange(128) + 0.5, indexing="ij")
    cut = crop.of(torch.stack([x, y])).numpy()
    corner = np.array([0.5, 0.5, 1.0])
    assert cut[:, HEIGHT // 2 - 1 : HEIGHT // 2 + 1, WIDTH // 2 - 1 : WIDTH // 2 + 1].mean((1, 2)) == pytest.approx(
        crop.middle, abs=0.01
    )
    wanted = crop.matrix @ corner
    if (wanted > 1).all() and (wanted < 127).all():
        assert cut[:, 0, 0] == pytest.approx(wanted, abs=0.01)


def test_the_crop_is_around_the_mouth_and_turns_with_the_head():
    avatar, camera = load_avatar("kofi"), portrait_camera(256, zoom=1.2)
    for roll in (0.0, 0.3):
        motion = motion_of({}, head_pose=[0, 0, roll, 0, 0, 0])
        vertices = avatar.vertices(motion, 0)
        crop = Crop.around(vertices, avatar.head, camera)
        points, _ = projected(avatar.head.landmarks(vertices[None])[0], camera)
        lips = points[list(OUTER_LIPS)].numpy()
        inside = np.linalg.solve(crop.matrix[:, :2], (lips - crop.matrix[:, 2]).T).T
        assert (inside > 8).all()
        assert (inside < [WIDTH - 8, HEIGHT - 8]).all()
        eyes = np.linalg.norm(points[33] - points[263])
        assert np.linalg.norm(crop.across) * WIDTH == pytest.approx(ACROSS * eyes, rel=1e-5)
        # Pictures count down: a head that leans to its own left falls to the right.
        assert np.arctan2(crop.across[1], crop.across[0]) == pytest.approx(-roll, abs=0.03)


def test_what_moves_as_a_whole_has_not_moved():
    crop = Crop(np.array([64.0, 64.0]), np.array([0.5, 0.0]))
    flow, shown = torch.full((2, HEIGHT, WIDTH), 7.0), torch.ones(1, HEIGHT, WIDTH)
    assert moved_away(flow, shown, crop).abs().max() < 1e-5
    flow[0, :, WIDTH // 2 :] += 0.5 * WIDTH / ACROSS / 10  # a tenth of an eye distance
    away = moved_away(flow, shown, crop)
    assert away[0, 0, -1] - away[0, 0, 0] == pytest.approx(1.0, rel=1e-4)


def test_the_network_sees_colours_around_zero_and_places():
    part = torch.rand(3, HEIGHT, WIDTH)
    seen = network_input(part, part.flip(-1), torch.ones(1, HEIGHT, WIDTH), torch.zeros(2, HEIGHT, WIDTH))
    assert seen.shape == (CHANNELS, HEIGHT, WIDTH)
    assert torch.equal((seen[:3] + 1) / 2, part)
    assert seen[9, 0, 0] == seen[10, 0, 0] == -1
    assert seen[9, -1, -1] == seen[10, -1, -1] == 1
