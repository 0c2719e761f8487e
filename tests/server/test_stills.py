"""Pictures of the stage: a page gets its newest, nobody gets a line of them, and too many are refused."""

from __future__ import annotations

import asyncio
import dataclasses
import threading

import pytest

from emotalk.core.errors import InputError
from emotalk.server import stills as module
from emotalk.server.limits import PUBLIC
from emotalk.server.stills import AT_ONCE, CROWD, Stills
from tests.loops import run_alone


class Easel:
    """Pictures that are drawn when the test says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._go = threading.Semaphore(0)
        self._changed = threading.Condition()

    def draw(self, name: str):
        def work() -> str:
            with self._changed:
                self.begun.append(name)
                self._changed.notify_all()
            assert self._go.acquire(timeout=20)
            return name

        return work

    async def until_begun(self, count: int) -> None:
        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: len(self.begun) >= count, 20)

        assert await asyncio.to_thread(wait)

    def finish(self, count: int = 1) -> None:
        self._go.release(count)


def test_a_page_gets_the_picture_being_drawn_and_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit() -> None:
        stills, easel = Stills(), Easel()
        first = asyncio.create_task(stills.draw("a", "1", easel.draw("first")))
        await easel.until_begun(1)
        later = [asyncio.create_task(stills.draw("a", "1", easel.draw(f"later {i}"))) for i in range(4)]
        await asyncio.sleep(0)
        easel.finish(2)
        assert await first == "first"
        assert [await task for task in later] == [None, None, None, "later 3"]
        assert easel.begun == ["first", "later 3"]
        assert stills.count == 0
        easel.finish()
        assert await stills.draw("a", "1", easel.draw("again")) == "again"

    run_alone(visit())


def test_of_many_pages_so_many_draw_at_once_and_none_holds_a_thread_while_it_waits() -> None:
    async def visit() -> None:
        stills, easel = Stills(), Easel()
        before = threading.active_count()
        tasks = [asyncio.create_task(stills.draw(f"page {i}", f"address {i}", easel.draw(str(i)))) for i in range(30)]
        await easel.until_begun(AT_ONCE)
        assert len(easel.begun) == AT_ONCE
        assert threading.active_count() - before <= AT_ONCE + 1  # one waits for the test
        easel.finish(30)
        assert sorted(await asyncio.gather(*tasks), key=int) == [str(i) for i in range(30)]

    run_alone(visit())


@pytest.mark.parametrize(("address", "most"), [("same", 3), ("each its own", 5)])
def test_too_many_are_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch, address: str, most: int) -> None:
    monkeypatch.setattr(module, "limits", lambda: dataclasses.replace(PUBLIC, stills=5, stills_of_address=3))

    async def visit() -> None:
        stills, easel = Stills(), Easel()
        where = (lambda _: "1.1.1.1") if address == "same" else str
        tasks = [asyncio.create_task(stills.draw(str(i), where(i), easel.draw(str(i)))) for i in range(most)]
        await easel.until_begun(AT_ONCE)
        with pytest.raises(InputError, match="again in a few seconds"):
            await stills.draw("late", where(99), easel.draw("late"))
        easel.finish(most)
        await asyncio.gather(*tasks)
        assert stills.count == 0

    run_alone(visit())


def test_a_picture_that_fails_or_is_given_up_leaves_its_place() -> None:
    async def visit() -> None:
        stills, easel = Stills(), Easel()

        def fail() -> None:
            raise InputError("No such face.")

        with pytest.raises(InputError, match="No such face"):
            await stills.draw("a", "1", fail)
        first = asyncio.create_task(stills.draw("a", "1", easel.draw("first")))
        await easel.until_begun(1)
        second = asyncio.create_task(stills.draw("a", "1", easel.draw("second")))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        easel.finish(2)
        assert await first == "first"
        assert await stills.draw("a", "1", easel.draw("third")) == "third"
        assert stills.count == 0

    run_alone(visit())


def test_a_crowd_is_noticed_while_it_waits_and_forgotten_when_it_has_gone() -> None:
    async def visit() -> None:
        stills, easel = Stills(), Easel()
        few = [asyncio.create_task(stills.draw(str(i), str(i), easel.draw(str(i)))) for i in range(CROWD)]
        await easel.until_begun(AT_ONCE)
        assert not stills.crowded
        last = asyncio.create_task(stills.draw("last", "last", easel.draw("last")))
        await asyncio.sleep(0)
        assert stills.crowded
        easel.finish(CROWD + 1)
        await asyncio.gather(*few, last)
        assert not stills.crowded

    run_alone(visit())
