"""An avatar is fitted further: better or as it was, with the consent and the way of speaking that it has.

The fit is stood in for here; tests/create/test_killed.py runs the real one.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emotalk.avatar import Consent, GaussianAvatar, load_avatar
from emotalk.avatar.files import TENSORS
from emotalk.core.errors import Cancelled, InputError
from emotalk.core.progress import FitProgress
from emotalk.create import ImproveRequest, can_improve, improve
from emotalk.create.filmed import Filmed
from emotalk.create.kept import keep
from emotalk.create.verdict import Verdict
from emotalk.create.workplace import JOB, LOCK, MADE, work_folder

CONSENT = Consent("It is me.", "2026-01-01T00:00:00+00:00", live=True)
SHOWN = Filmed(20.0, 30.0, 15.0, 6, 0.5)


@pytest.fixture(scope="module")
def mira() -> GaussianAvatar:
    return load_avatar("mira")


class Further:
    """Stands in for the fit; notes what it was asked for."""

    def __init__(self) -> None:
        self.psnr, self.asked, self.stopped = 31.0, [], False

    def fit(self, tracked, folder: Path, config, *, name: str, consent, extra_pairs):
        assert extra_pairs.config.seed == config.seed  # those that it was made with

        def run(report, cancelled, further):
            self.asked.append((config, name, consent, further))
            if self.stopped:
                raise Cancelled("Stopped.")
            report(FitProgress("fit", 5, 10, psnr=self.psnr))
            card = dataclasses.replace(self.before.card, metrics={"psnr_head": self.psnr, "steps": 900})
            return self.before.replace(card=card, motion=None, background=self.before.background * 0.5)

        return SimpleNamespace(run=run, rows=np.arange(2))

    def judged(self, avatar, tracked, cancelled, shown):
        self.shown = shown
        return Verdict("good", ("Close.",)), {"lip_r": 0.9} | shown.metrics


@pytest.fixture
def further(monkeypatch: pytest.MonkeyPatch, mira: GaussianAvatar, tmp_path: Path) -> Further:
    """An avatar "Anna B" in `tmp_path` with what can be made of it."""
    further = Further()
    metrics = {"psnr_head": 30.0, "steps": 600} | SHOWN.metrics
    card = dataclasses.replace(mira.card, name="Anna B", synthetic=False, consent=CONSENT, metrics=metrics)
    further.before = mira.replace(card=card)
    further.before.save(tmp_path / "anna-b")
    work = work_folder(tmp_path, "anna-b")
    (work / "track").mkdir(parents=True)
    for name in (LOCK, JOB):
        (work / name).touch()
    keep(work, tmp_path / "anna-b", SimpleNamespace(size=256, seed=4), [])
    quality = SimpleNamespace(verdict="good", sentences=("The video is good.",), sound=True)
    monkeypatch.setattr("emotalk.tracking.load_tracked", lambda folder: SimpleNamespace(quality=quality))
    monkeypatch.setattr("emotalk.fitting.personalize.PersonalizeFit", further.fit)
    monkeypatch.setattr("emotalk.create.verdict.judged", further.judged)
    monkeypatch.setattr("emotalk.create.verdict.lip_rows", lambda _: range(0))
    return further


def test_a_better_avatar_takes_the_place_of_the_old_one(further: Further, tmp_path: Path) -> None:
    told: list[FitProgress] = []
    made = improve(ImproveRequest("Anna B", minutes=3), told.append, folder=tmp_path)
    [(config, name, consent, on)] = further.asked
    assert (config.minutes, config.size, config.seed) == (3, 256, 4)
    assert (name, consent, on) == ("Anna B", CONSENT, True)
    card = load_avatar(tmp_path / "anna-b").card
    assert card.consent == CONSENT
    assert card.metrics["psnr_head"] == 31.0
    assert card.metrics["filmed_blinks"] == 6  # known from before: those frames are not there any more
    assert further.shown == SHOWN
    assert made.verdict.sentences == ("Close.", "It was 30.0 dB before: better now.")
    assert [news.stage for news in told] == ["Fitting the avatar", "Looking at what was made"]
    assert can_improve("Anna B", tmp_path)
    improve(ImproveRequest("Anna B"), folder=tmp_path)  # and so on


def test_one_that_came_out_worse_is_not_taken(further: Further, tmp_path: Path) -> None:
    further.psnr = 29.5
    before = load_avatar(tmp_path / "anna-b")
    made = improve(ImproveRequest("Anna B"), folder=tmp_path)
    after = load_avatar(tmp_path / "anna-b")
    assert after.card.metrics["psnr_head"] == 30.0
    assert np.array_equal(after.background, before.background)
    assert made.verdict.sentences[-1] == "More time made it no better (29.5 dB against 30.0): it stays as it was."
    assert can_improve("Anna B", tmp_path)


def test_stopped_it_is_what_it_was(further: Further, tmp_path: Path) -> None:
    further.stopped = True
    before = (tmp_path / "anna-b" / TENSORS).read_bytes()
    with pytest.raises(Cancelled):
        improve(ImproveRequest("Anna B"), folder=tmp_path)
    assert (tmp_path / "anna-b" / TENSORS).read_bytes() == before
    assert can_improve("Anna B", tmp_path)


def test_where_nothing_was_kept_it_is_a_sentence(further: Further, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Nothing was kept"):
        improve(ImproveRequest("Nobody"), folder=tmp_path)
    assert not work_folder(tmp_path, "nobody").exists()  # looking leaves nothing behind
    (work_folder(tmp_path, "anna-b") / MADE).unlink()
    with pytest.raises(InputError, match="Nothing was kept"):
        improve(ImproveRequest("Anna B"), folder=tmp_path)
    assert further.asked == []


@pytest.mark.parametrize("wrong", [{"minutes": 0}, {"minutes": "2"}, {"minutes": float("nan")}, {"name": ""},
                                   {"name": "mira"}, {"name": "\0"}])  # fmt: skip
def test_requests_that_cannot_be_met_are_refused_at_once(wrong: dict) -> None:
    with pytest.raises(InputError):
        ImproveRequest(**({"name": "Anna B"} | wrong))
