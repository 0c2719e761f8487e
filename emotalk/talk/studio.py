"""What people call: a `Studio` loads models and avatars once and makes clips, stills and mood sheets; `talk` makes one
clip. The work on a clip is in `job.py`."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from emotalk.core.blas import one_blas_thread
from emotalk.core.clip import Clip
from emotalk.core.errors import InputError, VoiceError
from emotalk.core.progress import ProgressCallback
from emotalk.emotion import EmotionCurve
from emotalk.hub.client import KEPT_REPOSITORIES
from emotalk.speech.encoders import EMBEDDED, load_encoder
from emotalk.talk.burned_captions import draw_sample
from emotalk.talk.driven import DrivenTalk
from emotalk.talk.job import Talk
from emotalk.talk.mood import mood_of, reach_of, style_of
from emotalk.talk.request import Look, TalkRequest, talk_request
from emotalk.talk.scene import Scene, still_motion, with_axes, with_mark
from emotalk.video import Mark
from emotalk.video.alpha_writer import straight_alpha

if TYPE_CHECKING:
    from emotalk.avatar import AvatarInfo, GaussianAvatar
    from emotalk.core.speech import Speech
    from emotalk.motion import MotionModel
    from emotalk.speech import SpeechEncoder
    from emotalk.speech.hub_encoder import HubSpeechEncoder
    from emotalk.speech.voice import VoiceInfo

log = logging.getLogger(__name__)

KEPT_AVATARS = 3
FOREIGN_VOICES = {
    "es": ("kokoro:ef_dora", "kokoro:em_alex"),
    "fr": ("kokoro:ff_siwis",),
    "hi": ("kokoro:hf_alpha", "kokoro:hm_omega"),
    "it": ("kokoro:if_sara", "kokoro:im_nicola"),
    "pt": ("kokoro:pf_dora", "kokoro:pm_alex"),
}
"""Which voice reads a text in another language: a woman's, a man's where there is one."""
SAMPLES = {
    "en": "Hello! This is how I sound.", "es": "¡Hola! Así suena mi voz.", "fr": "Bonjour ! Voici ma voix.",
    "it": "Ciao! Questa è la mia voce.", "pt": "Olá! Esta é a minha voz.", "de": "Hallo! So klinge ich.",
    "hi": "नमस्ते! यह मेरी आवाज़ है।",
}  # fmt: skip
"""What a voice says to be known; the others count to five."""
WOMAN, MAN = ("flite:slt", "espeak:en-us+f3"), ("flite:rms", "espeak:en-us")
PRESET_VOICES = {
    "mira": ("kokoro:af_heart", *WOMAN),
    "asha": ("kokoro:af_bella", *WOMAN),
    "elena": ("kokoro:bf_emma", *WOMAN),
    "kofi": ("kokoro:am_fenrir", *MAN),
    "jun": ("kokoro:am_puck", *MAN),
    "henrik": ("kokoro:bm_george", *MAN),
}
"""Which voice reads for a shipped avatar where none is asked for: the first of these that is installed."""


class Studio:
    """What is loaded once and shared by all talks: speech encoder, motion model, avatars. Safe to use from threads.

    Models are loaded at first use; `warm_up` does it ahead. `folders` says whether an avatar may be named by the
    path of its folder (a command line may, a web page must not). `encoder` and `motion` take the shipped ones' place;
    `encoders` names others that a request may choose beside it (`speech.encoders.load_encoder`), loaded at first use;
    `kept_downloads` repositories of the Hub stay on the disk, those used last. `device` ("auto", "cpu" or "cuda") is
    where avatars lie, are posed and are drawn; speech and motion, which are small, are computed on the CPU.

    Sets torch to one thread, and numpy too (`core.blas`): here frames are made in parallel, and a second torch thread
    spins where the next frame is drawn (measured on two busy cores: 43 ms of CPU per pose instead of 6, 4.9 per frame
    of motion instead of 0.7).
    """

    def __init__(
        self,
        folders: bool = False,
        encoder: SpeechEncoder | None = None,
        motion: MotionModel | None = None,
        kept_downloads: int = KEPT_REPOSITORIES,
        device: str | torch.device = "auto",
        encoders: Sequence[str] = (),
    ) -> None:
        torch.set_num_threads(1)
        one_blas_thread()
        self._folders, self._kept_downloads = folders, kept_downloads
        self._lock = threading.RLock()
        self._encoder, self._motion = encoder, motion
        self._others: dict[str, Any] = dict.fromkeys(encoders)  # encoders by name, None before they are loaded
        self._avatars: dict[str, GaussianAvatar] = {}
        self._registered: dict[str, Path] = {}
        self._head: str | None = None  # version
        self._drawing = threading.Lock()
        self._wanted_device, self._device = device, None

    @property
    def device(self) -> torch.device:
        """Where avatars are posed and drawn; InputError where the device that was asked for is not there."""
        with self._lock:
            if self._device is None:
                from emotalk.rendering.device import resolve_device

                # At first use: on a new GPU machine gsplat's CUDA code is compiled for minutes.
                self._device = resolve_device(self._wanted_device)
            return self._device

    def avatars(self) -> list[AvatarInfo]:
        """All avatars of the gallery; unusable ones carry their `problem`."""
        # Imported here: the page is put together before numba and the head are loaded.
        from emotalk.avatar import list_avatars
        from emotalk.avatar.model import head_version, same_head

        with self._lock:
            if self._head is None:
                from emotalk.head import HeadModel

                self._head = head_version(HeadModel.load())
        problem = "it was made for another version of the head; get a matching avatar or make it again."
        return [
            info
            if info.card is None or same_head(info.card.head_version, self._head)
            else replace(info, problem=problem)
            for info in list_avatars()
        ]

    def voices(self) -> list[VoiceInfo]:
        """The voices that are installed, best first."""
        # Imported here: speech libraries when they are first needed.
        from emotalk.speech import voices

        return voices(installed_only=True)

    def forked(self, device: str) -> Studio:
        """A studio for a process that was forked off this one: what is loaded is shared, its locks are new (those of
        this one may be held by threads that do not exist there), and its avatars go to `device`."""
        other = Studio(self._folders, kept_downloads=self._kept_downloads, device=device)
        other._encoder, other._motion, other._head = self._encoder, self._motion, self._head
        other._others = dict(self._others)
        other._avatars, other._registered = dict(self._avatars), dict(self._registered)
        return other

    def voice_for(self, avatar: str, language: str = "en") -> str | None:
        """The id of the voice that reads a text in a language for an avatar unless another is chosen; None: the best
        one for English."""
        # Imported here: speech libraries when they are first needed.
        from emotalk.speech.tts import default_voice, first_usable, wished_voice

        try:
            if (wished := wished_voice(language)) is not None:
                return wished.id
        except VoiceError:
            return None  # told when it is to speak
        if language != "en":
            voices = FOREIGN_VOICES.get(language, ())
            ordered = voices[::-1] if MAN[0] in PRESET_VOICES.get(avatar, ()) else voices
            try:
                return first_usable(ordered) or default_voice(language).id
            except VoiceError:
                return None  # nobody speaks it: the usual voice tries
        return first_usable(PRESET_VOICES.get(avatar, ()))

    def sample(self, avatar: str, voice: str | None, mood: tuple[float, float] | None = None) -> Speech:
        """A short sentence by a voice (None: the avatar's), in a mood (valence, arousal); VoiceError where there is no
        such voice."""
        # Imported here: speech libraries when they are first needed.
        from emotalk.speech import say
        from emotalk.speech.tts import find_voice

        chosen = voice or self.voice_for(avatar)
        language = find_voice(chosen).language.split("-")[0]
        return say(SAMPLES.get(language, "1 2 3 4 5"), chosen, emotion=mood)

    def avatar(self, name: str) -> GaussianAvatar:
        """A loaded avatar on the studio's device; AvatarError where there is none of that name."""
        # Imported here: numba and the Hub's client when the first face is needed.
        from emotalk.avatar.hub_avatars import load_avatar, resolve_avatar

        device = self.device
        if name not in self._avatars and name not in self._registered:
            resolve_avatar(name, paths=self._folders, keep=self._kept_downloads)  # a download holds up nobody else
        with self._lock:
            avatar = self._avatars.pop(name, None)
            if avatar is None:
                folder = self._registered.get(name)
                avatar = load_avatar(name, paths=self._folders) if folder is None else load_avatar(str(folder))
            if avatar.device.type != device.type:
                avatar = avatar.to(device)
            self._avatars[name] = avatar  # now the newest
            while len(self._avatars) > KEPT_AVATARS:
                self._avatars.pop(next(iter(self._avatars)))
        return avatar

    def avatar_folder(self, name: str) -> Path:
        """Where an avatar lies; AvatarError where there is none of that name. One on the Hub is downloaded."""
        # Imported here: as in `avatar`.
        from emotalk.avatar.hub_avatars import resolve_avatar

        with self._lock:
            registered = self._registered.get(name)
        return registered or resolve_avatar(name, paths=self._folders, keep=self._kept_downloads)

    def forget(self, name: str) -> None:
        """Load an avatar anew at its next use (it was fitted again or removed)."""
        with self._lock:
            self._avatars.pop(name, None)

    def register(self, name: str, folder: Path) -> None:
        """Let the avatar in `folder`, which is not in the gallery, be used by whoever knows this name."""
        with self._lock:
            self._registered[name] = folder

    def unregister(self, name: str) -> None:
        """The opposite of `register`; the avatar is forgotten too."""
        with self._lock:
            self._registered.pop(name, None)
            self._avatars.pop(name, None)

    @property
    def encoder(self) -> SpeechEncoder:
        """The speech encoder, loaded at first use."""
        with self._lock:
            if self._encoder is None:
                # Imported here: when it is first needed.
                from emotalk.speech import SpeechEncoder

                self._encoder = SpeechEncoder.load()
            return self._encoder

    @property
    def encoders(self) -> tuple[str, ...]:
        """Names of the speech encoders that a request may choose, the shipped one's first."""
        return (EMBEDDED, *self._others)

    def encoder_of(self, name: str) -> SpeechEncoder | HubSpeechEncoder:
        """The encoder of one of these names. Raises InputError for any other, CheckpointError or HubError."""
        if name == EMBEDDED:
            return self.encoder
        with self._lock:
            if name not in self._others:
                raise InputError(f"There is no speech encoder {name!r:.80} here; choose {' or '.join(self.encoders)}.")
            if self._others[name] is None:
                self._others[name] = load_encoder(name)
            return self._others[name]

    @property
    def motion(self) -> MotionModel:
        """The motion model of an average person, loaded at first use."""
        with self._lock:
            if self._motion is None:
                # Imported here: when it is first needed.
                from emotalk.motion import MotionModel

                self._motion = MotionModel.load()
            return self._motion

    def motion_of(self, avatar: str) -> MotionModel:
        """The motion model as the avatar's own person moves, where the avatar knows that, holding the head as in the
        avatar's video; else as it is."""
        person, model = self.avatar(avatar), self.motion
        if person.motion is not None:
            try:
                model = model.adapted(person.motion)
            except InputError as error:  # made for the motion network of another version
                log.warning("%s moves as an average person: %s", avatar, error)
        return model.holding(person.held) if person.card.home else model

    def warm_up(self, say: Callable[[str], None] | None = None) -> None:
        """Load everything a first talk with the first avatar needs, and compile the renderer if it is not."""
        tell = say or log.info
        tell("loading the models")
        _ = self.encoder, self.motion
        usable = [info.name for info in self.avatars() if not info.problem]
        if usable:
            tell("finding the voice (the large one is made ready once per machine)")
            # Imported here: speech libraries when they are first needed.
            from emotalk.speech.tts import prepare_voice

            try:
                prepare_voice(self.voice_for(usable[0]))
            except VoiceError as error:
                log.warning("%s", error)  # told again to whoever wants it to speak
            tell("drawing the first picture (compiles the renderer once per machine)")
            self.still(usable[0], Look(256), 0.0, 0.0)

    def still(self, avatar: str, look: Look, valence: float, arousal: float, expressiveness: float = 1.0) -> np.ndarray:
        """The face in a mood without speech, [height, width, 3] uint8; with alpha, 4, on a transparent background.
        Where the look has captions, a few words show how they will be."""
        person = self.avatar(avatar)
        scene, reach = Scene(person, look), reach_of(person.card, expressiveness)
        with self._drawing:
            frame = scene.draw(still_motion(valence * expressiveness, arousal * expressiveness, person.held, reach))
        if look.captions != "off":
            draw_sample(frame, look)
        Mark(look.width, look.height, look.mark).draw(frame)
        return frame if frame.shape[-1] == 3 else straight_alpha(frame)

    def mood_sheet(
        self, avatar: str, look: Look, expressiveness: float = 1.0, mark: str = "bottom-right", moods: int = 5
    ) -> np.ndarray:
        """One moment of a phrase in `moods` x `moods` moods, valence rising to the right and arousal upwards.

        Returns [H, W, 3] uint8 with the two axes written at the edges, and the mark beyond them. The moment is the
        widest vowel of "hello", as the motion model moves it under each mood.
        """
        # Imported here: when it is first needed.
        from emotalk.speech import say

        features = self.encoder.encode(say("Hello."))
        moment = int(features.at_video_rate().articulation[:, 0].argmax())
        person = self.avatar(avatar)
        style = replace(style_of(person.card, 0.2, expressiveness), blink_rate=0.0, gaze_wander=0.0)
        scene, model = Scene(person, look), self.motion_of(avatar)
        rows = []
        for arousal in np.linspace(1, -1, moods):
            row = []
            for valence in np.linspace(-1, 1, moods):
                curve = mood_of(EmotionCurve.constant(valence, arousal), expressiveness)
                motion = model(features, curve, style)
                with self._drawing:
                    row.append(scene.draw(motion, min(moment, len(motion) - 1)).copy())
            rows.append(np.concatenate(row, 1))
        sheet = with_axes(np.ascontiguousarray(np.concatenate(rows)), "valence", "arousal")
        return with_mark(sheet, mark, 2 * look.height)

    def talk(
        self,
        request: TalkRequest,
        target: str | Path | None,
        *,
        motion_out: str | Path | None = None,
        frames_dir: str | Path | None = None,
        captions: str | Path | None = None,
        landmarks_out: str | Path | None = None,
        on_piece: Callable[[bytes], None] | None = None,
        progress: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Clip:
        """Make the clip of a request.

        `target` is written when all is done and moved into place, in the format of its name (`video.formats`);
        `on_piece` gets playable pieces meanwhile (the first with the header), from another thread. `motion_out`
        receives the motion as Live Link Face CSV, `frames_dir` every frame as PNG, `captions` the words of a typed text
        or a transcript with their times (.srt or .vtt; none where a transcript does not fit its recording: a remark
        says so), `landmarks_out` the face's landmarks in every picture (.json or .npz, docs/landmarks.md). `cancelled`
        is asked before every frame; Cancelled is raised when it says so. Raises the package's errors; nothing
        half-written stays behind.
        """
        kind = Talk if request.motion is None else DrivenTalk
        talk = kind(self, request, progress, cancelled)
        return talk.run(target, motion_out, frames_dir, captions, on_piece, landmarks_out)

    def stream(self, request: TalkRequest, **options: Any) -> Iterator[bytes]:
        """The same as playable pieces of a fragmented mp4 while the work goes on: joined, they are the video.

        Takes `talk`'s options except `on_piece` and `cancelled`, and `target` to keep the finished file too. Closing
        the iterator stops the talk. An error of the talk is raised where the next piece would have come.
        """
        pieces: queue.Queue[bytes | None] = queue.Queue()
        stopped, failure = threading.Event(), []

        def work() -> None:
            try:
                target = options.pop("target", None)
                self.talk(request, target, on_piece=pieces.put, cancelled=stopped.is_set, **options)
            except Exception as error:
                failure.append(error)  # handed over to the reader below
            finally:
                pieces.put(None)

        thread = threading.Thread(target=work, name="emotalk-stream", daemon=True)
        thread.start()
        try:
            while (piece := pieces.get()) is not None:
                yield piece
        finally:
            stopped.set()
            thread.join()
        if failure:
            raise failure[0]


def talk(
    text: str | None = None,
    target: str | Path = "talk.mp4",
    *,
    audio: str | Path | None = None,
    avatar: str = "mira",
    emotion: EmotionCurve | tuple[float, float] | Path | str = (0.0, 0.0),
    voice: str | None = None,
    seed: int = 0,
    look: Look | None = None,
    device: str = "auto",
    **options: Any,
) -> Clip:
    """One video with a fresh studio: `talk("Hello!", "hello.mp4", emotion=(0.7, 0.3))`.

    `emotion` is (valence, arousal) in [-1, 1], or what `talk_request` takes; `device` is where
    it is drawn ("auto", "cpu" or "cuda"). Further options are those of `TalkRequest` (head_motion, expressiveness,
    mood_in_voice, transcript, motion) and of `Studio.talk` (motion_out, frames_dir, captions, landmarks_out, progress,
    cancelled). Raises the package's errors. Make a `Studio` yourself to load the models only once.
    """
    own = ("head_motion", "expressiveness", "mood_in_voice", "transcript", "motion")
    values = {name: options.pop(name) for name in own if name in options}
    valence, arousal = options.pop("valence_in_auto", 0.0), 0.0
    if isinstance(emotion, tuple):
        (valence, arousal), emotion = emotion, None
    request = talk_request(
        avatar=avatar, text=text, audio=audio, voice=voice, valence=valence, arousal=arousal,
        emotion=emotion, seed=seed, look=look, **values,
    )  # fmt: skip
    return Studio(folders=True, device=device).talk(request, target, **options)
