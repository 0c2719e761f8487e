// What head and brows are moved by: smooth noises, and what is still felt of the rhythm of speech. The same arithmetic as
// emotalk/motion/body_network.py.

// The rhythm of a frame from its six numbers at row[at], in the order of emotalk.motion.rhythm.Rhythm.row;
// a phrase starts or ends.
export const rhythmOf = (row, at) => ({
  speaking: row[at], stress: row[at + 1], loudness: row[at + 2], nod: row[at + 3],
  start: row[at + 4] > 0.5, end: row[at + 5] > 0.5,
});

// Row i of a matrix times a vector.
export function along(matrix, i, vector) {
  let sum = 0;
  for (let j = 0, n = i * vector.length; j < vector.length; j++, n++) sum += matrix[n] * vector[j];
  return sum;
}

// Smooth Gaussian courses of unit spread at several speeds, in step as if they had run for ever.
export class NoiseBank {
  constructor(random, { rates, spreads, roots }) {
    Object.assign(this, { random, rates, spreads });
    this.stages = roots[0].map(() => new Float64Array(rates.length));
    for (let n = 0; n < rates.length; n++) {
      const root = roots[n % roots.length], white = root.map(() => random.normal());
      root.forEach((line, i) => { this.stages[i][n] = line.reduce((sum, x, j) => sum + x * white[j], 0); });
    }
    this.values = new Float64Array(rates.length);
  }

  // [courses, speeds] at the next frame, while time goes `speed` times as fast.
  step(speed = 1) {
    const { stages: [first, ...others], values, spreads } = this, keep = this.rates.map((rate) => Math.exp(speed * rate));
    for (let n = 0; n < values.length; n++) {
      const k = keep[n];
      let value = first[n] = k * first[n] + Math.sqrt(1 - k * k) * this.random.normal();
      for (const stage of others) value = stage[n] += (1 - k) * (value - stage[n]);
      values[n] = value / spreads[n % spreads.length];
    }
    return values;
  }
}

// Beats, beginnings and ends of phrases, fading at three speeds, and how long speech, stress and loudness have lasted.
export class RhythmTraces {
  constructor({ keep, soft }) {
    this.keep = keep;
    this.soft = soft;
    this.raw = new Float64Array(3 * keep.length);
    this.felt = new Float64Array(3 * keep.length + 5);
    this.slow = [keep[0], keep[2], soft, keep[0], keep[2]];
  }

  step({ speaking, stress, loudness, nod, start, end }) {
    const { keep, soft, raw, felt, slow } = this, happens = [nod, +start, +end];
    for (let i = 0; i < raw.length; i++) {
      raw[i] = keep[i % keep.length] * raw[i] + happens[Math.floor(i / keep.length)];
      felt[i] = raw[i] + soft * (felt[i] - raw[i]);
    }
    [speaking, speaking, stress, loudness, loudness].forEach((now, i) => {
      const at = raw.length + i;
      felt[at] = now + slow[i] * (felt[at] - now);
    });
    return felt;
  }
}
