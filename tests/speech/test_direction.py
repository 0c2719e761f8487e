"""Directions inside a text: what each is read as, what stays text, and that no text breaks the reader."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emotalk.core.errors import InputError
from emotalk.emotion.space import NAMED_EMOTIONS
from emotalk.speech.direction import (
    MAX_CUES,
    Cue,
    Emphasis,
    Mood,
    MoodEnd,
    Pause,
    Prosody,
    Script,
    parse,
    split_cues,
)
from emotalk.speech.direction_parser import MAX_REMARKS
from emotalk.speech.text import phrases

MARKER = re.compile("[\ue000-\uf8ff]")


def short(cue: Cue) -> str:
    match cue:
        case Mood(valence, arousal):
            names = [name for name, point in NAMED_EMOTIONS.items() if point == (valence, arousal)]
            return names[0] if names else f"{valence:g},{arousal:g}"
        case MoodEnd():
            return "/"
        case Pause(seconds):
            return f"{seconds:g}s"
        case Emphasis(level):
            return "stress" if level == 1 else "end" if level is None else f"stress {level:g}"
        case Prosody(rate, pitch):
            return f"rate {rate:.3g} pitch {pitch:.3g}"


def shown(text: str, script: Script) -> str:
    """A text with its cues in braces, spaces made one."""
    text = MARKER.sub(lambda match: f"{{{short(script.cues[ord(match[0]) - 0xE000])}}}", text)
    return " ".join(text.split())


def read(text: str) -> str:
    script = parse(text)
    return shown(script.text, script)


def said(text: str, language: str = "en") -> str:
    script = parse(text, language)
    return " | ".join(shown(phrase.text, script) for phrase in phrases(script.text, language, markers=True))


# Moods


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("[happy] Hi. [/happy] Bye.", "{happy} Hi. {/}Bye."),
        ("[ HAPPY ]Hi[/]", "{happy}Hi{/}"),
        ("[sad] a [angry] b [/sad] c", "{sad} a {angry}b {/}c"),
        ("[0.5,-0.2] a [-.5; 1] b [neutral] c", "{0.5,-0.2} a {-0.5,1}b {neutral}c"),
        ("[pleased 0.5] a [pleased 20%] b", "{0.5,0} a {0.2,0}b"),
        ("a [/] b [/sad] c", "a b c"),
        ("wait[sad]what", "wait{sad} what"),
        ("ab[/]cd", "abcd"),
    ],
)
def test_a_mood_holds_from_here_on(typed, understood):
    assert read(typed) == understood


def test_every_named_emotion_is_a_mood():
    script = parse(" ".join(f"[{name}] a" for name in NAMED_EMOTIONS))
    assert [(cue.valence, cue.arousal) for cue in script.cues] == list(NAMED_EMOTIONS.values())


# Pauses and stress


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("a [pause] b", "a {0.5s}b"),
        ("a [pause 2] b [pause 500ms] c [pause 0.7s] d [pause 0,25] e", "a {2s}b {0.5s}c {0.7s}d {0.25s}e"),
        ("yes[pause]no", "yes{0.5s} no"),
        ("a [pause 99] b", "a {10s}b"),
        ("a *b* c", "a {stress}b{end} c"),
        ("*not now*, (*please*)!", "{stress}not now{end}, ({stress}please{end})!"),
        ("*5%*", "{stress}5%{end}"),
        ("世界*很*好", "世界{stress}很{end}好"),
    ],
)
def test_pauses_and_stress(typed, understood):
    assert read(typed) == understood


@pytest.mark.parametrize(
    "harmless",
    ["2*3", "2*3*4", "a * b * c", "**bold**", "***", "* one\n* two", "*open", "*)*", "*line\nbreak*",
     "f(*args, **more)", "*" + "long " * 30 + "*", "[1]", "[a]", "[...]", "[12, 13]", "[ ]", "[x] done", "[see this page](http://a.b)",
     "[" + "long " * 20 + "]", "[[", "a ] b [ c", "1 < 2 > 0", "C:\\temp"],
)  # fmt: skip
def test_what_is_no_direction_stays_text_without_a_remark(harmless):
    assert parse(harmless) == Script(harmless)


def test_a_backslash_makes_signs_plain():
    script = parse(r"\[happy] \*a\* \<b>")
    assert script == Script("[happy] *a* &lt;b>")
    assert said(r"\[happy] 1 \< 2") == "(happy) one less than two"


# Remarks


@pytest.mark.parametrize(
    ("typed", "remark"),
    [
        ("[hapy] Hi", r"\[hapy\] is read aloud as text. Did you mean \[happy\]\?"),
        ("[laughs loudly] Hi", r"\[laughs loudly\] is read aloud as text. .*\[pause 0.5\]"),
        ("[1.5,0] Hi", "between -1 and 1"),
        ("[2,0] Hi", "between -1 and 1"),
        ("[happy 3] Hi", "between 0 and 1"),
        ("[pause soon] Hi", r"a pause is \[pause\]"),
        ("[pause 99] Hi", "10 seconds"),
        ("<voice name='x'>Hi</voice>", "<voice name='x'> is not known here"),
        ("<break time='soon'/> Hi", "half a second"),
        ("<prosody pitch='200Hz'>Hi</prosody>", "not in Hz"),
        ("<prosody volume='loud'>Hi</prosody>", "not volume"),
        ("<prosody rate='nan'>Hi</prosody>", "keeps its rate"),
        ("<emphasis level='huge'>Hi</emphasis>", "moderate"),
        ("<say-as interpret-as='colour'>Hi</say-as>", "said as it is written"),
    ],
)
def test_what_is_not_understood_is_told(typed, remark):
    script = parse(typed)
    assert len(script.remarks) == 1
    assert re.search(remark, script.remarks[0])
    assert "Hi" in said(typed)


def test_remarks_are_few_short_and_told_once():
    script = parse("[hapy] " * 9 + " ".join(f"[wrong word{i}]" for i in range(9)) + f"<voice x='{'a' * 200}'>")
    assert len(script.remarks) == len(set(script.remarks)) == MAX_REMARKS
    assert len(parse(f"<voice x='{'a' * 200}'>").remarks[0]) < 250


# Emoji


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("So 😀 it is. Then.", "{0.8,0.4}So it is.{/} Then."),
        ("Great. 😀 Next.", "{0.8,0.4}Great.{/} Next."),
        ("Great! 😀", "{0.8,0.4}Great!{/}"),
        ("Great!😀😀 Next.", "{0.8,0.4}Great!{/} Next."),
        ("Great.\n😀 Next. Last.", "Great. {0.8,0.4}Next.{/} Last."),
        ("One.\n\nTwo. 😀\n\nThree.", "One. {0.8,0.4}Two.{/} Three."),
        ("One.\n\n😀\n\nTwo.", "{0.8,0.4}One.{/} Two."),
        ("- one 😀\n- two", "- {0.8,0.4}one{/} - two"),
        ("<s>One.</s> 😀 <s>Two.</s>", "<s>{0.8,0.4}One.{/}</s> <s>Two.</s>"),
        ("Dr. 😀 Smith", "{0.8,0.4}Dr. Smith{/}"),
        ("Pay 3.50 😀 now. Thanks.", "{0.8,0.4}Pay 3.50 now.{/} Thanks."),
        ("[sad] Oh 😀. No.", "{sad} {0.8,0.4}Oh .{sad} No."),
        ("Oh 😀 [sad] no. So.", "{0.8,0.4}Oh {sad}no. So."),
        ("他很好😀。世界。", "{0.8,0.4}他很好 。{/}世界。"),
        ("a 😀😢 b", "{0.05,0.1}a b{/}"),
    ],
)
def test_an_emoji_colours_its_sentence(typed, understood):
    assert read(typed) == understood


@pytest.mark.parametrize(
    ("emoji", "mood"),
    [("❤️", "0.9,0.3"), ("❤", "0.9,0.3"), ("👍🏽", "0.5,0.2"), ("🤦🏽‍♀️", "-0.5,0.1"), ("😮‍💨", "-0.1,-0.5")],
)
def test_variants_of_an_emoji_mean_the_same(emoji, mood):
    assert read(f"a {emoji}") == f"{{{mood}}}a{{/}}"


def test_emoji_without_a_feeling_stay_for_the_cleaner():
    assert parse("The ☃ and 👩‍❤️‍👨 5️⃣") == Script("The ☃ and 👩‍❤️‍👨 5️⃣")


def test_emoji_that_are_all_there_is_to_say_stay():
    assert parse("😀 ☃") == Script("😀 ☃")
    assert said("[happy] 😀") == "{happy}grinning face"
    assert said("<p>😀</p>") == "grinning face"


# SSML


@pytest.mark.parametrize(
    ("typed", "spoken"),
    [
        ("<speak>Hello <break time='500ms'/> you</speak>", "Hello {0.5s}you"),
        ("a<break/>b <break strength='x-strong'/>c", "a{0.5s} b {1.2s}c"),
        ("<emphasis>a</emphasis> un<emphasis level='strong'>believ</emphasis>able",
         "{stress 0.6}a{end} un{stress}believ{end}able"),
        ("<prosody rate='fast' pitch='+12st'>a <prosody rate='80%'>b</prosody> c</prosody> d",
         "{rate 1.25 pitch 2}a {rate 1 pitch 2}b{rate 1.25 pitch 2} c{rate 1 pitch 1} d"),
        ("<prosody rate='+20%' pitch='x-low'>a</prosody>", "{rate 1.2 pitch 0.75}a{rate 1 pitch 1}"),
        ("<prosody rate='0.9'>a", "{rate 0.9 pitch 1}a{rate 1 pitch 1}"),
        ("<p>One</p><s>Two</s>", "One. | Two."),
        ("<sub alias='World Wide Web'>WWW</sub> H<sub>2</sub>O", "World Wide Web H two O"),
        ("<sub alias='x'>the rest of it", "the rest of it"),
        ("a &amp; b", "a and b"),
        ("<b>bold</b> <a href='[sad]'>link</a> <!-- [sad] -->", "bold link"),
    ],
)  # fmt: skip
def test_a_part_of_ssml_is_understood(typed, spoken):
    assert said(typed) == spoken
    assert parse(typed).remarks == ()


@pytest.mark.parametrize(
    ("kind", "text", "spoken"),
    [
        ("characters", "AB1", "A B one"), ("spell-out", "a-b", "A dash B"), ("cardinal", "1984",
         "one thousand nine hundred eighty-four"), ("cardinal", "-7", "minus seven"), ("ordinal", "3", "third"),
        ("ordinal", "22nd", "twenty-second"), ("ordinal", "word", "word"), ("digits", "1984", "one nine eight four"),
        ("telephone", "+1 555-0123", "plus one, five five five, zero one two three"),
        ("time", "14:30", "fourteen thirty"),
        ("date' format='dmy", "3/4/2024", "April third, twenty twenty-four"),
        ("date' format='my", "11/2026", "November twenty twenty-six"),
        ("date", "2026-11-20", "November twentieth, twenty twenty-six"),
        ("date' format='dmy", "99/99/2024", "ninety-nine over ninety-nine twenty twenty-four"),
        ("cardinal", "9" * 150, "nine" + " nine" * 149),
    ],
)  # fmt: skip
def test_text_is_said_as_asked(kind, text, spoken):
    assert said(f"<say-as interpret-as='{kind}'>{text}</say-as>").replace(" | ", " ") == spoken


def test_other_languages_are_spelled_and_read_the_rest_themselves():
    assert said("<say-as interpret-as='characters'>AB1</say-as>", "de") == "A B eins"
    assert said("<say-as interpret-as='ordinal'>3</say-as>", "de") == "drei"


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("<prosody rate='fast'><emphasis>a</prosody>b</emphasis>c",
         "{rate 1.25 pitch 1}{stress 0.6}a{end}{rate 1 pitch 1}bc"),
        ("</emphasis>a</prosody></sub></say-as></break>", "a</sub>"),
        ("<emphasis>a", "{stress 0.6}a{end}"),
        ("<emphasis level='none'>a *b* c", "{end}a {stress}b{end} c{end}"),
        ("*a <emphasis>b* c</emphasis>", "{stress}a {stress 0.6}b{stress}{end} c"),
    ],
)  # fmt: skip
def test_what_is_left_open_or_crossed_is_forgiven(typed, understood):
    assert read(typed) == understood


# Cues in phrases


@pytest.mark.parametrize(
    ("typed", "spoken"),
    [
        ("[happy]5 km", "{happy}five kilometers"), ("Dr. [sad]Smith", "Doctor {sad}Smith"),
        ("*Dr.* Smith", "{stress}Doctor{end} Smith"), ("$5[pause]", "five dollars{0.5s}"),
        ("*5%*", "{stress}five percent{end}"), ("5 *km*, not", "{stress}five kilometers{end}, not"),
        ("*5* km", "{stress}five kilometers{end}"), ("$*5*.", "{stress}five dollars{end}."),
        ("5 [sad] km", "{sad}five kilometers"), ("*May* 3, 1984", "{stress}May third, nineteen eighty-four{end}"),
        ("One.[pause] Two. [pause] Three. [/]", "One.{0.5s} | Two. | {0.5s}Three."),
        ("One. [sad] (Two)", "One. | {sad}(Two)"), ("a\n\n[sad]\n\nb", "a | {sad}b"),
        ("Hi *Привет* you", "Hi | {stress}Привет{end} | you"), ("[sad] a. [/]", "{sad}a.{/}"),
        ("see https://a.b/[sad]c now", "see {sad}a dot b slash c now"),
    ],
)  # fmt: skip
def test_cues_change_nothing_of_how_a_text_is_read(typed, spoken):
    script = parse(typed)
    assert said(typed) == spoken
    bare = [MARKER.sub("", phrase.text) for phrase in phrases(script.text, markers=True)]
    assert bare == [phrase.text for phrase in phrases(MARKER.sub("", script.text))]


def test_cues_are_taken_out_of_a_phrase_with_their_offsets():
    script = parse("[sad] ab *c* [pause 1]")
    (phrase,) = phrases(script.text, markers=True)
    plain, cues = split_cues(phrase.text, script.cues)
    assert plain == "ab c"
    assert cues == ((0, Mood(*NAMED_EMOTIONS["sad"])), (3, Emphasis(1.0)), (4, Emphasis(None)), (4, Pause(1.0)))


def test_a_persons_own_private_use_characters_are_no_cues():
    script = parse("\ue000[sad]\ue001a &#xE000; b\uf8ff")
    assert script.text == "\ue000a &#xE000; b"
    assert said("\ue000[sad]\ue001a &#xE000; b") == "{sad}a b"


def test_without_asking_markers_are_dropped():
    assert [phrase.text for phrase in phrases(parse("[sad] a *b* c").text)] == ["a b c"]


def test_captions_get_the_text_without_markers_and_tags():
    assert parse("<p>[sad] Tom &amp; *Ann*  win 😀!</p> 1 \\< 2").written == "Tom & Ann win! 1 < 2"


# Any text


PIECES = [
    "[happy]", "[/]", "[0.5,-0.2]", "[pause 0.2]", "*", "**", "😀", "❤️‍🔥", "👍🏽", "🤔", "☃",
    "<break/>", "<emphasis>", "</emphasis>", "<prosody rate='fast'>", "</prosody>",
    "<sub alias='x y'>", "</sub>", "<say-as interpret-as='digits'>", "</say-as>", "<p>", "</s>",
    "<b>", "<!-- ", "-->", "\\", "[", "]", "<", ">", ". ", "! ", "\n", "\n\n", "- ", " ", " ",
    "Dr.", "5 km", "$3.20", "10-20", "3/4/2024", "word", "two words", "Привет", "你好。", "&amp;",
    "e.g.", "\ue000", "\"", "(", ")", "é", "http://a.b/c?d", "a, b", "noooooo", "U.S.", "x" * 50,
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=60)


@settings(max_examples=150)
@given(TEXTS, st.sampled_from(["en", "de"]))
@example("[sad]", "en")
@example("[sad]" * 20 + "word" + "[/]" * 20, "en")
@example("one " * 200 + "[sad]" + " two" * 200, "en")
def test_every_cue_reaches_one_phrase_in_order_and_changes_nothing_else(text, language):
    script = parse(text, language)
    markers = MARKER.findall(script.text)
    assert markers == [chr(0xE000 + n) for n in range(len(script.cues))]
    try:
        found = list(phrases(script.text, language, markers=True))
    except InputError:
        with pytest.raises(InputError):
            list(phrases(MARKER.sub("", script.text), language))
        return
    plain = list(phrases(MARKER.sub("", script.text), language))
    assert [MARKER.sub("", phrase.text) for phrase in found] == [phrase.text for phrase in plain]
    assert [(phrase.language, phrase.last) for phrase in found] == [(phrase.language, phrase.last) for phrase in plain]
    split = [split_cues(phrase.text, script.cues) for phrase in found]
    assert [cue for _, cues in split for _, cue in cues] == list(script.cues)
    assert all(0 <= offset <= len(plain) for plain, cues in split for offset, _ in cues)


@settings(max_examples=100)
@given(st.text(st.characters(exclude_characters="[*<\\", exclude_categories=["Co", "So"]), max_size=80))
def test_a_text_without_directions_stays_as_it_is(text):
    assert parse(text) == Script(text)


@settings(max_examples=100)
@given(TEXTS)
def test_cues_have_values_in_their_ranges(text):
    script = parse(text)
    for cue in script.cues:
        match cue:
            case Mood(valence, arousal):
                assert -1 <= valence <= 1
                assert -1 <= arousal <= 1
            case Pause(seconds):
                assert 0 <= seconds <= 10
            case Prosody(rate, pitch):
                assert 0.4 <= rate <= 2.5
                assert 0.5 <= pitch <= 2
    assert not MARKER.search(script.written)


@pytest.mark.parametrize(
    "evil",
    ["[" * 50_000, "*a " * 20_000, "<emphasis>" * 400, "<s>" * 9_000 + "</p>" * 9_000, "<sub alias='x'>" * 3_000 + "a",
     "<sub alias='x'>" * 3_000 + "</sub>" * 3_000, "<say-as interpret-as='characters'>" * 2_000 + "a" * 20_000,
     "<" * 50_000, "<!--" * 6_000, "." * 50_000 + "x😀", ".'" * 20_000 + "x😀", "\n " * 20_000 + "😀a",
     " " * 50_000 + "😀",
     "😀" * 30_000, "😀\u200d" * 9_000, "<b a='" * 9_000, "\\" * 50_000, "]" * 50_000, "[/" * 20_000, "[a" * 20_000,
     "</emphasis>" * 9_000, "<prosody rate='x-fast'>" * 400, "&#57344;" * 9_000],
    ids=lambda evil: f"{evil[:8]}*{len(evil)}",
)  # fmt: skip
def test_no_text_is_slow_or_too_deep(evil):
    """Anything quadratic or recursive would take minutes over these, or end in an error."""
    assert len(parse(evil).cues) <= MAX_CUES


@pytest.mark.parametrize("many", ["[sad]", "*a* ", "a 😀. ", "<break/>", "<emphasis>"])
def test_too_many_directions_are_refused(many):
    with pytest.raises(InputError, match=r"1,000 directions.*Split"):
        parse(many * (MAX_CUES + 1))
