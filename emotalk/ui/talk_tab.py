"""The Talk tab: pick a face, say something, pick a mood, watch."""

from __future__ import annotations

import html
import json
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotalk.emotion import EmotionCurve
from emotalk.errors import Cancelled, EmotalkError
from emotalk.request import SIZES, Look, TalkRequest
from emotalk.ui import parts
from emotalk.ui.pictures import data_address, people_of
from emotalk.video import MARK_POSITIONS

if TYPE_CHECKING:
    from emotalk.pipeline import Studio
    from emotalk.speech.voice import VoiceInfo
    from emotalk.ui.live import LiveClip, LiveClips

log = logging.getLogger(__name__)

FIRST_MOOD = (0.62, 0.3)
FIRST_TEXT = "Hello! Type anything you like, pick a mood, and I will say it for you."
STARTERS = {
    "A warm hello": (FIRST_TEXT, 0.62, 0.3),
    "We did it!": ("We did it! After all these years, we actually did it!", 0.8, 0.8),
    "Don't touch that": ("I told you not to touch that. Now look what you have done.", -0.7, 0.62),
    "Nobody came": ("I waited by the window all day, and nobody came.", -0.75, -0.45),
    "Take a breath": ("Close your eyes and take a deep breath. Everything is all right.", 0.6, -0.55),
    "What was that?": ("Wait, what was that sound? Is somebody there?", -0.4, 0.9),
}
"""Ready-made lines: what a button says -> (text, valence, arousal)."""
OWN, COLOUR, PICTURE = "The avatar's own", "A colour", "A picture"
TYPED, HEARD = "Type", "Audio"


def max_seconds() -> float:
    """The longest clip the app makes: EMOTALK_MAX_SECONDS, or ten minutes."""
    try:
        return max(1.0, float(os.environ.get("EMOTALK_MAX_SECONDS", "600")))
    except ValueError:
        log.warning("EMOTALK_MAX_SECONDS is not a number; using 600")
        return 600.0


@dataclass
class Controls:
    """Everything a person can set, in the order in which the handlers take the values."""

    face: gr.HTML
    source: gr.Radio
    text: gr.Textbox
    voice: gr.Dropdown
    audio: gr.Audio
    follow: gr.Checkbox
    valence: gr.Slider
    arousal: gr.Slider
    timeline: gr.HTML
    seed: gr.Number
    head_motion: gr.Slider
    expressiveness: gr.Slider
    yaw: gr.Slider
    pitch: gr.Slider
    zoom: gr.Slider
    size: gr.Radio
    ground: gr.Radio
    colour: gr.ColorPicker
    picture: gr.Image
    mark: gr.Dropdown

    def all(self) -> list[Any]:
        return list(vars(self).values())

    def of_still(self) -> list[Any]:
        """What the picture on the stage shows before anything is generated."""
        names = (
            "face", "valence", "arousal", "expressiveness", "yaw", "pitch", "zoom", "ground", "colour", "picture",
            "mark",
        )  # fmt: skip
        return [getattr(self, name) for name in names]


def look_of(
    size: int, yaw: float, pitch: float, zoom: float, ground: str, colour: str, picture: str, mark: str
) -> Look:
    """The camera and background from the controls' values."""
    background = {COLOUR: _hex(colour), PICTURE: picture}.get(ground)
    return Look(int(size), yaw, pitch, zoom, background, mark)


def _hex(text: str | None) -> str | None:
    """The colour picker says #rrggbb or rgba(r, g, b, a)."""
    if not text or not text.startswith("rgb"):
        return text
    numbers = [float(x) for x in text[text.index("(") + 1 : text.rindex(")")].split(",")[:3]]
    return "#" + "".join(f"{max(0, min(255, round(x))):02x}" for x in numbers)


def curve_of(valence: float, arousal: float, timeline: dict | None) -> EmotionCurve:
    """Key frames where there are any, else the pad's mood from beginning to end."""
    keys = (timeline or {}).get("keys") or []
    if keys:
        return EmotionCurve.from_keys([(float(t), float(v), float(a)) for t, v, a in keys])
    return EmotionCurve.constant(valence, arousal)


def request_of(
    face: str, source: str, text: str, voice: str | None, audio: str | None, follow: bool,
    valence: float, arousal: float, timeline: dict | None, seed: float, head_motion: float, expressiveness: float,
    yaw: float, pitch: float, zoom: float, size: int, ground: str, colour: str, picture: str | None, mark: str,
) -> TalkRequest:  # fmt: skip
    """The controls' values as a request; raises InputError with a sentence."""
    return TalkRequest(
        avatar=face,
        text=text if source == TYPED else None,
        audio=audio if source == HEARD else None,
        voice=voice or None,
        emotion="auto" if follow else curve_of(valence, arousal, timeline),
        valence_in_auto=valence,
        seed=int(seed or 0),
        head_motion=head_motion,
        expressiveness=expressiveness,
        look=look_of(size, yaw, pitch, zoom, ground, colour, picture, mark),
        max_seconds=max_seconds(),
    )


def voice_title(voice: VoiceInfo) -> str:
    """One line of the voice menu."""
    return f"{voice.description} ({voice.language})"


def friendly(error: Exception) -> gr.Error:
    """A toast for any failure; the words are escaped, since they may quote what somebody typed."""
    if isinstance(error, EmotalkError):
        return gr.Error(html.escape(str(error)), title="That did not work", print_exception=False)
    return gr.Error("Something unexpected went wrong; the server's log has the details.", title="Sorry")


class TalkTab:
    """Builds the tab inside a `gr.Blocks` and holds its handlers."""

    def __init__(self, studio: Studio, clips: LiveClips, blocks: gr.Blocks) -> None:
        self.blocks = blocks
        self.studio = studio
        self.clips = clips
        self.line = WaitingLine()
        people = people_of(studio)
        chosen = people[0]["name"] if people else ""
        self._layout(people, chosen)
        self._follow_each_other()
        self._live_still()
        self._generate()
        self._sheet()

    def _layout(self, people: list[dict[str, str]], chosen: str) -> None:
        voices = [(voice_title(voice), voice.id) for voice in self.studio.voices()]
        valence, arousal = FIRST_MOOD
        with gr.Row(equal_height=False, elem_id="talk-row"):
            with gr.Column(scale=6, min_width=320, elem_id="stage-column"):
                # The small picture stands in until the first still is drawn, which may have to compile the renderer.
                self.stage = parts.stage(next((p["portrait"] for p in people if p["name"] == chosen), ""))
                self.still = parts.still()
                self.status = gr.HTML(value="", elem_id="status", padding=False)
                with gr.Row(elem_id="downloads"):
                    self.save_video = gr.DownloadButton("Video (mp4)", visible=False, size="sm", elem_id="save-video")
                    self.save_motion = gr.DownloadButton(
                        "Motion (Live Link CSV)", visible=False, size="sm", elem_id="save-motion"
                    )
                face = parts.faces(people, chosen)
                with gr.Row(elem_id="starters"):
                    self.starters = {
                        gr.Button(title, size="sm", variant="secondary"): line for title, line in STARTERS.items()
                    }
            with gr.Column(scale=5, min_width=320):
                with gr.Group():
                    source = gr.Radio([TYPED, HEARD], value=TYPED, show_label=False, container=False, elem_id="source")
                    text = gr.Textbox(
                        FIRST_TEXT, label="What to say", lines=3, max_lines=8, elem_id="say", autofocus=False
                    )
                    voice = gr.Dropdown(voices, value=voices[0][1] if voices else None, label="Voice", elem_id="voice")
                    audio = gr.Audio(
                        sources=["upload", "microphone"], type="filepath", label="Audio file or microphone",
                        visible=False, elem_id="audio",
                    )  # fmt: skip
                with gr.Group(elem_id="mood-card"), gr.Row(elem_id="mood-row"):
                    with gr.Column(scale=6, min_width=240):
                        self.pad = parts.mood_pad(valence, arousal)
                    with gr.Column(scale=5, min_width=200):
                        valence = gr.Slider(-1, 1, valence, step=0.01, label="Valence")
                        arousal = gr.Slider(-1, 1, arousal, step=0.01, label="Arousal")
                        follow = gr.Checkbox(
                            False, label="Follow the voice", info="Arousal is heard in the voice; valence stays as set."
                        )
                with gr.Row(elem_id="generate-row"):
                    self.go = gr.Button("Generate", variant="primary", size="lg", elem_id="generate", scale=4)
                    self.stop = gr.Button("Stop", size="lg", elem_id="stop", scale=1, min_width=90)
                with gr.Accordion("Mood over time", open=False):
                    timeline = parts.timeline(*FIRST_MOOD)
                with gr.Accordion("Camera, background and more", open=False):
                    with gr.Row():
                        yaw = gr.Slider(-40, 40, 0, step=1, label="Camera left/right (degrees)")
                        pitch = gr.Slider(-20, 20, 0, step=1, label="Camera down/up (degrees)")
                    with gr.Row():
                        zoom = gr.Slider(0.6, 1.8, 1.0, step=0.05, label="Zoom")
                        size = gr.Radio(list(SIZES), value=512, label="Size (pixels)")
                    with gr.Row():
                        head_motion = gr.Slider(0, 2, 1, step=0.05, label="Head motion")
                        expressiveness = gr.Slider(0, 2, 1, step=0.05, label="Expressiveness")
                    with gr.Row():
                        ground = gr.Radio([OWN, COLOUR, PICTURE], value=OWN, label="Background")
                        colour = gr.ColorPicker("#cfe3f2", label="Background colour", visible=False)
                        picture = gr.Image(
                            label="Background picture", type="filepath", visible=False, height=140, sources=["upload"]
                        )
                    with gr.Row():
                        seed = gr.Number(0, label="Seed", precision=0, minimum=0, info="another number, another take")
                        mark = gr.Dropdown(list(MARK_POSITIONS), value="bottom-right", label='"AI generated" mark')
                self.sheet_button = gr.Button("Mood sheet: this face in 25 moods", size="sm", elem_id="sheet-button")
                self.sheet = gr.Image(visible=False, label="Mood sheet", elem_id="sheet", format="jpeg")
        self.controls = Controls(
            face, source, text, voice, audio, follow, valence, arousal, timeline, seed, head_motion, expressiveness,
            yaw, pitch, zoom, size, ground, colour, picture, mark,
        )  # fmt: skip

    def _follow_each_other(self) -> None:
        """Pad and sliders, all in the browser: no message to the server."""
        c = self.controls
        both = [c.valence, c.arousal]
        self.pad.input(None, self.pad, both, js="(point) => [point[0], point[1]]", show_progress="hidden")
        gr.on(
            [c.valence.change, c.arousal.change], None, [*both, c.timeline], [self.pad, c.timeline],
            js="(v, a, line) => [[v, a], {...(line || {}), mood: [v, a]}]", show_progress="hidden",
        )  # fmt: skip
        c.source.change(
            lambda source: (gr.update(visible=source == TYPED), gr.update(visible=source == TYPED),
                            gr.update(visible=source == HEARD)),
            c.source, [c.text, c.voice, c.audio], show_progress="hidden", api_visibility="private", queue=False,
        )  # fmt: skip
        c.ground.change(
            lambda ground: (gr.update(visible=ground == COLOUR), gr.update(visible=ground == PICTURE)),
            c.ground, [c.colour, c.picture], show_progress="hidden", api_visibility="private", queue=False,
        )  # fmt: skip

    def _live_still(self) -> None:
        """The face on the stage shows every change of mood and camera at once."""
        c = self.controls

        def still(face, valence, arousal, expressiveness, yaw, pitch, zoom, ground, colour, picture, mark):
            try:
                look = look_of(512, yaw, pitch, zoom, ground, colour, picture, mark)
                image = self.studio.still(face, look, valence, arousal, expressiveness)
            except EmotalkError as error:
                raise friendly(error) from error
            return data_address(image)

        watched = [self.blocks.load, c.face.input, *(getattr(part, "change") for part in c.of_still()[1:])]  # noqa: B009
        gr.on(
            watched, still, c.of_still(), self.still, show_progress="hidden", trigger_mode="always_last", queue=False,
            api_visibility="private",
        )  # fmt: skip

    def _generate(self) -> None:
        c = self.controls
        outputs = [self.stage, self.status, self.save_video, self.save_motion]
        shared = {
            "inputs": c.all(), "outputs": outputs, "show_progress": "minimal", "show_progress_on": self.status,
            "concurrency_id": "talk", "concurrency_limit": 1, "api_visibility": "private",
        }  # fmt: skip
        starts = [self.go.click, c.text.submit]
        events = [start(self.generate, trigger_mode="once", **shared) for start in starts]
        for button, (text, valence, arousal) in self.starters.items():
            fill = f"() => {json.dumps([TYPED, text, valence, arousal])}"
            filled = button.click(None, None, [c.source, c.text, c.valence, c.arousal], js=fill, show_progress="hidden")
            events.append(filled.then(self.generate, trigger_mode="once", **shared))
        starts += [button.click for button in self.starters]
        gr.on(starts, self.line.join, queue=False, show_progress="hidden", api_visibility="private")
        self.stop.click(
            self.stopped, None, self.stage, cancels=events, api_visibility="private", queue=False,
            show_progress="hidden",
        )  # fmt: skip

    def _sheet(self) -> None:
        c = self.controls

        def sheet(face, *rest):
            _, _, expressiveness, yaw, pitch, zoom, ground, colour, picture, mark = rest
            try:
                look = look_of(256, yaw, pitch, zoom, ground, colour, picture, "off")
                return gr.update(value=self.studio.mood_sheet(face, look, expressiveness, mark=mark), visible=True)
            except EmotalkError as error:
                raise friendly(error) from error

        self.sheet_button.click(
            sheet, c.of_still(), self.sheet, concurrency_id="talk", concurrency_limit=1, api_visibility="private"
        )

    def generate(self, request: gr.Request, *values: Any) -> Iterator[tuple]:
        """Start a talk and report it until it has ended; closing the generator stops the talk."""
        same = gr.skip()
        if self.line.left(request):
            yield _ended(), "", same, same
            return
        try:
            clip = self.clips.start(request.session_hash or "", request_of(*values))
        except EmotalkError as error:
            yield _ended(), "", same, same
            raise friendly(error) from error
        hidden = gr.update(visible=False)
        try:
            yield _stage(clip), "", hidden, hidden
            while not clip.wait(0.4):
                yield _stage(clip), _line(clip), same, same
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
            _stage(clip), _line(clip), gr.update(value=made.path, visible=True),
            gr.update(value=made.motion_path, visible=made.motion_path is not None),
        )  # fmt: skip

    def stopped(self, request: gr.Request) -> dict[str, Any]:
        """The stage after Stop."""
        self.line.leave(request)
        return _ended()


class WaitingLine:
    """Who pressed Stop while still waiting in line: Gradio starts a waiting talk even after it was cancelled."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Counter[str] = Counter()
        self._leaving: Counter[str] = Counter()

    def join(self, request: gr.Request) -> None:
        """A page asked for a talk."""
        with self._lock:
            self._waiting[request.session_hash or ""] += 1

    def leave(self, request: gr.Request) -> None:
        """A page pressed Stop: none of the talks that it waits for shall begin."""
        with self._lock:
            session = request.session_hash or ""
            self._leaving[session] = max(0, self._waiting[session])

    def left(self, request: gr.Request) -> bool:
        """A talk's turn has come; says whether its page does not want it any more."""
        with self._lock:
            session = request.session_hash or ""
            self._waiting[session] -= 1  # below zero for a moment where the turn came before `join` did
            if self._leaving[session] <= 0:
                return False
            self._leaving[session] -= 1
            return True


def _ended() -> dict[str, Any]:
    """The stage without a clip; the number makes every one a new value, which the page would else overlook."""
    return {"state": "stopped", "at": time.monotonic()}


def _stage(clip: LiveClip) -> dict[str, Any]:
    value = {"id": clip.token, "state": "working", "note": _words(clip), "share": round(clip.progress.share, 3)}
    if clip.playable:
        value["live"] = clip.live_path
    if clip.clip is not None:
        value |= {"state": "done", "final": clip.final_path}
    return value


def _words(clip: LiveClip) -> str:
    return {"speech": "Finding the words...", "motion": "Moving the face..."}.get(clip.progress.stage, "Working...")


def _line(clip: LiveClip) -> str:
    """One quiet line below the stage."""
    if clip.clip is not None:
        made, took = clip.clip, clip.clip.timings["total"]
        return f'<div class="line">{made.seconds:.1f} s of video made in {took:.1f} s</div>'
    p = clip.progress
    if not p.frames:
        return f'<div class="line">{_words(clip)}</div>'
    of = f" of {p.total / 25:.0f}" if p.total else ""
    return f'<div class="line">{p.frames / 25:.0f}{of} s of video, {p.frames / max(p.elapsed, 1e-3):.0f} frames/s</div>'
