"""What the speech encoder hears, beside two baselines: `python -m benchmarks.speech`.

Prints tables and writes them to benchmarks/results/speech.md. Needs the research data beside the checkout and the
Debian packages that `scripts.train_speech` names; what is missing is left out, and the table says so.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import soundfile
import tyro

from benchmarks import speech_lips as lips
from benchmarks.speech_scores import (
    BILABIAL,
    Score,
    Segments,
    Track,
    closures_of,
    collapsed,
    sequence_error,
    track_of_segments,
    visemes_of,
)
from emotalk.speech.encoder import EncoderStream, SpeechEncoder
from emotalk.types import ARTICULATION_NAMES, PHONES, SAMPLE_RATE, Speech, SpeechFeatures
from scripts.speech_corpus.align import align, decode_phones
from scripts.speech_corpus.build import (
    HELD_OUT,
    RECORDINGS_HELD_OUT,
    build_recordings,
    build_voices,
    load_shard,
    shard_path,
)

log = logging.getLogger("benchmarks.speech")

RESULTS = Path(__file__).parent / "results" / "speech.md"
JAW, CLOSURE = (ARTICULATION_NAMES.index(name) for name in ("jaw", "closure"))
RAVDESS_SENTENCES = {"01": "kids are talking by the door", "02": "dogs are sitting by the door"}
EMODB_SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
# The phone numbers of the file that StyleTalk publishes with its clip: CMU's phones in alphabetical order.
STYLETALK_PHONES = [*PHONES[1:25], "sil", *PHONES[25:31], "sil", *PHONES[31:]]
CLIPS = ("dfrf_cnn2_25fps", "edtalk_uncrop_Obama", "mimictalk_German20s", "sadtalker_AOC", "sadtalker_RD_Radio2",
         "styletalk_andrew_clip_2", "mead/eamm_M030_sad")  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Measure the speech encoder: accuracy, lips of real video, speed, memory."""

    data: Path = Path(__file__).resolve().parents[2] / "shared" / "data"
    """The research data."""
    work: Path = Path(tempfile.gettempdir()) / "emotalk-speech-benchmark"
    """Where the held-out voices are made (10 minutes of sound); kept for the next run."""
    encoder: Path | None = None
    """Another .safetensors file than the shipped one."""
    only: tuple[str, ...] = ()
    """Parts to run: voices, speakers, german, clips, cost. All by default."""
    write: bool = True
    """Write benchmarks/results/speech.md."""


@dataclass(frozen=True)
class Sample:
    """A sound with known phones, and which group its score counts for."""

    group: str
    samples: np.ndarray
    segments: Segments


def main(options: Options) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    encoder = SpeechEncoder.load(options.encoder)
    parts = {
        "voices": lambda: voices_table(encoder, options),
        "speakers": lambda: speakers_table(encoder, options),
        "german": lambda: german_table(encoder, options),
        "clips": lambda: clips_table(encoder, options),
        "cost": lambda: cost_table(encoder),
    }
    sections = [parts[name]() for name in parts if not options.only or name in options.only]
    text = "# Speech encoder\n\n" + "\n\n".join(sections) + "\n"
    print(text)
    if options.write:
        temporary = RESULTS.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(RESULTS)


def encoder_track(features: SpeechFeatures) -> Track:
    closures = closures_of(features.articulation[:, CLOSURE])
    phones = features.phones
    return Track(phones.argmax(1), visemes_of(phones), closures, features.articulation[:, JAW])


def loudness_track(features: SpeechFeatures) -> Track:
    """What loudness alone can tell: a jaw that opens with it, a closure at every dip, the commonest viseme."""
    from scipy.signal import find_peaks

    energy = np.maximum(features.energy, features.energy.max() - 40)
    speech = energy > features.energy.max() - 25
    dips, _ = find_peaks(-np.pad(energy, 1, constant_values=energy.min()), prominence=6)
    dips = dips[(dips > 1) & (dips < len(energy))] - 1
    phones = np.where(speech, PHONES.index("n"), 0)
    probabilities = np.eye(len(PHONES), dtype=np.float32)[phones]
    return Track(phones, visemes_of(probabilities), (dips[speech[dips]] + 0.5) / 50, energy)


METHODS = ("encoder", "loudness only", "pocketsphinx phones")


def scores(encoder: SpeechEncoder, samples: Iterator[Sample], baselines: bool = True) -> dict[str, dict[str, Score]]:
    """Score by group and method, and under the group "all"."""
    table: dict[str, dict[str, Score]] = {}
    for sample in samples:
        features = encoder.encode(Speech(sample.samples))
        truth = track_of_segments(sample.segments, len(features))
        tracks = {"encoder": encoder_track(features)}
        if baselines:
            tracks["loudness only"] = loudness_track(features)
            tracks["pocketsphinx phones"] = track_of_segments(decode_phones(sample.samples), len(features))
        for group in (sample.group, "all"):
            for method, track in tracks.items():
                table.setdefault(group, {}).setdefault(method, Score()).add(track, truth)
    return table


HEADER = (
    "| {} | method | viseme | with silence | phone | p/b/m P | p/b/m R | bias ms | median ms | jaw r |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)


def score_rows(table: dict[str, dict[str, Score]]) -> str:
    rows = []
    for group, methods in table.items():
        for method, s in methods.items():
            said = f"{s.closure_precision:.2f} | {s.closure_recall:.2f} | {1000 * s.closure_bias:+.0f}"
            rows.append(
                f"| {group} | {method} | {s.viseme_accuracy:.3f} | {s.viseme_accuracy_with_silence:.3f} | "
                f"{s.phone_accuracy:.3f} | {said} | {1000 * s.closure_error:.0f} | {s.jaw_correlation:.3f} |"
            )
    return "\n".join(rows)


def voices_table(encoder: SpeechEncoder, options: Options) -> str:
    """Voices never trained on, clean, with the engines' own phone times."""
    corpus = options.work / "corpus"
    build_voices(corpus, HELD_OUT)

    def samples() -> Iterator[Sample]:
        for voice in HELD_OUT:
            group = "espeak-ng, 6 voices" if voice.startswith("espeak") else voice
            for utterance in load_shard(shard_path(corpus, voice)):
                yield Sample(group, utterance.clean, utterance.segments)

    return (
        "## Held-out voices, clean\n\nVoices: " + ", ".join(HELD_OUT) + ".\n\n"
        + HEADER.format("voice") + score_rows(scores(encoder, samples()))
    )  # fmt: skip


def speakers_table(encoder: SpeechEncoder, options: Options) -> str:
    """Real speakers. RAVDESS and the clip were never trained on; LJSpeech's speaker was, these sentences were not."""
    corpus = options.work / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    build_recordings(corpus, options.data / "speech" / "ljspeech")

    def samples() -> Iterator[Sample]:
        for path in sorted((options.data / "speech" / "ravdess").glob("03-01-*.flac")):
            sound, _ = soundfile.read(path, dtype="float32")
            segments = align(sound, RAVDESS_SENTENCES[path.stem.split("-")[4]])
            if segments is not None:
                yield Sample(f"RAVDESS actor {path.stem[-2:]}", sound, segments)

    def others() -> Iterator[Sample]:
        clip = options.data / "clips" / "styletalk_andrew_clip_2"
        rows = np.array(json.loads(clip.with_name(clip.name + "_seq.json").read_text()))
        edges = np.flatnonzero(np.diff(rows, prepend=-1, append=-1))
        sound = lips.sound_of(clip.with_suffix(".mp4")).samples
        published = [(a / 30, b / 30, PHONES.index(STYLETALK_PHONES[rows[a]])) for a, b in itertools.pairwise(edges)]
        late = _offset(published, decode_phones(sound))
        segments = [(max(a - late, 0), max(b - late, 0), phone) for a, b, phone in published]
        yield Sample(f"StyleTalk clip, its own phones moved by {-1000 * late:+.0f} ms", sound, segments)
        for utterance in load_shard(shard_path(corpus, RECORDINGS_HELD_OUT)):
            yield Sample("LJSpeech, held-out sentences", utterance.clean, utterance.segments)

    table = scores(encoder, samples())
    actors = table.pop("all")
    rest = scores(encoder, others())
    rest.pop("all")
    return (
        "## Real speakers\n\nTruth: pocketsphinx's forced alignment to the known sentences (RAVDESS, LJSpeech) or the "
        "phones published with the clip.\n\n" + HEADER.format("speaker")
        + score_rows({"RAVDESS, 6 actors": actors} | table | rest)
    )  # fmt: skip


def _offset(segments: Segments, reference: Segments) -> float:
    """Seconds by which the phones of `segments` start later than the same phones of `reference` (median)."""
    late = [
        min((start - other for other, _, same in reference if same == phone), key=abs, default=np.inf)
        for start, _, phone in segments
        if phone
    ]
    return float(np.median([delay for delay in late if abs(delay) < 0.15]))


def german_table(encoder: SpeechEncoder, options: Options) -> str:
    """A language never trained on: viseme sequences against those of the sentence, beside English."""
    rows = []
    english = options.work / "corpus"
    error, counts = [], np.zeros(2)
    for utterance in load_shard(shard_path(english, RECORDINGS_HELD_OUT)):
        truth = track_of_segments(utterance.segments, 50 * len(utterance.clean) // SAMPLE_RATE)
        said = encoder_track(encoder.encode(Speech(utterance.clean)))
        error.append(sequence_error(collapsed(said.visemes), collapsed(truth.visemes, 1)))
        counts += len(said.closures), len(truth.closures)
    rows.append(("English, LJSpeech held out", len(error), np.mean(error), counts))
    wanted = {code: _german_visemes(text) for code, text in EMODB_SENTENCES.items()}
    shuffled = dict(zip(wanted, [*list(wanted.values())[1:], wanted["a01"]], strict=True))
    error, by_chance, counts = [], [], np.zeros(2)
    for path in sorted((options.data / "speech" / "emodb").glob("*.flac")):
        sound, _ = soundfile.read(path, dtype="float32")
        said = encoder_track(encoder.encode(Speech(sound)))
        heard = collapsed(said.visemes)
        error.append(sequence_error(heard, wanted[path.stem[2:5]]))
        by_chance.append(sequence_error(heard, shuffled[path.stem[2:5]]))
        counts += len(said.closures), wanted[path.stem[2:5]].count(BILABIAL)
    rows.append(("German, EMO-DB, 10 speakers", len(error), np.mean(error), counts))
    rows.append(("German, against another sentence", len(by_chance), np.mean(by_chance), counts))
    lines = [
        f"| {name} | {number} | {1 - wrong:.2f} | {found:.0f} of {true:.0f} |"
        for name, number, wrong, (found, true) in rows
    ]
    return (
        "## Another language\n\nViseme sequence accuracy is 1 - edits / length. German sentences through espeak-ng's "
        "rules.\n\n"
        "| speech | sounds | viseme sequence accuracy | closures said of closures in the text |\n|---|---|---|---|\n"
        + "\n".join(lines)
    )


def _german_visemes(text: str) -> list[int]:
    """The sentence as visemes by espeak-ng's German rules, repeats and silence left out."""
    from benchmarks.speech_scores import VISEME_OF
    from scripts.speech_corpus.voices import arpabet

    command = ["espeak-ng", "-v", "de", "-q", "--ipa", text]
    ipa = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    # The nearest English mouths of sounds that English lacks.
    for sign, nearest in (("yː", "uː"), ("y", "uː"), ("ʏ", "ʊ"), ("øː", "ɜː"), ("ø", "ɜː"), ("œ", "ɜː"), ("ç", "ʃ"),
                          ("ts", "t s"), ("pf", "p f"), ("aː", "ɑː"), ("ɔø", "ɔɪ"), ("ʁ", "ɹ")):  # fmt: skip
        ipa = ipa.replace(sign, nearest)
    visemes = [int(VISEME_OF[phone]) for word in ipa.split() for phone in arpabet(word)]
    return [v for i, v in enumerate(visemes) if v and (i == 0 or v != visemes[i - 1])]


def clips_table(encoder: SpeechEncoder, options: Options) -> str:
    """Lips of real video against the predicted opening, each clip at its own offset."""
    seen, said, jaw, loud = {}, {}, {}, {}
    for name in CLIPS:
        video = options.data / "clips" / f"{name}.mp4"
        features = encoder.encode(lips.sound_of(video))
        seen[name] = lips.lip_opening(video).opening
        said[name], jaw[name] = lips.predicted_opening(features), lips.jaw_opening(features)
        loud[name] = lips.loudness_opening(features)
    rows, columns = [], []
    for name in CLIPS:
        lag = lips.best_lag(said[name], seen[name])
        others = [said[other] for other in CLIPS if other != name]
        columns.append((
            lips.at_lag(said[name], seen[name], lag),
            np.mean([lips.at_lag(other, seen[name], lag) for other in others]),
            np.mean([_at_best_lag(other, seen[name]) for other in others]),
            _at_best_lag(jaw[name], seen[name]),
            _at_best_lag(loud[name], seen[name]),
        ))  # fmt: skip
        values = " | ".join(f"{value:.2f}" for value in columns[-1])
        rows.append(f"| {name} | {len(seen[name]) / 25:.0f} | {lag:+d} | {values} |")
    rows.append("| mean | | | " + " | ".join(f"{value:.2f}" for value in np.mean(columns, 0)) + " |")
    return (
        "## Lips of real video\n\nCorrelation of the inner lips' distance (FaceMesh, drift slower than 0.6 s removed) "
        "with the opening that the articulation asks for: (0.3 + jaw - 0.3 pucker)(1 - closure)(1 - 0.6 labiodental). "
        "The picture is `offset` frames (40 ms) after the sound, each clip at its best.\n\n"
        "| clip | s | offset | r | r, other clips' sound, same offset | the same, each at its best offset "
        "| r of jaw - 0.6 closure | r of loudness |\n|---|---|---|---|---|---|---|---|\n" + "\n".join(rows)
    )


def _at_best_lag(said: np.ndarray, seen: np.ndarray) -> float:
    return lips.at_lag(said, seen, lips.best_lag(said, seen))


_COLD_LOAD = """
import time, numpy, safetensors.numpy
import emotalk.speech.encoder
start = time.perf_counter()
emotalk.speech.encoder.SpeechEncoder.load()
print(time.perf_counter() - start)
"""


def cost_table(encoder: SpeechEncoder) -> str:
    """Speed on one core, cold load, and memory over two hours. Set OMP_NUM_THREADS=1 before."""
    sound = _two_hours_of_sound()
    minute = np.concatenate([next(sound) for _ in range(6)])
    encode = min(_seconds(lambda: encoder.encode(Speech(minute))) for _ in range(5))
    network = min(_seconds(lambda: _network_only(encoder, minute)) for _ in range(5))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    loads = [
        float(subprocess.run([sys.executable, "-c", _COLD_LOAD], env=environment, capture_output=True, text=True,
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
        "## Cost, one core\n\n| what | value |\n|---|---|\n"
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
    stream: EncoderStream = encoder.stream()
    for start in range(0, len(samples), 10 * SAMPLE_RATE):
        stream.hear(samples[start : start + 10 * SAMPLE_RATE])


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
    main(tyro.cli(Options))
