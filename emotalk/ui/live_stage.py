"""The living face of the Talk tab: which face is drawn in the browser, and what the controls tell it there.

    chosen face ─► show (server: `LiveFaces.show`) ─► living part ─► canvas on the stage
    pad, camera, Talk, Stop ─────────────────────────► events of the page's document, no message to the server

Where a browser cannot draw a face, nothing of this is seen and the server is not asked.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotalk.core.errors import EmotalkError
from emotalk.server.visitors import address_of
from emotalk.ui import parts
from emotalk.ui.controls import COLOUR, CONVERSED, OWN, TYPED
from emotalk.ui.toasts import friendly

if TYPE_CHECKING:
    from emotalk.server.live_faces import LiveFaces
    from emotalk.ui.controls import Controls

_ABLE = "(face) => [window.emotalkLive ? face : '']"
_DRAWN_HERE = f"""(shape, captions, ground) => shape === "1:1" && captions === "off" &&
  {json.dumps([OWN, COLOUR])}.includes(ground)"""
"""Whether the canvas shows what a video with these settings shows; else the server draws it."""
_VIEW = f"""(valence, arousal, expressiveness, yaw, pitch, zoom, mark, ground, colour, shape, captions) => {{
  const rgb = (text) => {{
    const pen = document.createElement("canvas").getContext("2d");
    pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map((x) => x / 255);
  }};
  const detail = {{
    valence, arousal, expressiveness, yaw, pitch, zoom, corner: mark, still: !({_DRAWN_HERE})(shape, captions, ground),
    background: ground === {json.dumps(COLOUR)} && colour ? rgb(colour) : null,
  }};
  document.dispatchEvent(new CustomEvent("emotalk-view", {{ detail }}));
}}"""
_SAY = f"""(avatar, source, text, voice, valence, arousal, expressiveness, head_motion, mood_in_voice, seed,
    follow) => {{
  if (!document.body.classList.contains("emotalk-live") || source !== {json.dumps(TYPED)}) {{
    document.querySelector("#generate").click();
    return;
  }}
  const detail = {{
    avatar, text, voice: voice || null, valence, arousal, expressiveness, head_motion, mood_in_voice, follow,
    seed: seed || 0,
  }};
  document.dispatchEvent(new CustomEvent("emotalk-say", {{ detail }}));
}}"""
_WISH = """(voice, valence, arousal, expressiveness, head_motion, mood_in_voice, seed) => {
  const detail = {
    voice: voice || null, valence, arousal, expressiveness, head_motion, mood_in_voice, seed: seed || 0,
  };
  document.dispatchEvent(new CustomEvent("emotalk-wish", { detail }));
}"""
_CONVERSATION = f"""(source) => {{
  const detail = source === {json.dumps(CONVERSED)};
  document.dispatchEvent(new CustomEvent("emotalk-conversation", {{ detail }}));
}}"""
REFUSED = "() => document.dispatchEvent(new CustomEvent('emotalk-refused'))"
_HUSH = "() => document.dispatchEvent(new CustomEvent('emotalk-hush'))"
STILL_UNLESS_LIVE = f"""(face, ...rest) => {{
  const [, , , , , , ground, , , , shape, captions] = rest;
  const there = window.emotalkLive && document.querySelector("#stage .alive canvas");
  if (there && ({_DRAWN_HERE})(shape, captions, ground)) return;
  document.dispatchEvent(new CustomEvent("emotalk-restill"));
}}"""
"""Given the still's arguments (`Controls.of_still`): lets the part `still` ask for one (`input`), unless the browser
draws the face: then no message goes to the server."""


class LiveStage:
    """Makes the living part where it is made, and connects it with the tab's controls."""

    def __init__(self, faces: LiveFaces) -> None:
        self._faces = faces
        self.part = parts.living(faces.script_path)

    def chat(self) -> Any:
        """The part for talking with the face, made in the current column; `converse` connects it."""
        return parts.chat(self._faces.dialogue_path)

    def connect(self, controls: Controls, blocks: gr.Blocks, downloads: list[Any]) -> None:
        """Keep the canvas showing the chosen face, as the controls say."""
        c = controls

        async def show(request: gr.Request, face: str) -> Any:
            session = request.session_hash or ""
            if not face:
                return gr.skip()
            try:
                shown = await self._faces.show(session, face, address=address_of(request.request))
                return gr.skip() if shown is None else {"name": face, "ticket": self._faces.ticket(session), **shown}
            except EmotalkError as error:
                raise friendly(error) from error

        self._show = show
        for event in (self.part.input, c.face.input):
            self.follow(event, c, trigger_mode="always_last")
        for event in downloads:
            self.follow(event.success, c)
        looked = [
            c.valence,
            c.arousal,
            c.expressiveness,
            c.yaw,
            c.pitch,
            c.zoom,
            c.mark,
            c.ground,
            c.colour,
            c.shape,
            c.captions,
        ]
        # `load` too: what was set before the page listened.
        gr.on([blocks.load, *(part.change for part in looked)], None, looked, None, js=_VIEW, show_progress="hidden")

    def follow(self, event: Any, controls: Controls, **options: Any) -> None:
        """Let `event`, after which another face may be chosen, show it."""
        event(
            self._show, controls.face, self.part, js=_ABLE, show_progress="hidden", queue=False,
            api_visibility="private", **options,
        )  # fmt: skip

    @staticmethod
    def say_inputs(controls: Controls) -> list[Any]:
        """What SAY takes."""
        c = controls
        return [
            c.face, c.source, c.text, c.voice, c.valence, c.arousal, c.expressiveness, c.head_motion, c.mood_in_voice,
            c.seed, c.follow,
        ]  # fmt: skip

    def say(self, event: Any, controls: Controls) -> Any:
        """Let `event` make the face say the text; where there is no living face, it makes a video."""
        return event(None, self.say_inputs(controls), None, js=_SAY, show_progress="hidden")

    def converse(self, chat: Any, controls: Controls) -> None:
        """Open `chat` where a conversation is chosen, and tell it how the face is to speak. All in the browser: what is
        said goes to the address of the live face, and neither it nor a model's key is in an event of the page."""
        c = controls
        c.source.change(None, c.source, None, js=_CONVERSATION, show_progress="hidden")
        spoken = [c.voice, c.valence, c.arousal, c.expressiveness, c.head_motion, c.mood_in_voice, c.seed]
        chat.submit(None, spoken, None, js=_WISH, show_progress="hidden")

    def hush(self, event: Any) -> None:
        """Let `event` silence it."""
        event(None, None, None, js=_HUSH, show_progress="hidden")
