"""The tables of benchmarks.personalize, beside what papers report."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results_file import with_remarks
from emotalk.core.atomic import write_text

RESULTS = Path(__file__).parent / "results" / "personalize.md"
PAPERS = (
    ("ER-NeRF", 28.21, 0.038, 3.549, "2 h"),
    ("TalkingGaussian", 28.43, 0.034, 3.582, "27 min"),
    ("InsTaG", 28.92, 0.029, 3.145, "13 min"),
    ("EmoTaG", 30.02, 0.019, 2.221, "11 min"),
)
"""Name, PSNR, LPIPS, LMD and training time after 5 s of video, as EmoTaG (arXiv 2603.21332) reports them."""


def write_tables(rows: list[dict], path: Path = RESULTS) -> None:
    """The Markdown file of everything measured so far."""
    fits = [row for row in rows if "train" in row]
    strange = [row for row in rows if "driven_by" in row]
    lines = [
        "# From a clip to an avatar",
        "",
        "`python -m benchmarks.personalize CLIPS --work FOLDER`. A clip is tracked as a whole (one shape of head",
        "for all frames); the fit never sees its last fifth (16 of 20 s remain). It is drawn as tracked, not",
        "refined against the avatar, or with the lips of the sound alone. Tracking aligns every head pose with the",
        "grey of the person's skin, which it takes from the frames that are learned from only. *Box* is the head",
        "with its hair: the box of the landmarks, half its height added above, a quarter of its width at the sides,",
        "12 % below. Times are of fitting; wall clock depends on what else runs, CPU minutes do not. Peak memory is",
        "the process's so far: that of one fit only for the first row that a process makes (use --clip and",
        "--train).",
        "",
        "## Driven by tracked motion",
        "",
        "| clip | trained on | steps | PSNR box / full | SSIM box / full | before the fit: box | LMD | lip r / slope | "
        "track + fit CPU min | fit wall min | peak MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in fits:
        lines.append(
            f"| {row['clip']} | {row['train_seconds']:.0f} s | {row['steps']} "
            f"| **{row['box_psnr_head']:.2f}** / {row['box_psnr_full']:.2f} "
            f"| {row['box_ssim_head']:.3f} / {row['box_ssim_full']:.3f} | {row['start_psnr_head']:.2f} "
            f"| {_of(row, 'motion_lmd_mouth', '.2f')} "
            f"| {_of(row, 'motion_lip_correlation', '.2f')} / {_of(row, 'motion_lip_slope', '.2f')} "
            f"| {row['track_cpu'] / 60:.1f} + {row['fit_cpu'] / 60:.1f} | {row['fit_wall'] / 60:.1f} "
            f"| {row['peak_mb']:.0f} |"
        )
    lines += [
        "",
        "LMD: distance of mouth landmarks seen in the drawn and the recorded frame after moving both to one centre, in",
        "percent of the distance of the outer corners of the eyes. Lip r and slope: opening of the lips, drawn against",
        "recorded.",
        "",
        "## Driven by sound alone (head, gaze and lids as recorded)",
        "",
        "| clip | trained on | PSNR hair and face | SSIM | LMD | lip r / slope | sync (recording's own) |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in fits:
        if "audio_psnr_head" in row:
            lines.append(
                f"| {row['clip']} | {row['train_seconds']:.0f} s | {row['audio_psnr_head']:.2f} "
                f"| {row['audio_ssim_head']:.3f} | {_of(row, 'audio_lmd_mouth', '.2f')} "
                f"| {_of(row, 'audio_lip_correlation', '.2f')} / {_of(row, 'audio_lip_slope', '.2f')} "
                f"| {_of(row, 'audio_sync', '.2f')} ({_of(row, 'audio_recorded_sync', '.2f')}) |"
            )
    lines += [
        "",
        "## What papers report after 5 s of video",
        "",
        "On other data, at other crops, with recorded head pose, and trained on an NVIDIA A6000: the field's level, no",
        "comparison.",
        "",
        "| system | PSNR | LPIPS | LMD (px) | training |",
        "|---|---|---|---|---|",
        *(f"| {name} | {psnr} | {lpips} | {lmd} | {spent} |" for name, psnr, lpips, lmd, spent in PAPERS),
        "",
        "## Driven by somebody else",
        "",
        "The avatar with expressions and head turns of another clip (100 frames): share of the pictures in which a",
        "face landmarker finds a face, and the mean distance of its landmarks from those of the driven head, in",
        "percent of the eye distance.",
        "",
        "| avatar | driven by | faces found | landmarks off |",
        "|---|---|---|---|",
        *(
            f"| {row['clip']} | {row['driven_by']} | {row['faces_found']:.0f} % | {row['rig_error']:.2f} % |"
            for row in strange
        ),
        "",
    ]
    write_text(path, with_remarks("\n".join(lines), path))


def _of(row: dict, name: str, form: str) -> str:
    return format(row[name], form) if name in row else "-"
