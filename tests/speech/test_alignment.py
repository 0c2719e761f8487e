"""Known words in a sound: against times that are known exactly, and against every possible way."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import Cancelled, InputError
from emotalk.core.rates import FEATURE_RATE
from emotalk.core.speech import PHONES, Speech
from emotalk.speech import say
from emotalk.speech.alignment import LEAST_FIT, align, best_path, find_transcript, likelihoods, with_transcript
from emotalk.speech.encoder import SpeechEncoder
from emotalk.speech.pronunciation import Pronunciation

SENTENCES = (
    "My brother put the paper boat back into the pond.",
    "Nobody came to the market before the bell rang, and we went home.",
    "Keep the milk cold and the bread warm.",
)


STORY = (*SENTENCES, "Please bring me a pen and a piece of blue paper.", "The storm broke two of the tall trees.")
"""For what is said and what is not."""


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    return SpeechEncoder.load()


def heard(said: list[tuple[str, int]], sureness: float = 0.9) -> np.ndarray:
    """Probabilities of phones that last so many rows, as a listener hears them who is never quite sure."""
    rows = [PHONES.index(phone) for phone, count in said for _ in range(count)]
    probabilities = np.full((len(rows), len(PHONES)), (1 - sureness) / (len(PHONES) - 1), np.float32)
    probabilities[np.arange(len(rows)), rows] = sureness
    return probabilities


SOUNDS = ["m", "aa", "s", "iy", "k", "uw"]
WORDS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(SOUNDS), st.integers(1, 9)), min_size=1, max_size=5),
        st.integers(0, 12),  # rows of silence behind the word
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40)
@given(WORDS, st.integers(0, 20))
def test_words_are_where_they_were_put(words, before):
    """Any words with any silences. Where a phone follows itself nobody hears the border."""
    said, starts, row = [("sil", before)], [], before
    for phones, silence in words:
        starts.append(row)
        said += [*phones, ("sil", silence)]
        row += sum(count for _, count in phones) + silence
    flat = [phone for phone, count in said if count]
    found = align([Pronunciation("w", tuple(phone for phone, _ in phones)) for phones, _ in words], heard(said))
    if all(a != b for a, b in itertools.pairwise(flat)):
        assert [round(start * FEATURE_RATE) for start, _, _ in found.words] == starts
    assert found.phones[0][0] == 0
    assert found.phones[-1][1] == pytest.approx(row / FEATURE_RATE)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found.phones))
    assert [name for _, _, name in found.phones if name != "sil"] == [p for phones, _ in words for p, _ in phones]
    assert found.fit == pytest.approx(0, abs=0.01)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(4, 7))
def test_no_way_is_likelier_than_the_one_that_is_found(seed, words, rows):
    random = np.random.default_rng(seed)
    states = np.array([0, *itertools.chain(*([1 + word, 0] for word in range(words)))])
    optional = states == 0
    scores = np.log(random.dirichlet(np.ones(4), rows))

    def allowed(path) -> bool:
        steps = [(-1, path[0]), *itertools.pairwise(path), (path[-1], len(states))]
        return all(b - a in (0, 1) or (b - a == 2 and optional[a + 1]) for a, b in steps[1:-1]) and all(
            b - a == 1 or (b - a == 2 and optional[a + 1]) for a, b in (steps[0], steps[-1])
        )

    def likelihood(path) -> float:
        return float(sum(scores[row, states[state]] for row, state in enumerate(path)))

    ways = [w for w in itertools.combinations_with_replacement(range(len(states)), rows) if allowed(w)]
    found = best_path(scores, states, optional)
    assert allowed(tuple(found))
    assert likelihood(found) == pytest.approx(max(map(likelihood, ways)))


def test_long_texts_are_found_in_a_band(monkeypatch):
    words = [Pronunciation(str(n), ("m", "aa", "s")) for n in range(200)]
    rows = [(phone, 2 + n % 3) for n in range(200) for phone in ("m", "aa", "s")]
    whole = align(words, heard(rows))
    monkeypatch.setattr("emotalk.speech.alignment._BAND", 60)
    assert align(words, heard(rows)) == whole


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(40, 90))
def test_a_band_as_wide_as_the_text_changes_nothing(seed, words, rows):
    """Steps are kept four to a byte; a text of any number of states comes back from them."""
    random = np.random.default_rng(seed)
    states = np.array([0, *itertools.chain(*([1 + word % 3, 0] for word in range(words)))])
    path = best_path(np.log(random.dirichlet(np.ones(4), rows)), states, states == 0)
    assert (path[0] in (0, 1), path[-1] in (len(states) - 2, len(states) - 1)) == (True, True)
    assert all(b - a in (0, 1) or (b - a == 2 and a % 2 == 1) for a, b in itertools.pairwise(path))


def test_music_before_the_first_word_does_not_lose_it():
    """In half a minute that is heard as anything at all, the likeliest way runs far ahead of the true one."""
    random = np.random.default_rng(0)
    sounds = [str(phone) for phone in random.choice(PHONES[1:], 4250)]
    words = [Pronunciation(str(n), tuple(sounds[5 * n : 5 * n + 5])) for n in range(850)]
    music = heard([(sound, 1) for sound in sounds[:1500]])  # as if a third of the text were said in it
    speech = heard([*((sound, 2) for sound in sounds), ("sil", 10)])
    found = align(words, np.concatenate([music, speech]))
    assert found.words[-1][2] == "849"
    late = [start - (len(music) + 10 * int(word)) / FEATURE_RATE for start, _, word in found.words]
    assert np.median(np.abs(late)) <= 0.1


@pytest.mark.parametrize("missing", [2, 4], ids=["the middle", "the last"])
def test_a_sentence_that_is_not_in_the_text_is_heard(encoder, missing):
    """The rest is as it was; there, the phones are those of the encoder and not a stretched one of the text."""
    parts = [say(sentence, "espeak:en-us") for sentence in STORY]
    ends = np.cumsum([part.seconds for part in parts])
    start, end = ends[missing] - parts[missing].seconds, ends[missing]
    speech = Speech(np.concatenate([part.samples for part in parts]))
    whole = find_transcript(speech, " ".join(STORY), encoder)
    found = find_transcript(speech, " ".join(STORY[:missing] + STORY[missing + 1 :]), encoder)
    assert whole.doubtful == 0
    assert end - start - 1 < found.doubtful < end - start + 1.5
    assert max(b - a for a, b, name in found.phones if name != "sil" and a < end and b > start) < 0.5
    assert not [word for a, b, word in found.words if start + 0.5 < (a + b) / 2 < end - 0.5]
    clear = [span for span in whole.words if span[1] < start - 1 or span[0] > end + 1]
    assert len(clear) > 10
    assert set(clear) <= set(found.words)


def test_a_sentence_that_nobody_says_has_no_times(encoder):
    speech = Speech(np.concatenate([say(sentence, "espeak:en-us").samples for sentence in STORY]))
    more = "A small black dog barked at the empty bus."
    found = find_transcript(speech, " ".join([*STORY[:3], more, *STORY[3:]]), encoder)
    words = [word for _, _, word in found.words]
    assert not {"black", "dog", "barked"} & set(words)
    assert {"brother", "market", "trees"} <= set(words)
    assert found.doubtful > 0


@pytest.mark.parametrize("asked", [1, 3, 8])
def test_the_search_can_be_stopped(encoder, asked):
    """At every place where it is asked: while the text is read, the sound is heard, the way is found."""
    speech = say("Keep the milk cold. Keep the bread warm.", "espeak:en-us")
    long = Speech(np.tile(speech.samples, 8))
    answers = iter([False] * asked + [True] * 100)
    with pytest.raises(Cancelled):
        find_transcript(long, "Keep the milk cold. Keep the bread warm. " * 8, encoder, lambda: next(answers))


def test_a_long_search_for_the_way_can_be_stopped():
    with pytest.raises(Cancelled):
        align([Pronunciation("w", ("m", "aa"))], heard([("m", 600), ("aa", 600)]), lambda: True)


def test_a_phone_is_taken_for_one_that_is_like_it():
    scores = likelihoods(heard([("p", 1)]))[0]
    assert scores[PHONES.index("p")] > scores[PHONES.index("b")] > scores[PHONES.index("s")]


@pytest.mark.parametrize("voice", ["espeak:en-us", "espeak:en-gb+f3"])
def test_words_of_a_voice_that_knows_its_times_begin_where_it_says(encoder, voice):
    """Within 60 ms: a caption that begins so near its word is not seen to be early or late."""
    late = []
    for text in SENTENCES:
        spoken = say(text, voice)
        found = with_transcript(Speech(spoken.samples), text, encoder)
        assert [word for _, _, word in found.words] == [word.strip(",.") for word in text.split()]
        late += [here - there for (here, _, _), (there, _, _) in zip(found.words, spoken.words, strict=True)]
    assert np.mean(np.abs(late) <= 0.06) >= 0.95


def test_what_is_known_comes_with_the_sound(encoder):
    speech = say(SENTENCES[2], "espeak:en-us")
    found = with_transcript(Speech(speech.samples, source="file.wav"), SENTENCES[2], encoder)
    np.testing.assert_array_equal(found.samples, speech.samples)
    assert (found.source, found.text) == ("file.wav", SENTENCES[2])
    assert found.phones[-1][1] == pytest.approx(speech.seconds, abs=1 / FEATURE_RATE)


def test_the_text_of_another_sound_is_refused(encoder):
    with pytest.raises(InputError, match="does not fit the recording"):
        with_transcript(say(SENTENCES[0], "espeak:en-us"), SENTENCES[1], encoder)


def test_a_text_that_is_longer_than_the_sound_is_refused(encoder):
    with pytest.raises(InputError, match="more sounds than fit"):
        with_transcript(say("No.", "espeak:en-us"), " ".join(SENTENCES), encoder)


def test_no_words_are_no_alignment():
    with pytest.raises(InputError, match="no words"):
        align([], heard([("m", 5)]))


def test_the_fit_tells_a_text_that_is_heard_from_one_that_is_not():
    sound = heard([("m", 4), ("aa", 6), ("s", 5)])
    own, other = (align([Pronunciation("w", phones)], sound).fit for phones in (("m", "aa", "s"), ("k", "iy", "l")))
    assert own > LEAST_FIT > other
