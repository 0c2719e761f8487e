"""One visitor, or a crowd of programs, cannot keep the page from others: the line is fair, readers hold up nobody."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.hostile.parameters import GENERATE, STILL
from tests.hostile.verdicts import is_sentence
from tests.hostile.visitor import PREFIX, Answer, Visitor
from tests.ui.drawn_studio import DrawnStudio

pytestmark = pytest.mark.slow
JOBS, READERS = 50, 60


@pytest.fixture
def address(tmp_path, monkeypatch) -> Iterator[tuple[str, DrawnStudio]]:
    """A page open to strangers, with drawn faces, whose talks take a second and a half."""
    from emotalk.ui import build_app

    monkeypatch.setenv("EMOTALK_PUBLIC", "1")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    studio = DrawnStudio(tmp_path, frame_seconds=0.02)
    built = build_app(studio)
    built.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield built.blocks.local_url.rstrip("/"), studio
    built.blocks.close(verbose=False)
    built.clips.close()
    built.fits.close()


def said(text: str) -> list:
    """The Generate button's arguments for a text."""
    return [*GENERATE[:2], text, *GENERATE[3:]]


def test_one_visitor_has_two_places_and_is_told_when_to_come_back(address) -> None:
    url, studio = address
    greedy, modest = Visitor(url, source="127.0.0.2"), Visitor(url, source="127.0.0.3")
    joined = [greedy.call("generate", said(f"Job {i}."), listen=False) for i in range(JOBS)]
    taken, refused = [a for a in joined if a.ok], [a for a in joined if not a.ok]
    assert 1 <= len(taken) <= 2, f"{len(taken)} places for one visitor"
    for answer in refused:
        assert 400 <= answer.status < 600
        assert is_sentence(answer.error), answer
        assert any(word in answer.error for word in ("second", "minute", "again", "wait")), answer.error
    assert modest.call("generate", said("Good evening.")).ok
    assert "Good evening." in [request.text for request in studio.requests]
    assert len(studio.requests) <= 3


def test_many_sessions_of_one_address_have_two_places_in_all(address) -> None:
    url, _ = address
    crowd = [Visitor(url, source="127.0.0.2") for _ in range(20)]
    joined = [visitor.call("generate", said("Me."), listen=False) for visitor in crowd]
    assert sum(answer.ok for answer in joined) <= 2
    assert Visitor(url, source="127.0.0.3").call("generate", said("Good evening.")).ok


def test_a_job_that_nobody_listens_to_is_dropped_when_its_turn_comes(address, monkeypatch) -> None:
    monkeypatch.setattr("emotalk.server.line.GRACE_SECONDS", 1.0)  # to come back and listen; a talk takes longer
    url, studio = address
    gone = [Visitor(url, source=f"127.0.0.{9 + i}") for i in range(4)]
    for visitor in gone:
        assert visitor.call("generate", said("Nobody hears this."), listen=False).ok
    assert Visitor(url, source="127.0.0.3").call("generate", said("Somebody hears this.")).ok
    texts = [request.text for request in studio.requests]
    # One may have begun at once, another within the time to come back; none was made to its end.
    assert texts.count("Nobody hears this.") == studio.cancelled <= 2, "talks were made that nobody waited for"
    assert texts[-1] == "Somebody hears this."


def test_a_listener_that_goes_away_stops_its_talk(address) -> None:
    url, studio = address
    visitor = Visitor(url, source="127.0.0.2")
    assert visitor.call("generate", said("I leave."), listen=False).ok
    with visitor.news() as line:
        read_until(line, b"process_generating")
    assert Visitor(url, source="127.0.0.3").call("generate", said("I stay.")).ok
    assert studio.cancelled >= 1, "a talk went on for a listener who had left"


def test_sixty_readers_of_one_clip_leave_the_page_answering(address) -> None:
    url, _ = address
    visitor = Visitor(url, source="127.0.0.2")
    made = visitor.call("generate", said("Read me.")).data
    stage = next(part for part in made if isinstance(part, dict) and "id" in part)
    with crowd_of_readers(url, f"emotalk/live/{stage['id']}.mp4"):
        check_others_are_served(url)


def test_sixty_readers_of_a_clip_that_is_being_made_leave_the_page_answering(address) -> None:
    url, studio = address
    studio.frame_seconds = 0.3  # twenty seconds and more
    visitor = Visitor(url, source="127.0.0.2")
    assert visitor.call("generate", said("Read me."), listen=False).ok
    with visitor.news() as line:
        heard = read_until(line, b".mp4")
        live = re.search(rb"emotalk/live/[\w-]+\.mp4", heard)[0].decode()
        with crowd_of_readers(url, live):
            check_others_are_served(url)
            # The talk is still being made: were every reader a thread, none would have been left for the others.
            assert studio.running == 1


@contextmanager
def crowd_of_readers(url: str, path: str) -> Iterator[None]:
    """Sixty connections from five addresses that ask for a clip and never read it."""
    readers = [Visitor(url, source=f"127.0.1.{1 + i % 5}").opened(f"/{path}") for i in range(READERS)]
    try:
        yield
    finally:
        for reader in readers:
            reader.close()


def read_until(line: socket.socket, sign: bytes) -> bytes:
    """What comes on a connection up to a sign, and a little more."""
    heard = b""
    while sign not in heard:
        part = line.recv(1 << 16)
        assert part, f"the connection ended before {sign!r} came: {heard[-500:]!r}"
        heard += part
    return heard


def check_others_are_served(url: str) -> None:
    """The page and a still for somebody else, within a bound that only tells whether something is held up."""
    other = Visitor(url, source="127.0.0.3")
    assert answered_within(lambda: other.get("/"), 10).ok
    assert answered_within(lambda: other.call("still", STILL), 10).ok


def test_stills_of_one_visitor_do_not_keep_others_waiting(address) -> None:
    url, _ = address
    greedy = Visitor(url, source="127.0.0.2")
    entry, body = greedy.handler("still"), {"data": STILL, "session_hash": greedy.session}
    with ThreadPoolExecutor(40) as crowd:
        asked = [crowd.submit(greedy.post, f"{PREFIX}/run/still", body | {"fn_index": entry["id"]}) for _ in range(40)]
        assert answered_within(lambda: Visitor(url, source="127.0.0.3").call("still", STILL), 60).ok
        answers: list[Answer] = [job.result() for job in asked]
    for answer in answers:
        assert answer.ok or is_sentence(answer.error), answer


def answered_within(ask, seconds: float) -> Answer:
    """What `ask` returns; fails where it takes so long that something holds it up."""
    found: list[Answer] = []
    thread = threading.Thread(target=lambda: found.append(ask()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, f"no answer within {seconds} s"
    return found[0]
