"""Scripts with several speakers, read into lines and a cast.

    # who is who, where a name is not that of an avatar or another voice is wanted
    Anna = elena
    Kofi = kofi, voice kokoro:am_puck

    Mira: Did you hear [pause 0.3] *that*?
    Kofi [angry]: No.
    Anna [afraid 0.5]: I did. It came
      from the cellar.

Nothing here knows which avatars there are: `cast.py` finds them.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

from emotalk.core.errors import InputError
from emotalk.speech.direction import Mood, MoodEnd, parse
from emotalk.speech.text import MAX_CHARACTERS, clean_text

MAX_LINES = 500
"""Spoken lines of a script."""
MAX_SPEAKER = 40
"""Letters in the name of a speaker."""
_COLONS = ":："
_VOICE = re.compile(r"voice[ \t]+(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """What one speaker says in one go; `mood` is the direction behind the name ("[angry]"), or empty."""

    speaker: str
    text: str  # with its directions
    mood: str = ""
    number: int = 1  # of the line in the script, from 1

    @property
    def directed(self) -> str:
        """The text with the mood in front, as a talk takes it."""
        return f"{self.mood} {self.text}".strip()


@dataclass(frozen=True)
class Role:
    """Who plays a speaker: an avatar, and the voice that reads (None: the one that fits the avatar)."""

    speaker: str
    avatar: str
    voice: str | None = None
    number: int = 1  # of the line in the script, from 1


@dataclass(frozen=True)
class Screenplay:
    """A script that was read: its lines in order, and what its header says of roles (others are found by name)."""

    lines: tuple[Line, ...]
    roles: tuple[Role, ...] = ()

    @property
    def speakers(self) -> tuple[str, ...]:
        """The names of those who say something, in the order in which they first do, as first written."""
        first: dict[str, str] = {}
        for line in self.lines:
            first.setdefault(same_name(line.speaker), line.speaker)
        return tuple(first.values())


def same_name(speaker: str) -> str:
    """What two spellings of one speaker's name have in common: "MIRA " and "Mira" are the same person."""
    return " ".join(speaker.split()).casefold()


def parse_screenplay(text: str) -> Screenplay:
    """A script as in this file's header. Lines that begin with # and empty lines are left out; one that begins with
    spaces goes on with what was said last.

    Raises InputError, which names the line, for one without a speaker or without words, for what a header or a mood
    cannot be, and where nobody says anything. Every other string is a script; takes time in proportion to its length.
    """
    if not isinstance(text, str):
        raise InputError(f"A script must be a string, found {type(text).__name__}.")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"The script has {len(text):,} characters; {MAX_CHARACTERS:,} are taken at once. Split it.")
    begun: list[Line] = []
    further: list[list[str]] = []  # what goes on with each of them
    roles: dict[str, Role] = {}
    for number, written in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        bare = written.strip()
        if not bare or bare.startswith("#"):
            continue
        if begun and written[0].isspace():
            further[-1].append(bare)
        elif not begun and (role := _role(bare, number)) is not None:
            if same_name(role.speaker) in roles:
                raise InputError(f"Line {number} says again who {role.speaker} is; keep one of the two.")
            roles[same_name(role.speaker)] = role
        else:
            begun.append(_line(bare, number))
            further.append([])
            if len(begun) > MAX_LINES:
                raise InputError(f"Line {number} is one too many: a script has at most {MAX_LINES} spoken lines.")
    lines = [
        replace(line, text="\n".join([line.text, *more]).strip()) for line, more in zip(begun, further, strict=True)
    ]
    if not lines:
        raise InputError('Nobody says anything in the script. Write lines such as "Mira: Hello!".')
    for line in lines:
        _check_words(line)
    said = {same_name(line.speaker) for line in lines}
    for name, role in roles.items():
        if name not in said:
            raise InputError(f"Line {role.number} says who {role.speaker} is, but {role.speaker} says nothing.")
    return Screenplay(tuple(lines), tuple(roles.values()))


def read_screenplay(path: str | Path) -> Screenplay:
    """The script in a text file in UTF-8; InputError as `parse_screenplay`, and where the file cannot be read."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(4 * MAX_CHARACTERS + 4)  # one character more than fits is enough to refuse it
    except (OSError, ValueError) as error:
        raise InputError(f"The script {str(path)!r:.200} cannot be read; check the name of the file.") from error
    try:
        return parse_screenplay(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"The script {path.name} is no text in UTF-8. Save it as plain text.") from error


def _role(bare: str, number: int) -> Role | None:
    """A header's line "Anna = elena, voice flite:slt"; None for another one."""
    name, sign, rest = bare.partition("=")
    if not sign or any(colon in name for colon in _COLONS):
        return None
    name = _checked_speaker(name, number)
    avatar, voice = "", None
    for part in (part.strip() for part in rest.split(",")):
        if found := _VOICE.fullmatch(part):
            if voice is not None:
                raise InputError(f"Line {number} names two voices for {name}; keep one of them.")
            voice = found[1]
        elif not part or avatar:
            raise InputError(
                f'Line {number} does not say who {name} is. Write "{name} = mira" or "{name} = mira, voice flite:slt".'
            )
        else:
            avatar = part
    return Role(name, avatar or avatar_name(name), voice, number)


def _line(bare: str, number: int) -> Line:
    """A spoken line "Kofi [angry]: No."."""
    colon = next((place for place, letter in enumerate(bare) if letter in _COLONS), None)
    if colon is None:
        raise InputError(
            f'Line {number} has no speaker: {bare!r:.60}. Write "Mira: ..."; a line that goes on with what was said '
            "before begins with a space."
        )
    head, text = bare[:colon], bare[colon + 1 :].strip()
    bracket = head.find("[")
    name, mood = (head, "") if bracket < 0 else (head[:bracket], head[bracket:].strip())
    name = _checked_speaker(name, number)
    if mood:
        read = parse(f"{mood[:200]} x")
        if read.remarks or read.written != "x" or not all(isinstance(cue, Mood | MoodEnd) for cue in read.cues):
            raise InputError(
                f"Line {number}: {mood!r:.40} is no mood. Write one such as [happy], [sad 0.5] or [0.5,-0.2] between "
                "the name and the colon."
            )
    return Line(name, text, mood, number)


def _checked_speaker(name: str, number: int) -> str:
    name = " ".join(name.split())
    if not name:
        raise InputError(f'Line {number} has no speaker in front of its sign. Write "Mira: ...".')
    if len(name) > MAX_SPEAKER or not name.isprintable():
        raise InputError(
            f"Line {number}: a speaker's name has at most {MAX_SPEAKER} printable letters, found {name!r:.60}. Where "
            "these words are to be said, put a speaker and a colon in front of them."
        )
    return name


def _check_words(line: Line) -> None:
    try:
        said = parse(clean_text(line.directed)).written
    except InputError as error:
        raise InputError(f"Line {line.number}: {error}") from error
    if not any(unicodedata.category(letter)[0] in "LNS" for letter in said):  # an emoji alone is said by its name
        raise InputError(f"Line {line.number}: {line.speaker} says nothing. Write words behind the colon.")


def avatar_name(speaker: str) -> str:
    """What the folder of an avatar that is called like a speaker is called: "Anna Lena" is "anna-lena"."""
    return "-".join(re.findall(r"\w+", same_name(speaker))) or speaker
