// How many pixels to draw: as many as are shown, but fewer where frames come too slowly. Fragments are the cost of a face,
// so half the side is a quarter of the work. What was tried and too slow is tried again ever more rarely.
export const LADDER = [256, 320, 384, 448, 512, 640, 768, 1024];
const FRAMES = 20, AWHILE = 1500; // judged together: so many frames, or what comes in so many milliseconds
const HIDDEN = 3000; // milliseconds without a frame: nobody looked
const SLOW = 1.35, FINE = 1.1; // times the wanted interval
const PATIENCE = 4; // rounds of good frames before a larger side is tried, doubled with every failure
const MOST_PATIENCE = 256;

export class Resolution {
  // shown: pixels of the screen that the canvas covers; wanted: milliseconds between frames.
  constructor(shown = 512, wanted = 1000 / 30) {
    this.wanted = wanted;
    this.times = [];
    this.spent = 0;
    this.last = null;
    this.good = 0;
    this.patience = PATIENCE;
    this.grown = false; // the last change was upwards
    this.show(shown);
  }

  show(pixels) {
    this.largest = LADDER.findLastIndex((side) => side <= Math.max(LADDER[0], pixels));
    const start = LADDER.indexOf(512);
    this.index = Math.min(this.index ?? start, this.largest);
  }

  get side() {
    return LADDER[this.index];
  }

  // A frame is drawn at `time` (milliseconds). Returns whether the side has changed.
  frame(time) {
    const interval = this.last === null ? 0 : time - this.last;
    this.last = time;
    if (interval <= 0 || interval > HIDDEN) {
      this.times = [];
      this.spent = 0;
      return false;
    }
    this.times.push(interval);
    this.spent += interval;
    if (this.times.length < FRAMES && this.spent < AWHILE) return false;
    const middle = this.times.sort((a, b) => a - b)[this.times.length >> 1]; // one hiccup is no reason
    this.times = [];
    this.spent = 0;
    if (middle > SLOW * this.wanted) return this.shrink();
    if (middle > FINE * this.wanted) {
      this.good = 0;
      return false;
    }
    if (++this.good < this.patience || this.index >= this.largest) return false;
    this.good = 0;
    this.grown = true;
    this.index++;
    return true;
  }

  shrink() {
    this.good = 0;
    if (this.index === 0) return false;
    if (this.grown) this.patience = Math.min(2 * this.patience, MOST_PATIENCE); // that was too large
    this.grown = false;
    this.index--;
    return true;
  }
}
