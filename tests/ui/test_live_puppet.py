"""A microphone moves a face: what is sent, when what comes back is shown, and how it ends, in real Chromium."""

from __future__ import annotations

import base64
import wave

import numpy as np
import pytest

from tests.conftest import CHROMIUM, SWITCHES
from tests.ui.live_sound import HOP, RATE, SoundPage

_RIG = """() => {
    // A puppet whose clock, microphone and server are this test's: `turn` hears on and answers what is due.
    window.rig = ({ rate, sound, answer, lag = 0 }) => {
        const r = { sent: [], due: [], failures: [], shown: [], levels: [], seconds: 0, frames: 0, told: 0, at: 0 };
        const context = { sampleRate: rate, currentTime: 3, state: "running", closed: 0, close() { this.closed++; } };
        const rows = (first, count) => {
            const body = new DataView(new ArrayBuffer(4 + 346 * count));
            body.setUint32(0, 77 | (346 * count) << 8, true);
            const half = (x) => {
                const power = Math.floor(Math.log2(x));
                return x && ((power + 15) << 10) + (x / 2 ** power - 1) * 1024;
            };
            for (let i = 0; i < count; i++) {
                body.setUint16(4 + 346 * i, half((first + i) % 1000), true);
                body.setUint16(6 + 346 * i, half(Math.floor((first + i) / 1000)), true);
            }
            return body.buffer;
        };
        let failed;
        r.failed = new Promise((done) => { failed = done; });
        r.context = context;
        r.puppet = new live.Puppet((bytes) => new Promise((done, lost) => {
            r.sent.push(bytes);
            r.frames += bytes.length / 1280;
            const known = Math.max(r.told, r.frames - lag), told = r.told;
            r.told = known;
            r.due.push([r.seconds + answer(r.seconds), done, lost, () => rows(told, known - told)]);
        }), { onfail: (sentence) => { r.failures.push(sentence); failed(); } });
        r.puppet.listen(context);
        r.turn = async (seconds, look = true) => {
            for (const until = r.seconds + seconds; r.seconds < until - 1e-9;) {
                r.seconds += 0.01;
                context.currentTime = 3 + r.seconds;
                while ((r.at + 1024) / rate <= r.seconds) {
                    const piece = Float32Array.from({ length: 1024 }, (_, i) => sound((r.at + i) / rate));
                    r.puppet.hear({ began: 3 + r.at / rate, piece });
                    r.at += 1024;
                }
                if (r.due.length && r.due[0][0] <= r.seconds) {
                    const [, done, , make] = r.due.shift();
                    done({ ok: true, arrayBuffer: async () => make() });
                    for (let i = 0; i < 10; i++) await null;   // what follows an answer follows at once
                }
                const { frame } = r.puppet, row = r.puppet.row(frame);
                if (look) r.shown.push([r.seconds, frame, row && row[0] + 1000 * row[1]]);
                r.levels.push(r.puppet.level);
            }
        };
        r.joined = () => {
            const all = new Uint8Array(r.sent.reduce((n, x) => n + x.length, 0));
            r.sent.reduce((n, x) => { all.set(x, n); return n + x.length; }, 0);
            return base64(all);
        };
        return r;
    };
}"""
_WAVE = "(t) => 0.2 * Math.sin(2 * Math.PI * 300 * t) + 0.2 * Math.sin(2 * Math.PI * 2345 * t)"


@pytest.fixture(scope="module")
def page(browser):
    opened = browser.new_context()
    sounding = SoundPage(opened.new_page())
    sounding.page.evaluate(_RIG)
    yield sounding
    opened.close()
    assert sounding.errors == []


def run(page, steps: str, rate: int = 48000, sound: str = _WAVE, answer: str = "() => 0.05", lag: int = 0):
    return page.page.evaluate(
        f"async () => {{ const r = rig({{ rate: {rate}, sound: {sound}, answer: {answer}, lag: {lag} }}); {steps} }}"
    )


def sent_samples(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<i2") / 32768


# --- what is sent -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_what_is_sent_is_what_was_heard_at_16_khz_without_a_seam(page, rate):
    got = sent_samples(run(page, "await r.turn(3); return r.joined();", rate=rate))
    times = np.arange(len(got)) / RATE
    wanted = 0.2 * np.sin(2 * np.pi * 300 * times) + 0.2 * np.sin(2 * np.pi * 2345 * times)
    assert 2.7 <= len(got) / RATE <= 3
    np.testing.assert_allclose(got[200:], wanted[200:], atol=1e-3)


def test_what_16_khz_cannot_tell_is_left_out_and_does_not_come_back_as_noise(page):
    got = sent_samples(
        run(page, "await r.turn(2); return r.joined();", sound="(t) => Math.sin(2 * Math.PI * 11000 * t)")
    )
    assert np.abs(got[200:]).max() < 0.01


def test_whole_frames_are_sent_80_ms_at_least(page):
    sizes = run(page, "await r.turn(3); return r.sent.map((x) => x.length);")
    assert min(sizes) >= 2 * 2 * HOP
    assert {size % (2 * HOP) for size in sizes} == {0}


def test_one_request_at_a_time_and_what_is_said_meanwhile_goes_with_the_next(page):
    found = run(
        page,
        "let most = 0; for (let i = 0; i < 60; i++) { await r.turn(0.05); most = Math.max(most, r.due.length); }"
        "return { most, sizes: r.sent.map((x) => x.length / 1280), dropped: r.puppet.dropped };",
        answer="() => 0.4",
    )
    assert found["most"] == 1
    assert found["dropped"] == 0
    assert set(found["sizes"][1:]) <= {8, 9, 10, 11}


def test_at_most_a_second_waits_and_what_is_older_is_dropped_and_counted(page):
    found = run(
        page,
        "await r.turn(6);"
        "return { sizes: r.sent.map((x) => x.length / 2), dropped: r.puppet.dropped, text: r.joined() };",
        answer="(t) => t < 1 ? 2.5 : 0.05",
        sound="(t) => Math.floor(t * 25) / 1000",
    )
    assert max(found["sizes"]) <= RATE
    assert found["dropped"] % HOP == 0
    assert 1.3 <= found["dropped"] / RATE <= 1.6
    frames = np.round(sent_samples(found["text"])[HOP // 2 :: HOP] * 1000)
    missing = sorted(set(range(int(frames[-1]))) - set(frames.astype(int)))
    assert len(missing) == found["dropped"] // HOP
    assert missing == list(range(missing[0], missing[-1] + 1))


# --- what is shown ------------------------------------------------------------------------------------------------


def behind(shown: list, since: float) -> np.ndarray:
    """Seconds that the row shown lies behind the microphone, from `since` on."""
    return np.array([time - row / 25 for time, _, row in shown if time >= since and row is not None])


@pytest.mark.parametrize(("answer", "lag"), [("() => 0.03", 0), ("() => 0.09", 0), ("() => 0.03", 2)])
def test_the_face_follows_within_300_ms_and_evenly(page, answer, lag):
    shown = run(page, "await r.turn(8); return r.shown;", answer=answer, lag=lag)
    late = [entry for entry in shown if entry[0] >= 2]
    assert all(row == int(frame) for _, frame, row in late)  # there is always the row that is due
    assert behind(shown, 2).max() <= 0.3 + 0.04
    delays = np.array([time - frame / 25 for time, frame, _ in late])
    assert delays.max() <= 0.3
    assert np.ptp(delays) <= 0.03
    assert np.abs(np.diff(delays)).max() <= 0.012


def test_answers_that_come_unevenly_do_not_make_it_jump(page):
    shown = run(page, "await r.turn(12); return r.shown;", answer="(t) => 0.02 + 0.08 * Math.abs(Math.sin(37 * t))")
    late = [entry for entry in shown if entry[0] >= 4]
    steps = np.diff([frame for _, frame, _ in late])
    assert steps.min() >= 0
    assert steps.max() <= 1.5 * 0.25
    right = [row == int(frame) for _, frame, row in late]
    assert np.mean(right) >= 0.98


def test_after_a_hiccup_it_is_soon_close_again_and_rows_stay_with_their_sound(page):
    found = run(
        page,
        "await r.turn(20); return [r.shown, r.puppet.dropped / 640];",
        answer="(t) => t > 3 && t < 3.2 ? 2.5 : 0.05",
    )
    shown, dropped = found
    assert any(row is None for time, _, row in shown if 4 < time < 6)
    assert dropped > 20
    for time, frame, row in shown:
        if time > 12:
            assert time - frame / 25 <= 0.3
            assert row + dropped == int(frame)  # rows of this test tell the frame of what was sent


def test_it_is_quiet_until_the_first_row_and_when_rows_stay_away(page):
    shown = run(page, "await r.turn(8); return r.shown;", answer="(t) => t < 3 ? 0.05 : 3")
    assert shown[5][2] is None
    assert any(row is not None for time, _, row in shown if 1 < time < 3)
    assert all(row is None for time, _, row in shown if 4.2 < time < 6)


def test_little_is_held_after_a_minute(page):
    assert run(page, "await r.turn(60, false); return r.puppet.motion.kept.length;") <= 200


def test_the_level_follows_loudness(page):
    levels = run(
        page, "await r.turn(6); return r.levels;", sound="(t) => (t < 2 ? 0 : t < 4 ? 0.1 : 0) * Math.sin(2000 * t)"
    )
    assert max(levels[:195]) == 0
    assert all(0.7 <= level <= 0.9 for level in levels[210:395])
    assert max(levels[500:]) < 0.01


# --- the end ------------------------------------------------------------------------------------------------------


def test_a_lost_connection_ends_with_a_sentence(page):
    found = run(
        page,
        "await r.turn(1); r.due[0][2](new TypeError('Failed to fetch')); await r.turn(0.2);"
        "return [r.failures, r.puppet.state, r.puppet.row(r.puppet.frame), r.puppet.level, r.context.closed];",
        answer="(t) => t < 0.5 ? 0.05 : 100",
    )
    sentences, *rest = found
    assert rest == ["failed", None, 0, 1]
    (sentence,) = sentences
    assert "connection" in sentence


def test_a_server_that_never_answers_is_given_up(page):
    sentences = run(page, "await r.turn(10); return r.failures;", answer="(t) => t < 2 ? 0.05 : 100")
    assert len(sentences) == 1


def test_a_refused_answer_ends_with_the_servers_sentence(page):
    found = run(
        page,
        """await r.turn(1);
        r.due[0][1](new Response('{"detail": "Somebody else is speaking."}', { status: 409 }));
        await r.failed;
        return [r.failures, r.puppet.state];""",
        answer="() => 100",
    )
    assert found == [["Somebody else is speaking."], "failed"]


def test_an_error_in_an_answer_ends_it(page):
    found = run(
        page,
        """await r.turn(1);
        const text = new TextEncoder().encode('X' + String.fromCharCode(16, 0, 0) + '{"error":"Gone"}');
        r.due[0][1]({ ok: true, arrayBuffer: async () => text.buffer });
        await r.failed;
        return [r.failures, r.puppet.state];""",
        answer="() => 100",
    )
    assert found == [["Gone"], "failed"]


def test_after_stop_nothing_is_sent_shown_or_told(page):
    found = run(
        page,
        "await r.turn(1); r.puppet.stop(); const n = r.sent.length; await r.turn(1); r.puppet.stop();"
        "return [r.sent.length - n, r.puppet.row(r.puppet.frame), r.puppet.state, r.failures, r.puppet.level];",
    )
    assert found == [0, None, "stopped", [], 0]


# --- a browser's microphone ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def microphone(browser, tmp_path_factory):
    """A page in a browser whose microphone hears a tone of 440 Hz."""
    path = tmp_path_factory.mktemp("microphone") / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        tone = np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
        file.writeframes(np.round(12000 * tone).astype("<i2").tobytes())
    switches = [
        *SWITCHES,
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={path}",
    ]
    opened = browser.browser_type.launch(executable_path=CHROMIUM, args=switches)
    sounding = SoundPage(opened.new_page())
    yield sounding
    opened.close()
    assert sounding.errors == []


_MICROPHONE = """async () => {
    const sent = [], failures = [];
    let level = 0, told = 0, enough, wanted = null;
    const done = new Promise((resolve) => { enough = resolve; });
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (constraints) => { wanted = constraints; return ask(constraints); };
    const puppet = new live.Puppet(async (bytes) => {
        sent.push(...new Int16Array(bytes.buffer));
        level = Math.max(level, puppet.level);
        if (sent.length >= 16000) enough();
        const count = bytes.length / 1280, body = new Uint8Array(4 + 346 * count);
        new DataView(body.buffer).setUint32(0, 77 | (346 * count) << 8, true);
        return { ok: true, arrayBuffer: async () => body.buffer };
    }, { onfail: (sentence) => { failures.push(sentence); enough(); } });
    await puppet.start();
    await done;
    const row = puppet.row(puppet.frame), track = puppet.microphone.stream.getAudioTracks()[0];
    puppet.stop();
    return {
        sent, failures, level, wanted, row: row && row.length, track: track.readyState, context: puppet.context.state,
        state: puppet.state,
    };
}"""


def test_the_microphone_is_heard_and_given_back(microphone):
    found = microphone.page.evaluate(_MICROPHONE)
    assert found["failures"] == []
    assert found["wanted"]["audio"] == {"echoCancellation": True, "noiseSuppression": True}
    heard = np.array(found["sent"])[-RATE // 2 :] / 32768
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert np.argmax(spectrum) * RATE / len(heard) == pytest.approx(440, abs=3)
    assert found["level"] > 0.2
    assert found["row"] == 173
    assert found["track"] == "ended"
    assert found["state"] == "stopped"


def test_a_microphone_that_goes_away_ends_with_a_sentence(microphone):
    found = microphone.page.evaluate(
        """async () => {
            const failures = [];
            const puppet = new live.Puppet(() => new Promise(() => {}), { onfail: (x) => failures.push(x) });
            await puppet.start();
            puppet.microphone.stream.getAudioTracks()[0].dispatchEvent(new Event("ended"));
            return [failures, puppet.state, puppet.microphone.stream.getAudioTracks()[0].readyState];
        }"""
    )
    (sentence,), *rest = found
    assert "microphone has gone" in sentence
    assert rest == ["failed", "ended"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("NotAllowedError", "not allowed"),
        ("NotFoundError", "No microphone"),
        ("NotReadableError", "Another program"),
        ("Odd", "Odd"),
    ],
)
def test_a_refused_microphone_ends_with_a_sentence(page, name, sentence):
    found = page.page.evaluate(
        """async (name) => {
            const failures = [];
            navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", name); };
            const puppet = new live.Puppet(null, { onfail: (x) => failures.push(x) });
            await puppet.start();
            return [failures, puppet.state];
        }""",
        name,
    )
    assert found[1] == "failed"
    assert len(found[0]) == 1
    assert sentence in found[0][0]


def test_stopped_while_the_browser_asks_the_microphone_is_given_back(page):
    found = page.page.evaluate(
        """async () => {
            let stopped = 0, allow;
            const stream = { getTracks: () => [{ stop: () => stopped++ }] };
            navigator.mediaDevices.getUserMedia = () => new Promise((done) => { allow = () => done(stream); });
            const puppet = new live.Puppet(null), started = puppet.start();
            puppet.stop();
            allow();
            await started;
            return [stopped, puppet.state];
        }"""
    )
    assert found == [1, "stopped"]
