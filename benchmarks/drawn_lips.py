"""Lips of drawn pictures, as a viewer's eye sees them: `python -m benchmarks.drawn_lips [AVATAR ...]`.

Do they meet at p, b and m at every corner of the mood field, and do mouths open as far as filmed ones do? Avatars are
gallery names or folders, the shipped ones by default. What is measured are landmarks of the pictures of a talk, not the
head model, and for closures also how much of the mouth's inside is drawn between the lips. Writes
benchmarks/results/drawn_lips.md; openings need the acted clips beside the checkout.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from benchmarks.motion_lips import CORNERS, SENTENCES, WITHIN, frames_near
from benchmarks.portrait_closures import CLOSED, SAID
from benchmarks.results_file import with_remarks
from emotalk.avatar.gaussians import REGION_INDEX
from emotalk.core.atomic import write_text
from emotalk.core.landmarks import apertures, eye_distance
from emotalk.core.motion import HeadMotion
from emotalk.core.paths import CHECKPOINTS
from emotalk.core.rates import FPS
from emotalk.core.speech import Speech, SpeechFeatures
from emotalk.emotion import EmotionCurve
from emotalk.evaluation.clip_detector import ClipDetector
from emotalk.rendering import rasterize
from emotalk.speech import say
from emotalk.speech.known_phones import known_phones
from emotalk.talk import Look, Studio
from emotalk.talk.mood import style_of
from emotalk.talk.scene import Scene, still_motion

RESULTS = Path(__file__).parent / "results" / "drawn_lips.md"
VOICE = "flite:slt"
LINES = (SAID, *SENTENCES[:2])
"""What is said for closures."""
TALK = (
    "Kids are talking by the door, and all of them were late.",
    "I wonder what the others have been doing all day long.",
)
"""What is said for openings: sentences such as those of the acted clips."""
SPEECH_MOODS = {"neutral": "neutral_level1", "happy": "happy_level3"}
PEOPLE = ("M030", "W009")
WITHIN_FILMED = 0.25
"""Share of the filmed median that a drawn one may lie aside."""
INSIDE = ("mouth", "teeth", "gums", "tongue")
SEEN = 0.004
"""Eye distances of the mouth's inside, on average along the line of the lips, up to which they are shut: .4 mm. The
stricter measure: a jaw that opens resting lips by 2 mm shows .005 to .007 of it, of which landmarks of Mira and Jun see
nothing."""
_LOOKS = 3  # times that the landmarks' network sees a resting face: it follows a face from picture to picture
_SHOWN = 0.5  # share of a pixel that is the mouth's inside, from which on it is seen


@dataclass(frozen=True)
class Options:
    """Measure the lips of drawn pictures."""

    avatars: tyro.conf.Positional[tuple[str, ...]] = ()
    """Gallery names or folders; all shipped avatars by default."""
    data: Path = Path("../shared/data")
    """Folder with the acted clips in clips/mead."""
    side: int = 384
    """Pixels of the pictures."""
    out: Path = RESULTS
    """Where the tables go."""


@dataclass(frozen=True)
class Line:
    """A sentence and its features, with exact phone times."""

    speech: Speech
    features: SpeechFeatures

    @property
    def closures(self) -> list[float]:
        """Seconds at the middle of every p, b and m."""
        return [(start + end) / 2 for start, end, phone in self.speech.phones if phone in ("p", "b", "m")]

    @property
    def spoken(self) -> range:
        """Frames from the first sound to the last."""
        said = [(start, end) for start, end, phone in self.speech.phones if phone != "sil"]
        return range(int(said[0][0] * FPS), int(said[-1][1] * FPS))


def spoken_lines(studio: Studio, texts: tuple[str, ...]) -> list[Line]:
    """The texts by one voice."""
    lines = []
    for text in texts:
        speech = say(text, VOICE)
        lines.append(Line(speech, known_phones(studio.encoder.encode(speech), speech)))
    return lines


@dataclass(frozen=True)
class Closures:
    """What is seen at the N closures of some lines in one mood, in eye distances."""

    gaps: np.ndarray  # [N] least gap between the inner lips by landmarks, within 40 ms of each p b m
    inside: np.ndarray  # [N] least height of the mouth's inside that is drawn between the lips, on average along them
    known: bool = True  # whether landmarks know this person's shut lips

    @property
    def shut(self) -> np.ndarray:
        """[N] bool: landmarks see shut lips, and nothing of the mouth's inside is drawn between them."""
        return (self.inside <= SEEN) & ((self.gaps <= CLOSED) | (not self.known))


class DrawnAvatar:
    """An avatar and the pictures of its talks."""

    def __init__(self, studio: Studio, name: str, side: int) -> None:
        self.name, self._studio, self._avatar = name, studio, studio.avatar(name)
        self._scene = Scene(self._avatar, Look(side, mark="off"))
        self._inside = torch.isin(self._avatar.gaussians.region, torch.tensor([REGION_INDEX[name] for name in INSIDE]))
        self.resting = self._resting()

    def motion(self, line: Line, curve: EmotionCurve) -> HeadMotion:
        """How a talk moves this avatar."""
        return self._studio.motion_of(self.name)(line.features, curve, style_of(self._avatar.card), seed=1)

    def closures(self, lines: list[Line], curve: EmotionCurve) -> Closures:
        """Only frames around closures are drawn."""
        gaps, inside = [], []
        for line in lines:
            motion = self.motion(line, curve)
            groups = [near for middle in line.closures if len(near := frames_near(middle, len(motion)))]
            rows = sorted({t for group in groups for t in group})
            gap, unit = self._gaps(motion, rows)
            seen = dict(zip(rows, (self._seen_inside(motion, t) / unit**2 for t in rows), strict=True))
            gap = dict(zip(rows, gap, strict=True))
            gaps += [min(gap[t] for t in group) for group in groups]
            inside += [min(seen[t] for t in group) for group in groups]
        # The line of the lips is about half an eye distance long.
        return Closures(np.array(gaps), 2 * np.array(inside), self.resting <= CLOSED)

    def opening(self, lines: list[Line], curve: EmotionCurve) -> np.ndarray:
        """[T] gaps of the inner lips in the frames in which something is said, in eye distances."""
        return np.concatenate([self._gaps(self.motion(line, curve), list(line.spoken))[0] for line in lines])

    def _gaps(self, motion: HeadMotion, rows: list[int]) -> tuple[np.ndarray, float]:
        """([len(rows)] gaps in eye distances, that distance in pixels)."""
        with ClipDetector() as detector:
            for t in rows:
                detector.detect(self._scene.draw(motion, t))
            points = detector.detections().landmarks.astype(np.float64)
        if not np.isfinite(points).all():
            sys.exit(f"No face is found in {int(np.isnan(points[:, 0, 0]).sum())} pictures of {self.name}.")
        unit = eye_distance(points)
        return apertures(points)[:, 0] / unit, unit

    def _resting(self) -> float:
        """What landmarks read between the lips at rest, which the head model shuts."""
        return float(self._gaps(still_motion(0, 0, self._avatar.held), [0] * _LOOKS)[0][-1])

    @torch.no_grad()
    def _seen_inside(self, motion: HeadMotion, t: int) -> float:
        """Pixels in which the mouth's inside is seen."""
        cloud, camera = self._scene.pose(self._scene.directed(motion), t), self._scene.camera_at(0)
        white = self._inside.float()[:, None].expand(-1, 3).contiguous()
        picture = rasterize(dataclasses.replace(cloud, colors=white), camera, (0.0, 0.0, 0.0)).image[..., 0]
        return float((picture > _SHOWN).sum())


def closure_lines(avatars: list[DrawnAvatar], lines: list[Line]) -> Iterator[str]:
    """Markdown: closures of each avatar at each corner."""
    count = sum(len(line.closures) for line in lines)
    yield "## Lips at p, b and m\n"
    yield (
        f"{len(lines)} sentences with {count} closures by {VOICE}, phones known, at the corners of the square. Share of"
        " closures that are shut; 95th percentile of the gap between the inner lips (thousandths of the eye distance, "
        f"at its smallest within {WITHIN * 1e3:.0f} ms of the middle of the sound); the same of the height of the "
        f"mouth's inside that is drawn between the lips. Shut: the gap is at most {1e3 * CLOSED:.0f} and at most "
        f"{1e3 * SEEN:.0f} of the inside are seen; the inside alone where landmarks misread the lips at rest, which the"
        " head model shuts. Filmed closures (31 of three speakers of GRID, by word times): gaps of up to 3.6 in 95 %, "
        "of up to 5.6 in all.\n"
    )
    yield "| avatar | at rest | " + " | ".join(f"{v:+.0f}, {a:+.0f}" for v, a in CORNERS) + " | all |"
    yield "|" + "---|" * (3 + len(CORNERS))
    for avatar in avatars:
        found = [avatar.closures(lines, EmotionCurve.constant(*corner)) for corner in CORNERS]
        cells = [
            f"{100 * c.shut.mean():.0f} %; {1e3 * np.quantile(c.gaps, 0.95):.1f}; "
            f"{1e3 * np.quantile(c.inside, 0.95):.1f}"
            for c in found
        ]
        share = np.concatenate([c.shut for c in found]).mean()
        name = Path(avatar.name).name
        yield f"| {name} | {1e3 * avatar.resting:.1f} | {' | '.join(cells)} | {100 * share:.1f} % |"


def filmed_openings(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Mood -> person -> gaps of the inner lips [T] in the acted clips, in eye distances; empty without the clips."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for mood, name in SPEECH_MOODS.items():
        files = {person: folder / f"dreamtalk_{person}_front_{name}_001.mp4" for person in PEOPLE}
        if not all(file.is_file() for file in files.values()):
            return {}
        found[mood] = {person: _filmed_gaps(file) for person, file in files.items()}
    return found


def _filmed_gaps(file: Path) -> np.ndarray:
    import imageio_ffmpeg

    frames = imageio_ffmpeg.read_frames(str(file))
    width, height = next(frames)["size"]
    with ClipDetector() as detector:
        for data in frames:
            detector.detect(np.frombuffer(data, np.uint8).reshape(height, width, 3))
        points = detector.detections().landmarks.astype(np.float64)
    return apertures(points)[:, 0] / eye_distance(points)


def opening_lines(
    avatars: list[DrawnAvatar], lines: list[Line], filmed: dict[str, dict[str, np.ndarray]]
) -> Iterator[str]:
    """Markdown: how far mouths open in speech, beside the filmed ones."""
    yield "## How far mouths open\n"
    yield (
        f"Median and 90th percentile of the gap between the inner lips while something is said, in eye distances; in "
        f"bold medians within {100 * WITHIN_FILMED:.0f} % of the mean of the filmed ones. Filmed: acted clips (MEAD).\n"
    )
    yield f"| who | {' | '.join(SPEECH_MOODS)} |\n|{'---|' * (1 + len(SPEECH_MOODS))}"
    usual = {mood: np.mean([np.median(gaps) for gaps in people.values()]) for mood, people in filmed.items()}
    for person in PEOPLE:
        yield f"| filmed {person} | {' | '.join(_opening(filmed[mood][person]) for mood in SPEECH_MOODS)} |"
    for avatar in avatars:
        cells = [_opening(avatar.opening(lines, EmotionCurve.named(mood, 1.0)), usual[mood]) for mood in SPEECH_MOODS]
        yield f"| {Path(avatar.name).name} | {' | '.join(cells)} |"


def _opening(gaps: np.ndarray, usual: float | None = None) -> str:
    middle, wide = np.median(gaps), np.quantile(gaps, 0.9)
    near = usual is not None and abs(middle / usual - 1) <= WITHIN_FILMED
    return f"**{middle:.3f}**, {wide:.3f}" if near else f"{middle:.3f}, {wide:.3f}"


def main(options: Options) -> None:
    """Print the tables and write the file."""
    filmed = filmed_openings(options.data / "clips" / "mead")
    if not filmed:
        sys.exit(
            f"The acted clips that openings are compared with are not in {options.data / 'clips' / 'mead'}. Name the "
            "folder that holds clips/mead with --data."
        )
    studio = Studio(folders=True)
    names = options.avatars or sorted(path.name for path in (CHECKPOINTS / "avatars").iterdir() if path.is_dir())
    avatars = [DrawnAvatar(studio, name, options.side) for name in names]
    parts = (
        closure_lines(avatars, spoken_lines(studio, LINES)),
        opening_lines(avatars, spoken_lines(studio, TALK), filmed),
    )
    about = (
        f"# Lips of drawn pictures\n\n`python -m benchmarks.drawn_lips`: pictures of {options.side} pixels as a talk "
        "shows them, read by face landmarks."
    )
    text = "\n\n".join([about, *("\n".join(part) for part in parts)])
    print(text)
    write_text(options.out, with_remarks(text, options.out))


if __name__ == "__main__":
    main(tyro.cli(Options))
