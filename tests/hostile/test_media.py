"""Whatever file is handed in: it is used, or a sentence says why not, with little memory and nothing else opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.avatars import AVATARS
from tests.hostile.cases import Case
from tests.hostile.contained import Contained, Outcome
from tests.hostile.photos import ODD_PHOTOS, PHOTOS
from tests.hostile.pictures import CLAIMS, ODD, PICTURES
from tests.hostile.sounds import HEADERS, SOUNDS
from tests.hostile.verdicts import files_below, is_sentence, tells_no_place
from tests.hostile.videos import VIDEOS

MEGABYTES = 900.0
"""As much as opening one file may take: 40 million pixels in colour and one copy, with room."""

QUICK = {
    "sound": HEADERS,
    "picture": [*CLAIMS, *ODD],
    "photo": [
        *CLAIMS,
        *ODD,
        *(case for case in ODD_PHOTOS if "7100" not in str(case)),
    ],  # 50 million pixels take seconds
    "video": [],
    "avatar": AVATARS,
}
"""Opened in a moment, for the most part without another program: the quick part of these tests."""
OPENED = [
    pytest.param(kind, case, id=f"{kind}: {case}", marks=[] if case in QUICK[kind] else pytest.mark.slow)
    for kind, cases in (
        ("sound", SOUNDS),
        ("picture", PICTURES),
        ("photo", PHOTOS),
        ("video", VIDEOS),
        ("avatar", AVATARS),
    )
    for case in cases
]


@pytest.mark.parametrize(("kind", "case"), OPENED)
def test_a_file_is_used_or_refused_with_a_sentence(
    inside: Contained, made: Callable[[Case], Path | str], base: Path, door, kind: str, case: Case
) -> None:
    path, knocks = made(case), door.knocks
    before = files_below(base)
    outcome = inside.ask(kind, path)
    assert outcome.kind != "failure", outcome.text
    assert case.usable or outcome.kind == "sentence", f"it was taken: {outcome.text}"
    if outcome.kind == "sentence":
        assert is_sentence(outcome.text), outcome.text
        # The name that was given may be repeated; nothing but the name where somebody else chose the folder.
        assert tells_no_place(outcome.text, str(path)), outcome.text
    check_nothing_happened(outcome, inside)
    assert files_below(base) == before
    assert door.knocks == knocks, "an address in the file was opened"


def check_nothing_happened(outcome: Outcome, inside: Contained) -> None:
    """No traceback anywhere, bounded memory, no foreign program."""
    assert "Traceback" not in outcome.log, outcome.log
    assert outcome.grown < MEGABYTES, f"{outcome.grown:.0f} MB"
    started = inside.gs_ran.exists()
    inside.gs_ran.unlink(missing_ok=True)
    assert not started, "an interpreter of PostScript was started"


def test_the_bounds_bite(inside: Contained, tmp_path: Path) -> None:
    """The process that opens the files tells what goes wrong, and cannot take more memory than it was given."""
    outcome = inside.ask("no such thing", tmp_path)
    assert (outcome.kind, "KeyError" in outcome.text) == ("failure", True)
    greedy = inside.ask("fill", 4 * 2**30)
    assert (greedy.kind, "MemoryError" in greedy.text) == ("failure", True)
    modest = inside.ask("fill", 300 * 2**20)
    assert (modest.kind, modest.grown > 250) == ("used", True)
