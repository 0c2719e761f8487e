// Gaze and blinks, frame by frame. The same arithmetic as emotalk/motion/eyes.py and eye_network.py, which say why; where
// a pointer draws the eyes (`presence.js`), it takes the place of what they would have looked at.
import { along, RhythmTraces } from "./noise.js";

export const DEGREE = Math.PI / 180;
export const within = (x, low, high) => Math.min(Math.max(x, low), high);

export class EyeGenerator {
  // streams: {gaze, blink}, each with uniform() and normal().
  constructor({ gaze, blink }, pack) {
    const { fps, gaze: numbers, traces } = pack.meta.body;
    Object.assign(this, { random: gaze, other: blink, fps, numbers, traces: new RhythmTraces(traces) });
    for (const name of "rates rates_bias choice pull rise spread blinks drift lid_slope".split(" ")) this[name] = Array.from(pack.values(`eyes_${name}`));
    // Where the eyes rest in the world, and where a running jump still passes.
    this.target = [0, 0];
    this.path = [];
    this.float = [0, 0];
    this.running = [];
    // Seconds since the last jump and the last blink.
    this.jumped = 1;
    this.blinked = 3 * blink.uniform();
    // Whether they are on the pointer, and for how many seconds they stay there.
    this.lured = false;
    this.stay = 0;
  }

  // {gaze: [yaw, pitch] in the head, blink: closure of both lids}; `head` is this frame's pose, `lure` a Presence or null.
  step(rhythm, mood, { gaze_wander: wander, blink_rate: rate }, head, lure) {
    const { random, fps, numbers, target } = this, traces = this.traces.step(rhythm).slice(...numbers.breaks);
    this.jumped += 1 / fps;
    const often = rate * mood.blink_rate;
    this.blinked += often / fps;
    const scale = mood.gaze_spread * Math.max(wander, 0.2), away = Math.tanh(Math.hypot(...target) / scale / numbers.far);
    const fading = [this.jumped, this.blinked].flatMap((since) => numbers.fading.map((fade) => Math.exp(-since / fade)));
    const [jumps, blinks] = this.rates_bias.map((bias, i) => Math.exp(bias + along(this.rates, i, [...fading, away, ...traces])));
    const [begun, ended] = numbers.turns.map((i) => traces[i]), last = this.last ?? head;
    const haste = numbers.turn * (begun + ended) - (fps * Math.hypot(head[0] - last[0], head[1] - last[1])) / numbers.steady;
    this.last = [...head];
    let due = random.uniform() < 1 - Math.exp((-jumps * Math.exp(haste) * mood.saccade_rate * Math.sqrt(wander)) / fps) && !this.path.length;
    const place = lure?.place, urge = lure?.urge, to = urge || (due && place && lure.chosen) ? place : null;
    // Not yet, on a pointer that is still there.
    if (this.lured && (this.stay -= 1 / fps) > 0) due = false;
    let size = 0;
    if (due || urge) {
      size = this.jump(scale, [1, away, ...traces], [numbers.listener[0] + numbers.listener[1] * ended + 4 * (lure?.attention ?? 0), 0, 0, numbers.anywhere * begun], to);
      this.lured = !!to;
      if (to) {
        lure.met();
        this.stay = 0.4;
      }
    } else if (this.lured && !place) this.lured = false;
    else if (this.lured && !this.path.length) this.pursue(place);
    for (const i of [0, 1]) this.float[i] += numbers.follow * (this.drift[0] * random.normal() - this.float[i]);
    const point = this.path.shift() ?? this.target, top = 1.2 * numbers.reach;
    const gaze = [point[0] + this.float[0] - head[1], point[1] + this.float[1] + head[0]].map((x) => within(x, -top, top));
    return { gaze, blink: this.blink(blinks, ended, size, often) };
  }

  // Follows what moves slower than 15 degrees a second.
  pursue(place) {
    const [x, y] = this.target, far = Math.hypot(place[0] - x, place[1] - y), share = Math.min(1, (15 * DEGREE) / this.fps / Math.max(far, 1e-9));
    this.target = [x + share * (place[0] - x), y + share * (place[1] - y)];
  }

  // Goes where chance says, or to a place; the size of the jump.
  jump(scale, seen, added, place) {
    const { random, numbers: { reach, sideways }, target: old, fps } = this;
    const odds = this.rise.map((_, i) => Math.exp(along(this.choice, i, seen) + added[i]));
    let draw = random.uniform() * odds.reduce((sum, x) => sum + x), look = 0;
    while (look < odds.length - 1 && draw > odds[look]) draw -= odds[look++];
    const drawn = [0, 1].map((i) => {
      const n = 2 * look + i, most = i ? sideways * reach : reach;
      return within(this.pull[n] * old[i] + scale * (i * this.rise[look] + this.spread[n] * random.normal()), -most, most);
    });
    this.target = place ?? drawn;
    const way = this.target.map((x, i) => x - old[i]), size = Math.hypot(...way);
    const frames = Math.max(1, Math.round((0.021 + (0.0022 * size) / DEGREE) * fps + 0.5));
    this.path = Array.from({ length: frames }, (_, i) => {
      const share = 0.5 - 0.5 * Math.cos((Math.PI * (i + 0.5)) / (frames + 0.5));
      return old.map((x, axis) => x + share * way[axis]);
    });
    this.jumped = 0;
    return size;
  }

  blink(rate, ended, size, factor) {
    const { other, numbers: { shut, early, end_blinks, jump_blinks: [large, often], profile } } = this;
    const draw = other.uniform(), which = other.uniform(), urged = this.blinked > early && factor > 0;
    let chance = 1 - Math.exp((-factor * (rate + urged * end_blinks * ended)) / this.fps);
    if (urged && size > large) chance = Math.max(chance, often);
    if (draw < chance && !this.running.length) {
      const at = profile * Math.floor((which * this.blinks.length) / profile);
      this.running = this.blinks.slice(at, at + profile).map((x) => shut * x);
      this.blinked = 0;
    }
    return this.running.shift() ?? 0;
  }

  // Closure of a lid from a blink, the emotion's droop and lowered gaze.
  lid(blink, droop, pitch) {
    return 1 - (1 - blink) * (1 - within(droop + Math.max(0, -2 * this.lid_slope[0] * pitch), 0, 1));
  }
}
