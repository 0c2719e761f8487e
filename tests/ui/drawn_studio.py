"""A studio that draws a cartoon face: the page's behaviour without models. The videos are real files."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from emotalk.avatar import AvatarCard, AvatarInfo
from emotalk.avatar.gallery import own_folder
from emotalk.core.clip import Clip
from emotalk.core.errors import AvatarError, Cancelled, InputError, VoiceError
from emotalk.core.progress import Progress
from emotalk.core.speech import Speech
from emotalk.hub import HubAddress
from emotalk.speech.voice import VoiceInfo
from emotalk.talk.background import Colour, Transparent
from emotalk.talk.request import Look, TalkRequest
from emotalk.video import Mark, VideoWriter
from emotalk.video.alpha_writer import AlphaWriter


class DrawnStudio:
    """Stands in for `emotalk.talk.studio.Studio`; `frame_seconds` makes it as slow as a test wants, `most_rate`
    (frames a second) lets it be no quicker than that; a talk has `frames`."""

    def __init__(self, folder: Path, names: tuple[str, ...] = ("mira", "kofi"), frame_seconds: float = 0.0) -> None:
        self.device = torch.device("cpu")
        self.frame_seconds = frame_seconds
        self.most_rate: float | None = None
        self.frames = 75
        self.requests: list[TalkRequest] = []
        self.looks: list[Look] = []
        self.samples: list[tuple] = []
        self.forgotten: list[str] = []
        self.registered: dict[str, Path] = {}
        self.running = 0
        self.most_running = 0
        self.cancelled = 0
        self._infos = []
        for name in names:
            thumbnail = folder / f"{name}.jpg"
            Image.fromarray(self._draw(name, 256, 0.5, 0.2)).save(thumbnail)
            card = AvatarCard(name=name.title(), licence="CC0-1.0", provenance="drawn by a test", synthetic=True)
            self._infos.append(AvatarInfo(name, folder, card, thumbnail, True))

    encoders = ("embedded",)

    def avatars(self) -> list[AvatarInfo]:
        return self._infos

    def forget(self, name: str) -> None:
        self.forgotten.append(name)

    def register(self, name: str, folder: Path) -> None:
        self.registered[name] = folder

    def unregister(self, name: str) -> None:
        del self.registered[name]

    def voices(self) -> list[VoiceInfo]:
        return [VoiceInfo("drawn:tone", "en", 1, "CC0-1.0", "A tone", True)]

    def still(self, avatar: str, look: Look, valence: float, arousal: float, expressiveness: float = 1.0) -> np.ndarray:
        self._check(avatar)
        self.looks.append(look)
        frame = self._draw(avatar, look.size, valence * expressiveness, arousal, look)
        if look.captions != "off":
            frame[-20:-10, 10:-10] = 255
        Mark(look.size, look.size, look.mark).draw(frame)
        return with_alpha(frame) if isinstance(look.background, Transparent) else frame

    def mood_sheet(
        self, avatar: str, look: Look, expressiveness: float = 1.0, mark: str = "bottom-right"
    ) -> np.ndarray:
        axis = np.linspace(-1, 1, 5)
        return np.concatenate([np.concatenate([self._draw(avatar, 64, v, a) for v in axis], 1) for a in axis[::-1]])

    def talk(self, request, target, *, motion_out=None, on_piece=None, progress=None, cancelled=None) -> Clip:
        self._check(request.avatar)
        if request.text is not None and request.text.startswith("<"):
            raise InputError(f"There is nothing to say in {request.text!r}; type a sentence.")
        self.requests.append(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return self._talk(request, Path(target), motion_out, on_piece, progress, cancelled)
        finally:
            self.running -= 1

    def _talk(self, request, target, motion_out, on_piece, progress, cancelled) -> Clip:
        frames = self.frames
        curve = request.emotion.at(frames) if request.emotion != "auto" else np.zeros((frames, 2))
        look, started = request.look, time.perf_counter()
        mark = Mark(look.size, look.size, look.mark)
        clear = isinstance(look.background, Transparent)
        assert not (clear and on_piece), "alpha cannot be streamed"
        with (
            AlphaWriter(target, look.size, look.size)
            if clear
            else VideoWriter(target, look.size, look.size, on_piece=on_piece)
        ) as writer:
            for t in range(frames):
                if cancelled is not None and cancelled():
                    self.cancelled += 1
                    raise Cancelled("Stopped.")
                frame = self._draw(request.avatar, look.size, *map(float, curve[t]), look, mouth=abs(np.sin(t / 3)))
                mark.draw(frame)
                sound = 0.2 * np.sin(2 * np.pi * 220 * np.arange(t * 640, (t + 1) * 640) / 16000)
                writer.write(with_alpha(frame) if clear else frame, sound.astype(np.float32))
                if progress is not None:
                    progress(Progress("frames", t + 1, frames, time.perf_counter() - started))
                time.sleep(self.frame_seconds)
                if self.most_rate:
                    time.sleep(max(0.0, started + (t + 1) / self.most_rate - time.perf_counter()))
        if motion_out is not None:
            Path(motion_out).write_text("Timecode\n")
        took = time.perf_counter() - started
        directed = request.text is not None and "[" in request.text
        return Clip(
            str(target), frames / 25, frames, look.size, look.size, {"render": took, "total": took}, str(motion_out),
            moods=((0.5, 0.8, 0.4), (1.5, -0.7, -0.4)) if directed else (),
            words=((0.1, 0.5, "hello"), (0.5, 1.0, "there")) if request.text is not None else (),
            said="Hello there.",
        )  # fmt: skip

    def sample(self, avatar: str, voice: str | None, mood: tuple[float, float] | None = None) -> Speech:
        self._check(avatar)
        if voice is not None and voice not in {known.id for known in self.voices()}:
            raise VoiceError(f"There is no voice {voice!r}.")
        self.samples.append((avatar, voice, mood))
        return Speech(np.zeros(1600, np.float32))

    def avatar(self, name: str) -> None:
        self._check(name)

    def _check(self, avatar: str) -> None:
        own = {folder.name for folder in own_folder().glob("*")}
        known = {info.name for info in self._infos} | set(self.registered) | own
        if avatar not in known and HubAddress.parse(avatar) is None:
            raise AvatarError(f"There is no avatar called {avatar!r}; choose one of mira, kofi.")

    def _draw(
        self, avatar: str, size: int, valence: float, arousal: float, look: Look | None = None, mouth: float = 0.0
    ) -> np.ndarray:
        ground = (205, 220, 235)
        if look is not None and isinstance(look.background, Colour):
            ground = tuple(round(255 * x) for x in (look.background.red, look.background.green, look.background.blue))
        picture = Image.new("RGB", (size, size), ground)
        draw = ImageDraw.Draw(picture)
        skin = (232, 190, 160) if avatar == "mira" else (120, 80, 55)
        zoom = look.zoom if look is not None else 1.0
        shift = (look.yaw / 60 if look is not None else 0.0) * size / 2
        looks = {"ahead": (0, 0), "camera": (0, 2), "aside": (20, 0)}
        gaze = "ahead" if look is None else look.gaze
        right, up = looks[gaze] if isinstance(gaze, str) else gaze

        def at(x: float, y: float) -> tuple[float, float]:
            return size / 2 + x * zoom * size / 2 + shift, size / 2 + y * zoom * size / 2

        draw.ellipse([*at(-0.75, 0.6), *at(0.75, 1.9)], fill=(90, 110, 150))
        draw.ellipse([*at(-0.45, -0.65), *at(0.45, 0.55)], fill=skin)
        for x in (-0.18, 0.18):
            high = 0.05 + 0.03 * arousal
            x, y = x + right / 300, -0.15 - up / 300
            draw.ellipse([*at(x - 0.05, y - high), *at(x + 0.05, y + high)], fill=(30, 25, 40))
        curve = [at(x, 0.25 + 0.12 * valence * (1 - (x / 0.22) ** 2)) for x in np.linspace(-0.22, 0.22, 15)]
        draw.line(curve, fill=(120, 30, 40), width=max(2, size // 60))
        draw.ellipse([*at(-0.1, 0.28), *at(0.1, 0.29 + 0.12 * mouth)], fill=(90, 20, 30))
        return np.asarray(picture).copy()


def with_alpha(frame: np.ndarray) -> np.ndarray:
    """A picture [H, W, 3] whose ground, the colour of its upper left corner, is not there: [H, W, 4]."""
    seen = (frame != frame[0, 0]).any(-1, keepdims=True)
    return np.ascontiguousarray(np.concatenate([frame, np.where(seen, 255, 0)], -1).astype(np.uint8))
