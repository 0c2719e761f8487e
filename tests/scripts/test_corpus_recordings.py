"""Recordings of people in the training corpus: whose are trained on, and what was said in them."""

from pathlib import Path

import numpy as np
import pytest

from emotalk.core.rates import SAMPLE_RATE

pytest.importorskip("pocketsphinx")

from scripts.speech_corpus import build, recordings

GRID = Path(__file__).resolve().parents[3] / "shared/data/grid"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("bbal8p", "bin blue at l eight please"), ("id23_vcd_priazn", "place red in a zero now"),
     ("s26_swbm3n", "set white by m three now")],
)  # fmt: skip
def test_the_name_of_a_grid_video_says_its_words(name, sentence):
    assert recordings.grid_sentence(name) == sentence


@pytest.mark.parametrize("name", ["", "bbal8", "bbal8pp", "xbal8p", "bbaw8p"])
def test_other_names_are_no_sentences(name):
    with pytest.raises(ValueError, match="no code of a GRID sentence"):
        recordings.grid_sentence(name)


@pytest.mark.skipif(not GRID.is_dir(), reason="shared/data/grid is not here")
def test_the_words_of_every_name_are_those_of_its_alignment():
    for path in GRID.glob("align/*.align"):
        rows = (line.split() for line in path.read_text().splitlines())
        written = [row[2] for row in rows if row and row[2] not in ("sil", "sp")]
        assert recordings.grid_sentence(path.stem).split() == written


def test_one_speaker_of_grid_is_trained_on_and_the_others_are_measured_with(tmp_path, monkeypatch):
    for place in ("s1/bbal8p", "s1/bbas2p", "others/s26_swbm3n"):
        path = tmp_path / f"{place}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    sound = np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLE_RATE).astype(np.float32)
    monkeypatch.setattr(recordings, "_sound", lambda path: sound)
    monkeypatch.setattr(recordings, "align", lambda samples, text: [(0.0, 2.0, 1)])
    folder = tmp_path / "corpus"
    recordings.build_recordings(folder, tmp_path / "no ljspeech", tmp_path)
    trained, measured = (
        [u.text for u in build.load_shard(build.shard_path(folder, name))]
        for name in ("grid", recordings.GRID_HELD_OUT)
    )
    assert trained == ["bin blue at l eight please"] * 4 + ["bin blue at s two please"] * 4
    assert measured == ["set white by m three now"]


@pytest.mark.parametrize(("pitch", "hers"), [(110, False), (200, True)])
def test_recordings_by_somebody_else_than_the_reader_are_told_by_their_pitch(pitch, hers):
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    harmonics = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 9))
    assert recordings.by_reader((0.1 * harmonics).astype(np.float32)) == hers
    assert not recordings.by_reader(np.zeros(SAMPLE_RATE, np.float32))


def test_recordings_by_somebody_else_are_measured_with_but_not_trained_on(tmp_path, monkeypatch):
    soundfile = pytest.importorskip("soundfile")
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    names = [f"LJ001-{i:04}" for i in range(40)]
    for i, name in enumerate(names):
        pitch = 105 if i % 2 else 210
        harmonics = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 9))
        soundfile.write(tmp_path / f"{name}.flac", 0.1 * harmonics, SAMPLE_RATE)
    (tmp_path / "metadata.csv").write_text("".join(f"{name}|x|{name}\n" for name in names))
    monkeypatch.setattr(recordings, "align", lambda samples, text: [(0.0, 2.0, 1)])
    recordings.build_recordings(tmp_path / "corpus", tmp_path, tmp_path / "no grid")
    trained, measured = (
        {u.text for u in build.load_shard(build.shard_path(tmp_path / "corpus", voice))}
        for voice in ("ljspeech", recordings.LJSPEECH_HELD_OUT)
    )
    assert trained == set(names[::2]) - measured
    assert measured & set(names[1::2])
