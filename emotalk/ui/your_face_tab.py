"""The tab Your face: a photo, or a few seconds of video, become an avatar that talks."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotalk.core.errors import Cancelled, EmotalkError, InputError
from emotalk.create.request import CONSENT, ImproveRequest, PortraitRequest
from emotalk.server.limits import limits
from emotalk.server.line import FITS, abandoned
from emotalk.server.sentences import sentence_of
from emotalk.ui import parts
from emotalk.ui.fit_views import choice_of, report_of, verdict_of, view_of
from emotalk.ui.pictures import people_of
from emotalk.ui.toasts import friendly

if TYPE_CHECKING:
    from emotalk.create.request import AvatarRequest
    from emotalk.create.worker import BackgroundFit
    from emotalk.server.fits import FitSessions
    from emotalk.talk.studio import Studio

PHOTO, VIDEO = "photo", "video"
KINDS = [("Photo: 30 seconds", PHOTO), ("Video: better", VIDEO)]
PHOTO_PIXELS = 50_500_000
"""`portrait.photo.MAX_PIXELS`, whose package the page need not load."""
PHOTO_ADVICE = (
    "<b>One sharp picture from the front: half a minute.</b> Mouth closed, even light, the whole head, nothing in "
    "front of the face. Other people may be in it: you choose."
)
VIDEO_ADVICE = (
    "<b>Ten to sixty seconds are enough.</b> Look into the camera and talk; turn your head a little, open your mouth "
    "wide once, blink. Even light, the whole head with some shoulder, nothing in front of the face, no cuts."
)

SHOW_FIT = "() => document.getElementById('fit').scrollIntoView({behavior: 'smooth', block: 'nearest'})"
SHOW_FORM = "() => document.getElementById('fit-form').scrollIntoView({behavior: 'smooth', block: 'nearest'})"
PRESS_FACE = """(name) => { document.querySelector(`#faces button[data-name="${name}"]`)?.click(); }"""

SURE = "Delete this avatar for good, and its videos on this page?"


class YourFaceTab:
    """Builds the tab inside a `gr.Blocks` and holds its handlers."""

    def __init__(self, studio: Studio, fits: FitSessions, blocks: gr.Blocks, faces: gr.HTML, tabs: gr.Tabs) -> None:
        self.studio, self.fits = studio, fits
        self.faces, self.tabs = faces, tabs
        self._layout()
        self._connect_making(blocks)
        self._connect_avatars(blocks)

    def _layout(self) -> None:
        with gr.Row(equal_height=False, elem_id="fit-row"):
            with gr.Column(scale=5, min_width=320, elem_id="fit-view-column"):
                self.fit = parts.fit()
                with gr.Column(visible=False, elem_id="fit-who") as self.who_box:
                    self.who_line = gr.HTML("", padding=False)
                    self.who = parts.faces([], "", elem_id="who")
                with gr.Row(visible=False, elem_id="fit-next") as self.next_row:
                    self.talk_now = gr.Button("Talk", variant="primary", elem_id="fit-talk", min_width=110)
                    self.better = gr.Button("Better with a video", elem_id="fit-better", min_width=110)
                    self.further = gr.Button("Improve further", elem_id="fit-further", min_width=110)
                self.report = gr.HTML("", elem_id="fit-report", padding=False)
            with gr.Column(scale=5, min_width=320, elem_id="fit-form"):
                self._layout_form()
                with gr.Column(visible=False, elem_id="mine") as self.mine_row:
                    self.mine = gr.Dropdown([], label="Your avatars", elem_id="mine-list")
                    with gr.Row(elem_id="mine-buttons"):
                        self.talk = gr.Button("Talk", size="sm", elem_id="mine-talk")
                        self.improve = gr.Button("Improve", visible=False, size="sm", elem_id="mine-improve")
                        self.save = gr.DownloadButton("Download (.zip)", visible=False, size="sm", elem_id="mine-save")
                        self.delete = gr.Button("Delete", size="sm", variant="stop", elem_id="mine-delete")

    def _layout_form(self) -> None:
        allowed = limits()
        self.kind = gr.Radio(KINDS, value=PHOTO, show_label=False, container=False, elem_id="fit-kind")
        with gr.Column(elem_id="fit-photo-part", elem_classes="fit-part") as self.photo_part:
            self.photo = gr.Image(
                label="A photo", sources=["upload", "webcam", "clipboard"], type="filepath", height=300, buttons=[],
                image_mode=None,  # as it came, with what its camera says of how it was held
                placeholder="Drop a photo here\nor press to choose one",
                webcam_options=gr.WebcamOptions(mirror=False),  # page.css mirrors what is seen, not what is taken
                elem_id="fit-photo",
            )  # fmt: skip
            self.photo.most_pixels = PHOTO_PIXELS  # heeded by `blocks.check_values`
            gr.HTML(f'<p class="advice">{PHOTO_ADVICE}</p>', padding=False)
        with gr.Column(visible=False, elem_id="fit-video-part", elem_classes="fit-part") as self.video_part:
            self.video = gr.Video(
                label="A video of one person", sources=["upload", "webcam"], include_audio=True, buttons=[],
                elem_id="fit-video",
            )  # fmt: skip
            gr.HTML(f'<p class="advice">{VIDEO_ADVICE}</p>', padding=False)
        with gr.Group():
            self.title = gr.Textbox(
                label="Name", placeholder="what the avatar is called", max_lines=1, elem_id="fit-name"
            )
            self.minutes = gr.Slider(
                0.25, min(10.0, allowed.personalise_minutes), 2.0, step=0.25, label="Minutes of fitting",
                info="more than two rarely show", elem_id="fit-minutes", visible=False,
            )  # fmt: skip
        # What is agreed to stands there in full; the box below it only takes back its last part.
        self.consent = gr.Checkbox(False, label=CONSENT, elem_id="fit-consent")
        self.video_only = gr.Checkbox(
            False, label="Video only", info="Never drawn live in a browser: its numbers stay here.",
            elem_id="fit-video-only",
        )  # fmt: skip
        with gr.Row(elem_id="fit-go-row"):
            go = {"value": "Make the avatar", "variant": "primary", "size": "lg", "scale": 4}
            self.make_photo = gr.Button(**go, elem_id="photo-go")
            self.make_video = gr.Button(**go, elem_id="fit-go", visible=False)
            self.stop = gr.Button("Cancel", size="lg", elem_id="fit-stop", scale=1, min_width=90, interactive=False)
        if not allowed.keep_avatars:
            stay = (
                "Photo, video and avatar stay on this server only while the page is open; download the avatar to keep "
                f"it. The first {allowed.personalise_seconds:.0f} seconds of a video are used."
            )
            gr.HTML(f'<p class="advice">{stay}</p>', padding=False)

    def _connect_making(self, blocks: gr.Blocks) -> None:
        shared = {"show_progress": "hidden", "api_visibility": "private"}
        watching = [
            self.fit, self.report, self.who_box, self.who_line, self.who, self.next_row, self.make_photo,
            self.make_video, self.stop, self.further, self.improve,
        ]  # fmt: skip
        form = [self.kind, self.photo, self.title, self.minutes, self.video_only]
        heavy = {"concurrency_id": FITS, "concurrency_limit": None, "trigger_mode": "once"} | shared
        of_photo = [self.photo, self.title, self.consent, self.video_only, self.who]
        of_video = [self.video, self.title, self.minutes, self.consent, self.video_only]
        made = [
            self.make_photo.click(self.begin_portrait, of_photo, watching, **heavy),
            self.who.input(self.begin_portrait, of_photo, watching, **heavy),
            self.make_video.click(self.begin, of_video, watching, **heavy),
            *(
                button.click(self.begin_further, [self.mine, self.minutes], watching, **heavy)
                for button in (self.further, self.improve)
            ),
            # Another visit finds the fit that is still running, and the avatars made since the server started.
            blocks.load(self.follow, None, watching, concurrency_limit=None, **shared),
        ]
        # Not the first of what `follow` yields: the page makes each message of the one before, in place, so a slow page
        # had a photo that was no file any more by the time it looked at it.
        blocks.load(self.form_of_running, None, form, queue=False, **shared)
        for event in made:
            told = event.then(self.gallery, self.faces, [self.faces, self.mine, self.mine_row], queue=False, **shared)
            # After the list, so that the button leads to the new one.
            told.then(
                self.next_steps,
                [self.fit, self.mine],
                [self.next_row, self.better, self.further],
                queue=False,
                **shared,
            )
        for button in (self.make_photo, self.make_video, self.further, self.improve):
            button.click(None, js=SHOW_FIT, show_progress="hidden")
        self.stop.click(self.cancel, queue=False, **shared)
        for sent in (self.photo, self.video):
            # As it was posted: also what is no photo or video is gone with its page.
            sent.change(self.sent, sent, None, queue=False, preprocess=False, **shared)
        self.photo.change(self.another_photo, self.photo, [self.who_box, self.who], queue=False, **shared)
        self.kind.change(
            self.parts_of, self.kind,
            [self.photo_part, self.make_photo, self.video_part, self.make_video, self.minutes], queue=False, **shared,
        )  # fmt: skip
        self.better.click(lambda: VIDEO, None, self.kind, queue=False, **shared)
        self.better.click(None, js=SHOW_FORM, show_progress="hidden")

    def _connect_avatars(self, blocks: gr.Blocks) -> None:
        shared = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        listed = [self.faces, self.mine, self.mine_row]
        blocks.load(self.gallery, self.faces, listed, **shared)
        self.mine.change(self.packed, self.mine, self.save, **shared)
        self.mine.change(self.improvable, self.mine, self.improve, **shared)
        for button in (self.talk, self.talk_now):
            button.click(lambda: gr.Tabs(selected="talk"), None, self.tabs, **shared)
            # Pressing the face itself: the Talk tab then does what it always does for a chosen face.
            button.click(None, self.mine, js=PRESS_FACE, show_progress="hidden")
        self.delete.click(
            self.remove, [self.mine, self.faces], listed,
            js=f"(name, face) => [confirm({SURE!r}) ? name : null, face]", **shared,
        )  # fmt: skip

    def begin(
        self, video: str | None, title: str, minutes: float, consent: bool, video_only: bool, request: gr.Request
    ) -> Iterator[dict]:
        """Start a fit to a video and report it until it has ended. On one's own machine it goes on when the page no
        longer looks; a stranger's ends (`FitSessions.unwatch`)."""
        try:
            fit = self.fits.start(request.session_hash or "", video, title, minutes, consent, video_only)
        except EmotalkError as error:
            raise friendly(error) from error
        yield from self._watched(fit)

    def begin_portrait(
        self, photo: str | None, title: str, consent: bool, video_only: bool, who: str, request: gr.Request
    ) -> Iterator[dict]:
        """Start to make an avatar of a photo and report it, as `begin`; `who` is the number of a face, or empty."""
        try:
            if who and not (who.isascii() and who.isdecimal() and len(who) < 3):
                raise InputError(f"A face is chosen by its number from the left, found {who!r:.60}.")
            face = int(who) if who else None
            fit = self.fits.start_portrait(request.session_hash or "", photo, title, consent, face, video_only)
        except EmotalkError as error:
            raise friendly(error) from error
        yield from self._watched(fit)

    def begin_further(self, name: str | None, minutes: float, request: gr.Request) -> Iterator[dict]:
        """Fit an own avatar that was made of a video for more minutes, and report it, as `begin`."""
        try:
            fit = self.fits.improve(request.session_hash or "", name, minutes)
        except EmotalkError as error:
            raise friendly(error) from error
        yield from self._watched(fit)

    def improvable(self, name: str | None, request: gr.Request) -> dict[str, Any]:
        """The button that improves the chosen avatar, where enough was kept for that."""
        return gr.update(visible=self.fits.can_improve(request.session_hash or "", name))

    def follow(self, request: gr.Request) -> Iterator[dict]:
        """Report a fit that this page finds running."""
        fit = self.fits.running(request.session_hash or "")
        if fit is None:
            yield {self.fit: gr.skip()}
        else:
            yield from self._report(fit, begun_here=False)

    def form_of_running(self, request: gr.Request) -> dict:
        """The form of a fit that this page finds running."""
        fit = self.fits.running(request.session_hash or "")
        return {self.kind: gr.skip()} if fit is None else self._form_of(fit.request)

    def _form_of(self, request: AvatarRequest) -> dict:
        """The form as it was when a fit was begun, for a page that finds it running; consent is given anew each time.
        A video is not shown again: Gradio may have to convert it for that."""
        if isinstance(request, ImproveRequest):
            return {self.kind: VIDEO, self.minutes: request.minutes}
        told = {self.title: request.name, self.video_only: request.video_only}
        if isinstance(request, PortraitRequest):
            return told | {self.kind: PHOTO, self.photo: str(request.photo)}
        return told | {self.kind: VIDEO, self.minutes: request.minutes}

    def cancel(self, request: gr.Request) -> None:
        """Stop the fit; the page hears of it from the report."""
        self.fits.cancel(request.session_hash or "")

    def sent(self, file: dict[str, Any] | None, request: gr.Request) -> None:
        """A photo or a video of a person arrived (`blocks.check_values` has seen that it is an upload)."""
        self.fits.note(request.session_hash or "", file["path"] if file else None)

    def another_photo(self, photo: str | None) -> tuple:
        """No face of it is chosen yet. While its owner types a name, what makes avatars is loaded."""
        if photo:
            self.fits.prepare()
        return gr.update(visible=False), gr.update(value="", people=[])

    def parts_of(self, kind: str) -> list[dict[str, Any]]:
        """Which parts of the form are there for a photo, and which for a video."""
        return [gr.update(visible=(kind == VIDEO) == video) for video in (False, False, True, True, True)]

    def next_steps(self, fit: dict[str, Any] | None, name: str | None, request: gr.Request) -> tuple:
        """What to press when an avatar is finished: talk, and the way to a better one: after a photo a video, after a
        video more time."""
        fit = fit if isinstance(fit, dict) else {}  # else a program sent it
        further = fit.get("source") == VIDEO and self.fits.can_improve(request.session_hash or "", name)
        return (
            gr.update(visible=fit.get("state") == "done"),
            gr.update(visible=fit.get("source") == PHOTO),
            gr.update(visible=further),
        )

    def gallery(self, face: str, request: gr.Request) -> tuple:
        """The row of faces of the Talk tab and the list of own avatars, as they are now."""
        mine = self.fits.own(request.session_hash or "")
        people = people_of(self.studio, mine)
        names = [person["name"] for person in people]  # a face from the Hub has a slash in its name
        choices = [(info.card.name, info.name) for info in mine]
        newest = max(mine, key=lambda info: info.card.created).name if mine else None
        row = {"people": people}
        if face not in names and not (isinstance(face, str) and "/" in face):
            row["value"] = next(iter(names), "")  # else the choice is left alone: it may have changed meanwhile
        return (
            gr.update(**row),
            gr.update(choices=choices, value=newest),
            gr.update(visible=bool(mine)),
        )

    def packed(self, name: str | None, request: gr.Request) -> dict[str, Any]:
        """The file behind the download button."""
        if not name:
            return gr.update(value=None, visible=False)
        try:
            return gr.update(value=str(self.fits.pack(request.session_hash or "", name)), visible=True)
        except EmotalkError as error:
            raise friendly(error) from error

    def remove(self, name: str | None, face: str, request: gr.Request) -> tuple:
        """Delete an own avatar; nothing where the person thought again."""
        if name:
            try:
                self.fits.delete(request.session_hash or "", name)
            except EmotalkError as error:
                raise friendly(error) from error
        return self.gallery(face, request)

    def _watched(self, fit: BackgroundFit) -> Iterator[dict]:
        try:
            yield from self._report(fit)
        finally:
            self.fits.unwatch(fit)

    def _report(self, fit: BackgroundFit, begun_here: bool = True) -> Iterator[dict]:
        """What a page is told of a fit until it has ended. Why one failed that was not begun here stands in the report:
        a message that comes up is for whoever has just pressed something."""
        source = PHOTO if isinstance(fit.request, PortraitRequest) else VIDEO
        now = {"source": source, "fresh": True}
        yield {
            self.fit: now | {"state": "working", "note": "Starting", "at": time.monotonic()},
            self.report: "",
            self.who_box: gr.update(visible=False),
            self.next_row: gr.update(visible=False),
        } | self._buttons(busy=True)
        shown, gone = None, abandoned()
        while not fit.wait(0.5):
            if gone():
                return
            news = fit.news  # read once: the fit goes on while the page is being told
            if news is not shown:
                yield {self.fit: view_of(news, shown), self.report: report_of(news, shown, source)}
                shown = news
                time.sleep(0.3)  # three pictures a second are enough
        report = report_of(fit.news, shown if fit.judged is None else None, source)
        if fit.judged is not None:
            report = verdict_of(fit.judged) + (report if isinstance(report, str) else "")
        ended = {self.report: report} | self._buttons(busy=False)
        if fit.error is None:
            done = {"state": "done", "source": source, "detail": "Done: your avatar is in the gallery."}
            yield ended | {self.fit: view_of(fit.news, shown) | done, self.who: gr.update(value="", people=[])}
            return
        line, people = choice_of(fit.faces)
        if people:
            self.fits.prepare()  # the next run begins with a press
        if not begun_here:
            title, sentence = sentence_of(fit.error)
            ended[self.report] = f'<p class="advice"><b>{html.escape(title)}.</b> {html.escape(sentence)}</p>'
        yield ended | {
            self.fit: now | {"state": "stopped", "at": time.monotonic()},
            self.who_box: gr.update(visible=bool(people)),
            self.who_line: line,
            self.who: gr.update(value="", people=people),
        }
        if not begun_here:
            return
        if isinstance(fit.error, Cancelled):
            gr.Info(str(fit.error), duration=4)
        elif not people:  # a choice speaks for itself
            raise friendly(fit.error) from fit.error

    def _buttons(self, busy: bool) -> dict:
        go = gr.update(interactive=not busy)
        return {
            self.make_photo: go,
            self.make_video: go,
            self.further: go,
            self.improve: go,
            self.stop: gr.update(interactive=busy),
        }
