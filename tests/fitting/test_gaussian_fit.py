"""A fit turns a wrong avatar into the person in the pictures, within bounds, and can be stopped and resumed."""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from emotalk.avatar.gaussians import BoundGaussians
from emotalk.core.camera import Camera
from emotalk.core.errors import Cancelled, CheckpointError, InputError
from emotalk.core.motion import HeadMotion
from emotalk.fitting.densify import densify
from emotalk.fitting.gaussian_fit import FitConfig, GaussianFit, blank_corrections, score
from emotalk.fitting.gaussian_parameters import FACE_REACH, GaussianParameters
from emotalk.fitting.samples import FitSample, shrink_camera, target_of
from emotalk.rendering import rasterize
from tests.avatar.doubles import make_avatar, make_motion

SIDE = 48


def camera(yaw: float = 0.0) -> Camera:
    c, s = float(np.cos(yaw)), float(np.sin(yaw))
    matrix = torch.tensor([[c, 0, -s, 0], [0, -1.0, 0, 0], [-s, 0, -c, 0.5], [0, 0, 0, 1]])
    return Camera(matrix, 110.0, 110.0, SIDE / 2, SIDE / 2, SIDE, SIDE)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tensors this small cost more to share between threads than to work on."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def person():
    """Who the pictures show: a reddish egg whose colours change with its expression."""
    avatar = make_avatar(mesh=600, joint=100)
    g = avatar.gaussians
    color = torch.tensor([0.8, 0.3, 0.2]) + 0.15 * torch.randn(len(g), 3, generator=torch.Generator().manual_seed(7))
    return avatar.replace(gaussians=dataclasses.replace(g, color=color, opacity_logit=torch.full((len(g),), 3.0)))


@pytest.fixture(scope="module")
def samples(person):
    motion = make_motion(8)
    made = []
    for t in range(8):
        view = camera(0.15 * (t - 4))
        with torch.no_grad():
            render = rasterize(person.pose(motion, t), view, (0.0, 0.0, 0.0))
        alpha = render.alpha[..., None]
        picture = torch.cat([(render.image / alpha.clamp_min(1e-3)).clamp(0, 1), alpha], -1)
        made.append(FitSample((picture * 255).round().byte().numpy(), view, motion[t : t + 1]))
    return made


@pytest.fixture
def start(person):
    """The same egg in grey, without corrections."""
    g = person.gaussians
    return person.replace(gaussians=dataclasses.replace(g, color=torch.full_like(g.color, 0.5)), corrections=None)


def test_a_fit_finds_the_person(start, samples):
    train, held_out = samples[:6], samples[6:]
    before = score(start, held_out)
    fit = GaussianFit(start, train, FitConfig(steps=100, densify_every=0))
    after = score(fit.run(), held_out)
    assert after[0] > before[0] + 2.5
    assert after[1] > before[1]


def test_corrections_learn_what_changes_with_the_expression(start, samples):
    with_them = GaussianFit(start, samples, FitConfig(steps=80, densify_every=0, seed=1)).run()
    without = GaussianFit(start, samples, FitConfig(steps=80, densify_every=0, seed=1, corrections=False)).run()
    assert score(with_them, samples)[0] > score(without, samples)[0] + 0.1
    assert len(without.corrections.index) == 0


def test_the_starting_avatar_stays_as_it_was(start, samples):
    before = {f.name: getattr(start.gaussians, f.name).clone() for f in dataclasses.fields(BoundGaussians)}
    GaussianFit(start, samples, FitConfig(steps=5)).run()
    for name, value in before.items():
        assert torch.equal(getattr(start.gaussians, name), value), name


def test_a_resumed_fit_ends_with_the_same_numbers(start, samples, tmp_path):
    config = FitConfig(steps=24, densify_every=8)
    whole = GaussianFit(start, samples, config).run()
    first = GaussianFit(start, samples, config)
    for _ in range(11):
        first.step()
    first.save_state(tmp_path / "state.safetensors")
    second = GaussianFit(start, samples, config)
    second.load_state(tmp_path / "state.safetensors")
    assert second.step_count == 11
    resumed = second.run()
    for f in dataclasses.fields(BoundGaussians):
        torch.testing.assert_close(getattr(resumed.gaussians, f.name), getattr(whole.gaussians, f.name), msg=f.name)
    torch.testing.assert_close(resumed.corrections.color, whole.corrections.color)
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


@pytest.mark.parametrize("damage", [lambda b: b[:100], lambda b: b"", lambda b: b"x" * 500])
def test_a_damaged_state_is_refused_with_a_sentence(start, samples, tmp_path, damage):
    fit = GaussianFit(start, samples, FitConfig(steps=4))
    fit.step()
    fit.save_state(tmp_path / "state")
    (tmp_path / "state").write_bytes(damage((tmp_path / "state").read_bytes()))
    with pytest.raises(CheckpointError, match="start afresh"):
        fit.load_state(tmp_path / "state")


def test_a_state_of_other_pictures_is_refused(start, samples, tmp_path):
    GaussianFit(start, samples, FitConfig(steps=4)).save_state(tmp_path / "state")
    other = GaussianFit(start, samples[:3], FitConfig(steps=4))
    with pytest.raises(CheckpointError, match="8 pictures"):
        other.load_state(tmp_path / "state")


def test_a_fit_goes_on_with_more_pictures(start, samples, tmp_path):
    fit = GaussianFit(start, samples[:4], FitConfig(steps=10))
    fit.run()
    fit.save_state(tmp_path / "state")
    more = GaussianFit(start, samples, FitConfig(steps=20))
    more.load_state(tmp_path / "state", grown=True)
    assert more.step_count == 10
    torch.testing.assert_close(more.result().gaussians.color, fit.result().gaussians.color)
    more.run()
    assert more.step_count == 20


def test_time_ends_a_fit(start, samples, monkeypatch):
    ticks = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: next(ticks) / 8)  # so every step takes an eighth of a second
    monkeypatch.setattr("emotalk.fitting.gaussian_fit.time", clock)
    told = []
    fit = GaussianFit(start, samples, FitConfig(steps=10**6, minutes=1 / 60))
    fit.run(told.append, every=2)
    assert (fit.step_count, fit.seconds, fit.progress) == (8, 1.0, 1.0)
    assert [round(p.remaining, 3) for p in told] == [0.75, 0.5, 0.25, 0]


def test_progress_is_told_and_may_cancel(start, samples):
    told = []

    def report(progress):
        told.append(progress)
        if progress.done == 20:
            raise Cancelled("enough")

    fit = GaussianFit(start, samples, FitConfig(steps=100))
    with pytest.raises(Cancelled):
        fit.run(report, every=10)
    assert [p.done for p in told] == [10, 20]
    assert told[0].remaining > 0
    assert len(fit.result()) == len(start)


@pytest.mark.slow
def test_filmed_pictures_are_fitted_over_the_avatars_background(person, start, samples):
    plate = torch.rand(SIDE, SIDE, 3, generator=torch.Generator().manual_seed(2))
    filmed = []
    for sample in samples:
        target = target_of(sample)
        picture = (target.over(plate) * 255).round().byte().numpy()
        mask = (target.alpha * 255).round().byte().numpy()
        filmed.append(FitSample(picture, sample.camera, sample.motion, mask))
    start = start.replace(background=plate)
    fitted = GaussianFit(start, filmed, FitConfig(steps=80, densify_every=0)).run()
    assert score(fitted, filmed)[0] > score(start, filmed)[0] + 2


def test_gaussians_stay_near_their_triangles(start, samples):
    fit = GaussianFit(start, samples, FitConfig(steps=30, densify_every=0))
    fit.parameters.settings["position"] = dataclasses.replace(fit.parameters.settings["position"], rate=1.0, final=1.0)
    fitted = fit.run()
    moved = fitted.gaussians.position - start.gaussians.position
    mesh = start.gaussians.mesh_count
    assert moved[:mesh].abs().max() <= FACE_REACH + 1e-6
    assert moved[:mesh].abs().max() > 0.9 * FACE_REACH


def test_latents_that_are_at_rest_do_not_learn(start, samples):
    rest = [dataclasses.replace(samples[0], motion=HeadMotion.neutral())]
    fit = GaussianFit(start, rest, FitConfig(steps=20, corrections_from=0.0))
    fitted = fit.run()
    assert fitted.corrections.color.abs().max() == 0


@pytest.mark.parametrize("values", [{"steps": 0}, {"minutes": 0}, {"ssim": 2.0}, {"coarse": -0.1}])
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(InputError):
        FitConfig(**values)


def test_a_fit_without_pictures_is_refused(start):
    with pytest.raises(InputError, match="at least one sample"):
        GaussianFit(start, [])


# --- densification ------------------------------------------------------------------------------------------------


def parameters_of(mesh: int = 80, joint: int = 20) -> GaussianParameters:
    avatar = make_avatar(mesh, joint)
    g = dataclasses.replace(avatar.gaussians, opacity_logit=torch.zeros(mesh + joint))
    return GaussianParameters(g, avatar.corrections)


def test_the_most_wanted_gaussians_are_split_side_by_side():
    parameters = parameters_of()
    before = {name: value.detach().clone() for name, value in parameters.values.items()}
    statistics = torch.zeros(100, 2)
    statistics[:, 1] = 1
    statistics[[3, 90], 0] = 5.0
    assert densify(parameters, statistics, budget=102, share=0.5) == (2, 0)
    g = parameters.gaussians
    assert (g.mesh_count, len(g)) == (81, 102)
    twins = [(3, 80, 3), (90 + 1, 101, 90)]
    for kept, twin, old in twins:
        middle = (g.position[kept] + g.position[twin]) / 2
        torch.testing.assert_close(middle, before["position"][old], atol=1e-7, rtol=1e-5)
        assert (g.position[kept] - g.position[twin]).norm() > 0
        assert (g.log_scale[kept].exp().prod() / before["log_scale"][old].exp().prod()).item() == pytest.approx(1 / 1.6)
        torch.testing.assert_close(g.log_scale[kept], g.log_scale[twin])
        torch.testing.assert_close(g.color[twin], before["color"][old])
    assert g.triangle[80] == g.triangle[3]


def test_transparent_gaussians_are_dropped_with_their_corrections():
    parameters = parameters_of()
    index = parameters.index.tolist()
    colors = parameters.values["correction_color"].detach().clone()
    gone = [index[0], index[-1], 5 if 5 not in index else 6]
    parameters.values["opacity_logit"].data[gone] = -5.0
    statistics = torch.ones(100, 2)
    assert densify(parameters, statistics, budget=50) == (0, 3)
    assert len(parameters) == 97
    torch.testing.assert_close(parameters.values["correction_color"].detach(), colors[:, 1:-1])
    expected = [i - sum(g < i for g in gone) for i in index[1:-1]]
    assert parameters.index.tolist() == expected


def test_twins_of_corrected_gaussians_are_corrected_alike():
    parameters = parameters_of()
    chosen = int(parameters.index[2])
    statistics = torch.zeros(100, 2)
    statistics[chosen] = torch.tensor([9.0, 1.0])
    original = parameters.values["correction_position"].detach()[:, 2].clone()
    densify(parameters, statistics, budget=200, share=0.01)
    mesh_bound = chosen < 80
    twin = 80 if mesh_bound else 100
    row = parameters.index.tolist().index(twin)
    torch.testing.assert_close(parameters.values["correction_position"].detach()[:, row], original)


def test_state_of_parameters_survives_a_round_trip():
    parameters = parameters_of()
    again = GaussianParameters.from_state(parameters.state())
    for name, value in parameters.state().items():
        assert torch.equal(value, again.state()[name]), name


# --- samples and scores -------------------------------------------------------------------------------------------


def test_a_smaller_target_shows_the_same_thing(samples):
    large, small = target_of(samples[2]), target_of(samples[2], 2)
    grey = torch.full((3,), 0.5)
    expected = torch.nn.functional.avg_pool2d(large.over(grey).permute(2, 0, 1), 2).permute(1, 2, 0)
    torch.testing.assert_close(small.over(grey), expected, atol=5e-5, rtol=0)
    assert (small.camera.width, small.camera.fx, small.camera.cx) == (SIDE // 2, 55.0, SIDE / 4)


def test_a_shrunk_camera_projects_to_the_same_place_in_the_picture():
    view = shrink_camera(camera(), 3)
    assert view.cx / view.width == pytest.approx(0.5)
    assert view.fx / view.width == pytest.approx(110 / SIDE)


def test_samples_that_do_not_fit_their_camera_are_refused():
    with pytest.raises(InputError, match="50x40"):
        FitSample(np.zeros((40, 50, 3), np.uint8), camera(), HeadMotion.neutral())
    with pytest.raises(InputError, match="uint8"):
        FitSample(np.zeros((SIDE, SIDE, 3), np.float32), camera(), HeadMotion.neutral())
    with pytest.raises(InputError, match="one frame"):
        FitSample(np.zeros((SIDE, SIDE, 3), np.uint8), camera(), HeadMotion.neutral(2))


def test_blank_corrections_cover_the_face_but_not_the_hair():
    avatar = make_avatar()
    corrections = blank_corrections(avatar)
    assert corrections.index.tolist() == list(range(200))
    assert corrections.color.abs().max() == 0
