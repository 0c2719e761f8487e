"""The Talk tab: pick a face, say something, pick a mood, watch."""

from __future__ import annotations

import html
import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotalk.core.camera import PORTRAIT_ZOOM
from emotalk.core.errors import Cancelled, EmotalkError
from emotalk.live.smooth_start import SmoothStart
from emotalk.server.clip_files import offered
from emotalk.server.line import abandoned, leave_line
from emotalk.server.stills import Stills
from emotalk.server.visitors import address_of
from emotalk.ui import parts
from emotalk.ui.controls import (
    CLEAR,
    CONVERSED,
    DIRECTIONS,
    FIRST_FACE,
    FIRST_MOOD,
    FIRST_TEXT,
    GAZES,
    HEARD,
    OWN,
    PUT_DIRECTION,
    SHOTS,
    STARTERS,
    SURPRISE,
    TYPED,
    Controls,
    look_of,
    request_of,
    voice_choices,
)  # fmt: skip
from emotalk.ui.hub_faces import HubFaces
from emotalk.ui.hub_row import HubRow, OwnAvatars
from emotalk.ui.live_stage import REFUSED, STILL_UNLESS_LIVE, LiveStage
from emotalk.ui.pictures import data_address, people_of, sound_address
from emotalk.ui.toasts import friendly
from emotalk.ui.video_controls import connect, video_controls

if TYPE_CHECKING:
    from emotalk.server.clips import LiveClip, LiveClips
    from emotalk.server.live_faces import LiveFaces
    from emotalk.talk.studio import Studio

log = logging.getLogger(__name__)

SMALLEST = 256
"""Pixels: what is proposed where a larger video begins late."""
SLOW_RATE, LONG_WAIT = 20.0, 3
"""Frames a second below which, and seconds from which, a smaller video is proposed."""
SMALLER = """async () => {
  const working = () => document.body.classList.contains("emotalk-busy");
  document.querySelector("#stop").click();
  for (let turn = 0; working() && turn < 100; turn++) await new Promise((done) => setTimeout(done, 50));
  if (!working()) document.querySelector("#generate").click();
}"""
"""The same again: what is being made is stopped first."""


class TalkTab:
    """Builds the tab inside a `gr.Blocks` and holds its handlers."""

    def __init__(
        self, studio: Studio, clips: LiveClips, hub: HubFaces, own: OwnAvatars, live: LiveFaces, blocks: gr.Blocks
    ) -> None:
        self.blocks = blocks
        self.live_faces = live
        self.hub = hub
        self.studio = studio
        self.clips = clips
        self.stills = Stills()
        people = people_of(studio)
        names = [person["name"] for person in people]
        chosen = FIRST_FACE if FIRST_FACE in names else next(iter(names), "")
        self._layout(people, chosen)
        self._follow_each_other()
        downloads = self.hub_row.connect(blocks, self.controls.face, own)
        self._still(downloads)
        self.live.connect(self.controls, blocks, downloads)
        self.live.converse(self.chat, self.controls)
        self._generate()
        self._listen()
        self._sheet()

    def _layout(self, people: list[dict[str, str]], chosen: str) -> None:
        voices = [("This face's own", ""), *voice_choices(self.studio.voices())]
        valence, arousal = FIRST_MOOD
        with gr.Row(equal_height=False, elem_id="talk-row"):
            with gr.Column(scale=6, min_width=320, elem_id="stage-column"):
                # The small picture stands in until the first still is drawn, which may have to compile the renderer.
                self.stage = parts.stage(next((p["portrait"] for p in people if p["name"] == chosen), ""))
                self.still = parts.still()
                self.live = LiveStage(self.live_faces)
                self.status = gr.HTML(value="", elem_id="status", padding=False)
                self.saves = parts.saves()
                face = parts.faces(people, chosen, self.hub.faces())
                with gr.Row(elem_id="starters"):
                    self.starters = {
                        gr.Button(title, size="sm", variant="secondary"): line for title, line in STARTERS.items()
                    }
                    self.surprise = gr.Button("Surprise me", size="sm", variant="secondary", elem_id="surprise")
                with gr.Accordion("Camera", open=False, elem_id="camera"):
                    with gr.Row():
                        yaw = gr.Slider(-40, 40, 0, step=1, label="Camera left/right (degrees)")
                        pitch = gr.Slider(-20, 20, 0, step=1, label="Camera down/up (degrees)")
                    zoom = gr.Slider(0.6, 1.8, PORTRAIT_ZOOM, step=0.05, label="Zoom")
                    shot = gr.Radio(list(SHOTS.items()), value="still", label="Movement", elem_id="shot")
                    gaze = parts.gaze(GAZES)
            with gr.Column(scale=5, min_width=320, elem_id="words-column"):
                with gr.Group(elem_id="words-card"):
                    source = gr.Radio(
                        [TYPED, HEARD, CONVERSED], value=TYPED, show_label=False, container=False, elem_id="source"
                    )
                    text = gr.Textbox(
                        FIRST_TEXT, label="What to say", show_label=False, lines=1, max_lines=8, elem_id="say",
                        autofocus=False, placeholder="What to say. Enter says it, Shift and Enter begin a line",
                    )  # fmt: skip
                    self.chat = self.live.chat()
                    with gr.Row(elem_id="directions") as chips:
                        self.directions = {
                            gr.Button(shown, size="sm", variant="secondary", min_width=0): (before, behind)
                            for shown, (before, behind) in DIRECTIONS.items()
                        }
                    self.chips = chips
                    with gr.Row(elem_id="voice-row") as voice_row:
                        voice = gr.Dropdown(
                            voices, value="", label="Voice", show_label=False, elem_id="voice", scale=5, min_width=120
                        )
                        self.listen = gr.Button("Listen", size="sm", elem_id="listen", scale=0, min_width=80)
                    self.voice_row = voice_row
                    self.heard = gr.HTML("", elem_id="heard", padding=False)
                    audio = gr.Audio(
                        sources=["upload", "microphone"], type="filepath", label="Audio file or microphone",
                        visible=False, buttons=[], elem_id="audio",
                    )  # fmt: skip
                    transcript = gr.Textbox(
                        "", label="What is said in it", info="Only if you know it: the lips are surer then.", lines=2,
                        max_lines=8, visible=False, elem_id="transcript",
                    )  # fmt: skip
                with gr.Group(elem_id="mood-card"):
                    with gr.Row(elem_id="mood-row"):
                        with gr.Column(scale=6, min_width=160, elem_id="pad-column"):
                            self.pad = parts.mood_pad(valence, arousal)
                        with gr.Column(scale=5, min_width=150, elem_id="go-column"):
                            mood_in_voice = gr.Checkbox(True, label="Mood in the voice")
                            follow = gr.Checkbox(
                                False, label="Follow the voice", info="Arousal is heard; valence stays as set.",
                                elem_id="follow-voice",
                            )  # fmt: skip
                            self.fine = gr.Button("Fine-tune", size="sm", elem_id="fine-tune")
                            with gr.Row(elem_id="generate-row"):
                                self.talk = gr.Button(
                                    "Talk", variant="primary", size="lg", elem_id="talk", scale=4, min_width=90
                                )
                                self.go = gr.Button(
                                    "Make video",
                                    variant="primary",
                                    size="lg",
                                    elem_id="generate",
                                    scale=4,
                                    min_width=90,
                                )
                                self.stop = gr.Button("Stop", size="lg", elem_id="stop", scale=1, min_width=60)
                    # Hidden by style: sliders that are not on the page would not tell it that the pad moved them.
                    with gr.Column(elem_id="fine"):
                        with gr.Row():
                            valence = gr.Slider(-1, 1, valence, step=0.01, label="Valence")
                            arousal = gr.Slider(-1, 1, arousal, step=0.01, label="Arousal")
                        with gr.Row():
                            expressiveness = gr.Slider(0, 2, 1, step=0.05, label="Expressiveness")
                            head_motion = gr.Slider(0, 2, 1, step=0.05, label="Head motion")
                with gr.Accordion("Mood over time", open=False):
                    timeline = parts.timeline(*FIRST_MOOD)
                video = self.video = video_controls(self.studio.encoders)
                self.hub_row = HubRow(self.hub)
                self.sheet_button = gr.Button("Mood sheet: this face in 25 moods", size="sm", elem_id="sheet-button")
                self.sheet = gr.Image(
                    visible=False,
                    label="Mood sheet",
                    elem_id="sheet",
                    format="jpeg",
                    buttons=["download", "fullscreen"],
                )
        self.controls = Controls(
            face, source, text, voice, audio, follow, valence, arousal, timeline, video.seed, head_motion,
            expressiveness, yaw, pitch, zoom, video.size, video.ground, video.colour, video.picture, video.mark,
            mood_in_voice, transcript,
            video.shape, video.captions, shot, gaze, video.encoder,
        )  # fmt: skip

    def _follow_each_other(self) -> None:
        """Pad and sliders, all in the browser: no message to the server."""
        c = self.controls
        both = [c.valence, c.arousal]
        self.pad.input(None, self.pad, both, js="(point) => [point[0], point[1]]", show_progress="hidden")
        # What was moved before the page listened is caught up with: sliders that were moved win, else the pad does.
        first = json.dumps(list(FIRST_MOOD))
        self.blocks.load(
            None, [self.pad, *both], [*both, self.pad], show_progress="hidden",
            js=f"(point, v, a) => (([x, y]) => v !== x || a !== y ? [v, a, [v, a]] : [...point, point])({first})",
        )  # fmt: skip
        gr.on(
            [c.valence.change, c.arousal.change, c.follow.change], None, [*both, c.follow, c.timeline],
            [self.pad, c.timeline], show_progress="hidden",
            js="(v, a, follow, line) => [[v, a], {...(line || {}), mood: [v, a], follow}]",
        )  # fmt: skip
        c.source.change(
            lambda source: [gr.update(visible=(source == HEARD) == heard) for heard in (*[False] * 4, *[True] * 2)],
            c.source, [c.text, self.chips, self.voice_row, c.mood_in_voice, c.audio, c.transcript], queue=False,
            show_progress="hidden", api_visibility="private",
        )  # fmt: skip
        self.fine.click(None, None, None, js="() => document.body.classList.toggle('emotalk-fine')")
        for button, around in self.directions.items():
            button.click(None, c.text, c.text, js=f"(text) => ({PUT_DIRECTION})(text, ...{json.dumps(around)})")
        connect(self.video, c.source)

    def _still(self, downloads: list[Any]) -> None:
        """The picture on the stage shows every change of mood and camera at once, and what was downloaded; where the
        face is drawn in the browser, there is no need of it."""
        c = self.controls

        async def still(
            request: gr.Request, face, valence, arousal, expressiveness, yaw, pitch, zoom, ground, colour, picture,
            mark, shape, captions, gaze,
        ):  # fmt: skip
            if not face:
                return gr.skip()

            def drawn() -> str:
                size = 256 if self.stills.crowded else 512 if shape == "1:1" else 384
                look = look_of(size, yaw, pitch, zoom, ground, colour, picture, mark, shape, captions, gaze=gaze)
                return data_address(self.studio.still(face, look, valence, arousal, expressiveness))

            try:
                image = await self.stills.draw(request.session_hash or "", address_of(request.request), drawn)
            except EmotalkError as error:
                raise friendly(error) from error
            return gr.skip() if image is None else image

        watched = [self.live.part.stop, c.face.input, *(part.change for part in c.of_still()[1:])]
        for event in (*watched, *(download.success for download in downloads)):
            event(None, c.of_still(), None, js=STILL_UNLESS_LIVE, show_progress="hidden")
        gr.on(
            [self.blocks.load, self.still.input], still, c.of_still(), self.still, trigger_mode="always_last",
            show_progress="hidden", queue=False, api_visibility="private",
        )  # fmt: skip

    def _generate(self) -> None:
        c = self.controls
        outputs = [self.stage, self.status, self.saves, c.timeline]
        shared = {
            "inputs": c.all(), "outputs": outputs, "show_progress": "minimal", "show_progress_on": self.status,
            "concurrency_id": "talk", "concurrency_limit": 1, "api_visibility": "private",
        }  # fmt: skip
        # The stage sees to it that a second press is no second talk (stage.js); Gradio's "once" may count a talk that
        # was stopped a moment ago.
        event = self.go.click(self.generate, trigger_mode="multiple", **shared)
        # All else that talks does so on the stage, where the browser can, and presses that button where it cannot.
        self.live.say(self.talk.click, c)
        self.live.say(c.text.submit, c)
        for button, (text, valence, arousal) in self.starters.items():
            fill = f"() => {json.dumps([TYPED, text, valence, arousal])}"
            filled = button.click(None, None, [c.source, c.text, c.valence, c.arousal], js=fill, show_progress="hidden")
            self.live.say(filled.then, c)
        surprised = self.surprise.click(
            None, c.face, [c.face, c.source, c.text, c.valence, c.arousal], show_progress="hidden",
            js=f"(face) => ({SURPRISE})(face, {json.dumps(TYPED)}, {json.dumps(list(STARTERS.values()))})",
        )  # fmt: skip
        self.live.follow(surprised.then, c)
        self.live.say(surprised.then, c)
        self.live.hush(self.stop.click)
        self._talks = {event["id"]}
        smaller = self.stage.select(None, None, c.size, js=f"() => {SMALLEST}", show_progress="hidden")
        smaller.then(None, None, None, js=SMALLER, show_progress="hidden")
        # Refused at the door, where no word of the talk reaches the stage.
        event.failure(None, None, None, js=REFUSED, show_progress="hidden")
        self.stop.click(
            self.stopped, None, [self.stage, self.status], api_visibility="private", queue=False, show_progress="hidden"
        )  # fmt: skip

    def _listen(self) -> None:
        """How a voice sounds, in the mood of the pad."""
        c = self.controls

        def sample(face, voice, valence, arousal, mood_in_voice):
            try:
                speech = self.studio.sample(face, voice or None, (valence, arousal) if mood_in_voice else None)
            except EmotalkError as error:
                raise friendly(error) from error
            return f'<audio autoplay src="{sound_address(speech.samples)}"></audio>'

        self.listen.click(
            sample, [c.face, c.voice, c.valence, c.arousal, c.mood_in_voice], self.heard, concurrency_id="talk",
            concurrency_limit=1, api_visibility="private", show_progress="minimal", show_progress_on=self.listen,
        )  # fmt: skip

    def _sheet(self) -> None:
        c = self.controls

        def sheet(face, *rest):
            _, _, expressiveness, yaw, pitch, zoom, ground, colour, picture, mark, *_ = rest
            try:
                # A sheet of faces stands on a ground: one that is not there would be black.
                ground = OWN if ground == CLEAR else ground
                look = replace(look_of(256, yaw, pitch, zoom, ground, colour, picture, mark), mark="off")
                return gr.update(value=self.studio.mood_sheet(face, look, expressiveness, mark=mark), visible=True)
            except EmotalkError as error:
                raise friendly(error) from error

        self.sheet_button.click(
            sheet, c.of_still(), self.sheet, concurrency_id="talk", concurrency_limit=1, api_visibility="private"
        )

    def generate(self, request: gr.Request, *values: Any) -> Iterator[tuple]:
        """Start a talk and report it until it has ended; closing the generator stops the talk."""
        same, gone = gr.skip(), abandoned()
        try:
            clip = self.clips.start(request.session_hash or "", request_of(*values))
        except EmotalkError as error:
            yield _ended(), "", same, same
            raise friendly(error) from error
        start = SmoothStart()
        try:
            yield _stage(clip, start), "", {}, gr.update(said=[])
            while not _ended_meanwhile(clip, start):
                if gone():
                    return
                yield _stage(clip, start), _line(clip), same, same
        finally:
            if not clip.done:
                clip.cancel()
        if clip.error is not None:
            yield _ended(), "", same, same
            if not isinstance(clip.error, Cancelled):
                raise friendly(clip.error) from clip.error
            return
        made = clip.clip
        yield (
            _stage(clip, start), _line(clip),
            {"base": clip.files_path, "name": clip.request.file_name, "endings": offered(made)},
            gr.update(said=[list(mood) for mood in made.moods]),
        )  # fmt: skip

    async def stopped(self, request: gr.Request) -> tuple[dict[str, Any], str]:
        """The stage and the line below it after Stop. Runs in the event loop, as what the line tells pages must."""
        leave_line(self.blocks, request.session_hash or "", self._talks)
        self.clips.cancel_session(request.session_hash or "")
        return _ended(), ""


def _ended() -> dict[str, Any]:
    """The stage without a clip. The time makes every one a new value, which the page would else overlook, and later
    than whatever a stopped talk still had on the way."""
    return {"state": "stopped", "at": time.monotonic()}


def _ended_meanwhile(clip: LiveClip, start: SmoothStart) -> bool:
    """Wait for what is worth telling the page, at most 0.4 s; whether the talk has ended."""
    waited = not start.ready
    for _ in range(4):
        ended = clip.wait(0.1)
        start.note(clip.progress)
        if ended or (waited and start.ready):
            return ended
    return False


def _stage(clip: LiveClip, start: SmoothStart) -> dict[str, Any]:
    if clip.cancelled:
        return _ended()
    value = {"id": clip.token, "state": "working", "note": _words(clip), "share": round(clip.progress.share, 3)}
    value["at"] = time.monotonic()
    left = start.told_wait() if clip.ending == "mp4" else None  # others are shown when they are finished
    if clip.playable and start.ready:
        value["live"] = clip.live_path
    elif left is not None:
        value |= {"starts": left, "note": f"Starts in {_seconds(left)}"}
        value["smaller"] = clip.request.look.size > SMALLEST and left >= LONG_WAIT and start.rate < SLOW_RATE
    if clip.clip is not None:
        value |= {"state": "done", "final": clip.final_path}
    return value


def _seconds(seconds: int) -> str:
    return f"{seconds} s" if seconds < 100 else f"{math.ceil(seconds / 60)} minutes"


def _words(clip: LiveClip) -> str:
    return {"speech": "Finding the words...", "motion": "Moving the face..."}.get(clip.progress.stage, "Working...")


def _line(clip: LiveClip) -> str:
    """One quiet line below the stage."""
    if clip.clip is not None:
        made, took = clip.clip, clip.clip.timings["total"]
        remarks = "".join(f'<div class="line" dir="auto">{html.escape(remark)}</div>' for remark in made.remarks)
        return f'<div class="line">{made.seconds:.1f} s of video made in {took:.1f} s</div>{remarks}'
    p = clip.progress
    if not p.done:
        return f'<div class="line">{_words(clip)}</div>'
    if not p.total:
        return f'<div class="line">{p.done / 25:.0f} s of video are made</div>'
    left = (p.total - p.done) * p.seconds / p.done
    more = f", about {left:.0f} s to go" if left >= 1.5 and p.done >= 25 else ""  # the first frames tell little
    return f'<div class="line">{p.done / 25:.0f} of {p.total / 25:.0f} s of video are made{more}</div>'
