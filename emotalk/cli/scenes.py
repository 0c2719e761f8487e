"""`talk --script`: a scene of several speakers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from emotalk.cli.progress import ProgressBar

if TYPE_CHECKING:
    from emotalk.talk.play import PlayRequest
    from emotalk.talk.request import Look
    from emotalk.talk.studio import Studio


def scene_request(
    script: Path, staging: str, look: Look, seed: int, head_motion: float, expressiveness: float, mood_in_voice: bool
) -> PlayRequest:
    """What was asked for, with the script read; InputError where it cannot be."""
    from emotalk.talk.play import PlayRequest
    from emotalk.talk.screenplay import read_screenplay

    return PlayRequest(read_screenplay(script), staging, look, seed, head_motion, expressiveness, mood_in_voice)


def make_scene(studio: Studio, request: PlayRequest, output: Path, captions: Path | None) -> None:
    """Make the video and say what was made, and what of it anew."""
    from emotalk.talk.play import play

    with ProgressBar(unit=" frames") as show:
        try:
            clip = play(studio, request, output, captions=captions, progress=show)
        except KeyboardInterrupt:
            print("stopped; lines that were finished are kept: the same command goes on from there", file=sys.stderr)
            raise
    for remark in clip.remarks:
        print(f"emotalk: {remark}", file=sys.stderr)
    again = f", {clip.reused} of them from earlier" if clip.reused else ""
    print(
        f"{clip.path}: {clip.seconds:.1f} s of video in {clip.timings['total']:.1f} s ({len(clip.lines)} lines{again})"
    )
