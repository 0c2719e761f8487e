"""The real page with a live face, as a stranger reaches it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from emotalk.server.live_faces import LiveFaces
from tests.hostile.verdicts import is_sentence, tells_no_place
from tests.hostile.visitor import Answer


@dataclass
class LivePage:
    """The real page, open to strangers, with a live face that is shown."""

    address: str
    faces: LiveFaces
    log: pytest.LogCaptureFixture

    def ticket(self, session: str = "page") -> str:
        token = self.faces.ticket(session)
        self.faces.tickets.find(token).show("mira")
        return token

    def problems(self, answer: Answer, *sent: str) -> list[str]:
        """What is wrong with an answer, in words."""
        found = []
        if not answer.ok and not (400 <= answer.status < 500 and is_sentence(answer.error)):
            found.append(f"status {answer.status} without a sentence: {answer.text[:300]!r}")
        elif not answer.ok and not tells_no_place(answer.error, *sent):
            found.append(f"a place of the server is told: {answer.error[:500]!r}")
        if "Traceback" in self.log.text:
            found.append(f"a traceback is logged: {self.log.text[-700:]}")
        self.log.clear()
        return found
