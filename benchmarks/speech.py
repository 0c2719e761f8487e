"""What the speech encoder hears, beside two baselines: `python -m benchmarks.speech`.

Prints tables and writes them to benchmarks/results/speech.md (with `--only`, those parts of it). Needs the research
data beside the checkout and the Debian packages that `scripts.train_speech` names; what is missing is left out, and
the table says so.
"""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import tyro

from benchmarks import voice_emotion
from benchmarks.results_file import with_sections
from benchmarks.speech_alignment import alignment_table
from benchmarks.speech_cost import cost_table
from benchmarks.speech_lips import clips_table, sound_of
from benchmarks.speech_methods import HEADER, Sample, encoder_track, remembered, score_rows, scores
from benchmarks.speech_scores import BILABIAL, VISEME_OF, Segments, collapsed, sequence_error, track_of_segments
from emotalk.core.atomic import write_text
from emotalk.core.rates import SAMPLE_RATE
from emotalk.core.speech import PHONES, Speech
from emotalk.speech.encoder import SpeechEncoder
from scripts.speech_corpus.align import align, decode_phones
from scripts.speech_corpus.build import HELD_OUT, build_voices, load_shard, shard_path
from scripts.speech_corpus.recordings import GRID_HELD_OUT, LJSPEECH_HELD_OUT, build_recordings
from scripts.speech_corpus.text import FORTUNES
from scripts.speech_corpus.voices import arpabet

log = logging.getLogger("benchmarks.speech")

RESULTS = Path(__file__).parent / "results" / "speech.md"
GROUPS = {"espeak": "espeak-ng, 6 voices", "kokoro": "Kokoro, 5 voices"}
RECORDED = {GRID_HELD_OUT: "GRID, 7 speakers", LJSPEECH_HELD_OUT: "recordings labelled LJSpeech"}
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
    """Parts to run: voices, speakers, alignment, german, clips, emotion, cost. All by default."""
    write: bool = True
    """Write benchmarks/results/speech.md."""


def main(options: Options) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    encoder = SpeechEncoder.load(options.encoder)
    speech, clips, grid = (options.data / name for name in ("speech", "clips", "grid"))
    parts = {
        "voices": (lambda: voices_table(encoder, options), [FORTUNES]),
        "speakers": (lambda: speakers_table(encoder, options), [speech / "ravdess", speech / "ljspeech", grid, clips]),
        "alignment": (lambda: alignment_table(encoder, speech), [speech / "ravdess", speech / "ljspeech"]),
        "german": (lambda: german_table(encoder, options), [speech / "emodb", speech / "ljspeech"]),
        "clips": (lambda: clips_table(encoder, clips), [clips]),
        "emotion": (lambda: voice_emotion.run(speech), [speech / "emodb", speech / "ravdess"]),
        "cost": (lambda: cost_table(options.encoder), []),
    }
    sections = []
    for name, (part, needed) in parts.items():
        missing = [str(folder) for folder in needed if not folder.is_dir()]
        if options.only and name not in options.only:
            continue
        sections.append(f"## {name}\n\nNot measured: {', '.join(missing)} is missing." if missing else part())
    print("\n\n".join(sections))
    if options.write:
        kept = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Speech encoder\n"
        write_text(RESULTS, with_sections(kept, sections))


def voices_table(encoder: SpeechEncoder, options: Options) -> str:
    """Voices never trained on, clean, with the engines' own phone times."""
    corpus = options.work / "corpus"
    build_voices(corpus, HELD_OUT)

    def samples() -> Iterator[Sample]:
        for voice in HELD_OUT:
            group = GROUPS.get(voice.partition(":")[0], voice)
            for utterance in load_shard(shard_path(corpus, voice)):
                yield Sample(group, utterance.clean, utterance.segments)

    return (
        "## Held-out voices, clean\n\nVoices: " + ", ".join(HELD_OUT) + ".\n\n"
        + HEADER.format("voice") + score_rows(scores(encoder, samples(), options.work / "pocketsphinx"))
    )  # fmt: skip


def speakers_table(encoder: SpeechEncoder, options: Options) -> str:
    """Real speakers: none of them was trained on."""
    corpus = options.work / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    build_recordings(corpus, options.data / "speech" / "ljspeech", options.data / "grid")

    def samples() -> Iterator[Sample]:
        for path in sorted((options.data / "speech" / "ravdess").glob("03-01-*.flac")):
            sentence = RAVDESS_SENTENCES[path.stem.split("-")[4]]
            sound, _ = soundfile.read(path, dtype="float32")
            segments = remembered(options.work / "pocketsphinx", align, sound, sentence)
            if segments is not None:
                yield Sample(f"RAVDESS actor {path.stem[-2:]}", sound, segments)

    def others() -> Iterator[Sample]:
        clip = options.data / "clips" / "styletalk_andrew_clip_2"
        rows = np.array(json.loads(clip.with_name(clip.name + "_seq.json").read_text()))
        edges = np.flatnonzero(np.diff(rows, prepend=-1, append=-1))
        sound = sound_of(clip.with_suffix(".mp4")).samples
        published = [(a / 30, b / 30, PHONES.index(STYLETALK_PHONES[rows[a]])) for a, b in itertools.pairwise(edges)]
        late = _offset(published, decode_phones(sound))
        segments = [(max(a - late, 0), max(b - late, 0), phone) for a, b, phone in published]
        yield Sample(f"StyleTalk clip, its own phones moved by {-1000 * late:+.0f} ms", sound, segments)
        for name, label in RECORDED.items():
            for utterance in load_shard(shard_path(corpus, name)):
                yield Sample(label, utterance.clean, utterance.segments)

    table = scores(encoder, samples(), options.work / "pocketsphinx")
    actors = table.pop("all")
    rest = scores(encoder, others(), options.work / "pocketsphinx")
    rest.pop("all")
    return (
        "## Real speakers\n\nEvery recording of six RAVDESS actors; none of these speakers was trained on. "
        "Truth: forced alignment to the known sentences by pocketsphinx (so its own decoder is "
        "judged by its own model) or the phones published with the clip. `viseme` and `phone` count the frames of "
        "speech; `with silence` counts all frames, as other work often does (36 % of the RAVDESS frames are "
        "silence).\n\n"
        + HEADER.format("speaker")
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
    for utterance in load_shard(shard_path(english, LJSPEECH_HELD_OUT)):
        truth = track_of_segments(utterance.segments, 50 * len(utterance.clean) // SAMPLE_RATE)
        said = encoder_track(encoder.encode(Speech(utterance.clean)))
        error.append(sequence_error(collapsed(said.visemes), collapsed(truth.visemes, 1)))
        counts += len(said.closures), len(truth.closures)
    rows.append(("English, labelled LJSpeech", len(error), np.mean(error), counts))
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
    command = ["espeak-ng", "-v", "de", "-q", "--ipa", text]
    ipa = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    # The nearest English mouths of sounds that English lacks.
    for sign, nearest in (("yː", "uː"), ("y", "uː"), ("ʏ", "ʊ"), ("øː", "ɜː"), ("ø", "ɜː"), ("œ", "ɜː"), ("ç", "ʃ"),
                          ("ts", "t s"), ("pf", "p f"), ("aː", "ɑː"), ("ɔø", "ɔɪ"), ("ʁ", "ɹ")):  # fmt: skip
        ipa = ipa.replace(sign, nearest)
    visemes = [int(VISEME_OF[phone]) for word in ipa.split() for phone in arpabet(word)]
    return [v for i, v in enumerate(visemes) if v and (i == 0 or v != visemes[i - 1])]


if __name__ == "__main__":
    main(tyro.cli(Options))
