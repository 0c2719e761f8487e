"""What becomes of the texts people type: `python -m benchmarks.speech_text`.

Says one text of each kind, then streams 10,000 words, and writes benchmarks/results/speech_text.md.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

from emotalk.core.atomic import write_text
from emotalk.core.errors import EmotalkError
from emotalk.speech import default_voice, say, say_stream
from emotalk.speech.text import phrases

RESULTS = Path(__file__).resolve().parent / "results" / "speech_text.md"

TEXTS = {
    "numbers": "It has 1,234,567 parts, weighs -3.5 kg and costs $5.20, i.e. 50% less than in 1999.",
    "dates and times": "On 2026-11-20 at 14:05, or 3/4/2024, 9 am.",
    "addresses": "See https://www.example.com/help?id=7 or write to me@example.org.",
    "emoji in a text": "Well done 👍🏽🎉!",
    "nothing but emoji": "😀🎉",
    "SSML-like": "<speak>Hello <break time='1s'/> <emphasis level='strong'>world</emphasis> &amp; all</speak>",
    "code": "if (x<y && z>w) { return R2D2; }",
    "styled letters": "𝐇𝐞𝐥𝐥𝐨 １２ ﬁne Z̷͇̈́a̸l̵g̶o̷",
    "control characters": "a\x00b\x07c\u202ed\ud800e",
    "Cyrillic within English": "He said Привет to me.",
    "Chinese": "你好，世界。",
    "Japanese, kana": "ひらがな",
    "Japanese, kanji": "日本語です",
    "Korean": "안녕하세요",
    "Arabic": "مرحبا بالعالم",
    "Hebrew": "שלום עולם",
    "Hindi": "नमस्ते दुनिया",
    "Thai": "สวัสดี",
    "Greek": "Γεια σου Κόσμε",
    "Tibetan": "བོད་སྐད",
    "a word of 2,000 letters": "ab" * 1000,
    "empty": "",
    "only marks": "?!...",
}
SENTENCE = "This is sentence number {0}, and it was written on the {1} of May for a test of long texts. "


def kinds_table(voice: str) -> str:
    """One row for each kind of text: what is said and how long it takes, or the sentence that refuses it."""
    lines = ["| kind | what is said, or why not | seconds of speech | seconds to make it |", "|---|---|---|---|"]
    for kind, text in TEXTS.items():
        started = time.perf_counter()
        try:
            speech = say(text, voice)
        except EmotalkError as error:
            lines.append(f"| {kind} | *{error}* | - | - |")
            continue
        spent = time.perf_counter() - started
        said = " / ".join(f"{p.language}: {p.text}" if p.language else p.text for p in phrases(text))
        shown = (said if len(said) <= 110 else f"{said[:107]}...").replace("|", "\\|")
        lines.append(f"| {kind} | {shown} | {speech.seconds:.1f} | {spent:.2f} |")
    return "\n".join(lines)


def long_text_table(voices: list[str], words: int = 10_000) -> str:
    """Streams a text of `words` words with each voice."""
    count, text = 0, ""
    while len(text.split()) < words:
        text += "".join(SENTENCE.format(i, i % 28 + 1) for i in range(count, count + 50))
        count += 50
    text = " ".join(text.split()[:words])
    lines = [
        "| voice | first sentence after | all of it | times real time | seconds of speech | memory grew by |",
        "|---|---|---|---|---|---|",
    ]
    process = psutil.Process(os.getpid())
    for voice in voices:
        say("Warm up.", voice)
        before, started = process.memory_info().rss, time.perf_counter()
        first = seconds = 0.0
        for part in say_stream(text, voice):
            first = first or time.perf_counter() - started
            seconds += part.seconds
        spent = time.perf_counter() - started
        grown = (process.memory_info().rss - before) / 2**20
        lines.append(
            f"| {voice} | {first:.2f} s | {spent:.0f} s | {seconds / spent:.0f} | {seconds:.0f} | {grown:.0f} MB |"
        )
    return "\n".join(lines)


def run() -> str:
    """The section as Markdown."""
    best = default_voice().id
    voices = [best, "espeak:en-us"] if best != "espeak:en-us" else [best]
    return (
        f"## Texts\n\nSaid by {best}; letters of other alphabets by espeak's voice of the language named.\n\n"
        f"{kinds_table(best)}\n\nA text of 10,000 words, streamed sentence by sentence:\n\n"
        f"{long_text_table(voices)}\n\n"
        f"Load average {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores.\n"
    )


def main() -> None:
    """Prints the section and writes it to benchmarks/results/speech_text.md."""
    text = run()
    write_text(RESULTS, text)
    print(text)


if __name__ == "__main__":
    main()
