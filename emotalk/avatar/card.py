"""What an avatar's card.json says: who it is, whose work, under which licence, how good, and with whose consent."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from emotalk.avatar import home
from emotalk.core.errors import AvatarError

FORMAT_VERSION = 1
"""Version of the folder format (docs/avatar-format.md)."""
LARGEST_FACE = 2**32 - 1
LARGEST_METRIC = 1e12
REACH = (0.5, 2.0)
DEEPEST_FOLD = 3.0
_LIMITS = {"name": 80, "licence": 200, "provenance": 4000, "limitations": 4000, "head_version": 80, "created": 40,
           "source": 400}  # fmt: skip


@dataclass(frozen=True)
class Consent:
    """A real person's yes to having an avatar made of them."""

    statement: str  # the sentence that was agreed to
    time: str  # ISO 8601, when
    live: bool = False  # whether the avatar's numbers may go to the browsers of those who watch it live


@dataclass(frozen=True)
class AvatarCard:
    """The card of an avatar. A real person's avatar (`synthetic=False`) has to carry their consent."""

    name: str
    licence: str
    provenance: str  # how it was made and from what
    synthetic: bool  # nobody's likeness
    head_version: str = ""  # `model.head_version` of the head it is bound to; filled in by save
    metrics: dict[str, float] = field(default_factory=dict)  # of the fit, e.g. {"psnr_head": 31.2}
    limitations: str = ""  # what is not good yet
    consent: Consent | None = None
    created: str = ""  # ISO 8601
    face: int = 1  # which idiosyncrasy of face and motion this person has (`MotionStyle.face`); 0: an average face
    home: tuple[float, ...] = ()  # the usual head pose of its video (`avatar.home`): 6 numbers, or none
    source: str = ""  # `org/repo[/subfolder]@commit` of a download; filled in where it is loaded from the Hub
    reach: float = 1.0  # how far this face goes in a mood against the average one, so that it is read as well
    folds: dict[str, float] = field(default_factory=dict)  # group of `folds.FOLDS` -> depth: 0 none, 1 in their fifties
    version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise AvatarError(f"The avatar's card {problem}")

    @property
    def live(self) -> bool:
        """Whether it may be drawn in a browser, to which its numbers then go: nobody's likeness may, a real person's
        where they agreed to that."""
        return self.synthetic or self.consent.live

    def _problem(self) -> str | None:
        for name, limit in _LIMITS.items():
            value = getattr(self, name)
            if not isinstance(value, str) or len(value) > limit:
                return f"needs a text of at most {limit} characters as '{name}', found {value!r:.60}."
            if any("\ud800" <= character <= "\udfff" for character in value):
                return f"has halves of letters, which are no text, as '{name}': {value!r:.60}."
        for name in ("name", "licence"):  # they are printed on terminals
            if not all(character.isprintable() or character in "\n\r\t" for character in getattr(self, name)):
                return f"needs printable characters as '{name}', found {getattr(self, name)!r:.60}."
        if not self.name.strip():
            return "has no name; give it one."
        if type(self.version) is not int or self.version != FORMAT_VERSION:
            return (
                f"says format version {self.version!r:.20}, this program reads version {FORMAT_VERSION}; "
                "get a matching avatar or update emotalk."
            )
        if not isinstance(self.synthetic, bool):
            return f"must say true or false as 'synthetic', found {self.synthetic!r:.60}."
        if type(self.face) is not int or not 0 <= self.face <= LARGEST_FACE:
            return f"needs a whole number from 0 to {LARGEST_FACE} as 'face', found {self.face!r:.60}."
        if (wrong := home.problem(self.home)) is not None:
            return f"{wrong}."
        object.__setattr__(self, "home", tuple(self.home))
        if not isinstance(self.metrics, dict) or len(self.metrics) > 100:
            return "needs a table of at most 100 numbers as 'metrics'."
        for key, value in self.metrics.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            # Not `isfinite`: a whole number may be too large for any float.
            if not isinstance(key, str) or not number or not -LARGEST_METRIC <= value <= LARGEST_METRIC:
                return f"has a metric that is not a finite number: {key!r:.40} = {value!r:.40}."
        number = isinstance(self.reach, int | float) and not isinstance(self.reach, bool)
        if not number or not REACH[0] <= self.reach <= REACH[1]:
            return f"needs a number from {REACH[0]} to {REACH[1]} as 'reach', found {self.reach!r:.40}."
        if not isinstance(self.folds, dict) or len(self.folds) > 40:
            return "needs a table of at most 40 numbers as 'folds'."
        for key, depth in self.folds.items():
            number = isinstance(depth, int | float) and not isinstance(depth, bool)
            if not isinstance(key, str) or not number or not 0 <= depth <= DEEPEST_FOLD:
                return f"needs depths from 0 to {DEEPEST_FOLD:g} as 'folds', found {key!r:.40} = {depth!r:.40}."
        if self.consent is not None and not all(
            isinstance(text, str) and 0 < len(text) <= 2000 for text in (self.consent.statement, self.consent.time)
        ):
            return "has a consent without statement or time; both must be texts."
        if self.consent is not None and not isinstance(self.consent.live, bool):
            return f"must say true or false as 'live' of its consent, found {self.consent.live!r:.60}."
        if not self.synthetic and self.consent is None:
            return "is of a real person but holds no consent; make the avatar again with that person's consent."
        return None

    def to_json(self) -> str:
        """The card as indented JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False, sort_keys=True) + "\n"

    @staticmethod
    def from_json(text: str) -> AvatarCard:
        """The card in a JSON text; entries it does not know are ignored, anything else wrong is an AvatarError."""
        table = parse_json(text, "card.json")
        if not isinstance(table, dict):
            found = {type(None): "nothing (null)", list: "a list", str: "a text", bool: "true or false"}
            raise AvatarError(
                f"card.json must hold a table, found {found.get(type(table), 'a number')}; the avatar is damaged."
            )
        known = {f.name: f for f in dataclasses.fields(AvatarCard)}
        missing = [n for n in ("name", "licence", "provenance", "synthetic", "version") if n not in table]
        if missing:
            raise AvatarError(f"card.json lacks {', '.join(missing)}; the folder is damaged or not an avatar.")
        values = {name: value for name, value in table.items() if name in known}
        consent = values.get("consent")
        if consent is not None:
            if not isinstance(consent, dict) or not {"statement", "time"} <= consent.keys():
                raise AvatarError("card.json has a consent without statement and time; the avatar is damaged.")
            # Older avatars were agreed to when there was nothing to say about browsers: those are for videos only.
            values["consent"] = Consent(consent["statement"], consent["time"], consent.get("live", False))
        return AvatarCard(**values)


def parse_json(text: str, what: str) -> Any:
    """The value of a JSON text; an AvatarError naming `what` for damaged, too deep, doubled or non-finite entries."""

    def refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise AvatarError(f"{what} names an entry twice; the avatar is damaged or tampered with.")
        return table

    def refuse_constant(name: str) -> float:
        raise AvatarError(f"{what} holds {name}, which is not a number; the avatar is damaged.")

    try:
        return json.loads(text, object_pairs_hook=refuse_doubles, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise AvatarError(f"{what} is not readable as JSON ({type(error).__name__}); the avatar is damaged.") from error
