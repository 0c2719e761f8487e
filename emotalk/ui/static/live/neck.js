// Head and brows of a talking person: the body network, nods, and what emotion does to them. The same arithmetic as
// emotalk/motion/body_network.py and headpose.py, which say why.
import { along, NoiseBank, RhythmTraces } from "./noise.js";

class BodyNetwork {
  constructor(pack) {
    for (const name of "first first_bias second second_bias last direct rest size".split(" ")) this[name] = Array.from(pack.values(`body_${name}`));
  }

  // [courses] of a frame: three of the head's angles, three of its place, three of the brows.
  play(noise, traces) {
    const layer = (name, x) => this[`${name}_bias`].map((bias, i) => Math.tanh(along(this[name], i, x) + bias));
    const hidden = layer("second", layer("first", [...noise, ...traces]));
    return this.size.map((unit, i) => unit * (along(this.last, i, hidden) + along(this.direct, i, noise) - this.rest[i]));
  }
}

// Strokes of the head on stressed syllables: a critically damped spring for pitch, yaw and roll.
class Nods {
  constructor(numbers) {
    this.numbers = numbers;
    this.position = [0, 0, 0];
    this.velocity = [0, 0, 0];
  }

  step(stroke, aside) {
    const { position, velocity, numbers: { nod, omega, fps } } = this, decay = Math.exp(-omega / fps);
    [1, 0.35 * aside[0], 0.2 * aside[1]].forEach((share, i) => {
      const speed = velocity[i] + nod * stroke * Math.E * omega * share, slope = speed + omega * position[i];
      velocity[i] = (speed - (omega * slope) / fps) * decay;
      position[i] = (position[i] + slope / fps) * decay;
    });
    return position;
  }
}

export class HeadGenerator {
  constructor(random, pack) {
    const { noise, traces, head, fps } = pack.meta.body;
    this.random = random;
    this.head = head;
    this.network = new BodyNetwork(pack);
    this.noise = new NoiseBank(random, noise);
    this.traces = new RhythmTraces(traces);
    this.nods = new Nods({ ...head, fps });
    this.size = head.silent;
  }

  // {pose [6], brows [3], raised (> 0) or lowered} of the next frame of somebody who moves in this manner (`who.head`).
  // `own` is what no voice asks for: {nod, lift, turn [2]}.
  step(rhythm, mood, manner, own) {
    const { head } = this, aside = [this.random.normal(), this.random.normal()];
    const courses = this.network.play(this.noise.step(manner.tempo * mood.head_speed), this.traces.step(rhythm));
    this.size += 0.08 * (head.silent + (1 - head.silent) * rhythm.speaking - this.size);
    const nods = this.nods.step(rhythm.nod + own.nod, aside), pose = courses.slice(0, 6);
    for (let i = 0; i < 6; i++) pose[i] = manner.energy[i] * mood.head_energy * (i < 3 ? this.size * pose[i] + nods[i] : pose[i]);
    // Turning about +x lowers the face.
    pose[0] -= mood.head_pitch + own.turn[1];
    pose[1] += own.turn[0];
    for (let i = 0; i < 3; i++) pose[i] = head.reach * Math.tanh(pose[i] / head.reach) + manner.pose[i];
    const lifted = manner.flash * rhythm.stress + own.lift;
    return { pose, brows: head.flash.map((size, i) => Math.sqrt(mood.head_energy) * manner.brows * (courses[6 + i] + lifted * size)) };
  }
}
