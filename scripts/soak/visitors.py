"""Part `visitors`: 32 people come at the same time; are all served or told their place, does the page stay quick?"""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from scripts.soak.measure import quantile
from scripts.soak.page import Page, face, made, spoken
from scripts.soak.report import Part
from tests.hostile.verdicts import is_sentence

STILLS = 6
"""Moods that each person tries before and after a talk."""
STILL_BOUND, PAGE_BOUND = 2.0, 1.0
"""Seconds: the 95th percentile of a still, and the longest wait for the page itself."""
PATIENCE = 900.0
"""Seconds after which somebody who was told to come back has given up."""


@dataclass
class Notes:
    """What all visitors met."""

    stills: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    told: int = 0  # refusals of a talk, with a sentence
    asked_to_wait: int = 0  # refusals of a still, with a sentence
    talks: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def run(folder: Path, people: int) -> Part:
    """So many people at once on a page open to strangers."""
    page = Page(folder, EMOTALK_PUBLIC="1").start()
    notes, opened, over = Notes(), [], threading.Event()

    def look() -> None:
        somebody = page.visitor("127.0.3.1")
        while not over.is_set():
            started = time.monotonic()
            if not somebody.get("/").ok:
                notes.faults.append("the page did not answer")
            opened.append(time.monotonic() - started)
            over.wait(0.25)

    try:
        page.visitor().call("generate", spoken("Warm up."))
        threading.Thread(target=look, daemon=True).start()
        with ThreadPoolExecutor(people) as crowd:
            list(crowd.map(lambda number: _visit(page, number, notes), range(people)))
        over.set()
    finally:
        over.set()
        page.stop()
    p95 = quantile(notes.stills, 0.95)
    faults = [*notes.faults]
    faults += [f"the 95th percentile of a still is {p95:.2f} s"] if p95 > STILL_BOUND else []
    faults += [f"the page took {max(opened):.2f} s once"] if max(opened) > PAGE_BOUND else []
    faults += ["a traceback is in the log"] if "Traceback" in page.log() else []
    text = "\n".join(
        [
            f"{people} people at once, each from an address of their own: {STILLS} moods, a talk, {STILLS} moods.",
            "",
            "| | |",
            "|---|---|",
            *(f"| people who {end} | {count} |" for end, count in notes.ends.items()),
            f"| times that somebody was told when to come back | {notes.told} |",
            f"| from the click to the finished clip, waiting included: median, longest | "
            f"{quantile(notes.talks, 0.5):.1f} s, {max(notes.talks):.1f} s |",
            f"| stills: number, median, 95th percentile (bound {STILL_BOUND:g} s), longest | {len(notes.stills)}, "
            f"{quantile(notes.stills, 0.5):.2f} s, {p95:.2f} s, {max(notes.stills):.2f} s |",
            f"| stills refused with a sentence | {notes.asked_to_wait} |",
            f"| the page itself: number, median, longest (bound {PAGE_BOUND:g} s) | {len(opened)}, "
            f"{quantile(opened, 0.5):.3f} s, {max(opened):.3f} s |",
        ]
    )
    return Part("Visitors", text, faults)


def _visit(page: Page, number: int, notes: Notes) -> None:
    """One person: tries moods, has something said, tries moods."""
    visitor = page.visitor(f"127.0.2.{1 + number}")
    _try_moods(visitor, notes)
    started = time.monotonic()
    while True:
        answer = visitor.call("generate", spoken("Hello there."))
        if made(answer):
            notes.talks.append(time.monotonic() - started)
            notes.ends["were served"] += 1
            break
        if not is_sentence(answer.error):
            notes.faults.append(f"a talk ended with {answer.status} {answer.text[:200]!r}")
            notes.ends["were left without an answer"] += 1
            break
        notes.told += 1
        if time.monotonic() - started > PATIENCE:
            notes.ends["gave up after being told"] += 1
            break
        time.sleep(2)
    _try_moods(visitor, notes)


def _try_moods(visitor, notes: Notes) -> None:
    for turn in range(STILLS):
        started = time.monotonic()
        answer = visitor.call("still", face(turn / STILLS))
        if answer.ok:
            notes.stills.append(time.monotonic() - started)
        elif is_sentence(answer.error):
            notes.asked_to_wait += 1
        else:
            notes.faults.append(f"a still ended with {answer.status} {answer.text[:200]!r}")
        time.sleep(1.0)  # looks at the face
