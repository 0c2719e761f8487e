"""Directions on their way: to the voice by letter, to the face by second."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.direction import parse
from emotalk.speech.manner import Change
from emotalk.speech.performing import Directions, Part, Stopwatch
from emotalk.speech.text import phrases
from emotalk.speech.tts import join, say, say_stream

ESPEAK = "espeak:en-us"


def parts_of(text: str) -> list[Part]:
    script = parse(text)
    directions = Directions(script.cues)
    return [part for phrase in phrases(script.text, markers=True) for part in directions.parts(phrase.text)]


def test_a_mood_holds_from_its_letter_on_and_in_the_phrases_behind():
    first, second = parts_of("Well [0.5,-0.2] then. And now?")
    assert first.text == "Well then."
    assert [(change.letter, change.mood) for change in first.changes] == [(0, None), (5, (0.5, -0.2))]
    assert first.moods == ((5, (0.5, -0.2)),)
    assert second.changes == (Change(mood=(0.5, -0.2)),)
    assert second.moods == ()


def test_a_pause_parts_a_phrase_and_keeps_what_holds():
    before, behind = parts_of("*You* [pause 1.5] are late.")
    assert (before.text.strip(), before.pause) == ("You", 0.0)
    assert (behind.text.strip(), behind.pause) == ("are late.", 1.5)
    assert [change.emphasis for change in before.changes] == [1.0, 0.0]
    assert [change.emphasis for change in behind.changes] == [0.0]


def test_pauses_in_a_row_add_up_and_one_at_the_end_is_kept():
    parts = parts_of("One [pause 1][pause 2] two. [pause 3]")
    assert [part.pause for part in parts if part.pause] == [3.0, 3.0]
    assert not parts[-1].text.strip()


def test_of_moods_at_one_place_the_last_holds():
    (part,) = parts_of("[happy][sad] Oh.")
    assert len(part.changes) == 1
    assert part.changes[0].mood[0] < 0


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["One ", "two. ", "[happy] ", "[/] ", "[pause 0.1] ", "*so* ", "😢 ", "three"])))
def test_no_word_and_no_mood_is_lost(pieces: list[str]):
    text = "Go " + "".join(pieces)
    script = parse(text)
    parts = parts_of(text)
    said = "".join(part.text for part in parts).split()
    plain = "".join(phrase.text + " " for phrase in phrases(parse(text).written)).split()
    assert "".join(said) == "".join(plain)
    kinds = [type(cue).__name__ for cue in script.cues]
    assert sum(len(part.moods) for part in parts) == kinds.count("Mood") + kinds.count("MoodEnd")
    assert sum(part.pause for part in parts) == pytest.approx(0.1 * kinds.count("Pause"))


# When they are said


def spoken(words: tuple[tuple[float, float, str], ...], seconds: float) -> Speech:
    return Speech(np.zeros(round(seconds * SAMPLE_RATE), np.float32), words=words)


def test_a_mood_begins_with_the_first_word_behind_its_place():
    watch = Stopwatch(Part("Oh no no.", (), ((3, (1.0, 0.0)), (9, None))))
    piece = watch.timed(spoken(((0.0, 0.2, "Oh"), (0.3, 0.5, "no"), (0.6, 0.9, "no")), 1.0))
    assert piece.moods == ((0.3, (1.0, 0.0)),)
    assert watch.left == [None]


def test_pieces_of_a_part_have_the_moods_of_their_own_words():
    watch = Stopwatch(Part("Oh no no.", (), ((0, (0.0, 1.0)), (6, (1.0, 0.0)))))
    first = watch.timed(spoken(((0.1, 0.2, "Oh"), (0.3, 0.5, "no")), 0.6))
    second = watch.timed(spoken(((0.05, 0.3, "no"),), 0.4))
    assert first.moods == ((0.1, (0.0, 1.0)),)
    assert second.moods == ((0.05, (1.0, 0.0)),)


def test_without_words_a_mood_begins_in_proportion_to_the_letters():
    watch = Stopwatch(Part("12345678", (), ((4, (1.0, 0.0)),)))
    assert watch.timed(spoken((), 2.0)).moods == ((1.0, (1.0, 0.0)),)


# With a voice


def test_a_voice_says_what_the_directions_leave():
    script = parse("[happy] Good morning. [pause 1] [sad] Good night.")
    speech = join(list(say_stream(script, ESPEAK)), "")
    plain = say("Good morning. Good night.", ESPEAK)
    assert [word for _, _, word in speech.words] == [word for _, _, word in plain.words]
    (happy, joy), (sad, grief) = speech.moods
    starts = {word: start for start, _, word in reversed(speech.words)}
    assert happy == starts["Good"]
    assert sad == [start for start, _, word in speech.words if word == "Good"][1]
    assert joy[0] > 0 > grief[0]
    gap = [start for start, _, word in speech.words if word == "Good"][1]
    assert gap - next(end for _, end, word in speech.words if word == "morning") > 1.0


def test_a_mood_in_the_text_is_heard_as_the_same_mood_outside():
    inside = next(say_stream(parse("[0.8,0.9] Good morning to you."), ESPEAK))
    outside = next(say_stream("Good morning to you.", ESPEAK, emotion=(0.8, 0.9)))
    np.testing.assert_array_equal(inside.samples, outside.samples)
    assert replace(inside, moods=()).words == outside.words


def test_a_text_without_directions_is_said_as_ever():
    text = "Nothing to see here. Go on!"
    np.testing.assert_array_equal(join(list(say_stream(parse(text), ESPEAK)), "").samples, say(text, ESPEAK).samples)
