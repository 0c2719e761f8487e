"""What is seen is what is heard: the frame that the actor shows against the sample that the context plays."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ui.live_sound import FPS, HOP, RATE, SoundPage, delivered, end, rows, sound

pytestmark = pytest.mark.slow
MOST = 0.040
"""Seconds between picture and sound: one frame."""
STEP, PERIOD = 4, 60_000
"""Of the sound: sample s is (s % PERIOD) // STEP, so that a sample tells its number wherever it is found."""
BACK = 0.01
"""Seconds between two samples whose difference tells that the sound neither fades nor begins anew there."""
_SET = """async () => {
  Object.assign(live, await import("/actor.js"));
  window.BACK = SECONDS;
  // Motion that tells which row it is of: its number, counted as the rows are (live_sound.rows).
  window.life = { spoken: false, change() {}, frame(row) {
    const motion = new Float32Array(65);
    this.spoken = row !== null;
    motion[0] = row ? row[0] + 1000 * row[1] : NaN;
    return motion;
  } };
}""".replace("SECONDS", str(BACK))
_PLAY = """async ({ feed, latency }) => {
  const bytes = new Uint8Array(await (await fetch("/records")).arrayBuffer());
  const context = new AudioContext(), analyser = context.createAnalyser(), looks = [], events = [];
  await context.resume();
  if (latency !== null) Object.defineProperty(context, "outputLatency", { value: latency });
  analyser.fftSize = 32768;
  analyser.connect(context.destination);
  const data = new Float32Array(analyser.fftSize), actor = new live.Actor(life);
  let ended, at = 0;
  const end = new Promise((done) => (ended = done));
  const voice = new live.Voice(context, {
    to: analyser, onstall: () => events.push("stall"), onresume: () => events.push("resume"), onend: ended,
    onfail: ended,
  });
  const records = new live.Records({
    sound: (x) => voice.sound(x), rows: (x) => voice.rows(x), end: () => voice.end(), failed: (x) => voice.fail(x),
  }, true);
  actor.speak(voice);
  const begun = context.currentTime;
  const look = (now) => {
    // What is on its way comes when the clock of the sound says so, or in a pause.
    const due = ([time]) => (time === null ? events.includes("stall") : context.currentTime - begun >= time);
    while (feed.length && due(feed[0])) {
      const [, size] = feed.shift();
      records.push(bytes.subarray(at, (at += size)));
    }
    const shown = actor.motion(now)[0];
    analyser.getFloatTimeDomainData(data);
    const there = data.length - 1 - Math.round((context.outputLatency || 0) * context.sampleRate);
    const back = Math.round(BACK * context.sampleRate);
    if (voice.state === "speaking") looks.push([shown, data[there], data[there - back]]);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  await end;
  context.close();
  return { looks: looks.map((look) => look.map((x) => (Number.isFinite(x) ? x : null))), events };
}"""
_PLAY_LONG = """async ({ rate, seconds, step, latency }) => {
  const bytes = new Uint8Array(await (await fetch("/records")).arrayBuffer());
  const context = new OfflineAudioContext(1, Math.round(seconds * rate), rate), actor = new live.Actor(life);
  const looks = [];
  Object.defineProperty(context, "outputLatency", { value: latency });
  const voice = new live.Voice(context, { wall: () => context.currentTime });
  clearInterval(voice.timer);
  const records = new live.Records({
    sound: (x) => voice.sound(x), rows: (x) => voice.rows(x), end: () => voice.end(), failed: (x) => voice.fail(x),
  }, true);
  records.push(bytes);
  actor.speak(voice);
  for (let time = 0; time < seconds - 1e-6; time += step) {
    context.suspend(time).then(() => {
      voice.tick();
      const shown = actor.motion(1000 * context.currentTime)[0];
      if (voice.state === "speaking") looks.push([shown, context.currentTime]);
      context.resume();
    });
  }
  const samples = (await context.startRendering()).getChannelData(0);
  return looks.map(([shown, time]) => {
    const there = Math.round((time - latency) * rate), before = there - Math.round(BACK * rate);
    return [Number.isFinite(shown) ? shown : null, samples[there] ?? null, samples[before] ?? null];
  });
}"""


@pytest.fixture(scope="module")
def page(browser):
    opened = browser.new_context()
    sounding = SoundPage(opened.new_page())
    sounding.page.evaluate(_SET)
    yield sounding
    opened.close()
    assert sounding.errors == []


def numbered(seconds: float) -> np.ndarray:
    """Samples [N] int16 that tell their number."""
    return (np.arange(round(seconds * RATE)) % PERIOD // STEP).astype(np.int16)


def apart(looks: list[list[float | None]]) -> np.ndarray:
    """Seconds between the middle of the frame that is shown and the sample that is heard, for every look at which both
    can be told: not in a fade of the sound, and not where the face comes from or goes to rest."""
    found, period = [], PERIOD / RATE
    for shown, heard, before in looks:
        if shown is None or heard is None or before is None:
            continue
        seconds, earlier = (32768 * STEP * x / RATE for x in (heard, before))
        if abs(seconds - earlier - BACK) < 0.001:
            distance = (shown + 0.5) * HOP / RATE - seconds
            found.append((distance + period / 2) % period - period / 2)
    return np.array(found)


def played(page: SoundPage, feed: list[tuple[float | None, bytes]], latency: float | None = None) -> dict:
    page.body = b"".join(data for _, data in feed)
    return page.page.evaluate(_PLAY, {"feed": [[time, len(data)] for time, data in feed], "latency": latency})


@pytest.mark.parametrize("latency", [None, 0.18])
def test_lips_and_sound_are_less_than_a_frame_apart(page, latency: float | None) -> None:
    """With the latency that the context has, and with one like wireless headphones'."""
    found = played(page, delivered(numbered(3.2), 0.4, 0.1, lag=0.3), latency)
    distances = apart(found["looks"])
    assert len(distances) >= 20
    assert np.abs(distances).max() < MOST


def test_they_are_in_step_again_after_a_pause(page) -> None:
    whole = numbered(3.2)
    half = round(1.6 * RATE)
    feed = [
        (0.0, sound(whole[:half]) + rows(0, half // HOP)),
        (None, sound(whole[half:]) + rows(half // HOP, -(-len(whole) // HOP) - half // HOP) + end(3.2)),
    ]
    found = played(page, feed)
    assert found["events"] == ["stall", "resume"]
    distances = apart(found["looks"])
    assert len(distances) >= 20
    assert np.abs(distances).max() < MOST
    late = [look for look in found["looks"] if look[0] is not None and look[0] > 45]  # of the second half
    assert len(apart(late)) >= 5


@pytest.mark.parametrize(("rate", "latency"), [(16000, 0.0), (48000, 0.18)])
def test_after_five_minutes_they_are_still_in_step(page, rate: int, latency: float) -> None:
    seconds = 305.0
    page.body = b"".join(data for _, data in delivered(numbered(seconds), 10.0, 0.0))
    looks = page.page.evaluate(_PLAY_LONG, {"rate": rate, "seconds": seconds + 1, "step": 0.1, "latency": latency})
    distances = apart(looks)
    assert len(distances) > 2500
    assert np.abs(distances).max() < MOST
    assert max(look[0] for look in looks if look[0] is not None) > 300 * FPS
