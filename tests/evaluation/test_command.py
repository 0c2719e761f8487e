"""`python -m emotalk evaluate` from a tracked video to the report on disk."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from emotalk.core.atomic import write_json
from emotalk.evaluation.command import run
from emotalk.tracking.tracked import FINISHED, SOUND, save_track
from tests.evaluation.rendered_video import chatter, filmed


@pytest.mark.slow
def test_an_avatar_is_measured_by_motion_by_sound_and_by_another_sound(tmp_path: Path) -> None:
    tracked, _ = filmed(tmp_path / "track", chatter(40))
    save_track(tracked)
    write_json(tracked.folder / FINISHED, {})
    t = np.arange(16_000 * 40 // 25) / 16_000
    buzz = 0.3 * np.sign(np.sin(2 * np.pi * 120 * t)) * (np.sin(2 * np.pi * 3 * t) > 0)
    for path in (tracked.folder / SOUND, tmp_path / "other.wav"):
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes((buzz * 32767).astype("<i2").tobytes())
    seen = []
    output = tmp_path / "report"
    reports = run(tracked.folder, "mira", None, tmp_path / "other.wav", output, 0.75, 1.0, None, "cpu", seen.append)
    motion, audio, other = reports
    assert [report.drive for report in reports] == ["motion", "audio", "other audio"]
    assert motion.frames == audio.frames == 30
    assert motion.scores["psnr_face"] > 27  # the person who was filmed, before another wall
    assert motion.scores["lmd_mouth"] < audio.scores["lmd_mouth"]
    assert 0 <= audio.scores["valence_error"] < 1
    assert {"sync", "sync_offset"} <= set(audio.scores)
    assert not {"psnr_head", "lmd_mouth", "recorded_sync"} & set(other.scores)  # nothing recorded to compare with
    assert other.scores["faces_found"] == 100
    table = json.loads((output / "report.json").read_text())
    assert [entry["drive"] for entry in table] == ["motion", "audio", "other audio"]
    for picture in ("motion-worst.png", "audio-best.png", "other-audio-middle.png"):
        assert (output / picture).is_file()
    assert len(seen) >= 30
