"""Talks on a ZeroGPU Space: each borrows a GPU for the seconds it is expected to need.

    page ─► talk ─► @spaces.GPU: a process of its own, drawing with CUDA ─► pieces, progress, clip
                 └► no GPU to be had (quota, queue): a word to the person, and the CPU as everywhere else

Anywhere else `talker` gives the studio's own `talk` and nothing of `spaces` is imported. The GPU is only borrowed
where gsplat can draw on it; asking for one and then drawing on the CPU would use up people's quota for nothing.
"""

from __future__ import annotations

import html
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotalk.core import errors
from emotalk.core.errors import Cancelled, EmotalkError, VideoError
from emotalk.server.limits import max_seconds
from emotalk.talk.request import WORDS_PER_SECOND, TalkRequest

if TYPE_CHECKING:
    from emotalk.core.clip import Clip
    from emotalk.talk.studio import Studio

log = logging.getLogger(__name__)

Talker = Callable[..., "Clip"]
"""Takes what `Studio.talk` takes."""
START_SECONDS = 15.0
"""To fork, wake the GPU and load the models."""
LEAST_SECONDS, MOST_SECONDS = 20.0, 120.0
"""ZeroGPU serves short wishes first and refuses long ones to most visitors."""


def on_zero_gpu() -> bool:
    """Whether this is a ZeroGPU Space (the variable that `spaces` itself goes by)."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def page_device() -> str:
    """The device of the page's own studio: EMOTALK_DEVICE ("auto", "cpu" or "cuda"), or "auto".

    Always "cpu" on a ZeroGPU Space: there torch says that a GPU is there, but only a borrowed one can draw. Raises
    InputError for a device that is not there, so that the page does not open without it.
    """
    # Imported here: torch and gsplat after the page has been put together.
    from emotalk.rendering.device import resolve_device

    if on_zero_gpu():
        return "cpu"
    wanted = os.environ.get("EMOTALK_DEVICE", "").strip().lower() or "auto"
    return wanted if wanted == "auto" else str(resolve_device(wanted))


def expected_seconds(request: TalkRequest) -> float:
    """GPU seconds to ask for: the start, and as long as the clip plays (it is made faster than that)."""
    if request.text is not None:
        clip = len(request.text.split()) / WORDS_PER_SECOND
    else:
        clip = _seconds_of(Path(request.audio))
    clip = min(clip, request.max_seconds or max_seconds())
    return max(LEAST_SECONDS, min(MOST_SECONDS, START_SECONDS + clip))


def _seconds_of(audio: Path) -> float:
    import soundfile

    try:
        return float(soundfile.info(audio).duration)
    except (OSError, RuntimeError):  # a format that only ffmpeg reads: some 16 kB a second
        return audio.stat().st_size / 16_000


def talker(studio: Studio) -> Talker:
    """`studio.talk`, or on a ZeroGPU Space the same on a borrowed GPU. Has to be called before the page is launched:
    ZeroGPU wants to know by then what will ask for a GPU."""
    if not on_zero_gpu():
        return studio.talk
    import spaces

    @spaces.GPU(duration=lambda request, *_: expected_seconds(request))
    def on_borrowed_gpu(request: TalkRequest, target: str, motion_out: str | None) -> Iterator[tuple[str, Any]]:
        yield from talk_events(studio.forked("cuda"), request, target, motion_out)

    def talk(
        request: TalkRequest,
        target: str | Path,
        *,
        motion_out: str | Path | None = None,
        on_piece: Callable[[bytes], None] | None = None,
        progress: Callable[[Any], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Clip:
        options = {"motion_out": motion_out, "on_piece": on_piece, "progress": progress, "cancelled": cancelled}
        problem = gpu_problem()
        if problem is not None:
            log.info("Talking on the CPU: %s.", problem)
            return studio.talk(request, target, **options)
        events = on_borrowed_gpu(request, str(target), None if motion_out is None else str(motion_out))
        callbacks = {"piece": on_piece, "progress": progress}
        began = False
        try:
            for kind, what in events:
                if kind == "clip":
                    return what
                if kind == "error":
                    raise getattr(errors, what[0], EmotalkError)(what[1])
                began = began or kind == "piece"
                if callbacks[kind] is not None:
                    callbacks[kind](what)
                if cancelled is not None and cancelled():
                    raise Cancelled("Stopped: nothing was kept.")
        except gr.Error as refusal:  # what `spaces` raises: no quota, no free GPU, taken away
            if began:
                raise VideoError(f"The GPU was taken away before the clip was finished: {refusal.message}") from refusal
            log.info("No GPU: %s", refusal.message)
            gr.Warning(f"No GPU just now, so it takes a little longer. {html.escape(str(refusal.message))}")
            return studio.talk(request, target, **options)
        finally:
            events.close()
        raise VideoError("The GPU ended without a clip; try again.")

    return talk


def gpu_problem() -> str | None:
    """Why a borrowed GPU could not draw, or None. Looks at gsplat alone: until it is borrowed, there is no GPU."""
    # Imported here: gsplat only where a GPU may be borrowed.
    from emotalk.rendering.cuda import gsplat_problem

    return gsplat_problem()


def talk_events(studio: Studio, request: TalkRequest, target: str, motion_out: str | None) -> Iterator[tuple[str, Any]]:
    """A talk as events that can go to another process: ("piece", bytes), ("progress", Progress), and at the end
    ("clip", Clip) or ("error", (class, sentence)). Closing the iterator stops the talk."""
    events: queue.Queue[tuple[str, Any]] = queue.Queue()
    stopped = threading.Event()

    def work() -> None:
        try:
            clip = studio.talk(
                request,
                target,
                motion_out=motion_out,
                on_piece=lambda piece: events.put(("piece", piece)),
                progress=lambda progress: events.put(("progress", progress)),
                cancelled=stopped.is_set,
            )
            events.put(("clip", clip))
        except EmotalkError as error:
            events.put(("error", (type(error).__name__, str(error))))
        except Exception as error:
            # The thread's end: the other process must learn of it, not wait for ever.
            log.exception("a talk failed")
            events.put(("error", ("VideoError", f"Something unexpected went wrong ({type(error).__name__}).")))

    thread = threading.Thread(target=work, name="emotalk-gpu", daemon=True)
    thread.start()
    try:
        while True:
            kind, what = events.get()
            yield kind, what
            if kind in ("clip", "error"):
                return
    finally:
        stopped.set()
        thread.join(10)
