"""A talk that is driven: the head does what it is told, the sound belongs to it, and landmarks go out and come in."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from emotalk.cli import main
from emotalk.core.arkit import ARKIT_INDEX, ARKIT_NAMES
from emotalk.core.errors import AudioError, InputError
from emotalk.core.landmarks import apertures
from emotalk.core.motion import HeadMotion
from emotalk.head import HeadModel
from emotalk.motion import read_livelink, write_livelink
from emotalk.talk import talk
from emotalk.talk.driven import with_mood
from emotalk.talk.request import Look, TalkRequest
from emotalk.talk.studio import Studio
from emotalk.tracking.landmark_file import read_landmarks
from tests.talk.test_studio import speech_file
from tests.tracking.test_landmark_drive import faces

SMALL = Look(size=64)
FRAMES = 20
LIPS = [i for i, name in enumerate(ARKIT_NAMES) if name.startswith(("mouth", "jaw"))]


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio()


def nod(frames: int = FRAMES) -> HeadMotion:
    motion = HeadMotion.neutral(frames)
    expression, pose = motion.expression.copy(), motion.head_pose.copy()
    expression[:, ARKIT_INDEX["jawOpen"]] = np.linspace(0, 0.5, frames)
    pose[:, 0] = 0.1 * np.sin(np.arange(frames))
    return dataclasses.replace(motion, expression=expression, head_pose=pose)


def test_the_head_does_what_it_is_told_in_silence(studio, tmp_path):
    clip = studio.talk(TalkRequest(motion=nod(), look=SMALL), tmp_path / "a.mp4", motion_out=tmp_path / "a.csv")
    assert clip.frames == FRAMES
    made = read_livelink(tmp_path / "a.csv")
    np.testing.assert_allclose(made.expression, nod().expression, atol=1e-5)
    np.testing.assert_allclose(made.head_pose[:, :3], nod().head_pose[:, :3], atol=1e-5)


def test_the_sound_belongs_to_it(studio, tmp_path):
    for seconds in (0.5, 1.2):
        sound = speech_file(tmp_path, seconds)
        clip = studio.talk(TalkRequest(motion=nod(), audio=sound, look=SMALL), tmp_path / "a.mp4")
        assert clip.frames == FRAMES
    long = speech_file(tmp_path, 2.0)
    with pytest.raises(AudioError, match=r"sound lasts 2\.0 s and the motion 0\.8 s"):
        studio.talk(TalkRequest(motion=nod(), audio=long, look=SMALL), tmp_path / "b.mp4")
    assert not (tmp_path / "b.mp4").exists()


def test_a_mood_is_added_to_the_upper_face_only():
    def held(valence: float, arousal: float) -> np.ndarray:
        return np.tile([valence, arousal], (FRAMES, 1))

    motion = nod()
    same = with_mood(motion, held(0.0, 0.0))
    np.testing.assert_array_equal(same.expression, motion.expression)
    angry = with_mood(motion, held(-0.7, 0.6))
    np.testing.assert_array_equal(angry.expression[:, LIPS], motion.expression[:, LIPS])
    assert angry.expression[:, ARKIT_INDEX["browDownLeft"]].min() > 0.2
    raised = dataclasses.replace(motion, expression=np.ones_like(motion.expression))
    assert with_mood(raised, held(0.0, 1.0), reach=1.0).expression.max() < 2


def test_poses_are_scaled_and_the_eyes_keep_their_direction(studio, tmp_path):
    request = TalkRequest(motion=nod(), head_motion=0.5, look=SMALL)
    studio.talk(request, None, motion_out=tmp_path / "a.csv")
    made = read_livelink(tmp_path / "a.csv")
    np.testing.assert_allclose(made.head_pose[:, 0], 0.5 * nod().head_pose[:, 0], atol=1e-5)
    np.testing.assert_allclose(made.gaze[:, 1] - made.head_pose[:, 0], -nod().head_pose[:, 0], atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "Hello."}, "lips of its own"),
        ({"emotion": "auto"}, "no sound to hear the mood in"),
        ({"motion": HeadMotion.neutral(0)}, "at least one frame"),
        ({"motion": "a.csv"}, "must be a HeadMotion"),
        ({"max_seconds": 0.5}, "Cut it shorter"),
        ({"audio": "gone.wav"}, "no audio file"),
    ],
)
def test_what_does_not_go_together_is_a_sentence(changes, message):
    with pytest.raises(InputError, match=message):
        TalkRequest(**{"motion": nod(), **changes})


def test_a_capture_drives_an_avatar_from_python(tmp_path):
    write_livelink(nod(), tmp_path / "capture.csv")
    clip = talk(target=tmp_path / "a.mp4", motion=read_livelink(tmp_path / "capture.csv"), look=SMALL)
    assert clip.frames == FRAMES


@pytest.fixture(scope="module")
def made(studio, tmp_path_factory) -> Path:
    """A folder with the landmarks of a talk, a.json."""
    folder = tmp_path_factory.mktemp("landmarks")
    studio.talk(TalkRequest(motion=nod(), avatar="kofi", look=SMALL), None, landmarks_out=folder / "a.json")
    return folder


def landmark_talk(folder: Path, *more: str) -> int:
    return main(["talk", "--landmarks", str(folder / "a.json"), "--size", "64", "-o", str(folder / "b.mp4"), *more])


class TestCommand:
    """`talk --landmarks-out` and `talk --landmarks`: what goes out comes in."""

    def test_landmarks_of_the_pictures_are_written(self, made):
        track = read_landmarks(made / "a.json")
        assert (track.layout, track.size, len(track)) == ("mediapipe478", (64, 64), FRAMES)
        assert (track.points > 0).all()
        assert (track.points < 64).all()

    def test_they_drive_another_avatar(self, made, capsys):
        assert landmark_talk(made, "--motion-out", str(made / "b.csv")) == 0
        assert (made / "b.mp4").stat().st_size > 1000
        assert "0.8 s of video" in capsys.readouterr().out
        head = HeadModel.load()
        opening, wanted = (apertures(faces(head, motion))[:, 0] for motion in (read_livelink(made / "b.csv"), nod()))
        assert np.corrcoef(opening, wanted)[0, 1] > 0.97

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (["--text", "Hello."], "lips of its own"),
            (["--stdin"], "lips of its own"),
            (["--script", "a.txt"], "lips of its own"),
            (["--emotion", "auto"], "no sound to hear the mood in"),
            (["--landmarks-size", "wide"], "such as 1280x720"),
            (["--captions", "a.srt"], "Captions need words"),
            (["--landmarks-out", "a.csv"], "written as .json or .npz"),
        ],
    )
    def test_a_mistake_is_a_sentence_and_status_2(self, more, message, made, capsys):
        assert landmark_talk(made, *more) == 2
        told = capsys.readouterr().err
        assert message in told
        assert told.startswith("emotalk: ")

    def test_a_file_that_cannot_be_used_is_told(self, made, capsys):
        (made / "c.json").write_text(json.dumps({"points": "all"}))
        assert main(["talk", "--landmarks", str(made / "c.json")]) == 2
        assert "no list of frames called points" in capsys.readouterr().err
