"""What was said between a visitor and a face, as messages for a language model.

    ask(text, heard) ─► what was heard of the last answer is kept ─► Turn: messages ─► said, sounded ─► the next ask

It is kept in memory only, and bounded. An answer that was interrupted is remembered as far as it was heard, since a
person who was interrupted knows that nobody heard the rest.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from emotalk.chat.markdown import mood_behind
from emotalk.emotion.space import NAMED_EMOTIONS, nearest_emotions
from emotalk.speech.direction import parse

TURNS = 24
"""Questions with their answers that are remembered."""
CHARACTERS = 16_000
"""Of all of them together; the oldest go first."""
ANSWER_CHARACTERS = 6000
"""Remembered of one answer."""
INTERRUPTED = "—"
_SLACK_SECONDS = 0.3  # nobody stops a sound to the tenth
_RULES = """\
You are a talking face: everything you write is spoken aloud at once by a voice, and seen on your face. {who}
- Talk as people do in a conversation: short sentences, one to four of them unless more is asked for. Answer in the \
language in which you are spoken to.
- Write plain words only: no markdown, no lists, no headings, no tables, no code, no emoji, no links, no stage \
directions such as *smiles* or (laughs). Write numbers and signs so that they can be read aloud.
- Your face shows a mood when you put its tag in front of the words that it belongs to; it holds until the next tag, \
and [/] ends it. The tags are: {moods}. Use one where what is said moves you, not in every sentence. There are no \
other tags.
- A {dash} at the end of something you said means that you were interrupted there: the rest was not heard.
{now}"""


@dataclass
class Turn:
    """A question and what has been said of its answer so far. Several threads may use it."""

    question: str
    messages: list[dict[str, str]]
    """What the model is asked: role and content."""
    _said: list[tuple[float, str]] = field(default_factory=list)  # start in seconds, sentence
    _written: dict[str, str] = field(default_factory=dict)  # plain sentence -> as the model wrote it
    _seconds: float = 0.0
    _kept: str | None = None  # the answer as it is remembered, once the next question was asked
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wrote(self, sentence: str) -> None:
        """The model has written a sentence, with its directions; whether it will be said is not known yet. A model
        that does not see its own tags in what it said forgets to use them."""
        with self._lock:
            self._written[parse(sentence).written] = sentence

    def said(self, sentence: str, start: float) -> None:
        """A sentence of the answer (without its directions) begins, `start` seconds behind the beginning."""
        with self._lock:
            sentence = self._written.pop(sentence, sentence)
            if self._kept is None and sum(len(one) for _, one in self._said) < ANSWER_CHARACTERS:
                self._said.append((start, sentence))

    def sounded(self, seconds: float) -> None:
        """So much more of the answer can be heard."""
        with self._lock:
            self._seconds += seconds

    def close(self, heard: float | None = None) -> str:
        """The answer as it is remembered from now on: as far as it was heard (seconds; None: all that was said)."""
        with self._lock:
            if self._kept is None:
                self._kept = self._heard(heard)
            return self._kept

    def _heard(self, heard: float | None) -> str:
        if heard is None or (self._said and heard >= self._seconds - _SLACK_SECONDS):
            return _joined([sentence for _, sentence in self._said])
        kept: list[str] = []
        starts = [start for start, _ in self._said]
        for (start, sentence), end in zip(self._said, [*starts[1:], self._seconds], strict=False):
            share = (heard - start) / max(end - start, 1e-3)
            if share <= 0:
                break
            words = sentence.split()
            kept.append(" ".join(words[: round(min(share, 1.0) * len(words))]))
        return _joined(kept).rstrip(".,;:!?… ") + INTERRUPTED


class Dialogue:
    """The dialogue of one page. `persona` says who the face is."""

    def __init__(self, persona: str = "") -> None:
        self._persona = persona
        self._turns: list[Turn] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._turns)

    def forget(self) -> None:
        """Nothing was said."""
        with self._lock:
            self._turns.clear()

    def ask(self, text: str, mood: tuple[float, float] = (0.0, 0.0), heard: float | None = None) -> Turn:
        """The turn that a question begins. `mood` is what the face is set to (valence and arousal, -1 to 1), `heard`
        how many seconds of the answer before were heard (None: all of it)."""
        with self._lock:
            if self._turns and not self._turns[-1].close(heard):
                self._turns.pop()  # a question that got no answer
            self._bound(len(text))
            past = []
            for turn in self._turns:
                past += [_message("user", turn.question), _message("assistant", turn.close())]
            rules = _message("system", rules_of(self._persona, mood))
            turn = Turn(text, [rules, *past, _message("user", text)])
            self._turns.append(turn)
            return turn

    def _bound(self, coming: int) -> None:
        self._turns = self._turns[-(TURNS - 1) :]
        while self._turns and coming + sum(len(t.question) + len(t.close()) for t in self._turns) > CHARACTERS:
            self._turns.pop(0)


def _joined(sentences: list[str]) -> str:
    """Sentences as the model wrote them: each has the mood that holds in front of it, which was written once."""
    found, mood = [], ""
    for sentence in sentences:
        found.append(sentence.removeprefix(mood).strip())
        mood = mood_behind(sentence, mood)
    return " ".join(sentence for sentence in found if sentence)


def rules_of(persona: str = "", mood: tuple[float, float] = (0.0, 0.0)) -> str:
    """What the model is told before the dialogue: that it is heard and seen, how its tags are written, who it is."""
    now = f"\nYour face is set to this mood now, without any tag: {nearest_emotions(*mood, count=1)[0][0]}."
    moods = ", ".join(f"[{name}]" for name in NAMED_EMOTIONS)
    who = persona or "You are friendly, curious and honest; you are not a person, and say so when you are asked."
    return _RULES.format(who=who, moods=moods, dash=INTERRUPTED, now=now.strip())


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
