"""The mood of a talk while it is made: as chosen, as directions in the text say, or as heard in the voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.emotion import EmotionCurve

if TYPE_CHECKING:
    from emotalk.avatar import AvatarCard
    from emotalk.motion import MotionStyle
    from emotalk.talk.request import TalkRequest

CHANGE_SECONDS = 0.5
"""How long a face takes from one mood to the next where a direction changes it: spontaneous smiles have an onset of
0.3 to 0.7 s (Schmidt, Cohn & Tian 2003)."""

BEYOND = 0.3
"""How much further a face goes at expressiveness 2: a mood at the border can grow in no other way. Chosen by eye on the
presets: at 0.5 anger and joy turn into grimaces."""
_OPENING = 0.4
"""Seconds in which a voice has said its first word."""


def mood_of(curve: EmotionCurve, expressiveness: float) -> EmotionCurve:
    """A curve scaled towards or away from neutral, inside [-1, 1]."""
    if expressiveness == 1:
        return curve
    scaled = np.clip(np.array(curve.values) * expressiveness, -1, 1)
    return EmotionCurve(curve.times, tuple(map(tuple, scaled.tolist())))


def style_of(card: AvatarCard, head_motion: float = 1.0, expressiveness: float = 1.0) -> MotionStyle:
    """The way of moving of an avatar in a talk with these controls (both 0 to 2).

    Below 1 the mood itself fades (`mood_of`); above 1 the person also becomes one who shows more.
    """
    # Imported here: loaded with the studio's model.
    from emotalk.motion import MotionStyle

    shows, reach = 2 * max(0.0, expressiveness - 1), reach_of(card, expressiveness)
    return MotionStyle(head_energy=head_motion, face=card.face, expressivity=shows, reach=reach)


def reach_of(card: AvatarCard, expressiveness: float = 1.0) -> float:
    """Factor on every shape of an emotion: what the card says, and further where more than the border is asked for."""
    return card.reach * (1 + BEYOND * max(0.0, expressiveness - 1))


class TalkMood:
    """The emotion curve of a talk, known as far as its sound is. `curve` is the newest one."""

    def __init__(self, request: TalkRequest) -> None:
        self._request = request
        self._listener = None
        self._heard = 0  # samples
        self._frames = 0  # whose values are known
        self._recent = np.zeros((0, 2))  # the last second of values that changed with the sound, by frame
        self._said = 0  # samples of text
        self._keys: list[tuple[float, tuple[float, float] | None]] = []
        if request.emotion == "auto":
            # Imported here: only where the voice sets the mood.
            from emotalk.speech.voice_arousal import VoiceArousal

            self._listener = VoiceArousal()
            self._chosen = EmotionCurve.constant(request.valence_in_auto, 0.0)
        else:
            self._chosen = mood_of(request.emotion, request.expressiveness)
        self.curve = self._chosen

    def said(self, speech: Speech) -> None:
        """The piece of text that follows the last one, before its sound is played (`update`)."""
        start = self._said / SAMPLE_RATE
        for second, mood in speech.moods:
            # A talk that begins with a direction begins in its mood.
            opens = start + second < _OPENING and not self._keys
            self._keys.append((-CHANGE_SECONDS if opens else start + second, mood))
        self._said += len(speech.samples)

    @property
    def directed(self) -> tuple[tuple[float, float, float], ...]:
        """(second, valence, arousal) of every mood that a direction has begun, as strong as the face shows it; where
        one ended, what holds instead, unless that is heard in the voice: then it has no entry. The seconds are those
        at which the change begins."""
        found = []
        for second, mood in self._keys:
            begin = max(second, 0.0)
            if mood is not None:
                found.append((begin, *self._shown(mood).tolist()))
            elif self._listener is None:
                found.append((begin, *map(float, self._chosen.at_seconds(np.array([begin]))[0])))
        return tuple(found)

    def update(self, samples: np.ndarray) -> EmotionCurve:
        """The curve from about a second before these samples [n] (16 kHz) to their end."""
        self._heard += len(samples)
        if not len(samples) or (self._listener is None and not self._keys):
            return self.curve
        if self._listener is not None:
            values = self._listener.listen(Speech(samples)).values
            values[:, 0] = self._request.valence_in_auto
            values = np.clip(values * self._request.expressiveness, -1, 1)
        else:
            until = self._heard * FPS // SAMPLE_RATE
            values = self._chosen.at(np.arange(self._frames, until)).astype(np.float64)
        seconds = (np.arange(self._frames, self._frames + len(values)) + 0.5) / FPS
        self._frames += len(values)
        # The motion lags behind the sound by its look-ahead: keep what it still has to play.
        self._recent = np.concatenate([self._recent[-FPS:], self._directed(values, seconds)])
        if not len(self._recent):
            return self.curve
        times = (np.arange(self._frames - len(self._recent), self._frames) + 0.5) / FPS
        self.curve = EmotionCurve(tuple(times.tolist()), tuple(map(tuple, self._recent.tolist())))
        return self.curve

    def _directed(self, values: np.ndarray, seconds: np.ndarray) -> np.ndarray:
        """Moods [T, 2] with what the directions say at these times [T] in their place."""
        now = values
        for key, mood in self._keys:
            target = values if mood is None else self._shown(mood)
            share = np.clip((seconds - key) / CHANGE_SECONDS, 0, 1)[:, None]
            share = share * share * (3 - 2 * share)
            now = (1 - share) * now + share * target
        return now

    def _shown(self, mood: tuple[float, float]) -> np.ndarray:
        """A direction's mood [2] as strong as the face shows it."""
        return np.clip(np.array(mood) * self._request.expressiveness, -1, 1)
