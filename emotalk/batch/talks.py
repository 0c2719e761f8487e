"""Jobs that make videos: `talk` and `scene`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotalk.batch.kinds import (
    BACKGROUND,
    MEDIA,
    MOOD,
    NUMBER,
    SCRIPT,
    TEXT,
    TRUTH,
    WHOLE,
    WORDS,
    Checked,
    Desk,
    Kind,
    Options,
)
from emotalk.batch.models import MODELS, check_models, studio_for
from emotalk.core.errors import InputError
from emotalk.core.file_names import file_name_of
from emotalk.talk.background import Transparent
from emotalk.talk.captions import check_captions_path
from emotalk.talk.cast import cast, voice_of
from emotalk.talk.play import PlayRequest, play
from emotalk.talk.request import Look
from emotalk.talk.screenplay import read_screenplay, same_name
from emotalk.talk.take_store import TakeStore
from emotalk.talk.typed import typed_look, typed_talk
from emotalk.video.alpha_writer import check_alpha_format
from emotalk.video.formats import check_format

if TYPE_CHECKING:
    from emotalk.core.clip import Clip
    from emotalk.talk.request import TalkRequest

_LOOK = {
    "size": WHOLE, "yaw": NUMBER, "pitch": NUMBER, "zoom": NUMBER, "shot": TEXT, "gaze": TEXT,
    "background": BACKGROUND, "shape": TEXT, "captions_in_picture": TEXT, "mark": TEXT,
}  # fmt: skip
_SHARED = {"seed": WHOLE, "head_motion": NUMBER, "expressiveness": NUMBER, "mood_in_voice": TRUTH}
_FILES = {"device": TEXT, "format": TEXT, "captions": TEXT}
"""What both kinds make: `format` is the ending of the video's name, `captions` srt or vtt."""
_SAID = {
    "text": TEXT, "audio": MEDIA, "avatar": TEXT, "valence": NUMBER, "arousal": NUMBER, "emotion": MOOD, "voice": TEXT,
    "transcript": WORDS, "landmarks": MEDIA, "landmarks_fps": NUMBER, "landmarks_size": TEXT,
}  # fmt: skip
_BESIDE = {"motion_out": TRUTH, "landmarks_out": TEXT, "frames": TRUTH}
"""What a talk writes beside its video: its motion, its landmarks as json or npz, its frames as PNG."""


def _look(options: Options) -> Look:
    return typed_look(**{name: options[name] for name in _LOOK if name in options})


def _request(options: Options, look: Look, without: tuple[str, ...] = ()) -> TalkRequest:
    values = {name: options[name] for name in (*_SAID, *_SHARED) if name in options and name not in without}
    if "landmarks" in values:
        values["landmarks"] = Path(values["landmarks"])
    return typed_talk(look, **values)


@functools.cache
def _voice(voice: str) -> str:
    # Imported here: voices only for jobs that speak.
    from emotalk.speech.tts import find_voice

    return find_voice(voice).id


def _reader(desk: Desk, request: TalkRequest) -> str:
    """The id of the voice that reads a text: the one asked for, or the one that fits the avatar and the language."""
    # Imported here: as above.
    from emotalk.speech.direction import parse
    from emotalk.speech.language import detect
    from emotalk.speech.tts import find_voice

    if request.voice is not None:
        return _voice(request.voice)
    avatar, language = request.avatar, detect(parse(request.text).written) or "en"
    studio = desk.studio("auto")
    return desk.keep(f"voice {language} {avatar}", lambda: find_voice(studio.voice_for(avatar, language)).id)


def _check_files(options: Options, look: Look) -> None:
    video = Path(f"talk.{options.get('format', 'mp4')}")
    (check_alpha_format if isinstance(look.background, Transparent) else check_format)(video)
    if "captions" in options:
        check_captions_path(f"talk.{options['captions']}")


def _check_talk(desk: Desk, options: Options) -> Checked:
    look = _look(options)
    _check_files(options, look)
    voices: tuple[str, ...] = ()
    if "landmarks" in options:
        # They are read when the talk is made: the motion of an hour takes a minute.
        if "text" in options:
            raise InputError("Landmarks bring lips of their own: leave the text out, or give the sound as 'audio'.")
        name = file_name_of(Path(options["landmarks"]).stem)
    else:
        request = _request(options, look)
        name = request.file_name
        if request.text is not None:
            voices = (_reader(desk, request),)
    if options.get("landmarks_out", "json") not in ("json", "npz"):
        raise InputError(f"'landmarks_out' must be json or npz, found {options['landmarks_out']!r:.40}.")
    if "audio" in options and "transcript" not in options and ("captions" in options or look.captions != "off"):
        raise InputError("Captions need words, and a recording comes without its own: give them as its transcript.")
    if "voice" in options:
        _voice(options["voice"])
    avatar = desk.studio("auto").avatar_folder(options.get("avatar", "mira"))
    return Checked(name, (avatar, *check_models(desk, options)), voices)


def _make_talk(desk: Desk, options: Options, result: Path, work: Path) -> dict[str, Any]:
    request = _request(options, _look(options))
    studio = studio_for(desk, options)
    beside: dict[str, Path] = {}
    if options.get("motion_out"):
        beside["motion_out"] = result / "motion.csv"
    if "landmarks_out" in options:
        beside["landmarks_out"] = result / f"landmarks.{options['landmarks_out']}"
    if options.get("frames"):
        beside["frames_dir"] = result / "frames"
    if "captions" in options:
        beside["captions"] = result / f"talk.{options['captions']}"
    return _told(studio.talk(request, result / f"talk.{options.get('format', 'mp4')}", **beside))


def _play(options: Options, look: Look) -> PlayRequest:
    values = {name: options[name] for name in ("staging", *_SHARED) if name in options}
    return PlayRequest(read_screenplay(options["script"]), look=look, **values)


def _check_scene(desk: Desk, options: Options) -> Checked:
    look = _look(options)
    _check_files(options, look)
    studio, script = desk.studio("auto"), _play(options, look).screenplay
    parts = cast(studio, script)
    folders = sorted({part.folder for part in parts.values()})
    voices = sorted({voice_of(studio, parts[same_name(line.speaker)], line) for line in script.lines})
    name = file_name_of(Path(options["script"]).stem, "scene")
    return Checked(name, (*folders, *check_models(desk, options)), tuple(voices))


def _make_scene(desk: Desk, options: Options, result: Path, work: Path) -> dict[str, Any]:
    studio = studio_for(desk, options)
    captions = result / f"scene.{options['captions']}" if "captions" in options else None
    target = result / f"scene.{options.get('format', 'mp4')}"
    # Takes of its own: other workers' scenes must not push them out while they are needed.
    return _told(
        play(studio, _play(options, _look(options)), target, captions=captions, store=TakeStore(work / "takes"))
    )


def _told(clip: Clip) -> dict[str, Any]:
    """What is noted of a video; nothing of how long it took, so that the same job has the same note."""
    return {"seconds": clip.seconds, "frames": clip.frames, "remarks": list(clip.remarks)}


KINDS = {
    "talk": Kind({**_SAID, **_SHARED, **_LOOK, **_FILES, **MODELS, **_BESIDE}, _check_talk, _make_talk),
    "scene": Kind(
        {"script": SCRIPT, "staging": TEXT, **_SHARED, **_LOOK, **_FILES, **MODELS},
        _check_scene,
        _make_scene,
        ("script",),
        True,
    ),
}
