"""Pictures for the page, as data addresses: they need no route and no permission."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from emotalk.avatar import AvatarInfo
    from emotalk.talk.studio import Studio


def data_address(image: np.ndarray, quality: int = 88) -> str:
    """A picture [H, W, 3] uint8 as a JPEG data address."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def thumbnail_address(path: Path, side: int = 144) -> str:
    """A picture file, cropped to a small square."""
    with Image.open(path) as image:
        return data_address(np.asarray(ImageOps.fit(image.convert("RGB"), (side, side))))


def people_of(studio: Studio, also: Iterable[AvatarInfo] = ()) -> list[dict[str, str]]:
    """What the row of faces shows: every avatar that can be used, and those that only this page knows."""
    people = []
    listed = studio.avatars()
    known = {info.name for info in listed}
    for info in (*listed, *(info for info in also if info.name not in known)):
        if info.problem or info.card is None or info.thumbnail is None:
            continue
        about = "a synthetic person" if info.card.synthetic else "a real person, with their consent"
        people.append(
            {
                "name": info.name,
                "title": info.card.name,
                "about": html.escape(f"{info.card.name}: {about}; licence {info.card.licence}"),
                "picture": thumbnail_address(info.thumbnail),
                "portrait": thumbnail_address(info.thumbnail, 512),
            }
        )
    return people
