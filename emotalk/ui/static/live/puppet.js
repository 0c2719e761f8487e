// A microphone that moves a face: its sound goes out in small pieces, the rows that come back are shown a little later.
import { Frames, SOUND_FPS, SOUND_HOP, SOUND_RATE } from "./frames.js";
import { Microphone } from "./microphone.js";
import { Resampler } from "./resample.js";
import { Records, refusal } from "./stream.js";

// Samples that are sent at least, that wait at most, and that are lost in one request when nobody answers.
const PIECE = 2 * SOUND_HOP, WAITING = SOUND_RATE, GIVEN_UP = 5 * SOUND_RATE;
// Seconds behind the microphone; how the delay shrinks, every answer, while answers come sooner.
const SHORTEST = 0.08, LONGEST = 0.8, SLACK = 0.02, EASING = 0.98;
// Seconds without a row after which the face is quiet.
const GONE = 0.4;
// Decibels of level 0 and 1, and how it falls, every piece.
const QUIET = -55, LOUD = -15, RELEASE = 0.8;
const CONNECTION = "The connection to the server was lost; try again.";

export class Puppet {
  // send(bytes): posts int16 samples, low byte first, mono, 16 kHz; resolves to an answer whose body is records of rows.
  // size: numbers in a row; onfail(sentence): it has ended.
  constructor(send, { size = 173, onfail } = {}) {
    Object.assign(this, { send, size, onfail });
    // "waiting", "live", "stopped" or "failed".
    this.state = "waiting";
    // How loud it is, 0 to 1.
    this.level = 0;
    // Samples that were never sent.
    this.dropped = 0;
    this.motion = new Frames();
    this.mood = new Frames();
    this.latest = 0;
    // Seconds that the face is behind, and would have had to be lately.
    this.delay = this.need = SHORTEST;
    // Samples that wait, frames that were sent and answered.
    this.queue = [];
    this.sent = this.answered = 0;
    // A frame of what was sent, and how many were left out before it.
    this.shifts = [[0, 0]];
    // A request is on its way; samples heard since then.
    this.busy = false;
    this.took = 0;
    this.microphone = new Microphone((sound) => this.hear(sound), (sentence) => this.fail(sentence));
  }

  // Asks for the microphone. Call it from a click, so that the browser lets sound run.
  async start() {
    const context = await this.microphone.open();
    if (context) this.listen(context);
  }

  // From now on `hear` is given pieces of this context's rate.
  listen(context) {
    this.context = this.microphone.context = context;
    this.resampler = new Resampler(context.sampleRate, SOUND_RATE);
    // Silence before the first sample; which sample input[0] is; samples made of it.
    this.input = new Float32Array(this.resampler.half);
    this.at = -this.resampler.half;
    this.made = 0;
    this.state = "live";
  }

  get ended() {
    return this.state === "stopped" || this.state === "failed";
  }

  stop() {
    this.close("stopped");
  }

  fail(sentence) {
    if (this.ended) return;
    this.close("failed");
    this.onfail?.(sentence);
  }

  close(state) {
    if (!this.ended) this.state = state;
    this.level = 0;
    this.queue = [];
    this.motion = new Frames();
    this.microphone.close();
  }

  // --- what is said ---

  hear({ began, piece }) {
    if (this.state !== "live") return;
    this.origin ??= began;
    const power = piece.reduce((sum, x) => sum + x * x, 0) / piece.length;
    const loud = (10 * Math.log10(power + 1e-12) - QUIET) / (LOUD - QUIET);
    this.level = Math.min(1, Math.max(0, loud, RELEASE * this.level));
    const input = new Float32Array(this.input.length + piece.length), { resampler } = this;
    input.set(this.input);
    input.set(piece, this.input.length);
    const ready = Math.floor(((this.at + input.length - resampler.half) * resampler.up) / resampler.down);
    const out = new Float32Array(Math.max(0, ready - this.made));
    if (out.length) resampler.run(input, this.at, this.made, out);
    this.made += out.length;
    const first = Math.max(0, resampler.needs(this.made, this.made + 1)[0] - this.at);
    this.input = input.slice(first);
    this.at += first;
    for (const x of out) this.queue.push(Math.max(-32768, Math.min(32767, Math.round(32768 * x))));
    this.took += out.length;
    // Whole frames are left out, so that rows stay rows.
    const over = Math.ceil((this.queue.length - WAITING) / SOUND_HOP);
    if (over > 0) {
      this.queue.splice(0, over * SOUND_HOP);
      this.dropped += over * SOUND_HOP;
      if (this.shifts.at(-1)[0] === this.sent) this.shifts.pop();
      this.shifts.push([this.sent, this.dropped / SOUND_HOP]);
    }
    if (this.busy && this.took > WAITING + GIVEN_UP) this.fail(CONNECTION);
    else this.post();
  }

  // One request at a time: what is said meanwhile goes with the next one.
  async post() {
    if (this.busy || this.queue.length < PIECE) return;
    this.busy = true;
    this.took = 0;
    const samples = this.queue.splice(0, this.queue.length - (this.queue.length % SOUND_HOP));
    this.sent += samples.length / SOUND_HOP;
    let sentence = CONNECTION, body = null;
    try {
      const answer = await this.send(new Uint8Array(Int16Array.from(samples).buffer));
      if (answer.ok === false) sentence = await refusal(answer);
      else body = new Uint8Array(await answer.arrayBuffer());
    } catch {}
    if (this.state !== "live") return;
    if (body === null) return this.fail(sentence);
    this.busy = false;
    const { end } = this.motion;
    new Records({
      rows: (numbers) => this.rows(numbers),
      moods: ({ first, values }) => this.mood.put(this.place(first), values),
      failed: (words) => this.fail(words),
    }, true).push(body);
    if (this.state !== "live") return;
    // The face must have been so far behind that it had rows until now.
    if (end && this.motion.end > end) {
      this.need = Math.min(LONGEST, Math.max(SHORTEST, this.clock - end / SOUND_FPS, EASING * this.need));
      this.delay = this.need + SLACK;
    }
    this.post();
  }

  rows(numbers) {
    for (let at = 0; at + this.size <= numbers.length; at += this.size) {
      this.motion.put(this.place(this.answered++), [numbers.subarray(at, at + this.size)]);
    }
    while (this.shifts[1]?.[0] < this.answered) this.shifts.shift();
    this.motion.drop(Math.floor(this.frame) - 2 * SOUND_FPS);
    this.mood.drop(Math.floor(this.frame) - 2 * SOUND_FPS);
  }

  // The microphone's frame of a frame that was sent.
  place(frame) {
    return frame + this.shifts.findLast(([from]) => from <= frame)[1];
  }

  // --- what is shown ---

  // Seconds of the microphone's sound so far.
  get clock() {
    return this.origin === undefined ? 0 : this.context.currentTime - this.origin;
  }

  // The frame to show now, with its fraction.
  get frame() {
    this.latest = Math.max(this.latest, (this.clock - this.delay) * SOUND_FPS);
    return this.latest;
  }

  // The numbers of a frame, null where the face is quiet.
  row(frame) {
    const gone = frame - this.motion.end > GONE * SOUND_FPS;
    return this.state !== "live" || gone ? null : this.motion.at(Math.floor(frame));
  }

  // [valence, arousal], null where the answers tell none.
  moodAt(frame) {
    return this.mood.at(Math.floor(frame));
  }
}
