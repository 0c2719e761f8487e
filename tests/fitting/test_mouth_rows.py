"""The inside of a mouth comes from a shipped avatar, and its rows of teeth learn as a whole."""

import dataclasses

import numpy as np
import pytest
import torch

from emotalk.avatar import load_avatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.motion import HeadMotion
from emotalk.fitting.gaussian_fit import FitConfig, blank_corrections
from emotalk.fitting.gaussian_parameters import GaussianParameters
from emotalk.fitting.mouth_prior import DARK, shown_inside, with_shipped_mouth
from emotalk.fitting.mouth_rows import LEAST_SHIFT, MOST_SHIFT, OF_TINT, PARTS, SHADE, SHIFT, TINT, MouthRows
from emotalk.fitting.shipped_donor import INNER, Donor, in_regions, template_places, white_ratio
from emotalk.fitting.starting_avatar import starting_avatar
from emotalk.fitting.video_fit import HELD, VideoFit
from emotalk.fitting.video_frames import VideoFrames, usable_rows
from tests.fitting.synthetic_video import make_video
from tests.fitting.test_personalize import make_card

TEETH = ("teeth", "gums", "tongue")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def donor() -> Donor:
    return Donor.of(load_avatar("mira"))


@pytest.fixture(scope="module")
def person(donor):
    """Jun with Mira's mouth."""
    return with_shipped_mouth(load_avatar("jun"), donor=donor)


@pytest.fixture
def parts(person):
    corrections = blank_corrections(person)
    parameters = GaussianParameters(person.gaussians, corrections)
    rows = MouthRows(person, len(corrections.matrix))
    rows.find(parameters)
    return rows, parameters


def pull(rows, parameters, place=None, color=None):
    """One step with gradients [3] on everything inside the mouth."""
    for name, gradient in (("position", place), ("color", color)):
        value = parameters.values[name]
        value.grad = torch.zeros_like(value) if gradient is None else gradient.clone()
    rows.take(parameters)
    rows.step(0.0, parameters)


def means(person, parameters, motion=None):
    corrections = parameters.corrections
    avatar = person.replace(gaussians=parameters.gaussians.detach(), corrections=corrections)
    with torch.no_grad():
        return avatar.pose(HeadMotion.neutral() if motion is None else motion, 0).means


# --- the mouth that is given --------------------------------------------------------------------------------------


def test_teeth_are_those_of_the_shipped_avatar_where_an_open_mouth_shows_them(person, donor):
    given, shown = donor.avatar.gaussians, shown_inside(donor)
    for name in INNER:
        own = (person.gaussians.region == REGION_INDEX[name]).sum()
        assert own == (shown & (given.region == REGION_INDEX[name])).sum() > 50
    teeth = (given.region == REGION_INDEX["teeth"])[: given.mesh_count].numpy()
    depth = donor.places[teeth][:, 2]
    seen = shown[: given.mesh_count].numpy()[teeth]
    assert seen[depth > np.quantile(depth, 0.9)].mean() > 0.6  # front teeth
    assert 0.3 < seen.mean() < 0.8  # not their backs


def test_cavity_and_tongue_are_darker_than_the_donors_and_teeth_as_bright_as_the_eyes_say(person, donor):
    given = donor.avatar.gaussians
    shown = shown_inside(donor)
    light = white_ratio(load_avatar("jun"), donor.avatar)
    for name, share in (*DARK.items(), ("teeth", 1.0)):
        own = person.gaussians.color[person.gaussians.region == REGION_INDEX[name]].mean()
        theirs = given.color[shown & (given.region == REGION_INDEX[name])].mean()
        assert float(own / theirs) == pytest.approx(share * light, rel=0.06)


def test_a_small_avatar_has_a_mouth_of_fewer_and_larger_gaussians(person, donor):
    small = with_shipped_mouth(load_avatar("jun"), 500, donor)
    inner = in_regions(small.gaussians.region, INNER)
    assert inner.sum() == 500
    all_of = in_regions(person.gaussians.region, INNER)
    assert small.gaussians.log_scale[inner].mean() > person.gaussians.log_scale[all_of].mean() + 0.5


# --- rows ---------------------------------------------------------------------------------------------------------


def test_each_tooth_belongs_to_its_row(person, parts):
    rows, _ = parts
    height = torch.from_numpy(template_places(person))[rows.rows][:, 1]
    upper, lower = rows.part == PARTS.index("upper teeth"), rows.part == PARTS.index("lower teeth")
    assert upper.sum() > 200
    assert lower.sum() > 200
    assert height[upper].mean() > height[lower].mean() + 0.005
    wet = in_regions(person.gaussians.region, ("mouth",)).sum() - (rows.part == PARTS.index("cavity")).sum()
    assert wet > 20  # the inside of the lips learns as lips do


def test_a_row_moves_as_a_whole_and_the_other_stays(person, parts):
    rows, parameters = parts
    before = means(person, parameters)
    upper = rows.rows[rows.part == PARTS.index("upper teeth")]
    place = torch.zeros_like(parameters.values["position"])
    # The picture pulls a few teeth down in the head's axes, each in the axes of its own triangle.
    turn = torch.zeros(len(place), 3, 3)
    turn[rows.rows[rows._moving]] = rows._turn
    place[upper[:30]] = (turn[upper[:30]].transpose(1, 2) @ torch.tensor([0.0, 1e-2, 0.0])[:, None])[..., 0]
    for _ in range(20):
        pull(rows, parameters, place=place)
    moved = means(person, parameters) - before
    assert moved[upper].std(0).max() < 1e-6
    assert float(moved[upper].mean(0)[1]) < -2e-4
    others = rows.rows[rows.part == PARTS.index("lower teeth")]
    assert moved[others].abs().max() < 1e-6


def test_the_lower_row_goes_with_the_jaw(person, parts):
    rows, parameters = parts
    opened = HeadMotion.neutral()
    opened.expression[0, ARKIT_INDEX["jawOpen"]] = 0.6
    before = means(person, parameters), means(person, parameters, opened)
    rows.values[SHIFT][:] = torch.tensor([[0.0, -0.001, 0.0], [0.0, 0.0005, 0.0]])
    rows.write(parameters)
    after = means(person, parameters), means(person, parameters, opened)
    for name, length in (("upper teeth", 0.001), ("lower teeth", 0.0005)):
        own = rows.rows[rows.part == PARTS.index(name)]
        for k in range(2):
            shift = (after[k] - before[k])[own]
            assert shift.norm(dim=1).numpy() == pytest.approx(np.full(len(own), length), rel=0.1)


def test_a_row_has_one_colour_that_stays_near_that_of_teeth(person, parts):
    rows, parameters = parts
    color = torch.zeros_like(parameters.values["color"])
    upper = rows.rows[rows.part == PARTS.index("upper teeth")]
    color[upper[::7], 0] = -1.0  # the picture wants a few of them red
    for _ in range(200):
        pull(rows, parameters, color=color)
    ratio = (parameters.values["color"].detach() / parameters.start["color"])[upper]
    assert ratio.std(0).max() < 1e-5
    assert float(ratio[0, 0] - ratio[0].mean()) <= 1.1 * OF_TINT
    assert rows.values[TINT][PARTS.index("lower teeth")].abs().max() < 1e-6


def test_what_is_hardly_seen_stays_as_it_was_given(person, parts):
    rows, parameters = parts
    noise = torch.Generator().manual_seed(0)
    for _ in range(200):
        color = 1e-8 * torch.randn(parameters.values["color"].shape, generator=noise)
        place = 1e-7 * torch.randn(parameters.values["position"].shape, generator=noise)
        pull(rows, parameters, place, color)
    assert rows.values[SHIFT].abs().max() < 1e-4
    assert rows.values[TINT].abs().max() < 0.02


def test_no_pull_takes_a_row_out_of_the_mouth(parts):
    rows, parameters = parts
    for sign in (-1.0, 1.0):
        place = torch.full_like(parameters.values["position"], sign)
        rows.values[SHIFT][:] = sign
        pull(rows, parameters, place=place)
        assert (rows.values[SHIFT] >= torch.tensor(LEAST_SHIFT) - 1e-7).all()
        assert (rows.values[SHIFT] <= torch.tensor(MOST_SHIFT) + 1e-7).all()


# --- in the fit of a video ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    video, _ = make_video(tmp_path_factory.mktemp("video"), "mira", frames=30, size=96)
    frames = VideoFrames(video, usable_rows(video))
    start = starting_avatar(frames, make_card(), 9000)
    fit = VideoFit(start.avatar, frames, start.torso, FitConfig(steps=60, budget=12_000, densify_every=15))
    fit.run()
    return fit


def test_a_fit_splits_no_tooth_and_moves_none_alone(fitted):
    result, began = fitted.result().gaussians, fitted.avatar.gaussians
    for name in TEETH:
        assert (result.region == REGION_INDEX[name]).sum() == (began.region == REGION_INDEX[name]).sum()
    assert len(result) > len(began)  # others were split
    own, start = in_regions(result.region, TEETH), in_regions(began.region, TEETH)
    assert torch.equal(result.log_scale[own], began.log_scale[start])
    assert torch.equal(result.opacity_logit[own], began.opacity_logit[start])
    ratio = result.color[own] / began.color[start].clamp_min(1e-3)
    distinct = torch.unique((ratio * 1e4).round(), dim=0)
    assert len(distinct) <= 40  # one tint for each part, however many Gaussians


def test_inner_lips_and_lids_stay_near(fitted):
    parameters = fitted.parameters
    region = parameters.fixed.region
    for name, (reach, _) in HELD.items():
        own = (region == REGION_INDEX[name]).nonzero()[:, 0]
        away = (parameters.values["position"].detach() - parameters.start["position"])[own].abs().max()
        assert float(away) <= reach + 1e-7


def test_a_fit_that_is_resumed_goes_on_with_its_rows(fitted, tmp_path):
    fitted.save_state(tmp_path / "state.safetensors")
    other = VideoFit(fitted.avatar, fitted.frames, fitted.poses.torso, fitted.config)
    other.load_state(tmp_path / "state.safetensors")
    for name in (SHIFT, TINT, SHADE):
        assert torch.equal(other.mouth.values[name], fitted.mouth.values[name])
    assert torch.equal(other.mouth.rows, fitted.mouth.rows)
    for field in dataclasses.fields(other.result().gaussians):
        assert torch.equal(
            getattr(other.result().gaussians, field.name), getattr(fitted.result().gaussians, field.name)
        )
