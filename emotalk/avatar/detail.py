"""What a picture of a person shows finer than their Gaussians do: kept beside them, moved along with them when drawn.

`image` is the picture less the Gaussians in the pose of the picture, so that both together are the picture again.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from emotalk.core.errors import AvatarError, InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.pictures import opened_picture

LIMIT = 0.25
"""Farthest that the detail of a pixel goes, of a picture in [0, 1]; what is more is a fault of the Gaussians' place."""
MIDDLE = 128
QUALITY = 92
"""Of the WebP picture that it is kept as: about 120 kB of 512 x 512 pixels, and 43 dB to what it was made of."""
MOST_SIDE = 1024
POSE = ("expression", "jaw", "eyelids")
POSE_WIDTH = 52 + 3 + 2


@dataclass(frozen=True)
class PictureDetail:
    """The detail of one picture, seen by the avatar's camera, its head at rest."""

    image: np.ndarray  # [H, W, 3] float32, added to the Gaussians' colours
    pose: HeadMotion  # one frame; head pose and gaze are zero

    def packed(self) -> tuple[np.ndarray, np.ndarray]:
        """Bytes [B] uint8 of a WebP picture, and the pose's expression, jaw and eyelids [57] float32."""
        levels = np.clip(MIDDLE + self.image * (127 / LIMIT), 1, 255)
        buffer = io.BytesIO()
        Image.fromarray((levels + 0.5).astype(np.uint8)).save(buffer, "WEBP", quality=QUALITY, method=4)
        pose = np.concatenate([getattr(self.pose, name)[0] for name in POSE]).astype(np.float32)
        return np.frombuffer(buffer.getvalue(), np.uint8), pose

    @classmethod
    def unpacked(cls, data: np.ndarray, pose: np.ndarray, size: tuple[int, int], what: str) -> PictureDetail:
        """The inverse of `packed`, of `data` [B] and `pose` [57], for a picture [height, width] = `size`. Raises an
        AvatarError for anything else."""
        try:
            with opened_picture(data.tobytes(), "The picture of its detail", ("WEBP",), MOST_SIDE**2) as picture:
                found = picture.size
                levels = np.asarray(picture.convert("RGB"), np.float32) if found == size[::-1] else None
            split = np.split(np.array(pose), np.cumsum([52, 3]))  # writable, as torch wants it
            values = {name: part[None] for name, part in zip(POSE, split, strict=True)}
            motion = HeadMotion(**values, gaze=np.zeros((1, 2)), head_pose=np.zeros((1, 6)))
        except InputError as error:
            raise AvatarError(f"{what} holds detail that cannot be read ({error}); the avatar is damaged.") from error
        if levels is None:
            raise AvatarError(
                f"{what} holds detail of {found[0]} x {found[1]} pixels for a camera of {size[1]} x {size[0]}; the "
                "avatar is damaged."
            )
        return cls((levels - MIDDLE) * np.float32(LIMIT / 127), motion)
