"""What a model is told of what was said: all that was heard, no more, and not without end."""

from __future__ import annotations

import pytest

from emotalk.chat.dialogue import CHARACTERS, INTERRUPTED, TURNS, Dialogue, rules_of
from emotalk.emotion import NAMED_EMOTIONS
from emotalk.speech.direction import Mood, parse


def told(turn) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in turn.messages[1:]]


def said(turn, *sentences: str, seconds: float = 2.0) -> None:
    for number, sentence in enumerate(sentences):
        turn.said(sentence, number * seconds)
        turn.sounded(seconds)


def test_the_rules_come_first_then_what_was_said_in_turn() -> None:
    dialogue = Dialogue("You are Mira, a painter.")
    said(dialogue.ask("Hi."), "Hello!", "How are you?")
    turn = dialogue.ask("Fine.")
    assert turn.messages[0]["role"] == "system"
    assert "You are Mira, a painter." in turn.messages[0]["content"]
    assert told(turn) == [("user", "Hi."), ("assistant", "Hello! How are you?"), ("user", "Fine.")]


def test_the_rules_name_real_tags_and_the_mood_of_the_face() -> None:
    rules = rules_of("", (-0.7, -0.4))
    for name in NAMED_EMOTIONS:
        assert f"[{name}]" in rules
        assert isinstance(parse(f"[{name}] a").cues[0], Mood)
    assert rules.splitlines()[-1].endswith("sad.")
    assert rules_of().splitlines()[-1].endswith("neutral.")
    assert "{" not in rules


HEARD = [
    (None, "One two three four. Five six."), (4.0, "One two three four. Five six."),
    (9.0, "One two three four. Five six."), (3.8, "One two three four. Five six."),
    (3.0, f"One two three four. Five{INTERRUPTED}"),
    (2.0, f"One two three four{INTERRUPTED}"), (1.0, f"One two{INTERRUPTED}"), (0.0, INTERRUPTED),
]  # fmt: skip


@pytest.mark.parametrize(("heard", "remembered"), HEARD)
def test_an_interrupted_answer_is_remembered_as_far_as_it_was_heard(heard: float | None, remembered: str) -> None:
    dialogue = Dialogue()
    first = dialogue.ask("Go on.")
    said(first, "One two three four.", "Five six.")
    second = dialogue.ask("Stop.", heard=heard)
    assert told(second)[1] == ("assistant", remembered)
    said(first, "Too late.")  # its thread has not ended yet
    said(second, "Ok.")
    assert told(dialogue.ask("Well?"))[1] == ("assistant", remembered)


def test_an_answer_is_remembered_with_its_directions_each_once() -> None:
    dialogue = Dialogue()
    turn = dialogue.ask("Hi.")
    for sentence in ("Well.", "[happy] Hello.", "[happy] How *are* you?", "[happy] [/] Fine.", "Never said."):
        turn.wrote(sentence)
    said(turn, "Well.", "Hello.", "How are you?", "Fine.")
    remembered = "Well. [happy] Hello. How *are* you? [/] Fine."
    assert told(dialogue.ask("And?"))[1] == ("assistant", remembered)


def test_a_question_without_an_answer_is_forgotten_unless_it_was_interrupted() -> None:
    dialogue = Dialogue()
    dialogue.ask("Hi.")
    assert told(dialogue.ask("Hi again.")) == [("user", "Hi again.")]
    assert told(dialogue.ask("Wait.", heard=0.0)) == [
        ("user", "Hi again."), ("assistant", INTERRUPTED), ("user", "Wait."),
    ]  # fmt: skip


def test_forgetting_leaves_nothing() -> None:
    dialogue = Dialogue()
    said(dialogue.ask("Hi."), "Hello.")
    dialogue.forget()
    assert len(dialogue) == 0
    assert told(dialogue.ask("Who?")) == [("user", "Who?")]


def test_a_dialogue_is_bounded_and_the_oldest_goes() -> None:
    dialogue = Dialogue()
    for number in range(100):
        said(dialogue.ask(f"Question {number}."), "Yes.")
    assert len(dialogue) == TURNS
    assert told(dialogue.ask("Last."))[0] == ("user", f"Question {100 - TURNS + 1}.")
    for _ in range(20):
        said(dialogue.ask("a" * 2000), *["b" * 1000] * 20)
    turn = dialogue.ask("c" * 2000)
    assert sum(len(content) for _, content in told(turn)) <= CHARACTERS
    assert told(turn)[-1] == ("user", "c" * 2000)
    assert len(told(turn)) >= 3
