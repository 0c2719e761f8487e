"""Commands that hand avatars and motion to other programs: `export`, `livelink`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro

from emotalk.core.errors import InputError


def export(
    avatar: tyro.conf.Positional[str] = "mira",
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE", help_behavior_hint="")] = None,
    motion: Path | None = None,
    refresh: bool = False,
) -> None:
    """Write an avatar for other programs: its head as .glb (Blender, three.js, Unreal), or its Gaussians as .ply.

    Args:
        avatar: whose: a name that `avatars` lists, an avatar's folder, or an address on the Hugging Face Hub.
        output: the file to write: .glb, the bare head with colours, the 52 ARKit shapes and joints; .ply, the Gaussians
            at rest, hair and clothes among them. By default a .glb that is named after the avatar.
        motion: a Live Link Face CSV, as `talk --motion-out` writes it, for the .glb to hold as an animation.
        refresh: look on the Hub for something newer than what was downloaded earlier.
    """
    from emotalk.avatar import export_ply, write_gltf
    from emotalk.avatar.hub_avatars import load_avatar
    from emotalk.core.file_names import file_name_of
    from emotalk.core.motion import HeadMotion
    from emotalk.motion.livelink import read_livelink

    target = output or Path(f"{file_name_of(avatar)}.glb")
    ending = target.suffix.lower()
    if ending not in (".glb", ".ply") or target.is_dir():
        raise InputError(f"An avatar is written as .glb or .ply, found {target.name!r:.80}; choose one of the two.")
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
