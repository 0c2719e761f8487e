"""A phrase as symbols, each of which belongs to a word."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import VoiceError
from emotalk.speech.kokoro.symbols import PAUSING, VOCABULARY, phone_of
from emotalk.speech.kokoro.transcript import MAX_SYMBOLS, Transcript, transcribe
from emotalk.speech.tts import engines
from tests.speech.kokoro.synthetic import spelled


def sounds_of(transcript: Transcript) -> list[str]:
    """The symbols of each word."""
    return [
        "".join(s for s, owner in zip(transcript.symbols, transcript.owner, strict=True) if owner == number)
        for number in range(len(transcript.words))
    ]


def read(text: str, language: str = "en-us") -> Transcript:
    """With the real rules of pronunciation."""
    return transcribe(text, language, engines()["espeak"].transcribe)


def check(transcript: Transcript) -> None:
    """What holds for every transcript."""
    assert len(transcript.symbols) == len(transcript.owner) <= MAX_SYMBOLS
    assert set(transcript.symbols) <= set(VOCABULARY)
    assert set(transcript.owner) <= set(range(-1, len(transcript.words)))
    own = [owner for owner in transcript.owner if owner >= 0]
    assert own == sorted(own)
    for symbol, owner in zip(transcript.symbols, transcript.owner, strict=True):
        assert (owner == -1) == (symbol == " " or symbol in PAUSING)
    assert transcript.tokens[0] == transcript.tokens[-1] == 0
    assert 0 not in transcript.tokens[1:-1]
    assert len(transcript.tokens) == len(transcript.symbols) + 2


# Words


def test_words_are_those_of_the_text_each_with_its_sounds():
    said = transcribe("Bees like salt.", "es", spelled)
    assert said.symbols == "bees like salt."
    assert said.words == ("Bees", "like", "salt")
    assert sounds_of(said) == ["bees", "like", "salt"]


def test_words_that_are_said_in_one_breath_are_told_apart():
    said = transcribe("end of the day", "es", spelled)
    assert sounds_of(said) == ["end", "of", "the", "day"]
    assert said.symbols == "end of the day"


def test_a_number_in_many_words_is_one_word_of_the_text():
    def say(texts, language):
        return [text.replace("42", "forti tu") for text in texts]

    said = transcribe("about 42 beds", "es", say)
    assert said.symbols == "about forti tu beds"
    assert said.words == ("about", "42", "beds")
    assert sounds_of(said) == ["about", "fortitu", "beds"]


def test_what_has_no_sound_is_no_word():
    def say(texts, language):
        return [text.replace("xx", "") for text in texts]

    said = transcribe("bee xx sea", "es", say)
    assert said.words == ("bee", "sea")
    assert sounds_of(said) == ["bee", "sea"]
    assert transcribe("bee, xx. sea", "es", say).symbols == "bee, sea"  # nor a second pause


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The end of the day.", ["The", "end", "of", "the", "day"]),
        ("It was on the table and in the box.", ["It", "was", "on", "the", "table", "and", "in", "the", "box"]),
        (
            "I would have been there at 10:30.",
            ["I", "would", "have", "been", "there", "at", "10:30"],
        ),  # as many parts as words
        ("Call 1234567 now!", ["Call", "1234567", "now"]),
    ],
)
def test_espeaks_joined_and_split_words_find_back_to_the_text(text, words):
    said = read(text)
    check(said)
    assert list(said.words) == words
    for word, heard in zip(words, sounds_of(said), strict=True):
        alone = read(word).symbols.replace(" ", "")
        consonants = [s for s in heard if phone_of(s)[0] not in "aeiou" and phone_of(s) != "sil"]
        assert set(consonants) <= set(alone), word  # unstressed vowels differ, but no sound of a neighbour is taken
    assert sounds_of(said)[-1] == alone


def test_a_word_of_another_language_is_only_said():
    """espeak writes "(en)wiːkˈɛnd(fr)"."""
    said = read("le weekend ici", "fr-fr")
    assert "(" not in said.symbols
    assert sounds_of(said)[1] == "wiːkˈɛnd"


def test_every_word_has_its_place_in_the_text():
    """Also a word that is a part of another, or said twice."""
    said = transcribe("banana, a an a", "es", spelled)
    assert said.places == (0, 8, 10, 13)
    assert transcribe("Bad, (bad) -- bad!", "es", spelled).places == (0, 6, 14)
    letters = said.letters
    assert len(letters) == len(said.tokens)
    assert letters[:8].tolist() == [0] * 8  # the end, six letters and a mark
    assert letters[-2:].tolist() == [13, 13]


# Marks and pauses


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("bad, sad: mad; fad!", "bad, sad: mad; fad!"),
        ("bad - sad", "bad— sad"),
        ("bad... sad?!", "bad. sad!"),  # the last of several marks
        ("bad， sad。", "bad, sad."),
        ('bad "sad" (mad)', "bad sad mad"),
        ("...bad", "bad"),
        ("bad . . , sad", "bad. sad"),  # a mark without a word behind it adds nothing
        ("", ""),
        ("?! ... --", ""),
    ],
)
def test_marks_end_clauses(text, symbols):
    assert transcribe(text, "es", spelled).symbols == symbols


def test_a_mark_inside_a_word_or_number_is_no_pause():
    assert transcribe("a.b or u.s.a. too", "es", spelled).symbols == "ab or usa. too"
    assert transcribe("at x:ray", "es", spelled).symbols == "at x ray"
    said = read("a las 3.5", "es")
    assert said.words == ("a", "las", "3.5")
    assert said.symbols == "a las tɾˈes punto θˈinko"


def test_clauses_are_asked_for_whole_and_word_by_word():
    """One request: the process of the rules answers hundreds of texts as quickly as one."""
    asked = []

    def say(texts, language):
        asked.append((list(texts), language))
        return list(texts)

    transcribe("bad sad, mad", "it", say)
    assert asked == [(["bad sad", "mad", "bad", "sad", "mad"], "it")]


# Any text


def test_never_more_symbols_than_the_model_takes():
    said = transcribe("nine " * 300, "es", spelled)
    check(said)
    assert len(said.symbols) == MAX_SYMBOLS


@settings(max_examples=60)
@given(st.text(st.sampled_from("abc of the 12.,:;!?…—-\"'()。\n"), max_size=60))
def test_any_text_gives_a_transcript_that_holds_together(text):
    check(transcribe(text, "es", spelled))


@settings(max_examples=60)
@given(
    st.lists(st.text("abdem", min_size=1, max_size=6), min_size=1, max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_however_words_are_joined_each_keeps_its_own_sounds(words, joined):
    """Where they are pronounced as they are alone, nothing is left to guess."""

    def say(texts, language):
        return ["".join(w + " " * (not j) for w, j in zip(text.split(), joined, strict=False)) for text in texts]

    said = transcribe(" ".join(words), "es", say)
    assert sounds_of(said) == words


@pytest.mark.parametrize("language", ["en-us", "hi"])
@settings(max_examples=12)
@given(
    text=st.one_of(
        st.text(max_size=60),
        st.text("aé😀你ж<>&;[]_`'\"\\%$#@!.,-0123456789 \n\0", max_size=60),
        st.sampled_from(["'-你", "[[h@l'oU]]", "<speak><break/></speak>", "\x01\x05V99", "%s%n" * 20, "(en)a(hi)"]),
    )
)
def test_no_string_harms_the_real_rules(language, text):
    message = "cannot read"
    try:
        check(read(text, language))
    except VoiceError as error:
        message = str(error)
    assert "cannot read" in message


@pytest.mark.parametrize(
    ("text", "language"),
    [("1234567 " * 37, "es"), ("9" * 300, "en-us"), ("a\u0301" * 150, "fr-fr"), ("- " * 150, "it")],
)
def test_the_longest_phrase_of_the_worst_kind_is_read(text, language):
    check(read(text[:300], language))


def test_a_language_without_rules_is_refused():
    with pytest.raises(VoiceError, match="no rules for 'tlh'"):
        read("nuqneH", "tlh")


def test_every_language_of_a_voice_can_be_read():
    said = {
        language: read("12", language).symbols for language in ("en-us", "en-gb", "es", "fr-fr", "hi", "it", "pt-br")
    }
    assert all(said.values())
    assert len(set(said.values())) >= 6
    assert all(a != b for a, b in itertools.pairwise(said.values()) if {a, b} != {said["en-us"], said["en-gb"]})
