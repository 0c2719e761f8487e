"""An avatar in front of a camera: motion in, pictures out."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from emotalk.core.camera import PORTRAIT_ZOOM, centre_row, project
from emotalk.core.motion import HeadMotion
from emotalk.core.pictures import fitted_picture
from emotalk.emotion import behaviour, expression_field, split_eyes
from emotalk.talk.background import Blurred, Colour, Transparent
from emotalk.talk.request import Look
from emotalk.talk.shots import ASIDE, Framing, looking, near_framing, nearness, sway
from emotalk.video import Mark

if TYPE_CHECKING:
    from emotalk.avatar import GaussianAvatar
    from emotalk.core.camera import Camera
    from emotalk.core.gaussians import CloudBatch, GaussianCloud
    from emotalk.portrait.detail import MovedDetail


def still_motion(
    valence: float, arousal: float, held: tuple[float, float, float] = (0.0, 0.0, 0.0), reach: float = 1.0
) -> HeadMotion:
    """One frame of a silent face in a mood; values outside [-1, 1] are clipped. `held` is how the person holds the head
    at rest (`GaussianAvatar.held`); the eyes look ahead all the same. `reach` is a factor on the expression
    (`AvatarCard.reach`)."""
    va = np.clip(np.float32([[valence, arousal]]), -1, 1)
    expression, eyelids, gaze = split_eyes(reach * expression_field(va[:, 0], va[:, 1]))
    head = np.zeros((1, 6), np.float32)
    head[:, :3] = held
    head[:, 0] -= behaviour(va).head_pitch  # a turn about +x lowers the face
    gaze = gaze + np.float32([[-held[1], held[0]]])
    return HeadMotion(expression, np.zeros((1, 3)), gaze, eyelids, head)


class Scene:
    """One avatar, camera and background; draws single frames and whole clips, on the device where the avatar lies. Not
    for two threads at once."""

    def __init__(self, avatar: GaussianAvatar, look: Look, sentences: Sequence[int] = ()) -> None:
        """`sentences` are the frames at which sentences begin, for a camera that cuts there; it may still grow."""
        # Imported here: numba after the request has been checked.
        from emotalk.rendering import FrameRenderer

        self.avatar, self.look, self._sentences = avatar, look, sentences
        self.camera = camera_of(avatar, look)
        self._whole = background_of(avatar, look)  # of the look's own framing
        transparent = isinstance(look.background, Transparent)
        self._renderer = FrameRenderer(look.width, look.height, None if transparent else self._whole)
        self._edges = _Edges.of(avatar, look, self._whole)
        self._painter = None
        self._moved: deque[MovedDetail] = deque()  # of the frames between their pose and their picture
        if avatar.detail is not None:
            # Imported here: as above.
            from emotalk.portrait.detail import DetailPainter

            self._painter = DetailPainter(avatar)
        self._near, self._framed = Framing(), Framing()
        if look.shot in ("push-in", "cut-in"):
            self._near = near_framing(look.shot, look.width, look.height, head_box(avatar, self.camera))

    def camera_at(self, frame: int) -> Camera:
        """The camera at a frame of a talk."""
        yaw, pitch = sway(self.look.shot, frame)
        camera = self.camera if not (yaw or pitch) else camera_of(self.avatar, self.look, yaw, pitch)
        return self._framing(frame).of(camera)

    def directed(self, motion: HeadMotion, first: int = 0) -> HeadMotion:
        """A motion that begins at frame `first`, with the gaze where the look wants it."""
        look = self.look
        if look.gaze == "ahead" or not len(motion):
            return motion
        if look.gaze == "camera":
            turns = np.array([sway(look.shot, first + t) for t in range(len(motion))])
            yaw, pitch = (turns + np.radians([look.yaw, look.pitch])).T
        else:
            right, up = ASIDE if look.gaze == "aside" else look.gaze
            yaw, pitch = (np.full(len(motion), math.radians(angle)) for angle in (right, up))
        return looking(motion, yaw, pitch)

    def pose(self, motion: HeadMotion, t: int, frame: int = 0) -> GaussianCloud:
        """The avatar's Gaussians at row `t` of a motion, seen from where the camera is at a frame of the talk."""
        return self.avatar.pose(motion, t, self.camera_at(frame))

    def clouds(self, motion: HeadMotion, first: int = 0) -> Iterator[GaussianCloud | CloudBatch]:
        """The avatar's Gaussians in every frame of a motion that begins at frame `first` of the talk; on a GPU many
        frames at a time, where they have one background."""
        # Imported here: as above.
        from emotalk.rendering import batch_frames

        together = 1
        if self.avatar.device.type == "cuda" and not self._background_moves and self._painter is None:
            together = batch_frames(self.look.width, self.look.height)
        for t in range(0, len(motion), together):
            if together == 1:
                yield self._posed(motion, t, first + t)
            else:
                cameras = [self.camera_at(first + k) for k in range(t, min(t + together, len(motion)))]
                yield self.avatar.pose_batch(motion, t, cameras)

    def draw(self, motion: HeadMotion, t: int = 0) -> np.ndarray:
        """One picture [height, width, 3] uint8, in a buffer that the next one may use again; 4 channels, the colours
        multiplied by alpha, where the background is transparent."""
        self._moved.clear()
        return self._finished(self._renderer.draw(self._posed(self.directed(motion), t, 0), self.camera_at(0)))

    def frames(self, clouds: Iterable[GaussianCloud | CloudBatch]) -> Iterator[np.ndarray]:
        """A picture [height, width, 3] uint8 for every cloud, the next cloud made while this one is drawn."""
        self._moved.clear()
        pictures = self._renderer.frames(clouds, self.camera_at)
        for frame in itertools.count():
            self._move_background(frame)
            picture = next(pictures, None)
            if picture is None:
                return
            yield self._finished(picture)

    def _posed(self, motion: HeadMotion, t: int, frame: int) -> GaussianCloud:
        """As `pose`, with the detail of the avatar's photo made ready for the picture that is drawn of it."""
        cloud = self.pose(motion, t, frame)
        if self._painter is not None:
            self._moved.append(self._painter.move(cloud, self.camera_at(frame), motion, t))
        return cloud

    def _framing(self, frame: int) -> Framing:
        return self._near.part(nearness(self.look.shot, frame, self._sentences))

    @property
    def _background_moves(self) -> bool:
        """A video's own background comes nearer with the camera; another one is far behind and stays."""
        return self._near != Framing() and self.avatar.camera is not None and _is_own(self.look)

    def _move_background(self, frame: int) -> None:
        if not self._background_moves:
            return
        framing = self._framing(frame)
        if framing == self._framed:
            return
        self._framed = framing
        background = framed_picture(self._whole, framing)
        self._renderer.background = background
        self._edges = _Edges.of(self.avatar, self.look, background, framing)

    def _finished(self, picture: np.ndarray) -> np.ndarray:
        if self._painter is not None and self._moved:
            self._painter.paint(picture, self._moved.popleft())
        if self._edges is not None:
            self._edges.draw(picture)
        return picture


class _Edges:
    """What lies left and right of a video's square: shoulders that were cut off there fade out."""

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
    def of(
        cls, avatar: GaussianAvatar, look: Look, background: torch.Tensor, framing: Framing | None = None
    ) -> _Edges | None:
        """Those of a picture in front of a background [3] or [height, width, 3] (4 where it is transparent); None where
        there are none."""
        if avatar.camera is None or avatar.card.home:  # with a home pose shoulders come to their own end
            return None
        # Imported here: as above.
        from emotalk.avatar.view import side_shares

        shares = side_shares((look.width, look.height), zoom_of(look) / PORTRAIT_ZOOM).numpy()
        if shares.min() == 1:
            return None
        whole = background.expand(look.height, look.width, background.shape[-1])
        behind = (whole.clamp(0, 1).cpu().numpy() * 255 + 0.5).astype(np.uint16)
        if framing is not None:
            columns = np.arange(look.width) + 0.5
            shares = np.interp((columns - framing.right) / framing.scale, columns, shares)
        return cls(shares, behind)

    def draw(self, picture: np.ndarray) -> None:
        """Let the sides of a picture [height, width, 3 or 4] uint8 fade, in place."""
        for where, share, behind in self._sides:
            picture[:, where] = (picture[:, where] * share + behind) >> 8


TALL_ZOOM = 1.35
"""How much nearer the camera is for a phone's tall picture: there is room above a head, not beside it."""
_TALL = 0.75  # of its width that a picture is higher than wide, from which on that holds


def zoom_of(look: Look) -> float:
    """The zoom of a look's camera with that of its shape, which grows with its height."""
    tall = min(max(look.height / look.width - 1, 0.0) / _TALL, 1.0)
    return look.zoom * (1 + (TALL_ZOOM - 1) * tall)


def camera_of(avatar: GaussianAvatar, look: Look, yaw: float = 0.0, pitch: float = 0.0) -> Camera:
    """Where the look is taken from, gone further around the head by `yaw` and `pitch` (radians). An avatar with a
    camera of its own is seen as usually in its video at the default look; yaw, pitch and zoom are relative to that."""
    # Imported here: as above.
    from emotalk.rendering import portrait_camera

    yaw, pitch, zoom = math.radians(look.yaw) + yaw, math.radians(look.pitch) + pitch, zoom_of(look)
    size = look.width, look.height
    if avatar.camera is None:
        return replace(portrait_camera(size, yaw, pitch, zoom), cy=centre_row(*size, zoom))
    from emotalk.avatar.view import own_view

    return own_view(avatar, size, yaw, pitch, zoom / PORTRAIT_ZOOM)[0]


def background_of(avatar: GaussianAvatar, look: Look) -> torch.Tensor:
    """What stands behind the head: [3] or [height, width, 3] in [0, 1], [4] zeros for nothing; InputError for a picture
    that cannot be read."""
    if isinstance(look.background, Transparent):
        return torch.zeros(4)
    if _is_own(look):
        # Imported here: as above.
        from emotalk.avatar.view import zoomed_plate

        plain = avatar.background.float().cpu()
        if plain.ndim == 1:
            return plain
        zoom = 1.0 if avatar.camera is None else zoom_of(look) / PORTRAIT_ZOOM
        plate = zoomed_plate(plain, (look.width, look.height), zoom)
        return plate if look.background is None else _out_of_focus((plate * 255 + 0.5).byte().numpy(), look)
    if isinstance(look.background, Colour):
        return torch.tensor((look.background.red, look.background.green, look.background.blue))
    blurred = isinstance(look.background, Blurred)
    file = look.background.picture if blurred else look.background
    fitted = fitted_picture(file.path, (look.width, look.height), "The background picture")
    return _out_of_focus(fitted, look) if blurred else torch.from_numpy(fitted.astype(np.float32) / 255)


_FOCUS = 0.03
"""Of the shorter side: how far a point that is out of focus spreads. By eye: furniture is known, edges are gone."""


def _out_of_focus(picture: np.ndarray, look: Look) -> torch.Tensor:
    """A picture [height, width, 3] uint8 as a lens shows it that looks at somebody in front; in [0, 1]."""
    blur = ImageFilter.GaussianBlur(_FOCUS * min(look.width, look.height))
    return torch.from_numpy(np.asarray(Image.fromarray(picture).filter(blur), np.float32) / 255)


def _is_own(look: Look) -> bool:
    """Whether the avatar's own background is shown, in focus or not."""
    return look.background is None or look.background == Blurred()


CHIN = -0.1
"""Metres above the head joint, below which there is no head: hair and cloth that hang lower may leave the picture."""


def head_box(avatar: GaussianAvatar, camera: Camera) -> tuple[float, float, float, float]:
    """Where the head at rest is in a picture, with its hair: (left, top, right, bottom) in pixels."""
    cloud = avatar.pose(still_motion(0, 0, avatar.held), 0, camera)
    means, seen = cloud.means.detach().cpu(), cloud.opacities.detach().cpu() > 0.3
    pixels, _ = project(means[seen & (means[:, 1] > CHIN)], camera)
    return (*pixels.min(0).tolist(), *pixels.max(0).tolist())


def framed_picture(picture: torch.Tensor, framing: Framing) -> torch.Tensor:
    """A picture [H, W, 3] in [0, 1] so framed, at fractions of a pixel; a colour [3] stays what it is."""
    if picture.ndim == 1:
        return picture
    height, width = picture.shape[:2]
    scale = framing.scale
    columns = ((torch.arange(width) + 0.5 - framing.right) / scale) * 2 / width - 1
    rows = ((torch.arange(height) + 0.5 - framing.down) / scale) * 2 / height - 1
    grid = torch.stack([columns.expand(height, width), rows[:, None].expand(height, width)], -1)
    planes = picture.permute(2, 0, 1)[None]
    moved = torch.nn.functional.grid_sample(planes, grid[None], "bilinear", "border", align_corners=False)
    return moved[0].permute(1, 2, 0).contiguous()


_PAPER = (250, 248, 252)


def with_axes(sheet: np.ndarray, across: str, up: str) -> np.ndarray:
    """A sheet of pictures [H, W, 3] uint8 with the names of its two axes, which run from -1 to 1, in a strip below and
    at the left: [H + strip, W + strip, 3]."""
    height, width = sheet.shape[:2]
    strip = max(16, width // 36)
    font = ImageFont.load_default(strip * 0.6)

    def axis(name: str, length: int) -> Image.Image:
        label = Image.new("RGB", (length, strip), _PAPER)
        draw = ImageDraw.Draw(label)
        for x, text, anchor in ((4, "-1", "lm"), (length / 2, name, "mm"), (length - 4, "+1", "rm")):
            draw.text((x, strip / 2), text, fill=(70, 62, 90), font=font, anchor=anchor)
        return label

    whole = Image.new("RGB", (width + strip, height + strip), _PAPER)
    whole.paste(Image.fromarray(sheet), (strip, 0))
    whole.paste(axis(across, width), (strip, height))
    whole.paste(axis(up, height).rotate(90, expand=True), (0, 0))
    return np.asarray(whole)


def with_mark(sheet: np.ndarray, position: str, side: int) -> np.ndarray:
    """A sheet [H, W, 3] uint8 with the mark in a strip of its own, below it or above, where it hides no face; as large
    as the mark of a picture of `side` pixels."""
    mark, above = Mark(sheet.shape[1], side, position), position.startswith("top")
    band = np.full((mark.room, *sheet.shape[1:]), _PAPER, np.uint8)
    whole = np.concatenate([band, sheet] if above else [sheet, band])
    mark.draw(whole[:side] if above else whole[-side:])
    return whole
