"""Pictures and short sounds for the page, as data addresses: they need no route and no permission."""

from __future__ import annotations

import base64
import html
import io
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from emotalk.core.errors import EmotalkError
from emotalk.core.pictures import fitted_picture
from emotalk.core.rates import SAMPLE_RATE

if TYPE_CHECKING:
    from emotalk.avatar import AvatarInfo
    from emotalk.talk.studio import Studio

log = logging.getLogger(__name__)


def data_address(image: np.ndarray, quality: int = 88) -> str:
    """A picture [H, W, 3] uint8 as a JPEG data address; one with alpha, [H, W, 4], as WebP."""
    kind = "jpeg" if image.shape[-1] == 3 else "webp"
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, quality=quality, **({"method": 0} if kind == "webp" else {}))
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()


def sound_address(samples: np.ndarray) -> str:
    """Samples [N] at 16 kHz as the data address of a WAV file."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode()


def thumbnail_address(path: Path, side: int = 144) -> str:
    """A picture file, cropped to a small square; InputError for what is none, or too large to be decoded."""
    return data_address(fitted_picture(path, side, "The avatar's picture"))


def people_of(studio: Studio, also: Iterable[AvatarInfo] = ()) -> list[dict[str, str]]:
    """What the row of faces shows: every avatar that can be used, and those that only this page knows."""
    people = []
    listed = studio.avatars()
    known = {info.name for info in listed}
    for info in (*listed, *(info for info in also if info.name not in known)):
        if info.problem or info.card is None or info.thumbnail is None:
            continue
        about = "a synthetic person" if info.card.synthetic else "a real person, with their consent"
        try:
            picture, portrait = (thumbnail_address(info.thumbnail, side) for side in (144, 512))
        except EmotalkError as error:  # replaced since it was listed
            log.warning("%s is not shown: %s", info.name, error)
            continue
        shown = html.escape(f"{info.card.name}: {about}; licence {info.card.licence}")
        people.append(
            {"name": info.name, "title": info.card.name, "about": shown, "picture": picture, "portrait": portrait}
        )
    return people
