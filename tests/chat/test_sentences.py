"""A growing text as sentences: as soon as they end, nothing lost, nothing that nobody would say."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emotalk.chat.markdown import mood_behind, spoken
from emotalk.chat.sentences import FIRST_LONG, LONG, LONGEST, SentenceCutter, sentences
from emotalk.speech.direction import parse

TAG = re.compile(r"\[[^\[\]]*\]")


def cut(*pieces: str) -> list[str]:
    return list(sentences(piece for piece in pieces if piece))


SENTENCES = [
    ("Hello. How are you?", ["Hello.", "How are you?"]),
    ("Wow! Really?! Yes.", ["Wow!", "Really?!", "Yes."]),
    ("Dr. Smith and Mrs. Jones met at St. Paul's. Fine.", ["Dr. Smith and Mrs. Jones met at St. Paul's.", "Fine."]),
    ("It is 3.5 km, i.e. far, at e.g. 5 p.m. today. Ok.", ["It is 3.5 km, i.e. far, at e.g. 5 p.m. today.", "Ok."]),
    ("J. R. R. Tolkien wrote it. So do I. Good.", ["J. R. R. Tolkien wrote it.", "So do I.", "Good."]),
    ("No. Take No. 5, please.", ["No.", "Take No. 5, please."]),
    ("Das ist z. B. gut, usw. Nein. Ja.", ["Das ist z. B. gut, usw. Nein.", "Ja."]),
    ("Well... maybe. Wait… What? Hm.... Yes.", ["Well... maybe.", "Wait…", "What?", "Hm....", "Yes."]),
    ('He said "Really?" and left. "Stop!" Go.', ['He said "Really?" and left.', '"Stop!"', "Go."]),
    ("(It is so.) Yes. «Oui.» “No.” Fine", ["(It is so.)", "Yes.", "«Oui.»", "“No.”", "Fine"]),
    ("你好。今天怎么样？「好。」谢谢", ["你好。", "今天怎么样？", "「好。」", "谢谢"]),
    ("नमस्ते। कैसे हैं? مرحبا؟ نعم.", ["नमस्ते।", "कैसे हैं?", "مرحبا؟", "نعم."]),
    ("See example.com. Or a.b.c!now", ["See example.com.", "Or a.b.c!now"]),
    ("First\nSecond\r\n\r\nThird", ["First", "Second", "Third"]),
    ("I don't. Can't. Won't.", ["I don't.", "Can't.", "Won't."]),
    ("It was 1984. Then 1985.", ["It was 1984.", "Then 1985."]),
    ("", []), ("  \n ", []), ("... !? —", []), ("😀🎉", []), ("***\n---\n[happy]", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "found"), SENTENCES)
def test_sentences_end_where_a_speaker_would_pause(text: str, found: list[str]) -> None:
    assert cut(text) == found


MARKDOWN = [
    ("# Title\n## Part", ["Title", "Part"]),
    ("This is **very** __good__ and ~~bad~~ `code`.", ["This is very good and bad code."]),
    ("- one\n* two\n+ three\n• four\n1. five\n2) six\n> seven\n- [x] eight",
     ["one", "two", "three", "four", "five", "six", "seven", "eight"]),
    ("See [this page](http://a.b/c_d?e=f) and ![a picture](x.png) here.", ["See this page and here."]),
    ("Look:\n```python\nprint('No. Never.')\n```\nDone.", ["Look:", "Done."]),
    ("<think>Hm. What now?</think>\n\nHello.", ["Hello."]),
    ("Hello.<think>never ends", ["Hello."]),
    ("```\nnever ends. Really.", []),
    ("Good 😀 morning 👩‍💻! 🎉 Bye 👋🏽.", ["Good morning!", "Bye."]),
    ("One<br>two <b>three</b> <break time='9s'/>four.", ["One two three four."]),
    ("It is so [1], and [laughs] so [2, 3].", ["It is so, and so."]),
    ("| a | b |\n|---|---|\n| 1 | 2 |", ["a, b", "1, 2"]),
    ("A -> B costs 5*3 and snake_case 2 * 3.", ["A -> B costs 5*3 and snake_case 2 * 3."]),
    ("That is *really* good.", ["That is *really* good."]),
    ("a ` b ``` c", ["a b"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "found"), MARKDOWN)
def test_marks_that_nobody_would_read_out_are_gone(text: str, found: list[str]) -> None:
    assert cut(text) == found


def test_a_mood_holds_over_the_sentences_behind_it() -> None:
    text = (
        "Hi. [happy] Good to see you. How are you? [/] Fine. [pause 1] Yes. Oh [sad] no. Never. [neutral]Well. [angry]"
    )
    assert cut(text) == [
        "Hi.", "[happy] Good to see you.", "[happy] How are you?", "[happy] [/] Fine.", "[pause 1] Yes.",
        "Oh [sad] no.", "[sad] Never.", "[neutral]Well.",
    ]  # fmt: skip


@pytest.mark.parametrize("text", [
    "[happy] One. Two. [/] Three. [0.5,-0.2] Four. Five! [Sad 50%]Six? Seven.", "One [happy]. Two. [/happy] Three.",
])  # fmt: skip
def test_each_sentence_has_the_mood_that_it_has_in_the_whole_text(text: str) -> None:
    def moods(script) -> list:
        """The mood of each letter."""
        now, found = None, []
        for character in script.text:
            at = ord(character) - 0xE000
            if 0 <= at < len(script.cues):
                cue = script.cues[at]
                now = cue if type(cue).__name__ == "Mood" else None if type(cue).__name__ == "MoodEnd" else now
            elif character.isalnum():
                found.append(now)
        return found

    apart = [mood for sentence in cut(text) for mood in moods(parse(sentence))]
    assert apart == moods(parse(text))


def test_a_sentence_is_there_with_the_first_sign_of_the_next() -> None:
    cutter = SentenceCutter()
    assert cutter.push("Hello the") == []
    assert cutter.push("re.") == []
    assert cutter.push(" How") == ["Hello there."]
    assert cutter.push(" are you?\n") == ["How are you?"]
    assert cutter.push("好。今") == ["好。"]
    assert cutter.finish() == ["今"]


def test_waiting_is_told() -> None:
    assert list(sentences(["", "A bee", "", ". C", ""])) == ["", "", "A bee.", "", "C"]


def test_long_sentences_begin_to_be_said_at_a_comma() -> None:
    first, second, *_ = cut("a word or two, " * 100 + "end.")
    assert FIRST_LONG <= len(first) < FIRST_LONG + 20
    assert LONG <= len(second) < LONG + 20
    assert first.endswith(",")
    for sentence in cut("no comma at all " * 100) + cut("x" * 2000) + cut("字" * 1000) + cut("字，" * 500):
        assert len(sentence) <= LONGEST
    assert all(len(sentence) > LONGEST // 2 for sentence in cut("no comma at all " * 100)[:-1])
    assert len(cut("字，" * 500)) > 5


def test_no_tag_is_cut_in_two() -> None:
    for length in range(LONGEST - 20, LONGEST + 5):
        found = cut("a " * (length // 2) + "a" * (length % 2) + "[0.5, -0.5] end of it all.")
        assert "[0.5, -0.5]" in " ".join(found)


PLAIN = st.text(st.sampled_from("abz AB5.,!?;:…。？，\"'\n()好é-"), max_size=400)
ANY = st.text(max_size=80) | st.lists(
    st.sampled_from(
        ["[happy]", "[/]", "[sad 50%]", "[pause 1]", "[x", "]", "[1]", "(http://a.b)", "```", "`", "<think>",
         "</think>", "<", "**", "*", "# ", "- ", "1. ", "Dr. ", "e.g. ", "...", "😀", "\n", " ", "Hello", "no. ", "3.5",
         "! ", "? B", "a, " * 60, "b" * 90, "“", "”", "|", "_a_"]
    ),
    max_size=25,
).map("".join)  # fmt: skip


def bare(text: str) -> str:
    return re.sub(r"[^\w]|_", "", TAG.sub("", text))


@settings(deadline=None)
@given(PLAIN)
@example("J. K. a" * 60)
def test_nothing_is_lost_or_doubled(text: str) -> None:
    # An item's number and mark are no words; a text without lines has none within.
    text = re.sub(r"\n\s*", "\na ", f"a {text}")
    assert bare("".join(cut(text))) == bare(text)


@settings(deadline=None, max_examples=300)
@given(PLAIN | ANY, st.lists(st.integers(0, 9), max_size=60))
def test_sentences_are_the_same_however_the_text_comes(text: str, sizes: list[int]) -> None:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    found = [sentence for sentence in cut(*pieces, text[at:]) if sentence]
    assert found == [sentence for sentence in cut(text) if sentence] == [one for one in cut(*text) if one]
    for sentence in found:
        assert "\n" not in sentence
        assert len(sentence) <= 2 * LONGEST
        assert any(character.isalnum() for character in TAG.sub("", sentence))


@given(ANY)
def test_what_is_spoken_is_one_line_and_says_nothing_new(text: str) -> None:
    said = spoken(text)
    assert said == said.strip()
    assert "\n" not in said
    assert mood_behind(said, "") == "" or mood_behind(said, "") in said
