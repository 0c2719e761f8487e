"""Commands that hand avatars and motion to other programs: `export`, `livelink`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from emotalk.cli.talking import download_avatar
from emotalk.core.errors import InputError


def export(
    avatar: tyro.conf.Positional[str] = "mira",
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE", help_behavior_hint="")] = None,
    motion: Path | None = None,
    page: bool = False,
    text: str | None = None,
    audio: Path | None = None,
    transcript: str | None = None,
    voice: str | None = None,
    valence: float = 0.0,
    arousal: float = 0.0,
    seed: int = 0,
    title: str | None = None,
    parent: str | None = None,
    refresh: bool = False,
) -> None:
    """Write an avatar for other programs: its head as .glb (Blender, three.js, Unreal), its Gaussians as .ply, or a web
    page on which it lives and speaks, in a folder.

    Args:
        avatar: whose: a name that `avatars` lists, an avatar's folder, or an address on the Hugging Face Hub.
        output: the file to write: .glb, the bare head with colours, the 52 ARKit shapes and joints; .ply, the Gaussians
            at rest, hair and clothes among them. By default a .glb that is named after the avatar. With --page a
            folder.
        motion: a Live Link Face CSV, as `talk --motion-out` writes it, for the .glb to hold as an animation.
        page: write a page that needs no server of its own: any web host shows it, and so does a double click.
        text: of a page: what the face says; directions as in `talk`.
        audio: of a page: an audio file that it speaks along with, in any format.
        transcript: of a page: what is said in the audio file, or a .txt file of it, for captions and surer lips.
        voice: of a page: who reads the text: an id that `voices` lists; the avatar's own by default.
        valence: of a page: the mood that it begins with, from -1 (unpleasant) to 1 (pleasant).
        arousal: of a page: the same, from -1 (calm) to 1 (excited).
        seed: of a page: another number, another take of gaze, blinks and head motion.
        title: of a page: what stands above the face; the avatar's name by default.
        parent: of a page: the origin, such as https://example.org, of a page that shows this one in an <iframe> and may
            steer it; by default its own.
        refresh: look on the Hub for something newer than what was downloaded earlier.
    """
    given = {
        "--text": text, "--audio": audio, "--transcript": transcript, "--voice": voice, "--valence": valence,
        "--arousal": arousal, "--seed": seed, "--title": title, "--parent": parent,
    }  # fmt: skip
    if page:
        from emotalk.talk.typed import typed_transcript

        if motion is not None:
            raise InputError("A page is moved by what it says; leave --motion out, or write a .glb.")
        _page(avatar, output, refresh, title, parent, text=text, audio=audio, voice=voice, valence=valence,
              arousal=arousal, seed=seed, transcript=typed_transcript(transcript))  # fmt: skip
        return
    if alone := [name for name, value in given.items() if value not in (None, 0)]:
        raise InputError(f"{alone[0]} is for a page; add --page, or leave it out.")
    _file(avatar, output, motion, refresh)


def _file(avatar: str, output: Path | None, motion: Path | None, refresh: bool) -> None:
    """The avatar as .glb or .ply."""
    from emotalk.avatar import export_ply, write_gltf
    from emotalk.avatar.hub_avatars import load_avatar
    from emotalk.core.file_names import file_name_of
    from emotalk.core.motion import HeadMotion
    from emotalk.motion.livelink import read_livelink

    target = output or Path(f"{file_name_of(avatar)}.glb")
    ending = target.suffix.lower()
    if ending not in (".glb", ".ply") or target.is_dir():
        raise InputError(
            f"An avatar is written as .glb or .ply, found {target.name!r:.80}; choose one of the two, or add --page."
        )
    if motion is not None and ending == ".ply":
        raise InputError("A .ply holds no motion; write a .glb, or leave --motion out.")
    played = None if motion is None else read_livelink(motion)
    person = load_avatar(avatar, refresh=refresh)
    if ending == ".glb":
        write_gltf(person, target, played)
    else:
        try:
            export_ply(person.pose(HeadMotion.neutral(), 0), target)
        except OSError as error:
            raise InputError(f"The avatar cannot be written to {target}: {error.strerror or error}.") from error
    moving = "" if played is None else f", {len(played) / 25:.1f} s of motion"
    print(f"{target}: {person.card.name}, {target.stat().st_size / 1e6:.1f} MB{moving}; {person.card.licence}")


def _page(
    avatar: str, output: Path | None, refresh: bool, title: str | None, parent: str | None, **wanted: Any
) -> None:
    """The avatar as a page that says what is `wanted` (`talk_request`)."""
    from emotalk.core.file_names import file_name_of
    from emotalk.talk.request import talk_request
    from emotalk.talk.studio import Studio
    from emotalk.ui.recorded_page import check_folder, recorded_page, write_page

    target = output or Path(f"{file_name_of(avatar)}-page")
    if target.suffix.lower() in (".glb", ".ply", ".html", ".zip") and not target.is_dir():
        raise InputError(
            f"A page is a folder with several files, found {target.name!r:.80}; name one without an ending."
        )
    check_folder(target)  # before minutes of work
    request = talk_request(avatar=avatar, **wanted)
    download_avatar(avatar, refresh)
    studio = Studio(folders=True)
    made = recorded_page(studio, request, title, parent)
    write_page(made.files, target)
    for remark in made.remarks:
        print(f"emotalk: {remark}", file=sys.stderr)
    card = studio.avatar(avatar).card
    size = sum(map(len, made.files.values())) / 1e6
    print(f"{target / 'index.html'}: {card.name}, {size:.1f} MB in {len(made.files)} files; {card.licence}")


def livelink(
    motion: tyro.conf.Positional[Path],
    to: str,
    name: str = "emotalk",
    loop: bool = False,
    many: bool = False,
) -> None:
    """Send a recorded motion in real time to a program that listens for the Live Link Face app, such as Unreal Engine.

    Args:
        motion: a Live Link Face CSV, as `talk --motion-out` writes it.
        to: where to: HOST:PORT; without a port 11111, where Unreal listens.
        name: what the face is called there.
        loop: again and again, until Ctrl-C.
        many: allow an address that many machines listen to (broadcast or multicast).
    """
    from datetime import datetime

    from emotalk.core.rates import FPS
    from emotalk.motion.livelink import read_livelink
    from emotalk.motion.livelink_udp import parse_receiver, send_livelink

    receiver = parse_receiver(to, many)
    played = read_livelink(motion)
    now = datetime.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    print(f"sending {len(played) / FPS:.1f} s to {receiver.address[0]}:{receiver.address[1]}", file=sys.stderr)
    # Frames count from midnight, as timecode does: so recordings of several sources lie on top of each other.
    sent = send_livelink(played, receiver, name, loop, int((now - midnight).total_seconds() * FPS))
    print(f"{sent} frames of {name} sent")
