"""The run from a photo to an avatar: what it asks for, what it tells, and that nothing of it stays.

Looking for the face and making the avatar are stood in for here; the last test does both.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emotalk.avatar import AvatarCard, GaussianAvatar, load_avatar
from emotalk.core.errors import Cancelled, InputError, TrackingError
from emotalk.core.progress import FitProgress, Progress
from emotalk.create import CONSENT, CONSENT_VIDEO_ONLY, PortraitRequest, discard, portrait
from emotalk.create.portrait_job import face_pictures
from emotalk.create.workplace import JOB, workplace
from emotalk.portrait.faces import PhotoFace, SeveralFaces
from emotalk.portrait.tracked_photo import track_photo
from emotalk.tracking.overlay import overlay
from tests.preset_photo import preset_photo


class Darkroom:
    """Stands in for tracking and making; notes what it was asked for."""

    def __init__(self, base: GaussianAvatar) -> None:
        self.base = base
        self.asked: list[dict] = []
        self.made: list[dict] = []
        self.verdict = "good"
        self.limitations = "One photo."
        self.stops_tracking = False
        self.fail: Exception | None = None  # of tracking
        self.fail_late: BaseException | None = None  # of making

    def track_photo(self, picture, folder: Path, *, progress, cancelled, **options):
        self.asked.append(options | {"shape": picture.shape})
        if self.stops_tracking and cancelled():
            raise Cancelled("Stopped while looking.")
        if self.fail is not None:
            raise self.fail
        folder.mkdir()
        (folder / "frame").write_text("a person")
        progress(Progress("look", 0, 100))
        quality = SimpleNamespace(verdict=self.verdict, sentences=("The light is dim.",))
        return SimpleNamespace(quality=quality, folder=folder)

    def make_portrait(self, tracked, *, name: str, consent, report, cancelled, **options):
        self.made.append(options)
        report(FitProgress("look", 0, 120, preview=np.zeros((8, 16, 3), np.uint8)))
        if self.fail_late is not None:
            raise self.fail_late
        if cancelled():
            raise Cancelled("Stopped.")
        report(FitProgress("fit", 60, 120, psnr=30.0))
        card = AvatarCard(name, "personal", "by a test", False, consent=consent, limitations=self.limitations)
        return self.base.replace(card=card)


@pytest.fixture(scope="module")
def mira() -> GaussianAvatar:
    return load_avatar("mira")


@pytest.fixture
def darkroom(monkeypatch: pytest.MonkeyPatch, mira: GaussianAvatar) -> Darkroom:
    darkroom = Darkroom(mira)
    monkeypatch.setattr("emotalk.portrait.tracked_photo.track_photo", darkroom.track_photo)
    monkeypatch.setattr("emotalk.portrait.make.make_portrait", darkroom.make_portrait)
    monkeypatch.setattr("emotalk.portrait.photo.read_photo", lambda path: np.zeros((40, 30, 3), np.uint8))
    return darkroom


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "me.jpg"
    path.write_bytes(b"a photo")
    return path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "avatars"


def request(photo: Path, /, **changes) -> PortraitRequest:
    return PortraitRequest(**({"photo": photo, "name": "Anna B", "consent": CONSENT} | changes))


def names(base: Path) -> list[str]:
    return sorted(path.name for path in base.iterdir())


def test_a_photo_becomes_an_avatar_whose_card_holds_the_consent(darkroom: Darkroom, photo: Path, base: Path) -> None:
    made = portrait(request(photo, face=2, size=256, seed=7), folder=base)
    assert (made.name, made.folder, made.quality) == ("anna-b", base / "anna-b", ("The light is dim.",))
    card = load_avatar(made.folder).card
    assert (card.name, card.synthetic, card.consent.statement) == ("Anna B", False, CONSENT)
    assert card.consent.time.startswith("20")
    assert darkroom.asked == [{"name": "me.jpg", "face": 2, "size": 256, "shape": (40, 30, 3)}]
    assert darkroom.made == [{"seed": 7, "device": "cpu"}]
    assert names(base) == ["anna-b"]  # no picture of the person stays


def test_who_wants_videos_only_is_not_drawn_in_browsers(darkroom: Darkroom, photo: Path, base: Path) -> None:
    assert portrait(request(photo), folder=base).card.live is True
    made = portrait(request(photo, consent=CONSENT_VIDEO_ONLY, video_only=True), folder=base)
    card = load_avatar(made.folder).card
    assert (card.consent.statement, card.consent.live, card.live) == (CONSENT_VIDEO_ONLY, False, False)


def test_every_stage_is_told_in_words(darkroom: Darkroom, photo: Path, base: Path) -> None:
    told, tracked = [], []
    portrait(request(photo), told.append, folder=base, on_tracked=tracked.append)
    assert [news.stage for news in told] == ["Looking for the face", "Taking the colours", "Fitting the avatar"]
    assert told[1].preview.shape == (8, 16, 3)
    assert told[2].psnr == 30.0
    assert len(tracked) == 1


@pytest.mark.parametrize("known", ["One photo.", "One photo. The light is dim."])
def test_what_is_wanting_in_the_photo_is_told_once_in_the_card(
    darkroom: Darkroom, photo: Path, base: Path, known: str
) -> None:
    darkroom.limitations = "One photo."
    assert portrait(request(photo), folder=base).card.limitations == "One photo."
    darkroom.verdict, darkroom.limitations = "usable", known
    assert portrait(request(photo), folder=base).card.limitations == "One photo. The light is dim."


@pytest.mark.parametrize("stopped", [Cancelled("Stopped."), InputError("No."), RuntimeError(), KeyboardInterrupt()])
def test_whatever_ends_a_run_nothing_of_it_stays_and_the_avatar_of_before_does(
    darkroom: Darkroom, photo: Path, base: Path, stopped: BaseException
) -> None:
    portrait(request(photo), folder=base)
    before = (base / "anna-b" / "card.json").read_bytes()
    darkroom.fail_late = stopped
    with pytest.raises(type(stopped)):
        portrait(request(photo), folder=base)
    assert names(base) == ["anna-b"]
    assert (base / "anna-b" / "card.json").read_bytes() == before


def test_a_photo_that_cannot_be_used_leaves_nothing(darkroom: Darkroom, photo: Path, base: Path) -> None:
    darkroom.fail = TrackingError("No face was found in the photo.")
    with pytest.raises(TrackingError, match="No face"):
        portrait(request(photo), folder=base)
    assert names(base) == []


@pytest.mark.parametrize("while_looking", [False, True])
def test_it_stops_when_it_is_asked_to(darkroom: Darkroom, photo: Path, base: Path, while_looking: bool) -> None:
    darkroom.stops_tracking = while_looking
    with pytest.raises(Cancelled, match="while looking" if while_looking else "no avatar"):
        portrait(request(photo), cancelled=lambda: True, folder=base)
    assert darkroom.made == []
    assert names(base) == []


def test_the_next_run_removes_what_a_killed_one_left_and_leaves_a_video_to_go_on_with(
    darkroom: Darkroom, photo: Path, base: Path
) -> None:
    for name in ("anna-b", "killed", "video"):
        (base / f".{name}.work" / "portrait" / "track").mkdir(parents=True)
        (base / f".{name}.work" / "lock").touch()
    (base / ".video.work" / JOB).write_text(json.dumps({}))
    portrait(request(photo), folder=base)
    assert names(base) == [".video.work", "anna-b"]
    assert names(base / ".video.work") == [JOB, "lock"]
    discard("video", base)
    assert names(base) == ["anna-b"]


@pytest.mark.parametrize(
    "ends", [None, InputError("This is no photo."), TrackingError("No face was found."), Cancelled("Stopped.")]
)
def test_a_stopped_run_of_a_video_under_the_same_name_can_still_be_gone_on_with(
    darkroom: Darkroom, photo: Path, base: Path, monkeypatch: pytest.MonkeyPatch, ends: Exception | None
) -> None:
    work = base / ".anna-b.work"
    for entry in ("track/frames/000000.jpg", "fit/state", JOB, "lock"):
        (work / entry).parent.mkdir(parents=True, exist_ok=True)
        (work / entry).write_text("of the video")
    before = sorted(path for path in work.rglob("*") if path.name != "lock")
    if isinstance(ends, InputError):
        monkeypatch.setattr("emotalk.portrait.photo.read_photo", lambda path: (_ for _ in ()).throw(ends))
    elif isinstance(ends, TrackingError):
        darkroom.fail = ends
    else:
        darkroom.fail_late = ends
    with contextlib.nullcontext() if ends is None else pytest.raises(type(ends)):
        portrait(request(photo), folder=base)
    assert sorted(path for path in work.rglob("*") if path.name != "lock") == before
    assert (work / JOB).read_text() == "of the video"
    assert names(base) == [".anna-b.work", *(["anna-b"] if ends is None else [])]


def test_two_runs_for_one_name_do_not_mix(darkroom: Darkroom, photo: Path, base: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with workplace(base, "anna-b") as work:
            (work / "frame").write_text("a person")
            inside.set()
            go_on.wait(20)

    other = threading.Thread(target=hold)
    other.start()
    assert inside.wait(20)
    with pytest.raises(InputError, match="being made by another run"):
        portrait(request(photo), folder=base)
    assert (base / ".anna-b.work" / "frame").is_file()
    go_on.set()
    other.join(20)


def test_a_file_is_no_place_for_avatars(darkroom: Darkroom, photo: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        portrait(request(photo), folder=photo)


def test_faces_to_choose_from_are_shown_as_small_squares(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[30:60, 20:50] = 255
    monkeypatch.setattr("emotalk.portrait.photo.read_photo", lambda path: picture)
    eyes = np.zeros((6, 2))
    faces = [PhotoFace(1, (20, 30, 50, 60), 0.9, eyes), PhotoFace(2, (190, 90, 199, 99), 0.9, eyes)]
    left, right = face_pictures(photo, faces, side=32)
    assert left.shape == right.shape == (32, 32, 3)
    assert left[16, 16].tolist() == [255] * 3
    assert not right.any()  # black, also beyond the picture's border


@pytest.mark.slow
def test_a_real_photo_becomes_an_avatar_and_two_people_are_a_question(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("emotalk.portrait.make.STEPS", 4)
    asked = []

    def notes(picture, folder, **options):
        asked.append(track_photo(picture, folder, **options))
        return asked[-1]

    monkeypatch.setattr("emotalk.portrait.tracked_photo.track_photo", notes)
    photo = preset_photo(tmp_path / "two.jpg", "elena", "kofi", size=384, orientation=6)
    told: list[FitProgress] = []
    with pytest.raises(SeveralFaces) as several:
        portrait(PortraitRequest(photo, "Me", CONSENT, size=256), told.append, folder=tmp_path / "avatars")
    crops = face_pictures(photo, several.value.faces)
    assert len(crops) == 2
    # In the order that the numbers have: her shirt and hair are not his.
    assert np.abs(crops[0].astype(int) - crops[1]).mean() > 10
    drawn = []
    made = portrait(
        PortraitRequest(photo, "Me", CONSENT, face=2, size=256), told.append, folder=tmp_path / "avatars",
        on_tracked=lambda tracked: drawn.append(overlay(tracked)),
    )  # fmt: skip
    avatar = load_avatar(made.folder)
    assert dataclasses.replace(avatar.card.consent, time="") == dataclasses.replace(made.card.consent, time="")
    shown = [news for news in told if news.preview is not None]
    assert shown[0].stage == "Taking the colours"
    height, width, _ = shown[0].preview.shape
    assert width == 2 * height
    assert drawn[0].shape == (320, 320, 3)  # one frame, one picture of what was found
    frame = asked[0]
    assert frame.motion.head_pose[0, 2] == pytest.approx(0, abs=0.2)  # upright, as its camera says
    assert not [path for path in (tmp_path / "avatars").iterdir() if path.name != "me"]
