// An avatar taking shape. value = {state: idle | working | done | stopped, note, detail, share, axis,
// curve: [[second, dB], ...], preview: a data address of two squares side by side, a moment of the video and the avatar
// in its pose, or missing to keep the last one}.
const fit = element.querySelector(".fit");
let told = ""; // what screen readers know
const pictures = element.querySelectorAll(".now, .then");

function draw(curve) {
  const first = curve.length ? curve[0][0] : 0;
  const last = curve.length ? curve[curve.length - 1][0] : 0;
  fit.classList.toggle("drawn", curve.length > 2 && last > first);
  if (curve.length < 3 || last <= first) return;
  const levels = curve.map((point) => point[1]);
  const low = Math.min(...levels);
  const high = Math.max(...levels, low + 1);
  element.querySelector("polyline").setAttribute(
    "points",
    curve.map(([at, level]) => [300 * (at - first) / (last - first), 60 - 56 * (level - low) / (high - low)].join(",")).join(" "),
  );
}

// Screen readers are told how it begins and ends, and every quarter on the way.
function tell(state, quarter, detail) {
  const news = state + (state === "working" ? quarter : "");
  if (news === told) return;
  const begun = told !== "";
  told = news;
  const words = {
    working: quarter ? `${25 * quarter} percent of the avatar are made` : "Making the avatar",
    done: detail || "The avatar is made",
    stopped: "The avatar is not made",
  };
  if (begun) element.querySelector(".said").textContent = words[state] || "";
}

function show() {
  const value = props.value || {};
  fit.dataset.state = value.state || "idle";
  element.querySelector(".say").textContent = value.note || "";
  element.querySelector(".detail").textContent = value.detail || "";
  element.querySelector(".axis").textContent = value.axis || "";
  const share = value.share || 0;
  element.querySelector(".bar i").style.width = `${100 * share}%`;
  element.querySelector(".bar").setAttribute("aria-valuenow", Math.round(100 * share));
  tell(value.state, Math.floor(4 * share), value.detail || "");
  for (const picture of pictures) {
    if (value.fresh) picture.removeAttribute("src");
    if (value.preview) picture.src = value.preview;
  }
  draw(value.curve || []);
}

watch("value", show);
show();
