import contextlib
import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import InputError
from emotalk.speech.english import number_words, ordinal_words, read_aloud, year_words
from emotalk.speech.text import MAX_PHRASE, MAX_WORD, clean_text, phrases


def said(text: str, language: str = "en") -> str:
    return " | ".join(
        f"{phrase.language}: {phrase.text}" if phrase.language else phrase.text for phrase in phrases(text, language)
    )


# English numbers, dates, signs


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"), (13, "thirteen"), (40, "forty"), (99, "ninety-nine"), (100, "one hundred"),
        (1_001, "one thousand one"), (12_345, "twelve thousand three hundred forty-five"),
        (1_000_000, "one million"), (-7, "minus seven"), (10**21, "one" + " zero" * 21),
    ],
)  # fmt: skip
def test_numbers(number, words):
    assert number_words(number) == words


@given(st.integers(0, 10**21 - 1))
def test_number_words_can_be_read_back(number):
    """The oracle adds the words up again."""
    small = {number_words(n): n for n in range(100)}
    scales = {s: 1000**i for i, s in enumerate("- thousand million billion trillion quadrillion quintillion".split())}  # noqa: SIM905
    total = group = 0
    for word in number_words(number).split():
        if word == "hundred":
            group *= 100
        elif word in scales:
            total, group = total + group * scales[word], 0
        else:
            group += small[word]
    assert total + group == number


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "first"), (2, "second"), (3, "third"), (8, "eighth"), (12, "twelfth"), (20, "twentieth"),
     (21, "twenty-first"), (100, "one hundredth"), (101, "one hundred first")],
)  # fmt: skip
def test_ordinals(number, words):
    assert ordinal_words(number) == words


@pytest.mark.parametrize(
    ("year", "words"),
    [(1066, "ten sixty-six"), (1900, "nineteen hundred"), (1905, "nineteen oh five"), (1984, "nineteen eighty-four"),
     (2000, "two thousand"), (2005, "two thousand five"), (2026, "twenty twenty-six")],
)  # fmt: skip
def test_years(year, words):
    assert year_words(year) == words


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("1,234,567", "one million two hundred thirty-four thousand five hundred sixty-seven"),
        ("3.14", "three point one four"), ("-5", "minus five"), ("007", "zero zero seven"), ("50%", "fifty percent"),
        ("1st and 22nd", "first and twenty-second"), ("1/2 or 3/4", "one half or three quarters"),
        ("in 1999", "in nineteen ninety-nine"), ("1500 people in 2500 cars",
                                                  "fifteen hundred people in two thousand five hundred cars"),
        ("$5.20", "five dollars and twenty cents"), ("€1", "one euro"),
        ("$2.5 million", "two point five million dollars"),
        ("20 €", "twenty euros"), ("$0.01", "one cent"),
        ("2026-11-20", "November twentieth, twenty twenty-six"), ("3/4/2024", "March fourth, twenty twenty-four"),
        ("25/12/2024", "December twenty-fifth, twenty twenty-four"), ("May 3, 1984", "May third, nineteen eighty-four"),
        ("3rd of May", "the third of May"), ("99/99/2024", "ninety-nine over ninety-nine/twenty twenty-four"),
        ("14:30", "fourteen thirty"), ("9:05", "nine oh five"), ("2 pm", "two P M"), ("10:00", "ten o'clock"),
        ("5 km/h", "five kilometers per hour"), ("-3.5 °C", "minus three point five degrees Celsius"),
        ("10-20", "ten to twenty"), ("3.11.7", "three point eleven point seven"),
        ("+1 555-123-4567", "one, five five five, one two three, four five six seven"),
        ("Dr. Who vs. Mr. T", "Doctor Who versus Mister T"), ("e.g. this", "for example this"),
        ("R2D2", "R two D two"), ("2 + 2 = 4", "two plus two equals four"), ("AT&T", "AT and T"),
    ],
)  # fmt: skip
def test_what_is_written_is_read_aloud(written, spoken):
    assert " ".join(read_aloud(written).split()) == spoken


# Tags, links, emoji, alphabets


@pytest.mark.parametrize(
    ("typed", "spoken"),
    [
        ("<speak>Hello <break time='1s'/> <b>world</b> &amp; all</speak>", "Hello. | world and all"),
        ("<script>alert('x')</script>", "alert('x')"), ("1 < 2", "one less than two"),
        ("if (x<y && z>w)", "if (x less than y and z greater than w)"),
        ("Go to https://www.example.com/a/b?q=1.", "Go to example dot com slash a slash b."),
        ("Mail me@foo-bar.org!", "Mail me at foo dash bar dot org!"),
        ("Well done 👍🏽🎉!", "Well done!"), ("😀", "grinning face"), ("5️⃣ stars", "five stars"),
        ("𝐇𝐞𝐥𝐥𝐨 ﬁne １２", "Hello fine twelve"), ("Z̷͇̈́a̸l̵g̶o̷", "Zalgo"), ("café naïve", "café naïve"),
        ("a\x00b\x07c", "a b c"), ("o\u200bk\u202ea\ud800y", "okay"), ("nooooooooo!!!!!", "nooo!"),
        ("“Hi” — she said…", '"Hi", she said.'), ("* one\n* two", "one. | two"), ("One.\n\nTwo", "One. | Two"),
        ("He said Привет to me.", "He said | ru: Привет | to me."), ("Γεια σου", "el: Γεια σου"),
        ("你好，世界。很好！", "cmn: 你好,世界。 | cmn: 很好!"), ("ひらがな", "ja: ひらがな"),
        ("안녕하세요", "ko: 안녕하세요"),
        ("Це їжа", "uk: Це їжа"), ("پدر", "fa: پدر"), ("مرحبا", "ar: مرحبا"),
    ],
)  # fmt: skip
def test_anything_typed_becomes_sensible_phrases(typed, spoken):
    assert said(typed) == spoken


def test_some_languages_have_their_numbers_in_words_and_others_keep_them_for_their_own_voice():
    assert said("Ich habe 3 Äpfel.", "de") == "Ich habe drei Äpfel."
    assert said("У меня 3 яблока.", "ru") == "У меня 3 яблока."
    assert said("Привет, hello!", "ru") == "Привет, | en: hello!"


@pytest.mark.parametrize("empty", ["", "   ", "\n\t", "\u200b"])
def test_an_empty_text_is_refused(empty):
    with pytest.raises(InputError, match=r"empty|nothing to say"):
        list(phrases(empty))


@pytest.mark.parametrize("wordless", ["...", "?!", "<p></p>", "\ud800", "--- * ---", "\x00"])
def test_a_text_without_words_is_refused(wordless):
    with pytest.raises(InputError, match="nothing to say"):
        list(phrases(wordless))


def test_a_script_that_no_voice_reads_is_named():
    with pytest.raises(InputError, match="Tibetan"):
        list(phrases("བོད་སྐད"))
    assert said("Tibetan is བོད here.") == "Tibetan is here."


def test_kanji_are_refused_with_what_to_do():
    with pytest.raises(InputError, match="hiragana"):
        list(phrases("日本語です"))


@pytest.mark.parametrize("wrong", [None, 5, b"hello"])
def test_only_strings_are_texts(wrong):
    with pytest.raises(InputError, match="must be a string"):
        list(phrases(wrong))


# Sentences and length


def test_sentences_end_where_they_should():
    text = 'Dr. Smith paid $3.50. "Really?" he asked! Yes... It was 5 p.m. and done. U.S. laws'
    assert [p.text for p in phrases(text)] == [
        "Doctor Smith paid three dollars and fifty cents.",
        '"Really?',
        "he asked!",
        "Yes.",
        "It was five P M and done.",
        "U.S.",
        "laws",
    ]


def test_long_sentences_are_cut_at_commas():
    found = list(phrases("the quick brown fox jumps over the lazy dog, " * 30))
    assert all(len(phrase.text) <= MAX_PHRASE for phrase in found)
    assert all(phrase.text.endswith("dog,") for phrase in found[:-1])


def test_ten_thousand_words_come_as_a_stream():
    text = "The number 42 is said in this sentence, which has eleven words. " * 910
    stream = phrases(text)
    assert next(stream).text.startswith("The number forty-two")
    assert sum(1 for _ in stream) == 909


def test_words_nobody_can_say_are_broken_up():
    words = [word for phrase in phrases("ab" * 5000) for word in phrase.text.split()]
    assert max(map(len, words)) <= MAX_WORD


def test_too_much_text_is_refused():
    with pytest.raises(InputError, match="Split it"):
        list(phrases("word " * 200_000))


@pytest.mark.parametrize("number", ["{}.5", "$1{}", "1.{}.2", "{} km", "${}.20", "1,{}"])
def test_a_number_of_thousands_of_digits_is_read_digit_by_digit(number):
    """Python refuses to make a number of more than 4,300 digits from a text."""
    assert "nine nine nine" in " ".join(phrase.text for phrase in phrases(number.format("9" * 5000)))


@pytest.mark.parametrize("evil", ["<" * 50_000, "a@" * 25_000, "<!--" * 12_000, "1-2" * 16_000, "\n " * 25_000 + "x",
                                  "a." * 25_000, "((" * 25_000 + "a", "9" * 50_000, "$1," * 16_000,
                                  "\U0001f600" * 100_000, "a " + "\u20ac" * 100_000, "/" * 100_000])  # fmt: skip
def test_no_text_makes_the_patterns_slow(evil):
    """Quadratic patterns would take minutes over these; the limit of phrases keeps the fast ones short."""
    with contextlib.suppress(InputError):
        list(itertools.islice(phrases(evil), 2000))


def test_a_run_of_emoji_is_named_a_few_times():
    said = " ".join(phrase.text for phrase in phrases("\U0001f600" * 300))
    assert said == "grinning face, grinning face, grinning face"
    different = "".join(chr(0x1F600 + i) for i in range(50))
    assert len(" ".join(phrase.text for phrase in phrases(different)).split(", ")) == 20


def test_a_text_is_cleaned_of_what_nobody_types():
    assert clean_text("a\0b\x07c\td\ne\r\n") == "a b c\td\ne\r\n"
    assert clean_text("\ud83d\u202eabc\u202c\u2066d\u2069\ude00") == "abcd"
    assert clean_text("e" + "\u0301" * 100 + "f") == "e" + "\u0301" * 6 + "f"
    for untouched in ("Grüße!", "שָׁלוֹם", "می\u200cخواهم", "\U0001f469\u200d\U0001f680", "ต้นไม้", "नमस्ते"):
        assert clean_text(untouched) == untouched


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=400), st.sampled_from(["en", "de", "ru", "ja", "ar", "cmn"]))
def test_every_unicode_string_gives_speakable_phrases_or_a_sentence(text, language):
    try:
        found = list(phrases(text, language))
    except InputError:
        return
    assert found
    assert found[-1].last
    for phrase in found:
        assert 0 < len(phrase.text) <= MAX_PHRASE
        assert any(character.isalnum() for character in phrase.text)
        assert not re.search(r"[\x00-\x1f\x7f\u200b-\u200f\ud800-\udfff<>]", phrase.text) or language != "en"
        assert phrase.text.isprintable()
