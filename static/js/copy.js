// [data-copy="12568"]: a click copies the value and announces it, or [data-copied] instead. Then "copied" is dispatched.

async function copy(text, within) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // The clipboard API needs https or localhost; execCommand works everywhere.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  within.append(area); // what is outside of an open dialog takes no focus
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("The browser refused to copy.");
}

// A double click on a number selects its digits alone: they are copied as its button copies it.
document.addEventListener("copy", (event) => {
  const selected = getSelection().toString().trim();
  const place = getSelection().anchorNode?.parentElement?.closest(".col-number, .did-title");
  const number = place?.querySelector("[data-copy]")?.dataset.copy;
  if (!number || number !== `+${selected}`) return;
  event.clipboardData.setData("text/plain", number);
  event.preventDefault();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const polite = document.getElementById("polite");
  try {
    await copy(button.dataset.copy, button.closest("dialog") ?? document.body);
    polite.textContent = `Copied ${button.dataset.copied ?? button.dataset.copy}`;
    button.classList.add("is-copied");
    button.dispatchEvent(new CustomEvent("copied", { bubbles: true, detail: polite.textContent }));
    setTimeout(() => button.classList.remove("is-copied"), 1500);
  } catch {
    polite.textContent = "The browser did not allow copying";
  }
  setTimeout(() => (polite.textContent = ""), 3000);
  button.focus({ preventScroll: true });
});
