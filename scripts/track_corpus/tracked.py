"""One film -> numbers: what the head does and what is heard, made by a worker of `emotalk.batch`.

The pictures lie in the worker's folder while it tracks and go with it. The result holds `clip.json`, and beside it
`clip.safetensors` where the film could be tracked. How good it is does not matter here: that is judged when shards are
packed, so that other limits cost no tracking.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from emotalk.batch.kinds import MEDIA, WHOLE, Checked, Desk, Kind, Options
from emotalk.core import checkpoint
from emotalk.core.atomic import write_json
from emotalk.core.errors import EmotalkError, InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.speech import Speech
from emotalk.learning.corpus import FORMAT
from emotalk.learning.motion_data import HIDDEN, rhythm_of
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.feature_rows import frame_rows
from emotalk.sync.lip_measures import measures_of_landmarks
from emotalk.sync.network import SyncModel
from emotalk.tracking import TrackedVideo, track_video
from emotalk.tracking.landmarks import task_file
from emotalk.tracking.track import FIT_VERSION, SEEN_VERSION, check_asked
from scripts.speech_corpus.distort import distort

TABLE = "scripts.track_corpus.tracked:kinds"
KIND = "film"
FACTS, ARRAYS = "clip.json", "clip.safetensors"
_MODELS = ("head.npz", "speech.safetensors", "speech.json", "sync.safetensors")
"""Of the shipped models those that a result hangs on."""


def kinds() -> dict[str, Kind]:
    """The table for workers: one kind, a film to track."""
    return {KIND: Kind({"video": MEDIA, "size": WHOLE}, _check, _make, ("video", "size"))}


def result_key(video: str, size: int) -> str:
    """The name of a film's result: a digest of the film's own (`video`, SHA-256), of the size of the crop, and of the
    tracker and the models that look at it. Where the film lies and what it is called does not matter."""
    facts = [FORMAT, SEEN_VERSION, FIT_VERSION, _models(), video, size]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


@functools.cache
def _models() -> list[str]:
    files = [*(CHECKPOINTS / name for name in _MODELS), *filter(None, [task_file()])]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def read_facts(result: Path) -> dict[str, Any] | None:
    """What `clip.json` in the folder of a result tells; None where there is no whole result."""
    try:
        facts = json.loads((result / FACTS).read_text(encoding="utf-8"))
        whole = bool(facts["refused"]) or (result / ARRAYS).stat().st_size == facts["bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return facts if whole else None


def read_arrays(result: Path, facts: dict[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of a result, as `learning.corpus` names them, but for the emotion. InputError where they are not what
    was written."""
    data = (result / ARRAYS).read_bytes()
    if hashlib.sha256(data).hexdigest() != facts["sha256"]:
        raise InputError(f"{result / ARRAYS} is damaged; remove its folder and start again.")
    return checkpoint.from_bytes(data, len(data)).tensors


def _check(desk: Desk, options: Options) -> Checked:
    check_asked(size=options["size"])
    return Checked(Path(options["video"]).stem)


def _make(desk: Desk, options: Options, result: Path, work: Path) -> dict[str, Any]:
    try:
        tracked = track_video(options["video"], work / "track", size=options["size"])
        arrays, sync = numbers_of(tracked, desk)
    except EmotalkError as error:
        if isinstance(error.__cause__, OSError):  # the disk's fault, not the film's
            raise
        write_json(result / FACTS, {"refused": str(error)})
        return {"refused": str(error)}
    data = checkpoint.to_bytes(arrays, {})
    (result / ARRAYS).write_bytes(data)
    quality = {name: value for name, value in dataclasses.asdict(tracked.quality).items() if name != "sentences"}
    facts = {
        "refused": "", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
        "frames": len(arrays["expression"]), "sync": round(sync, 4), "quality": quality,
    }  # fmt: skip
    write_json(result / FACTS, facts)
    return {"refused": ""}


def numbers_of(tracked: TrackedVideo, desk: Desk) -> tuple[dict[str, np.ndarray], float]:
    """The arrays of a tracked film by name, and how well its lips and its sound belong together (`SyncModel.score`).

    Raises InputError or AudioError where it has no sound that can be used.
    """
    speech = tracked.audio()
    if speech is None:
        raise InputError("The film has no sound; it is learned from people who are heard.")
    encoder, sync = desk.keep("encoder", SpeechEncoder.load), desk.keep("sync", SyncModel.load)
    random = np.random.default_rng(zlib.crc32(speech.samples.tobytes()))
    sounds = (speech.samples, distort(speech.samples, np.zeros(0), random))
    heard = [encoder.encode(Speech(sound)) for sound in sounds]
    frames = min(len(tracked), *(len(features) // 2 for features in heard))
    heard = [features[: 2 * frames] for features in heard]
    measures = measures_of_landmarks(tracked.landmarks)[:frames]
    arrays = {
        "rows": np.stack([frame_rows(features, HIDDEN) for features in heard]).astype(np.float16),
        "rhythm": np.stack([rhythm_of(features) for features in heard]).astype(np.float16),
        **{f.name: getattr(tracked.motion, f.name)[:frames] for f in dataclasses.fields(HeadMotion)},
        "measures": measures,
        "seen": tracked.seen[:frames].astype(np.uint8),
    }
    return arrays, sync.score(heard[0], measures)
