"""Shots: the way of the camera is smooth, bounded and the same for any stream, and the head stays in the picture."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.camera import project
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.talk import Look, Studio, TalkRequest
from emotalk.talk.captions import ends_sentence, sentence_starts
from emotalk.talk.job import Talk
from emotalk.talk.request import SHAPES
from emotalk.talk.scene import Scene, framed_picture, head_box, still_motion
from emotalk.talk.shots import SHOTS, Framing, cuts, looking, near_framing, nearness, sway
from tests.rendering.pretend_gpu import plain, pretend_gpu

SENTENCES = [0, 30, 80, 120, 190]
PRESETS = ("mira", "elena", "kofi", "jun", "asha", "henrik")


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(device="cpu")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("avatar", PRESETS)
def test_the_head_stays_in_the_picture(studio, avatar, shape):
    for shot in SHOTS:
        look = Look(size=256, shape=shape, shot=shot)
        scene = Scene(studio.avatar(avatar), look, SENTENCES)
        for frame in (0, 50, 90, 200, 100_000):
            left, top, right, bottom = head_box(scene.avatar, scene.camera_at(frame))
            assert left >= 2
            assert top >= 2
            assert right <= look.width - 2
            assert bottom <= look.height - 2


@pytest.mark.parametrize("shape", SHAPES)
def test_a_nearer_camera_is_nearer(studio, shape):
    for shot in ("push-in", "cut-in"):
        scene = Scene(studio.avatar("kofi"), Look(size=256, shape=shape, shot=shot), SENTENCES)
        assert scene.camera_at(100_000 if shot == "push-in" else 85).fx > 1.1 * scene.camera_at(0).fx


def test_a_push_in_is_smooth_and_ends(studio):
    scene = Scene(studio.avatar("mira"), Look(size=256, shot="push-in"))
    way = np.array([[c.fx, c.cx, c.cy] for c in map(scene.camera_at, range(1500))])
    steps = np.abs(np.diff(way, axis=0))
    assert (np.diff(way[:, 0]) > 0).all()
    assert steps[:, 1:].max() < 0.4  # pixels a frame, of 256
    assert (np.diff(steps[:, 0]) <= 1e-6).all()  # ever more slowly
    assert way[-1, 0] / way[0, 0] < 1.26


def test_a_drift_comes_back_and_is_slow():
    way = np.degrees([sway("drift", frame) for frame in range(5000)])
    assert np.abs(way).max(0) == pytest.approx([2.5, 0.8], abs=0.01)
    assert np.abs(np.diff(way, axis=0)).max() < 0.08  # degrees a frame
    assert sway("drift", 0) == (0, 0)
    assert sway("still", 70) == (0, 0)


@given(st.lists(st.integers(1, 300), max_size=12), st.integers(0, 12))
@settings(max_examples=60)
def test_a_cut_is_known_when_its_sentence_begins_and_never_changes(gaps, known):
    sentences = np.cumsum(gaps).tolist()
    all_cuts = cuts(sentences)
    early = cuts(sentences[:known])
    assert all_cuts[: len(early)] == early
    assert (np.diff([0, *all_cuts]) >= 2 * FPS).all()
    near = [nearness("cut-in", frame, sentences) for frame in range(max([0, *sentences]) + 1)]
    assert [frame for frame in range(1, len(near)) if near[frame] != near[frame - 1]] == all_cuts


@given(
    st.floats(0, 300), st.floats(0, 300), st.floats(1, 400), st.floats(1, 400), st.sampled_from(["push-in", "cut-in"])
)
@settings(max_examples=80)
def test_a_nearer_framing_holds_what_it_must_and_shows_nothing_from_beyond(left, top, wide, high, shot):
    width, height = 500, 400
    box = (left, top, left + wide, top + high)
    framing = near_framing(shot, width, height, box)
    assert 1 <= framing.scale <= 1.4
    for side, low, far, shift in ((width, box[0], box[2], framing.right), (height, box[1], box[3], framing.down)):
        assert shift <= 1e-9
        assert framing.scale * side + shift >= side - 1e-9
        if low >= 16 and far <= side - 16:  # inside before: inside for all of the way
            for share in np.linspace(0, 1, 5):
                part = framing.part(share)
                moved = part.right if shift == framing.right and side == width else part.down
                assert part.scale * low + moved >= 16 - 1e-6
                assert part.scale * far + moved <= side - 16 + 1e-6


def test_a_framing_moves_camera_and_background_alike(studio):
    camera = Scene(studio.avatar("mira"), Look(size=64)).camera
    framing = Framing(1.25, -9.0, -3.0)
    point = np.array([[0.02, 0.01, 0.05]])
    before, after = project(point, camera)[0], project(point, framing.of(camera))[0]
    assert after == pytest.approx(before * 1.25 + [-9, -3], abs=1e-4)
    ramp = torch.stack([(torch.arange(64) + 0.5).expand(64, 64)] * 3, -1) / 64
    moved = framed_picture(ramp, framing)
    assert moved[20, 30, 0].item() == pytest.approx((30.5 + 9) / 1.25 / 64, abs=1e-5)
    assert framed_picture(torch.zeros(3), framing).shape == (3,)


@pytest.mark.slow
def test_a_video_s_own_background_comes_nearer_with_its_person(studio):
    mira = studio.avatar("mira")
    plate = torch.zeros(64, 64, 3)
    plate[:, 20:24] = 1.0
    own = mira.replace(camera=Scene(mira, Look(size=64)).camera, background=plate)
    scene = Scene(own, Look(size=64, shot="cut-in", zoom=1.25), [0, 60])
    cloud = scene.pose(still_motion(0, 0), 0)
    empty = dataclasses.replace(cloud, opacities=torch.zeros_like(cloud.opacities))
    clouds = (empty for _ in range(62))
    frames = [frame.copy() for frame in scene.frames(clouds)]
    framing = scene._near
    wide, near = (frame[3, :, 0].astype(float) for frame in (frames[0], frames[61]))
    middle = [np.average(np.arange(64) + 0.5, weights=row) for row in (wide, near)]
    assert middle[1] == pytest.approx(middle[0] * framing.scale + framing.right, abs=0.3)


def test_eyes_turn_first_and_the_head_with_them():
    motion = HeadMotion.neutral(3)
    near, far = (looking(motion, np.full(3, math.radians(d)), np.zeros(3)) for d in (5, 30))
    for turned, degrees in ((near, 5), (far, 30)):
        assert np.degrees(turned.gaze[:, 0] + turned.head_pose[:, 1]) == pytest.approx(degrees, abs=1e-4)
    assert near.gaze[0, 0] > 5 * near.head_pose[0, 1]
    assert far.head_pose[0, 1] > far.gaze[0, 0]
    up = looking(motion, np.zeros(3), np.full(3, 0.2))
    assert up.gaze[0, 1] > 0 > up.head_pose[0, 0]


def test_at_you_is_where_the_camera_is(studio):
    scene = Scene(studio.avatar("mira"), Look(size=64, yaw=20, pitch=5, gaze="camera"))
    turned = scene.directed(HeadMotion.neutral(2))
    assert np.degrees(turned.gaze[:, 0] + turned.head_pose[:, 1]) == pytest.approx(20, abs=1e-4)
    assert np.degrees(turned.gaze[:, 1] - turned.head_pose[:, 0]) == pytest.approx(5, abs=1e-4)
    drifting = Scene(studio.avatar("mira"), Look(size=64, shot="drift", gaze="camera"))
    whole = drifting.directed(HeadMotion.neutral(50))
    parts = [drifting.directed(HeadMotion.neutral(20)), drifting.directed(HeadMotion.neutral(30), 20)]
    assert (HeadMotion.concatenate(parts).gaze == whole.gaze).all()
    ahead = Scene(studio.avatar("mira"), Look(size=64, yaw=20))
    assert not ahead.directed(HeadMotion.neutral(2)).gaze.any()


def test_sentences_are_found_by_their_marks():
    words = [
        (0.1, 0.3, "I"),
        (0.3, 0.5, "saw"),
        (0.5, 0.7, "Dr"),
        (0.7, 1.0, "Who"),
        (1.4, 1.6, "Did"),
        (1.6, 2.0, "you"),
    ]
    assert sentence_starts(words, "I saw Dr. Who. Did you?") == [0.1, 1.4]
    assert sentence_starts([]) == []
    assert ends_sentence("Well, yes!")
    assert ends_sentence("Oh…”")
    assert not ends_sentence("I saw Dr.")
    assert not ends_sentence("and")
    assert not ends_sentence("")


@pytest.mark.slow
def test_a_talk_cuts_where_a_sentence_begins_and_says_when_it_cannot(studio, tmp_path):
    text = "This is the first of all the sentences here. Here is another one. And this is the last."
    look = Look(size=64, shot="cut-in", mark="off")
    talk = Talk(studio, TalkRequest(text=text, voice="flite:slt", look=look), None, None)
    talk.run(tmp_path / "a.mp4", None, None, None, None)
    assert len(talk.sentences) == 3
    assert talk.sentences[0] == 0
    from emotalk.video.reader import read_frames

    frames = np.stack(list(read_frames(tmp_path / "a.mp4", 64, 64))).astype(float)
    jumps = np.abs(np.diff(frames, axis=0)).mean((1, 2, 3))
    expected = cuts(talk.sentences)
    assert sorted(np.argsort(jumps)[-len(expected) :] + 1) == expected
    silent = studio.talk(TalkRequest(audio=_tone(tmp_path / "a.wav"), look=look), tmp_path / "b.mp4")
    assert any("The camera stays" in remark for remark in silent.remarks)


def _tone(path):
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((8000 * np.sin(np.arange(16_000) / 5)).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"shot": "crane"}, "no shot 'crane'; choose one of still, push-in, drift, cut-in"),
        ({"gaze": "inside"}, "Nobody looks 'inside'; choose one of ahead, camera, aside"),
        ({"gaze": (50.0, 0.0)}, "gaze to the right must lie between -35 and 35"),
        ({"gaze": (0.0, 1.0, 2.0)}, "two numbers of degrees"),
        ({"gaze": None}, "two numbers of degrees"),
    ],
)
def test_what_is_no_shot_or_gaze_is_told(values, sentence):
    with pytest.raises(InputError, match=sentence):
        Look(**values)


def test_on_a_gpu_a_talk_is_posed_many_frames_at_a_time(studio, monkeypatch):
    mira = studio.avatar("mira")
    motion = HeadMotion.neutral(21)
    here = Scene(mira, Look(size=512, shot="drift"))
    expected = list(here.clouds(motion, 50))
    assert len(expected) == 21
    with pretend_gpu(monkeypatch):
        there = Scene(mira.to("cuda"), Look(size=512, shot="drift"))
        batches = list(there.clouds(motion, 50))
        assert [len(batch) for batch in batches] == [16, 5]
        last = plain(batches[1].opacities[4]), plain(batches[1].means[4])
        torch.testing.assert_close(last[1], expected[20].means, atol=1e-5, rtol=0)
        assert (last[0] - expected[20].opacities).abs().gt(1e-5).float().mean() < 1e-3
        # A background of its own that comes nearer is another one in every frame.
        plate = mira.replace(camera=here.camera, background=torch.zeros(64, 64, 3)).to("cuda")
        near = Scene(plate, Look(size=64, shot="push-in"))
        assert [len(cloud.means.shape) for cloud in near.clouds(motion[:2])] == [2, 2]
