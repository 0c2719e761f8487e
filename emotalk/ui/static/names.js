// Names for screen readers where Gradio's own parts have none, or one that says other words than are to be read there,
// plain words in place of "queue: 2/3 | 1.2/40.0s" (page.css shows them), and fields in which a language may run from right
// to left. All of it before the next picture is painted, and at most once for it, whatever changes meanwhile.
() => {
  const plain = (text) => {
    const [, place, took, usual] = text.match(/^\s*(?:queue: (\d+)\/\d+ \||processing \|)?\s*([\d.]+)(?:\/([\d.]+))?s/) || [];
    if (!took) return null;
    const left = usual ? 10 * Math.ceil((usual - took) / 10) : 0;
    return (place > 1 ? `Number ${place} in line` : "One moment") + (left > 0 ? `, about ${left} seconds` : "...");
  };
  const mend = () => {
    // What is written in a field for files is its name; Gradio's own says something else.
    for (const field of document.querySelectorAll("button.upload-container[aria-label]")) field.removeAttribute("aria-label");
    for (const picture of document.querySelectorAll(".image-container > button:not([aria-label])")) {
      const label = picture.closest(".block")?.querySelector("[data-testid=block-label]");
      picture.setAttribute("aria-label", label?.innerText.trim() || "The picture");
    }
    // The head of a message is no button: there is one in it, and a press beside that only folds what is to be read.
    for (const head of document.querySelectorAll(".toast-header[role]")) {
      head.removeAttribute("role");
      head.removeAttribute("tabindex");
    }
    for (const counter of document.querySelectorAll(".progress-text")) {
      const words = plain(counter.textContent);
      if (words && counter.dataset.words !== words) counter.dataset.words = words;
    }
    for (const field of document.querySelectorAll("textarea:not([dir=auto]), input[type=text]:not([dir=auto])")) field.dir = "auto";
  };
  let due = false;
  const soon = () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      mend();
    });
  };
  new MutationObserver(soon).observe(document.body, { childList: true, characterData: true, subtree: true });
  mend();
}
