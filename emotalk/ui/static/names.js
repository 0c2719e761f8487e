// Names for screen readers where Gradio's own parts have none, or one that says other words than are to be read there.
() => {
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
  };
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
  mend();
}
