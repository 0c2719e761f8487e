"""Shards of whole motion: one face for all films of a speaker, kept once, bad films left out."""

from dataclasses import replace

import numpy as np
import pytest

from emotalk.core.errors import InputError
from emotalk.core.speech import Speech
from emotalk.head import HeadModel
from emotalk.learning.motion_data import load_tracked
from emotalk.tracking.fit import lens_for
from emotalk.tracking.rig import CONTROLS, FaceRig, rotation_matrix
from emotalk.tracking.solve import Frames
from scripts.motion_corpus import whole_motion
from scripts.motion_corpus.grid import Film
from scripts.motion_corpus.whole_motion import Sight, build_whole_motion, fit_films


def _sight(frames: int, first: int = 0) -> tuple[Sight, np.ndarray]:
    """Exact landmarks of a head that turns, and its yaw in radians."""
    head = HeadModel.load()
    rig = FaceRig.of(head, np.zeros(head.components))
    lens = lens_for(head, 300, 70.0)
    yaw = 0.2 * np.sin(0.3 * np.arange(first, first + frames))
    turn = rotation_matrix(np.stack([0 * yaw, yaw, 0 * yaw], -1))
    seen = Frames(turn, np.zeros((frames, 3)), np.zeros((frames, CONTROLS)))
    world = seen.world(rig.points(seen.controls))
    depth = -world[..., 2:] * 70.0 / 0.063
    points = np.concatenate([lens.project(world), depth], -1).astype(np.float32)
    return Sight(points, np.full(frames, 90.0), np.zeros((0, 52), np.float32)), yaw


@pytest.mark.slow
def test_all_films_of_a_speaker_share_one_face_and_one_camera():
    (first, yaw), (second, more) = _sight(12), _sight(12, first=12)
    fit, rig = fit_films([first, second])
    found = whole_motion.motion_of(rig, fit.frames.rotation, fit.frames.place, fit.frames.controls)
    assert len(found) == 24
    assert np.corrcoef(found.head_pose[:, 1], np.concatenate([yaw, more]))[0, 1] > 0.98
    assert np.nanmedian(fit.error) < 0.02 * fit.face.scale


def test_shards_are_made_once_and_bad_films_left_out(tmp_path, monkeypatch, caplog):
    looked, fitted = [], []
    whole, _ = _sight(10)

    def look(path):
        looked.append(path.stem)
        if path.stem == "broken":
            raise InputError("no film")
        return replace(whole, landmarks=np.full_like(whole.landmarks, np.nan)) if path.stem == "dark" else whole

    def fit(sights):
        fitted.append(len(sights))
        head = HeadModel.load()
        rig = FaceRig.of(head, np.zeros(head.components))
        frames = Frames(np.tile(np.eye(3), (20, 1, 1)), np.zeros((20, 3)), np.zeros((20, CONTROLS)))
        error = np.r_[np.full(10, 0.5), np.full(10, 5.0)]  # px: the second film is not explained
        face = type("Face", (), {"scale": 70.0, "rig": rig})
        return type("Fit", (), {"frames": frames, "error": error, "face": face}), rig

    monkeypatch.setattr(whole_motion, "look", look)
    monkeypatch.setattr(whole_motion, "fit_films", fit)
    monkeypatch.setattr(whole_motion, "load_audio", lambda path: Speech(np.zeros(6400, np.float32)))
    films = [Film(name, "s1", tmp_path / f"{name}.mp4") for name in ("good", "odd", "dark", "broken")]
    build_whole_motion(tmp_path / "out", films)
    assert looked == ["good", "odd", "dark", "broken"]
    assert fitted == [2]
    assert {path.stem for path in (tmp_path / "out").glob("*.npz")} == {"good"}
    assert "odd is left out" in caplog.text

    build_whole_motion(tmp_path / "out", films[:1])
    assert fitted == [2]  # nothing was missing

    from emotalk.speech.encoder import SpeechEncoder

    clip = load_tracked(tmp_path / "out" / "good.npz", SpeechEncoder.load().encode)
    assert len(clip.motion) == 10
