"""Avatars of photos and videos on one page server: whose they are, what of a photo stays, when a worker waits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from emotalk.core.errors import InputError
from emotalk.create import PersonalizeRequest, PortraitRequest, consent_to
from emotalk.create.request import ImproveRequest
from emotalk.create.workplace import workplace
from emotalk.server import fits as fits_module
from emotalk.server.fits import FitSessions
from tests.ui.drawn_studio import DrawnStudio


class Child:
    """Stands in for a `BackgroundFit` whose child has not ended."""

    def __init__(self, request, folder: Path, on_done, keep: bool) -> None:
        self.request, self.folder, self.on_done, self.keep = request, folder, on_done, keep
        self.done, self.name, self.worker = False, None, None
        self.news = SimpleNamespace(remaining=None)

    def start(self, worker: object = None) -> Child:
        self.worker = worker
        return self

    def cancel(self) -> None:
        self.end(None)

    def join(self, seconds: float) -> None:
        pass

    def end(self, name: str | None) -> None:
        self.name = name
        if name is not None:
            (self.folder / name).mkdir(exist_ok=True)
        self.on_done(self)
        self.done = True


class Spare:
    """Stands in for a `SpareWorker`."""

    def __init__(self) -> None:
        self.prepared, self.closed = 0, 0

    def prepare(self) -> None:
        self.prepared += 1

    def take(self) -> str | None:
        return "warm" if self.prepared else None

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def studio(tmp_path: Path) -> DrawnStudio:
    return DrawnStudio(tmp_path)


@pytest.fixture
def fits(studio: DrawnStudio, monkeypatch: pytest.MonkeyPatch) -> FitSessions:
    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    monkeypatch.setattr(fits_module, "BackgroundFit", Child)
    monkeypatch.setattr(fits_module, "SpareWorker", Spare)
    return FitSessions(studio)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "up" / "me.jpg"
    path.parent.mkdir()
    path.write_bytes(b"a photo")
    return path


def test_a_photo_is_asked_for_with_its_face_and_the_consent(fits: FitSessions, photo: Path) -> None:
    fit = fits.start_portrait("page", str(photo), "Me", True, face=2)
    assert isinstance(fit.request, PortraitRequest)
    assert (fit.request.photo, fit.request.face, fit.request.device) == (str(photo), 2, "cpu")
    assert "video or photo" in fit.request.consent
    assert fit.keep is False
    assert fits.in_use() == {photo}
    fit.end("me")
    assert fits.in_use() == set()


@pytest.mark.parametrize("consent", ["yes", 1, [True], None, False])
def test_consent_to_a_photo_is_true_and_nothing_else(fits: FitSessions, photo: Path, consent: object) -> None:
    with pytest.raises(InputError, match="needs consent"):
        fits.start_portrait("page", str(photo), "Me", consent)


def test_who_ticks_video_only_agrees_to_that_alone(fits: FitSessions, photo: Path) -> None:
    video = photo.with_name("me.mp4")
    video.write_bytes(b"a video")
    for video_only in (False, True):
        of_photo = fits.start_portrait("page", str(photo), "Me", True, None, video_only)
        of_photo.end(None)
        of_video = fits.start("page", str(video), "Me", 1.0, True, video_only)
        of_video.end(None)
        for request in (of_photo.request, of_video.request):
            assert (request.video_only, request.consent) == (video_only, consent_to(video_only))


@pytest.mark.parametrize("video_only", ["yes", 1, [True], None, 0, ""])
def test_video_only_is_true_or_false_and_nothing_else(fits: FitSessions, photo: Path, video_only: object) -> None:
    with pytest.raises(InputError, match="videos only must be true or false"):
        fits.start_portrait("page", str(photo), "Me", True, None, video_only)
    with pytest.raises(InputError, match="videos only must be true or false"):
        fits.start("page", str(photo.rename(photo.with_name("me.mp4"))), "Me", 1.0, True, video_only)


def test_without_a_photo_or_with_a_huge_one_nothing_begins(fits: FitSessions, photo: Path) -> None:
    with pytest.raises(InputError, match="no photo yet"):
        fits.start_portrait("page", None, "Me", True)
    with photo.open("wb") as file:
        file.truncate(60 * 2**20)  # takes no room
    with pytest.raises(InputError, match=r"The photo has 60 MB, at most 50 are taken here. Make it smaller"):
        fits.start_portrait("page", str(photo), "Me", True)


def test_one_avatar_is_made_at_a_time_whatever_of(fits: FitSessions, photo: Path) -> None:
    first = fits.start_portrait("page", str(photo), "Me", True)
    with pytest.raises(InputError, match="one at a time"):
        fits.start_portrait("other", str(photo), "You", True)
    with pytest.raises(InputError, match="one at a time"):
        fits.start("other", str(photo.rename(photo.with_name("b.mp4"))), "You", 1.0, True)
    first.end(None)


def test_a_strangers_photo_goes_with_their_page(fits: FitSessions, photo: Path, studio: DrawnStudio) -> None:
    fit = fits.start_portrait("page", str(photo), "Me", True)
    fit.end("me")
    (name,) = studio.registered
    fits.end_session("page")
    assert not photo.exists()
    assert not fit.folder.exists()
    assert (studio.registered, studio.forgotten[-1]) == ({}, name)


def test_a_better_avatar_of_a_video_takes_the_place_of_the_photo_s(
    fits: FitSessions, photo: Path, studio: DrawnStudio
) -> None:
    fits.start_portrait("page", str(photo), "Me", True).end("me")
    (name,) = studio.registered
    video = photo.with_name("me.mp4")
    video.write_bytes(b"a video")
    fit = fits.start("page", str(video), "Me", 1.0, True)
    assert isinstance(fit.request, PersonalizeRequest)
    fit.end("me")
    assert list(studio.registered) == [name] == [fit.name]
    assert name in studio.forgotten  # the old one is not drawn any more
    fits.start_portrait("other", str(photo), "Me", True).end("me")
    assert len(studio.registered) == 2  # another page's is another one


def test_a_worker_waits_for_who_has_chosen_a_photo_but_not_beside_a_fit(fits: FitSessions, photo: Path) -> None:
    spare = fits._spare
    assert fits.start_portrait("page", str(photo), "Me", True).worker is None
    fits.prepare()
    assert spare.prepared == 0
    fits.cancel("page")
    fits.prepare()
    assert spare.prepared == 1
    assert fits.start_portrait("page", str(photo), "Me", True).worker == "warm"
    fits.close()
    assert spare.closed == 1


def test_what_was_sent_goes_with_its_page_whatever_became_of_it(fits: FitSessions, photo: Path) -> None:
    sent = {name: photo.with_name(name) for name in ("chosen", "replaced.mp4", "refused", "late.mp4", "huge")}
    for path in sent.values():
        path.write_bytes(b"a person")
    fits.note("page", str(sent["replaced.mp4"]))
    fits.note("page", str(sent["chosen"]))
    fits.note("page", None)  # it was taken out of the form again
    with pytest.raises(InputError, match="needs consent"):
        fits.start_portrait("page", str(sent["refused"]), "Me", False)
    other = fits.start_portrait("other", str(photo), "You", True)
    with pytest.raises(InputError, match="one at a time"):
        fits.start("page", str(sent["late.mp4"]), "Me", 1.0, True)
    with sent["huge"].open("wb") as file:
        file.truncate(60 * 2**20)  # takes no room
    with pytest.raises(InputError, match="60 MB"):
        fits.start_portrait("page", str(sent["huge"]), "Me", True)
    fits.end_session("page")
    assert [name for name, path in sent.items() if path.exists()] == []
    assert photo.exists()
    other.end(None)
    fits.end_session("other")
    assert not photo.exists()


def test_a_photo_that_another_page_sent_too_stays_for_that_page(fits: FitSessions, photo: Path) -> None:
    fits.note("page", str(photo))
    fits.note("other", str(photo.parent / "." / photo.name))
    fits.end_session("page")
    assert photo.exists()
    fits.end_session("other")
    assert not photo.exists()


def test_a_page_that_never_says_goodbye_loses_what_it_sent_to_the_housekeeping(
    fits: FitSessions, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits.note("page", str(photo))
    (leftover,) = fits.leftovers()
    assert not leftover.in_use
    leftover.remove()
    assert not photo.exists()
    assert fits.leftovers() == []


@pytest.mark.parametrize("error", [OSError(12, "Cannot allocate memory"), RuntimeError("can't start new thread")])
def test_where_nothing_is_left_to_start_a_fit_with_the_place_stays_free(
    fits: FitSessions, photo: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def start(_: Child, worker: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Child, "start", start)
        with pytest.raises(InputError, match=r"could not be started \((Cannot allocate memory|can't start new thread)"):
            fits.start_portrait("page", str(photo), "Me", True)
    assert fits.running("page") is None
    fits.start_portrait("page", str(photo), "Me", True).end(None)


@pytest.fixture
def ones_own(fits: FitSessions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Makes it one's own page; returns the folder of the avatars."""
    monkeypatch.setenv("EMOTALK_PUBLIC", "0")
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "avatars"


def put(work: Path, *entries: str) -> list[str]:
    """Make files in a work folder; returns what lies in it."""
    for entry in entries:
        (work / entry).parent.mkdir(parents=True, exist_ok=True)
        (work / entry).write_text("a person")
    return inside(work)


def inside(work: Path) -> list[str]:
    return sorted(str(path.relative_to(work)) for path in work.rglob("*") if path.is_file())


def test_on_ones_own_page_a_photo_leaves_a_stopped_video_of_that_name(
    ones_own: Path, fits: FitSessions, photo: Path
) -> None:
    before = put(ones_own / ".me.work", "lock", "job.json", "track/frame")
    fit = fits.start_portrait("page", str(photo), "Me", True)
    put(ones_own / ".me.work", "portrait/track/frame")
    fit.end(None)  # its child was killed
    assert inside(ones_own / ".me.work") == before
    fits.end_session("page")
    assert photo.exists()  # on one's own machine it does not go with the page


@pytest.mark.parametrize("kind", ["photo", "video"])
def test_a_fit_that_another_run_kept_out_leaves_that_runs_work(
    ones_own: Path, fits: FitSessions, photo: Path, kind: str
) -> None:
    start = fits.start_portrait if kind == "photo" else lambda *given: fits.start(*given[:3], 1.0, given[3])
    with workplace(ones_own, "me") as work:
        before = put(work, "job.json", "track/frame", "portrait/track/frame")
        start("page", str(photo.rename(photo.with_suffix(".any"))), "Me", True).end(None)
        assert inside(work) == before


def kept(base: Path, name: str) -> list[str]:
    """An avatar that can be improved."""
    (base / name).mkdir(parents=True)
    (base / name / "avatar.safetensors").write_bytes(b"numbers")
    return put(base / f".{name}.work", "lock", "made.json", "track/frame")


def test_an_avatar_of_ones_own_can_be_improved(ones_own: Path, fits: FitSessions) -> None:
    before = kept(ones_own, "me")
    fit = fits.improve("page", "me", 500.0)
    assert isinstance(fit.request, ImproveRequest)
    assert (fit.request.name, fit.folder) == ("me", ones_own)
    assert fit.request.minutes <= 120
    fits.in_use()  # there is no upload that it reads
    fit.end(None)  # it was stopped
    assert inside(ones_own / ".me.work") == before
    assert fits.can_improve("page", "me")


@pytest.mark.parametrize("name", ["", None, "nobody", "../me", "mira", 5, ["me"], "m" * 300, "\0"])
def test_what_nothing_was_kept_of_is_not_improved(ones_own: Path, fits: FitSessions, name: object) -> None:
    (ones_own / "plain").mkdir(parents=True)
    assert not fits.can_improve("page", name)
    with pytest.raises(InputError, match="Nothing was kept"):
        fits.improve("page", name, 1.0)


def test_in_public_nothing_is_kept_and_nothing_improved(fits: FitSessions, photo: Path, tmp_path: Path) -> None:
    fit = fits.start("page", str(photo.rename(photo.with_suffix(".mp4"))), "Me", 1.0, True)
    assert not fit.request.keep_frames
    kept(fit.folder, "me")
    fit.end("me")
    assert not fits.can_improve("page", fit.name)
    with pytest.raises(InputError, match="Nothing was kept"):
        fits.improve("page", fit.name, 1.0)


def test_what_was_kept_goes_with_the_avatar(ones_own: Path, fits: FitSessions, monkeypatch) -> None:
    kept(ones_own, "me")
    monkeypatch.setattr(fits_module, "delete_avatar", lambda *_: None)
    fits.delete("page", "me")
    assert not (ones_own / ".me.work").exists()


def test_a_stopped_video_of_ones_own_page_leaves_nothing(ones_own: Path, fits: FitSessions, photo: Path) -> None:
    fit = fits.start("page", str(photo.rename(photo.with_suffix(".mp4"))), "Me", 1.0, True)
    put(ones_own / ".me.work", "lock", "job.json", "track/frame")
    fit.end(None)
    assert not (ones_own / ".me.work").exists()
