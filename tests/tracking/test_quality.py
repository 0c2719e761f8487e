"""What is said about a video, and what verdict that makes."""

import numpy as np

from emotalk.core.motion import HeadMotion
from emotalk.tracking.quality import judge, sharpness
from emotalk.tracking.source import Crop
from emotalk.tracking.survey import Survey

FRAMES = 250


def about(**changes):
    """The verdict on ten seconds of a good video with changes: fields of Survey, `turn` (degrees), `opening`..."""
    looked = {"start": 0.0, "frames": FRAMES, "crop": Crop(0, 0, 512), "searched": 10.0, "cuts": 0, "rivals": 0.0,
              "bystanders": False, "face_height": 240.0}  # fmt: skip
    looked |= {k: v for k, v in changes.items() if k in looked}
    head = np.zeros((FRAMES, 6))
    head[:, 1] = np.radians(changes.get("turn", 0.0) + 8 * np.sin(np.arange(FRAMES) / 20))
    motion = HeadMotion(
        np.zeros((FRAMES, 52)), np.zeros((FRAMES, 3)), np.zeros((FRAMES, 2)), np.zeros((FRAMES, 2)), head
    )
    points = np.zeros((FRAMES, 478, 2))
    points[:, 10], points[:, 152] = (100, 0), (100, 200)
    points[:, [87, 14, 317], 1] = changes.get("opening", 12.0) * (np.arange(FRAMES) % 10)[:, None] / 9
    seen = np.arange(FRAMES) < changes.get("seen", 1.0) * FRAMES
    return judge(
        Survey(**looked), motion, points, seen, np.full(FRAMES, 0.5), 120.0,
        sharp=changes.get("sharp", 0.6), covered=changes.get("covered", 0.0), sound=changes.get("sound", True),
        sound_offset=changes.get("sound_offset", 0),
    )  # fmt: skip


def said(**changes) -> str:
    return " ".join(about(**changes).sentences)


def test_a_good_video_is_called_good():
    quality = about()
    assert quality.verdict == "good"
    assert quality.sentences == ("The video is good.",)
    assert quality.relative_error == 0.5 / 120


def test_faults_are_named_with_what_to_do():
    assert "look into the camera" in said(seen=0.8)
    assert "come nearer" in said(face_height=120.0)
    assert "blurred" in said(sharp=0.1)
    assert "turned aside" in said(turn=40.0)
    assert "mouth hardly opens" in said(opening=1.0)
    assert "2 cut(s)" in said(cuts=2)
    assert "no sound" in said(sound=False)
    assert "hand" in said(covered=0.2)
    assert "picture was 0.12 seconds late" in said(sound_offset=3)
    assert "sound was 0.08 seconds late" in said(sound_offset=-2)


def test_more_and_graver_faults_make_a_worse_verdict():
    assert about(face_height=120.0).verdict == "usable"
    assert about(seen=0.5, face_height=80.0, sharp=0.1).verdict == "poor"


def test_a_blurred_picture_is_less_sharp():
    import cv2

    texture = (255 * np.random.default_rng(0).random((128, 128))).astype(np.uint8)
    values = [sharpness(texture)] + [sharpness(cv2.GaussianBlur(texture, (0, 0), s)) for s in (1.0, 2.0, 4.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.6
    assert values[-1] < 0.35
