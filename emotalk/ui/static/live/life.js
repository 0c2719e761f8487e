// A living face: mood, mouth and body together, from rows of speech code while it talks and from nothing while it does
// not. What MotionStream._block of emotalk/motion/model.py does, one frame at a time.
import { Body } from "./body.js";
import { streamsOf } from "./chance.js";
import { MoodGlide } from "./glide.js";
import { EXPRESSION, GAZE, ROW } from "./head.js";
import { Presence } from "./presence.js";
import { SpokenFace } from "./spoken.js";

// Frames in which another source of speech takes over the face.
const OVER = 6;

export class Life {
  // pack: the face pack; who: whose speech and movements they are; seed: a whole number, the same moves in the same way
  // (or the streams themselves: chance.js).
  constructor(pack, who, seed) {
    const streams = typeof seed === "number" ? streamsOf(seed) : seed;
    // Whether it breathes, follows the pointer and listens.
    this.alive = false;
    // Whether the visitor talks.
    this.listening = false;
    this.mood = new MoodGlide(streams.mood, pack);
    this.spoken = new SpokenFace(pack);
    this.body = new Body(pack, who, streams);
    this.presence = new Presence(streams.presence, pack.meta.body);
    this.face = new Float32Array(EXPRESSION);
    this.last = null;
    this.left = 0;
    this.setWho(who);
  }

  // Another person or another style from the next frame on.
  setWho(who) {
    this.who = who;
    this.spoken.setWho(who);
    this.body.setWho(who);
    this.quiet = Float32Array.from(who.quiet);
    this.change();
  }

  // Loudness of the visitor's voice in [0, 1] at this moment.
  heard(loudness) {
    this.presence.heard(loudness);
  }

  // Another source of speech begins or ends, maybe within a word: face and jaw go over to it.
  change() {
    if (this.last) {
      this.from = this.last;
      this.left = OVER;
    }
  }

  // The next frame [65], in the order of head.js, a new array each time: of the speech code at row[at], or of silence
  // where row is null; the mood is valence and arousal in [-1, 1].
  frame(row, at, valence, arousal, { pointer = null } = {}) {
    const { mood, face, presence } = this, out = new Float32Array(ROW);
    if (this.talking !== !!row) this.change();
    this.talking = !!row;
    const code = row ?? this.quiet, begin = row ? at : 0;
    mood.step(valence, arousal);
    this.spoken.show(code, begin, mood.lively[0], mood.lively[1], face);
    // What was alive goes to rest, it does not stop.
    this.lived ||= this.alive;
    presence.notice(this.alive ? pointer : null, this.alive && this.listening, this.alive);
    // A row ends with its rhythm.
    this.body.step(face, code, begin + this.quiet.length - 6, mood.smooth[0], mood.smooth[1], out, this.lived ? presence : null);
    if (this.left > 0) {
      const share = this.left-- / (OVER + 1), old = share * share * (3 - 2 * share);
      for (let i = 0; i < GAZE; i++) out[i] += old * (this.from[i] - out[i]);
    }
    this.last = out;
    return out;
  }
}
