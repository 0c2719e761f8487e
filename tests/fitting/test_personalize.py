"""A tracked video becomes an avatar: recognisable at once, better with time, resumable, bounded."""

import dataclasses
import itertools
import json
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors
import torch
from PIL import Image

from emotalk.avatar import BoundGaussians, Consent, load_avatar
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.atomic import write_json
from emotalk.core.camera import project
from emotalk.core.errors import Cancelled, InputError
from emotalk.core.motion import HeadMotion
from emotalk.fitting import personalize
from emotalk.fitting.fit_start import load_start
from emotalk.fitting.personalize import START, STATE, PersonalizeConfig, PersonalizeFit
from emotalk.fitting.shoulders import neck_point, without_outliers
from emotalk.fitting.starting_avatar import starting_avatar
from emotalk.fitting.video_fit import draw_frame, scores
from emotalk.fitting.video_frames import ExtraPair, VideoFrames, box_mask, head_box, held_out, usable_rows, varied
from emotalk.tracking import load_tracked
from emotalk.tracking.masks import BODY, HAIR, SKIN
from emotalk.tracking.shoulder_alignment import shoulder_shifts
from emotalk.tracking.tracked import FINISHED, save_track
from tests.fitting.synthetic_video import make_cloth, make_video, moved
from tests.killing import Forks

CONSENT = Consent("I am the person in this video and agree.", "2026-01-01T12:00:00+00:00")
QUICK = {"size": 96, "gaussians": 5000, "budget": 6000, "hold_out": 3}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("video"), "kofi", frames=40, size=96)[0]


@pytest.fixture(scope="module")
def start(video):
    frames = VideoFrames(video, usable_rows(video))
    return starting_avatar(frames, make_card(), 6000)


def make_card():
    from emotalk.avatar import AvatarCard

    return AvatarCard("Test", "none", "made in a test", synthetic=False, consent=CONSENT)


def fit_of(video, folder, **settings) -> PersonalizeFit:
    return PersonalizeFit(video, folder, PersonalizeConfig(**(QUICK | settings)), name="Kofi", consent=CONSENT)


def score(avatar, video, torso, rows):
    def picture(t):
        return (video.frame(t) * 255).astype(np.uint8)

    return scores(avatar, video.motion, torso, picture, rows, box_mask(head_box(video), video.size))


# --- the start ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_person_is_recognisable_before_any_optimisation(start, video):
    found = score(start.avatar, video, start.torso, np.arange(0, 40, 5))
    assert found["psnr_full"] > 19
    assert found["psnr_head"] > 17
    grey = start.avatar.gaussians.color.mean(0)
    blank = start.avatar.replace(
        gaussians=dataclasses.replace(start.avatar.gaussians, color=grey.expand(len(start.avatar), 3).clone())
    )
    assert found["psnr_head"] > score(blank, video, start.torso, np.arange(0, 40, 5))["psnr_head"] + 3


@pytest.mark.slow
def test_shoulders_come_from_the_picture_and_hang_on_the_root(start):
    g = start.avatar.gaussians
    assert not (g.region == REGION_INDEX["shoulders"]).any()
    clothes = (g.region == REGION_INDEX["clothes"])[g.mesh_count :]
    assert int(clothes.sum()) > 200
    assert torch.equal(g.joint_weights[clothes][:, 0], torch.ones(int(clothes.sum())))


def test_what_a_mask_takes_for_skin_on_the_shoulders_is_cloth():
    classes = np.zeros((100, 100), np.uint8)
    classes[70:] = BODY
    classes[20:72, 30:70] = SKIN
    classes[10:30, 25:75] = HAIR
    classes[72:74, 5:15] = SKIN
    classes[80:85, 80:90] = HAIR
    cleaned = without_outliers(classes, 70)
    assert (cleaned[72:74, 5:15] == BODY).all()
    assert (cleaned[80:85, 80:90] == BODY).all()
    assert (cleaned != classes).sum() == 20 + 50


@pytest.mark.slow
def test_the_mouth_begins_dark_red_with_neutral_teeth(start):
    g = start.avatar.gaussians
    cavity = g.color[g.region == REGION_INDEX["mouth"]].mean(0)
    teeth = g.color[g.region == REGION_INDEX["teeth"]].mean(0)
    assert cavity[0] > 1.5 * cavity[1]
    assert teeth.min() > 2 * cavity.max() * 0.9
    assert teeth.max() - teeth.min() < 0.2


@pytest.mark.slow
def test_the_background_lies_behind_and_not_in_the_person(start, video):
    empty = start.avatar.background
    person = torch.from_numpy(np.stack([video.labels(t) > 0 for t in range(40)])).any(0)
    first = torch.from_numpy(video.frame(0))
    far = torch.nn.functional.max_pool2d(person[None].float(), 15, 1, 7)[0] < 0.5
    assert (empty - first)[far].abs().mean() < 0.02


@pytest.mark.slow
def test_shoulder_shifts_bring_back_how_the_shoulders_moved(video):
    # With the track of a torso that stands still and no pictures to align, shifts undo the root's motion.
    still = dataclasses.replace(video, torso=np.full_like(video.torso, 1e-7))
    shifts = shoulder_shifts(still, 7, rows=())
    root = torch.from_numpy(video.motion.head_pose[:, 3:])
    torch.testing.assert_close(root + shifts[..., 3], root[7].expand(40, 3), atol=1e-5, rtol=0)
    assert shifts[..., :3].abs().max() < 1e-5
    assert shoulder_shifts(video, 7)[7].abs().max() < 1e-6


def test_shoulders_follow_the_pattern_of_their_clothes_where_the_track_lost_them(video, tmp_path):
    flat = np.array([[0, 0, 0, 0, 0, 0], [2, -1, 0, 0.5, -0.5, 0], [3, -3, 1, 1.5, -1, 1.5]], float)
    for name in ("frames", "masks"):
        (tmp_path / name).mkdir()
    for t, there in enumerate(flat):
        cloth = moved(make_cloth(size=96), there)
        Image.fromarray(cloth).save(tmp_path / "frames" / f"{t:06d}.jpg", quality=98)
        Image.fromarray(np.where(np.arange(96)[:, None] < 60, 3, np.ones((1, 96))).astype(np.uint8)).save(
            tmp_path / "masks" / f"{t:06d}.png"
        )
    lost = dataclasses.replace(video, folder=tmp_path, torso=np.zeros_like(video.torso)).part(0, 3)
    shifts = shoulder_shifts(lost, 0).double().numpy()
    # Points of the shoulders in the reference frame, and where each frame's picture has them.
    points = neck_point(lost) + np.array([[-0.08, -0.04, 0], [0.08, -0.05, 0], [0, -0.04, 0.02]])
    root = lost.motion.head_pose[:, 3:]
    seen = project(points + root[0], lost.camera)[0]
    for t in range(3):
        posed = points + root[t]
        pixels = project(posed + posed @ shifts[t, :, :3].T + shifts[t, :, 3], lost.camera)[0]
        linear = np.eye(2) + np.stack([flat[t, 2:4], flat[t, 4:6]], 1) / 48
        assert np.abs(pixels - ((seen - 48) @ linear.T + 48 + flat[t, :2])).max() < 0.6


def test_where_shoulders_were_lost_they_go_with_the_motion(video):
    torso = np.full_like(video.torso, 1e-7)
    torso[[0, *range(20, 30)]] = 0
    shifts = shoulder_shifts(dataclasses.replace(video, torso=torso), 7, rows=())
    assert shifts[20:30].abs().max() == 0
    assert shifts[0].abs().max() > 0  # the frame that the others are measured against


# --- frames -------------------------------------------------------------------------------------------------------


def test_badly_tracked_frames_are_not_learned_from(video):
    error = video.error.copy()
    error[4], seen = 9.0, video.seen.copy()
    seen[11] = False
    rows = usable_rows(dataclasses.replace(video, error=error, seen=seen))
    assert set(range(40)) - set(rows) == {4, 11}


def test_judged_frames_and_their_neighbours_are_not_learned_from():
    train, judged = held_out(np.arange(100), 8)
    assert len(judged) == 8
    assert np.abs(train[:, None] - judged).min() == 2
    train, judged = held_out(np.arange(9), 8)
    assert (len(train), len(judged)) == (9, 0)


def test_the_chosen_frames_are_the_varied_ones(video):
    expression = np.zeros_like(video.motion.expression)
    expression[33, 24] = 1.0
    odd = dataclasses.replace(video, motion=HeadMotion(expression, *(np.zeros((40, w)) for w in (3, 2, 2, 6))))
    chosen = varied(odd, np.arange(40), 2)
    assert 33 in chosen
    assert len(varied(video, np.arange(40), 12)) == 12


def test_memory_is_bounded_by_the_chosen_frames(video):
    frames = VideoFrames(video, [3, 9])
    for _ in range(3):
        for k in range(len(frames)):
            frames.target(k)
    assert sum(marks.nbytes for marks in frames._marks.values()) == 2 * 96 * 96
    target = frames.target(0, 2)
    assert target.color.shape == (48, 48, 3)
    assert target.camera.width == 48
    assert set(target.sure.unique().tolist()) == {0.0, 1.0}


def test_extra_pairs_are_learned_from_and_checked(video):
    frames = VideoFrames(video, [3, 9])
    picture = (video.frame(5) * 255).astype(np.uint8)
    frames.add([(picture, video.motion[5:6])])
    assert len(frames) == 3
    assert np.array_equal(frames.motion.expression[2], video.motion.expression[5])
    assert frames.target(2).sure.sum() == 0
    with pytest.raises(InputError, match="extra training pair"):
        frames.add([(picture[:50], video.motion[5:6])])


# --- the fit ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_fit_improves_frames_it_never_saw_and_says_who_it_is(video, tmp_path):
    train = video.part(0, 32)
    said = []
    fit = fit_of(train, tmp_path / "work", steps=60)
    avatar = fit.run(said.append)
    torso = shoulder_shifts(video, fit.start.reference)
    before, after = (score(a, video, torso, np.arange(33, 40, 2)) for a in (fit.start.avatar, avatar))
    assert after["psnr_head"] > before["psnr_head"] + 1.5
    card = avatar.card
    assert (card.synthetic, card.consent) == (False, CONSENT)
    assert card.metrics["steps"] == 60
    assert card.metrics["psnr_head"] > 15
    assert avatar.camera is not None
    assert avatar.background.shape == (96, 96, 3)
    assert [p.stage for p in (said[0], said[-1])] == ["look", "done"]
    assert said[-1].preview.shape == (96, 192, 3)
    loaded = load_avatar(avatar.save(tmp_path / "kofi"))
    drawn, again = draw_frame(avatar, video.motion, 3), draw_frame(loaded, video.motion, 3)
    assert np.abs(drawn - again).mean() < 0.01


@pytest.mark.slow
def test_extra_pairs_come_from_the_start_and_the_frames_and_a_fit_with_them_goes_on(video, tmp_path):
    asked = []

    def pairs(start, frames):
        asked.append((start.avatar.card.name, set(frames.rows)))
        row = int(frames.rows[0])
        return [ExtraPair(frames.tracked.frame_bytes(row), frames.tracked.motion[row : row + 1], row=row)]

    def fit_in(folder):
        config = PersonalizeConfig(steps=24, **QUICK)
        return PersonalizeFit(video, tmp_path / folder, config, name="Kofi", consent=CONSENT, extra_pairs=pairs)

    straight = fit_in("a")
    straight.run()
    assert asked[0] == ("Kofi", set(straight.frames.rows))
    assert not asked[0][1] & set(straight.judged)
    calls = iter(range(1000))
    with pytest.raises(Cancelled):
        fit_in("b").run(cancelled=lambda: next(calls) == 15)
    second = fit_in("b")
    second.run()
    values = (fit.fit.parameters.values for fit in (straight, second))
    first, again = ({name: value.detach() for name, value in part.items()} for part in values)
    for name in first:  # not bit for bit, see below
        torch.testing.assert_close(again[name], first[name], atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_a_cancelled_fit_goes_on_with_the_same_numbers(video, tmp_path):
    straight = fit_of(video, tmp_path / "a", steps=24)
    straight.run()
    calls = iter(range(1000))
    with pytest.raises(Cancelled):
        fit_of(video, tmp_path / "b", steps=24).run(cancelled=lambda: next(calls) == 11)
    second = fit_of(video, tmp_path / "b", steps=24)
    second.run()
    assert second.fit.step_count == 24
    whole, resumed = straight.fit.result(), second.fit.result()
    for f in dataclasses.fields(BoundGaussians):
        first = getattr(second.start.avatar.gaussians, f.name).double()
        ended, again = (getattr(avatar.gaussians, f.name).double() for avatar in (whole, resumed))
        # Not bit for bit: a matrix product's last digit depends on where in memory its factors happen to lie.
        assert (again - ended).abs().mean() <= 1e-3 * (ended - first).abs().mean(), f.name
    assert (resumed.corrections.color - whole.corrections.color).abs().max() < 1e-4


def begun(fit: PersonalizeFit) -> int:
    """Steps that the fit has behind it when it is taken up from its folder."""
    return fit._begin().step_count


@pytest.fixture(scope="module")
def five_steps(video, tmp_path_factory):
    """The folder of a fit of five steps."""
    folder = tmp_path_factory.mktemp("five") / "steps"
    fit_of(video, folder, steps=5).run()
    return folder


@pytest.fixture
def left(five_steps, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(five_steps, tmp_path / "left"))


@pytest.mark.slow
def test_a_fit_is_taken_up_where_it_was_left(video, left):
    assert begun(fit_of(video, left, steps=6)) == 5


@pytest.mark.slow
def test_a_folder_of_another_video_is_begun_afresh(video, left):
    other = dataclasses.replace(video, identity=video.identity * 0.5)
    assert begun(fit_of(other, left, steps=6)) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [(STATE, 0), (STATE, 5000), (START, 5000)])
def test_damaged_files_are_begun_afresh(video, left, name, size):
    """Also where only the start is damaged: what was learned belongs to a start that is no more."""
    (left / name).write_bytes((left / name).read_bytes()[:size])
    fit = fit_of(video, left, steps=6)
    assert begun(fit) == 0
    assert load_start(left / START, fit._fingerprint(), make_card(), video) is not None
    assert (left / STATE).exists() == (name == STATE)  # the fit writes a new one over it


@pytest.mark.slow
def test_a_finished_fit_goes_further_from_where_it_ended(video, tmp_path):
    first = fit_of(video, tmp_path, steps=30)
    before = first.run()
    told, further = [], fit_of(video, tmp_path, steps=20)
    after = further.run(told.append, further=True)
    assert after.card.metrics["steps"] == 30 + 20
    assert after.card.metrics["psnr_head"] > before.card.metrics["psnr_head"] - 0.05
    assert next(news for news in told if news.stage == "fit").preview is not None  # the avatar as it is, at once
    shares = [news.share for news in told if news.stage == "fit"]
    assert shares == sorted(shares)
    assert (first.rows == further.rows).all()
    assert set(first.frames.rows) <= set(first.rows)


def test_a_fit_that_is_not_there_or_of_another_program_goes_no_further(video, tmp_path):
    with pytest.raises(InputError, match="Make the avatar again"):
        fit_of(video, tmp_path / "nothing", steps=2).run(further=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", [START, STATE])
def test_a_damaged_state_is_not_begun_afresh_when_it_shall_go_further(video, left, name):
    (left / name).write_bytes(b"damaged")
    with pytest.raises(InputError, match="Make the avatar again"):
        fit_of(video, left, steps=2).run(further=True)


@pytest.mark.slow
@pytest.mark.parametrize(("least", "steps"), [(10, 24), (40, 40)], ids=["time enough", "a slow machine"])
def test_a_budget_of_time_is_kept_but_for_the_least_steps(video, tmp_path, monkeypatch, least, steps):
    """Four steps on a busy machine were praised as an avatar."""
    monkeypatch.setattr("emotalk.fitting.personalize.LEAST_STEPS", least)
    ticks = itertools.count()
    stopped = SimpleNamespace(perf_counter=lambda: 0.0)
    monkeypatch.setattr("emotalk.fitting.personalize.time", stopped)
    monkeypatch.setattr("emotalk.fitting.gaussian_fit.time", SimpleNamespace(perf_counter=lambda: next(ticks) / 4))
    avatar = fit_of(video, tmp_path, minutes=0.1).run()
    assert avatar.card.metrics["steps"] == steps  # of a quarter of a second each; there are 6 s
    assert avatar.card.metrics["seconds"] == steps / 4


@pytest.mark.slow
def test_further_it_takes_some_steps_however_busy_the_machine(video, tmp_path, monkeypatch):
    """Loading took longer than the half minute that was given: one step was made."""
    fit_of(video, tmp_path, steps=30).run()
    monkeypatch.setattr("emotalk.fitting.personalize.LEAST_FURTHER", 12)
    ticks = itertools.count()
    monkeypatch.setattr("emotalk.fitting.gaussian_fit.time", SimpleNamespace(perf_counter=lambda: 10.0 * next(ticks)))
    after = fit_of(video, tmp_path, minutes=0.1).run(further=True)
    assert after.card.metrics["steps"] == pytest.approx(30 + 12, abs=1)


def test_a_machine_that_gets_free_does_not_take_longer_than_it_was_given():
    fit, planned = SimpleNamespace(seconds=0.0, step_count=0, progress=0.0), []
    floor = personalize._Floor(fit, 1.0, 100, 0.0, planned.append)
    for _ in range(100):
        fit.seconds += 2.0 if fit.step_count < 30 else 0.1
        fit.step_count += 1
        floor.heed()
    assert planned[20] == pytest.approx(100 * 2.0 / 60)
    assert planned[-1] == pytest.approx(67 / 60)  # 30 steps of 2 s and 70 of 0.1 s
    assert all(minutes >= 1.0 for minutes in planned)


def test_the_card_keeps_the_videos_usual_pose(video, tmp_path):
    """The head is drawn from there (`avatar.home`)."""
    home = fit_of(video, tmp_path, steps=1).run().card.home
    assert home == pytest.approx(np.median(video.motion.head_pose[video.seen], 0), abs=1e-4)


@pytest.mark.slow
def test_gaussians_stay_on_their_triangles(video, tmp_path):
    fit = fit_of(video, tmp_path, steps=40)
    fit.run()
    g, begun = fit.fit.result().gaussians, fit.fit.parameters.start["position"]
    face = torch.isin(g.region, torch.tensor([REGION_INDEX["face"], REGION_INDEX["ears"]]))
    face[g.mesh_count :] = False
    moved = (g.position - begun)[face].abs()
    assert moved.max() <= 0.0025 + 1e-6
    assert moved[:, 2].max() <= 0.0015 + 1e-6


def test_too_few_frames_are_refused_with_a_sentence(video, tmp_path):
    with pytest.raises(InputError, match="well tracked face"):
        fit_of(video.part(0, 10), tmp_path)


@pytest.mark.parametrize("wrong", [{"minutes": 0}, {"steps": 0}, {"gaussians": 10}, {"size": 8}, {"refine": ("nose",)}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError):
        PersonalizeConfig(**wrong)


def run_to_the_end(work: Path, video: str) -> None:
    """What a fork does in the next test: a fit that saves its state after every step."""
    personalize.SAVE_EVERY = 0.0
    fit_of(load_tracked(Path(video)), work, steps=8).run()


def saved_steps(work: Path) -> int:
    """Steps in the state of a folder, 0 where there is none; fails where the state is not whole."""
    if not (work / STATE).exists():
        return 0
    with safetensors.safe_open(work / STATE, "pt") as file:
        assert all(file.get_tensor(name).double().isfinite().all() for name in file.keys())  # noqa: SIM118
        return json.loads(file.metadata()["fit"])["step"]


@pytest.mark.slow
def test_a_killed_fit_resumes_from_a_sound_state(tmp_path):
    """Killed between any two changes of its files, or in the middle of one, it keeps every step that it saved."""
    folder, work = tmp_path / "video", tmp_path / "work"
    save_track(make_video(folder, "kofi", frames=40, size=96)[0])
    write_json(folder / FINISHED, {})
    chance, saved = random.Random(0), [0]
    with Forks("tests.fitting.test_personalize:run_to_the_end", work, folder) as forks:
        while forks.run(kill_before=chance.randint(4, 40)):
            saved.append(saved_steps(work))
            assert len(saved) < 40
    assert saved == sorted(saved)
    assert len(set(saved)) > 2  # it was killed in many places, and went on
    assert begun(fit_of(load_tracked(folder), work, steps=8)) == 8
