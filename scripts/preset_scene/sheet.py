"""Character sheets: the small JSON files in scripts/characters/ that say who a preset person is.

Colours are linear RGB, lengths metres, everything else a plain weight unless its field says otherwise.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from emotalk.core.errors import InputError

CHARACTERS = Path(__file__).resolve().parent.parent / "characters"
Color = tuple[float, float, float]


@dataclass(frozen=True)
class Phenotype:
    """Weights of the MakeHuman macro targets: `male` 0..1; `age` 0 = young adult, 1 = old; ethnicities sum to 1."""

    male: float = 0.5
    age: float = 0.0
    african: float = 0.34
    asian: float = 0.33
    caucasian: float = 0.33
    muscle: float = 0.5
    weight: float = 0.5
    shapes: dict[str, float] = field(default_factory=dict)
    """Local targets "folder/name" -> weight; a name without l-/r- stands for both sides where sides exist."""

    def __post_init__(self) -> None:
        for name in ("male", "age", "muscle", "weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"phenotype.{name} must lie in [0, 1], found {getattr(self, name)}.")
        total = self.african + self.asian + self.caucasian
        if abs(total - 1) > 0.02:
            raise InputError(f"phenotype ethnicities must sum to 1, found {total:.2f}; scale the three weights.")


@dataclass(frozen=True)
class Skin:
    """What the skin looks like. `mottle` is the second colour of its broad variation, `flush` the colour of
    cheeks, nose tip, ears and knuckle-thin skin."""

    base: Color
    mottle: Color
    flush: Color
    lips: Color
    blush: float = 0.5  # strength of the flush zones
    freckles: float = 0.0
    under_eyes: float = 0.3  # darkening of the lower lids' surroundings
    lines: float = 0.0  # depth of forehead lines and laugh lines (ageing)
    furrows: float = 0.0  # depth of the fine level lines across the forehead
    stubble: float = 0.0  # shaved-beard shadow
    roughness: float = 0.45
    scatter: float = 0.004  # metres that red light travels under the skin


@dataclass(frozen=True)
class Hair:
    """One groom. `style` picks the function in grooms.py; `tip` is the colour towards the ends."""

    style: str
    color: Color
    tip: Color
    length: float = 0.2
    strands: int = 12000
    radius: float = 0.00018
    part: float = 0.02  # x of the parting, + is the person's left
    wave: float = 0.0  # metres of amplitude
    clump: float = 0.6
    flyaways: float = 0.03
    volume: float = 0.024  # metres that draped hair may stand off the skull
    hairline: float = 0.0  # metres the hairline recedes
    sideburns: float = 0.0  # how far hair comes down in front of the ears, in skull heights
    grey: float = 0.0  # fraction of white strands
    roughness: float = 0.38  # of the fibre: larger spreads highlights along the strand
    ends: float | None = None  # share of a strand over which it thins to its tip (default: the style's own)


@dataclass(frozen=True)
class Brows:
    """Eyebrow strands. `lift` raises the outer part's arch (metres), `width` scales their height."""

    color: Color
    strands: int = 420
    width: float = 1.0
    lift: float = 0.0
    length: float = 0.007
    radius: float = 0.00011
    grey: float = 0.0  # fraction of white hairs


@dataclass(frozen=True)
class Beard:
    """Short facial hair; `cheek`, `lip` and `chin` are densities in [0, 1] of the three zones."""

    color: Color
    strands: int = 5000
    length: float = 0.006
    radius: float = 0.00012
    cheek: float = 0.6
    lip: float = 0.9
    chin: float = 1.0
    grey: float = 0.0  # fraction of white hairs on the chin; the cheeks have half as many


@dataclass(frozen=True)
class Glasses:
    """Spectacles: a rounded frame swept as a tube. `width`/`height` are half sizes of one lens."""

    color: Color
    width: float = 0.025
    height: float = 0.020
    roundness: float = 2.6  # exponent of the superellipse: 2 is round, larger is squarer
    thickness: float = 0.0013
    metallic: float = 0.0
    half: bool = False  # rims above the eyes only: a dark ring around them reads as eyes that are wide open


@dataclass(frozen=True)
class Garment:
    """A top cut from the shoulder mesh: `neckline` is "crew", "v" or "collar"."""

    color: Color
    neckline: str = "crew"
    trim: Color | None = None


@dataclass(frozen=True)
class Light:
    """Studio light: strengths relative to the default rig, `warmth` > 0 makes the key warmer."""

    key: float = 1.0
    fill: float = 1.0
    rim: float = 1.0
    ambient: float = 1.0
    warmth: float = 0.0
    catch: float = 0.0  # watts of a small lamp over the camera that is mirrored in the eyes


@dataclass(frozen=True)
class CharacterSheet:
    """One preset person."""

    name: str
    title: str
    about: str
    phenotype: Phenotype
    skin: Skin
    iris: Color
    hair: Hair
    brows: Brows
    garment: Garment
    light: Light = field(default_factory=Light)
    lashes: float = 1.0  # length factor
    beard: Beard | None = None
    glasses: Glasses | None = None
    seed: int = 0
    limitations: str = ""
    """What is not good yet; goes into the avatar's card."""


def _build(kind: type, values: dict, where: str):
    known = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(f"{where} has unknown entries {unknown}; known are {sorted(known)}.")
    built = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return kind(**built)
    except TypeError as error:
        raise InputError(f"{where} is incomplete: {error}.") from error


_PARTS = {
    "phenotype": Phenotype, "skin": Skin, "hair": Hair, "brows": Brows, "garment": Garment, "light": Light,
    "beard": Beard, "glasses": Glasses,
}  # fmt: skip


def load_sheet(name: str, folder: Path = CHARACTERS) -> CharacterSheet:
    """The sheet `<folder>/<name>.json`; InputError names the file and entry that is wrong."""
    path = folder / f"{name}.json"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.json"))
        raise InputError(f"There is no character sheet {name}.json; known characters are {', '.join(known) or 'none'}.")
    try:
        values = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise InputError(f"{path.name} is not valid JSON: {error}.") from error
    for part, kind in _PARTS.items():
        if values.get(part) is not None:
            values[part] = _build(kind, values[part], f"{path.name}: {part}")
    return _build(CharacterSheet, {"name": name, **values}, path.name)
