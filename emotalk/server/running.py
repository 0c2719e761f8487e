"""What runs on a page server now: as numbers for its owner (`meters`), and as what a stop waits for (`stopping`)."""

from __future__ import annotations

import _thread
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from emotalk.server.meters import METERS, Gauges
from emotalk.server.stopping import Stopping

if TYPE_CHECKING:
    from emotalk.server.fits import FitSessions
    from emotalk.server.housekeeping import Housekeeping
    from emotalk.server.line import FairQueue
    from emotalk.server.live_faces import LiveFaces


class Served(Protocol):
    """A page server that can be asked to end."""

    def running(self) -> dict[str, int]:
        """What runs now."""

    def dismiss(self) -> None:
        """Tell those who wait in line."""

    def cut(self) -> None:
        """Wait for no connection when the process ends."""


def running_of(line: FairQueue, faces: LiveFaces, fits: FitSessions) -> dict[str, int]:
    """What should come to its end before the server does, by a word for it."""
    at_work = line.counts()["running"]
    return {
        "jobs": sum(count for kind, count in at_work.items() if kind != "fit"),
        "fits": max(at_work["fit"], int(fits.busy)),
        "live talks": faces.talks.going,
        "microphones": faces.puppets.active,
        "files on their way": METERS.reading(0),
    }


def gauges_of(line: FairQueue, faces: LiveFaces, housekeeping: Housekeeping) -> Gauges:
    """What is there now, by the families of `meters.GAUGES`."""
    jobs = line.counts()
    return {
        "emotalk_queue_waiting": jobs["waiting"],
        "emotalk_queue_running": jobs["running"],
        "emotalk_stage_video_seconds_per_second": METERS.speeds(),
        "emotalk_stills": faces.making,
        "emotalk_page_streams": len(line.listeners),
        "emotalk_live_pages": len(faces.tickets),
        "emotalk_live_talks": faces.talks.going,
        "emotalk_live_turns_waiting": faces.talks.turns_waiting,
        "emotalk_microphones": faces.puppets.active,
        "emotalk_files_on_their_way": METERS.reading(0),
        "emotalk_temporary_bytes": housekeeping.bytes,
    }


def stop_by_signals(served: Callable[[], Served | None]) -> None:
    """From now on SIGTERM (a container is stopped by it) and Ctrl-C end this process as `Stopping` does it, and at once
    at the second one. `served` gives the page server, None before it is there. To be called in the main thread."""
    left = False

    def cut() -> None:
        server = served()
        if server is not None:
            server.cut()

    def leave() -> None:
        nonlocal left
        left = True
        cut()
        _thread.interrupt_main()  # the server's own end: nothing stays on the disk

    def running() -> dict[str, int]:
        server = served()
        return {} if server is None else server.running()

    def dismiss() -> None:
        server = served()
        if server is not None:
            server.dismiss()

    stopping = Stopping(running, dismiss, leave)

    def stop(number: int, frame: Any) -> None:
        if not left and stopping.begin():
            return
        cut()
        signal.default_int_handler(number, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
