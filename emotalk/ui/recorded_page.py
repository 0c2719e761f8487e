"""A page without a server: a folder with a living face that says what was recorded, for any static host or none.

    request ─► LiveTalk ─► records ─► talk.js ─┐
    avatar ─► live_pack ────────────► avatar.js├─► a folder, opened by a web address or by a double click
    motion model ─► face_pack ──────► face.js  │
    static/live/recorded.js ────────► page.js ─┘   index.html: the picture, captions, whose face it is

Browsers let a page that was opened from a disk neither fetch its neighbours nor import them as modules; scripts of the
old kind they do run. So every file is one, with its bytes in base64; a host's gzip takes away what that adds.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from emotalk.core.atomic import replacing_folder
from emotalk.core.errors import InputError
from emotalk.emotion import EmotionCurve
from emotalk.live import wire
from emotalk.ui.live_script import live_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emotalk.avatar import AvatarCard, GaussianAvatar
    from emotalk.live.pack import LivePack
    from emotalk.talk import Studio, TalkRequest

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("page.js", "talk.js", "face.js", "avatar.js")
"""In the order in which they run; the last one is the largest."""
FILES = ("index.html", *SCRIPTS)
LONGEST_TITLE = 200
LONGEST_SECONDS = 600.0
"""Of sound: browsers hold all of it in memory, 55 kB a second as it is written."""
_MADE_HERE = '<meta name="generator" content="emotalk export --page">'
_START = 'addEventListener("load",()=>new RecordedPage(document.querySelector("main"),window.emotalkParts));'
_HOLE = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class RecordedPage:
    """A page's `files`, bytes by name, as FILES lists them, and the `remarks` of the talk on it."""

    files: dict[str, bytes]
    remarks: tuple[str, ...]


def recorded_page(
    studio: Studio,
    request: TalkRequest,
    title: str | None = None,
    parent: str | None = None,
    pack: Callable[[GaussianAvatar], LivePack] | None = None,
) -> RecordedPage:
    """A page on which the request's avatar lives and says it, for at most LONGEST_SECONDS.

    `title` is the avatar's name by default. `parent` is the origin of pages that may have this one in an <iframe> and
    steer it; by default its own. `pack` makes the avatar's pack (`live_pack` by default). The request's size, view and
    captions are not used, its seed is of the face's idle life. Raises InputError for a real person's avatar that may
    not be drawn live, and what the studio raises.
    """
    # Imported here: with the first page that is made.
    from emotalk.live.face_pack import face_pack
    from emotalk.live.hearing import LiveTalk
    from emotalk.live.pack import live_pack
    from emotalk.server.embedding import origin_of
    from emotalk.speech.direction import parse
    from emotalk.talk.captions import captions

    if title is not None and (not title.strip() or len(title) > LONGEST_TITLE):
        raise InputError(f"The title of a page has 1 to {LONGEST_TITLE} characters, found {title!r:.80}.")
    origin = "" if parent is None else origin_of(parent)
    if origin is None:
        raise InputError(f"The page around this one is named by its origin, https://example.org, found {parent!r:.80}.")
    avatar = studio.avatar(request.avatar)
    if not avatar.card.live:
        raise InputError(
            f"{avatar.card.name} is a real person who agreed to videos only, and a page gives away the avatar itself; "
            "make a video with `python -m emotalk talk`, or make the avatar anew with a yes to being shown live."
        )
    limit = min(request.max_seconds or LONGEST_SECONDS, LONGEST_SECONDS)
    talk, words, remarks = _recorded(LiveTalk(studio, replace(request, max_seconds=limit)).records())
    written = parse(request.text or request.transcript or "").written
    lines = [[caption.start, caption.end, caption.text] for caption in captions(words, written)]
    parts = {"talk": talk, "face": face_pack(studio.motion_of(request.avatar)).data}
    parts["avatar"] = (pack or live_pack)(avatar).data
    valence, arousal = _mood(request)
    nonce = hashlib.sha256(talk + parts["avatar"]).hexdigest()[:24]
    card = avatar.card
    page = _filled(
        (STATIC / "recorded.html").read_text(encoding="utf-8"),
        nonce=nonce,
        title=html.escape(title or card.name),
        name=html.escape(card.name),
        description=html.escape(f"{card.name}, an AI-generated talking face."),
        style=(STATIC / "recorded.css").read_text(encoding="utf-8"),
        seed=str(request.seed),
        mood=json.dumps([valence, arousal]),
        parent=html.escape(origin),
        poster=base64.b64encode(_poster(studio, request, valence, arousal)).decode(),
        language=_language(written),
        made=html.escape(_made(card, request)),
        about="\n".join(f"<p>{html.escape(line)}</p>" for line in _about(card)),
        captions=json.dumps(lines).replace("<", "\\u003c"),
        scripts="\n".join(f'<script nonce="{nonce}" defer src="{name}"></script>' for name in SCRIPTS),
    )
    files = {"index.html": page.encode(), "page.js": _script().encode()} | {
        f"{name}.js": b'(window.emotalkParts??={}).%s="%s";\n' % (name.encode(), base64.b64encode(data))
        for name, data in parts.items()
    }
    return RecordedPage(files, remarks)


def check_folder(folder: Path) -> Path:
    """The full path of a folder that a page may be written to: one that is not there, is empty, or holds nothing but a
    page that was made here. InputError for any other."""
    folder = folder.resolve()
    if Path.cwd().is_relative_to(folder):
        raise InputError("A page gets a folder of its own, and this one is in use; name another with -o.")
    if not folder.exists():
        return folder
    if not folder.is_dir():
        raise InputError(f"A page is a folder, and {folder.name} is a file; name another with -o.")
    found = sorted(entry.name for entry in folder.iterdir())
    strange = [name for name in found if name not in FILES]
    if strange or (found and not _made_here(folder / "index.html")):
        raise InputError(
            f"The folder {folder.name} holds other files ({', '.join(strange or found)[:80]}); name a new folder, an "
            "empty one, or one with a page that this command has made."
        )
    return folder


def write_page(files: dict[str, bytes], folder: Path) -> None:
    """Puts a page's files into a folder (`check_folder`), all or none. InputError where they cannot be written."""
    folder = check_folder(folder)
    try:
        with replacing_folder(folder) as work:
            for name, data in files.items():
                (work / name).write_bytes(data)
    except OSError as error:
        raise InputError(f"The page cannot be written to {folder.name}: {error.strerror or error}.") from error


def _recorded(records: Iterable[bytes]) -> tuple[bytes, list[tuple[float, float, str]], tuple[str, ...]]:
    """A talk's records in one piece, its words with their seconds, and its remarks."""
    kept, words, remarks = [], [], []
    for data in records:
        for kind, payload in wire.records(data):
            if kind == "X":
                raise InputError(wire.content(kind, payload)["error"])
            if kind == "W":
                words += [(start, end, word) for start, end, word in wire.content(kind, payload)["words"]]
            if kind == "R":
                remarks.append(wire.content(kind, payload)["remark"])
        kept.append(data)
    return b"".join(kept), words, tuple(remarks)


def _script() -> str:
    """The browser's modules as a script of the old kind, which starts when all others are there."""
    return "(()=>{\n" + re.sub(r"^export ", "", live_script("recorded"), flags=re.MULTILINE) + _START + "\n})();\n"


def _filled(template: str, **values: str) -> str:
    """The template with its holes filled, each once: what is filled in is not looked at again."""
    return _HOLE.sub(lambda hole: values[hole[1]], template)


def _mood(request: TalkRequest) -> tuple[float, float]:
    if not isinstance(request.emotion, EmotionCurve):
        return request.valence_in_auto, 0.0
    valence, arousal = request.emotion.at([0])[0]
    return round(float(valence), 4), round(float(arousal), 4)


def _poster(studio: Studio, request: TalkRequest, valence: float, arousal: float) -> bytes:
    """The face at rest, with its mark, as JPEG."""
    # Imported here: as above.
    from emotalk.talk.request import Look

    buffer = io.BytesIO()
    Image.fromarray(studio.still(request.avatar, Look(512), valence, arousal)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _language(text: str) -> str:
    """Of a text, as pages name it."""
    # Imported here: as above.
    from emotalk.speech.language import detect

    return {"cmn": "zh"}.get(found := detect(text) or "en", found)


def _made(card: AvatarCard, request: TalkRequest) -> str:
    what = "The face, its movements and its voice are" if request.audio is None else "The face and its movements are"
    return f"{what} made by a computer (emotalk). Avatar: {card.name}, licence: {card.licence}"


def _about(card: AvatarCard) -> list[str]:
    lines = [f"Licence of the avatar: {card.licence}", card.provenance]
    if card.synthetic:
        lines.append("This person does not exist.")
    else:
        lines.append(f"A real person, who agreed on {card.consent.time}: {card.consent.statement}")
    if card.source:
        lines.append(f"Source: {card.source}")
    return [line for line in lines if line.strip()]


def _made_here(index: Path) -> bool:
    try:
        return _MADE_HERE in index.read_text(encoding="utf-8", errors="replace")[:4000]
    except OSError:
        return False
