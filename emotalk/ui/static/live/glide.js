// The mood that reaches a face: it follows what is wanted within half a second, and swells and ebbs a little as living
// faces do. emotalk/motion/model.py, `_MoodGlide`, one frame a step.
export class MoodGlide {
  // random: normal() gives standard normal numbers.
  constructor(random, pack) {
    this.random = random;
    this.facts = pack.meta.show.glide;
    this.first = null;
    this.second = [0, 0];
    this.noise = this.swell = 0;
    this.smooth = new Float32Array(2);
    this.lively = new Float32Array(2); // with its swell: what a face shows
  }

  step(valence, arousal) {
    const { first, second, facts } = this, { keep, leak, fastest, swell, follow, most } = facts, goal = [valence, arousal];
    this.first = first ? goal.map((x, i) => x + (first[i] - x) * keep) : goal;
    if (!first) this.second = goal;
    else {
      const way = this.first.map((x, i) => (x - second[i]) * (1 - keep)), slower = Math.min(1, fastest / Math.max(Math.hypot(...way), 1e-12));
      this.second = second.map((x, i) => x + way[i] * slower);
    }
    this.noise = leak * this.noise + Math.sqrt(1 - leak * leak) * this.random.normal();
    this.swell += follow * (this.noise - this.swell);
    const size = 1 + swell * Math.max(-most, Math.min(most, this.swell));
    for (let i = 0; i < 2; i++) {
      this.smooth[i] = this.second[i];
      this.lively[i] = Math.max(-1, Math.min(1, this.second[i] * size));
    }
    return this;
  }
}
