// The big face. `value` is the clip's state: {id, state: "idle" | "working" | "done" | "stopped", live, final,
// share, note, starts, smaller, at}; one with an earlier `at` than the last was overtaken on its way and is no news. The
// picture that follows the mood comes from the `still` part as an event.
// A clip plays from `live` (a growing file) while it is rendered and from `final` afterwards. `live` comes when it can play
// without a pause, and until then `starts`, the seconds that are left; where `smaller`, a smaller video is proposed, and who
// presses that fires `select`.
const stage = element.querySelector(".stage");
const face = element.querySelector(".face");
const video = element.querySelector(".clip");
const say = element.querySelector(".say");
const smaller = element.querySelector(".smaller");
const bar = element.querySelector(".bar i");
let clip = null;    // id of the clip that the video element holds
let source = "";    // "live" or "final"
let liveBroke = false;
let latest = 0;     // `at` of the last news
let promised = "";  // id of the clip of which it was told when it starts

const address = (path) => new URL(path + (location.search.includes("__sign") ? location.search : ""), document.baseURI).href;
// Screen readers are told what is to be seen; a new picture of the face is no news to them.
const tell = (words) => (element.querySelector(".said").textContent = words);
const TOLD = { working: "Making the video", playing: "The video plays", ready: "The video is there: it can be played and saved" };
const show = (state) => {
  if (stage.dataset.state !== state && TOLD[state]) tell(TOLD[state]);
  stage.dataset.state = state;
};

function load(kind, path) {
  source = kind;
  ground(path.endsWith(".webm"));
  video.controls = false;
  video.src = address(path);
  video.play().catch(() => {
    // Browsers refuse sound before the first click on a page: offer the button instead.
    if (video.paused && !video.error) show("ready");
  });
}

video.addEventListener("playing", () => {
  show("playing");
  // The browser's own bar only where it can scrub, and not over a face that waits.
  video.controls = source === "final";
});
video.addEventListener("ended", () => {
  if (source === "live" && props.value && props.value.final) {
    // Swap quietly to the finished file, which can be scrubbed and saved.
    source = "final";
    video.src = address(props.value.final);
  }
  video.controls = false;
  show("ready");
});
video.addEventListener("error", () => {
  if (source !== "live") return;
  // A browser that cannot play a growing file waits for the finished one.
  liveBroke = true;
  if (props.value && props.value.final) load("final", props.value.final);
  else show("working");
});
element.querySelector(".replay").addEventListener("click", () => {
  video.currentTime = 0;
  video.play();
});

smaller.addEventListener("click", () => {
  smaller.hidden = true;
  trigger("select");
});

function busy(on) {
  document.body.classList.toggle("emotalk-busy", on);
  stage.classList.toggle("busy", on);
}

// Answer a press at once, also to somebody who has to wait in line; the server's first word follows. A second press is
// no second talk.
const press = (event) => {
  if (!event.target.closest("#generate")) return;
  if (document.body.classList.contains("emotalk-busy")) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  say.textContent = "One moment...";
  clip = null;
  video.pause();
  busy(true);
  show("working");
};
document.addEventListener("click", press, { capture: true });

// A talk that ended without a word of the server: refused at the door.
document.addEventListener("emotalk-refused", () => clip === null && stop());

function stop() {
  busy(false);
  say.textContent = "";
  if (stage.dataset.state !== "working" && source === "final") return;
  clip = null;
  video.pause();
  video.removeAttribute("src");
  video.load();
  tell("There is no video");
  show("still");
}

function follow() {
  const value = props.value || {};
  if ((value.at || 0) < latest) return;
  latest = value.at || 0;
  say.textContent = value.note || "";
  const percent = Math.round(100 * (value.share || 0));
  bar.style.width = percent + "%";
  bar.parentElement.setAttribute("aria-valuenow", percent);
  busy(value.state === "working");
  smaller.hidden = !value.smaller;
  if (value.starts && promised !== value.id) {
    promised = value.id;
    tell("The video starts in about " + value.starts + " seconds");
  }
  if (value.state === "working") {
    if (value.id !== clip) {
      clip = value.id;
      source = "";
      liveBroke = false;
      video.pause();
      show("working");
    }
    if (value.live && !source) load("live", value.live);
  } else if (value.state === "done" && value.final) {
    if (value.id !== clip || liveBroke || !source) {
      clip = value.id;
      load("final", value.final);
    } else if (video.ended) {
      video.dispatchEvent(new Event("ended"));
    }
  } else if (value.state === "stopped") stop();
}

// Whoever is on the stage was deleted.
document.addEventListener("emotalk-gone", () => {
  if (stage.dataset.state === "working") return;
  source = "";
  stop();
});

// Squares behind what is transparent.
function ground(clear) {
  stage.classList.toggle("clear", clear);
}

function restill(picture) {
  if (!picture) return;
  face.src = picture;
  if (["ready", "still"].includes(stage.dataset.state)) ground(picture.startsWith("data:image/webp"));
  // A new mood is shown at once unless a clip is on.
  if (["ready", "still"].includes(stage.dataset.state)) show(clip && stage.dataset.state === "ready" ? "ready" : "still");
  if (stage.dataset.state === "ready") stage.classList.add("restilled");
}
video.addEventListener("playing", () => stage.classList.remove("restilled"));

// The living face steps in front of a finished clip as soon as it is spoken to.
function aside() {
  if (stage.dataset.state === "playing") video.pause();
  if (!["playing", "ready"].includes(stage.dataset.state)) return;
  show("ready");
  stage.classList.add("restilled");
}
for (const name of ["mood", "say", "lend"]) {
  document.addEventListener("emotalk-" + name, () => (name === "mood" && stage.dataset.state === "playing") || aside());
}

const mic = element.querySelector(".mic");
mic.addEventListener("click", () => document.dispatchEvent(new CustomEvent("emotalk-lend")));
document.addEventListener("emotalk-voice", (event) => mic.setAttribute("aria-pressed", String(event.detail === "listening")));

const note = element.querySelector(".note");
let fading = 0;
document.addEventListener("emotalk-note", (event) => {
  note.textContent = event.detail;
  note.classList.add("told");
  clearTimeout(fading);
  fading = setTimeout(() => note.classList.remove("told"), 7000);
});

watch("value", follow);
document.addEventListener("emotalk-still", (event) => restill(event.detail));
restill(props.first);
follow();
