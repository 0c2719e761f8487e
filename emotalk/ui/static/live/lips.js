// Speech and emotion share one mouth. emotalk/motion/lip_rules.py, which says why each rule is as it is.
const limited = (x) => Math.max(0, Math.min(1, x));
export const ramp = (x, low, high) => limited((x - low) / (high - low));

export class LipRules {
  constructor(pack) {
    const masks = pack.values("show_masks"), { rules } = pack.meta.show, width = masks.length / rules.masks.length;
    this.rules = rules;
    this.masks = Object.fromEntries(rules.masks.map((name, i) => [name, masks.subarray(i * width, (i + 1) * width)]));
  }

  // A closure in [0, 1] for its probability, where lips are parted in [0, 1].
  closure(probability, parted) {
    const { network_edges: near, parted_edges: far } = this.rules;
    return ramp(probability, near[0] + parted * (far[0] - near[0]), near[1] + parted * (far[1] - near[1]));
  }

  // One face [52] of speech [52] and emotion [52]; c, l and s: how surely the lips are closed, on the teeth, in silence.
  combine(speech, emotion, c, l, s, face) {
    const { parting, pulling, shutting, larger, seal, teeth, off_teeth: off } = this.masks, { rules } = this, { jaw } = rules;
    const open = limited(speech[jaw] / rules.jaw_open), soft = rules.smooth ** 2;
    for (let i = 0; i < face.length; i++) {
      const own = i === jaw ? 1 : 0, opening = parting[i] + own;
      const held = (1 - c * (opening + pulling[i])) * (1 - rules.lip_held * l * opening - l * off[i])
        * (1 - rules.rest_held * s * opening) * (1 - open * shutting[i]);
      const a = speech[i] * (1 - c * parting[i]) * (1 - l * (parting[i] + rules.jaw_held * own)) + c * (1 - l) * seal[i] + l * (1 - c) * teeth[i];
      const b = emotion[i] * held;
      // The larger of the two without a corner, exact where one is 0.
      face[i] = larger[i] > 0 ? a + b + (Math.sqrt((a - b) ** 2 + soft) - Math.sqrt((a + b) ** 2 + soft)) / 2 : a + b;
    }
    face[jaw] *= 1 - rules.jaw_shut * c;
    face[rules.close] = Math.max(face[rules.close], c * face[jaw]);
    return face;
  }
}
