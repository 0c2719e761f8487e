"""The part of the Talk tab that says what video is made: its shape, size, captions, background, take and mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from emotalk.speech.encoders import EMBEDDED
from emotalk.talk.request import SHAPES, SIZES
from emotalk.ui.controls import BLUR, CAPTIONS, CLEAR, COLOUR, GROUNDS, HEARD, OWN, PICTURE, marks_offered

NOTE = f"""(ground, captions, size, source) => {{
  const said = [];
  if (ground === "{CLEAR}") said.push(
    "Without a background the video is a .webm, shown when it is finished. Chrome, Edge and Firefox show through it; " +
    "Safari and most phones' galleries show black.");
  if (ground === "{BLUR}") said.push(
    "A picture is blurred, or without one the face's own background: that of an avatar made of a photo or video.");
  if (captions !== "off" && source === "{HEARD}") said.push(
    "Of an audio file there are captions where you say what is said in it.");
  if (size === 1024) said.push("1024 takes about four times as long as 512.");
  return said.length ? `<p class="line">${{said.join(" ")}}</p>` : "";
}}"""
"""What follows from a choice, in sentences: in the browser."""


@dataclass
class VideoControls:
    """The controls, and the line below them."""

    shape: gr.Radio
    size: gr.Radio
    captions: gr.Radio
    ground: gr.Radio
    colour: gr.ColorPicker
    picture: gr.Image
    seed: gr.Number
    mark: gr.Dropdown
    encoder: gr.Dropdown
    note: gr.HTML


def video_controls(encoders: Sequence[str]) -> VideoControls:
    """A closed section with the controls, in the current `gr.Blocks`. Where there is one of the `encoders` only, nobody
    is asked which."""
    with gr.Accordion("Video and background", open=False, elem_id="video"):
        with gr.Row():
            shape = gr.Radio(list(SHAPES), value="1:1", label="Shape", elem_id="shape")
            size = gr.Radio(list(SIZES), value=512, label="Size (pixels of the shorter side)", elem_id="size")
        captions = gr.Radio(list(CAPTIONS.items()), value="off", label="Captions in the picture", elem_id="captions")
        ground = gr.Radio(list(GROUNDS), value=OWN, label="Background", elem_id="ground")
        with gr.Row():
            colour = gr.ColorPicker("#cfe3f2", label="Background colour", visible=False)
            picture = gr.Image(
                label="Background picture", type="filepath", visible=False, height=140, sources=["upload"], buttons=[],
                image_mode=None,  # as it came: it is decoded where its size is known
            )  # fmt: skip
        note = gr.HTML("", elem_id="video-note", padding=False)
        with gr.Row():
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, info="another number, another take")
            mark = gr.Dropdown(marks_offered(), value="bottom-right", label='"AI generated" mark')
        encoder = gr.Dropdown(
            [("The embedded network" if name == EMBEDDED else name, name) for name in encoders], value=EMBEDDED,
            label="What hears the voice", visible=len(encoders) > 1, elem_id="encoder",
        )  # fmt: skip
    return VideoControls(shape, size, captions, ground, colour, picture, seed, mark, encoder, note)


def connect(video: VideoControls, source: Any) -> None:
    """Show what a background needs, and say what follows from a choice."""
    shared = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
    video.ground.change(
        lambda ground: (gr.update(visible=ground == COLOUR), gr.update(visible=ground in (PICTURE, BLUR))),
        video.ground, [video.colour, video.picture], **shared,
    )  # fmt: skip
    given = [video.ground, video.captions, video.size, source]
    gr.on([part.change for part in given], None, given, video.note, js=NOTE, show_progress="hidden")
