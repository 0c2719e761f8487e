"""The card of the speech encoder: what it is, what it was made from, how well it hears."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.speech_methods import HEADER, Sample, score_rows, scores
from emotalk.core.atomic import write_text
from emotalk.core.rates import SAMPLE_RATE
from emotalk.speech.encoder import SpeechEncoder
from scripts.speech_corpus.build import (
    HELD_OUT,
    MINUTES,
    Utterance,
    load_shard,
    shard_path,
    validation_sentence,
)
from scripts.speech_corpus.recordings import COPIES, GRID_HELD_OUT, LJSPEECH_HELD_OUT, READER_LOWEST_HZ, TRAINED

_TEMPLATE = """# Speech encoder

`speech.safetensors` (weights, half precision) and `speech.json` (shape): log-mel in; at 50 Hz out come
{width} features, probabilities of 40 phones and six articulations (jaw, width, pucker, closure, labiodental, tongue).
{parameters:,} parameters, look-ahead {look_ahead:.1f} ms. Loaded by `emotalk.speech.SpeechEncoder.load()`.

## How it was made

    python -m scripts.train_speech --work ../speech-training --steps {steps} --seed {seed}

{minutes:.0f} minutes of text-to-speech by {voices} voices with the engines' own phone times; {neural:.0f} of these
minutes, by {neural_voices} voices and blends of two, are Kokoro's, in English, Spanish, French, Italian, Portuguese and
Hindi and in moods from all of the valence-arousal square, drawn twice as often as the others by the minute. Borders of
its English phones were moved to where pocketsphinx's forced alignment hears them when that was within 80 ms. {recorded}
All of it also through random equalisers, rooms, noises, babble, codecs and gains. Articulation is learned from
`emotalk.speech.coarticulation` (a dominance model after Cohen & Massaro 1993 and JALI, Edwards et al. 2016).

| source | licence |
|---|---|
| flite's voices rms, slt, awb (CMU ARCTIC) | CMU's, free to use, change and sell |
| festival's slt (HTS) and ked (diphones) | CMU's and the University of Edinburgh's, likewise |
| espeak-ng, 37 voices | the program is GPL-3; its sound is not covered by it |
| Kokoro-82M v1.0 and its voices | Apache-2.0 |
{recorded_licences}| texts: Debian's fortunes, wamerican, manpages-fr, hunspell-hi | spoken only, not contained |

The reader of LJSpeech, which is in the public domain, is a woman. Recordings labelled so whose median pitch lies below
{lowest:.0f} Hz are somebody else's, under a licence that is not known: none of them was trained on. One in ten of them
is measured with, below.

GRID: M. Cooke, J. Barker, S. Cunningham, X. Shao, "An audio-visual corpus for speech perception and automatic speech
recognition", JASA 120(5), 2006, doi 10.5281/zenodo.3625687. Its licence is read from catalogue entries that name it;
older copies of the corpus's first site say "for research use".

No recording of RAVDESS, EMO-DB or of any video clip was used for training. Two choices were made with RAVDESS in view,
where most false closures stood at k, g, ng and dh: their weight in the loss, and that throats of the copies reach
further up. The number of steps was chosen on held-out speakers of GRID and voices of Kokoro. 102 CPU minutes of one
core without bfloat16. Licence of the weights: Apache-2.0.

## How well it hears

Share of the frames of speech with the right viseme or phone; closures of p, b, m found within 80 ms; correlation of
the jaw with the dominance model over the true phone times. More, with baselines, real speakers and video:
`benchmarks/results/speech.md`.

{table}

The held-out voices: {held_out}; kal16 and kal_diphone are one
speaker, no training voice is his.

Weak cases: fast casual speech, whispering, several people at once, music. Other languages than English are heard
through English phones. It was trained on synthetic voices, few of them of other languages than English, and on one
person.
"""

_RECORDED = (
    "Beside them {minutes:.0f} minutes of recordings of people ({names}; each played at {copies} speeds; {share:.0%} "
    "of every batch) with phone times by forced alignment."
)
_LICENCES = {
    "grid": "| one speaker of GRID (six words a sentence) | CC BY 4.0 |\n",
    "ljspeech": "| LJSpeech | public domain |\n",
}

_GROUPS = {"espeak": "held-out voices: espeak-ng, 6", "kokoro": "held-out voices: Kokoro, 5"}


def write_card(path: Path, encoder: SpeechEncoder, corpus: Path, steps: int, seed: int, share: float) -> None:
    """Measures the encoder on what it was not trained on and writes its card, moved into place."""
    trained = [voice for voice in MINUTES if voice not in HELD_OUT]
    table = scores(encoder, _samples(corpus, trained))
    table.pop("all")
    neural = [voice for voice in trained if voice.startswith("kokoro")]
    shards = {name: shard_path(corpus, name) for name in TRAINED if shard_path(corpus, name).exists()}
    recorded = sum(len(u.clean) for shard in shards.values() for u in load_shard(shard)) / SAMPLE_RATE / 60 / COPIES
    text = _TEMPLATE.format(
        width=encoder.feature_size,
        parameters=encoder.parameters,
        look_ahead=1000 * encoder.look_ahead,
        steps=steps,
        seed=seed,
        minutes=sum(MINUTES[voice] for voice in trained),
        voices=len(trained),
        neural=sum(MINUTES[voice] for voice in neural),
        neural_voices=len(neural),
        recorded=_RECORDED.format(minutes=recorded, names=", ".join(shards), copies=COPIES, share=share)
        if shards
        else "No recording of a person was trained on.",
        recorded_licences="".join(_LICENCES[name] for name in shards),
        lowest=READER_LOWEST_HZ,
        held_out=", ".join(HELD_OUT),
        table=HEADER.format("sound") + score_rows(table),
    )
    write_text(path, text)


def _samples(corpus: Path, trained: list[str]) -> Iterator[Sample]:
    for voice in HELD_OUT:
        engine = voice.partition(":")[0]
        group = _GROUPS.get(engine, f"held-out voice: {voice}")
        yield from _of(group, load_shard(shard_path(corpus, voice)))
    for voice in trained[:5]:
        unseen = [u for u in load_shard(shard_path(corpus, voice)) if validation_sentence(u.text)]
        yield from _of("trained voices, new sentences", unseen)
        yield from (Sample("the same, distorted", u.distorted, u.segments) for u in unseen)
    recorded = {"seven unseen speakers of GRID": GRID_HELD_OUT, "recordings labelled LJSpeech": LJSPEECH_HELD_OUT}
    for group, name in recorded.items():
        if shard_path(corpus, name).exists():
            yield from _of(group, load_shard(shard_path(corpus, name)))


def _of(group: str, utterances: list[Utterance]) -> Iterator[Sample]:
    return (Sample(group, utterance.clean, utterance.segments) for utterance in utterances)
