"""An avatar in front of a camera: motion in, pictures out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from emotalk.core.camera import PORTRAIT_ZOOM, centre_row
from emotalk.core.motion import HeadMotion
from emotalk.core.pictures import fitted_picture
from emotalk.emotion import behaviour, expression_field, split_eyes
from emotalk.talk.background import Colour
from emotalk.talk.request import Look

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar
    from emotalk.core.camera import Camera
    from emotalk.core.gaussians import GaussianCloud


def still_motion(valence: float, arousal: float) -> HeadMotion:
    """One frame of a silent face in a mood; values outside [-1, 1] are clipped."""
    va = np.clip(np.float32([[valence, arousal]]), -1, 1)
    expression, eyelids, gaze = split_eyes(expression_field(va[:, 0], va[:, 1]))
    head = np.zeros((1, 6), np.float32)
    head[:, 0] = -behaviour(va).head_pitch  # a turn about +x lowers the face
    return HeadMotion(expression, np.zeros((1, 3)), gaze, eyelids, head)


class Scene:
    """One avatar, camera and background; draws single frames and whole clips, on the device where the avatar lies. Not
    for two threads at once."""

    def __init__(self, avatar: GaussianAvatar, look: Look) -> None:
        # Imported here: numba after the request has been checked.
        from emotalk.rendering import FrameRenderer

        self.avatar, self.look = avatar, look
        self.camera = camera_of(avatar, look)
        background = background_of(avatar, look)
        self._renderer = FrameRenderer(look.width, look.height, background)
        self._edges = _Edges.of(avatar, look, background)

    def pose(self, motion: HeadMotion, t: int) -> GaussianCloud:
        """The avatar's Gaussians at frame `t`."""
        return self.avatar.pose(motion, t, self.camera)

    def draw(self, motion: HeadMotion, t: int = 0) -> np.ndarray:
        """One picture [height, width, 3] uint8, in a buffer that the next one may use again."""
        return self._finished(self._renderer.draw(self.pose(motion, t), self.camera))

    def frames(self, clouds: Iterable[GaussianCloud]) -> Iterator[np.ndarray]:
        """A picture [height, width, 3] uint8 for every cloud, the next cloud made while this one is drawn."""
        return map(self._finished, self._renderer.frames(clouds, self.camera))

    def _finished(self, picture: np.ndarray) -> np.ndarray:
        if self._edges is not None:
            self._edges.draw(picture)
        return picture


class _Edges:
    """What lies left and right of a video's square: nothing is known of the shoulders there, so they fade out."""

    def __init__(self, shares: np.ndarray, background: np.ndarray) -> None:
        share = (shares * 256).astype(np.uint16)[:, None]  # of the person, by column
        changed = np.flatnonzero(share < 256)
        inner = np.flatnonzero(share == 256)
        left, right = (inner[0], inner[-1] + 1) if len(inner) else (len(share), len(share))
        self._sides = [
            (where, share[where], background[:, where] * (256 - share[where]) + 128)
            for where in (slice(0, left), slice(right, len(share)))
            if len(changed) and where.start < where.stop
        ]

    @classmethod
    def of(cls, avatar: GaussianAvatar, look: Look, background: torch.Tensor) -> _Edges | None:
        """Those of a picture in front of a background [3] or [height, width, 3]; None where there are none."""
        if avatar.camera is None or look.width <= look.height:
            return None
        # Imported here: as above.
        from emotalk.avatar.view import side_shares

        whole = background.expand(look.height, look.width, 3)
        behind = (whole.clamp(0, 1).cpu().numpy() * 255 + 0.5).astype(np.uint16)
        return cls(side_shares((look.width, look.height), zoom_of(look) / PORTRAIT_ZOOM).numpy(), behind)

    def draw(self, picture: np.ndarray) -> None:
        """Let the sides of a picture [height, width, 3] uint8 fade, in place."""
        for where, share, behind in self._sides:
            picture[:, where] = (picture[:, where] * share + behind) >> 8


TALL_ZOOM = 1.35
"""How much nearer the camera is for a picture that is taller than wide: there is room above a head, not beside it."""


def zoom_of(look: Look) -> float:
    """The zoom of a look's camera with that of its shape."""
    return look.zoom * (TALL_ZOOM if look.height > look.width else 1.0)


def camera_of(avatar: GaussianAvatar, look: Look) -> Camera:
    """Where the look is taken from. An avatar with a camera of its own is seen as in its video at the default look;
    yaw, pitch and zoom are relative to that."""
    # Imported here: as above.
    from emotalk.rendering import portrait_camera

    yaw, pitch, zoom = math.radians(look.yaw), math.radians(look.pitch), zoom_of(look)
    size = look.width, look.height
    if avatar.camera is None:
        return replace(portrait_camera(size, yaw, pitch, zoom), cy=centre_row(*size, zoom))
    from emotalk.avatar.view import own_view

    return own_view(avatar, size, yaw, pitch, zoom / PORTRAIT_ZOOM)[0]


def background_of(avatar: GaussianAvatar, look: Look) -> torch.Tensor:
    """What stands behind the head: [3] or [height, width, 3] in [0, 1]; InputError for a picture that cannot be
    read."""
    if look.background is None:
        # Imported here: as above.
        from emotalk.avatar.view import zoomed_plate

        plain = avatar.background.float().cpu()
        zoom = 1.0 if avatar.camera is None else zoom_of(look) / PORTRAIT_ZOOM
        return plain if plain.ndim == 1 else zoomed_plate(plain, (look.width, look.height), zoom)
    if isinstance(look.background, Colour):
        return torch.tensor((look.background.red, look.background.green, look.background.blue))
    fitted = fitted_picture(look.background.path, (look.width, look.height), "The background picture")
    return torch.from_numpy(fitted.astype(np.float32) / 255)


def with_axes(sheet: np.ndarray, across: str, up: str) -> np.ndarray:
    """A sheet of pictures [H, W, 3] uint8 with the names of its two axes, which run from -1 to 1, in a strip below and
    at the left: [H + strip, W + strip, 3]."""
    height, width = sheet.shape[:2]
    strip = max(16, width // 36)
    font = ImageFont.load_default(strip * 0.6)

    def axis(name: str, length: int) -> Image.Image:
        label = Image.new("RGB", (length, strip), (250, 248, 252))
        draw = ImageDraw.Draw(label)
        for x, text, anchor in ((4, "-1", "lm"), (length / 2, name, "mm"), (length - 4, "+1", "rm")):
            draw.text((x, strip / 2), text, fill=(70, 62, 90), font=font, anchor=anchor)
        return label

    whole = Image.new("RGB", (width + strip, height + strip), (250, 248, 252))
    whole.paste(Image.fromarray(sheet), (strip, 0))
    whole.paste(axis(across, width), (strip, height))
    whole.paste(axis(up, height).rotate(90, expand=True), (0, 0))
    return np.asarray(whole)
