// A face that lives: it idles, follows a mood and says what a voice has, and is drawn whenever the screen is. Motion comes
// 25 times a second (life.js); what is drawn lies between its last two frames, so that 60 pictures a second are smooth.
import { ROW } from "./head.js";

const RATE = 25 / 1000; // frames of motion in a millisecond
const CAUGHT_UP = 4; // frames made up for after a hitch; older ones are left out
const SOUNDING = ["speaking", "live"]; // states of a voice and of a microphone whose frames count

export class Actor {
  // life: what moves (life.js). It is shown by whatever `wear` was given last.
  constructor(life) {
    this.life = life;
    this.face = null;
    this.voice = null; // what is being said: { state, frame, row(i), moodAt(i) }
    this.base = [0, 0]; // the mood that the person has set
    this.expressiveness = 1;
    this.own = true; // whether that mood holds, or the talk's own
    this.pointer = null;
    this.source = undefined; // whose clock counts the frames: the voice, or null for the page's own
    this.index = 0; // of the newest frame
    this.older = new Float32Array(ROW);
    this.newer = new Float32Array(ROW);
    this.shown = new Float32Array(ROW);
    this.frames = 0; // of motion
    this.drawn = 0; // pictures
  }

  wear(face) {
    this.face = face;
  }

  // valence and arousal as the person sets them; from then on they hold, also within a talk with moods of its own.
  mood(valence, arousal) {
    if (valence === this.base[0] && arousal === this.base[1]) return;
    this.base = [valence, arousal];
    this.own = true;
  }

  speak(voice) {
    this.voice = voice;
    this.own = false;
  }

  hush() {
    this.voice = null;
  }

  // The motion that belongs to this moment (milliseconds of the page's clock) [65].
  motion(now) {
    const { voice } = this, source = voice && SOUNDING.includes(voice.state) ? voice : null;
    // Frame k is what is seen around second (k + 1/2) / 25.
    const at = (source ? source.frame : now * RATE) - 0.5, first = Math.floor(at);
    if (source !== this.source) {
      this.source = source;
      this.index = first;
      this.life.change(); // another mouth takes over, and softly
    }
    let due = first + 1 - this.index;
    if (due > CAUGHT_UP) {
      this.index += due - CAUGHT_UP;
      due = CAUGHT_UP;
    }
    for (; due > 0; due--) this.step(source);
    return this.between(Math.min(Math.max(at - this.index + 1, 0), 1));
  }

  step(source) {
    const index = ++this.index, said = source && !this.own ? source.moodAt(index) : null;
    const [valence, arousal] = said || this.base.map((x) => Math.min(Math.max(x * this.expressiveness, -1), 1));
    const row = source && index >= 0 ? source.row(index) : null;
    this.older = this.newer;
    this.newer = this.life.frame(row, 0, valence, arousal, { pointer: this.pointer });
    if (!this.frames++) this.older = this.newer;
  }

  between(share) {
    const { shown, older, newer } = this;
    for (let i = 0; i < ROW; i++) shown[i] = older[i] + share * (newer[i] - older[i]);
    return shown;
  }

  // Draws this moment. Returns whether there was anything to draw on.
  draw(now) {
    const row = this.motion(now);
    if (!this.face || !this.face.draw(row, 0, now)) return false;
    this.drawn++;
    return true;
  }
}
