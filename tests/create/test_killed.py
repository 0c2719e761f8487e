"""A run that is killed at any moment goes on from there, or has changed nothing."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import random
from pathlib import Path

import pytest

from emotalk.avatar import list_avatars, load_avatar
from emotalk.create import ImproveRequest, improve, personalize
from emotalk.create.request import CONSENT, PersonalizeRequest
from emotalk.create.workplace import JOB, MADE
from emotalk.fitting import personalize as fitting
from emotalk.learning import adapt_motion as speaking
from tests.killing import Forks
from tests.preset_video import preset_video

pytestmark = pytest.mark.slow
KILLS = 5
TOLD = "told.txt"  # stages of the last run, beside the avatars


def few_steps(config):
    """A `PersonalizeConfig` that takes seconds."""
    return functools.partial(config, steps=8, gaussians=5000, budget=6000)


def make(base: Path, video: str) -> None:
    """What every fork does: a real run, with few steps, that saves its fit after each of them."""
    adaptation = speaking.AdaptConfig
    fitting.PersonalizeConfig = few_steps(fitting.PersonalizeConfig)
    speaking.AdaptConfig = functools.partial(adaptation, steps=2, batch=1)
    fitting.SAVE_EVERY = 0.0
    wanted = PersonalizeRequest(Path(video), "me", CONSENT, size=256, seconds=2.5, resume=True)
    with (base.parent / TOLD).open("w", buffering=1) as told:
        personalize(wanted, lambda news: told.write(news.stage + "\n") and None, folder=base)


def contents(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def test_killed_at_drawn_changes_it_resumes_and_a_good_avatar_stays_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """About 400 changes of files make a run; a seed draws where to kill it, early on, in the middle or anywhere."""
    chance = random.Random(0)
    video, base = preset_video(tmp_path / "me.mp4"), tmp_path / "avatars"
    mira = load_avatar("mira")
    mira.replace(card=dataclasses.replace(mira.card, name="The good one")).save(base / "me")
    before, tracked, kills = contents(base / "me"), False, 0
    with Forks("tests.create.test_killed:make", base, video) as forks:
        for turn in range(4 * KILLS):
            killed = forks.run(kill_before=chance.randint(1, (20, 150, 400)[turn % 3]))
            kills += killed
            # Whatever the moment: one whole avatar of that name, the one that was there or a finished new one.
            assert [(info.name, info.problem) for info in list_avatars([(base, False)])] == [("me", None)]
            made = load_avatar(base / "me")
            assert contents(base / "me") == before or made.card.consent.statement == CONSENT
            assert killed or made.card.name == "me"
            before = contents(base / "me")
            # What was tracked once is not tracked again.
            assert not (tracked and "Following the face" in (tmp_path / TOLD).read_text())
            work = base / ".me.work"
            tracked = (work / "track" / "landmarks.npz").is_file() and (work / JOB).is_file()
            if kills == KILLS:
                break
        assert kills == KILLS
        assert not forks.run(kill_before=0)
    made = load_avatar(base / "me")
    assert (made.card.name, made.card.consent.statement) == ("me", CONSENT)
    # What it can be improved with, no job that could be gone on with, no leftovers of any save.
    assert sorted(path.name for path in base.iterdir()) == [".me.work", "me"]
    assert sorted(path.name for path in (base / ".me.work").iterdir()) == ["fit", "lock", MADE, "track"]
    monkeypatch.setattr(fitting, "PersonalizeConfig", few_steps(fitting.PersonalizeConfig))
    better = improve(ImproveRequest("me", minutes=0.1), folder=base)
    assert better.card.consent.statement == CONSENT
    assert better.card.created >= made.card.created
    assert "dB before" in better.verdict.sentences[-1] or "no better" in better.verdict.sentences[-1]
