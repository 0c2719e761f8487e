// Hands each new still picture (a data address) to the stage.
watch("value", () => document.dispatchEvent(new CustomEvent("emotalk-still", { detail: props.value })));
