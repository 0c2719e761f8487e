"""Records are read however they are cut; sound and face go together, sample by sample, in real Chromium."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from tests.ui.live_sound import (
    FPS,
    HOP,
    RATE,
    SIZE,
    SoundPage,
    delivered,
    end,
    header,
    noise,
    record,
    rows,
    sound,
)


@pytest.fixture(scope="module")
def page(browser):
    opened = browser.new_context()
    sounding = SoundPage(opened.new_page())
    yield sounding
    opened.close()
    assert sounding.errors == []


def scale(samples: np.ndarray) -> np.ndarray:
    return samples.astype(np.float32) / 32768


def begin_of(played) -> int:
    """The first sample that is not silent."""
    return int(np.flatnonzero(played.samples)[0])


# --- the stream ---------------------------------------------------------------------------------------------------


def test_half_floats_are_those_of_numpy(page):
    numbers = np.arange(65536, dtype="<u2")
    page.body = numbers.tobytes()
    found = page.page.evaluate(
        """async () => {
            const bytes = new Uint8Array(await (await fetch("/records")).arrayBuffer());
            const { halves } = await import("/half.js");
            return base64(halves(bytes));
        }"""
    )
    got = np.frombuffer(base64.b64decode(found), "<f4")
    np.testing.assert_array_equal(got, numbers.view("<f2").astype(np.float32))


_READ = """async ({ cuts, status, type, abort }) => {
    const { records, handlers } = recorded();
    const bytes = new Uint8Array(await (await fetch("/records")).arrayBuffer());
    const abortion = new AbortController();
    const body = new ReadableStream({
        pull(controller) {
            if (abort !== null && records.length >= abort) abortion.abort();
            else if (cuts.length === 1) controller.close();
            else controller.enqueue(bytes.slice(cuts.shift(), cuts[0]));
        },
    }, { highWaterMark: 0 });
    await live.readStream(new Response(body, { status }), handlers, abortion.signal);
    return records;
}"""


def read(page, data: bytes, cuts=(), status: int = 200, abort: int | None = None) -> list:
    page.body = data
    cuts = [0, *sorted(cuts), len(data)]
    return page.page.evaluate(_READ, {"cuts": cuts, "status": status, "abort": abort})


def whole_stream() -> tuple[bytes, list]:
    samples = noise(0.1)
    numbers = np.random.default_rng(1).normal(size=(2, SIZE)).astype("<f2")
    moods = {"first": 3, "values": [[0.5, -0.25]]}
    words = [[0.0, 0.5, "grüezi"], [0.5, 0.9, "zusammen"]]
    data = b"".join(
        (
            header(),
            sound(samples),
            record("M", numbers.tobytes()),
            record("A", b""),
            record("C", moods),
            record("W", {"words": words}),
            record("R", {"remark": "A remark."}),
            end(0.1),
        )
    )
    wanted = [
        ["header", json.loads(header()[4:])],
        ["sound", list(samples.tobytes())],
        ["rows", numbers.astype(np.float32).ravel().tolist()],
        ["sound", []],
        ["moods", moods],
        ["words", words],
        ["remark", "A remark."],
        ["end", {"seconds": 0.1}],
    ]
    return data, wanted


@pytest.mark.parametrize("count", [0, 1, 20, 400])
def test_any_cut_gives_the_same_records(page, count):
    data, wanted = whole_stream()
    cuts = np.random.default_rng(count).integers(0, len(data), count).tolist()
    assert read(page, data, cuts) == wanted


def test_a_stream_may_come_byte_by_byte(page):
    data, wanted = whole_stream()
    assert read(page, data, range(1, len(data))) == wanted


def test_what_follows_the_end_is_not_read(page):
    assert [name for name, _ in read(page, header() + end(0) + sound(noise(0.1)))] == ["header", "end"]


@pytest.mark.parametrize("left", [0, 3, 100, 2000])
def test_a_connection_that_breaks_is_a_sentence(page, left):
    data, _ = whole_stream()
    *_, last = read(page, data[: len(data) - 40 - left])
    assert last[0] == "failed"
    assert "broke off" in last[1]


def test_an_error_of_the_server_is_told(page):
    found = read(page, header() + record("X", {"error": "The voice is lost."}))
    assert found[1:] == [["failed", "The voice is lost."]]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"detail": "Somebody else is speaking."}', "Somebody else is speaking."),
        (b'{"detail": [{"loc": 1}]}', "status 429"),
        (b"<!doctype html>", "status 429"),
        (b"", "status 429"),
    ],
)
def test_a_refused_answer_is_its_sentence(page, body, sentence):
    ((name, found),) = read(page, body, status=429)
    assert name == "failed"
    assert sentence in found


@pytest.mark.parametrize(
    "data",
    [
        b"<!doctype html><p>Not found",
        sound(noise(0.1)),  # no header
        record("H", {"version": 2}),
        header() + record("C", b"{"),
        header() + b"?\0\0\0",
    ],
)
def test_what_is_no_stream_is_a_sentence(page, data):
    name, sentence = read(page, data)[-1]
    assert name == "failed"
    assert "not a talk" in sentence


def test_nothing_is_told_after_it_was_called_off(page):
    data, _ = whole_stream()
    assert [name for name, _ in read(page, data, range(1, len(data)), abort=1)] == ["header"]


# --- sound --------------------------------------------------------------------------------------------------------


def cut_at_random(samples: np.ndarray, seed: int = 0) -> list[tuple[float, bytes]]:
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(samples), 40))
    frames = -(-len(samples) // HOP)
    pieces = [(0.0, sound(piece)) for piece in np.split(samples, cuts)]
    return [(0.0, rows(0, frames)), *pieces, (0.0, end(len(samples) / RATE))]


def test_what_comes_out_is_what_went_in_sample_for_sample(page):
    samples = noise(9.3)  # longer than is given to the context at once
    played = page.play(cut_at_random(samples), 10)
    at = begin_of(played)
    got, fade = played.samples[at : at + len(samples)], round(0.004 * RATE)
    np.testing.assert_array_equal(got[:-fade], scale(samples)[:-fade])
    assert np.abs(got[-fade:]).max() <= np.abs(scale(samples)[-fade:]).max()
    assert not played.samples[at + len(samples) :].any()
    assert played.names == ["start", "end"]


def test_pieces_that_come_while_it_plays_join_the_same(page):
    samples = noise(6)
    played = page.play(delivered(samples, 0.2, 0.16, lag=0.3), 7, step=0.008)
    at = begin_of(played)
    np.testing.assert_array_equal(played.samples[at : at + len(samples)][:-64], scale(samples)[:-64])
    assert played.names == ["start", "end"]


@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000])
def test_at_any_rate_the_wave_is_the_one_that_was_sampled(page, rate):
    def wave(times):
        return sum(
            0.2 * np.sin(2 * np.pi * hertz * times + phase) for hertz, phase in [(90, 1), (1234.5, 2), (5000, 3)]
        )

    samples = np.round(wave(np.arange(5 * RATE) / RATE) * 32768).astype(np.int16)
    played = page.play(delivered(samples, 0.2, 0.1), 6, rate=rate)
    at = begin_of(played)
    wanted = wave(np.arange(5 * rate) / rate)
    inner = slice(rate // 100, 5 * rate - rate // 10)
    np.testing.assert_allclose(played.samples[at : at + 5 * rate][inner], wanted[inner], atol=1e-3)


def test_at_a_multiple_of_its_rate_its_samples_are_kept(page):
    samples = noise(5)
    played = page.play(delivered(samples, 0.2, 0.1), 6, rate=48000)
    got = played.samples[begin_of(played) :][: 3 * len(samples) : 3]
    np.testing.assert_allclose(got[:-64], scale(samples)[:-64], rtol=0, atol=1e-9)


def test_a_real_context_joins_pieces_as_exactly(page):
    samples = noise(2)
    page.body = b"".join(data for _, data in delivered(samples, 0.1, 0.05))
    found = page.page.evaluate(
        """async () => {
            const context = new AudioContext({ sampleRate: 16000 });
            const code = `registerProcessor("keep", class extends AudioWorkletProcessor {
                process([channels]) {
                    if (channels.length) this.port.postMessage(channels[0].slice());
                    return true;
                }
            });`;
            await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
            const kept = [], keep = new AudioWorkletNode(context, "keep");
            keep.port.onmessage = ({ data }) => kept.push(...data);
            keep.connect(context.destination);
            await context.resume();
            const bytes = new Uint8Array(await (await fetch("/records")).arrayBuffer());
            await new Promise((onend) => {
                const voice = new live.Voice(context, { to: keep, onend });
                new live.Records({
                    sound: (x) => voice.sound(x), rows: (x) => voice.rows(x), end: () => voice.end(),
                }, true).push(bytes);
            });
            await context.close();
            return base64(Float32Array.from(kept));
        }"""
    )
    got = np.trim_zeros(np.frombuffer(base64.b64decode(found), "<f4"))
    wanted = np.trim_zeros(scale(samples))[:-64]
    np.testing.assert_array_equal(got[: len(wanted)], wanted)


# --- the start ----------------------------------------------------------------------------------------------------


def test_there_is_no_sound_before_there_is_motion(page):
    samples = noise(2)
    feed = [(0.0, sound(samples)), (0.8, rows(0, 50)), (0.8, end(2))]
    played = page.play(feed, 4)
    assert 0.8 <= begin_of(played) / RATE <= 0.9
    assert 0.8 <= played.when("start") <= 0.9
    assert set(played.states[:40]) == {"waiting"}
    assert set(played.rows[:40]) == {None}


def test_it_starts_at_once_where_a_talk_comes_faster_than_it_is_heard(page):
    played = page.play(delivered(noise(4), 0.4, 0.1, lag=0.2), 5)
    assert played.when("start") <= 0.2
    assert played.names == ["start", "end"]


@pytest.mark.parametrize("speed", [1.0, 0.8])
def test_it_waits_where_a_talk_comes_more_slowly_and_then_does_not_stop(page, speed):
    played = page.play(delivered(noise(6), 0.2, 0.2 / speed), 10)
    assert played.names == ["start", "end"]
    assert played.when("start") <= 3.5


def test_a_talk_that_is_over_quickly_is_said_however_short(page):
    samples = noise(0.05)
    played = page.play([(0.1, sound(samples)), (0.1, rows(0, 2)), (0.1, end(0.05))], 1)
    assert played.names == ["start", "end"]
    assert played.when("end") <= 0.25


def test_a_talk_of_nothing_is_over(page):
    played = page.play([(0.1, end(0))], 1)
    assert played.names == ["end"]
    assert played.states[-1] == "over"


# --- the frame that is heard --------------------------------------------------------------------------------------


@pytest.mark.parametrize("latency", [0.0, 0.12])
def test_the_frame_told_is_that_of_the_sample_heard(page, latency):
    samples = noise(4)
    played = page.play(delivered(samples, 0.2, 0.1), 5, latency=latency)
    wrong = played.wrong(samples, latency)
    assert len(wrong) > 200
    assert max(map(abs, wrong)) <= 0.001
    for frame, row, state in zip(played.frames, played.rows, played.states, strict=True):
        assert row == (int(frame) if state == "speaking" else None)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [16000, 48000])
def test_after_five_minutes_it_is_still_in_step_and_holds_little(page, rate):
    samples = noise(300)
    played = page.play(delivered(samples, 1.0, 0.8), 302, rate=rate, step=0.096, window=24 * rate // RATE)
    wrong = played.wrong(samples)
    assert len(wrong) > 3000
    assert max(map(abs, wrong)) <= 0.001
    assert played.names == ["start", "end"]
    assert played.when("end") - played.when("start") == pytest.approx(300, abs=0.2)
    assert played.most_rows < 75 * FPS  # a fifth more comes than is heard: 60 s lie ahead at the end
    assert played.pieces == 0
    assert played.runs == 1


# --- pauses -------------------------------------------------------------------------------------------------------


def dry(motion: bool = False) -> tuple[np.ndarray, list[tuple[float, bytes]]]:
    """A talk of 4 s of which nothing comes between 1 s and the third second of the clock; with `motion`, only the rows
    stay away."""
    samples = noise(4)
    sounds = [(0.0, sound(samples[:RATE])), (0.0 if motion else 3.0, sound(samples[RATE:]))]
    feed = [*sounds, (0.0, rows(0, 25)), (3.0, rows(25, 75)), (3.0, end(4))]
    return samples, sorted(feed, key=lambda entry: entry[0])


@pytest.mark.parametrize("motion", [False, True])
def test_sound_and_face_pause_together_and_go_on_together(page, motion):
    samples, feed = dry(motion)
    played = page.play(feed, 7, step=0.008)
    assert played.names == ["start", "stall", "resume", "end"]
    begin = begin_of(played)
    got, wanted = played.samples[begin:], scale(samples)
    np.testing.assert_array_equal(got[: RATE - 320], wanted[: RATE - 320])  # then it falls, in 20 ms
    assert not got[RATE : 3 * RATE - begin].any()
    again = begin + RATE + int(np.flatnonzero(played.samples[begin + RATE :])[0])
    assert 3 <= again / RATE <= 3.1
    np.testing.assert_array_equal(
        played.samples[again + 160 : again + 3 * RATE - 64], wanted[RATE + 160 : 4 * RATE - 64]
    )
    assert max(map(abs, played.wrong(samples))) <= 0.001
    stalled = [i for i, state in enumerate(played.states) if state == "stalled"]
    assert {played.frames[i] for i in stalled} == {25.0}
    held = [i for i in stalled if played.rows[i] is not None]
    assert 0.15 <= played.times[held[-1]] - played.times[stalled[0]] <= 0.21
    assert held == stalled[: len(held)]
    assert len(stalled) > 2 * len(held)


def test_a_pause_fades_and_has_no_click(page):
    times = np.arange(4 * RATE) / RATE
    samples = np.round(20000 * np.sin(2 * np.pi * 100 * times + 1)).astype(np.int16)
    _, feed = dry()
    feed = [(0.0, sound(samples[:RATE])), (0.0, rows(0, 25)), (3.0, sound(samples[RATE:])), *feed[-2:]]
    played = page.play(feed, 7)
    assert played.names == ["start", "stall", "resume", "end"]
    steepest = np.abs(np.diff(scale(samples))).max()
    assert np.abs(np.diff(played.samples[begin_of(played) :])).max() <= 1.3 * steepest


def test_a_page_that_is_too_busy_to_play_on_pauses_without_a_click_and_loses_nothing(page):
    times = np.arange(10 * RATE) / RATE
    samples = np.round(20000 * np.sin(2 * np.pi * 100 * times + 1)).astype(np.int16)
    played = page.play([(0.0, rows(0, 250)), (0.0, sound(samples)), (0.0, end(10))], 36, step=5.5)
    assert played.names == ["start", "stall", "end"]  # it looks so rarely that it does not see itself go on
    heard = np.flatnonzero(played.samples)
    assert len(heard) == pytest.approx(10 * RATE, abs=20)
    steepest = np.abs(np.diff(scale(samples))).max()
    assert np.abs(np.diff(played.samples[heard[0] :])).max() <= 1.3 * steepest


def test_what_comes_after_stop_is_not_held(page):
    feed = [(0.1 * i, sound(noise(0.1))) for i in range(10)] + [(0.0, rows(0, 25))]
    played = page.play(sorted(feed, key=lambda entry: entry[0]), 2, stop=0.5)
    assert played.names[-1] == "stop"
    assert played.pieces == 0


def test_after_a_pause_it_waits_for_a_cushion(page):
    samples = noise(4)
    feed = [(0.0, sound(samples[:RATE])), (0.0, rows(0, 25))]
    feed += [(2 + 0.1 * i, sound(samples[RATE + 1600 * i : RATE + 1600 * (i + 1)])) for i in range(30)]
    feed += [(2 + 0.1 * i, rows(25 + i * 5 // 2, (i + 1) * 5 // 2 - i * 5 // 2)) for i in range(30)]
    played = page.play([*sorted(feed, key=lambda entry: entry[0]), (4.9, end(4))], 8)
    assert played.names == ["start", "stall", "resume", "end"]
    assert 2.2 <= played.when("resume") <= 3.2


# --- the end ------------------------------------------------------------------------------------------------------


def test_the_face_is_quiet_as_soon_as_the_sound_has_ended(page):
    samples = noise(1.01)
    played = page.play(delivered(samples, 0.5, 0.1), 2, step=0.008, latency=0.1)
    last = np.flatnonzero(played.samples)[-1] / RATE + 0.1
    for time, row in zip(played.times, played.rows, strict=True):
        if row is not None:
            assert time <= last + 0.008
    assert played.states[-1] == "over"
    assert played.when("end") == pytest.approx(last, abs=0.016)


def test_a_failure_plays_what_is_there_and_ends_with_its_sentence(page):
    samples = noise(2)
    feed = [(0.0, sound(samples)), (0.0, rows(0, 30)), (0.5, record("X", {"error": "The voice is lost."}))]
    played = page.play(feed, 3)
    begin = begin_of(played)
    heard = np.flatnonzero(played.samples)[-1] + 1 - begin
    assert heard == pytest.approx(30 * HOP, abs=2)
    assert played.names == ["start", "fail"]
    assert played.events[-1][2] == "The voice is lost."
    assert played.when("fail") == pytest.approx(begin / RATE + 1.2, abs=0.03)
    assert played.states[-1] == "failed"
    assert played.rows[-1] is None


def test_a_failure_before_anything_is_told_at_once(page):
    played = page.play([(0.1, record("X", {"error": "No."}))], 1)
    assert played.names == ["fail"]
    assert played.when("fail") <= 0.12


def test_a_failure_in_a_pause_ends_it(page):
    samples = noise(1)
    feed = [(0.0, sound(samples)), (0.0, rows(0, 25)), (2.0, record("X", {"error": "Gone."}))]
    assert page.play(feed, 3).names == ["start", "stall", "fail"]


@pytest.mark.parametrize("rate", [16000, 48000])
def test_stop_fades_at_once_without_a_click(page, rate):
    times = np.arange(3 * RATE) / RATE
    samples = np.round(20000 * np.sin(2 * np.pi * 100 * times)).astype(np.int16)
    played = page.play([(0.0, sound(samples)), (0.0, rows(0, 75)), (0.0, end(3))], 3, rate=rate, stop=1.0)
    assert played.names == ["start", "stop"]
    at = round(played.when("stop") * rate)
    last = np.flatnonzero(played.samples)[-1]
    assert 0.03 <= (last - at) / rate <= 0.06
    assert np.abs(np.diff(played.samples)).max() <= 1.2 * np.abs(np.diff(scale(samples))).max()
    assert played.states[-1] == "stopped"
    assert {row for time, row in zip(played.times, played.rows, strict=True) if time >= at / rate} == {None}


# --- what else belongs to a frame ---------------------------------------------------------------------------------


def test_moods_and_words_are_those_of_what_is_heard(page):
    samples = noise(2)
    feed = [
        (0.0, record("C", {"first": 10, "values": [[i / 10, -i / 10] for i in range(10)]})),
        (0.0, record("W", {"words": [[0.2, 0.6, "good"], [0.6, 1.1, "day"]]})),
        *delivered(samples, 0.4, 0.1),
    ]
    played = page.play(feed, 3)
    for frame, state, mood, word in zip(played.frames, played.states, played.moods, played.words, strict=True):
        if state != "speaking":
            assert word is None
            continue
        seconds = frame / FPS
        assert word == ("good" if 0.2 <= seconds < 0.6 else "day" if 0.6 <= seconds < 1.1 else None)
        i = min(int(frame) - 10, 9)
        assert mood == (None if i < 0 else [i / 10, -i / 10])


def test_the_face_waits_with_a_context_that_is_suspended(page):
    found = page.page.evaluate(
        """async () => {
            const context = new AudioContext({ sampleRate: 16000 });
            await context.suspend();
            let wall = 0, started;
            const start = new Promise((done) => { started = done; });
            const voice = new live.Voice(context, { wall: () => wall, onstart: () => started() });
            voice.sound(new Uint8Array(2 * 16000 * 20));
            voice.rows(new Float32Array(173 * 500));
            voice.end();
            wall = 5;
            const waiting = [voice.state, voice.frame, voice.row(0)];
            await context.resume();
            await start;
            const speaking = [voice.state, voice.row(voice.frame).length];
            await context.suspend();
            voice.state;
            wall = 6;
            const held = voice.frame, stalled = [voice.state, voice.row(held), voice.frame === held];
            voice.stop();
            await context.close();
            return { waiting, speaking, stalled };
        }"""
    )
    assert found == {
        "waiting": ["waiting", 0, None],
        "speaking": ["speaking", SIZE],
        "stalled": ["stalled", None, True],
    }
