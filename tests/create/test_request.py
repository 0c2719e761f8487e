"""What somebody asks for when they make an avatar is checked before any work, whatever it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emotalk.core.errors import InputError
from emotalk.create import CONSENT, PersonalizeRequest


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"video": 5}, "path of a file, found int"),
        ({"video": {"path": "me.mp4"}}, "path of a file, found dict"),
        ({"video": "gone\0.mp4"}, "no video"),
        ({"video": "\ud800.mp4"}, "no video"),
        ({"name": None}, "no name"),
        ({"name": ["me"]}, "no name"),
        ({"name": "a\0b"}, "printable"),
        ({"name": "\ud800"}, "printable"),
        ({"consent": True}, "must be a sentence"),
        ({"consent": " "}, "needs consent"),
        ({"minutes": "2"}, "must be a number"),
        ({"minutes": float("nan")}, "must be a number"),
        ({"minutes": 10**400}, "a far larger one"),
        ({"seconds": [9]}, "must be a number"),
        ({"size": "512"}, "256 or 512"),
        ({"seed": 10**400}, "whole number"),
    ],
)
def test_what_cannot_be_made_is_a_sentence(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    (tmp_path / "me.mp4").write_bytes(b"film")
    with pytest.raises(InputError, match=said) as caught:
        PersonalizeRequest(**{"video": tmp_path / "me.mp4", "name": "me", "consent": CONSENT} | given)
    assert len(str(caught.value)) < 300
