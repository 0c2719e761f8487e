"""What stands behind the head, where it is not the avatar's own: a colour, a picture, or nothing.

Types of their own, so that a text that somebody sent can be a colour and nothing else; only code that knows where a
file comes from makes a `PictureFile` of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from emotalk.core.checks import check_number
from emotalk.core.errors import InputError
from emotalk.core.pictures import opened_picture

_NUMBER = r"\s*([0-9]{1,4}(?:\.[0-9]{0,20})?)\s*"
_PICKED = re.compile(rf"rgba?\({_NUMBER},{_NUMBER},{_NUMBER}(?:,{_NUMBER})?\)")


@dataclass(frozen=True)
class Colour:
    """One colour, each part in [0, 1]. `Colour.parse("#d8e4f0")` makes it of a text."""

    red: float
    green: float
    blue: float

    def __post_init__(self) -> None:
        for name in ("red", "green", "blue"):
            object.__setattr__(self, name, check_number(f"A colour's {name}", getattr(self, name), 0, 1))

    @classmethod
    def parse(cls, text: str) -> Colour:
        """The colour "#rgb", "#rrggbb", or "rgba(red, green, blue, alpha)" as colour pickers write it (0 to 255, the
        alpha without effect); InputError for anything else."""
        text = text.strip() if isinstance(text, str) else text
        if isinstance(text, str) and (picked := _PICKED.fullmatch(text)):
            return cls(*(min(255, round(float(part))) / 255 for part in picked.groups()[:3]))
        found = re.fullmatch(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", text) if isinstance(text, str) else None
        if found is None:
            raise InputError(f"A colour is written #rrggbb, for example #d8e4f0; found {text!r:.40}.")
        digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
        return cls(*(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)))


@dataclass(frozen=True)
class PictureFile:
    """A picture on this machine's disk. Raises InputError where there is none or it is too large
    (`core.pictures.MAX_PIXELS`); its pixels are decoded when it is drawn."""

    path: Path

    def __post_init__(self) -> None:
        if not isinstance(self.path, Path):
            raise InputError(f"A picture file is named by a Path, found {type(self.path).__name__}.")
        try:
            there = self.path.is_file()
        except (OSError, ValueError):
            there = False  # a name that no file can have
        if not there:
            raise InputError(f"There is no background picture {self.path.name!r:.80}; check the name.")
        with opened_picture(self.path, "The background picture"):
            pass  # its header says whether it can be drawn


@dataclass(frozen=True)
class Blurred:
    """Out of focus: a picture, or the avatar's own background where there is none. InputError for anything else."""

    picture: PictureFile | None = None

    def __post_init__(self) -> None:
        if self.picture is not None and not isinstance(self.picture, PictureFile):
            raise InputError(f"What is blurred is a PictureFile or None, found {type(self.picture).__name__}.")


@dataclass(frozen=True)
class Transparent:
    """Nothing: the video has an alpha channel (.webm or .mov)."""


Background = Colour | PictureFile | Blurred | Transparent
"""What `Look.background` takes beside None, the avatar's own."""
