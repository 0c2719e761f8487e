// Gaze, lids, head and brows around a speaking, feeling face: emotalk/motion/body.py, one frame at a time.
import { EyeGenerator } from "./eyes.js";
import { EYELIDS, GAZE, HEAD_POSE, JAW } from "./head.js";
import { HeadGenerator } from "./neck.js";
import { rhythmOf } from "./noise.js";

const STILL = { nod: 0, lift: 0, turn: [0, 0], breath: 0 };

// What emotion does beside the face: emotalk.emotion.expression.behaviour of one frame.
export function behaviourOf(valence, arousal, table) {
  const v = Math.fround(valence), a = Math.fround(arousal);
  const distress = Math.min(Math.max(-v, 0), 1) * Math.min(Math.max(a, 0), 1);
  return Object.fromEntries(Object.entries(table).map(([name, [byV, byA, byD]]) => {
    const sum = byV * v + byA * a + byD * distress;
    return [name, name === "head_pitch" ? sum : Math.exp(sum)];
  }));
}

export class Body {
  // streams: {gaze, blink, head}, each with uniform() and normal().
  constructor(pack, who, streams) {
    this.numbers = pack.meta.body;
    this.eyes = new EyeGenerator(streams, pack);
    this.head = new HeadGenerator(streams.head, pack);
    this.setWho(who);
  }

  // From the next frame on another person or style.
  setWho(who) {
    this.who = who;
  }

  // The next frame into out [65] (head.js says in which order), from a face [52] whose eyeBlink and eyeLook are the
  // emotion's, the rhythm of its speech at row[at], and its valence and arousal. `presence` is what only a live face does.
  step(face, row, at, valence, arousal, out, presence = null) {
    const { numbers, who } = this, { shapes, look_radians: look } = numbers;
    const rhythm = rhythmOf(row, at), mood = behaviourOf(valence, arousal, numbers.mood);
    presence?.step(arousal, this.eyes);
    const own = presence ?? STILL;
    out.set(face);
    for (const i of [...shapes.lids, ...shapes.looks.flat()]) out[i] = 0;
    const [left, right] = shapes.looks.map(([outward, inward, up, down]) => [face[outward] - face[inward], face[up] - face[down]]);
    const lowered = [((left[0] - right[0]) / 2) * look[0], ((left[1] + right[1]) / 2) * look[1]];
    const { pose, brows } = this.head.step(rhythm, mood, who.head, own);
    this.moveBrows(out, brows);
    const { gaze, blink } = this.eyes.step(rhythm, mood, who, pose, presence);
    const eyes = lowered.map((x, i) => x + gaze[i] + who.gaze[i]);
    out.set(eyes, GAZE);
    for (const i of [0, 1]) {
      out[EYELIDS + i] = this.eyes.lid(blink, face[shapes.lids[i]], eyes[1]);
      // A shut eye is not wide.
      out[shapes.wide[i]] *= 1 - blink;
    }
    out.fill(0, JAW, JAW + 3);
    out[JAW + 1] = numbers.jaw_swing * who.sideways * out[shapes.jaw];
    pose[4] += own.breath;
    out.set(pose, HEAD_POSE);
    return out;
  }

  // Raises or lowers the brows by [3] (inner, left outer, right outer) as the person does: what is lowered first takes
  // back what an emotion raised.
  moveBrows(face, brows) {
    const { raised, lowered } = this.numbers.shapes, { gains } = this.who;
    brows.forEach((brow, i) => {
      const up = raised[i], down = lowered[i - 1], sunk = Math.max(-brow, 0);
      face[up] += gains[up] * Math.max(brow, 0);
      const taken = Math.min(sunk, face[up]);
      face[up] -= taken;
      if (i) face[down] += gains[down] * (sunk - taken);
    });
  }
}
