// Mood key frames. value = {mood: [v, a], keys: [[second, v, a], ...]}: `mood` is the pad's, `keys` are the person's.
// props.said = [[second, v, a], ...]: moods that directions in the text of the last talk set, each until the next one.
const track = element.querySelector(".track");
const ramp = element.querySelector(".ramp");
const strip = element.querySelector(".strip");
const dots = element.querySelector(".dots");
const ticks = element.querySelector(".ticks");
const chips = element.querySelector(".chips");
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

function add(second) {
  const mood = (props.value && props.value.mood) || [0, 0];
  const at = Math.round(second * 10) / 10;
  put([...keys().filter((key) => Math.abs(key[0] - at) > 0.05), [at, ...mood]]);
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
  keys().forEach(([t, v, a], index) => {
    const dot = document.createElement("i");
    dot.style.left = (100 * t) / length + "%";
    dot.style.background = colour(v, a);
    dots.append(dot);
    const chip = document.createElement("button");
    chip.type = "button";
    chip.setAttribute("role", "listitem");
    chip.textContent = moment(t, v, a) + "  ×";
    chip.setAttribute("aria-label", "Remove the mood at second " + t.toFixed(1));
    chip.style.borderColor = colour(v, a);
    chip.addEventListener("click", () => put(keys().filter((_, i) => i !== index)));
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

track.addEventListener("click", (event) => {
  const box = track.getBoundingClientRect();
  add(Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * span());
});
track.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  add(keys().length ? keys()[keys().length - 1][0] + 2 : 0);
});
watch(["value", "said"], draw);
draw();
