"""`live_pack`: the bytes that let a browser draw an avatar, made once and then kept.

avatar ─► worth_sending ─► select ─┬─► mesh_arrays ─────┐
                                   ├─► gaussian_arrays ─┼─► container.write ─► gzip ─► LivePack
                                   └─► scene_arrays ────┘

An avatar goes in as the loaded object, never as a name or a path: whoever answers a visitor has looked it up among the
avatars that this visitor may see, and nothing that came over the web reaches a file from here. What is kept lies under
the hash of its contents.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import logging
import os
import re
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from emotalk.avatar import GaussianAvatar
from emotalk.core.atomic import write_bytes
from emotalk.core.paths import cache_dir
from emotalk.live.container import VERSION, write
from emotalk.live.gaussian_arrays import gaussian_arrays
from emotalk.live.mesh_arrays import mesh_arrays
from emotalk.live.scene_arrays import scene_arrays
from emotalk.live.visibility import LEAST_WEIGHT, worth_sending

log = logging.getLogger(__name__)

RECIPE = 2
"""Of how packs are made; a new one wherever the same avatar would give other bytes."""
KEPT = 64
"""Packs in a folder, of a megabyte each; those used last stay."""
_NAME = re.compile(r"[0-9a-f]{32}")
_making = threading.Lock()
"""One pack is made at a time: it draws a hundred pictures."""


@dataclass(frozen=True)
class LivePack:
    """An avatar for a browser. `data` is gzip (`Content-Encoding: gzip`); `name` says what is in it, so that an address
    made of it may be cached for ever."""

    name: str  # 32 hexadecimal digits
    data: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"A pack is named by 32 hexadecimal digits, found {self.name!r:.60}.")


def live_pack(avatar: GaussianAvatar, folder: Path | None = None) -> LivePack:
    """The pack of an avatar: from `folder` where it was made before, else made now (some ten seconds) and kept there.

    Without a folder, packs of nobody's likeness are kept in the cache; a real person's numbers are written nowhere that
    their owner does not know of, and made anew. Raises an AvatarError for numbers that are not finite, and a TypeError
    for anything but a loaded avatar.
    """
    if not isinstance(avatar, GaussianAvatar):
        raise TypeError(f"A pack is made of a loaded avatar, found {type(avatar).__name__}.")
    avatar = avatar.to("cpu").with_baked_folds()
    name = fingerprint(avatar)
    if folder is None and avatar.card.synthetic:
        folder = cache_dir("live")
    kept = None if folder is None else folder / f"{name}.pack.gz"
    found = _read(kept)
    if found is None:
        with _making:
            found = _read(kept)  # another thread may have made it meanwhile
            if found is None:
                found = gzip.compress(made(avatar), 9, mtime=0)
                if kept is not None:
                    _keep(kept, found)
    return LivePack(name, found)


def made(avatar: GaussianAvatar, least_weight: float = LEAST_WEIGHT) -> bytes:
    """The bytes of the pack before gzip, without the Gaussians that nobody would miss
    (`visibility.worth_sending`); a `least_weight` of 0 keeps all."""
    if least_weight > 0:
        avatar = avatar.select(torch.from_numpy(worth_sending(avatar, least_weight)))
    mesh = mesh_arrays(avatar)
    arrays, meta = gaussian_arrays(avatar, mesh.triangle)
    scene, look = scene_arrays(avatar)
    return write(mesh.arrays | arrays | scene, mesh.meta | meta | look)


def fingerprint(avatar: GaussianAvatar) -> str:
    """32 hexadecimal digits that change with anything that goes into the avatar's pack, and with how packs are made."""
    digest = hashlib.sha256(f"live pack {VERSION}.{RECIPE} {avatar.card.head_version}".encode())
    parts = [avatar.identity, avatar.background, avatar.person.template, avatar.person.shapes]
    for group in (avatar.gaussians, avatar.corrections):
        parts += [getattr(group, field.name) for field in dataclasses.fields(group)]
    for part in parts:
        numbers = np.ascontiguousarray(part.detach().numpy())
        digest.update(f"{numbers.dtype.str} {numbers.shape}".encode())
        digest.update(numbers.tobytes())
    if avatar.camera is not None:
        c = avatar.home_camera
        digest.update(c.world_to_camera.cpu().numpy().tobytes())
        digest.update(repr((c.fx, c.fy, c.cx, c.cy, c.width, c.height)).encode())
    return digest.hexdigest()[:32]


def _read(path: Path | None) -> bytes | None:
    """A pack that was kept; None where there is none or it is damaged."""
    if path is None:
        return None
    try:
        data = path.read_bytes()
        gzip.decompress(data)  # its checksum
    except FileNotFoundError:
        return None
    except (OSError, EOFError, zlib.error) as error:
        log.warning("A kept pack cannot be read (%s) and is made anew.", type(error).__name__)
        return None
    with contextlib.suppress(OSError):  # a folder that can only be read
        os.utime(path)
    return data


def _keep(path: Path, data: bytes) -> None:
    try:
        write_bytes(path, data)
        used: dict[Path, float] = {}
        for kept in path.parent.glob("*.pack.gz"):
            with contextlib.suppress(FileNotFoundError):  # another process has removed it this moment
                used[kept] = kept.stat().st_mtime
        for old in sorted(used, key=used.get)[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError as error:  # a full disk makes packs slow, not impossible
        log.warning("A pack cannot be kept: %s.", error.strerror or error)
