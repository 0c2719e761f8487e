// A page without a server (emotalk/ui/recorded_page.py writes it): a face that lives, what it says, and a pad for its mood.
import { canDraw } from "./face.js";
import { Actor } from "./actor.js";
import { Life } from "./life.js";
import { Living } from "./living.js";
import { readPack } from "./pack.js";
import { Records } from "./stream.js";
import { Voice } from "./voice.js";

const HEARD_FPS = 25;

async function unpacked(bytes) {
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

// The living face of a page, with all that a server would have told.
export class Recorded extends Living {
  // parts: bytes by name: `face` and `avatar` (packs, gzip) and `talk` (records). Without a graphics processor it is heard.
  constructor(place, parts, told, options) {
    super(place, null, told, options);
    this.parts = parts;
    this.actor = new Actor(null);
    const [, a, b, c] = parts.talk;
    new Records({ header: (header) => (this.header = header) }).push(parts.talk.subarray(0, 4 + (a | (b << 8) | (c << 16))));
  }

  bytes(name) {
    return unpacked(this.parts[name]);
  }

  async show(seed) {
    const { who } = this.header, shared = readPack(await this.bytes("face"));
    this.shared = Promise.resolve(shared);
    this.actor.life = new Life(shared, who, seed);
    await this.wear({ pack: "avatar", who });
  }

  // Plays what was recorded, from its beginning.
  async say() {
    this.hush();
    const voice = (this.voice = new Voice(this.sounding(), {
      size: this.header.row,
      onstart: () => this.news(voice, "speaking"),
      onend: () => this.ended(voice),
      onstall: () => this.news(voice, "waiting"),
      onresume: () => this.news(voice, "speaking"),
    }));
    this.actor.speak(voice);
    this.news(voice, "waiting");
    new Records({
      sound: (bytes) => voice.sound(bytes),
      rows: (rows) => voice.rows(rows),
      moods: (moods) => voice.moods(moods),
      end: () => voice.end(),
    }).push(this.parts.talk);
  }
}

// The page around it. root: its <main>; parts: as above, in base64. data-seed, data-mood and data-parent say the rest.
export class RecordedPage {
  constructor(root, parts) {
    this.root = root;
    this.at = (name) => root.querySelector("." + name);
    this.captions = JSON.parse(this.at("captions").textContent);
    this.at("caption").hidden = !this.captions.length;
    const bytes = Object.fromEntries(Object.entries(parts).map(([name, text]) => [name, Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]));
    // A test draws without a graphics processor.
    const software = window.emotalkSoftware === true;
    this.living = new Recorded(this.at("alive"), bytes, (event, detail) => this.told(event, detail), { software });
    root.living = this.living;
    this.pad();
    this.bridge();
    this.at("play").onclick = () => this.pressed();
    this.at("play").disabled = false;
    this.move(...JSON.parse(root.dataset.mood));
    this.drawn = this.draw(software);
  }

  // Where it cannot be drawn the picture stays, and the sound is there all the same.
  async draw(software) {
    try {
      if (!canDraw(software)) throw new Error("This browser cannot draw a living face: it has no WebGL2 or no graphics processor.");
      await this.living.show(Number(this.root.dataset.seed));
      this.living.canvas.setAttribute("aria-label", this.at("poster").alt);
      this.root.classList.add("drawn");
    } catch (error) {
      this.at("note").textContent = error.message + " The picture stands for it.";
    }
  }

  told(event, detail) {
    if (event === "failed") this.at("note").textContent = detail;
    if (event !== "speaking" && event !== "silent" && event !== "waiting") return;
    const silent = event === "silent";
    this.root.dataset.voice = event;
    this.at("play").textContent = silent || this.held ? "Play" : "Stop";
    clearInterval(this.reading);
    if (silent) this.caption();
    else this.reading = setInterval(() => this.caption(), 60);
    this.post(event);
  }

  caption() {
    const { voice } = this.living, seconds = voice ? voice.frame / HEARD_FPS : -1;
    const text = this.captions.find(([start, end]) => start <= seconds && seconds < end)?.[2] ?? "";
    if (this.at("caption").textContent !== text) this.at("caption").textContent = text;
  }

  // Whether a browser holds the sound back, since nobody had pressed anything here.
  get held() {
    return this.living.voice && this.living.context.state === "suspended";
  }

  pressed() {
    if (this.held) this.living.sounding();
    else if (this.living.voice) this.living.hush();
    else this.living.say();
  }

  // --- the pad ---

  pad() {
    const pad = this.at("pad");
    const follow = (event) => {
      const box = pad.getBoundingClientRect();
      this.move(((event.clientX - box.left) / box.width) * 2 - 1, 1 - ((event.clientY - box.top) / box.height) * 2);
    };
    pad.onpointerdown = (event) => {
      pad.setPointerCapture(event.pointerId);
      follow(event);
    };
    pad.onpointermove = (event) => pad.hasPointerCapture(event.pointerId) && follow(event);
    pad.ondblclick = () => this.move(0, 0);
    pad.onkeydown = (event) => {
      const step = event.shiftKey ? 0.25 : 0.05, [v, a] = this.mood;
      const target = {
        ArrowRight: [v + step, a], ArrowLeft: [v - step, a], ArrowUp: [v, a + step], ArrowDown: [v, a - step], Home: [0, 0],
      }[event.key];
      if (!target) return;
      event.preventDefault();
      this.move(...target);
    };
  }

  move(valence, arousal) {
    const [v, a] = (this.mood = [valence, arousal].map((x) => Math.round(100 * Math.max(-1, Math.min(1, x))) / 100));
    this.living.mood(v, a);
    const { style } = this.at("knob"), pad = this.at("pad");
    style.left = 50 + 50 * v + "%";
    style.top = 50 - 50 * a + "%";
    pad.setAttribute("aria-valuenow", v);
    pad.setAttribute("aria-valuetext", `valence ${v.toFixed(2)}, arousal ${a.toFixed(2)}`);
  }

  // --- a page around this one ---

  // Hears the page that has this one in an <iframe>, where it is of the site that data-parent names, or else of this one's.
  bridge() {
    this.parent = window.parent !== window && (this.root.dataset.parent || location.origin);
    if (!this.parent || this.parent === "null") this.parent = null;
    else addEventListener("message", (event) => event.source === window.parent && event.origin === this.parent && this.hear(event.data ?? {}));
  }

  hear({ emotalk, valence, arousal }) {
    if (emotalk === "play") this.living.say();
    else if (emotalk === "stop") this.living.hush();
    else if (emotalk === "mood" && Number.isFinite(valence) && Number.isFinite(arousal)) this.move(valence, arousal);
  }

  post(event) {
    if (this.parent) window.parent.postMessage({ emotalk: event }, this.parent);
  }
}
