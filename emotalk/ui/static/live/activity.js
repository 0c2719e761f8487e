// Whether somebody speaks, from the sound of a microphone alone: within a tenth of a second, so that a face can fall silent.
// What counts is loudness between 250 and 3400 Hz, every hundredth of a second, above a floor that follows the room. A click
// is too short, and what does not change, such as a hum, is no speech.
const STEPS = 100; // a second
// Hertz.
const LOWEST = 250, HIGHEST = 3400;
// Decibels of full scale: what is never speech; of the floor. Above the floor: speech, and more of it while the face sounds.
const SILENT = -50, DEEPEST = -70, OVER = 9, GUARD = 6;
// Loud steps that make speech; quiet ones count twice. Quiet steps that end it. Steps at first that only tell the room.
const ENOUGH = 7, PAUSE = 45, FIRST = 25;
// A sound that stays within so many decibels for so many steps is steady; after the longer time it is the room's.
const EVEN = 1.5, SOON = 5, LASTING = 3, LONG = 30;
// Shares of the way that the floor goes in a step: down, up, to a lasting sound, up below speech.
const DOWN = 0.2, UP = 0.02, ROOM = 0.1, SLOWLY = 0.0005;
// Decibels of level 0 and 1.
const FAINT = -55, FULL = -15;

const decibelsOf = (power) => 10 * Math.log10(power + 1e-12);

// A second-order filter: high-pass or low-pass, maximally flat.
class Pass {
  constructor(high, hertz, rate) {
    const w = (2 * Math.PI * hertz) / rate, cos = Math.cos(w), alpha = Math.sin(w) / Math.SQRT2, a0 = 1 + alpha;
    const b = (high ? 1 + cos : 1 - cos) / 2 / a0;
    this.b = [b, high ? -2 * b : 2 * b, b];
    this.a = [(-2 * cos) / a0, (1 - alpha) / a0];
    this.z = [0, 0];
  }

  next(x) {
    const { a, b, z } = this, y = b[0] * x + z[0];
    z[0] = b[1] * x - a[0] * y + z[1];
    z[1] = b[2] * x - a[1] * y;
    return y;
  }
}

export class VoiceActivity {
  // rate: of the samples; onstart() is told when somebody begins to speak.
  constructor(rate, onstart) {
    this.onstart = onstart;
    this.size = Math.round(rate / STEPS);
    this.filters = [new Pass(true, LOWEST, rate), new Pass(false, HIGHEST, rate)];
    this.power = this.before = this.filled = 0;
    // Decibels of the last steps, each with the one before it, and of the room.
    this.recent = [];
    this.floor = null;
    this.steps = this.loud = this.quiet = 0;
    this.talking = false;
    // Whether the face sounds: an echo of it is no visitor.
    this.guarded = false;
  }

  // How loud it is, 0 to 1.
  get level() {
    return Math.min(1, Math.max(0, ((this.recent.at(-1) ?? FAINT) - FAINT) / (FULL - FAINT)));
  }

  // Samples as they come.
  push(samples) {
    const [high, low] = this.filters;
    for (const x of samples) {
      this.power += low.next(high.next(x)) ** 2;
      if (++this.filled < this.size) continue;
      this.step(this.power / this.size);
      this.power = this.filled = 0;
    }
  }

  step(power) {
    const { recent } = this, decibels = decibelsOf(power);
    recent.push(decibelsOf((power + this.before) / 2));
    this.before = power;
    if (recent.length > LONG) recent.shift();
    const loud = decibels > SILENT && decibels > this.floor + OVER + (this.guarded ? GUARD : 0);
    this.follow(decibels, loud);
    if (this.steps++ < FIRST) return;
    this.loud = loud ? Math.min(ENOUGH, this.loud + 1) : Math.max(0, this.loud - 2);
    this.quiet = loud ? 0 : this.quiet + 1;
    if (this.quiet > PAUSE) this.talking = false;
    if (this.talking || this.loud < ENOUGH || this.steady(SOON, EVEN)) return;
    this.talking = true;
    this.onstart?.();
  }

  steady(steps, within) {
    const last = this.recent.slice(-steps);
    return last.length === steps && Math.max(...last) - Math.min(...last) < within;
  }

  follow(decibels, loud) {
    this.floor ??= decibels;
    const up = this.steady(LONG, LASTING) || this.steps < FIRST ? ROOM : loud ? SLOWLY : UP;
    this.floor = Math.max(DEEPEST, this.floor + (decibels < this.floor ? DOWN : up) * (decibels - this.floor));
  }
}
