// The avatars as a row of round pictures. value = the chosen name; props.people = [{name, title, about, picture}].
const row = element.querySelector(".faces");

function choose(name, tell) {
  for (const button of row.children) {
    const on = button.dataset.name === name;
    button.setAttribute("aria-checked", String(on));
    button.tabIndex = on ? 0 : -1;
    if (on && tell) button.focus();
  }
  if (tell && props.value !== name) {
    props.value = name;
    trigger("input");
  }
}

function fill() {
  row.replaceChildren();
  for (const person of props.people) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("role", "radio");
    button.dataset.name = person.name;
    button.title = person.about;
    const picture = document.createElement("img");
    picture.src = person.picture;
    picture.alt = "";
    const title = document.createElement("span");
    title.textContent = person.title;
    button.append(picture, title);
    button.addEventListener("click", () => choose(person.name, true));
    row.append(button);
  }
  choose(props.value, false);
}

row.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const names = props.people.map((person) => person.name);
  choose(names[(names.indexOf(props.value) + step + names.length) % names.length], true);
});
watch("people", fill);
watch("value", () => choose(props.value, false));
fill();
