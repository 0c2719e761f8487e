"""What somebody typed, on a command line or in a list of jobs, as a request.

Here, and nowhere else, a text may name a file of key frames, a transcript or a picture: what strangers send to a page
never comes this way.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotalk.core.errors import InputError
from emotalk.talk.background import Background, Blurred, Colour, PictureFile, Transparent
from emotalk.talk.request import Look, TalkRequest, talk_request
from emotalk.talk.shots import parse_gaze

if TYPE_CHECKING:
    from emotalk.core.motion import HeadMotion


def typed_look(
    *, background: str | None = None, captions_in_picture: str = "off", gaze: str = "ahead", **look: Any
) -> Look:
    """The look of a talk's or a scene's options; `look` are those that `Look` takes as they are. Raises InputError."""
    shown = {"background": typed_background(background), "captions": captions_in_picture, "gaze": parse_gaze(gaze)}
    return Look(**shown, **look)


def typed_talk(
    look: Look,
    *,
    emotion: str | None = None,
    transcript: str | None = None,
    landmarks: Path | None = None,
    landmarks_fps: float | None = None,
    landmarks_size: str | None = None,
    **values: Any,
) -> TalkRequest:
    """The request of a talk's options; `values` are those that `talk_request` takes as they are. Raises InputError."""
    motion = None if landmarks is None else landmark_file_motion(landmarks, landmarks_fps, landmarks_size)
    return talk_request(
        look=look, emotion=typed_mood(emotion), transcript=typed_transcript(transcript), motion=motion, **values
    )


def typed_mood(emotion: str | None) -> Path | str | None:
    """What somebody typed as --emotion: a name or key frames, or the Path of a file of them."""
    return Path(emotion) if emotion and Path(emotion).suffix.lower() in (".json", ".csv") else emotion


def landmark_file_motion(file: Path, fps: float | None, size: str | None) -> HeadMotion:
    """The motion of a file of landmarks; `size` is what somebody typed as --landmarks-size."""
    # Imported here: what tracking needs, only where there are landmarks.
    from emotalk.tracking.landmark_drive import read_landmark_motion

    sides = None
    if size is not None:
        width, _, height = size.lower().partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise InputError(f"--landmarks-size is width and height in pixels, such as 1280x720, found {size!r:.40}.")
        sides = int(width[:9]), int(height[:9])
    return read_landmark_motion(file, fps=fps, size=sides)


def typed_transcript(given: str | None) -> str | None:
    """What somebody typed as --transcript: the words, or the content of the .txt file of that name; InputError."""
    if not given or not given.lower().endswith(".txt"):
        return given
    try:
        text = Path(given).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"The transcript {Path(given).name} is no text in UTF-8. Save it as plain text.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"The transcript {given!r:.200} cannot be read; check the name of the file.") from error
    if not text.strip():
        raise InputError(f"The transcript {Path(given).name} is empty. Write into it what is said, or leave it out.")
    return text


def typed_background(given: str | None) -> Background | None:
    """What somebody typed as --background; InputError where it is neither a colour, a picture nor a word known here."""
    if given is None:
        return None
    if given == "transparent":
        return Transparent()
    if given.startswith("#"):
        return Colour.parse(given)
    blurred, name = given == "blur" or given.startswith("blur:"), given.removeprefix("blur").removeprefix(":")
    if blurred and not name:
        return Blurred()
    if not Path(name if blurred else given).is_file():
        raise InputError(
            "The background must be a colour such as #d8e4f0, a picture file, blur, blur:FILE or transparent, found "
            f"{given!r:.200}."
        )
    return Blurred(PictureFile(Path(name))) if blurred else PictureFile(Path(given))
