// Gaze and blinks, frame by frame. The same arithmetic as emotalk/motion/eyes.py, which says why; where a pointer draws
// the eyes (`presence.js`), it takes the place of what they would have looked at.
export const DEGREE = Math.PI / 180;
export const within = (x, low, high) => Math.min(Math.max(x, low), high);

export class GazeGenerator {
  constructor(random, { fps, gaze, eyes }) {
    Object.assign(this, { random, fps, numbers: gaze, eyes });
    // Where the eyes rest in the world, and where a running saccade still passes.
    this.target = [0, 0];
    this.path = [];
    this.left = this.fixation();
    this.away = false;
    this.drift = [0, 0];
    // Whether they are on the pointer.
    this.lured = false;
  }

  fixation() {
    const { fixation, fixation_spread: spread } = this.eyes;
    return within(Math.exp(Math.log(fixation) + 0.8 + 0.78 * spread * this.random.normal()), 0.12, 4);
  }

  // {gaze: [yaw, pitch] in the head, jump: size of a gaze shift that starts now, else 0}; `head` is this frame's pose,
  // `lure` a Presence or null.
  step({ start, end }, mood, wander, head, lure) {
    const { random, numbers } = this, draws = [random.uniform(), random.uniform(), random.uniform()];
    const place = lure?.place;
    let lured = false, jump = 0;
    this.left -= (mood.saccade_rate * Math.sqrt(wander)) / this.fps;
    if (start && draws[0] < 0.45) {
      this.left = 0;
      this.away = true;
    } else if (end && draws[0] < 0.7) {
      this.left = 0;
      this.away = false;
    } else if (lure?.urge || (place && this.left <= 0 && lure.chosen)) {
      this.left = 0;
      // It is away from the listener's face, too.
      lured = this.away = true;
    } else if (this.left <= 0) {
      const away = draws[1] > numbers.on_listener + (lure ? lure.attention * (0.92 - numbers.on_listener) : 0);
      if (!away && !this.away && draws[2] < numbers.hold) this.left = this.fixation();
      this.away = away;
    }
    if (this.left <= 0) {
      jump = this.shift(mood.gaze_spread, wander, lured ? place : null);
      this.left = this.fixation();
      this.lured = lured;
      if (lured) {
        lure.met();
        this.left = Math.max(this.left, 0.4);
      }
    } else if (this.lured && !place) {
      this.lured = false;
      this.left = Math.min(this.left, 0.3);
    } else if (this.lured && !this.path.length) this.pursue(place);
    for (const i of [0, 1]) this.drift[i] += 0.12 * (0.35 * DEGREE * random.normal() - this.drift[i]);
    const point = this.path.shift() ?? this.target, top = 1.2 * numbers.reach;
    return { gaze: [point[0] + this.drift[0] - head[1], point[1] + this.drift[1] + head[0]].map((x) => within(x, -top, top)), jump };
  }

  // Follows what moves slower than 15 degrees a second.
  pursue(place) {
    const [x, y] = this.target, far = Math.hypot(place[0] - x, place[1] - y), share = Math.min(1, (15 * DEGREE) / this.fps / Math.max(far, 1e-9));
    this.target = [x + share * (place[0] - x), y + share * (place[1] - y)];
  }

  shift(spread, wander, place) {
    const { random, numbers: { reach, face }, eyes } = this, old = this.target;
    const size = Math.log(eyes.saccade_degrees) + 0.8 * eyes.saccade_degrees_spread * random.normal();
    const angle = 2 * Math.PI * random.uniform(), around = [random.normal(), random.normal()];
    if (place) this.target = place;
    else if (this.away) {
      const far = Math.max(Math.exp(size), 3) * DEGREE * 2.3 * spread * Math.max(wander, 0.2);
      this.target = [within(Math.cos(angle) * far, -reach, reach), within(0.6 * Math.sin(angle) * far, -0.6 * reach, 0.6 * reach)];
    } else this.target = around.map((x, i) => face * spread * within(x, -2, 2) * (i ? 0.8 : 1));
    const way = this.target.map((x, i) => x - old[i]), jump = Math.hypot(...way);
    const frames = Math.max(1, Math.round((0.021 + (0.0022 * jump) / DEGREE) * this.fps + 0.5));
    this.path = Array.from({ length: frames }, (_, i) => {
      const share = 0.5 - 0.5 * Math.cos((Math.PI * (i + 0.5)) / (frames + 0.5));
      return old.map((x, axis) => x + share * way[axis]);
    });
    return jump;
  }
}

export class BlinkGenerator {
  constructor(random, { fps, gaze, eyes }) {
    Object.assign(this, { random, fps, shut: gaze.shut, eyes });
    this.running = [];
    this.since = 1;
    this.left = this.interval() * random.uniform();
  }

  interval() {
    const { blink_interval: median, blink_interval_spread: spread } = this.eyes;
    return within(1.2 * median * Math.exp(1.2 * spread * this.random.normal()), 0.5, 15);
  }

  // Closure of both lids at the next frame; `jump` is the size of a gaze shift that starts now, `rate` the person's factor.
  step({ end }, mood, rate, jump) {
    const draw = this.random.uniform(), size = this.random.uniform();
    this.since += 1 / this.fps;
    this.left -= (rate * mood.blink_rate) / this.fps;
    const urged = (end && draw < 0.35) || (jump > 12 * DEGREE && draw < 0.3);
    if (!this.running.length && this.since > 0.5 && rate > 0 && (this.left <= 0 || (urged && this.since > 1))) {
      const top = size > 0.15 ? this.shut : 0.55 + 2 * size;
      this.running = this.eyes.blink_profile.map((x) => within(top * x, 0, 1));
      this.left = this.interval();
      this.since = 0;
    }
    return this.running.shift() ?? 0;
  }
}

// Closure of a lid from a blink, the emotion's droop and lowered gaze.
export function lidOf(blink, droop, pitch, { lid_per_pitch: slope }) {
  return 1 - (1 - blink) * (1 - within(droop + Math.max(0, -2 * slope * pitch), 0, 1));
}
