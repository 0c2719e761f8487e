"""The visible "AI generated" mark."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from emotalk.core.errors import InputError

MARK_POSITIONS = ("bottom-right", "bottom-left", "top-right", "top-left", "off")
MARK_TEXT = "AI generated"


class Mark:
    """A small translucent label in a corner of the picture, drawn once and blended into every frame.

    `position` is one of MARK_POSITIONS; "off" draws nothing (the file's metadata still says that it is
    synthetic). Raises InputError for another position.
    """

    def __init__(self, width: int, height: int, position: str = "bottom-right", text: str = MARK_TEXT) -> None:
        if position not in MARK_POSITIONS:
            raise InputError(f"There is no mark position {position!r}; choose one of {', '.join(MARK_POSITIONS)}.")
        self._area: tuple[slice, slice] | None = None
        self.room = 0
        """Rows of pixels that it takes with its margins, 0 where it is off."""
        if position == "off":
            return
        label = _label(text, max(9.0, min(width, height) * 0.026))
        label = label[:height, :width]
        rows, columns = label.shape[:2]
        margin = max(0, min(round(min(width, height) * 0.025), height - rows, width - columns))
        self.room = rows + 2 * margin
        top = margin if position.startswith("top") else height - rows - margin
        left = margin if position.endswith("left") else width - columns - margin
        self._area = slice(top, top + rows), slice(left, left + columns)
        alpha = label[..., 3:].astype(np.uint16)
        # out = (frame * (255 - alpha) + premultiplied) / 255, in 16-bit integers: 0.1 ms a frame at 512².
        self._keep = 255 - alpha
        self._add = np.concatenate([label[..., :3], np.full_like(label[..., 3:], 255)], -1) * alpha + 127

    def draw(self, frame: np.ndarray) -> None:
        """Blend the mark into `frame` [H, W, 3] uint8, in place; or [H, W, 4], its colours multiplied by alpha."""
        if self._area is not None:
            patch = frame[self._area]
            patch[...] = (patch * self._keep + self._add[..., : patch.shape[-1]]) // 255


def _label(text: str, size: float) -> np.ndarray:
    """White words on a dark translucent pill, [h, w, 4] uint8 with straight alpha."""
    scale = 3  # drawn large and reduced: smooth edges
    font = ImageFont.load_default(size * scale)
    left, top, right, bottom = font.getbbox(text)
    pad_x, pad_y = 0.75 * size * scale, 0.45 * size * scale
    width, height = round(right - left + 2 * pad_x), round(bottom - top + 2 * pad_y)
    picture = Image.new("RGBA", (width, height), (18, 18, 24, 0))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), radius=height / 2, fill=(18, 18, 24, 120))
    draw.text((pad_x - left, pad_y - top), text, font=font, fill=(255, 255, 255, 225))
    return np.asarray(picture.resize((max(1, width // scale), max(1, height // scale)), Image.Resampling.LANCZOS))
