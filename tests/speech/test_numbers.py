import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.speech.english import read_aloud
from emotalk.speech.numbers import read_numbers
from emotalk.speech.text import phrases

LANGUAGES = ["es", "fr", "it", "pt", "de"]


def read(text: str, language: str) -> str:
    return " ".join(read_numbers(text, language).split())


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("es", "3 y 21.000", "tres y veintiún mil"),
        ("es", "3,14; 2,05; -5", "tres coma catorce; dos coma cero cinco; menos cinco"),
        ("es", "1.234.567", "un millón doscientos treinta y cuatro mil quinientos sesenta y siete"),
        ("fr", "1 234,5", "mille deux cent trente-quatre virgule cinq"),
        ("it", "1984 e 1.234", "millenovecentottantaquattro e milleduecentotrentaquattro"),
        ("pt", "16 e 1984", "dezasseis e mil novecentos e oitenta e quatro"),
        ("de", "101 und 3,14", "einhunderteins und drei Komma eins vier"),
        ("de", "1984", "neunzehnhundertvierundachtzig"),
        ("it", "12'345,678", "dodicimilatrecentoquarantacinque virgola sei sette otto"),
        ("es", "1,234.50", "mil doscientos treinta y cuatro punto cincuenta"),
        ("es", "007", "cero cero siete"),
        ("fr", "3.11.7", "trois point onze point sept"),
        ("de", "9" * 19, " ".join(["neun"] * 19)),
    ],
)
def test_whole_numbers_and_decimals(language, written, spoken):
    assert read(written, language) == spoken


def test_a_region_has_its_own_words():
    assert read("71 et 91", "fr") == "soixante et onze et quatre-vingt-onze"
    assert read("71 et 91", "fr-CH") == "septante et un et nonante et un"
    assert read("81", "fr-be") == "quatre-vingt-un"
    assert read("16", "pt-br") == "dezesseis"
    assert read("16", "es-419") == "dieciséis"


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("es", "50 % o 2,5%", "cincuenta por ciento o dos coma cinco por ciento"),
        ("fr", "50 %", "cinquante pour cent"), ("it", "50%", "cinquanta per cento"),
        ("pt", "50%", "cinquenta por cento"), ("de", "50 %", "fünfzig Prozent"),
        ("es", "10-20 %", "diez a veinte por ciento"), ("de", "1990-2000", "neunzehnhundertneunzig bis zweitausend"),
        ("es", "ganan 3-1", "ganan tres-uno"), ("de", "COVID-19", "COVID-neunzehn"),
        ("es", "R2D2", "R dos D dos"), ("es", "+34 912 345", "treinta y cuatro, nueve uno dos, tres cuatro cinco"),
        ("fr", "06 12 34 56 78", "zéro six, douze, trente-quatre, cinquante-six, soixante-dix-huit"),
    ],
)  # fmt: skip
def test_percent_ranges_and_telephone_numbers(language, written, spoken):
    assert read(written, language) == spoken


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("es", "el 1º y la 2ª", "el primero y la segunda"), ("es", "1.ª, 3.er piso", "primera, tercer piso"),
        ("es", "los 1os, las 21as", "los primeros, las vigésima primeras"),
        ("fr", "1er, 1re, 1ère, 2e, 3ème, 2nde", "premier, première, première, deuxième, troisième, seconde"),
        ("it", "il 1º, la 3ª", "il primo, la terza"), ("it", "1° maggio, 20°", "primo maggio, venti°"),
        ("pt", "o 1º, a 22.ª", "o primeiro, a vigésima segunda"),
        ("pt", "1 de maio, 2 de maio", "primeiro de maio, dois de maio"),
        ("fr", "1 mai, 2 mai", "premier mai, deux mai"),
        ("de", "am 3. Mai", "am dritten Mai"), ("de", "der 3. Mai", "der dritte Mai"),
        ("de", "3. Mai", "dritter Mai"), ("de", "im 2. Stock", "im zweiten Stock"),
        ("de", "Es sind 2. Dann", "Es sind zwei. Dann"),
    ],
)  # fmt: skip
def test_ordinals_where_the_writing_marks_them(language, written, spoken):
    assert read(written, language) == spoken


@pytest.mark.parametrize(
    ("language", "spoken"),
    [
        ("es", "tres de abril de dos mil veinticuatro"), ("fr", "trois avril deux mille vingt-quatre"),
        ("it", "tre aprile duemilaventiquattro"), ("pt", "três de abril de dois mil e vinte e quatro"),
        ("de", "dritter April zweitausendvierundzwanzig"),
    ],
)  # fmt: skip
def test_dates_have_the_day_first(language, spoken):
    for written in ("3/4/2024", "03.04.2024", "2024-04-03"):
        assert read(written, language) == spoken


def test_the_first_of_a_month_and_what_is_no_date():
    assert read("1/1/2000", "fr") == "premier janvier deux mille"
    assert read("vom 1.1.2000", "de") == "vom ersten Januar zweitausend"
    assert read("3/4/24", "es") == "tres de abril de veinticuatro"
    assert read("99/99/2024", "es") == "noventa y nueve/noventa y nueve/dos mil veinticuatro"


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("es", "a las 14:30, a la 1:00", "a las catorce y treinta, a la una"),
        ("fr", "14h30, 14:05, 1 h", "quatorze heures trente, quatorze heures cinq, une heure"),
        ("it", "9:05, alle 14.30", "nove e cinque, alle quattordici e trenta"),
        ("pt", "14h30, 22h", "catorze e trinta, vinte e duas horas"),
        ("de", "14:30 Uhr, 14.30 Uhr, 1 Uhr", "vierzehn Uhr dreißig, vierzehn Uhr dreißig, ein Uhr"),
        ("es", "25:99", "veinticinco:noventa y nueve"),
    ],
)
def test_times(language, written, spoken):
    assert read(written, language) == spoken


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("es", "5,20 €", "cinco euros con veinte céntimos"), ("es", "21 € y £1", "veintiún euros y una libra"),
        ("es", "$1.000.000", "un millón de dólares"), ("es", "0,50 €", "cincuenta céntimos"),
        ("es", "3 millones de €", "tres millones de euros"), ("es", "5,00 €", "cinco euros"),
        ("fr", "2,50 €", "deux euros et cinquante centimes"), ("fr", "1 000 000 €", "un million d'euros"),
        ("fr", "21 £", "vingt et une livres"), ("it", "1 € e 2,5 €", "un euro e due virgola cinque euro"),
        ("pt-br", "R$ 5,20 e US$ 0,01", "cinco reais e vinte centavos e um centavo"),
        ("pt", "1.234,56 €", "mil duzentos e trinta e quatro euros e cinquenta e seis cêntimos"),
        ("de", "5,20 €, 1 €, 0 €", "fünf Euro und zwanzig Cent, ein Euro, null Euro"),
        ("es", "-5 €", "menos cinco euros"),
    ],
)  # fmt: skip
def test_money(language, written, spoken):
    assert read(written, language) == spoken


@pytest.mark.parametrize("language", ["hi", "ru", "ja", "cmn", "", "xx-yy"])
def test_other_languages_keep_their_digits_for_their_own_voice(language):
    assert read_numbers("12, 3,5 % and 4 €", language) == "12, 3,5 % and 4 €"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_longer_than_text_leaves_whole(language):
    for number in (777_777, 999_999_999, 444_444):
        assert max(map(len, read_numbers(str(number), language).split())) <= 40


def test_texts_of_a_voice_are_read_in_its_language():
    assert [p.text for p in phrases("Ich wohne im 2. Stock, Haus 71.", "de")] == [
        "Ich wohne im zweiten Stock, Haus einundsiebzig."
    ]
    assert [p.text for p in phrases("J’ai 71 ans, le 1ᵉʳ.", "fr-ch")] == ["J'ai septante et un ans, le premier."]
    assert [p.text for p in phrases("La 1.ª vez", "es")] == ["La primera vez"]


NUMBERLIKE = st.lists(
    st.sampled_from(
        [
            *"0123456789.,-/:$€£%hºª° 'eoas+\n²٣",
            "12",
            "000",
            "2024",
            "er",
            " Uhr",
            "am ",
            " mai",
            " de enero",
            "R$",
            "1. M",
        ]
    ),
    max_size=25,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(NUMBERLIKE | st.text(st.characters(), max_size=60), st.sampled_from(LANGUAGES))
def test_every_string_is_read_and_no_digit_is_left(text, language):
    said = read_numbers(text, language)
    assert not any(character.isdecimal() for character in said)


@pytest.mark.parametrize("language", ["it", "de"])
@pytest.mark.parametrize(
    "evil", ["9", "1.111", ".111", " 111", "1.111,", "€", "am 1. ", "01 23 ", "+1 ", "1:", "1h", "1-", "1/1/", "$ "]
)
def test_no_text_makes_the_pattern_slow(evil, language):
    """A quadratic pattern would take minutes over these."""
    read_numbers("1" + evil * (40_000 // len(evil)), language)


def test_numbers_of_thousands_of_digits_are_read_digit_by_digit():
    """Python refuses to turn more than 4,300 digits into a number."""
    for written in ("1" * 5_000, "1" * 5_000 + ".5", "$" + "1" * 5_000, "1" * 5_000 + ".1.1", "1" + ",111" * 1_450):
        assert read_aloud(written).count("one") > 4_300
        assert len(read_numbers(written.replace("$", "€"), "es")) > 4_300
