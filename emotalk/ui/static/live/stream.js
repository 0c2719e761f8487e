// Records of a stream (emotalk/live/wire.py): a letter, the length of what follows (3 bytes, low one first), and that.
import { halves } from "./half.js";

const STREAM_VERSION = 1;
const RECORDS = { H: "header", A: "sound", M: "rows", C: "moods", T: "text", W: "words", R: "remark", E: "end", X: "failed" };
const STREAM_BROKEN = "The connection broke off before all was said; try again.";
const STREAM_STRANGE = "The server's answer is not a talk; reload the page.";

// The sentence of an answer that is no success.
export async function refusal(response) {
  try {
    const { detail } = await response.json();
    if (typeof detail === "string" && detail) return detail;
  } catch {}
  // No sentence came: the status has to do.
  return `The server could not answer (status ${response.status}); try again.`;
}

// Reads records however they are cut: every byte is copied once, into its record.
export class Records {
  // handlers: any of {header, sound, rows, moods, text, words, remark, end, failed}. `open`: no header need come first.
  constructor(handlers, open = false) {
    this.handlers = handlers;
    this.open = open;
    this.over = false;
    this.into = this.head = new Uint8Array(4);
    this.filled = 0;
  }

  push(chunk) {
    for (let at = 0; at < chunk.length && !this.over;) {
      const { into } = this, size = Math.min(into.length - this.filled, chunk.length - at);
      into.set(chunk.subarray(at, (at += size)), this.filled);
      this.filled += size;
      while (this.filled === this.into.length && !this.over) this.next();
    }
  }

  // The head of a record is complete, or its body.
  next() {
    const { head, into } = this, kind = String.fromCharCode(head[0]), name = RECORDS[kind];
    this.filled = 0;
    this.into = head;
    if (into !== head) this.record(kind, name, into);
    else if (name) this.into = new Uint8Array(head[1] | (head[2] << 8) | (head[3] << 16));
    else this.tell("failed", STREAM_STRANGE);
  }

  record(kind, name, body) {
    let value = body;
    try {
      if (kind === "M") value = halves(body);
      else if (kind !== "A") value = JSON.parse(new TextDecoder().decode(body));
      if (kind === "H") this.open = value.version === STREAM_VERSION;
      if (!this.open && kind !== "X") throw new Error();
    } catch {
      return this.tell("failed", STREAM_STRANGE);
    }
    this.tell(name, value[{ W: "words", R: "remark", X: "error" }[kind]] ?? value);
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
