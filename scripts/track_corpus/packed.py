"""Results of single films -> the shards of a corpus and its manifest, those left out that are not good enough.

Shards hang on the films, the descriptions and the limits alone: not on who tracked what when, nor on how often that was
stopped. The manifest is written last and names its shards by digests, so that there is a whole corpus at every moment:
the old one or the new.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotalk.core.atomic import write_json
from emotalk.core.errors import InputError
from emotalk.core.rates import FPS
from emotalk.learning.corpus import FORMAT, MANIFEST, SHARD_FRAMES, SHARDS, ClipFacts, Terms, write_shard
from scripts.track_corpus.described import Film
from scripts.track_corpus.tracked import read_arrays, read_facts


@dataclass(frozen=True)
class Limits:
    """What a film must reach to be learned from."""

    least_seen: float = 0.9
    """Share of its frames whose face was found and explained."""
    most_error: float = 0.02
    """Median distance of landmarks seen and predicted, in eye distances."""
    least_height: float = 60.0
    """Height of the face in the film's own pixels."""
    least_sharpness: float = 0.15
    """0.6: well focused, 0.3: blurred."""
    least_sync: float = 0.25
    """How well lips and sound belong together: with their own sound 0.40 to 0.53, with another one below 0.25."""
    most_turn: float = 40.0
    """Degrees by which the head is turned aside all the time."""
    least_seconds: float = 2.0
    """Of the stretch that was tracked."""

    def why_not(self, facts: Mapping[str, Any]) -> str:
        """Why a film whose `clip.json` tells `facts` is left out, or an empty text."""
        if facts["refused"]:
            return str(facts["refused"])
        quality, yaw = facts["quality"], np.abs(facts["quality"]["yaw"]).min()
        turned = yaw if np.prod(np.sign(quality["yaw"])) > 0 else 0.0
        checks = (
            (facts["frames"] / FPS, self.least_seconds, "Only {:.1f} s can be used; at least {:g} are needed."),
            (quality["seen"], self.least_seen, "The face can be followed in {:.2f} of it; at least {:g} are needed."),
            (-quality["relative_error"], -self.most_error, "Landmarks are off by {:.4f} eye distances; at most {:g}."),
            (quality["face_height"], self.least_height, "The face is {:.0f} pixels high; at least {:g} are needed."),
            (quality["sharpness"], self.least_sharpness, "Its sharpness is {:.2f}; at least {:g} is needed."),
            (-turned, -self.most_turn, "The head is turned aside by {:.0f} degrees; at most {:g}."),
            (facts["sync"], self.least_sync, "Lips and sound agree by {:.2f}; at least {:g} is needed."),
        )
        for value, least, sentence in checks:
            if not value >= least:  # also where it is no number
                return sentence.format(abs(value), abs(least))
        return ""


@dataclass(frozen=True)
class Packed:
    """What became of a corpus."""

    clips: int
    frames: int
    shards: int
    written: int  # shards that were not there
    left_out: dict[str, str]  # why, by film


def pack(
    out: Path,
    terms: Terms,
    films: Sequence[tuple[Film, str, Path]],  # with SHA-256 and the folder of the result
    limits: Limits,
    failed: Mapping[str, str] | None = None,
) -> Packed:
    """Write the shards of what is good enough, and the manifest; shards that are there are left, those of an earlier
    manifest go. `failed` says by film why there is no result. Raises InputError where a result is damaged, or no film
    is good enough."""
    left_out = dict(failed or {})
    before = {entry["file"]: entry for entry in _shards_before(out)}
    entries, written = [], 0
    for number, clips in enumerate(_portions(films, limits, left_out)):
        name = f"{number:05d}-{_digest(clips)}.safetensors"
        entry, path = before.get(name), out / SHARDS / name
        if entry is None or not path.is_file() or path.stat().st_size != entry["bytes"]:
            content = [(clip.facts, clip.arrays()) for clip in clips]
            entry, written = write_shard(out / SHARDS, name, content), written + 1
        entries.append(entry)
    if not entries:
        why = next(iter(left_out.values()), "there is none")
        raise InputError(f"None of {len(films):,} films is good enough to learn from; the first: {why}")
    manifest = {
        "format": FORMAT,
        "corpus": dataclasses.asdict(terms),
        "limits": dataclasses.asdict(limits),
        "clips": sum(entry["clips"] for entry in entries),
        "minutes": round(sum(entry["frames"] for entry in entries) / (60 * FPS), 2),
        "shards": entries,
        "left_out": dict(sorted(left_out.items())),
    }
    write_json(out / MANIFEST, manifest)
    kept = {entry["file"] for entry in entries}
    for path in (out / SHARDS).iterdir():
        if path.name not in kept:
            path.unlink()
    frames = sum(entry["frames"] for entry in entries)
    return Packed(manifest["clips"], frames, len(entries), written, manifest["left_out"])


def told(left_out: Mapping[str, str], most: int = 10) -> list[str]:
    """What was left out, as lines for people: the commonest kinds of reasons with the number of films and one name."""
    kinds: Counter[str] = Counter()
    example: dict[str, tuple[str, str]] = {}
    for name, why in left_out.items():
        kind = "".join(letter for letter in why.replace(Path(name).name, "") if not letter.isdigit())
        kinds[kind] += 1
        example.setdefault(kind, (name, why))
    return [f"{count:,} x {example[kind][1]} ({example[kind][0]})" for kind, count in kinds.most_common(most)]


@dataclass(frozen=True)
class _Clip:
    facts: ClipFacts
    emotion: tuple[float, float]
    result: Path
    noted: dict[str, Any]  # clip.json

    def arrays(self) -> dict[str, np.ndarray]:
        """As `learning.corpus` names them."""
        emotion = np.tile(np.float32(self.emotion), (self.facts.frames, 1))
        return {**read_arrays(self.result, self.noted), "emotion": emotion}


def _portions(
    films: Sequence[tuple[Film, str, Path]], limits: Limits, left_out: dict[str, str]
) -> Iterator[list[_Clip]]:
    """Clips of the films that are good enough, in the order of their names, a shard's worth at a time; what is not is
    noted in `left_out`."""
    clips: list[_Clip] = []
    first_of: dict[str, str] = {}  # names by film's digest
    for film, video, result in sorted(films, key=lambda one: one[0].name):
        if film.name in left_out:
            continue
        facts = read_facts(result)
        if facts is None:
            raise InputError(f"The result of {film.name} in {result} is damaged; remove that folder and start again.")
        same = first_of.setdefault(video, film.name)
        why = f"It is the same film as {same}." if same != film.name else limits.why_not(facts)
        if why:
            left_out[film.name] = why
            continue
        told_of = ClipFacts(
            film.name, film.speaker, facts["frames"], video, film.licence, film.consent, film.weights, facts["sync"],
            round(facts["quality"]["relative_error"], 5),
        )  # fmt: skip
        clips.append(_Clip(told_of, film.emotion, result, facts))
        if sum(clip.facts.frames for clip in clips) >= SHARD_FRAMES:
            yield clips
            clips = []
    if clips:
        yield clips


def _digest(clips: Sequence[_Clip]) -> str:
    """What a shard's bytes hang on."""
    parts = [[dataclasses.asdict(clip.facts), clip.emotion, clip.noted["sha256"]] for clip in clips]
    return hashlib.sha256(json.dumps([FORMAT, parts]).encode()).hexdigest()[:16]


def _shards_before(out: Path) -> list[dict[str, Any]]:
    """The shards of an earlier manifest, if there is one of this format."""
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        return list(manifest["shards"]) if manifest["format"] == FORMAT else []
    except (OSError, ValueError, KeyError, TypeError):
        return []
