"""`GaussianAvatar`: one person as Gaussians on a head model; `pose` turns a frame of motion into a `GaussianCloud`."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotalk.avatar import binding
from emotalk.avatar.gaussians import Corrections, signals
from emotalk.avatar.home import held, home_camera
from emotalk.avatar.posing import poser_for
from emotalk.core.errors import AvatarError, InputError
from emotalk.core.gaussians import CloudBatch
from emotalk.core.motion import HeadMotion

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from emotalk.avatar.card import AvatarCard
    from emotalk.avatar.detail import PictureDetail
    from emotalk.avatar.gaussians import BoundGaussians
    from emotalk.core.camera import Camera
    from emotalk.core.gaussians import GaussianCloud
    from emotalk.head import HeadModel
    from emotalk.motion.person import MotionAdaptation

_PARTS = (
    "head", "identity", "gaussians", "card", "corrections", "background", "thumbnail", "camera", "motion", "detail",
    "skin",
)  # fmt: skip
CHUNK = 16
"""Frames of a clip whose meshes are computed at once: a batch costs far less per frame than single frames."""


class GaussianAvatar:
    """Responsibilities: hold the numbers of one person, and pose them.

    It holds no motion; drawing is `emotalk.rendering.rasterize(avatar.pose(motion, t), camera, avatar.background)`.
    `camera` is the one its own video was taken with, where it is of a video: with it the background fits. All tensors
    but the camera's live on one device; on the CPU posing runs compiled kernels.
    """

    def __init__(
        self,
        head: HeadModel,
        identity: Tensor,  # [I] coefficients of the head's identity basis
        gaussians: BoundGaussians,
        card: AvatarCard,
        corrections: Corrections | None = None,
        background: Tensor | None = None,  # [3] or [H, W, 3] in [0, 1]
        thumbnail: bytes | None = None,  # JPEG
        camera: Camera | None = None,  # of the avatar's own video
        motion: MotionAdaptation | None = None,  # how the person of that video moves while speaking
        detail: PictureDetail | None = None,  # what the one photo that it is of shows finer than the Gaussians
        skin: np.ndarray | None = None,  # [V, 4] uint8, `vertex_colors.skin_of` of the avatar that it was thinned from
    ) -> None:
        self.head = head
        self.identity = identity.detach().to(torch.float32)
        self.person = head.with_identity(self.identity)
        self.gaussians = gaussians
        self.card = card
        self.corrections = corrections if corrections is not None else Corrections.empty(self.device)
        self.background = background if background is not None else torch.full((3,), 0.5, device=self.device)
        self.thumbnail = thumbnail
        self.camera = camera
        self.motion = motion
        self.detail = detail
        self.skin = skin
        triangles = len(head.triangles)
        if len(gaussians.triangle) and int(gaussians.triangle.max()) >= triangles:
            raise AvatarError(
                f"The avatar is bound to triangle {int(gaussians.triangle.max())}, the head has {triangles}; "
                "it was made for another head."
            )
        index = self.corrections.index
        if len(index) and (int(index.max()) >= len(gaussians) or not bool((index[1:] > index[:-1]).all())):
            raise AvatarError("The avatar's corrections name Gaussians that do not exist or are out of order.")
        with torch.no_grad():
            neutral, _, _ = self.mesh(HeadMotion.neutral())
            self.neutral_sizes = binding.triangle_sizes(neutral[0], head.triangles)
            self.one_sided = binding.one_sided(gaussians)
            self.shown_corrections = self._with_folds(neutral[0])
        self._poser = poser_for(gaussians, self.shown_corrections, head.triangles, self.neutral_sizes, self.one_sided)
        self._chunk: tuple[HeadMotion, int, tuple[Tensor, Tensor, Tensor]] | None = None

    def __len__(self) -> int:
        return len(self.gaussians)

    @property
    def device(self) -> torch.device:
        """Where the Gaussians, the head and the background are."""
        return self.gaussians.position.device

    @cached_property
    def home_camera(self) -> Camera | None:
        """The camera through which a head at rest is seen as its video usually shows it (`avatar.home`)."""
        return home_camera(self)

    @property
    def held(self) -> tuple[float, float, float]:
        """Radians about x, y and z: how the person holds the head at rest; zeros where no video tells."""
        return held(self.card.home)

    def replace(self, **changes: object) -> GaussianAvatar:
        """A copy with some of `head, identity, gaussians, card, corrections, background, thumbnail, camera, motion,
        detail, skin` exchanged."""
        return GaussianAvatar(**({name: getattr(self, name) for name in _PARTS} | changes))

    def select(self, keep: Tensor) -> GaussianAvatar:
        """The same avatar with the Gaussians where `keep` [N] (bool) is true alone, and their corrections."""
        c = self.corrections
        place = torch.cumsum(keep, 0) - 1
        has = keep[c.index]
        corrections = Corrections(c.mean, c.matrix, place[c.index[has]], c.position[:, has], c.color[:, has])
        return self.replace(gaussians=self.gaussians.select(keep), corrections=corrections)

    def to(self, device: torch.device | str) -> GaussianAvatar:
        """The avatar on another device; itself where it is there already."""
        if torch.device(device) == self.device:
            return self

        def move(part: object) -> object:
            return type(part)(**{f.name: getattr(part, f.name).to(device) for f in dataclasses.fields(part)})

        return self.replace(
            head=copy.deepcopy(self.head).to(device),  # a module moves in place, and others hold this one
            identity=self.identity.to(device),
            gaussians=move(self.gaussians),
            corrections=move(self.corrections),
            background=self.background.to(device),
        )

    def mesh(self, motion: HeadMotion) -> tuple[Tensor, Tensor, Tensor]:
        """Vertices [T, V, 3], and rotations [T, 3, 3, 3] and translations [T, 3, 3] (metres) that take the joints
        root, neck and head from rest to pose, for every frame of a motion."""
        device = self.identity.device
        channels = {f.name: torch.from_numpy(getattr(motion, f.name)).to(device) for f in dataclasses.fields(motion)}
        posed = self.person(**channels)
        return posed.vertices, posed.transforms[:, :3, :3, :3], posed.transforms[:, :3, :3, 3]

    def vertices(self, motion: HeadMotion, t: int) -> Tensor:
        """Vertices [V, 3] (metres) of the mesh at frame `t` of a motion; right after `pose` of it at no cost."""
        return self._mesh_at(motion, t)[0]

    @torch.no_grad()
    def pose(
        self, motion: HeadMotion, t: int, camera: Camera | None = None, torso: Tensor | None = None
    ) -> GaussianCloud:
        """The Gaussians at frame `t` of a motion, in metres.

        With a `camera`, Gaussians on the far side of solid parts get opacity 0, which halves the drawing. `torso` [3]
        moves the shoulders by so many metres against where the motion has them, [3, 4] moves and bends them
        (`binding.shift_shoulders`).
        Raises an InputError where the motion has no frame `t`.
        """
        if not 0 <= t < len(motion):
            raise InputError(f"Frame {t} was asked of a motion of {len(motion)} frames; choose 0 to {len(motion) - 1}.")
        mesh = self._mesh_at(motion, t)
        if torso is not None:
            mesh = binding.shift_shoulders(*mesh, self.head.weights[:, 0], torso.to(self.device))
        bent = None if torso is None else torso[None]
        latents = self.shown_corrections.latents(torch.from_numpy(signals(motion[t : t + 1], bent)[0]).to(self.device))
        return self._poser(*mesh, latents, camera)

    @torch.no_grad()
    def pose_batch(self, motion: HeadMotion, first: int, cameras: Sequence[Camera]) -> CloudBatch:
        """The Gaussians at frame `first` of a motion and those after it, one for each of the `cameras` (at least one):
        what `pose` gives, in one go where the avatar is on a GPU. Raises an InputError where the motion ends before."""
        last = first + len(cameras)
        if not 0 <= first < last <= len(motion):
            raise InputError(
                f"Frames {first} to {last - 1} were asked of a motion of {len(motion)} frames; choose from 0 to "
                f"{len(motion) - 1}."
            )
        if binding.compiled(self.identity):
            return CloudBatch.stack([self.pose(motion, first + k, camera) for k, camera in enumerate(cameras)])
        part = motion[first:last]
        latents = self.shown_corrections.latents(torch.from_numpy(signals(part)).to(self.device))
        return self._poser.batch(*self.mesh(part), latents, cameras)

    def save(self, folder: str | Path) -> Path:
        """Write the avatar as a folder (docs/avatar-format.md), all or nothing; returns the folder."""
        # Imported here: files.py imports this module.
        from emotalk.avatar.files import save_avatar

        return save_avatar(self.to("cpu"), folder)

    def _with_folds(self, vertices: Tensor) -> Corrections:
        """The corrections with the folds that the card tells, on a resting face with vertices [V, 3]."""
        if not any(self.card.folds.values()):
            return self.corrections
        # Imported here: most fits and tests have none.
        from emotalk.avatar.fold_shading import fold_corrections, joined

        folds = fold_corrections(self.head, self.gaussians, vertices.cpu().numpy(), self.card.folds)
        return joined(self.corrections, folds)

    def with_baked_folds(self) -> GaussianAvatar:
        """The same avatar with the folds of its card among its corrections, for players that know no others."""
        card = dataclasses.replace(self.card, folds={})
        return self.replace(corrections=self.shown_corrections, card=card)

    def _mesh_at(self, motion: HeadMotion, t: int) -> tuple[Tensor, Tensor, Tensor]:
        start = t - t % CHUNK
        cached = self._chunk
        if cached is None or cached[0] is not motion or cached[1] != start:
            # One assignment of one tuple: a second thread sees the old chunk or the new one, never a mixture.
            cached = self._chunk = (motion, start, self.mesh(motion[start : start + CHUNK]))
        vertices, rotations, translations = cached[2]
        return vertices[t - start], rotations[t - start], translations[t - start]


EARLIER_HEAD_VERSIONS = {"emotalk-head-1-7862493814": "emotalk-head-1-169e6a8298"}
"""What cards of the first release call the shipped head, and what `head_version` calls it now: then the positions of
vertices and the identity components were not part of the fingerprint."""


def head_version(head: HeadModel) -> str:
    """What an avatar's card names as its head: a fingerprint of the template's vertices, the triangles and the identity
    components. Two heads with the same answer have the same of all three, so that Gaussians and identity numbers of
    one fit the other.

    The bytes are those of little-endian float32 and int32 as the head file holds them (identity components are its
    int16 numbers times a float32 step, which rounds alike everywhere), so every machine gets the same answer.
    """
    metadata = getattr(head, "metadata", {})
    digest = hashlib.sha256()
    for array, kind in ((head.template, "<f4"), (head.triangles, "<i4"), (head.identity_basis, "<f4")):
        numbers = np.ascontiguousarray(array.detach().cpu().numpy(), kind)
        digest.update(np.array(numbers.shape, "<i4").tobytes() + numbers.tobytes())
    return f"{metadata.get('format', 'head')}-{metadata.get('version', 0)}-{digest.hexdigest()[:10]}"


def same_head(named: str, version: str) -> bool:
    """Does the head that a card names, perhaps one written by an earlier program, have this `head_version`?"""
    return EARLIER_HEAD_VERSIONS.get(named, named) == version
