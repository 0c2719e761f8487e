// Hands each new still picture (a data address) to the stage.
watch("value", () => document.dispatchEvent(new CustomEvent("emotalk-still", { detail: props.value })));
// And asks the server for one (`input`) when the page wants it.
document.addEventListener("emotalk-restill", () => trigger("input"));
