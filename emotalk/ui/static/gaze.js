// Where the person looks. value = a word of props.ways = [[title, word], ...], or a point "20,-5": degrees to the right and
// up, as seen in the picture, at most props.most = [right, up]. Fires `input` when a person changes it.
const ways = element.querySelector(".ways");
const point = element.querySelector(".point");
const field = element.querySelector(".field");
const POINT = "point";
const group = "gaze-" + Math.random().toString(36).slice(2);
let at = [12, 4];   // the point that is chosen, or was
let waiting = 0;
const whole = (degrees, most) => Math.round(Math.max(-most, Math.min(most, degrees)));
const side = (degrees, more, less) => (degrees === 0 ? "" : Math.abs(degrees) + "\u00b0 " + (degrees > 0 ? more : less));

function draw() {
  const pointed = String(props.value).includes(",");
  for (const input of ways.querySelectorAll("input")) input.checked = input.value === (pointed ? POINT : props.value);
  point.hidden = !pointed;
  const [right, up] = at, [mostRight, mostUp] = props.most, dot = field.firstElementChild.style;
  dot.left = 50 + (50 * right) / mostRight + "%";
  dot.top = 50 - (50 * up) / mostUp + "%";
  const words = [side(right, "to the right", "to the left"), side(up, "up", "down")].filter(Boolean).join(", ") || "straight ahead";
  element.querySelector(".where").textContent = words + ", as seen in the picture";
  field.setAttribute("aria-valuenow", right);
  field.setAttribute("aria-valuetext", words);
}

function put(value) {
  props.value = value;
  draw();
  // One message a frame, whatever the pointer's rate.
  waiting ||= requestAnimationFrame(() => {
    waiting = 0;
    trigger("input");
    trigger("change");
  });
}

function move(right, up) {
  at = [whole(right, props.most[0]), whole(up, props.most[1])];
  put(at.join(","));
}

function follow(event) {
  const box = field.getBoundingClientRect(), [right, up] = props.most;
  move(((event.clientX - box.left) / box.width * 2 - 1) * right, (1 - ((event.clientY - box.top) / box.height) * 2) * up);
}

for (const [title, word] of [...props.ways, ["At a point", POINT]]) {
  const label = document.createElement("label"), input = document.createElement("input");
  Object.assign(input, { type: "radio", name: group, value: word, className: "ways-dot" });
  input.addEventListener("change", () => put(word === POINT ? at.join(",") : word));
  label.append(input, title);
  ways.append(label);
}
field.addEventListener("pointerdown", (event) => {
  field.setPointerCapture(event.pointerId);
  field.focus({ preventScroll: true });
  follow(event);
});
field.addEventListener("pointermove", (event) => field.hasPointerCapture(event.pointerId) && follow(event));
field.addEventListener("keydown", (event) => {
  const step = event.shiftKey ? 5 : 1, [right, up] = at;
  const target = {
    ArrowRight: [right + step, up], ArrowLeft: [right - step, up], ArrowUp: [right, up + step], ArrowDown: [right, up - step],
    Home: [0, 0],
  }[event.key];
  if (!target) return;
  event.preventDefault();
  move(...target);
});
watch("value", () => {
  const found = String(props.value).split(",").map(Number);
  if (found.length === 2 && found.every(Number.isFinite)) at = found;
  draw();
});
draw();
