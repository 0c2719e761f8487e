"""A page open to strangers, `python app.py` with EMOTALK_PUBLIC=1, and what is looked at while it is attacked."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from tests.hostile.cases import SECRET_WORDS, secret_files, shows_secret
from tests.hostile.verdicts import is_sentence, tells_no_place
from tests.hostile.visitor import Answer, Visitor
from tests.ui.browsing import ROOT, running_app

PICTURE = re.compile(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)")


@dataclass
class OpenPage:
    """The running page, its log, and the folder that holds all its temporary files and, beside them, a secret."""

    address: str
    folder: Path
    door: str
    sent: int = 0
    _read: int = field(default=0, repr=False)

    def visitor(self, session: str | None = None, source: str = "") -> Visitor:
        """A stranger, from an address of this machine's own network (127.0.0.2 and so on)."""
        return Visitor(self.address, session, source)

    @property
    def secret(self) -> str:
        """The path of the owner's picture."""
        return str(self.folder / "secret" / "owner.png")

    def news(self) -> str:
        """What was logged since it was last asked."""
        with (self.folder / "app.txt").open("rb") as log:
            log.seek(self._read)
            said = log.read()
        self._read += len(said)
        return said.decode(errors="replace")

    def problems(self, answer: Answer, *sent: object) -> list[str]:
        """What is wrong with an answer, in words; empty where all holds."""
        self.sent += 1
        found = []
        text = PICTURE.sub("", answer.text)
        words = [part if isinstance(part, str) else json.dumps(part) for part in sent]
        if answer.status == 0:
            found.append(f"the connection was closed: {text[:200]}")
        elif not answer.ok:
            if not is_sentence(answer.error) or answer.error.startswith("Internal Server Error"):
                found.append(f"status {answer.status} without a sentence: {text[:300]!r}")
            elif not tells_no_place(answer.error, *words):
                found.append(f"a place of the server is told: {answer.error[:500]!r}")
        if SECRET_WORDS in text or "root:x:0:0" in text:
            found.append("the content of a file is told")
        if any(shows_secret(picture) for picture in pictures_in(answer)):
            found.append("the owner's picture is shown")
        if "Traceback" in (said := self.news()):
            found.append(f"a traceback is logged: {said[-700:]}")
        return found


def pictures_in(answer: Answer) -> Iterator[np.ndarray]:
    """Each picture [H, W, 3] uint8 that an answer holds."""
    for data in PICTURE.findall(answer.body.decode(errors="replace")):
        yield np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


@contextmanager
def open_page(folder: Path, door: str, **settings: str) -> Iterator[OpenPage]:
    """The page, its temporary files below `folder`; nothing may be left anywhere else, and no traceback in its log."""
    (folder / "tmp").mkdir()
    secret_files(folder / "secret")
    around = {path.name for path in ROOT.iterdir()}
    settings = {"EMOTALK_PUBLIC": "1", "TMPDIR": str(folder / "tmp")} | settings
    with running_app(folder, **settings) as address:
        page = OpenPage(address.rstrip("/"), folder, door)
        yield page
        assert Visitor(address).get("/").ok, "the page does not answer any more"
    assert {path.name for path in ROOT.iterdir()} - around <= {"__pycache__"}
