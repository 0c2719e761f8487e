"""Who plays whom in a script: the avatar and the voice of every speaker, found before anything is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.core.errors import AvatarError, HubError, InputError, VoiceError
from emotalk.speech.direction import parse
from emotalk.talk.screenplay import Line, Role, Screenplay, avatar_name, same_name

if TYPE_CHECKING:
    from emotalk.talk.studio import Studio


@dataclass(frozen=True)
class Part:
    """One speaker's avatar, where it lies, and the voice that was asked for (None: the one that fits)."""

    speaker: str
    avatar: str
    folder: Path
    voice: str | None


def cast(studio: Studio, play: Screenplay) -> dict[str, Part]:
    """The part of every speaker, by `same_name` of their name, in the order in which they first speak.

    A speaker whom the header does not name is played by the avatar of that name. Raises InputError, which names the
    line, for a speaker nobody plays and for a voice that is not there.
    """
    # Imported here: voices only when a script is made.
    from emotalk.speech.tts import find_voice

    roles = {same_name(role.speaker): role for role in play.roles}
    parts: dict[str, Part] = {}
    for line in play.lines:
        name = same_name(line.speaker)
        if name in parts:
            continue
        named = roles.get(name)
        role = named or Role(line.speaker, avatar_name(line.speaker), None, line.number)
        try:
            folder = studio.avatar_folder(role.avatar)
        except (AvatarError, HubError) as error:
            told = "" if named else f' Or say above the first line who plays {line.speaker}: "{line.speaker} = mira".'
            raise InputError(f"Line {role.number}: {error}{told}") from error
        voice = None
        if role.voice is not None:
            try:
                voice = find_voice(role.voice).id
            except VoiceError as error:
                raise InputError(f"Line {role.number}: {error}") from error
        parts[name] = Part(line.speaker, role.avatar, folder, voice)
    return parts


def voice_of(studio: Studio, part: Part, line: Line) -> str:
    """The id of the voice that reads a line: the one asked for, or the one that fits the avatar and the language."""
    # Imported here: as above.
    from emotalk.speech.language import detect
    from emotalk.speech.tts import find_voice

    if part.voice is not None:
        return part.voice
    language = detect(parse(line.directed).written) or "en"
    return find_voice(studio.voice_for(part.avatar, language)).id
