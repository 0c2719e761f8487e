// Numbers by chance that are the same for the same seed: sfc32 (Chris Doty-Humphrey, PractRand), 128 bits of state.
export class Chance {
  // Whole numbers; other parts of one seed are streams of their own.
  constructor(seed, part = 0) {
    this.state = Uint32Array.of(seed, part, seed / 4294967296, 1);
    this.spare = null;
    // Near seeds have nothing in common from here on.
    for (let i = 0; i < 20; i++) this.bits();
  }

  bits() {
    const s = this.state, sum = s[0] + s[1] + s[3];
    s[3]++;
    s[0] = s[1] ^ (s[1] >>> 9);
    s[1] = s[2] + (s[2] << 3);
    s[2] = ((s[2] << 21) | (s[2] >>> 11)) + sum;
    return sum >>> 0;
  }

  // In [0, 1), 53 bits.
  uniform() {
    return ((this.bits() >>> 5) * 67108864 + (this.bits() >>> 6)) / 9007199254740992;
  }

  // Mean 0, spread 1 (Box & Muller 1958).
  normal() {
    const kept = this.spare;
    this.spare = null;
    if (kept !== null) return kept;
    const size = Math.sqrt(-2 * Math.log(1 - this.uniform())), angle = 2 * Math.PI * this.uniform();
    this.spare = size * Math.sin(angle);
    return size * Math.cos(angle);
  }
}

// What moves a face, each by a stream of its own: one more event of one kind never shifts all others.
export const streamsOf = (seed) => Object.fromEntries(["gaze", "blink", "head", "mood", "presence"].map((name, part) => [name, new Chance(seed, part)]));
