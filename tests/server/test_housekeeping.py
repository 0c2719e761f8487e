"""Nothing stays: what was not used for long goes, and the oldest where there is too much."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from emotalk.server import fits as fits_module
from emotalk.server import housekeeping as module
from emotalk.server.clips import LiveClips
from emotalk.server.fits import FitSessions
from emotalk.server.housekeeping import Housekeeping, Shelf, size_of
from emotalk.server.limits import PUBLIC
from emotalk.talk.request import TalkRequest
from tests.ui.drawn_studio import DrawnStudio

MINUTE = 60.0


class Clock:
    """Time as a test wants it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_minutes(self, minutes: float) -> None:
        self.now += minutes * MINUTE


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    return Clock()


@pytest.fixture
def studio(tmp_path: Path) -> DrawnStudio:
    (tmp_path / "drawn").mkdir()
    return DrawnStudio(tmp_path / "drawn")


def write(folder: Path, name: str, size: int = 1) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def test_an_upload_goes_when_it_was_not_used_for_long(tmp_path: Path, clock: Clock) -> None:
    shelf = Shelf(tmp_path, clock=clock)
    keeping = Housekeeping([shelf.leftovers], clock)
    first = write(tmp_path, "abc/video.mp4")
    assert keeping.step() == []
    clock.pass_minutes(40)
    second = write(tmp_path, "def/video.mp4")
    assert keeping.step() == []
    clock.pass_minutes(10)
    assert keeping.step() == [first.parent]
    assert second.is_file()
    clock.pass_minutes(40)
    assert keeping.step() == [second.parent]
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_grows_is_in_use(tmp_path: Path, clock: Clock) -> None:
    keeping = Housekeeping([Shelf(tmp_path, clock=clock).leftovers], clock)
    for size in range(1, 5):
        write(tmp_path, "upload", size)
        assert keeping.step() == []
        clock.pass_minutes(40)


def test_files_of_any_date_live_by_the_servers_own_clock(tmp_path: Path, clock: Clock) -> None:
    import os

    for name, date in (("old", 0), ("new", 4e9)):
        os.utime(write(tmp_path, name), (date, date))
    keeping = Housekeeping([Shelf(tmp_path, clock=clock).leftovers], clock)
    assert keeping.step() == []
    clock.pass_minutes(50)
    assert len(keeping.step()) == 2


def test_what_is_in_use_stays_however_old_or_large(tmp_path: Path, clock: Clock, monkeypatch) -> None:
    monkeypatch.setattr(module, "limits", lambda: dataclasses.replace(PUBLIC, temporary_gigabytes=1e-9))
    video = write(tmp_path, "abc/video.mp4", 1000)
    used = {video}
    keeping = Housekeeping([Shelf(tmp_path, lambda: used, clock).leftovers], clock)
    for _ in range(3):
        assert keeping.step() == []
        clock.pass_minutes(100)
    used.clear()
    assert keeping.step() == [video.parent]


def test_where_there_is_too_much_the_oldest_makes_room(tmp_path: Path, clock: Clock, monkeypatch) -> None:
    monkeypatch.setattr(module, "limits", lambda: dataclasses.replace(PUBLIC, temporary_gigabytes=250 / 2**30))
    keeping = Housekeeping([Shelf(tmp_path, clock=clock).leftovers], clock)
    for name in ("b", "a", "c"):
        write(tmp_path, name, 100)
        gone = keeping.step()
        clock.pass_minutes(1)
    assert [path.name for path in gone] == ["b"]
    assert keeping.bytes == 200


def test_clips_go_though_no_page_said_goodbye(tmp_path: Path, clock: Clock, studio: DrawnStudio) -> None:
    clips = LiveClips(studio.talk, tmp_path / "sessions", clock)
    keeping = Housekeeping([clips.leftovers], clock)
    clip = clips.start("a", TalkRequest(text="Hello."))
    clip.join(60)
    clock.pass_minutes(40)
    assert clips.find(clip.token) is clip  # looked at: it stays another while
    clock.pass_minutes(40)
    assert keeping.step() == []
    clock.pass_minutes(10)
    assert keeping.step() == [clip.folder]
    assert clips.find(clip.token) is None
    assert list(clips.folder.iterdir()) == []


def test_a_clip_that_is_being_made_stays(tmp_path: Path, clock: Clock, studio: DrawnStudio) -> None:
    studio.frame_seconds = 0.05
    clips = LiveClips(studio.talk, tmp_path / "sessions", clock)
    clip = clips.start("a", TalkRequest(text="Hello."))
    clock.pass_minutes(1000)
    assert Housekeeping([clips.leftovers], clock).step() == []
    clip.cancel()
    clip.join(60)


class Child:
    """Stands in for a `BackgroundFit` whose child has not ended."""

    def __init__(self, request, folder, on_done, keep) -> None:
        self.request, self.folder, self.on_done, self.keep = request, folder, on_done, keep
        self.done, self.name, self.cancelled = False, None, 0
        (folder / ".me.work").mkdir(exist_ok=True)

    def start(self, worker: object = None) -> Child:
        return self

    def cancel(self) -> None:
        self.cancelled += 1

    def end(self, name: str | None) -> None:
        self.name = name
        if name is not None:
            write(self.folder, f"{name}/avatar.safetensors")
        self.on_done(self)
        self.done = True


@pytest.fixture
def fits(studio: DrawnStudio, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> FitSessions:
    monkeypatch.setattr(fits_module, "BackgroundFit", Child)
    return FitSessions(studio, clock)


def start(fits: FitSessions, tmp_path: Path, consent: object = True) -> Child:
    return fits.start("page", str(write(tmp_path, "up/me.mp4")), "Me", 1.0, consent)


def test_an_avatar_of_a_stranger_goes_when_it_was_not_used_for_long(
    fits: FitSessions, studio: DrawnStudio, clock: Clock, tmp_path: Path
) -> None:
    keeping = Housekeeping([fits.leftovers], clock)
    fit = start(fits, tmp_path)
    assert fit.keep is False  # killed, it leaves nothing either
    clock.pass_minutes(100)
    assert keeping.step() == []  # it is being made
    fit.end("me")
    (name,) = studio.registered
    clock.pass_minutes(40)
    fits.touch("page")
    clock.pass_minutes(40)
    assert keeping.step() == []
    clock.pass_minutes(10)
    assert keeping.step() == [fit.folder]
    assert studio.registered == {}
    assert name in studio.forgotten
    assert not fit.folder.exists()
    assert not (tmp_path / "up" / "me.mp4").exists()  # nor the video it was made from


def test_a_strangers_fit_ends_when_its_page_does_not_look_any_more(fits: FitSessions, tmp_path: Path) -> None:
    fit = start(fits, tmp_path)
    fits.unwatch(fit)
    assert fit.cancelled == 1
    fit.end(None)
    assert [path for path in fits.temporary.rglob("*") if path.name.endswith(".work")] == []


def test_ones_own_fit_goes_on(fits: FitSessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", "0")
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path / "cache"))
    fit = start(fits, tmp_path)
    assert fit.keep is True
    fits.unwatch(fit)
    fits.end_session("page")
    assert fit.cancelled == 0
    assert fits.leftovers() == []  # what is in the gallery is nobody's leftover
    fit.end(None)


WORDS = ('"yes"', "1", '"false"', "[0]", "{}", "null", "false")


@pytest.mark.parametrize("consent", [json.loads(word) for word in WORDS])
def test_consent_is_true_and_nothing_else(fits: FitSessions, tmp_path: Path, consent: object) -> None:
    from emotalk.core.errors import InputError

    with pytest.raises(InputError, match="needs consent"):
        start(fits, tmp_path, consent)


def test_a_fit_that_cannot_be_started_leaves_the_place_free(fits: FitSessions, tmp_path: Path, monkeypatch) -> None:
    from emotalk.core.errors import InputError

    def no_memory(_: Child, worker: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr(Child, "start", no_memory)
        with pytest.raises(InputError, match="Cannot allocate memory"):
            start(fits, tmp_path)
    start(fits, tmp_path).end(None)


def test_size_counts_every_file_and_follows_no_link(tmp_path: Path) -> None:
    write(tmp_path, "a/b/c", 1000)
    before = size_of(tmp_path)
    (tmp_path / "link").symlink_to("/")
    assert 1000 <= before <= size_of(tmp_path) < before + 10_000
