"""The Personalise tab: a few seconds of video become an avatar that talks."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotalk.core.errors import Cancelled, EmotalkError
from emotalk.create.request import CONSENT
from emotalk.server.limits import limits
from emotalk.server.line import FITS, abandoned
from emotalk.ui import parts
from emotalk.ui.pictures import people_of
from emotalk.ui.toasts import friendly

if TYPE_CHECKING:
    from emotalk.create.news import FitNews
    from emotalk.create.worker import BackgroundFit
    from emotalk.server.fits import FitSessions
    from emotalk.talk.studio import Studio

ADVICE = (
    "<b>Ten to sixty seconds are enough.</b> Look into the camera and talk; turn your head a little, open your mouth "
    "wide once, blink. Even light, the whole head with some shoulder, nothing in front of the face, no cuts."
)


SHOW_FIT = "() => document.getElementById('fit').scrollIntoView({behavior: 'smooth', block: 'nearest'})"
PRESS_FACE = """(name) => { document.querySelector(`#faces button[data-name="${name}"]`)?.click(); }"""


class PersonalizeTab:
    """Builds the tab inside a `gr.Blocks` and holds its handlers."""

    def __init__(self, studio: Studio, fits: FitSessions, blocks: gr.Blocks, faces: gr.HTML, tabs: gr.Tabs) -> None:
        self.studio, self.fits = studio, fits
        self.faces, self.tabs = faces, tabs
        self._layout()
        shared = {"show_progress": "hidden", "api_visibility": "private"}
        watching = [self.fit, self.report, self.make, self.stop]
        inputs = [self.video, self.title, self.minutes, self.consent]
        made = self.make.click(
            self.begin, inputs, watching, concurrency_id=FITS, concurrency_limit=None, trigger_mode="once", **shared
        )  # fmt: skip
        self.make.click(None, js=SHOW_FIT, show_progress="hidden")
        # Another visit finds the fit that is still running, and the avatars made since the server started.
        found = blocks.load(self.follow, None, watching, concurrency_limit=None, **shared)
        for event in (made, found):
            event.then(self.gallery, self.faces, [self.faces, self.mine, self.mine_row], queue=False, **shared)
        blocks.load(self.gallery, self.faces, [self.faces, self.mine, self.mine_row], queue=False, **shared)
        self.stop.click(self.cancel, queue=False, **shared)
        self.mine.change(self.packed, self.mine, self.save, queue=False, **shared)
        self.talk.click(lambda: gr.Tabs(selected="talk"), None, self.tabs, queue=False, **shared)
        # Pressing the face itself: the Talk tab then does what it always does for a chosen face.
        self.talk.click(None, self.mine, js=PRESS_FACE, show_progress="hidden")
        self.delete.click(
            self.remove, [self.mine, self.faces], [self.faces, self.mine, self.mine_row], queue=False,
            js="(name, face) => [confirm(`Delete this avatar for good?`) ? name : null, face]", **shared,
        )  # fmt: skip

    def _layout(self) -> None:
        allowed = limits()
        with gr.Row(equal_height=False, elem_id="fit-row"):
            with gr.Column(scale=5, min_width=320, elem_id="fit-view-column"):
                self.fit = parts.fit()
                self.report = gr.HTML("", elem_id="fit-report", padding=False)
            with gr.Column(scale=5, min_width=320):
                self.video = gr.Video(
                    label="A video of one person", sources=["upload", "webcam"], include_audio=True, buttons=[],
                    elem_id="fit-video",
                )  # fmt: skip
                gr.HTML(f'<p class="advice">{ADVICE}</p>', elem_id="fit-advice", padding=False)
                with gr.Group():
                    self.title = gr.Textbox(
                        label="Name", placeholder="what the avatar is called", max_lines=1, elem_id="fit-name"
                    )
                    self.minutes = gr.Slider(
                        0.25, min(10.0, allowed.personalise_minutes), 2.0, step=0.25, label="Minutes of fitting",
                        info="more than two rarely show", elem_id="fit-minutes",
                    )  # fmt: skip
                self.consent = gr.Checkbox(False, label=CONSENT, elem_id="fit-consent")
                with gr.Row(elem_id="fit-go-row"):
                    self.make = gr.Button("Make the avatar", variant="primary", size="lg", elem_id="fit-go", scale=4)
                    self.stop = gr.Button(
                        "Cancel", size="lg", elem_id="fit-stop", scale=1, min_width=90, interactive=False
                    )
                if not allowed.keep_avatars:
                    stay = (
                        "Video and avatar stay on this server only while the page is open; download the avatar to keep "
                        f"it. The first {allowed.personalise_seconds:.0f} seconds of the video are used."
                    )
                    gr.HTML(f'<p class="advice">{stay}</p>', padding=False)
                with gr.Column(visible=False, elem_id="mine") as self.mine_row:
                    self.mine = gr.Dropdown([], label="Your avatars", elem_id="mine-list")
                    with gr.Row(elem_id="mine-buttons"):
                        self.talk = gr.Button("Talk", size="sm", elem_id="mine-talk")
                        self.save = gr.DownloadButton("Download (.zip)", visible=False, size="sm", elem_id="mine-save")
                        self.delete = gr.Button("Delete", size="sm", variant="stop", elem_id="mine-delete")

    def begin(
        self, video: str | None, title: str, minutes: float, consent: bool, request: gr.Request
    ) -> Iterator[tuple]:
        """Start a fit and report it until it has ended. On one's own machine it goes on when the page no longer looks;
        a stranger's ends (`FitSessions.unwatch`)."""
        try:
            fit = self.fits.start(request.session_hash or "", video, title, minutes, consent)
        except EmotalkError as error:
            raise friendly(error) from error
        try:
            yield from self._report(fit)
        finally:
            self.fits.unwatch(fit)

    def follow(self, request: gr.Request) -> Iterator[tuple]:
        """Report a fit that this page finds running."""
        fit = self.fits.running(request.session_hash or "")
        if fit is None:
            yield (gr.skip(),) * 4
        else:
            yield from self._report(fit)

    def cancel(self, request: gr.Request) -> None:
        """Stop the fit; the page hears of it from the report."""
        self.fits.cancel(request.session_hash or "")

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

    def _report(self, fit: BackgroundFit) -> Iterator[tuple]:
        busy = gr.update(interactive=False), gr.update(interactive=True)
        idle = gr.update(interactive=True), gr.update(interactive=False)
        yield {"state": "working", "note": "Starting", "fresh": True, "at": time.monotonic()}, "", *busy
        shown, gone = None, abandoned()
        while not fit.wait(0.5):
            if gone():
                return
            news = fit.news  # read once: the fit goes on while the page is being told
            if news is not shown:
                yield self._views(news, shown), _report(news, shown), gr.skip(), gr.skip()
                shown = news
                time.sleep(0.3)  # three pictures a second are enough
        if fit.error is not None:
            yield {"state": "stopped", "fresh": True, "at": time.monotonic()}, _report(fit.news, shown), *idle
            if isinstance(fit.error, Cancelled):
                gr.Info(str(fit.error), duration=4)
                return
            raise friendly(fit.error) from fit.error
        done = self._views(fit.news, shown) | {"state": "done", "detail": "Done: your avatar is in the gallery."}
        yield done, _report(fit.news, shown), *idle

    def _views(self, news: FitNews, shown: FitNews | None) -> dict[str, Any]:
        """The value of the picture part; a picture is sent only when it is another one."""
        value = {
            "state": "working",
            "note": news.stage,
            "detail": _detail(news),
            "share": news.share,
            "curve": [[round(at, 1), round(level, 2)] for at, level in news.curve],
            "axis": f"likeness {news.psnr:.1f} dB" if news.psnr is not None else "",
        }
        if news.preview and (shown is None or shown.preview != news.preview):
            value["preview"] = news.preview
        return value


def _detail(news: FitNews) -> str:
    """One quiet line below the picture."""
    steps = f"step {news.done} of {news.total}" if news.total else ""
    return ", ".join(filter(None, (steps, news.time_left)))


def _report(news: FitNews, shown: FitNews | None) -> Any:
    """What tracking says of the video, with its picture; unchanged most of the time."""
    if not news.verdict or (shown is not None and shown.overlay == news.overlay):
        return gr.skip()
    signs = {"good": "Good video", "usable": "Usable video", "poor": "Poor video"}
    lines = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in news.quality)
    return (
        f'<div class="verdict {html.escape(news.verdict)}"><b>{signs.get(news.verdict, "The video")}</b>'
        f'<img src="{news.overlay}" alt="What was tracked, on three frames of the video"><ul>{lines}</ul></div>'
    )
