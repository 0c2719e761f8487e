"""Workers of a Ray cluster: actors, on as many machines as it has. Ray is loaded here and nowhere else.

    driver ── Ray ──► actor on some machine ── pools.LocalPool of one ──► python -m emotalk.batch.worker

So that a job that hangs, or takes too much memory, is ended where it is made, by the same code as without Ray.
"""

from __future__ import annotations

import os
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emotalk.batch.kinds import TABLE
from emotalk.batch.pools import LocalPool
from emotalk.batch.tasks import Answer, Task
from emotalk.core.errors import InputError

_ROOT = Path(__file__).resolve().parents[2]
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Nothing is told to anybody about its use; an actor without a GPU sees the machine's devices as it is."""
_KNOCK_SECONDS = 10.0
_THREADS = ("EMOTALK_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class RayPool:
    """Actors in a cluster: the one at `address`, or, with "auto", the one that runs here, or else one that is begun for
    this run. Without `size`, as many as the cluster has GPUs, or else cores for `threads` each. See `pools.Pool`.

    Raises InputError where Ray is not installed or the cluster cannot be reached.
    """

    def __init__(
        self, place: str, address: str = "auto", size: int | None = None, threads: int = 1, table: str = TABLE
    ) -> None:
        self._ray = ray = _ray()
        try:
            if address != "auto":
                _knock(address)
            ray.init(
                address=None if address == "auto" else address, log_to_driver=False, include_dashboard=False,
                logging_level="ERROR", ignore_reinit_error=True,
            )  # fmt: skip
        except Exception as error:  # it has many of its own
            raise InputError(
                f"The Ray cluster {address!r:.80} cannot be reached ({' '.join(str(error).split())[:200]}); start one "
                "with `ray start --head`, or name it by host:port."
            ) from error
        there = ray.cluster_resources()
        gpus, cores = int(there.get("GPU", 0)), int(there.get("CPU", 1))
        most = gpus or max(1, cores // threads)
        self.size = min(size or most, most)
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        variables = {**dict.fromkeys(_THREADS, str(threads)), "PYTHONPATH": path}
        self._kind = ray.remote(
            num_cpus=threads, num_gpus=1 if gpus else 0, max_restarts=0, runtime_env={"env_vars": variables}
        )(MakingActor)
        self._arguments = place, threads, table, os.getcwd()
        self._actors: dict[int, Any] = {}
        self._given: dict[Any, tuple[int, int]] = {}  # worker and index by what Ray will answer with

    def give(self, worker: int, task: Task) -> None:
        """See `pools.Pool`."""
        if worker not in self._actors:
            self._actors[worker] = self._kind.remote(*self._arguments)
        self._given[self._actors[worker].answer.remote(task.to_json())] = worker, task.index

    def wait(self) -> tuple[int, Answer]:
        """See `pools.Pool`."""
        (ready, *_), _ = self._ray.wait(list(self._given), num_returns=1)
        worker, index = self._given.pop(ready)
        try:
            return worker, Answer(**self._ray.get(ready))
        except self._ray.exceptions.RayError as error:  # the actor died, or the machine that it was on
            self._drop(worker)
            return worker, Answer(index, error="was lost", detail=str(error)[-4000:], lost=True)

    def renew(self, worker: int) -> None:
        """See `pools.Pool`; the actor stays."""
        if worker in self._actors:
            self._actors[worker].renew.remote()  # before it is given anything else

    def close(self) -> None:
        """See `pools.Pool`; the cluster stays, unless it was begun for this run."""
        self.end_actors()
        self._ray.shutdown()

    def end_actors(self) -> None:
        """End all actors, also those that are at work; their processes end with them."""
        for worker in list(self._actors):
            self._drop(worker)

    def _drop(self, worker: int) -> None:
        self._ray.kill(self._actors.pop(worker))


class MakingActor:
    """A worker as Ray starts it, which sees to a process that makes the tasks."""

    def __init__(self, place: str, threads: int, table: str, folder: str) -> None:
        """Arguments as for `pools.LocalPool`; `folder`, the driver's, may not be on this machine."""
        self._pool = LocalPool(place, 1, threads, table, folder=folder if os.path.isdir(folder) else None)

    def answer(self, table: dict[str, Any]) -> dict[str, Any]:
        """What became of a task (`tasks.Task.to_json`), as a table of a `tasks.Answer`."""
        self._pool.give(0, Task.from_json(table))
        return asdict(self._pool.wait()[1])

    def renew(self) -> None:
        """End the process, so that the next task has a fresh one."""
        self._pool.renew(0)


def _knock(address: str) -> None:
    """Raise OSError or ValueError where nobody listens at an address: Ray itself would wait for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host:
        raise ValueError("an address is a host and a port")
    socket.create_connection((host.strip("[]"), int(port)), _KNOCK_SECONDS).close()


def _ray() -> Any:
    os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise InputError(
            "--ray needs Ray: pip install -r requirements-scale.txt. Without it, use --workers."
        ) from error
    return ray
