"""From a request to a clip: what is said is what is shown, the same seed gives the same clip, and nothing half-made
stays behind."""

import csv
import itertools
import os
import re
import signal
import subprocess
import threading
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import AudioError, AvatarError, Cancelled, EmotalkError, InputError, VideoError, VoiceError
from emotalk.core.progress import Progress
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.core.speech import Speech
from emotalk.emotion import EmotionCurve
from emotalk.motion import read_livelink
from emotalk.speech import say
from emotalk.speech.kokoro import KokoroEngine
from emotalk.talk import job as talking
from emotalk.talk import studio as pipeline
from emotalk.talk.background import Colour
from emotalk.talk.mood import mood_of
from emotalk.talk.request import Look, TalkRequest
from emotalk.talk.studio import Studio
from emotalk.video import VideoWriter, ffmpeg_path
from emotalk.video import writer as writer_module

SMALL = Look(size=64)
SENTENCE = "Hello, how are you today?"


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio()


def speech_file(folder: Path, seconds: float, rate: int = 16_000, channels: int = 1, width: int = 2) -> Path:
    """A WAV file with syllable-like bursts of a buzz."""
    t = np.arange(round(seconds * rate)) / rate
    buzz = np.sign(np.sin(2 * np.pi * 120 * t)) * 0.3 * (np.sin(2 * np.pi * 2 * t) > 0)
    whole = np.round(buzz * (2 ** (8 * width - 1) - 1)).astype("<i4")
    raw = np.repeat(whole[:, None], channels, 1).reshape(-1)
    data = raw.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
    path = folder / f"speech-{seconds}-{rate}-{channels}-{8 * width}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return path


def frames_of(path: str | Path, side: int = 64) -> np.ndarray:
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, side, side, 3).astype(np.float32)


def sound_of(path: str | Path) -> np.ndarray:
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-vn", "-ac", "1", "-ar", str(SAMPLE_RATE)]
    raw = subprocess.run([*command, "-f", "f32le", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.float32)


def test_a_text_becomes_a_clip_with_sound_and_motion(studio: Studio, tmp_path: Path) -> None:
    seen: list[Progress] = []
    pieces: list[bytes] = []
    clip = studio.talk(
        TalkRequest(text=SENTENCE, look=SMALL),
        tmp_path / "hello.mp4",
        motion_out=tmp_path / "hello.csv",
        frames_dir=tmp_path / "frames",
        on_piece=pieces.append,
        progress=seen.append,
    )
    pictures = frames_of(clip.path)
    assert 1.0 < clip.seconds < 4.0
    assert len(pictures) == clip.frames == round(clip.seconds * FPS)
    sound = sound_of(clip.path)
    assert len(sound) / SAMPLE_RATE == pytest.approx(clip.seconds, abs=0.05)
    assert np.sqrt(np.mean(sound**2)) > 0.02
    assert np.abs(np.diff(pictures, axis=0)).mean((1, 2, 3)).max() > 0.3  # it moves

    with open(clip.motion_path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == clip.frames
    assert [row["Timecode"] for row in rows[:2]] == ["00:00:00:00.000", "00:00:00:01.000"]
    assert max(float(row["JawOpen"]) for row in rows) > 0.02

    stills = sorted((tmp_path / "frames").iterdir())
    assert len(stills) == clip.frames
    drawn = np.asarray(Image.open(stills[0]), np.float32)
    assert np.abs(drawn - pictures[0]).mean() < 6  # what was drawn is what was encoded

    assert len(pieces) >= 2
    assert pieces[0][4:8] == b"ftyp"
    assert {"speech", "motion", "pose", "render", "encode", "first_piece", "total"} <= clip.timings.keys()
    assert seen[-1].done == clip.frames
    assert seen[-1].total == clip.frames
    assert all(a.done <= b.done for a, b in itertools.pairwise(seen))


def test_the_seed_changes_the_take_and_the_card_says_whose_face_it_is(tmp_path: Path) -> None:
    studio = Studio()
    person = studio.avatar("mira")

    def talk(seed: int) -> dict[str, np.ndarray]:
        request = TalkRequest(text="Hello.", seed=seed, emotion=EmotionCurve.constant(-0.5, 0.8), look=SMALL)
        clip = studio.talk(request, None, motion_out=tmp_path / "motion.csv")
        with open(clip.motion_path, newline="") as file:
            rows = list(csv.DictReader(file))
        return {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "Timecode"}

    def lopsided(motion: dict[str, np.ndarray]) -> float:
        return motion["NoseSneerLeft"].mean() / motion["NoseSneerRight"].mean()

    first, second = talk(0), talk(1)
    assert np.abs(first["HeadYaw"] - second["HeadYaw"]).max() > 0.005
    assert lopsided(first) == pytest.approx(lopsided(second), rel=0.003)
    person.card = replace(person.card, face=2)
    assert abs(lopsided(talk(0)) / lopsided(first) - 1) > 0.01


@pytest.mark.slow
def test_a_stream_of_pieces_is_the_video_and_closing_it_stops_the_talk(studio: Studio, tmp_path: Path) -> None:
    pieces = list(studio.stream(TalkRequest(text=SENTENCE, look=SMALL), target=tmp_path / "whole.mp4"))
    (tmp_path / "joined.mp4").write_bytes(b"".join(pieces))
    assert np.array_equal(frames_of(tmp_path / "joined.mp4"), frames_of(tmp_path / "whole.mp4"))

    running = studio.stream(TalkRequest(text=SENTENCE * 50, look=SMALL), target=tmp_path / "long.mp4")
    assert next(running)[4:8] == b"ftyp"
    running.close()
    assert not (tmp_path / "long.mp4").exists()
    with pytest.raises(AvatarError):
        list(studio.stream(TalkRequest(avatar="nobody", text=SENTENCE, look=SMALL)))


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Voices are chosen, and none of them speaks: there is no need to load the large one."""
    monkeypatch.delenv("EMOTALK_VOICE", raising=False)
    monkeypatch.setattr(KokoroEngine, "prepare", lambda self: None)


@pytest.mark.usefixtures("unloaded")
def test_a_preset_has_a_voice_of_its_own_that_is_installed(studio: Studio) -> None:
    installed = {voice.id for voice in studio.voices()}
    for name in ("mira", "kofi"):
        assert studio.voice_for(name).partition("+")[0] in installed
    assert studio.voice_for("mira") != studio.voice_for("kofi")
    assert studio.voice_for("somebody else") is None


@pytest.mark.usefixtures("unloaded")
def test_the_voice_of_a_setting_reads_what_it_can_and_a_presets_own_the_rest(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = studio.voice_for("mira")
    monkeypatch.setenv("EMOTALK_VOICE", "espeak:fr-fr")
    assert studio.voice_for("mira", "fr") == "espeak:fr-fr"
    assert studio.voice_for("mira") == own
    monkeypatch.setenv("EMOTALK_VOICE", "espeak:en-gb")
    assert studio.voice_for("mira") == "espeak:en-gb"
    monkeypatch.setenv("EMOTALK_VOICE", "espeak:nowhere")
    assert studio.voice_for("mira") is None  # it is told when it is to speak


def test_one_call_makes_a_clip(tmp_path: Path) -> None:
    clip = pipeline.talk("Hello.", tmp_path / "one.mp4", emotion="happy", look=SMALL)
    assert Path(clip.path).stat().st_size > 1000


@pytest.mark.slow
def test_an_audio_file_keeps_its_time(studio: Studio, tmp_path: Path) -> None:
    source = speech_file(tmp_path, 3.0)
    clip = studio.talk(TalkRequest(audio=source, look=SMALL), tmp_path / "spoken.mp4")
    assert clip.frames == 75
    given = (np.sin(2 * np.pi * 2 * np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE) > 0).astype(np.float32)
    heard = np.abs(sound_of(clip.path)[: 3 * SAMPLE_RATE])
    lags = range(-1600, 1601, 8)
    score = [
        np.dot(given[1600:-1600], heard[1600 + lag : len(heard) - 1600 + lag][: len(given) - 3200]) for lag in lags
    ]
    assert abs(lags[int(np.argmax(score))]) / SAMPLE_RATE <= 0.020


@pytest.mark.slow
def test_the_same_seed_gives_the_same_clip_and_another_seed_another(studio: Studio, tmp_path: Path) -> None:
    def make(name: str, seed: int) -> bytes:
        studio.talk(TalkRequest(text=SENTENCE, look=SMALL, seed=seed), tmp_path / f"{name}.mp4")
        return (tmp_path / f"{name}.mp4").read_bytes()

    first = make("first", 1)
    assert make("again", 1) == first
    assert make("other", 2) != first


BASE = {"text": "Hello, how are you?", "look": SMALL}
CHANGES = {
    "mood": {"emotion": EmotionCurve.constant(0.9, 0.5)},
    "mood over time": {"emotion": EmotionCurve.from_keys([(0, -0.8, -0.3), (1, 0.8, 0.6)])},
    "head motion": {"head_motion": 0.0},
    "camera yaw": {"look": Look(size=64, yaw=25)},
    "camera pitch": {"look": Look(size=64, pitch=15)},
    "zoom": {"look": Look(size=64, zoom=1.5)},
    "background": {"look": Look(size=64, background=Colour.parse("#ff0000"))},
    "mark": {"look": Look(size=64, mark="off")},
}


@pytest.fixture(scope="module")
def plain_frames(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    return frames_of(studio.talk(TalkRequest(**BASE), tmp_path_factory.mktemp("plain") / "plain.mp4").path)


@pytest.mark.slow
@pytest.mark.parametrize("control", CHANGES)
def test_every_control_visibly_does_something(
    studio: Studio, tmp_path: Path, plain_frames: np.ndarray, control: str
) -> None:
    changed = studio.talk(TalkRequest(**(BASE | CHANGES[control])), tmp_path / "changed.mp4")
    a, b = plain_frames, frames_of(changed.path)
    count = min(len(a), len(b))
    assert np.abs(a[:count] - b[:count]).mean() > 0.1


def test_expressiveness_scales_the_mood(studio: Studio) -> None:
    neutral, half, full, more = (studio.still("mira", SMALL, 0.5, 0.2, x).astype(float) for x in (0.0, 0.5, 1.0, 2.0))
    steps = [np.abs(face - neutral).mean() for face in (half, full, more)]
    assert 0 < steps[0] < steps[1] < steps[2]
    assert mood_of(EmotionCurve.constant(0.8, -0.4), 2.0).values == ((1.0, -0.8),)


@pytest.mark.slow
def test_the_mood_sheet_shows_a_different_face_in_every_cell(studio: Studio) -> None:
    sheet = studio.mood_sheet("mira", SMALL, mark="off").astype(float)
    assert sheet.shape == (320 + 16, 320 + 16, 3)  # with a strip for each axis
    cells = sheet[:320, 16:].reshape(5, 64, 5, 64, 3).transpose(0, 2, 1, 3, 4).reshape(25, -1)
    distance = np.abs(cells[:, None] - cells[None]).mean(-1) + 99 * np.eye(25)
    assert distance.min() > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["bottom-right", "top-left"])
def test_the_sheets_mark_hides_no_face(studio: Studio, mark: str) -> None:
    plain = studio.mood_sheet("mira", SMALL, mark="off", moods=2)
    marked = studio.mood_sheet("mira", SMALL, mark=mark, moods=2)
    band = len(marked) - len(plain)
    assert band > 8
    strip = marked[:band] if mark.startswith("top") else marked[-band:]
    np.testing.assert_array_equal(marked[band:] if mark.startswith("top") else marked[:-band], plain)
    assert strip.min() < 140  # the label is there


def test_stopping_raises_and_leaves_nothing(studio: Studio, tmp_path: Path) -> None:
    stop = threading.Event()
    with pytest.raises(Cancelled):
        studio.talk(
            TalkRequest(text=SENTENCE * 20, look=SMALL),
            tmp_path / "long.mp4",
            progress=lambda p: p.done >= 10 and stop.set(),
            cancelled=stop.is_set,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rate", "channels", "width"),
    [(48_000, 2, 3), (44_100, 8, 2), (192_000, 1, 3)],
    ids=["24-bit", "8-channel", "192kHz"],
)
def test_unusual_audio_is_taken(studio: Studio, tmp_path: Path, rate: int, channels: int, width: int) -> None:
    source = speech_file(tmp_path, 0.6, rate, channels, width)
    assert studio.talk(TalkRequest(audio=source, look=SMALL), tmp_path / "x.mp4").frames == 15


def test_a_video_file_is_taken_for_its_sound(studio: Studio, tmp_path: Path) -> None:
    first = studio.talk(TalkRequest(audio=speech_file(tmp_path, 0.8), look=SMALL), tmp_path / "a.mp4")
    assert studio.talk(TalkRequest(audio=first.path, look=SMALL), tmp_path / "b.mp4").frames in (20, 21, 22)


@pytest.mark.parametrize("kind", ["empty", "corrupt", "silent", "not audio"])
def test_audio_that_cannot_be_used_is_refused(studio: Studio, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "in.wav"
    if kind == "empty":
        source.write_bytes(b"")
    elif kind == "corrupt":
        source.write_bytes(np.random.default_rng(0).bytes(5000))
    elif kind == "silent":
        with wave.open(str(source), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(bytes(64_000))
    else:
        source.write_text("these are words, not sound\n" * 50)
    with pytest.raises(AudioError):
        studio.talk(TalkRequest(audio=source, look=SMALL), tmp_path / "x.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["in.wav"]


def test_two_hours_of_audio_are_refused_at_once_where_there_is_a_limit(studio: Studio, tmp_path: Path) -> None:
    source = tmp_path / "long.wav"
    with wave.open(str(source), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        for _ in range(120):
            file.writeframes(np.random.default_rng(0).integers(0, 255, 8000 * 60, dtype=np.uint8).tobytes())
    with pytest.raises(AudioError, match=r"120 minutes; at most 600 seconds"):
        studio.talk(TalkRequest(audio=source, look=SMALL, max_seconds=600), tmp_path / "x.mp4")


@pytest.mark.parametrize(
    "text", ["😀 Great! 🎉", "🎉", "你好，世界。", "Привет, мир!", "<b>bold</b> & <script>alert(1)</script> words"]
)
def test_emoji_other_scripts_and_tags_are_spoken(studio: Studio, tmp_path: Path, text: str) -> None:
    assert studio.talk(TalkRequest(text=text, look=SMALL), tmp_path / "x.mp4").frames > 10


def test_a_script_that_no_voice_reads_is_refused_in_words(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(EmotalkError, match="No voice here can read"):
        studio.talk(TalkRequest(text="\U00012000\U00012001\U00012002", look=SMALL), tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nobody", "../../etc", "/etc", "mira/../mira", "..", "mira\0", "a" * 5000])
def test_an_unknown_avatar_or_a_path_is_refused(studio: Studio, tmp_path: Path, name: str) -> None:
    with pytest.raises(AvatarError, match="There is no avatar"):
        studio.talk(TalkRequest(avatar=name, text=SENTENCE, look=SMALL), tmp_path / "x.mp4")


def test_a_full_disk_is_said_and_nothing_half_written_stays(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = writer_module._open_part

    class Full:
        def __init__(self, file) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            self.file.close()

    def full(target: Path):
        file, path = opened(target)
        return Full(file), path

    monkeypatch.setattr(writer_module, "_open_part", full)
    with pytest.raises(VideoError, match="No space left"):
        studio.talk(TalkRequest(text=SENTENCE, look=SMALL), tmp_path / "x.mp4", motion_out=tmp_path / "x.csv")
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".csv"] == []


def test_a_killed_ffmpeg_is_said(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[VideoWriter] = []

    class Remembered(VideoWriter):
        def __init__(self, *arguments, **options) -> None:
            started.append(self)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(talking, "VideoWriter", Remembered)

    def kill(progress: Progress) -> None:
        if progress.done == 5:
            os.kill(started[0]._process.pid, signal.SIGKILL)

    with pytest.raises(VideoError, match="ffmpeg stopped early"):
        studio.talk(TalkRequest(text=SENTENCE * 5, look=SMALL), tmp_path / "x.mp4", progress=kill)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_arousal_follows_the_voice_in_auto(studio: Studio, tmp_path: Path) -> None:
    source = speech_file(tmp_path, 3.0)
    auto = TalkRequest(audio=source, look=SMALL, emotion="auto", valence_in_auto=0.8)
    fixed = TalkRequest(audio=source, look=SMALL, emotion=EmotionCurve.constant(0.0, 0.0))
    a = frames_of(studio.talk(auto, tmp_path / "a.mp4").path)
    b = frames_of(studio.talk(fixed, tmp_path / "b.mp4").path)
    assert np.abs(a - b).mean() > 0.1


def test_captions_are_written_beside_the_video(studio: Studio, tmp_path: Path) -> None:
    request = TalkRequest(text="[happy] Five *big* maps. [oops] Go!", voice="espeak:en-us", look=SMALL)
    clip = studio.talk(request, tmp_path / "a.mp4", captions=tmp_path / "a.vtt")
    written = (tmp_path / "a.vtt").read_text(encoding="utf-8")
    assert written.startswith("WEBVTT")
    assert "Five big maps." in written
    assert "happy" not in written
    assert clip.captions_path == str(tmp_path / "a.vtt")
    assert any("[oops]" in remark for remark in clip.remarks)


def test_a_voice_that_tells_no_words_is_listened_to(studio: Studio, tmp_path: Path) -> None:
    request = TalkRequest(text="Five big maps. We saw 12 more.", voice="flite:slt", look=SMALL)
    clip = studio.talk(request, tmp_path / "a.mp4", captions=tmp_path / "a.vtt")
    assert [word.strip(".") for _, _, word in clip.words] == ["Five", "big", "maps", "We", "saw", "twelve", "more"]
    starts = [start for start, _, _ in clip.words]
    assert starts == sorted(starts)
    assert starts[-1] < clip.seconds
    assert "We saw 12 more." in (tmp_path / "a.vtt").read_text(encoding="utf-8")


def test_a_voice_whose_words_are_not_heard_has_no_captions(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    said = Speech(noise, text="Five big maps are on the table today.", source="flite:slt")
    monkeypatch.setattr("emotalk.speech.say_stream", lambda *_, **__: iter([said]))
    request = TalkRequest(text=said.text, voice="flite:slt", look=SMALL)
    with pytest.raises(VoiceError, match="does not tell when it says which word"):
        studio.talk(request, tmp_path / "a.mp4", captions=tmp_path / "a.vtt")
    assert not (tmp_path / "a.vtt").exists()


def test_a_text_without_words_has_no_captions_and_says_so(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = Speech(np.zeros(SAMPLE_RATE // 2, np.float32))
    monkeypatch.setattr("emotalk.speech.say_stream", lambda *_, **__: iter([silence]))
    request = TalkRequest(text=SENTENCE, voice="espeak:en-us", look=SMALL)
    clip = studio.talk(request, tmp_path / "a.mp4", captions=tmp_path / "a.vtt")
    assert (clip.captions_path, (tmp_path / "a.vtt").exists()) == (None, False)
    assert clip.remarks == ("There are no captions: no words were said.",)


def test_captions_that_cannot_be_are_refused_before_any_work(
    studio: Studio, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sound = speech_file(tmp_path_factory.mktemp("sound"), 1.0)
    typed = TalkRequest(text=SENTENCE, voice="espeak:en-us", look=SMALL)
    with pytest.raises(InputError, match="srt"):
        studio.talk(typed, tmp_path / "a.mp4", captions=tmp_path / "a.txt")
    with pytest.raises(InputError, match="recording"):
        studio.talk(TalkRequest(audio=sound, look=SMALL), tmp_path / "a.mp4", captions=tmp_path / "a.srt")
    assert list(tmp_path.iterdir()) == []


def recording(folder: Path, text: str) -> Path:
    """A file of a voice that says a text."""
    path = folder / "said.wav"
    soundfile.write(path, say(text, "espeak:en-us").samples, SAMPLE_RATE)
    return path


def test_a_recording_whose_words_are_given_has_captions_without_their_directions(
    studio: Studio, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = "We ran 5 km, and nobody came."
    said = recording(tmp_path_factory.mktemp("sound"), text)
    request = TalkRequest(audio=said, transcript="[sad] We *ran* 5 km, and [pause 1] nobody came.", look=SMALL)
    clip = studio.talk(request, tmp_path / "a.mp4", captions=tmp_path / "a.srt")
    assert text in (tmp_path / "a.srt").read_text(encoding="utf-8").replace("\n", " ")
    assert (clip.captions_path, clip.remarks) == (str(tmp_path / "a.srt"), ())


def test_a_transcript_of_something_else_is_told_and_the_recording_played_all_the_same(
    studio: Studio, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    said = recording(tmp_path_factory.mktemp("sound"), "We ran five kilometers, and nobody came.")
    request = TalkRequest(audio=said, transcript="Please close the old window over there.", look=SMALL)
    clip = studio.talk(request, tmp_path / "a.mp4", captions=tmp_path / "a.srt", motion_out=tmp_path / "a.csv")
    assert clip.captions_path is None
    assert len(clip.remarks) == 1
    assert "does not fit the recording" in clip.remarks[0]
    assert not (tmp_path / "a.srt").exists()
    studio.talk(TalkRequest(audio=said, look=SMALL), None, motion_out=tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.slow
def test_where_a_transcript_lacks_a_sentence_that_is_told_and_its_words_have_no_captions(
    studio: Studio, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first, second = (
        "My brother put the paper boat back into the pond.",
        "Nobody came to the market before the bell rang.",
    )
    third = "Keep the milk cold and the bread warm."
    said = recording(tmp_path_factory.mktemp("sound"), f"{first} {second} {third}")
    request = TalkRequest(audio=said, transcript=f"{first} {third}", look=SMALL)
    clip = studio.talk(request, tmp_path / "a.mp4", captions=tmp_path / "a.srt")
    (remark,) = clip.remarks
    assert re.search(r"does not fit about [2-4] s of the recording", remark)
    assert "My brother put the paper" in (tmp_path / "a.srt").read_text(encoding="utf-8").replace("\n", " ")


def test_the_search_for_a_transcript_can_be_stopped(
    studio: Studio, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    said = recording(tmp_path_factory.mktemp("sound"), SENTENCE)
    with pytest.raises(Cancelled):
        studio.talk(
            TalkRequest(audio=said, transcript=SENTENCE, look=SMALL), tmp_path / "a.mp4", cancelled=lambda: True
        )
    assert not (tmp_path / "a.mp4").exists()


def test_a_direction_moves_the_face(studio: Studio, tmp_path: Path) -> None:
    def smile(text: str) -> float:
        request = TalkRequest(text=text, voice="espeak:en-us", head_motion=0.0, look=SMALL)
        studio.talk(request, None, motion_out=tmp_path / "m.csv")
        motion = read_livelink(tmp_path / "m.csv")
        return float(motion.expression[-15:, ARKIT_INDEX["mouthSmileLeft"]].mean())

    plain, joyful = smile("Well, here we are now."), smile("[happy] Well, here we are now.")
    assert joyful > plain + 0.1


def test_a_text_in_another_language_is_read_by_a_voice_that_speaks_it(studio: Studio, tmp_path: Path) -> None:
    clip = studio.talk(TalkRequest(text="Morgen fahren wir zusammen in die Stadt.", look=SMALL), tmp_path / "a.mp4")
    assert any("espeak:de" in remark for remark in clip.remarks)
    chosen = TalkRequest(text="Morgen fahren wir zusammen in die Stadt.", voice="espeak:en-us", look=SMALL)
    assert studio.talk(chosen, tmp_path / "b.mp4").remarks == ()


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize("language", ["es", "fr", "it", "pt", "hi"])
def test_shipped_faces_have_voices_in_other_languages(studio: Studio, language: str) -> None:
    installed = {voice.id: voice for voice in studio.voices()}
    woman, man = studio.voice_for("mira", language), studio.voice_for("kofi", language)
    assert installed[woman].language.startswith(language)
    assert installed[man].language.startswith(language)
    assert woman.startswith("kokoro:")
    assert studio.voice_for("mira", "tlh") is None


def test_a_sample_is_said_by_the_voice_and_in_the_mood(studio: Studio) -> None:
    calm, excited = (studio.sample("mira", "espeak:en-us", (0.0, arousal)) for arousal in (-0.8, 0.8))
    assert calm.seconds > excited.seconds
    assert studio.sample("mira", "espeak:sv").seconds > 1
    with pytest.raises(VoiceError):
        studio.sample("mira", "espeak:nowhere")
