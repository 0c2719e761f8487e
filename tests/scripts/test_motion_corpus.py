"""Shards of filmed lips: which films, whose, and what is kept of them."""

import numpy as np
import pytest

from emotalk.core.errors import InputError
from emotalk.core.speech import Speech
from emotalk.sync.network import SyncModel
from scripts.motion_corpus import shards
from scripts.motion_corpus.grid import Film, balanced, films, speaker_of
from scripts.motion_corpus.heard import source_lag
from scripts.motion_corpus.shards import build_shards, load_shards
from tests.motion.test_model import spoken


@pytest.mark.parametrize(
    ("name", "speaker"), [("s26_bgbsza", "s26"), ("f1_s33_bwwy3s", "s33"), ("id2_vcd_swwp2s", "id2"), ("s1_x", "s1")]
)
def test_names_of_films_say_who_speaks(name, speaker):
    assert speaker_of(name) == speaker


def test_a_film_of_nobody_is_refused(tmp_path):
    with pytest.raises(InputError, match="speaker"):
        speaker_of("holiday")
    with pytest.raises(InputError, match="no films"):
        films(tmp_path)


def test_a_folder_of_one_speaker_names_its_films(tmp_path):
    for path in ("s1/bbal8p.mp4", "others/s26_bgbsza.mp4"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).touch()
    assert [(film.name, film.speaker) for film in films(tmp_path)] == [("s26_bgbsza", "s26"), ("s1_bbal8p", "s1")]


def test_no_speaker_has_more_films_than_are_wanted(tmp_path):
    many = [Film(f"s1_{i:03d}", "s1", tmp_path) for i in range(240)]
    few = [Film(f"s26_{i}", "s26", tmp_path) for i in range(10)]
    kept = balanced(many + few, most=80)
    assert [film.speaker for film in kept] == ["s26"] * 10 + ["s1"] * 80
    assert [film.name for film in kept[10:13]] == ["s1_000", "s1_003", "s1_006"]  # from all of them


def _face(frames: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(50, 200, (frames, 478, 3)).astype(np.float32)


def test_shards_are_made_once_and_bad_films_left_out(tmp_path, monkeypatch):
    looked = []

    def landmarks(path):
        looked.append(path.stem)
        if path.stem == "dark":
            raise InputError("no face")
        return _face(30)

    monkeypatch.setattr(shards, "landmarks_of", landmarks)
    monkeypatch.setattr(shards, "load_audio", lambda path: Speech(np.full(19200, 0.25, np.float32)))
    wanted = [Film(name, "s1", tmp_path / f"{name}.mp4") for name in ("good", "dark")]
    build_shards(tmp_path / "out", wanted)
    build_shards(tmp_path / "out", wanted)
    assert looked == ["good", "dark", "dark"]
    (shard,) = load_shards(tmp_path / "out")
    assert (shard.name, shard.speaker, shard.measures.shape) == ("good", "s1", (30, 4))
    np.testing.assert_allclose(shard.samples, 0.25, atol=1e-4)


def test_one_offset_is_found_for_all_films_of_a_source():
    """Lips made by the sync network's own liking are not needed: its scores are averaged, the highest wins."""
    _, features = spoken(2)
    sync = SyncModel.load()
    lips = np.random.default_rng(1).uniform(0, 0.1, (len(features) // 2, 4)).astype(np.float32)
    alone = sync.offset(features, lips, 8).frames
    assert source_lag([features] * 2, [lips] * 2, sync) == alone
