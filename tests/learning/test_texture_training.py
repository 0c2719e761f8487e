"""Training of the texture branch."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.core.motion import HeadMotion
from emotalk.learning.texture_pairs import TexturePairs, batches, prepared, synthetic_pairs, varied
from emotalk.learning.texture_training import TextureTraining, gradient, scores, texture_loss, train_texture
from emotalk.portrait.texture import HEIGHT, WIDTH, TextureConfig, TextureNetwork
from scripts.preset_pictures import motion_of

SMALL = TextureConfig(width=8, dilations=(1, 2))


def pairs_of(person: str, count: int = 6, seed: int = 0) -> TexturePairs:
    """Mouths whose lower half is drawn too bright."""
    random = np.random.default_rng([seed, len(person)])
    truth = random.integers(40, 160, (count, 3, HEIGHT // 8, WIDTH // 8)).astype(np.uint8).repeat(8, 2).repeat(8, 3)
    drawn = truth.copy()
    drawn[:, :, HEIGHT // 2 :] += 40
    return TexturePairs(
        person, drawn[0], drawn, np.full((count, 1, HEIGHT, WIDTH), 255, np.uint8),
        np.zeros((count, 2, HEIGHT, WIDTH), np.int8), truth,
    )  # fmt: skip


LEARNED, JUDGED = [pairs_of("synthetic-01"), pairs_of("film-s1")], [pairs_of("synthetic-000"), pairs_of("film-id22")]
SETTINGS = TextureTraining(steps=60, batch=4, report_every=10, rate=1e-2, average=0.8)


def test_it_learns_what_is_missing_and_does_it_for_others(tmp_path):
    network, found = train_texture(LEARNED, JUDGED, SETTINGS, tmp_path / "state", config=SMALL)
    for kind in ("film", "synthetic"):
        assert found[f"{kind}_after"] > found[f"{kind}_before"] + 3
    assert found == scores(network, JUDGED)


def test_stopped_and_gone_on_with_it_comes_to_the_same_weights(tmp_path):
    through, _ = train_texture(LEARNED, JUDGED, SETTINGS, tmp_path / "a", config=SMALL)
    # The first part ends where its state was saved; what it would have done later does not matter.
    lines = []

    def stop(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_texture(LEARNED, JUDGED, SETTINGS, tmp_path / "b", stop, config=SMALL)
    again, _ = train_texture(LEARNED, JUDGED, SETTINGS, tmp_path / "b", config=SMALL)
    for one, other in zip(through.parameters(), again.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_batches_are_the_same_wherever_they_begin():
    whole, later = batches(LEARNED, 3, seed=5), batches(LEARNED, 3, seed=5, start=2)
    next(whole), next(whole)
    for one, other in zip(next(whole), next(later), strict=True):
        assert torch.equal(one, other)


def test_a_mirrored_mouth_moves_the_other_way():
    pairs = pairs_of("synthetic-01")
    away = pairs.away.copy()
    away[:, 0, :, : WIDTH // 2] = 31
    pairs = dataclasses.replace(pairs, away=away)
    plain, drawn, _ = prepared(pairs, 0)
    mirrored, turned, _ = prepared(pairs, 0, mirrored=True)
    assert torch.equal(turned, drawn.flip(-1))
    assert plain[7, 0, 0] == pytest.approx(1)
    assert mirrored[7, 0, -1] == pytest.approx(-1)
    assert torch.equal(plain[9:], mirrored[9:])  # places are those of the picture


def test_the_loss_prefers_sharp_to_blurred_where_both_are_as_far_off():
    torch.manual_seed(0)
    truth = torch.rand(1, 3, 32, 32)
    blurred = torch.nn.functional.avg_pool2d(truth, 5, 1, 2)
    brighter = truth + (blurred - truth).abs().mean()
    assert texture_loss(brighter, truth, 1.0, 0.0) < texture_loss(blurred, truth, 1.0, 0.0)
    assert texture_loss(truth, truth, 1.0, 1.0) == 0


def test_what_is_softer_than_the_truth_costs_and_what_is_sharper_does_not():
    torch.manual_seed(0)
    truth = torch.rand(1, 3, 32, 32)
    for contrast, costs in ((0.8, True), (1.2, False)):
        other = 0.5 + contrast * (truth - 0.5)
        more = texture_loss(other, truth, 1.0, 1.0) - texture_loss(other, truth, 1.0, 0.0)
        assert (more > 1e-3) == costs


def test_a_network_that_adds_nothing_gains_nothing():
    found = scores(TextureNetwork(SMALL), JUDGED)
    assert found["film_before"] == found["film_after"]
    assert found["film_sharpness_before"] == found["film_sharpness"]


def test_gradient_is_that_of_a_ramp():
    ramp = torch.arange(16.0).expand(3, 8, 16) / 16
    assert gradient(ramp) == pytest.approx(1 / 16)


def test_pairs_come_back_from_their_file(tmp_path):
    pairs = pairs_of("film-s1")
    pairs.save(tmp_path / "one.npz")
    again = TexturePairs.load(tmp_path / "one.npz")
    assert again.person == pairs.person
    for field in dataclasses.fields(TexturePairs)[1:]:
        assert np.array_equal(getattr(again, field.name), getattr(pairs, field.name))


def test_people_who_are_made_up_differ_from_the_shipped_ones_and_from_each_other():
    mira, jun = load_avatar("mira"), load_avatar("jun")
    one, two = (varied(mira, jun, np.random.default_rng(seed)) for seed in (1, 2))
    assert (one.identity - mira.identity).abs().max() > 0.05
    assert (one.identity - two.identity).abs().max() > 0.05
    assert (one.gaussians.color - two.gaussians.color).abs().mean() > 1e-3
    assert one.gaussians.color.min() >= 0
    again = varied(mira, jun, np.random.default_rng(1))
    assert torch.equal(again.gaussians.color, one.gaussians.color)


@pytest.mark.slow
def test_a_synthetic_person_is_photographed_made_and_compared(tmp_path):
    motions = [HeadMotion.concatenate([motion_of({"jawOpen": k / 5}) for k in range(4)])]
    pairs = synthetic_pairs("synthetic-007", motions, 3, 0, tmp_path)
    assert pairs.drawn.shape == pairs.truth.shape == (3, 3, HEIGHT, WIDTH)
    error = np.abs(pairs.drawn.astype(int) - pairs.truth).mean()
    assert 0.5 < error < 40
    assert pairs.shown.mean() > 100
