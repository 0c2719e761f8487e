"""From a photo to a finished tracked video of one frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from emotalk.avatar import AvatarCard, load_avatar
from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import Cancelled, InputError, TrackingError
from emotalk.core.progress import Progress
from emotalk.fitting.starting_avatar import starting_avatar
from emotalk.fitting.video_frames import VideoFrames, usable_rows
from emotalk.portrait import track_photo
from emotalk.portrait.faces import SeveralFaces
from emotalk.portrait.tracked_photo import STAGES
from emotalk.tracking.tracked import TrackedVideo, load_tracked
from tests.portrait.people import photo_of, smiling


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> TrackedVideo:
    return track_photo(photo_of(), tmp_path_factory.mktemp("calm"))


def test_it_is_read_like_any_tracked_video(calm: TrackedVideo) -> None:
    again = load_tracked(calm.folder)
    assert len(again) == 1
    assert np.array_equal(again.identity, calm.identity)
    assert again.quality == calm.quality
    assert again.quality.verdict == "good"
    assert again.frame_bytes(0).shape == (512, 512, 3)
    assert set(np.unique(again.labels(0))) == {0, 1, 2, 3}
    assert usable_rows(again).tolist() == [0]
    assert again.quality.relative_error < 0.01


def test_a_fit_can_start_from_it(calm: TrackedVideo) -> None:
    card = AvatarCard("Test", "CC0-1.0", "a synthetic person", True)
    start = starting_avatar(VideoFrames(calm, [0]), card, 4000, 0)
    assert 3000 < len(start.avatar.gaussians.position) < 15000
    assert start.reference == 0


def test_the_pose_is_that_of_the_photo(tmp_path: Path) -> None:
    turned = track_photo(photo_of(yaw=0.2), tmp_path)
    assert turned.motion.head_pose[0, 1] == pytest.approx(0.2, abs=0.06)
    assert turned.quality.yaw[0] == pytest.approx(11.5, abs=3.5)


def test_a_smile_stays_out_of_the_person(calm: TrackedVideo, tmp_path: Path) -> None:
    happy = track_photo(smiling(), tmp_path)
    smile = [ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]
    assert happy.motion.expression[0, smile].min() > 0.3
    assert calm.motion.expression[0, smile].max() < 0.15
    # Two photos of one person are more alike than that person and another.
    other = load_avatar("kofi").identity.numpy()
    assert np.linalg.norm(happy.identity - calm.identity) < 0.7 * np.linalg.norm(other - calm.identity)


def test_of_two_people_one_is_chosen(tmp_path: Path) -> None:
    both = np.concatenate([photo_of("jun"), photo_of("mira")], 1)
    with pytest.raises(SeveralFaces, match="2 faces"):
        track_photo(both, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    told: list[Progress] = []
    second = track_photo(both, tmp_path / "second", face=2, size=256, progress=told.append)
    assert [progress.stage for progress in told] == ["look", "read", "fit", "masks"]
    # It is cut out around the right one.
    apart = np.abs(second.landmarks[0].mean(0) - 128)
    assert apart.max() < 40
    assert second.size == 256


@pytest.mark.parametrize(("picture", "error", "said"), [
    (np.full((200, 200, 3), 120, np.uint8), TrackingError, "No face"),
    (np.zeros((200, 200), np.uint8), InputError, r"found \[200, 200\] uint8"),
    (np.zeros((200, 200, 3), np.float32), InputError, "float32"), (np.zeros((0, 9, 3), np.uint8), InputError, "found"),
])  # fmt: skip
def test_what_cannot_be_used(tmp_path: Path, picture: np.ndarray, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        track_photo(picture, tmp_path)


def test_a_face_of_a_few_pixels(tmp_path: Path) -> None:
    wall = np.full((900, 900, 3), 150, np.uint8)
    wall[300:400, 400:500] = cv2.resize(photo_of(), (100, 100), interpolation=cv2.INTER_AREA)
    with pytest.raises(TrackingError, match="pixels between the eyes"):
        track_photo(wall, tmp_path)


def test_a_tilted_photo_is_straightened(calm: TrackedVideo, tmp_path: Path) -> None:
    matrix = cv2.getRotationMatrix2D((256, 256), 40, 0.8)
    tilted = track_photo(cv2.warpAffine(photo_of(), matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE), tmp_path)
    assert abs(tilted.motion.head_pose[0, 2]) < 0.05
    assert np.linalg.norm(tilted.identity - calm.identity) < 0.5 * np.linalg.norm(calm.identity)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingError, match=r"The work of this photo cannot be written \(.+\)\. Free some") as refused:
        track_photo(photo_of(), tmp_path / "file")
    assert str(tmp_path) not in str(refused.value)  # a stranger may read it


@pytest.mark.parametrize("last", STAGES)
def test_it_stops_before_any_of_its_stages(tmp_path: Path, last: str) -> None:
    told: list[str] = []
    with pytest.raises(Cancelled):
        track_photo(
            photo_of(), tmp_path / "none", size=256, progress=lambda news: told.append(news.stage),
            cancelled=lambda: len(told) == STAGES.index(last),
        )  # fmt: skip
    assert told == list(STAGES[: STAGES.index(last)])
    assert not (tmp_path / "none").exists()
