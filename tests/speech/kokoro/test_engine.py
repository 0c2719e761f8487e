"""The engine: a phrase in pieces that are one sound, with phones and words that go on over the cuts."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotalk.core.errors import VoiceError
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.emotion import EmotionCurve
from emotalk.speech.kokoro import KokoroEngine, engine, voices, weights
from emotalk.speech.kokoro.engine import PIECES, _pieces
from emotalk.speech.kokoro.model import FRAME, FRAME_SECONDS, RATE
from emotalk.speech.kokoro.timing import timing_of
from emotalk.speech.kokoro.transcript import transcribe
from emotalk.speech.kokoro.voices import Voice
from emotalk.speech.manner import Manner
from emotalk.speech.tts import join
from emotalk.speech.voice import resampled
from tests.speech.kokoro.synthetic import LOUD, PAUSE, FakeModel, prosody_of, spelled

SHORT = "bad sad mad"
LONG = "some sad men sat in an old inn, and no man sang; then one man made bad jam. it is sad, he said! " * 2
RISING = EmotionCurve((0.0, 8.0), ((0.0, -1.0), (0.0, 1.0)))


@pytest.fixture(autouse=True)
def plain_voices(monkeypatch):
    """Every voice has a style of zeros and needs no gain."""
    monkeypatch.setattr(voices, "load", lambda name: Voice(np.zeros((voices.ROWS, voices.SIZE), np.float32), 0.0))


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def kokoro(model) -> KokoroEngine:
    made = KokoroEngine(spelled)
    made._model = model
    return made


def say(kokoro: KokoroEngine, text: str, manner: Manner | None = None, start: float = 0.0) -> list[Speech]:
    return list(kokoro.stream(text, "ef_dora", manner or Manner(), start))


def uncut(text: str) -> Speech:
    """A phrase whose sound is made at once."""
    transcript, model = transcribe(text, "es", spelled), FakeModel()
    prosody = model.prosody(transcript.tokens, np.zeros(256))
    loud = np.flatnonzero(prosody.energy[::2] > 0)
    first, last = loud[0] - 2, loud[-1] + 5  # with a little silence around it
    samples = resampled(model.waveform(prosody, np.zeros(256))[first * FRAME : last * FRAME], RATE)
    timing, seconds = timing_of(transcript, prosody), (last - first) * FRAME_SECONDS

    def moved(spans):
        shifted = [(max(a - first * FRAME_SECONDS, 0), b - first * FRAME_SECONDS, name) for a, b, name in spans]
        return tuple((a, min(b, seconds), name) for a, b, name in shifted if b > 1e-9)

    return Speech(samples, phones=moved(timing.phones), words=moved(timing.words))


def whole_phones(speech: Speech) -> list[tuple[float, float, str]]:
    """Phones whose parts on both sides of a cut are put together again."""
    found: list[tuple[float, float, str]] = []
    for start, end, name in speech.phones:
        if found and found[-1][2] == name and found[-1][1] == pytest.approx(start):
            found[-1] = (found[-1][0], end, name)
        else:
            found.append((start, end, name))
    return found


# Pieces


@pytest.mark.parametrize("text", [SHORT, LONG])
def test_the_pieces_are_the_sound_of_the_whole(kokoro, text):
    """Whatever the cuts: exactly its samples, phones and words."""
    whole, said = uncut(text), join(say(kokoro, text), text)
    assert len(said.samples) == len(whole.samples)
    np.testing.assert_allclose(said.samples, whole.samples, atol=1e-5)
    for found, expected in ((whole_phones(said), whole_phones(whole)), (said.words, whole.words)):
        assert [name for _, _, name in found] == [name for _, _, name in expected]
        np.testing.assert_allclose([span[:2] for span in found], [span[:2] for span in expected], atol=1e-6)


def test_a_short_phrase_is_one_piece_and_a_long_one_many(kokoro, model):
    assert len(say(kokoro, SHORT)) == 1
    assert len(say(kokoro, LONG)) > 3


def test_the_first_piece_is_short_and_leaves_before_the_others_are_made(kokoro, model):
    stream = kokoro.stream(LONG, "ef_dora", Manner())
    first = next(stream)
    assert first.seconds <= PIECES[0] * FRAME_SECONDS
    assert len(model.made) == 1
    rest = list(stream)
    assert len(model.made) == 1 + len(rest)
    assert max(part.seconds for part in rest) <= 1.5 * PIECES[-1] * FRAME_SECONDS + 0.01


def test_phones_are_continuous_over_the_pieces(kokoro):
    parts = say(kokoro, LONG)
    for part in parts:
        assert part.phones[0][0] == 0
        assert part.phones[-1][1] == pytest.approx(part.seconds, abs=1e-6)
        assert all(a[1] == pytest.approx(b[0]) for a, b in itertools.pairwise(part.phones))


def test_every_word_is_in_the_piece_where_it_begins(kokoro):
    parts = say(kokoro, LONG)
    said = [word for part in parts for _, _, word in part.words]
    assert said == list(transcribe(LONG, "es", spelled).words)
    assert " ".join(part.text for part in parts).split() == said
    assert all(0 <= start < part.seconds for part in parts for start, _, _ in part.words)


def test_the_same_text_gives_the_same_bytes(kokoro):
    assert [part.samples.tobytes() for part in say(kokoro, LONG)] == [
        part.samples.tobytes() for part in say(kokoro, LONG)
    ]


def test_nothing_to_pronounce_is_no_piece(kokoro, model):
    assert say(kokoro, "?! ...") == []
    assert model.made == []


def test_a_piece_says_who_speaks(kokoro):
    assert {part.source for part in say(kokoro, LONG)} == {"kokoro:ef_dora"}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("aeiosmnd,", min_size=1, max_size=9), min_size=1, max_size=60))
def test_any_phrase_holds_together(kokoro, words):
    text = " ".join(words)
    joined = join(say(kokoro, text), text)
    assert [word for _, _, word in joined.words] == list(transcribe(text, "es", spelled).words)
    assert all(a[1] == pytest.approx(b[0]) for a, b in itertools.pairwise(joined.phones))
    assert len(joined.samples) % (FRAME * SAMPLE_RATE // RATE) == 0  # whole frames
    if joined.phones:
        assert joined.phones[-1][1] == pytest.approx(joined.seconds)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=30), st.integers(0, 30))
def test_pieces_cover_a_phrase_and_none_is_long_or_very_short(stretches, first):
    energy = np.concatenate([np.full(n, LOUD if loud else PAUSE) for n, loud in stretches] + [np.full(31, LOUD)])
    prosody, last = prosody_of("", [0, len(energy)], energy), len(energy)
    pieces = list(_pieces(prosody, first, last))
    assert pieces[0][0] == first
    assert pieces[-1][1] == last
    assert all(a[1] == b[0] for a, b in itertools.pairwise(pieces))
    lengths = [end - start for start, end in pieces]
    most = [*PIECES, *[PIECES[-1]] * len(lengths)]
    assert all(length <= longest for length, longest in zip(lengths[:-1], most, strict=False))
    assert lengths[-1] <= 1.5 * most[len(lengths) - 1]
    assert len(lengths) == 1 or min(lengths) >= min(PIECES) // 2


def test_a_phrase_is_cut_where_it_is_quiet():
    energy = np.full(400, LOUD)
    energy[[31, 60, 130]] = PAUSE
    assert list(_pieces(prosody_of("", [0, 400], energy), 0, 400))[:3] == [(0, 31), (31, 60), (60, 130)]


def test_a_phrase_is_cut_where_there_is_no_voice_rather_than_where_there_is():
    prosody = prosody_of("a", [0, 400, 0], np.full(400, LOUD))
    prosody.f0[2 * 35 : 2 * 36] = 10.0
    prosody.energy[2 * 25 : 2 * 26] = LOUD - 2  # softer, but voiced
    assert next(_pieces(prosody, 0, 400)) == (0, 35)


# Moods


def test_a_mood_that_rises_makes_the_end_faster_and_louder(kokoro, monkeypatch):
    asked, real = [], engine.paced
    monkeypatch.setattr(engine, "paced", lambda prosody, speed: asked.append(speed) or real(prosody, speed))
    parts = say(kokoro, LONG, Manner(RISING))
    (speed,) = asked
    assert speed[0] < 0.9 < 1.1 < speed[-2]
    assert (np.diff(speed[[i for i, t in enumerate(transcribe(LONG, "es", spelled).tokens) if t > 16]]) >= -1e-9).all()
    level = [float(np.sqrt(np.mean(part.samples**2))) for part in parts]
    assert level[-1] > 1.5 * level[0]
    assert max(np.abs(part.samples).max() for part in parts) < 1


def test_effort_flattens_the_spectrum_and_leaves_no_seams(kokoro, monkeypatch):
    """A filter that began anew with every piece would click where pieces meet."""
    high = 3000.0

    def hiss(prosody, style):
        samples = (prosody.content[0][:, None] * FRAME + np.arange(FRAME)).ravel() / RATE
        return (0.1 * np.sin(2 * np.pi * high * samples) + 0.1 * np.sin(2 * np.pi * 200 * samples)).astype(np.float32)

    def balance(arousal: float) -> float:
        said = join(say(kokoro, LONG, Manner(EmotionCurve.constant(0, arousal))), LONG).samples
        spectrum = np.abs(np.fft.rfft(said * np.hanning(len(said)))) ** 2
        half = round(1000 * len(said) / SAMPLE_RATE)
        return float(10 * np.log10(spectrum[half:].sum() / spectrum[:half].sum()))

    monkeypatch.setattr(engine, "paced", lambda prosody, speed: prosody)  # a tone that is stretched is none
    monkeypatch.setattr(FakeModel, "waveform", lambda self, prosody, style: hiss(prosody, style))
    calm, rest, awake = map(balance, (-1, 0, 1))
    assert awake - rest > 3
    assert rest - calm > 3
    monkeypatch.setattr(engine, "PIECES", (40, 40, 80, 120))
    pieces = join(say(kokoro, LONG, Manner(RISING)), LONG).samples
    monkeypatch.setattr(engine, "PIECES", (10_000,))
    np.testing.assert_allclose(pieces, join(say(kokoro, LONG, Manner(RISING)), LONG).samples, atol=1e-5)


def test_a_mood_is_asked_for_from_where_the_phrase_begins(kokoro):
    early, late = (join(say(kokoro, SHORT, Manner(RISING), start), SHORT) for start in (0.0, 7.5))
    assert late.seconds < 0.9 * early.seconds
    constant = join(say(kokoro, SHORT, Manner(EmotionCurve.constant(0, 1))), SHORT)
    assert join(say(kokoro, SHORT, Manner(RISING), 9.0), SHORT).samples.tobytes() == constant.samples.tobytes()


def test_every_frame_has_the_mood_of_its_own_time(kokoro, monkeypatch):
    """A phrase begins with its sound, not with the silence that is cut off before it."""
    asked, real = [], Manner.at
    monkeypatch.setattr(Manner, "at", lambda self, *when: asked.append(when[0]) or real(self, *when))
    (said,) = say(kokoro, SHORT, start=3.0)
    _, frames = asked  # for the tokens before, then for the frames
    assert frames[8 - 2] == pytest.approx(3.0)  # of 8 silent frames 2 stay
    assert np.diff(frames) == pytest.approx(FRAME_SECONDS)
    assert frames[0] < 3.0 < 3.0 + said.seconds <= frames[-1] + FRAME_SECONDS


def test_a_gain_brings_a_voice_to_the_loudness_of_all_speech(kokoro, monkeypatch):
    usual = join(say(kokoro, SHORT), SHORT).samples
    monkeypatch.setattr(voices, "load", lambda name: Voice(np.zeros((voices.ROWS, voices.SIZE), np.float32), -6.0))
    np.testing.assert_allclose(join(say(kokoro, SHORT), SHORT).samples, usual * 10 ** (-6 / 20), atol=1e-6)


def test_the_style_is_that_of_the_phrases_length(kokoro, model, monkeypatch):
    styles, used = np.arange(voices.ROWS, dtype=np.float32)[:, None] * np.ones((1, voices.SIZE), np.float32), []
    monkeypatch.setattr(voices, "load", lambda name: Voice(styles, 0.0))
    real = model.prosody
    monkeypatch.setattr(model, "prosody", lambda tokens, style: used.append(style) or real(tokens, style))
    say(kokoro, SHORT)
    assert used[0][0] == len(transcribe(SHORT, "es", spelled).symbols) - 1


# What can go wrong


def test_an_unknown_voice_is_refused(kokoro):
    with pytest.raises(VoiceError, match=r"no voice '\.\./\.\./etc'.*emotalk voices"):
        next(kokoro.stream("Hello", "../../etc", Manner()))


def test_the_networks_are_loaded_once_however_many_threads_ask(monkeypatch):
    made, together = [], threading.Barrier(8)
    monkeypatch.setattr(weights, "prepared", lambda: Path("graphs"))
    monkeypatch.setattr(engine, "KokoroModel", lambda folder: made.append(folder) or FakeModel())
    kokoro = KokoroEngine(spelled)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: (together.wait(10), kokoro.prepare()), range(8)))
    assert made == [Path("graphs")]


def test_what_is_not_to_be_had_is_not_tried_again_and_again(monkeypatch):
    tries = []

    def prepared():
        tries.append(1)
        raise VoiceError("Kokoro's weights are not on this machine.")

    monkeypatch.setattr(weights, "prepared", prepared)
    kokoro = KokoroEngine(spelled)
    for _ in range(3):
        with pytest.raises(VoiceError, match="not on this machine"):
            next(kokoro.stream("Hello", "ef_dora", Manner()))
    assert len(tries) == 1
    assert not any(voice.installed for voice in kokoro.voices())


def test_a_damaged_graph_is_a_sentence_that_says_what_to_remove(monkeypatch, tmp_path):
    for name in ("prosody.onnx", "waveform.onnx"):
        (tmp_path / name).write_bytes(b"half of a gra")
    monkeypatch.setattr(weights, "prepared", lambda: tmp_path)
    with pytest.raises(VoiceError, match="cannot be used here") as caught:
        KokoroEngine(spelled).prepare()
    assert f"Remove {tmp_path}" in str(caught.value)


# The list of voices


def test_shipped_voices_come_first_and_the_others_say_what_they_cost(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOTALK_CACHE", str(tmp_path))
    monkeypatch.setattr(weights, "is_at_hand", lambda: True)
    found = KokoroEngine(spelled).voices()
    assert [voice.installed for voice in found] == sorted((voice.installed for voice in found), reverse=True)
    assert {voice.how_to_get for voice in found if voice.installed} == {""}
    assert {voice.how_to_get.split(" ")[0] for voice in found if not voice.installed} == {"downloads"}
    assert found[0].id == "kokoro:af_heart"
    assert found[0].quality == 5
    assert len(found) == len(voices.PEOPLE)


def test_without_weights_every_voice_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr(weights, "is_at_hand", lambda: False)
    found = KokoroEngine(spelled).voices()
    assert {(voice.installed, voice.how_to_get) for voice in found} == {(False, weights.HOW_TO_GET)}


def test_a_phrase_of_more_symbols_than_the_model_takes_is_said_to_its_end(kokoro):
    text = " ".join(["sad"] * 160)  # 3 symbols and a space each
    words = [word for part in say(kokoro, text) for _, _, word in part.words]
    assert words == ["sad"] * 160


def test_a_full_disk_is_not_remembered(monkeypatch):
    full = VoiceError("Make room.")
    full.__cause__ = OSError(28, "No space left on device")
    monkeypatch.setattr(weights, "prepared", lambda: (_ for _ in ()).throw(full))
    made = KokoroEngine(spelled)
    with pytest.raises(VoiceError, match="room"):
        made.prepare()
    monkeypatch.setattr(weights, "prepared", lambda: Path("there"))
    monkeypatch.setattr(engine, "KokoroModel", lambda folder: FakeModel())
    made.prepare()
