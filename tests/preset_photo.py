"""A photo of shipped, synthetic people, made when a test needs one: nobody's likeness is involved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from emotalk.talk.background import Colour
from emotalk.talk.request import Look
from emotalk.talk.studio import Studio


def preset_photo(target: Path, *avatars: str, size: int = 512, orientation: int = 1) -> Path:
    """A JPEG of shipped people side by side (elena alone where none is named) before a plain wall, without the mark.

    With another EXIF `orientation` than 1 it is stored as a camera stores it that was held so.
    """
    look = Look(size, zoom=0.9, background=Colour.parse("#b8c4cc"), mark="off")
    studio = Studio()
    faces = [studio.still(avatar, look, 0.0, 0.0) for avatar in avatars or ("elena",)]
    picture = Image.fromarray(np.concatenate(faces, 1))
    stored = {1: None, 6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180}[orientation]
    if stored is not None:
        picture = picture.transpose(stored)
    notes = Image.Exif()
    notes[0x0112] = orientation
    picture.save(target, "JPEG", quality=92, exif=notes)
    return target
