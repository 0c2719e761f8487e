"""The table of docs/security.md says how many cases there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.hostile.avatars import AVATARS
from tests.hostile.parameters import (
    BEGIN,
    BODIES,
    CONVERSE,
    FEW,
    FURTHER,
    GENERATE,
    LIVE,
    PORTRAIT,
    STILL,
    TALK,
    VALUES,
)
from tests.hostile.photos import PHOTOS
from tests.hostile.pictures import PICTURES
from tests.hostile.sounds import SOUNDS
from tests.hostile.test_parameters import DARK
from tests.hostile.videos import VIDEOS

DOC = Path(__file__).resolve().parents[2] / "docs" / "security.md"
SHEET = len(STILL) - len(DARK)
POSTED = (len(STILL) + len(LIVE) + len(CONVERSE)) * len(VALUES) + (
    SHEET + len(GENERATE) + len(BEGIN) + len(PORTRAIT) + len(FURTHER) + 2 * len(TALK)
) * len(FEW)


@pytest.mark.parametrize(("kind", "count"), [
    ("sounds", len(SOUNDS)), ("pictures", len(PICTURES)), ("photos", len(PHOTOS)), ("videos", len(VIDEOS)),
    ("avatars", len(AVATARS)), ("parameters", POSTED),
])  # fmt: skip
def test_the_table_says_how_many(kind: str, count: int) -> None:
    row = re.search(rf"^\| {kind} \|.*\| ([\d,]+)[^|]*\|$", DOC.read_text(encoding="utf-8"), re.MULTILINE)
    assert int(row[1].replace(",", "")) == count


def test_no_two_cases_have_one_name() -> None:
    for cases in (SOUNDS, PICTURES, PHOTOS, VIDEOS, AVATARS, VALUES, BODIES):
        names = [case.name for case in cases]
        assert len(set(names)) == len(names)
