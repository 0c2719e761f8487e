"""How a text is pronounced, word by word."""

import pytest

from emotalk.core.errors import Cancelled, InputError
from emotalk.core.speech import PHONES
from emotalk.speech.pronunciation import Pronunciation, pronounce
from emotalk.speech.tts import engines

READ = {"people": "pˈiːpə^l", "burned": "bˈɜːnd", "day": "dˈe^ɪ", "her": "hɜː", "no": "nˈo^ʊ"}


def by_table(texts, language):
    return [" ".join(READ[word.lower()] for word in text.split()) for text in texts]


def test_every_word_has_its_phones():
    assert pronounce("No, people!", by_table) == [
        Pronunciation("No", ("n", "ow")),
        Pronunciation("people", ("p", "iy", "p", "ah", "l")),
    ]


def test_a_coloured_vowel_is_one_phone():
    assert [said.phones for said in pronounce("Burned her day.", by_table)] == [
        ("b", "er", "n", "d"), ("hh", "er"), ("d", "ey"),
    ]  # fmt: skip


def test_numbers_are_the_words_that_are_said():
    espeak = engines()["espeak"].transcribe
    assert [said.word for said in pronounce("5 km?", espeak)] == ["five", "kilometers"]


@pytest.mark.parametrize(("text", "language"), [("Où est la gare ?", "fr"), ("Das ist schön.", "de")])
def test_other_languages_have_their_own_rules(text, language):
    said = pronounce(text, engines()["espeak"].transcribe, language)
    assert len(said) == len([word for word in text.split() if word.strip(" ?.")])
    assert all(phone in PHONES[1:] for word in said for phone in word.phones)


def test_long_sentences_without_spaces_keep_all_their_sounds():
    espeak = engines()["espeak"].transcribe
    once = pronounce("我们今天去学校看书", espeak, "cmn")
    often = pronounce("我们今天去学校看书" * 20, espeak, "cmn")
    count, whole = (sum(len(word.phones) for word in words) for words in (once, often))
    assert whole == pytest.approx(20 * count, rel=0.05)


def test_long_sentences_are_cut_between_words():
    said = pronounce(" ".join(["people"] * 90), by_table)
    assert [word.word for word in said] == ["people"] * 90
    assert {word.phones for word in said} == {("p", "iy", "p", "ah", "l")}


def test_more_than_can_be_said_is_refused_before_all_of_it_is_read():
    asked = []

    def counted(texts, language):
        asked.append(texts)
        return by_table(texts, language)

    with pytest.raises(InputError, match="more sounds than fit"):
        pronounce("People. " * 500, counted, most=12)
    assert len(asked) == 3  # of five phones each
    assert len(pronounce("People. People.", by_table, most=10)) == 2


def test_reading_can_be_stopped():
    answers = iter([False, True])
    with pytest.raises(Cancelled):
        pronounce("No. No. No.", by_table, cancelled=lambda: next(answers))


def test_nothing_to_pronounce_is_a_sentence():
    with pytest.raises(InputError, match="empty"):
        pronounce("  ", by_table)
