"""What the neural voice costs: how soon it is heard, compute, memory, and what its weights as floats are worth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime

from emotalk.core.kernels.workers import thread_count
from emotalk.speech import say, say_stream
from emotalk.speech.espeak import EspeakEngine
from emotalk.speech.kokoro import voices, weights
from emotalk.speech.kokoro.model import RATE, KokoroModel, Prosody
from emotalk.speech.kokoro.transcript import transcribe

VOICE = "kokoro:af_heart"
SENTENCE = "I will see you at the station tomorrow morning, Anna."
"""Ten words."""
TEXT = (
    "The harbour was quiet when we arrived. Two fishermen were mending their nets beside a green boat, and a cat slept "
    "on the warm stones. We asked them for the way to the lighthouse. One of them laughed, put down his "
    "needle, and told "
    "us that nobody had walked there since the storm had taken the bridge. Still, he said, on a clear evening you can "
    "see the light from the hill behind the church, and it is worth the climb. So we bought bread and cheese, and went."
)
"""About half a minute."""
_ROUNDS = 5


def table() -> Iterator[str]:
    """Markdown."""
    before = os.getloadavg()[0]
    yield (
        f"{VOICE}, prepared and loaded unless said otherwise. Wall: seconds on the clock; CPU: seconds of all "
        "threads of the "
        "process (espeak's own, which says how words are pronounced, not counted: some milliseconds).\n"
    )
    yield "| what | wall | CPU |\n|---|---|---|"
    fresh = _in_new_process("prepare")
    yield f"| graphs made of the packages, once per machine | {_both(fresh['prepare'])} |"
    yield f"| graphs loaded | {_both(fresh['load'])} |"
    say(SENTENCE, VOICE)
    firsts = [_first_piece(VOICE) for _ in range(_ROUNDS)]
    yield f"| first piece of a sentence of ten words, median of {_ROUNDS} | {_both(np.median(firsts, axis=0))} |"
    whole = [_whole(VOICE) for _ in range(2)]
    yield f"| a second of speech, text of half a minute, best of 2 | {_both(np.min(whole, axis=0))} |"
    yield f"| the network alone, a second of speech, weights as floats (as here) | {_both(_speed(_ours()))} |"
    with _Published() as published:
        yield f"| the same, the file as published (integers) | {_both(_speed(published.say))} |"
        yield f"\n{_difference(published)}\n"
    yield "| process that says half a minute | peak memory (MB) |\n|---|---|"
    for voice in (VOICE, "flite:slt"):
        yield f"| {voice} | {_in_new_process(voice)['peak']:.0f} |"
    if before > 1:
        yield (
            f"\nOther programs were running (load average {before:.1f} before it began), so the seconds are too "
            "long: renew "
            "this part on an idle machine with `--only cost`."
        )


def _both(seconds) -> str:
    return " | ".join(f"{x:.2f} s" for x in seconds)


def _since(start: tuple[float, float]) -> tuple[float, float]:
    return time.perf_counter() - start[0], time.process_time() - start[1]


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _first_piece(voice: str) -> tuple[float, float]:
    start = _now()
    next(say_stream(SENTENCE, voice))
    return _since(start)


def _whole(voice: str) -> np.ndarray:
    """[2] wall and CPU seconds for a second of speech."""
    start = _now()
    seconds = say(TEXT, voice).seconds
    return np.array(_since(start)) / seconds


def _inputs() -> Iterator[tuple[list[int], np.ndarray]]:
    """Tokens and style [256] of each sentence of the text."""
    engine, styles = EspeakEngine(), voices.load(VOICE.partition(":")[2]).styles
    for sentence in TEXT.split(". "):
        transcript = transcribe(sentence.rstrip(".") + ".", "en-us", engine.transcribe)
        yield transcript.tokens, styles[len(transcript.symbols) - 1]


def _ours():
    model = KokoroModel(weights.prepared())

    def say_tokens(tokens: list[int], style: np.ndarray) -> np.ndarray:
        return model.waveform(model.prosody(tokens, style), style)

    return say_tokens


def _speed(say_tokens) -> np.ndarray:
    """[2] wall and CPU seconds for a second of speech, best of two rounds after a first one."""
    found = []
    inputs = list(_inputs())
    for _ in range(3):
        start = _now()
        samples = sum(len(say_tokens(tokens, style)) for tokens, style in inputs)
        found.append(np.array(_since(start)) / (samples / RATE))
    return np.min(found[1:], axis=0)


class _Published:
    """The quantised file as its makers published it, whole, run as it is."""

    def __enter__(self) -> _Published:
        self._file = tempfile.NamedTemporaryFile(suffix=".onnx")
        for part in weights.part_files():
            self._file.write(part.read_bytes())
        self._file.flush()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = thread_count(), 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(self._file.name, options, providers=["CPUExecutionProvider"])
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def say(self, tokens: list[int], style: np.ndarray) -> np.ndarray:
        """Samples [N] at 24 kHz."""
        values = {"tokens": np.array([tokens]), "style": style[None], "speed": np.ones(1, np.float32)}
        return self._session.run(None, values)[0].reshape(-1)


def _difference(published: _Published) -> str:
    """How far apart both sound."""
    model = KokoroModel(weights.prepared())
    spectra, same, pairs, frames = [], 0, 0, []
    for tokens, style in _inputs():
        theirs = published.say(tokens, style)
        prosody: Prosody = model.prosody(tokens, style)
        ours = model.waveform(prosody, style)
        pairs += 1
        frames.append(abs(len(ours) - len(theirs)) / 600)
        if len(ours) == len(theirs):
            same += 1
            spectra.append(spectral_difference(ours, theirs))
    apart = "" if same == pairs else f", else {max(frames):.0f} frames of 25 ms apart at most"
    far = f"{np.median(spectra):.1f} dB (median)" if spectra else "not comparable frame by frame"
    return (
        f"Floats against integers, {pairs} sentences: the same length in {same}{apart}; log-spectral "
        "difference where the "
        f"length is the same: {far}."
    )


def spectral_difference(a: np.ndarray, b: np.ndarray) -> float:
    """dB between two sounds [N] at 24 kHz: root mean square over the bins of a frame of 43 ms (levels within 60 dB of
    the loudest), mean over frames that are not silent."""
    levels = [_levels(x) for x in (a, b)]
    floor = levels[0].max() - 60
    shown = [np.maximum(x, floor) for x in levels]
    speaking = levels[0].max(1) > floor + 20
    return float(np.sqrt(((shown[0] - shown[1]) ** 2).mean(1))[speaking].mean())


def _levels(samples: np.ndarray, size: int = 1024) -> np.ndarray:
    """[T, size / 2 + 1] dB."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[:: size // 4] * np.hanning(size)
    return 20 * np.log10(np.abs(np.fft.rfft(frames)) + 1e-9)


def _in_new_process(what: str) -> dict:
    """What this module, run as a program, says."""
    with tempfile.TemporaryDirectory() as folder:
        cache = {"EMOTALK_CACHE": folder} if what == "prepare" else {}
        environment = {**os.environ, **cache, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        command = [sys.executable, "-m", "benchmarks.voice_cost", what]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _measured(what: str) -> dict:
    if what == "prepare":
        import onnx  # noqa: F401 - importing is not preparing

        start = _now()
        folder = weights.prepared()
        prepare = _since(start)
        start = _now()
        KokoroModel(folder)
        return {"prepare": prepare, "load": _since(start)}
    for _ in say_stream(TEXT, what):
        pass
    # Not getrusage: its peak counts what the program that started this one held.
    lines = Path("/proc/self/status").read_text().splitlines()
    return {"peak": next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024}


if __name__ == "__main__":
    print(json.dumps(_measured(sys.argv[1])))
