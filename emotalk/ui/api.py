"""What other programs call: `gradio_client`, HTTP, and MCP tools. Typed and documented for all three."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotalk.avatar.hub_avatars import recommended_avatars
from emotalk.core.camera import PORTRAIT_ZOOM
from emotalk.core.checks import check_whole
from emotalk.core.errors import Cancelled, EmotalkError
from emotalk.server.clip_files import offered
from emotalk.server.limits import max_seconds
from emotalk.server.line import abandoned
from emotalk.server.temporary import fresh_folder
from emotalk.talk.background import Background, Blurred, Colour, Transparent
from emotalk.talk.request import LARGEST_SIZE, SHAPES, Look, TalkRequest, talk_request
from emotalk.talk.shots import SHOTS, parse_gaze
from emotalk.ui.controls import check_mark, marks_offered
from emotalk.ui.toasts import friendly
from emotalk.video import CAPTION_STYLES

if TYPE_CHECKING:
    from emotalk.server.clips import LiveClip, LiveClips
    from emotalk.server.zero_gpu import Talker
    from emotalk.talk.studio import Studio


def add_endpoints(studio: Studio, talk_on: Talker, clips: LiveClips) -> None:
    """Add the endpoints /talk, /stream, /avatars and /voices to the current `gr.Blocks`; `clips` serves what /stream
    makes."""

    def talk(
        text: str = "",
        audio: str | None = None,
        avatar: str = "mira",
        valence: float = 0.0,
        arousal: float = 0.0,
        follow_voice: bool = False,
        voice: str = "",
        seed: int = 0,
        head_motion: float = 1.0,
        expressiveness: float = 1.0,
        yaw: float = 0.0,
        zoom: float = PORTRAIT_ZOOM,
        size: int = 512,
        background: str = "",
        mark: str = "bottom-right",
        mood_in_voice: bool = True,
        transcript: str = "",
        pitch: float = 0.0,
        shape: str = "1:1",
        captions: str = "off",
        shot: str = "still",
        gaze: str = "ahead",
        emotion: str = "",
        encoder: str = "embedded",
    ) -> tuple[str, str, str]:
        """Make a video of an animated face that says a text, or speaks along with an audio file, in a chosen mood.

        Args:
            text: What to say. Leave empty when `audio` is given.
            audio: An audio file with speech; the lips follow it. Leave empty when `text` is given.
            avatar: Who speaks: a name that /avatars lists, or an address on the Hugging Face Hub (org/name).
            valence: From -1 (unpleasant) to 1 (pleasant).
            arousal: From -1 (calm) to 1 (excited).
            follow_voice: Take the arousal from the sound of the voice instead.
            voice: Who reads the text; /voices lists the names. Empty: the voice of the avatar.
            seed: Another number gives another take of gaze, blinks and head motion.
            head_motion: From 0 (still) over 1 (natural) to 2.
            expressiveness: From 0 (none) over 1 (as chosen) to 2.
            yaw: Camera angle in degrees, from -60 to 60.
            zoom: From 0.5 (far) to 2.5 (near).
            size: The shorter side of the video in pixels, even, from 64 to 1080.
            background: Empty for the avatar's own, a colour such as #d8e4f0, blur (the avatar's own, out of focus), or
                transparent: the video is a .webm then.
            mark: Where the "AI generated" label stands, or "off" where the page is not open to everybody.
            mood_in_voice: Whether the voice that reads a text has the mood too.
            transcript: What is said in `audio`, if that is known; the lips are surer then.
            pitch: Camera angle in degrees, from -30 (from below) to 30 (from above).
            shape: 1:1, 9:16 (phones) or 16:9.
            captions: What is said, painted into the video: off, lines, highlight or words.
            shot: How the camera moves: still, push-in, drift or cut-in.
            gaze: Where the person looks: ahead, camera, aside, or a point in degrees to the right and up: 20,-5.
            emotion: In place of valence and arousal an emotion's name, such as happy, or key frames: seconds, each
                with a name or with valence and arousal, as in "0 happy, 2.5 -0.6 0.4, 4 sad".
            encoder: What hears the voice: embedded, or another speech encoder that the server's owner has named.

        Returns:
            The video (mp4, H.264 and AAC; a transparent one webm, VP9 and Opus), the motion (Live Link Face CSV), and
            what could not be followed: sentences, one a line, or nothing.
        """
        try:
            request = _request(
                text, audio, avatar, valence, arousal, follow_voice, voice, seed, head_motion, expressiveness, yaw,
                zoom, size, background, mark, mood_in_voice, transcript, pitch, shape, captions, shot, gaze, emotion,
                encoder,
            )  # fmt: skip
            folder = fresh_folder("calls")
            ending = "webm" if isinstance(request.look.background, Transparent) else "mp4"
            files = folder / f"emotalk.{ending}", folder / "emotalk-motion.csv"
            clip = talk_on(request, files[0], motion_out=files[1], cancelled=abandoned())
        except EmotalkError as error:
            raise friendly(error, shown=False) from error
        for remark in clip.remarks:
            gr.Warning(remark)  # while a job is watched; a tool's answer has the files and sentences alone
        return clip.path, clip.motion_path, "\n".join(clip.remarks)

    def stream(*values: Any) -> Iterator[dict[str, Any]]:
        """Make the same video as /talk, and tell where it can be watched while it is made and where its files are.

        Args:
            text: What to say; this and the other arguments are those of /talk.

        Returns:
            Addresses below this server's. First `live`, an mp4 that grows while it is read (none of a transparent
            video). At the end also `files`, by their endings (mp4 or webm, m4a, wav, png, gif, webp, csv, and srt and
            vtt where the words are known, each made when it is fetched), `seconds` and `remarks`.
        """
        gone = abandoned()
        try:
            # A session of its own: nobody else's ends it.
            clip = clips.start(secrets.token_urlsafe(), _request(*values))
        except EmotalkError as error:
            raise friendly(error, shown=False) from error
        try:
            told = False
            while not clip.wait(0.4):
                if gone():
                    return
                if clip.playable and not told:
                    told = True
                    yield {"live": clip.live_path}
        finally:
            if not clip.done:
                clip.cancel()
        if clip.error is not None:
            stopped = isinstance(clip.error, Cancelled)
            raise friendly(clip.error, shown=False) from (None if stopped else clip.error)
        yield _made(clip)

    stream.__signature__ = inspect.signature(talk)

    def avatars() -> list[dict[str, str]]:
        """List the faces that can speak: name, title, licence, and whether the person is synthetic.

        Recommended ones from the Hugging Face Hub follow, named by their address; each downloads on first use.
        """
        here = [
            {
                "name": info.name,
                "title": info.card.name,
                "licence": info.card.licence,
                "kind": "synthetic" if info.card.synthetic else "real, with consent",
            }
            for info in studio.avatars()
            if info.card is not None and not info.problem
        ]
        on_the_hub = [
            {"name": entry.address, "title": entry.title, "licence": entry.licence, "kind": "on the Hugging Face Hub"}
            for entry in recommended_avatars()
        ]
        return [*here, *on_the_hub]

    def voices() -> list[dict[str, str]]:
        """List the voices that can read a text here: id, title, language."""
        return [{"id": v.id, "title": v.description, "language": v.language} for v in studio.voices()]

    with gr.Column(elem_id="hidden-api", visible=False):
        inputs = [
            gr.Textbox("", label="text"), gr.Audio(type="filepath", label="audio"), gr.Textbox("mira", label="avatar"),
            gr.Number(0.0, label="valence"), gr.Number(0.0, label="arousal"), gr.Checkbox(label="follow_voice"),
            gr.Textbox("", label="voice"), gr.Number(0, label="seed", precision=0), gr.Number(1.0, label="head_motion"),
            gr.Number(1.0, label="expressiveness"), gr.Number(0.0, label="yaw"), gr.Number(PORTRAIT_ZOOM, label="zoom"),
            gr.Number(512, label="size", precision=0), gr.Textbox("", label="background"),
            gr.Dropdown(marks_offered(), value="bottom-right", label="mark"),
            gr.Checkbox(True, label="mood_in_voice"), gr.Textbox("", label="transcript"), gr.Number(0.0, label="pitch"),
            gr.Dropdown(list(SHAPES), value="1:1", label="shape"),
            gr.Dropdown(list(CAPTION_STYLES), value="off", label="captions"),
            gr.Dropdown(list(SHOTS), value="still", label="shot"), gr.Textbox("ahead", label="gaze"),
            gr.Textbox("", label="emotion"), gr.Dropdown(list(studio.encoders), value="embedded", label="encoder"),
        ]  # fmt: skip
        outputs = [gr.File(label="video"), gr.File(label="motion"), gr.Textbox(label="remarks")]
        one_at_a_time = {"concurrency_id": "talk", "concurrency_limit": 1}
        gr.Button("talk").click(talk, inputs, outputs, api_name="talk", **one_at_a_time)
        gr.Button("stream").click(stream, inputs, gr.JSON(label="addresses"), api_name="stream", **one_at_a_time)
    gr.api(avatars, api_name="avatars")
    gr.api(voices, api_name="voices")


def _request(
    text: str, audio: str | None, avatar: str, valence: float, arousal: float, follow_voice: bool, voice: str,
    seed: int, head_motion: float, expressiveness: float, yaw: float, zoom: float, size: int, background: str,
    mark: str, mood_in_voice: bool, transcript: str, pitch: float, shape: str, captions: str, shot: str, gaze: str,
    emotion: str, encoder: str,
) -> TalkRequest:  # fmt: skip
    """What the arguments of /talk ask for; raises the package's errors."""
    # A colour only: nobody may name files of the server.
    ground = _background(background)
    size = check_whole("The size", size, 64, LARGEST_SIZE)
    return talk_request(
        avatar=avatar,
        text=text,
        audio=audio,
        voice=voice,
        valence=valence,
        arousal=arousal,
        emotion="auto" if follow_voice else emotion or None,
        seed=seed,
        head_motion=head_motion,
        expressiveness=expressiveness,
        mood_in_voice=mood_in_voice,
        look=Look(size, yaw, pitch, zoom, ground, check_mark(mark), shape, captions, shot, parse_gaze(gaze)),
        max_seconds=max_seconds(),
        transcript=transcript,
        encoder=encoder,
    )


def _made(clip: LiveClip) -> dict[str, Any]:
    """What /stream tells of a finished clip."""
    files = {ending: f"{clip.files_path}.{ending}" for ending in offered(clip.clip)}
    live = {"live": clip.live_path} if clip.playable else {}
    return live | {"files": files, "seconds": clip.clip.seconds, "remarks": list(clip.clip.remarks)}


def _background(given: str) -> Background | None:
    if not given:
        return None
    named = {"blur": Blurred(), "transparent": Transparent()}
    return named[given] if isinstance(given, str) and given in named else Colour.parse(given)
