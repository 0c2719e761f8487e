// Talking with the face on the stage. props.script = where the module of the turns lies (static/live/dialogue.js). What is
// typed here and the key of a model go to the server with `POST converse` alone: this part has no value. What the page's
// controls say of voice and mood is asked for with `submit` and comes as emotalk-wish {...}; emotalk-conversation (true or
// false) opens and closes it.
const at = (name) => element.querySelector("." + name);
const [log, words, ear, hint, model, consent] = ["log", "words", "ear", "hint", "model", "consent"].map(at);
const Recognition = window.SpeechRecognition || window.webkitSpeechRecognition;
const STATES = { idle: "", listening: "Listening", thinking: "Thinking...", speaking: "" };
const KEPT = 40; // turns in the log
let dialogue = null;
let answering = null; // { offered, typed, model }: who can answer here
let open = false;
let allowed = false; // the microphone, by whoever read what it means
let answer = null; // the face's turn in the log, while it lasts
let again = ""; // makes another address of the script's
let beginning = false; // asked for, not there yet
let wanted = []; // who waits for what the controls say

const face = () => {
  let found = null;
  document.dispatchEvent(new CustomEvent("emotalk-living", { detail: (there) => (found = there) }));
  return found;
};

// --- what is seen ---

function turn(kind, who, text) {
  const line = document.createElement("p"), said = document.createElement("span");
  line.className = kind;
  said.className = "who";
  said.textContent = who + " ";
  // What is said may run from right to left, beside a name that does not.
  const speech = document.createElement("bdi");
  speech.append(text);
  line.append(said, speech);
  log.append(line);
  while (log.children.length > KEPT) log.firstChild.remove();
  log.scrollTop = log.scrollHeight;
  if (document.activeElement === words) words.scrollIntoView({ block: "nearest" }); // a longer log pushes it down
  return speech;
}

const TOLD = {
  state: (state) => (at("state").textContent = STATES[state]),
  asked: (text) => {
    answer = null;
    remark("");
    turn("visitor", "You:", text);
    words.value = "";
  },
  said: (text) => {
    if (answer) answer.append(" " + text);
    else answer = turn("face", "The face:", text);
    log.scrollTop = log.scrollHeight;
  },
  broken: () => {
    answer?.append(" \u2013");
    answer = null;
  },
  words: (text) => (words.value = text),
  ear: (on) => {
    ear.setAttribute("aria-pressed", String(on));
    ear.setAttribute("aria-label", on ? "Switch the microphone off" : "Talk into your microphone");
  },
  failed: (sentence) => document.dispatchEvent(new CustomEvent("emotalk-note", { detail: sentence })),
};

function remark(sentence) {
  hint.textContent = sentence;
  hint.hidden = !sentence;
}

async function whoAnswers({ living }) {
  try {
    const response = await fetch(living.address("emotalk/live-face/converse"));
    answering = response.ok ? await response.json() : null;
  } catch {
    answering = null;
  }
  const { offered = false, typed = false } = answering || {};
  model.hidden = offered || !typed;
  model.open ||= !model.hidden && !at("url").value;
  at("unset").hidden = offered || typed;
  at("turns").hidden = !offered && !typed;
}

// --- what is done ---

// What `POST converse` takes beside the words.
const wish = (name) => () =>
  new Promise((done) => {
    wanted.push((settings) => {
      const typed = model.hidden ? [] : [["url", "url"], ["key", "key"], ["model", "name"]].map(([key, place]) => [key, at(place).value.trim()]);
      done({ ...settings, avatar: name(), ...Object.fromEntries(typed.filter(([, value]) => value)) });
    });
    trigger("submit");
  });

async function begin() {
  const there = face();
  if (!open || !there || beginning) return;
  beginning = true; // the class that opening sets asks a second time
  try {
    if (!answering) await whoAnswers(there);
    ear.hidden = !Recognition;
    if (dialogue) return;
    const { Dialogue } = await import(there.living.address(props.script) + again);
    const options = { Microphone: there.Microphone, Recognition, language: document.documentElement.lang || navigator.language };
    dialogue ||= new Dialogue(there.living, wish(() => face()?.name), (event, detail) => TOLD[event](detail), options);
    remark("");
  } catch {
    again = "#" + Date.now(); // browsers remember that a module did not come
    remark("The conversation cannot be loaded; check the connection and choose it again.");
  } finally {
    beginning = false;
  }
}

function send() {
  const there = face();
  if (!dialogue || !there) return;
  if (!model.hidden && !at("url").value.trim()) {
    model.open = true;
    remark("Say first which model answers: its address at least.");
    at("url").focus();
    return;
  }
  there.living.sounding(); // browsers let a page sound in answer to a press
  dialogue.ask(words.value);
}

function listen() {
  const there = face();
  if (!dialogue || !there) return;
  if (dialogue.ear) return dialogue.deafen();
  if (!allowed) {
    consent.hidden = false;
    at("yes").focus();
    return;
  }
  there.living.sounding();
  remark("");
  dialogue.listen();
}

words.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  event.preventDefault();
  send();
});
words.addEventListener("input", () => dialogue?.typed());
at("send").addEventListener("click", send);
ear.addEventListener("click", listen);
at("yes").addEventListener("click", () => {
  allowed = true;
  consent.hidden = true;
  ear.focus();
  listen();
});
at("no").addEventListener("click", () => {
  consent.hidden = true;
  words.focus();
});
at("anew").addEventListener("click", () => {
  dialogue?.anew();
  answer = null;
  log.replaceChildren();
  words.value = "";
  remark("");
  words.focus();
});

document.addEventListener("emotalk-wish", ({ detail }) => {
  for (const take of wanted.splice(0)) take(detail);
});
document.addEventListener("emotalk-voice", ({ detail }) => dialogue?.voice(detail));
document.addEventListener("emotalk-note", ({ detail }) => open && remark(detail));
document.addEventListener("emotalk-conversation", ({ detail }) => {
  open = detail;
  document.body.classList.toggle("emotalk-chat", open);
  if (!open) return dialogue?.leave();
  face()?.living.hush(); // what is said or lent now
  element.scrollIntoView({ block: "nearest" }); // other parts have gone
  begin();
});
// The face may come later, and go: then nobody listens.
new MutationObserver(() => {
  if (!open) return;
  if (!document.body.classList.contains("emotalk-live")) dialogue?.leave();
  else if (!dialogue) begin();
}).observe(document.body, { attributeFilter: ["class"] });
