"""What each part of a photo's avatar brings: everything that talks use, and without one part after the other.

    python -m benchmarks.portrait_ablation > benchmarks/results/portrait_ablation.md

One frame of a clip of a real person is the photo, the film is the truth (`benchmarks.portrait_clips`).
"""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from benchmarks.portrait_clips import CLIPS, OWN, TRACKS, Clip, compared, tracked_clip, with_detail
from emotalk.core.image_metrics import peak_ratio
from emotalk.evaluation.clip_detector import ClipDetector
from emotalk.evaluation.faces import landmark_distance, lip_agreement
from emotalk.fitting.video_fit import draw_frame
from emotalk.fitting.video_frames import box_mask, head_box
from emotalk.learning.driven_photo import DrivenPhoto, driven_photo, neutral_row
from emotalk.learning.texture_training import gradient
from emotalk.portrait import make
from emotalk.portrait.texture import Crop

INTRODUCTION = """# What each part of a photo's avatar brings

`python -m benchmarks.portrait_ablation`

Means over six clips of real people ({names}), each driven by its own film from one frame: PSNR of the head's box and of
the mouth (crops 1.05 eye distances wide), dB; gradients around the mouth in those of the film; LMD of the mouth in
percent of the eye distance; r of its opening.

| shown | box | mouth | sharpness | LMD | lip r |
|---|---|---|---|---|---|"""
AFTER = """
"Without the transplant" the mouth is covered with the photo's own colours: no teeth, no cavity, no shut lids of a
shipped avatar. The texture network, which no talk uses, is measured in [portrait_texture.md](portrait_texture.md). The
landmark graph network and shapes by deformation transfer, which no talk uses either, move landmarks: what they bring is
in [landmark_graph.md](landmark_graph.md).
"""


class Shown:
    """One way to draw a photo's avatar."""

    def __init__(self, name: str, transplant: bool = True, flow: bool = True) -> None:
        self.name, self.transplant, self._flow = name, transplant, flow

    def drawn(self, driven: DrivenPhoto) -> Callable[[int], np.ndarray]:
        """What draws frame t: [H, W, 3] float32 in [0, 1]."""
        avatar, motion = driven.avatar, driven.motion
        draw = with_detail(avatar) if self._flow else draw_frame
        return lambda t: draw(avatar, motion, t, driven.torso[t])


WAYS = (
    Shown("as in talks"),
    Shown("without the flow: Gaussians alone", flow=False),
    Shown("without the transplant", transplant=False),
    Shown("without both", transplant=False, flow=False),
)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(INTRODUCTION.format(names=", ".join(OWN)), flush=True)
    found: dict[str, list[list[float]]] = {way.name: [] for way in WAYS}
    kept = os.environ.get(TRACKS)
    with tempfile.TemporaryDirectory() as folder:
        for file in OWN.values():
            clip = tracked_clip(CLIPS / file, Path(kept or folder))
            row = neutral_row(clip.tracked)
            rows = compared(clip.tracked, row)
            for transplant in (True, False):
                with contextlib.nullcontext() if transplant else _no_transplant():
                    driven = driven_photo(clip.tracked, clip.points, row, rows)
                for way in WAYS:
                    if way.transplant == transplant:
                        found[way.name].append(measured(clip, rows, driven, way.drawn(driven)))
    for name, values in found.items():
        print("| {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {:.3f} |".format(name, *np.mean(values, 0)))
    print(AFTER)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores ({platform.machine()}); load average at the end (1, 5, 15 minutes): {load}.")


def measured(clip: Clip, rows: np.ndarray, driven: DrivenPhoto, picture: Callable[[int], np.ndarray]) -> list[float]:
    """The numbers of one row of the table, of one clip."""
    mask = box_mask(head_box(clip.tracked), clip.tracked.size).numpy()
    avatar, values = driven.avatar, []
    with ClipDetector() as ours, ClipDetector() as theirs:
        for t in map(int, rows):
            image, wanted = picture(t), clip.tracked.frame(t)
            ours.detect(image)
            theirs.detect(wanted)
            crop = Crop.around(avatar.vertices(driven.motion, t), avatar.head, avatar.camera)
            mouth, true = (crop.of(torch.from_numpy(part).permute(2, 0, 1)) for part in (image, wanted))
            values.append((
                peak_ratio(float(np.square(image - wanted)[mask].mean())),
                peak_ratio(float((mouth - true).square().mean())), gradient(mouth) / gradient(true),
            ))  # fmt: skip
        distance, _ = landmark_distance(ours.detections(), theirs.detections())
        lips = lip_agreement(ours.detections(), theirs.detections())
    r = float("nan") if lips is None else lips.correlation
    return [*np.mean(values, 0), float(np.nanmean(distance)), r]


@contextlib.contextmanager
def _no_transplant() -> Iterator[None]:
    """Avatars are made of the photo alone."""
    with (
        mock.patch.object(make, "with_donor", lambda avatar, *_: avatar),
        mock.patch.object(make, "with_shut_lids", lambda avatar, *_: avatar),
    ):
        yield


if __name__ == "__main__":
    main()
