"""Scenes: speakers, cuts and captions in a finished video, and what is made again when a script changes."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotalk.core.errors import Cancelled, InputError, VideoError, VoiceError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS, SAMPLE_RATE
from emotalk.talk import Look, Studio, TalkRequest, Transparent
from emotalk.talk.captions import Caption
from emotalk.talk.play import PlayRequest, SpokenLine, panes, play, scene_captions, towards
from emotalk.talk.screenplay import parse_screenplay
from emotalk.talk.take import EASE_IN, EASE_OUT, SOUND, Take, TakeFacts, eased
from emotalk.talk.take_store import TakeStore
from emotalk.video.reader import read_frames
from tests.video.test_writer import decoded_sound, describe

SCRIPT = "Mira = voice espeak:en-us+f3\nKofi = voice espeak:en-us\nMira: Ready?\nKofi [angry]: No. *Never.*\n"
LOOK = Look(size=128, mark="off")


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(device="cpu")


@pytest.fixture(scope="module")
def scene(studio, tmp_path_factory):
    """A scene of two speakers, its store, and its captions."""
    folder = tmp_path_factory.mktemp("scene")
    store = TakeStore(folder / "takes")
    made = play(
        studio,
        PlayRequest(parse_screenplay(SCRIPT), look=LOOK),
        folder / "a.mp4",
        captions=folder / "a.srt",
        store=store,
    )
    return made, store


def frames_of(clip) -> np.ndarray:
    return np.stack(list(read_frames(clip.path, clip.width, clip.height)))


def faces(studio: Studio) -> dict[str, np.ndarray]:
    return {name: studio.still(name, LOOK, 0, 0).astype(float) for name in ("mira", "kofi")}


@pytest.mark.slow
def test_the_picture_is_of_who_speaks(studio, scene):
    made, _ = scene
    frames, face = frames_of(made), faces(studio)
    assert len(frames) == made.frames
    for line in made.lines:
        name = line.speaker.lower()
        other = "kofi" if name == "mira" else "mira"
        for frame in frames[round(line.start * FPS) : round(line.end * FPS)]:
            assert np.abs(frame - face[name]).mean() < np.abs(frame - face[other]).mean()


@pytest.mark.slow
def test_sound_and_picture_stay_together(scene):
    made, store = scene
    sound = decoded_sound(Path(made.path))
    voices = {}
    for take in store.folder.iterdir():
        facts = json.loads((take / "take.json").read_text())
        samples = np.frombuffer((take / SOUND).read_bytes()[44:], "<i2") / 32767
        voices[facts["written"]] = samples
    for line in made.lines:
        samples = voices[line.written]
        reach, due = SAMPLE_RATE // 10, round(line.start * SAMPLE_RATE)
        window = np.pad(sound, reach)[due : due + len(samples) + 2 * reach]
        offset = np.argmax(np.correlate(window, samples, "valid")) - reach
        assert abs(offset) / SAMPLE_RATE <= 0.02


@pytest.mark.slow
def test_captions_say_what_is_written_while_it_is_said(scene):
    made, _ = scene
    written = Path(made.captions_path).read_text()
    assert "Ready?" in written
    assert "No. Never." in written
    assert [line.written for line in made.lines] == ["Ready?", "No. Never."]
    assert "AI-generated synthetic video" in describe(Path(made.path))
    assert made.seconds == made.lines[-1].end
    assert made.lines[0].end == made.lines[1].start


@pytest.mark.slow
def test_a_head_is_at_rest_where_a_line_begins_and_ends(studio, scene):
    made, _ = scene
    frames, face = frames_of(made), faces(studio)
    for line in made.lines:
        for number in (round(line.start * FPS), round(line.end * FPS) - 1):
            assert (
                np.abs(frames[number] - face[line.speaker.lower()]).mean() < 3
            )  # two encodings; a moving head is off by 4


@pytest.mark.slow
def test_only_what_changed_is_made_again(studio, scene, tmp_path):
    made, store = scene
    assert made.reused == 0
    script = SCRIPT.replace("Mira: Ready?", "Mira: So?\nMira: Ready?")
    again = play(studio, PlayRequest(parse_screenplay(script), look=LOOK), tmp_path / "b.mp4", store=store)
    assert [line.reused for line in again.lines] == [False, True, True]
    same = play(studio, PlayRequest(parse_screenplay(script), look=LOOK), tmp_path / "c.mp4", store=store)
    assert same.reused == 3
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "c.mp4").read_bytes()
    # A mark and captions belong to the scene, not to its parts.
    marked = PlayRequest(parse_screenplay(script), look=replace(LOOK, mark="top-left", captions="words"))
    painted = play(studio, marked, tmp_path / "d.mp4", store=store)
    assert painted.reused == 3
    assert (frames_of(painted)[:, :20, :60] != frames_of(same)[:, :20, :60]).any()
    assert (frames_of(painted)[5:20, 80:] != frames_of(same)[5:20, 80:]).any()


@pytest.mark.slow
def test_side_by_side_everybody_is_there_and_listens(studio, tmp_path):
    request = PlayRequest(parse_screenplay(SCRIPT), "side-by-side", replace(LOOK, shape="16:9"))
    made = play(studio, request, tmp_path / "a.mp4", store=TakeStore(tmp_path / "takes"))
    frames = frames_of(made)
    left, right = (columns for _, columns in panes(request.look, 2))
    second = round(made.lines[1].start * FPS)
    for side in (left, right):  # a face in each that moves, whoever speaks
        for part in (frames[:second], frames[second:]):
            assert np.abs(np.diff(part[:, :, side].astype(float), axis=0)).mean() > 0.01
    jumps = np.abs(np.diff(frames.astype(float), axis=0)).mean((1, 2, 3))
    assert jumps[second - 1] <= jumps.max()
    assert jumps[second - 1] < 3 * np.median(jumps) + 1  # no jump where the line changes
    assert len(list((tmp_path / "takes").iterdir())) == 4


def test_who_listens_looks_at_who_speaks_and_blinks_as_ever(studio):
    request = TalkRequest(avatar="mira", text="...", seed=4, look=LOOK)

    def listening(towards: tuple[float, float] | None) -> HeadMotion:
        take = Take(studio, request, listening=6 * FPS, towards=towards)
        blocks = take.sound()
        return HeadMotion.concatenate([motion for motion, _ in take._motion(next(blocks), blocks)])

    ahead, turned = listening(None), listening((22.0, -13.0))
    looks = [motion.gaze + motion.head_pose[:, [1, 0]] * (1, -1) for motion in (ahead, turned)]  # to the right, and up
    inner = slice(EASE_IN, -EASE_OUT)
    assert np.degrees((looks[1] - looks[0])[inner].mean(0)) == pytest.approx([22, -13], abs=1)
    assert (turned.eyelids == ahead.eyelids).all()
    assert turned.eyelids.max() > 0.9  # within six seconds
    assert not turned.head_pose[[0, -1]].any()  # so that no line begins with a jump
    assert not turned.gaze[[0, -1]].any()


def test_the_further_away_somebody_speaks_the_more_a_listener_is_turned():
    wide, tall = panes(Look(size=360, shape="16:9"), 3), panes(Look(size=360, shape="9:16"), 2)
    assert towards(wide[0], wide[1]) == (22, 0)
    assert towards(wide[2], wide[1]) == (-22, 0)
    assert towards(wide[0], wide[2])[0] > towards(wide[0], wide[1])[0]
    assert towards(tall[0], tall[1]) == (0, -13)  # who is below is looked down at
    assert towards(tall[1], tall[0]) == (0, 13)


@pytest.mark.slow
@pytest.mark.parametrize(("staging", "ending"), [("cut", ".webm"), ("side-by-side", ".mov")])
def test_a_scene_on_nothing(studio, tmp_path, staging, ending):
    look = replace(LOOK, size=96, shape="16:9", background=Transparent(), captions="lines")
    store = TakeStore(tmp_path / "takes")
    made = play(studio, PlayRequest(parse_screenplay(SCRIPT), staging, look), tmp_path / f"a{ending}", store=store)
    frames = np.stack(list(read_frames(made.path, made.width, made.height, alpha=True)))
    assert len(frames) == made.frames
    assert frames[:, :6, :6, 3].max() <= 6
    for rows, columns in panes(look, 1 if staging == "cut" else 2):
        middle = (columns.start + columns.stop) // 2
        assert frames[:, rows.stop // 2, middle - 2 : middle + 2, 3].min() >= 240  # a face
    again = play(studio, PlayRequest(parse_screenplay(SCRIPT), staging, look), tmp_path / f"b{ending}", store=store)
    assert again.reused == 2
    with pytest.raises(InputError, match=r"\.webm .* or a \.mov"):
        play(studio, PlayRequest(parse_screenplay(SCRIPT), staging, look), tmp_path / "a.mp4", store=store)


@pytest.mark.slow
def test_a_stopped_scene_leaves_no_video_and_goes_on_from_what_is_finished(studio, tmp_path):
    store = TakeStore(tmp_path / "takes")
    request = PlayRequest(parse_screenplay(SCRIPT), look=LOOK)
    heard = []

    def stop() -> bool:
        return bool(heard) and heard[-1].stage.startswith("line 2")

    with pytest.raises(Cancelled):
        play(studio, request, tmp_path / "a.mp4", store=store, progress=heard.append, cancelled=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["takes"]
    made = play(studio, request, tmp_path / "a.mp4", store=store)
    assert [line.reused for line in made.lines] == [True, False]


@pytest.mark.slow
def test_a_voice_without_words_has_no_captions(studio, tmp_path):
    request = PlayRequest(parse_screenplay("Mira = voice flite:slt\nMira: Hi."), look=replace(LOOK, captions="lines"))
    with pytest.raises(VoiceError, match=r"Line 2 \(Mira\): The voice flite:slt does not tell"):
        play(studio, request, tmp_path / "a.mp4", store=TakeStore(tmp_path / "takes"))


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("Mira: Hi.\nBob: Ho.", r"Line 2: There is no avatar 'bob'; known are: .*mira.*\"Bob = mira\""),
        ("Bob = nobody\nBob: Ho.", r"Line 1: There is no avatar 'nobody'"),
        ("Bob = ../mira\nBob: Ho.", r"Line 1: There is no avatar '\.\./mira'"),
        ("Mira = voice opera\nMira: Ho.", r"Line 1: There is no voice 'opera'"),
    ],
)
def test_who_cannot_be_cast_is_told_with_the_line(studio, tmp_path, script, sentence):
    with pytest.raises(InputError, match=sentence):
        play(studio, script, tmp_path / "a.mp4", store=TakeStore(tmp_path / "takes"))
    assert list(tmp_path.iterdir()) == []


def test_a_request_is_checked():
    script = parse_screenplay("\n".join(f"P{n}: Hi." for n in range(5)))
    with pytest.raises(InputError, match="5 people speak, and at most 4 fit"):
        PlayRequest(script, "side-by-side")
    with pytest.raises(InputError, match="no staging 'opera'"):
        PlayRequest(script, "opera")
    with pytest.raises(InputError, match="Screenplay, found str"):
        PlayRequest("Mira: Hi.")
    with pytest.raises(InputError, match="seed"):
        PlayRequest(script, seed=-1)


@given(st.integers(1, 4), st.sampled_from(["1:1", "9:16", "16:9"]), st.integers(32, 540).map(lambda n: 2 * n))
@settings(max_examples=30)
def test_panes_fill_the_picture_with_even_sides(count, shape, size):
    look = Look(size=size, shape=shape)
    covered = np.zeros((look.height, look.width), int)
    for rows, columns in panes(look, count):
        covered[rows, columns] += 1
        assert (rows.stop - rows.start) % 2 == (columns.stop - columns.start) % 2 == 0
    assert (covered == 1).all()


def motion_of(values: np.ndarray) -> HeadMotion:
    n = len(values)
    parts = (np.ones((n, 52)), np.zeros((n, 3)), np.ones((n, 2)), np.zeros((n, 2)), np.ones((n, 6)))
    return HeadMotion(*(part * values[:, None] for part in parts))


@given(st.integers(0, 40), st.lists(st.integers(0, 40), max_size=4))
@settings(max_examples=40)
def test_motion_is_eased_the_same_however_it_is_cut(frames, cuts):
    whole = motion_of(np.linspace(1, 2, frames)) if frames else HeadMotion.neutral(0)
    places = [0, *sorted(min(cut, frames) for cut in cuts), frames]
    pieces = [(whole[a:b], np.zeros(640 * (b - a), np.float32)) for a, b in itertools.pairwise(places)]
    out = list(eased(iter(pieces)))
    motion = HeadMotion.concatenate([part for part, _ in out])
    once = HeadMotion.concatenate([part for part, _ in eased(iter([(whole, np.zeros(0, np.float32))]))])
    assert (motion.expression == once.expression).all()
    assert len(motion) == frames
    assert sum(len(samples) for _, samples in out) == 640 * frames
    if frames > EASE_IN + EASE_OUT:
        assert not motion.head_pose[[0, -1]].any()
        inner = slice(EASE_IN, -EASE_OUT)
        assert (motion.gaze[inner] == whole.gaze[inner]).all()


def test_captions_of_two_speakers_do_not_meet():
    lines = (SpokenLine("A", "Yes.", 0.0, 0.5), SpokenLine("B", "No.", 0.5, 1.5))
    takes = [TakeFacts(12, ((0.1, 0.4, "Yes"),), "Yes."), TakeFacts(25, ((0.1, 0.4, "No"),), "No.")]
    assert scene_captions(lines, takes) == (Caption(0.1, 0.6, "Yes."), Caption(0.6, 1.6, "No."))


class TestStore:
    """Takes on the disk."""

    @staticmethod
    def film(folder: Path) -> TakeFacts:
        (folder / "picture.mp4").write_bytes(b"x" * 1000)
        (folder / "sound.wav").write_bytes(b"y")
        facts = {"frames": 3, "words": [[0, 1, "a"]], "written": "a", "voice": "v", "remarks": []}
        (folder / "take.json").write_text(json.dumps(facts))
        return TakeFacts(3, ((0.0, 1.0, "a"),), "a", "v")

    def test_a_take_is_made_once_and_again_where_it_is_damaged(self, tmp_path):
        store = TakeStore(tmp_path)
        place, facts, reused = store.get("k", self.film)
        assert not reused
        assert store.get("k", self.film) == (place, facts, True)
        (place / "take.json").write_text("{")
        assert store.get("k", self.film) == (place, facts, False)

    def test_a_failed_take_leaves_nothing(self, tmp_path):
        def fail(folder: Path) -> TakeFacts:
            (folder / "picture.mp4").write_bytes(b"x")
            raise VideoError("no")

        with pytest.raises(VideoError, match="no"):
            TakeStore(tmp_path).get("k", fail)
        assert list(tmp_path.iterdir()) == []

    def test_the_store_is_bounded_and_keeps_what_was_used_last(self, tmp_path):
        store = TakeStore(tmp_path, limit=3500)
        for age, key in enumerate("abcde"):
            place, _, _ = store.get(key, self.film)
            os.utime(place, (1000 + age, 1000 + age))
        store.trim(keep={"a"})
        assert {place.name for place in tmp_path.iterdir()} == {"a", "d", "e"}
