"""The cards of the motion network and its judges: what they are, what they learned from, what may be done with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from emotalk.core.atomic import write_text
from emotalk.learning.corpus import USES, narrowest
from scripts.motion_corpus.grid import ATTRIBUTION

CARDS: dict[str, tuple[str, str]] = {
    "motion": (
        "Gated residual motion network",
        """Speech features, valence/arousal and a style vector to ARKit-52 expression at 25 fps
(`emotalk/motion/network.py`). Its teacher is a coarticulation model over known phone times, joined with the
valence/arousal field (`emotalk/learning/teacher.py`). Losses: face, base branch, residual, contacts, sync score,
recognised emotion, and strain: how far an emotion moves lips in units of the
freedom that filmed people's lips have at the sound (`emotalk/learning/lip_freedom.py`). The gate has no target of its
own. The lip branch then learns from filmed people, mixed with the teacher (`emotalk/learning/filmed_lips.py`): squared
error of lip measures in units of each speaker's spread.""",
    ),
    "sync": (
        "Audio-visual sync network",
        """Scores whether lips (four measures, from ARKit coefficients or from face landmarks) belong to a sound, and
finds their offset (`emotalk/sync/network.py`). Contrastive, trained on the teacher's lips as a camera would see them
and on filmed ones. A training loss, of adaptation to a person as well. Not fit for telling who speaks or whether a
video is genuine.""",
    ),
    "sync_judge": (
        "Audio-visual sync network for measuring",
        """The same as `sync.safetensors` from another seed, other voices and other films: nothing was trained to
please it. Benchmarks and `emotalk evaluate` score with it.""",
    ),
    "consistency": (
        "Emotion recogniser over whole motions",
        """Reads expression, gaze, lids, jaw and head pose and gives valence and arousal, judging face and body apart
(`emotalk/motion/emotion_recogniser.py`). Trained on motions of strange people: the field of faces bent, mixed and
unequal, other sizes and tempos of body, time stretched, seen as a tracker sees, with mouths and eyes lent by filmed and
captured people (`emotalk/learning/felt_motions.py`). A training loss. It says nothing about the feelings of real
people.""",
    ),
    "consistency_judge": (
        "Emotion recogniser for measuring",
        """The same as `consistency.safetensors` from another seed, other voices and other people: nothing was trained
to please it. Benchmarks and `emotalk evaluate` read moods with it.""",
    ),
}
DATA = """Voices of flite, festival, espeak-ng and (where their shards were there) Kokoro saying sentences from Debian's
fortunes and wamerican, heard by the shipped speech encoder clean and through simulated microphones, rooms and codecs,
and as exact phone times. kal16, kal_diphone, six espeak-ng variants and one sentence in twenty were kept for
measurements."""
_USE = {
    "any": "Apache-2.0 (weights and code)",
    "non-commercial": "Apache-2.0 (code); weights for non-commercial use only, as a corpus that they learned from asks",
    "private": "Apache-2.0 (code); weights not to be given away, as a corpus that they learned from asks",
}


def write_cards(out: Path, names: Iterable[str], facts: Mapping[str, Any]) -> None:
    """Model cards beside the checkpoints of these names; results are added by `python -m benchmarks.motion`.

    `facts` are those of the training. What corpora state about licence and consent goes into the card of the motion
    network, which alone learns from them.
    """
    for name in names:
        write_text(out / f"{name}.md", card(name, facts))


def card(name: str, facts: Mapping[str, Any]) -> str:
    """The card of one of CARDS, as Markdown."""
    title, what = CARDS[name]
    cost = f"{facts['cpu_minutes']} CPU minutes on one core here, after the corpus was heard"
    corpora = facts.get("corpora", []) if name == "motion" else []
    films = f"- Films: {facts['grid']} sentences. {ATTRIBUTION}.\n" if facts.get("grid") else ""
    use = narrowest([USES[0], *(corpus["weights"] for corpus in corpora)])
    return (
        f"# {title}\n\n{what}\n\n- Data: {facts['minutes']} minutes of text-to-speech. {DATA}\n{films}"
        f"{''.join(corpus_lines(corpus) for corpus in corpora)}"
        f"- Training: `python -m scripts.train_motion --work FOLDER` ({cost}).\n- Licence: {_USE[use]}.\n"
        "- Results: benchmarks/results/motion.md\n"
    )


def corpus_lines(corpus: Mapping[str, Any]) -> str:
    """What a card tells of a corpus (`learning.corpus.Corpus.card`)."""
    lines = [
        f"- Corpus: {corpus['name']}, {corpus['clips']:,} clips, {corpus['minutes']} minutes, {corpus['people']:,} "
        f"people ({corpus['source']}). {corpus['attribution']}"
    ]
    lines += [f"  - Licence: {text} ({count:,} clips)" for text, count in corpus["licences"].items()]
    lines += [f"  - Consent: {text} ({count:,} clips)" for text, count in corpus["consents"].items()]
    lines.append(f"  - What it lets be done with weights: {corpus['weights']}")
    return "\n".join(lines) + "\n"
