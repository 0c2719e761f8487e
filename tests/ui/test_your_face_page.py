"""The tab Your face in a real browser.

Most tests script the fit, so that every state of the page can be looked at; the last one makes a real avatar of a
synthetic person through `python app.py` and lets it talk.
"""

from __future__ import annotations

import base64
import dataclasses
import re
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from emotalk.avatar import Consent, load_avatar
from emotalk.avatar.gallery import folder_name
from emotalk.core.errors import Cancelled, InputError, TrackingError
from emotalk.create.news import FitNews, picture_address
from emotalk.create.request import CONSENT, CONSENT_VIDEO_ONLY, ImproveRequest, PersonalizeRequest
from emotalk.video import VideoWriter
from tests.preset_photo import preset_photo
from tests.preset_video import preset_video
from tests.ui.accessibility import assert_accessible
from tests.ui.browsing import TOAST, expect, expect_toast, running_app, wait_until_open

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


class ScriptedFit:
    """Stands in for `BackgroundFit`: goes through all stages, stays at a step as long as a test wants to look at it,
    and saves a shipped avatar."""

    steps, pause = 6, 0.15
    stays_at: int | None = None
    failing: Exception | None = None
    judged_as: tuple[str, tuple[str, ...]] | None = None
    several: tuple[str, ...] = ()  # faces of a photo, until one of them is chosen
    begun: list[ScriptedFit] = []  # noqa: RUF012

    def __init__(self, request, folder: Path | None = None, on_done=None, keep: bool = True) -> None:
        self.request, self.folder, self.on_done = request, folder, on_done
        self.news, self.name, self.error, self.faces = FitNews(), None, None, ()
        self.judged = type(self).judged_as
        self._stop, self._ended = threading.Event(), threading.Event()

    @property
    def done(self) -> bool:
        return self._ended.is_set()

    def start(self, worker: object = None) -> ScriptedFit:
        type(self).begun.append(self)
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def wait(self, seconds: float) -> bool:
        self._ended.wait(min(seconds, self.pause))
        return self.done

    def join(self, seconds: float | None = None) -> None:
        self._ended.wait(seconds)

    def cancel(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        if type(self).several and self.request.face is None:
            self.error, self.faces = InputError("The photo shows several faces."), type(self).several
            self.on_done(self)
            self._ended.set()
            return
        frames = np.full((200, 600, 3), 120, np.uint8)
        self.news = FitNews(stage="Following the face", done=40, total=100)
        time.sleep(self.pause)
        self.news = dataclasses.replace(
            self.news, overlay=picture_address(frames), verdict="usable", quality=("The light is <dim>.",)
        )
        for step in range(self.steps):
            while type(self).stays_at == step and not self._stop.is_set():
                time.sleep(0.05)
            if self._stop.wait(self.pause):
                self.error = Cancelled("Stopped: no avatar was made.")
                break
            picture = np.full((128, 256, 3), 40 + 30 * step, np.uint8)
            self.news = dataclasses.replace(
                self.news, stage="Fitting the avatar", done=step + 1, total=self.steps, psnr=22.0 + step,
                remaining=65.0 - step, preview=picture_address(picture),
                curve=(*self.news.curve, (float(step), 22.0 + step)),
            )  # fmt: skip
        else:
            self.error = type(self).failing
            if self.error is None:
                self._save()
        self.on_done(self)
        self._ended.set()

    def _save(self) -> None:
        if isinstance(self.request, ImproveRequest):
            self.name = self.request.name
            return
        person = load_avatar("mira")
        consent = Consent(self.request.consent, "2026-01-01T00:00:00+00:00", live=not self.request.video_only)
        card = dataclasses.replace(
            person.card, name=self.request.name.strip(), synthetic=False, consent=consent, created=f"{time.time():.3f}"
        )
        self.name = folder_name(self.request.name)
        person.replace(card=card).save(self.folder / self.name)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this file's own: no avatar of whoever runs the tests is touched."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTALK_CACHE", str(folder))
        yield folder


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> Iterator[type[ScriptedFit]]:
    """The fits that the page starts; no avatar is left behind."""
    monkeypatch.setattr("emotalk.server.fits.BackgroundFit", ScriptedFit)
    ScriptedFit.begun, ScriptedFit.stays_at, ScriptedFit.failing = [], None, None
    ScriptedFit.several, ScriptedFit.judged_as = (), None
    yield ScriptedFit
    for fit in ScriptedFit.begun:
        fit.cancel()
        fit.join(20)
    shutil.rmtree(own_cache / "avatars", ignore_errors=True)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a video of nobody; the scripted fits do not look into it."""
    path = tmp_path_factory.mktemp("clip") / "me.mp4"
    with VideoWriter(path, 64, 64) as writer:
        for t in range(25):
            writer.write(np.full((64, 64, 3), 5 * t, np.uint8), np.zeros(640, np.float32))
        writer.close()
    return path


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of nobody as a phone stores it that was held upright; the scripted fits do not look into it."""
    path = tmp_path_factory.mktemp("photo") / "me.jpg"
    notes = Image.Exif()
    notes[0x0112] = 6
    Image.new("RGB", (90, 60), "teal").save(path, exif=notes)
    return path


def open_tab(page) -> None:
    page.get_by_role("tab", name="Your face").click()
    page.locator("#fit-kind").wait_for()


def choose(page, kind: str) -> None:
    """Photo or Video."""
    page.locator("#fit-kind label").filter(has_text=kind).click()
    page.locator("#fit-go" if kind == "Video" else "#photo-go").wait_for()


def fill_in(page, clip: Path, name: str = "Anna", consent: bool = True) -> None:
    open_tab(page)
    choose(page, "Video")
    page.set_input_files("#fit-video input[type=file]", clip)
    page.wait_for_selector("#fit-video video", state="attached")
    page.locator("#fit-name input, #fit-name textarea").fill(name)
    if consent:
        page.locator("#fit-consent input").check()


def fill_in_photo(page, photo: Path, name: str = "Anna", consent: bool = True) -> None:
    open_tab(page)
    page.set_input_files("#fit-photo input[type=file]", photo)
    page.wait_for_selector("#fit-photo img")
    page.locator("#fit-name input, #fit-name textarea").fill(name)
    if consent:
        page.locator("#fit-consent input").check()


def state(page) -> str:
    return page.locator("#fit .fit").get_attribute("data-state")


def wait_for_state(page, wanted: str) -> None:
    page.wait_for_function("(s) => document.querySelector('#fit .fit').dataset.state === s", arg=wanted)


def faces(page) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('#faces button')].map((b) => b.dataset.name)")


def test_what_is_missing_is_said_and_nothing_starts(page, clip: Path, fits) -> None:
    open_tab(page)
    choose(page, "Video")
    page.click("#fit-go")
    expect_toast(page, "no video yet")
    page.reload()
    fill_in(page, clip, consent=False)
    page.click("#fit-go")
    expect_toast(page, "needs consent")
    page.reload()
    fill_in(page, clip, name="  ")
    page.click("#fit-go")
    expect_toast(page, "no name")
    page.reload()
    fill_in(page, clip, name="Mira")
    page.click("#fit-go")
    expect_toast(page, "comes with the program")
    assert fits.begun == []


def test_the_form_asks_for_what_a_photo_or_a_video_needs(page, fits) -> None:
    open_tab(page)
    expect(page.locator("#fit-photo")).to_be_visible()
    expect(page.locator("#fit-minutes")).to_be_hidden()
    expect(page.locator("#fit-form .advice").first).to_contain_text("One sharp picture from the front")
    assert_accessible(page)
    page.locator("#fit-name input, #fit-name textarea").fill("Anna")
    choose(page, "Video")
    expect(page.locator("#fit-video")).to_be_visible()
    expect(page.locator("#fit-minutes")).to_be_visible()
    expect(page.locator("#fit-photo")).to_be_hidden()
    expect(page.locator("#photo-go")).to_be_hidden()
    assert_accessible(page)
    choose(page, "Photo")
    expect(page.locator("#fit-go")).to_be_hidden()
    expect(page.locator("#fit-name input, #fit-name textarea")).to_have_value("Anna")


def test_what_is_missing_beside_a_photo_is_said_and_nothing_starts(page, photo: Path, fits) -> None:
    open_tab(page)
    page.click("#photo-go")
    expect_toast(page, "no photo yet")
    page.reload()
    fill_in_photo(page, photo, consent=False)
    page.click("#photo-go")
    expect_toast(page, "needs consent")
    assert fits.begun == []


def test_a_photo_becomes_an_avatar_and_the_way_to_a_better_one_keeps_its_name(
    page, photo: Path, clip: Path, fits, shots: Path
) -> None:
    fits.stays_at = 1
    fill_in_photo(page, photo, "Anna B")
    page.click("#photo-go")
    page.wait_for_selector("#fit .now[src^='data:image/jpeg']")
    expect(page.locator("#fit-report")).to_contain_text("Usable photo")
    expect(page.locator("#photo-go")).to_be_disabled()
    assert_accessible(page)
    fits.stays_at = None
    wait_for_state(page, "done")
    request = fits.begun[0].request
    assert (request.name, request.face) == ("Anna B", None)
    assert (request.consent, request.video_only) == (CONSENT, False)
    assert Path(request.photo).read_bytes() == photo.read_bytes()  # with what the camera says of how it was held
    expect(page.locator("#fit-talk")).to_be_visible()
    page.screenshot(path=shots / "photo-done.png", full_page=True)
    assert_accessible(page)

    page.click("#fit-better")
    page.locator("#fit-go").wait_for()
    expect(page.locator("#fit-name input, #fit-name textarea")).to_have_value("Anna B")
    page.set_input_files("#fit-video input[type=file]", clip)
    page.wait_for_selector("#fit-video video", state="attached")
    page.click("#fit-go")
    expect(page.locator("#fit-next")).to_be_hidden()  # of the photo
    expect(page.locator("#fit-report")).to_contain_text("Usable video")
    wait_for_state(page, "done")
    page.locator("#fit-talk").wait_for()
    expect(page.locator("#fit-better")).to_be_hidden()
    assert (fits.begun[1].request.name, fits.begun[1].request.minutes) == ("Anna B", 2.0)
    page.click("#fit-talk")
    page.locator("#stage").wait_for()
    page.wait_for_function("() => document.querySelector('#faces [data-name=anna-b]').ariaChecked === 'true'")


def test_a_finished_avatar_of_a_video_is_judged_and_can_be_improved(
    page, clip: Path, fits, own_cache: Path, shots: Path
) -> None:
    fits.judged_as = ("usable", ("Likeness: close (27.0 dB).", "Teeth <were> hardly seen."))
    fill_in(page, clip, "Carla")
    page.click("#fit-go")
    wait_for_state(page, "done")
    made = page.locator("#fit-report .made")
    expect(made).to_contain_text("A usable avatar")
    expect(made).to_contain_text("Teeth <were> hardly seen.")
    expect(page.locator("#fit-report")).to_contain_text("Usable video")  # what tracking said stays below
    expect(page.locator("#fit-further")).to_be_hidden()  # nothing was kept of this one
    expect(page.locator("#mine-improve")).to_be_hidden()

    work = own_cache / "avatars" / ".carla.work"
    work.mkdir()
    (work / "made.json").write_text("{}")
    page.reload()
    open_tab(page)
    improve = page.locator("#mine-improve")
    improve.wait_for()
    page.screenshot(path=shots / "improve.png", full_page=True)
    fits.judged_as = ("good", ("It was 27.0 dB before: better now.",))
    improve.click()
    wait_for_state(page, "done")
    expect(made).to_contain_text("better now")
    assert isinstance(fits.begun[-1].request, ImproveRequest)
    assert fits.begun[-1].request.name == "carla"
    page.locator("#fit-further").wait_for()
    page.screenshot(path=shots / "improved.png", full_page=True)
    assert_accessible(page)


def test_who_wants_videos_only_ticks_a_box_for_photo_and_video(
    page, photo: Path, clip: Path, fits, own_cache: Path, shots: Path
) -> None:
    fill_in_photo(page, photo)
    expect(page.locator("#fit-consent")).to_contain_text(CONSENT)
    box = page.locator("#fit-video-only")
    expect(box).to_contain_text("Never drawn live in a browser: its numbers stay here.")
    assert box.bounding_box()["y"] > page.locator("#fit-consent").bounding_box()["y"]
    box.locator("input").check()
    page.screenshot(path=shots / "video-only.png", full_page=True)
    page.click("#photo-go")
    wait_for_state(page, "done")
    page.click("#fit-better")
    page.locator("#fit-go").wait_for()
    page.set_input_files("#fit-video input[type=file]", clip)
    page.wait_for_selector("#fit-video video", state="attached")
    page.click("#fit-go")
    expect(page.locator("#fit-report")).to_contain_text("Usable video")
    wait_for_state(page, "done")
    page.locator("#fit-talk").wait_for()
    assert [(fit.request.video_only, fit.request.consent) for fit in fits.begun] == [(True, CONSENT_VIDEO_ONLY)] * 2
    assert load_avatar(own_cache / "avatars" / "anna").card.live is False


def test_of_several_people_in_a_photo_one_is_pressed(page, photo: Path, fits, shots: Path) -> None:
    fits.several = tuple(picture_address(np.full((144, 144, 3), shade, np.uint8)) for shade in (60, 120, 180))
    fill_in_photo(page, photo)
    page.click("#photo-go")
    faces_shown = page.locator("#who button")
    expect(faces_shown).to_have_count(3)
    expect(page.locator("#fit-who")).to_contain_text("There are 3 people in the photo")
    wait_for_state(page, "stopped")
    expect(page.locator(TOAST)).to_have_count(0)  # the faces speak for themselves
    page.screenshot(path=shots / "who.png", full_page=True)
    assert_accessible(page)
    expect(faces_shown.nth(0)).to_have_attribute("tabindex", "0")  # the keyboard gets there
    faces_shown.nth(1).click()
    wait_for_state(page, "done")
    expect(page.locator("#fit-who")).to_be_hidden()
    assert [fit.request.face for fit in fits.begun] == [None, 2]

    page.click("#photo-go")  # asked again: what was chosen before holds for one run
    expect(faces_shown).to_have_count(3)
    expect(page.locator("#who [aria-checked=true]")).to_have_count(0)
    page.locator("#fit-photo button[aria-label*=emove], #fit-photo button[aria-label*=lear]").first.click()
    expect(page.locator("#fit-who")).to_be_hidden()  # another photo has other faces


def test_a_fit_is_watched_and_its_avatar_is_in_the_gallery(page, clip: Path, fits, drawn, shots: Path) -> None:
    fits.stays_at = 1
    fill_in(page, clip, "Anna B")
    page.click("#fit-go")
    wait_for_state(page, "working")
    page.wait_for_selector("#fit .now[src^='data:image/jpeg']")
    first = page.locator("#fit .now").get_attribute("src")
    fits.stays_at = 5
    page.wait_for_function("(old) => document.querySelector('#fit .now').src !== old", arg=first)
    expect(page.locator("#fit .detail")).to_have_text(re.compile(r"step \d of 6, 1:0\d left"))
    expect(page.locator("#fit .axis")).to_have_text(re.compile("likeness: (rough|fair|close|very close)"))
    page.wait_for_function("() => (document.querySelector('#fit polyline').getAttribute('points') || '').includes(' ')")
    report = page.locator("#fit-report")
    expect(report).to_contain_text("Usable video")
    expect(report).to_contain_text("The light is <dim>.")  # words, not tags
    page.wait_for_function("() => document.querySelector('#fit-report img').naturalWidth > 100")
    expect(page.locator("#fit-go")).to_be_disabled()
    page.screenshot(path=shots / "fitting.png", full_page=True)
    assert_accessible(page)

    fits.stays_at = None
    wait_for_state(page, "done")
    request = fits.begun[0].request
    assert (request.name, request.minutes) == ("Anna B", 2.0)
    assert "can be made to say anything" in request.consent
    page.locator("#mine").wait_for()
    expect(page.locator("#mine-list input")).to_have_value("Anna B")
    assert "anna-b" in drawn.forgotten  # a former avatar of that name is not used on
    page.click("#mine-talk")
    page.locator("#stage").wait_for()
    page.wait_for_function("() => document.querySelector('#faces [data-name=anna-b]').ariaChecked === 'true'")
    page.reload()
    page.wait_for_function("() => !!document.querySelector('#faces [data-name=anna-b]')")  # another visit too
    wait_until_open(page)  # nothing is on its way any more when the avatar is taken away


def test_news_that_comes_while_the_page_is_being_told_is_told_next(drawn, clip: Path, fits, own_cache: Path) -> None:
    from emotalk.server.fits import FitSessions
    from emotalk.ui import parts
    from emotalk.ui.your_face_tab import YourFaceTab

    sessions = FitSessions(drawn)
    with gr.Blocks() as blocks, gr.Tabs() as tabs:
        tab = YourFaceTab(drawn, sessions, blocks, parts.faces([], ""), tabs)

    def reports(*news: FitNews, last: FitNews) -> list[str]:
        """The reports that a page gets of a fit whose next news comes whenever the page has just been told something,
        and the last one just as it ends."""
        request = PersonalizeRequest(clip, "Anna", consent=CONSENT)
        fit = SimpleNamespace(news=FitNews(), error=None, faces=(), judged=None, request=request)
        coming, waits = list(news), iter(range(10))

        def wait(seconds: float) -> bool:
            ended = not coming or next(waits, None) is None
            if ended:
                fit.news = last
            return ended

        fit.wait, sessions.running = wait, lambda session: fit
        heard = []
        for told in tab.follow(SimpleNamespace(session_hash="a")):
            heard.append(told.get(tab.report))
            if coming:
                fit.news = coming.pop(0)
        return [report for report in heard if isinstance(report, str) and report]

    begun = FitNews(stage="Following the face", done=40, total=100)
    judged = dataclasses.replace(begun, overlay="data:image/jpeg;base64,", verdict="usable", quality=("Dim.",))
    fitting = dataclasses.replace(judged, stage="Fitting the avatar", psnr=22.0, preview="data:,1")
    for news, last in (((begun, judged, fitting), fitting), ((begun,), judged)):
        told = reports(*news, last=last)
        assert len(told) == 1  # neither lost nor sent again and again
        assert "Usable video" in told[0]
    sessions.close()


def test_it_can_be_downloaded_and_deleted(page, clip: Path, fits, own_cache: Path, tmp_path: Path) -> None:
    fill_in(page, clip, "Bo")
    page.click("#fit-go")
    wait_for_state(page, "done")
    page.locator("#mine-save").wait_for()
    with page.expect_download() as waiting:
        page.locator("#mine-save").click()
    waiting.value.save_as(tmp_path / "bo.zip")
    assert waiting.value.suggested_filename == "bo.zip"
    with zipfile.ZipFile(tmp_path / "bo.zip") as archive:
        archive.extractall(tmp_path)
    assert load_avatar(tmp_path / "bo").card.consent is not None

    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("#mine-delete")
    page.wait_for_timeout(700)
    assert (own_cache / "avatars" / "bo").is_dir()  # thought again
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#mine-delete")
    page.wait_for_function("() => !document.querySelector('#faces [data-name=bo]')")
    assert not (own_cache / "avatars" / "bo").exists()
    page.locator("#mine").wait_for(state="hidden")


def test_cancel_stops_the_fit_and_keeps_nothing(page, clip: Path, fits, own_cache: Path) -> None:
    fits.stays_at = 2
    fill_in(page, clip, "Cleo")
    page.click("#fit-go")
    wait_for_state(page, "working")
    page.click("#fit-stop")
    wait_for_state(page, "stopped")
    expect_toast(page, "no avatar was made")
    assert not (own_cache / "avatars" / "cleo").exists()
    expect(page.locator("#fit-go")).to_be_enabled()


def test_what_is_wrong_with_a_video_is_said_in_a_toast(page, clip: Path, fits) -> None:
    fits.failing = TrackingError("No face was found in me.mp4. Film one person from the front.")
    fill_in(page, clip, "Dana")
    page.click("#fit-go")
    wait_for_state(page, "stopped")
    expect_toast(page, "Film one person from the front")
    assert_accessible(page)
    expect(page.locator("#fit-go")).to_be_enabled()


def test_a_second_person_is_told_to_wait_and_a_second_visit_sees_the_fit(
    page, browser, served: str, clip: Path, fits
) -> None:
    fits.stays_at = 2
    fill_in(page, clip, "Eve")
    page.click("#fit-go")
    wait_for_state(page, "working")
    other = browser.new_page()
    other.goto(served)
    open_tab(other)
    wait_for_state(other, "working")  # on one's own machine every page shows the fit
    expect(other.locator("#fit-name input, #fit-name textarea")).to_have_value("Eve")  # and what it was begun with
    expect(other.locator("#fit-go")).to_be_visible()
    expect(other.locator("#fit-consent input")).not_to_be_checked()
    assert len(fits.begun) == 1
    fits.failing = TrackingError("No face was found in me.mp4.")
    fits.stays_at = None
    expect_toast(page, "No face was found")
    expect(other.locator("#fit-report")).to_contain_text("No face was found")
    expect(other.locator(TOAST)).to_have_count(0)  # nothing was pressed here
    other.close()


def test_a_reloaded_page_has_the_photo_that_its_avatar_is_being_made_of(page, photo: Path, fits) -> None:
    fits.stays_at = 1
    fill_in_photo(page, photo, "Ida")
    page.click("#photo-go")
    wait_for_state(page, "working")

    def late(route) -> None:
        time.sleep(2)
        route.continue_()

    page.route("**/assets/ImagePreview*.js", late)  # a busy machine: news of the fit is there before the form is
    page.reload()
    open_tab(page)
    expect(page.locator("#fit-name input, #fit-name textarea")).to_have_value("Ida")
    page.wait_for_function("() => document.querySelector('#fit-photo img')?.naturalWidth > 0")
    wait_for_state(page, "working")
    fits.stays_at = None
    wait_for_state(page, "done")


def test_closing_the_page_does_not_lose_the_fit(browser, served: str, clip: Path, fits, own_cache: Path) -> None:
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(served)
    wait_until_open(tab)
    fits.stays_at = 2
    fill_in(tab, clip, "Fay")
    tab.click("#fit-go")
    wait_for_state(tab, "working")
    context.close()
    fits.stays_at = None
    fits.begun[0].join(30)
    assert (own_cache / "avatars" / "fay").is_dir()


def test_on_a_page_for_strangers_an_avatar_is_its_page_s_alone_and_goes_with_it(
    browser, served: str, app, clip: Path, fits, own_cache: Path, drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    contexts = [browser.new_context() for _ in range(2)]
    mine, theirs = (context.new_page() for context in contexts)
    for tab in (mine, theirs):
        tab.goto(served)
        wait_until_open(tab)
    fits.stays_at = 2
    fill_in(mine, clip, "Gil")
    mine.click("#fit-go")
    wait_for_state(mine, "working")
    fill_in(theirs, clip, "Hal")
    assert state(theirs) == "idle"  # nobody sees a stranger's face
    theirs.click("#fit-go")
    expect_toast(theirs, "Another avatar is being made")
    fits.stays_at = None
    wait_for_state(mine, "done")
    mine.locator("#mine-talk").wait_for()
    mine.locator("#faces [data-name^='gil-']").wait_for(state="attached")  # in the tab that is not open now
    name = next(name for name in faces(mine) if name.startswith("gil-"))
    assert len(name) > 12  # not to be guessed
    theirs.reload()
    wait_until_open(theirs)
    theirs.wait_for_timeout(700)
    assert name not in faces(theirs)
    assert not (own_cache / "avatars" / "gil").exists()
    folder = drawn.registered[name]
    assert folder.is_dir()
    contexts[0].close()
    end = time.monotonic() + 30
    while folder.exists():
        assert time.monotonic() < end, "what a stranger made is still there after the page was closed"
        time.sleep(0.1)
    assert name not in drawn.registered
    contexts[1].close()


@pytest.mark.parametrize("width", [390, 768])
def test_a_dark_phone_or_tablet_shows_the_tab_without_sideways_scrolling(
    browser, served: str, shots: Path, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme="dark", has_touch=True)
    tab = context.new_page()
    tab.goto(served)
    wait_until_open(tab)
    open_tab(tab)
    for kind in ("Photo", "Video"):
        choose(tab, kind)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.screenshot(path=shots / f"{kind}-{width}.png", full_page=True)
    context.close()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """`python app.py` with a cache of its own (but the compiled kernels of this machine)."""
    from emotalk.core.kernels.cache import cache_folder

    cache = tmp_path / "cache"
    shutil.copytree(cache_folder(), cache / "kernels" / cache_folder().name)
    with running_app(tmp_path, EMOTALK_CACHE=str(cache)) as url:
        yield url


DROP = """(element, [data, name]) => {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type: "image/jpeg" }));
  for (const type of ["dragenter", "dragover", "drop"])
    element.dispatchEvent(new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


def drop(page, place: str, file: Path) -> None:
    """Drag a picture from a folder onto a part of the page."""
    data = base64.b64encode(file.read_bytes()).decode()
    page.locator(place).evaluate(DROP, [data, file.name])


def test_a_dropped_photo_of_two_people_becomes_an_avatar_that_talks_and_is_deleted(
    browser, address: str, tmp_path: Path, shots: Path
) -> None:
    photo = preset_photo(tmp_path / "party.jpg", "jun", "elena", size=480, orientation=6)
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(900_000)
    page = context.new_page()
    outside: list[str] = []
    page.on("request", lambda r: outside.append(r.url) if not r.url.startswith((address, "data:", "blob:")) else None)
    page.goto(address)
    wait_until_open(page)
    open_tab(page)
    drop(page, "#fit-photo button.upload-container", photo)
    page.wait_for_selector("#fit-photo img")
    page.locator("#fit-name input, #fit-name textarea").fill("Visitor")
    page.locator("#fit-consent input").check()
    page.click("#photo-go")
    page.locator("#who button").nth(1).wait_for()
    page.screenshot(path=shots / "who.png", full_page=True)
    page.locator("#who button").nth(1).click()
    page.wait_for_selector("#fit .now[src^='data:image/jpeg']")
    assert (
        page.evaluate("(() => { const now = document.querySelector('#fit .now'); return now.naturalWidth; })()") >= 256
    )
    page.wait_for_selector("#fit-report img")
    page.screenshot(path=shots / "fitting.png", full_page=True)
    wait_for_state(page, "done")
    page.locator("#fit-talk").wait_for()
    page.screenshot(path=shots / "done.png", full_page=True)

    page.click("#fit-talk")
    page.wait_for_function("() => document.querySelector('#faces [data-name=visitor]').ariaChecked === 'true'")
    page.locator("#say textarea").fill("Hello, it is me.")
    page.click("#generate")
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('of video made in')")
    page.wait_for_function("() => document.querySelector('#stage video').duration > 0.5")
    page.screenshot(path=shots / "talking.png")
    clip = page.locator("#saves .main").get_attribute("href")
    assert page.request.get(clip).ok
    portrait = page.locator("#stage .face").get_attribute("src")
    open_tab(page)
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#mine-delete")
    page.wait_for_function("() => !document.querySelector('#faces [data-name=visitor]')")
    assert not list((tmp_path / "cache" / "avatars").iterdir())
    # Nothing of the person is left on the Talk tab either, nor on the server.
    page.get_by_role("tab", name="Talk").click()
    page.wait_for_function("(old) => document.querySelector('#stage .face').src !== old", arg=portrait)
    assert page.locator(".stage").get_attribute("data-state") == "still"
    assert page.locator("#stage video").get_attribute("src") is None
    expect(page.locator("#saves .main")).to_be_hidden()
    expect(page.locator("#faces [aria-checked=true]")).to_have_count(1)
    assert page.request.get(clip).status == 404
    page.screenshot(path=shots / "deleted.png")
    context.close()
    assert outside == []


def test_an_uploaded_video_becomes_an_avatar_that_talks(browser, address: str, tmp_path: Path, shots: Path) -> None:
    video = preset_video(tmp_path / "visitor.mp4", "elena")
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(900_000)
    page = context.new_page()
    outside: list[str] = []
    page.on("request", lambda r: outside.append(r.url) if not r.url.startswith((address, "data:", "blob:")) else None)
    page.goto(address)
    wait_until_open(page)
    fill_in(page, video, "Visitor")
    minutes = page.get_by_label("number input for Minutes of fitting")
    minutes.fill("0.25")
    minutes.press("Enter")
    page.click("#fit-go")
    page.wait_for_selector("#fit-report img")
    page.wait_for_selector("#fit .now[src^='data:image/jpeg']")
    page.screenshot(path=shots / "fitting.png", full_page=True)
    wait_for_state(page, "done")
    page.screenshot(path=shots / "done.png", full_page=True)

    page.locator("#mine-talk").wait_for()
    page.click("#mine-talk")
    page.wait_for_function("() => document.querySelector('#faces [data-name=visitor]').ariaChecked === 'true'")
    page.locator("#say textarea").fill("Hello, it is me.")
    page.click("#generate")
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('of video made in')")
    page.wait_for_function("() => document.querySelector('#stage video').duration > 0.5")
    page.screenshot(path=shots / "talking.png")
    page.wait_for_function("() => document.querySelector('#stage video').webkitAudioDecodedByteCount > 0")
    context.close()
    assert outside == []
