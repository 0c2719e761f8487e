// The avatars as a row of round pictures. value = the chosen name; props.people = [{name, title, about, picture}];
// props.hub_faces = the same for faces from the Hub; one with a `note` has to be downloaded first: pressing it fires
// `select` with {address: name}, and the page answers with new ones, or with the same and another `answered`.
const row = element.querySelector(".faces");
let shown = "";
let chosen = ""; // the face that whoever looks has seen chosen
let missing = false; // it has gone, and nobody was told
const everybody = () => [...props.people, ...(props.hub_faces || [])];
const here = (name) => everybody().some((person) => person.name === name);

function choose(name, tell) {
  if (here(name)) chosen = name;
  for (const button of row.children) {
    if (button.getAttribute("role") !== "radio") continue;
    const on = button.dataset.name === name;
    button.setAttribute("aria-checked", String(on));
    button.tabIndex = on ? 0 : -1;
    if (on && tell) button.focus();
    if (on) {
      // In a row that is wider than a phone the chosen face is in sight; the page itself does not scroll.
      const [mine, all] = [button.getBoundingClientRect(), row.getBoundingClientRect()];
      row.scrollLeft += mine.left + mine.width / 2 - (all.left + all.width / 2);
    }
  }
  const first = row.querySelector("[role=radio]");
  if (first && !row.querySelector("[tabindex='0']")) first.tabIndex = 0; // with none chosen the keyboard begins there
  if (tell && props.value !== name) {
    props.value = name;
    trigger("input");
  }
}

function picture(person) {
  if (person.picture) {
    const image = document.createElement("img");
    image.src = person.picture;
    image.alt = "";
    return image;
  }
  const place = document.createElement("i");
  place.setAttribute("aria-hidden", "true");
  return place;
}

function put(person) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.name = person.name;
  button.title = person.about;
  const title = document.createElement("span");
  title.textContent = person.title;
  title.dir = "auto";
  button.append(picture(person), title);
  if (person.note) {
    const note = document.createElement("small");
    note.textContent = person.note;
    button.append(note);
    button.addEventListener("click", () => {
      if (row.querySelector(".coming")) return;
      button.classList.add("coming");
      trigger("select", { address: person.name });
    });
  } else {
    button.setAttribute("role", "radio");
    button.addEventListener("click", () => choose(person.name, true));
  }
  row.append(button);
}

function fill() {
  const told = JSON.stringify([everybody(), props.answered]);
  if (told === shown) return; // the buttons stay, with a press or a focus that may be on one of them
  shown = told;
  missing ||= Boolean(chosen) && !here(chosen);
  row.replaceChildren();
  everybody().forEach(put);
  follow();
}

// The value may come before the faces, or after them. Where the chosen face was deleted, another one takes its place on the
// stage and in all else that follows a choice.
function follow() {
  choose(props.value, false);
  if (!missing || !here(props.value)) return;
  missing = false;
  document.dispatchEvent(new CustomEvent("emotalk-gone"));
  trigger("input");
}

row.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const names = everybody().filter((person) => !person.note).map((person) => person.name);
  choose(names[(names.indexOf(props.value) + step + names.length) % names.length], true);
});
watch("people", fill);
watch(["hub_faces", "answered"], fill);
watch("value", follow);
fill();
