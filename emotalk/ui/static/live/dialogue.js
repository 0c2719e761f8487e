// Talking with a face in turns. It listens while the visitor talks or types, thinks until its answer sounds, and falls silent
// as soon as it is interrupted.
//
//    idle <-> listening -> thinking -> speaking -> idle or listening
import { Ear } from "./ear.js";

const LONGEST = 2000; // letters of what a visitor says
const FRAMES = 25; // of motion, in a second of a voice's clock
const LOOK = 40; // milliseconds between looks at that clock
const TYPED = 3000; // milliseconds after the last key during which it listens
const KEY = 0.35; // how loud a key press is to the face
const GLANCE = [900, 1000]; // milliseconds of thinking until it may glance away, and how long that may take

export class Dialogue {
  // living: the face (living.js); wish(): a promise of what POST converse takes beside the words; told(event, detail) hears
  // of "state", "asked" (what the visitor has said), "said" (a sentence of the face's, when it begins to be heard),
  // "broken" (its answer ends here), "words" (recognised so far), "ear" (whether the microphone is open) and "failed" (a
  // sentence). Microphone and Recognition are classes; without the latter there is typing alone.
  constructor(living, wish, told, { Microphone, Recognition, language } = {}) {
    Object.assign(this, { living, wish, told, Microphone, Recognition, language });
    this.state = "idle";
    this.turn = 0;
    this.answer = null; // { voice, sentences that wait for their sound, shown, sent: whether there were any }
    this.heard = null; // seconds of the last answer, where it was interrupted
    this.fresh = true; // what was said before is to be forgotten
    this.ear = null;
    this.timer = 0;
    this.glance = 0;
  }

  // --- the visitor's turn ---

  // Says something to the face. Whether there was anything to say.
  async ask(words) {
    const text = words.trim().slice(0, LONGEST);
    if (!text) return false;
    const mine = ++this.turn;
    this.interrupt();
    this.told("asked", text);
    this.enter("thinking");
    const wish = { ...(await this.wish()), text };
    if (mine !== this.turn) return true;
    if (this.heard !== null) wish.heard = this.heard;
    if (this.fresh) wish.fresh = true;
    this.living.hush(); // whatever else was said or heard
    const answer = (this.answer = { sentences: [], shown: 0, sent: 0 });
    this.living.say(wish, "converse", { text: (sentence) => this.take(answer, sentence) });
    answer.voice = this.living.voice;
    return true;
  }

  // A key was pressed in the line.
  typed() {
    this.begin();
    this.face?.heard(KEY);
    if (this.state === "thinking") return;
    this.enter("listening");
    this.timer = setTimeout(() => this.rest(), TYPED);
  }

  // The visitor begins to say something: what the face says ends at once.
  begin() {
    if (this.state === "speaking") this.interrupt();
  }

  interrupt() {
    if (this.answer) this.living.hush(); // which tells `voice` that it is silent
  }

  // Opens the microphone; call it from a click.
  async listen() {
    if (this.ear) return;
    const ear = (this.ear = new Ear({
      Microphone: this.Microphone, Recognition: this.Recognition, language: this.language,
      onvoice: () => this.begin(),
      onlevel: (level, talking) => talking && this.state !== "speaking" && this.face?.heard(level),
      onwords: (words) => this.told("words", words),
      onsaid: (words) => this.ask(words),
      onfail: (sentence) => {
        this.deafen();
        this.told("failed", sentence);
      },
    }));
    this.told("ear", true);
    if ((await ear.open()) && ear === this.ear) this.rest();
  }

  deafen() {
    const { ear } = this;
    if (!ear) return;
    this.ear = null;
    ear.close();
    this.told("ear", false);
    if (this.state === "listening") this.rest();
  }

  // Begins anew: the face forgets what was said.
  anew() {
    this.leave();
    this.fresh = true;
    this.heard = null;
  }

  // Nobody talks any more.
  leave() {
    this.turn++;
    this.interrupt();
    this.deafen();
    this.enter("idle");
  }

  // --- the face's turn ---

  // A sentence whose sound is on its way.
  take(answer, sentence) {
    if (!answer.sent++) [this.heard, this.fresh] = [null, false];
    answer.sentences.push(sentence);
  }

  // What the face's voice does: "waiting", "speaking" or "silent", as `Living` tells.
  voice(event) {
    const { answer } = this;
    if (!answer) return;
    if (event === "silent") this.finish(answer);
    else if (event === "speaking" && this.state !== "speaking") {
      this.enter("speaking");
      this.timer = setInterval(() => this.show(answer, this.seconds(answer)), LOOK);
      this.show(answer, this.seconds(answer));
    }
  }

  seconds({ voice }) {
    return voice ? voice.frame / FRAMES : 0;
  }

  // Shows the sentences that are heard by now.
  show(answer, seconds) {
    while (answer.sentences.length && answer.sentences[0].start <= seconds) {
      this.told("said", answer.sentences.shift().text);
      answer.shown++;
    }
  }

  finish(answer) {
    const whole = answer.voice?.closed === "over", seconds = this.seconds(answer);
    this.answer = null;
    if (whole || this.state === "speaking") this.show(answer, whole ? Infinity : seconds);
    if (!whole) {
      // One of which no sentence came is none that anybody could have heard.
      if (answer.sent) this.heard = seconds;
      if (answer.shown) this.told("broken");
    }
    this.rest();
  }

  // --- what the face does ---

  get face() {
    return this.living.actor?.life;
  }

  rest() {
    this.enter(this.ear ? "listening" : "idle");
  }

  enter(state) {
    clearTimeout(this.timer);
    clearTimeout(this.glance);
    const { face } = this;
    if (face) face.listening = state === "listening" || state === "thinking";
    if (state === "thinking") this.glance = setTimeout(() => this.glanceAway(), GLANCE[0]);
    this.ear?.attend(state !== "speaking");
    if (state === this.state) return;
    this.state = state;
    this.told("state", state);
  }

  // Whoever thinks may look away for a moment: attention fades, the eyes do what they like, and come back.
  glanceAway() {
    const { face } = this;
    if (!face) return;
    face.listening = false;
    this.glance = setTimeout(() => (face.listening = true), GLANCE[1]);
  }
}
