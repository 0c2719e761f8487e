"""What an evaluation found, and writing it down: report.json for programs, report.md with pictures for people."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from emotalk.core.atomic import replacing_folder
from emotalk.core.errors import InputError


@dataclass(frozen=True)
class Metric:
    """How one number of a report is to be read."""

    title: str
    unit: str
    better: str  # "higher", "lower", "near 1", "near 0" or "" where neither is better


METRICS: dict[str, Metric] = {
    "psnr_head": Metric("PSNR, box of the head", "dB", "higher"),
    "ssim_head": Metric("SSIM, box of the head", "", "higher"),
    "psnr_face": Metric("PSNR, hair and face alone", "dB", "higher"),
    "ssim_face": Metric("SSIM, hair and face alone", "", "higher"),
    "psnr_full": Metric("PSNR, whole picture", "dB", "higher"),
    "ssim_full": Metric("SSIM, whole picture", "", "higher"),
    "lmd_mouth": Metric("LMD, mouth (moved to one centre)", "% of the eye distance", "lower"),
    "lmd_face": Metric("Landmark distance, face (where it is)", "% of the eye distance", "lower"),
    "lip_correlation": Metric("Lip opening, correlation with the recording", "", "higher"),
    "lip_slope": Metric("Lip opening, slope on the recording", "", "near 1"),
    "width_correlation": Metric("Mouth width, correlation with the recording", "", "higher"),
    "lid_correlation": Metric("Lid opening, correlation with the recording", "", "higher"),
    "lid_slope": Metric("Lid opening, slope on the recording", "", "near 1"),
    "upper_face": Metric("Blendshape error, upper face", "% of range", "lower"),
    "lower_face": Metric("Blendshape error, lower face", "% of range", "lower"),
    "sync": Metric("Lip sync with the sound (cosine)", "", "higher"),
    "sync_confidence": Metric("Lip sync, confidence of its best offset", "", "higher"),
    "sync_offset": Metric("Lips behind the sound", "frames", "near 0"),
    "recorded_sync": Metric("Lip sync of the recording itself", "", ""),
    "recorded_offset": Metric("Lips behind the sound in the recording", "frames", ""),
    "faces_found": Metric("Pictures in which the landmarker finds a face", "%", "higher"),
    "rig_error": Metric("Seen landmarks against the driven head's", "% of the eye distance", "lower"),
    "valence_error": Metric("Valence, shown against asked (RMSE)", "of [-1, 1]", "lower"),
    "arousal_error": Metric("Arousal, shown against asked (RMSE)", "of [-1, 1]", "lower"),
    "valence_sign": Metric("Valence, right sign", "%", "higher"),
    "arousal_sign": Metric("Arousal, right sign", "%", "higher"),
    "fps": Metric("Frames posed and drawn per second", "1/s", "higher"),
}
"""All numbers that a report may hold, in the order in which they are listed."""
LPIPS_NOTE = (
    "LPIPS is not measured: the weights of its image network cannot be shipped with this program nor made by it."
)


@dataclass(frozen=True)
class Example:
    """One frame: what was recorded (None where nothing was) and what the avatar shows, [H, W, 3] uint8."""

    title: str  # "worst", "median", "best"
    frame: int
    score: float  # PSNR of the head in dB, or NaN
    recorded: np.ndarray | None
    rendered: np.ndarray


@dataclass(frozen=True)
class EvaluationReport:
    """One avatar against one video under one way of driving it."""

    avatar: str
    video: str
    drive: str  # "motion", "audio" or "other audio", see `evaluate`
    frames: int  # that were compared
    skipped: int  # in which the recording shows no face that could be tracked
    size: int  # pixels, of the square pictures
    scores: dict[str, float]
    by_frame: dict[str, np.ndarray] = field(default_factory=dict)  # [frames] each
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = set(self.scores) - set(METRICS)
        if unknown:
            raise InputError(f"A report has no place for {', '.join(sorted(unknown))}; METRICS lists what it holds.")


def write_reports(reports: list[EvaluationReport], folder: Path) -> Path:
    """Write report.json, report.md and pictures as a folder, moved into place when complete; returns the folder.

    A folder of that name is replaced if it holds a report, and left alone (InputError) if it holds anything else.
    """
    if folder.exists() and not (folder / "report.json").is_file() and any(folder.iterdir()):
        raise InputError(f"{folder} holds something else than a report; choose another folder.")
    with replacing_folder(folder) as work:
        for report in reports:
            for example in report.examples:
                _strip(example).save(work / _file(report, example))
        text = json.dumps([_table(report) for report in reports], indent=1, allow_nan=False)
        (work / "report.json").write_text(text + "\n", encoding="utf-8")
        (work / "report.md").write_text(markdown(reports), encoding="utf-8")
    return folder


def markdown(reports: list[EvaluationReport]) -> str:
    """The reports side by side as a page."""
    first = reports[0]
    names = [name for name in METRICS if any(name in report.scores for report in reports)]
    lines = [
        f"# {_plain(first.avatar)} against {_plain(first.video)}",
        "",
        f"{first.frames} frames of {first.size} x {first.size} pixels"
        + (f"; {first.skipped} more show no face that could be tracked" if first.skipped else "")
        + ".",
        "",
        "| | " + " | ".join(f"driven by {report.drive}" for report in reports) + " | better |",
        "|---|" + "---:|" * len(reports) + "---|",
    ]
    for name in names:
        metric = METRICS[name]
        numbers = " | ".join(f"{report.scores[name]:.4g}" if name in report.scores else "-" for report in reports)
        unit = f" ({metric.unit})" if metric.unit else ""
        lines.append(f"| {metric.title}{unit} | {numbers} | {metric.better} |")
    notes = list(dict.fromkeys(note for report in reports for note in report.notes))
    lines += ["", *(f"- {note}" for note in notes)]
    for report in reports:
        if report.examples:
            lines += ["", f"## Driven by {report.drive}: recorded, rendered, difference (x 4)", ""]
        for example in report.examples:
            score = "" if math.isnan(example.score) else f", head PSNR {example.score:.1f} dB"
            lines += [f"{example.title}: frame {example.frame}{score}", ""]
            lines += [f"![{example.title}]({_file(report, example)})", ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(report: EvaluationReport) -> dict:
    def number(x: float) -> float | None:
        return round(float(x), 5) if math.isfinite(x) else None

    return {
        "avatar": report.avatar,
        "video": report.video,
        "drive": report.drive,
        "frames": report.frames,
        "skipped": report.skipped,
        "size": report.size,
        "scores": {name: number(value) for name, value in report.scores.items()},
        "by_frame": {name: [number(x) for x in values] for name, values in report.by_frame.items()},
        "examples": [{"title": e.title, "frame": e.frame, "psnr_head": number(e.score)} for e in report.examples],
        "notes": list(report.notes),
    }


def _strip(example: Example) -> Image.Image:
    """Recorded, rendered and their difference side by side."""
    if example.recorded is None:
        return Image.fromarray(example.rendered)
    difference = np.abs(example.recorded.astype(int) - example.rendered.astype(int))
    parts = [example.recorded, example.rendered, np.minimum(4 * difference, 255).astype(np.uint8)]
    return Image.fromarray(np.concatenate(parts, 1))


def _plain(text: str) -> str:
    """A name as plain words in Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_[]|#<>" else c for c in " ".join(text.split()))


def _file(report: EvaluationReport, example: Example) -> str:
    return f"{report.drive.replace(' ', '-')}-{example.title}.png"
