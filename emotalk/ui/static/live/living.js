// The living face of a page: fetches what the server names, draws it into a canvas of its own, speaks and listens.
import { Actor } from "./actor.js";
import { LiveFace } from "./face.js";
import { EYELIDS } from "./head.js";
import { Life } from "./life.js";
import { readPack } from "./pack.js";
import { Puppet } from "./puppet.js";
import { readStream } from "./stream.js";
import { Voice } from "./voice.js";

const AWAY = 1.5; // widths of the picture from the face to whoever looks at it, for the direction of the pointer
const FURTHEST = 0.38; // radians that eyes follow a pointer
const RESTED = 4000; // milliseconds after which a pointer that rests is looked at no more
const SETTLED = 2000; // milliseconds in which a face comes to rest where no movement is wanted
const DEGREES = Math.PI / 180;

export class Living {
  // place: the element that the canvas goes into; address(path): where the server has it; told(event, detail) hears of
  // "shown", "waiting", "speaking", "silent", "remark" and "failed" (a sentence).
  constructor(place, address, told, { software = false } = {}) {
    Object.assign(this, { place, address, told, software });
    this.wanted = 0; // of faces: the newest wins
    this.view = {};
    this.corner = undefined;
    this.background = null;
    this.moving = false;
    // Whether the visitor wants no movement that nobody asked for.
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.calm.onchange = () => this.stir();
    this.onPointer = (event) => this.follow(event);
    this.sizes = new ResizeObserver(() => this.fit());
    this.seen = new IntersectionObserver(([entry]) => (entry.isIntersecting ? this.start() : this.pause()));
    this.seen.observe(place);
    document.addEventListener("pointermove", this.onPointer, { passive: true });
  }

  async bytes(path) {
    const response = await fetch(this.address(path));
    if (!response.ok) throw new Error("The face cannot be fetched (" + response.status + "); reload the page.");
    return response.arrayBuffer();
  }

  // shown: { ticket, face, pack, private, who } as the server tells of a face. The face on the screen stays until the new one is
  // drawn. Throws an Error with a sentence where it cannot be.
  async wear(shown) {
    const mine = ++this.wanted;
    this.ticket = shown.ticket;
    this.shared ||= this.bytes(shown.face).then(readPack).catch((error) => {
      this.shared = null; // the next one tries again
      throw error;
    });
    const own = shown.private ? "?ticket=" + encodeURIComponent(shown.ticket) : ""; // of a real person
    const [shared, pack] = await Promise.all([this.shared, this.bytes(shown.pack + own)]);
    if (mine !== this.wanted) return;
    this.hush();
    if (!this.actor) this.actor = new Actor(new Life(shared, shown.who, Date.now() & 0xffff));
    else this.actor.life.setWho(shown.who);
    this.stir();
    const canvas = document.createElement("canvas"), face = new LiveFace(canvas, pack, { corner: this.corner, software: this.software });
    canvas.style.cssText = "display:block;width:100%;aspect-ratio:1"; // whatever its pixels are
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "The chosen face, alive");
    face.look(this.view);
    if (this.background) face.setBackground(this.background);
    this.actor.wear(face);
    this.place.append(canvas);
    this.drop();
    [this.face, this.canvas] = [face, canvas];
    this.sizes.observe(canvas);
    this.fit();
    this.actor.draw(performance.now());
    this.told("shown");
    this.start();
  }

  // No face: the canvas is gone, and what was on its way comes to nothing.
  undress() {
    this.wanted++;
    this.hush();
    this.pause();
    this.actor?.wear(null);
    this.drop();
  }

  drop() {
    if (!this.face) return;
    this.sizes.unobserve(this.canvas);
    this.face.close();
    this.canvas.remove();
    this.face = this.canvas = null;
  }

  fit() {
    if (!this.face) return;
    this.stir();
    const shown = this.canvas.clientWidth * (window.devicePixelRatio || 1);
    if (shown > 0) this.face.adapt(shown);
  }

  start() {
    if (this.moving || !this.face) return;
    this.moving = true;
    const next = (now) => {
      if (!this.moving) return;
      if (this.actor.pointer && now - this.pointed > RESTED) this.actor.pointer = null;
      if (!this.rests(now)) this.actor.draw(now);
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  }

  // Something is to be seen: a face that rests moves for a moment.
  stir() {
    this.stirred = performance.now();
    if (this.actor?.life) this.actor.life.alive = !this.calm.matches;
  }

  // Where no movement is wanted, a face that says nothing stands still, its eyes open.
  rests(now) {
    const { last } = this.actor.life;
    return this.calm.matches && !this.voice && !this.puppet && now > this.stirred + SETTLED && last && last[EYELIDS] < 0.1;
  }

  pause() {
    this.moving = false;
  }

  // yaw and pitch in degrees, zoom, the mark's corner, a background (LiveFace.setBackground); what is not named stays.
  look({ yaw, pitch, zoom, corner, background }) {
    const view = { yaw: yaw * DEGREES, pitch: pitch * DEGREES, zoom };
    for (const name of Object.keys(view)) if (Number.isFinite(view[name])) this.view[name] = view[name];
    if (corner) this.corner = corner;
    if (background !== undefined) this.background = background;
    if (!this.face) return;
    this.stir();
    this.face.look(this.view);
    if (corner) this.face.corner = corner;
    if (background !== undefined) this.face.setBackground(background);
  }

  mood(valence, arousal, expressiveness = 1) {
    if (!this.actor) return;
    this.stir();
    this.actor.mood(valence, arousal);
    this.actor.expressiveness = expressiveness;
  }

  follow(event) {
    if (!this.canvas || event.pointerType === "touch" || this.calm.matches) return;
    const box = this.canvas.getBoundingClientRect(), far = AWAY * box.width;
    const limited = (angle) => Math.min(Math.max(angle, -FURTHEST), FURTHEST);
    const across = event.clientX - (box.left + box.width / 2), down = event.clientY - (box.top + 0.42 * box.height);
    this.actor.pointer = [limited(Math.atan2(across, far)), limited(-Math.atan2(down, far))];
    this.pointed = performance.now();
  }

  // Sound needs a press of a button before it: call this in its handler. A newer utterance interrupts an older one.
  sounding() {
    this.context ||= new AudioContext({ latencyHint: "interactive" });
    this.context.resume?.();
    return this.context;
  }

  // The address of what this page's ticket may ask for.
  at(path) {
    return this.address(`emotalk/live-face/${path}?ticket=${encodeURIComponent(this.ticket)}`);
  }

  // wish: what `POST <path>` takes (docs/live.md); more: handlers of records that it has none of its own for (`text`). Ends
  // when all is said, or was stopped. A microphone is let go.
  async say(wish, path = "say", more = {}) {
    this.hush();
    const speaking = () => this.news(voice, "speaking");
    const voice = (this.voice = new Voice(this.sounding(), {
      size: this.actor.life.quiet.length,
      onstart: speaking,
      onresume: speaking,
      onend: () => this.ended(voice),
      onstall: () => this.news(voice, "waiting"),
      onfail: (sentence) => {
        this.news(voice, "failed", sentence);
        this.ended(voice);
      },
    }));
    const stopping = (this.stopping = new AbortController());
    this.actor.speak(voice);
    this.news(voice, "waiting");
    const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wish), signal: stopping.signal };
    const response = await fetch(this.at(path), request).catch(() => null);
    if (!response) return voice.fail("The server cannot be reached; check the connection and try again.");
    await readStream(response, {
      ...more,
      header: (header) => voice === this.voice && this.actor.life.setWho(header.who),
      sound: (bytes) => voice.sound(bytes),
      rows: (rows) => voice.rows(rows),
      moods: (moods) => voice.moods(moods),
      words: (words) => voice.words(words),
      remark: (remark) => this.news(voice, "remark", remark),
      end: () => voice.end(),
      failed: (sentence) => voice.fail(sentence),
    }, stopping.signal);
  }

  news(voice, event, detail) {
    if (voice === this.voice) this.told(event, detail);
  }

  ended(voice) {
    if (voice !== this.voice) return;
    this.voice = null;
    this.stir();
    this.actor.hush();
    this.told("silent");
  }

  // What is being said fades, the mouth closes, and the microphone is off.
  hush() {
    this.silence();
    this.stopping?.abort();
    const { voice } = this;
    if (!voice) return;
    voice.stop();
    this.ended(voice);
  }

  // The face says what the microphone hears, until `silence`.
  async lend() {
    this.hush();
    const id = Math.random().toString(36).slice(2) + "0";
    const send = (bytes) =>
      fetch(this.at("puppet") + "&id=" + id, { method: "POST", body: bytes });
    const puppet = (this.puppet = new Puppet(send, {
      size: this.actor.life.quiet.length,
      onfail: (sentence) => {
        this.told("failed", sentence);
        this.silence();
      },
    }));
    this.actor.speak(puppet);
    await puppet.start();
    if (puppet === this.puppet && puppet.state === "live") this.told("listening");
  }

  silence() {
    const { puppet } = this;
    if (!puppet) return;
    this.puppet = null;
    this.stir();
    puppet.stop();
    this.actor.hush();
    this.told("silent");
  }

  // Nothing of it is left.
  close() {
    this.undress();
    this.sizes.disconnect();
    this.seen.disconnect();
    document.removeEventListener("pointermove", this.onPointer);
    this.context?.close();
  }
}
