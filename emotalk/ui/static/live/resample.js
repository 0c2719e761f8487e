// Sound at another rate: a windowed sinc, computed for whole numbers of samples, so pieces join exactly and never drift.
// Zero crossings of the sinc on either side.
const LOBES = 16;

const divisor = (a, b) => (b ? divisor(b, a % b) : a);

export class Resampler {
  constructor(from, to) {
    // Nothing stays above half the lower rate.
    const common = divisor(from, to), cut = Math.min(1, to / from);
    this.up = to / common;
    this.down = from / common;
    // Samples that are needed on either side.
    this.half = from === to ? 0 : Math.ceil(LOBES / cut);
    this.taps = Array.from({ length: this.half ? this.up : 0 }, (_, phase) => {
      const taps = Float64Array.from({ length: 2 * this.half }, (_, i) => {
        const x = cut * (i + 1 - this.half - phase / this.up);
        return Math.abs(x) >= LOBES ? 0 : (x ? Math.sin(Math.PI * x) / (Math.PI * x) : 1) * Math.cos((Math.PI * x) / (2 * LOBES)) ** 2;
      });
      const sum = taps.reduce((a, b) => a + b);
      // Samples that came stay as they came.
      return phase || cut < 1 ? taps.map((x) => x / sum) : taps.map(Math.round);
    });
  }

  // The samples [first, last) that samples [from, to) at the new rate are made of.
  needs(from, to) {
    const at = (n) => Math.floor((n * this.down) / this.up);
    return this.half ? [at(from) + 1 - this.half, at(to - 1) + 1 + this.half] : [from, to];
  }

  // Fills `out` with samples `from` and on; input[0] is sample `first`.
  run(input, first, from, out) {
    if (!this.half) return out.set(input.subarray(from - first, from - first + out.length));
    for (let n = 0; n < out.length; n++) {
      const whole = (from + n) * this.down, taps = this.taps[whole % this.up], start = Math.floor(whole / this.up) + 1 - this.half - first;
      let sum = 0;
      for (let i = 0; i < taps.length; i++) sum += taps[i] * input[start + i];
      out[n] = sum;
    }
  }
}
