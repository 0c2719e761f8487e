"""The worker pool: every piece of work done once, whoever comes late."""

from __future__ import annotations

import os
import threading
import time

import pytest

from emotalk.core.errors import InputError
from emotalk.core.kernels import workers
from emotalk.core.kernels.workers import WorkerPool, available_cores, thread_count


class Pieces:
    """Work handed out piece by piece, as the kernels do with their atomic counter."""

    def __init__(self, count: int) -> None:
        self._left, self._lock = list(range(count)), threading.Lock()
        self.done: list[int] = []
        self.slots: set[int] = set()

    def __call__(self, pause: float, slot: int) -> None:
        self.slots.add(slot)
        while True:
            with self._lock:
                if not self._left:
                    return
                self.done.append(self._left.pop())
            time.sleep(pause)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_every_piece_is_done_exactly_once(threads):
    pool = WorkerPool(threads)
    for _ in range(50):
        work = Pieces(20)
        pool.run(work, 0.0)
        assert sorted(work.done) == list(range(20))
        assert work.slots <= set(range(threads))


def test_threads_share_the_work():
    work = Pieces(40)
    WorkerPool(3).run(work, 0.01)
    assert work.slots == {0, 1, 2}


def test_the_caller_does_not_wait_for_helpers_that_have_not_begun():
    pool = WorkerPool(2)
    release = threading.Event()
    busy = threading.Event()

    def block(slot: int) -> None:
        if slot:
            busy.set()
            release.wait(30)
        else:
            busy.wait(30)

    blocked = threading.Thread(target=pool.run, args=(block,))
    blocked.start()
    assert busy.wait(30)  # the only helper is occupied now
    work = Pieces(5)
    pool.run(work, 0.0)
    assert work.slots == {0}
    release.set()
    blocked.join(30)
    assert not blocked.is_alive()


@pytest.mark.parametrize("guilty", [0, 1])
def test_an_error_in_any_thread_reaches_the_caller_and_the_pool_lives_on(guilty):
    pool = WorkerPool(2)
    both = threading.Barrier(2)

    def fail(slot: int) -> None:
        both.wait(30)
        if slot == guilty:
            raise ZeroDivisionError("in the kernel")

    with pytest.raises(ZeroDivisionError):
        pool.run(fail)
    work = Pieces(5)
    pool.run(work, 0.0)
    assert len(work.done) == 5


def test_the_thread_count_follows_the_environment(monkeypatch):
    monkeypatch.setenv("EMOTALK_THREADS", "3")
    assert thread_count() == 3
    monkeypatch.delenv("EMOTALK_THREADS")
    assert thread_count() == min(available_cores(), workers.MAX_THREADS)


@pytest.mark.parametrize("value", ["0", "two", "-1", "2.5"])
def test_a_bad_thread_setting_is_explained(monkeypatch, value):
    monkeypatch.setenv("EMOTALK_THREADS", value)
    with pytest.raises(InputError, match=f"EMOTALK_THREADS must be a whole number from 1 to 1024, found '{value}'"):
        thread_count()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity (Linux)")
def test_the_thread_count_follows_the_affinity():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("quota", "cores"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", 64)])
def test_the_thread_count_follows_the_control_group(tmp_path, monkeypatch, quota, cores):
    (tmp_path / "cpu.max").write_text(quota)
    real = workers.Path

    def redirected(path: str):
        if path == "/proc/self/cgroup":
            (tmp_path / "cgroup").write_text("0::/\n")
            return tmp_path / "cgroup"
        return tmp_path if path == "/sys/fs/cgroup" else real(path)

    monkeypatch.setattr(workers, "Path", redirected)
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert available_cores() == cores


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_gets_its_own_pool():
    parent_pool = workers.pool()
    child = os.fork()
    if child == 0:  # in the child: any failure must end it, never run the rest of the tests twice
        work = Pieces(3)
        fresh = workers.pool()
        fresh.run(work, 0.0)
        os._exit(0 if fresh is not parent_pool and len(work.done) == 3 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
