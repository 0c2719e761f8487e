"""Kokoro's alphabet: what espeak's IPA becomes, and the mouth that makes each symbol."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.speech import PHONES
from emotalk.speech.kokoro.symbols import PAUSING, STRESS, VOCABULARY, phone_of, symbols_of

LANGUAGES = ["en-us", "en-gb", "es", "fr-fr", "it", "pt-br", "hi"]
IPA = st.text(
    st.sampled_from("abdefghijklmnoprstuvwxyzæçðŋɐɑɒɔəɚɛɜɡɪɬɹɾʃʊʌʒʔʲʰˈˌː^ \u0303\u0329\u0327θ0-()"), max_size=20
)


@settings(max_examples=60)
@given(st.one_of(st.text(max_size=20), IPA), st.sampled_from(LANGUAGES))
def test_whatever_is_given_only_symbols_of_the_model_come_out(ipa, language):
    assert set(symbols_of(ipa, language)) <= set(VOCABULARY)


@settings(max_examples=60)
@given(IPA, IPA, st.sampled_from(LANGUAGES))
def test_words_are_spelled_apart_as_they_are_together(first, second, language):
    """Nothing reaches over a space, but for marks that belong onto the letter before."""
    second = "a" + second
    together = symbols_of(f"{first} {second}", language)
    assert together == symbols_of(first, language) + " " + symbols_of(second, language)


@pytest.mark.parametrize(
    ("ipa", "american", "british"),
    [
        ("wˈɔːɾɚ", "wˈɔTəɹ", "wˈɔːɾəɹ"),  # water
        ("bˈɜːd", "bˈɜɹd", "bˈɜːd"),  # bird
        ("t^ʃˈɜːt^ʃ", "ʧˈɜɹʧ", "ʧˈɜːʧ"),  # church
        ("d^ʒˈʌd^ʒ", "ʤˈʌʤ", "ʤˈʌʤ"),  # judge
        ("mˈa^ɪ", "mˈI", "mˈI"),  # my
        ("dˈe^ɪ", "dˈA", "dˈA"),  # day
        ("ɡˈo^ʊ", "ɡˈO", "ɡˈO"),  # go, American
        ("ɡˈə^ʊ", "ɡˈQ", "ɡˈQ"),  # go, British
        ("hˈa^ʊ", "hˈW", "hˈW"),  # how
        ("bˈɔ^ɪ", "bˈY", "bˈY"),  # boy
        ("ðˈe^ə", "ðˈAə", "ðˈɛː"),  # there
        ("hˈi^ə", "hˈiə", "hˈɪə"),  # here
        ("lˈɪɾə^l", "lˈɪTᵊl", "lˈɪɾᵊl"),  # little
        ("bˈʌʔn̩", "bˈʌtᵊn", "bˈʌtᵊn"),  # button
        ("pˈiːpə^l", "pˈipᵊl", "pˈiːpᵊl"),  # people
    ],
)
def test_english_has_an_american_and_a_british_alphabet(ipa, american, british):
    assert symbols_of(ipa, "en-us") == american
    assert symbols_of(ipa, "en-gb") == british


@pytest.mark.parametrize(
    ("language", "ipa", "symbols"),
    [
        ("fr-fr", "bɔ̃ʒˈuʁ", "bɔ\u0303ʒˈuʁ"),  # a nasal vowel keeps its tilde, as a symbol of its own
        ("es", "ɡɾˈaθjas", "ɡɾˈaθjas"),
        ("it", "t^ʃˈao", "ʧˈao"),
        ("pt-br", "ˌobriɡˈadʊ", "ˌobriɡˈadʊ"),
        ("hi", "nəmˈʌsteː", "nəmˈʌsteː"),
        ("de", "ɪç", "ɪç"),  # however its cedilla is written
        ("de", "ɪc\u0327", "ɪç"),
    ],
)
def test_other_languages_keep_their_own_sounds(language, ipa, symbols):
    assert symbols_of(ipa, language) == symbols


def test_an_english_voice_has_no_sounds_of_other_languages():
    """Whatever it never learned becomes the nearest sound that it did."""
    assert symbols_of("bax çɬʔ", "en-us") == "bak klt"
    assert symbols_of("bɔ̃", "en-us") == "bɔ"


# Symbols and mouths


def test_every_symbol_has_a_phone():
    assert {phone_of(symbol, before) for symbol in VOCABULARY for before in ("", "ə", "ɜ", "a")} <= set(PHONES)


@pytest.mark.parametrize(
    ("symbol", "phone"),
    [("p", "p"), ("b", "b"), ("m", "m"), ("f", "f"), ("A", "ey"), ("I", "ay"), ("O", "ow"), ("Q", "ow"), ("W", "aw"),
     ("Y", "oy"), ("T", "d"), ("ʧ", "ch"), ("ʤ", "jh"), ("ᵊ", "ah"), ("ə", "ah"), ("ʃ", "sh"), ("ʁ", "r"), ("y", "uw")],
)  # fmt: skip
def test_a_symbol_stands_for_a_mouth(symbol, phone):
    assert phone_of(symbol) == phone


def test_r_colours_the_vowel_before_it():
    assert (phone_of("ɹ", "ə"), phone_of("ɹ", "ɜ"), phone_of("ɹ", "a"), phone_of("ɹ")) == ("er", "er", "r", "r")


def test_marks_and_stress_make_no_sound():
    assert {phone_of(symbol) for symbol in PAUSING + STRESS + ' "()ː'} == {"sil"}


def test_numbers_of_symbols_are_the_models():
    """0 is taken: it stands at both ends. The model has a table of 178."""
    numbers = list(VOCABULARY.values())
    assert len(set(numbers)) == len(numbers)
    assert 0 < min(numbers) <= max(numbers) < 178
    assert (VOCABULARY[" "], VOCABULARY["."], VOCABULARY["ˈ"], VOCABULARY["a"]) == (16, 4, 156, 43)
