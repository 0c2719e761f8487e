"""What the speech encoder costs: speed on one core, cold load, memory over two hours."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.speech.encoder import SpeechEncoder

_COLD_LOAD = """
import time, numpy, safetensors.numpy
import emotalk.speech.encoder
start = time.perf_counter()
emotalk.speech.encoder.SpeechEncoder.load()
print(time.perf_counter() - start)
"""


def cost_table(weights: Path | None = None) -> str:
    """Speed on one core, cold load, and memory over two hours, of the shipped encoder or of that in a file.

    Measured in a process whose matrix products have one thread: with two, most of the second one's CPU seconds are
    spent waiting.
    """
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.speech_cost", *([str(weights)] if weights else [])]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip("\n")


def _measured(encoder: SpeechEncoder) -> str:
    sound = _two_hours_of_sound()
    minute = np.concatenate([next(sound) for _ in range(6)])
    encode = min(_seconds(lambda: encoder.encode(Speech(minute))) for _ in range(5))
    network = min(_seconds(lambda: _network_only(encoder, minute)) for _ in range(5))
    loads = [
        float(subprocess.run([sys.executable, "-c", _COLD_LOAD], capture_output=True, text=True,
                             check=True).stdout)
        for _ in range(3)
    ]  # fmt: skip
    stream, memory = encoder.stream(), []
    process = psutil.Process()
    for i, piece in enumerate(_two_hours_of_sound()):
        stream.push(piece)
        if i % 60 == 59:  # every ten minutes
            memory.append(process.memory_info().rss / 2**20)
    stream.finish()
    return (
        "## Cost, one core\n\nCPU seconds of one thread.\n\n| what | value |\n|---|---|\n"
        f"| mel and network, 60 s of sound | {1000 * network:.0f} ms, {60 / network:.0f}x real time |\n"
        f"| the same with prosody | {1000 * encode:.0f} ms, {60 / encode:.0f}x real time |\n"
        f"| cold load, after imports | {1000 * float(np.median(loads)):.0f} ms |\n"
        f"| look-ahead of a stream | {1000 * encoder.look_ahead:.1f} ms |\n"
        f"| memory after 10 minutes / 2 hours of one stream | {memory[0]:.0f} / {memory[-1]:.0f} MiB |\n"
        f"| load average of the machine | {os.getloadavg()[0]:.1f} |"
    )


def _seconds(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _network_only(encoder: SpeechEncoder, samples: np.ndarray) -> None:
    rows = encoder.rows()
    for start in range(0, len(samples), 10 * SAMPLE_RATE):
        rows.push(samples[start : start + 10 * SAMPLE_RATE])


def _two_hours_of_sound() -> Iterator[np.ndarray]:
    """720 pieces of 10 s: syllables of a buzzing voice and noise."""
    rng = np.random.default_rng(0)
    moments = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    for _ in range(720):
        voice = np.sign(np.sin(2 * np.pi * rng.uniform(80, 250) * moments)) * np.maximum(
            np.sin(2 * np.pi * 4 * moments), 0
        )
        yield (0.1 * voice + 0.01 * rng.standard_normal(len(moments))).astype(np.float32)


if __name__ == "__main__":
    print(_measured(SpeechEncoder.load(*sys.argv[1:])))
