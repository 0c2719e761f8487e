// Speech code and a mood -> the 52 shapes of a face. emotalk/motion/network.py, `MotionNetwork.apply_emotion`; a person's
// own numbers as in emotalk/motion/person.py.
import { Dense, gelu, sigmoid, softplus } from "./layers.js";
import { LipRules, ramp } from "./lips.js";
import { MoodField } from "./mood_field.js";

export class SpokenFace {
  constructor(pack) {
    this.facts = pack.meta.show;
    this.layers = {};
    for (const name of ["contact", "base", "mood", "modulation", "modulation_last", "gate"]) this.layers[name] = Dense.of(pack, `show_${name}`);
    const { base, mood, modulation, gate } = this.layers, kinds = pack.numbers("show_kinds"), shapes = base.outputs;
    [this.ofLips, this.spoken, this.voiced, this.region] = [0, 1, 2, 3].map((i) => kinds.subarray(i * shapes, (i + 1) * shapes));
    this.lipShapes = pack.values("show_lip_shapes"); // [5, 8]
    this.lipLevel = pack.values("show_lip_level"); // [8]
    this.moves = pack.values("show_moves"); // [8, 52]
    this.rules = new LipRules(pack);
    this.field = new MoodField(pack);
    this.contacts = new Float32Array(2);
    this.va = new Float32Array(5);
    this.mood = new Float32Array(mood.outputs);
    this.both = new Float32Array(modulation.inputs); // channels and mood
    this.inner = new Float32Array(modulation.outputs);
    this.gates = new Float32Array(gate.outputs);
    [this.lips, this.speech, this.change, this.emotion] = Array.from({ length: 4 }, () => new Float32Array(shapes));
  }

  // Whose face it is from now on, and how they talk: all that does not change from frame to frame is worked out here.
  setWho(who) {
    const { layers, lipLevel, lipShapes, moves, speech } = this, shapes = speech.length;
    this.base = layers.base.given(who.style);
    this.moodOf = layers.mood.given(who.style);
    this.gains = Float32Array.from(who.gains);
    this.size = who.size;
    // What the lip branch says moves each shape alone: one layer from its five numbers to the 52.
    const courses = lipShapes.length / lipLevel.length, weights = new Float32Array(shapes * courses), level = new Float32Array(shapes);
    for (let j = 0; j < lipLevel.length; j++) {
      for (let i = 0; i < shapes; i++) {
        const factor = who.sizes[j] * moves[j * shapes + i];
        level[i] += lipLevel[j] * factor;
        for (let k = 0; k < courses; k++) weights[i * courses + k] += lipShapes[k * lipLevel.length + j] * factor;
      }
    }
    this.lipLayer = new Dense(weights, shapes, level);
    this.person = who.person && personOf(who.person);
  }

  // Fills out [52] for the frame of speech code that begins at row[at].
  show(row, at, valence, arousal, out) {
    const { facts, rules, layers, contacts, lips, speech, person, ofLips, both, mood, va, gates, change, emotion } = this;
    const starts = facts.row, silent = row[at + starts.silent], channels = starts.lips;
    layers.contact.apply(row, contacts, at);
    const parted = ramp(row[at + starts.lips], facts.parted[0], facts.parted[1]) * facts.learned;
    const closure = Math.max(rules.closure(sigmoid(contacts[0]), parted), row[at + starts.closure]);

    this.base.apply(row, speech, at);
    this.lipLayer.apply(row, lips, at + starts.lips);
    for (let i = 0; i < speech.length; i++) {
      if (!ofLips[i]) continue;
      const said = lips[i] + silent * (facts.at_rest - lips[i]);
      speech[i] += facts.learned * (said - speech[i]);
    }
    if (person) person.shift(row, at, speech);
    for (let i = 0; i < speech.length; i++) speech[i] = softplus(speech[i], facts.knee) * this.voiced[i] * (ofLips[i] ? this.size : 1);
    if (person) {
      const fade = 1 - facts.fading * Math.min(1, Math.hypot(valence, arousal));
      for (let i = 0; i < speech.length; i++) speech[i] = Math.max(0, speech[i] * person.gain[i] + fade * person.rest[i]) * this.spoken[i];
    }

    va[0] = valence;
    va[1] = arousal;
    va[2] = valence * arousal;
    va[3] = valence * valence;
    va[4] = arousal * arousal;
    gelu(this.moodOf.apply(va, mood));
    for (let i = 0; i < channels; i++) both[i] = row[at + i];
    both.set(mood, channels);
    layers.gate.apply(both, gates);
    for (let i = 0; i < gates.length; i++) gates[i] = sigmoid(gates[i]);
    layers.modulation_last.apply(gelu(layers.modulation.apply(both, this.inner)), change);
    this.field.at(valence, arousal, emotion);
    for (let i = 0; i < emotion.length; i++) {
      emotion[i] *= gates[this.region[i]] * (1 + facts.liveliness * Math.tanh(change[i])) * this.gains[i];
    }
    return rules.combine(speech, emotion, closure, sigmoid(contacts[1]), out);
  }
}

const columns = (table) => Float32Array.from(table[0].flatMap((_, i) => table.map((row) => row[i])));

function personOf({ down, up, gain, rest }) {
  const narrow = new Dense(columns(down), up.length), wide = new Dense(columns(up), gain.length);
  const few = new Float32Array(up.length), shifts = new Float32Array(gain.length);
  return {
    gain: Float32Array.from(gain, Math.exp),
    rest: Float32Array.from(rest),
    shift(row, at, speech) {
      wide.apply(narrow.apply(row, few, at), shifts);
      for (let i = 0; i < shifts.length; i++) speech[i] += shifts[i];
    },
  };
}
