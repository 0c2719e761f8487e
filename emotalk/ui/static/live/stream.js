// Records of a stream (emotalk/live/wire.py): a letter, the length of what follows (3 bytes, low one first), and that.
import { halves } from "./half.js";

const STREAM_VERSION = 1;
const STREAM_BROKEN = "The connection broke off before all was said; try again.";
const STREAM_STRANGE = "The server's answer is not a talk; reload the page.";

// The sentence of an answer that is no success.
export async function refusal(response) {
  try {
    const { detail } = await response.json();
    if (typeof detail === "string" && detail) return detail;
  } catch {
    // no JSON: the status has to do
  }
  return `The server could not answer (status ${response.status}); try again.`;
}

// Reads records however they are cut: every byte is copied once, into its record.
export class Records {
  // handlers: any of {header, sound, rows, moods, words, remark, end, failed}. `bare` records need no header.
  constructor(handlers, bare = false) {
    this.handlers = handlers;
    this.open = bare; // the header was read
    this.over = false; // the end was read, or what cannot be
    this.head = new Uint8Array(4);
    this.body = null;
    this.filled = 0;
  }

  push(chunk) {
    for (let at = 0; at < chunk.length && !this.over;) {
      const into = this.body ?? this.head, size = Math.min(into.length - this.filled, chunk.length - at);
      into.set(chunk.subarray(at, at + size), this.filled);
      at += size;
      this.filled += size;
      if (this.filled < into.length) continue;
      this.filled = 0;
      if (this.body === null) {
        const [kind, low, middle, high] = this.head;
        if (!"HAMCWREX".includes(String.fromCharCode(kind))) return this.tell("failed", STREAM_STRANGE);
        this.body = new Uint8Array(low | (middle << 8) | (high << 16));
        if (this.body.length) continue;
      }
      const body = this.body;
      this.body = null;
      this.record(String.fromCharCode(this.head[0]), body);
    }
  }

  record(kind, body) {
    let value = null;
    if (kind !== "A" && kind !== "M") {
      try {
        value = JSON.parse(new TextDecoder().decode(body));
      } catch {
        return this.tell("failed", STREAM_STRANGE);
      }
    }
    if (kind === "X") return this.tell("failed", value.error);
    if (kind === "H" && value.version === STREAM_VERSION) this.open = true;
    if (!this.open || (kind === "H" && value.version !== STREAM_VERSION)) return this.tell("failed", STREAM_STRANGE);
    if (kind === "H") this.tell("header", value);
    else if (kind === "A") this.tell("sound", body);
    else if (kind === "M") this.tell("rows", halves(body));
    else if (kind === "C") this.tell("moods", value);
    else if (kind === "W") this.tell("words", value.words);
    else if (kind === "R") this.tell("remark", value.remark);
    else this.tell("end", value);
  }

  tell(name, value) {
    this.over ||= name === "end" || name === "failed";
    this.handlers[name]?.(value);
  }
}

// Reads the answer of a fetch to its end. Everything that goes wrong comes as failed(sentence), but for what `signal` ends:
// then nothing more comes.
export async function readStream(response, handlers, signal) {
  const records = new Records(handlers);
  if (!response.ok) {
    const sentence = await refusal(response);
    if (!signal?.aborted) records.tell("failed", sentence);
    return;
  }
  const reader = response.body.getReader(), leave = () => reader.cancel().catch(() => {});
  signal?.addEventListener("abort", leave);
  try {
    while (!records.over) {
      const { done, value } = await reader.read().catch(() => ({ done: true }));
      if (signal?.aborted) return;
      if (done) records.tell("failed", STREAM_BROKEN);
      else records.push(value);
    }
  } finally {
    signal?.removeEventListener("abort", leave);
    leave();
  }
}
