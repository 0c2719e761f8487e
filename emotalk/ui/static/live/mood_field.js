// Valence and arousal -> a face without speech. emotalk/emotion/expression.py, `expression_tensor`.
const clipped = (x) => Math.max(-1, Math.min(1, x));

export class MoodField {
  constructor(pack) {
    ({ boost: this.boost, angles: this.angles } = pack.meta.show.field);
    this.cubics = pack.values("show_field"); // [P, 4, 52], highest power first
    this.shapes = this.cubics.length / (4 * this.angles.length);
  }

  // Fills out [52].
  at(valence, arousal, out) {
    const { boost, angles, cubics, shapes } = this, v = clipped(valence), a = clipped(arousal) + 0; // -0 would lie half a turn back
    const r = Math.sqrt(v * v * (1 - a * a) + a * a), turn = Math.atan2(a, v) + (a < 0 ? 2 * Math.PI : 0);
    const piece = angles.findLastIndex((angle) => angle <= turn), past = turn - angles[piece];
    const strength = (1 + boost) * r / (1 + boost * r);
    for (let i = 0, c = 4 * shapes * piece; i < shapes; i++, c++) {
      out[i] = strength * (((cubics[c] * past + cubics[c + shapes]) * past + cubics[c + 2 * shapes]) * past + cubics[c + 3 * shapes]);
    }
    return out;
  }
}
