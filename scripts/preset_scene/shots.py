"""What is photographed of every character: poses, views and the split into training and held-out pictures.

The list is the same for all characters. Expressions that move different parts of the face share a picture,
which halves the set; they never share the same partner twice, so a linear fit can tell them apart.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from emotalk.core.arkit import ARKIT_NAMES
from emotalk.emotion import NAMED_EMOTIONS, expression_field, split_eyes
from scripts.preset_scene.subject import Pose


@dataclass(frozen=True)
class Shot:
    """One picture: the pose, the camera's yaw and pitch (radians) and zoom of `portrait_camera`, and the split."""

    pose: Pose
    yaw: float
    pitch: float
    zoom: float
    split: str  # "train" or "test"
    label: str


def both(**weights: float) -> dict[str, float]:
    """Shapes that exist left and right."""
    return {name + side: weight for name, weight in weights.items() for side in ("Left", "Right")}


MOUTHS: dict[str, dict[str, float]] = {
    "aa": {"jawOpen": 0.6, **both(mouthLowerDown=0.3, mouthUpperUp=0.15)},
    "smile": {**both(mouthSmile=1.0, mouthUpperUp=0.3), "jawOpen": 0.05},
    "oo": {"mouthPucker": 0.9, "mouthFunnel": 0.4, "jawOpen": 0.12},
    "mbp": {"jawOpen": 0.15, "mouthClose": 0.15, **both(mouthPress=0.45)},
    "teeth": {**both(mouthUpperUp=0.9, mouthLowerDown=0.9, mouthStretch=0.3), "jawOpen": 0.04},
    "fv": {"mouthRollLower": 0.6, **both(mouthUpperUp=0.35), "jawOpen": 0.10},
    "jaw": {"jawOpen": 1.0},
    "ee": {**both(mouthSmile=0.45, mouthStretch=0.4, mouthLowerDown=0.4), "jawOpen": 0.14},
    "oh": {"mouthFunnel": 0.7, "jawOpen": 0.38},
    "th": {"jawOpen": 0.22, "tongueOut": 0.3, **both(mouthUpperUp=0.15)},
    "frown": {**both(mouthFrown=1.0), "mouthShrugLower": 0.5},
    "sh": {"mouthFunnel": 0.6, "jawOpen": 0.08, **both(mouthUpperUp=0.3, mouthLowerDown=0.3)},
    "stretch": {**both(mouthStretch=1.0), "jawOpen": 0.25},
    "roll": {"mouthRollLower": 0.8, "mouthRollUpper": 0.8, "jawOpen": 0.05},
    "pucker": {"mouthPucker": 1.0},
    "tongue": {"jawOpen": 0.7, "tongueOut": 0.8},
    "press": {**both(mouthPress=0.9, mouthDimple=0.6)},
    "left": {"mouthLeft": 0.8, "jawLeft": 0.5, "jawOpen": 0.1},
    "right": {"mouthRight": 0.8, "jawRight": 0.5, "jawOpen": 0.1},
    "smirk": {"mouthSmileLeft": 0.9, "mouthDimpleLeft": 0.5, "mouthUpperUpLeft": 0.4},
    "smirk right": {"mouthSmileRight": 0.9, "mouthDimpleRight": 0.5, "mouthUpperUpRight": 0.4},
    "puff": {"cheekPuff": 0.9},
    "half": {"jawOpen": 0.32},
    "closed jaw": {"jawOpen": 0.45, "mouthClose": 0.45},
    "shrug": {"mouthShrugLower": 0.8, "mouthShrugUpper": 0.8},
    "ss": {**both(mouthStretch=0.3, mouthLowerDown=0.5, mouthUpperUp=0.3)},
}
"""Single shapes of the mouth and visemes, the most frequent first."""

TEETH: tuple[tuple[str, float, float, dict[str, float]], ...] = (
    ("teeth", 24, 2.2, MOUTHS["teeth"]),
    ("smile parted", 0, 2.2, {**both(mouthSmile=0.5, mouthUpperUp=0.1, mouthLowerDown=0.1), "jawOpen": 0.05}),
    ("smile half", -26, 2.0, {**both(mouthSmile=0.6, mouthUpperUp=0.3, mouthLowerDown=0.2), "jawOpen": 0.1}),
    ("ajar", 6, 2.2, {"jawOpen": 0.1}),
    ("teeth", -34, 2.0, MOUTHS["teeth"]),
    ("smile open", 27, 2.0, {**both(mouthSmile=0.8, mouthUpperUp=0.3, mouthLowerDown=0.3), "jawOpen": 0.18}),
    ("smile shut", -8, 2.2, {**both(mouthSmile=0.7, mouthPress=0.3), "jawOpen": 0.12, "mouthClose": 0.12}),
    ("ajar", -22, 2.2, {"jawOpen": 0.16, **both(mouthUpperUp=0.1, mouthLowerDown=0.1)}),
    ("smile aa", 34, 1.75, {**both(mouthSmile=0.6, mouthUpperUp=0.2, mouthLowerDown=0.3), "jawOpen": 0.42}),
    ("snarl", 12, 1.75, {**both(noseSneer=1.0, mouthUpperUp=0.7, mouthLowerDown=0.4, browDown=1.0, eyeSquint=0.6)}),
    ("aa", -35, 1.75, {"jawOpen": 0.6, **both(mouthLowerDown=0.3, mouthUpperUp=0.15)}),
    ("grief", -12, 1.6, {"browInnerUp": 1.0, **both(mouthFrown=0.6, eyeSquint=0.5, mouthUpperUp=0.3)}),
)
"""What single shapes miss: teeth seen from the side and behind half-open lips. Label, yaw in degrees, zoom, weights."""

EYES: dict[str, Pose] = {
    "shut": Pose(eyelids=(1.0, 1.0)),
    "left": Pose(gaze=(0.5, 0.0)),
    "brows up": Pose({"browInnerUp": 1.0, **both(browOuterUp=1.0)}),
    "half shut": Pose(eyelids=(0.5, 0.5)),
    "right": Pose(gaze=(-0.5, 0.0)),
    "brows down": Pose(both(browDown=1.0)),
    "up": Pose(gaze=(0.0, 0.35)),
    "wide": Pose(both(eyeWide=1.0)),
    "down": Pose(gaze=(0.0, -0.45)),
    "squint": Pose(both(eyeSquint=1.0, cheekSquint=0.8)),
    "inner brows": Pose({"browInnerUp": 1.0}),
    "sneer": Pose(both(noseSneer=0.9)),
    "wink": Pose(eyelids=(1.0, 0.0)),
    "wink right": Pose(eyelids=(0.0, 1.0)),
    "quarter shut": Pose(eyelids=(0.25, 0.25)),
    "three quarters shut": Pose(eyelids=(0.75, 0.75)),
    "up left": Pose({"browOuterUpLeft": 0.9}, gaze=(0.3, 0.22)),
    "down right": Pose({"browOuterUpRight": 0.9}, gaze=(-0.3, -0.3)),
}
"""Single shapes of lids and brows, blinks and gaze."""

TURNS = ((0.0, 0.45, 0.0), (0.0, -0.45, 0.0), (0.24, 0.0, 0.0), (-0.22, 0.0, 0.0), (0.05, 0.2, 0.2), (0.1, -0.25, -0.2))
"""Head against torso, axis-angle."""


def emotion(name: str, strength: float) -> Pose:
    """The face the app shows for a named emotion at `strength` in [0, 1]."""
    valence, arousal = NAMED_EMOTIONS[name]
    expression, eyelids, gaze = split_eyes(expression_field(valence * strength, arousal * strength))
    weights = {n: float(w) for n, w in zip(ARKIT_NAMES, expression[0], strict=True) if abs(w) > 1e-4}
    return Pose(weights, gaze=tuple(map(float, gaze[0])), eyelids=tuple(map(float, eyelids[0])))


def merged(*poses: Pose) -> Pose:
    """Poses on different channels as one: weights take the larger value, angles add."""
    weights: dict[str, float] = {}
    for pose in poses:
        for name, weight in pose.expression.items():
            weights[name] = max(weights.get(name, 0.0), weight)
    return Pose(
        weights,
        jaw=tuple(np.sum([p.jaw for p in poses], 0).tolist()),
        gaze=tuple(np.sum([p.gaze for p in poses], 0).tolist()),
        eyelids=tuple(np.max([p.eyelids for p in poses], 0).tolist()),
        head_pose=tuple(np.sum([p.head_pose for p in poses], 0).tolist()),
    )


def _neutral() -> list[Shot]:
    """All-round views of the resting face: every 15 to 20 degrees from three heights, some close."""
    rows = [
        (0, 0, 1.0), (0, 2, 1.7), (32, 4, 1.0), (-32, 4, 1.0), (16, -6, 1.7), (-16, 8, 1.7), (60, 0, 1.0),
        (-60, 0, 1.0), (0, 20, 1.2), (0, -20, 1.2), (46, -12, 1.4), (-46, 12, 1.4), (46, 14, 1.4), (-46, -12, 1.4),
        (24, 18, 1.6), (-24, -16, 1.6), (60, 12, 1.3), (-60, -8, 1.3), (10, 6, 1.0), (-10, -5, 1.0),
    ]  # fmt: skip
    return [Shot(Pose(), np.radians(y), np.radians(p), z, "train", "neutral") for y, p, z in rows]


def _train_expressions(rng: np.random.Generator) -> list[Shot]:
    poses: list[tuple[str, Pose]] = []
    eyes = list(EYES.items())
    for k, (name, weights) in enumerate(MOUTHS.items()):
        # Every other mouth comes alone; the rest carry an eye pose along.
        partner = eyes[(k // 2 + len(eyes) // 2) % len(eyes)] if k % 2 else ("", Pose())
        poses.append((f"{name} {partner[0]}".strip(), merged(Pose(weights), partner[1])))
    alone = [(name, pose) for name, pose in eyes[:12]]
    moods = [n for n in NAMED_EMOTIONS if n != "neutral"]
    felt = [(n, emotion(n, 1.0)) for n in moods] + [(f"{n} half", emotion(n, 0.5)) for n in moods[::2]]
    turned = [("turn", Pose(head_pose=(*turn, 0.0, 0.0, 0.0))) for turn in TURNS]
    mixed = []
    for mood, mouth, eye in (
        ("happy", "aa", "left"),
        ("sad", "oo", "down"),
        ("angry", "ee", "right"),
        ("surprised", "oh", "up"),
    ):
        mixed.append((f"{mood} {mouth}", merged(emotion(mood, 0.6), Pose(MOUTHS[mouth]), EYES[eye])))
    queues = [poses, alone, felt, turned, mixed]
    shots = []
    # Interleaved, so that a set that is half rendered already holds something of everything.
    order = sorted((k / len(queue), q, k) for q, queue in enumerate(queues) for k in range(len(queue)))
    for _, q, k in order:
        label, pose = queues[q][k]
        turn = queues[q] is turned
        zoom = 1.1 if turn else rng.choice([1.35, 1.75])
        shots.append(
            Shot(pose, np.radians(rng.uniform(-32, 32)), np.radians(rng.uniform(-9, 9)), float(zoom), "train", label)
        )
    return shots


def _teeth() -> list[Shot]:
    """Smiles, half-open lips and bared teeth, half of them from the side."""
    return [Shot(Pose(dict(weights)), np.radians(yaw), np.radians(3.0 * (-1) ** k), zoom, "train", label)
            for k, (label, yaw, zoom, weights) in enumerate(TEETH)]  # fmt: skip


def _test(rng: np.random.Generator) -> list[Shot]:
    """Held out: mixtures of mood, mouth, eyes and head pose that the training pictures do not hold, new views."""
    rows = [
        ("happy", 0.8, "ee", "up", (0.03, 0.12, 0.0)), ("neutral", 0, "oh", "left", (0.0, -0.15, 0.05)),
        ("surprised", 0.7, "aa", "quarter shut", (0, 0, 0)), ("sad", 0.8, "fv", "right", (0.1, 0.05, 0.0)),
        ("angry", 0.8, "sh", "down", (0.02, -0.1, 0.0)), ("relaxed", 0.9, "mbp", "up left", (0, 0.2, 0.06)),
        ("excited", 0.6, "ss", "right", (-0.05, 0.0, 0.0)), ("afraid", 0.7, "half", "left", (0, 0, 0)),
        ("neutral", 0, "oo", "three quarters shut", (0.05, 0.1, -0.05)),
        ("disgusted", 0.7, "ee", "down right", (0, 0, 0)),
    ]  # fmt: skip
    shots = []
    for k, (mood, strength, mouth, eye, turn) in enumerate(rows):
        mouth_weights = {n: 0.8 * w for n, w in MOUTHS[mouth].items()}
        pose = merged(emotion(mood, strength) if strength else Pose(), Pose(mouth_weights), EYES[eye],
                      Pose(head_pose=(*turn, 0.0, 0.0, 0.0)))  # fmt: skip
        view = np.radians(rng.uniform(-28, 28)), np.radians(rng.uniform(-8, 8))
        shots.append(Shot(pose, *view, (1.0, 1.5)[k % 2], "test", f"test {mood} {mouth}"))
    return shots


def shots(seed: int = 5) -> list[Shot]:
    """All pictures in the order they are taken: views, then expressions with held-out pictures in between."""
    rng = np.random.default_rng(seed)
    neutral, expressions, test = _neutral(), _train_expressions(rng), _test(rng)
    ordered = neutral[:10]
    rest = sorted(
        [
            ((k + 0.5) / len(part), s)
            for part in (neutral[10:], expressions, test, _teeth())
            for k, s in enumerate(part)
        ],
        key=lambda pair: pair[0],
    )
    return ordered + [shot for _, shot in rest]


def as_json(pose: Pose) -> dict:
    """The pose's channels as plain lists, for views.json."""
    values = dataclasses.asdict(pose)
    return {name: value if isinstance(value, dict) else list(value) for name, value in values.items()}
