// What a visitor says: a microphone, whether somebody speaks into it, and the browser's own way from sound to words.
import { VoiceActivity } from "./activity.js";

// Milliseconds after which recognition that has ended begins again.
const AGAIN = 200;
const FAILURES = {
  "not-allowed": "This browser does not allow speech recognition here; type instead.",
  "service-not-allowed": "This browser does not allow speech recognition here; type instead.",
  "audio-capture": "Speech recognition found no microphone; plug one in and try again, or type.",
  network: "The browser's speech recognition cannot be reached; try again later, or type.",
  "language-not-supported": "The browser's speech recognition does not know this page's language; type instead.",
};

export class Ear {
  // Microphone: the class of microphone.js; Recognition: the browser's; language: a tag such as "en-GB". Told are
  // onvoice() when somebody begins to speak, onlevel(level, talking) many times a second, onwords(words) so far,
  // onsaid(sentence) when it is said, onfail(sentence): it has ended.
  constructor({ Microphone, Recognition, language, ...told }) {
    Object.assign(this, { Recognition, language, told });
    this.microphone = new Microphone(({ piece }) => this.hear(piece), (sentence) => this.fail(sentence));
    this.activity = null;
    this.recognition = null;
    // Whether words are wanted now.
    this.attentive = false;
    this.closed = false;
  }

  // Asks for the microphone; call it from a click. Whether it is open then.
  async open() {
    const context = await this.microphone.open();
    if (!context || this.closed) return false;
    this.activity = new VoiceActivity(context.sampleRate, () => this.told.onvoice());
    return true;
  }

  close() {
    this.closed = true;
    this.attend(false);
    this.microphone.close();
  }

  fail(sentence) {
    if (this.closed) return;
    this.close();
    this.told.onfail(sentence);
  }

  hear(piece) {
    const { activity } = this;
    if (this.closed || !activity) return;
    activity.push(piece);
    this.told.onlevel(activity.level, activity.talking);
  }

  // Whether words are wanted. While the face speaks they are not, since some browsers would write down what it says; that
  // somebody speaks is heard all the same.
  attend(on) {
    this.attentive = on && !this.closed && this.activity !== null;
    if (this.activity) this.activity.guarded = !on;
    const { recognition } = this;
    if (this.attentive && !recognition) this.recognise();
    else if (!this.attentive && recognition) {
      this.recognition = null; // what it still says is not for this turn
      recognition.abort();
    }
  }

  recognise() {
    const recognition = (this.recognition = new this.Recognition());
    Object.assign(recognition, { lang: this.language, interimResults: true, continuous: false, maxAlternatives: 1 });
    const mine = (does) => (event) => recognition === this.recognition && does(event);
    recognition.onresult = mine(({ results }) => {
      const list = Array.from(results), words = list.map((result) => result[0].transcript).join(" ").trim();
      if (list.length && list.every((result) => result.isFinal)) this.told.onsaid(words);
      else this.told.onwords(words);
    });
    recognition.onerror = mine(({ error }) => FAILURES[error] && this.fail(FAILURES[error]));
    recognition.onend = mine(() => {
      this.recognition = null;
      setTimeout(() => this.attentive && !this.recognition && this.recognise(), AGAIN);
    });
    recognition.start();
  }
}
