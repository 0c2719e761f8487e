// The valence/arousal pad. value = [valence, arousal] in [-1, 1]; props.names = [[name, degrees], ...] on the
// circumplex. Fires `input` when the person moves it (pointer, touch or keys); follows `value` otherwise.
const pad = element.querySelector(".pad");
const knob = element.querySelector(".knob");
const part = (name) => element.querySelector("." + name);
const clamp = (x) => Math.max(-1, Math.min(1, x));
const round = (x) => Math.round(x * 100) / 100;
let point = [0, 0];
let waiting = 0;

// The same measure as emotalk.emotion.nearest_emotions: "neutral" fades out towards radius 0.6, the rest goes
// to the directions by angular distance (von Mises weights, 20 degrees wide).
function nearest(v, a) {
  const strength = Math.sqrt(Math.max(0, v * v + a * a - v * v * a * a));
  const neutral = Math.max(0, 1 - strength / 0.6);
  const shares = [["neutral", neutral]];
  if (strength > 0) {
    const angle = Math.atan2(a, v);
    const width = Math.pow((20 * Math.PI) / 180, 2);
    const weights = props.names.map(([name, degrees]) => [
      name, Math.exp((Math.cos(angle - (degrees * Math.PI) / 180) - 1) / width),
    ]);
    const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of weights) shares.push([name, ((1 - neutral) * weight) / total]);
  }
  return shares.sort((x, y) => y[1] - x[1]);
}

function strengthWord(v, a) {
  const strength = Math.sqrt(Math.max(0, v * v + a * a - v * v * a * a));
  return strength < 0.35 ? "a little " : strength > 0.85 ? "very " : "";
}

function draw() {
  const [v, a] = point;
  knob.style.left = 50 + 50 * v + "%";
  knob.style.top = 50 - 50 * a + "%";
  const mouth = 18 * v;
  const open = Math.max(0, a) * 13;
  part("mouth").setAttribute(
    "d", "M-21 " + (20 - mouth * 0.45) + " Q0 " + (20 + mouth) + " 21 " + (20 - mouth * 0.45) +
      " Q0 " + (20 + mouth + open) + " -21 " + (20 - mouth * 0.45) + "Z");
  for (const eye of element.querySelectorAll(".eye")) eye.setAttribute("ry", 6 + 3.5 * a - (a < -0.5 ? 1.6 : 0));
  const lift = -24 - 6 * a;
  const anger = a > 0 && v < 0 ? 9 * Math.min(a, 1) * -v : a <= 0 && v < 0 ? 7 * v : 0;
  part("brow-left").setAttribute("d", "M-28 " + (lift - anger * 0.5) + " L-9 " + (lift + anger));
  part("brow-right").setAttribute("d", "M28 " + (lift - anger * 0.5) + " L9 " + (lift + anger));

  // A word that the knob would cut in two steps back; the mood is written below the pad.
  const box = knob.getBoundingClientRect();
  for (const word of part("names").children) {
    const { left, right, top, bottom } = word.getBoundingClientRect();
    word.classList.toggle("behind", left < box.right && right > box.left && top < box.bottom && bottom > box.top);
  }
  const [first, second] = nearest(v, a);
  const word = first[0] === "neutral" ? "neutral" : strengthWord(v, a) + first[0];
  part("name").textContent = word;
  part("also").textContent = second && second[1] > 0.2 && second[0] !== "neutral" ? "with a touch of " + second[0] : "";
  // The living face answers at once, before any message.
  document.dispatchEvent(new CustomEvent("emotalk-mood", { detail: [v, a] }));
  pad.setAttribute("aria-valuenow", v.toFixed(2));
  pad.setAttribute("aria-valuetext", word + ", valence " + v.toFixed(2) + ", arousal " + a.toFixed(2));
}

function move(v, a) {
  point = [round(clamp(v)), round(clamp(a))];
  draw();
  // One message a frame, whatever the pointer's rate.
  if (!waiting) {
    waiting = requestAnimationFrame(() => {
      waiting = 0;
      props.value = [...point];
      trigger("input");
    });
  }
}

function follow(event) {
  const box = pad.getBoundingClientRect();
  move(((event.clientX - box.left) / box.width) * 2 - 1, 1 - ((event.clientY - box.top) / box.height) * 2);
}

pad.addEventListener("pointerdown", (event) => {
  pad.setPointerCapture(event.pointerId);
  pad.focus({ preventScroll: true });
  pad.classList.add("held");
  follow(event);
});
pad.addEventListener("pointermove", (event) => {
  if (pad.hasPointerCapture(event.pointerId)) follow(event);
});
for (const kind of ["pointerup", "pointercancel"]) pad.addEventListener(kind, () => pad.classList.remove("held"));
pad.addEventListener("dblclick", () => move(0, 0));
pad.addEventListener("keydown", (event) => {
  const step = event.shiftKey ? 0.25 : 0.05;
  const [v, a] = point;
  const target = {
    ArrowRight: [v + step, a], ArrowLeft: [v - step, a], ArrowUp: [v, a + step], ArrowDown: [v, a - step],
    Home: [0, 0], PageUp: [v, a + 0.25], PageDown: [v, a - 0.25],
  }[event.key];
  if (!target) return;
  event.preventDefault();
  move(...target);
});

for (const [name, degrees] of props.names) {
  const label = document.createElement("span");
  const angle = (degrees * Math.PI) / 180;
  // On the circle, each word anchored at its outer edge so that none leaves the pad; those near the top and the bottom
  // farther apart, where words stand side by side. 0.6 keeps all words apart on a pad of 200 pixels and more.
  const across = Math.sign(Math.cos(angle)) * Math.pow(Math.abs(Math.cos(angle)), 0.6);
  label.textContent = name;
  label.style.left = 50 + 46.5 * across + "%";
  label.style.top = 50 - 45 * Math.sin(angle) + "%";
  label.style.transform = "translate(" + (-50 - 50 * Math.cos(angle)) + "%, -50%)";
  part("names").append(label);
}

watch("value", () => {
  if (waiting || !Array.isArray(props.value)) return;
  point = props.value.map((x) => clamp(Number(x) || 0));
  draw();
});
if (Array.isArray(props.value)) point = props.value;
draw();
// Sizes are known once it is on the screen, and change with it.
new ResizeObserver(draw).observe(pad);
