// One utterance: its sound, and the motion that belongs to what is heard.
//
// The sound goes to the context as buffers of the context's own rate, each begun on a whole sample of its clock, so pieces
// join exactly. That needs no AudioWorklet, which pages on plain http do not have. Whatever was given to the context ends
// in a short fade, and what follows takes that ending back while there is time: a page that is busy or a server that is
// late makes a pause, never a click, and nothing has to happen in time for it.
import { Frames, SOUND_FPS, SOUND_HOP, SOUND_RATE } from "./frames.js";
import { Resampler } from "./resample.js";

// Fades, seconds.
const FALL = 0.02, LAST_FALL = 0.004, RISE = 0.01, STOP_FALL = 0.04;
// Seconds from deciding to play to playing, on top of what the context asks for.
const LEAD = 0.02;
// Seconds given to the context: at first, so that it is ready in time, and then; and how few are left when more is given.
// Hidden pages run once a second.
const FIRST = 0.3, AHEAD = 4, REFILL = 2.5;
// Seconds of a pause for which the face keeps still before it closes its mouth.
const HELD = 0.2;
// Frames that stay to be asked for after they were heard.
const REMEMBERED = 2 * SOUND_FPS;
// Cushions, seconds: see `ready`. What comes within TOGETHER came at once.
const TOGETHER = 0.02, LEAST = 0.2, MOST = 3, UNKNOWN = 1, REST = 6, SPARE = 1.1;

export class Voice {
  // size: numbers in a row; to: the node to play into; now: seconds of the context's clock; wall: seconds of any clock;
  // onstart, onend, onstall, onresume, onfail(sentence): told when they are heard, not when they are decided.
  constructor(context, { size = 173, to = context.destination, now, wall, ...told } = {}) {
    this.context = context;
    this.size = size;
    this.told = told;
    this.now = now ?? (() => context.currentTime);
    this.wall = wall ?? (() => performance.now() / 1000);
    this.rate = context.sampleRate;
    this.resampler = new Resampler(SOUND_RATE, this.rate);
    this.gain = context.createGain();
    this.gain.connect(to);
    this.motion = new Frames();
    this.mood = new Frames();
    this.said = [];
    // The sound as it came, { at, samples }, and how many samples came.
    this.pieces = [];
    this.samples = 0;
    // Stretches of sound without a pause: sample `from` + i of the utterance is sample `at` + i of the clock, until `to` and
    // `stop`; what lies after `body` is their `tail`, the fade.
    this.runs = [];
    // How quickly the stream has come since the last pause.
    this.pace = null;
    // Nothing more will come, and why it ends too early.
    this.complete = false;
    this.sentence = null;
    // The state it ended in, and the one that was told.
    this.closed = null;
    this.last = "waiting";
    // The last frame that was asked for; when the clock was seen to go.
    this.latest = 0;
    this.clock = {};
    this.timer = setInterval(() => this.tick(), 40);
  }

  // --- what comes ---

  // bytes: Uint8Array of int16, low byte first.
  sound(bytes) {
    if (this.closed) return;
    const samples = new Int16Array(bytes.slice(0, bytes.length & ~1).buffer);
    this.pieces.push({ at: this.samples, samples });
    this.samples += samples.length;
    this.arrived();
  }

  rows(numbers) {
    if (this.closed) return;
    this.motion.add(numbers, this.size);
    this.arrived();
  }

  moods({ first, values }) {
    this.mood.put(first, values);
  }

  words(list) {
    this.said.push(...list);
  }

  end() {
    this.complete = true;
    this.tick();
  }

  // What has come is played, then it ends with this sentence.
  fail(sentence) {
    if (!this.complete) this.sentence = sentence;
    this.end();
  }

  stop() {
    if (this.closed) return;
    const now = this.now(), { gain } = this.gain;
    gain.setValueAtTime(1, now);
    gain.linearRampToValueAtTime(0, now + STOP_FALL);
    this.close("stopped");
  }

  close(state) {
    this.closed = this.last = state;
    clearInterval(this.timer);
    this.motion = new Frames();
    this.mood = new Frames();
    this.pieces = this.said = [];
  }

  // --- what is heard now ---

  // The stretch that is heard, if any is yet, and which sample of the clock.
  get heard() {
    const heard = (this.now() - (this.context.outputLatency || 0)) * this.rate;
    return { heard, run: this.runs.findLast((run) => run.at <= heard) };
  }

  // With its fraction. Latencies are guesses that change: it never goes back.
  get frame() {
    const { heard, run } = this.heard;
    if (run) this.latest = Math.max(this.latest, (Math.min(run.from + heard - run.at, run.to) / this.rate) * SOUND_FPS);
    return this.latest;
  }

  // The numbers of a frame; null where the face is quiet: before and after the sound, and in a pause that lasts.
  row(frame) {
    const { heard, run } = this.heard, state = this.state;
    if (state === "stalled" ? this.still || heard > run.stop + HELD * this.rate : state !== "speaking") return null;
    return this.motion.at(Math.floor(frame));
  }

  // [valence, arousal], null where the stream tells none.
  moodAt(frame) {
    return this.mood.at(Math.floor(frame));
  }

  get word() {
    if (this.state !== "speaking") return null;
    const seconds = this.frame / SOUND_FPS;
    return this.said.find(([start, end]) => start <= seconds && seconds < end)?.[2] ?? null;
  }

  // A clock that stands: somebody has suspended the context.
  get still() {
    const now = this.now(), wall = this.wall();
    if (now !== this.clock.now) this.clock = { now, since: wall };
    return wall - this.clock.since > HELD;
  }

  // "waiting", "speaking", "stalled", "over", "stopped" or "failed".
  get state() {
    if (this.closed) return this.closed;
    const { heard, run } = this.heard;
    if (run && heard < run.stop) return this.still ? "stalled" : "speaking";
    const all = this.complete && this.edge - this.given < LAST_FALL * this.rate;
    if (all && run === this.runs.at(-1)) return this.sentence === null ? "over" : "failed";
    return run ? "stalled" : "waiting";
  }

  // --- playing ---

  // How far both the sound and its motion go, in samples of the context.
  get edge() {
    const sound = this.samples - (this.complete ? 0 : this.resampler.half);
    return Math.max(0, Math.floor((Math.min(sound, SOUND_HOP * this.motion.end) * this.rate) / SOUND_RATE));
  }

  // Samples that the context was given.
  get given() {
    return this.runs.at(-1)?.to ?? 0;
  }

  arrived() {
    const { edge, pace } = this, time = this.wall();
    if (pace === null) {
      if (edge > this.given) this.pace = { since: time, from: edge, last: time, edge, gap: 0 };
    } else if (edge > pace.edge) {
      pace.gap = Math.max(pace.gap, time - pace.last);
      pace.last = time;
      pace.edge = edge;
      if (time < pace.since + TOGETHER) pace.from = edge;
    }
    this.tick();
  }

  // Whether sound may start with what is there. What comes faster than it is heard needs to last to the next piece only;
  // what comes more slowly needs as much more as it will fall behind until the end (or for a while, where that is not known).
  ready(edge, from) {
    const have = (edge - from) / this.rate, { pace } = this;
    if (this.complete) return have >= LAST_FALL;
    if (pace === null || have < LEAST) return false;
    const spent = pace.last - pace.since;
    if (spent < TOGETHER) return have >= UNKNOWN;
    const speed = (pace.edge - pace.from) / this.rate / spent;
    const rest = Math.max(REST, (this.said.at(-1)?.[1] ?? 0) - edge / this.rate);
    return have >= Math.min(MOST, SPARE * pace.gap + Math.max(0, rest * (SPARE / speed - 1)));
  }

  // Plays on and tells what has changed; called by itself.
  tick() {
    if (this.closed) return;
    const now = this.now(), soon = now + LEAD + 2 * (this.context.baseLatency || 0), { edge, rate } = this;
    let run = this.runs.at(-1);
    if (run && !run.ended) {
      // From here on its fade cannot be taken back.
      run.ended = run.at + run.body - run.from <= soon * rate;
      const more = edge > run.to || run.to - run.body > this.fall(edge);
      if (run.ended) this.pace = null;
      else if (more && run.stop < (now + REFILL) * rate) this.extend(run, Math.ceil((now + AHEAD) * rate) - run.at);
    }
    const from = this.given;
    if ((!run || run.ended) && this.ready(edge, from)) {
      run = { at: Math.max(run?.stop ?? 0, Math.ceil(soon * rate)), from, body: from, to: from, rise: run ? RISE * rate : 1 };
      this.runs.push(run);
      this.extend(run, FIRST * rate);
      if (edge > run.to) this.extend(run, AHEAD * rate);
    }
    this.forget();
    this.tell();
  }

  // Samples that fall before `to`: few where the utterance ends.
  fall(to) {
    return Math.round((this.complete && to === this.edge ? LAST_FALL : FALL) * this.rate);
  }

  // Gives more of a stretch, up to `length` samples from its beginning.
  extend(run, length) {
    const to = Math.min(this.edge, run.from + Math.round(length)), body = Math.max(run.body, to - this.fall(to)), { tail } = run;
    if (body > run.body) this.give(run, run.body, body, 0);
    run.tail = this.give(run, body, to, to - body);
    tail?.stop();
    run.body = body;
    run.to = to;
    run.stop = run.at + to - run.from;
  }

  // Gives the context samples [from, to) of the utterance; they rise where the stretch begins, and fall over the last `fall`.
  give(run, from, to, fall) {
    const buffer = this.context.createBuffer(1, to - from, this.rate), data = buffer.getChannelData(0);
    const [first, last] = this.resampler.needs(from, to);
    this.resampler.run(this.read(first, last), first, from, data);
    for (let i = 0; i < run.from + run.rise - from && i < data.length; i++) data[i] *= Math.min(1, (from + i - run.from + 1) / run.rise);
    for (let i = 1; i <= fall; i++) data[data.length - i] *= i / (fall + 1);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.gain);
    source.start((run.at + from - run.from) / this.rate);
    return source;
  }

  // Samples [from, to) as they came, zeros where there are none.
  read(from, to) {
    const found = new Float32Array(to - from);
    for (const { at, samples } of this.pieces) {
      for (let i = Math.max(from, at), end = Math.min(to, at + samples.length); i < end; i++) found[i - from] = samples[i - at] / 32768;
    }
    return found;
  }

  // What was heard is not kept.
  forget() {
    const { frame } = this, run = this.runs.at(-1), seconds = frame / SOUND_FPS;
    this.motion.drop(Math.floor(frame) - REMEMBERED);
    this.mood.drop(Math.floor(frame) - REMEMBERED);
    while (this.said.length && this.said[0][1] < seconds - 1) this.said.shift();
    const used = run ? this.resampler.needs(run.body, run.body + 1)[0] : 0;
    while (this.pieces.length && this.pieces[0].at + this.pieces[0].samples.length < used) this.pieces.shift();
    while (this.runs.length > 1 && this.runs[1].at <= this.heard.heard) this.runs.shift();
  }

  tell() {
    const { state, last, told } = this;
    if (state === last) return;
    this.last = state;
    if (last === "waiting" && this.runs.length) told.onstart?.();
    else if (state === "speaking") told.onresume?.();
    if (state === "stalled") told.onstall?.();
    if (state !== "over" && state !== "failed") return;
    this.close(state);
    if (state === "over") told.onend?.();
    else told.onfail?.(this.sentence);
  }
}
