"""Kokoro's voices: shipped tables, and those that the Hub has."""

import re

import numpy as np
import pytest

from emotalk.core import checkpoint
from emotalk.core.errors import VoiceError
from emotalk.speech.kokoro import voices
from emotalk.speech.tts import engines

SHIPPED = sorted(path.stem for path in voices.FOLDER.glob("*.safetensors"))
ABSENT = next(name for name in voices.PEOPLE if name not in SHIPPED)


@pytest.fixture(autouse=True)
def forgetful():
    """What a test has put in a voice's place is gone after it."""
    voices.load.cache_clear()
    yield
    voices.load.cache_clear()


def table(value: float) -> bytes:
    return np.full((voices.ROWS, voices.SIZE), value, "<f4").tobytes()


# Shipped


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_voice_is_a_finite_table_with_gain_and_licence(name):
    voice, stored = voices.load(name), checkpoint.read(voices.FOLDER / f"{name}.safetensors", "np")
    assert voice.styles.shape == (510, 256)
    assert voice.styles.dtype == np.float32
    assert 0.05 < np.abs(voice.styles).mean() < 1
    assert -12 <= voice.gain_db <= 12
    assert stored.notes["licence"] == voices.LICENCE == "Apache-2.0"
    person = voices.PEOPLE[name]
    assert (stored.notes["language"], stored.notes["grade"]) == (person.language, person.grade)
    assert voices.is_here(name)


def test_the_card_tells_of_every_shipped_voice():
    told = re.findall(r"`kokoro:(\w+)`", (voices.FOLDER / "README.md").read_text(encoding="utf-8"))
    assert sorted(told) == SHIPPED


def test_every_language_has_a_shipped_voice_and_english_women_and_men():
    assert {voices.PEOPLE[name].language for name in SHIPPED} == {p.language for p in voices.PEOPLE.values()}
    english = [name for name in SHIPPED if voices.PEOPLE[name].language.startswith("en")]
    assert {name[:2] for name in english} == {"af", "am", "bf", "bm"}
    assert len(english) >= 8


def test_no_two_shipped_voices_are_the_same():
    styles = [voices.load(name).styles for name in SHIPPED]
    assert all(np.abs(a - b).mean() > 0.01 for i, a in enumerate(styles) for b in styles[:i])


def test_every_voice_reads_a_language_that_there_are_rules_for():
    rules = {voice.language for voice in engines()["espeak"].voices()}
    assert {person.language for person in voices.PEOPLE.values()} <= rules
    assert all(re.fullmatch(r"[A-F][+-]?", person.grade) for person in voices.PEOPLE.values())


@pytest.mark.parametrize("damage", ["cut", "nan", "shape", "no gain", "empty"])
def test_a_damaged_shipped_voice_is_a_sentence(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(voices, "FOLDER", tmp_path)
    styles, notes = np.ones((voices.ROWS, voices.SIZE), np.float16), {"gain_db": "0.0"}
    if damage == "nan":
        styles[7, 7] = np.nan
    if damage == "shape":
        styles = styles[:-1]
    if damage == "no gain":
        notes = {"licence": "Apache-2.0"}
    path = tmp_path / "af_heart.safetensors"
    checkpoint.save(path, {"styles": styles}, notes)
    if damage in ("cut", "empty"):
        path.write_bytes(path.read_bytes()[: 1000 * (damage == "cut")])
    with pytest.raises(VoiceError, match=r"af_heart cannot be used .*Restore the file checkpoints"):
        voices.load("af_heart")


# From the Hub


@pytest.fixture
def tables(hub) -> dict[str, bytes]:
    """A Hub with two voices that are not shipped, and things that are no voices."""
    names = [name for name in voices.PEOPLE if name not in SHIPPED][:2]
    files = {f"voices/{name}.bin": table(number + 0.5) for number, name in enumerate(names)}
    hub.add(voices.HUB.repo, files | {"voices/zf_xiaobei.bin": table(9), "onnx/model.onnx": b"large"})
    return files


def test_all_voices_are_brought_at_once_into_one_folder(tables, hub):
    first, second = (name.removeprefix("voices/").removesuffix(".bin") for name in tables)
    assert not voices.is_here(first)
    assert (voices.load(first).styles == 0.5).all()
    assert sorted(hub.downloads()) == sorted(tables)
    assert voices.is_here(first)
    assert voices.is_here(second)
    hub.requests.clear()
    assert (voices.load(second).styles == 1.5).all()
    assert hub.requests == []


def test_a_voice_that_the_hub_lacks_is_a_sentence(tables):
    lacking = [name for name in voices.PEOPLE if name not in SHIPPED][-1]
    with pytest.raises(VoiceError, match=f"kokoro:{lacking} cannot be used"):
        voices.load(lacking)
    assert not voices.is_here(lacking)


@pytest.mark.parametrize("content", [table(1)[:-4], table(np.nan), b""], ids=["short", "nan", "empty"])
def test_a_damaged_table_of_the_hub_is_a_sentence(hub, content):
    hub.add(voices.HUB.repo, {f"voices/{ABSENT}.bin": content})
    with pytest.raises(VoiceError, match=rf"kokoro:{ABSENT} cannot be used .*Choose another one"):
        voices.load(ABSENT)


def test_a_table_that_is_too_large_is_not_downloaded(hub):
    hub.add(voices.HUB.repo, {f"voices/{ABSENT}.bin": table(1) + b"0000"})
    with pytest.raises(VoiceError, match="are allowed; not downloaded"):
        voices.load(ABSENT)
    assert hub.downloads() == []


def test_offline_a_voice_that_is_not_here_is_refused_without_waiting(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(VoiceError, match=f"kokoro:{ABSENT} is not on this machine"):
        voices.load(ABSENT)
    assert hub.requests == []


def test_a_failure_is_not_kept(hub, monkeypatch):
    """A voice that could not be had is asked for again."""
    hub.status = 503
    with pytest.raises(VoiceError):
        voices.load(ABSENT)
    hub.status = None
    hub.add(voices.HUB.repo, {f"voices/{ABSENT}.bin": table(2)})
    assert (voices.load(ABSENT).styles == 2).all()
