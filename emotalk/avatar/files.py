"""Avatar folders: save all or nothing, load after checking everything, list what is there.

One folder = avatar.safetensors (numbers) + card.json (who, licence, how good) + thumbnail.jpg; docs/avatar-format.md
describes every tensor. Nothing in a folder is ever executed or unpickled.
"""

from __future__ import annotations

import dataclasses
import glob
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar.card import AvatarCard
from emotalk.avatar.detail import POSE_WIDTH, PictureDetail
from emotalk.avatar.gaussians import REGIONS, SHOULDER_WIDTH, SIGNAL_WIDTH, BoundGaussians, Corrections
from emotalk.avatar.model import GaussianAvatar, head_version
from emotalk.avatar.tensors import encode, read_regular
from emotalk.core.atomic import new_folder_prefix, recover_folder, replacing_folder
from emotalk.core.camera import Camera
from emotalk.core.errors import AvatarError, InputError
from emotalk.core.pictures import opened_picture

if TYPE_CHECKING:
    from emotalk.avatar.tensors import Spec
    from emotalk.head import HeadModel

TENSORS, CARD, THUMBNAIL = "avatar.safetensors", "card.json", "thumbnail.jpg"
MOTION = "motion.safetensors"
"""How the person moves while speaking (`motion.person`); only avatars of a video with speech have it."""
SIZE_LIMITS = {TENSORS: 64 * 2**20, CARD: 64 * 2**10, THUMBNAIL: 2**20, MOTION: 256 * 2**10, "README.md": 2**20}
"""Bytes. README.md is the page that model hubs show; it may lie in the folder and is not read."""
THUMBNAIL_SIDE = 1024
SPEC: Spec = {
    "identity": ("F32", ("I",)),
    "triangle": ("U16", ("M",)),
    "barycentric": ("U8", ("M", 2)),
    "joint_weights": ("U8", ("J", 2)),
    "position": ("F16", ("N", 3)),
    "rotation": ("I8", ("N", 4)),
    "log_scale": ("F16", ("N", 3)),
    "opacity": ("U8", ("N",)),
    "color": ("F16", ("N", 3)),
    "view_color": ("I8", (2, "N", 3)),
    "view_color_step": ("F32", (2,)),
    "region": ("U8", ("N",)),
    "correction.mean": ("F32", ("S",)),
    "correction.matrix": ("F32", ("K", "S")),
    "correction.index": ("I32", ("C",)),
    "correction.position": ("I8", ("K", "C", 3)),
    "correction.position_step": ("F32", ("K",)),
    "correction.color": ("I8", ("K", "C", 3)),
    "correction.color_step": ("F32", ("K",)),
    "background": ("U8", ("H", "W", 3)),
}
OPTIONAL: Spec = {
    "camera": ("F32", (22,)),
    "detail.image": ("U8", ("B",)),
    "detail.pose": ("F32", (POSE_WIDTH,)),
    "skin": ("U8", ("V", 4)),
}
"""World to camera (16, row by row), fx, fy, cx, cy, width, height; `detail.PictureDetail.packed`; `skin_of`."""
LIMITS = {
    "I": 1000,
    "S": SIGNAL_WIDTH + SHOULDER_WIDTH,
    "M": 500_000,
    "J": 500_000,
    "N": 500_000,
    "K": 64,
    "C": 500_000,
    "H": 2048,
    "W": 2048,
    "B": 2**20,
    "V": 100_000,
}
LARGEST = 1e4
"""No number of a sound avatar comes near; much larger ones overflow to infinity when they are multiplied."""
_CORRECTION_NUMBERS = ("mean", "matrix", "position_step", "color_step")
_OUTLIERS = 0.9995
"""Share of the correction numbers that the 8-bit range covers; the few beyond it are clipped."""


def pack(avatar: GaussianAvatar) -> dict[str, np.ndarray]:
    """The arrays of avatar.safetensors: the avatar's numbers, quantised, each with its shape in `SPEC`."""
    g, c = avatar.gaussians.detach(), avatar.corrections

    def array(tensor: torch.Tensor) -> np.ndarray:
        return tensor.detach().cpu().numpy()

    def two_of_three(weights: torch.Tensor) -> np.ndarray:
        # The third follows; rounding may not push the sum of two beyond one.
        first = np.clip(np.rint(array(weights)[:, 0] * 255), 0, 255)
        second = np.clip(np.rint(array(weights)[:, 1] * 255), 0, 255 - first)
        return np.stack([first, second], 1).astype(np.uint8)

    def steps(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not values.size:
            return values.astype(np.int8), np.ones(len(values), np.float32)
        top = np.quantile(np.abs(values), _OUTLIERS, axis=(1, 2))
        step = (np.maximum(top, 1e-9) / 127).astype(np.float32)
        return np.clip(np.rint(values / step[:, None, None]), -127, 127).astype(np.int8), step

    position, position_step = steps(array(c.position))
    color, color_step = steps(array(c.color))
    view_color, view_color_step = steps(array(g.view_color.permute(1, 0, 2)))
    background = array(avatar.background)
    if background.ndim == 1:
        background = background[None, None]
    seen = {} if avatar.camera is None else {"camera": _camera_numbers(avatar.camera)}
    if avatar.detail is not None:
        seen["detail.image"], seen["detail.pose"] = avatar.detail.packed()
    if avatar.skin is not None:
        seen["skin"] = avatar.skin
    return seen | {
        "identity": array(avatar.identity).astype(np.float32),
        "triangle": array(g.triangle).astype(np.uint16),
        "barycentric": two_of_three(g.barycentric),
        "joint_weights": two_of_three(g.joint_weights),
        "position": array(g.position).astype(np.float16),
        "rotation": np.rint(array(torch.nn.functional.normalize(g.rotation, dim=-1)) * 127).astype(np.int8),
        "log_scale": array(g.log_scale).astype(np.float16),
        "opacity": np.rint(array(g.opacity_logit.sigmoid()) * 255).astype(np.uint8),
        "color": array(g.color).astype(np.float16),
        "view_color": view_color,
        "view_color_step": view_color_step,
        "region": array(g.region).astype(np.uint8),
        "correction.mean": array(c.mean).astype(np.float32),
        "correction.matrix": array(c.matrix).astype(np.float32),
        "correction.index": array(c.index).astype(np.int32),
        "correction.position": position,
        "correction.position_step": position_step,
        "correction.color": color,
        "correction.color_step": color_step,
        "background": np.rint(np.clip(background, 0, 1) * 255).astype(np.uint8),
    }


def unpack(arrays: dict[str, np.ndarray], card: AvatarCard, head: HeadModel, what: str) -> GaussianAvatar:
    """The avatar in the arrays of avatar.safetensors; an AvatarError for indices and sums out of range."""

    def broken(problem: str) -> AvatarError:
        return AvatarError(f"{what} {problem}; the avatar is damaged.")

    mesh, joint, count = (len(arrays[name]) for name in ("triangle", "joint_weights", "position"))
    if mesh + joint != count or not count:
        raise broken(f"binds {mesh} Gaussians to triangles and {joint} to joints but holds {count}")
    if mesh and arrays["triangle"].max() >= len(head.triangles):
        raise broken(f"names triangle {arrays['triangle'].max()} of a head with {len(head.triangles)}")
    for name in ("barycentric", "joint_weights"):
        if (arrays[name].astype(np.int32).sum(1) > 255).any():
            raise broken(f"has {name.replace('_', ' ')} that add up to more than one")
    if arrays["region"].max() >= len(REGIONS):
        raise broken(f"names region {arrays['region'].max()}, known are 0 to {len(REGIONS) - 1}")
    if not arrays["rotation"].any(1).all():
        raise broken("has a rotation of length zero")
    largest = float(arrays["log_scale"].max())
    if largest > 0 or np.abs(arrays["position"]).max() > 10:
        raise broken("has Gaussians metres in size or metres away")
    for name in ("identity", "view_color_step", *(f"correction.{n}" for n in _CORRECTION_NUMBERS)):
        if arrays[name].size and np.abs(arrays[name]).max() > LARGEST:
            raise broken(f"has numbers beyond {LARGEST:g} in '{name}'")
    if len(arrays["correction.mean"]) not in (SIGNAL_WIDTH, SIGNAL_WIDTH + SHOULDER_WIDTH):
        raise broken(f"has corrections that depend on {len(arrays['correction.mean'])} numbers")
    index = arrays["correction.index"]
    if len(index) and (index[0] < 0 or index[-1] >= count or (np.diff(index) <= 0).any()):
        raise broken("has corrections of Gaussians that do not exist or are out of order")
    wanted = head.components
    if len(arrays["identity"]) != wanted:
        raise broken(f"has {len(arrays['identity'])} identity numbers, this head takes {wanted}")

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(arrays[name].astype(np.float32))

    def weights(name: str) -> torch.Tensor:
        two = tensor(name) / 255
        return torch.cat([two, 1 - two.sum(1, keepdim=True)], 1)

    opacity = (tensor("opacity") / 255).clamp(1 / 510, 1 - 1 / 510)
    gaussians = BoundGaussians(
        triangle=torch.from_numpy(arrays["triangle"].astype(np.int64)),
        barycentric=weights("barycentric"),
        joint_weights=weights("joint_weights"),
        position=tensor("position"),
        rotation=tensor("rotation") / 127,
        log_scale=tensor("log_scale"),
        opacity_logit=torch.logit(opacity),
        color=tensor("color"),
        view_color=(tensor("view_color") * tensor("view_color_step")[:, None, None]).permute(1, 0, 2).contiguous(),
        region=torch.from_numpy(arrays["region"].astype(np.int64)),
    )
    corrections = Corrections(
        mean=tensor("correction.mean"),
        matrix=tensor("correction.matrix"),
        index=torch.from_numpy(index.astype(np.int64)),
        position=tensor("correction.position") * tensor("correction.position_step")[:, None, None],
        color=tensor("correction.color") * tensor("correction.color_step")[:, None, None],
    )
    background = tensor("background") / 255
    if background.shape[:2] == (1, 1):
        background = background[0, 0]
    try:
        camera = _camera(arrays["camera"]) if "camera" in arrays else None
    except InputError as error:
        raise broken(f"holds a camera that is none ({error})") from error
    detail = None
    if "detail.image" in arrays or "detail.pose" in arrays:
        if camera is None or "detail.image" not in arrays or "detail.pose" not in arrays:
            raise broken("holds detail without its picture, its pose or its camera")
        size = camera.height, camera.width
        detail = PictureDetail.unpacked(arrays["detail.image"], arrays["detail.pose"], size, what)
    skin = arrays.get("skin")
    if skin is not None and len(skin) != len(head.template):
        raise broken(f"holds the skin of {len(skin)} vertices, this head has {len(head.template)}")
    parts = {"camera": camera, "detail": detail, "skin": skin}
    return GaussianAvatar(head, tensor("identity"), gaussians, card, corrections, background, **parts)


def _camera_numbers(camera: Camera) -> np.ndarray:
    pose = camera.world_to_camera.detach().cpu().numpy().ravel()
    lens = (camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height)
    return np.concatenate([pose, lens]).astype(np.float32)


def _camera(numbers: np.ndarray) -> Camera:
    """The inverse of `_camera_numbers`; an InputError for numbers that are no camera."""
    width, height = numbers[20:22].tolist()
    if width != round(width) or height != round(height):
        raise InputError(f"A picture is whole pixels wide and high, found {width} x {height}.")
    pose = torch.from_numpy(numbers[:16].reshape(4, 4).astype(np.float32))
    return Camera(pose, *numbers[16:20].tolist(), int(width), int(height))


def save_avatar(avatar: GaussianAvatar, folder: str | Path) -> Path:
    """Write the folder under a temporary name and move it into place; an avatar that was there stays until then.

    Raises an AvatarError where the avatar cannot be written or `folder` holds something that is no avatar.
    """
    folder = Path(folder)
    if avatar.thumbnail is None:
        raise AvatarError("The avatar has no thumbnail; render one and pass it before saving.")
    card = dataclasses.replace(avatar.card, head_version=head_version(avatar.head))
    recover_folder(folder)
    if folder.exists() and not (folder / TENSORS).is_file() and any(folder.iterdir()):
        raise AvatarError(f"{folder} exists and is not an avatar; choose another name.")
    for leftover in folder.parent.glob(f"{glob.escape(new_folder_prefix(folder))}*"):  # of a save that was killed
        if time.time() - leftover.stat().st_mtime > 3600:
            shutil.rmtree(leftover, ignore_errors=True)
    try:
        with replacing_folder(folder) as work:
            (work / TENSORS).write_bytes(encode(pack(avatar)))
            (work / CARD).write_bytes(card.to_json().encode())
            (work / THUMBNAIL).write_bytes(avatar.thumbnail)
            if avatar.motion is not None:
                (work / MOTION).write_bytes(avatar.motion.to_bytes())
    except OSError as error:
        raise AvatarError(f"The avatar cannot be written to {folder}: {error.strerror}.") from error
    return folder


def check_folder(folder: Path) -> AvatarCard:
    """Check the files of an avatar folder without reading its tensors; returns its card."""
    if not folder.is_dir():
        raise AvatarError(f"{folder} is not a folder; an avatar is a folder with {TENSORS}, {CARD} and {THUMBNAIL}.")
    try:
        _check_names(folder)
    except OSError as error:
        raise AvatarError(f"{folder} cannot be read ({error.strerror}); check its permissions.") from error
    data = read_regular(folder / CARD, SIZE_LIMITS[CARD])
    try:
        card = AvatarCard.from_json(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise AvatarError(f"{CARD} in {folder} is not text; the avatar is damaged.") from error
    except AvatarError as error:
        raise AvatarError(f"{folder}: {error}") from error
    check_thumbnail(read_regular(folder / THUMBNAIL, SIZE_LIMITS[THUMBNAIL]), f"{THUMBNAIL} in {folder}")
    return card


def _check_names(folder: Path) -> None:
    for entry in sorted(folder.iterdir()):
        if entry.name not in SIZE_LIMITS:
            raise AvatarError(
                f"{folder} holds the foreign file {entry.name!r:.80}; an avatar has only {', '.join(SIZE_LIMITS)}."
            )
        if entry.is_symlink() or not entry.is_file():
            raise AvatarError(f"{entry.name} in {folder} is a link or a special file; only plain files are read.")


def check_thumbnail(data: bytes, what: str) -> None:
    """Raise an AvatarError unless `data` is a JPEG picture of at most 1024 pixels a side."""
    if not data.startswith(b"\xff\xd8\xff"):
        raise AvatarError(f"{what} is not a JPEG picture; the avatar is damaged.")
    try:
        with opened_picture(data, what, ("JPEG",)) as picture:
            size = picture.size
            if max(size) <= THUMBNAIL_SIDE:  # known before any pixel is decoded
                picture.load()
    except InputError as error:
        raise AvatarError(f"{what} is a damaged JPEG picture or a far too large one; the avatar is damaged.") from error
    if max(size) > THUMBNAIL_SIDE:
        raise AvatarError(f"{what} is {size} pixels, at most {THUMBNAIL_SIDE} a side are allowed.")
