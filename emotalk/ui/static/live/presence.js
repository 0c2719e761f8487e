// What only a face does that somebody sits before: it breathes, a pointer draws its eyes, it listens. All of it draws its
// chances from a stream of its own and comes on top of emotalk.motion, which films need nothing else than.
import { DEGREE, within } from "./eyes.js";

// A pointer that went farther than this is a reason to look there.
const MOVED = 2.5 * DEGREE;
// The head's share of a look at the pointer.
const FOLLOWED = 0.3;
// Below this share of the visitor's loudest is a pause.
const HUSH = 0.3;

export class Presence {
  constructor(random, { fps, gaze }) {
    Object.assign(this, { random, fps, reach: gaze.reach });
    // Metres that the body is up.
    this.phase = this.breath = this.depth = 0;
    // Where the pointer is, as far as eyes and head get, and where it was when last looked at.
    this.place = this.seen = null;
    // Frames until a moved pointer is looked at; -1 where it has not moved.
    this.delay = -1;
    this.urge = this.chosen = this.bored = false;
    this.curiosity = this.news = 1;
    // Of the head, yaw and pitch in radians; it lags behind what it follows.
    this.turn = [0, 0];
    this.following = [0, 0];
    // 1 while it listens.
    this.attention = 0;
    // Of the visitor's voice.
    this.level = this.loudest = 0;
    // Frames of that voice since the last nod, and since it was last heard.
    this.spoken = this.hushed = 0;
    // Nods to come: frames until each, and its size.
    this.strokes = [];
    // Frames since the last nod.
    this.rest = 0;
    this.wait = this.between();
    this.nod = this.lift = this.lifting = 0;
  }

  // What is there to see and hear at the frame that comes next; pointer [yaw, pitch] in radians seen from the face, or null.
  notice(pointer, listening, alive) {
    const { reach } = this;
    this.depth += 0.04 * (alive - this.depth);
    this.place = pointer && [within(pointer[0], -1.3 * reach, 1.3 * reach), within(pointer[1], -0.8 * reach, 0.8 * reach)];
    this.listening = listening;
  }

  // Loudness of the visitor's voice in [0, 1] at this moment; it fades unless told again.
  heard(loudness) {
    this.level = loudness;
  }

  step(arousal, gaze) {
    this.attention += 0.06 * (this.listening - this.attention);
    this.breathe(arousal);
    this.watch(gaze);
    this.listen();
  }

  // 16 breaths a minute of about a millimetre; the way in is shorter than the way out.
  breathe(arousal) {
    this.phase += (2 * Math.PI * (16 + 2 * within(arousal, -1, 1))) / 60 / this.fps;
    this.breath = 0.0005 * this.depth * (1 - Math.cos(this.phase + 0.4 * (1 - Math.cos(this.phase))));
  }

  // Whether to look at the pointer now (`urge`), or instead of elsewhere (`chosen`), and how far the head goes along.
  watch(gaze) {
    const { place, random, fps } = this;
    this.curiosity += (1 - this.curiosity) / (6 * fps);
    if (this.curiosity > 0.7) this.bored = false;
    if (!place) {
      this.seen = null;
      this.urge = this.chosen = false;
      this.delay = -1;
    } else {
      if (gaze.lured) this.seen = gaze.target;
      const moved = !this.seen || Math.hypot(place[0] - this.seen[0], place[1] - this.seen[1]) > MOVED;
      const draws = [random.uniform(), random.uniform()];
      this.news = moved ? 1 : this.news * (1 - 1 / (4 * fps));
      // Eyes start about a fifth of a second after what they start for.
      if (moved && this.delay < 0 && !this.bored && this.attention < 0.5) this.delay = 4 + Math.floor(4 * draws[0]);
      else if (!moved) this.delay = -1;
      else if (this.delay > 0) this.delay--;
      this.urge = this.delay === 0;
      this.chosen = this.delay < 0 && draws[1] < (0.15 + 0.35 * this.news) * (1 - 0.7 * this.attention);
    }
    for (const i of [0, 1]) {
      this.following[i] += 0.1 * ((gaze.lured ? FOLLOWED * gaze.target[i] : 0) - this.following[i]);
      this.turn[i] += 0.1 * (this.following[i] - this.turn[i]);
    }
  }

  // The eyes go to the pointer. One that never rests becomes boring.
  met() {
    if (this.urge) this.curiosity *= 0.8;
    if (this.curiosity < 0.3) this.bored = true;
    this.urge = false;
    this.delay = -1;
  }

  between() {
    return (2 + 1.5 * this.random.uniform()) * this.fps;
  }

  // Small nods where the visitor pauses, and where no pause comes for long; with some of them the brows rise.
  listen() {
    this.loudest = Math.max(0.05, this.level, 0.998 * this.loudest);
    const loud = this.level > HUSH * this.loudest;
    if (this.listening && loud) this.spoken++;
    this.hushed = loud ? 0 : this.hushed + 1;
    this.rest++;
    this.level *= 0.9;
    if (this.listening && this.spoken > 0.5 * this.fps && this.rest > this.wait && (this.hushed === 4 || this.rest > 2 * this.wait)) this.agree();
    this.nod = 0;
    for (const stroke of this.strokes) if (stroke.in-- <= 0) this.nod += stroke.size;
    this.strokes = this.strokes.filter((stroke) => stroke.in >= 0);
    this.lift += 0.12 * ((this.lifting-- > 0 ? 0.6 : 0) - this.lift);
  }

  agree() {
    const { random } = this, size = 0.3 + 0.3 * random.uniform();
    this.strokes = [{ in: 0, size }];
    if (random.uniform() < 0.35) this.strokes.push({ in: 11, size: 0.6 * size });
    if (random.uniform() < 0.35) this.lifting = 0.6 * this.fps;
    this.rest = this.spoken = 0;
    this.wait = this.between();
  }
}
