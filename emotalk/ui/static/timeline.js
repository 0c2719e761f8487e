// Mood key frames: a press on the line adds one with the pad's mood; dragging a dot moves it; a dot that was pressed
// is the chosen one, whose mood the pad changes until it or the line is pressed again. `follow`: the voice sets the
// mood, so that the dots are not used. value = {follow, mood: [v, a], keys: [[second, v, a], ...]}: `mood` is the pad's, `keys` are the person's.
// props.said = [[second, v, a], ...]: moods that directions in the text of the last talk set, each until the next one.
const track = element.querySelector(".track");
const ramp = element.querySelector(".ramp");
const strip = element.querySelector(".strip");
const dots = element.querySelector(".dots");
const ticks = element.querySelector(".ticks");
const chips = element.querySelector(".chips");
const unused = element.querySelector(".unused");
let chosen = null; // the second of the chosen key frame
let held = null;   // {from, x, moved} of a dot that is being dragged, or {} of a press on the line
let padded = "";   // the pad's mood as it was last seen
const keys = () => (props.value && props.value.keys) || [];
const said = () => props.said || [];
const span = () => Math.max(10, Math.ceil(Math.max(0, ...[...keys(), ...said()].map((key) => key[0])) * 1.25));

// The pad's four corner colours, mixed by direction and strength.
function colour(v, a) {
  const corners = [[255, 200, 97, 1, 1], [143, 214, 163, 1, -1], [134, 168, 240, -1, -1], [240, 138, 134, -1, 1]];
  const mixed = [0, 0, 0];
  for (const [r, g, b, x, y] of corners) {
    const weight = ((1 + x * v) * (1 + y * a)) / 4;
    mixed[0] += r * weight; mixed[1] += g * weight; mixed[2] += b * weight;
  }
  return "rgb(" + mixed.map(Math.round).join(",") + ")";
}

function put(list) {
  const sorted = [...list].sort((x, y) => x[0] - y[0]).slice(0, 64);
  props.value = { ...(props.value || {}), keys: sorted };
  draw();
  trigger("input");
}

const clock = (second) => Math.round(Math.max(0, second) * 10) / 10;
const near = (one, other) => Math.abs(one - other) <= 0.05;

// The key frame at `from` goes to `to`, or where another one is, beside it; returns where it is.
function shift(from, to) {
  const others = keys().filter((key) => key[0] !== from);
  let at = clock(to);
  while (others.some((key) => near(key[0], at))) at = clock(at + 0.1);
  if (at === from) return from;
  if (chosen === from) chosen = at;
  put(keys().map((key) => (key[0] === from ? [at, ...key.slice(1)] : key)));
  return at;
}

function remove(second) {
  if (chosen === second) chosen = null;
  put(keys().filter((key) => key[0] !== second));
}

// The pad was moved: the chosen key frame follows it.
function steer() {
  const mood = JSON.stringify((props.value && props.value.mood) || [0, 0]);
  const first = padded === "";
  if (mood === padded) return;
  padded = mood;
  if (first || chosen === null || !keys().some((key) => key[0] === chosen)) return;
  put(keys().map((key) => (key[0] === chosen ? [chosen, ...JSON.parse(mood)] : key)));
}

function add(second) {
  chosen = null;
  const mood = (props.value && props.value.mood) || [0, 0];
  const at = clock(second);
  put([...keys().filter((key) => !near(key[0], at)), [at, ...mood]]);
}

function moment(t, v, a) {
  return t.toFixed(1) + " s  " + (v >= 0 ? "+" : "") + v.toFixed(1) + " / " + (a >= 0 ? "+" : "") + a.toFixed(1);
}

// `stops` as a background that begins at a share of the width: nothing, a plain colour or a gradient.
function gradient(stops, from = 0) {
  if (stops.length === 0) return "";
  if (from > 0) stops = ["transparent " + 100 * from + "%", ...stops];
  return stops.length === 1 ? stops[0].split(" ")[0] : "linear-gradient(90deg, " + stops.join(", ") + ")";
}

function draw() {
  const length = span();
  dots.replaceChildren();
  chips.replaceChildren();
  ticks.replaceChildren();
  for (let i = 0; i <= 5; i++) {
    const tick = document.createElement("span");
    tick.textContent = Math.round((length * i) / 5) + (i === 5 ? " s" : "");
    ticks.append(tick);
  }
  ramp.style.background = gradient(keys().map(([t, v, a]) => colour(v, a) + " " + (100 * t) / length + "%"));
  strip.style.background = gradient(said().flatMap(([t, v, a], i) => {
    const end = i + 1 < said().length ? said()[i + 1][0] : length;
    return [colour(v, a) + " " + (100 * t) / length + "%", colour(v, a) + " " + (100 * end) / length + "%"];
  }), said().length ? said()[0][0] / length : 0);
  strip.hidden = said().length === 0;
  unused.hidden = !(props.value && props.value.follow) || !keys().length;
  keys().forEach(([t, v, a]) => {
    const dot = document.createElement("button");
    dot.type = "button";
    dot.dataset.second = t;
    dot.style.left = (100 * t) / length + "%";
    dot.style.background = colour(v, a);
    dot.setAttribute("aria-pressed", String(t === chosen));
    dot.setAttribute("aria-label", "Mood at second " + t.toFixed(1) + ": press to change it with the pad, arrow keys move it");
    dots.append(dot);
    const chip = document.createElement("button");
    chip.type = "button";
    chip.setAttribute("role", "listitem");
    chip.textContent = moment(t, v, a) + "  ×";
    chip.setAttribute("aria-label", "Remove the mood at second " + t.toFixed(1));
    chip.style.borderColor = colour(v, a);
    chip.addEventListener("click", () => remove(t));
    chips.append(chip);
  });
  for (const [t, v, a] of said()) {
    const chip = document.createElement("span");
    chip.setAttribute("role", "listitem");
    chip.textContent = moment(t, v, a) + "  in the text";
    chip.style.borderColor = colour(v, a);
    chips.append(chip);
  }
}

function secondAt(event) {
  const box = track.getBoundingClientRect();
  return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * span();
}

const dotOf = (target) => target.closest(".dots button");
const focus = (second) => dots.querySelector(`[data-second="${second}"]`)?.focus();

function choose(second) {
  chosen = chosen === second ? null : second;
  draw();
  focus(second);
}

track.addEventListener("pointerdown", (event) => {
  const dot = dotOf(event.target);
  held = dot ? { from: Number(dot.dataset.second), x: event.clientX, moved: false } : {};
  track.setPointerCapture(event.pointerId);
});
track.addEventListener("pointermove", (event) => {
  if (!held || !("from" in held)) return;
  held.moved ||= Math.abs(event.clientX - held.x) > 4;
  // The line grows with its last key frame; what is dragged must not pull its end along.
  if (held.moved) held.from = shift(held.from, Math.min(secondAt(event), 0.8 * span()));
});
track.addEventListener("pointerup", (event) => {
  if (held && !("from" in held)) add(secondAt(event));
  else if (held && !held.moved) choose(held.from);
  held = null;
});
track.addEventListener("pointercancel", () => { held = null; });
track.addEventListener("keydown", (event) => {
  const dot = dotOf(event.target);
  if (dot) {
    const second = Number(dot.dataset.second);
    const step = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
    if (step) focus(shift(second, second + step));
    else if (event.key === "Delete" || event.key === "Backspace") remove(second);
    else if (event.key === "Enter" || event.key === " ") choose(second);
    else return;
    event.preventDefault();
    return;
  }
  if (event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  add(keys().length ? keys()[keys().length - 1][0] + 2 : 0);
});
watch(["value", "said"], () => {
  steer();
  draw();
});
steer();
draw();
