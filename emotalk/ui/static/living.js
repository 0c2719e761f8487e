// The living face on the stage. props.script = where its module lies; `value` = {} or what the server tells of the chosen
// face: {name, ticket, face, pack, who}, with `pack` null where it may not be drawn here. Fires `input` once this browser
// has shown that it can draw one, and `stop` when it turns out that it cannot: then pictures and videos are all there is.
// What people do reaches it as events of the document: emotalk-mood [v, a], emotalk-view {...}, emotalk-say {...},
// emotalk-hush. Who asks with emotalk-living (a function) is given { living, name, Microphone } where a face is shown.
const stage = () => document.querySelector("#stage .stage");
const address = (path) => {
  const sign = new URLSearchParams(location.search).get("__sign");
  const url = new URL(path, document.baseURI);
  if (sign) url.searchParams.set("__sign", sign);
  return url.href;
};
const tell = (event, detail) => document.dispatchEvent(new CustomEvent("emotalk-" + event, { detail }));
let living = null;
let Microphone = null;
let view = {};
let mood = null; // [valence, arousal, expressiveness]
let name = ""; // of the face in the canvas
let pending = null; // what a face is to say that is not here yet
let turn = 0; // counts what the server told; the newest wins
let hidden = false; // the picture that is wanted is another than a square of the face

function told(event, detail) {
  const place = stage();
  if (!place) return;
  if (event === "shown") dress();
  else if (event === "remark" || event === "failed") tell("note", detail);
  else {
    place.dataset.voice = event;
    tell("voice", event);
    document.body.classList.toggle("emotalk-speaking", event !== "silent");
  }
}

// The canvas is on the stage where there is a face in it and the picture that is wanted can be had so.
function dress() {
  const on = Boolean(living && living.face) && !hidden;
  stage()?.classList.toggle("living", on);
  document.body.classList.toggle("emotalk-live", on);
  if (!living) return;
  if (on) living.start();
  else {
    living.hush(); // nobody sees it talk, or the button that ends the microphone
    living.pause();
  }
}

// No face in the canvas: the server's picture stands for it. The next one that is chosen is tried anew.
function undress() {
  living.undress();
  name = "";
  trigger("stop");
}

async function begin() {
  try {
    const module = await import(address(props.script));
    const options = { software: window.emotalkSoftware === true }; // a test draws without a graphics processor
    if (!module.canDraw(options.software)) return;
    living = new module.Living(stage().querySelector(".alive"), address, told, options);
    Microphone = module.Microphone;
    element.living = living; // for whoever looks at it from outside
  } catch {
    return; // an old browser: the pictures of the server are there
  }
  window.emotalkLive = true;
  trigger("input");
}

async function follow() {
  const { value } = props;
  if (!living || !value || !value.name) return;
  const mine = ++turn;
  try {
    if (value.pack) {
      await living.wear(value);
      if (mine !== turn) return;
      name = value.name;
      living.look(view);
      if (mood) living.mood(...mood);
    } else undress();
  } catch {
    if (mine !== turn) return;
    undress();
  }
  dress();
  speak();
}

// Says what waits for its face; as a video, where that face is not to be had here.
function speak() {
  if (!pending || (living && name && name !== pending.avatar)) return;
  const wish = pending;
  pending = null;
  if (living && name) living.say(wish);
  else document.querySelector("#generate").click();
}

const on = (event, does) => document.addEventListener("emotalk-" + event, ({ detail }) => does(detail));
on("mood", ([valence, arousal]) => {
  mood = [valence, arousal, view.expressiveness];
  living?.mood(...mood);
});
on("view", (wanted) => {
  view = wanted;
  hidden = wanted.still;
  mood = [wanted.valence, wanted.arousal, wanted.expressiveness];
  living?.look(view);
  living?.mood(...mood);
  dress();
});
on("say", (wish) => {
  pending = wish;
  speak();
});
on("hush", () => {
  pending = null;
  living?.hush();
});
on("living", (take) => living && name && take({ living, name, Microphone }));
on("lend", () => (living?.puppet ? living.silence() : living?.lend()));
// A video that is made or played has the word, or a voice that is tried, and the microphone is not heard meanwhile.
document.addEventListener("click", (event) => event.target.closest("#generate, #listen, #stage .replay") && living?.hush());
// Browsers let a page sound in answer to a press, and some only before anything else happens.
document.addEventListener("click", (event) => event.target.closest("#talk, #starters button, #surprise, .mic") && living?.sounding());
watch("value", follow);
begin();
