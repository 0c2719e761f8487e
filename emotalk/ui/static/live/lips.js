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

  // One face [52] of speech [52] and emotion [52]; c and l: how surely the lips are closed, on the teeth.
  combine(speech, emotion, c, l, face) {
    const { parting, pulling, seal, teeth, off_teeth: off } = this.masks, { rules } = this, { jaw } = rules;
    for (let i = 0; i < face.length; i++) {
      const own = i === jaw ? 1 : 0, opening = parting[i] + own;
      const felt = emotion[i] * (1 - c * (opening + pulling[i])) * (1 - l * (opening + off[i]));
      face[i] = speech[i] * (1 - c * parting[i]) * (1 - l * (parting[i] + rules.jaw_held * own)) + felt
        + c * (1 - l) * Math.max(0, seal[i] - felt) + l * (1 - c) * Math.max(0, teeth[i] - felt);
    }
    face[jaw] *= 1 - rules.jaw_shut * c;
    face[rules.close] = Math.max(face[rules.close], c * face[jaw]);
    return face;
  }
}
