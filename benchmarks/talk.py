"""`python -m benchmarks.talk`: how long a talk takes from the click to the file, by stage, with memory.

Every length is measured in a process of its own, so that the peak memory is that length's. The first talk of a
process warms it up; the best of `--runs` after it is reported. `--voices` also measures texts that are spoken, with
each of the voices named. `--cold` also starts `python app.py` and waits for
its page, `--sync` measures sound against picture in a muxed clap clip of ten minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np

SENTENCES = (
    "The river was quiet in the morning, and a thin mist lay over the fields.",
    "We walked along the bank and talked about the years that had gone by.",
    "Nobody was in a hurry, and the birds had the whole sky to themselves.",
    "Later we sat down under an old tree and shared some bread and cheese.",
)
TEN_WORDS = "The old man walked slowly home along the quiet river."
SPOKEN = (
    "voice", "first piece of ten words", "length of a talk", "x real time", "CPU seconds per second", "speech",
    "peak RSS",
)  # fmt: skip
STAGES = ("speech", "motion", "pose", "render", "encode")
COLUMNS = (
    "speech", "x real time", "whole job", "CPU time", "first piece (audio)", "first piece (typed)", *STAGES, "peak RSS",
    "ffmpeg", "file",
)  # fmt: skip
NOTE = """CPU time is that of all threads and of ffmpeg: two idle cores need at least half of it.
Stages overlap (a frame is drawn while the next is posed and the last encoded), so they add up to more than the whole;
`render` is the time until the next picture is there, waiting for its pose included."""
ROOT = Path(__file__).resolve().parent.parent


def speech_of(seconds: float, folder: Path) -> Path:
    """A WAV file of that many seconds of read sentences, mono at 16 kHz."""
    import soundfile

    from emotalk.core.rates import SAMPLE_RATE
    from emotalk.speech import say

    paragraph = say(" ".join(SENTENCES), reader()).samples
    needed = round(seconds * SAMPLE_RATE)
    samples = np.tile(paragraph, -(-needed // len(paragraph)))[:needed]
    path = folder / f"speech-{seconds:g}.wav"
    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
    return path


def reader() -> str | None:
    """A small voice, so that what is measured is the talk."""
    from emotalk.speech.tts import first_usable

    return first_usable(("flite:slt", "espeak:en-us"))


class FfmpegMemory:
    """The most memory that ffmpeg, a process of its own, has held; looked at ten times a second."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        import psutil

        me = psutil.Process()
        while not self._over.wait(0.1):
            for child in me.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "ffmpeg" in child.name():
                        self.peak_mb = max(self.peak_mb, child.memory_info().rss / 2**20)

    def __enter__(self) -> FfmpegMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def measure(seconds: float, size: int, avatar: str, runs: int, device: str) -> dict:
    """One length in this process; times in seconds, memory in MB."""
    from emotalk.emotion import EmotionCurve
    from emotalk.talk.request import Look, TalkRequest
    from emotalk.talk.studio import Studio

    studio = Studio(folders=True, device=device)
    started = time.perf_counter()
    studio.warm_up()
    loading = time.perf_counter() - started
    mood = EmotionCurve.constant(0.5, 0.2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        studio.talk(
            TalkRequest(avatar=avatar, text="Warming up.", voice=reader(), emotion=mood, look=Look(size)),
            folder / "w.mp4",
        )
        request = TalkRequest(avatar=avatar, audio=speech_of(seconds, folder), emotion=mood, look=Look(size))
        best, busy = None, 0.0
        with FfmpegMemory() as ffmpeg:
            for _ in range(runs):
                before = sum(os.times()[:4])
                clip = studio.talk(request, folder / "t.mp4", motion_out=folder / "t.csv")
                if best is None or clip.timings["total"] < best.timings["total"]:
                    best, busy = clip, sum(os.times()[:4]) - before
        weight = (folder / "t.mp4").stat().st_size / 1e6
        # A typed sentence, from the click: text to speech included.
        typed = TalkRequest(avatar=avatar, text=" ".join(SENTENCES[:2]), voice=reader(), emotion=mood, look=Look(size))
        first = min(studio.talk(typed, folder / "f.mp4").timings["first_piece"] for _ in range(runs))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": seconds, "size": size, "frames": best.frames, "loading": loading, "first_typed": first,
        "peak_mb": peak, "ffmpeg_mb": ffmpeg.peak_mb, "cpu": busy, "file_mb": weight, **best.timings,
    }  # fmt: skip


def measure_spoken(voice: str, size: int, avatar: str, runs: int, device: str) -> dict:
    """Texts said by one voice in this process: the first piece of ten words, and a talk of some ten seconds."""
    from emotalk.emotion import EmotionCurve
    from emotalk.talk.request import Look, TalkRequest
    from emotalk.talk.studio import Studio

    studio = Studio(folders=True, device=device)
    studio.warm_up()
    mood = EmotionCurve.constant(0.5, 0.2)

    def said(text: str) -> TalkRequest:
        return TalkRequest(avatar=avatar, text=text, voice=voice, emotion=mood, look=Look(size))

    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "t.mp4"
        studio.talk(said("Warming up."), target)
        first = min(studio.talk(said(TEN_WORDS), target).timings["first_piece"] for _ in range(runs))
        best, busy = None, 0.0
        for _ in range(runs):
            before = sum(os.times()[:4])
            clip = studio.talk(said(" ".join(SENTENCES[:3])), target)
            if best is None or clip.timings["total"] < best.timings["total"]:
                best, busy = clip, sum(os.times()[:4]) - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"first": first, "seconds": best.seconds, "cpu": busy, "peak_mb": peak, **best.timings}


def cold_start() -> float:
    """Seconds from `python app.py` to a page that answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"GRADIO_SERVER_PORT": str(port), "HF_HUB_OFFLINE": "1"}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | settings, stdout=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}/", timeout=2).read()
                return time.perf_counter() - started
            except (URLError, OSError):
                if process.poll() is not None:
                    raise SystemExit("app.py ended before its page answered") from None
                time.sleep(0.05)
    finally:
        process.terminate()
        process.wait()


def clap_offsets(minutes: float = 10.0) -> np.ndarray:
    """Milliseconds by which the sound of each clap comes after its flash, through the whole writer and back."""
    from emotalk.core.rates import FPS, SAMPLE_RATE
    from emotalk.video import VideoWriter, ffmpeg_path

    per_frame, frames, side = SAMPLE_RATE // FPS, round(minutes * 60 * FPS), 256
    burst = (np.random.default_rng(0).standard_normal(160) * 0.3).astype(np.float32)
    claps = range(10, frames - 10, 73)
    grey, white = (np.full((side, side, 3), level, np.uint8) for level in (90, 255))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "clap.mp4"
        with VideoWriter(path, side, side) as writer:
            for index in range(frames):
                samples = np.zeros(per_frame, np.float32)
                if index in claps:
                    samples[: len(burst)] = burst
                writer.write(white if index in claps else grey, samples)
        read = [ffmpeg_path(), "-v", "error", "-i", str(path)]
        sound = subprocess.run(
            [*read, "-vn", "-af", f"aresample={SAMPLE_RATE}:async=1:first_pts=0", "-f", "f32le", "-"],
            capture_output=True, check=True,
        ).stdout  # fmt: skip
        picture = subprocess.run(
            [*read, "-an", "-vf", f"scale=8:8,fps={FPS}:start_time=0", "-pix_fmt", "gray", "-f", "rawvideo", "-"],
            capture_output=True, check=True,
        ).stdout  # fmt: skip
    heard = np.frombuffer(sound, np.float32)
    flashes = np.flatnonzero(np.frombuffer(picture, np.uint8).reshape(-1, 64).mean(1) > 180)
    reach = SAMPLE_RATE // 5
    offsets = []
    for flash in flashes:
        due = int(flash) * per_frame
        before = min(due, reach)
        window = heard[due - before : due + reach + len(burst)]
        offsets.append((np.argmax(np.correlate(window, burst, "valid")) - before) / SAMPLE_RATE * 1000)
    if list(flashes) != list(claps):
        raise SystemExit(f"{len(flashes)} flashes came back of {len(claps)}")
    return np.array(offsets)


def in_own_process(seconds: float, arguments: argparse.Namespace, runs: int, voice: str | None = None) -> dict:
    command = [sys.executable, "-m", "benchmarks.talk", "--one", str(seconds), "--size", str(arguments.size)]
    command += ["--avatar", arguments.avatar, "--runs", str(runs), "--device", arguments.device]
    if voice is not None:
        command += ["--voices", voice]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=float, nargs="*", default=[10, 60, 600], help="seconds of speech")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--avatar", default="mira")
    parser.add_argument("--runs", type=int, default=3, help="for lengths up to a minute; longer ones run once")
    parser.add_argument("--device", default="cpu", help="what poses and draws: cpu or cuda")
    parser.add_argument("--cold", action="store_true", help="also time the start of app.py")
    parser.add_argument("--voices", nargs="*", default=[], help="also measure texts said by these voices")
    parser.add_argument("--sync", action="store_true", help="also measure sound against picture over ten minutes")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None and arguments.voices:
        options = (arguments.size, arguments.avatar, arguments.runs, arguments.device)
        print(json.dumps(measure_spoken(arguments.voices[0], *options)))
        return
    if arguments.one is not None:
        print(json.dumps(measure(arguments.one, arguments.size, arguments.avatar, arguments.runs, arguments.device)))
        return
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, drawn on {arguments.device}, load average {load:.1f} at "
        f"the start, {arguments.size}², 25 fps"
    )
    print()
    print(f"| {' | '.join(COLUMNS)} |")
    print("|" + "---|" * len(COLUMNS))
    for seconds in arguments.lengths:
        row = in_own_process(seconds, arguments, arguments.runs if seconds <= 60 else 1)
        times = [row[stage] for stage in ("total", "cpu", "first_piece", "first_typed", *STAGES)]
        cells = [f"{seconds:g} s", f"{row['total'] / seconds:.2f}", *(f"{value:.2f} s" for value in times)]
        cells += [f"{row['peak_mb']:.0f} MB", f"{row['ffmpeg_mb']:.0f} MB", f"{row['file_mb']:.1f} MB"]
        print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\nLoad average at the end {os.getloadavg()[0]:.1f}. {NOTE}")
    if arguments.voices:
        print(f"\n| {' | '.join(SPOKEN)} |\n" + "|---" * len(SPOKEN) + "|")
    for voice in arguments.voices:
        row = in_own_process(0, arguments, arguments.runs, voice)
        print(
            f"| {voice} | {row['first']:.2f} s | {row['seconds']:.1f} s | {row['total'] / row['seconds']:.2f} | "
            f"{row['cpu'] / row['seconds']:.2f} | {row['speech']:.2f} s | {row['peak_mb']:.0f} MB |",
            flush=True,
        )
    if arguments.cold:
        print(f"\n`python app.py` to a page that answers: {cold_start():.1f} s")
    if arguments.sync:
        offsets = clap_offsets()
        drift = offsets[-10:].mean() - offsets[:10].mean()
        print(f"\nSound against picture, {len(offsets)} claps over 10 minutes: offset {offsets.min():+.2f} to"
              f" {offsets.max():+.2f} ms, drift {drift:+.2f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
