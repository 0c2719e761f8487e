"""Odd avatar folders, each made from one that is sound: a small person in 240 Gaussians."""

# ruff: noqa: E501 (the tables below have one case a line)

from __future__ import annotations

import functools
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from emotalk.avatar.files import CARD, MOTION, TENSORS, THUMBNAIL, pack
from emotalk.avatar.tensors import encode
from tests.hostile.cases import Case, noise
from tests.hostile.pictures import huge_jpeg, plain

Damage = Callable[[Path], None]


@functools.cache
def sound_files() -> dict[str, bytes]:
    """The files of an avatar that can be listed: card, thumbnail, numbers."""
    import dataclasses

    from emotalk.avatar.model import head_version
    from emotalk.head.model import HeadModel
    from tests.avatar.doubles import make_avatar

    avatar = make_avatar()
    head = HeadModel.load()
    arrays = pack(avatar) | {"identity": np.zeros(head.components, np.float32)}
    card = dataclasses.replace(avatar.card, head_version=head_version(head))
    return {CARD: card.to_json().encode(), THUMBNAIL: avatar.thumbnail, TENSORS: encode(arrays)}


def lay_down(folder: Path) -> Path:
    """A sound avatar folder."""
    folder.mkdir(parents=True)
    for name, data in sound_files().items():
        (folder / name).write_bytes(data)
    return folder


def case(name: str, damage: Damage, usable: bool = False) -> Case:
    """A sound avatar to which something was done."""

    def make(folder: Path) -> Path:
        avatar = lay_down(folder / "odd")
        damage(avatar)
        return avatar

    return Case(name, make, usable)


def card(**changes: object) -> Damage:
    """Other entries in the card."""

    def damage(folder: Path) -> None:
        table = json.loads((folder / CARD).read_text()) | changes
        (folder / CARD).write_text(json.dumps(table))

    return damage


def replaced(name: str, data: bytes | Callable[[], bytes]) -> Damage:
    """Another content of a file."""
    return lambda folder: (folder / name).write_bytes(data() if callable(data) else data) and None


def linked(name: str, target: str) -> Damage:
    """A link in place of a file, to something that exists."""

    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return damage


def piped(name: str) -> Damage:
    """A pipe in place of a file: whoever opens it waits for ever."""

    def damage(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return damage


def header(change: Callable[[dict], None]) -> Damage:
    """Another header of the numbers."""

    def damage(folder: Path) -> None:
        data = (folder / TENSORS).read_bytes()
        length = int.from_bytes(data[:8], "little")
        table = json.loads(data[8 : 8 + length])
        change(table)
        text = json.dumps(table).encode()
        (folder / TENSORS).write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])

    return damage


def numbers(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    """Other numbers in one tensor."""

    def damage(folder: Path) -> None:
        data = (folder / TENSORS).read_bytes()
        length = int.from_bytes(data[:8], "little")
        table, body = json.loads(data[8 : 8 + length]), data[8 + length :]
        kinds = {"F32": "<f4", "F16": "<f2", "U8": "u1", "I8": "i1", "U16": "<u2", "I32": "<i4"}
        arrays = {}
        for key, entry in table.items():
            if key != "__metadata__":
                start, stop = entry["data_offsets"]
                arrays[key] = np.frombuffer(body[start:stop], kinds[entry["dtype"]]).reshape(entry["shape"]).copy()
        arrays[name] = change(arrays[name])
        (folder / TENSORS).write_bytes(encode(arrays))

    return damage


def filled(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """The same number everywhere."""
    return lambda array: np.full_like(array, value)


def deep(levels: int) -> bytes:
    """Lists in lists in lists."""
    return b'{"name": ' + b"[" * levels + b"]" * levels + b"}"


def without_rights(folder: Path) -> None:
    """A folder that may not be read by anybody but root."""
    folder.chmod(0)


def extra(name: str) -> Damage:
    """A file that does not belong there."""
    return lambda folder: (folder / name).write_bytes(b"x") and None


AVATARS = [
    case("sound", lambda folder: None, usable=True),
    *(case(f"{key} is {shown}", card(**{key: value})) for key, value, shown in (
        ("metrics", {"a": 10**400}, "a number of 400 digits"), ("metrics", {"a": -(10**400)}, "minus that"),
        ("metrics", {"a": "1"}, "a text"), ("metrics", {"a": None}, "null"), ("metrics", {"a": float("nan")}, "NaN"),
        ("metrics", {"a": float("inf")}, "infinite"), ("metrics", {str(i): i for i in range(5000)}, "5000 numbers"),
        ("metrics", [1], "a list"), ("face", 10**400, "a number of 400 digits"), ("face", 1e999, "infinite"),
        ("face", True, "true"), ("version", 10**400, "a number of 400 digits"), ("version", "1", "a text"),
        ("name", "", "empty"), ("name", "a" * 10_000, "10,000 letters"), ("name", ["a"], "a list"),
        ("name", {"a": 1}, "a table"), ("consent", "yes", "a text"), ("consent", {"statement": 1, "time": 2}, "numbers"),
        ("synthetic", 1, "one"), ("synthetic", "true", "a text"), ("head_version", "0", "of another head"),
    )),
    case("name is a script", card(name="<img src=x onerror=alert(1)>"), usable=True),
    case("name has a zero byte", card(name="a\0b"), usable=True),
    case("name has half a character", card(name="a\ud800b"), usable=True),
    case("name has letters that turn the line around", card(name="a\u202egpj.exe"), usable=True),
    case("real without consent", card(synthetic=False)),
    *(case(f"card is {shown}", replaced(CARD, data)) for data, shown in (
        (b"", "empty"), (b"{", "half"), (b"[]", "a list"), (b"null", "null"), (b"1e999", "a number"), (deep(100), "100 deep"),
        (deep(30_000), "30,000 deep"), (b'{"name":' * 5000, "tables in tables"), (b"\xff\xfe{}", "in another encoding"),
        (noise(4000, 7), "noise"), (b'{"a":1,"a":2}', "an entry twice"), (b"9" * 60_000, "a number of 60,000 digits"),
        (b'{"a":"' + b"\\u0000" * 9000 + b'"}', "zero bytes"), (b" " * 70_000, "too long"), (b"cos\nsystem\n(S'x'\ntR.", "a pickle"),
    )),
    *(case(f"{name} is {shown}", damage) for name in (CARD, THUMBNAIL, TENSORS) for damage, shown in (
        (linked(name, "/etc/passwd"), "a link to another file"), (linked(name, "/dev/zero"), "a link to a device"),
        (linked(name, name), "a link to itself"), (piped(name), "a pipe"),
        (lambda folder, name=name: (folder / name).unlink(), "missing"),
        (lambda folder, name=name: (folder / name).unlink() or (folder / name).mkdir(), "a folder"),
        (lambda folder, name=name: os.truncate(folder / name, 2**40), "a terabyte of nothing"),
        (replaced(name, b""), "empty"), (replaced(name, noise(3000, 8)), "noise"),
    )),
    *(case(f"thumbnail is {shown}", replaced(THUMBNAIL, data)) for data, shown in (
        (huge_jpeg, "65500 x 65500"), (lambda: plain("JPEG", side=1100), "1100 x 1100"), (lambda: plain("PNG"), "PNG"),
        (lambda: plain("JPEG")[:400], "cut"), (lambda: plain("JPEG")[:3] + noise(2000, 9), "noise behind a beginning"),
    )),
    case("thumbnail in four inks", replaced(THUMBNAIL, lambda: plain("JPEG", "CMYK")), usable=True),
    *(case(f"numbers are {shown}", replaced(TENSORS, data)) for data, shown in (
        (struct.pack("<Q", 2**63) + b"{}", "under a header of 2^63 bytes"), (struct.pack("<Q", 2**64 - 1), "under a header of 2^64 bytes"),
        (struct.pack("<Q", 60_000) + deep(20_000) + b" " * 60_000, "under a deep header"), (b"\x80\4\x95", "a pickle"),
        (b"PK\3\4" + bytes(100), "a zip"), (struct.pack("<Q", 2) + b"{}", "none"), (struct.pack("<Q", 2) + b"[]", "a list"),
    )),
    *(case(f"header with {shown}", header(change)) for change, shown in (
        (lambda t: t["position"].update(shape=[10**12, 3]), "10^12 Gaussians"),
        (lambda t: t["position"].update(shape=[2**40, 2**40]), "2^80 numbers"),
        (lambda t: t["position"].update(shape=[-1, 3]), "minus one Gaussian"),
        (lambda t: t["position"].update(shape=[10**400, 3]), "10^400 Gaussians"),
        (lambda t: t["position"].update(shape=[1e3, 3]), "a size in floats"),
        (lambda t: t["position"].update(dtype="F32"), "another type"),
        (lambda t: t["position"].update(dtype="O"), "objects"),
        (lambda t: t["position"].update(dtype=["F16"]), "a list as type"),
        (lambda t: t["position"].update(data_offsets=[0, 2**62]), "bytes beyond the file"),
        (lambda t: t["position"].update(data_offsets=[-8, 0]), "bytes before the file"),
        (lambda t: t["color"].update(data_offsets=t["position"]["data_offsets"]), "the same bytes twice"),
        (lambda t: t.update(background={"dtype": "U8", "shape": [2048, 2048, 3], "data_offsets": [0, 2048 * 2048 * 3]}), "a plate of bytes that are not there"),
        (lambda t: t.pop("rotation"), "a tensor missing"),
        (lambda t: t.update({"../../climbed": t["region"]}), "a tensor that climbs"),
    )),
    *(case(f"{name} is {shown}", numbers(name, change)) for name, change, shown in (
        ("position", filled(np.nan), "NaN"), ("position", filled(np.inf), "infinite"), ("position", filled(60_000), "far away"),
        ("log_scale", filled(np.nan), "NaN"), ("log_scale", filled(60_000), "huge"), ("rotation", filled(0), "nothing"),
        ("color", filled(np.nan), "NaN"), ("identity", filled(1e38), "as large as floats go"), ("triangle", filled(65_535), "of another head"),
        ("region", filled(255), "unknown"), ("barycentric", filled(255), "more than one"), ("correction.index", filled(-1), "minus one"),
        ("correction.index", filled(2**31 - 1), "beyond the end"), ("correction.matrix", filled(3e38), "as large as floats go"),
        ("view_color_step", filled(np.inf), "infinite"), ("identity", lambda a: a[:1], "too short"),
        ("background", lambda a: np.zeros((2049, 1, 3), np.uint8), "too high"), ("position", lambda a: a[:0], "empty"),
    )),
    case("colours as large as halves go", numbers("color", filled(65_000)), usable=True),
    *(case(f"holds {shown}", extra(name)) for name, shown in (
        ("..\\..\\climbed.txt", "a name that climbs"), ("__init__.py", "a program"), ("avatar.pkl", "a pickle"),
        ("\x1b[31m", "a name that colours the terminal"), ("a" * 250, "a name of 250 letters"), (".hidden", "a hidden file"),
    )),
    case("holds a folder", lambda folder: (folder / "more").mkdir()),
    case("holds itself", lambda folder: (folder / "more").symlink_to(folder)),
    case("holds a damaged motion", replaced(MOTION, noise(2000, 4))),
    case("holds a motion that is a pipe", lambda folder: os.mkfifo(folder / MOTION)),
    case("holds nothing", lambda folder: shutil.rmtree(folder) or folder.mkdir()),
    case("may not be read", without_rights),
    case("has a card that may not be read", lambda folder: (folder / CARD).chmod(0)),
    case("has numbers that may not be read", lambda folder: (folder / TENSORS).chmod(0)),
]  # fmt: skip
