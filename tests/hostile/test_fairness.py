"""One visitor, or a crowd of programs, cannot keep the page from others: the line is fair, and reading holds up nobody."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

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
    url, studio = address
    crowd = [Visitor(url, source="127.0.0.2") for _ in range(20)]
    joined = [visitor.call("generate", said("Me."), listen=False) for visitor in crowd]
    assert sum(answer.ok for answer in joined) <= 2
    assert Visitor(url, source="127.0.0.3").call("generate", said("Good evening.")).ok


def test_a_job_that_nobody_listens_to_is_dropped_when_its_turn_comes(address) -> None:
    url, studio = address
    gone = [Visitor(url, source=f"127.0.0.{9 + i}") for i in range(4)]
    for visitor in gone:
        assert visitor.call("generate", said("Nobody hears this."), listen=False).ok
    assert Visitor(url, source="127.0.0.3").call("generate", said("Somebody hears this.")).ok
    texts = [request.text for request in studio.requests]
    assert texts.count("Nobody hears this.") <= 1, (
        "talks were made that nobody waited for"
    )  # one may have begun at once
    assert texts[-1] == "Somebody hears this."


def test_a_listener_that_goes_away_stops_its_talk(address) -> None:
    url, studio = address
    visitor = Visitor(url, source="127.0.0.2")
    assert visitor.call("generate", said("I leave."), listen=False).ok
    host, _, port = visitor.host.rpartition(":")
    with socket.create_connection((host, int(port)), source_address=(visitor.source, 0)) as line:
        line.sendall(
            f"GET {PREFIX}/queue/data?session_hash={visitor.session} HTTP/1.1\r\nHost: {visitor.host}\r\n\r\n".encode()
        )
        while b"process_generating" not in line.recv(1 << 16):
            pass
    assert Visitor(url, source="127.0.0.3").call("generate", said("I stay.")).ok
    assert studio.cancelled >= 1, "a talk went on for a listener who had left"


def test_sixty_readers_of_one_clip_leave_the_page_answering(address) -> None:
    url, _ = address
    visitor = Visitor(url, source="127.0.0.2")
    stage = next(
        part for part in visitor.call("generate", said("Read me.")).data if isinstance(part, dict) and "id" in part
    )
    host, _, port = visitor.host.rpartition(":")
    readers = []
    try:
        for i in range(READERS):
            reader = socket.create_connection((host, int(port)), timeout=60, source_address=(f"127.0.1.{1 + i % 5}", 0))
            reader.sendall(f"GET /emotalk/live/{stage['id']}.mp4 HTTP/1.1\r\nHost: {visitor.host}\r\n\r\n".encode())
            readers.append(reader)  # and never reads
        answer = answered_within(lambda: Visitor(url, source="127.0.0.3").get("/"), 30)
        assert answer.ok
        assert answered_within(lambda: Visitor(url, source="127.0.0.3").call("still", STILL), 30).ok
    finally:
        for reader in readers:
            reader.close()


def test_many_readers_of_a_clip_that_is_being_made_leave_the_page_answering(address) -> None:
    url, studio = address
    studio.frame_seconds = 0.2  # fifteen seconds
    visitor = Visitor(url, source="127.0.0.2")
    assert visitor.call("generate", said("Read me."), listen=False).ok
    host, _, port = visitor.host.rpartition(":")
    with socket.create_connection((host, int(port)), source_address=(visitor.source, 0)) as line:
        line.sendall(
            f"GET {PREFIX}/queue/data?session_hash={visitor.session} HTTP/1.1\r\nHost: {visitor.host}\r\n\r\n".encode()
        )
        heard = b""
        while (at := heard.find(b'"live":"')) < 0:
            heard += line.recv(1 << 16)
        while b'"' not in heard[at + 8 :]:
            heard += line.recv(1 << 16)
        live = heard[at + 8 :].split(b'"')[0].decode()
        readers = []
        for i in range(READERS):
            reader = socket.create_connection((host, int(port)), timeout=60, source_address=(f"127.0.1.{1 + i % 5}", 0))
            reader.sendall(f"GET /{live} HTTP/1.1\r\nHost: {visitor.host}\r\n\r\n".encode())
            readers.append(reader)
        try:
            # The talk is still being made: were every reader a thread, none would be left for this.
            assert answered_within(lambda: Visitor(url, source="127.0.0.3").get("/"), 10).ok
            assert answered_within(lambda: Visitor(url, source="127.0.0.3").call("still", STILL), 10).ok
            assert studio.running == 1
        finally:
            for reader in readers:
                reader.close()


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
