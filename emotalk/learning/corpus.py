"""A corpus of filmed talking people as the motion network learns from it: shards of numbers, and their terms.

<folder>/manifest.json                        terms, counts, the shards, what was left out and why
<folder>/shards/00000-<digest>.safetensors    arrays of some ten minutes of clips; their table is in the header

Neither pictures nor sound nor the shape of a face are in it. Every clip has (T frames at 25 fps)

    rows [V, T, W] float16 and rhythm [V, T, 6] float16   what the speech encoder heard, clean and distorted
    expression [T, 52], jaw [T, 3], gaze [T, 2], eyelids [T, 2], head_pose [T, 6] float32   `HeadMotion`
    measures [T, 4] float32                               of the lips, in eye distances (`sync.lip_measures`)
    emotion [T, 2] float32                                valence and arousal, 0 where unknown
    seen [T] uint8                                        1 where the face was found and explained

A shard's bytes hang on its clips alone. It is read through the system's page cache: a corpus may be larger than the
memory.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotalk.core import checkpoint
from emotalk.core.atomic import write_bytes
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.learning.filmed_lips import FilmedClip
from emotalk.learning.motion_data import HIDDEN
from emotalk.speech.feature_rows import ROW_SIZE

FORMAT = "emotalk-corpus-1"
MANIFEST, SHARDS = "manifest.json", "shards"
SHARD_FRAMES = 15_000
"""A shard is full with as many: ten minutes, about 35 MB."""
USES = ("any", "non-commercial", "private")
"""What may be done with weights that learned from somebody's film: anything, anything that earns nothing, or nothing
outside of the house where they were made. From free to narrow."""
_SEEN = 0.98  # share of frames with a face that lips are learned from: where none is, they are bridged
_MOST_TEXTS = 20  # different ones that a card repeats
_VERSIONED = {"rows": 2 * (ROW_SIZE + HIDDEN), "rhythm": 6}
_SINGLE = {
    "expression": 52, "jaw": 3, "gaze": 2, "eyelids": 2, "head_pose": 6, "measures": 4, "emotion": 2, "seen": 0,
}  # fmt: skip
_KINDS = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "U8": np.dtype("u1")}


@dataclass(frozen=True)
class Terms:
    """Whose films these are and what they may be used for, as the folder's owner states it."""

    name: str
    source: str  # where it comes from: an address, or words
    licence: str
    attribution: str  # whom to name, in the words that are asked for
    consent: str  # what the filmed people agreed to, and how that is known
    weights: str  # one of USES

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) or not value.strip():
                raise InputError(f"A corpus must state its {field.name!r} as a text, found {value!r:.60}.")
        if self.weights not in USES:
            raise InputError(f"'weights' must be one of {', '.join(USES)}, found {self.weights!r:.60}.")


@dataclass(frozen=True)
class ClipFacts:
    """What is told of a clip."""

    name: str  # of its file, below the corpus's folder
    speaker: str
    frames: int
    video: str  # SHA-256 of the film
    licence: str
    consent: str
    weights: str  # one of USES
    sync: float  # how well lips and sound belong together, `SyncModel.score`
    error: float  # of the tracked landmarks, in eye distances


class CorpusClip:
    """A clip in a shard; its arrays are read when they are asked for. Like a `TrackedClip` of V versions."""

    def __init__(self, facts: ClipFacts, arrays: Mapping[str, np.ndarray], first: int) -> None:
        """`arrays` are those of the whole shard, where the clip begins with frame `first`."""
        self.facts, self._arrays, self._rows = facts, arrays, slice(first, first + facts.frames)

    def __len__(self) -> int:
        return self.facts.frames

    @property
    def rows(self) -> np.ndarray:
        """[V, T, W] float16 what is heard."""
        return self._arrays["rows"][:, self._rows]

    @property
    def rhythm(self) -> np.ndarray:
        """[V, T, 6] float16 `Rhythm.row()`."""
        return self._arrays["rhythm"][:, self._rows]

    @property
    def motion(self) -> HeadMotion:
        """What the head did."""
        return HeadMotion(**{f.name: self._arrays[f.name][self._rows] for f in dataclasses.fields(HeadMotion)})

    @property
    def expression(self) -> np.ndarray:
        """[T, 52] float32 that of `motion`, as it lies there."""
        return self._arrays["expression"][self._rows]

    @property
    def emotion(self) -> np.ndarray:
        """[T, 2] valence and arousal."""
        return self._arrays["emotion"][self._rows]

    @property
    def seen(self) -> np.ndarray:
        """[T] bool where the motion is known."""
        return self._arrays["seen"][self._rows].astype(bool)

    def lips(self) -> FilmedClip:
        """The same for the lip branch, copied."""
        measures = np.array(self._arrays["measures"][self._rows])
        return FilmedClip(self.facts.speaker, np.array(self.rows), np.float32(self.rhythm), measures)


@dataclass(frozen=True)
class Corpus:
    """A whole corpus."""

    terms: Terms
    clips: tuple[CorpusClip, ...]

    @property
    def minutes(self) -> float:
        """How long it is."""
        return sum(map(len, self.clips)) / (60 * FPS)

    @property
    def speakers(self) -> int:
        """How many people speak in it."""
        return len({clip.facts.speaker for clip in self.clips})

    @property
    def weights(self) -> str:
        """The narrowest of what its clips let be done with weights, one of USES."""
        return narrowest([self.terms.weights, *(clip.facts.weights for clip in self.clips)])

    def card(self) -> dict[str, Any]:
        """What a model that learned from it has to tell: its terms and how much it was. Licences and consents are
        those of the clips, with the number of clips under each."""
        return {
            **dataclasses.asdict(self.terms),
            "weights": self.weights,
            "licences": _counted(clip.facts.licence for clip in self.clips),
            "consents": _counted(clip.facts.consent for clip in self.clips),
            "clips": len(self.clips),
            "minutes": round(self.minutes, 1),
            "people": self.speakers,
        }


def narrowest(uses: Iterable[str]) -> str:
    """The narrowest of some of USES; "any" of none."""
    return max(uses, key=USES.index, default=USES[0])


def write_shard(folder: Path, name: str, clips: Sequence[tuple[ClipFacts, Mapping[str, np.ndarray]]]) -> dict[str, Any]:
    """Write a shard of clips (facts, and arrays as above) into `folder`, moved into place; returns its entry in the
    manifest. The same clips give the same bytes. Raises InputError where an array is not of its clip's length."""
    for facts, arrays in clips:
        _check(facts, arrays)
    joined = {
        **{key: np.concatenate([arrays[key] for _, arrays in clips], 1).astype("<f2") for key in _VERSIONED},
        **{key: np.concatenate([arrays[key] for _, arrays in clips]).astype("<f4") for key in _SINGLE if key != "seen"},
        "seen": np.concatenate([arrays["seen"] for _, arrays in clips]).astype("u1"),
    }
    table = json.dumps([dataclasses.asdict(facts) for facts, _ in clips], ensure_ascii=True)
    # One text: of several the library would write the order by chance.
    data = checkpoint.to_bytes(joined, {FORMAT: table})
    write_bytes(folder / name, data)
    frames = sum(facts.frames for facts, _ in clips)
    return {
        "file": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "clips": len(clips),
        "frames": frames,
    }  # fmt: skip


def load_corpus(folder: str | Path) -> Corpus:
    """The corpus that `scripts.track_corpus` put into a folder. InputError where there is none, or a damaged one."""
    folder = Path(folder)
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']!r:.40}, expected {FORMAT!r}")
        terms = Terms(**manifest["corpus"])
        clips = [clip for entry in manifest["shards"] for clip in _read_shard(folder / SHARDS, entry)]
    except FileNotFoundError as error:
        raise InputError(
            f"{error.filename or path} is missing, so {folder} holds no corpus; make it with scripts.track_corpus."
        ) from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"The corpus in {folder} cannot be read ({error}); make it again.") from error
    return Corpus(terms, tuple(clips))


def for_lips(clips: Sequence[CorpusClip], frames: int) -> list[FilmedClip]:
    """Clips for the lip branch, in turn of every speaker until there are `frames` frames: who is filmed much does not
    crowd out the others."""
    of: dict[str, list[CorpusClip]] = {}
    for clip in clips:
        if len(clip) >= FPS and clip.seen.mean() >= _SEEN:
            of.setdefault(clip.facts.speaker, []).append(clip)
    chosen: list[CorpusClip] = []
    for turn in range(max(map(len, of.values()), default=0)):
        for own in of.values():
            if turn < len(own) and frames > 0:
                chosen.append(own[turn])
                frames -= len(own[turn])
    return [clip.lips() for clip in chosen]


def _read_shard(folder: Path, entry: Mapping[str, Any]) -> list[CorpusClip]:
    path = folder / entry["file"]
    size = path.stat().st_size
    if path.parent != folder or size != entry["bytes"]:
        raise ValueError(f"{entry['file']} has {size} bytes, expected {entry['bytes']}")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > size - 8:
            raise ValueError(f"{entry['file']} is damaged")
        header = json.loads(file.read(length))
    clips = [ClipFacts(**facts) for facts in json.loads(header.pop("__metadata__")[FORMAT])]
    frames = sum(facts.frames for facts in clips)
    # One mapping of a file, since a process may have some ten thousands of them.
    raw, arrays = np.asarray(np.memmap(path, np.uint8, "r")), {}
    for name, there in header.items():
        first, last = (8 + length + offset for offset in there["data_offsets"])
        arrays[name] = raw[first:last].view(_KINDS[there["dtype"]]).reshape(there["shape"])
    for name, width in {**_VERSIONED, **_SINGLE}.items():
        wanted = (frames, width) if width else (frames,)
        if arrays[name].shape[-len(wanted) :] != wanted:
            raise ValueError(f"{name} in {entry['file']} has shape {list(arrays[name].shape)}")
    starts = np.cumsum([0, *(facts.frames for facts in clips)])
    return [CorpusClip(facts, arrays, int(first)) for facts, first in zip(clips, starts, strict=False)]


def _check(facts: ClipFacts, arrays: Mapping[str, np.ndarray]) -> None:
    for name, width in {**_VERSIONED, **_SINGLE}.items():
        wanted = (facts.frames, width) if width else (facts.frames,)
        if arrays[name].shape[-len(wanted) :] != wanted:
            raise InputError(
                f"{name} of {facts.name} must end in shape {list(wanted)}, found {list(arrays[name].shape)}."
            )


def _counted(texts: Iterable[str]) -> dict[str, int]:
    """How often each text is there; the rarest of many are counted together."""
    table = Counter(texts)
    common = dict(sorted(table.most_common(_MOST_TEXTS)))
    rest = table.total() - sum(common.values())
    return {**common, "others": rest} if rest else common
