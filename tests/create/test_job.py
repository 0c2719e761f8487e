"""The run from a video to an avatar: what it asks for, what it keeps, what it never touches.

Tracking and fitting are stood in for here; tests/test_personalizing_killed.py runs the real ones.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from emotalk.avatar import AvatarCard, GaussianAvatar, load_avatar
from emotalk.core.errors import Cancelled, InputError, TrackingError
from emotalk.core.progress import FitProgress, Progress
from emotalk.create import discard, personalize
from emotalk.create.kept import can_improve, forget
from emotalk.create.request import CONSENT, CONSENT_VIDEO_ONLY, PersonalizeRequest
from emotalk.create.verdict import Verdict
from emotalk.create.workplace import MADE
from emotalk.fitting.personalize import PersonalizeConfig


class Workshop:
    """Stands in for tracking and fitting; notes what it was asked for."""

    def __init__(self, base: GaussianAvatar) -> None:
        self.base = base
        self.tracked: list[dict] = []
        self.configs: list[PersonalizeConfig] = []
        self.verdict = "good"
        self.stop_in_fit = False
        self.fail: Exception | None = None

    def track_video(self, video, folder: Path, progress, **options):
        self.tracked.append(options | {"fresh": not (folder / "marker").exists()})
        if self.fail is not None:
            raise self.fail
        folder.mkdir(exist_ok=True)
        (folder / "marker").write_text("tracked")
        progress(Progress("read", 50, 100))
        quality = SimpleNamespace(verdict=self.verdict, sentences=("The light is dim.",), sound=True)
        return SimpleNamespace(quality=quality, seen=np.ones(50, bool))

    def fit(self, tracked, folder: Path, config: PersonalizeConfig, *, name: str, consent, extra_pairs):
        self.configs.append(config)
        assert extra_pairs.config.seed == config.seed  # emotional faces, the same again when it is taken up

        def run(report, cancelled):
            folder.mkdir(exist_ok=True)
            (folder / "state").write_text("half")
            if self.stop_in_fit or cancelled():
                raise Cancelled("Stopped.")
            report(FitProgress("fit", 5, 10, 1.0, 1.0, psnr=27.5))
            card = AvatarCard(
                name, "personal", "by a test", False, consent=consent, created="now", limitations="Short.",
                metrics={"psnr_head": 27.5},
            )  # fmt: skip
            return self.base.replace(card=card)

        return SimpleNamespace(run=run, rows=np.arange(3))

    def judged(self, avatar, tracked, cancelled):
        return Verdict("usable", ("Close.", "Teeth were hardly seen."), ("Teeth were hardly seen.",)), {"lip_r": 0.9}

    def motion_of_video(self, tracked, progress):
        progress(Progress("adapt", 1, 160))
        return None


@pytest.fixture(scope="module")
def mira() -> GaussianAvatar:
    return load_avatar("mira")


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch, mira: GaussianAvatar) -> Workshop:
    workshop = Workshop(mira)
    monkeypatch.setattr("emotalk.tracking.track_video", workshop.track_video)
    monkeypatch.setattr("emotalk.fitting.personalize.PersonalizeFit", workshop.fit)
    monkeypatch.setattr("emotalk.learning.adapt_motion.motion_of_video", workshop.motion_of_video)
    monkeypatch.setattr("emotalk.create.verdict.judged", workshop.judged)
    monkeypatch.setattr("emotalk.create.verdict.lip_rows", lambda _: range(3, 5))
    return workshop


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "me.mp4"
    path.write_bytes(b"frames")
    return path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "avatars"


def request(video: Path, /, **changes) -> PersonalizeRequest:
    usual = {"video": video, "name": "Anna B", "consent": CONSENT, "keep_frames": False}
    return PersonalizeRequest(**(usual | changes))


def test_a_video_becomes_an_avatar_whose_card_holds_the_consent(workshop: Workshop, video: Path, base: Path) -> None:
    made = personalize(request(video), folder=base)
    assert (made.name, made.folder) == ("anna-b", base / "anna-b")
    card = load_avatar(made.folder).card
    assert card.name == "Anna B"
    assert card.consent.statement == CONSENT
    assert card.consent.time.startswith("20")
    assert card.metrics == {"psnr_head": 27.5, "lip_r": 0.9}
    assert not card.synthetic
    assert [path.name for path in base.iterdir()] == ["anna-b"]  # frames of the person do not stay


def test_what_tracking_finds_wanting_is_told_in_the_card(workshop: Workshop, video: Path, base: Path) -> None:
    known = "Short. Teeth were hardly seen."
    assert personalize(request(video), folder=base).card.limitations == known
    workshop.verdict = "usable"
    made = personalize(request(video), folder=base)
    assert made.card.limitations == "Short. The light is dim. Teeth were hardly seen."
    assert made.verdict.sentences == ("Close.", "Teeth were hardly seen.")


def test_every_stage_is_told_in_words(workshop: Workshop, video: Path, base: Path) -> None:
    told, tracked = [], []
    personalize(request(video), told.append, folder=base, on_tracked=tracked.append)
    stages = [news.stage for news in told]
    assert stages == [
        "Looking for the face", "Following the face", "Fitting the avatar", "Learning how this person speaks",
        "Looking at what was made",
    ]  # fmt: skip
    assert (told[1].done, told[1].total, told[2].psnr) == (50, 100, 27.5)
    assert len(tracked) == 1


def test_what_it_can_be_improved_with_stays_and_no_more(workshop: Workshop, video: Path, base: Path) -> None:
    def left_by_tracking(tracked) -> None:
        for folder in ("frames", "masks"):
            (base / ".anna-b.work" / "track" / folder).mkdir()
            for row in range(9):
                (base / ".anna-b.work" / "track" / folder / f"{row:06d}.jpg").write_bytes(b"a person")
        (base / ".anna-b.work" / "track" / "audio.wav").write_bytes(b"a voice")

    made = personalize(request(video, keep_frames=True), folder=base, on_tracked=left_by_tracking)
    work = base / ".anna-b.work"
    assert sorted(path.name for path in work.iterdir()) == ["fit", "lock", MADE, "track"]
    for folder in ("frames", "masks"):  # those that are learned from, and those with the liveliest lips
        assert len(list((work / "track" / folder).iterdir())) == 5
    assert not list(work.rglob("*.wav"))
    assert can_improve("Anna B", base)
    assert forget("Anna B", base)
    assert not work.exists()
    assert load_avatar(made.folder).card.name == "Anna B"
    assert not can_improve("Anna B", base)
    assert not forget("Anna B", base)


def test_nothing_of_a_stopped_run_is_forgotten(workshop: Workshop, video: Path, base: Path) -> None:
    workshop.stop_in_fit = True
    with pytest.raises(Cancelled):
        personalize(request(video, keep_frames=True), folder=base)
    assert not can_improve("Anna B", base)
    assert not forget("Anna B", base)
    workshop.stop_in_fit = False
    assert personalize(request(video, resume=True, keep_frames=False), folder=base).name == "anna-b"
    assert not (base / ".anna-b.work").exists()  # who wants nothing kept when it goes on gets that


def test_the_sound_is_learned_from_in_one_thread(workshop: Workshop, video: Path, base: Path, monkeypatch) -> None:
    """With two torch threads on a busy machine it took minutes."""
    threads = []
    monkeypatch.setattr(
        "emotalk.learning.adapt_motion.motion_of_video", lambda *_: threads.append(torch.get_num_threads())
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        personalize(request(video), folder=base)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert threads == [1]


@pytest.mark.parametrize("consent", ["", "   "])
def test_nothing_is_made_without_consent(workshop: Workshop, video: Path, base: Path, consent: str) -> None:
    with pytest.raises(InputError, match="needs consent"):
        request(video, consent=consent)
    with pytest.raises(InputError, match="needs consent"):  # nothing to go on with either
        personalize(request(video, consent=consent, resume=True), folder=base)
    assert workshop.tracked == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video": "nowhere.mp4"}, "no video 'nowhere.mp4'"), ({"name": "mira"}, "comes with the program"),
        ({"minutes": 0}, "minutes"), ({"minutes": float("nan")}, "minutes"), ({"size": 500}, "256 or 512"),
        ({"seed": -1}, "seed"), ({"seconds": 1}, "seconds"), ({"consent": "x" * 3000}, "at most 2000"),
    ],
)  # fmt: skip
def test_requests_that_cannot_be_met_are_refused_at_once(video: Path, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        request(video, **changes)


def test_a_good_avatar_stays_until_the_new_one_is_complete(workshop: Workshop, video: Path, base: Path) -> None:
    personalize(request(video), folder=base)
    before = (base / "anna-b" / "card.json").read_bytes()
    for error in (TrackingError("No face."), OSError("disk")):
        workshop.fail = error
        with pytest.raises(type(error)):
            personalize(request(video), folder=base)
        assert (base / "anna-b" / "card.json").read_bytes() == before
    workshop.fail, workshop.stop_in_fit = None, True
    with pytest.raises(Cancelled):
        personalize(request(video), folder=base)
    assert (base / "anna-b" / "card.json").read_bytes() == before


def test_a_stopped_run_goes_on_with_its_own_settings_and_consent(workshop: Workshop, video: Path, base: Path) -> None:
    workshop.stop_in_fit = True
    with pytest.raises(Cancelled):
        personalize(request(video, minutes=5, seed=3), folder=base)
    started = json.loads((base / ".anna-b.work" / "job.json").read_text())["started"]
    workshop.stop_in_fit = False
    card = personalize(request(video, resume=True, consent="", minutes=1), folder=base).card
    assert (workshop.configs[-1].minutes, workshop.configs[-1].seed) == (5, 3)
    assert card.consent.time == started
    assert [run["fresh"] for run in workshop.tracked] == [True, False]


VIDEO_ONLY = {"consent": CONSENT_VIDEO_ONLY, "video_only": True}


def stopped(workshop: Workshop, wanted: PersonalizeRequest, base: Path) -> Path:
    """The notes of a run that was stopped in the fit."""
    workshop.stop_in_fit = True
    with pytest.raises(Cancelled):
        personalize(wanted, folder=base)
    workshop.stop_in_fit = False
    return base / ".anna-b.work" / "job.json"


def test_who_wants_videos_only_is_not_drawn_in_browsers(workshop: Workshop, video: Path, base: Path) -> None:
    assert personalize(request(video), folder=base).card.live is True
    card = load_avatar(personalize(request(video, **VIDEO_ONLY), folder=base).folder).card
    assert (card.consent.statement, card.consent.live, card.live) == (CONSENT_VIDEO_ONLY, False, False)


def test_a_stopped_run_for_videos_only_stays_one(workshop: Workshop, video: Path, base: Path) -> None:
    stopped(workshop, request(video, **VIDEO_ONLY), base)
    card = personalize(request(video, resume=True), folder=base).card
    assert (card.consent.statement, card.live) == (CONSENT_VIDEO_ONLY, False)


def test_a_stopped_run_may_still_become_one_for_videos_only(workshop: Workshop, video: Path, base: Path) -> None:
    stopped(workshop, request(video), base)
    card = personalize(request(video, resume=True, consent="", video_only=True), folder=base).card
    assert (card.consent.statement, card.live) == (CONSENT, False)


def test_a_run_that_was_begun_before_there_was_a_choice_is_for_videos_only(
    workshop: Workshop, video: Path, base: Path
) -> None:
    notes = stopped(workshop, request(video, consent="I agree."), base)
    job = json.loads(notes.read_bytes())
    del job["video_only"]
    notes.write_text(json.dumps(job))
    card = personalize(request(video, resume=True), folder=base).card
    assert (card.consent.statement, card.live) == ("I agree.", False)


def test_without_resume_a_stopped_run_is_begun_anew(workshop: Workshop, video: Path, base: Path) -> None:
    workshop.stop_in_fit = True
    with pytest.raises(Cancelled):
        personalize(request(video, minutes=5), folder=base)
    workshop.stop_in_fit = False
    personalize(request(video, minutes=1), folder=base)
    assert workshop.configs[-1].minutes == 1
    assert [run["fresh"] for run in workshop.tracked] == [True, True]


def test_a_run_goes_on_only_with_the_same_video(workshop: Workshop, video: Path, base: Path) -> None:
    workshop.stop_in_fit = True
    with pytest.raises(Cancelled):
        personalize(request(video), folder=base)
    video.write_bytes(b"frameS")
    with pytest.raises(InputError, match="from another video"):
        personalize(request(video, resume=True), folder=base)


def test_two_runs_for_one_name_do_not_mix(workshop: Workshop, video: Path, base: Path, monkeypatch) -> None:
    inside, go_on, results = threading.Event(), threading.Event(), []

    def slow(*arguments, **options):
        inside.set()
        assert go_on.wait(20)
        return workshop.track_video(*arguments, **options)

    monkeypatch.setattr("emotalk.tracking.track_video", slow)
    first = threading.Thread(target=lambda: results.append(personalize(request(video), folder=base)))
    first.start()
    assert inside.wait(20)
    with pytest.raises(InputError, match="being made by another run"):
        personalize(request(video), folder=base)
    go_on.set()
    first.join(20)
    assert results[0].name == "anna-b"


@pytest.mark.slow
def test_a_killed_run_frees_its_name(workshop: Workshop, video: Path, base: Path) -> None:
    code = "import sys, pathlib\nfrom emotalk.create.workplace import workplace\n"
    code += (
        "with workplace(pathlib.Path(sys.argv[1]), 'anna-b'):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(base)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="being made by another run"):
        personalize(request(video), folder=base)
    other.kill()
    other.communicate()
    assert personalize(request(video), folder=base).name == "anna-b"


def test_discarding_removes_the_stopped_run_and_keeps_the_avatar(workshop: Workshop, video: Path, base: Path) -> None:
    personalize(request(video), folder=base)
    workshop.stop_in_fit = True
    with pytest.raises(Cancelled):
        personalize(request(video), folder=base)
    assert sorted(path.name for path in base.iterdir()) == [".anna-b.work", "anna-b"]
    discard("Anna B", base)
    assert [path.name for path in base.iterdir()] == ["anna-b"]


def test_a_save_that_was_killed_leaves_nothing_behind(workshop: Workshop, video: Path, base: Path) -> None:
    (base / ".anna-b.new-x1y2").mkdir(parents=True)
    (base / ".anna-b.new-x1y2" / "avatar.safetensors").write_bytes(b"half")
    personalize(request(video), folder=base)
    assert [path.name for path in base.iterdir()] == ["anna-b"]


def test_a_work_folder_that_was_half_removed_is_not_gone_on_with(
    workshop: Workshop, video: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("emotalk.create.workplace.shutil.rmtree", lambda *_, **__: None)  # killed before it began
        personalize(request(video), folder=base)
    assert (base / ".anna-b.work" / "track" / "marker").is_file()
    personalize(request(video, resume=True), folder=base)
    assert [tracking["fresh"] for tracking in workshop.tracked] == [True, True]


def test_a_stopped_run_goes_on_with_its_settings_on_the_device_asked_for_now(
    workshop: Workshop, video: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.stop_in_fit = True
    with monkeypatch.context() as patch:
        patch.setattr("emotalk.create.job.resolve_device", torch.device)
        with pytest.raises(Cancelled):
            personalize(request(video, device="cuda", minutes=5), folder=base)
    with pytest.raises(InputError, match="one of auto, cpu, cuda"):
        personalize(request(video, resume=True, device="tpu"), folder=base)
    workshop.stop_in_fit = False
    personalize(request(video, resume=True, device="cpu"), folder=base)
    assert [(config.device, config.minutes) for config in workshop.configs] == [("cuda", 5), ("cpu", 5)]


def test_the_video_is_limited_to_the_seconds_asked_for(workshop: Workshop, video: Path, base: Path) -> None:
    personalize(request(video, seconds=20.0, size=256), folder=base)
    assert workshop.tracked[0]["seconds"] == 20.0
    assert workshop.tracked[0]["size"] == workshop.configs[0].size == 256
    assert dataclasses.replace(request(video), seconds=None).seconds is None


DAMAGED = {
    "no JSON": (b"{", "no JSON"),
    "no text": (b"\xff\xfe\x00", "no JSON"),
    "empty": (b"", "no JSON"),
    "no table": (b"[1, 2]", "no table"),
    "nothing in it": (b"{}", "lacks name, consent"),
    "no digest": ({"digest": None}, "its digest is no text"),
    "no minutes": ({"minutes": "many"}, "minutes"),
    "endless minutes": ({"minutes": 1e999}, "minutes"),
    "huge minutes": ({"minutes": 10**400}, "minutes|no JSON"),
    "true for a number": ({"seed": True}, "seed"),
    "another size": ({"size": 500}, "256 or 512"),
    "no consent": ({"consent": " "}, "consent"),
    "consent that is no text": ({"consent": True}, "consent"),
    "a word for video only": ({"video_only": "no"}, "videos only must be true or false"),
    "the narrower consent with more": ({"consent": CONSENT_VIDEO_ONLY}, "an avatar for videos only"),
    "another name": ({"name": "Bob"}, "written for 'Bob'"),
    "a name that is none": ({"name": ["Anna B"]}, "its name is no text"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_run_whose_notes_are_damaged_says_so_in_a_sentence(
    workshop: Workshop, video: Path, base: Path, what: str
) -> None:
    workshop.stop_in_fit = True
    with pytest.raises(Cancelled):
        personalize(request(video), folder=base)
    written, message = DAMAGED[what]
    job = base / ".anna-b.work" / "job.json"
    if isinstance(written, dict):
        written = json.dumps(json.loads(job.read_bytes()) | written).encode()
    job.write_bytes(written)
    with pytest.raises(InputError, match=f"job.json is damaged .*({message}).*Start anew without --resume"):
        personalize(request(video, resume=True), folder=base)
    workshop.stop_in_fit = False
    assert personalize(request(video), folder=base).name == "anna-b"


NOTES = ("name", "consent", "minutes", "size", "seed", "seconds", "video", "digest", "started")


@pytest.mark.parametrize("missing", NOTES)
def test_every_note_is_needed(workshop: Workshop, video: Path, base: Path, missing: str) -> None:
    workshop.stop_in_fit = True
    with pytest.raises(Cancelled):
        personalize(request(video), folder=base)
    job = base / ".anna-b.work" / "job.json"
    notes = json.loads(job.read_bytes())
    del notes[missing]
    job.write_text(json.dumps(notes))
    with pytest.raises(InputError, match=f"it lacks {missing}"):
        personalize(request(video, resume=True), folder=base)
