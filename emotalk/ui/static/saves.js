// What can be done with a finished clip. value = {} or {base, name, endings}: its address without the ending, what its
// files are called, and which there are, the video first; captions and other formats are made when they are asked for.
const saves = element.querySelector(".saves");
const share = element.querySelector(".share");
const main = element.querySelector(".main");
const more = element.querySelector(".more");
const told = element.querySelector(".told");
const WORDS = {
  srt: "Captions for video programs", vtt: "Captions for web pages", m4a: "The sound alone", wav: "The sound, uncompressed",
  png: "A picture", gif: "A loop without sound", webp: "A smaller loop", csv: "The motion, for Unreal or Blender",
  mp4: "The video", webm: "The video",
};
const TYPES = { mp4: "video/mp4", webm: "video/webm" };
let sharing = false;

const value = () => props.value || {};
const ending = () => (value().endings || [])[0];
const name = (kind) => value().name + "." + kind;
const address = (kind) =>
  new URL(value().base + "." + kind + (location.search.includes("__sign") ? location.search : ""), document.baseURI).href;

// Whether a share sheet here takes such a file: asked with an empty one, before anything is loaded.
function sheet() {
  try {
    return Boolean(navigator.share && navigator.canShare?.({ files: [new File([""], name(ending()), { type: TYPES[ending()] })] }));
  } catch {
    return false;
  }
}

function link(kind, at) {
  at.href = address(kind);
  at.download = name(kind);
  return at;
}

function show() {
  const there = Boolean(value().base);
  saves.hidden = !there;
  more.open = false;
  told.textContent = "";
  if (!there) return;
  link(ending(), main);
  share.textContent = sheet() ? "Share" : "Copy link";
  share.classList.toggle("primary", sheet()); // what people most likely want here
  main.classList.toggle("primary", !sheet());
  more.querySelector("ul").replaceChildren(...value().endings.slice(1).map((kind) => {
    const item = document.createElement("li");
    const anchor = link(kind, document.createElement("a"));
    anchor.dataset.kind = kind;
    const said = document.createElement("span");
    said.textContent = "." + kind;
    anchor.append(WORDS[kind] || kind, said);
    anchor.addEventListener("click", () => {
      more.open = false;
      told.textContent = "Preparing " + name(kind) + "; your browser saves it when it is ready.";
    });
    item.append(anchor);
    return item;
  }));
}

async function send() {
  const answer = await fetch(address(ending()));
  if (!answer.ok) throw new Error("gone");
  const file = new File([await answer.blob()], name(ending()), { type: TYPES[ending()] });
  await navigator.share({ files: [file], title: value().name });
  return "Shared.";
}

async function copy() {
  await navigator.clipboard.writeText(address(ending()));
  const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  return "The link is copied. It works while this page is open" + (here ? ", on this computer." : ".");
}

share.addEventListener("click", async () => {
  if (sharing) return;
  sharing = true;
  saves.setAttribute("aria-busy", "true");
  try {
    told.textContent = sheet() ? await send() : await copy();
  } catch (error) {
    // Closing the sheet is no failure. A page inside another one may be forbidden to share: then the file is saved.
    if (error.name === "AbortError") told.textContent = "";
    else if (error.message === "gone") told.textContent = "This video is gone from the server; generate it again.";
    else {
      main.click();
      told.textContent = "This browser does not let the page share, so the video is saved instead.";
    }
  } finally {
    sharing = false;
    saves.removeAttribute("aria-busy");
  }
});
document.addEventListener("click", (event) => {
  if (!more.contains(event.target)) more.open = false;
});
more.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  more.open = false;
  more.querySelector("summary").focus();
});

watch("value", show);
document.addEventListener("emotalk-gone", () => {
  props.value = {};
  show();
});
show();
